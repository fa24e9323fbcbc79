import pytest
import torch
from torch import Tensor, nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.mixed.bam import BAM, cost

BASIC, BOTTLENECK = (64, 128, 256), (256, 512, 1024)


def randomised(channels: int = 8, **options: object) -> BAM:
    module = BAM(channels, reduction=2, **options).eval().double()
    with torch.no_grad():
        for p in module.parameters():
            p.normal_(std=0.5)
    return module


def image(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize(("channels", "params"), [(256, 17_361), (512, 68_513), (1024, 272_193)])
def test_published_parameters_of_a_module(channels: int, params: int) -> None:
    assert sum(p.numel() for p in BAM(channels).parameters()) == params


@pytest.mark.parametrize(
    ("widths", "with_bam", "plain"),
    [
        (BASIC, 11_712_503, 11_689_512),
        (BASIC, 21_820_663, 21_797_672),
        (BOTTLENECK, 25_915_099, 25_557_032),
        (BOTTLENECK, 44_907_227, 44_549_160),
    ],
)
def test_published_parameters_of_resnets(widths: tuple[int, ...], with_bam: int, plain: int) -> None:
    """One module after each stage but the last."""
    assert sum(cost(c, 1, 1).params for c in widths) == with_bam - plain


def test_published_macs_of_resnet50() -> None:
    """The paper prints 3.94 G, and 3.86 G for the plain network."""
    added = sum(cost(c, s, s).macs for c, s in zip(BOTTLENECK, (56, 28, 14), strict=True))
    assert added == 82_147_072
    assert f"{(3_857_973_248 + added) / 1e9:.2f}" == "3.94"


@pytest.mark.parametrize(
    ("fusion", "logits"), [("product", (1.0, -0.5)), ("sum", (2.5, -0.5)), ("max", (2.0, 0.5)), (None, (1.0, -0.5))]
)
def test_by_hand(fusion: str | None, logits: tuple[float, float]) -> None:
    """One pixel (2, 4), one hidden unit, batch norms that do nothing.

    M_c: 2 + 4 − 2 = 4, times (½, −½) plus (0, 1) is (2, −1). M_s: 2 − 4 + 3 = 1, the middles of the 3×3 kernels make
    it 2·1 and 1·2 − 1 = 1, and the last layer ½. Products (1, −½), sums (2½, −½), maxima (2, ½).
    """
    bam = BAM(2, reduction=2, fusion=fusion).eval()
    with torch.no_grad():
        for module in bam.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.running_var.fill_(1 - module.eps)
        bam.channel.linear0.weight.copy_(torch.tensor([[1.0, 1.0]]))
        bam.channel.linear0.bias.fill_(-2)
        bam.channel.last.weight.copy_(torch.tensor([[0.5], [-0.5]]))
        bam.channel.last.bias.copy_(torch.tensor([0.0, 1.0]))
        bam.spatial.reduce.weight.copy_(torch.tensor([1.0, -1.0]).reshape(1, 2, 1, 1))
        bam.spatial.reduce.bias.fill_(3)
        bam.spatial.dilated0.weight[0, 0, 1, 1] = 2
        bam.spatial.dilated1.weight[0, 0, 1, 1] = 1
        bam.spatial.dilated1.bias.fill_(-1)
        bam.spatial.last.weight.fill_(0.5)
    x = torch.tensor([2.0, 4.0]).reshape(1, 2, 1, 1)
    torch.testing.assert_close(bam(x), x * (1 + torch.tensor(logits).sigmoid().reshape(1, 2, 1, 1)))


@pytest.mark.parametrize("variant", ["official", "paper"])
@pytest.mark.parametrize("fusion", ["sum", "product", "max"])
def test_the_gate_lies_between_one_and_two(variant: str, fusion: str) -> None:
    bam = randomised(variant=variant, fusion=fusion)
    gate = bam.gate(image(2, 8, 6, 9) / 2)
    assert gate.shape == (2, 8, 6, 9)
    assert 1 < gate.min() < 1.5 < gate.max() < 2


def test_each_variant_has_its_fusion() -> None:
    assert (BAM(8).fusion, BAM(8, variant="paper").fusion) == ("product", "sum")
    assert BAM(8, variant="paper", fusion="max").fusion == "max"


def test_the_paper_normalises_the_end_of_each_branch_and_nothing_else() -> None:
    names = [n for n, m in BAM(8, variant="paper").named_modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert names == ["channel.norm", "spatial.norm"]
    bam, x = BAM(8, reduction=2, variant="paper"), 10 * torch.randn(4, 8, 6, 5)
    with torch.no_grad():
        for branch in (bam.channel, bam.spatial):
            logits = branch(x).transpose(0, 1).flatten(1)
            torch.testing.assert_close(logits.mean(dim=1), torch.zeros(len(logits)), rtol=0, atol=1e-5)
            torch.testing.assert_close(logits.var(dim=1, correction=0), torch.ones(len(logits)), rtol=1e-3, atol=0)


def test_the_authors_normalise_hidden_layers_alone() -> None:
    names = [n for n, m in BAM(8).named_modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert names == ["channel.norm1", "spatial.norm_reduce", "spatial.norm_dilated0", "spatial.norm_dilated1"]


def test_channel_branch_does_not_know_positions() -> None:
    bam, x = randomised(), image(2, 8, 5, 7)
    order = torch.randperm(35)
    torch.testing.assert_close(bam.channel(x.flatten(2)[:, :, order].reshape(x.shape)), bam.channel(x))


@pytest.mark.parametrize("dilation", [2, 4])
def test_spatial_branch_sees_a_grid_of_the_dilation(dilation: int) -> None:
    """Two 3×3 convolutions see the positions at −2, −1, 0, 1 and 2 dilations, and no others."""
    bam, x = randomised(dilation=dilation), image(1, 8, 21, 21).requires_grad_()
    bam.spatial(x)[0, 0, 10, 10].backward()
    seen = x.grad.abs().sum(dim=(0, 1)).nonzero()
    reach = {10 + dilation * k for k in range(-2, 3)}
    assert set(seen.flatten().tolist()) == {i for i in reach if 0 <= i < 21}


def test_one_gate_of_a_wide_image_is_that_of_its_mirror() -> None:
    """With symmetric kernels, so that the mean over both sides is what counts."""
    bam, x = randomised(), image(2, 8, 4, 9)
    with torch.no_grad():
        for conv in (bam.spatial.dilated0, bam.spatial.dilated1):
            conv.weight.add_(conv.weight.flip(3).clone())
    torch.testing.assert_close(bam(x.flip(3)).flip(3), bam(x))


def test_published_initialisation() -> None:
    bam = BAM(1024)
    assert all(not p.any() for n, p in bam.named_parameters() if n.endswith("bias"))
    weight = bam.spatial.dilated0.weight
    assert weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.05)


def test_bottleneck_keeps_one_unit() -> None:
    assert BAM(8).channel.linear0.out_features == 1
    assert BAM(8).spatial.reduce.out_channels == 1


def test_errors() -> None:
    with pytest.raises(ShapeError, match="bam got channels=0, expected at least 1"):
        BAM(0)
    with pytest.raises(ShapeError, match="bam got reduction=0, expected at least 1"):
        BAM(8, reduction=0)
    with pytest.raises(ShapeError, match="bam got dilation=0, expected at least 1"):
        BAM(8, dilation=0)
    with pytest.raises(ConfigError, match="bam got fusion='mean', expected one of 'sum', 'product', 'max'"):
        BAM(8, fusion="mean")
    with pytest.raises(ConfigError, match="bam got variant='code', expected one of 'official', 'paper'"):
        BAM(8, variant="code")
