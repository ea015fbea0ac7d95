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

from tests.support.waiting import BOUND_S


@pytest.mark.promise(
    "An interrupt before a command has begun is reported in one word, with `--json` as a "
    "document, and none is lost, also where an exception is swallowed. Whenever a run is "
    "interrupted or terminated, nothing remains in shared memory",
    group="disasters",
)
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
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            time.sleep(rng.uniform(0, 2.5))
            process.send_signal(rng.choice([signal.SIGINT, signal.SIGTERM]))
            out, err = process.communicate(timeout=BOUND_S)
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
