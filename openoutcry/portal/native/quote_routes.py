"""The routes of ``/v1/quotes``: requests for quotes, of both sides."""

import time
from dataclasses import dataclass, field
from typing import Any

from openoutcry.client import portal_models as models
from openoutcry.portal.accounts.errors import Declined, InvalidRequest
from openoutcry.portal.body import Body
from openoutcry.portal.native.callers import Asking, Callers
from openoutcry.portal.native.orders import NativeOrders
from openoutcry.portal.native.pages import DEFAULT
from openoutcry.portal.native.routes import limit_type
from openoutcry.portal.quotes.package import Package, packages_of
from openoutcry.portal.quotes.quotes import Quotes
from openoutcry.portal.trading.instruments import Market
from openoutcry.routing.instruments import BUY, SELL
from openoutcry.routing.rfq import Quote, Request
from openoutcry.wire.decimals import AmountError

SIDES = {"buy": BUY, "sell": SELL}
NAMES = {BUY: "buy", SELL: "sell", 0: "both"}
MAX_SECONDS = 3_600
MILLION = 1_000_000
TAGS = ["quotes"]


@dataclass
class QuoteLeg(Body):
    """What one package has of an instrument; ``side``: of one that buys the package."""

    symbol: str
    side: str
    quantity: str


@dataclass
class NewQuoteRequest(Body):
    """``side``: ``buy``, ``sell`` or ``both``; ``makers``: those that are asked, none: all.  In
    place of ``symbol`` may be ``legs``; ``quantity`` is then a number of packages."""

    side: str
    quantity: str
    symbol: str = ""
    seconds: int = 30
    makers: list[int] = field(default_factory=list)
    legs: list[QuoteLeg] = field(default_factory=list)


@dataclass
class NewQuote(Body):
    """A price for each side that was asked for; for several legs, one for each leg.

    ``quantity`` is all that was asked for, or less.  The quote lasts for ``seconds``; 0: as long as
    the request."""

    bid: str = ""
    ask: str = ""
    bids: list[str] = field(default_factory=list)
    asks: list[str] = field(default_factory=list)
    quantity: str = ""
    firm: bool = True
    last_look: bool = False
    seconds: int = 0


@dataclass
class ChosenQuote(Body):
    """A quote, and the side on which its client trades."""

    quote: int
    side: str


@dataclass
class CounterOffer(Body):
    """The client's own price, which binds it until the maker has answered."""

    quote: int
    side: str
    price: str


@dataclass
class MakersAnswer(Body):
    """``waits_number``: as the request has it, so that no answer is one to other terms."""

    accept: bool
    waits_number: int


