"""The order service: enters, changes and cancels orders of any participant.

It answers once the venue has released the outcome.  Each API is an adapter of it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from openoutcry.portal.trading.broker import Broker, BrokerError, NewList, NewOrder, Refusal, leg_id
from openoutcry.portal.trading.instruments import Market
from openoutcry.portal.trading.mirror import Mirror, Moment
from openoutcry.portal.trading.orders import CANCELED, REJECTED, Order, OrderList
from openoutcry.portal.trading.reject import Code, Reject, not_changed, rejection
from openoutcry.portal.trading.terms import has_terms, most_lots
from openoutcry.wire.enums import Reason, Side

MAX_ORDERS = 200
"""Open orders of a participant in a market."""
ANSWER_S, SHOWN_S, GONE_S = 5.0, 1.0, 0.5
"""Seconds for an answer, from a rejection of the session to the order that the mirror shows, and
from a refused cancel to what has ended its order."""


class Waits:
    """Futures of requests, by participant and the client's name of the request."""

    def __init__(self) -> None:
        self._of: dict[tuple[int, str], list[asyncio.Future[Refusal | None]]] = {}
        self._ends: deque[tuple[float, asyncio.Future[Refusal | None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def __bool__(self) -> bool:
        return bool(self._of)

    def end_in_time(self, future: "asyncio.Future[Refusal | None]") -> None:
        """Raise ``TimeoutError`` where the future is awaited, ANSWER_S from now.  One timer is for
        all: one for each order would take longer than what it waits for."""
        ends = self._ends
        while ends and ends[0][1].done():
            ends.popleft()
        ends.append((time.monotonic() + ANSWER_S, future))
        if self._timer is None:
            self._timer = future.get_loop().call_later(ANSWER_S, self._end_late)

    def _end_late(self) -> None:
        self._timer, now_s = None, time.monotonic()
        while self._ends:
            end_s, future = self._ends[0]
            if not future.done():
                if end_s > now_s:
                    self._timer = future.get_loop().call_later(end_s - now_s, self._end_late)
                    return
                future.set_exception(TimeoutError())
            self._ends.popleft()

    def add(self, participant: int, name: str) -> "asyncio.Future[Refusal | None]":
        """The result is why it was refused; None: it was not."""
        future: asyncio.Future[Refusal | None] = asyncio.get_running_loop().create_future()
        self._of.setdefault((participant, name), []).append(future)
        return future

    def remove(self, participant: int, name: str, future: "asyncio.Future[Refusal | None]") -> None:
        """Wait no longer; nothing happens if it does not wait."""
        waiting = self._of.get((participant, name), [])
        if future in waiting:
            waiting.remove(future)
        if not waiting:
            self._of.pop((participant, name), None)

    def resolve(self, participant: int, name: str, refusal: Refusal | None = None) -> None:
        """End every wait for this request; ``refusal``: why it was refused, None: it was not."""
        for future in self._of.get((participant, name), ()):
            if not future.done():
                future.set_result(refusal)


class OrderService:
    """Enters, changes and cancels orders; the caller has checked who asks."""

    def __init__(self, mirror: Mirror, broker: Broker, wake: Callable[[], None]) -> None:
        """``wake``: called when an answer is waited for."""
        self.mirror, self.broker, self.wake = mirror, broker, wake
        self.waits = Waits()
        self._entering: set[tuple[int, str]] = set()
        """Participants and names of orders whose answers are under way."""
        mirror.listeners.append(self._moment)
        broker.refused = self.waits.resolve

    def _moment(self, moment: Moment) -> None:
        if not self.waits:
            return
        for report in moment.changes:
            order = report.order
            self.waits.resolve(order.participant, order.client_id)
            if not order.is_open:
                self.waits.resolve(order.participant, f"gone {order.number}")

    # Checks before an order is sent

    def require_room(self, participant: int, market: Market, client_id: str, more: int = 1) -> None:
        """Raise :class:`Reject` if the participant has too many open orders in the market, with
        ``more``; the same request again has room."""
        own = self.mirror.orders.participant(participant)
        if len(own.open) + more <= MAX_ORDERS or client_id in own.by_client_id:
            return
        open_here = sum(one.instrument == market.index for one in own.open.values())
        if open_here + more > MAX_ORDERS:
            raise Reject(Code.TOO_MANY_ORDERS)

    def lots_for(self, participant: int, market: Market, side: Side, budget: int) -> int:
        """Return the lots of an order for ``budget`` (price ticks times lots): of a purchase the
        most that the market takes; of a sale all that the participant may sell, since nothing else
        bounds how many it takes.  Raises :class:`Reject` if they cannot bring as much at the best
        bid."""
        most = most_lots(market)
        if side is Side.BUY or market.contract is not None:
            return most
        free = self.mirror.spendable(participant, market.base) // market.lot_units
        lots = min(most, free) // market.qty_step * market.qty_step
        bid = self.mirror.best(market.code)[0]
        too_little = bid is not None and free <= most and bid * lots < budget
        if lots < market.min_lots or too_little:
            raise Reject(Code.BALANCE)
        return lots

    def require_lot(self, market: Market, side: Side, budget: int) -> None:
        """Raise :class:`Reject` if an order at the market for ``budget`` (price ticks times lots)
        cannot trade at all: nothing is opposite, or the sum is not worth the least quantity."""
        if not self.mirror.is_trading(market.index):
            return
        bid, _, ask, _ = self.mirror.best(market.code)
        price = ask if side is Side.BUY else bid
        if price is None:
            raise Reject(Code.NO_LIQUIDITY)
        if budget < price * market.min_lots:
            raise Reject(Code.QUANTITY)

    def require_ahead(self, market: Market, order: NewOrder) -> None:
        """Raise :class:`Reject` if what is released has passed the trigger of a stop."""
        trigger = order.trigger_ticks
        if self.mirror.has_passed(market.code, order.order_type, order.side, trigger):
            raise Reject(Code.WOULD_TRIGGER)

    def require_covered(self, participant: int, market: Market, order: NewOrder) -> None:
        """Raise :class:`Reject` if the participant's wallet does not cover an order for a spot
        market, which is not sent."""
        if market.contract is not None:
            return
        if order.side is Side.SELL:
            asset, needed = market.base, order.lots * market.lot_units
        else:
            price = order.price_ticks or market.worst_buy_ticks
            ticks = min(price * order.lots, order.budget_tick_lots or price * order.lots)
            asset, needed = market.quote, ticks * market.tick_units
        if needed > self.mirror.spendable(participant, asset):
            raise Reject(Code.BALANCE)

    # Requests

    async def enter(self, participant: int, order: NewOrder) -> Order:
        """Enter an order, and return it as the venue has released it.

        Of several at once with one name the first is sent: the venue's refusal of another one would
        name both.  Other processes send theirs, of which the venue takes one: what has other terms
        is none of ours.  Raises :class:`Reject`."""
        self.mirror.require_ready()
        name = participant, order.client_id
        if name in self._entering:
            raise await self._duplicate(*name)
        self._entering.add(name)
        try:
            refusal = await self._answered(*name, self.broker.enter(participant, order))
        finally:
            self._entering.discard(name)
        if refusal is not None and refusal.is_duplicate:
            raise await self._duplicate(*name)
        placed = self.mirror.orders.participant(participant).by_client_id.get(order.client_id)
        if placed is None:
            raise Reject(Code.REFUSED, detail=refusal.text if refusal is not None else "refused")
        market = self.mirror.markets.by_index[placed.instrument]
        if market.symbol != order.symbol or not has_terms(placed, market, order):
            raise Reject(Code.DUPLICATE)
        if placed.state == REJECTED:
            raise rejection(placed)
        return placed

    async def enter_list(self, participant: int, new: NewList) -> OrderList:
        """Enter a list of orders, and return it as the venue has released it: whole.  Raises
        :class:`Reject`: then nothing of it is open."""
        self.mirror.require_ready()
        first, last = ((participant, new.orders[at].client_id) for at in (0, -1))
        names = {(participant, one.client_id) for one in new.orders} | {
            (participant, new.client_id)
        }
        if taken := names & self._entering:
            raise await self._duplicate(*min(taken))
        self._entering |= names
        whole = self.waits.add(*last)
        try:
            refusal = await self._answered(*first, self.broker.enter_list(participant, new))
            if refusal is None:
                self.waits.end_in_time(whole)
                await whole
        except TimeoutError:
            raise Reject(Code.UNKNOWN_OUTCOME) from None
        finally:
            self.waits.remove(*last, whole)
            self._entering -= names
        if refusal is not None and refusal.is_duplicate:
            raise await self._duplicate(*first)
        placed = self.mirror.orders.participant(participant).list_named(new.client_id)
        if placed is None or not placed.orders:
            raise Reject(Code.REFUSED, detail=refusal.text if refusal is not None else "refused")
        if not self.has_terms(placed, new):
            raise Reject(Code.DUPLICATE)
        if (refused := refused_in(placed)) is not None:
            raise rejection(refused)
        if not placed.is_whole:
            raise Reject(Code.REFUSED, detail=Reason.LIST.name)
        return placed

    def has_terms(self, placed: OrderList, new: NewList) -> bool:
        """Return whether a list that was placed has the terms that are wanted."""
        market = self.mirror.markets.by_index[placed.instrument]
        return (placed.contingency, placed.legs) == (new.contingency, len(new.orders)) and all(
            one.client_id == order.client_id
            and market.symbol == order.symbol
            and has_terms(one, market, order)
            for one, order in zip(placed.orders, new.orders, strict=False)
        )

    async def cancel_list(self, participant: int, of: OrderList, request_id: str) -> None:
        """Cancel every order of a list.  Those that end each other go with one request; one each is
        for orders that are for themselves, and for those that enter meanwhile.  Raises
        :class:`Reject`, also if nothing of the list was open."""
        market = self.mirror.markets.by_index[of.instrument]
        names, refused = cancel_names(of, request_id), Reject(Code.NOT_OPEN)
        is_first = True
        for order, own_name in zip(of.orders, names[1:], strict=True):
            # The request's own name may be used up, by an attempt whose outcome is unknown.
            for name in (request_id, own_name) if is_first else (own_name,):
                if not order.is_open:
                    break
                is_first = False
                try:
                    await self.cancel(participant, market, order, name)
                except Reject as reject:
                    if reject.code not in (Code.NOT_OPEN, Code.NOT_CANCELLED):
                        raise
                    refused = reject
        if of.is_open or not any(order.cancel_id in names for order in of.orders):
            raise refused

    async def _duplicate(self, participant: int, name: str) -> Reject:
        """Return the answer that an order of this name is there, once the mirror has it: the client
        may cancel it next."""
        await self.until_shown(participant, name)
        return Reject(Code.DUPLICATE)

    async def _answered(self, participant: int, name: str, sending: Any) -> Refusal | None:
        """Send, and wait until the request has an answer; why it was refused, if it was."""
        future = self.waits.add(participant, name)
        try:
            try:
                await sending
            except BrokerError as error:
                raise Reject(Code.UNAVAILABLE, detail=str(error)) from None
            self.wake()
            self.waits.end_in_time(future)
            refusal = await future
        except TimeoutError:
            raise Reject(Code.UNKNOWN_OUTCOME) from None
        finally:
            self.waits.remove(participant, name, future)
        _require_sent(refusal)
        if refusal is not None and not refusal.is_duplicate:
            await self.until_shown(participant, name)
        return refusal

    async def until_shown(self, participant: int, name: str, most_s: float = SHOWN_S) -> None:
        """Wait until the mirror has an order of this name.  The session reported a rejection: if
        the core made it, the mirror is about to show the order with the core's reason."""
        own = self.mirror.orders.participant(participant)
        future = self.waits.add(participant, name)
        try:
            self.wake()
            if name not in own.by_client_id:
                async with asyncio.timeout(most_s):
                    await future
        except TimeoutError:
            return
        finally:
            self.waits.remove(participant, name, future)

    async def cancel(self, participant: int, market: Market, order: Order, request_id: str) -> None:
        """Cancel an order; the request has the name ``request_id``.  Raises :class:`Reject` if it
        was not this request that cancelled it."""
        self.mirror.require_ready()
        gone = self.waits.add(participant, f"gone {order.number}")
        refused = self.waits.add(participant, request_id)
        side = Side(order.side)
        try:
            await self.broker.cancel(participant, market.symbol, side, order.client_id, request_id)
            self.wake()
            first = {gone, refused}
            await asyncio.wait(first, timeout=ANSWER_S, return_when=asyncio.FIRST_COMPLETED)
            if refused.done() and order.is_open:
                # The order may be gone by a command that the mirror has not reached.
                await asyncio.wait({gone}, timeout=GONE_S if refused.result() else ANSWER_S)
        except BrokerError as error:
            raise Reject(Code.UNAVAILABLE, detail=str(error)) from None
        finally:
            self.waits.remove(participant, f"gone {order.number}", gone)
            self.waits.remove(participant, request_id, refused)
        # An order of the cancel's own name may have ended the wait without a refusal.
        refusal = refused.result() if refused.done() else None
        if order.is_open:
            _require_sent(refusal)
        if order.is_open and refusal is None:
            raise Reject(Code.UNKNOWN_OUTCOME)
        if order.is_open and refusal is not None:
            raise Reject(Code.NOT_CANCELLED, detail=refusal.text)
        if order.state != CANCELED or order.cancel_id != request_id:
            raise Reject(Code.NOT_OPEN)

    async def cancel_each(
        self, participant: int, orders: list[Order], request_ids: list[str]
    ) -> list[Reject | None]:
        """Cancel orders at once; for each why it was not cancelled, None: it was."""
        markets = self.mirror.markets.by_index
        work = [
            self.cancel(participant, markets[order.instrument], order, request_id)
            for order, request_id in zip(orders, request_ids, strict=True)
        ]
        outcomes: list[Reject | None] = []
        for outcome in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, Reject):
                raise outcome
            outcomes.append(outcome)
        return outcomes

    async def amend(self, participant: int, order: Order, new: NewOrder) -> None:
        """Give an order other terms, and the name of ``new``.  Raises :class:`Reject` if it does
        not have them afterwards."""
        self.mirror.require_ready()
        gone = self.waits.add(participant, f"gone {order.number}")
        answered = self.waits.add(participant, new.client_id)
        try:
            await self.broker.amend(participant, order.client_id, new)
            self.wake()
            first = {gone, answered}
            await asyncio.wait(first, timeout=ANSWER_S, return_when=asyncio.FIRST_COMPLETED)
        except BrokerError as error:
            raise Reject(Code.UNAVAILABLE, detail=str(error)) from None
        finally:
            self.waits.remove(participant, f"gone {order.number}", gone)
            self.waits.remove(participant, new.client_id, answered)
        refusal = answered.result() if answered.done() else None
        if order.client_id == new.client_id or order.cancel_id == new.client_id:
            return
        _require_sent(refusal)
        if refusal is not None:
            raise not_changed(refusal.text)
        if not order.is_open:
            raise Reject(Code.NOT_OPEN)
        raise Reject(Code.UNKNOWN_OUTCOME)


def cancel_names(of: OrderList, request_id: str) -> list[str]:
    """Return the names that the cancels of a list have: the request's, and one for each order.
    These are the list's own, because a request for another list may have the same name."""
    places, name = range(1, len(of.orders) + 1), f"cancel {of.number} {request_id}"
    return [request_id, *(leg_id(of.participant, name, at) for at in places)]


ENTRY_REFUSALS = Reason.WOULD_CROSS, Reason.TRIGGER_ALREADY_PASSED, Reason.LEVEL_OVERFLOW


def refused_in(placed: OrderList) -> Order | None:
    """Return the order for which a list was refused: it was rejected, or could not enter, and none
    of the list has traded.  None: there is none."""
    for order in placed.orders:
        if order.state == REJECTED and order.reason != Reason.LIST:
            return order
    if placed.is_open or any(order.executed_lots for order in placed.orders):
        return None
    return next((one for one in placed.orders if one.reason in ENTRY_REFUSALS), None)


def _require_sent(refusal: Refusal | None) -> None:
    """Raise :class:`Reject` if a request was lost on its way to the venue."""
    if refusal is not None and refusal.is_unsent:
        raise Reject(Code.UNAVAILABLE, detail=refusal.text)
