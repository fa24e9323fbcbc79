import importlib.util
import json
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from visattn.catalogue.official import from_official, golden_adapter, official, plain_source, sources, translate
from visattn.core.errors import ConfigError, UnknownNameError

SE = "moskomule/senet.pytorch:senet/se_module.py:SELayer"
ABSENT = "the golden tensors (shared/golden, beside the checkout) are not here"
GOLDEN = next((p for up in Path(__file__).resolve().parents if (p := up / "shared" / "golden").is_dir()), None)


def golden_json(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text(encoding="utf-8")) if GOLDEN else {}


def supported_cases() -> list[str]:
    cases = golden_json("dev/index.json").get("cases", [])
    return [c["id"] for c in cases if plain_source(c["source"]) in sources()]


@pytest.fixture(scope="module")
def check() -> ModuleType:
    """The comparison that belongs to the tensors, with its index read."""
    if GOLDEN is None:
        pytest.skip(ABSENT)
    spec = importlib.util.spec_from_file_location("golden_check", GOLDEN / "check.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves the file to the garbage collector
        module.load_index(str(GOLDEN / "dev"))
    return module


@pytest.mark.parametrize("case", supported_cases() or [pytest.param("", marks=pytest.mark.skip(reason=ABSENT))])
def test_golden_case(check: ModuleType, case: str) -> None:
    assert GOLDEN
    held = check.load_case(str(GOLDEN / "dev" / f"{case}.safetensors"))
    results = check.run_case(held, golden_adapter)
    kinds = {"output_eval": "output_eval", "output_train": "output_train", "grad_input": "grad_input", "grads": "grad"}
    assert {r.name.partition(".")[0] for r in results} >= {kind for key, kind in kinds.items() if held[key]}
    assert [f"{r.name}: {r.message}" for r in results if not r.ok] == []


@pytest.mark.skipif(GOLDEN is None, reason=ABSENT)
def test_every_source_is_a_known_class_and_all_its_cases_run() -> None:
    known = golden_json("sources.json")
    assert set(sources()) <= set(known)
    assert len(supported_cases()) == sum(known[s]["dev_cases"] for s in sources())


def test_golden_adapter_has_no_answer_for_an_unknown_source() -> None:
    assert golden_adapter({"meta": {"source": "github a/b@abc:c.py:D"}, "kwargs": {}, "state": {}}) is None


def test_commit_is_ignored() -> None:
    assert official(SE.replace(":senet/", "@8cb2669fec6fa344481726f9199aa611f08c3fbd:senet/")) is official(SE)


def test_longest_prefix_wins() -> None:
    entry = official("Jongchan/attention-module:MODELS/cbam.py:CBAM")
    assert translate(entry, "SpatialGate.spatial.bn.running_mean") == "spatial.norm.running_mean"


def test_a_constant_of_the_official_class_has_no_place() -> None:
    source = "LeapLabTHU/ACmix:Swin-Transformer/models/swin_transformer_acmix.py:SwinTransformerBlock"
    assert translate(official(source), "attn.relative_position_index") is None
    kwargs = {"dim": 8, "input_resolution": (4, 4), "num_heads": 2, "window_size": 2}
    own = official(source).build(**kwargs).state_dict()
    state = {
        theirs + key.removeprefix(ours): value
        for theirs, ours in official(source).keys.items()
        if ours is not None
        for key, value in own.items()
        if key.startswith(ours)
    }
    loaded = from_official(source, kwargs, {**state, "attn_mask": torch.zeros(4, 4, 4)}).state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in own.items())


def test_an_argument_may_be_read_from_the_weights() -> None:
    entry = official("implus/SKNet:models/sknet50.prototxt:layers conv3_1*")
    kwargs = {"unit": "conv3_1", "channels": 8, "hidden": 4, "groups": 2, "out_channels": 16}
    state = {
        theirs + key.removeprefix(ours): value
        for theirs, ours in entry.keys.items()
        for key, value in entry.build(**kwargs, in_channels=12).state_dict().items()
        if key.startswith(ours)
    }
    assert from_official(entry.source, kwargs, state)(torch.randn(2, 12, 6, 7)).shape == (2, 16, 3, 4)


def test_from_official_reshapes_convolutions_into_linear_layers() -> None:
    state = {
        "fc1.weight": torch.randn(2, 8, 1, 1),
        "fc1.bias": torch.randn(2),
        "fc2.weight": torch.randn(8, 2, 1, 1),
        "fc2.bias": torch.randn(8),
    }
    source = "Cadene/pretrained-models.pytorch:pretrainedmodels/models/senet.py:SEModule"
    module = from_official(source, {"channels": 8, "reduction": 4}, state)
    own = module.state_dict()
    assert list(own) == ["reduce.weight", "reduce.bias", "expand.weight", "expand.bias"]
    for theirs, ours in zip(state.values(), own.values(), strict=True):
        assert torch.equal(theirs.flatten(), ours.flatten())


def test_from_official_turns_matrices_that_are_stored_in_by_out() -> None:
    state = {"Wc_att": (6, 6), "b_att": (6,), "W_comb_att": (4, 6), "U_att": (6, 1), "c_tt": (1,)}
    state = {key: torch.randn(shape) for key, shape in state.items()}
    source = "kyunghyuncho/dl4mt-tutorial:session2/nmt.py:gru_cond_layer (attention lines)"
    own = from_official(source, {"dimctx": 6, "dim": 4}, state).state_dict()
    assert torch.equal(own["scores.query.weight"], state["W_comb_att"].T)
    assert torch.equal(own["scores.memory.weight"], state["Wc_att"].T)
    assert torch.equal(own["scores.score.weight"], state["U_att"].T)


def weights(**shapes: tuple[int, ...]) -> dict[str, torch.Tensor]:
    return {key.replace("_", "."): torch.zeros(shape) for key, shape in shapes.items()}


def test_unknown_source_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown official source .*SELayr'.*did you mean .*SELayer'"):
        from_official(SE.replace("SELayer", "SELayr"), {}, {})


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, "missing a required argument: 'channel'"),
        ({"channel": 8, "ratio": 2}, "got an unexpected keyword argument 'ratio'"),
    ],
)
def test_wrong_constructor_arguments(kwargs: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=f"SELayer: {message}: pass the official constructor's own arguments"):
        from_official(SE, kwargs, {})


def test_key_that_no_prefix_matches() -> None:
    with pytest.raises(ConfigError, match=r"SELayer has no key 'head\.weight': expected keys that start with"):
        from_official(SE, {"channel": 32}, weights(head_weight=(2, 32)))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (weights(fc_0_weight=(8, 32)), r"'fc.0.weight' of \(8, 32\) has no place in .*: ours is \(2, 32\)"),
        (weights(fc_0_bias=(2,)), r"'fc.0.bias' of \(2,\) has no place in .*: ours is nothing"),
    ],
)
def test_tensor_that_does_not_fit(state: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(ConfigError, match=message + ": pass the same constructor arguments as the checkpoint's"):
        from_official(SE, {"channel": 32}, state)


def test_incomplete_checkpoint() -> None:
    with pytest.raises(ConfigError, match=r"the checkpoint lacks \['expand.weight'\]: pass the whole state_dict"):
        from_official(SE, {"channel": 32}, weights(fc_0_weight=(2, 32)))


def test_the_result_is_an_ordinary_module() -> None:
    module = from_official(SE, {"channel": 32}, weights(fc_0_weight=(2, 32), fc_2_weight=(32, 2)))
    assert isinstance(module, nn.Module)
    assert all(p.requires_grad for p in module.parameters())
