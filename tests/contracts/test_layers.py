"""What every mechanism of the catalogue promises. A new mechanism is covered with no further line.

A mechanism is tried with its defaults, and with each other value of every option whose values can be listed: `variant`
from the Spec, and those annotated bool, Literal, Literal | None or Sequence[Literal] from the signature.
"""

import copy
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, Literal, get_args, get_origin

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from visattn.catalogue.query import create
from visattn.catalogue.table import SPECS
from visattn.core.errors import ConfigError, ShapeError
from visattn.core.spec import Role, Spec

CALLS: dict[Role, list[dict[str, int]]] = {
    # 64 first: at 12 channels the bottleneck of some gates has one unit, which hides mistakes
    Role.GATE: [{"channels": 64}, {"channels": 12}, {"channels": 20}],
    Role.CONV: [
        {"in_channels": 12, "out_channels": 20, "kernel_size": 3, "stride": 1, "padding": 1},
        {"in_channels": 20, "out_channels": 12, "kernel_size": 3, "stride": 2, "padding": 1},
        {"in_channels": 16, "out_channels": 16, "kernel_size": 1, "stride": 1, "padding": 0, "bias": False},
        {"in_channels": 8, "out_channels": 16, "kernel_size": 5, "stride": 2, "padding": 2},
        {"in_channels": 8, "out_channels": 12, "kernel_size": 3, "stride": 1, "padding": 2, "dilation": 2},
        {"in_channels": 8, "out_channels": 16, "kernel_size": 3, "stride": 1, "padding": 1, "groups": 4},
    ],
    Role.HEAD: [{"in_channels": 32, "out_channels": 5}, {"in_channels": 12, "out_channels": 12}],
    Role.SEQUENCE: [
        {"query_features": 16, "memory_features": 24},
        {"query_features": 40, "memory_features": 12},
    ],
    Role.GAZE: [{"channels": 3}],
}
SIZES = [(7, 13), (9, 8), (5, 6), (8, 11), (9, 7), (6, 5)]


class Joined(nn.Module):
    """A head as a module of one input and one output: the head's own ones are joined along the channels."""

    def __init__(self, head: nn.Module, widths: list[int]) -> None:
        super().__init__()
        self.head, self.widths = head, widths

    def forward(self, x: Tensor) -> Tensor:
        y = self.head(*x.split(self.widths, dim=1))
        return y if isinstance(y, Tensor) else torch.cat(y, dim=1)


class Asked(Joined):
    """An attention over a set as a module of one input and one output: the first row asks about all positions.

    Contexts and weights are joined along the features.
    """

    def forward(self, x: Tensor) -> Tensor:
        query, memory = x.split(self.widths, dim=1)
        context, weights, *_ = self.head(query[:, :, 0].mT, memory.flatten(2).mT)
        return torch.cat((context, weights), dim=2)


