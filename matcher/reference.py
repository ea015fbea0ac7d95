"""The same matcher in plain Python: slow, and plainly right.

One list of orders a price level, prices searched by ``min`` and ``max``.  The fast matcher is
tested against it event by event and byte by byte.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.matcher.arena import FLAG_POST_ONLY, check_instruments
from openoutcry.matcher.snapshot import ROW_DTYPE, digest, encode
from openoutcry.wire.enums import (
    CommandKind,
    EventFlag,
    EventKind,
    OrderType,
    Reason,
    Side,
    TimeInForce,
)
from openoutcry.wire.records import EVENT_DTYPE, MAX_VALUE, NO_INSTRUMENT


@dataclass
class OpenOrder:
    order_id: int
    instrument: int
    side: int
    price: int
    qty: int
    participant: int
    post_only: bool


@dataclass
class Command:
    """One order record, its fields as Python integers and the symbol as its eight bytes."""

    price: int
    qty: int
    symbol: bytes
    order_id: int
    aux: int
    rx_ts_ns: int
    participant: int
    error_code: int
    kind: int
    side: int
    order_type: int
    time_in_force: int
    seq: int


class Rejected(Exception):
    def __init__(self, reason: Reason, contra_id: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.contra_id = reason, contra_id


Book = dict[int, list[OpenOrder]]
"""One side: price -> its orders, first come first; a price without orders is not there."""


class ReferenceEngine:
    """As :class:`openoutcry.matcher.Engine`; same arguments, same events, same snapshot."""

    def __init__(
        self,
        instruments: npt.NDArray[Any],
        order_capacity: int = 1 << 17,
        level_pages: int | None = None,
    ) -> None:
        self.instruments = check_instruments(instruments)
        self.order_capacity = order_capacity
        self.level_pages = order_capacity if level_pages is None else level_pages
        self.index = {s: i for i, s in enumerate(self.instruments["symbol"].tolist())}
        self.books: dict[tuple[int, int], Book] = {
            (i, side): {} for i in range(len(self.instruments)) for side in Side
        }
        self.orders: dict[int, OpenOrder] = {}
        self.page_levels: Counter[tuple[int, int, int]] = Counter()
        """Open levels in each page of 64 prices: (instrument, side, price // 64) -> count."""
        self.last_seq = 0
        self.event_count = 0
        self.events: list[tuple[int, ...]] = []

    @property
    def open_orders(self) -> int:
        return len(self.orders)

    def process(self, orders: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Events (EVENT_DTYPE) of the commands ``orders`` (ORDER_DTYPE)."""
        chunks = [self._process_one(Command(*record)) for record in orders.tolist()]
        events = np.array([e for chunk in chunks for e in chunk], dtype=EVENT_DTYPE)
        first_seq = self.event_count + 1
        events["seq"] = np.arange(first_seq, first_seq + len(events))
        self.event_count += len(events)
        return events

    def snapshot(self) -> bytes:
        rows = [
            (o.price, o.order_id, o.qty, o.instrument, o.participant, o.side, o.post_only, 0)
            for (_, side), book in sorted(self.books.items())
            for price in sorted(book, reverse=side == Side.BUY)
            for o in book[price]
        ]
        table = np.array(rows, dtype=ROW_DTYPE)
        assert FLAG_POST_ONLY == 1
        return encode(self.instruments, table, self.last_seq, self.event_count)

    def state_hash(self) -> str:
        return digest(self.snapshot())

    def _process_one(self, c: Command) -> list[tuple[int, ...]]:
        self.events = []
        self.last_seq = c.seq
        instrument = self.index.get(c.symbol, NO_INSTRUMENT)
        try:
            self._dispatch(c, instrument)
        except Rejected as refusal:
            assert not self.events, "a rejected command changes nothing"
            self._emit(
                EventKind.REJECTED,
                OpenOrder(c.order_id, instrument, c.side, c.price, 0, c.participant, False),
                c,
                c.price,
                c.qty,
                reason=refusal.reason,
                contra_id=refusal.contra_id,
            )
        last = list(self.events[-1])
        last[11] |= EventFlag.LAST
        self.events[-1] = tuple(last)
        return self.events

    def _dispatch(self, c: Command, instrument: int) -> None:
        if c.error_code:
            raise Rejected(Reason.GATEWAY, c.error_code)
        if c.kind not in list(CommandKind):
            raise Rejected(Reason.MALFORMED)
        if instrument == NO_INSTRUMENT:
            raise Rejected(Reason.UNKNOWN_INSTRUMENT)
        if c.kind == CommandKind.NEW:
            self._new(c, instrument)
            return
        order = self.orders.get(c.order_id)
        if order is None or order.instrument != instrument:
            raise Rejected(Reason.UNKNOWN_ORDER)
        if order.participant != c.participant:
            raise Rejected(Reason.NOT_OWNER)
        if c.kind == CommandKind.CANCEL:
            self._cancel(c, order, Reason.USER)
            return
        if c.qty <= 0:
            raise Rejected(Reason.BAD_QTY)
        if c.kind == CommandKind.REDUCE:
            self._reduce(c, order)
        else:
            self._replace(c, order)

    def _new(self, c: Command, instrument: int) -> None:
        post_only = c.order_type == OrderType.POST_ONLY
        market = c.order_type == OrderType.MARKET
        if (
            c.side not in list(Side)
            or c.order_type not in list(OrderType)
            or c.time_in_force not in list(TimeInForce)
            or (post_only and c.time_in_force != TimeInForce.DAY)
        ):
            raise Rejected(Reason.MALFORMED)
        if c.qty <= 0:
            raise Rejected(Reason.BAD_QTY)
        if c.order_id in self.orders:
            raise Rejected(Reason.DUPLICATE_ID)
        order = OpenOrder(c.order_id, instrument, c.side, c.price, c.qty, c.participant, post_only)
        may_rest = not market and c.time_in_force == TimeInForce.DAY
        if may_rest:
            self._refuse_rest(order, c.price, c.qty, 0, is_new=True)
        self._emit(EventKind.ACCEPTED, order, c, c.price, c.qty)
        limit = None if market else c.price
        if c.time_in_force == TimeInForce.FOK and self._available(order, limit) < c.qty:
            order.qty = 0
            self._emit(EventKind.CANCELLED, order, c, c.price, c.qty, reason=Reason.FOK_UNFILLABLE)
            return
        self._match(c, order, limit)
        if order.qty == 0:
            return
        if may_rest:
            self.orders[order.order_id] = order
            self._join(order)
            return
        rest, order.qty = order.qty, 0
        reason = Reason.MARKET_REST if market else Reason.IOC_REST
        self._emit(EventKind.CANCELLED, order, c, c.price, rest, reason=reason)

    def _cancel(self, c: Command, order: OpenOrder, reason: Reason) -> None:
        qty = order.qty
        self._leave(order)
        del self.orders[order.order_id]
        order.qty = 0
        self._emit(EventKind.CANCELLED, order, c, order.price, qty, reason=reason)

    def _reduce(self, c: Command, order: OpenOrder) -> None:
        if c.qty >= order.qty:
            self._cancel(c, order, Reason.REDUCED_TO_ZERO)
            return
        order.qty -= c.qty
        self._emit(EventKind.REDUCED, order, c, order.price, c.qty)

    def _replace(self, c: Command, order: OpenOrder) -> None:
        if c.price == order.price and c.qty <= order.qty:
            order.qty = c.qty
            flags = EventFlag.KEPT_PLACE
            self._emit(EventKind.REPLACED, order, c, c.price, c.qty, flags=flags)
            return
        own = order.qty if c.price == order.price else 0
        self._refuse_rest(order, c.price, c.qty, own, is_new=False)
        self._leave(order)
        order.price, order.qty = c.price, c.qty
        self._emit(EventKind.REPLACED, order, c, c.price, c.qty)
        self._match(c, order, c.price)
        if order.qty == 0:
            del self.orders[order.order_id]
        else:
            self._join(order)

    def _refuse_rest(self, order: OpenOrder, price: int, qty: int, own: int, is_new: bool) -> None:
        """What can be wrong with an order that may rest, before anything has happened."""
        best = self._best(order.instrument, _other(order.side))
        if order.post_only and best is not None and _reaches(order.side, price, best):
            raise Rejected(Reason.WOULD_CROSS)
        page = (order.instrument, order.side, price // 64)
        if page not in self.page_levels and len(self.page_levels) == self.level_pages:
            raise Rejected(Reason.BOOK_FULL)
        if is_new and len(self.orders) == self.order_capacity:
            raise Rejected(Reason.BOOK_FULL)
        total = sum(o.qty for o in self.books[order.instrument, order.side].get(price, []))
        if total - own + qty > MAX_VALUE:
            raise Rejected(Reason.LEVEL_OVERFLOW)

    def _best(self, instrument: int, side: int) -> int | None:
        prices = self.books[instrument, side]
        if not prices:
            return None
        return max(prices) if side == Side.BUY else min(prices)

    def _available(self, order: OpenOrder, limit: int | None) -> int:
        book = self.books[order.instrument, _other(order.side)]
        return sum(
            maker.qty
            for price, queue in book.items()
            if limit is None or _reaches(order.side, limit, price)
            for maker in queue
        )

    def _match(self, c: Command, taker: OpenOrder, limit: int | None) -> None:
        other = _other(taker.side)
        while taker.qty:
            price = self._best(taker.instrument, other)
            if price is None or (limit is not None and not _reaches(taker.side, limit, price)):
                return
            maker = self.books[taker.instrument, other][price][0]
            traded = min(taker.qty, maker.qty)
            taker.qty -= traded
            maker.qty -= traded
            self._emit(
                EventKind.FILLED,
                maker,
                c,
                price,
                traded,
                contra_id=taker.order_id,
                flags=EventFlag.MAKER,
            )
            self._emit(EventKind.FILLED, taker, c, price, traded, contra_id=maker.order_id)
            if maker.qty == 0:
                self._leave(maker)
                del self.orders[maker.order_id]

    def _join(self, order: OpenOrder) -> None:
        book = self.books[order.instrument, order.side]
        if order.price not in book:
            book[order.price] = []
            self.page_levels[order.instrument, order.side, order.price // 64] += 1
        book[order.price].append(order)

    def _leave(self, order: OpenOrder) -> None:
        book = self.books[order.instrument, order.side]
        queue = book[order.price]
        queue[:] = [o for o in queue if o is not order]
        if not queue:
            del book[order.price]
            page = (order.instrument, order.side, order.price // 64)
            self.page_levels[page] -= 1
            if not self.page_levels[page]:
                del self.page_levels[page]

    def _emit(
        self,
        kind: EventKind,
        order: OpenOrder,
        c: Command,
        price: int,
        qty: int,
        reason: Reason = Reason.NONE,
        contra_id: int = 0,
        flags: int = 0,
    ) -> None:
        """Append an event about ``order``; the fields in the order of EVENT_DTYPE."""
        self.events.append(
            (
                order.order_id,
                contra_id,
                price,
                qty,
                order.qty,
                c.seq,
                order.participant,
                order.instrument,
                kind,
                reason,
                order.side,
                flags,
                0,
            )
        )


def _other(side: int) -> int:
    return Side.SELL if side == Side.BUY else Side.BUY


def _reaches(side: int, limit: int, price: int) -> bool:
    """Whether an order of ``side`` at ``limit`` trades with a resting order at ``price``."""
    return price <= limit if side == Side.BUY else price >= limit
