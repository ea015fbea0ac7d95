"""A venue of a venue file in one thread: its calendar, operator's desk, risk and sessions, with a
clock that the test sets.  Orders come over its sessions, or on a lane that the test has."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from click.testing import CliRunner, Result

from openoutcry.cli.main import main
from openoutcry.journal.replay import replay
from openoutcry.ledger.reconcile import Reconciliation
from openoutcry.pipeline.progress import Watcher
from openoutcry.risk.region import View
from openoutcry.runtime.table import Ring
from openoutcry.venue.desk import ask
from openoutcry.venue.file import read_venue
from openoutcry.venue.serve import IdleSource, Venue
from tests.support.backtest.venue_days import require_days
from tests.support.venue.inline import SMALL, InlineVenue
from tests.support.venue.served_venue import VENUE, ns
from tests.support.venue.units import in_units
from tests.support.venue.venue_floor import MORE, Records, with_operators

LANE = Ring("test_lane", "order", inline=1024, memory=1024, durable=1024, lane=3)
TICK_S = 0.01
PATIENCE_S = 1.0
Asked = TypeVar("Asked")


class InlineFloor(Records, InlineVenue):
    """The venue, its operator, and what its journal says."""

    def __init__(
        self, folder: Path, text: str = VENUE + MORE, now: str = "2026-11-23T10:00"
    ) -> None:
        """``text``: the venue's file, to which operators are added."""
        self.file = folder / "venue.toml"
        self.file.write_text(with_operators(text))
        self.file.chmod(0o600)
        self._at(folder / "journal", datetime.fromisoformat(now).replace(tzinfo=UTC))
        self.open()

    # Its life.

    def open(self) -> None:
        """Begin the day, or go on after what the journal has."""
        self.venue = Venue(read_venue(self.file), Watcher(note=self.notes.append), self.clock)
        lane, self._desk = self.venue.staff()
        options = self.venue.options(lane)
        sessions = options.sessions
        if sessions is not None:
            # The day of this clock, in which there is room for little.
            self.spec = sessions = replace(sessions, day_start_ns=0, **SMALL)
        options = replace(
            options,
            wiring=options.wiring.extended(rings=(LANE,)),
            clock=self.clock,
            housekeeping_cores=1,
            sessions=sessions,
            source=IdleSource(options.table),
            ports=[],
            packet_sessions=(),
        )
        self._producer: Any = None
        self.begin(options, self.venue.watcher)
        self._producer = self.shared.rings[LANE.name].producer()

    @property
    def shared(self) -> Any:
        assert self.run is not None
        return self.run.work.shared

    @property
    def view(self) -> View:
        """What its risk has now."""
        return View(self.shared.regions[0])

    def drop(self) -> None:
        self._desk.close()
        super().drop()

    def stop(self) -> dict[str, Any]:
        self.venue.stopping = True
        self._producer.close()
        self.shared.rings[LANE.name].close()
        result = super().stop()
        self._desk.close()
        return result

    def close(self) -> dict[str, Any]:
        """Stop; nothing was lost or done twice, the journal replays to the same state, the ledger
        comes to what the core has, and its days are what the venue did."""
        last = self.stop()
        assert (last["lost"], last["duplicated"]) == (0, 0)
        assert self.journal_path is not None
        replayed = replay(self.journal_path)
        assert [replayed[n] for n in ("state_hash", "commands")] == [
            last["state_hash"],
            last["commands"],
        ]
        assert Reconciliation(self.journal_path, None).advance().difference is None
        require_days(self.journal_path)
        return last

    def at(self, moment: str) -> None:
        """Let the clock come to this time, UTC."""
        self.clock.advance((ns(moment) - self.clock.now_ns()) / 1e9)

    def status(self) -> dict[str, Any]:
        """What ``outcry venue status`` reads."""
        self.step()
        self.venue.say_open()
        return self.venue.status("open")

    def wait_for(self, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The status for which this is true, now or soon by the venue's clock."""
        for _ in range(round(PATIENCE_S / TICK_S)):
            if true(status := self.status()):
                return status
            self.clock.advance(TICK_S)
        raise AssertionError(status)

    def wait_for_phase(self, phase: str) -> None:
        """Every instrument is in it."""
        self.wait_for(lambda s: set(s["phases"].values()) == {phase} and s["phases_sequenced"])

    # Its operator.

    def outcry(self, *words: str, password: str = "") -> Result:
        """A command about this venue, amounts in units."""
        return self.typed(*in_units(*words), password=password)

    def typed(self, *words: str, password: str = "") -> Result:
        """A command about this venue, in a second thread that waits for the desk.  Time passes only
        for what the desk has begun and cannot finish without.  What participants sent before is
        done before: otherwise the command overtakes it when its thread is quick."""
        words = ("venue", *words, "--venue", str(self.file))
        return self._beside(lambda: CliRunner().invoke(main, words, input=password + "\n"))

    def request(self, **request: Any) -> dict[str, Any]:
        """The desk's answer to a request of another program."""
        return self._beside(lambda: ask(self.file.parent / "journal", request))

    def _beside(self, asks: Callable[[], Asked]) -> Asked:
        """The result of what asks the desk in a second thread."""
        self.step()
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(asks)
            while not asked.done():
                self.step()
                desk = self._desk.desk
                if desk is not None and any(client.work for client in desk.clients):
                    self.clock.advance(TICK_S)
        return asked.result()

    def ask(self, *words: str, password: str = "", status: int = 0) -> dict[str, Any]:
        """The JSON that a command about this venue answers."""
        done = self.outcry(*words, "--json", password=password)
        assert done.exit_code == status, done.output
        return dict(json.loads(done.stdout.splitlines()[-1]))

    # Its participants.

    def publish(self, orders: np.ndarray) -> None:
        """Orders on the test's lane."""
        self.publish_as_of(orders, self.clock.now_ns())

    def publish_as_of(self, orders: np.ndarray, rx_ts_ns: int | np.ndarray) -> None:
        """Orders that arrived at these times."""
        orders["rx_ts_ns"] = rx_ts_ns
        self._producer.publish(orders)
        self.step()
