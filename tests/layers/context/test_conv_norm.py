import pytest
import torch

from visattn.layers.context.conv_norm import conv_norm_params, conv_norm_relu


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_it_keeps_height_and_width_and_is_counted(kernel_size: int, bias: bool) -> None:
    block = conv_norm_relu(4, 6, kernel_size, bias=bias)
    y = block(torch.randn(2, 4, 5, 7))
    assert y.shape == (2, 6, 5, 7)
    assert y.min() == 0 < y.max()
    params = sum(p.numel() for p in block.parameters())
    assert params == conv_norm_params(4, 6, kernel_size, bias=bias) == 6 * (4 * kernel_size**2 + bias) + 12


def test_training_normalises_each_channel() -> None:
    y = conv_norm_relu(4, 6)[:2](torch.randn(2, 4, 5, 7))
    torch.testing.assert_close(y.mean(dim=(0, 2, 3)), torch.zeros(6), rtol=0, atol=1e-6)
