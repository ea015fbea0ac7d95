"""Markets in the native API's words."""

from typing import Any

from openoutcry.client.portal_models import (
    Book,
    CandleRow,
    ContractStatistics,
    FundingRate,
    IndexRow,
    IndexSource,
    Instrument,
    Now,
    PublicTrade,
    Ticker,
)
from openoutcry.derivatives.contracts import KINDS, Contract
from openoutcry.portal.accounts.errors import InvalidRequest, NotFound
from openoutcry.portal.history.past import Past
from openoutcry.portal.native.orders import TYPES, NativeOrders
from openoutcry.portal.spot import shapes
from openoutcry.portal.spot.signing import now_ms
from openoutcry.portal.trading.funding_rates import rates_of
from openoutcry.portal.trading.indices import IndexShown
from openoutcry.portal.trading.instruments import Market, text_of, underlying_decimals
from openoutcry.portal.trading.public import INTERVALS, Trade
from openoutcry.wire.instrument_states import STATES

KIND_NAMES = {number: name for name, number in KINDS.items()}


class NativeMarkets:
    """Public data."""

    def __init__(self, orders: NativeOrders, past: Past | None = None) -> None:
        """``past``: what is older than memory; None: nothing is."""
        self.mirror, self.market = orders.mirror, orders.market
        self.past = past or Past(orders.mirror)

    def now(self) -> Now:
        """The portal's time in milliseconds, and the last command that its answers show."""
        return Now(now_ms(), self.mirror.seq)

    def instruments(self) -> list[Instrument]:
        """Every spot instrument and contract, with its steps and bounds as decimal text."""
        return [self._row(market) for market in self.mirror.markets.every]

    def instrument(self, symbol: str) -> Instrument:
        """One instrument.  Raises :class:`AccountError` for an unknown symbol."""
        return self._row(self.market(symbol))

    def _row(self, market: Market) -> Instrument:
        low, high = int(market.row["min_price_ticks"]), int(market.row["max_price_ticks"])
        return Instrument(
            market.symbol,
            market.base,
            market.quote,
            self.state(market),
            market.price(market.price_step),
            market.quantity(market.qty_step),
            market.price(max(low, market.price_step)),
            market.price(high),
            market.quantity(market.min_lots),
            market.quantity(market.max_lots),
            market.amount_step,
            list(TYPES),
            market.price(market.worst_buy_ticks),
            rules=self.mirror.markets.changes,
            **self._terms(market),
        )

    def state(self, market: Market) -> str:
        """Return the word of an instrument's state, or of its phase."""
        by_phase = "trading" if self.mirror.is_trading(market.index) else "closed"
        return STATES.offered("/v1").get(self.mirror.state_of(market.index), by_phase)

    def _terms(self, market: Market) -> dict[str, Any]:
        """Return what only a contract has."""
        terms, file = market.contract, self.mirror.file
        if terms is None:
            return {}
        return {
            "kind": KIND_NAMES[terms.kind],
            "multiplier": market.multiplier,
            "inverse": market.inverse_units != 0,
            "underlying": terms.underlying,
            "expiry_ms": terms.expiry_ns // 1_000_000 or None,
            **_of_option(terms, underlying_decimals(file, terms.underlying), market.quote_decimals),
        }

    def book(self, symbol: str, depth: int) -> Book:
        """Return at most ``depth`` levels of each side, best first, as of the answer's ``seq``.
        Raises :class:`AccountError` for an unknown symbol."""
        market = self.market(symbol)
        sides = [shapes.levels(rows, market) for rows in self.mirror.depth(market.code, depth)]
        return Book(market.symbol, self.mirror.seq, *sides)

    def trades(self, symbol: str, limit: int) -> list[PublicTrade]:
        """The newest first."""
        market = self.market(symbol)
        rows = self.mirror.tapes[market.index].every()[-limit:]
        return [trade_row(row, market) for row in reversed(rows)]

    async def candles(
        self, symbol: str, interval: str, limit: int, from_ms: int = 0, until_ms: int = 0
    ) -> list[CandleRow]:
        """Return candles from ``from_ms`` on, or the last up to ``until_ms``; 0: no such end."""
        market = self.market(symbol)
        if interval not in INTERVALS:
            raise InvalidRequest(f"interval: one of {', '.join(INTERVALS)}")
        span = span_of(from_ms, until_ms)
        rows = await self.past.candles(market, interval, *span, limit, now_ms())
        return [
            CandleRow(
                row.begin_ms,
                row.end_ms,
                market.price(row.open),
                market.price(row.high),
                market.price(row.low),
                market.price(row.close),
                market.quantity(row.lots),
                market.amount(row.tick_lots),
                row.count,
            )
            for row in rows
        ]

    def statistics(self, symbol: str) -> ContractStatistics:
        """Return what is public of a contract but for its market.  Raises :class:`AccountError` for
        an unknown symbol, and for an instrument that is no contract or has ended."""
        market, now = self.market(symbol), self.mirror.figures().get(symbol)
        if now is None:
            raise NotFound(f"{symbol} is no contract, or it has ended")
        is_funded = now.period != 0
        return ContractStatistics(
            symbol,
            self.mirror.figures_seq,
            now.marked_ns // 1_000_000,
            market.price(now.mark),
            market.price(now.index) if now.index else None,
            market.price(now.settlement) if now.day else None,
            day_text(now.day) if now.day else None,
            market.quantity(now.open_interest),
            shapes.funding_text(now.rate) if is_funded else None,
            now.period if is_funded else None,
            None if now.predicted is None else shapes.funding_text(now.predicted),
            now.next_ns // 1_000_000 or None,
        )

    async def funding_rates(
        self, symbol: str, limit: int, from_ms: int = 0, until_ms: int = 0
    ) -> list[FundingRate]:
        """Return the rates of periods from ``from_ms`` on, or the last up to ``until_ms``; 0: no
        such end.  Only perpetuals have any.  Raises :class:`AccountError`, also if the file of
        rates cannot be read."""
        market = self.market(symbol)
        rows = await rates_of(self.mirror, symbol, *span_of(from_ms, until_ms), limit)
        return [
            FundingRate(
                row.ts_ns // 1_000_000,
                row.period,
                row.seq,
                shapes.funding_text(row.rate),
                market.price(row.mark),
            )
            for row in rows
        ]

    def indices(self) -> list[IndexRow]:
        """Each index that this portal has seen a value of, by its underlying."""
        return [self._index(one) for _, one in sorted(self.mirror.indices.shown.items())]

    def _index(self, one: IndexShown) -> IndexRow:
        decimals = underlying_decimals(self.mirror.file, one.underlying)

        def price(ticks: int) -> str | None:
            return text_of(ticks, decimals) if ticks else None

        known = one.sources or ()
        sources = [
            IndexSource(
                source.name,
                source.weight,
                source.state,
                price(source.price_ticks),
                source.reported_ns // 1_000_000 or None,
            )
            for source in known
        ]
        return IndexRow(
            one.underlying,
            one.seq,
            one.time_ns // 1_000_000,
            price(one.price_ticks),
            one.is_protected,
            one.least,
            None if one.sources is None else sources,
        )

    def ticker(self, symbol: str) -> Ticker:
        """The last 24 hours and the best prices.  Raises :class:`AccountError` for an unknown
        symbol."""
        market = self.market(symbol)
        row = shapes.ticker(self.mirror, market, now_ms())
        names = ("lastPrice", "openPrice", "highPrice", "lowPrice", "volume", "quoteVolume")
        more = ("count", "bidPrice", "bidQty", "askPrice", "askQty")
        figures = (row[name] for name in (*names, *more))
        rules = self.mirror.markets.changes
        return Ticker(*(market.symbol, *figures, self.state(market), rules))