class NativeQuotes:
    """Requests and quotes in the words of the API."""

    def __init__(self, callers: Callers, orders: NativeOrders, quotes: Quotes) -> None:
        self.callers, self.orders, self.quotes = callers, orders, quotes

    def require(self, asking: Asking, *, changes: bool = True) -> int:
        """The participant.  Raises :class:`Declined` where requests are not offered."""
        if not self.quotes.is_offered:
            raise Declined("not_offered", "this portal has no makers of quotes", 404)
        if changes:
            asking.require_trade()
        asking.require_participant()
        return asking.participant

    async def ask(self, participant: int, body: NewQuoteRequest) -> models.QuoteRequest:
        if body.side not in (*SIDES, "both"):
            raise InvalidRequest("side: buy, sell or both")
        legs, quantity = self._legs(body)
        until_ns = later(body.seconds)
        others = [maker for maker in self.quotes.makers if maker != participant]
        chosen = body.makers or others
        if not chosen or not set(chosen) <= set(others):
            raise InvalidRequest("makers: participants that /v1/quotes/makers lists")
        number = await self.quotes.do(
            "request",
            participant,
            legs=legs,
            side=SIDES.get(body.side, 0),
            quantity=quantity,
            until_ns=until_ns,
            makers=[str(one) for one in chosen],
        )
        return self.row(participant, self.quotes.one(participant, number))

    def _legs(self, body: NewQuoteRequest) -> tuple[list[list[Any]], int]:
        """Legs with their ratios, and the quantity.  Raises :class:`InvalidRequest`."""
        if not body.legs:
            market = self.orders.market(body.symbol)
            return [[market.symbol]], lots_of(market, body.quantity)
        if body.symbol:
            raise InvalidRequest("symbol: of several legs each has its own")
        markets = tuple(self.orders.market(leg.symbol) for leg in body.legs)
        rows = zip(markets, body.legs, strict=True)
        ratios = tuple(side_of(leg.side) * lots_of(one, leg.quantity) for one, leg in rows)
        packages = packages_of(body.quantity)
        Package(markets, ratios).require_one(packages)
        return [[one.symbol, ratio] for one, ratio in zip(markets, ratios, strict=True)], packages

    async def quote(self, participant: int, number: int, body: NewQuote) -> models.QuoteRequest:
        of = self._terms(await self._one(participant, number))
        terms: dict[str, Any] = {"until_ns": later(body.seconds) if body.seconds else 0}
        if isinstance(of, Package):
            if body.bid or body.ask:
                raise InvalidRequest("bids and asks: of several legs the price of each")
            terms["quantity"] = packages_of(body.quantity) if body.quantity else 0
            for name, given in (("bid", body.bids), ("ask", body.asks)):
                prices = leg_prices(of, given)
                terms[name], terms[f"{name}s"] = of.value(prices) if prices else None, prices
        else:
            if body.bids or body.asks:
                raise InvalidRequest("bid and ask: the request has one instrument")
            terms["quantity"] = lots_of(of, body.quantity) if body.quantity else 0
            terms["bid"] = price_of(of, body.bid) if body.bid else None
            terms["ask"] = price_of(of, body.ask) if body.ask else None
        more = {"is_firm": body.firm, "has_last_look": body.last_look}
        await self.quotes.do("quote", participant, request=number, **terms, **more)
        return self.row(participant, self.quotes.one(participant, number))

    async def do(
        self, what: str, participant: int, number: int, **terms: Any
    ) -> models.QuoteRequest:
        """A command about a request; what has been agreed on is booked before it is answered."""
        await self.quotes.do(what, participant, request=number, **terms)
        request = self.quotes.one(participant, number)
        if request.trade is not None and request.outcome is None:
            await self.quotes.booked(number)
            await self.quotes.look()
            request = self.quotes.one(participant, number)
        return self.row(participant, request)

    async def counter(
        self, participant: int, number: int, body: CounterOffer
    ) -> models.QuoteRequest:
        of = self._terms(await self._one(participant, number))
        if isinstance(of, Package):
            raise Declined("not_possible", "a request of several legs has no counter-offers", 409)
        price = price_of(of, body.price)
        terms = {"quote": body.quote, "side": side_of(body.side), "price": price}
        return await self.do("counter", participant, number, **terms)

    async def _one(self, participant: int, number: int) -> Request:
        await self.quotes.look()
        return self.quotes.one(participant, number)

    async def rows(self, participant: int, state: str, limit: int) -> list[models.QuoteRequest]:
        if state not in ("open", "all"):
            raise InvalidRequest("state: open or all")
        await self.quotes.look()
        chosen = self.quotes.of(participant, state == "open", limit)
        return [self.row(participant, one) for one in chosen]

    async def shown(self, participant: int, number: int) -> models.QuoteRequest:
        return self.row(participant, await self._one(participant, number))

    async def makers(self) -> list[models.QuoteMaker]:
        await self.quotes.look()
        looks = self.quotes.desk.looks
        return [
            models.QuoteMaker(
                int(maker),
                one.asked,
                one.accepted,
                one.rejected,
                one.timed_out,
                one.held_ns // MILLION,
            )
            for maker, one in looks.items()
            if int(maker) in self.quotes.makers
        ]

    # Rows

    def _terms(self, request: Request) -> Market | Package:
        """Return what prices and quantities of the request are of."""
        if len(request.legs) > 1:
            return Package.of(request.legs, self.orders.market)
        return self.orders.market(request.legs[0].symbol)

    def row(self, participant: int, request: Request) -> models.QuoteRequest:
        """A request as :meth:`Quotes.one` has it for this participant."""
        market, by = self._terms(request), str(participant)
        is_client = request.client == by
        quotes = [one for one in request.quotes.values() if is_client or one.maker == by]
        side = request.side
        if is_client and side:
            quotes.sort(key=lambda one: (not one.is_live, side * _price(one, side), one.number))
        waits: dict[str, Any] = {}
        if request.pending is not None:
            quote, its_side, price, _ = request.pending
            waits = {"waits_for": quote, "waits_side": NAMES[its_side]}
            waits["waits_price"] = market.price(price)
            waits["waits_number"] = request.questions
        return models.QuoteRequest(
            request.number,
            "client" if is_client else "maker",
            market.symbol,
            NAMES[side],
            market.quantity(request.quantity),
            request.state,
            request.until_ns // MILLION,
            [int(maker) for maker in request.makers],
            [quote_row(one, market) for one in quotes],
            by in request.passed,
            trade=trade_row(request, market, is_client),
            legs=leg_rows(market),
            **waits,
        )


