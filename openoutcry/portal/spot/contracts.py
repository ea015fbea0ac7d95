"""Answers about contracts in the shapes of Binance's futures: ``/fapi/v1``.

The figures are those of ``venue/contract_figures.py``, the sources of an index those of
``portal/trading/indices.py``.  Orders on contracts are at ``/v1/orders``.
"""

from collections.abc import Callable
from typing import Any

from openoutcry.portal.spot import shapes, times
from openoutcry.portal.spot.api import Handler, Request, Spot
from openoutcry.portal.spot.errors import BAD_SYMBOL, ApiError
from openoutcry.portal.spot.signing import now_ms
from openoutcry.portal.trading.funding_rates import rates_of
from openoutcry.portal.trading.instruments import Market, text_of
from openoutcry.portal.trading.mirror import Mirror
from openoutcry.venue.contract_figures import Figures
from openoutcry.venue.funding_book import Rate
from openoutcry.venue.funding_schedule import FundingSpec

HAS_ENDED = "Invalid symbol: this contract has ended."
NOT_OF_FUTURES = ("bidPrice", "bidQty", "askPrice", "askQty", "prevClosePrice")
"""Fields of a spot market's day that a contract's has not."""


def schedule_of(mirror: Mirror, market: Market) -> FundingSpec | None:
    """The times at which the venue funds a contract; None: it does not by itself."""
    rows = mirror.file.risk.funding
    return next((one for one in rows if one.contract == market.symbol), None)


def rate_text(now: Figures) -> str:
    """The rate of the period under way or, without one, of the last; nothing: there is none."""
    if now.predicted is not None:
        return shapes.funding_text(now.predicted)
    return shapes.funding_text(now.rate) if now.period else ""


def premium(mirror: Mirror, market: Market, now: Figures) -> dict[str, Any]:
    """Mark, index and funding of a contract."""
    schedule = schedule_of(mirror, market)
    return {
        "symbol": market.name,
        "markPrice": market.price(now.mark),
        "indexPrice": market.price(now.index),
        "estimatedSettlePrice": market.price(now.mark),
        "lastFundingRate": rate_text(now),
        "interestRate": shapes.funding_text(schedule.interest_ppb) if schedule else "",
        "nextFundingTime": times.of_ns(now.next_ns),
        "time": times.now(),
    }


def interest(mirror: Mirror, market: Market, now: Figures) -> dict[str, Any]:
    """Open interest of a contract."""
    held = market.quantity(now.open_interest)
    return {"openInterest": held, "symbol": market.name, "time": times.now()}


def _of_figures(shape: Callable[[Mirror, Market, Figures], Any]) -> Handler:
    """A row for a symbol, or a list of the rows of all contracts that trade."""

    async def handler(spot: Spot, request: Request) -> Any:
        figures = spot.mirror.figures()
        if not request.params.text("symbol"):
            every = [(one, figures.get(one.symbol)) for one in spot.markets.contracts]
            return [shape(spot.mirror, one, now) for one, now in every if now is not None]
        market = request.params.contract()
        now = figures.get(market.symbol)
        if now is None:
            raise ApiError(BAD_SYMBOL, HAS_ENDED)
        return shape(spot.mirror, market, now)

    return handler


premium_index = _of_figures(premium)
"""GET /fapi/v1/premiumIndex."""
_interest_of = _of_figures(interest)


async def open_interest(spot: Spot, request: Request) -> Any:
    """GET /fapi/v1/openInterest: of one contract."""
    request.params.contract()
    return await _interest_of(spot, request)


async def funding_info(spot: Spot, request: Request) -> Any:
    """GET /fapi/v1/fundingInfo: the perpetuals that the venue funds by itself."""
    rows = []
    for market in spot.markets.contracts:
        schedule = schedule_of(spot.mirror, market)
        if schedule is not None:
            cap = shapes.funding_text(schedule.cap_ppb)
            row = {"symbol": market.name, "adjustedFundingRateCap": cap}
            row["adjustedFundingRateFloor"] = shapes.funding_text(-schedule.cap_ppb)
            rows.append(row | {"fundingIntervalHours": schedule.every_h, "disclaimer": False})
    return rows


