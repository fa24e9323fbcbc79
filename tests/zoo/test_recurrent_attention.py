import pytest
import torch

from visattn.core.errors import ShapeError
from visattn.zoo.recurrent_attention import RecurrentAttention


def test_the_retina_cuts_patches_around_each_location():
    net, x = RecurrentAttention(patch=4, scales=2), torch.randn(3, 1, 12, 8)
    # column and row, from -1 to 1: the middle, the upper left corner, and a point to the right of the middle
    location = torch.tensor([[0.0, 0.0], [-1.0, -1.0], [0.5, 0.0]])
    found = net.retina(x, location).reshape(3, 2, 4, 4)
    padded = torch.nn.functional.pad(x, (4, 4, 4, 4))
    for image, (column, row) in enumerate([(4, 6), (0, 0), (6, 6)]):
        near = padded[image, 0, row + 2 : row + 6, column + 2 : column + 6]
        far = padded[image, 0, row : row + 8, column : column + 8].unfold(0, 2, 2).unfold(1, 2, 2).mean(dim=(2, 3))
        assert torch.equal(found[image, 0], near)
        assert torch.allclose(found[image, 1], far, atol=1e-6)


def test_a_location_on_the_far_border_sees_its_corner():
    net, x = RecurrentAttention(patch=3), torch.ones(1, 1, 5, 5)
    assert net.retina(x, torch.ones(1, 2)).shape == (1, 9)


def test_where_to_look_learns_from_log_probs_only():
    net, x = RecurrentAttention(), torch.rand(4, 1, 28, 28)
    glances = net.look(x)
    assert glances.log_probs.shape == glances.baselines.shape == (4, 6)
    assert glances.locations.shape == (4, 6, 2)
    assert glances.locations.abs().max() <= 1
    glances.logits.sum().backward()
    assert all(p.grad is None for p in net.locate.parameters())
    net.look(x).log_probs.sum().backward()
    assert any(p.grad.abs().sum() > 0 for p in net.locate.parameters())


def test_log_probs_are_those_of_a_normal_distribution_up_to_a_constant():
    """Half the squared distance of a drawn pair is std² times a variable of mean 1."""
    torch.manual_seed(0)
    log_probs = RecurrentAttention(glimpses=1).look(torch.rand(4000, 1, 8, 8)).log_probs
    assert float(log_probs.mean()) == pytest.approx(-1, abs=0.08)


def test_no_gradient_of_the_baseline_reaches_the_rest():
    net = RecurrentAttention()
    net.look(torch.rand(2, 1, 28, 28)).baselines.sum().backward()
    assert net.baseline.weight.grad is not None
    assert all(p.grad is None for p in net.recurrence.parameters())


def test_sizes_below_one_are_refused():
    with pytest.raises(ShapeError, match="glimpses=0"):
        RecurrentAttention(glimpses=0)
    with pytest.raises(ShapeError, match="num_classes=0"):
        RecurrentAttention(num_classes=0)
