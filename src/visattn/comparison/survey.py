"""Before anything is trained: which arms there are, which of them can be built, and what their controls are."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from visattn.comparison.arms import build_arm, example_images, plain_model
from visattn.comparison.plan import Arm, Plan, Setting
from visattn.core.errors import PlugError, VisattnError
from visattn.costs import count_params
from visattn.plug import find_sites


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """The arms of a plan.

    Attributes:
        arms: Those that can be built; the baseline first, then no-op, controls and mechanisms.
        insertions: Arm id → receipt, for those that plug something.
        refused: Arms that cannot be built, each with the reason.
        control_of: Mechanism's id → id of the control that it is held against.
    """

    arms: tuple[Arm, ...]
    insertions: dict[str, dict[str, Any]]
    refused: tuple[tuple[Arm, str], ...]
    control_of: dict[str, str]


def survey(plan: Plan, setting: Setting) -> Survey:
    """Build every arm once.

    Raises:
        PlugError: No mechanism can be plugged at all.
        VisattnError: The plain model cannot be built.
    """
    baseline = Arm(id="baseline", kind="baseline")
    # an unknown model or weights that do not fit are an error of their own, and not one of every mechanism
    build_arm(setting, baseline, plan.seeds[0])
    mechanisms: list[Arm] = []
    refused: list[tuple[Arm, str]] = []
    insertions: dict[str, dict[str, Any]] = {}
    for choice in plan.mechanisms:
        arm = Arm(id=choice.label, kind="mechanism", choice=choice)
        try:
            _, receipt = build_arm(setting, arm, plan.seeds[0])
        except VisattnError as error:
            refused.append((arm, str(error)))
            continue
        assert receipt is not None
        insertions[arm.id] = receipt.to_json()
        mechanisms.append(arm)
    if not mechanisms:
        reasons = "; ".join(f"{arm.id}: {why}" for arm, why in refused)
        raise PlugError(f"no mechanism can go into {plan.model}: {reasons}", hint="choose others, or another --model")
    no_op = Arm(id="no-op", kind="no-op", sites=dict.fromkeys(_no_op_sites(setting, insertions, mechanisms), 0))
    controls, control_of = _controls(plan, setting, mechanisms, insertions)
    arms = (baseline, no_op, *controls, *mechanisms)
    for arm in (no_op, *controls):
        _, receipt = build_arm(setting, arm, plan.seeds[0])
        assert receipt is not None
        insertions[arm.id] = receipt.to_json()
    return Survey(arms=arms, insertions=insertions, refused=tuple(refused), control_of=control_of)


def _no_op_sites(setting: Setting, insertions: dict[str, dict[str, Any]], mechanisms: list[Arm]) -> list[str]:
    """Return the places where gates go, or where the first mechanism went."""
    model = plain_model(setting, 0)
    try:
        sites = find_sites(model, example_images(setting), role="gate", where=setting.where)
        return [site.path for site in sites]
    except PlugError:
        return [site["path"] for site in insertions[mechanisms[0].id]["sites"]]


def _controls(
    plan: Plan, setting: Setting, mechanisms: list[Arm], insertions: dict[str, dict[str, Any]]
) -> tuple[list[Arm], dict[str, str]]:
    """Return the capacity controls and which mechanism is held against which.

    A control stands at the very sites of the mechanism it mirrors, with as many parameters at each. The one for all
    mirrors the mechanism with the median number of added parameters.
    """
    adding = sorted(
        (a for a in mechanisms if insertions[a.id]["params_added"] > 0), key=lambda a: insertions[a.id]["params_added"]
    )
    if plan.controls == "none" or not adding:
        return [], {}
    plain = plain_model(setting, 0)
    if plan.controls == "median":
        control = _mirror("control", insertions[adding[len(adding) // 2].id], plain)
        return [control], {arm.id: control.id for arm in mechanisms}
    controls = {arm.id: _mirror(f"control for {arm.id}", insertions[arm.id], plain) for arm in adding}
    return list(controls.values()), {name: control.id for name, control in controls.items()}


def _mirror(name: str, insertion: dict[str, Any], plain: nn.Module) -> Arm:
    """Return a control with as many parameters at each site as the mechanism adds there."""
    sites = {}
    for site in insertion["sites"]:
        gone = count_params(plain.get_submodule(site["path"])) if site["how"].startswith("replaced") else 0
        sites[site["path"]] = max(1, site["params"] - gone)
    return Arm(id=name, kind="control", sites=sites)
