"""A venue as a process beside the test: its clock is a file, so that the test says what time it is;
run as a script it is that process."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.host.processes import children_of
from openoutcry.journal import JournalReader
from openoutcry.journal.events import events_of
from openoutcry.pipeline.send import send
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind, OrderType, Side
from tests.support.journal.outsider import require_all_read
from tests.support.pipeline import warm_outcry
from tests.support.processes import free_port
from tests.support.waiting import BOUND_S, LOOK_S, wait_until

VENUE = """
[venue]
name = "TEST"
journal = "journal"
volatile_journal = true
housekeeping_cores = 0
order_capacity = 4096
checkpoint_every = 0
[calendar]
time_zone = "Etc/UTC"
time_every_s = 600
[[schedule]]
name = "main"
day = ["08:00 PRE_OPEN", "09:00 CONTINUOUS", "17:00 CLOSING_AUCTION", "17:05 CLOSED"]
[[instrument]]
symbol = "GOLD"
[[instrument]]
symbol = "TIN"
[[participant]]
number = 1
name = "one"
"""
KEY = "00112233445566778899aabbccddeeff" * 2
SEALED = f"""
[[port]]
protocol = "packets"
address = "127.0.0.1:{{port}}"
[[session]]
name = "one"
protocol = "packets"
participant = 1
key = "{KEY}"
"""
PORT = """
[[port]]
protocol = "packets-unauthenticated"
address = "127.0.0.1:{port}"
"""


def never_closes(text: str) -> str:
    """A venue's file with the schedule of one that never closes."""
    zone = 'time_zone = "Etc/UTC"'
    weekdays = 'weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]'
    assert zone in text
    text, schedules = re.subn(r"\nday = \[[^]]*\]", '\nday = ["00:00 CONTINUOUS"]', text)
    assert schedules == 1
    return text.replace(zone, f"{zone}\n{weekdays}")


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


