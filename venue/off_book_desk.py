"""What may be asked of trades off the book: two participants have agreed on one elsewhere.

The caller answers for both consents; the desk of :mod:`openoutcry.routing.rfq` is such a caller.
The request's reference is the trade's: one reference is one trade, whatever is repeated::

    ask(journal, off_book("BTC-USD", 1001, 1002, 250, 5_000_000, BUYER, reference="rfq 17 1"))
"""

from dataclasses import dataclass
from typing import Any

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import LARGEST, RiskBit, Setting
from openoutcry.risk.region import View, setting
from openoutcry.risk.requests import Request, RequestState
from openoutcry.venue.desk import DeskError, Work
from openoutcry.venue.requests import BY
from openoutcry.wire.enums import Side
from openoutcry.wire.symbols import code_of
from openoutcry.wire.toml_tables import integer

OFF_BOOK = "off-book-trade"
BUYER, SELLER = "buyer", "seller"
SIDES = {BUYER: Side.BUY, SELLER: Side.SELL}
LARGEST_PRICE = 1 << 50


def off_book(
    instrument: str, buyer: int, seller: int, lots: int, price: int, asked_by: str, reference: str
) -> dict[str, Any]:
    """The request; ``asked_by``: BUYER or SELLER, who pays the taker's fee."""
    terms = {"instrument": instrument, "buyer": buyer, "seller": seller, "asked_by": asked_by}
    return {"do": OFF_BOOK, "lots": lots, "price": price, "reference": reference} | terms


@dataclass
class OffBookDesk:
    """Turns such requests into work."""

    symbols: list[str]
    view: View

    def work_of(self, request: dict[str, Any], buyer: int, seller: int, reference: str) -> Work:
        """``reference``: the request's.  Raises :class:`DeskError` naming what cannot be."""
        if self.view.requests is None:
            raise DeskError("this journal began without references, which trades off the book need")
        if self.view.word(lay.PARTITIONS):
            raise DeskError("trades off the book need one partition")
        symbol, asked_by = str(request.get("instrument") or ""), request.get("asked_by")
        if symbol not in self.symbols:
            raise DeskError(f"there is no instrument {symbol!r}")
        if asked_by not in SIDES:
            raise DeskError(f"asked_by is {BUYER} or {SELLER}, not {asked_by!r}")
        if buyer == seller or 0 in (buyer, seller):
            raise DeskError("buyer and seller are two participants")
        try:
            lots = integer(1, LARGEST)(request.get("lots"))
            price = integer(-LARGEST_PRICE, LARGEST_PRICE)(request.get("price"))
        except ValueError as error:
            raise DeskError(f"lots and price: {error}") from None
        record = setting(
            Setting.OFF_BOOK, lots, buyer << 16 | seller, code_of(symbol), price, request[BY]
        )
        record["time_in_force"] = SIDES[asked_by]
        shown = f"{buyer} buys {lots} {symbol} at {price} ticks from {seller}"
        refusals = self.view.word(lay.REFUSALS)

        def refused() -> str:
            if self._has_traded(reference):
                return ""
            return f"{shown}: {self._why(refusals)}"

        return Work(record, [f"{shown}, off the book"], refused)

    def _has_traded(self, reference: str) -> bool:
        assert self.view.requests is not None
        row = self.view.requests.find(reference)
        return row is not None and int(row[Request.offset("state") // 8]) == RequestState.DONE

    def _why(self, refusals: int) -> str:
        """The check that failed, if the risk refused this one alone since."""
        if self.view.word(lay.REFUSALS) != refusals + 1:
            return "the core rejected it"
        failed = self.view.word(lay.REFUSED_BITS)
        names = [bit.name.lower().replace("_", " ") for bit in RiskBit if failed >> bit & 1]
        return f"refused by the limits of a side: {', '.join(names)}"
