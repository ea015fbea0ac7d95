"""Marks of a running venue.  Its instruments and sources outside give indices, and each index the
marks of its contracts, as commands.

A source that stops or lies is dropped.  While too few are left, the contracts are paused: nothing
is entered, and cancels are accepted.  Commands alone have an effect, and the core's state says what
they came to, so that a venue that was killed continues; its sources report again.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.derivatives.collateral import Price
from openoutcry.derivatives.contracts import Contract
from openoutcry.derivatives.index import Index, IndexValue
from openoutcry.derivatives.margin_layout import collateral_in
from openoutcry.derivatives.marks import Basis, Surface, option_mark
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import NO_LIMIT, Setting
from openoutcry.risk.contract_layout import (
    EXPIRED_HALT,
    LIVE,
    MAX_PRICE,
    PAUSED_HALT,
    UNLISTED_HALT,
)
from openoutcry.risk.region import View, at_once, setting
from openoutcry.venue.index_tables import IndexSpec
from openoutcry.wire.symbols import code_of

Put = Callable[[npt.NDArray[Any]], int]
HAS_BID, BID, HAS_ASK, ASK = 0, 1, 3, 4
"""Words of an instrument's best prices."""


class Running:
    """An index of this run."""

    def __init__(self, spec: IndexSpec, now_ns: int) -> None:
        self.spec, self.index = spec, Index(spec.rules)
        self.bases = {symbol: Basis(spec.basis) for symbol in spec.contracts}
        self.next_ns, self.begun_ns = now_ns, now_ns
        self.last: dict[str, int] = {}
        """The last trade's price of each instrument that is a source, as it was seen last."""
        self.value = IndexValue(0, True, {})


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
    ) -> None:
        """``surfaces``: of volatilities, by underlying; without one the options are not marked.
        ``collateral``: by underlying, the row of the asset with its name, and its price at 1 tick.
        """
        self.collateral = collateral or {}
        self.contracts, self.surfaces, self.note = contracts, surfaces, note
        self.place = {symbol: number for number, symbol in enumerate(symbols)}
        self.running = {spec.underlying: Running(spec, now_ns) for spec in specs}
        self.indexed = {symbol for spec in specs for symbol in spec.contracts}
        self.under_way = 0
        """The operator's lane, up to here, is what was sent last."""
        self.sent: dict[str, int] = {}
        """Contracts whose mark that has, with how many they had had."""
        self.refused: set[str] = set()
        """Contracts whose last mark the core did not put in force."""

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
        pauses: list[npt.NDArray[Any]] = []
        marks: list[npt.NDArray[Any]] = []
        resumed: list[npt.NDArray[Any]] = []
        for one in self.running.values():
            if now_ns < one.next_ns:
                continue
            one.next_ns = now_ns + one.spec.every_ns
            self._look(one, view, now_ns)
            value = one.index.value(now_ns)
            self._tell(one, value)
            one.value = value
            if value.protected and now_ns - one.begun_ns < one.spec.rules.stale_ns:
                continue  # its sources have not had the time to report
            for symbol in one.spec.contracts:
                self._commands(one, symbol, view, now_ns, pauses, marks, resumed)
            marks += self._collateral(one, view)
        # All that this look has found is in force at once: a hedge is never judged by half of it.
        # Nothing trades at a mark of before a pause.
        if records := pauses + ([at_once(marks)] if marks else []) + resumed:
            self.under_way = put(np.concatenate(records))

    def _see_refused(self, view: View) -> None:
        """Report marks that are not in force: one that does not fit refuses its whole look."""
        contracts = view.contracts
        assert contracts is not None
        for symbol, had in self.sent.items():
            is_refused = contracts.of(self.place[symbol], "marks") == had
            if is_refused and symbol not in self.refused:
                self.note(
                    f"{symbol} keeps its old mark: the core refused the new one, or another of the"
                    " same look; an amount or a total would be too large"
                )
            elif symbol in self.refused and not is_refused:
                self.note(f"{symbol} is marked again")
            (self.refused.add if is_refused else self.refused.discard)(symbol)
        self.sent = {}

    def _look(self, one: Running, view: View, now_ns: int) -> None:
        """The middle of an own instrument's book, or without market protection its last trade."""
        for symbol in one.spec.own:
            place = self.place[symbol]
            last, seen = int(view.instruments[place, lay.LAST // 8]), one.last.get(symbol)
            one.last[symbol] = last
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
        pauses: list[npt.NDArray[Any]],
        marks: list[npt.NDArray[Any]],
        resumed: list[npt.NDArray[Any]],
    ) -> None:
        """Add a pause, or its end, and the mark of a contract that trades."""
        place, contracts = self.place[symbol], view.contracts
        assert contracts is not None
        halt = int(view.instruments[place, lay.HALT // 8])
        if contracts.of(place, "state") != LIVE or halt & (EXPIRED_HALT | UNLISTED_HALT):
            return
        is_paused, code = bool(halt & PAUSED_HALT), code_of(symbol)
        if one.value.protected:
            if not is_paused:
                name = one.spec.underlying
                self.note(f"{symbol} is paused: the index of {name} has too few sources")
                pauses.append(setting(Setting.CONTRACT_PAUSE, 1, 0, code))
            return
        index = one.value.price_ticks
        if is_paused:
            self.note(f"{symbol}: the index of {one.spec.underlying} has enough sources again")
            resumed.append(setting(Setting.CONTRACT_PAUSE, 0, 0, code))
        mark = self._mark(one, symbol, view, now_ns)
        known = contracts.of(place, "mark"), contracts.of(place, "index")
        if mark is None or max(mark, index) > MAX_PRICE:
            return
        if (mark, index) != known:
            marks.append(setting(Setting.CONTRACT_MARK, mark, 0, code, index))
            self.sent[symbol] = contracts.of(place, "marks")

    def _collateral(self, one: Running, view: View) -> list[npt.NDArray[Any]]:
        """The price of the asset with the underlying's name, if it is another."""
        if one.spec.underlying not in self.collateral or one.value.protected:
            return []
        number, at_tick = self.collateral[one.spec.underlying]
        ticks = max(one.value.price_ticks, 0)
        price = Price.rounded(at_tick.numerator * ticks, at_tick.denominator)
        assert view.portfolio is not None
        known = collateral_in(view.portfolio.table)[number][1:3]
        if [price.numerator, price.denominator] == known:
            return []
        value, per = price.numerator, price.denominator
        return [setting(Setting.COLLATERAL_PRICE, value, number, second=per)]

    def _mark(self, one: Running, symbol: str, view: View, now_ns: int) -> int | None:
        """None: it is an option without a surface of volatilities."""
        contract, index = self.contracts[symbol], one.value.price_ticks
        if contract.is_option:
            surface = self.surfaces.get(contract.underlying)
            return None if surface is None else option_mark(contract, surface, index, now_ns)
        basis = one.bases[symbol]
        basis.sample(index, *self._best(view, self.place[symbol]), now_ns)
        return basis.mark(index)

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
