import subprocess
import sys

import visattn


def test_a_users_mistake_gives_one_clear_line_and_exit_code_two(cli):
    code, out, err = cli("show", "cbma")
    assert (code, out) == (2, "")
    assert err.startswith("visattn: unknown mechanism 'cbma': did you mean 'cbam'")
    assert err.endswith("See visattn list\n")
    assert err.count("\n") == 1


def test_a_wrong_option_gives_exit_code_two(cli):
    code, _, err = cli("list", "--rolle", "gate")
    assert code == 2
    assert "--role" in err


def test_version(cli):
    assert cli("--version")[1].strip() == f"visattn {visattn.__version__}"


def test_without_the_extra_it_says_what_to_install():
    code = (
        "import sys; sys.modules['typer'] = None; sys.argv = ['visattn', 'list']; "
        "from visattn.cli.main import main; main()"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert 'pip install "visattn[compare]"' in run.stderr
