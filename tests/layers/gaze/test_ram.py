import pytest
import torch

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.gaze.ram import RAM, ram_loss

SMALL = {"patch_size": 3, "scales": 2, "what_features": 6, "where_features": 5, "hidden_features": 8, "classes": 4}


def small(**options: float) -> RAM:
    return RAM(2, **SMALL, **options)


def test_parameters_of_the_network_for_mnist() -> None:
    assert sum(p.numel() for p in RAM(1).parameters()) == 242_317


def test_every_glimpse_is_where_the_one_before_said() -> None:
    module, x = small(glimpses=2).eval(), torch.randn(3, 2, 12, 10)
    seen = module(x)
    first = module.core(module.sensor(x, torch.zeros(3, 2)), torch.zeros(3, 8))
    torch.testing.assert_close(seen.locations[:, 0], module.locator(first))
    second = module.core(module.sensor(x, seen.locations[:, 0]), first)
    torch.testing.assert_close(seen.state, second)
    torch.testing.assert_close(seen.log_probs.exp(), module.classifier(second).softmax(dim=1))
    torch.testing.assert_close(seen.baselines[:, 1:], module.baseline(second))


def test_training_draws_and_evaluation_does_not() -> None:
    module, x = small(), torch.randn(3, 2, 12, 10)
    assert not torch.equal(module(x).locations, module(x).locations)
    assert torch.equal(module.eval()(x).locations, module(x).locations)
    noise = torch.randn(3, 6, 2)
    assert not torch.equal(module(x, noise=noise).locations, module(x).locations)


def test_densities_are_those_of_a_normal_distribution_before_the_clamp() -> None:
    module, x = small(std=2.0, glimpses=1), torch.randn(3, 2, 12, 10)
    noise, start = torch.randn(3, 1, 2) * 3, torch.zeros(3, 2)
    mean = module.eval()(x).locations[:, 0]
    seen = module(x, start=start, noise=noise)
    drawn = mean + 2 * noise[:, 0]
    expected = torch.distributions.Normal(mean, 2.0).log_prob(drawn).sum(dim=1)
    torch.testing.assert_close(seen.log_densities[:, 0], expected)
    assert torch.equal(seen.locations[:, 0], drawn.clamp(-1, 1))
    assert (drawn.abs() > 1).any()


def reached(module: RAM, loss: torch.Tensor) -> set[str]:
    module.zero_grad()
    loss.backward()
    return {n.split(".")[0] for n, p in module.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}


def test_rewards_reach_the_locator_alone_and_the_class_all_that_saw() -> None:
    module, x = small(), torch.randn(3, 2, 12, 10)
    seen = module(x)
    assert reached(module, seen.log_densities.sum()) == {"locator"}
    assert reached(module, module(x).baselines.sum()) == {"baseline"}
    assert reached(module, module(x).log_probs[:, 0].sum()) == {"sensor", "core", "classifier"}


def test_the_loss_by_hand() -> None:
    seen = small(glimpses=2)(torch.randn(2, 2, 12, 10))
    log_probs = torch.tensor([[0.7, 0.1, 0.1, 0.1], [0.7, 0.1, 0.1, 0.1]]).log()
    baselines = torch.tensor([[0.5, 0.0], [0.0, 1.0]])
    log_densities = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    seen = seen._replace(log_probs=log_probs, baselines=baselines, log_densities=log_densities)
    likelihood = -(log_probs[0, 0] + log_probs[1, 1]) / 2
    expected = (0.25 + 1 + 0 + 1) / 4
    # rewards 1 and 0, so advantages ½ and 1, then 0 and −1
    reinforce = -((1 * 0.5 + 2 * 1) + (3 * 0 - 4 * 1)) / 2
    loss = ram_loss(seen, torch.tensor([0, 1]), reinforce_weight=0.1)
    torch.testing.assert_close(loss, likelihood + expected + 0.1 * reinforce)


def test_errors() -> None:
    with pytest.raises(ShapeError, match="ram got glimpses=0, expected at least 1"):
        small(glimpses=0)
    with pytest.raises(ConfigError, match="ram got std=0, expected a number above 0"):
        small(std=0)
