"""``/api/v3`` and ``/sapi/v1``: each request by its row of a table, checked, weighed, answered."""

import json
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from openoutcry.portal.accounts.api_keys import ApiKey
from openoutcry.portal.accounts.errors import AccountError
from openoutcry.portal.database import DatabaseError
from openoutcry.portal.spot import errors, shapes
from openoutcry.portal.spot.capital import Capital
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.spot.limits import Limits
from openoutcry.portal.spot.params import Params
from openoutcry.portal.spot.past import Past
from openoutcry.portal.spot.signing import READ, TRADE, WITHDRAW, Signing, now_ms
from openoutcry.portal.spot.sub_accounts import SubAccountsApi
from openoutcry.portal.spot.trade import Trading
from openoutcry.portal.trading.mirror import Mirror
from openoutcry.portal.trading.public import INTERVALS

SIGNATURE = re.compile(r"(?:^|&)signature=[^&]*")
NO_ORDER = errors.NO_SUCH_ORDER, "Order does not exist."
PUBLIC, KEYED = "", "key"
UNIVERSAL = "/sapi/v1/sub-account/universalTransfer"
DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (5000, 250))
log = logging.getLogger("outcry.portal")


@dataclass
class Request:
    """One request, as far as it is known."""

    params: Params
    key: ApiKey | None = None
    address: str = ""
    """Where it comes from."""

    @property
    def participant(self) -> int:
        """The participant of the request's key; only of a request that needs one."""
        assert self.key is not None
        return self.key.participant


Handler = Callable[["Spot", Request], Awaitable[Any]]


@dataclass(frozen=True)
class Route:
    """How one method and path are served, and what they cost of the limit on weight."""

    handler: Handler
    weight: int
    security: str
    """PUBLIC, KEYED, READ, TRADE or WITHDRAW."""
    is_order: bool = False
    is_change: bool = False
    name: str = ""
    """Method and path."""


class Spot:
    """The API of one venue."""

    def __init__(
        self, mirror: Mirror, trading: Trading, signing: Signing, limits: Limits | None = None
    ) -> None:
        self.mirror, self.trading, self.signing = mirror, trading, signing
        self.markets, self.limits = mirror.markets, limits or Limits()
        self.past = Past(mirror, trading)
        self.listen_keys: Any = None
        self.capital: Capital | None = None
        """Deposits and withdrawals; None: this portal has none."""
        self.subs: SubAccountsApi | None = None
        """Sub-accounts and transfers."""
        self.see: Callable[[], None] = lambda: None
        """Called before an answer about a participant: brings the mirror to what is released."""

    async def answer(
        self, route: Route, params: Params, payload: str, api_key: str, address: str
    ) -> tuple[Any, dict[str, str]]:
        """Body and headers.  Raises :class:`ApiError`."""
        weight = depth_weight(params) if route.handler is depth else route.weight
        weight = self.limits.weights.get(route.name, weight)
        headers = self.limits.take(address, weight)
        request = Request(params, None, address)
        if route.security:
            permission = READ if route.security == KEYED else route.security
            request.key = await self.signing.key(api_key, address, permission)
            if route.security != KEYED:
                self.signing.check(request.key, params, payload, route.is_change)
                # Not before: who knows a key without its secret must not use up its owner's weight.
                self.limits.take_key(request.key.number, weight)
            self.see()
        if route.is_order:
            headers |= self.limits.take_order(request.participant)
        return await route.handler(self, request), headers


def depth_weight(params: Params) -> int:
    """The weight of a request for depth: more for more levels."""
    limit = params.limit(100, 5000)
    return next(weight for most, weight in DEPTH_WEIGHTS if limit <= most)


# Public


async def ping(spot: Spot, request: Request) -> Any:
    """GET /api/v3/ping."""
    return {}


async def server_time(spot: Spot, request: Request) -> Any:
    """GET /api/v3/time: milliseconds since 1970."""
    return {"serverTime": now_ms()}


