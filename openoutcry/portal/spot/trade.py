"""Orders of the API: checked, sent, and answered once the venue has released their outcome."""

import asyncio
import hashlib
import secrets
import string
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from openoutcry.portal.spot import errors, shapes
from openoutcry.portal.spot.errors import ApiError, missing
from openoutcry.portal.spot.params import Params
from openoutcry.portal.trading.broker import Broker, BrokerError, NewOrder, Refusal
from openoutcry.portal.trading.instruments import AmountError, Market, units_of
from openoutcry.portal.trading.mirror import Mirror, Moment
from openoutcry.portal.trading.orders import REJECTED, Order, is_balance_reject, refusing_check
from openoutcry.risk.bits import RiskBit
from openoutcry.wire.enums import OrderType, Reason, Side, TimeInForce

ICEBERG_PARTS = 256
ANSWER_S, SHOWN_S, GONE_S = 5.0, 1.0, 0.5
"""Seconds for an answer, from a rejection of the session to the order that the mirror shows, and
from a refused cancel to what has ended its order."""
LETTERS = string.ascii_letters + string.digits
TYPES = (*shapes.ORDER_TYPES, "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")
UNSUPPORTED = "{} orders are not supported for this symbol."
TIFS = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
RESPONSES = ("ACK", "RESULT", "FULL")
DUPLICATE = "Duplicate order sent."
INSUFFICIENT = "Account has insufficient balance for requested action."
INSUFFICIENT_MARGIN = "Margin is insufficient."
WORDS = {
    Reason.WOULD_CROSS: "Order would immediately match and take.",
    Reason.WRONG_PHASE: "Market is closed.",
    Reason.DUPLICATE_ID: DUPLICATE,
    Reason.BAD_AUX: "Order would trigger immediately.",
    Reason.BOOK_FULL: "This order type is currently not possible.",
    Reason.PRICE_LIMIT: "Filter failure: PRICE_FILTER",
    Reason.OFF_STEP: "Filter failure: PRICE_FILTER",
    Reason.QTY_LIMIT: "Filter failure: LOT_SIZE",
    Reason.OFF_LOT: "Filter failure: LOT_SIZE",
}
CHANGE_WORDS = {
    reason.name.lower().replace("_", " "): text
    for reason, text in WORDS.items()
    if reason not in (Reason.DUPLICATE_ID, Reason.BAD_AUX)
} | {"balance": INSUFFICIENT, "margin": INSUFFICIENT_MARGIN, "capital": INSUFFICIENT_MARGIN}
"""By how a session's answer begins to a change of an order that is refused."""
NO_STATUS = (
    "Timeout waiting for response from backend server. Send status unknown; execution status "
    "unknown."
)
TRIGGERED = ("STOP_LOSS", "STOP_LOSS_LIMIT")
PRICED = ("LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT")
PEGS = ("pegPriceType", "pegOffsetType", "pegOffsetValue")
STRATEGY_FROM = 1_000_000
REPLACE_MODES = ("STOP_ON_FAILURE", "ALLOW_FAILURE")
REPLACED = {
    "orderId": "cancelOrderId",
    "origClientOrderId": "cancelOrigClientOrderId",
    "newClientOrderId": "cancelNewClientOrderId",
    "cancelRestrictions": "cancelRestrictions",
}
"""Parameters of a cancel, by their names in a cancelReplace."""
RESTRICTIONS = ("ONLY_NEW", "ONLY_PARTIALLY_FILLED")
RESTRICTED = "Order was not canceled due to cancel restrictions."
REPLACE_FAILED = "Order cancel-replace failed."
REPLACE_PARTIAL = "Order cancel-replace partially failed."


def new_id() -> str:
    """A client order id of the portal's."""
    return "".join(secrets.choice(LETTERS) for _ in range(22))


