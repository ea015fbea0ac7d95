"""Orders in the words of the trading API: read for the order service, and answered."""

import hashlib
import secrets
from dataclasses import replace
from typing import Any

from openoutcry.portal.spot import errors, shapes
from openoutcry.portal.spot.errors import ApiError, missing, of_reject
from openoutcry.portal.spot.params import Params
from openoutcry.portal.trading.broker import LETTERS, NewOrder
from openoutcry.portal.trading.instruments import Market
from openoutcry.portal.trading.orders import REJECTED, Order
from openoutcry.portal.trading.reject import Code, Reject
from openoutcry.portal.trading.service import OrderService
from openoutcry.portal.trading.terms import PRICED as PRICED_TYPES
from openoutcry.portal.trading.terms import (
    budget_of,
    lots_of,
    needs_expiry,
    needs_trigger,
    price_of,
    shown_of,
    terms_of,
    trailing_of,
)
from openoutcry.wire.enums import OrderType, TimeInForce

PEGGED = "Pegged orders are not supported for this symbol."
RESPONSES = ("ACK", "RESULT", "FULL")
TRIGGERED_LIMITS = ("STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT")
TRIGGERED = ("STOP_LOSS", "TAKE_PROFIT", *TRIGGERED_LIMITS)
PRICED = ("LIMIT", "LIMIT_MAKER", *TRIGGERED_LIMITS)
PEGS = ("pegPriceType", "pegOffsetType", "pegOffsetValue")
STRATEGY_FROM, MOST_MS = 1_000_000, 2**43
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
UNKNOWN_ORDER = errors.CANCEL_REJECTED, "Unknown order sent."
NOT_AMENDED = errors.AMEND_REJECTED, "Unknown order sent."
NO_INCREASE = "Order amend (quantity increase) is not supported."
NOT_SO_SMALL = "Order amend is not supported: newQty is not above what was executed or is shown."
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
    if not params.given("timestamp"):
        return new_id()
    digest = hashlib.blake2b(f"{participant} {signed}".encode(), digest_size=22).digest()
    return "".join(LETTERS[byte % len(LETTERS)] for byte in digest)


