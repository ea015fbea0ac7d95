"""cli/main.py: subcommands are imported when they are asked for, and the list of them is true."""

import subprocess
import sys

import pytest

from openoutcry.cli.sections import COMMANDS

NAMES = [name for lines in COMMANDS.values() for name in lines]


def test_help_waits_for_no_compiler():
    """`outcry --help` imports neither numba nor a subcommand: it is typed to be read at once."""
    script = (
        "import sys\n"
        "from openoutcry.cli.main import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text, modules = done.stdout.rstrip("\n").rsplit("\n", 1)
    assert all(f"  {name} " in text for name in NAMES)
    loaded = set(modules.split())
    assert "openoutcry.cli.main" in loaded
    assert "numba" not in loaded
    assert not {f"openoutcry.cli.{name.replace('-', '_')}" for name in NAMES} & loaded


@pytest.mark.parametrize(
    "module", ["click", "openoutcry.cli.main", "rich.console", "openoutcry.cli.run", "numba"]
)
def test_control_c_while_the_command_is_loaded_is_no_traceback(module):
    """Whatever it comes between: before click is there to answer it, and within a subcommand."""
    script = (
        "import runpy, sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == {module!r}:\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "sys.argv = ['outcry', 'run', '--orders', '10']\n"
        "runpy.run_module('openoutcry', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.split() == ["Aborted!"]
    assert done.returncode == 1
