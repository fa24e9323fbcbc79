import pytest
import torch

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.channel.ge import GE, cost

BLOCKS = ((256, 56, 3), (512, 28, 4), (1024, 14, 6), (2048, 7, 3))
PLAIN = 25_557_032


def randomised(*args: int, **options: object) -> GE:
    module = GE(*args, **options).eval()
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5) if name.endswith("var") else tensor.normal_(std=0.5)
    return module.double()


def image(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_theta_minus_of_the_whole_map_is_the_sigmoid_of_the_mean() -> None:
    x = image(2, 6, 5, 7)
    expected = x * x.mean(dim=(2, 3), keepdim=True).sigmoid()
    torch.testing.assert_close(GE(6, variant="theta_minus", extent=None)(x), expected)


def test_theta_minus_has_no_parameters() -> None:
    assert not GE(6, variant="theta_minus").state_dict()


def test_theta_minus_by_hand() -> None:
    """Extent 2 pools 3 pixels at positions 0, 2 and 4; the ends see 2, and each mean gates two pixels."""
    x = torch.tensor([3.0, 1.0, 2.0, 6.0, 4.0]).reshape(1, 1, 1, 5)
    means = torch.tensor([2.0, 2.0, 3.0, 3.0, 5.0])
    module = GE(1, variant="theta_minus", extent=2)
    torch.testing.assert_close(module.gather(x).flatten(), torch.tensor([2.0, 3.0, 5.0]))
    # nearest: outputs 0 ... 4 of 3 take 0·3/5, 1·3/5, ... rounded down: 0, 0, 1, 1, 2
    torch.testing.assert_close(module(x).flatten(), x.flatten() * means.sigmoid())


@pytest.mark.parametrize("variant", ["theta_minus", "theta", "theta_plus"])
@pytest.mark.parametrize(("extent", "rows", "columns"), [(2, 9, 10), (4, 5, 5), (8, 3, 3)])
def test_neighbourhoods(variant: str, extent: int, rows: int, columns: int) -> None:
    """⌈17/e⌉ × ⌈20/e⌉ of them, and each gate depends on its own alone."""
    module, x = randomised(4, variant=variant, extent=extent), image(1, 4, 17, 20)
    assert module.gather(x).shape == (1, 4, rows, columns)
    gate = module(x) / x
    far = x.clone()
    far[:, :, -1, -1] += 10
    torch.testing.assert_close((module(far) / far)[:, :, 0, 0], gate[:, :, 0, 0])
    assert not torch.allclose((module(far) / far)[:, :, -1, -1], gate[:, :, -1, -1])


def test_theta_has_relu_between_its_convolutions_and_theta_plus_behind_them_too() -> None:
    def kinds(variant: str) -> str:
        return " ".join(type(layer).__name__ for layer in GE(4, variant=variant, extent=4).gather)

    assert kinds("theta") == "Conv2d BatchNorm2d ReLU Conv2d BatchNorm2d"
    assert kinds("theta_plus") == "Conv2d BatchNorm2d ReLU Conv2d BatchNorm2d ReLU"


def test_theta_of_the_whole_map_weighs_every_pixel_of_its_channel() -> None:
    module, x = randomised(4, 5, 7, extent=None), image(2, 4, 5, 7)
    conv, norm = module.gather
    weighted = (x * conv.weight[:, 0]).sum(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(module(x), x * norm(weighted).sigmoid())


def test_theta_plus_with_a_bottleneck_of_zeros_gates_with_its_biases() -> None:
    module, x = randomised(8, variant="theta_plus", extent=2, reduction=2), image(2, 8, 5, 7)
    with torch.no_grad():
        module.excite[2].weight.zero_()
    torch.testing.assert_close(module(x), x * module.excite[2].bias.sigmoid()[:, None, None])


def test_channels_do_not_meet_in_theta_and_do_in_theta_plus() -> None:
    x = image(1, 16, 9, 9)
    changed = x.clone()
    changed[:, 8:] += 1
    theta, plus = randomised(16, extent=2), randomised(16, variant="theta_plus", extent=2, reduction=1)
    torch.testing.assert_close(theta(changed)[:, :8], theta(x)[:, :8])
    assert not torch.allclose(plus(changed)[:, :8], plus(x)[:, :8])


def added(**options: object) -> tuple[int, int]:
    costs = [(n, cost(c, s, s, **options)) for c, s, n in BLOCKS]
    return sum(n * c.params for n, c in costs), sum(n * c.macs for n, c in costs)


@pytest.mark.parametrize(
    ("options", "params"),
    [
        ({"variant": "theta_minus", "extent": None}, 25_557_032),
        ({"extent": 2}, 25_723_176),
        ({"extent": 4}, 25_889_320),
        ({}, 26_055_464),
        ({"extent": None}, 31_106_600),
        ({"variant": "theta_plus"}, 28_586_456),
        ({"variant": "theta_plus", "extent": None}, 33_637_592),
    ],
)
def test_published_parameters_of_ge_resnet50(options: dict[str, object], params: int) -> None:
    assert PLAIN + added(**options)[0] == params


@pytest.mark.parametrize("variant", ["theta", "theta_plus"])
def test_cost_of_the_whole_map(variant: str) -> None:
    """Parameters of the module; a product per weight of the convolutions."""
    module = GE(32, 5, 7, variant=variant, extent=None)
    price = cost(32, 5, 7, variant=variant, extent=None)
    assert price.params == sum(p.numel() for p in module.parameters())
    assert price.macs == sum(p.numel() for p in module.parameters() if p.dim() == 4)


def test_bottleneck_keeps_one_unit() -> None:
    assert GE(8, variant="theta_plus").excite[0].out_channels == 1


def test_errors() -> None:
    with pytest.raises(ShapeError, match="ge got channels=0, expected at least 1"):
        GE(0)
    with pytest.raises(ShapeError, match="ge got reduction=0, expected at least 1"):
        GE(8, reduction=0)
    with pytest.raises(ConfigError, match="ge got variant='theta_zero', expected one of 'theta_minus', 'theta', 'th"):
        GE(8, variant="theta_zero")
    with pytest.raises(ShapeError, match="ge got height=0, expected at least 1"):
        GE(8, 0, 3, extent=None)


def test_the_whole_map_needs_its_size() -> None:
    with pytest.raises(ConfigError, match="'theta' and extent=None got height=None and width=None: pass those of its"):
        GE(8, extent=None)
    with pytest.raises(ShapeError, match="ge was built for 5×7, got 7×5: its convolution covers the whole map: build"):
        GE(8, 5, 7, extent=None)(torch.ones(1, 8, 7, 5))
