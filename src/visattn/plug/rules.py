"""What goes to a site: the mechanism, built for it, in the form that the site and the wish for identity ask for."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from visattn.catalogue.query import check_options, spec
from visattn.core.errors import ConfigError, PlugError, VisattnError
from visattn.core.spec import Role, Spec
from visattn.plug.sites import Site, placeable
from visattn.plug.trace import evaluating

Factory = Callable[[Site], nn.Module]


@dataclass(frozen=True, slots=True)
class Mechanism:
    """What is to be inserted; `known` is None for a factory of the caller's own."""

    name: str
    role: Role
    build: Factory
    known: Spec | None


@dataclass(frozen=True, slots=True)
class Plan:
    """One module for one site, not yet in the network.

    Attributes:
        site: Where it goes.
        module: What goes there.
        how: "gate", "gate blend" or "identity by initialisation" on the output of a module; "replaced" or
            "replaced from weights" in the place of a convolution; "conv blend" beside one.
    """

    site: Site
    module: nn.Module
    how: str


class Blend(nn.Module):
    """Fade a mechanism in: `y = x + α·(A(x) − x)`, with a learnable scalar α that starts at 0.

    Beside a convolution, `x` in the sum is what the convolution returns.

    >>> x = torch.randn(2, 3, 4, 4)
    >>> torch.equal(Blend(nn.Sigmoid())(x), x)
    True
    """

    def __init__(self, mechanism: nn.Module) -> None:
        super().__init__()
        self.mechanism = mechanism
        self.alpha = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, plain: Tensor | None = None) -> Tensor:
        """Return `plain`, or `x` where there is none, moved towards what the mechanism makes of `x`."""
        plain = x if plain is None else plain
        mixed: Tensor = plain + self.alpha * (self.mechanism(x) - plain)
        return mixed


def choose(mechanism: str | Factory, role: Role | str | None, options: dict[str, Any]) -> Mechanism:
    """Look up what the caller named, or wrap the factory that was given.

    Raises:
        UnknownNameError: No mechanism has that name.
        ConfigError: An option or the role has no meaning for it.
        PlugError: It is a head or needs a query.
    """
    if not isinstance(mechanism, str):
        name = getattr(mechanism, "__name__", type(mechanism).__name__)
        if role is None:
            raise ConfigError(f"the factory {name} came without a role", hint="pass role='gate' or role='conv'")
        if options:
            raise ConfigError(f"the factory {name} takes no options, got {', '.join(options)}", hint="bind them in it")
        return Mechanism(name, placeable(role), mechanism, None)
    known = spec(mechanism)
    check_options(known, options)
    if shaped := [option for option in options if option not in known.options]:
        raise ConfigError(f"{', '.join(shaped)} of {mechanism} is given by each site", hint="leave it out")
    if role not in (None, known.role):
        raise ConfigError(f"{mechanism} is a {known.role}, got role={role!r}", hint="leave role out")

    def build(site: Site) -> nn.Module:
        size = {"height": site.height, "width": site.width} if known.fixed_size else {}
        shape = {"channels": site.channels} if site.conv is None else site.conv
        return known.build(**shape, **size, **options)

    return Mechanism(mechanism, placeable(known.role), build, known)


def plan(site: Site, host: nn.Module, mechanism: Mechanism, identity: bool) -> Plan:
    """Build the mechanism for a site and decide its form; `host` is the module at the site, and stays as it is.

    Raises:
        PlugError: The mechanism cannot be built for the site, or does not return the shape that is needed there.
    """
    try:
        module = mechanism.build(site)
        if not isinstance(module, nn.Module):
            raise ConfigError(f"the factory returned {type(module).__name__}, expected an nn.Module")
        module.to(device=site.device, dtype=site.dtype).train(host.training)
        probe = _probe(site)
        plain = probe if site.role is Role.GATE else _outputs(host, probe, False)
        got = _outputs(module, probe, False)
        if got.shape != plain.shape:
            raise ConfigError(f"it returns {tuple(got.shape[1:])}, expected {tuple(plain.shape[1:])} as (C, H, W)")
        if not identity:
            return Plan(site, module, "gate" if site.role is Role.GATE else "replaced")
        if site.role is Role.GATE:
            return _gate(site, module, mechanism.known, probe)
        assert isinstance(host, nn.Conv2d)
        return _conv(site, module, mechanism.known, host, probe)
    except (VisattnError, RuntimeError, TypeError, ValueError) as error:
        where = f"{site.path} ({site.in_channels}→{site.channels} channels, {site.height}×{site.width})"
        raise PlugError(
            f"{mechanism.name} does not fit at {where}: {error}", hint="pass other options, or where= without it"
        ) from error


def _gate(site: Site, module: nn.Module, known: Spec | None, probe: Tensor) -> Plan:
    # a control may change the last bits, which is its purpose; a mechanism must not
    rounding = 0.0 if known else 2**-19
    if known is None or known.starts_as_identity:
        outputs = [_outputs(module, probe, training) for training in (False, True)]
        if all(torch.allclose(y, probe, rtol=rounding, atol=0) for y in outputs):
            return Plan(site, module, "identity by initialisation")
    return Plan(site, _blend(site, module), "gate blend")


def _conv(site: Site, module: nn.Module, known: Spec | None, conv: nn.Conv2d, probe: Tensor) -> Plan:
    if known and known.from_conv:
        known.from_conv(module, conv)
        # in a narrow type the rounding of a wide kernel would hide any difference
        exact = torch.promote_types(site.dtype, torch.float32)
        trial, probe = copy.deepcopy(module).to(exact), probe.to(exact)
        plain = _outputs(copy.deepcopy(conv).to(exact), probe, False)
        # the bound on the rounding of a sum with as many terms as the kernel has
        rounding = conv.weight[0].numel() * torch.finfo(exact).eps * float(plain.abs().max())
        outputs = [_outputs(trial, probe, training) for training in (False, True)]
        if all(float((y - plain).abs().max()) <= rounding for y in outputs):
            return Plan(site, module, "replaced from weights")
    return Plan(site, _blend(site, module), "conv blend")


def _blend(site: Site, module: nn.Module) -> Blend:
    return Blend(module).to(device=site.device, dtype=site.dtype).train(module.training)


def _probe(site: Site) -> Tensor:
    """Draw two images of features; the caller's random numbers are left alone."""
    shape = (2, site.in_channels, site.height, site.width)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(site.device, site.dtype)


def _outputs(module: nn.Module, probe: Tensor, training: bool) -> Tensor:
    """Run a module, in training mode a copy of it, so that statistics of batches stay as they are."""
    devices = [probe.device] if probe.device.type == "cuda" else []
    with torch.random.fork_rng(devices), evaluating(module):
        given = probe.clone()
        output = copy.deepcopy(module).train()(given) if training else module(given)
    if not torch.equal(given, probe):
        raise ConfigError("it changes its input in place", hint="let it return a new tensor")
    if not isinstance(output, Tensor):
        raise ConfigError(f"it returns a {type(output).__name__}, expected a tensor")
    return output
