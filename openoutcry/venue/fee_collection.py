"""Fees by schedule are collected after each finished day: what a participant owed at its end, as
far as the participant owes it still and has it.

The ledger says what is owed, from the journal.  The desk takes each amount by one request, whose
reference is the day's, the participant's and the asset's.  So the journal says what is collected,
wherever a process or a machine was cut off, and a collection that begins again takes nothing twice.
"""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from openoutcry.host.processes import STOP_SIGNALS, fork_reporting, outcome
from openoutcry.risk import layout as lay
from openoutcry.risk.joined import view_of
from openoutcry.risk.region import View
from openoutcry.risk.requests import REFERENCE_BYTES
from openoutcry.venue.days import finished_days
from openoutcry.venue.desk import UNAVAILABLE, DeskError, ask
from openoutcry.venue.fee_tables import MoneySpec
from openoutcry.venue.file import VenueFile

FEES_DUE = "fees-due"
"""The request that takes what a participant owes for a day."""
FEES_MOVED = "fees_moved"
"""Code of a refusal: money has moved since the ledger was read, which is to be read again."""
ATTEMPTS = 8
"""How often the ledger is read for what moves meanwhile, before the collection begins again."""
RETRY_S = 5.0
"""From one look at the finished days to the next."""
MAX_NOTED = 16
"""How many participants that still owe are named."""
Ask = Callable[[dict[str, Any]], dict[str, Any]]


def reference_of(day: int, participant: int, asset: str) -> str:
    """Return the reference of the one request that takes what a participant owes for a day,
    YYYYMMDD."""
    return f"fees {day} {participant} {asset}"[:REFERENCE_BYTES]


def asset_named(asset: str, spec: MoneySpec) -> str:
    """Return the asset of a reference; '' is the first one of margin accounts."""
    return asset or spec.margin_asset or "CASH"


def facts_of(view: View, participant: int, owed: int) -> dict[str, int]:
    """Return what the desk needs to know to take fees: ``owed``, units by the ledger, and
    ``funded``, by which it sees that no money was moved since."""
    return {"owed": owed, "funded": view.of(participant, lay.FUNDED)}


def facts_at_end(journal: Path, participant: int, asset: str) -> dict[str, int]:
    """Return the facts at the journal's end; ``asset``: '' is the first of margin accounts."""
    from openoutcry.ledger.ledger_state import at

    state = at(journal)
    names = [name for name, _ in state.books.monies]
    slot = names.index(asset) if asset in names else 0
    owed = state.books.fees_owed().get((participant, slot), 0)
    return facts_of(view_of([state.point.engine.region]), participant, owed)


def collect(journal: Path, spec: MoneySpec, asked: Ask) -> dict[str, Any]:
    """Collect the fees of the last finished day: ``day``, ``collected`` (units by participant and
    asset, of this attempt), ``left`` (a line for each that still owes), ``again`` (not all could be
    asked).

    ``asked``: sends a request to the desk, which raises :class:`DeskError` if it refuses."""
    from openoutcry.ledger.ledger_state import at

    last = finished_days(journal)[-1]
    day = int(last["day"].replace("-", ""))
    state = at(journal, int(last["last_seq"]))
    then = state.books.fees_owed()
    done: dict[str, Any] = {"day": last["day"], "collected": {}, "left": [], "again": False}
    waiting = sorted(then)
    for _ in range(ATTEMPTS):
        if not waiting:
            return done
        state = at(journal)
        now, view, moved = state.books.fees_owed(), view_of([state.point.engine.region]), []
        for who, slot in waiting:
            owed = min(then[who, slot], now.get((who, slot), 0))
            if not owed:
                continue
            # The first money of margin accounts has no name there where wallets have its asset.
            asset = state.books.monies[slot][0] if slot else ""
            named = asset_named(asset, spec)
            reference = reference_of(day, who, named)
            request = {"do": FEES_DUE, "participant": who, "asset": asset, "day": day}
            try:
                answer = asked(request | facts_of(view, who, owed) | {"reference": reference})
            except DeskError as error:
                if error.code == UNAVAILABLE:
                    return done | {"again": True}
                if error.code == FEES_MOVED:
                    moved.append((who, slot))
                else:
                    done["left"].append(str(error))
                continue
            if answer.get("repeated"):
                continue
            took = int(answer["collected"])
            done["collected"][f"{who} {named}"] = took
            if took < owed:
                text = spec.margin_text(owed - took, asset)
                done["left"].append(f"participant {who} still owes {text} in fees")
        waiting = moved
    return done | {"again": bool(waiting)}


def _collected(file: VenueFile) -> dict[str, Any]:
    """Collect in a process of its own, at the lowest priority."""
    os.nice(19)
    return collect(file.journal, file.risk.money, partial(ask, file.journal))


class FeeCollection:
    """Has fees collected while a venue is open: after each day that has finished, and when a run
    begins what was cut off."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self.note = note
        self.day = ""
        """The last day whose collection has ended."""
        self.pid, self.fd, self._due_s, self._said = 0, -1, 0.0, ""

    def look(self, file: VenueFile) -> None:
        """Begin what is due, and report what has ended."""
        if self.pid:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self._report(file, status)
        elif time.monotonic() >= self._due_s:
            self._due_s = time.monotonic() + RETRY_S
            done = finished_days(file.journal)
            if done and done[-1]["day"] > self.day:
                self.pid, self.fd = fork_reporting(partial(_collected, file), STOP_SIGNALS)

    def _report(self, file: VenueFile, status: int) -> None:
        report = outcome(self.fd)
        os.close(self.fd)
        self.pid = 0
        failed = report.get("error", "" if status == 0 else f"ended with status {status}")
        if failed:
            if failed != self._said:
                self.note(f"fees due could not be collected: {failed}")
            self._said = failed
            return
        day, left, took = report["day"], report["left"], report["collected"]
        if took:
            self.note(f"{day}: fees due are collected from {len(took):,} accounts")
        if report["again"]:
            return
        self.day, self._said = day, ""
        for line in left[:MAX_NOTED]:
            self.note(f"{day}: fees stay owed: {line}")
        if len(left) > MAX_NOTED:
            self.note(f"{day}: fees stay owed by {len(left) - MAX_NOTED:,} further accounts")

    def close(self) -> None:
        """End a collection under way; the next run continues it."""
        pid, self.pid = self.pid, 0
        if pid:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            os.close(self.fd)
