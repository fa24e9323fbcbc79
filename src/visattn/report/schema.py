"""The stored form of a comparison, `visattn.results/1`, as a JSON Schema, and the check against it."""

import math
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from visattn.core.errors import RunError

VERSION = "visattn.results/1"

_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}
_NUMBER = {"type": "number"}
_COUNT = {"type": "integer", "minimum": 0}
_PERCENT = {"type": "number", "minimum": 0, "maximum": 100}
_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
_POSITIVE = {"type": "number", "exclusiveMinimum": 0}
_FREE = {"type": "object"}
_INTERVAL = {"type": ["array", "null"], "items": _NUMBER, "minItems": 2, "maxItems": 2}


def _list(items: Mapping[str, Any], **limits: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **limits}


def _maybe(kind: Mapping[str, Any]) -> dict[str, Any]:
    return {**kind, "type": [kind["type"], "null"]}


def _record(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(fields), "properties": fields}


def _choice(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


_SECONDS = _record(
    seconds=_POSITIVE,
    ratio=_POSITIVE,
    ratio_min=_POSITIVE,
    ratio_low=_POSITIVE,
    ratio_high=_POSITIVE,
    batch_size=_COUNT,
)

_COST = _record(
    params=_COUNT,
    params_added={"type": "integer"},
    macs=_COUNT,
    macs_added={"type": "integer"},
    uncounted={"type": "object", "additionalProperties": _COUNT},
    latency=_maybe(_SECONDS),
    train_step=_maybe(_SECONDS),
    peak_memory=_maybe(_record(bytes=_COUNT, ratio=_POSITIVE)),
)

_RUN = _record(
    seed=_COUNT,
    run=_maybe(_TEXT),
    status=_choice("ok", "diverged", "failed"),
    accuracy=_maybe(_PERCENT),
    seconds=_maybe({"type": "number", "minimum": 0}),
    reason=_maybe(_TEXT),
    curve=_maybe(
        _record(
            epoch=_list(_COUNT),
            train_loss=_list(_maybe(_NUMBER)),
            val_loss=_list(_maybe(_NUMBER)),
            val_accuracy=_list(_maybe(_PERCENT)),
        )
    ),
)

_EFFECT = _record(
    mean=_NUMBER,
    per_seed=_list(_NUMBER, minItems=1),
    seeds=_list(_COUNT, minItems=1),
    interval=_INTERVAL,
    seed_interval=_INTERVAL,
    image_interval=_INTERVAL,
    p=_maybe(_PROBABILITY),
    p_holm=_maybe(_PROBABILITY),
    mde=_maybe(_NUMBER),
)

_INSERTION = _record(
    sites=_list(_record(path=_TEXT, how=_TEXT)),
    identity=_FLAG,
    max_difference=_maybe(_NUMBER),
    params_added={"type": "integer"},
    tensors_kept=_COUNT,
    tensors_total=_COUNT,
)

_EXPLANATION = _record(
    image=_COUNT,
    predicted=_TEXT,
    correct=_FLAG,
    heatmap=_list(_list({"type": "number", "minimum": 0, "maximum": 1}, minItems=1), minItems=1),
)

_ARM = _record(
    id=_TEXT,
    kind=_choice("baseline", "no-op", "control", "mechanism"),
    mechanism=_maybe(_TEXT),
    options=_FREE,
    role=_maybe(_TEXT),
    status=_choice("ok", "diverged", "refused", "failed"),
    reason=_maybe(_TEXT),
    verdict=_record(
        code=_choice("reference", "noise", "helps", "hurts", "no_evidence", "diverged", "refused", "failed"),
        text=_TEXT,
    ),
    insertion=_maybe(_INSERTION),
    runs=_list(_RUN),
    accuracy=_maybe(_record(mean=_PERCENT, sd=_maybe(_NUMBER), per_seed=_list(_maybe(_PERCENT)))),
    effect=_maybe(_EFFECT),
    versus_control=_maybe(_record(mean=_NUMBER, interval=_INTERVAL, p=_maybe(_PROBABILITY))),
    cost=_maybe(_COST),
    explanations=_list(_EXPLANATION),
)

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": VERSION,
    **_record(
        schema={"const": VERSION},
        created=_TEXT,
        seconds={"type": "number", "minimum": 0},
        versions={"type": "object", "additionalProperties": _maybe(_TEXT)},
        machine=_FREE,
        plan=_record(
            data=_TEXT,
            model=_TEXT,
            mechanisms=_list(_TEXT),
            seeds=_list(_COUNT),
            epochs=_COUNT,
            command=_TEXT,
        ),
        data=_record(
            name=_TEXT,
            classes=_list(_TEXT, minItems=1),
            train_images=_COUNT,
            val_images=_COUNT,
            image_shape=_list(_COUNT, minItems=3, maxItems=3),
            fingerprint=_TEXT,
            skipped=_list(_record(path=_TEXT, reason=_TEXT)),
            duplicates=_list(_list(_TEXT, minItems=2, maxItems=2)),
        ),
        summary=_record(
            headline=_TEXT,
            detail=_TEXT,
            mde=_maybe(_NUMBER),
            noise=_maybe(_NUMBER),
            interval_level=_PROBABILITY,
            alpha=_PROBABILITY,
            seeds=_COUNT,
        ),
        arms=_list(_ARM, minItems=1),
        images=_list(_record(index=_COUNT, label=_TEXT, png={**_TEXT, "pattern": "^[A-Za-z0-9+/]+={0,2}$"})),
        pareto=_list(_TEXT),
    ),
}


