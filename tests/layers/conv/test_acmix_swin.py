import pytest
import torch
from torch import nn

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.conv.acmix import ACmix
from visattn.layers.conv.acmix_swin import ACmixSwin, _from_attention, _from_block, cost


def test_is_acmix_with_window_attention(randomise, image) -> None:
    """Apart from the bias of the mix and the projection, which are zero and the identity here."""
    swin = randomise(ACmixSwin(8, heads=2, window=3))
    module = ACmix(8, 8, 3, attention="window", kernel_attention=3, heads=2).double()
    with torch.no_grad():
        nn.init.zeros_(swin.mix.bias)
        nn.init.dirac_(swin.project.weight)
        nn.init.zeros_(swin.project.bias)
        own = dict(swin.named_parameters())
        for name, parameter in module.named_parameters():
            if name.partition(".")[0] in ("query", "key", "value"):
                part = ("query", "key", "value").index(name.partition(".")[0])
                parameter.copy_(own[f"qkv.{name.partition('.')[2]}"].chunk(3)[part])
            else:
                parameter.copy_(own[name.replace("attention.partition", "attention")])
    x = image(8, 7, 5)
    torch.testing.assert_close(swin(x), module(x), rtol=0, atol=1e-12)


def test_rates(randomise, image) -> None:
    module, x = randomise(ACmixSwin(8, heads=2, window=3)), image(8)
    with torch.no_grad():
        module.convolution_rate.zero_()
        module.attention_rate.fill_(2)
    attended = module.project(module.attention(*module.qkv(x).chunk(3, dim=1)))
    torch.testing.assert_close(module(x), 2 * attended)
    fresh = ACmixSwin(8)
    assert fresh.attention_rate.item() == fresh.convolution_rate.item() == 1


def test_the_convolution_sees_the_seam_of_a_shift(randomise, image) -> None:
    """The map is cut behind its first column, which moves to the other end."""
    module, x = randomise(ACmixSwin(8, heads=2, window=3, shift=1)), image(8, 6, 9)
    nn.init.zeros_(module.attention_rate)
    changed = x.clone()
    changed[..., 0] += 1
    differs = (module(x) != module(changed)).any(1).any(0)
    assert differs.any(0).nonzero().flatten().tolist() == [0, 8]


@pytest.mark.parametrize("bias", [True, False])
def test_biases_of_q_k_and_v(bias: bool) -> None:
    module = ACmixSwin(8, bias=bias)
    assert (module.qkv.bias is not None) == bias
    assert cost(8, 5, 5, bias=bias).params == sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("width", "depths", "plain", "params"),
    [(96, (2, 2, 6, 2), 28_288_354, 28_649_908), (96, (2, 2, 18, 2), 49_606_258, 50_345_080)],
)
def test_published_swin_transformers(width: int, depths: tuple[int, ...], plain: int, params: int) -> None:
    """Every block has the convolution path on top of plain window attention, one head per 32 channels."""
    for stage, depth in enumerate(depths):
        channels = width * 2**stage
        heads = channels // 32
        attention = 4 * channels**2 + 4 * channels + 13**2 * heads
        plain += depth * (cost(channels, 7, 7, heads=heads).params - attention)
    assert plain == params


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"channels": 0}, ShapeError, "^acmix_swin got channels=0, expected at least 1$"),
        ({"heads": 0}, ShapeError, "^acmix_swin got heads=0, expected at least 1$"),
        ({"window": 0}, ShapeError, "^acmix_swin got window=0, expected at least 1$"),
        ({"heads": 3}, ShapeError, "^acmix_swin got channels=8, expected a multiple of heads=3$"),
        ({"shift": 7}, ConfigError, "^acmix_swin got shift=7 with window=7, expected 0 to 6$"),
        ({"shift": -1}, ConfigError, "^acmix_swin got shift=-1 with window=7, expected 0 to 6$"),
    ],
)
def test_errors(arguments: dict[str, int], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ACmixSwin(**{"channels": 8, **arguments})


def test_a_published_window_must_be_square() -> None:
    with pytest.raises(ShapeError, match=r"^acmix_swin got window_size=\(4, 5\), expected equal numbers"):
        _from_attention(8, (4, 5), 2)


def test_a_published_block_shrinks_its_window_to_the_image() -> None:
    block = _from_block(8, (5, 9), 2, window_size=7, shift_size=3, mlp_ratio=2.0)
    attention = block[1].mixer.attention
    assert (attention.window, attention.shift) == (5, 0)
    assert block(torch.ones(2, 8, 45)).shape == (2, 8, 45)
