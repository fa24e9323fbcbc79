"""RAM: a recurrent network that sees an image through a few glimpses, and decides where the next one goes.

Paper: Mnih et al., Recurrent Models of Visual Attention, NeurIPS 2014, arXiv:1406.6247.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from visattn.core.checks import require_positive
from visattn.core.errors import ConfigError
from visattn.core.spec import Cost, Official, Paper, Role, Spec
from visattn.layers.gaze.glimpse import Core, GlimpseNetwork, Retina
from visattn.layers.sequence.reinforce import reinforce_loss


class Rollout(NamedTuple):
    """What RAM saw and decided over T glimpses.

    Attributes:
        log_probs: Log probability of each class after the last glimpse, (B, classes).
        locations: Where the glimpse after each step goes, (B, T, 2), from −1 to 1; the last is not looked at.
        log_densities: Logarithm of the density of each location before it was clamped, (B, T).
        baselines: Expected reward at each step, (B, T).
        state: State after the last glimpse, (B, hidden).
    """

    log_probs: Tensor
    locations: Tensor
    log_densities: Tensor
    baselines: Tensor
    state: Tensor


class RAM(nn.Module):
    """Classify an image from glimpses, each at a place that the ones before decided.

    `h_t = relu(W g_t + U h_{t−1})` with `g_t` the glimpse at `l_{t−1}`, and `l_t ~ N(μ_t, std²)` with `μ_t` from `h_t`
    (Mnih et al., section 3.1). In training a batch starts anywhere and its locations are drawn; outside training it
    starts in the middle and goes to `μ_t`. A location gets no gradient: `ram_loss` learns it from the reward, and
    that gradient, as the baseline's, stops at the state.
    Shapes: (B, C, H, W) → `Rollout`. The cost does not depend on the image's size.

    Args:
        channels: C.
        patch_size: Side of the smallest patch of a glimpse, in pixels.
        scales: Patches of a glimpse.
        scale_factor: Each patch is so many times larger than the one before.
        what_features: Hidden units for the patches.
        where_features: Hidden units for the location.
        hidden_features: Width of the state.
        classes: Number of classes.
        glimpses: T.
        std: Standard deviation of a location.

    Raises:
        ShapeError: A size is below 1.
        ConfigError: `std` is not above 0.

    >>> seen = RAM(1, glimpses=3).eval()(torch.ones(2, 1, 28, 28))
    >>> seen.log_probs.shape, seen.locations.shape
    (torch.Size([2, 10]), torch.Size([2, 3, 2]))
    """

    def __init__(
        self,
        channels: int,
        *,
        patch_size: int = 8,
        scales: int = 1,
        scale_factor: int = 2,
        what_features: int = 128,
        where_features: int = 128,
        hidden_features: int = 256,
        classes: int = 10,
        glimpses: int = 6,
        std: float = 0.05,
    ) -> None:
        super().__init__()
        sizes = {"channels": channels, "patch_size": patch_size, "scales": scales, "scale_factor": scale_factor}
        sizes |= {"what_features": what_features, "where_features": where_features, "classes": classes}
        require_positive("ram", **sizes, hidden_features=hidden_features, glimpses=glimpses)
        if std <= 0:
            raise ConfigError(
                f"ram got std={std}, expected a number above 0", hint="pass a part of the image, such as 0.05"
            )
        self.glimpses, self.std, self.hidden_features = glimpses, std, hidden_features
        retina = Retina(patch_size, scales, scale_factor)
        self.sensor = GlimpseNetwork(channels, retina, what_features=what_features, where_features=where_features)
        self.core = Core(what_features + where_features, hidden_features)
        middle = max(1, hidden_features // 2)
        self.locator = nn.Sequential(nn.Linear(hidden_features, middle), nn.ReLU(), nn.Linear(middle, 2), nn.Tanh())
        self.classifier = nn.Linear(hidden_features, classes)
        self.baseline = nn.Linear(hidden_features, 1)

    def forward(
        self, x: Tensor, *, start: Tensor | None = None, state: Tensor | None = None, noise: Tensor | None = None
    ) -> Rollout:
        """Return what was seen.

        Args:
            x: (B, C, H, W).
            start: First location, (B, 2).
            state: State before the first glimpse, (B, hidden); zeros by default.
            noise: Standard normal numbers that move the locations from their means, (B, T, 2).
        """
        batch = x.shape[0]
        state = x.new_zeros(batch, self.hidden_features) if state is None else state
        if start is None:
            start = x.new_empty(batch, 2).uniform_(-1, 1) if self.training else x.new_zeros(batch, 2)
        if noise is None:
            noise = x.new_zeros(batch, self.glimpses, 2)
            noise = noise.normal_() if self.training else noise
        location, steps = start, []
        for t in range(self.glimpses):
            state = self.core(self.sensor(x, location), state)
            location, log_density = self._look(self.locator(state.detach()), noise[:, t])
            steps.append((location, log_density, self.baseline(state.detach()).squeeze(1)))
        locations, log_densities, baselines = (torch.stack(parts, dim=1) for parts in zip(*steps, strict=True))
        return Rollout(self.classifier(state).log_softmax(dim=1), locations, log_densities, baselines, state)

    def _look(self, mean: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return a location, and the log density of it as it was before it was clamped to the image."""
        drawn = (mean + self.std * noise).detach()
        deviation = (drawn - mean) / self.std
        log_density = -(0.5 * deviation.square() + math.log(self.std * math.sqrt(2 * math.pi))).sum(dim=1)
        return drawn.clamp(-1, 1), log_density

    def extra_repr(self) -> str:
        """Show what the sub-modules do not."""
        return f"glimpses={self.glimpses}, std={self.std}"


