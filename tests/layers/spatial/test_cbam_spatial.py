import pytest
import torch

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.spatial.cbam_spatial import CBAMSpatial


def test_by_hand() -> None:
    """Channels 1 and 3 at the only position: maximum 3 and mean 2; weights 1 and −½ give the logit 2."""
    gate = CBAMSpatial(2, kernel_size=1, variant="paper")
    with torch.no_grad():
        gate.conv.weight.copy_(torch.tensor([1.0, -0.5]).reshape(1, 2, 1, 1))
    x = torch.tensor([1.0, 3.0]).reshape(1, 2, 1, 1)
    torch.testing.assert_close(gate(x), x * torch.tensor(2.0).sigmoid())


@pytest.mark.parametrize("descriptor", ["pool", "conv"])
def test_the_published_initialisation_halves_the_input(descriptor: str) -> None:
    x = torch.randn(2, 8, 5, 7)
    assert torch.equal(CBAMSpatial(8, descriptor=descriptor).eval()(x), x / 2)
    assert torch.equal(CBAMSpatial(8, descriptor=descriptor).train()(x), x / 2)


def test_batch_norm_is_the_official_one() -> None:
    norm = CBAMSpatial(8).norm
    assert norm is not None
    assert (norm.eps, norm.momentum) == (1e-5, 0.01)
    assert CBAMSpatial(8, variant="paper").norm is None


def test_pooled_gate_does_not_know_channels() -> None:
    gate = CBAMSpatial(6, variant="paper").double()
    x = torch.randn(2, 6, 5, 7, dtype=torch.float64)
    order = torch.randperm(6)
    torch.testing.assert_close(gate(x[:, order]), gate(x)[:, order])


def test_gate_moves_with_the_image() -> None:
    """A blob far from the border, moved by one position, moves its gate by one position."""
    gate = CBAMSpatial(4, kernel_size=3, variant="paper")
    x = torch.zeros(1, 4, 12, 12)
    x[:, :, 4:6, 5:8] = torch.randn(1, 4, 2, 3)
    torch.testing.assert_close(gate.gate(x.roll(1, dims=3)), gate.gate(x).roll(1, dims=3))


def test_receptive_field_is_the_kernel() -> None:
    gate = CBAMSpatial(4, kernel_size=3, variant="paper")
    x = torch.rand(1, 4, 9, 9)
    changed = x.clone()
    changed[:, :, 4, 4] += 1
    moved = (gate.gate(x) != gate.gate(changed)).squeeze().nonzero()
    assert moved.min() == 3 and moved.max() == 5 and len(moved) == 9


def test_conv_descriptor_sees_a_learned_map() -> None:
    """With unit weights for channel 1 alone, the gate is that channel's own."""
    gate = CBAMSpatial(3, kernel_size=1, descriptor="conv", variant="paper")
    with torch.no_grad():
        gate.squeeze.weight.copy_(torch.tensor([0.0, 1.0, 0.0]).reshape(1, 3, 1, 1))
        gate.conv.weight.fill_(1)
    x = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(gate(x), x * x[:, 1:2].sigmoid())


def test_a_tie_of_maxima_sends_its_gradient_to_one_channel() -> None:
    gate = CBAMSpatial(4, kernel_size=1, variant="paper")
    with torch.no_grad():
        gate.conv.weight.copy_(torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1))
    x = torch.ones(1, 4, 2, 2, requires_grad=True)
    gate.gate(x).sum().backward()
    assert x.grad is not None
    assert (x.grad != 0).sum(dim=1).unique().tolist() == [1]


def test_errors() -> None:
    with pytest.raises(ShapeError, match="cbam_spatial got channels=0, expected at least 1"):
        CBAMSpatial(0)
    with pytest.raises(ShapeError, match="cbam_spatial got kernel_size=6, expected an odd number: use 5 or 7"):
        CBAMSpatial(8, kernel_size=6)
    with pytest.raises(ConfigError, match="cbam_spatial got descriptor='max', expected one of 'pool', 'conv'"):
        CBAMSpatial(8, descriptor="max")
    with pytest.raises(ConfigError, match="cbam_spatial got variant='timm', expected one of 'official', 'paper'"):
        CBAMSpatial(8, variant="timm")
