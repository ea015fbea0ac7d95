"""What the emergency close stores for an investigation.

The desk writes the state at the close at once.  A separate process writes everything else; only the
step that is named after it waits for that process.
"""

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from openoutcry.host.build import require_same
from openoutcry.host.processes import STOP_SIGNALS, fork_reporting, outcome
from openoutcry.risk import layout as lay
from openoutcry.risk.movements import OPEN_STATES
from openoutcry.risk.region import View
from openoutcry.venue.file import VenueFile
from openoutcry.venue.limits import FileLimits
from openoutcry.venue.limits_in_force import WALLET
from openoutcry.venue.movement_desk import movement_row
from openoutcry.wire import OutcryError

TakeDump = Callable[[VenueFile, Path, dict[str, Any], int | None], Path]
"""Writes everything to a path: the venue, the path, the state at the close, the last command before
the close."""
STATE_TEXT = "the state at the emergency close"
SUFFIX = ".dump.json.gz"
LONGEST_S = 30.0
"""This long the step waits for the dump."""
NICE = 5
"""Lower than the stages, which have separate cores; higher than processes that only observe."""


def standing_document(view: View, limits: FileLimits, at: str, seq: int) -> dict[str, Any]:
    """Every participant's money, positions and open orders, and the risk state's digest."""
    symbols = limits.symbols
    rows = [
        {
            "participant": who,
            "balance": view.of(who, lay.BALANCE),
            "reserved": view.of(who, lay.RESERVED),
            "profit": view.of(who, lay.PROFIT),
            "open_orders": view.of(who, lay.OPEN),
            "positions": {
                symbol: view.cell(who, index, lay.POSITION)
                for index, symbol in enumerate(symbols)
                if view.cell(who, index, lay.POSITION)
            },
        }
        | _money(view, who)
        for who in limits.everybody()
    ]
    return {
        "what": STATE_TEXT,
        "at": at,
        "commands": seq,
        "risk_digest": view.digest(),
        "participants": rows,
    }


def _money(view: View, who: int) -> dict[str, Any]:
    """A participant's wallets that are not empty, and its deposits and withdrawals under way."""
    wallets = view.wallets
    if wallets is None:
        return {}
    shown = {
        name: dict(zip(WALLET, row, strict=True))
        for name, row in zip(wallets.names, wallets.rows[who].tolist(), strict=True)
        if any(row)
    }
    movements = [] if wallets.movements is None else wallets.movements.chosen(OPEN_STATES, who)
    return {"wallets": shown, "movements": [movement_row(movement) for movement in movements]}


class Investigation:
    """The process that writes the dump, while there is one."""

    def __init__(self, file: VenueFile, take: TakeDump) -> None:
        self.file, self.take = file, take
        self.path: Path | None = None
        self._pid = self._fd = 0
        self._until_s = 0.0
        self._late = False

    def begin(self, name: str, stood: dict[str, Any], before_seq: int | None) -> Path:
        """Begin a dump in the journal's folder, after ending another that is under way."""
        self._end()
        self.path = self.file.journal / f"{name}{SUFFIX}"
        work = partial(self._write, self.path, stood, before_seq)
        try:
            require_same()
            self._pid, self._fd = fork_reporting(work, STOP_SIGNALS)
        except (OSError, OutcryError):
            self._pid = 0  # without it the close continues: `outcry venue dump take` tries again
        self._until_s = time.monotonic() + LONGEST_S
        return self.path

    def _write(self, path: Path, stood: dict[str, Any], before_seq: int | None) -> dict[str, Any]:
        os.nice(NICE)
        self.take(self.file, path, stood, before_seq)
        return {}

    def is_done(self, note: Callable[[str], None]) -> bool:
        """Return whether nothing has to wait any more: the dump is written, or takes too long to
        wait for (and continues).  Notes what became of it."""
        if not self._pid:
            return True
        if self._has_ended(note):
            return True
        if time.monotonic() < self._until_s:
            return False
        if not self._late:
            self._late = True
            note(f"the dump for an investigation is still being written: {self.path}")
        return True

    def poll(self, note: Callable[[str], None]) -> None:
        """Note what became of a dump that nothing waits for any more."""
        if self._late:
            self._has_ended(note)

    def _has_ended(self, note: Callable[[str], None]) -> bool:
        ended, _ = os.waitpid(self._pid, os.WNOHANG)
        if not ended:
            return False
        failed = outcome(self._fd).get("error")
        self._pid = 0
        self._end()
        assert self.path is not None
        if failed or not self.path.exists():
            note(
                f"cannot write the dump for an investigation: {failed or 'its process was killed'}"
            )
        else:
            note(f"the dump for an investigation is {self.path}")
        return True

    def close(self, note: Callable[[str], None]) -> None:
        """The run ends: wait for the one that is under way."""
        until_s = time.monotonic() + LONGEST_S
        while self._pid and not self._has_ended(note) and time.monotonic() < until_s:
            time.sleep(0.02)
        self._end()

    def _end(self) -> None:
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        if self._fd:
            os.close(self._fd)
        self._pid = self._fd = 0
        self._late = False
