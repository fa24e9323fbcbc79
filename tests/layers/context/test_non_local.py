import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.context.non_local import NonLocal, cost

LN3 = math.log(3)
FORMS = ["embedded_gaussian", "gaussian", "dot_product", "concatenation"]


def randomised(channels: int = 6, **options: object) -> NonLocal:
    module = NonLocal(channels, **{"sub_sample": "none", **options}).double().eval()
    with torch.no_grad():
        for p in module.parameters():
            p.normal_(std=0.5)
    return module


def image(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def params(**options: object) -> int:
    return sum(p.numel() for p in NonLocal(**options).parameters())


@pytest.mark.parametrize(("channels", "count"), [(256, 132_224), (512, 526_592), (1024, 2_101_760), (2048, 8_397_824)])
def test_published_parameters_of_a_block(channels: int, count: int) -> None:
    assert params(channels=channels) == count


def test_parameters_of_the_other_forms() -> None:
    assert params(channels=1024, pairwise="gaussian") == 1_052_160
    assert params(channels=1024, pairwise="dot_product") == 2_101_760
    assert params(channels=1024, pairwise="concatenation") == 2_101_760 + 2 * 512


@pytest.mark.parametrize(
    ("pairwise", "received"),
    [
        # position 0 weighs both alike, position ln 3 has the logits 0 and (ln 3)²
        ("gaussian", [10 * LN3 / 2, 10 * LN3 * 3**LN3 / (1 + 3**LN3)]),
        # x_i / 2 · Σ x_j · 10 x_j
        ("dot_product", [0.0, 5 * LN3**3]),
    ],
)
def test_by_hand(pairwise: str, received: list[float]) -> None:
    """One channel over two positions, 0 and ln 3; queries and keys are the input, values ten times it."""
    module = NonLocal(1, pairwise=pairwise, sub_sample="none", norm=False).double()
    with torch.no_grad():
        for projection, weight in ((module.query, 1), (module.key, 1), (module.value, 10), (module.output, 1)):
            if projection is not None:
                projection.weight.fill_(weight)
    x = torch.tensor([[[0.0, LN3]]], dtype=torch.float64)
    torch.testing.assert_close(module(x) - x, torch.tensor([[received]], dtype=torch.float64))


def naive(module: NonLocal, x: Tensor) -> Tensor:
    """The paper's formulas with every weight stored."""
    flat = x.flatten(2)
    query, key = (flat if p is None else p(flat) for p in (module.query, module.key))
    value, keys = module.value(flat), flat.shape[2]
    products = torch.einsum("bcn,bcm->bnm", query, key)
    if module.pair is not None:
        pairs = torch.cat((query[..., None].expand(*query.shape, keys), key[:, :, None].expand(*query.shape, keys)), 1)
        weights = torch.einsum("c,bcnm->bnm", module.pair.weight.flatten(), pairs).relu() / keys
    elif module.pairwise == "dot_product":
        weights = products / keys
    else:
        weights = (products / query.shape[1] ** 0.5 if module.scale else products).softmax(dim=2)
    return x + module.norm(module.output(torch.einsum("bnm,bcm->bcn", weights, value))).reshape(x.shape)


@pytest.mark.parametrize("pairwise", FORMS)
@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize(("hidden", "size"), [(3, (4, 5)), (30, (2, 3))], ids=["many positions", "many channels"])
def test_the_formula(pairwise: str, scale: bool, hidden: int, size: tuple[int, int]) -> None:
    module, x = randomised(pairwise=pairwise, scale=scale, hidden=hidden), image(2, 6, *size)
    torch.testing.assert_close(module(x), naive(module, x))


class Largest(TorchDispatchMode):
    """Notes the size of the largest tensor that any operator returns."""

    numel = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for t in out if isinstance(out, tuple | list) else [out]:
            self.numel = max(self.numel, t.numel() if isinstance(t, Tensor) else 0)
        return out


@pytest.mark.parametrize("pairwise", ["dot_product", "concatenation"])
def test_no_tensor_holds_a_weight_per_pair(pairwise: str) -> None:
    module, x = randomised(4, pairwise=pairwise), image(1, 4, 32, 32)
    with Largest() as largest:
        module(x)
    assert largest.numel <= 4 * (32 * 32 + 1)


def test_the_dot_product_is_priced_in_the_cheaper_order() -> None:
    def mixing(channels: int, side: int) -> int:
        block = {"hidden": channels // 2, "sub_sample": "none"}
        total = cost(channels, side, side, pairwise="dot_product", **block).macs
        return total - 4 * channels * (channels // 2) * side**2

    assert mixing(64, 56) == 2 * 32**2 * 56**2
    assert mixing(2048, 7) == 2 * 1024 * 49**2


def test_gaussian_is_the_embedded_gaussian_without_projections() -> None:
    module, other, x = randomised(pairwise="gaussian", hidden=6), randomised(hidden=6), image(2, 6, 4, 5)
    with torch.no_grad():
        for projection in (other.query, other.key):
            projection.weight.copy_(torch.eye(6)[..., None])
            projection.bias.zero_()
    other.load_state_dict(module.state_dict(), strict=False)
    torch.testing.assert_close(module(x), other(x))


@pytest.mark.parametrize("pairwise", FORMS)
def test_positions_have_no_order(pairwise: str) -> None:
    module, x, order = randomised(pairwise=pairwise), image(2, 6, 4, 5), torch.randperm(20)
    shuffled = x.flatten(2)[:, :, order].reshape(x.shape)
    torch.testing.assert_close(module(shuffled).flatten(2), module(x).flatten(2)[:, :, order])


@pytest.mark.parametrize("pairwise", FORMS)
@pytest.mark.parametrize("sub_sample", ["before", "after"])
def test_a_video_of_one_frame_is_an_image(pairwise: str, sub_sample: str) -> None:
    module, x = randomised(pairwise=pairwise, sub_sample=sub_sample), image(2, 6, 5, 4)
    torch.testing.assert_close(module(x[:, :, None])[:, :, 0], module(x))


@pytest.mark.parametrize("pairwise", FORMS)
def test_without_pooling_a_sequence_is_an_image_of_one_row(pairwise: str) -> None:
    module, x = randomised(pairwise=pairwise), image(2, 6, 9)
    torch.testing.assert_close(module(x), module(x[:, :, None])[:, :, 0])


def test_frames_of_a_video_are_not_pooled_and_attend_to_each_other() -> None:
    module, x = randomised(sub_sample="before"), image(1, 6, 3, 2, 2)
    changed = x.clone()
    changed[:, :, 2] += 1
    assert (module(changed) - module(x))[:, :, :2].abs().amin(dim=(0, 3, 4)).min() > 0


@pytest.mark.parametrize("sub_sample", ["before", "after"])
def test_sub_sampling_takes_the_maxima_of_squares(sub_sample: str) -> None:
    """With the values alone depending on the input, the block returns the mean of what is pooled."""
    module = NonLocal(1, hidden=1, sub_sample=sub_sample, norm=False).double()
    sign = -1.0
    with torch.no_grad():
        for projection, weight in ((module.query, 0), (module.key, 0), (module.value, sign), (module.output, 1)):
            projection.weight.fill_(weight)
    x = torch.arange(20, dtype=torch.float64).reshape(1, 1, 4, 5)  # an odd last column is left out
    corners = [6, 8, 16, 18] if sub_sample == "before" else [0, 2, 10, 12]
    torch.testing.assert_close(module(x), x + sign * sum(corners) / 4)


def test_a_sequence_is_pooled_along_its_length() -> None:
    module = NonLocal(1, hidden=1, norm=False).double()
    with torch.no_grad():
        for projection, weight in ((module.query, 0), (module.key, 0), (module.value, 1), (module.output, 1)):
            projection.weight.fill_(weight)
    x = torch.arange(5, dtype=torch.float64).reshape(1, 1, 5)
    torch.testing.assert_close(module(x), x + 2)


def test_published_initialisation() -> None:
    module = NonLocal(512)
    for projection in (module.query, module.key, module.value, module.output):
        assert projection.weight.std().item() == pytest.approx(0.01, rel=0.02)
        assert projection.bias.abs().max() == 0
    assert module.norm.weight.abs().max() == 0
    assert NonLocal(8, norm=False).output.weight.abs().max() == 0


def test_half_precision_keeps_running_sums_exact() -> None:
    module, x = randomised(4, pairwise="concatenation"), image(1, 4, 40, 40)
    half = module.bfloat16()(x.bfloat16())
    assert half.dtype == torch.bfloat16
    rounded = module.double()(x.bfloat16().double())
    error = (half.double() - rounded).abs().max() / rounded.abs().max()
    assert error < 0.02


def test_errors() -> None:
    with pytest.raises(ShapeError, match="non_local got channels=0, expected at least 1"):
        NonLocal(0)
    with pytest.raises(ShapeError, match="non_local got hidden=0, expected at least 1"):
        NonLocal(8, hidden=0)
    with pytest.raises(ConfigError, match="non_local got pairwise='dot', expected one of 'embedded_gaussian', "):
        NonLocal(8, pairwise="dot")
    with pytest.raises(ConfigError, match="non_local got sub_sample='max', expected one of 'before', 'after', 'none'"):
        NonLocal(8, sub_sample="max")


@pytest.mark.parametrize("shape", [(2, 8, 1, 5), (2, 8, 5, 1), (2, 8, 1), (2, 8, 4, 1, 3)])
def test_too_small_to_pool(shape: tuple[int, ...]) -> None:
    message = r"non_local got an input of shape \(2, 8, .*\), expected at least 2 in each dimension that it pools"
    with pytest.raises(ShapeError, match=message + ": pass sub_sample='none' for smaller maps"):
        NonLocal(8)(torch.randn(shape))
    assert NonLocal(8, sub_sample="none").eval()(torch.randn(shape)).shape == shape
