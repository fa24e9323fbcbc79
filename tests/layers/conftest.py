import pytest
import torch


@pytest.fixture(autouse=True)
def same_seed() -> None:
    """Start every test from the same random state, whatever ran before it."""
    torch.manual_seed(0)
