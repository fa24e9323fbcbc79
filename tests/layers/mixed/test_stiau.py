import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from visattn.core.errors import ShapeError
from visattn.layers.mixed.siau import SIAU
from visattn.layers.mixed.stiau import STIAU, cost


def randomised(channels: int = 6) -> STIAU:
    module = STIAU(channels).eval().double()
    with torch.no_grad():
        for p in module.parameters():
            p.normal_(std=0.5)
    return module


def clip(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_on_an_image_it_is_siau() -> None:
    module, image = randomised(), SIAU(6).eval().double()
    image.load_state_dict(module.state_dict())
    x = clip(2, 6, 5, 7)
    torch.testing.assert_close(module(x), image(x))
    torch.testing.assert_close(module(x[:, :, None])[:, :, 0], image(x))


def test_frames_see_each_other_and_their_order_does_not_count() -> None:
    module, x = randomised(), clip(2, 6, 4, 5, 7)
    order = torch.randperm(4)
    torch.testing.assert_close(module(x[:, :, order]), module(x)[:, :, order])
    other = x.clone()
    other[:, :, 3] += 1
    assert not torch.allclose(module(other)[:, :, 0], module(x)[:, :, 0])


def test_any_number_of_frames_and_size() -> None:
    module = randomised()
    for shape in [(1, 6, 1, 3, 3), (2, 6, 5, 4, 3), (1, 6, 8, 2, 7)]:
        y, maps = module.with_parts(clip(*shape))
        assert y.shape == shape
        assert maps.shape == (shape[0], shape[2], 4, *shape[3:])


def test_starts_as_the_identity_in_training_too() -> None:
    x = torch.randn(1, 6, 3, 5, 7)
    assert torch.equal(STIAU(6).train()(x), x)


def test_gradients_of_a_clip_are_derivatives() -> None:
    assert torch.autograd.gradcheck(randomised(), clip(2, 6, 3, 4, 3).requires_grad_(), fast_mode=True)


def test_cost_of_a_clip() -> None:
    module = STIAU(6, parts=3).eval()
    with FlopCounterMode(display=False) as counter:
        module(torch.randn(1, 6, 4, 5, 7))
    own = cost(6, 5, 7, parts=3, frames=4)
    assert counter.get_total_flops() == 2 * own.macs
    assert own.params == sum(p.numel() for p in module.parameters())


def test_errors() -> None:
    with pytest.raises(ShapeError, match="stiau got parts=0, expected at least 2"):
        STIAU(8, parts=0)
