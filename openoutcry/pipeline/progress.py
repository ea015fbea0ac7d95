"""Progress of a run: samples, warnings, and the watcher that displays them."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from openoutcry.journal.core import OPEN_ORDERS
from openoutcry.matcher import Engine
from openoutcry.risk import partitioned
from openoutcry.risk.open_orders import held
from openoutcry.runtime.work import Work

SAMPLE_S, QUIET_SAMPLE_S = 0.02, 0.25
"""Seconds between two samples, and while no event comes; then each second begins with one, as what
the calendar does is due by the second."""
DROPS_LOOK_S = 0.25
DROPS_NOTE_S = 10.0
"""Interval at which a lasting overload is reported again."""
NEARLY_FULL, EMPTIER = 0.9, 0.8
HOLDERS_TOLD = 10
"""If more participants reach their limit at once, only their number is reported."""
MAX_TIMELINE = 2_000


@dataclass
class Watcher:
    """Receives progress: a display, or nothing."""

    phase: Callable[[str], None] = lambda text: None
    compiling: Callable[[str, int, int], None] = lambda label, done, total: None
    sample: Callable[["Sample"], None] = lambda sample: None
    note: Callable[[str], None] = lambda text: None
    detail: Callable[[str], None] = lambda text: None
    """Receives details for diagnosis that are too long for a display."""
    descriptors: Callable[[], Sequence[int]] = lambda: ()
    """Descriptors: what comes there is not left until the next sample of a quiet time."""


@dataclass
class Sample:
    """One look at a running pipeline."""

    t_s: float
    commands: int
    events: int
    total: int | None
    fill: dict[str, float]
    durable_lag: int
    dropped: int = 0
    """Datagrams that the system dropped because the pipeline took fewer than came."""
    refused: int = 0
    """Orders beyond their participants' rates."""
    book_fill: float = 0.0
    """Share of its orders that the fullest matcher's book holds."""


@dataclass
class RunState:
    """State gathered during a run."""

    timeline: list[dict[str, Any]] = field(default_factory=list)
    restarts: list[dict[str, Any]] = field(default_factory=list)
    stalls: list[dict[str, Any]] = field(default_factory=list)
    outcome: dict[str, Any] = field(default_factory=dict)
    interrupted: bool = False
    groups: list[dict[str, Any]] = field(default_factory=list)
    resumed: dict[str, Any] | None = None
    resumed_engine: Engine | None = None
    """The matcher as the journal left it, until the operator has checked it."""
    drops: "Drops" = field(default_factory=lambda: Drops())
    book: "BookWatch" = field(default_factory=lambda: BookWatch())
    ports: dict[str, int] = field(default_factory=dict)
    """Of each port the errno of what keeps packets away, 0 while it takes them."""

    def note_ports(self, work: Work, note: Callable[[str], None]) -> None:
        """Report a port that takes no packets any more, and one that takes them again."""
        for index, spec in enumerate(work.ports.specs if work.ports is not None else ()):
            error = work.shared.control.port(index)
            before = self.ports.get(spec.text, 0)
            if error is None or error == before:
                continue
            self.ports[spec.text] = error
            what = f"waits for its device: {os.strerror(error)}" if error else "takes packets again"
            note(f"port {spec.text} {what}")


@dataclass
class Drops:
    """Datagrams that the system drops before a network's receive stage sees them, and those that
    the stage refuses beyond a participant's rate; reported during the run."""

    total: int = 0
    refused: int = 0
    next_look_s: float = 0.0
    next_drop_note_s: float = 0.0
    next_refusal_note_s: float = 0.0

    def poll(self, work: Work, note: Callable[[str], None]) -> None:
        """Look from time to time at what the kernel has dropped and the receiver refused, and
        report new ones."""
        network, now_s = work.ports, time.monotonic()
        if network is None or now_s < self.next_look_s:
            return
        self.next_look_s = now_s + DROPS_LOOK_S
        before, self.total = self.total, network.system_drops()
        work.shared.control.block.dropped = self.total
        refused_before, self.refused = self.refused, network.refused
        work.shared.control.block.refused = self.refused
        # Reported separately: notes about a participant beyond its rate would hide other losses.
        if self.total > before and now_s >= self.next_drop_note_s:
            self.next_drop_note_s = now_s + DROPS_NOTE_S
            note(
                f"overload: the system drops datagrams that arrive faster than they are read "
                f"({self.total:,} so far)"
            )
        if self.refused > refused_before and now_s >= self.next_refusal_note_s:
            self.next_refusal_note_s = now_s + DROPS_NOTE_S
            note(
                "orders above their participants' rate limits are rejected "
                f"({self.refused:,} so far)"
            )


