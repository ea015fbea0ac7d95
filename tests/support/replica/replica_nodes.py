"""Nodes of a replicated venue as processes beside the test; run as a script it is one of them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from openoutcry.client.ouch import OuchClient
from openoutcry.venue.desk import ask
from openoutcry.wire.errors import OutcryError
from tests.support.pipeline import warm_outcry
from tests.support.portal.served_portal import CHEAP
from tests.support.processes import free_port
from tests.support.venue.served_venue import FileClock, ns
from tests.support.waiting import BOUND_S

WORD = "secret"
VENUE = """
[venue]
name = "{name}"
journal = "journal"
durability = "replicated"
policy = "replicated"
volatile_journal = true
housekeeping_cores = 0
order_capacity = 4096
checkpoint_every = {every}
[durability]
nats = "{nats}"
lease_ms = {lease_ms}
[calendar]
time_zone = "Etc/UTC"
time_every_s = 600
[[schedule]]
name = "main"
day = ["00:00 CONTINUOUS", "23:59 CLOSED"]
[[instrument]]
symbol = "GOLD"
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:{port}"
[[participant]]
number = 1
name = "one"
[[participant]]
number = 2
name = "two"
[[session]]
name = "ONE"
protocol = "ouch-4.2"
participant = 1
password = "{hash}"
timeout_ms = 600_000
[[session]]
name = "TWO"
protocol = "ouch-4.2"
participant = 2
password = "{hash}"
timeout_ms = 600_000
"""


class Asker(threading.Thread):
    """Requests at a venue's desk, one after the other, until the venue no longer answers.  All that
    were ever sent are kept; ``requests_of``: those of each number from 1 on."""

    def __init__(
        self, journal: Path, requests_of: Callable[[int], Iterable[dict[str, Any]]]
    ) -> None:
        super().__init__()
        self.journal, self.requests_of = journal, requests_of
        self.sent: list[dict[str, Any]] = []
        self.answered = 0

    def run(self) -> None:
        number = 0
        while True:
            number += 1
            for request in self.requests_of(number):
                self.sent.append(request)
                try:
                    ask(self.journal, request)
                except (OutcryError, OSError):
                    return
                self.answered += 1


class Node:
    """One node: a folder with a venue file and a journal of its own."""

    def __init__(
        self,
        folder: Path,
        name: str,
        nats: Path,
        lease_ms: int = 1500,
        every: int = 0,
        more: str = "",
    ) -> None:
        """``more``: further tables of the venue file."""
        folder.mkdir()
        self.folder = folder
        self.file = folder / "venue.toml"
        self.journal = folder / "journal"
        self.port = free_port()
        text = VENUE.format(
            name=name,
            nats=nats,
            port=self.port,
            lease_ms=lease_ms,
            every=every,
            hash=CHEAP.hash(WORD),
        )
        self.file.write_text(text + more)
        self.file.chmod(0o600)
        (folder / "clock").write_text(str(ns("2026-11-23T10:00")))
        self.process: subprocess.Popen[str] | None = None

    def start(self, what: str) -> None:
        """``what``: serve or standby."""
        with (self.folder / "said").open("a") as log:
            self.process = warm_outcry.Process(
                [sys.executable, __file__, what, str(self.folder)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def output(self) -> str:
        return (self.folder / "said").read_text()

    def wait_until_open(self) -> None:
        """Its venue takes orders."""
        self.wait(
            lambda: (
                self._document("status.json").get("state") == "open"
                and self._document("status.json").get("phases_sequenced")
            )
        )

    def standby(self) -> dict[str, Any]:
        return self._document("standby.json")

    def _document(self, name: str) -> dict[str, Any]:
        try:
            document = json.loads((self.journal / name).read_text())
        except (OSError, ValueError):
            return {}
        assert self.process is not None
        return dict(document) if document["pid"] == self.process.pid else {}

    def wait(self, true: Any) -> None:
        deadline = time.monotonic() + BOUND_S
        while not true():
            assert self.process is not None
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < deadline, (self.output(), self.standby())
            time.sleep(0.01)

    def client(self, user: str, sequence: int = 1) -> OuchClient:
        return OuchClient("127.0.0.1", self.port, user, WORD, sequence=sequence)

    def kill(self) -> None:
        """SIGKILL of the whole node at once."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def kill_rest(self) -> None:
        """What is left of a node whose first process has ended."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def stop(self) -> dict[str, Any]:
        """In order; what it came to."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.end()

    def end(self) -> dict[str, Any]:
        assert self.process is not None
        out, _ = self.process.communicate(timeout=BOUND_S)
        assert self.process.returncode == 0, self.output()
        # Not for the process that this script is.
        from tests.support.backtest.venue_days import require_days
        from tests.support.journal.outsider import require_all_read

        require_all_read(self.journal)
        require_days(self.journal)
        return dict(json.loads(out.splitlines()[-1]))


def main(what: str, folder: Path) -> None:
    from openoutcry.pipeline.run import Watcher
    from openoutcry.venue.file import read_venue
    from openoutcry.venue.serve import Venue
    from openoutcry.venue.standby import StandbyVenue
    from tests.support.venue.dying_desk import die_where_told

    def note(text: str) -> None:
        print(f"{time.monotonic():.3f} {text}", file=sys.stderr, flush=True)

    watcher, clock = Watcher(note=note), FileClock(folder / "clock")
    file = read_venue(folder / "venue.toml")
    die_where_told(folder)
    if what == "serve":
        print(json.dumps(Venue(file, watcher, clock).serve()))
    else:
        print(json.dumps(StandbyVenue(file, watcher, clock).run()))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
