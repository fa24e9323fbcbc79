import sys

import pytest

from visattn.core.errors import ConfigError
from visattn.costs import peak_memory

MIB = 2**20
STEPS = '''
import os
from pathlib import Path
import torch
from visattn.costs import memory


def allocate(mib, say=""):
    """The function needs so many MiB for a moment, and the setup holds as many."""
    held = torch.ones(mib, 2**18)
    print(say)

    def function():
        torch.ones(mib, 2**18).mul_(2)
        return held.sum()

    return function


def keep(mib):
    kept = []

    def function():
        if not kept:
            kept.append(torch.ones(mib, 2**18))

    return function


def train(batch):
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(32, 8, 3))
    x = torch.ones(batch, 3, 128, 128)
    return lambda: model(x).sum().backward()


def without_proc(mib):
    """The largest resident size starts as that of the parent process, so first grow up to it."""
    grown = torch.ones(max(0, memory._largest_resident() - memory._private_bytes()), dtype=torch.uint8)
    memory._STATUS = Path("no such file")
    function = allocate(mib)
    return lambda: function() + grown[:1]


def without_own_memory():
    return lambda: None


def fail():
    raise ValueError("no such thing")


def die():
    os._exit(3)
'''


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steps")
    (folder / "memory_steps.py").write_text(STEPS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        import memory_steps

        yield memory_steps
        del sys.modules["memory_steps"]


def test_tensor_of_known_size(steps):
    assert peak_memory(steps.allocate, 64, "printed lines do no harm") == pytest.approx(64 * MIB, rel=0.05)


def test_what_the_first_call_leaves_behind_is_counted(steps):
    assert peak_memory(steps.keep, 64) == pytest.approx(64 * MIB, rel=0.05)


def test_training_step_repeats(steps):
    first, second = peak_memory(steps.train, 4), peak_memory(steps.train, 4)
    assert second == pytest.approx(first, rel=0.05)
    # the first convolution's output, its relu and the gradient of one of them
    assert first > 3 * 4 * 32 * 128 * 128 * 4


def test_largest_resident_size_serves_where_there_is_no_proc(steps):
    assert peak_memory(steps.without_proc, 96) == pytest.approx(96 * MIB, rel=0.05)


def test_function_without_memory_needs_next_to_none(steps):
    assert 0 <= peak_memory(steps.without_own_memory) < MIB


def test_error_of_the_setup_is_told(steps):
    with pytest.raises(ConfigError, match="failed with ValueError: no such thing"):
        peak_memory(steps.fail)


def test_process_that_dies_is_told(steps):
    with pytest.raises(ConfigError, match="failed with exit code 3"):
        peak_memory(steps.die)


def test_function_that_does_not_pickle_is_told():
    with pytest.raises(ConfigError, match=r"cannot be pickled.*put everything that is measured at the top level"):
        peak_memory(lambda: print)


def test_function_that_cannot_be_imported_is_told(steps, monkeypatch):
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if "steps" not in entry])
    with pytest.raises(ConfigError, match="could not import it, ModuleNotFoundError: No module named 'memory_steps'"):
        peak_memory(steps.allocate, 1)
