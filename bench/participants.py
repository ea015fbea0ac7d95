"""What a venue with all 65,535 participants costs: adding them while it trades, and its next start.

The exchange operator adds them in one request (``participants_added``: from the request to its
answer). Each is a command that is sequenced, journaled and applied.

The start (``start_all_participants``) is from ``outcry serve`` until the venue is open again, with
all of them in its journal. A venue with 255 participants (``few``) does the same in turns. Its
processor time (``start_all_cpu``) is that of all its processes: another program cannot make it
longer by waiting.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openoutcry.bench.rounds import Add, rotated
from openoutcry.bench.scratch import scratch_folder
from openoutcry.venue.days import read_status
from openoutcry.venue.desk import PARTICIPANT_KNOWN, DeskError, ask
from openoutcry.wire import OutcryError

STARTS = ("start_all_participants", "start_all_cpu")
FIRST, LAST, QUICK_LAST = 3, 65_535, 2_000
FEW = 255
SESSION, TIMES = 3, (11, 12, 13, 14)
"""Fields of ``/proc/PID/stat`` after the name: session; user, system, both of children."""
OPEN_S = 600.0
"""The first start may have to compile kernels."""
VENUE = """
[venue]
name = "MANY"
journal = "journal"
housekeeping_cores = 0
participant_capacity = {capacity}
volatile_journal = true
[calendar]
time_zone = "Etc/UTC"
weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
[[schedule]]
name = "all day"
day = ["00:00 CONTINUOUS", "23:59:59 CLOSED"]
[[asset]]
name = "USD"
decimals = 2
[[asset]]
name = "BTC"
decimals = 8
[[instrument]]
symbol = "GOLD"
[[instrument]]
symbol = "BTC-USD"
settlement = "spot"
base = "BTC"
quote = "USD"
decimals = 2
lot_units = 100000000
tick_units = 1
min_price_ticks = 1
max_price_ticks = 100000000
[[participant]]
number = 1
name = "ONE"
[[participant]]
number = 2
name = "TWO"
"""


def add_participants(number: int, add: Add, quick: bool) -> None:
    """A round: both venues in turns."""
    last = QUICK_LAST if quick else LAST
    for who, highest in rotated([("ours", last), ("few", FEW)], number):
        with scratch_folder("participants") as folder:
            file = folder / "venue.toml"
            file.write_text(VENUE.format(capacity=highest))
            with _served(file):
                rate = _added_per_s(folder / "journal", highest)
            with _served(file) as taken_s:
                _require_added(folder / "journal", highest)
            for name, seconds in zip(STARTS, taken_s, strict=True):
                add(name, "ns", "lower", seconds * 1e9, who)
            if who == "ours":
                add("participants_added", "1/s", "higher", rate)


def _added_per_s(journal: Path, last: int) -> float:
    start = time.monotonic()
    ask(journal, _request(last, "all of them"))
    return (last + 1 - FIRST) / (time.monotonic() - start)


def _request(last: int, reference: str) -> dict[str, Any]:
    numbers = {"participant": FIRST, "last": last}
    return {"do": "participant-add", "reference": reference} | numbers


def _require_added(journal: Path, last: int) -> None:
    """The venue that has started again knows the first and the last one."""
    for who in (FIRST, last):
        request = {"do": "participant-add", "participant": who, "last": who}
        try:
            ask(journal, request | {"reference": f"again {who}"})
        except DeskError as error:
            if error.code == PARTICIPANT_KNOWN:
                continue
            raise
        raise OutcryError(f"bench risk: the venue has forgotten participant {who}")


@contextmanager
def _served(file: Path) -> Iterator[tuple[float, float]]:
    """A venue that is open; the seconds until it was, and those of processors."""
    command = [sys.executable, "-m", "openoutcry", "serve", str(file)]
    start = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        while (read_status(file.parent / "journal") or {}).get("state") != "open":
            if time.monotonic() - start > OPEN_S or process.poll() is not None:
                raise OutcryError("bench risk: the venue did not open")
            time.sleep(0.005)
        yield time.monotonic() - start, _used_s(process.pid)
    finally:
        process.terminate()
        process.wait()


def _used_s(session: int) -> float:
    """Seconds of processors that all processes of a session have used, and their children that have
    ended."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        if int(fields[SESSION]) == session:
            ticks += sum(int(fields[field]) for field in TIMES)
    return ticks / os.sysconf("SC_CLK_TCK")
