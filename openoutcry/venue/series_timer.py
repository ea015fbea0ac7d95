"""Series of a running venue: each contract that the rule of its series comes to is listed by a
command, as time passes and the index of its underlying moves.

The core's state says what is listed, so a venue that was killed continues with what is due.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.derivatives.series import contracts_of
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.contract_layout import EXPIRED_HALT, UNLISTED_HALT
from openoutcry.risk.region import View, setting
from openoutcry.venue.series_tables import SeriesSpec
from openoutcry.wire.symbols import code_of

Put = Callable[[npt.NDArray[Any]], int]
EVERY_NS = 500_000_000
MAX_WAIT_NS = 64_000_000_000
"""The longest wait until a listing that the core has refused is sent again."""


class SeriesTimer:
    """Lists the contracts of one run of a venue."""

    def __init__(
        self,
        series: tuple[SeriesSpec, ...],
        symbols: list[str],
        index_of: Callable[[str], int | None],
        note: Callable[[str], None],
    ) -> None:
        """``index_of``: the index of an underlying, None without."""
        self.series, self.index_of, self.note = series, index_of, note
        self.place = {symbol: number for number, symbol in enumerate(symbols)}
        self.next_ns = self.under_way = 0
        self.missing: set[str] = set()
        """Contracts that rules came to, and for which the journal has no room."""
        self.sent: dict[str, int] = {}
        """Contracts whose listing that has, with their first marks."""
        self.waits: dict[str, tuple[int, int]] = {}
        """Contracts whose listing was refused: when it is sent again, and how long that is."""

    def poll(self, view: View, now_ns: int, put: Put, is_processed: Callable[[int], bool]) -> None:
        """Send what is due."""
        if now_ns < self.next_ns or (self.under_way and not is_processed(self.under_way)):
            return
        self.next_ns, self.under_way = now_ns + EVERY_NS, 0
        self._see(view, now_ns)
        records = [record for one in self.series for record in self._due(one, view, now_ns)]
        if records:
            self.under_way = put(np.concatenate(records))

    def _see(self, view: View, now_ns: int) -> None:
        """Report what the last commands came to; what was refused waits twice as long each time."""
        for symbol, mark in self.sent.items():
            if not int(view.instruments[self.place[symbol], lay.HALT // 8]) & UNLISTED_HALT:
                self.waits.pop(symbol, None)
                self.note(f"{symbol} is listed at {mark} ticks")
                continue
            if symbol not in self.waits:
                self.note(f"{symbol} is not listed: the core refused its first mark, {mark} ticks")
            wait_ns = min(2 * self.waits.get(symbol, (0, EVERY_NS))[1], MAX_WAIT_NS)
            self.waits[symbol] = now_ns + wait_ns, wait_ns
        self.sent = {}

    def _due(self, one: SeriesSpec, view: View, now_ns: int) -> list[npt.NDArray[Any]]:
        index, records, contracts = self.index_of(one.rule.underlying), [], view.contracts
        assert contracts is not None
        reference = one.reference_ticks if index is None else index
        if index is not None and one.rule.strike_multiplier:
            # Strikes in symbols are those of before any split; so is the price they are around.
            lot = contracts.of(self.place[one.symbols[-1]], "strike_multiplier")
            reference = index * lot // one.rule.strike_multiplier
        for contract in contracts_of(one.rule, now_ns, reference):
            symbol = contract.symbol
            if symbol not in one.symbols:
                if symbol not in self.missing:
                    self.missing.add(symbol)
                    self.note(f"{symbol} is not listed: the journal has no room for it")
                continue
            halt = int(view.instruments[self.place[symbol], lay.HALT // 8])
            if not halt & UNLISTED_HALT or halt & (EXPIRED_HALT | lay.DELISTED_HALT):
                continue
            if self.waits.get(symbol, (0, 0))[0] > now_ns:
                continue
            future = not contract.is_option and index is not None
            count = contracts.of(self.place[symbol], "adjustments")
            mark = index if future and index is not None else one.first_mark_ticks
            self.sent[symbol] = mark
            listing = Setting.CONTRACT_LIST
            records.append(setting(listing, mark, count << 1, code_of(symbol), index or 0))
        return records