def span_of(from_ms: int, until_ms: int) -> tuple[int | None, int | None]:
    """Return the ends of a time; None: it has no such end.  Raises :class:`InvalidRequest`."""
    if not (0 <= from_ms < 2**43 and 0 <= until_ms < 2**43):
        raise InvalidRequest("from_ms, until_ms: milliseconds since 1970")
    return from_ms or None, until_ms or None


def _of_option(terms: Contract, price_decimals: int, quote_decimals: int) -> dict[str, Any]:
    """Return what only an option has; ``price_decimals``: of its underlying."""
    if not terms.is_option:
        return {}
    units = terms.strike_multiplier * (1 if terms.inverse else 10**price_decimals)
    return {
        "strike": text_of(terms.strike_ticks, price_decimals),
        "strike_multiplier": text_of(units, quote_decimals),
        "strike_inverse": terms.inverse,
        "strike_rest": text_of(terms.strike_rest, quote_decimals),
    }


def trade_row(trade: Trade, market: Market) -> PublicTrade:
    """A public trade; ``side`` is the taker's."""
    side = "sell" if trade.buyer_is_maker else "buy"
    amounts = market.price(trade.price), market.quantity(trade.lots)
    return PublicTrade(trade.number, *amounts, trade.time_ms, side, trade.is_off_book)


def day_text(day: int) -> str:
    """A day's number, as 20261123, in ISO 8601."""
    return f"{day // 10_000:04}-{day // 100 % 100:02}-{day % 100:02}"
