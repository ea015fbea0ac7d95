"""Marks of a running venue.  Its instruments and sources outside give indices, and each index the
marks of its contracts, as commands.

A source that stops or lies is dropped.  While too few are left, the contracts are paused: nothing
is entered, and cancels are accepted.  Commands alone have an effect, and the core's state says what
they came to, so that a venue that was killed continues; its sources report again.  What a mark is
made of is journaled with it (``index_journal.py``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.derivatives.collateral import Price
from openoutcry.derivatives.contracts import Contract
from openoutcry.derivatives.index import Index, IndexValue
from openoutcry.derivatives.margin_layout import collateral_in
from openoutcry.derivatives.marking import Marking, MarkingRules
from openoutcry.derivatives.marks import Surface
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import NO_LIMIT, Setting
from openoutcry.risk.contract_layout import LIVE, MAX_PRICE, PAUSED_HALT
from openoutcry.risk.instrument_state import NOT_MARKED
from openoutcry.risk.protection_layout import OPERATORS_HALT
from openoutcry.risk.region import View, at_once, setting
from openoutcry.venue.index_journal import (
    report_record,
    rules_records,
    sample_record,
    value_record,
)
from openoutcry.venue.index_tables import IndexSpec
from openoutcry.venue.liquidation import what_traded
from openoutcry.venue.mark_fit import Room
from openoutcry.wire.symbols import code_of, names_by_code

Put = Callable[[npt.NDArray[Any]], int]
HAS_BID, BID, HAS_ASK, ASK = 0, 1, 3, 4
"""Words of an instrument's best prices."""
NO_SOURCE = OPERATORS_HALT | lay.SUSPENDED_HALT | lay.DELISTED_HALT
"""With one of these an own instrument says nothing about an index."""


class Running:
    """An index of this run."""

    def __init__(self, number: int, spec: IndexSpec, rules: MarkingRules, now_ns: int) -> None:
        self.number, self.spec, self.marking = number, spec, Marking(rules)
        self.next_ns, self.begun_ns = now_ns, now_ns
        self.last: dict[str, int] = {}
        """The last trade's price of each instrument that is a source, as it was seen last."""
        self.value = IndexValue(0, True, {})
        self.journaled: dict[str, tuple[int, int]] = {}
        """Of each source, the last report that was sent as a command."""

    def begin_again(self, now_ns: int) -> None:
        """Forget what its sources have reported."""
        self.marking, self.begun_ns, self.journaled = Marking(self.marking.rules), now_ns, {}

    @property
    def index(self) -> Index:
        """Its sources' reports."""
        return self.marking.index

    def new_reports(self) -> list[npt.NDArray[Any]]:
        """The commands of what the sources have reported since the last look."""
        new, numbers = [], {name: n for n, name in enumerate(self.marking.rules.sources)}
        for source, report in self.index.reports.items():
            if self.journaled.get(source) != report:
                self.journaled[source] = report
                new.append(report_record(self.number, numbers[source], *report))
        return new


@dataclass
class Look:
    """The commands of a look, in their order."""

    inputs: list[npt.NDArray[Any]] = field(default_factory=list)
    pauses: list[npt.NDArray[Any]] = field(default_factory=list)
    marks: list[npt.NDArray[Any]] = field(default_factory=list)
    resumed: list[npt.NDArray[Any]] = field(default_factory=list)
    values: list[npt.NDArray[Any]] = field(default_factory=list)
    with_mark: bool = False
    """The other instruments have traded: they are marked, too."""
    room: Room | None = None
    """Of marks, once one was refused."""

    def records(self) -> list[npt.NDArray[Any]]:
        """All of them.  Nothing trades at a mark of before a pause, and all marks are in force at
        once: a hedge is never judged by half of them."""
        marks = [setting(Setting.MARK, 0)] if self.with_mark else []
        if self.marks:
            marks = [at_once(self.marks, self.with_mark)]
        return self.inputs + self.pauses + marks + self.resumed + self.values


