import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def loaded(statement):
    code = f"{statement}; import sys; print('\\n'.join(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_import_visattn_imports_torch_and_numpy_only():
    beyond = loaded("import visattn") - loaded("import torch, numpy") - set(sys.stdlib_module_names)
    assert beyond == {"visattn"}


def test_the_import_law_holds():
    lint = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