class Seen(Joined):
    """A mechanism that looks at an image as a module of one output: all it returns is joined, one row per image."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.head(x)
        return torch.cat([part.flatten(1) for part in ([y] if isinstance(y, Tensor) else y)], dim=1)


@dataclass(frozen=True)
class Case:
    """One mechanism with one set of arguments, and the size of the image it is tried on."""

    spec: Spec
    call: dict[str, int]
    options: dict[str, Any]
    size: tuple[int, int]

    def __str__(self) -> str:
        return "-".join([self.spec.name, *map(str, self.call.values()), *(f"{k}={v}" for k, v in self.options.items())])

    def build(self, seed: int = 0) -> nn.Module:
        torch.manual_seed(seed)
        size = dict(zip(("height", "width"), self.size, strict=True)) if self.spec.fixed_size else {}
        module = self.spec.build(**self.call, **size, **self.options)
        wrapper = {Role.HEAD: Joined, Role.SEQUENCE: Asked, Role.GAZE: Seen}.get(self.spec.role)
        return wrapper(module, self.widths()) if wrapper else module

    def random(self, seed: int = 0) -> nn.Module:
        """Build in eval mode and move every parameter and running statistic away from its initial value."""
        module = self.build(seed).eval()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
            for name, buffer in module.named_buffers():
                if name.endswith("running_mean"):
                    buffer.normal_(std=0.2)
                if name.endswith("running_var"):
                    buffer.uniform_(0.5, 1.5)
        return module

    def widths(self) -> list[int]:
        if self.spec.role is Role.SEQUENCE:
            return list(self.call.values())
        channels = self.call.get("channels", self.call.get("in_channels"))
        return [channels, channels // 2] if "low_channels" in self.spec.options else [channels]

    def image(self, batch: int = 2, dtype: torch.dtype = torch.float32) -> Tensor:
        generator = torch.Generator().manual_seed(1)
        return torch.randn(batch, sum(self.widths()), *self.size, generator=generator, dtype=torch.float64).to(dtype)

    def output_shape(self, x: Tensor) -> torch.Size:
        if self.spec.role is Role.GATE:
            return x.shape
        if self.spec.role is Role.HEAD:
            outputs = len(self.spec.loss_weights)
            return torch.Size((x.shape[0], outputs * self.call["out_channels"], *x.shape[2:]))
        if self.spec.role is Role.SEQUENCE:
            width = self.call["query_features" if "heads" in self.spec.options else "memory_features"]
            return torch.Size((x.shape[0], x.shape[3], width + x.shape[2] * x.shape[3]))
        if self.spec.role is Role.GAZE:
            one = self.build().eval()(torch.zeros(1, *x.shape[1:]))
            return torch.Size((x.shape[0], one.shape[1]))
        return nn.Conv2d(**self.call, device="meta")(x.float().to("meta")).shape


def other_values(spec: Spec, parameter: Parameter) -> list[object]:
    if parameter.name == "variant":
        values: list[object] = list(spec.variants)
    elif parameter.annotation is bool:
        values = [True, False]
    elif get_origin(parameter.annotation) is Sequence and (names := get_args(get_args(parameter.annotation)[0])):
        values = [*([n] for n in names), list(names)]
    elif literals := [a for a in (parameter.annotation, *get_args(parameter.annotation)) if get_origin(a) is Literal]:
        values = list(get_args(literals[0]))
    else:
        values = []
    default = list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
    return [v for v in values if v != default]


def option_sets(spec: Spec) -> Iterator[dict[str, Any]]:
    yield {}
    parameters = signature(spec.build).parameters
    for option in spec.options:
        for value in other_values(spec, parameters[option]):
            yield {option: value}


def calls(spec: Spec) -> list[dict[str, int]]:
    """Return the calls to try; those of a gate have a number of channels that the defaults take."""
    multiple = spec.channels_multiple if spec.role is Role.GATE else 1
    return [{name: -(-value // multiple) * multiple for name, value in call.items()} for call in CALLS[spec.role]]


def is_supported(case: Case) -> bool:
    """Tell whether the mechanism takes the arguments; some refuse a dilation, or a stride in one variant."""
    try:
        case.build()
    except (ConfigError, ShapeError):
        return False
    return True


CASES = [
    case
    for spec in SPECS
    for options in option_sets(spec)
    for call, size in zip(calls(spec), SIZES, strict=False)
    if is_supported(case := Case(spec, call, options, size))
]
DEFAULTS = [c for c in CASES if not c.options]
# each mechanism and option once, with the first call that it supports
FIRSTS = list({(c.spec.name, str(c.options)): c for c in reversed(CASES)}.values())[::-1]

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_option = pytest.mark.parametrize("case", FIRSTS, ids=str)
every_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.name)


@every_spec
def test_the_usual_calls_and_every_option_are_supported(spec: Spec) -> None:
    usual = calls(spec) if spec.role is Role.GATE else calls(spec)[:2]
    assert [c.call for c in DEFAULTS if c.spec is spec][: len(usual)] == usual
    tried = [c.options for c in CASES if c.spec is spec]
    assert [options for options in option_sets(spec) if options not in tried] == []


@every_spec
def test_every_option_is_described_and_priced(spec: Spec) -> None:
    conv = set(signature(nn.Conv2d).parameters)
    shape = conv if spec.role is Role.CONV else set(CALLS[spec.role][0])
    shape |= {"height", "width"} if spec.fixed_size else set()
    assert set(signature(spec.build).parameters) - shape == set(spec.options)
    assert set(spec.options) <= set(signature(spec.cost).parameters)
    assert ("variant" in spec.options) == bool(spec.variants)


@every_spec
def test_an_unknown_option_is_a_config_error(spec: Spec) -> None:
    with pytest.raises(ConfigError, match=f"{spec.name} has no option 'no_such_option'"):
        create(spec.name, **calls(spec)[0], no_such_option=1)


@every_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("batch", [1, 3])
def test_shape_and_dtype(case: Case, batch: int, dtype: torch.dtype) -> None:
    x = case.image(batch, dtype)
    y = case.random().to(dtype)(x)
    assert y.shape == case.output_shape(x)
    assert y.dtype == dtype
    assert y.isfinite().all()


@every_case
def test_cost_is_exact(case: Case) -> None:
    module = case.build().eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(case.image(batch=1))
    height, width = case.size
    size = {"height": height, "width": width}
    if case.spec.role is Role.SEQUENCE:
        size = {"queries": width, "members": height * width}
    cost = case.spec.cost(**case.call, **size, **case.options)
    assert cost.params == sum(p.numel() for p in module.parameters())
    assert 2 * cost.macs == counter.get_total_flops()


@every_case
def test_eval_is_deterministic_and_changes_nothing(case: Case) -> None:
    module, x = case.random(), case.image()
    state, before = copy.deepcopy(module.state_dict()), x.clone()
    assert torch.equal(module(x), module(x))
    assert torch.equal(x, before)
    assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())


@every_case
def test_channels_last_gives_the_same_result(case: Case) -> None:
    module, x = case.random().double(), case.image(dtype=torch.float64)
    expected = module(x)
    module = module.to(memory_format=torch.channels_last)
    torch.testing.assert_close(module(x.to(memory_format=torch.channels_last)), expected)


@every_option
def test_samples_of_a_batch_do_not_meet(case: Case) -> None:
    module, x = case.random().double(), case.image(batch=3, dtype=torch.float64)
    others_changed = torch.cat((x[:1], 10 - x[1:]))
    torch.testing.assert_close(module(others_changed)[0], module(x)[0], rtol=0, atol=1e-12)


@every_option
def test_state_dict_round_trip(case: Case) -> None:
    module, other, x = case.random(seed=0), case.random(seed=1), case.image()
    assert torch.equal(module(x), other(x)) == (not module.state_dict())
    other.load_state_dict(module.state_dict())
    assert torch.equal(module(x), other(x))


@every_option
def test_deepcopy_and_pickle(case: Case) -> None:
    module, x = case.random(), case.image()
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(twin(x), module(x))


@every_option
def test_training_reaches_every_parameter(case: Case) -> None:
    module, x = case.random().train(), case.image().requires_grad_()
    y = module(x)
    y.backward(torch.randn_like(y))
    gradients = {"input": x.grad, **{name: p.grad for name, p in module.named_parameters()}}
    assert [name for name, g in gradients.items() if g is None or not g.isfinite().all()] == []


@every_option
def test_bfloat16_autocast_is_finite(case: Case) -> None:
    x = case.image().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = case.random()(x)
    y.float().sum().backward()
    assert y.shape == case.output_shape(x)
    assert y.isfinite().all() and x.grad.isfinite().all()


def has_true_gradients(module: nn.Module, x: Tensor, names: list[str], with_input: bool) -> bool:
    """Compare the gradients of the named parameters, and of the input where asked, with finite differences."""

    def output(x: Tensor, *parameters: Tensor) -> Tensor:
        return torch.func.functional_call(module, dict(zip(names, parameters, strict=True)), (x,))

    module.requires_grad_(False)
    parameters = [module.get_parameter(n).clone().requires_grad_() for n in names]
    return torch.autograd.gradcheck(output, (x.requires_grad_(with_input), *parameters), fast_mode=True)


@pytest.mark.parametrize("case", [c for c in FIRSTS if "" not in c.spec.straight_through], ids=str)
def test_gradients_are_derivatives(case: Case) -> None:
    """Where no gradient is straight-through, those of the input and of all parameters; else those of all others."""
    module, x = case.random().double(), case.image(dtype=torch.float64)
    names = [n for n, _ in module.named_parameters() if not n.startswith(case.spec.straight_through)]
    assert has_true_gradients(module, x, names, with_input=not case.spec.straight_through)


@pytest.mark.parametrize("case", [c for c in FIRSTS if any(c.spec.straight_through)], ids=str)
def test_straight_through_gradients(case: Case) -> None:
    """A surrogate is no derivative, but it is a gradient: not zero, and linear in the gradient of the output.

    It reaches the input through the weights of its own parameters alone, so with these at zero, and only the biases
    to choose, the input's gradient is the derivative.
    """
    module, x = case.random().double(), case.image(dtype=torch.float64)
    surrogate = [p for n, p in module.named_parameters() if n.startswith(case.spec.straight_through)]
    y = module(x)
    cotangent = torch.randn_like(y)
    once = torch.autograd.grad(y, surrogate, cotangent, retain_graph=True)
    thrice = torch.autograd.grad(y, surrogate, 3 * cotangent)
    assert all(g.abs().max() > 0 for g in once)
    torch.testing.assert_close(thrice, tuple(3 * g for g in once))
    with torch.no_grad():
        for parameter in surrogate:
            if parameter.dim() > 1:
                parameter.zero_()
    assert has_true_gradients(module, x, [], with_input=True)


@pytest.mark.parametrize("case", [c for c in DEFAULTS if c.spec.role is Role.GATE], ids=str)
def test_identity_at_the_start_is_as_stated(case: Case) -> None:
    x = case.image()
    assert torch.equal(case.build().eval()(x), x) == case.spec.starts_as_identity


@pytest.mark.parametrize("case", [c for c in DEFAULTS if c.spec.from_conv], ids=str)
def test_from_conv_computes_the_convolution(case: Case) -> None:
    module, conv = case.random().double(), nn.Conv2d(**case.call).double()
    case.spec.from_conv(module, conv)
    x = case.image(dtype=torch.float64)
    torch.testing.assert_close(module(x), conv(x))


@every_spec
def test_the_minimum_size_is_as_stated(spec: Spec) -> None:
    call, least = calls(spec)[0], spec.minimum_size
    smallest = Case(spec, call, {}, (least, least))
    x = smallest.image()
    assert smallest.random()(x).shape == smallest.output_shape(x)
    if least > 1:
        with pytest.raises(ShapeError, match=spec.name):
            smallest.random()(x[:, :, 1:, 1:])


@pytest.mark.parametrize("spec", [s for s in SPECS if s.channels_multiple > 1], ids=lambda s: s.name)
def test_other_channels_are_refused(spec: Spec) -> None:
    with pytest.raises(ShapeError, match=f"{spec.name} .*divisible by {spec.channels_multiple}, got"):
        spec.build(channels=spec.channels_multiple + 1)
