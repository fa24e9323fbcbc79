import pytest
import torch

from visattn.catalogue.official import official
from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.context.afnb import AFNB, cost
from visattn.layers.context.pyramid_attention import pyramid_attention

SOURCE = "MendelXu/ANN:models/seg/utils/afnb.py:AFNB"


def randomised(**options: object) -> AFNB:
    module = AFNB(8, 6, low_channels=4, key_channels=3, value_channels=5, **options).double().eval()
    with torch.no_grad():
        for p in module.parameters():
            p.normal_()
    return module


def image(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_published_parameters_of_the_block() -> None:
    assert sum(p.numel() for p in AFNB(2048, 2048).parameters()) == 9_971_456


def test_published_block_without_its_fusing_convolution() -> None:
    positions = 96 * 96
    attention = cost(2048, 2048, 96, 96).macs - positions * 4096 * 2048
    assert attention == positions * (2048 * 256 + (1024 + 110) * 512 + 256 * 2048)


def test_the_formula_has_no_relu_at_its_end() -> None:
    module, x, low = randomised(), image(2, 8, 5, 7), image(2, 4, 9, 6)
    context = module.context(pyramid_attention(module.query(x), module.key(low), module.value(low)))
    expected = module.fuse[1](module.fuse[0](torch.cat((context, x), dim=1)))
    torch.testing.assert_close(module(x, low), expected)
    assert expected.min() < 0


def test_a_new_block_has_no_context() -> None:
    new, trained, x = AFNB(8, 6, low_channels=4).double().eval(), randomised(), image(2, 8, 5, 7)
    low, other = image(2, 4, 9, 6), image(2, 4, 9, 6)
    assert torch.equal(new(x, low), new(x, other))
    assert not torch.allclose(trained(x, low), trained(x, other))


def test_the_earlier_stage_is_pooled_so_it_may_be_repeated_to_twice_its_size() -> None:
    module, x, low = randomised(sizes=(1, 2, 4)), image(2, 8, 5, 7), image(2, 4, 8, 8)
    twice = low.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    torch.testing.assert_close(module(x, twice), module(x, low))


def test_low_channels_default_to_half() -> None:
    assert AFNB(8, 6).value.in_channels == 4
    assert AFNB(1, 6).value.in_channels == 1


def test_the_official_code_takes_the_earlier_stage_first() -> None:
    module, x, low = randomised(), image(2, 8, 5, 7), image(2, 4, 9, 6)
    call = official(SOURCE).call
    assert call is not None and torch.equal(call(module, low, x), module(x, low))


def test_errors() -> None:
    for name in ("in_channels", "out_channels", "low_channels", "key_channels", "value_channels"):
        with pytest.raises(ShapeError, match=f"afnb got {name}=0, expected at least 1"):
            AFNB(**{"in_channels": 8, "out_channels": 6, "low_channels": 4, name: 0})
    with pytest.raises(ConfigError, match=r"afnb got sizes=\(\), expected at least one number"):
        AFNB(8, 6, sizes=())
    with pytest.raises(ConfigError, match=r"afnb got sizes=\[1, 1\] for the authors' code, expected \[1\]"):
        official(SOURCE).build(4, 8, 6, 3, 5, sizes=[1, 1])
