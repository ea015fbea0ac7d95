"""Control-C before a command has begun its work: one word, status 1, and with --json a document."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

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


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_lost_while_kernels_are_made_ready_counts_at_the_next_step(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOST_AND_FOUND, name], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (3, "matcher\n"), done.stderr
    assert "Exception ignored in" in done.stderr


@pytest.mark.long
def test_signals_at_every_moment_of_a_run(tmp_path: Path) -> None:
    """From the interpreter's first millisecond to the end of a run: no traceback of ours, nothing
    left in shared memory, and whoever says that it was done has done it."""
    rng = random.Random(26)
    command = [sys.executable, "-m", "openoutcry", "run", "--orders", "2000", "--json"]
    ends: Counter[int] = Counter()
    for _ in range(200):
        with subprocess.Popen(
            [*command, "--topology", rng.choice(["inline", "processes"])],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            time.sleep(rng.uniform(0, 2.5))
            process.send_signal(rng.choice([signal.SIGINT, signal.SIGTERM]))
            out, err = process.communicate(timeout=600)
        ends[process.returncode] += 1
        if "Exception ignored in" in err:
            assert process.returncode != 0, "an interrupt was lost"
        elif "Traceback" in err:  # the interpreter's own, before it has come to a line of ours
            assert "/openoutcry/" not in err, err
        if process.returncode == 0:
            assert json.loads(out)["lost"] == 0
        left = [path.name for path in Path("/dev/shm").iterdir() if f".{process.pid}." in path.name]
        assert left == [], err
    assert set(ends) <= {0, 1, -signal.SIGINT, -signal.SIGTERM}, ends
    assert len(ends) > 1