def _price(quote: Quote, side: int) -> int:
    return (quote.ask if side == BUY else quote.bid) or 0


def leg_prices(package: Package, given: list[str]) -> list[int]:
    """Raises :class:`InvalidRequest` unless none or all legs have a price."""
    if given and len(given) != len(package.markets):
        raise InvalidRequest(f"bids and asks: {len(package.markets)} prices, one of each leg")
    return [price_of(*one) for one in zip(package.markets, given, strict=False)]


def leg_rows(of: Market | Package) -> list[models.QuoteLeg]:
    """Return what a package has; nothing of one instrument."""
    if not isinstance(of, Package):
        return []
    rows = zip(of.markets, of.ratios, strict=True)
    return [
        models.QuoteLeg(one.symbol, NAMES[BUY if ratio > 0 else SELL], one.quantity(abs(ratio)))
        for one, ratio in rows
    ]


def quote_row(one: Quote, market: Market | Package) -> models.QuoteRow:
    bid, offer, counter = (
        None if price is None else market.price(price) for price in (one.bid, one.ask, one.counter)
    )
    return models.QuoteRow(
        one.number,
        int(one.maker),
        bid,
        offer,
        market.quantity(one.quantity),
        one.is_firm,
        one.has_last_look,
        one.until_ns // MILLION,
        one.at_ns // MILLION,
        one.is_live,
        counter,
        *(
            (market.prices(one.bids), market.prices(one.asks))
            if isinstance(market, Package)
            else ()
        ),
    )