def order_id_of(participant: int, params: Params) -> str:
    """The client order id of a signed request that names none.  The same request gives the same, so
    that the venue refuses it a second time: also after a restart of the portal, and from another.
    """
    signed = sorted(row for row in params.values.items() if row[0] != "signature")
    if not params.text("timestamp"):
        return new_id()
    digest = hashlib.blake2b(f"{participant} {signed}".encode(), digest_size=22).digest()
    return "".join(LETTERS[byte % len(LETTERS)] for byte in digest)


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


class Trading:
    """Places and cancels orders of any participant; the caller has checked the key."""

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

    # New orders

    async def place(self, participant: int, params: Params) -> Any:
        """The body of the answer.  Raises :class:`ApiError`."""
        market, order = self.read(participant, params)
        kind, strategy = response_kind(params), strategy_of(params)
        placed = await self.sent(participant, order)
        return shapes.new_order(placed, market, kind) | strategy

    def read(
        self, participant: int, params: Params, known: Market | None = None
    ) -> tuple[Market, NewOrder]:
        """The order that the parameters ask for, checked.  ``known``: its market, where the order's
        name may be one that there is.  Raises :class:`ApiError`."""
        market = known or params.market()
        side = params.needed("side")
        if side not in SIDES:
            raise ApiError(errors.INVALID_SIDE, "Invalid side.")
        kind = params.needed("type")
        if kind not in TYPES:
            raise ApiError(errors.INVALID_TYPE, "Invalid orderType.")
        if kind not in shapes.ORDER_TYPES:
            name = kind.replace("_", " ").capitalize()
            raise ApiError(errors.NEW_ORDER_REJECTED, UNSUPPORTED.format(name))
        tif = params.text("timeInForce")
        if tif and tif not in TIFS:
            raise ApiError(errors.INVALID_TIF, "Invalid timeInForce.")
        if kind in ("LIMIT", "STOP_LOSS_LIMIT") and not tif:
            raise missing("timeInForce")
        if tif and kind in ("MARKET", "LIMIT_MAKER", "STOP_LOSS"):
            raise errors.not_required("timeInForce")
        if any(params.text(name) for name in PEGS):
            raise ApiError(errors.NEW_ORDER_REJECTED, UNSUPPORTED.format("Pegged"))
        trailing = self._trailing(params, kind)
        mode = params.one_of("selfTradePreventionMode", shapes.SELF_TRADE)
        client_id = params.client_id("newClientOrderId") or order_id_of(participant, params)
        own = self.mirror.orders.participant(participant)
        is_known = client_id in own.by_client_id
        if is_known and not known:
            raise ApiError(errors.NEW_ORDER_REJECTED, DUPLICATE)
        if len(own.open) >= shapes.MAX_ORDERS and not is_known:
            here = sum(one.instrument == market.index for one in own.open.values())
            if here >= shapes.MAX_ORDERS:
                raise ApiError(errors.FILTER, "Filter failure: MAX_NUM_ORDERS")
        lots, budget = self._quantity(market, params, kind)
        if budget and SIDES[side] == Side.SELL:
            lots = self._sellable(participant, market, lots, budget)
        price = self.price(market, params, "price") if kind in PRICED else 0
        if kind not in PRICED and params.text("price"):
            raise errors.not_required("price")
        has_trigger = kind in TRIGGERED and not trailing
        if kind not in TRIGGERED and params.decimal("stopPrice").strip("0."):
            raise errors.not_required("stopPrice")
        trigger = self.price(market, params, "stopPrice") if has_trigger else 0
        shown = self._iceberg(market, params, kind, lots)
        return market, NewOrder(
            client_id,
            market.symbol,
            SIDES[side],
            _core_type(kind, shown, budget, trailing),
            TimeInForce.IOC if kind == "MARKET" else TIFS.get(tif, TimeInForce.GTC),
            lots,
            price,
            trigger,
            shown,
            budget,
            shapes.SELF_TRADE[mode] if mode else None,
            trailing,
        )

    def _trailing(self, params: Params, kind: str) -> int:
        """The distance of a trailing stop; 0: another order."""
        if not params.text("trailingDelta"):
            return 0
        least, most = shapes.TRAILING_BPS
        if kind not in TRIGGERED:
            raise errors.not_required("trailingDelta")
        if params.text("stopPrice"):
            # A trailing stop that begins to trail at a price: the core has none.
            raise errors.bad_combination()
        bps = params.whole("trailingDelta")
        if not least <= bps <= most:
            raise ApiError(errors.FILTER, "Filter failure: TRAILING_DELTA")
        return bps

    def _quantity(self, market: Market, params: Params, kind: str) -> tuple[int, int]:
        """Lots, and a budget in price ticks times lots."""
        quantity, cost = params.decimal("quantity"), params.decimal("quoteOrderQty")
        if kind != "MARKET" and cost:
            raise errors.not_required("quoteOrderQty")
        if kind != "MARKET" or (quantity and not cost):
            return self.lots(market, params, "quantity"), 0
        if quantity and cost:
            raise errors.bad_combination()
        if not cost:
            raise missing("quantity")
        try:
            budget = units_of(cost, market.quote_decimals) // market.tick_units
        except AmountError:
            raise too_precise("quoteOrderQty") from None
        if not 0 < budget < 2**62:
            raise ApiError(errors.FILTER, "Filter failure: NOTIONAL")
        return market.max_lots // market.qty_step * market.qty_step, budget

    def _sellable(self, participant: int, market: Market, most: int, budget: int) -> int:
        """Return the lots of a sale for ``budget`` (price ticks times lots): all that the
        participant may sell, since nothing else bounds how many it takes.  Raises
        :class:`ApiError` if they cannot bring as much at the best bid."""
        if market.contract is not None:
            return most
        free = self.mirror.spendable(participant, market.base) // market.lot_units
        lots = min(most, free) // market.qty_step * market.qty_step
        bid = self.mirror.best(market.code)[0]
        too_little = bid is not None and free <= most and bid * lots < budget
        if lots < market.min_lots or too_little:
            raise ApiError(errors.NEW_ORDER_REJECTED, INSUFFICIENT)
        return lots

    def check(self, participant: int, params: Params) -> Market:
        """Check an order that is not sent, and return its market.  Raises :class:`ApiError` as the
        order would be refused, also for what its wallet does not cover."""
        market, order = self.read(participant, params)
        if market.contract is not None:
            return market
        if order.side == Side.SELL:
            asset, needed = market.base, order.lots * market.lot_units
        else:
            price = order.price_ticks or market.worst_buy_ticks
            ticks = min(price * order.lots, order.budget_tick_lots or price * order.lots)
            asset, needed = market.quote, ticks * market.tick_units
        if needed > self.mirror.spendable(participant, asset):
            raise ApiError(errors.NEW_ORDER_REJECTED, INSUFFICIENT)
        return market

    def lots(self, market: Market, params: Params, name: str) -> int:
        """A quantity that the market takes, in lots.  Raises :class:`ApiError`."""
        text = params.needed(name)
        _require_precision(name, text, market.base_decimals)
        try:
            lots = market.lots_of(text)
        except AmountError:
            raise ApiError(errors.FILTER, "Filter failure: LOT_SIZE") from None
        if not market.takes_lots(lots):
            raise ApiError(errors.FILTER, "Filter failure: LOT_SIZE")
        return lots

    def price(self, market: Market, params: Params, name: str) -> int:
        """A price that the market takes, in ticks.  Raises :class:`ApiError`."""
        if not params.decimal(name):
            raise missing(name)
        # The tick of a contract may be finer than a unit of its money.
        decimals = max(market.quote_decimals, market.price_decimals)
        _require_precision(name, params.decimal(name), decimals)
        try:
            ticks = market.ticks_of(params.decimal(name))
        except AmountError:
            raise ApiError(errors.FILTER, "Filter failure: PRICE_FILTER") from None
        if ticks < 1 or not market.takes_ticks(ticks):
            raise ApiError(errors.FILTER, "Filter failure: PRICE_FILTER")
        return ticks

    def _iceberg(self, market: Market, params: Params, kind: str, lots: int) -> int:
        text = params.decimal("icebergQty")
        if not text or not text.strip("0."):
            return 0
        if kind in ("LIMIT_MAKER", "STOP_LOSS_LIMIT"):
            raise ApiError(errors.UNKNOWN_COMPOSITION, "Unsupported order combination.")
        if kind != "LIMIT" or params.text("timeInForce") != "GTC":
            raise errors.not_required("icebergQty")
        shown = self.lots(market, params, "icebergQty")
        if shown > lots:
            raise ApiError(errors.NEW_ORDER_REJECTED, "IcebergQty exceeds QTY.")
        if shown * ICEBERG_PARTS < lots:
            raise ApiError(errors.FILTER, "Filter failure: ICEBERG_PARTS")
        return 0 if shown == lots else shown

    async def sent(self, participant: int, order: NewOrder) -> Order:
        """The order as the venue has released it.  Of several at once with one name the first is
        sent: the venue's refusal of another one would name both.  Raises :class:`ApiError`."""
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
            why = refusal.text if refusal is not None else "refused"
            raise ApiError(errors.NEW_ORDER_REJECTED, f"Order was rejected: {why}")
        if placed.state == REJECTED:
            raise rejection(placed)
        return placed

    async def _duplicate(self, participant: int, name: str) -> ApiError:
        """The answer that an order of this name is there, once the mirror has it: the client may
        cancel it next."""
        await self.until_shown(participant, name)
        return ApiError(errors.NEW_ORDER_REJECTED, DUPLICATE)

    async def _answered(self, participant: int, name: str, sending: Any) -> Refusal | None:
        """Send, and wait until the request has an answer; why it was refused, if it was."""
        future = self.waits.add(participant, name)
        try:
            try:
                await sending
            except BrokerError as error:
                raise ApiError(errors.DISCONNECTED, f"Internal error; {error}") from None
            self.wake()
            self.waits.end_in_time(future)
            refusal = await future
        except TimeoutError:
            raise ApiError(errors.TIMEOUT, NO_STATUS) from None
        finally:
            self.waits.remove(participant, name, future)
        if refusal is not None and not refusal.is_duplicate:
            await self.until_shown(participant, name)
        return refusal

    async def until_shown(self, participant: int, name: str, most_s: float = SHOWN_S) -> None:
        """The session reported a rejection: if the core made it, the mirror is about to show the
        order with the core's reason."""
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

    # Cancels

    def find(self, participant: int, params: Params, code: int, text: str) -> tuple[Market, Order]:
        """The participant's order by ``orderId`` or ``origClientOrderId``; never one of
        another participant.  Raises :class:`ApiError` with ``code``."""
        market = params.market()
        own = self.mirror.orders.participant(participant)
        number, name = params.whole_or_none("orderId"), params.client_id("origClientOrderId")
        if number is None and not name:
            text = "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
            raise ApiError(errors.MANDATORY, text)
        order = own.by_number.get(number) if number is not None else own.by_client_id.get(name)
        if order is None or order.instrument != market.index or order.state == REJECTED:
            raise ApiError(code, text)
        if number is not None and name and order.client_id != name:
            text = "Client order ID is not correct for this order ID."
            raise ApiError(errors.OTHER_CLIENT_ID, text)
        return market, order

    async def cancel(self, participant: int, params: Params) -> Any:
        """The body of the answer.  Raises :class:`ApiError`."""
        unknown = errors.CANCEL_REJECTED, "Unknown order sent."
        market, order = self.find(participant, params, *unknown)
        restriction = params.text("cancelRestrictions")
        if restriction and restriction not in RESTRICTIONS:
            raise ApiError(errors.INVALID_RESTRICTIONS, "Invalid cancelRestrictions")
        if not order.is_open:
            raise ApiError(*unknown)
        if restriction and order.state != restriction.removeprefix("ONLY_"):
            raise ApiError(errors.CANCEL_REJECTED, RESTRICTED)
        request_id = params.client_id("newClientOrderId") or new_id()
        await self.cancel_order(participant, market, order, request_id)
        return shapes.cancelled(order, market, request_id)

    async def cancel_order(
        self, participant: int, market: Market, order: Order, request_id: str
    ) -> None:
        """Raises :class:`ApiError` if it was not cancelled."""
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
            raise ApiError(errors.DISCONNECTED, f"Internal error; {error}") from None
        finally:
            self.waits.remove(participant, f"gone {order.number}", gone)
            self.waits.remove(participant, request_id, refused)
        # An order of the cancel's own name may have ended the wait without a refusal.
        refusal = refused.result() if refused.done() else None
        if order.is_open and refusal is None:
            raise ApiError(errors.TIMEOUT, NO_STATUS)
        if order.is_open and refusal is not None:
            raise ApiError(errors.CANCEL_REJECTED, f"Cancel was rejected: {refusal.text}")
        if order.state != "CANCELED":
            raise ApiError(errors.CANCEL_REJECTED, "Unknown order sent.")

    async def amend(self, participant: int, order: Order, new: NewOrder) -> None:
        """Give an order other terms, and the name of ``new``.  Raises :class:`ApiError` if it has
        them not."""
        gone = self.waits.add(participant, f"gone {order.number}")
        answered = self.waits.add(participant, new.client_id)
        try:
            await self.broker.amend(participant, order.client_id, new)
            self.wake()
            first = {gone, answered}
            await asyncio.wait(first, timeout=ANSWER_S, return_when=asyncio.FIRST_COMPLETED)
        except BrokerError as error:
            raise ApiError(errors.DISCONNECTED, f"Internal error; {error}") from None
        finally:
            self.waits.remove(participant, f"gone {order.number}", gone)
            self.waits.remove(participant, new.client_id, answered)
        refusal = answered.result() if answered.done() else None
        if order.client_id == new.client_id or order.cancel_id == new.client_id:
            return
        if refusal is not None:
            raise not_changed(refusal.text)
        if not order.is_open:
            raise ApiError(errors.CANCEL_REJECTED, "this order is not open")
        raise ApiError(errors.TIMEOUT, NO_STATUS)

    async def cancel_all(self, participant: int, params: Params) -> Any:
        """Every open order of a market."""
        market = params.market()
        own = self.mirror.orders.participant(participant)
        chosen = [one for one in own.open.values() if one.instrument == market.index]
        if not chosen:
            raise ApiError(errors.CANCEL_REJECTED, "Unknown order sent.")
        ids = [new_id() for _ in chosen]
        work = [
            self.cancel_order(participant, market, order, request_id)
            for order, request_id in zip(chosen, ids, strict=True)
        ]
        outcomes = await asyncio.gather(*work, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, ApiError):
                raise outcome
        return [
            shapes.cancelled(order, market, request_id)
            for order, request_id, outcome in zip(chosen, ids, outcomes, strict=True)
            if outcome is None
        ]

    async def cancel_replace(
        self, participant: int, params: Params, over: ApiError | None = None
    ) -> Any:
        """A cancel, then a new order: two commands, as the API says.  ``over``: the account has
        entered too many orders, and only cancels."""
        mode = params.needed("cancelReplaceMode")
        if mode not in REPLACE_MODES:
            raise errors.illegal("cancelReplaceMode")
        kind, strategy = response_kind(params), strategy_of(params)
        market, order = self.read(participant, params)
        pairs = [("symbol", market.name)]
        pairs += [(name, text) for name, own in REPLACED.items() if (text := params.text(own))]
        result: dict[str, Any] = {
            "cancelResult": "SUCCESS",
            "newOrderResult": "NOT_ATTEMPTED",
            "cancelResponse": None,
            "newOrderResponse": None,
        }
        try:
            cancel = Params(pairs, params.markets)
            result["cancelResponse"] = await self.cancel(participant, cancel)
        except ApiError as error:
            result |= {"cancelResult": "FAILURE", "cancelResponse": error.body}
            if mode == "STOP_ON_FAILURE" or error.code == errors.TIMEOUT:
                raise _not_replaced(result) from None
        try:
            if over is not None:
                raise over
            placed = await self.sent(participant, order)
        except ApiError as error:
            result |= {"newOrderResult": "FAILURE", "newOrderResponse": error.body}
            raise _not_replaced(result) from None
        answer = shapes.new_order(placed, market, kind) | strategy
        result |= {"newOrderResult": "SUCCESS", "newOrderResponse": answer}
        if result["cancelResult"] == "FAILURE":
            raise _not_replaced(result)
        return result


