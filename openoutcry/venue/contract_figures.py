"""What the public is told of a venue's contracts: mark, index, settlement prices, funding and open
interest.

One function makes them all, of the core's state: FIX, REST and streams show what it returns.

The core's state is read without a lock, and only numbers of events that were released are shown:
those are read, the core completes the commands that it had, and what it made of them is released.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

import openoutcry.risk.layout as lay
from openoutcry.risk.contract_layout import LIVE, PERPETUAL
from openoutcry.risk.region import View
from openoutcry.runtime.shared import Shared
from openoutcry.venue.file import VenueFile
from openoutcry.venue.funding_schedule import FundingSpec


@dataclass(frozen=True)
class Figures:
    """Of one contract; prices are in ticks, 0: there is none."""

    mark: int
    index: int
    settlement: int
    open_interest: int
    """Lots held, one side."""
    day: int = 0
    """The day of the settlement price, as 20261123."""
    marked_ns: int = 0
    """When it was marked last, sequenced time."""
    period: int = 0
    """The period that was funded last; 0: none was."""
    rate: int = 0
    """Its rate, billionths."""
    predicted: int | None = None
    """The rate of the period under way if it ended now, billionths; None: there is none."""
    next_ns: int = 0
    """When the period under way ends by the venue's schedule; 0: it has none."""


def read_figures(
    view: View, symbols: Sequence[str], funding: Sequence[FundingSpec] = ()
) -> dict[str, Figures]:
    """Return the figures of each live contract of a state, by its symbol.  "Now" is the core's
    time, that of the last command."""
    schedules, now_ns = {one.contract: one for one in funding}, view.word(lay.NOW_NS)
    contracts, found = view.contracts, dict[str, Figures]()
    if contracts is None:
        return found
    for place, symbol in enumerate(symbols):
        if place not in contracts.number or contracts.of(place, "state") != LIVE:
            continue
        lots = view.cells[:, place, lay.POSITION // 8]
        names = ("mark", "index", "settlement", "day", "marked_ns", "kind", "period", "rate")
        mark, index, settled, day, marked_ns, kind, period, rate = (
            contracts.of(place, name) for name in names
        )
        held, spec = int(np.maximum(lots, 0).sum()), schedules.get(symbol)
        found[symbol] = Figures(
            mark,
            index,
            settled if day else 0,
            held,
            day,
            marked_ns,
            period if kind == PERPETUAL else 0,
            rate if kind == PERPETUAL else 0,
            None if spec is None else spec.rate_until(contracts, place, now_ns),
            0 if spec is None else spec.next_ns(now_ns),
        )
    return found


READ_S = 0.1
"""The least time between two reads: a read sums what all participants hold."""


class ContractFigures:
    """The figures of a run's contracts that were released; each call looks once, and never
    waits."""

    def __init__(self, file: VenueFile, shared: Shared) -> None:
        self._symbols, self._funding, self._shared = file.symbols, file.risk.funding, shared
        self._view = View(shared.regions[0])
        self._shown: dict[str, Figures] = {}
        self._read: dict[str, Figures] | None = None
        self._commands, self._due_s = 0, 0.0
        self._events: int | None = None

    def __call__(self) -> dict[str, Figures]:
        """Return the last figures that may be shown."""
        shared = self._shared
        if self._read is None:
            if time.monotonic() < self._due_s:
                return self._shown
            self._due_s = time.monotonic() + READ_S
            self._read = read_figures(self._view, self._symbols, self._funding)
            self._events = None
            self._commands = shared.sequenced.published
        cores = [shared.sequenced.cursors[name] for name in shared.table.matchers]
        if self._events is None and min(int(core[0]) for core in cores) >= self._commands:
            self._events = shared.events.published
        released = int(shared.events.cursors[shared.table.gate.name][0])
        if self._events is not None and released >= self._events:
            self._shown, self._read = self._read, None
        return self._shown


def figures_of(file: VenueFile, shared: Shared) -> Callable[[], dict[str, Figures]]:
    """Return what gives the figures of a run; none, without contracts or with several matchers."""
    if not file.risk.contracts or len(shared.regions) != 1:
        return dict
    return ContractFigures(file, shared)
