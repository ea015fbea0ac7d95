"""What may be asked of trades off the book: two participants have agreed on one elsewhere.

The caller answers for both consents; the desk of :mod:`openoutcry.routing.rfq` is such a caller.
The request's reference is the trade's: one reference is one trade, whatever is repeated::

    ask(journal, off_book("BTC-USD", 1001, 1002, 250, 5_000_000, BUYER, reference="rfq 17 1"))
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import LARGEST, RiskBit, Setting
from openoutcry.risk.region import View, setting
from openoutcry.risk.requests import LEG
from openoutcry.venue.desk import DeskError, Work
from openoutcry.venue.requests import BY, is_done
from openoutcry.wire.enums import Side
from openoutcry.wire.off_book_legs import LEG_SHIFT, MAX_LEGS
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


def off_book_legs(
    asker: int, asked: int, legs: Sequence[tuple[str, str, int, int]], reference: str
) -> dict[str, Any]:
    """The request of a trade of several legs, all or none.  Each: instrument, BUYER or SELLER (what
    ``asker`` is in it), lots and price.  A request has plain values, so the legs are JSON in it."""
    names = "instrument", "asker_is", "lots", "price"
    rows = json.dumps([dict(zip(names, leg, strict=True)) for leg in legs])
    return {"do": OFF_BOOK, "asker": asker, "asked": asked, "legs": rows, "reference": reference}


@dataclass(frozen=True)
class Leg:
    """A leg, as it was asked for and checked."""

    symbol: str
    asked_by: Side
    buyer: int
    seller: int
    lots: int
    price: int

    def __str__(self) -> str:
        return (
            f"{self.buyer} buys {self.lots} {self.symbol} at {self.price} ticks from {self.seller}"
        )

    def record(self, operator: int, number: int, count: int) -> npt.NDArray[Any]:
        """The command of leg ``number`` of ``count``; the last one's ``side`` is the caller's."""
        both, code = self.buyer << 16 | self.seller, code_of(self.symbol)
        record = setting(Setting.OFF_BOOK, self.lots, both, code, self.price, operator)
        record["time_in_force"] = self.asked_by | number << LEG_SHIFT
        record["side"] = LEG if number < count - 1 else 0
        return record


def _rows(given: Any) -> list[Any]:
    """The legs of a request."""
    try:
        rows = json.loads(given)
    except (TypeError, ValueError):
        rows = None
    if type(rows) is not list or not 1 <= len(rows) <= MAX_LEGS:
        raise DeskError(f"legs: a list of 1 to {MAX_LEGS} is expected, as JSON")
    return rows


@dataclass
class OffBookDesk:
    """Turns such requests into work."""

    symbols: list[str]
    view: View

    def work_of(self, request: dict[str, Any], first: int, second: int, reference: str) -> Work:
        """``first`` and ``second``: buyer and seller; of several legs the one that asked, and the
        one that was asked.  ``reference``: the request's.  Raises :class:`DeskError` naming what
        cannot be."""
        if self.view.requests is None:
            raise DeskError("this journal began without references, which trades off the book need")
        if self.view.word(lay.PARTITIONS):
            raise DeskError("trades off the book need one partition")
        if first == second or 0 in (first, second):
            raise DeskError("buyer and seller are two participants")
        given = request.get("legs")
        if given is None:
            legs = [self._leg(request, request.get("asked_by"), first, second)]
        else:
            legs = [self._leg_of(row, first, second) for row in _rows(given)]
        count, by = len(legs), request[BY]
        records = [one.record(by, number, count) for number, one in enumerate(legs)]
        shown = "; ".join(map(str, legs))
        refusals = self.view.word(lay.REFUSALS)

        def refused() -> str:
            if is_done(self.view, reference):
                return ""
            return f"{shown}: {self._why(refusals)}"

        return Work(np.concatenate(records), [f"{shown}, off the book"], refused)

    def _leg_of(self, given: Any, asker: int, asked: int) -> Leg:
        """A leg of several."""
        if not isinstance(given, dict):
            raise DeskError("legs: each is a table")
        asker_is = given.get("asker_is")
        two = (asker, asked) if asker_is == BUYER else (asked, asker)
        return self._leg(given, asker_is, *two)

    def _leg(self, given: dict[str, Any], asked_by: Any, buyer: int, seller: int) -> Leg:
        symbol = str(given.get("instrument") or "")
        if symbol not in self.symbols:
            raise DeskError(f"there is no instrument {symbol!r}")
        if asked_by not in SIDES:
            raise DeskError(f"asked_by is {BUYER} or {SELLER}, not {asked_by!r}")
        try:
            lots = integer(1, LARGEST)(given.get("lots"))
            price = integer(-LARGEST_PRICE, LARGEST_PRICE)(given.get("price"))
        except ValueError as error:
            raise DeskError(f"lots and price: {error}") from None
        return Leg(symbol, SIDES[asked_by], buyer, seller, lots, price)

    def _why(self, refusals: int) -> str:
        """The check that failed, if the risk refused this one alone since."""
        if self.view.word(lay.REFUSALS) != refusals + 1:
            return "the core rejected it"
        failed = self.view.word(lay.REFUSED_BITS)
        names = [bit.name.lower().replace("_", " ") for bit in RiskBit if failed >> bit & 1]
        return f"refused by the limits of a side: {', '.join(names)}"
