"""Control-C before a command has begun its work: one word, status 1, and with --json a document."""

import json
import subprocess
import sys

import pytest

INTERRUPTED_AT_AN_IMPORT = """
import importlib.abc, runpy, sys

module = sys.argv[1]

class Interrupt(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == module:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
sys.argv = ["outcry", *sys.argv[2:]]
runpy.run_module("openoutcry", run_name="__main__")
"""


@pytest.mark.parametrize(
    "module", ["click", "openoutcry.wire", "openoutcry.cli.journal", "openoutcry.journal.listing"]
)
def test_an_interrupt_while_modules_load_is_told_in_a_word(module: str) -> None:
    """Before click is there, and after it; no traceback of ours."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AT_AN_IMPORT, module, "journal", "ls", "x", "--json"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.strip()) == (1, "Aborted!")
    assert json.loads(done.stdout) == {"error": "Aborted!"}
