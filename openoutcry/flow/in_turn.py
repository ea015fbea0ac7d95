"""The book of a recording, in which each execution is of the order that the recording names.

A recording says which order was executed.  In a book by price and time that may not be the order
whose turn it is: the recording passes over it.  Then the execution's command alone would fill
another order, and the named one would stay.  So its commands are

| the recording executes | becomes |
|---|---|
| the order whose turn it is | the execution |
| another, that the book has | CANCEL of each order that it passes over, the execution, NEW of each: they join the end of their queues |
| an order that the book does not have | the execution at a price better by a tick, which no order at its own price can meet; as above for those with a better price |

An execution of more lots than the order has becomes one of what it has.
"""  # noqa: E501

from bisect import bisect_left, insort
from typing import Any, cast

from openoutcry.flow.commands import Command, command
from openoutcry.wire.enums import CommandKind, Phase, Side, TimeInForce

Queue = dict[int, int]
"""Open lots of each order at a price, first in time first."""


class RecordedBook:
    """The orders that rest in a recording of one instrument."""

    def __init__(self) -> None:
        self._queues: dict[tuple[int, int], Queue] = {}
        """By side and price."""
        self._prices: dict[int, list[int]] = {int(side): [] for side in Side}
        """Prices of the queues of a side, ascending."""
        self._orders: dict[int, tuple[int, int]] = {}
        """Side and price of each order."""
        self._matches = True

    def in_turn(self, given: Command, maker_id: int = 0) -> list[Command]:
        """Return what ``given`` becomes; ``maker_id``: the order that an execution names, or 0.
        The ``aux`` of an execution is that order, or 0 if the book does not have it."""
        order = cast(Any, given)
        kind = order.kind
        if kind == CommandKind.NEW and order.time_in_force == TimeInForce.IOC:
            return self._execution(order, maker_id)
        if kind == CommandKind.NEW:
            self._arrives(order)
        elif kind == CommandKind.REDUCE:
            self._take(order.order_id, order.qty_lots)
        elif kind == CommandKind.CANCEL:
            self._take(order.order_id, self.open_lots(order.order_id))
        elif kind == CommandKind.PHASE:
            self._matches = order.aux == Phase.CONTINUOUS
        return [given]

    def order_ids(self) -> list[int]:
        """Every order that rests."""
        return list(self._orders)

    def levels(self) -> list[tuple[int, int]]:
        """Side and price of each queue."""
        return list(self._queues)

    def queue(self, side: int, price_ticks: int) -> Queue:
        """Return a copy of the queue at a price, empty without one."""
        return dict(self._queues.get((int(side), price_ticks), {}))

    def price_of(self, order_id: int) -> int:
        """Price of an order in ticks, 0 if it does not rest."""
        return self._orders.get(order_id, (0, 0))[1]

    def open_lots(self, order_id: int) -> int:
        """Open lots of an order, 0 if it does not rest."""
        key = self._orders.get(order_id)
        return self._queues[key][order_id] if key else 0

    def would_cross(self, given: Command) -> bool:
        """Return whether ``given`` is a new order across one that rests."""
        order = cast(Any, given)
        if order.kind != CommandKind.NEW:
            return False
        if order.side == Side.BUY:
            return bool(asks := self._prices[Side.SELL]) and asks[0] <= order.price_ticks
        return bool(bids := self._prices[Side.BUY]) and bids[-1] >= order.price_ticks

    @property
    def is_crossed(self) -> bool:
        """Return whether two orders that rest cross."""
        bids, asks = self._prices[Side.BUY], self._prices[Side.SELL]
        return bool(bids and asks) and bids[-1] >= asks[0]

    def _execution(self, order: Any, maker_id: int) -> list[Command]:
        side, price_ticks = int(Side.BUY + Side.SELL - order.side), order.price_ticks
        if self._orders.get(maker_id) != (side, price_ticks):
            maker_id = 0
        passed = self._before(side, price_ticks, maker_id)
        if maker_id:
            lots = min(order.qty_lots, self.open_lots(maker_id))
            execution = order._replace(aux=maker_id, qty_lots=lots)
            self._take(maker_id, lots)
        else:
            better = 1 if side == Side.BUY else -1
            execution = order._replace(price_ticks=price_ticks + better)
            if execution.price_ticks < 1:
                return []
        gone = [self._about(CommandKind.CANCEL, order.symbol, one) for one in passed]
        back = [self._about(CommandKind.NEW, order.symbol, one) for one in passed]
        for one in back:
            self._take(cast(Any, one).order_id, cast(Any, one).qty_lots)
            self._rest(one)
        return [*gone, execution, *back]

    def _about(self, kind: CommandKind, symbol: bytes, order_id: int) -> Command:
        side, price_ticks = self._orders[order_id]
        lots = self.open_lots(order_id)
        return command(kind, symbol, Side(side), price_ticks, lots, order_id)

    def _before(self, side: int, price_ticks: int, maker_id: int) -> list[int]:
        """Orders whose turn is before the one with ``maker_id`` (0: before all at the price)."""
        prices = self._prices[side]
        if side == Side.BUY:
            better = prices[bisect_left(prices, price_ticks + 1) :][::-1]
        else:
            better = prices[: bisect_left(prices, price_ticks)]
        passed = [queue for price in better for queue in self._queues[side, price]]
        if maker_id:
            for queue in self._queues[side, price_ticks]:
                if queue == maker_id:
                    break
                passed.append(queue)
        return passed

    def _arrives(self, order: Any) -> None:
        """A new order, which the matcher fills first where it crosses."""
        if order.order_id in self._orders or order.qty_lots <= 0:
            return  # The matcher rejects it.
        left, other = order.qty_lots, int(Side.BUY + Side.SELL - order.side)
        while left and self._matches and (prices := self._prices[other]):
            best = prices[-1] if other == Side.BUY else prices[0]
            if best < order.price_ticks if other == Side.BUY else best > order.price_ticks:
                break
            first_id, lots = next(iter(self._queues[other, best].items()))
            self._take(first_id, min(left, lots))
            left -= min(left, lots)
        if left:
            self._rest(order._replace(qty_lots=left))

    def _rest(self, given: Command) -> None:
        order = cast(Any, given)
        key = int(order.side), order.price_ticks
        if key not in self._queues:
            insort(self._prices[key[0]], key[1])
        self._queues.setdefault(key, {})[order.order_id] = order.qty_lots
        self._orders[order.order_id] = key

    def _take(self, order_id: int, lots: int) -> None:
        """Take so many lots of an order, if the book has it."""
        key = self._orders.get(order_id)
        if key is None:
            return
        queue = self._queues[key]
        queue[order_id] -= lots
        if queue[order_id] <= 0:
            del queue[order_id], self._orders[order_id]
            if not queue:
                del self._queues[key]
                prices = self._prices[key[0]]
                del prices[bisect_left(prices, key[1])]
