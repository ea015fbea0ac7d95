"""Indices and marks computed again from a journal alone.

A run's rules and every report of a source are commands (``index_journal.py``).  After each look the
core must have what they come to: the mark of every contract that trades, or its pause, and the
price of collateral.  What differs is named.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from openoutcry.derivatives.contracts import Contract
from openoutcry.derivatives.index import IndexValue
from openoutcry.derivatives.margin_layout import collateral_in
from openoutcry.derivatives.marking import Marking
from openoutcry.journal import JournalReader
from openoutcry.journal.block import Block, BlockId
from openoutcry.journal.events import NO_LIMIT, Point, events_of, oldest_point
from openoutcry.journal.projections import has_risk
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import RISK_KIND, Setting
from openoutcry.risk.contract_layout import LIVE, MAX_PRICE, PAUSED_HALT
from openoutcry.risk.instrument_state import NOT_MARKED
from openoutcry.risk.region import View
from openoutcry.venue.index_journal import IndexReports
from openoutcry.wire.symbols import names_by_code, symbols_of

MAX_NAMED = 1_000
"""More differences are counted only."""
MARKS = (Setting.CONTRACT_MARK, Setting.CONTRACT_SETTLE, Setting.COLLATERAL_PRICE)
Records = npt.NDArray[Any]
What = tuple[Literal["mark", "pause", "price"], str]
"""Something that looks decide: the mark or the pause of a contract, the price of an asset."""


@dataclass
class Audited:
    """An index by the journal."""

    underlying: str
    looks: int = 0
    compared: int = 0
    """Marks, pauses and prices of collateral."""
    time_ns: int = 0
    """Time of the last look."""
    value: IndexValue = field(default_factory=lambda: IndexValue(0, True, {}))
    reports: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Price and time of each source's newest report."""
    weights: Mapping[str, int] = field(default_factory=dict)


