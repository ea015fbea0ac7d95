"""Control-C before a command has begun its work: one word, status 1, and with --json a document."""

import json
import subprocess
import sys

import pytest

INTERRUPTED_AT_AN_IMPORT = """
import importlib.abc, os, runpy, signal, sys

module = sys.argv[1]

class Interrupt(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
sys.argv = ["outcry", *sys.argv[2:]]
runpy.run_module("openoutcry", run_name="__main__")
"""


@pytest.mark.smoke
@pytest.mark.promise(
    "An interrupt before a command has begun is reported in one word, with `--json` as a "
    "document, and none is lost, also where an exception is swallowed. Whenever a run is "
    "interrupted or terminated, nothing remains in shared memory",
    group="disasters",
)
@pytest.mark.parametrize(
    "module", ["click", "openoutcry.wire", "openoutcry.cli.journal", "openoutcry.journal.listing"]
)
def test_an_interrupt_while_modules_load_is_reported_in_a_word(module: str) -> None:
    """Before click is there, and after it; no traceback of ours."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AT_AN_IMPORT, module, "journal", "ls", "x", "--json"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.strip()) == (1, "Aborted!")
    assert json.loads(done.stdout) == {"error": "Aborted!"}


IN_A_CALLBACK = """
import os, runpy, signal, sys

class Loaded(dict):
    # Where an exception has nobody who would take it: the end of an object.
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

import importlib.abc

class Interrupt(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "openoutcry.cli.journal":
            Loaded()

sys.meta_path.insert(0, Interrupt())
sys.argv = ["outcry", "journal", "ls", "x"]
runpy.run_module("openoutcry", run_name="__main__")
"""


@pytest.mark.promise(
    "An interrupt before a command has begun is reported in one word, with `--json` as a "
    "document, and none is lost, also where an exception is swallowed. Whenever a run is "
    "interrupted or terminated, nothing remains in shared memory",
    group="disasters",
)
def test_an_interrupt_where_an_exception_is_swallowed_still_ends_it() -> None:
    done = subprocess.run([sys.executable, "-c", IN_A_CALLBACK], capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (1, "Aborted!")


LOST_AND_FOUND = """
import os, signal, sys
from openoutcry.flow import GeneratedFlow
from openoutcry.pipeline.progress import Watcher
from openoutcry.pipeline.run import Options, run

class Ends:
    def __del__(self):
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))

def compiling(what, done, total):
    print(what, flush=True)
    Ends()

try:
    run(Options(source=GeneratedFlow("normal", 100, 1), topology="inline", durability="none"),
        Watcher(compiling=compiling))
except KeyboardInterrupt:
    sys.exit(3)
"""


@pytest.mark.promise(
    "An interrupt before a command has begun is reported in one word, with `--json` as a "
    "document, and none is lost, also where an exception is swallowed. Whenever a run is "
    "interrupted or terminated, nothing remains in shared memory",
    group="disasters",
)
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_lost_while_kernels_are_made_ready_counts_at_the_next_step(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOST_AND_FOUND, name], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (3, "matcher\n"), done.stderr
    assert "Exception ignored in" in done.stderr
