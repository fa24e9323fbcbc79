import pytest
import torch
from torch import Tensor, nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.mixed.ranet import ResidualAttention, ResidualUnit, cost


def randomised(**options: object) -> ResidualAttention:
    module = ResidualAttention(8, **options).eval().double()
    with torch.no_grad():
        for p in module.parameters():
            p.normal_(std=0.5)
    return module


def image(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def params(*modules: nn.Module) -> int:
    return sum(p.numel() for m in modules for p in m.parameters())


@pytest.mark.parametrize(
    ("channels", "depth", "trunk", "mask"),
    [(256, 3, 210_688, 695_296), (512, 2, 839_168, 1_926_656), (1024, 1, 3_349_504, 4_335_616)],
)
def test_published_parameters_of_the_branches(channels: int, depth: int, trunk: int, mask: int) -> None:
    """The Caffe files count the first batch norm with the stage before."""
    module = ResidualAttention(channels, depth=depth)
    assert params(module.first, module.trunk) - params(module.first.branch[0]) == trunk
    assert params(module.down, module.bottom, module.skip, module.up, module.logits) == mask


def test_published_parameters_and_macs_of_attention_56() -> None:
    def widening(inputs: int, outputs: int, side: int, stride: int) -> tuple[int, int]:
        """Count a residual unit with a projection, and the stride in its 3×3 convolution."""
        middle, after = outputs // 4, side // stride
        end = 9 * middle**2 + middle * outputs + inputs * outputs
        return (
            inputs * middle + end + 2 * (inputs + 2 * middle),
            inputs * middle * side**2 + end * after**2,
        )

    attention = [cost(256, 56, 56, depth=3), cost(512, 28, 28, depth=2), cost(1024, 14, 14, depth=1)]
    last = ResidualUnit(2048)
    counts = [
        (3 * 64 * 49 + 2 * 64, 3 * 64 * 49 * 112**2),
        widening(64, 256, 56, 1),
        widening(256, 512, 56, 2),
        widening(512, 1024, 28, 2),
        widening(1024, 2048, 14, 2),
        *((c.params, c.macs) for c in attention),
        (2 * params(last), 2 * 49 * sum(p.numel() for p in last.parameters() if p.dim() == 4)),
        (2 * 2048 + 2048 * 1000 + 1000, 2048 * 1000),
    ]
    assert [sum(column) for column in zip(*counts, strict=True)] == [31_810_728, 6_270_836_736]


def with_idle_units(**options: object) -> ResidualAttention:
    """Every residual unit returns its input, and the last layers of the mask copy relu(2·relu(x))."""
    module = ResidualAttention(1, **options).eval().double()
    with torch.no_grad():
        for unit in module.modules():
            if isinstance(unit, ResidualUnit):
                unit.branch[8].weight.zero_()
        for norm in (module.logits[0], module.logits[3]):
            norm.running_var.fill_(1 - norm.eps)
        module.logits[2].weight.fill_(2)
        module.logits[5].weight.fill_(1)
    return module


def test_by_hand() -> None:
    """One row of 5 in two rows: pooled over 1-3 and 3-5 the maxima are 4 and 8, interpolated 4, 5, 6, 7 and 8.

    The logits are twice that, and every value is multiplied by 1 + σ.
    """
    x = torch.tensor([1.0, 4, 2, 3, 8], dtype=torch.float64).expand(1, 1, 2, 5)
    gate = 1 + torch.tensor([8.0, 10, 12, 14, 16], dtype=torch.float64).sigmoid()
    torch.testing.assert_close(with_idle_units()(x), x * gate)


def test_naive_attention_by_hand() -> None:
    x = torch.tensor([1.0, 4, 2, 3, 8], dtype=torch.float64).expand(1, 1, 2, 5)
    mask = torch.tensor([8.0, 10, 12, 14, 16], dtype=torch.float64).sigmoid()
    torch.testing.assert_close(with_idle_units(residual=False)(x), x * mask)


def test_skip_connections_by_hand() -> None:
    """A constant 1 stays 1 through pooling and interpolation, and each of the depth − 1 skips adds 1."""
    x = torch.ones(1, 1, 9, 8, dtype=torch.float64)
    for depth in (1, 2, 3):
        expected = 1 + torch.tensor(2.0 * depth, dtype=torch.float64).sigmoid()
        torch.testing.assert_close(with_idle_units(depth=depth)(x), expected.expand_as(x))


def test_no_mask_logits_leave_the_residual_trunk() -> None:
    module, x = randomised(depth=2), image(2, 8, 7, 9)
    with torch.no_grad():
        module.logits[5].weight.zero_()
    trunk = module.trunk(module.first(x))
    torch.testing.assert_close(module(x), module.last(1.5 * trunk))


def test_attentions_normalise_in_their_own_direction() -> None:
    h = image(2, 8, 7, 9)
    mixed = randomised(attention="mixed")
    masks = {}
    for attention in ("mixed", "channel", "spatial"):
        module = ResidualAttention(8, attention=attention).eval().double()
        module.load_state_dict(mixed.state_dict())
        masks[attention] = module.mask(h)
    logits = masks["mixed"].logit()
    norm = logits.square().sum(dim=1, keepdim=True).sqrt()
    torch.testing.assert_close(masks["channel"], logits / norm)
    standardised = masks["spatial"].logit().flatten(2)
    torch.testing.assert_close(standardised.mean(dim=2), torch.zeros(2, 8, dtype=torch.float64), rtol=0, atol=1e-9)
    variance = logits.flatten(2).var(dim=2, correction=0)
    torch.testing.assert_close(standardised.var(dim=2, correction=0), variance / (variance + 1e-5))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_smallest_input_of_each_depth(depth: int) -> None:
    module, least = ResidualAttention(8, depth=depth).eval(), 2**depth
    assert module(torch.ones(1, 8, least, least)).shape == (1, 8, least, least)
    message = f"ranet with depth={depth} got a {least}×{least - 1} input, expected at least {least}×{least}: pass a sm"
    with pytest.raises(ShapeError, match=message):
        module(torch.ones(1, 8, least, least - 1))


def test_errors() -> None:
    with pytest.raises(ShapeError, match="ranet got channels=0, expected at least 1"):
        ResidualAttention(0)
    with pytest.raises(ShapeError, match="ranet got depth=0, expected at least 1"):
        ResidualAttention(8, depth=0)
    with pytest.raises(ConfigError, match="ranet got attention='both', expected one of 'mixed', 'channel', 'spatial'"):
        ResidualAttention(8, attention="both")
