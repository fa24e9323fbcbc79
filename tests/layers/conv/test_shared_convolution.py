import pytest
import torch
from torch import nn

from visattn.layers.conv.shared_convolution import convolve_heads, shifting


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (3, 1), (3, 2), (5, 1)])
def test_starts_as_a_sum_of_shifted_maps(size: int, stride: int, image) -> None:
    conv, maps = shifting(8, 2, size, stride).double(), image(4 * size**2, 6, 5)
    padded = nn.functional.pad(maps, (size // 2,) * 4).reshape(2, 4, size**2, 6 + size - 1, 5 + size - 1)
    shifts = [padded[:, :, t, t // size :, t % size :][..., :6:stride, :5:stride] for t in range(size**2)]
    # both heads get the same sum; channel d of head h is number 2 d + h
    assert torch.equal(conv(maps), sum(shifts).repeat_interleave(2, dim=1))


def test_heads_are_mixed_channel_by_channel(image) -> None:
    qkv, mix = image(24, 6, 5), nn.Conv2d(6, 9, 1).double()
    kernels = shifting(8, 2, 3).double()
    nn.init.normal_(kernels.weight)
    heads = qkv.reshape(2, 6, 4, 6, 5)
    maps = torch.einsum("tj,bjdhw->bdthw", mix.weight[..., 0, 0], heads) + mix.bias[:, None, None]
    torch.testing.assert_close(convolve_heads(qkv, 2, mix, kernels), kernels(maps.flatten(1, 2)), rtol=0, atol=1e-12)
