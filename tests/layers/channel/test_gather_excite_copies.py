import pytest
import torch

from visattn.core.errors import ConfigError
from visattn.layers.channel.gather_excite_copies import MeanAndMax, bayeswatch, bayeswatch_block, timm
from visattn.layers.channel.ge import GE
from visattn.layers.channel.se import SE


def test_mean_and_max_by_hand() -> None:
    x = torch.tensor([3.0, 1.0, 2.0, 6.0, 4.0]).reshape(1, 1, 1, 5)
    torch.testing.assert_close(MeanAndMax(2)(x).flatten(), torch.tensor([(2 + 3) / 2, (3 + 6) / 2, (5 + 6) / 2]))
    torch.testing.assert_close(MeanAndMax(None)(x).flatten(), torch.tensor([(3.2 + 6) / 2]))


def test_timm_by_default_is_se() -> None:
    copy, se, x = timm(32), SE(32), torch.randn(2, 32, 5, 7)
    with torch.no_grad():
        for ours, theirs in zip(copy.parameters(), se.parameters(), strict=True):
            theirs.copy_(ours.reshape(theirs.shape))
    torch.testing.assert_close(copy(x), se(x))


@pytest.mark.parametrize("extent", [2, 8])
def test_timm_without_bottleneck_is_ge(extent: int) -> None:
    x = torch.randn(2, 8, 9, 10)
    pooled = timm(8, extent=extent, use_mlp=False)
    torch.testing.assert_close(pooled(x), GE(8, variant="theta_minus", extent=extent)(x))
    theta, ge = timm(8, extent=extent, use_mlp=False, extra_params=True), GE(8, extent=extent)
    ge.load_state_dict(theta.state_dict())
    torch.testing.assert_close(theta.eval()(x), ge.eval()(x))


@pytest.mark.parametrize(
    ("channels", "options", "hidden"),
    [
        (24, {}, 2),
        (23, {}, 1),
        (4, {}, 1),
        (64, {"rd_ratio": 1 / 8}, 8),
        (64, {"rd_channels": 5}, 5),
        (64, {"rd_divisor": 8}, 8),
    ],
)
def test_timm_rounds_the_bottleneck(channels: int, options: dict[str, float], hidden: int) -> None:
    assert timm(channels, **options).excite[0].out_channels == hidden


@pytest.mark.parametrize(("side", "gathered"), [(7, 7), (8, 7)])
def test_timm_pads_its_convolution_over_the_whole_map(side: int, gathered: int) -> None:
    module, x = timm(4, feat_size=side, extra_params=True), torch.randn(2, 4, side, side)
    assert module.gather(x).shape == (2, 4, gathered, gathered)
    assert module(x).shape == x.shape


def test_timm_takes_mean_and_maximum() -> None:
    x = torch.rand(2, 4, 5, 7)
    expected = x * (x.mean(dim=(2, 3), keepdim=True) / 2 + x.amax(dim=(2, 3), keepdim=True) / 2).sigmoid()
    torch.testing.assert_close(timm(4, use_mlp=False, add_maxpool=True)(x), expected)


def test_timm_needs_the_size_of_the_map() -> None:
    with pytest.raises(ConfigError, match="ge got extra_params without extent and feat_size: pass the size of its inp"):
        timm(4, extra_params=True)


def test_bayeswatch_pools_cells_that_do_not_overlap() -> None:
    x = torch.randn(2, 8, 8, 8)
    cells = torch.nn.functional.avg_pool2d(x, 4).sigmoid().repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(bayeswatch(8, 8, extent=4, extra_params=False, mlp=False)(x), x * cells)


def test_bayeswatch_has_neither_biases_nor_relu_behind_the_gather() -> None:
    module = bayeswatch(32, 8, extent=2)
    assert [type(layer).__name__ for layer in module.gather] == ["Conv2d", "BatchNorm2d"]
    assert module.excite[0].bias is None and module.excite[2].bias is None


def test_bayeswatch_block_gates_its_branch() -> None:
    block = bayeswatch_block(8, 16, 2, 5, extent=2, dropRate=0.3)
    assert block.gate.gather[0].in_channels == 16
    assert block.dropout.p == 0.3
    assert block(torch.ones(2, 8, 10, 10)).shape == (2, 16, 5, 5)
