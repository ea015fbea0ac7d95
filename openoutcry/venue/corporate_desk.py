"""What the exchange operator may ask for when an issuer acts: cash dividends, splits, and the
reference price after them.

The operator halts the instrument first.  The desk cancels all orders in it, one command adjusts
every position (``risk/corporate.py``), and then the matcher receives the new reference price.  The
desk reads in the core's state whether the core has done it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import MAX_TERM, NO_LIMIT, Setting
from openoutcry.risk.contract_terms import CLOSED
from openoutcry.risk.protection_layout import OPERATORS_HALT
from openoutcry.risk.region import View, setting
from openoutcry.venue.contract_desk import half_even, ratio_term
from openoutcry.venue.desk import DeskError, Work
from openoutcry.venue.fee_tables import MoneySpec
from openoutcry.venue.index_tables import IndexSpec
from openoutcry.venue.requests import EFFECTIVE
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind, Phase
from openoutcry.wire.symbols import code_of

ADJUSTED_NS = 86_400_000_000_000
"""For so long after its contracts an instrument in their index can be split."""
CORPORATE_REQUESTS = ("dividend", "split", "reference-price")
Request = dict[str, Any]


class CorporateDesk:
    """Turns requests about an issuer's actions into work."""

    def __init__(
        self,
        symbols: list[str],
        money: MoneySpec,
        view: View,
        halted: Callable[[str, bool], Iterable[npt.NDArray[Any]]],
        sources: Mapping[str, IndexSpec],
    ) -> None:
        """``sources``: of each instrument that is in an index, that one."""
        self.symbols, self.view, self.halted, self.sources = symbols, view, halted, sources
        self.money = money

    def work_of(self, request: Request, operator: int) -> Work:
        """Raises :class:`DeskError` naming what cannot be."""
        symbol = str(request.get("instrument") or "")
        if symbol not in self.symbols:
            raise DeskError(f"there is no instrument {symbol!r}")
        row = self.view.instruments[self.symbols.index(symbol)]
        if not row[lay.HALT // 8] & OPERATORS_HALT:
            raise DeskError(f"{symbol} is not halted: `outcry venue halt {symbol}` first")
        if request["do"] == "reference-price":
            return self.reference(symbol, self._price(row, symbol, request.get("price")))
        if request.get(EFFECTIVE):
            return self.reference(symbol, int(row[lay.LAST // 8]))
        if row[lay.LEVERAGED // 8] or row[lay.CONTRACT_AT // 8]:
            raise DeskError(f"{symbol} is leveraged or a contract: its positions are no holdings")
        if symbol in self.sources:
            self._require_adjusted(symbol, request)
        return self._action(request, symbol, row, operator)

    def _require_adjusted(self, symbol: str, request: Request) -> None:
        """The contracts of an index that an instrument is in would be marked at its new price: they
        are adjusted first, and halted until it is split, too."""
        spec, contracts = self.sources[symbol], self.view.contracts
        if request["do"] != "split":
            raise DeskError(
                f"{symbol} is in the index of {spec.underlying}, whose contracts would be "
                "marked at the new price: take it out of the venue file's [[index]] first"
            )
        new, old, now_ns = request.get("new"), request.get("old"), self.view.word(lay.NOW_NS)
        for place in map(self.symbols.index, spec.contracts):
            assert contracts is not None
            if contracts.of(place, "state"):
                continue
            ratio = divmod(contracts.of(place, "ratio"), 1 << 32)
            is_new = now_ns - contracts.of(place, "adjusted_ns") <= ADJUSTED_NS
            is_closed = int(self.view.instruments[place, lay.HALT // 8]) & CLOSED
            if ratio != (new, old) or not is_new or not is_closed:
                raise DeskError(
                    f"{symbol} is in the index of {spec.underlying}: halt its contracts and adjust "
                    f"them first: `outcry venue contract adjust {spec.underlying} {new} {old}`"
                )

    def _action(self, request: Request, symbol: str, row: Any, operator: int) -> Work:
        is_split = request["do"] == "split"
        new = ratio_term(
            "new" if is_split else "amount", request, MAX_TERM if is_split else 2**31 - 1
        )
        old = ratio_term("old" if is_split else "lots", request, MAX_TERM)
        last, multiplier = int(row[lay.LAST // 8]), int(row[lay.MULTIPLIER // 8])
        price = request.get("price")
        if price is None:
            if last == NO_LIMIT:
                raise DeskError(f"{symbol} has no price yet: give the new one with --price")
            price = (
                half_even(last * old, new)
                if is_split
                else (last - half_even(new, old * multiplier))
            )
        price = self._price(row, symbol, price)
        index = self.symbols.index(symbol)
        held = self.view.cells[:, index, lay.POSITION // 8].tolist()
        balances = self.view.participants[:, lay.BALANCE // 8].tolist()
        due = [who for who, lots in enumerate(held) if half_even(abs(lots) * new, old)]
        if is_split:
            behind = [abs(lots) * new // old * (1 if lots > 0 else -1) for lots in held]
        paid_out = self.money.text(new, self.money.quotes.get(symbol, ""))
        done = (
            f"{symbol}: {new} new lots for {old} old ones"
            if is_split
            else f"{symbol}: {paid_out} for each {old} lots"
            if old > 1
            else f"{symbol}: {paid_out} a lot"
        )
        done += f", {sum(map(bool, held))} positions; its price is {price} ticks"

        def refused() -> str:
            now = self.view.cells[:, index, lay.POSITION // 8].tolist()
            moved = self.view.participants[:, lay.BALANCE // 8].tolist()
            # A balance moves with trades elsewhere, too: only that it was not paid can be seen.
            paid = is_split or not due or any(moved[who] != balances[who] for who in due)
            taken = now == (behind if is_split else held) and paid
            taken = taken and int(row[lay.LAST // 8]) == price
            return "" if taken else f"{done}: the core rejected it; open orders are cancelled"

        cancel = np.zeros(1, ORDER_DTYPE)
        cancel["kind"], cancel["symbol"], cancel["aux"] = (
            CommandKind.MASS_CANCEL,
            code_of(symbol),
            1,
        )
        what = Setting.SPLIT if is_split else Setting.DIVIDEND
        action = setting(what, new << 32 | old, 0, code_of(symbol), price, operator)
        cancelled = f"{symbol}: all open orders are cancelled"
        return Work(
            np.concatenate([cancel, action]),
            [cancelled, done],
            refused,
            lambda: self.reference(symbol, price),
            more={"price": price},
        )

    def reference(self, symbol: str, price: int) -> Work:
        """The phase that the instrument is in, sent again with another reference price; the last
        trade counts no more."""
        record = np.zeros(1, ORDER_DTYPE)
        record["kind"], record["symbol"] = CommandKind.PHASE, code_of(symbol)
        phases = list(self.halted(symbol, True))
        record["aux"] = phases[0]["aux"][0] if phases else Phase.CLOSED
        record["qty_lots"], record["price_ticks"] = 2, price
        row = self.view.instruments[self.symbols.index(symbol)]
        done = f"{symbol}: the reference price is {price} ticks"
        return Work(
            record,
            [done],
            lambda: (
                "" if int(row[lay.REFERENCE // 8]) == price else f"{done}: the core rejected it"
            ),
        )

    def _price(self, row: Any, symbol: str, price: Any) -> int:
        low, high = 1, NO_LIMIT // 2
        if row[lay.PRICE_LIMITED // 8]:
            low = max(low, int(row[lay.WORST_SELL // 8]))
            high = int(row[lay.WORST_BUY // 8])
        if type(price) is not int or not low <= price <= high:
            raise DeskError(f"{symbol}: a price of {price} ticks is not {low} to {high}")
        return price
