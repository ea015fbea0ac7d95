"""Answers about the account of a key: orders, trades, balances, money."""

from typing import Any

from openoutcry.portal.spot import errors, shapes
from openoutcry.portal.spot.api import Handler, Request, Spot
from openoutcry.portal.spot.capital import Capital
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.spot.lists import NO_LIST, is_shown
from openoutcry.portal.spot.trade import response_kind, strategy_of
from openoutcry.portal.trading.instruments import rate_text

NO_ORDER = errors.NO_SUCH_ORDER, "Order does not exist."


async def new_order(spot: Spot, request: Request) -> Any:
    """POST /api/v3/order."""
    return await spot.orders.place(request.participant, request.params)


async def test_order(spot: Spot, request: Request) -> Any:
    """POST /api/v3/order/test: checks an order and sends nothing; rates if asked for."""
    market = spot.orders.check(request.participant, request.params)
    response_kind(request.params)
    strategy_of(request.params)
    if not request.params.flag("computeCommissionRates"):
        return {}
    full = shapes.commission(spot.mirror, request.participant, market)
    return {
        "standardCommissionForOrder": {
            name: full["standardCommission"][name] for name in ("maker", "taker")
        },
        "specialCommissionForOrder": {"maker": "0.00000000", "taker": "0.00000000"},
        "taxCommissionForOrder": {"maker": "0.00000000", "taker": "0.00000000"},
        "discount": full["discount"],
    }


async def query_order(spot: Spot, request: Request) -> Any:
    """GET /api/v3/order.  Raises :class:`ApiError` if there is no such order."""
    try:
        market, order = spot.orders.find(request.participant, request.params, *NO_ORDER)
    except ApiError as error:
        if error.code != errors.NO_SUCH_ORDER:
            raise
        params = request.params
        market, name = params.market(), params.client_id("origClientOrderId")
        of_past = request.participant, market, params.whole_or_none("orderId"), name
        older = await spot.past.order(*of_past)
        if older is None:
            raise
        order = older
    return shapes.order_of(order, market)


async def cancel_order(spot: Spot, request: Request) -> Any:
    """DELETE /api/v3/order."""
    return await spot.orders.cancel(request.participant, request.params)


async def cancel_all(spot: Spot, request: Request) -> Any:
    """DELETE /api/v3/openOrders."""
    return await spot.orders.cancel_all(request.participant, request.params)


async def cancel_replace(spot: Spot, request: Request) -> Any:
    """POST /api/v3/order/cancelReplace."""
    return await spot.orders.cancel_replace(request.participant, request.params)


async def open_orders(spot: Spot, request: Request) -> Any:
    """GET /api/v3/openOrders: in the order in which they were entered."""
    chosen = {market.index for market in request.params.some_markets()[0]}
    own = spot.mirror.orders.participant(request.participant)
    return [
        shapes.order_of(order, spot.markets.by_index[order.instrument])
        for order in own.open.values()
        if order.instrument in chosen
    ]


async def all_orders(spot: Spot, request: Request) -> Any:
    """GET /api/v3/allOrders: from ``orderId`` or ``startTime`` on, or else the last."""
    params = request.params
    market, limit = params.market(), params.limit(500, 1000)
    first, moments = params.whole_or_none("orderId"), params.times_ms(within_a_day=True)
    rows = await spot.past.orders(request.participant, market, limit, first, *moments)
    return [shapes.order_of(order, market) for order in rows]


def new_list(name: str) -> Handler:
    """A request for a new list of orders; ``name``: of the method that places it."""

    async def handler(spot: Spot, request: Request) -> Any:
        return await getattr(spot.lists, name)(request.participant, request.params)

    return handler


async def cancel_list(spot: Spot, request: Request) -> Any:
    """DELETE /api/v3/orderList."""
    return await spot.lists.cancel(request.participant, request.params)


async def query_list(spot: Spot, request: Request) -> Any:
    """GET /api/v3/orderList: by its number, or by the client's name of it."""
    params = request.params
    try:
        found = spot.lists.find(request.participant, params, "origClientOrderId", NO_LIST)
    except ApiError as error:
        if error.code != errors.NO_SUCH_ORDER:
            raise
        number, name = params.whole_or_none("orderListId"), params.client_id("origClientOrderId")
        older = await spot.past.order_list(request.participant, number, name)
        if older is None:
            raise
        found = older
    return spot.lists.shown(found)