def _not_replaced(result: dict[str, Any]) -> ApiError:
    """Return the error of a cancelReplace of which a part, or all, has failed."""
    if "SUCCESS" in (result["cancelResult"], result["newOrderResult"]):
        return ApiError(errors.CANCEL_REPLACE_PARTIAL, REPLACE_PARTIAL, 409, data=result)
    return ApiError(errors.CANCEL_REPLACE_FAILED, REPLACE_FAILED, data=result)


def response_kind(params: Params) -> str:
    """ACK, RESULT or FULL."""
    default = "FULL" if params.text("type") in ("LIMIT", "MARKET") else "ACK"
    return params.one_of("newOrderRespType", RESPONSES, default)


def strategy_of(params: Params) -> dict[str, int]:
    """The client's labels of an order, which its answer repeats.  Raises :class:`ApiError`."""
    names = [name for name in ("strategyId", "strategyType") if params.text(name)]
    labels = {name: params.whole(name) for name in names}
    if labels.get("strategyType", STRATEGY_FROM) < STRATEGY_FROM:
        text = f"strategyType was less than {STRATEGY_FROM}."
        raise ApiError(errors.BAD_STRATEGY_TYPE, text)
    return labels


def too_precise(name: str) -> ApiError:
    """The refusal of an amount with more decimals than its asset."""
    return ApiError(errors.BAD_PRECISION, f"Parameter '{name}' has too much precision.")


