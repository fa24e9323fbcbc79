import pytest

from visattn.comparison import parse_choices
from visattn.comparison.compare import make_setting
from visattn.comparison.plan import Plan
from visattn.data import load
from visattn.train import TrainConfig


@pytest.fixture(scope="session")
def digits():
    return load("digits", size=12)


@pytest.fixture
def make(digits):
    """A plan and its setting on small digits."""

    def build(mechanisms="se,eca", **values):
        values = {"seeds": (0, 1), "train": TrainConfig(epochs=1, batch_size=256), "size": 12, **values}
        plan = Plan(mechanisms=parse_choices(mechanisms), **values)
        return plan, make_setting(plan, digits, None)

    return build
