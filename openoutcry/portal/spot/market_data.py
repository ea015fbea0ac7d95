"""Answers about markets, for everyone."""

import json
import re
from collections.abc import Callable
from typing import Any

from openoutcry.portal.spot import errors, shapes, times
from openoutcry.portal.spot.api import Handler, Request, Spot
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.spot.params import Params
from openoutcry.portal.spot.signing import now_ms
from openoutcry.portal.spot.windows import candles_in, candles_within, day_of, offset_of, window_of
from openoutcry.portal.trading.instruments import Market
from openoutcry.portal.trading.public import DAY_MS, INTERVALS, MINUTE_MS

PERMISSION = re.compile(r"[A-Z_0-9]{1,30}")


async def ping(spot: Spot, request: Request) -> Any:
    """GET /api/v3/ping."""
    return {}


async def server_time(spot: Spot, request: Request) -> Any:
    """GET /api/v3/time."""
    return {"serverTime": times.now()}


async def exchange_info(spot: Spot, request: Request) -> Any:
    """GET /api/v3/exchangeInfo: all instruments, or those of ``symbol`` or ``symbols``, or with a
    permission or a status."""
    params = request.params
    chosen, _ = params.some_markets()
    status, permissions = params.status(), permissions_of(params)
    if (status or permissions) and params.symbol_count():
        raise errors.bad_combination()
    if permissions and not permissions & set(shapes.PERMISSIONS):
        chosen = []
    chosen = [one for one in chosen if status in ("", shapes.status(spot.mirror, one))]
    shows = params.flag("showPermissionSets", True)
    return shapes.exchange_info(spot.mirror, chosen, spot.limits.shown, shows)


def permissions_of(params: Params) -> set[str]:
    """``SPOT``, or a JSON array of such words.  Raises :class:`ApiError`."""
    text = params.text("permissions")
    try:
        words = json.loads(text) if text.startswith("[") else [text] if text else []
    except (ValueError, RecursionError):
        words = [None]
    if not all(type(word) is str and PERMISSION.fullmatch(word) for word in words):
        raise errors.illegal("permissions", PERMISSION.pattern)
    return set(words)


def of_status(spot: Spot, params: Params, is_needed: bool = False) -> tuple[list[Market], bool]:
    """Like :meth:`Params.some_markets`, only those with the ``symbolStatus``. Raises
    :class:`ApiError` if the only one has another."""
    chosen, is_one = params.some_markets(is_needed)
    status = params.status()
    found = [one for one in chosen if status in ("", shapes.status(spot.mirror, one))]
    if is_one and not found:
        text = "The symbol's status does not match the requested symbolStatus."
        raise ApiError(errors.OTHER_STATUS, text)
    return found, is_one


async def depth(spot: Spot, request: Request) -> Any:
    """GET /api/v3/depth; ``lastUpdateId`` is the last command that it shows."""
    market, limit = request.params.market(), request.params.limit(100, 5000)
    of_status(spot, request.params)
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
    """GET /api/v3/aggTrades: ``fromId`` or ``startTime`` on, or else the last."""
    params = request.params
    market, limit = params.market(), params.limit(500, 1000)
    first, moments = params.whole_or_none("fromId"), params.times_ms()
    rows = await spot.past.aggregates(market, limit, first, *moments)
    return [shapes.aggregate(row, market) for row in rows]


async def klines(spot: Spot, request: Request) -> Any:
    """GET /api/v3/klines.  Raises :class:`ApiError` for an unknown interval."""
    params = request.params
    market, interval = params.market(), params.needed("interval")
    if interval not in INTERVALS:
        raise ApiError(errors.INVALID_INTERVAL, "Invalid interval.")
    zone, moments = offset_of(params.text("timeZone")), params.times_ms()
    limit = params.limit(500, 1000)
    rows = await candles_in(spot.past, market, interval, zone, *moments, limit, now_ms())
    return [shapes.candle(row, market) for row in rows]


def _of_markets(shape: Callable[[Spot, Any, bool], Any]) -> Handler:
    """A row for a symbol, or a list of rows; its last argument says whether they are short."""

    async def handler(spot: Spot, request: Request) -> Any:
        chosen, is_one = of_status(spot, request.params)
        is_mini = is_mini_type(request.params)
        rows = [shape(spot, market, is_mini) for market in chosen]
        return rows[0] if is_one else rows

    return handler


def is_mini_type(params: Params) -> bool:
    """Return whether ``type`` is MINI.  Raises :class:`ApiError` for a type that there is not."""
    kind = params.text("type", "FULL")
    if kind not in ("FULL", "MINI"):
        raise ApiError(errors.INVALID_TICKER_TYPE, "Invalid ticker type.")
    return kind == "MINI"


day_ticker = _of_markets(
    lambda spot, market, mini: shapes.ticker(spot.mirror, market, now_ms(), mini)
)
book_ticker = _of_markets(lambda spot, market, mini: shapes.book_ticker(spot.mirror, market))
price_ticker = _of_markets(
    lambda spot, market, mini: {
        "symbol": market.name,
        "price": market.price(last_price(spot, market)),
    }
)


def last_price(spot: Spot, market: Market) -> int:
    """Return the last price in ticks; 0 before the first trade."""
    last = spot.mirror.tapes[market.index].last
    return last.price if last else 0


def of_times(window: Callable[[Params, int], tuple[int, int]]) -> Handler:
    """Statistics of a time, which is said by parameters and the present moment."""

    async def handler(spot: Spot, request: Request) -> Any:
        params, at_ms = request.params, now_ms()
        chosen, is_one = of_status(spot, params, is_needed=True)
        is_mini, (begin_ms, end_ms) = is_mini_type(params), window(params, at_ms)
        rows = []
        for market in chosen:
            parts = await candles_within(spot.past, market, begin_ms, end_ms, at_ms)
            day = day_of(parts, begin_ms, end_ms, last_price(spot, market))
            row = shapes.statistics(day, market, begin_ms, end_ms)
            rows.append(row if is_mini else row | shapes.changes(day, market))
        return rows[0] if is_one else rows

    return handler


def rolling(params: Params, at_ms: int) -> tuple[int, int]:
    length_ms = window_of(params.text("windowSize", "1d"))
    return (at_ms - length_ms) // MINUTE_MS * MINUTE_MS, at_ms


def trading_day(params: Params, at_ms: int) -> tuple[int, int]:
    offset_ms = offset_of(params.text("timeZone"))
    begin_ms = (at_ms + offset_ms) // DAY_MS * DAY_MS - offset_ms
    return begin_ms, begin_ms + DAY_MS - 1


async def average_price(spot: Spot, request: Request) -> Any:
    """GET /api/v3/avgPrice."""
    return shapes.average_price(spot.mirror, request.params.market(), now_ms())


async def execution_rules(spot: Spot, request: Request) -> Any:
    """GET /api/v3/executionRules: the filters are the only rules."""
    if request.params.status() and request.params.symbol_count():
        raise errors.bad_combination()
    chosen, _ = of_status(spot, request.params)
    return {"symbolRules": [{"symbol": market.name, "rules": []} for market in chosen]}


async def no_reference_price(spot: Spot, request: Request) -> Any:
    """GET /api/v3/referencePrice, and how it is made."""
    request.params.market()
    raise ApiError(errors.NO_REFERENCE_PRICE, "This symbol doesn't have a reference price.")
