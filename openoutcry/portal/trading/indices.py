"""The indices of contracts, and what each of their sources says, by the released commands.

The value is the one that the venue journaled.  Its sources are shown only where they come to that
value: a portal that began in the middle of a run has no rules from the journal and not all reports,
and takes the venue file's rules meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from openoutcry.derivatives.marking import Marking, MarkingRules
from openoutcry.risk.bits import RISK_KIND, Setting
from openoutcry.venue.index_journal import IndexReports
from openoutcry.venue.index_tables import IndexSpec

OURS = (Setting.INDEX_RULES, Setting.INDEX_REPORT, Setting.INDEX_VALUE, Setting.CONTRACT_ADJUST)


@dataclass(frozen=True)
class SourceShown:
    """A source of an index at its last look."""

    name: str
    weight: int
    state: str
    """``used``, or why it was dropped: ``silent``, ``stale``, ``outlier``."""
    price_ticks: int
    """Its newest report; 0: none."""
    reported_ns: int


@dataclass(frozen=True)
class IndexShown:
    """An index at its last look."""

    underlying: str
    price_ticks: int
    """0: there has not been one yet."""
    is_protected: bool
    """It has too few sources, and keeps its last value."""
    least: int
    """Sources that it needs."""
    time_ns: int
    seq: int
    sources: tuple[SourceShown, ...] | None
    """By their names; None: this portal has not heard of all of them yet."""


class Indices:
    """The indices of one venue."""

    def __init__(self, specs: Sequence[IndexSpec]) -> None:
        rules = [MarkingRules(one.underlying, one.rules, one.basis, one.contracts) for one in specs]
        self.reports = IndexReports(rules)
        self.shown: dict[str, IndexShown] = {}
        """By underlying; those that had a look."""
        self._is_whole = False
        """The rules came in a command, and all reports after them."""
        self._begun_ns = 0
        """The first look, where they did not."""

    def follow(self, commands: npt.NDArray[Any]) -> None:
        """Take released commands (ORDER_DTYPE), in order."""
        for command in commands[commands["kind"] == RISK_KIND]:
            what = int(command["order_type"])
            if what not in OURS or command["participant"] or command["error_code"]:
                continue
            place, first, second = (int(command[n]) for n in ("qty_lots", "price_ticks", "aux"))
            if what == Setting.INDEX_RULES:
                if self.reports.rules(place, first, second):
                    self._is_whole, self.shown = True, {}
            elif what == Setting.CONTRACT_ADJUST:
                self.reports.markings, self.shown = [], {}
            elif what == Setting.INDEX_REPORT:
                self.reports.report(place, first, second)
            elif 0 <= place < len(self.reports.markings):
                self._look(self.reports.markings[place], command, first, second)

    def _look(self, marking: Marking, command: Any, price_ticks: int, now_ns: int) -> None:
        self._begun_ns = self._begun_ns or now_ns
        is_protected, rules = bool(command["time_in_force"]), marking.rules.index
        if not self._is_whole:
            marking.index.last_ticks = price_ticks
        value, name = marking.index.value(now_ns), marking.rules.underlying
        is_known = self._is_whole or now_ns - self._begun_ns > rules.stale_ns
        is_same = (value.price_ticks, value.protected) == (price_ticks, is_protected)
        sources = None
        if is_known and is_same:
            sources = tuple(
                SourceShown(
                    one,
                    rules.weights[one],
                    state,
                    *marking.index.reports.get(one, (0, 0)),
                )
                for one, state in value.sources.items()
            )
        self.shown[name] = IndexShown(
            name, price_ticks, is_protected, rules.least, now_ns, int(command["seq"]), sources
        )
