import pytest

from visattn.core.errors import ConfigError
from visattn.train import TrainConfig


def test_json_round_trip():
    config = TrainConfig(epochs=7, lr=0.3, flip=True)
    assert TrainConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs is 0, expected at least 1"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"lr": 0.0}, "lr is 0.0"),
        ({"weight_decay": -1.0}, "weight_decay is -1.0"),
        ({"warmup": 1.0}, "fractions"),
        ({"optimizer": "lion"}, "expected one of 'sgd', 'adamw'"),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**values)


def test_default_rate_depends_on_where_training_starts():
    assert TrainConfig().peak_lr(loaded=False) == 0.1
    assert TrainConfig().peak_lr(loaded=True) == 0.01
    assert TrainConfig(optimizer="adamw").peak_lr(loaded=False) == 0.001
    assert TrainConfig(lr=0.5).peak_lr(loaded=True) == 0.5