@dataclass
class BookWatch:
    """Book occupancy: reported once when nearly full, and again after it has dropped."""

    fill: float = 0.0
    reported: bool = False
    holders: set[int] = field(default_factory=set)
    """Participants that were reported to hold as many orders as one may."""

    def poll(self, work: Work, note: Callable[[str], None]) -> None:
        """Report a book that is nearly full, once, and participants that hold much of it."""
        self._poll_holders(work, note)
        book, fullest, capacity = _fullest(work)
        self.fill = fullest / capacity
        if self.fill >= NEARLY_FULL and not self.reported:
            self.reported = True
            note(
                f"{book} holds {fullest:,} of {capacity:,} orders: when it is full, new orders "
                f"are rejected (BOOK_FULL)"
            )
        elif self.fill < EMPTIER:
            self.reported = False

    def _poll_holders(self, work: Work, note: Callable[[str], None]) -> None:
        """Participants at their limit of open orders."""
        hooks, region = work.core.hooks, work.shared.region
        if hooks is None or region is None or hooks["name"] != OPEN_ORDERS:
            return
        counts, limit = held(region)
        if limit == 0:  # The matcher has not begun.
            return
        at_limit = set(np.flatnonzero(counts >= limit).tolist())
        new = sorted(at_limit - self.holders)
        for who in new[:HOLDERS_TOLD]:
            note(
                f"participant {who} holds {counts[who]:,} open orders, the most that are allowed: "
                "further orders are rejected (RISK, OPEN_ORDERS)"
            )
        if len(new) > HOLDERS_TOLD:
            note(f"and so do {len(new) - HOLDERS_TOLD:,} more participants")
        self.holders = at_limit | {who for who in self.holders if counts[who] >= EMPTIER * limit}


def _fullest(work: Work) -> tuple[str, int, int]:
    """Return the fullest part that has separate room for orders, how many it has, and how many it
    may."""
    capacity, partitions = work.core.order_capacity, work.core.partitions
    if partitions > 1:
        # Of a state that its matcher has not put there yet, none.
        open_orders = max(partitioned.open_orders(region) for region in work.shared.regions)
        return "a partition of the book", open_orders, (capacity - 1) // partitions
    stages = range(len(work.table.stages))
    counts = [work.shared.control.stage(at).open_orders for at in stages]
    return "the book", max(counts), capacity


def take_sample(work: Work, state: RunState, note: Callable[[str], None]) -> Sample:
    """Poll everything that reports by itself, and return the figures of this moment."""
    state.drops.poll(work, note)
    state.book.poll(work, note)
    state.note_ports(work, note)
    if work.sessions is not None:
        work.sessions.poll(note)
    if work.feed is not None:
        work.feed.poll(note)
    for process in work.kept:
        process.look(note)
    shared = work.shared
    control = shared.control
    first_ns = control.block.first_ns
    fill = {
        name: max(0, int(ring.published_hint[0]) - ring.gating) / ring.capacity
        for name, ring in shared.rings.items()
    }
    sequenced = int(shared.sequenced.published_hint[0])
    sample = Sample(
        t_s=(time.monotonic_ns() - first_ns) / 1e9 if first_ns else 0.0,
        commands=control.reply.commands,
        events=control.reply.cursor,
        total=control.block.expected or None,
        fill=fill,
        durable_lag=max(0, sequenced - shared.safe_seq("journal")) if work.journal else 0,
        dropped=state.drops.total,
        refused=state.drops.refused,
        book_fill=state.book.fill,
    )
    if first_ns:
        state.timeline.append(
            {
                "t_s": sample.t_s,
                "commands": sample.commands,
                "events": sample.events,
                "fill": fill,
            }
        )
        if len(state.timeline) > MAX_TIMELINE:
            del state.timeline[1::2]
    return sample