async def exchange_info(spot: Spot, request: Request) -> Any:
    """GET /api/v3/exchangeInfo: all instruments, or those of ``symbol`` or ``symbols``."""
    chosen, _ = request.params.some_markets()
    return shapes.exchange_info(spot.mirror, chosen, spot.limits.shown, now_ms())


async def depth(spot: Spot, request: Request) -> Any:
    """GET /api/v3/depth; ``lastUpdateId`` is the last command that it shows."""
    market, limit = request.params.market(), request.params.limit(100, 5000)
    bids, asks = spot.mirror.depth(market.code, limit)
    return {
        "lastUpdateId": spot.mirror.seq,
        "bids": shapes.levels(bids, market),
        "asks": shapes.levels(asks, market),
    }


async def trades(spot: Spot, request: Request) -> Any:
    """GET /api/v3/trades: the last ones, in order."""
    market, limit = request.params.market(), request.params.limit(500, 1000)
    rows = list(spot.mirror.tapes[market.index].trades)[-limit:]
    return [shapes.public_trade(row, market) for row in rows]


async def old_trades(spot: Spot, request: Request) -> Any:
    """``fromId`` on, or the newest."""
    params = request.params
    market, limit = params.market(), params.limit(500, 1000)
    first = params.whole_or_none("fromId")
    rows = await spot.past.trades(market, limit, first)
    return [shapes.public_trade(row, market) for row in rows]


async def aggregate_trades(spot: Spot, request: Request) -> Any:
    """GET /api/v3/aggTrades, of what is in memory: ``fromId`` or ``startTime`` on, or else the
    last."""
    params = request.params
    market, limit = params.market(), params.limit(500, 1000)
    first, start, end = (params.whole_or_none(name) for name in ("fromId", "startTime", "endTime"))
    rows = [
        row
        for row in spot.mirror.tapes[market.index].aggregates
        if row.number >= (first or 0)
        and row.time_ms >= (start or 0)
        and row.time_ms <= (end or 2**62)
    ]
    rows = rows[-limit:] if first is None and start is None else rows[:limit]
    return [shapes.aggregate(row, market) for row in rows]


async def klines(spot: Spot, request: Request) -> Any:
    """GET /api/v3/klines.  Raises :class:`ApiError` for an unknown interval."""
    params = request.params
    market, interval = params.market(), params.needed("interval")
    if interval not in INTERVALS:
        raise ApiError(errors.INVALID_INTERVAL, "Invalid interval.")
    times = params.whole_or_none("startTime"), params.whole_or_none("endTime")
    rows = await spot.past.candles(market, interval, *times, params.limit(500, 1000), now_ms())
    return [shapes.candle(row, market) for row in rows]


def _of_markets(shape: Callable[[Spot, Any], Any]) -> Handler:
    """A row for a symbol, or a list of rows."""

    async def handler(spot: Spot, request: Request) -> Any:
        chosen, is_one = request.params.some_markets()
        rows = [shape(spot, market) for market in chosen]
        return rows[0] if is_one else rows

    return handler


day_ticker = _of_markets(lambda spot, market: shapes.ticker(spot.mirror, market, now_ms()))
book_ticker = _of_markets(lambda spot, market: shapes.book_ticker(spot.mirror, market))
price_ticker = _of_markets(
    lambda spot, market: {
        "symbol": market.name,
        "price": market.price(last.price if (last := spot.mirror.tapes[market.index].last) else 0),
    }
)


async def average_price(spot: Spot, request: Request) -> Any:
    """Average over the last five minutes; without a trade the last price."""
    market = request.params.market()
    tape, since = spot.mirror.tapes[market.index], now_ms() - 300_000
    recent = [row for row in tape.trades if row.time_ms >= since]
    if not recent and tape.last is not None:
        recent = [tape.last]
    lots = sum(row.lots for row in recent)
    tick_lots = sum(row.price * row.lots for row in recent)
    return {
        "mins": 5,
        "price": shapes.average(tick_lots, lots, market),
        "closeTime": recent[-1].time_ms if recent else now_ms(),
    }


