import pytest
import torch

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.channel.se import SE
from visattn.layers.channel.spa import SPA, cost

# input and output channels of the blocks of the authors' pre-activation ResNet-18
BLOCKS = [(64, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512), (512, 512)]
PLAIN = 11_217_316


def test_by_hand() -> None:
    """One channel, 4×4 pixels 0 ... 15: mean 7.5, four quarters, and the pixels themselves."""
    spa = SPA(1)
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    pyramid = torch.cat((torch.tensor([7.5, 2.5, 4.5, 10.5, 12.5]), torch.arange(16.0)))
    with torch.no_grad():
        spa.reduce.weight.copy_(torch.linspace(-1, 1, 21))
        spa.expand.weight.fill_(0.01)
    logit = 0.01 * (torch.linspace(-1, 1, 21) * pyramid).sum().relu()
    assert logit > 0
    torch.testing.assert_close(spa(x), x * logit.sigmoid())


def test_cells_of_a_channel_lie_next_to_each_other() -> None:
    """A unit that reads the first 2×2 cells of channel 1 alone sees channel 1 alone."""
    spa, x = SPA(2, reduction=2), torch.rand(1, 2, 4, 4)
    with torch.no_grad():
        spa.reduce.weight.zero_()
        spa.reduce.weight[:, 2 + 4 : 2 + 8] = 1
    gate = spa.gate(x)
    assert torch.equal(spa.gate(x * torch.tensor([2.0, 1.0]).reshape(1, 2, 1, 1)), gate)
    assert not torch.equal(spa.gate(x * torch.tensor([1.0, 2.0]).reshape(1, 2, 1, 1)), gate)


def test_one_level_is_se_without_biases() -> None:
    spa, se = SPA(12, reduction=3, levels=(1,)), SE(12, reduction=3, bias=False)
    se.load_state_dict(spa.state_dict())
    x = torch.randn(2, 12, 5, 7)
    torch.testing.assert_close(spa(x), se(x))


def test_shuffled_pixels_change_the_gate_unless_they_stay_in_their_cell() -> None:
    spa, x = SPA(8, reduction=2).double(), torch.randn(1, 8, 8, 8, dtype=torch.float64)
    cells = x.unfold(2, 2, 2).unfold(3, 2, 2)
    within = cells.flip(-1).permute(0, 1, 2, 4, 3, 5).reshape(x.shape)
    torch.testing.assert_close(spa.gate(within), spa.gate(x))
    assert (spa.gate(x.flip(3)) - spa.gate(x)).abs().max() > 1e-3


@pytest.mark.parametrize("variant", ["b", "c"])
def test_b_and_c_attend_to_the_input_of_the_block(variant: str) -> None:
    spa = SPA(8, variant=variant, source_channels=6, reduction=2)
    x, source = torch.randn(2, 8, 4, 5), torch.randn(2, 6, 8, 10)
    torch.testing.assert_close(spa(x, source), x * spa.gate(source))
    torch.testing.assert_close(spa(2 * x, source), 2 * spa(x, source))


def test_c_projects_with_convolution_batch_norm_and_relu() -> None:
    spa = SPA(8, variant="c", source_channels=6, reduction=2).eval()
    same = SPA(8, variant="a", reduction=2)
    same.load_state_dict({k: v for k, v in spa.state_dict().items() if not k.startswith("project")})
    source = torch.randn(2, 6, 8, 10)
    conv, norm, _ = spa.project
    torch.testing.assert_close(spa.gate(source), same.gate(norm(conv(source)).relu()))


def test_c_has_no_convolution_where_the_block_keeps_its_width() -> None:
    assert SPA(8, variant="c").project is None


@pytest.mark.parametrize(("variant", "params"), [("a", 12_174_756), ("b", 11_825_316), ("c", 12_348_580)])
def test_parameters_of_the_published_preact_resnet18(variant: str, params: int) -> None:
    """For CIFAR-100."""
    sources = [{} if variant == "a" else {"source_channels": s} for s, _ in BLOCKS]
    costs = [cost(c, 1, 1, variant=variant, **s) for (_, c), s in zip(BLOCKS, sources, strict=True)]
    assert PLAIN + sum(c.params for c in costs) == params


def test_parameters_and_macs_of_a_layer_that_projects() -> None:
    module = SPA(256, variant="c", source_channels=64)
    price = cost(256, 5, 7, variant="c", source_channels=64)
    assert price.params == sum(p.numel() for p in module.parameters()) == 107_008
    assert price.macs == 256 * 64 * 35 + (21 * 256 + 256) * 16


def test_bottleneck_of_the_wide_copies() -> None:
    assert cost(2048, 7, 7, hidden=21 * 2048 // 16).params == 121_110_528


def test_bottleneck_keeps_one_unit() -> None:
    assert SPA(8).reduce.out_features == 1


def test_errors() -> None:
    with pytest.raises(ShapeError, match="spa got channels=0, expected at least 1"):
        SPA(0)
    with pytest.raises(ShapeError, match="spa got source_channels=0, expected at least 1"):
        SPA(8, variant="b", source_channels=0)
    with pytest.raises(ShapeError, match="spa got reduction=0, expected at least 1"):
        SPA(8, reduction=0)
    with pytest.raises(ShapeError, match="spa got hidden=0, expected at least 1"):
        SPA(8, hidden=0)
    with pytest.raises(ShapeError, match="spa got level=0, expected at least 1"):
        SPA(8, levels=(1, 0))
    with pytest.raises(ConfigError, match="spa got no levels, expected at least one: the paper has 1, 2 and 4"):
        SPA(8, levels=())
    with pytest.raises(ConfigError, match="spa got variant='d', expected one of 'a', 'b', 'c'"):
        SPA(8, variant="d")
    with pytest.raises(ConfigError, match="source_channels=4, it attends to its own 8 channels: take 'b' or 'c', or"):
        SPA(8, source_channels=4)


def test_errors_of_a_source() -> None:
    x = torch.ones(1, 8, 4, 4)
    with pytest.raises(ConfigError, match="spa with variant='a' got a source, it attends to x: take 'b' or 'c'"):
        SPA(8)(x, x)
    with pytest.raises(ShapeError, match="spa attends to 4 channels, got 8: pass the input of the block as source"):
        SPA(8, variant="b", source_channels=4)(x)