async def funding_rate(spot: Spot, request: Request) -> Any:
    """GET /fapi/v1/fundingRate: from ``startTime`` on, or else the last; of one or all."""
    params, markets = request.params, spot.markets
    symbol = params.contract().symbol if params.text("symbol") else ""
    rows = await rates_of(spot.mirror, symbol, *params.times_ms(), params.limit(100, 1000))
    shown = [(markets.by_symbol.get(row.contract), row) for row in rows]
    return [_rate(market, row) for market, row in shown if market is not None]


def _rate(market: Market, row: Rate) -> dict[str, Any]:
    return {
        "symbol": market.name,
        "fundingTime": times.of_ns(row.ts_ns),
        "fundingRate": shapes.funding_text(row.rate),
        "markPrice": market.price(row.mark),
    }


async def constituents(spot: Spot, request: Request) -> Any:
    """GET /fapi/v1/constituents: the sources of a contract's index, and which of them are used;
    none while this portal has not heard of all."""
    market = request.params.contract()
    assert market.contract is not None
    index = spot.mirror.indices.shown.get(market.contract.underlying)
    sources = (index.sources if index is not None else None) or ()
    total = sum(source.weight for source in sources)
    rows = [
        {
            "exchange": source.name,
            "symbol": market.contract.underlying,
            "price": market.price(source.price_ticks),
            "weight": text_of(source.weight * 10**8 // total, 8),
            "state": source.state,
        }
        for source in sources
    ]
    return {"symbol": market.name, "time": times.now(), "constituents": rows}


def day(mirror: Mirror, market: Market) -> dict[str, Any]:
    """The last 24 hours of a contract."""
    row = shapes.ticker(mirror, market, now_ms())
    return {name: value for name, value in row.items() if name not in NOT_OF_FUTURES}


def price(mirror: Mirror, market: Market) -> dict[str, Any]:
    """The last price of a contract; 0 before its first trade."""
    last = mirror.tapes[market.index].last
    traded = market.price(last.price if last else 0)
    return {"symbol": market.name, "price": traded, "time": times.now()}


def best(mirror: Mirror, market: Market) -> dict[str, Any]:
    """The best prices of a contract."""
    return shapes.book_ticker(mirror, market) | {"time": times.now()}


def of_contracts(shape: Callable[[Mirror, Market], Any]) -> Handler:
    """A row for a symbol, or a list of the rows of all contracts."""

    async def handler(spot: Spot, request: Request) -> Any:
        if request.params.text("symbol"):
            return shape(spot.mirror, request.params.contract())
        return [shape(spot.mirror, market) for market in spot.markets.contracts]

    return handler


def mark_event(mirror: Mirror, market: Market, at_ms: int) -> dict[str, Any] | None:
    """The event of ``SYMBOL@markPrice``; None: the contract has ended."""
    now = mirror.figures().get(market.symbol)
    if now is None:
        return None
    row = premium(mirror, market, now)
    return {
        "e": "markPriceUpdate",
        "E": times.of_ms(at_ms),
        "s": market.name,
        "p": row["markPrice"],
        "P": row["estimatedSettlePrice"],
        "i": row["indexPrice"],
        "r": row["lastFundingRate"],
        "T": row["nextFundingTime"],
    }


def index_event(mirror: Mirror, market: Market, at_ms: int) -> dict[str, Any] | None:
    """The event of ``SYMBOL@indexPrice``; None: the underlying has no index yet."""
    assert market.contract is not None
    index = mirror.indices.shown.get(market.contract.underlying)
    if index is None or not index.price_ticks:
        return None
    shown = market.price(index.price_ticks)
    return {"e": "indexPriceUpdate", "E": times.of_ms(at_ms), "i": market.name, "p": shown}


EVENTS = {"markPrice": mark_event, "indexPrice": index_event}
"""By the kind of stream."""
