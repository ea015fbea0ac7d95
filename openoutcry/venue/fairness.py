"""Fairness: whether any command was sequenced out of turn, from the journal alone; and when the
events of a venue that runs become visible, by door.

It works out the speed bump again in plain Python, from the commands and the operator's settings
among them.  It compares that with what the core did in its replay: until when each command waited,
and that each entered in its turn and at its time.
"""

from heapq import heappop, heappush
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal import JournalReader
from openoutcry.journal.events import events_of, oldest_point
from openoutcry.matcher import Engine
from openoutcry.pipeline.top import attached, running_owners
from openoutcry.risk import speed_bump
from openoutcry.risk.bits import Setting
from openoutcry.risk.joined import view_of
from openoutcry.risk.layout import PART_IDS
from openoutcry.risk.reference_bump import PlainBump
from openoutcry.runtime.histogram import summary
from openoutcry.runtime.table import as_row
from openoutcry.venue.days import read_status
from openoutcry.wire.enums import CommandKind, EventKind

MAX_FAULTS_SHOWN = 20
LARGEST_PART = 1 << 62


class Audit:
    """An audit of commands and the events that they caused, in the journal's order, in pieces of
    any size."""

    def __init__(self) -> None:
        self.bump = PlainBump()
        self.delayed = self.at_once = self.late = self.out_of_turn = 0
        self.faults: list[dict[str, Any]] = []
        self._heap: list[tuple[int, int]] = []
        self._last = (0, 0)
        """Release time and sequence of the last one to enter after it had waited, in turn."""

    def go_on_from(self, engine: Engine) -> None:
        """The speed bump is what this core has of it, and the same commands wait."""
        view = view_of([engine.region]) if engine.hooks is not None else None
        if view is None or view.bump is None:
            return
        words, bump = view.bump, self.bump
        bump.delay_ns, bump.window_ns, bump.seed, bump.now_ns = (
            int(words[at // 8])
            for at in (
                speed_bump.DELAY_NS,
                speed_bump.WINDOW_NS,
                speed_bump.SEED,
                speed_bump.NOW_NS,
            )
        )
        last_at = int(words[speed_bump.LAST_AT // 8]) // 8
        last = words[last_at : last_at + int(words[speed_bump.PARTICIPANTS // 8])]
        bump.holds_terms = bool(words[speed_bump.HOLDS_TERMS // 8])
        bump.last = {who: int(last[who]) for who in np.flatnonzero(last).tolist()}
        self._heap = sorted((release, seq) for release, seq, _ in view.delayed())

    @property
    def waiting(self) -> int:
        """Commands that wait for their release at the moment."""
        return len(self._heap)

    def _fault(self, seq: int, what: str) -> None:
        self.out_of_turn += 1
        if len(self.faults) < MAX_FAULTS_SHOWN:
            self.faults.append({"seq": seq, "what": what})

    def check(self, commands: npt.NDArray[Any], events: npt.NDArray[Any]) -> None:
        """Commands (ORDER_DTYPE) with their events (EVENT_DTYPE)."""
        entered: dict[int, list[int]] = {}
        kinds, causes = events["kind"], events["cause_seq"]
        for event in events[kinds == EventKind.ENTERED]:
            entered.setdefault(int(event["cause_seq"]), []).append(int(event["contra_id"]))
        own = events[_last_of_each(causes)]
        for command, answer in zip(commands, own, strict=True):
            seq = int(command["seq"])
            # In this order: a waiting command enters before the command at whose time it does.
            self.bump.now_ns = max(self.bump.now_ns, int(command["rx_ts_ns"]))
            for who in entered.get(seq, ()):
                self._enters(who)
            if self._heap and self._heap[0][0] <= self.bump.now_ns:
                self._fault(self._heap[0][1], "was due, but did not enter")
                heappop(self._heap)
            self._came(command, answer)

    def _enters(self, seq: int) -> None:
        if not self._heap or self._heap[0][1] != seq:
            self._fault(seq, "entered out of turn")
            self._heap = [one for one in self._heap if one[1] != seq]
            self._heap.sort()
            return
        release, _ = heappop(self._heap)
        if release > self.bump.now_ns:
            self._fault(seq, f"entered {release - self.bump.now_ns:,} ns early")
        self._last = max(self._last, (release, seq))

    def _came(self, command: Any, answer: Any) -> None:
        kind, answered = int(command["kind"]), int(answer["kind"])
        if kind == CommandKind.RISK and answered == EventKind.COMPLETED:
            if command["order_type"] == Setting.SPEED_BUMP:
                self._switched(command)
            return
        participants = command["participant"] != 0 and self.bump.is_held(command)
        is_part = PART_IDS < command["order_id"] < LARGEST_PART
        if not participants or is_part or answered == EventKind.REJECTED:
            return
        seq = int(command["seq"])
        self.bump.waiting = self._heap
        release = self._release(command)
        if answered == EventKind.DELAYED:
            self.delayed += 1
            if release != answer["contra_id"]:
                self._fault(seq, f"waits until {int(answer['contra_id'])}, not {release}")
            heappush(self._heap, (int(answer["contra_id"]), seq))
        elif release is not None:
            self._fault(seq, "entered and did not wait")
        else:
            self.at_once += 1
            self._late(command)

    def _release(self, command: Any) -> int | None:
        """Return when the command is to enter; None: at once."""
        count = len(self._heap)
        release = self.bump.hold(command)
        del self._heap[count:]
        return release

    def _late(self, command: Any) -> None:
        """Sequenced so late that its time had passed: another command may have entered first."""
        has_bump = self.bump.delay_ns or self.bump.window_ns
        seq = int(command["seq"])
        if has_bump and (self.bump.release_of(command), seq) < self._last:
            self.late += 1
            self._fault(seq, "was sequenced after a command that was due later")

    def _switched(self, command: Any) -> None:
        self.bump.waiting = self._heap
        self.bump.set(
            int(command["aux"]),
            int(command["price_ticks"]),
            int(command["qty_lots"]),
            int(command["rx_ts_ns"]),
            bool(command["time_in_force"]),
        )
        if self.bump.waiting is not self._heap:
            # The clock was set back.
            self._heap, self._last = sorted(self.bump.waiting), (0, 0)


def doors(journal: Path) -> list[dict[str, Any]]:
    """Return, by door of an open venue, how long events took from their release until they were
    written to its sockets or segments. Rows ``… answer`` count from a message's receipt until its
    answers were written. Rows have the form of a run's latency table; the list is empty if the
    venue is not open.

    Packets are answered by the stage ``replies``.  ``feed`` and ``feed shm`` are the public's."""
    status = read_status(journal) if journal.is_dir() else None
    if status is None or status["state"] != "open":
        return []
    pid = int(status["pid"])
    pipeline = next((one for owner in running_owners(pid) if (one := attached(owner))), None)
    if pipeline is None:
        return []
    shown = {row.name for row in pipeline.table.doors} | {"replies"}
    rows = [
        as_row(interval, summary(words))
        for interval, words in pipeline.histograms()
        if interval.name in shown
    ]
    return [row for row in rows if row["count"]]


def _last_of_each(causes: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return which events are the last of their command."""
    return np.append(causes[1:] != causes[:-1], True)[: len(causes)]


def fairness(journal: Path) -> dict[str, Any]:
    """Return how many commands entered in their turn, and which did not.

    In ``commands``, of participants: ``delayed`` counts those that waited, ``at_once`` those that
    entered at once (without a speed bump, or sequenced after their time).

    Of all commands, ``out_of_turn`` counts those that did not enter at their time and in their
    turn.  The first of these are in ``faults``, each with its sequence and what is wrong.  At the
    journal's end, ``waiting`` commands wait.

    Commands that the gateway refused for want of room did not enter.
    """
    audit, reader = Audit(), JournalReader(journal)
    point = oldest_point(reader)
    audit.go_on_from(point.engine)
    for batch in events_of(reader, point):
        if len(batch.commands):
            audit.check(np.array(batch.commands), np.array(batch.events))
    return {
        "commands": audit.delayed + audit.at_once,
        "delayed": audit.delayed,
        "at_once": audit.at_once,
        "out_of_turn": audit.out_of_turn,
        "waiting": audit.waiting,
        "faults": audit.faults,
    }
