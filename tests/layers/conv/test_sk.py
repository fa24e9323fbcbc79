import pytest
import torch
from torch import nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.conv.sk import SK, cost


@pytest.mark.parametrize(("variant", "branches"), [("official", 2), ("official", 3), ("insight", 2)])
def test_weights_of_the_branches_add_up_to_one(variant: str, branches: int, randomise, image) -> None:
    module, x = randomise(SK(4, 6, variant=variant, branches=branches)).eval(), image(4)
    module.convs = nn.ModuleList([module.convs[0]] * branches)
    module.norms = nn.ModuleList([module.norms[0]] * branches)
    torch.testing.assert_close(module(x), module.norms[0](module.convs[0](x)).relu())


def test_equal_logits_give_the_mean_of_the_branches(randomise, image) -> None:
    module, x = randomise(SK(4, 6, branches=3)).eval(), image(4)
    nn.init.zeros_(module.expand.weight)
    maps = [norm(conv(x)).relu() for conv, norm in zip(module.convs, module.norms, strict=True)]
    torch.testing.assert_close(module(x), sum(maps) / 3)


def test_a_large_logit_chooses_a_branch_per_channel(randomise, image) -> None:
    module, x = randomise(SK(4, 2, min_hidden=1)).eval(), image(4, batch=1)
    with torch.no_grad():
        module.norm.weight.zero_()
        module.norm.bias.fill_(1)
        # logits of branch 0, then of branch 1: channel 0 takes the first, channel 1 the second
        module.expand.weight.copy_(torch.tensor([[1000.0], [0.0], [0.0], [1000.0]]))
    first, second = (norm(conv(x)).relu() for conv, norm in zip(module.convs, module.norms, strict=True))
    torch.testing.assert_close(module(x), torch.stack((first[:, 0], second[:, 1]), 1))


def test_one_branch_is_a_convolution_with_norm_and_activation(randomise, image) -> None:
    module, x = randomise(SK(4, 6, branches=1)).eval(), image(4)
    torch.testing.assert_close(module(x), module.norms[0](module.convs[0](x)).relu())


@pytest.mark.parametrize(
    ("size", "stride", "padding", "dilation"), [(3, 1, 1, 1), (3, 2, 0, 1), (5, 2, 2, 1), (3, 1, 2, 2), (1, 2, 0, 1)]
)
def test_branches_widen_and_keep_their_size(size: int, stride: int, padding: int, dilation: int) -> None:
    module = SK(4, 6, size, stride, padding, dilation, branches=3)
    assert [conv.dilation[0] for conv in module.convs] == [dilation, 2 * dilation, 3 * dilation]
    x = torch.randn(2, 4, 13, 14)
    assert len({conv(x).shape for conv in module.convs}) == 1
    assert module(x).shape == nn.Conv2d(4, 6, size, stride, padding, dilation)(x).shape


@pytest.mark.parametrize(
    ("inputs", "outputs", "groups", "expected"),
    [(64, 64, 1, [1, 32]), (32, 32, 1, [1, 32]), (12, 20, 1, [1, 4]), (12, 20, 2, [2, 4])],
)
def test_insight_has_an_ordinary_and_a_grouped_branch(inputs: int, outputs: int, groups: int, expected: list[int]):
    module = SK(inputs, outputs, groups=groups, variant="insight")
    assert [conv.groups for conv in module.convs] == expected
    assert {conv.dilation for conv in module.convs} == {(1, 1)}


@pytest.mark.parametrize(
    ("options", "hidden"),
    [
        ({}, 32),
        ({"variant": "insight"}, 4),
        ({"reduction": 1}, 64),
        ({"min_hidden": 5}, 5),
        ({"variant": "insight", "min_hidden": 7}, 7),
    ],
)
def test_hidden_units(options: dict[str, object], hidden: int) -> None:
    assert SK(64, 64, **options).reduce.out_features == hidden


@pytest.mark.parametrize("training", [True, False])
def test_a_batch_of_one(training: bool) -> None:
    module, x = SK(4, 6).train(training), torch.randn(1, 4, 5, 6)
    if training:
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            module(x)
    else:
        assert module(x).shape == (1, 6, 5, 6)


@pytest.mark.parametrize(
    ("depths", "params", "gigamacs"), [((3, 4, 6, 3), 27_479_784, 4.4627), ((3, 4, 23, 3), 48_736_040, 8.4487)]
)
def test_published_sknets(depths: tuple[int, ...], params: int, gigamacs: float) -> None:
    """At 224×224, behind a 7×7 convolution of stride 2 and a pooling."""
    stem = 3 * 64 * 49
    count, macs, channels, size = stem + 128 + 2049 * 1000, stem * 112**2 + 2048 * 1000, 64, 56
    for stage, depth in enumerate(depths):
        width = 128 * 2**stage
        for block in range(depth):
            stride = 2 if stage and not block else 1
            own = cost(width, width, size, size, stride=stride, groups=32)
            shortcut = 0 if block else channels * 2 * width
            count += channels * width + own.params + 2 * width**2 + 6 * width + shortcut + bool(shortcut) * 4 * width
            macs += channels * width * size**2 + own.macs + (2 * width**2 + shortcut) * (size // stride) ** 2
            channels, size = 2 * width, size // stride
    assert count == params
    assert round(macs / 1e9, 4) == gigamacs


@pytest.mark.parametrize(
    ("depths", "plain", "millions"), [((3, 4, 6, 3), 25_557_032, 26.15), ((3, 4, 23, 3), 44_549_160, 45.68)]
)
def test_published_resnets(depths: tuple[int, ...], plain: int, millions: float) -> None:
    """The 3×3 convolution of every bottleneck and the norm behind it are replaced."""
    for stage, depth in enumerate(depths):
        width = 64 * 2**stage
        plain += depth * (cost(width, width, 7, 7, variant="insight").params - 9 * width**2 - 2 * width)
    assert round(plain / 1e6, 2) == millions


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"in_channels": 0}, ShapeError, "^sk got in_channels=0, expected at least 1$"),
        ({"out_channels": 0}, ShapeError, "^sk got out_channels=0, expected at least 1$"),
        ({"groups": 0}, ShapeError, "^sk got groups=0, expected at least 1$"),
        ({"branches": 0}, ShapeError, "^sk got branches=0, expected at least 1$"),
        ({"reduction": 0}, ShapeError, "^sk got reduction=0, expected at least 1$"),
        ({"min_hidden": 0}, ShapeError, "^sk got min_hidden=0, expected at least 1$"),
        ({"groups": 3}, ShapeError, "^sk got in_channels=4, expected a multiple of groups=3$"),
        ({"kernel_size": 4}, ShapeError, "^sk got kernel_size=4, expected an odd number: use 3 or 5$"),
        ({"variant": "paper"}, ConfigError, "^sk got variant='paper', expected one of 'official', 'insight'$"),
        (
            {"variant": "insight", "branches": 3},
            ConfigError,
            "^sk got branches=3 with variant='insight', expected 2: pass variant='official'$",
        ),
    ],
)
def test_errors(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SK(**{"in_channels": 4, "out_channels": 4, **arguments})
