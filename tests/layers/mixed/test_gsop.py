import pytest
import torch

from visattn.catalogue.official import official
from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.mixed.gsop import GSoP, cost

BLOCK = "ZilinGao/Global-Second-order-Pooling-Convolutional-Networks:torchvision/models/resnet.py:Bottleneck"
WIDTHS = (256, 512, 1024, 2048)


def built(channels: int = 8, **options: object) -> GSoP:
    return GSoP(channels, dim=4, **options).eval()


def test_channel_by_hand() -> None:
    """One channel of values 1 and 3: variance 1; the rows give 4 · 1, and the logit is 4 minus 3."""
    module = GSoP(1, dim=1, stride=1).eval()
    with torch.no_grad():
        for p in module.parameters():
            p.fill_(1)
        module.channel.norm.bias.zero_()
        module.channel.embed.norm.bias.zero_()
        module.channel.reduce.bias.zero_()
        module.channel.embed.rows.bias.zero_()
        module.channel.embed.expand.bias.fill_(-3)
        for norm in (module.channel.norm, module.channel.embed.norm):
            norm.eps = 0.0
    x = torch.tensor([[[[1.0, 3.0]]]])
    torch.testing.assert_close(module(x), x * torch.tensor(1.0).sigmoid())


def test_modes() -> None:
    x = torch.randn(2, 8, 9, 10)
    both = built(mode="sum")
    by_channel, by_position = x * both.channel(x), (x * both.spatial(x)).relu()
    torch.testing.assert_close(both(x), by_channel + by_position)
    both.mode = "max"
    torch.testing.assert_close(both(x), torch.maximum(by_channel, by_position))
    alone = built(mode="channel")
    alone.channel.load_state_dict(both.channel.state_dict())
    torch.testing.assert_close(alone(x), by_channel)
    alone = built(mode="spatial")
    alone.spatial.load_state_dict(both.spatial.state_dict())
    torch.testing.assert_close(alone(x), by_position)


def test_concat_is_one_grouped_convolution_over_both_maps() -> None:
    """Of groups that hold the same part of both, along the height, with batch norm behind."""
    module, x = built(128, mode="concat"), torch.randn(2, 128, 9, 10)
    maps = x * module.channel(x), (x * module.spatial(x)).relu()
    halves = [torch.cat([m[:, half : half + 64] for m in maps], dim=1) for half in (0, 64)]
    weight = torch.cat((module.fuse.first.weight, module.fuse.second.weight), dim=1)
    assert weight.shape == (128, 128, 13, 1)
    bias = module.fuse.first.bias + module.fuse.second.bias
    fused = torch.nn.functional.conv2d(torch.cat(halves, dim=1), weight, bias, padding=(6, 0), groups=2)
    torch.testing.assert_close(module(x), module.fuse.norm(fused), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("channels", "groups", "size"), [(12, 1, 15), (64, 1, 15), (192, 3, 11), (256, 4, 11), (2048, 32, 5), (4096, 64, 3)]
)
def test_concat_has_larger_kernels_in_narrow_stages(channels: int, groups: int, size: int) -> None:
    conv = GSoP(channels, dim=2, mode="concat").fuse.first
    assert (conv.groups, conv.kernel_size) == (groups, (size, 1))


@pytest.mark.parametrize(("channels", "stride"), [(256, 2), (257, 1)])
def test_narrow_stages_see_every_other_position(channels: int, stride: int) -> None:
    assert GSoP(channels, dim=2).channel.reduce.stride == (stride, stride)
    assert GSoP(channels, dim=2, stride=3).channel.reduce.stride == (3, 3)


def test_the_variants_differ_in_the_activation_and_in_the_spatial_matrix() -> None:
    """With as many channels as cells, and no negative number behind the rows, there is no difference left."""
    official_, paper = (GSoP(8, mode="sum", dim=64, variant=v).eval() for v in ("official", "paper"))
    paper.load_state_dict(official_.state_dict())
    x = torch.randn(2, 8, 9, 10)
    assert not torch.allclose(official_(x), paper(x))
    with torch.no_grad():
        for module in (official_, paper):
            for embed in (module.channel.embed, module.spatial.embed):
                embed.rows.bias.fill_(1e3)
    torch.testing.assert_close(official_(x), paper(x))


@pytest.mark.parametrize(
    ("mode", "params"),
    [
        ("channel", 28_285_224),
        ("spatial", 26_182_952),
        ("sum", 28_911_144),
        ("max", 28_911_144),
        ("concat", 32_105_000),
    ],
)
def test_parameters_of_the_published_resnet50(mode: str, params: int) -> None:
    """One at the end of each stage."""
    assert 25_557_032 + sum(cost(c, 7, 7, mode=mode).params for c in WIDTHS) == params


@pytest.mark.parametrize(("attention", "gates"), [("0", set()), ("1", {"channel"}), ("M", {"channel", "spatial"})])
def test_the_published_block_has_its_gate_behind_the_last_norm(attention: str, gates: set[str]) -> None:
    block = official(BLOCK).build(16, 4, attention=attention, att_dim=4).eval()
    found = {name.split(".")[1] for name, _ in block.named_parameters() if name.startswith("gate.")}
    assert found == gates
    x = torch.randn(2, 16, 5, 7)
    branch = block.norm3(block.conv3(block.middle(block.norm1(block.conv1(x)).relu())))
    gated = block.gate(branch) if gates else branch
    torch.testing.assert_close(block(x), (x + gated).relu())


def test_errors() -> None:
    with pytest.raises(ShapeError, match="gsop got channels=0, expected at least 1"):
        GSoP(0)
    with pytest.raises(ShapeError, match="gsop got dim=0, expected at least 1"):
        GSoP(8, dim=0)
    with pytest.raises(ShapeError, match="gsop got stride=0, expected at least 1"):
        GSoP(8, stride=0)
    with pytest.raises(ConfigError, match="gsop got mode='both', expected one of 'channel', 'spatial', 'sum', 'max', "):
        GSoP(8, mode="both")
    with pytest.raises(ConfigError, match="gsop got variant='timm', expected one of 'official', 'paper'"):
        GSoP(8, variant="timm")
    with pytest.raises(ShapeError, match="gsop with mode='concat' got channels=193, expected a multiple of groups=3"):
        GSoP(193, mode="concat")
    with pytest.raises(ConfigError, match=r"gsop got attention='3', expected one of '1', '2', '\+', 'M', '&'"):
        official(BLOCK).build(16, 4, attention="3")