async def open_lists(spot: Spot, request: Request) -> Any:
    """GET /api/v3/openOrderList: the oldest first."""
    return [spot.lists.shown(one) for one in spot.lists.kept(request.participant) if one.is_open]


async def all_lists(spot: Spot, request: Request) -> Any:
    """GET /api/v3/allOrderList: from ``fromId`` or ``startTime`` on, or else the last."""
    params = request.params
    first, limit = params.whole_or_none("fromId"), params.limit(500, 1000)
    moments = params.times_ms(within_a_day=True)
    if first is not None and moments != (None, None):
        raise errors.bad_combination()
    rows = await spot.past.order_lists(request.participant, limit, first, *moments)
    return [spot.lists.shown(one) for one in rows if is_shown(one, spot.mirror)]


async def own_trades(spot: Spot, request: Request) -> Any:
    """GET /api/v3/myTrades: the account's fills."""
    params = request.params
    market, limit = params.market(), params.limit(500, 1000)
    first, number = params.whole_or_none("fromId"), params.whole_or_none("orderId")
    moments = params.times_ms(within_a_day=True)
    if moments != (None, None) and (first, number) != (None, None):
        raise errors.bad_combination()
    rows = await spot.past.fills(request.participant, market, limit, first, *moments, number)
    return [shapes.own_trade(order, fill, market) for order, fill in rows]


async def prevented_matches(spot: Spot, request: Request) -> Any:
    """GET /api/v3/myPreventedMatches: trades with oneself that were prevented, by their own number
    or by an order of theirs."""
    params = request.params
    market, number = params.market(), params.whole_or_none("preventedMatchId")
    order, first = params.whole_or_none("orderId"), params.whole_or_none("fromPreventedMatchId")
    limit = params.limit(500, 1000)
    if (number is None) == (order is None) or (first is not None and order is None):
        raise errors.bad_combination()
    rows = [
        shapes.prevented_match(match, market)
        for match in spot.mirror.orders.participant(request.participant).prevented
        if match.taker.instrument == market.index
        and number in (None, match.number)
        and order in (None, match.taker.number, match.maker.number)
        and match.number >= (first or 0)
    ]
    return rows[:limit]


async def amend_order(spot: Spot, request: Request) -> Any:
    """PUT /api/v3/order/amend/keepPriority: less of an order, which keeps its place."""
    spot.limits.take_names(request.participant, request.owner)
    return await spot.orders.amend(request.participant, request.params)


async def amendments(spot: Spot, request: Request) -> Any:
    """GET /api/v3/order/amendments: how one order became smaller, from ``fromExecutionId`` on."""
    params = request.params
    market, number = params.market(), params.whole("orderId")
    first, limit = params.whole_or_none("fromExecutionId"), params.limit(500, 1000)
    rows = [
        shapes.amendment(made, market)
        for made in spot.mirror.orders.participant(request.participant).amended
        if made.order.number == number
        and made.order.instrument == market.index
        and made.number >= (first or 0)
    ]
    return rows[:limit]


async def account(spot: Spot, request: Request) -> Any:
    """GET /api/v3/account: rates, permissions and balances."""
    assert request.key is not None
    shown = shapes.account(spot.mirror, request.participant, request.key)
    if request.params.flag("omitZeroBalances"):
        shown["balances"] = [
            row for row in shown["balances"] if (row["free"] + row["locked"]).strip("0.")
        ]
    return shown


async def account_commission(spot: Spot, request: Request) -> Any:
    """GET /api/v3/account/commission, of one instrument."""
    return shapes.commission(spot.mirror, request.participant, request.params.market())


async def own_filters(spot: Spot, request: Request) -> Any:
    """GET /api/v3/myFilters: those of the instrument; an account has no other filters."""
    rows = shapes.filters(request.params.market())
    return {"exchangeFilters": [], "symbolFilters": rows, "assetFilters": []}


async def no_contracts(spot: Spot, request: Request) -> Any:
    """Answer requests of clients that trade every kind of market, about kinds that this
    API lacks."""
    return shapes.exchange_info(spot.mirror, [], spot.limits.shown)


async def nothing(spot: Spot, request: Request) -> Any:
    """A list of what this venue does not have: allocations, margin."""
    if request.params.text("symbol"):
        request.params.market()
    return []