class IndexTimer:
    """Indices of one run of a venue."""

    def __init__(
        self,
        specs: tuple[IndexSpec, ...],
        contracts: Mapping[str, Contract],
        surfaces: Mapping[str, Surface],
        symbols: list[str],
        note: Callable[[str], None],
        now_ns: int,
        collateral: Mapping[str, tuple[int, Price]] | None = None,
        mark_every_ns: int = 0,
    ) -> None:
        """``surfaces``: of volatilities, by underlying; without one the options are not marked.

        ``collateral``: by underlying, the row of the asset with its name, and its price at 1 tick.

        ``mark_every_ns``: how often what trades next to contracts is marked; 0: it is not."""
        self.mark_every_ns, self.mark_at_ns = mark_every_ns, now_ns
        self.marked: list[int] = []
        """What had traded when the other instruments were marked last."""
        self.contracts, self.note, self.begun_ns = contracts, note, now_ns
        self.place = {symbol: number for number, symbol in enumerate(symbols)}
        self.names = names_by_code(symbols)
        self.running = {}
        for number, spec in enumerate(specs):
            name, pledged = spec.underlying, collateral or {}
            rules = MarkingRules(
                name, spec.rules, spec.basis, spec.contracts, surfaces.get(name), pledged.get(name)
            )
            self.running[name] = Running(number, spec, rules, now_ns)
        self.has_rules = False
        """The rules are on the operator's lane."""
        self.adjustments: dict[str, int] = {}
        """How often each contract had been adjusted when this look began."""
        self.under_way = 0
        """The operator's lane, up to here, is what was sent last."""
        self.sent: dict[str, int] = {}
        """Contracts whose mark that has, with how many they had had."""
        self.refused: set[str] = set()
        """Contracts whose new mark is not in force: the core refused it, or it does not fit."""
        self.noted: set[str] = set()
        """Those that the log names."""

    def report(self, underlying: str, source: str, price_ticks: int, now_ns: int) -> str:
        """A source outside reports a price; returns why it is not taken."""
        one = self.running.get(underlying)
        if one is None:
            return f"the venue file has no [[index]] of {underlying!r}"
        if source not in one.spec.rules.weights:
            return f"the index of {underlying} has no source {source!r}"
        if source in one.spec.own:
            return f"{source} is an instrument: its market reports it"
        if not one.index.report(source, price_ticks, now_ns):
            return f"{price_ticks!r} is not a price, or {source} has reported a newer one"
        return ""

    def poll(self, view: View, now_ns: int, put: Put, is_processed: Callable[[int], bool]) -> None:
        """Take the own instruments' prices, and send the marks and pauses that are due."""
        if self.under_way and not is_processed(self.under_way):
            return
        self.under_way = 0
        self._see_refused(view)
        self._see_adjusted(view, now_ns)
        look = Look()
        if not self.has_rules:
            self.has_rules = True
            rules = [one.marking.rules for one in self.running.values()]
            look.inputs.append(rules_records(rules, self.begun_ns))
        is_due = any(now_ns >= one.next_ns for one in self.running.values())
        look.with_mark = self._marks_others(view, now_ns, is_due)
        for one in self.running.values():
            # A hedge between a contract and another instrument is judged by both.
            if now_ns >= one.next_ns or look.with_mark:
                one.next_ns = now_ns + one.spec.every_ns
                self._look(one, view, now_ns, look)
        if records := look.records():
            self.under_way = put(np.concatenate(records))

    def _see_adjusted(self, view: View, now_ns: int) -> None:
        """After a split no report of before it counts: the rules begin again, and with them all
        indices."""
        contracts, was = view.contracts, self.adjustments
        assert contracts is not None
        self.adjustments = {
            symbol: contracts.of(self.place[symbol], "adjustments")
            for one in self.running.values()
            for symbol in one.spec.contracts
        }
        if was and was != self.adjustments:
            self.has_rules, self.begun_ns = False, now_ns
            for one in self.running.values():
                one.begin_again(now_ns)

    def _marks_others(self, view: View, now_ns: int, is_due: bool) -> bool:
        """Return whether the other instruments are marked in this look: they have traded, and a
        look ``is_due`` or it is time."""
        if not self.mark_every_ns or not (is_due or now_ns >= self.mark_at_ns):
            return False
        self.mark_at_ns = now_ns + self.mark_every_ns
        was, self.marked = self.marked, what_traded(view)
        return was != self.marked

    def _see_refused(self, view: View) -> None:
        """See which marks of the last look are not in force: one that does not fit refuses all of
        them.  From then on those of each underlying are sent only if they fit."""
        contracts = view.contracts
        assert contracts is not None
        for symbol, had in self.sent.items():
            if contracts.of(self.place[symbol], "marks") != had:
                self._is_marked(symbol)
                continue
            self.marked = []
            if symbol in self.refused:
                self._note_refused(symbol, "the core refused the new one, or another of its look")
            self.refused.add(symbol)
        self.sent = {}

    def _note_refused(self, symbol: str, why: str) -> None:
        if symbol not in self.noted:
            self.note(f"{symbol} keeps its old mark: {why}")
        self.refused.add(symbol)
        self.noted.add(symbol)

    def _is_marked(self, symbol: str) -> None:
        self.refused.discard(symbol)
        if symbol in self.noted:
            self.noted.discard(symbol)
            self.note(f"{symbol} is marked again")

    def _mark_if_fit(self, marks: list[npt.NDArray[Any]], look: Look, view: View) -> None:
        """Add the marks of an underlying, unless a look was refused and they do not fit."""
        contracts = view.contracts
        assert contracts is not None
        symbols = [self.names[bytes(mark["symbol"][0])] for mark in marks]
        if self.refused:
            look.room = look.room or Room(view)
            new = zip(symbols, marks, strict=True)
            if not look.room.take([(self.place[name], int(one["aux"][0])) for name, one in new]):
                for symbol in symbols:
                    self._note_refused(symbol, "with the new one a total would be too large")
                return
        look.marks += marks
        self.sent |= {symbol: contracts.of(self.place[symbol], "marks") for symbol in symbols}

    def _look(self, one: Running, view: View, now_ns: int, look: Look) -> None:
        """Look at what one index comes to now.  A look without anything new has no command."""
        self._see_own(one, view, now_ns)
        inputs, value = one.new_reports(), one.index.value(now_ns)
        self._tell(one, value)
        is_new, one.value = value != one.value, value
        marks: list[npt.NDArray[Any]] = []
        had = len(look.pauses), len(look.marks), len(look.resumed)
        # In the beginning its sources have not had the time to report.
        if not value.protected or now_ns - one.begun_ns >= one.spec.rules.stale_ns:
            for symbol in one.spec.contracts:
                marks += self._commands(one, symbol, view, now_ns, inputs, look)
            self._mark_if_fit(marks, look, view)
            look.marks += self._collateral(one, view)
        if inputs or is_new or had != (len(look.pauses), len(look.marks), len(look.resumed)):
            look.inputs += inputs
            price, number = value.price_ticks, one.number
            look.values.append(value_record(number, price, value.protected, now_ns))

    def _see_own(self, one: Running, view: View, now_ns: int) -> None:
        """The middle of an own instrument's book, or without market protection its last trade."""
        for symbol in one.spec.own:
            place = self.place[symbol]
            last, seen = int(view.instruments[place, lay.LAST // 8]), one.last.get(symbol)
            one.last[symbol] = last
            if int(view.instruments[place, lay.HALT // 8]) & NO_SOURCE:
                continue  # its orders and last price may be old, or of before a split
            bid, ask = self._best(view, place)
            if bid and ask:
                one.index.report(symbol, (bid + ask) // 2, now_ns)
            elif view.protection is None and seen not in (None, last) and last != NO_LIMIT:
                one.index.report(symbol, last, now_ns)

    def _best(self, view: View, place: int) -> tuple[int, int]:
        """Best bid and ask; 0 where a side is empty, or the core does not keep it."""
        if view.protection is None:
            return 0, 0
        words = view.protection.quotes[place].tolist()
        return words[BID] if words[HAS_BID] else 0, words[ASK] if words[HAS_ASK] else 0

    def _tell(self, one: Running, value: IndexValue) -> None:
        for source, state in value.sources.items():
            if state != one.value.sources.get(source):
                self.note(f"index of {one.spec.underlying}: {source} is {state}")

    def _commands(
        self,
        one: Running,
        symbol: str,
        view: View,
        now_ns: int,
        inputs: list[npt.NDArray[Any]],
        look: Look,
    ) -> list[npt.NDArray[Any]]:
        """Add a pause of a contract that trades, or its end; returns its new mark."""
        place, contracts = self.place[symbol], view.contracts
        assert contracts is not None
        halt = int(view.instruments[place, lay.HALT // 8])
        if contracts.of(place, "state") != LIVE or halt & NOT_MARKED:
            self.refused.discard(symbol)
            return []
        is_paused, code = bool(halt & PAUSED_HALT), code_of(symbol)
        if one.value.protected:
            if not is_paused:
                name = one.spec.underlying
                self.note(f"{symbol} is paused: the index of {name} has too few sources")
                look.pauses.append(setting(Setting.CONTRACT_PAUSE, 1, 0, code))
            return []
        index = one.value.price_ticks
        if is_paused:
            self.note(f"{symbol}: the index of {one.spec.underlying} has enough sources again")
            look.resumed.append(setting(Setting.CONTRACT_PAUSE, 0, 0, code))
        contract = contracts.terms(place, self.contracts[symbol])
        bid, ask = self._best(view, place)
        if not contract.is_option and one.marking.bases[symbol].sample(index, bid, ask, now_ns):
            inputs.append(sample_record(symbol, bid, ask))
        mark = one.marking.mark(contract, index, now_ns)
        known = contracts.of(place, "mark"), contracts.of(place, "index")
        if mark is None or max(mark, index) > MAX_PRICE:
            return []
        if (mark, index) == known:
            self._is_marked(symbol)
            return []
        count = self.adjustments[symbol]
        return [setting(Setting.CONTRACT_MARK, mark, count << 1, code, index)]

    def _collateral(self, one: Running, view: View) -> list[npt.NDArray[Any]]:
        """The price of the asset with the underlying's name, if it is another."""
        rules = one.marking.rules
        price = one.marking.price(one.value.price_ticks)
        if price is None or rules.collateral is None or one.value.protected:
            return []
        assert view.portfolio is not None
        number, value, per = rules.collateral[0], price.numerator, price.denominator
        if [value, per] == collateral_in(view.portfolio.table)[number][1:3]:
            return []
        return [setting(Setting.COLLATERAL_PRICE, value, number, second=per)]

    def price_of(self, underlying: str) -> int | None:
        """The index of an underlying; None without, or while it has too few sources."""
        one = self.running.get(underlying)
        return None if one is None or one.value.protected else one.value.price_ticks

    def status(self) -> dict[str, Any]:
        """Each index, which sources are used, and whose marks the core has refused."""
        return {
            name: {
                "price": one.value.price_ticks,
                "protected": one.value.protected,
                "sources": dict(one.value.sources),
                "refused": [symbol for symbol in one.spec.contracts if symbol in self.refused],
            }
            for name, one in self.running.items()
        }
