"""What one call of an operator costs in multiply-adds: a formula, nothing, or not known."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

# operators of aten without convolution or matrix product, by what they do; `_` and `_backward` endings are left out
_FREE_FAMILIES = {
    "shape and storage": """
        _resize_output _to_copy _unsafe_view alias as_strided as_strided_scatter cat channel_shuffle chunk clone
        constant_pad_nd contiguous copy detach diag_embed diagonal_scatter expand flip lift lift_fresh permute
        pixel_shuffle pixel_unshuffle repeat reshape resize resize_as roll rot90 select select_scatter slice
        slice_scatter split split_with_sizes squeeze stack t transpose tril triu unfold unsafe_split
        unsafe_split_with_sizes unsqueeze view""",
    "new values": """
        arange bernoulli empty empty_like empty_permuted empty_strided exponential eye fill full full_like linspace
        logspace multinomial native_dropout new_empty new_empty_strided new_full new_ones new_zeros normal
        normal_functional ones ones_like poisson rand rand_like randint randint_like randn randn_like randperm
        scalar_tensor tril_indices triu_indices uniform zero zeros zeros_like""",
    "element by element, without the tag that says so": """
        _fused_dropout _prelu_kernel _thnn_fused_gru_cell _thnn_fused_lstm_cell addr complex elu gelu glu hardsigmoid
        hardswish hardtanh leaky_relu log_sigmoid log_sigmoid_forward masked_fill rrelu_with_noise softplus
        threshold""",
    "sums, extrema, order and softmax": """
        _log_softmax _safe_softmax _softmax _unique _unique2 all amax amin aminmax any argmax argmin argsort bincount
        bucketize count_nonzero cummax cummin cumprod cumsum dist histc isin kthvalue linalg_vector_norm
        logcumsumexp logsumexp max mean median min mode nanmedian nansum nonzero nonzero_static norm prod
        searchsorted sort std std_mean sum topk trace unique_consecutive unique_dim var var_mean""",
    "indexing": """
        _embedding_bag _embedding_bag_forward_only _unsafe_index _unsafe_index_put _unsafe_masked_index
        _unsafe_masked_index_put_accumulate embedding embedding_dense gather index index_add index_copy index_fill
        index_put index_reduce index_select masked_scatter masked_select put scatter scatter_add scatter_reduce take""",
    "pooling, padding, windows and interpolation": """
        _adaptive_avg_pool2d _adaptive_avg_pool3d _upsample_bicubic2d_aa _upsample_bilinear2d_aa
        _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d adaptive_avg_pool1d
        adaptive_max_pool2d adaptive_max_pool3d avg_pool1d avg_pool2d avg_pool3d col2im fractional_max_pool2d
        fractional_max_pool3d grid_sampler_2d grid_sampler_3d im2col max_pool2d_with_indices max_pool3d_with_indices
        max_unpool2d max_unpool3d reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d
        replication_pad2d replication_pad3d upsample_bicubic2d upsample_bilinear2d upsample_linear1d
        upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_trilinear3d""",
    "normalisation": """
        _batch_norm_no_update _batch_norm_with_update _fused_rms_norm _native_batch_norm_legit
        _native_batch_norm_legit_functional _native_batch_norm_legit_no_training _weight_norm_interface batch_norm
        cudnn_batch_norm miopen_batch_norm native_batch_norm native_group_norm native_layer_norm renorm""",
    "losses": """
        binary_cross_entropy binary_cross_entropy_with_logits huber_loss mse_loss nll_loss nll_loss_forward nll_loss2d
        nll_loss2d_forward smooth_l1_loss""",
    "questions about a tensor": """
        _assert_async _assert_scalar _assert_tensor_metadata _local_scalar_dense equal is_pinned is_same_size""",
}
_FREE = frozenset(f"aten.{name}" for names in _FREE_FAMILIES.values() for name in names.split()) | {
    "torchvision.nms",
    "torchvision.ps_roi_align",
    "torchvision.ps_roi_pool",
    "torchvision.roi_align",
    "torchvision.roi_pool",
}


def _matrix_vector(*tensors: Tensor, **_: Any) -> int:
    return tensors[-2].numel()


def _addbmm(_bias: Tensor, left: Tensor, right: Tensor, **_: Any) -> int:
    return left.numel() * right.shape[-1]


def _addmm(_bias: Tensor, left: Tensor, right: Tensor, **_: Any) -> int:
    return left.numel() * right.shape[-1]


def _convolution_backward(grad: Tensor, x: Tensor, weight: Tensor, *settings: Any, **_: Any) -> int:
    *_others, transposed, _output_padding, _groups, wanted = settings
    positions = x if transposed else grad
    products = positions.shape[0] * positions.shape[2:].numel() * weight.numel()
    return int(products * sum(wanted[:2]))


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    return query.shape[:-1].numel() * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _recurrent(x: Tensor, *weights: Any, **_: Any) -> int:
    """Every matrix of a recurrent layer is used once per step and sample."""
    flat = [w for item in weights[:4] for w in (item if isinstance(item, list) else [item])]
    return x.shape[:-1].numel() * sum(w.numel() for w in flat if isinstance(w, Tensor) and w.dim() == 2)


def _deformable_convolution(_x: Tensor, weight: Tensor, *_: Any, out_val: Tensor, **__: Any) -> int:
    return out_val.numel() * weight[0].numel()


def _affine_grid(theta: Tensor, *_: Any, out_val: Tensor, **__: Any) -> int:
    return out_val.numel() * theta.shape[-1]


# where torch has no formula, or one that leaves out groups or fewer heads in the keys
_FORMULAS: Mapping[str, Callable[..., int]] = {
    "aten._addmm_activation": _addmm,
    "aten._cudnn_rnn": _recurrent,
    "aten._scaled_dot_product_cudnn_attention": _attention,
    "aten._scaled_dot_product_efficient_attention": _attention,
    "aten._scaled_dot_product_flash_attention": _attention,
    "aten._scaled_dot_product_flash_attention_for_cpu": _attention,
    "aten._scaled_dot_product_fused_attention_overrideable": _attention,
    "aten.addbmm": _addbmm,
    "aten.addmv": _matrix_vector,
    "aten.affine_grid_generator": _affine_grid,
    "aten.convolution_backward": _convolution_backward,
    "aten.dot": _matrix_vector,
    "aten.mkldnn_rnn_layer": _recurrent,
    "aten.mv": _matrix_vector,
    "aten.vdot": _matrix_vector,
    "torchvision.deform_conv2d": _deformable_convolution,
}


def mac_formula(operator: Any) -> Callable[..., int] | None:
    """Return the formula for the multiply-adds of one call of an operator, or None where none is known.

    It takes the operator's arguments and, as `out_val`, its result. Formulas that were registered with
    `torch.utils.flop_counter.register_flop_formula` are used too: two floating-point operations are one multiply-add.

    >>> x = torch.ones(2, 3)
    >>> mac_formula(torch.ops.aten.mm.default)(x, x.T, out_val=x @ x.T)
    12
    >>> mac_formula(torch.ops.aten.relu_.default)(x, out_val=x)
    0
    >>> mac_formula(torch.ops.aten._fft_r2c.default) is None
    True
    """
    packet = getattr(operator, "_overloadpacket", operator)
    name = operator_name(operator)
    if formula := _FORMULAS.get(name.removesuffix("_")):
        return formula
    if flops := _flop_formulas().get(packet) or _flop_formulas().get(_out_of_place(packet)):
        return lambda *args, **kwargs: int(flops(*args, **kwargs)) // 2
    return _nothing if _is_free(operator, name) else None


def operator_name(operator: Any) -> str:
    """Return the name without the overload.

    >>> operator_name(torch.ops.aten.add.Tensor)
    'aten.add'
    """
    return str(getattr(operator, "_overloadpacket", operator))


def _flop_formulas() -> dict[Any, Callable[..., int]]:
    # at call time, because it imports triton
    from torch.utils.flop_counter import flop_registry

    return flop_registry


def _out_of_place(packet: Any) -> Any:
    namespace, _, name = operator_name(packet).partition(".")
    return getattr(getattr(torch.ops, namespace), name.removesuffix("_"), None) if name.endswith("_") else None


def _is_free(operator: Any, name: str) -> bool:
    if torch.Tag.pointwise in getattr(operator, "tags", ()) or getattr(operator, "is_view", False):
        return True
    plain = name.removesuffix("_").removesuffix("_data").removesuffix("_backward")
    return plain in _FREE or plain.startswith("prim.")


def _nothing(*_: Any, **__: Any) -> int:
    return 0