# Signed


async def new_order(spot: Spot, request: Request) -> Any:
    """POST /api/v3/order."""
    return await spot.trading.place(request.participant, request.params)


async def test_order(spot: Spot, request: Request) -> Any:
    """POST /api/v3/order/test: checks an order and sends nothing; rates if asked for."""
    market, _ = spot.trading.read(request.participant, request.params)
    if request.params.text("computeCommissionRates") != "true":
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
    market, order = await spot.past.order(request.participant, request.params, *NO_ORDER)
    return shapes.order_of(order, market)


async def cancel_order(spot: Spot, request: Request) -> Any:
    """DELETE /api/v3/order."""
    return await spot.trading.cancel(request.participant, request.params)


async def cancel_all(spot: Spot, request: Request) -> Any:
    """DELETE /api/v3/openOrders."""
    return await spot.trading.cancel_all(request.participant, request.params)


async def cancel_replace(spot: Spot, request: Request) -> Any:
    """POST /api/v3/order/cancelReplace."""
    return await spot.trading.cancel_replace(request.participant, request.params)


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
    first, start, end = (params.whole_or_none(name) for name in ("orderId", "startTime", "endTime"))
    rows = await spot.past.orders(request.participant, market, limit, first, start, end)
    return [shapes.order_of(order, market) for order in rows]


async def own_trades(spot: Spot, request: Request) -> Any:
    """GET /api/v3/myTrades: the account's fills."""
    params = request.params
    market, limit = params.market(), params.limit(500, 1000)
    names = "fromId", "startTime", "endTime", "orderId"
    first, start, end, number = (params.whole_or_none(name) for name in names)
    who = request.participant
    rows = await spot.past.fills(who, market, limit, first, start, end, number)
    return [shapes.own_trade(order, fill, market) for order, fill in rows]


async def account(spot: Spot, request: Request) -> Any:
    """GET /api/v3/account: rates, permissions and balances."""
    shown = shapes.account(spot.mirror, request.participant, request.key)
    if request.params.text("omitZeroBalances") == "true":
        shown["balances"] = [
            row for row in shown["balances"] if (row["free"] + row["locked"]).strip("0.")
        ]
    return shown


async def account_commission(spot: Spot, request: Request) -> Any:
    """GET /api/v3/account/commission, of one instrument."""
    return shapes.commission(spot.mirror, request.participant, request.params.market())


async def order_rates(spot: Spot, request: Request) -> Any:
    """GET /api/v3/rateLimit/order: counts of orders; asking counts as none."""
    headers = spot.limits.order_headers(request.participant)
    counts = [int(one) for one in headers.values()]
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
            "makerCommission": shapes.rate_text(maker),
            "takerCommission": shapes.rate_text(taker),
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
        row["depositAllEnable"] = any(one["depositEnable"] for one in networks)
        row["withdrawAllEnable"] = any(one["withdrawEnable"] for one in networks)
    return rows


def capital_of(spot: Spot) -> Capital:
    """Deposits and withdrawals.  Raises :class:`ApiError` if this portal has none."""
    if spot.capital is None:
        raise ApiError(-4019, "The current currency is not open for withdrawal")
    return spot.capital


def _of_subs(name: str, asks: bool = False) -> Handler:
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