class IndexAudit:
    """Follows a journal's commands, and the core that has processed them."""

    def __init__(self, symbols: list[str], until_ns: int = NO_LIMIT) -> None:
        """``until_ns``: time of the last look that is of interest."""
        self.until_ns, self.is_over = until_ns, False
        self.place = {symbol: index for index, symbol in enumerate(symbols)}
        self.names = names_by_code(symbols)
        self.indices: dict[str, Audited] = {}
        self.differences: list[str] = []
        self.count = 0
        """Differences, those that are not named included."""
        self.wrong: set[What] = set()
        """What differed at the last look: it is named once."""
        self.reports = IndexReports()
        self.samples: dict[str, tuple[int, int]] = {}
        self.before: dict[What, object] = {}
        """What the look before this one had come to."""
        self.moved: set[str] = set()
        """What a command has marked since its index's last look."""

    def follow(self, commands: Records, view: Callable[[], View]) -> None:
        """Take commands, of which the last one alone may be an INDEX_VALUE; ``view``: of the core
        after them."""
        ours = commands["kind"] == RISK_KIND
        for command in commands[ours & (commands["participant"] == 0)]:
            if command["error_code"]:
                continue
            what, place = int(command["order_type"]), int(command["qty_lots"])
            first, second = int(command["price_ticks"]), int(command["aux"])
            symbol = self.names.get(bytes(command["symbol"]), "")
            if what == Setting.INDEX_RULES:
                self._rules(int(command["seq"]), place, first, second)
            elif what == Setting.CONTRACT_ADJUST:
                self.reports.markings = []  # a split: the rules and all reports come again
            elif what in MARKS:
                self.moved.add(symbol or str(place))
            elif what == Setting.INDEX_SAMPLE:
                self.samples[symbol] = first, second
            elif what == Setting.INDEX_REPORT:
                if wrong := self.reports.report(place, first, second):
                    self._differs(int(command["seq"]), wrong)
            elif what == Setting.INDEX_VALUE:
                given = first, bool(command["time_in_force"])
                self._look(int(command["seq"]), place, given, second, view())

    def _differs(self, seq: int, text: str) -> None:
        self.count += 1
        if len(self.differences) < MAX_NAMED:
            self.differences.append(f"command {seq:,}: {text}")

    def _rules(self, seq: int, place: int, first: int, second: int) -> None:
        """A run begins."""
        try:
            if not self.reports.rules(place, first, second):
                return
            named = {symbol for one in self.reports.markings for symbol in one.rules.contracts}
            if unknown := named - set(self.place):
                self.reports.markings = []
                raise ValueError(f"the rules of indices name {', '.join(sorted(unknown))}")
        except ValueError as error:
            self._differs(seq, str(error))
        self.samples, self.before, self.moved = {}, {}, set()

    def _look(
        self, seq: int, number: int, given: tuple[int, bool], now_ns: int, view: View
    ) -> None:
        """An index's contracts have been marked by it."""
        self.is_over = self.is_over or now_ns > self.until_ns
        markings = self.reports.markings
        if not markings or self.is_over or view.contracts is None:
            return
        if not 0 <= number < len(markings):
            self._differs(seq, f"index {number} has a value, but there is none")
            return
        marking = markings[number]
        name, value = marking.rules.underlying, marking.index.value(now_ns)
        shown = self.indices.setdefault(name, Audited(name))
        shown.looks, shown.time_ns, shown.value = shown.looks + 1, now_ns, value
        shown.reports, shown.weights = marking.index.reports, marking.rules.index.weights
        if given != (value.price_ticks, value.protected):
            of = f"{value.price_ticks}{', with too few of them' if value.protected else ''}"
            self._differs(seq, f"the index of {name} is {given[0]}, by its sources it is {of}")
        found, due = self._expected(marking, value, now_ns, view)
        for what, expected in due.items():
            shown.compared += 1
            if found[what] == expected or self._is_excused(what, expected):
                self.wrong.discard(what)
            elif what in self.wrong:
                self.count += 1
            else:
                self.wrong.add(what)
                self._differs(seq, _shown(what, found[what], expected, name))
        ours = {*marking.rules.contracts, *(key for _, key in due)}
        self.before = {what: was for what, was in self.before.items() if what[1] not in ours} | due
        self.moved -= ours
        for symbol in marking.rules.contracts:
            self.samples.pop(symbol, None)

    def _is_excused(self, what: What, expected: object) -> bool:
        """Return whether the look may not have seen something that entered as it was made: a
        listing, or a mark of the operator, which the next look replaces."""
        was_marked = what[1] in self.moved
        if what not in self.before:
            return not was_marked
        return was_marked and self.before[what] == expected

    def _expected(
        self, marking: Marking, value: IndexValue, now_ns: int, view: View
    ) -> tuple[dict[What, object], dict[What, object]]:
        """Return what the core has of an index's contracts that trade, and what it must have."""
        found: dict[What, object] = {}
        due: dict[What, object] = {}
        contracts, index, rules = view.contracts, value.price_ticks, marking.rules
        assert contracts is not None
        is_early = now_ns - self.reports.begun_ns < rules.index.stale_ns
        for symbol in rules.contracts:
            place = self.place[symbol]
            halt = int(view.instruments[place, lay.HALT // 8])
            if contracts.of(place, "state") != LIVE or halt & NOT_MARKED:
                continue
            if not (value.protected and is_early):
                found["pause", symbol] = bool(halt & PAUSED_HALT)
                due["pause", symbol] = value.protected
            if value.protected:
                continue
            contract = _terms(view, place, symbol, rules.underlying)
            if sample := self.samples.get(symbol):
                marking.bases[symbol].sample(index, *sample, now_ns)
            mark = marking.mark(contract, index, now_ns)
            if mark is not None and max(mark, index) <= MAX_PRICE:
                found["mark", symbol] = contracts.of(place, "mark"), contracts.of(place, "index")
                due["mark", symbol] = mark, index
        price = marking.price(index)
        if price is not None and rules.collateral is not None and not value.protected:
            assert view.portfolio is not None
            number = rules.collateral[0]
            worth, per = collateral_in(view.portfolio.table)[number][1:3]
            found["price", str(number)] = worth, per
            due["price", str(number)] = price.numerator, price.denominator
        return found, due


def _shown(what: What, found: Any, expected: Any, underlying: str) -> str:
    """A difference in words."""
    kind, name = what
    if kind == "pause":
        if expected:
            return f"{name} trades, but the index of {underlying} has too few sources"
        return f"{name} is paused, but the index of {underlying} has enough sources"
    if kind == "price":
        price, right = (f"{worth} for {per} units" for worth, per in (found, expected))
        return f"collateral in {underlying} is worth {price}, by its index {right}"
    was, right = (f"{mark} (index {index})" for mark, index in (found, expected))
    return f"{name} is marked at {was}, by the index of {underlying} it is {right}"


def _terms(view: View, place: int, symbol: str, underlying: str) -> Contract:
    """A contract's terms, as the core has them."""
    assert view.contracts is not None
    names = ("kind", "multiplier", "inverse", "expiry_ns", "strike", "strike_multiplier")
    kind, multiplier, inverse, expiry_ns, strike, of_strike = (
        view.contracts.of(place, name) for name in names
    )
    return Contract(
        symbol, underlying, kind, "", multiplier, bool(inverse), expiry_ns, strike, of_strike
    )


class _Looks(Point):
    """A point that the audit follows, look by look."""

    audit: IndexAudit

    def feed(self, commands: Records, block: Block, name: BlockId) -> Records:
        values = commands["kind"] == RISK_KIND
        values &= commands["order_type"] == Setting.INDEX_VALUE
        ends = (np.flatnonzero(values) + 1).tolist()
        events = []
        for first, end in zip([0, *ends], [*ends, len(commands)], strict=True):
            if end > first:
                part = commands[first:end]
                events.append(super().feed(part, block, name))
                self.audit.follow(part, lambda: View(self.engine.region))
        return np.concatenate(events)


def audit_indices(journal: Path, until_seq: int = NO_LIMIT, until_ns: int = NO_LIMIT) -> IndexAudit:
    """Compute a journal's indices and marks again, up to a command or a time."""
    reader = JournalReader(journal)
    audit = IndexAudit(symbols_of(reader.config), until_ns)
    if not has_risk(reader.config):
        return audit
    point = oldest_point(reader)
    looks = _Looks(**{name: getattr(point, name) for name in point.__dataclass_fields__})
    looks.audit = audit
    for _ in events_of(reader, looks, until_seq=until_seq):
        if audit.is_over:
            break
    return audit
