import pytest
import torch
from torch import nn
from torch.utils.flop_counter import register_flop_formula

from visattn.costs.operators import mac_formula, operator_name

aten = torch.ops.aten


@pytest.mark.parametrize(
    "operator",
    [
        aten.relu.default,
        aten.relu_.default,
        aten.view.default,
        aten._softmax_backward_data.default,
        aten.native_batch_norm.default,
        aten.native_batch_norm_backward.default,
        aten.max_pool2d_with_indices.default,
        aten.grid_sampler_2d.default,
        aten.masked_fill_.Scalar,
        aten.cumsum.default,
        aten.upsample_bilinear2d.vec,
        aten.cat.default,
        aten.index_put_.default,
    ],
    ids=str,
)
def test_operators_without_products_are_free(operator):
    assert mac_formula(operator)(out_val=None) == 0


@pytest.mark.parametrize(
    "operator", [aten._fft_r2c.default, aten._cdist_forward.default, aten.linalg_qr.default], ids=str
)
def test_other_operators_have_no_formula(operator):
    assert mac_formula(operator) is None


def test_name_leaves_the_overload_out():
    assert operator_name(aten.masked_fill_.Scalar) == "aten.masked_fill_"


def test_in_place_product_has_the_formula_of_the_product():
    x = torch.ones(3, 3)
    bias = torch.ones(3, 2)
    assert mac_formula(aten.addmm_.default)(bias, x, torch.ones(3, 2), out_val=bias) == 18


def test_registered_flop_formula_is_halved():
    @torch.library.custom_op("visattn_test_operators::registered", mutates_args=())
    def registered(x: torch.Tensor) -> torch.Tensor:
        return x + 1

    operator = torch.ops.visattn_test_operators.registered
    assert mac_formula(operator.default) is None
    register_flop_formula(operator)(lambda x_shape, out_shape: 2 * x_shape.numel())
    assert mac_formula(operator.default)(torch.ones(5), out_val=torch.ones(5)) == 5


@pytest.mark.parametrize("groups", [1, 2])
def test_convolution_backward_costs_twice_the_forward(groups):
    x, weight = torch.ones(2, 4, 8, 8), torch.ones(6, 4 // groups, 3, 3)
    y = nn.functional.conv2d(x, weight, stride=2, groups=groups)
    settings = (x, weight, None, (2, 2), (0, 0), (1, 1), False, (0, 0), groups)
    forward = mac_formula(aten.convolution.default)(*settings, out_val=y)
    backward = mac_formula(aten.convolution_backward.default)
    assert forward == y.numel() * weight[0].numel()
    for wanted in ([True, True, False], [True, False, False], [False, True, False], [False, False, True]):
        assert backward(y, *settings, wanted, out_val=None) == sum(wanted[:2]) * forward


def test_attention_on_the_cpu_counts_both_products():
    query, key, value = torch.ones(2, 4, 7, 8), torch.ones(2, 4, 5, 8), torch.ones(2, 4, 5, 8)
    attention = mac_formula(aten._scaled_dot_product_flash_attention_for_cpu.default)
    assert attention(query, key, value, out_val=None) == 2 * 4 * 7 * 5 * (8 + 8)
