"""The routes of a user's portfolio, statements and tax reports; the ledger works them out."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from openoutcry.client import portal_models as models
from openoutcry.ledger.books import MARGIN
from openoutcry.ledger.profit import METHODS
from openoutcry.portal.accounts.errors import InvalidRequest
from openoutcry.portal.body import Body
from openoutcry.portal.native.callers import Asking, Callers
from openoutcry.portal.native.history_routes import EPOCH, LAST_DAY, day_of, today
from openoutcry.portal.native.orders import NativeOrders
from openoutcry.portal.portfolio.desk import Desk
from openoutcry.portal.portfolio.rebalance import BPS, Held, Proposed, Quote, proposed
from openoutcry.portal.trading.instruments import Market, text_of
from openoutcry.wire.decimals import AmountError, units_of

FORMATS = ("csv", "pdf", "json")
PORTFOLIO: list[Any] = ["portfolio"]
WEIGHT_DECIMALS = 8
MILLION = 1_000_000
FILE_SHOWN: dict[int | str, Any] = {
    200: {
        "description": "The file.",
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in ("text/csv", "application/pdf")
        },
    }
}


@dataclass
class Weights(Body):
    """What the portfolio is to be made of.  ``weights``: by asset, 1 together."""

    currency: str
    weights: dict[str, str] = field(default_factory=dict)
    tolerance_bps: int = 50


@dataclass
class NativePortfolio:
    """Parts of the routes. ``quick`` answers portfolios, ``slow`` makes files."""

    callers: Callers
    orders: NativeOrders
    quick: Desk
    slow: Desk

    def currency(self, name: str) -> str:
        """Raises :class:`InvalidRequest`."""
        markets = self.orders.mirror.markets
        if not name:
            return markets.all[0].quote
        if name not in markets.assets:
            raise InvalidRequest("currency: there is no such asset")
        return name

    def text(self, asset: str, units: int | None) -> str | None:
        """An amount in whole units as decimal text; None without a price."""
        if units is None:
            return None
        return text_of(units, self.orders.mirror.markets.assets[asset])

    def amount(self, asset: str, units: int) -> str:
        """An amount in whole units as decimal text.  Raises :class:`KeyError` for an asset of no
        market."""
        return text_of(units, self.orders.mirror.markets.assets[asset])

    async def portfolio(self, asking: Asking, currency: str, method: str) -> models.Portfolio:
        """Holdings and profits, valued in ``currency``; ``method``: one of ``METHODS``.

        Raises :class:`InvalidRequest` for another method, :class:`BooksError` if the books do not
        answer."""
        if method not in METHODS:
            raise InvalidRequest(f"method: one of {', '.join(METHODS)}")
        terms = {"participant": asking.participant, "currency": currency, "method": method}
        answer = await self.quick.ask(asking.user_id, ask="portfolio", **terms)
        held, day = answer["holdings"], answer["last_day"]
        value = sum(row["value"] for row in held if row["value"] is not None)
        return models.Portfolio(
            currency,
            method,
            answer["seq"],
            answer["time_ns"] // MILLION,
            self.amount(currency, value),
            self.amount(currency, day["invested"]),
            self.amount(currency, value - day["invested"]),
            [self._holding(row, currency) for row in held],
            self._instruments(answer["instruments"]),
            [row["asset"] for row in held if row["value"] is None],
        )

    def _holding(self, row: dict[str, Any], currency: str) -> models.Holding:
        asset = row["asset"]
        return models.Holding(
            asset,
            self.amount(asset, row["available"]),
            self.amount(asset, row["reserved"]),
            self.amount(asset, row["total"]),
            self.text(currency, row["price"]),
            self.text(currency, row["value"]),
            row["share_bps"],
        )

    def _instruments(self, rows: list[dict[str, Any]]) -> list[models.InstrumentProfit]:
        """A row for each instrument; its fees in the base asset are a row of the report."""
        asked = [(row, self.orders.markets.by_symbol.get(row["instrument"])) for row in rows]
        known = [(row, market) for row, market in asked if market is not None]
        of_base = {
            market.symbol: row["fees"]
            for row, market in known
            if row["asset"].removesuffix(MARGIN) != market.quote
        }
        shown = []
        for row, market in known:
            if row["asset"].removesuffix(MARGIN) != market.quote:
                continue
            shown.append(
                models.InstrumentProfit(
                    market.symbol,
                    market.quantity(row["position_lots"]),
                    market.quote,
                    self.amount(market.quote, row["cost"]),
                    None if row["last_ticks"] is None else market.price(row["last_ticks"]),
                    self.text(market.quote, row["value"]),
                    self.amount(market.quote, row["realised"]),
                    self.text(market.quote, row["unrealised"]),
                    self.amount(market.quote, row["fees"]),
                    market.base,
                    text_of(of_base.get(market.symbol, 0), market.base_decimals),
                )
            )
        return shown

    async def performance(
        self, asking: Asking, currency: str, first: int, last: int
    ) -> models.Performance:
        """Value, investment and gain by day, from ``first`` to ``last`` in days since 1970.

        Raises :class:`BooksError` if the books do not answer."""
        terms = {"participant": asking.participant, "currency": currency}
        answer = await self.quick.ask(asking.user_id, ask="performance", **terms)
        days = [
            models.PerformanceDay(
                date.fromisoformat(row["day"]),
                *(self.amount(currency, row[name]) for name in GAINED),
            )
            for row in answer["days"]
            if first <= day_of(row["day"], "day", 0) <= last
        ]
        return models.Performance(currency, answer["seq"], days)

    # Rebalancing

    async def rebalance(self, asking: Asking, body: Weights) -> models.Rebalance:
        """Orders that bring the holdings to these weights; nothing is sent.

        Raises :class:`InvalidRequest` for a wrong currency, weight or tolerance, and
        :class:`BooksError` if the books do not answer."""
        currency, weights = self.currency(body.currency), self._weights(body.weights)
        if not 0 <= body.tolerance_bps <= BPS:
            raise InvalidRequest(f"tolerance_bps: 0 to {BPS}")
        terms = {"participant": asking.participant, "currency": currency, "method": "fifo"}
        answer = await self.quick.ask(asking.user_id, ask="portfolio", **terms)
        held = self._held(answer["holdings"], weights, currency)
        quotes = self._quotes(asking.participant, currency)
        orders = proposed(held, weights, currency, quotes, body.tolerance_bps)
        whole = sum((one.total * one.rate for one in held), Fraction(0))
        return models.Rebalance(
            currency,
            self.amount(currency, round(whole)),
            answer["seq"],
            [self._row(one, weights, whole, currency) for one in held],
            [self._order(order, currency) for order in orders],
        )

    def _weights(self, given: dict[str, str]) -> dict[str, Fraction]:
        weights = {}
        for asset, text in given.items():
            if asset not in self.orders.mirror.markets.assets:
                raise InvalidRequest(f"weights: there is no asset {asset!r}")
            try:
                units = units_of(text, WEIGHT_DECIMALS)
            except AmountError as error:
                raise InvalidRequest(f"weights: {asset}: {error}") from None
            weights[asset] = Fraction(units, 10**WEIGHT_DECIMALS)
        if sum(weights.values()) != 1:
            raise InvalidRequest("weights: they must add up to 1")
        return weights

    def _held(
        self, rows: list[dict[str, Any]], weights: dict[str, Fraction], currency: str
    ) -> list[Held]:
        """Return the holdings that have a value, and the assets to buy."""
        decimals = self.orders.mirror.markets.assets
        held = [
            Held(
                row["asset"],
                row["available"],
                row["total"],
                Fraction(row["price"], 10 ** decimals[row["asset"]]),
            )
            for row in rows
            if row["price"] is not None
        ]
        known = {one.asset for one in held}
        held += [Held(name, 0, 0, Fraction(0)) for name in weights if name not in known]
        return held

    def _quotes(self, participant: int, currency: str) -> dict[str, Quote]:
        mirror, quotes = self.orders.mirror, dict[str, Quote]()
        for market in mirror.markets.all:
            if currency not in (market.base, market.quote):
                continue
            other = market.base if market.quote == currency else market.quote
            bid, _, ask, _ = mirror.best(market.code)
            tape = mirror.tapes[market.index].last
            last = tape.price if tape is not None else 0
            taker = max(0, mirror.rates(participant, market.index)[1])
            fee = Fraction(taker, MILLION)
            quotes.setdefault(other, Quote(market, bid or last, ask or last, fee))
        return quotes

    def _row(
        self, one: Held, weights: dict[str, Fraction], whole: Fraction, currency: str
    ) -> models.RebalanceRow:
        value, target = one.total * one.rate, weights.get(one.asset, Fraction(0))
        share = round(BPS * value / whole) if whole else 0
        amounts = self.amount(currency, round(value)), self.amount(currency, round(target * whole))
        return models.RebalanceRow(one.asset, share, round(BPS * target), *amounts)

    def _order(self, order: Proposed, currency: str) -> models.ProposedOrder:
        market: Market = order.market
        return models.ProposedOrder(
            market.symbol,
            "buy" if order.is_buy else "sell",
            "limit",
            market.quantity(order.lots),
            market.price(order.price_ticks),
            "gtc",
            self.amount(currency, order.worth(currency)),
        )


GAINED = ("value", "invested", "gain")


def add_portfolio(app: Any, native: NativePortfolio) -> None:
    """Add every route to an application of FastAPI."""
    asking_type = native.callers.parameter()
    _add_values(app, native, asking_type)
    _add_files(app, native, asking_type)


def _add_values(app: Any, native: NativePortfolio, asking_type: Any) -> None:
    from fastapi import Query

    @app.get("/v1/portfolio", response_model=models.Portfolio, tags=PORTFOLIO)
    async def portfolio(asking: asking_type, currency: str = "", method: str = "fifo") -> Any:
        asking.require_participant()
        return await native.portfolio(asking, native.currency(currency), method)

    @app.get("/v1/portfolio/performance", response_model=models.Performance, tags=PORTFOLIO)
    async def performance(
        asking: asking_type,
        currency: str = "",
        since: str = Query("", alias="from"),
        until: str = "",
    ) -> Any:
        asking.require_participant()
        days = day_of(since, "from", 0), day_of(until, "until", LAST_DAY)
        return await native.performance(asking, native.currency(currency), *days)

    @app.post("/v1/portfolio/rebalance", response_model=models.Rebalance, tags=PORTFOLIO)
    async def rebalance(asking: asking_type, body: Weights) -> Any:
        asking.require_participant()
        return await native.rebalance(asking, body)


def _add_files(app: Any, native: NativePortfolio, asking_type: Any) -> None:
    from fastapi import Query, Response

    async def made(asking: Asking, ask: str, since: str, until: str, form: str) -> Any:
        import base64

        asking.require_participant()
        if form not in FORMATS:
            raise InvalidRequest(f"format: one of {', '.join(FORMATS)}")
        first, last = day_of(since, "from", 0), day_of(until, "until", today())
        if first > last:
            raise InvalidRequest("from: it is after until")
        language = await native.callers.accounts.language(asking.user_id)
        terms = {"first_day": first, "last_day": last, "format": form, "language": language}
        terms |= {"ask": ask, "participant": asking.participant}
        terms["holder"] = await native.callers.accounts.holder(asking.participant)
        file = await native.slow.ask(asking.user_id, **terms)
        name = f"{file['name'].rpartition('.')[0]}-{_shown(first)}-{_shown(last)}.{form}"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(base64.b64decode(file["data"]), 200, headers, file["type"])

    @app.get("/v1/statements", tags=PORTFOLIO, responses=FILE_SHOWN, response_class=Response)
    async def statement(
        asking: asking_type,
        since: str = Query("", alias="from"),
        until: str = "",
        form: str = Query("pdf", alias="format"),
    ) -> Any:
        return await made(asking, "statement", since, until, form)

    @app.get("/v1/tax-report", tags=PORTFOLIO, responses=FILE_SHOWN, response_class=Response)
    async def tax_report(
        asking: asking_type,
        since: str = Query("", alias="from"),
        until: str = "",
        form: str = Query("pdf", alias="format"),
    ) -> Any:
        return await made(asking, "tax", since, until, form)


def _shown(day: int) -> str:
    return (EPOCH + timedelta(days=day)).isoformat()