STREAM = "/api/v3/userDataStream"
ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/api/v3/ping"): Route(ping, 1, PUBLIC),
    ("GET", "/api/v3/time"): Route(server_time, 1, PUBLIC),
    ("GET", "/api/v3/exchangeInfo"): Route(exchange_info, 20, PUBLIC),
    ("GET", "/api/v3/depth"): Route(depth, 5, PUBLIC),
    ("GET", "/api/v3/trades"): Route(trades, 25, PUBLIC),
    ("GET", "/api/v3/historicalTrades"): Route(old_trades, 25, PUBLIC),
    ("GET", "/api/v3/aggTrades"): Route(aggregate_trades, 4, PUBLIC),
    ("GET", "/api/v3/klines"): Route(klines, 2, PUBLIC),
    ("GET", "/api/v3/uiKlines"): Route(klines, 2, PUBLIC),
    ("GET", "/api/v3/avgPrice"): Route(average_price, 2, PUBLIC),
    ("GET", "/api/v3/ticker/24hr"): Route(day_ticker, 2, PUBLIC),
    ("GET", "/api/v3/ticker/price"): Route(price_ticker, 2, PUBLIC),
    ("GET", "/api/v3/ticker/bookTicker"): Route(book_ticker, 2, PUBLIC),
    ("POST", "/api/v3/order"): Route(new_order, 1, TRADE, is_order=True, is_change=True),
    ("POST", "/api/v3/order/test"): Route(test_order, 1, TRADE),
    ("GET", "/api/v3/order"): Route(query_order, 4, READ),
    ("DELETE", "/api/v3/order"): Route(cancel_order, 1, TRADE, is_change=True),
    ("DELETE", "/api/v3/openOrders"): Route(cancel_all, 1, TRADE, is_change=True),
    ("POST", "/api/v3/order/cancelReplace"): Route(
        cancel_replace, 1, TRADE, is_order=True, is_change=True
    ),
    ("GET", "/api/v3/openOrders"): Route(open_orders, 6, READ),
    ("GET", "/api/v3/allOrders"): Route(all_orders, 20, READ),
    ("GET", "/api/v3/myTrades"): Route(own_trades, 20, READ),
    ("GET", "/api/v3/account"): Route(account, 20, READ),
    ("GET", "/api/v3/account/commission"): Route(account_commission, 20, READ),
    ("GET", "/api/v3/rateLimit/order"): Route(order_rates, 40, READ),
    ("POST", STREAM): Route(new_listen_key, 2, KEYED),
    ("PUT", STREAM): Route(keep_listen_key, 2, KEYED),
    ("DELETE", STREAM): Route(end_listen_key, 2, KEYED),
    ("GET", "/sapi/v1/system/status"): Route(system_status, 1, PUBLIC),
    ("GET", "/sapi/v1/asset/tradeFee"): Route(trade_fee, 1, READ),
    ("GET", "/sapi/v1/capital/config/getall"): Route(coins, 10, READ),
    ("GET", "/sapi/v1/capital/deposit/address"): Route(deposit_address, 10, READ),
    ("GET", "/sapi/v1/capital/deposit/hisrec"): Route(deposits, 1, READ),
    ("POST", "/sapi/v1/capital/withdraw/apply"): Route(withdraw, 600, WITHDRAW, is_change=True),
    ("GET", "/sapi/v1/capital/withdraw/history"): Route(withdrawals, 10, READ),
    ("GET", "/sapi/v1/capital/withdraw/address/list"): Route(withdrawal_addresses, 10, READ),
    ("POST", "/sapi/v1/asset/transfer"): Route(
        _of_subs("between_wallets", True), 900, TRADE, is_change=True
    ),
    ("GET", "/sapi/v1/asset/transfer"): Route(_of_subs("wallets_history"), 1, READ),
    ("POST", "/sapi/v1/sub-account/virtualSubAccount"): Route(
        _of_subs("create", True), 1, TRADE, is_change=True
    ),
    ("GET", "/sapi/v1/sub-account/list"): Route(_of_subs("listed"), 1, READ),
    ("GET", "/sapi/v3/sub-account/assets"): Route(_of_subs("assets"), 60, READ),
    ("GET", "/sapi/v4/sub-account/assets"): Route(_of_subs("assets"), 60, READ),
    ("POST", UNIVERSAL): Route(_of_subs("universal", True), 360, TRADE, is_change=True),
    ("GET", UNIVERSAL): Route(_of_subs("universal_history"), 1, READ),
    ("POST", "/sapi/v1/sub-account/transfer/subToMaster"): Route(
        _of_subs("to_main", True), 1, TRADE, is_change=True
    ),
}


ROUTES = {at: replace(route, name=f"{at[0]} {at[1]}") for at, route in ROUTES.items()}


