"""What the tests of clock report in several tiers share."""

import json
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from openoutcry.ptp import load_table
from openoutcry.wire import CLOCK_DTYPE
from openoutcry.wire.enums import ClockEvent, ClockFlag, ClockSource, ClockState
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY
from tests.support.waiting import BOUND_S

SECOND_NS = 1_000_000_000
MIDNIGHT_UTC_S = 1_800_057_600
TABLE = load_table()


def records(count, start_s=MIDNIGHT_UTC_S - 60):
    """One record a second, locked and within 2 us."""
    rows = np.zeros(count, CLOCK_DTYPE)
    rows["tai_ts_ns"] = (start_s + 37 + np.arange(count)) * SECOND_NS
    rows["bound_ns"] = 2_000
    rows["flags"] = int(ClockFlag.RTS25 | ClockFlag.TRACEABLE)
    rows["state"], rows["source"] = ClockState.LOCKED, ClockSource.PHC_PRECISE
    rows["event"], rows["grandmaster"] = ClockEvent.SAMPLE, 0xC0FFEE
    return rows


@pytest.fixture
def daemon():
    """``outcry clock serve --simulate``, ended in order."""
    process = warm_outcry.Process(
        [*OUTCRY, "clock", "serve", "--simulate"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr.readline().startswith(f"outcry.{process.pid}.")
    yield process
    process.send_signal(signal.SIGTERM)
    assert process.wait(BOUND_S) == 0
    process.stderr.close()


def ask(*arguments):
    return warm_outcry.run(["clock", *arguments], Path.cwd())


def a_run(folder, orders):
    """A short run with a journal; its result document."""
    command = ["run", "--orders", orders, "--rate", 20_000, "--durability", "async"]
    command += ["--topology", "inline", "--journal", folder / "journal", "--json"]
    done = warm_outcry.run(command, Path.cwd())
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
