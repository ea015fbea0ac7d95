"""Rules of instruments that change while they trade, in plain Python."""

from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from openoutcry.risk.bits import Setting
from openoutcry.risk.contract_layout import MAX_PRICE
from openoutcry.risk.protection_layout import PRICE_LIMIT as PROTECTED
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import Phase

if TYPE_CHECKING:
    from tests.oracles.risk.reference import Reference

NAMES = {
    0: "price_step_ticks",
    1: "qty_step_lots",
    2: "min_qty_lots",
    3: "max_qty_lots",
    4: "min_price_ticks",
    5: "max_price_ticks",
    6: "market_band_ticks",
    7: "auction_band_ticks",
}
CALLS = (
    Phase.PRE_OPEN,
    Phase.OPENING_AUCTION,
    Phase.VOLATILITY_AUCTION,
    Phase.CLOSING_AUCTION,
)
APPLIED, CHANGES = 1 << 8, 6 << 8
Row = dict[str, Any]


class PlainRules:
    """The rules in force of each instrument, by name, and those that are staged."""

    def __init__(self, instruments: npt.NDArray[Any]) -> None:
        names = instruments.dtype.names or ()
        self.table: list[Row] = [dict(zip(names, one, strict=True)) for one in instruments.tolist()]
        self.staged: Row = {}
        self.terms: dict[int, tuple[int, int]] = {}
        """Of a row that gets its symbol: its assets with the units a lot, and the units a tick."""
        self.about, self.count = -1, 0

    def stage(self, index: int, number: int, value: int, second: int) -> bool:
        """INSTRUMENT_RULE."""
        if self.count and self.about != index:
            return False
        band = number - 15
        if number in NAMES and second == 0:
            named = {NAMES[number]: value}
        elif number == 32 and second == 0:
            named = {"symbol": value.to_bytes(8, "little", signed=True).rstrip(b"\0")}
        elif number == 33 or (number == 34 and second == 0):
            named = {}
        elif 1 <= band <= 10:
            named = {f"band{band}_from_ticks": value, f"band{band}_step_ticks": second}
        else:
            return False
        if not self.count:
            self.terms = {}
        if number in (33, 34):
            self.terms[number] = value, second
        before = self.staged if self.count else self.table[index]
        self.staged, self.about, self.count = before | named, index, self.count + 1
        return True

    def answer(self, risk: "Reference", index: int | None, c: Any) -> int:
        """Return what ``before`` answers to INSTRUMENT_APPLY."""
        count, how = int(c["aux"]), int(c["qty_lots"])
        if index is None or c["price_ticks"]:
            return 0
        if count == 0:
            self.count = 0
            return APPLIED
        if (count, index) != (self.count, self.about) or how not in (0, 1):
            return 0
        if self.staged == self.table[index] or not self._may(risk, index):
            return 0
        return CHANGES | how << 16

    def _may(self, risk: "Reference", index: int) -> bool:
        rules, row = risk.instruments[index], self.staged
        if rules.phase in CALLS or rules.expired or rules.delisted:
            return False
        try:
            make_instruments([row])
        except ValueError:
            return False
        low, high, band = (
            row[name] for name in ("min_price_ticks", "max_price_ticks", "market_band_ticks")
        )
        prices = [price for price in (rules.last, rules.reference) if price is not None]
        if any(not low <= price <= high for price in prices):
            return False
        if rules.price_limited and max(-low, high, band) > 1 << 50:
            return False
        if rules.spot and low < 1:
            return False
        if risk.contracts is not None and index in risk.contracts.rows:
            one = risk.contracts.rows[index]
            option = one.kind in (3, 4)
            least = 0 if option else 1 if one.inverse else -MAX_PRICE
            if low < least or max(abs(low), abs(high)) > MAX_PRICE:
                return False
            if not low <= one.mark <= high:
                return False
        if row["symbol"] == self.table[index]["symbol"]:
            if any(any(one) for one in self.terms.values()):
                return False
        elif not self._may_begin(risk, index):
            return False
        before = max(abs(rules.high + rules.band), abs(rules.low - rules.band))
        protected = risk.protection is not None and rules.price_limited and before <= PROTECTED
        return not protected or max(high + band, band - low) <= PROTECTED

    def _may_begin(self, risk: "Reference", index: int) -> bool:
        """Whether a row without a symbol may become a pair."""
        rules, new = risk.instruments[index], self.staged["symbol"]
        was, (pair, lot), (tick, _) = (
            self.table[index]["symbol"],
            self.terms.get(33, (0, 0)),
            self.terms.get(34, (0, 0)),
        )
        if not was.startswith(b"+") or new.startswith(b"+") or not rules.unlisted:
            return False
        if not new or any(not 0x21 <= letter <= 0x7E for letter in new):
            return False
        if new in (row["symbol"] for row in self.table) or not rules.spot or not risk.wallets:
            return False
        base, quote, count = pair & 0xFFFF, pair >> 16, len(risk.wallets.names)
        names = "min_price_ticks", "max_price_ticks", "market_band_ticks"
        low, high, band = (self.staged[name] for name in names)
        fine = base != quote and 0 <= base < count and 0 <= quote < count
        fine = fine and 1 <= lot <= 1 << 62 and 1 <= tick <= 1 << 62
        return fine and max(-low, high, band) <= 1 << 50

    def put_in_force(self, risk: "Reference") -> None:
        """Follow the answer to INSTRUMENT_APPLY."""
        row, rules = self.staged, risk.instruments[self.about]
        if row["symbol"] != self.table[self.about]["symbol"]:
            (pair, lot), (tick, _) = self.terms[33], self.terms[34]
            del risk.index[rules.symbol]
            risk.index[row["symbol"]] = self.about
            rules.symbol, rules.multiplier = row["symbol"], tick
            assert risk.wallets is not None
            risk.wallets.spot[self.about] = pair & 0xFFFF, pair >> 16, lot
        self.table[self.about], self.count = row, 0
        rules.low, rules.high = row["min_price_ticks"], row["max_price_ticks"]
        rules.band = row["market_band_ticks"]


def is_change(c: Any) -> bool:
    """Return whether a RISK command puts staged rules in force."""
    return int(c["order_type"]) == Setting.INSTRUMENT_APPLY and int(c["aux"]) != 0