def pairs_of(text: str) -> list[tuple[str, str]]:
    """Raises :class:`ApiError` for what is not percent-encoded UTF-8, or no ``name=value``.  A
    signature covers query and body as one text: a value cut in two between them would hold."""
    if any("=" not in part for part in text.split("&") if part):
        raise ApiError(errors.ILLEGAL_CHARS, "Illegal characters found in a parameter.")
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=64)
    except (ValueError, UnicodeDecodeError):
        raise ApiError(errors.ILLEGAL_CHARS, "Illegal characters found in a parameter.") from None


JSON = (b"content-type", b"application/json;charset=UTF-8")
CLIENT_GONE = "http.disconnect"


class Endpoint:
    """An ASGI application that answers one row of the table: its body is read, checked, and
    answered without what a framework does for every request."""

    def __init__(self, spot: Spot, route: Route) -> None:
        self.spot, self.route = spot, route
        self.route_path = route.name.partition(" ")[2]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            if message["type"] == CLIENT_GONE:
                return
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        shown, status, more = await self._answer(scope, body)
        text = json.dumps(shown, separators=(",", ":")).encode()
        headers = [JSON, (b"content-length", b"%d" % len(text))]
        headers += [(name.encode(), value.encode()) for name, value in more.items()]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    async def _answer(self, scope: Any, body: bytes) -> tuple[Any, int, dict[str, str]]:
        """Body, status and headers."""
        spot = self.spot
        try:
            query, form = scope["query_string"].decode(), body.decode()
            params = Params(pairs_of(query) + pairs_of(form), spot.markets)
            payload = SIGNATURE.sub("", query) + SIGNATURE.sub("", form)
            given = (value for name, value in scope["headers"] if name == b"x-mbx-apikey")
            api_key = next(given, b"").decode("latin-1")
            address = scope["client"][0] if scope.get("client") else ""
            shown, headers = await spot.answer(self.route, params, payload, api_key, address)
            return shown, 200, headers
        except ApiError as error:
            retry = {"retry-after": str(error.retry_after_s)} if error.retry_after_s else {}
            return error.body, error.status, retry
        except AccountError as error:
            wrong = errors.refusal(error, {})
        except UnicodeDecodeError:
            wrong = ApiError(errors.ILLEGAL_CHARS, "Illegal characters found in a parameter.")
        except DatabaseError as fault:
            log.error("%s", fault)
            wrong = ApiError(errors.DISCONNECTED, "Internal error; unable to process.")
        return wrong.body, wrong.status, {}


class Direct:
    """An ASGI middleware: requests of the table go to their row, and WebSockets to what serves
    them, past the application's search among all its routes.  A request that fails is answered by
    ``failed``."""

    def __init__(
        self,
        app: Any,
        spot: Spot,
        failed: Any,
        socket_of: Callable[[str], Callable[[Any], Awaitable[None]] | None] = lambda path: None,
    ) -> None:
        """``failed``: an ASGI application.  ``socket_of``: what serves a WebSocket, by its path."""
        self.app, self.failed, self.socket_of = app, failed, socket_of
        self.endpoints = {at: Endpoint(spot, route) for at, route in ROUTES.items()}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        endpoint = None
        if scope["type"] == "http":
            endpoint = self.endpoints.get((scope["method"], scope["path"]))
        elif scope["type"] == "websocket" and (serve := self.socket_of(scope["path"])):
            from fastapi import WebSocket

            await serve(WebSocket(scope, receive, send))
            return
        if endpoint is None:
            await self.app(scope, receive, send)
            return
        scope["endpoint"] = endpoint
        try:
            await endpoint(scope, receive, send)
        except Exception:
            await self.failed(scope, receive, send)
            raise


def add_rest(app: Any, spot: Spot) -> None:
    """Add every route to the application, outside of its schema."""
    for (method, path), route in ROUTES.items():
        app.router.add_route(path, Endpoint(spot, route), [method], include_in_schema=False)
