import pytest
import torch

from visattn.catalogue.official import official
from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.context.apnb import APNB, cost
from visattn.layers.context.pyramid_attention import pyramid_attention

SOURCE = "MendelXu/ANN:models/seg/utils/apnb.py:APNB"


def randomised(**options: object) -> APNB:
    module = APNB(8, 6, key_channels=3, value_channels=5, **options).double().eval()
    with torch.no_grad():
        for p in module.parameters():
            p.normal_()
    return module


def image(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def params(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_published_parameters_of_a_block() -> None:
    assert params(APNB(512, 512)) == 920_576
    fuse = params(APNB(2048, 2048).fuse)
    assert params(APNB(2048, 2048)) - fuse == 1_575_936


@pytest.mark.parametrize(("height", "width", "published"), [(96, 96, 15.01), (128, 128, 26.7), (256, 128, 53.4)])
def test_published_macs_without_the_fusing_convolution(height: int, width: int, published: float) -> None:
    macs = cost(2048, 2048, height, width).macs - height * width * 4096 * 2048
    assert macs / 1e9 == pytest.approx(published, abs=0.05)


def test_the_formula() -> None:
    module, x = randomised(), image(2, 8, 9, 10)
    key = module.norm(module.key(x)).relu()
    context = module.context(pyramid_attention(key, key, module.value(x)))
    expected = module.fuse[1](module.fuse[0](torch.cat((context, x), dim=1))).relu()
    torch.testing.assert_close(module(x), expected)


def test_a_new_block_has_no_context() -> None:
    module, x = APNB(8, 6).double().eval(), image(2, 8, 5, 7)
    without = torch.cat((torch.zeros(2, 6, 5, 7, dtype=torch.float64), x), dim=1)
    torch.testing.assert_close(module(x), module.fuse(without))


def test_only_averages_reach_other_positions() -> None:
    """A change that no cell of the pyramid sees leaves all other positions as they were."""
    module, x = randomised(sizes=(1, 2)), image(1, 8, 4, 4)
    with torch.no_grad():
        module.norm.bias += 100  # no ReLU cuts, so that keys are linear in x
    changed = x.clone()
    changed[:, :, 0, 0] += 1
    changed[:, :, 1, 1] -= 1
    difference = (module(changed) - module(x)).abs().amax(dim=1)[0]
    assert difference[0, 0] > 1e-3 and difference[1, 1] > 1e-3
    difference[0, 0] = difference[1, 1] = 0
    assert difference.max() < 1e-9


def test_running_statistics_move_twice_with_a_batch() -> None:
    module, x = randomised(), image(2, 8, 9, 10)
    before, mean = module.norm.running_mean.clone(), module.key(x).mean(dim=(0, 2, 3))
    module.train()(x)
    torch.testing.assert_close(module.norm.running_mean, 0.81 * before + 0.19 * mean)
    assert module.norm.num_batches_tracked == 2
    assert module.fuse[1].num_batches_tracked == 1


def test_errors() -> None:
    for name in ("in_channels", "out_channels", "key_channels", "value_channels"):
        with pytest.raises(ShapeError, match=f"apnb got {name}=0, expected at least 1"):
            APNB(**{"in_channels": 8, "out_channels": 6, name: 0})
    with pytest.raises(ShapeError, match="apnb got sizes=0, expected at least 1"):
        APNB(8, 6, sizes=(0, 3))
    with pytest.raises(ConfigError, match=r"apnb got sizes=\[2\] for the authors' code, expected \[1\]"):
        official(SOURCE).build(8, 8, 3, 5, sizes=[2])
