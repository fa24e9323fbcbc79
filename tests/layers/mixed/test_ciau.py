import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from visattn.core.errors import ShapeError
from visattn.layers.mixed.ciau import CIAU, cost


def randomised(channels: int = 6) -> CIAU:
    module = CIAU(channels).eval().double()
    with torch.no_grad():
        for p in module.parameters():
            p.normal_()
    return module


def mixing(channels: int) -> CIAU:
    """Build one whose update is the mixture itself."""
    module = CIAU(channels).eval().double()
    with torch.no_grad():
        module.update.weight.copy_(torch.eye(channels).reshape(channels, channels, 1, 1))
        module.update.bias.zero_()
        module.norm.weight.fill_((1 + module.norm.eps) ** 0.5)
    return module


def image(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_by_hand() -> None:
    """Rows (1, 0) and (a, 0), a² − a = ln 3: the second looks at itself thrice as much as at the first.

    The first has products 1 and a, so it looks at the second e^(a−1) times as much as at itself.
    """
    a = (1 + (1 + 4 * torch.tensor(3.0, dtype=torch.float64).log()).sqrt()) / 2
    x = torch.stack((torch.ones_like(a), a))[:, None] * torch.tensor([1.0, 0.0], dtype=torch.float64)
    first = (1 + a * (a - 1).exp()) / (1 + (a - 1).exp())
    second = (1 + 3 * a) / 4
    expected = x + torch.stack((first, second))[:, None] * torch.tensor([1.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(mixing(2)(x[None, :, None]), expected[None, :, None])


def test_orthogonal_large_rows_mix_with_themselves_alone() -> None:
    x = 10 * torch.eye(6, dtype=torch.float64).reshape(1, 6, 2, 3)
    torch.testing.assert_close(mixing(6)(x), 2 * x)


def test_equal_rows_mix_to_themselves() -> None:
    x = image(2, 1, 4, 5).expand(2, 6, 4, 5)
    torch.testing.assert_close(mixing(6)(x), 2 * x)


def test_attention_does_not_know_positions() -> None:
    module, x = randomised(), image(2, 6, 5, 7)
    order = torch.randperm(35)
    shuffled = x.flatten(2)[:, :, order].reshape(x.shape)
    torch.testing.assert_close(module(shuffled).flatten(2), module(x).flatten(2)[:, :, order])


def test_the_mixture_follows_renumbered_channels() -> None:
    module, x = mixing(6), image(2, 6, 5, 7)
    order = torch.randperm(6)
    torch.testing.assert_close(module(x[:, order]), module(x)[:, order])


def test_in_a_clip_channels_of_all_frames_are_rows() -> None:
    """With the mixture for an update, it is the image whose channels are those of all frames."""
    x = image(2, 3, 4, 5, 6)
    torch.testing.assert_close(mixing(3)(x), mixing(12)(x.flatten(1, 2)).reshape(x.shape))


def test_a_clip_of_one_frame_is_an_image() -> None:
    module, x = randomised(), image(2, 6, 5, 7)
    torch.testing.assert_close(module(x[:, :, None])[:, :, 0], module(x))


def test_starts_as_the_identity_in_training_too() -> None:
    x = torch.randn(2, 6, 5, 7)
    assert torch.equal(CIAU(6).train()(x), x)


def test_published_initialisation() -> None:
    assert CIAU(256).update.weight.std().item() == pytest.approx((2 / 256) ** 0.5, rel=0.02)


def test_cost_of_a_clip() -> None:
    with FlopCounterMode(display=False) as counter:
        CIAU(6)(torch.randn(1, 6, 3, 5, 7))
    assert counter.get_total_flops() == 2 * cost(6, 5, 7, frames=3).macs


def test_errors() -> None:
    with pytest.raises(ShapeError, match="ciau got channels=0, expected at least 1"):
        CIAU(0)
