import pytest
import torch

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.channel.eca import ECA, adaptive_kernel_size, cost


def constant(*means: float) -> torch.Tensor:
    return torch.tensor(means)[None, :, None, None].expand(1, len(means), 2, 3)


def gate(eca: ECA, x: torch.Tensor) -> torch.Tensor:
    return (eca(x) / x)[0, :, 0, 0]


@pytest.mark.parametrize(
    ("channels", "size"),
    [(1, 1), (7, 1), (16, 3), (32, 3), (64, 3), (96, 3), (128, 5), (256, 5), (512, 5), (1024, 5), (2048, 7)],
)
def test_kernel_size_follows_the_formula(channels: int, size: int) -> None:
    assert adaptive_kernel_size(channels) == size
    assert ECA(channels).conv.kernel_size == (size,)


def test_gamma_and_beta_change_the_kernel_size() -> None:
    assert adaptive_kernel_size(256, gamma=1, beta=1) == 9
    assert adaptive_kernel_size(256, gamma=2, beta=6) == 7
    assert ECA(256, gamma=1, beta=1).conv.kernel_size == (9,)


def test_by_hand_with_zero_padding_over_the_channels() -> None:
    """Weights 1, 2, 3 over means 1, 1, 1: the ends lack a neighbour, so the logits are 2 + 3, 1 + 2 + 3 and 1 + 2."""
    eca = ECA(3, kernel_size=3)
    with torch.no_grad():
        eca.conv.weight.copy_(torch.tensor([[[1.0, 2.0, 3.0]]]))
    torch.testing.assert_close(gate(eca, constant(1.0, 1.0, 1.0)), torch.tensor([5.0, 6.0, 3.0]).sigmoid())


def test_the_gate_of_a_channel_sees_its_neighbours_alone() -> None:
    eca = ECA(9, kernel_size=3)
    x = torch.rand(1, 9, 4, 5) + 1
    changed = x.clone()
    changed[:, 6] += 1
    assert (gate(eca, x) != gate(eca, changed)).nonzero().flatten().tolist() == [5, 6, 7]


def test_not_shared_has_weights_per_channel() -> None:
    """Means 1, 2, 3; channel i weighs the left, own or right neighbour: 0, 2 (own), and 2 (left)."""
    eca = ECA(3, kernel_size=3, shared=False)
    with torch.no_grad():
        eca.conv.weight.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])[:, None])
    torch.testing.assert_close(gate(eca, constant(1.0, 2.0, 3.0)), torch.tensor([0.0, 2.0, 2.0]).sigmoid())


def test_not_shared_with_equal_weights_is_shared() -> None:
    shared, separate = ECA(12, kernel_size=5), ECA(12, kernel_size=5, shared=False)
    with torch.no_grad():
        separate.conv.weight.copy_(shared.conv.weight.expand(12, 1, 5))
    x = torch.randn(2, 12, 4, 5)
    torch.testing.assert_close(separate(x), shared(x))


def test_published_weights_of_eca_resnet() -> None:
    """Kernel sizes per stage as released: ECA-Net-50 has 80 weights (the paper's number), ECA-Net-101 has 157."""
    widths = (256, 512, 1024, 2048)

    def added(depths: tuple[int, ...], sizes: tuple[int | None, ...]) -> int:
        stages = zip(widths, depths, sizes, strict=True)
        return sum(n * cost(c, 1, 1, kernel_size=k).params for c, n, k in stages)

    assert added((3, 4, 6, 3), (3, 5, 5, 7)) == 25_557_112 - 25_557_032 == 80
    assert added((3, 4, 6, 3), (None,) * 4) == 25_557_118 - 25_557_032
    assert added((3, 4, 23, 3), (3, 3, 5, 7)) == 44_549_317 - 44_549_160


def test_errors() -> None:
    with pytest.raises(ShapeError, match="eca got channels=0, expected at least 1"):
        ECA(0)
    with pytest.raises(ShapeError, match="eca got kernel_size=4, expected an odd number: use 3 or 5"):
        ECA(8, kernel_size=4)
    with pytest.raises(ConfigError, match="eca got gamma=0, expected a number above 0: the paper has 2"):
        ECA(8, gamma=0)