class SpotOrders:
    """Orders of any participant; the caller has checked the key."""

    def __init__(self, service: OrderService) -> None:
        self.service, self.mirror = service, service.mirror

    # New orders

    async def place(self, participant: int, params: Params) -> Any:
        """The body of the answer.  Raises :class:`ApiError` or :class:`Reject`."""
        market, order = self.read(participant, params)
        kind, strategy = response_kind(params), strategy_of(params)
        placed = await self.service.enter(participant, order)
        return self._answer(placed, market, kind) | strategy

    def _answer(self, placed: Order, market: Market, kind: str) -> dict[str, Any]:
        own = self.mirror.orders.participant(placed.participant)
        return shapes.new_order(placed, market, kind, own.prevented)

    def check(self, participant: int, params: Params) -> Market:
        """Check an order that is not sent, and return its market.  Raises :class:`ApiError` or
        :class:`Reject` as the order would be refused, also for what its wallet does not cover."""
        market, order = self.read(participant, params)
        self.service.require_covered(participant, market, order)
        return market

    def read(
        self, participant: int, params: Params, is_leg: bool = False
    ) -> tuple[Market, NewOrder]:
        """The order that the parameters ask for, checked.  ``is_leg``: it is one of a list, which
        says what room is needed, and may enter later.  Raises :class:`ApiError` or
        :class:`Reject`."""
        market = params.market()
        side = params.needed("side")
        if side not in shapes.SIDES:
            raise ApiError(errors.INVALID_SIDE, "Invalid side.")
        kind = params.needed("type")
        if kind not in shapes.TYPES:
            raise ApiError(errors.INVALID_TYPE, "Invalid orderType.")
        needs_tif = kind in ("LIMIT", *TRIGGERED_LIMITS)
        tif = params.needed("timeInForce") if needs_tif else params.text("timeInForce")
        if tif and (tif not in shapes.TIMES or (tif == "GTD" and is_leg)):
            raise ApiError(errors.INVALID_TIF, "Invalid timeInForce.")
        if tif and not needs_tif and (tif != "GTD" or kind == "MARKET"):
            raise errors.not_required("timeInForce")
        expires_ns = _expiry(params, tif)
        if any(params.text(name) for name in PEGS):
            raise ApiError(errors.NEW_ORDER_REJECTED, PEGGED)
        trailing = _trailing(params, kind, is_leg)
        mode = params.one_of("selfTradePreventionMode", shapes.SELF_TRADE)
        client_id = params.client_id("newClientOrderId") or order_id_of(participant, params)
        if client_id in self.mirror.orders.participant(participant).by_client_id:
            raise Reject(Code.DUPLICATE)
        if not is_leg:
            self.service.require_room(participant, market, client_id)
        lots, budget = _quantity(market, params, kind)
        if budget:
            self.service.require_lot(market, shapes.SIDES[side], budget)
            lots = self.service.lots_for(participant, market, shapes.SIDES[side], budget)
        price = _price(market, params, "price") if kind in PRICED else 0
        if kind not in PRICED and params.text("price"):
            raise errors.not_required("price")
        has_trigger = kind in TRIGGERED and not trailing
        if kind not in TRIGGERED and params.decimal("stopPrice").strip("0."):
            raise errors.not_required("stopPrice")
        trigger = _price(market, params, "stopPrice") if has_trigger else 0
        shown = _iceberg(market, params, kind, lots)
        order = NewOrder(
            client_id,
            market.symbol,
            shapes.SIDES[side],
            _core_type(kind, shown, budget, trailing),
            TimeInForce.IOC if kind == "MARKET" else shapes.TIMES.get(tif, TimeInForce.GTC),
            lots,
            price,
            trigger,
            shown,
            budget,
            shapes.SELF_TRADE[mode] if mode else None,
            trailing,
            expires_ns=expires_ns,
            activation_ticks=_activation(market, params) if trailing else 0,
        )
        if needs_expiry(order) and needs_trigger(order):
            raise errors.bad_combination()
        if has_trigger and not is_leg:
            self.service.require_ahead(market, order)
        return market, order

    # Cancels

    def find(self, participant: int, params: Params, code: int, text: str) -> tuple[Market, Order]:
        """The participant's order by ``orderId`` or ``origClientOrderId``; never one of
        another participant.  Raises :class:`ApiError` with ``code``."""
        market = params.market()
        own = self.mirror.orders.participant(participant)
        if not (params.given("orderId") or params.given("origClientOrderId")):
            text = "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
            raise ApiError(errors.MANDATORY, text)
        number, name = params.whole_or_none("orderId"), params.client_id("origClientOrderId")
        order = own.by_number.get(number) if number is not None else own.by_client_id.get(name)
        if order is None or order.instrument != market.index or order.state == REJECTED:
            raise ApiError(code, text)
        if number is not None and name and order.client_id != name:
            text = "Client order ID is not correct for this order ID."
            raise ApiError(errors.OTHER_CLIENT_ID, text)
        return market, order

    async def cancel(self, participant: int, params: Params) -> Any:
        """The body of the answer.  Raises :class:`ApiError`."""
        market, order = self.find(participant, params, *UNKNOWN_ORDER)
        restriction = params.text("cancelRestrictions")
        if restriction and restriction not in RESTRICTIONS:
            raise ApiError(errors.INVALID_RESTRICTIONS, "Invalid cancelRestrictions")
        if not order.is_open:
            raise ApiError(*UNKNOWN_ORDER)
        if restriction and order.state != restriction.removeprefix("ONLY_"):
            raise ApiError(errors.CANCEL_REJECTED, RESTRICTED)
        request_id = params.client_id("newClientOrderId") or new_id()
        await self.service.cancel(participant, market, order, request_id)
        return shapes.cancelled(order, market, request_id)

    async def amend(self, participant: int, params: Params) -> Any:
        """Make an order smaller, which keeps its place; the body of the answer.  Raises
        :class:`ApiError` or :class:`Reject`."""
        market, order = self.find(participant, params, *NOT_AMENDED)
        own = self.mirror.orders.participant(participant)
        lots = lots_of(market, "newQty", params.decimal("newQty", is_needed=True))
        new_id = params.client_id("newClientOrderId") or order_id_of(participant, params)
        if new_id in own.by_client_id:
            raise Reject(Code.DUPLICATE)
        if not order.is_open:
            raise ApiError(*NOT_AMENDED)
        if lots >= order.lots:
            raise ApiError(errors.AMEND_REJECTED, NO_INCREASE)
        is_priced = order.order_type in PRICED_TYPES
        if not is_priced or lots <= max(order.executed_lots, order.display_lots):
            raise ApiError(errors.AMEND_REJECTED, NOT_SO_SMALL)
        new = replace(terms_of(order, market), client_id=new_id, lots=lots)
        await self.service.amend(participant, order, new)
        made = next((one for one in reversed(own.amended) if one.new_id == new_id), None)
        if made is None:
            raise Reject(Code.UNKNOWN_OUTCOME)
        return shapes.amended(made, market)

    async def cancel_all(self, participant: int, params: Params) -> Any:
        """Every open order of a market; of a list whose orders end each other one, with which it
        goes."""
        market = params.market()
        own = self.mirror.orders.participant(participant)
        found = {
            one.of.number if one.of is not None and one.of.is_linked else -one.number: one
            for one in own.open.values()
            if one.instrument == market.index
        }
        chosen = list(found.values())
        if not chosen:
            raise ApiError(*UNKNOWN_ORDER)
        ids = [new_id() for _ in chosen]
        refused = await self.service.cancel_each(participant, chosen, ids)
        return [
            shapes.cancelled(order, market, request_id)
            if order.of is None or order.of.number not in found
            else shapes.cancelled_list(order.of, market, request_id)
            for order, request_id, reject in zip(chosen, ids, refused, strict=True)
            if reject is None
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
        except (ApiError, Reject) as refused:
            error = of_reject(refused)
            result |= {"cancelResult": "FAILURE", "cancelResponse": error.body}
            if mode == "STOP_ON_FAILURE" or error.code == errors.TIMEOUT:
                raise _not_replaced(result) from None
        try:
            if over is not None:
                raise over
            placed = await self.service.enter(participant, order)
        except (ApiError, Reject) as refused:
            answer = of_reject(refused).body
            result |= {"newOrderResult": "FAILURE", "newOrderResponse": answer}
            raise _not_replaced(result) from None
        answer = self._answer(placed, market, kind) | strategy
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
    default = "FULL" if params.given("type") in ("LIMIT", "MARKET") else "ACK"
    return params.one_of("newOrderRespType", RESPONSES, default)


def strategy_of(params: Params) -> dict[str, int]:
    """The client's labels of an order, which its answer repeats.  Raises :class:`ApiError`."""
    names = [name for name in ("strategyId", "strategyType") if params.text(name)]
    labels = {name: params.whole(name) for name in names}
    if labels.get("strategyType", STRATEGY_FROM) < STRATEGY_FROM:
        text = f"strategyType was less than {STRATEGY_FROM}."
        raise ApiError(errors.BAD_STRATEGY_TYPE, text)
    return labels


def _price(market: Market, params: Params, name: str) -> int:
    return price_of(market, name, params.decimal(name, is_needed=True))


def _expiry(params: Params, tif: str) -> int:
    """Until when a GTD order is good, ns since the epoch; 0: another order."""
    if tif == "GTD":
        until_ms = params.whole("goodTillDate")
        if not 0 < until_ms < MOST_MS:
            raise Reject(Code.INVALID, "goodTillDate", "milliseconds since 1970")
        return until_ms * 1_000_000
    if params.text("goodTillDate"):
        raise errors.not_required("goodTillDate")
    return 0


def _activation(market: Market, params: Params) -> int:
    """The price at which a trailing stop begins to trail; 0: at once."""
    return _price(market, params, "stopPrice") if params.text("stopPrice") else 0


def _trailing(params: Params, kind: str, is_leg: bool) -> int:
    """The distance of a trailing stop; 0: another order."""
    if not params.text("trailingDelta"):
        return 0
    if kind not in TRIGGERED:
        raise errors.not_required("trailingDelta")
    if (is_leg and params.text("stopPrice")) or kind not in ("STOP_LOSS", "STOP_LOSS_LIMIT"):
        # An order that trails to a profit, or one of a list that begins to trail at a price: the
        # core has none.
        raise errors.bad_combination()
    return trailing_of("trailingDelta", params.whole("trailingDelta"))


def _quantity(market: Market, params: Params, kind: str) -> tuple[int, int]:
    """Lots, or a budget in price ticks times lots."""
    is_by_value = kind == "MARKET" and bool(params.given("quoteOrderQty"))
    quantity = params.decimal("quantity", is_needed=not is_by_value)
    if not quantity and not is_by_value:
        raise missing("quantity")
    cost = params.decimal("quoteOrderQty")
    if not is_by_value:
        if cost:
            raise errors.not_required("quoteOrderQty")
        return lots_of(market, "quantity", quantity), 0
    if quantity:
        raise errors.bad_combination()
    return 0, budget_of(market, "quoteOrderQty", cost)


def _iceberg(market: Market, params: Params, kind: str, lots: int) -> int:
    text = params.decimal("icebergQty")
    if not text or not text.strip("0."):
        return 0
    if kind in ("LIMIT_MAKER", *TRIGGERED_LIMITS):
        raise ApiError(errors.UNKNOWN_COMPOSITION, "Unsupported order combination.")
    if kind != "LIMIT" or params.text("timeInForce") not in ("GTC", "GTD"):
        raise errors.not_required("icebergQty")
    return shown_of(market, "icebergQty", text, lots)


def _core_type(kind: str, shown: int, budget: int, trailing: int) -> OrderType:
    if trailing:
        is_limit = kind == "STOP_LOSS_LIMIT"
        trails = OrderType.TRAILING_STOP_LIMIT_BPS, OrderType.TRAILING_STOP_BPS
        return trails[0] if is_limit else trails[1]
    if budget:
        return OrderType.MARKET_BUDGET
    if shown:
        return OrderType.ICEBERG
    return shapes.TYPES[kind]
