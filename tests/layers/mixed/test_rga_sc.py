import pytest
import torch

from visattn.catalogue import create
from visattn.catalogue.official import from_official
from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.mixed.rga_sc import RGASC, cost

SOURCE = "microsoft/Relation-Aware-Global-Attention-Networks:reid/models/models_utils/rga_modules.py:RGA_Module"


def test_parameters_of_all_four_modules_for_256_by_128() -> None:
    stages = [(256, 64, 32), (512, 32, 16), (1024, 16, 8), (2048, 16, 8)]
    assert sum(cost(*stage).params for stage in stages) == 6_314_096


def test_the_channel_gate_sees_the_result_of_the_spatial_gate() -> None:
    module, x = RGASC(8, 5, 7).eval(), torch.randn(2, 8, 5, 7)
    spatial = module.spatial(x)
    torch.testing.assert_close(module(x), module.channel(spatial))
    assert not torch.allclose(module(x), module.channel(x) * spatial / x)


def test_create_takes_the_size() -> None:
    module = create("rga_sc", channels=8, height=5, width=7, down_ratio=4)
    assert module.spatial.positions == module.channel.positions == 35


def test_official_class_with_one_gate() -> None:
    whole = RGASC(8, 5, 7, channel_ratio=4, spatial_ratio=5, down_ratio=2).eval()
    official = {"theta": "theta", "phi": "phi", "unary": "gx", "relations": "gg", "score": "W"}
    ratios = {"cha_ratio": 4, "spa_ratio": 5, "down_ratio": 2}
    x = torch.randn(2, 8, 5, 7)
    for gate, other in (("spatial", "channel"), ("channel", "spatial")):
        state = {}
        for name, value in whole.get_submodule(gate).state_dict().items():
            _, part, rest = name.split(".", 2)
            state[f"{official[part]}_{gate}.{rest}"] = value
        loaded = from_official(SOURCE, {"in_channel": 8, "in_spatial": 35, f"use_{other}": False, **ratios}, state)
        torch.testing.assert_close(loaded.eval()(x), whole.get_submodule(gate)(x))


def test_official_class_with_no_gate() -> None:
    kwargs = {"in_channel": 8, "in_spatial": 35, "use_spatial": False, "use_channel": False}
    with pytest.raises(ConfigError, match="RGA_Module got neither use_spatial nor use_channel: pass at least one"):
        from_official(SOURCE, kwargs, {})


def test_errors() -> None:
    with pytest.raises(ShapeError, match="rga_s got channels=0, expected at least 1"):
        RGASC(0, 5, 7)
    with pytest.raises(ShapeError, match="rga_s got a 5×8 map of 40 positions, expected 35"):
        RGASC(8, 5, 7)(torch.ones(1, 8, 5, 8))
    with pytest.raises(ConfigError, match="rga_sc has no option 'heigth': did you mean 'height'"):
        create("rga_sc", channels=8, heigth=5, width=7)
