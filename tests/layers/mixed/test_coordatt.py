import pytest
import torch
from torch import Tensor

from visattn.catalogue.official import from_official
from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.mixed.coordatt import CoordAtt


def randomised(channels: int = 12) -> CoordAtt:
    module = CoordAtt(channels).eval().double()
    with torch.no_grad():
        for p in module.parameters():
            p.normal_()
        module.norm.running_mean.normal_()
    return module


def image(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize(
    ("channels", "params"), [(96, 2_520), (144, 3_768), (192, 5_016), (384, 14_628), (576, 32_310), (960, 88_410)]
)
def test_published_parameters(channels: int, params: int) -> None:
    assert sum(p.numel() for p in CoordAtt(channels).parameters()) == params


def test_published_parameters_of_mobilenetv2() -> None:
    """One block at each of the 16 expanded widths."""
    widths = {96: 1, 144: 2, 192: 3, 384: 4, 576: 3, 960: 3}
    added = sum(n * sum(p.numel() for p in CoordAtt(c).parameters()) for c, n in widths.items())
    assert added == 3_950_648 - 3_504_872


def test_by_hand() -> None:
    """One channel, one row [1, 3]: the row's mean is 2, the columns' are 1 and 3.

    With the first of eight units the identity, f = hswish: 2·5/6, 1·4/6 and 3·6/6; both gates read that unit.
    """
    module = CoordAtt(1).eval().double()
    with torch.no_grad():
        for p in module.parameters():
            p.zero_()
        module.reduce.weight[0] = 1
        module.norm.weight[0] = (1 + module.norm.eps) ** 0.5
        module.expand_h.weight[:, 0] = 1
        module.expand_w.weight[:, 0] = 1
    x = torch.tensor([[[[1.0, 3.0]]]], dtype=torch.float64)
    row, columns = torch.tensor(10 / 6).sigmoid(), torch.tensor([4 / 6, 3.0]).sigmoid()
    torch.testing.assert_close(module(x), x * (row * columns).double(), rtol=1e-6, atol=0)


def test_transposed_image_with_swapped_gates_gives_the_transposed_result() -> None:
    module, x = randomised(), image(2, 12, 5, 8)
    expected = module(x).transpose(2, 3)
    module.expand_h, module.expand_w = module.expand_w, module.expand_h
    torch.testing.assert_close(module(x.transpose(2, 3)), expected)


@pytest.mark.parametrize("dim", [2, 3])
def test_shuffled_rows_or_columns_give_the_shuffled_result(dim: int) -> None:
    module, x = randomised(), image(2, 12, 5, 8)
    order = torch.randperm(x.shape[dim])
    torch.testing.assert_close(module(x.index_select(dim, order)), module(x).index_select(dim, order))


def test_gate_is_a_product_of_rows_and_columns() -> None:
    """So is no 2×2 minor of the gate other than zero."""
    module, x = randomised(), image(2, 12, 5, 8)
    gate = module(x) / x
    minors = gate[:, :, 1:, 1:] * gate[:, :, :-1, :-1] - gate[:, :, 1:, :-1] * gate[:, :, :-1, 1:]
    torch.testing.assert_close(minors, torch.zeros_like(minors), rtol=0, atol=1e-12)
    assert gate.std(dim=(2, 3)).min() > 0


def test_bottleneck_keeps_eight_units() -> None:
    assert CoordAtt(64).reduce.out_channels == 8
    assert CoordAtt(64, reduction=4).reduce.out_channels == 16


def test_official_class_with_two_widths() -> None:
    with pytest.raises(ConfigError, match="CoordAtt got inp=16 and oup=32, expected them equal: the gates multiply"):
        from_official("houqb/CoordAttention:coordatt.py:CoordAtt", {"inp": 16, "oup": 32}, {})


def test_errors() -> None:
    with pytest.raises(ShapeError, match="coordatt got channels=0, expected at least 1"):
        CoordAtt(0)
    with pytest.raises(ShapeError, match="coordatt got reduction=0, expected at least 1"):
        CoordAtt(8, reduction=0)