def ram_loss(seen: Rollout, labels: Tensor, *, reinforce_weight: float = 0.01) -> Tensor:
    """Return the hybrid loss: the likelihood of the class, the error of the baseline, and REINFORCE for the locations.

    The reward of all steps is 1 if the most probable class is right, and 0 else (section 3.2).

    >>> model = RAM(1, glimpses=2)
    >>> ram_loss(model(torch.rand(3, 1, 16, 16)), torch.tensor([0, 1, 2])).isfinite()
    tensor(True)
    """
    reward = (seen.log_probs.argmax(dim=1) == labels).to(seen.log_probs)
    likelihood = nn.functional.nll_loss(seen.log_probs, labels)
    expected = nn.functional.mse_loss(seen.baselines, reward[:, None].expand_as(seen.baselines))
    return likelihood + expected + reinforce_weight * reinforce_loss(seen.log_densities, reward, seen.baselines)


def cost(
    channels: int,
    height: int,
    width: int,
    *,
    patch_size: int = 8,
    scales: int = 1,
    scale_factor: int = 2,
    what_features: int = 128,
    where_features: int = 128,
    hidden_features: int = 256,
    classes: int = 10,
    glimpses: int = 6,
    std: float = 0.05,
) -> Cost:
    """Closed-form cost of `RAM` for one image."""
    seen, both = scales * channels * patch_size**2, what_features + where_features
    middle = max(1, hidden_features // 2)
    layers = [(seen, what_features), (2, where_features), (what_features, both), (where_features, both)]
    layers += [(both, hidden_features), (hidden_features, hidden_features)]
    layers += [(hidden_features, middle), (middle, 2), (hidden_features, 1)]
    step = sum(i * o for i, o in layers)
    last = hidden_features * classes
    return Cost(params=step + sum(o for _, o in layers) + last + classes, macs=glimpses * step + last)


def _recurrent(
    g: int,
    k: int,
    s: int,
    c: int,
    h_g: int,
    h_l: int,
    std: float,
    hidden_size: int,
    num_classes: int,
    num_glimpses: int = 6,
) -> RAM:
    return RAM(
        c,
        patch_size=g,
        scales=k,
        scale_factor=s,
        what_features=h_g,
        where_features=h_l,
        hidden_features=hidden_size,
        classes=num_classes,
        glimpses=num_glimpses,
        std=std,
    )


def _roll_out(module: nn.Module, x: Tensor, start: Tensor, state: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
    seen = module(x, start=start, state=state, noise=noise.transpose(0, 1))
    by_time = (y.transpose(0, 1) for y in (seen.locations, seen.baselines, seen.log_densities))
    return seen.state, *by_time, seen.log_probs


_REPOSITORY = "kevinzakka/recurrent-visual-attention"
_SENSOR = {"fc1.": "what.", "fc2.": "where.", "fc3.": "what_out.", "fc4.": "where_out."}
_CORE = {"i2h.": "input.", "h2h.": "state."}

SPEC = Spec(
    name="ram",
    role=Role.GAZE,
    family="gaze",
    summary="A recurrent network sees an image through a few glimpses and learns by reward where the next one goes.",
    build=RAM,
    maths=(
        "ρ_t = patches of g·s^i pixels around l_{t−1}, i < k, each pooled to g×g",
        "g_t = relu(W₃ relu(W₁ ρ_t) + W₄ relu(W₂ l_{t−1})), h_t = relu(W g_t + U h_{t−1})",
        "l_t ~ N(tanh(V₂ relu(V₁ h_t)), std²), clamped to the image; b_t = v h_t; p = softmax(W_a h_T)",
        "loss = −log p(label) + mean (b_t − R)² − 0.01 Σ_t log π(l_t) (R − b_t), R = 1 if the class is right",
    ),
    paper=Paper(
        title="Recurrent Models of Visual Attention",
        authors="Mnih, Heess, Graves, Kavukcuoglu",
        venue="NeurIPS",
        year=2014,
        arxiv="1406.6247",
    ),
    official=(
        Official(
            source=f"{_REPOSITORY}:modules.py:Retina.foveate",
            licence="MIT",
            build=lambda g, k, s: Retina(patch_size=g, scales=k, scale_factor=s),
        ),
        Official(
            source=f"{_REPOSITORY}:modules.py:GlimpseNetwork",
            licence="MIT",
            build=lambda h_g, h_l, g, k, s, c: GlimpseNetwork(
                c, Retina(g, k, s), what_features=h_g, where_features=h_l
            ),
            keys=_SENSOR,
        ),
        Official(
            source=f"{_REPOSITORY}:modules.py:CoreNetwork",
            licence="MIT",
            build=lambda input_size, hidden_size: Core(in_features=input_size, hidden_features=hidden_size),
            keys=_CORE,
        ),
        Official(
            source=f"{_REPOSITORY}:model.py:RecurrentAttention",
            licence="MIT",
            build=_recurrent,
            keys={f"sensor.{k}": f"sensor.{v}" for k, v in _SENSOR.items()}
            | {f"rnn.{k}": f"core.{v}" for k, v in _CORE.items()}
            | {"locator.fc.": "locator.0.", "locator.fc_lt.": "locator.2."}
            | {"classifier.fc.": "classifier.", "baseliner.fc.": "baseline."},
            call=_roll_out,
        ),
    ),
    options={
        "patch_size": "g, side of the smallest patch of a glimpse in pixels",
        "scales": "k, patches of a glimpse",
        "scale_factor": "s, each patch is so many times larger than the one before",
        "what_features": "hidden units for the patches",
        "where_features": "hidden units for the location",
        "hidden_features": "width of the state",
        "classes": "number of classes",
        "glimpses": "T, number of glimpses",
        "std": "standard deviation of a location",
    },
    default_reason="Six glimpses of 8×8 pixels for MNIST, with the published widths; the authors published no code.",
    differs=(
        "kevinzakka's copy turns both coordinates into pixels with the height; here x goes with the width.",
        "Its patches of odd size leave the padded image at the edge 1; here they are complete.",
        "It also draws the start and the locations at test time; here evaluation starts in the middle, without noise.",
        "The density is that of the location as drawn, before it is clamped to the image.",
    ),
    cost=cost,
    straight_through=("",),
)