class FileClock:
    def __init__(self, path: Path) -> None:
        self.path = path

    def now_ns(self) -> int:
        while not (text := self.path.read_text()):  # a test is just writing it
            pass
        return int(text)


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """These processes run no further in the body."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


class ServedVenue:
    """Starts, kills and asks a venue in ``folder``."""

    def __init__(self, folder: Path, now: str, port: str = PORT, venue: str = VENUE) -> None:
        self.folder = folder
        self.journal = folder / "journal"
        self.port = free_port()
        (folder / "venue.toml").write_text(venue + port.format(port=self.port))
        (folder / "venue.toml").chmod(0o600)
        self.set_time(now)
        self.process: subprocess.Popen[str] | None = None
        self.senders = 0

    def set_time(self, now: str) -> None:
        self._set_time_ns(ns(now))

    def _set_time_ns(self, now_ns: int) -> None:
        new = self.folder / "clock.new"
        new.write_text(str(now_ns))
        new.replace(self.folder / "clock")

    def start(self) -> None:
        script = [sys.executable, __file__, str(self.folder)]
        self.process = warm_outcry.Process(
            script, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def memories(self) -> dict[int, int]:
        """What each of its processes holds that is no file's, by pid: heap, stacks, and what it has
        touched of shared memory, in bytes."""
        assert self.process is not None
        bytes_by_pid = {}
        for pid in [self.process.pid, *self.children()]:
            with suppress(FileNotFoundError):
                rows = Path(f"/proc/{pid}/status").read_text().splitlines()
                sizes = [row.split()[1] for row in rows if row.startswith(("RssAnon", "RssShmem"))]
                bytes_by_pid[pid] = sum(map(int, sizes)) * 1024
        return bytes_by_pid

    def children(self) -> list[int]:
        assert self.process is not None
        return [pid for _, pid in children_of(self.process.pid)]

    def status(self) -> dict[str, Any]:
        with suppress(FileNotFoundError):
            document = json.loads((self.journal / "status.json").read_text())
            if self.process is not None and document["pid"] == self.process.pid:
                return dict(document)
        return {"state": "starting", "phases": {}}

    def wait_for(self, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + BOUND_S
        while not true(document := self.status()):
            assert self.process is not None
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline, document
            time.sleep(0.02)
        return document

    def wait_for_phase(self, phase: str) -> None:
        self.wait_for(
            lambda s: (
                s["state"] == "open"
                and set(s["phases"].values()) == {phase}
                and s["phases_sequenced"]
            )
        )

    def let_auctions_end(self) -> None:
        """Wait until everything trades continuously: the clock goes on by a minute whenever the
        venue has seen it in an auction after a halt, which may be extended."""
        while True:
            status = self.wait_for(lambda s: s["state"] == "open" and s["phases_sequenced"])
            now_ns = int((self.folder / "clock").read_text())
            if set(status["phases"].values()) == {"CONTINUOUS"}:
                return
            if datetime.fromisoformat(status["time"]).timestamp() * 1e9 >= now_ns:
                assert set(status["phases"].values()) <= {"CONTINUOUS", "VOLATILITY_AUCTION"}
                self._set_time_ns(now_ns + 60 * 10**9)
            time.sleep(LOOK_S)

    def send(
        self, orders: np.ndarray, timeout_s: float = BOUND_S, rate: int = 2_000
    ) -> dict[str, Any]:
        """As a sender of its own: one that comes back with numbers it has used is refused."""
        self.senders += 1
        return send(
            [orders],
            ("127.0.0.1", self.port),
            rate=rate,
            sender_id=self.senders,
            timeout_s=timeout_s,
        )

    def kill(self) -> None:
        """SIGKILL, and wait until the stages that it leaves are gone as well."""
        assert self.process is not None
        children = self.children()
        self.process.kill()
        self.process.communicate()
        wait_until(
            lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children),
            "all stages are gone",
        )

    @contextmanager
    def held_still(self) -> Iterator[None]:
        """No stage reads or answers anything in the body."""
        with stopped(*self.children()):
            yield

    def stop(self) -> dict[str, Any]:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=BOUND_S)
        assert self.process.returncode == 0, err
        # Not for the process that this script is.
        from tests.support.backtest.venue_days import require_days

        require_all_read(self.journal)
        require_days(self.journal)
        return dict(json.loads(out.splitlines()[-1]))

    def commands(self) -> np.ndarray:
        """What the journal holds."""
        batches = events_of(JournalReader(self.journal))
        return np.concatenate([np.array(batch.commands) for batch in batches])

    def phases(self) -> list[tuple[str, int]]:
        records = self.commands()
        records = records[records["kind"] == CommandKind.PHASE]
        return [(row["symbol"].decode(), int(row["aux"])) for row in records]


def orders(first_id: int, count: int, time_in_force: int, price: int = 1_000) -> np.ndarray:
    """Bids that trade with nobody, each at its own price."""
    rows = np.zeros(count, ORDER_DTYPE)
    rows["order_id"] = np.arange(first_id, first_id + count)
    rows["price_ticks"] = price + np.arange(count)
    rows["qty_lots"], rows["symbol"], rows["participant"] = 5, b"GOLD", 1
    rows["kind"], rows["side"] = CommandKind.NEW, Side.BUY
    rows["order_type"], rows["time_in_force"] = OrderType.LIMIT, time_in_force
    return rows


if __name__ == "__main__":
    from openoutcry.faults.serve import between
    from openoutcry.host.processes import KeptProcess
    from openoutcry.operations.dump import take
    from openoutcry.pipeline.run import Watcher
    from openoutcry.venue.file import read_venue
    from openoutcry.venue.serve import Venue
    from tests.support.venue.dying_desk import die_where_told
    from tests.support.venue.naps import nap_longer

    nap_longer()
    folder = Path(sys.argv[1])
    die_where_told(folder)
    watcher = Watcher(note=lambda text: print(text, file=sys.stderr, flush=True))
    file = read_venue(folder / "venue.toml")
    with ExitStack() as opened:
        kept: tuple[KeptProcess, ...] = ()
        if (folder / "faults.toml").exists():
            file, process = opened.enter_context(between(file, folder / "faults.toml"))
            kept = (process,)
        clock = FileClock(folder / "clock")
        venue = Venue(file, watcher, clock, take_dump=take, kept=kept)
        print(json.dumps(venue.serve()))