def refuses(code: int, text: str) -> Handler:
    """A request for what this venue does not have: refused by name."""

    async def handler(spot: Spot, request: Request) -> Any:
        if request.params.text("symbol"):
            request.params.market()
        raise ApiError(code, text)

    return handler


async def order_rates(spot: Spot, request: Request) -> Any:
    """GET /api/v3/rateLimit/order: counts of orders; asking counts as none."""
    headers = spot.limits.order_headers(request.participant)
    counts = [int(header) for header in headers.values()]
    rows = spot.limits.shown[1:]
    return [row | {"count": count} for row, count in zip(rows, counts, strict=True)]


async def system_status(spot: Spot, request: Request) -> Any:
    """GET /sapi/v1/system/status: maintenance while the venue is not open."""
    status = 0 if spot.mirror.is_open else 1
    return {"status": status, "msg": ("normal", "system_maintenance")[status]}


async def trade_fee(spot: Spot, request: Request) -> Any:
    """GET /sapi/v1/asset/tradeFee: the account's rates of each instrument."""
    rows = []
    for market in request.params.some_markets()[0]:
        maker, taker = spot.mirror.rates(request.participant, market.index)
        rates = {
            "makerCommission": rate_text(maker),
            "takerCommission": rate_text(taker),
        }
        rows.append({"symbol": market.name} | rates)
    return rows


async def coins(spot: Spot, request: Request) -> Any:
    """GET /sapi/v1/capital/config/getall: balances, and networks where the portal has
    withdrawals."""
    rows = shapes.coins(spot.mirror, request.participant, spot.markets)
    for row in rows if spot.capital is not None else ():
        networks = capital_of(spot).networks(row["coin"])
        row["networkList"] = networks
        row["depositAllEnable"] = any(network["depositEnable"] for network in networks)
        row["withdrawAllEnable"] = any(network["withdrawEnable"] for network in networks)
    return rows


def capital_of(spot: Spot) -> Capital:
    """Deposits and withdrawals.  Raises :class:`ApiError` if this portal has none."""
    if spot.capital is None:
        raise ApiError(-4019, "The current currency is not open for withdrawal")
    return spot.capital


def of_subs(name: str, asks: bool = False) -> Handler:
    """A request about sub-accounts and transfers; ``asks``: it changes something."""

    async def handler(spot: Spot, request: Request) -> Any:
        if spot.subs is None:
            raise ApiError(errors.UNKNOWN, "This portal has no sub-accounts.", 404)
        more = (request.address,) if asks else ()
        return await getattr(spot.subs, name)(request.key, request.params, *more)

    return handler


async def withdraw(spot: Spot, request: Request) -> Any:
    """POST /sapi/v1/capital/withdraw/apply."""
    assert request.key is not None
    who = request.key.user_id, request.participant
    device = f"API key {request.key.number}"
    return await capital_of(spot).apply(*who, request.params, request.address, device)


async def withdrawals(spot: Spot, request: Request) -> Any:
    """GET /sapi/v1/capital/withdraw/history."""
    assert request.key is not None
    return await capital_of(spot).history(request.key.user_id, request.params)


async def deposits(spot: Spot, request: Request) -> Any:
    """GET /sapi/v1/capital/deposit/hisrec."""
    return await capital_of(spot).deposits(request.participant, request.params)


async def deposit_address(spot: Spot, request: Request) -> Any:
    """GET /sapi/v1/capital/deposit/address."""
    return await capital_of(spot).address(request.participant, request.params)


async def withdrawal_addresses(spot: Spot, request: Request) -> Any:
    """GET /sapi/v1/capital/withdraw/address/list."""
    assert request.key is not None
    return await capital_of(spot).address_list(request.key.user_id)


async def new_listen_key(spot: Spot, request: Request) -> Any:
    """POST /api/v3/userDataStream: the key of the user's stream."""
    assert request.key is not None
    return {"listenKey": spot.listen_keys.create(request.key)}


async def keep_listen_key(spot: Spot, request: Request) -> Any:
    """PUT /api/v3/userDataStream: the key lasts another hour."""
    spot.listen_keys.keep(request.participant, request.params.needed("listenKey"))
    return {}


async def end_listen_key(spot: Spot, request: Request) -> Any:
    """DELETE /api/v3/userDataStream."""
    spot.listen_keys.end(request.participant, request.params.needed("listenKey"))
    return {}
