"""What may be asked of broken trades: a trade of the book is taken back, with its fees, once.

The caller has read the trade in the journal (``ledger/broken.py``).  The reference is
the trade's, so two requests with two reasons are one bust.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import LARGEST, Setting
from openoutcry.risk.region import View, setting
from openoutcry.risk.requests import LEG
from openoutcry.venue.desk import DeskError, Work
from openoutcry.venue.requests import BY, is_done
from openoutcry.wire.enums import Side
from openoutcry.wire.notes import OF_BASE
from openoutcry.wire.off_book_legs import AUCTION_BIT, MAKER_BIT
from openoutcry.wire.symbols import code_of
from openoutcry.wire.toml_tables import integer

BUST = "bust"
LEAST, MOST = -(1 << 63), (1 << 63) - 1
NUMBERS = {
    "match": (1, LARGEST),
    "lots": (1, LARGEST),
    "price": (-(1 << 50), 1 << 50),
    "day": (0, 99_991_231),
    **{f"{side}_order": (LEAST, MOST) for side in ("buyer", "seller")},
    **{f"{side}_fee": (LEAST, MOST) for side in ("buyer", "seller")},
    **{f"{side}_flags": (0, MAKER_BIT | AUCTION_BIT) for side in ("buyer", "seller")},
}
KEYS = "instrument", "buyer", "seller", *NUMBERS
"""All that two supervisors have to agree on."""


def reference_of(match: int) -> str:
    """The reference of the one request that takes this trade back."""
    return f"bust {match}"


@dataclass
class BustDesk:
    """Turns such requests into work."""

    symbols: list[str]
    view: View

    def work_of(
        self, request: dict[str, Any], buyer: int, seller: int, reference: str, today: int
    ) -> Work:
        """``reference``: the request's; ``today``: the trading day at hand.  Raises
        :class:`DeskError` naming what cannot be."""
        if self.view.requests is None:
            raise DeskError("this journal began without references, which a bust needs")
        if self.view.word(lay.PARTITIONS):
            raise DeskError("a bust needs one partition")
        symbol = str(request.get("instrument") or "")
        if symbol not in self.symbols:
            raise DeskError(f"there is no instrument {symbol!r}")
        numbers = {name: _number(request, name) for name in NUMBERS}
        if reference != reference_of(numbers["match"]):
            raise DeskError(
                f"the reference of this bust is {reference_of(numbers['match'])!r}, not "
                f"{reference!r}: a trade is taken back once"
            )
        if numbers["seller_fee"] & OF_BASE:
            raise DeskError("seller_fee: a seller's fee is not of the base asset")
        if numbers["day"] != today:
            raise DeskError(
                f"trade {numbers['match']} is of {numbers['day']}, and the trading day is {today}: "
                "a trade is taken back on its day alone"
            )
        records = self._records(request, symbol, numbers, buyer, seller)
        shown = (
            f"trade {numbers['match']}: {buyer} bought {numbers['lots']} {symbol} at "
            f"{numbers['price']} ticks from {seller}"
        )

        def refused() -> str:
            return "" if is_done(self.view, reference) else f"{shown}: the core rejected its bust"

        return Work(records, [f"{shown}, is taken back"], refused)

    def _records(
        self,
        request: dict[str, Any],
        symbol: str,
        numbers: dict[str, int],
        buyer: int,
        seller: int,
    ) -> npt.NDArray[Any]:
        """The two legs, and the command that takes the trade back."""
        by, code, records = request[BY], code_of(symbol), []
        for name, side, who in (("buyer", Side.BUY, buyer), ("seller", Side.SELL, seller)):
            fee, order_id = numbers[f"{name}_fee"], numbers[f"{name}_order"]
            record = setting(Setting.BUST, fee, who, code, order_id, by)
            record["time_in_force"] = side | numbers[f"{name}_flags"]
            record["side"] = LEG
            records.append(record)
        lots, match, price = (numbers[name] for name in ("lots", "match", "price"))
        records.append(setting(Setting.BUST, lots, match, code, price, by))
        return np.concatenate(records)


def _number(request: dict[str, Any], name: str) -> int:
    try:
        return int(integer(*NUMBERS[name])(request.get(name)))
    except ValueError as error:
        raise DeskError(f"{name}: {error}") from None
