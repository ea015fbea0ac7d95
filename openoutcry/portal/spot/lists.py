"""Order lists in the words of the trading API: OCO, OTO and OTOCO."""

import re
from collections.abc import Mapping
from typing import Any

from openoutcry.portal.spot import errors, shapes
from openoutcry.portal.spot.errors import ApiError, missing
from openoutcry.portal.spot.params import Params
from openoutcry.portal.spot.trade import RESPONSES, SpotOrders, new_id, order_id_of
from openoutcry.portal.trading.broker import NewList, NewOrder, leg_id
from openoutcry.portal.trading.instruments import Market
from openoutcry.portal.trading.mirror import Mirror
from openoutcry.portal.trading.orders import OrderList
from openoutcry.portal.trading.reject import Code, Reject
from openoutcry.portal.trading.service import OrderService
from openoutcry.wire.enums import Contingency

PROFITS = ("LIMIT_MAKER", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")
LOSSES = ("STOP_LOSS", "STOP_LOSS_LIMIT")
FIELDS = {
    "type": "Type",
    "newClientOrderId": "ClientOrderId",
    "icebergQty": "IcebergQty",
    "price": "Price",
    "stopPrice": "StopPrice",
    "trailingDelta": "TrailingDelta",
    "timeInForce": "TimeInForce",
    "strategyId": "StrategyId",
    "strategyType": "StrategyType",
    "pegPriceType": "PegPriceType",
    "pegOffsetType": "PegOffsetType",
    "pegOffsetValue": "PegOffsetValue",
}
"""Parameters of an order, by what its name in a list ends with."""
OWN = {"side": "Side", "quantity": "Quantity"}
"""Those that in an OCO are the list's."""
LIST = "symbol listClientOrderId newOrderRespType selfTradePreventionMode"


def _of(*places: str, more: Mapping[str, str] = FIELDS | OWN) -> str:
    return " ".join(f"{place}{end}" for place in places for end in more.values())


OCO = f"{LIST} side quantity {_of('above', 'below', more=FIELDS)}"
OTO = f"{LIST} {_of('working', 'pending')}"
OTOCO = (
    f"{LIST} pendingSide pendingQuantity {_of('working')} "
    f"{_of('pendingAbove', 'pendingBelow', more=FIELDS)}"
)
OLD_OCO = (
    f"{LIST} side quantity limitClientOrderId price limitStrategyId limitStrategyType "
    "limitIcebergQty trailingDelta stopClientOrderId stopPrice stopStrategyId stopStrategyType "
    "stopLimitPrice stopIcebergQty stopLimitTimeInForce"
)
WHICH = "symbol orderListId listClientOrderId newClientOrderId"
NO_LIST = errors.NO_SUCH_ORDER, "Order list does not exist."
UNKNOWN_LIST = errors.CANCEL_REJECTED, "Unknown order list sent."
BAD_RELATION = "The relationship of the prices for the orders is not correct."
NOT_IN_OCO = -1158, "Order type not supported in OCO."
ONE_LIMIT = -1168, "At least one OCO order must be contingent."
WRONG_PLACE = {
    ("LIMIT_MAKER", "BUY"): (-1165, "A limit order in a buy OCO must be below."),
    ("LIMIT_MAKER", "SELL"): (-1166, "A limit order in a sell OCO must be above."),
    ("STOP_LOSS", "BUY"): (-1196, "A stop loss order in a buy OCO must be above."),
    ("STOP_LOSS", "SELL"): (-1197, "A stop loss order in a sell OCO must be below."),
    ("TAKE_PROFIT", "BUY"): (-1198, "A take profit order in a buy OCO must be below."),
    ("TAKE_PROFIT", "SELL"): (-1199, "A take profit order in a sell OCO must be above."),
}
WORKING = ("LIMIT", "LIMIT_MAKER")
Legs = list[tuple[Market, NewOrder]]


class SpotLists:
    """Order lists of any participant; the caller has checked the key."""

    def __init__(self, orders: SpotOrders) -> None:
        self.orders = orders

    @property
    def service(self) -> OrderService:
        """The order service."""
        return self.orders.service

    @property
    def mirror(self) -> Mirror:
        """Return the state of what is released."""
        return self.orders.mirror

    # New lists

    async def oco(self, participant: int, params: Params) -> Any:
        """One cancels the other.  The body of the answer.  Raises :class:`ApiError` or
        :class:`Reject`."""
        name = self._name(participant, params)
        legs = self._pair(participant, params, name, ("above", "below"), "side", "quantity")
        return await self._place(participant, params, name, Contingency.OCO, legs)

    async def old_oco(self, participant: int, params: Params) -> Any:
        """An OCO by the names of before: a limit order, and a stop."""
        side = params.needed("side")
        params.needed("price")
        params.needed("stopPrice")
        is_limit = bool(params.text("stopLimitPrice"))
        stop, limit = ("above", "below") if side == "BUY" else ("below", "above")
        if is_limit:
            params.needed("stopLimitTimeInForce")
        names = {
            "price": f"{limit}Price",
            "stopPrice": f"{stop}StopPrice",
            "trailingDelta": f"{stop}TrailingDelta",
            "stopLimitPrice": f"{stop}Price",
            "stopLimitTimeInForce": f"{stop}TimeInForce",
        }
        ends = ("ClientOrderId", "StrategyId", "StrategyType", "IcebergQty")
        names |= {f"limit{end}": f"{limit}{end}" for end in ends}
        names |= {f"stop{end}": f"{stop}{end}" for end in ends}
        given = [(names.get(name, name), value) for name, value in params.values.items()]
        given += [(f"{limit}Type", "LIMIT_MAKER"), (f"{stop}Type", LOSSES[is_limit])]
        return await self.oco(participant, Params(given, params.markets))

    async def oto(self, participant: int, params: Params) -> Any:
        """One triggers the other.  As :meth:`oco`."""
        name = self._name(participant, params)
        first = self._working(participant, params, name)
        second = self._leg(participant, params, name, "pending", 2)
        return await self._place(participant, params, name, Contingency.OTO, [first, second])

    async def otoco(self, participant: int, params: Params) -> Any:
        """One triggers two, of which one cancels the other.  As :meth:`oco`."""
        name = self._name(participant, params)
        first = self._working(participant, params, name)
        places = "pendingAbove", "pendingBelow"
        own = "pendingSide", "pendingQuantity"
        legs = [first, *self._pair(participant, params, name, places, *own)]
        return await self._place(participant, params, name, Contingency.OTOCO, legs)

    def _name(self, participant: int, params: Params) -> str:
        """Return the list's name: the same request has the same, so that the venue refuses it a
        second time.  Raises :class:`Reject`."""
        name = params.client_id("listClientOrderId") or order_id_of(participant, params)
        own = self.mirror.orders.participant(participant)
        if name in own.by_client_id or own.list_named(name) is not None:
            raise Reject(Code.DUPLICATE)
        return name

    def _working(self, participant: int, params: Params, name: str) -> tuple[Market, NewOrder]:
        if params.needed("workingType") not in WORKING:
            raise ApiError(errors.UNKNOWN_COMPOSITION, "Unsupported order combination.")
        return self._leg(participant, params, name, "working", 1)

    def _pair(
        self,
        participant: int,
        params: Params,
        name: str,
        places: tuple[str, str],
        side_name: str,
        quantity_name: str,
    ) -> Legs:
        """Return two orders of which one cancels the other, the one that bounds the loss first."""
        side = params.needed(side_name)
        if side not in shapes.SIDES:
            raise ApiError(errors.INVALID_SIDE, "Invalid side.")
        params.needed(quantity_name)
        kinds = [params.needed(f"{place}Type") for place in places]
        if not set(kinds) <= {*PROFITS, *LOSSES}:
            raise ApiError(*NOT_IN_OCO)
        if kinds == ["LIMIT_MAKER"] * 2:
            raise ApiError(*ONE_LIMIT)
        above = PROFITS if side == "SELL" else LOSSES
        for kind, is_above in zip(kinds, (True, False), strict=True):
            if (kind in above) != is_above:
                raise ApiError(*WRONG_PLACE[kind.removesuffix("_LIMIT"), side])
        own = {"side": side_name, "quantity": quantity_name}
        legs = [
            self._leg(participant, params, name, place, at, own)
            for at, place in enumerate(places, start=2)
        ]
        self._require_apart(legs, is_now=places == ("above", "below"))
        return legs if side == "BUY" else legs[::-1]

    def _require_apart(self, legs: Legs, is_now: bool) -> None:
        """Raise :class:`ApiError` unless the price of the order above is higher.  ``is_now``: and
        the market's last price between the two."""
        market = legs[0][0]
        above, below = (order.trigger_ticks or order.price_ticks for _, order in legs)
        trails = any(order.trailing_bps for _, order in legs)
        last = self.mirror.tapes[market.index].last
        good = trails or above > below
        if is_now and last is not None and good:
            good = trails or above > last.price > below
        if not good:
            raise ApiError(errors.NEW_ORDER_REJECTED, BAD_RELATION)
        for _, order in legs if is_now else ():
            if order.trigger_ticks:
                self.service.require_ahead(market, order)

    def _leg(
        self,
        participant: int,
        params: Params,
        name: str,
        place: str,
        at: int,
        own: Mapping[str, str] | None = None,
    ) -> tuple[Market, NewOrder]:
        """Read the order at a place of the list, which is its ``at``-th.  Raises :class:`ApiError`
        or :class:`Reject`, by the names that the list's parameters have."""
        names = {known: place + end for known, end in FIELDS.items()}
        names |= own or {known: place + end for known, end in OWN.items()}
        given = [
            (known, params.values[told]) for known, told in names.items() if told in params.values
        ]
        given += [
            (told, params.values[told])
            for told in ("symbol", "selfTradePreventionMode")
            if told in params.values
        ]
        if not params.given(names["newClientOrderId"]):
            given = [pair for pair in given if pair[0] != "newClientOrderId"]
            given.append(("newClientOrderId", leg_id(participant, name, at)))
        if not params.given(names["type"]):
            raise missing(names["type"])
        try:
            return self.orders.read(participant, Params(given, params.markets), is_leg=True)
        except Reject as refused:
            field = names.get(refused.field, refused.field)
            raise Reject(refused.code, field, refused.detail) from None
        except ApiError as refused:
            text = refused.text
            for known in re.findall(r"'(\w+)'", text):
                text = text.replace(f"'{known}'", f"'{names.get(known, known)}'")
            raise ApiError(refused.code, text, refused.status, refused.data) from None

    async def _place(
        self,
        participant: int,
        params: Params,
        name: str,
        contingency: Contingency,
        legs: Legs,
    ) -> Any:
        market, orders = legs[0][0], tuple(order for _, order in legs)
        kind = params.one_of("newOrderRespType", RESPONSES, "RESULT")
        if len({name, *(order.client_id for order in orders)}) <= len(orders):
            raise Reject(Code.DUPLICATE)
        self.service.require_room(participant, market, name, len(orders))
        new = NewList(name, contingency, orders)
        placed = await self.service.enter_list(participant, new)
        prevented = self.mirror.orders.participant(participant).prevented
        reports = [shapes.new_order(order, market, kind, prevented) for order in placed.orders]
        return shapes.order_list(placed, market) | {"orderReports": reports}

    # Lists that there are

    def find(
        self, participant: int, params: Params, by_name: str, unknown: tuple[int, str]
    ) -> OrderList:
        """The participant's list by ``orderListId``, or by its name in the parameter ``by_name``.
        Raises :class:`ApiError`: with ``unknown`` if there is none."""
        own = self.mirror.orders.participant(participant)
        number, name = params.whole_or_none("orderListId"), params.client_id(by_name)
        if number is None and not name:
            text = f"Param '{by_name}' or 'orderListId' must be sent, but both were empty/null!"
            raise ApiError(errors.MANDATORY, text)
        found = own.lists.get(number) if number is not None else own.list_named(name)
        if found is None or not is_shown(found, self.mirror):
            raise ApiError(*unknown)
        if number is not None and name and found.client_id != name:
            raise ApiError(*unknown)
        return found

    async def cancel(self, participant: int, params: Params) -> Any:
        """Cancel a list by one request; the body of the answer."""
        market = params.market()
        of = self.find(participant, params, "listClientOrderId", UNKNOWN_LIST)
        if of.instrument != market.index or not of.is_open:
            raise ApiError(*UNKNOWN_LIST)
        request_id = params.client_id("newClientOrderId") or new_id()
        await self.service.cancel_list(participant, of, request_id)
        return shapes.cancelled_list(of, market, request_id)

    def shown(self, of: OrderList) -> Any:
        """A list as the requests about lists show it."""
        return shapes.order_list(of, self.mirror.markets.by_index[of.instrument])

    def kept(self, participant: int) -> list[OrderList]:
        """Return the participant's lists, the oldest first."""
        own = self.mirror.orders.participant(participant)
        return [one for one in own.lists.values() if is_shown(one, self.mirror)]


def is_shown(of: OrderList, mirror: Mirror) -> bool:
    """Return whether a list was placed, in a market that this API has."""
    return of.is_whole and mirror.markets.by_index[of.instrument].contract is None
