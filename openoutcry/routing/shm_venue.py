"""A venue of ours on this host: its book by the ITCH feed, orders over shared memory.

An order's name is its token as a number.  A name is taken once a day, so an order in doubt is
settled as over OUCH; where it had arrived, the venue rejects the second one as a duplicate.
"""

from collections.abc import Callable
from typing import Any

from openoutcry.client.shm import ShmClient, ShmMessage
from openoutcry.market_data.receiver import Receiver
from openoutcry.order_entry.faults import Refusal
from openoutcry.order_entry.shm_layout import Reply
from openoutcry.routing.connector import (
    ACCEPTED,
    CANCELLED,
    FILLED,
    REDUCED,
    REJECTED,
    Order,
    VenueDown,
    VenueEvent,
)
from openoutcry.routing.instruments import BUY, Listing
from openoutcry.routing.own_venue import NO_LIMIT, OwnVenue
from openoutcry.routing.parents import DIGITS, NUMBER_LETTERS, PREFIX_LETTERS
from openoutcry.wire.enums import Reason, Side, TimeInForce

KINDS = {
    Reply.ACCEPTED: ACCEPTED,
    Reply.EXECUTED: FILLED,
    Reply.CANCELED: CANCELLED,
    Reply.REJECTED: REJECTED,
}


class ShmVenue(OwnVenue):
    """Orders on one session over shared memory, which is the router's alone."""

    MAX_PRICE4 = NO_LIMIT

    def __init__(
        self,
        listing: Listing,
        connect: Callable[[], ShmClient],
        listen: Callable[[], Receiver],
        tick_decimals: int,
    ) -> None:
        """``tick_decimals``: of a price in the venue's ticks; the rest as :class:`OwnVenue`."""
        super().__init__(listing, connect, listen)
        self._tick = 10 ** (listing.instrument.price_decimals - tick_decimals)

    def _read(self, message: Any) -> VenueEvent | None:
        said: ShmMessage = message
        kind = KINDS.get(said.kind)
        if kind is None or not isinstance(said.id, int) or said.id == 0:
            return None
        if said.reason == Refusal.DUPLICATE_TOKEN:
            return None
        if kind == CANCELLED and said.reason == Reason.SELF_TRADE:
            kind = REDUCED  # of all that is open, or of a part
        quantity = price = 0
        if kind in (FILLED, REDUCED):
            quantity = said.qty_lots * self.listing.quantity_factor
        if kind == FILLED:
            price = said.price_ticks * self._tick
        reason = said.reason_text if kind == REJECTED else ""
        at = self.name, self._client.day, said.seq, token_of(said.id)
        return VenueEvent(*at, kind, quantity, price, reason)

    def _put(
        self, client: Any, order: Order, lots: int, price: int, is_ioc: bool, is_again: bool
    ) -> None:
        if client.room < 1:
            raise VenueDown(f"{self.name}: the venue has not taken the earlier requests yet")
        client.enter(
            self._name(order.token),
            Side.BUY if order.side == BUY else Side.SELL,
            self.listing.symbol,
            lots,
            price // self._tick,
            time_in_force=TimeInForce.IOC if is_ioc else TimeInForce.DAY,
        )

    def _name(self, token: str) -> int:
        return int(token, 36)


def token_of(name: int) -> str:
    """The token whose number a name is."""
    text = ""
    for _ in range(PREFIX_LETTERS + NUMBER_LETTERS):
        name, digit = divmod(name, 36)
        text = DIGITS[digit] + text
    return text