def validate(results: Mapping[str, Any]) -> None:
    """Raise `RunError` unless `results` is a complete `visattn.results/1` record.

    The message names the JSON path of the first problem, such as `$.arms[2].effect.p`.

    Args:
        results: The content of a results.json, or what is to become one.

    Raises:
        RunError: Another version wrote it, a field is missing or wrong, or two parts contradict each other.

    >>> validate({"schema": "visattn.results/0"})
    Traceback (most recent call last):
    visattn.core.errors.RunError: results of format 'visattn.results/0', expected 'visattn.results/1': ...
    """
    version = results.get("schema") if isinstance(results, Mapping) else None
    if version != VERSION:
        raise RunError(
            f"results of format {version!r}, expected {VERSION!r}",
            hint="run the comparison again with this version of visattn, or read it with the version that wrote it",
        )
    for problem in _validator().iter_errors(results):
        raise _wrong(problem.json_path, problem.message)
    for path, message in [*_not_finite("$", results), *_contradictions(results)]:
        raise _wrong(path, message)


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator, validators

    one_by_one = Draft202012Validator.VALIDATORS["items"]

    def items(validator: Any, kind: Mapping[str, Any], values: Any, schema: Any) -> Iterator[Any]:
        """Pass a list of sound numbers at once, which takes a tenth of the time."""
        if not _are_numbers(values, kind):
            yield from one_by_one(validator, kind, values, schema)

    checks = Draft202012Validator.TYPE_CHECKER.redefine("array", lambda _, value: isinstance(value, list | tuple))
    return validators.extend(Draft202012Validator, {"items": items}, type_checker=checks)(SCHEMA)


def _are_numbers(values: Any, kind: Mapping[str, Any]) -> bool:
    types = {"number": (int, float), "integer": (int,), "null": (type(None),)}
    kinds = kind.get("type", "any")
    named = kinds if isinstance(kinds, list) else [kinds]
    if not isinstance(values, list | tuple) or not set(named) <= set(types):
        return False
    allowed = {python for name in named for python in types[name]}
    low, high = kind.get("minimum", -math.inf), kind.get("maximum", math.inf)
    return all(type(v) in allowed and (v is None or low <= v <= high) for v in values)


def _wrong(path: str, message: str) -> RunError:
    short = message if len(message) <= 200 else f"{message[:90]} ... {message[-90:]}"
    return RunError(f"{path}: {short}", hint="the file is incomplete or was changed by hand; run the comparison again")


def _contradictions(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a JSON Schema cannot say: what refers to what, and equal lengths."""
    ids = [arm["id"] for arm in results["arms"]]
    for position, arm in enumerate(results["arms"]):
        path = f"$.arms[{position}]"
        if arm["id"] in ids[:position]:
            yield f"{path}.id", f"{arm['id']!r} is there twice"
        if arm["effect"] and len(arm["effect"]["per_seed"]) != len(arm["effect"]["seeds"]):
            yield f"{path}.effect.per_seed", "its length differs from that of seeds"
        for number, run in enumerate(arm["runs"]):
            if run["curve"] and len({len(column) for column in run["curve"].values()}) > 1:
                yield f"{path}.runs[{number}].curve", "its columns differ in length"
        for number, explanation in enumerate(arm["explanations"]):
            if explanation["image"] >= len(results["images"]):
                yield f"{path}.explanations[{number}].image", f"there are only {len(results['images'])} images"
            if len({len(row) for row in explanation["heatmap"]}) > 1:
                yield f"{path}.explanations[{number}].heatmap", "its rows differ in length"
    if (baselines := sum(arm["kind"] == "baseline" for arm in results["arms"])) != 1:
        yield "$.arms", f"got {baselines} arms of kind 'baseline', expected 1"
    for position, name in enumerate(results["pareto"]):
        if name not in ids:
            yield f"$.pareto[{position}]", f"{name!r} is no arm"


def _not_finite(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield where a number is NaN or infinite, which JSON cannot hold."""
    named = isinstance(value, Mapping)
    for key, child in value.items() if named else enumerate(value):
        if isinstance(child, float):
            if not math.isfinite(child):
                yield f"{path}.{key}" if named else f"{path}[{key}]", f"got {child}, expected a finite number or null"
        elif isinstance(child, Mapping | list | tuple):
            yield from _not_finite(f"{path}.{key}" if named else f"{path}[{key}]", child)
