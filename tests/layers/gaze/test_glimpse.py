import pytest
import torch
from torch import nn

from visattn.layers.gaze.glimpse import Core, GlimpseNetwork, Retina


def test_a_patch_in_the_middle_by_hand() -> None:
    x = torch.arange(36.0).reshape(1, 1, 6, 6)
    seen = Retina(2, 2, 2)(x, torch.zeros(1, 2)).reshape(2, 2, 2)
    assert torch.equal(seen[0], x[0, 0, 2:4, 2:4])
    assert torch.equal(seen[1], nn.functional.avg_pool2d(x[0, :, 1:5, 1:5], 2)[0])


def test_x_goes_right_and_y_goes_down_in_an_image_that_is_no_square() -> None:
    x = torch.zeros(1, 1, 4, 12)
    x[0, 0, 1, 9] = 1
    retina = Retina(1, 1, 2)
    assert retina(x, torch.tensor([[2 * 9.5 / 12 - 1, 2 * 1.5 / 4 - 1]])).item() == 1
    assert retina(x, torch.tensor([[2 * 1.5 / 4 - 1, 2 * 9.5 / 12 - 1]])).item() == 0


@pytest.mark.parametrize("size", [3, 4])
def test_outside_the_image_is_0_up_to_its_corners(size: int) -> None:
    x = torch.ones(2, 3, 8, 5)
    location = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])
    seen = Retina(size, 2, 3)(x, location).reshape(2, 2, 3, size, size)
    inside = size // 2
    assert seen[0, 0].sum() == 3 * inside**2
    assert seen[1, 0].sum() == 3 * (size - inside) ** 2
    assert torch.equal(Retina(size, 2, 3)(x, 5 * location).reshape(seen.shape), seen)


def test_each_image_has_its_own_location() -> None:
    x, location = torch.randn(3, 2, 9, 7), torch.rand(3, 2) * 2 - 1
    retina = Retina(3, 2, 2)
    torch.testing.assert_close(retina(x, location)[1:2], retina(x[1:2], location[1:2]))


def test_the_encoding_adds_what_and_where() -> None:
    network = GlimpseNetwork(2, Retina(3, 2, 2), what_features=5, where_features=4)
    x, location = torch.randn(3, 2, 9, 7), torch.rand(3, 2) * 2 - 1
    what = network.what_out(network.what(network.retina(x, location)).relu())
    where = network.where_out(network.where(location).relu())
    assert torch.equal(network(x, location), (what + where).relu())
    assert network(x, location).shape == (3, 9)


def test_the_core_is_a_relu_rnn_of_torch() -> None:
    core, cell = Core(4, 5), nn.RNNCell(4, 5, nonlinearity="relu")
    cell.load_state_dict(
        {
            "weight_ih": core.input.weight,
            "bias_ih": core.input.bias,
            "weight_hh": core.state.weight,
            "bias_hh": core.state.bias,
        }
    )
    x, state = torch.randn(3, 4), torch.randn(3, 5)
    torch.testing.assert_close(core(x, state), cell(x, state))