def trade_row(
    request: Request, market: Market | Package, is_client: bool
) -> models.QuoteTrade | None:
    """The trade, on the side of its reader."""
    trade, outcome = request.trade, request.outcome
    if trade is None:
        return None
    state = "due" if outcome is None else "done" if outcome.is_booked else "refused"
    side = trade.side if is_client else -trade.side
    terms = NAMES[side], market.price(trade.price), market.quantity(trade.quantity), state
    more = (0, "") if outcome is None else (outcome.seq, outcome.why)
    prices = market.prices(trade.prices) if isinstance(market, Package) else []
    return models.QuoteTrade(trade.quote, *terms, trade.at_ns // MILLION, *more, prices)


def side_of(text: str) -> int:
    """Raises :class:`InvalidRequest`."""
    if text not in SIDES:
        raise InvalidRequest("side: buy or sell")
    return SIDES[text]


def later(seconds: int) -> int:
    """Raises :class:`InvalidRequest`."""
    if not 1 <= seconds <= MAX_SECONDS:
        raise InvalidRequest(f"seconds: 1 to {MAX_SECONDS}")
    return time.time_ns() + seconds * 1_000 * MILLION


def lots_of(market: Market, text: str) -> int:
    """Raises :class:`InvalidRequest` unless an order could have this quantity."""
    try:
        lots = market.lots_of(text)
    except AmountError as error:
        raise InvalidRequest(f"quantity: {error}") from None
    if not market.takes_lots(lots):
        raise InvalidRequest("quantity: not valid for this instrument")
    return lots


def price_of(market: Market, text: str) -> int:
    """Raises :class:`InvalidRequest` unless an order could have this price."""
    try:
        ticks = market.ticks_of(text)
    except AmountError as error:
        raise InvalidRequest(f"price: {error}") from None
    if not market.takes_ticks(ticks):
        raise InvalidRequest("price: not valid for this instrument")
    return ticks


def add_quotes(app: Any, native: NativeQuotes) -> None:
    """Add every route to an application of FastAPI."""
    asking_type = native.callers.parameter()
    _add_lists(app, native, asking_type, limit_type())
    _add_of_clients(app, native, asking_type)
    _add_of_makers(app, native, asking_type)


def _add_lists(app: Any, native: NativeQuotes, asking_type: Any, limited: Any) -> None:
    row = models.QuoteRequest

    @app.get("/v1/quotes/makers", response_model=list[models.QuoteMaker], tags=TAGS)
    async def quote_makers(asking: asking_type) -> Any:
        native.require(asking, changes=False)
        return await native.makers()

    @app.get("/v1/quotes/requests", response_model=list[models.QuoteRequest], tags=TAGS)
    async def quote_requests(
        asking: asking_type, state: str = "open", limit: limited = DEFAULT
    ) -> Any:
        return await native.rows(native.require(asking, changes=False), state, limit)

    @app.get("/v1/quotes/requests/{number}", response_model=row, tags=TAGS)
    async def quote_request(asking: asking_type, number: int) -> Any:
        return await native.shown(native.require(asking, changes=False), number)


def _add_of_clients(app: Any, native: NativeQuotes, asking_type: Any) -> None:
    row, path = models.QuoteRequest, "/v1/quotes/requests/{number}"

    @app.post("/v1/quotes/requests", response_model=row, status_code=201, tags=TAGS)
    async def request_quotes(asking: asking_type, body: NewQuoteRequest) -> Any:
        return await native.ask(native.require(asking), body)

    @app.post(f"{path}/accept", response_model=row, tags=TAGS)
    async def accept_quote(asking: asking_type, number: int, body: ChosenQuote) -> Any:
        terms = {"quote": body.quote, "side": side_of(body.side)}
        return await native.do("accept", native.require(asking), number, **terms)

    @app.post(f"{path}/counter", response_model=row, tags=TAGS)
    async def counter_quote(asking: asking_type, number: int, body: CounterOffer) -> Any:
        return await native.counter(native.require(asking), number, body)

    @app.post(f"{path}/pass", response_model=row, tags=TAGS)
    async def pass_quotes(asking: asking_type, number: int) -> Any:
        return await native.do("pass", native.require(asking), number)

    @app.delete(path, response_model=row, tags=TAGS)
    async def cancel_quote_request(asking: asking_type, number: int) -> Any:
        return await native.do("cancel", native.require(asking), number)


def _add_of_makers(app: Any, native: NativeQuotes, asking_type: Any) -> None:
    row, path = models.QuoteRequest, "/v1/quotes/requests/{number}"

    @app.post(f"{path}/quotes", response_model=row, status_code=201, tags=TAGS)
    async def send_quote(asking: asking_type, number: int, body: NewQuote) -> Any:
        return await native.quote(native.require(asking), number, body)

    @app.delete(f"{path}/quotes/{{quote}}", response_model=row, tags=TAGS)
    async def withdraw_quote(asking: asking_type, number: int, quote: int) -> Any:
        return await native.do("withdraw", native.require(asking), number, quote=quote)

    @app.post(f"{path}/answer", response_model=row, tags=TAGS)
    async def answer_client(asking: asking_type, number: int, body: MakersAnswer) -> Any:
        if body.waits_number < 1:
            raise InvalidRequest("waits_number: that of the request is expected")
        terms = {"accept": body.accept, "question": body.waits_number}
        return await native.do("answer", native.require(asking), number, **terms)