def _require_precision(name: str, text: str, decimals: int) -> None:
    if len(text.partition(".")[2].rstrip("0")) > decimals:
        raise too_precise(name)


def rejection(order: Order) -> ApiError:
    """Return the core's rejection, in the words that clients know."""
    if is_balance_reject(order):
        return ApiError(errors.NEW_ORDER_REJECTED, INSUFFICIENT)
    check = refusing_check(order)
    if check in (RiskBit.MARGIN, RiskBit.CAPITAL):
        return ApiError(errors.NEW_ORDER_REJECTED, INSUFFICIENT_MARGIN)
    name = Reason(order.reason).name if check is None else check.name
    text = WORDS.get(Reason(order.reason), f"Order was rejected: {name}")
    code = errors.FILTER if text.startswith("Filter") else errors.NEW_ORDER_REJECTED
    return ApiError(code, text)


def not_changed(answer: str) -> ApiError:
    """Return the refusal of a change, in the words of a new order's where they fit."""
    name = answer.partition(":")[0].lower()
    text = CHANGE_WORDS.get(name, f"Order was not changed: {answer}")
    code = errors.FILTER if text.startswith("Filter") else errors.NEW_ORDER_REJECTED
    return ApiError(code, text)


def _core_type(kind: str, shown: int, budget: int, trailing: int) -> OrderType:
    if trailing:
        is_limit = kind == "STOP_LOSS_LIMIT"
        trails = OrderType.TRAILING_STOP_LIMIT_BPS, OrderType.TRAILING_STOP_BPS
        return trails[0] if is_limit else trails[1]
    if budget:
        return OrderType.MARKET_BUDGET
    if shown:
        return OrderType.ICEBERG
    return {
        "LIMIT": OrderType.LIMIT,
        "LIMIT_MAKER": OrderType.POST_ONLY,
        "MARKET": OrderType.MARKET,
        "STOP_LOSS": OrderType.STOP,
        "STOP_LOSS_LIMIT": OrderType.STOP_LIMIT,
    }[kind]
