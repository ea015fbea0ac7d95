"""A venue of ours: its book by the ITCH feed, orders by FIX 4.4.

A ClOrdID is taken once, so an order in doubt is settled as over OUCH: by a harmless order that may
have been sent before (PossResend).  Where the first had arrived, the venue answers with its status,
and the session's numbers bring the first one's events.

The file of numbers says how far our own ones may go; they are reserved in it before they are used.
So a killed router continues above all that it sent.  The venue asks for what it misses, and gets a
gap: an order that did not arrive never arrives.
"""

import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from openoutcry.client.fix import FixClient, FixMessage, FixNumbers
from openoutcry.client.waiting import ClientError
from openoutcry.market_data.receiver import Receiver
from openoutcry.routing.connector import (
    ACCEPTED,
    CANCELLED,
    FILLED,
    REJECTED,
    RESIZED,
    Order,
    VenueEvent,
)
from openoutcry.routing.instruments import BUY, Listing
from openoutcry.routing.own_venue import NO_LIMIT, OwnVenue
from openoutcry.wire.atomic_file import write_atomically

KINDS = {
    "0": ACCEPTED,
    "F": FILLED,
    "4": CANCELLED,
    "C": CANCELLED,
    "8": REJECTED,
    "D": RESIZED,
}
"""By ExecType.  One that waits (A) is not accepted yet."""
REPORT, REJECTS, NEW_ORDER = "8", ("3", "j"), "D"
CL_ORD_ID, ORIG_CL_ORD_ID, EXEC_TYPE, LAST_QTY, LAST_PX = 11, 41, 150, 32, 31
ORDER_QTY = 38
REF_SEQ_NUM, TEXT = 45, 58
SIDES = {BUY: "1", -BUY: "2"}
PREFIX = "FIX "
"""Of the names of streams."""
RESERVED, MARGIN = 1_000, 500
"""Numbers that are reserved at a time, and how many must be left of them."""


class FixVenue(OwnVenue):
    """Orders on one session of FIX 4.4, which is the router's alone."""

    MAX_DECIMALS = 12
    MAX_PRICE4 = NO_LIMIT

    def __init__(
        self,
        listing: Listing,
        connect: Callable[[FixNumbers | None], FixClient],
        listen: Callable[[], Receiver],
        file: Path,
    ) -> None:
        """``connect`` logs on with these numbers; without any, both sides begin at 1.  ``file``
        keeps our own; the rest as :class:`OwnVenue`."""
        super().__init__(listing, partial(connect, None), listen)
        self._open, self._file = connect, file
        self._numbers: FixNumbers | None = None
        self._stream = ""
        """Names the numbers from one beginning at 1 to the next."""
        self._reserved = 0

    def _login(self) -> Callable[[], FixClient]:
        if self._numbers is None and self._file.exists():
            kept = json.loads(self._file.read_text())
            self._stream, self._reserved = kept["stream"], kept["reserved"]
            stream, sequence = self._seen
            next_in = sequence + 1 if stream == self._stream else 1
            self._numbers = FixNumbers(self._reserved, next_in)
        if self._numbers is None:
            if self._seen[0].startswith(PREFIX):
                raise ClientError(f"{self._file} is missing: it has the numbers of this session")
            return self._connect
        # What the venue did not get it gets as a gap, and never as an order.
        self._numbers.sent.clear()
        self._reserve()
        return partial(self._open, self._numbers)

    def _log_in(self, now_ns: int) -> None:
        super()._log_in(now_ns)
        if self._numbers is None:
            self._numbers = self._client.numbers
            self._stream = f"{PREFIX}{self._tried_ns}"
            self._reserve()

    @staticmethod
    def _drop(client: Any) -> None:
        client.close()

    def _reserve(self) -> None:
        numbers = self._numbers
        if numbers is not None and numbers.next_out + MARGIN > self._reserved:
            self._reserved = numbers.next_out + RESERVED
            kept = {"stream": self._stream, "reserved": self._reserved}
            write_atomically(self._file, json.dumps(kept))

    def poll(self, now_ns: int) -> list[VenueEvent]:
        events = super().poll(now_ns)
        self._reserve()
        return events

    def _try(self, request: Callable[[Any], object]) -> None:
        if self._client is not None:
            self._reserve()
        super()._try(request)

    def _read(self, message: Any) -> VenueEvent | None:
        said: FixMessage = message
        if said.kind in REJECTS:
            return self._rejected(said)
        kind = KINDS.get(said.get(EXEC_TYPE)) if said.kind == REPORT else None
        # A report of a cancel names the order as the original one.
        token = said.get(ORIG_CL_ORD_ID) or said.get(CL_ORD_ID)
        if kind is None or not token:
            return None
        quantity = price = 0
        if kind == FILLED:
            quantity = int(said[LAST_QTY]) * self.listing.quantity_factor
            price = self.listing.instrument.price(said[LAST_PX])
        elif kind == RESIZED:
            quantity = int(said[ORDER_QTY]) * self.listing.quantity_factor
        at = self.name, self._stream, said.sequence, token
        return VenueEvent(*at, kind, quantity, price, said.get(TEXT))

    def _rejected(self, said: FixMessage) -> VenueEvent | None:
        """The end of an order whose message the session layer did not take."""
        assert self._numbers is not None
        number = int(said.get(REF_SEQ_NUM) or 0)
        kind, fields, _ = self._numbers.sent.get(number, ("", (), ""))
        if kind != NEW_ORDER:
            return None
        at = self.name, self._stream, said.sequence, dict(fields)[CL_ORD_ID]
        return VenueEvent(*at, REJECTED, 0, 0, said.get(TEXT))

    def _put(
        self, client: Any, order: Order, lots: int, price: int, is_ioc: bool, is_again: bool
    ) -> None:
        exact = Decimal(price).scaleb(-self.listing.instrument.price_decimals)
        more = {"t97": "Y"} if is_again else {}
        terms = SIDES[order.side], self.listing.symbol, lots, f"{exact.normalize():f}"
        client.enter(*terms, ioc=is_ioc, name=order.token, **more)

    def cancel(self, order: Order) -> None:
        def request(client: FixClient) -> None:
            name = f"{order.token}-{client.numbers.next_out}"
            client.cancel(order.token, self.listing.symbol, SIDES[order.side], name=name)

        self._try(request)

    def reconnect(self) -> None:
        if self._client is not None:
            self._drop(self._client)
        self._client = None
