import pytest
import torch

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.context.danet_cam import CAM


def randomised(channels: int = 6, **options: str) -> CAM:
    module = CAM(channels, **options).double()
    with torch.no_grad():
        module.gamma.normal_()
    return module


def image(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_it_has_one_parameter() -> None:
    assert sum(p.numel() for p in CAM(512).parameters()) == 1


@pytest.mark.parametrize(("variant", "own_share"), [("official", 0.25), ("paper", 0.75)])
def test_by_hand(variant: str, own_share: float) -> None:
    """Two orthogonal channels of length √ln 3: their products are ln 3 with themselves and 0 with each other."""
    module = CAM(2, variant=variant).double()
    torch.nn.init.constant_(module.gamma, 10.0)
    side = torch.tensor(3.0, dtype=torch.float64).log().sqrt()
    x = torch.diag(side.expand(2)).reshape(1, 2, 1, 2)
    mixed = torch.tensor([[own_share, 1 - own_share], [1 - own_share, own_share]], dtype=torch.float64)
    torch.testing.assert_close(module(x), x + 10 * side * mixed.reshape(1, 2, 1, 2))


def test_the_official_form_prefers_channels_that_differ() -> None:
    x = image(1, 6, 4, 5)
    official, paper = (CAM(6, variant=v).weights(x.flatten(2) / 10) for v in ("official", "paper"))
    products = torch.einsum("bcn,bdn->bcd", x.flatten(2), x.flatten(2))
    assert torch.equal(official.argmax(dim=2), products.argmin(dim=2))
    assert torch.equal(paper.argmax(dim=2), products.argmax(dim=2))


@pytest.mark.parametrize("variant", ["official", "paper"])
def test_neither_positions_nor_channels_have_an_order(variant: str) -> None:
    module, x = randomised(variant=variant), image(2, 6, 4, 5)
    positions, channels = torch.randperm(20), torch.randperm(6)
    shuffled = x.flatten(2)[:, channels][:, :, positions].reshape(x.shape)
    expected = module(x).flatten(2)[:, channels][:, :, positions]
    torch.testing.assert_close(module(shuffled).flatten(2), expected)


def test_autocast_leaves_the_logits_exact() -> None:
    """In bfloat16 the products, sums of 400 terms, would be off by more than 1."""
    module, flat = CAM(6), 3 * torch.randn(1, 6, 400) + 10
    expected = module.weights(flat)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(module.weights(flat), expected)


def test_half_precision_does_not_overflow() -> None:
    module = CAM(4).half()
    torch.nn.init.ones_(module.gamma)
    y = module(100 * torch.rand(1, 4, 32, 32).half())
    assert y.dtype == torch.float16 and y.isfinite().all()


def test_errors() -> None:
    with pytest.raises(ShapeError, match="danet_cam got channels=0, expected at least 1"):
        CAM(0)
    with pytest.raises(ConfigError, match="danet_cam got variant='code', expected one of 'official', 'paper'"):
        CAM(8, variant="code")
