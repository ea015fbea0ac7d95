"""Requests for quotes: a client asks chosen makers, and trades with one of them if both consent.

The desk is a function of its commands, each with its time: :meth:`Desk.replay` of what was kept
gives the same desk.  A request trades once, with all of its legs.  A maker never sees another's
quote.  Quotes are ranked by price, then by the time at which they came, then by number.
"""

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from openoutcry.routing.instruments import BUY, SELL, RoutingError

OPEN, PENDING, TRADED, PASSED, CANCELLED, EXPIRED = (
    "open",
    "pending",
    "traded",
    "passed",
    "cancelled",
    "expired",
)
MAX_LEGS, MAX_OPEN = 8, 10_000
MAX_OVER = 1_000
"""Requests of a client that are over and still known."""
Command = dict[str, Any]


class Refusal(RoutingError):
    """A command is not possible now; nothing has changed."""


@dataclass(frozen=True)
class Leg:
    """A part of a request: ``ratio`` for each unit of it; negative: on the other side."""

    symbol: str
    ratio: int = 1


@dataclass(frozen=True)
class Quote:
    """A maker's answer, for one unit of the request."""

    number: int
    request: int
    maker: str
    bid: int | None
    ask: int | None
    quantity: int
    is_firm: bool
    has_last_look: bool
    until_ns: int
    at_ns: int
    is_live: bool = True
    counter: int | None = None
    """The client's price, which the maker may accept."""
    bids: tuple[int, ...] = ()
    """Of a request of several legs the price of each, of which ``bid``"""
    asks: tuple[int, ...] = ()
    """and ``ask`` are the sums."""


@dataclass(frozen=True)
class Trade:
    """One request, traded: an off-book trade of each leg."""

    request: int
    quote: int
    client: str
    maker: str
    side: int
    """Side of the client."""
    quantity: int
    price: int
    legs: tuple[tuple[str, int, int], ...]
    """(symbol, side of the client, quantity)."""
    at_ns: int
    prices: tuple[int, ...] = ()
    """Of each leg."""


@dataclass(frozen=True)
class Outcome:
    """Outcome of a trade at its venue: booked with a command, or refused."""

    is_booked: bool
    seq: int = 0
    why: str = ""


@dataclass
class LastLook:
    """A maker's use of its option: each is counted once."""

    asked: int = 0
    accepted: int = 0
    rejected: int = 0
    timed_out: int = 0
    held_ns: int = 0

    def answer(self, how: str, held_ns: int) -> None:
        """Count an answer; ``how``: accepted, rejected or timed_out, after ``held_ns``."""
        setattr(self, how, getattr(self, how) + 1)
        self.held_ns += held_ns


@dataclass
class Request:
    """A client's request. ``side`` 0 asks for both sides."""

    number: int
    client: str
    makers: tuple[str, ...]
    legs: tuple[Leg, ...]
    side: int
    quantity: int
    until_ns: int
    state: str = OPEN
    quotes: dict[int, Quote] = field(default_factory=dict)
    passed: set[str] = field(default_factory=set)
    """Makers that will not quote."""
    pending: tuple[int, int, int, int] | None = None
    """(quote, side, price, asked at): waits for the maker's consent."""
    questions: int = 0
    """How often a maker's consent was asked for: the number of what waits."""
    trade: Trade | None = None
    outcome: Outcome | None = None
    """Outcome of the trade; None until the venue answers."""


def sum_of(legs: Sequence[Leg], prices: Sequence[int]) -> int:
    """Return what one unit of a request costs at these prices of its legs, if all count in one
    unit."""
    return sum(leg.ratio * price for leg, price in zip(legs, prices, strict=True))


class Desk:
    """``keep`` gets each command before it has an effect; ``trade`` gets each trade once, in a
    replay too, so that who books them has to know their requests."""

    def __init__(
        self,
        makers: Sequence[str],
        keep: Callable[[Command], None] = lambda command: None,
        trade: Callable[[Trade], None] = lambda trade: None,
        last_look_ns: int = 200_000_000,
        value: Callable[[Sequence[Leg], Sequence[int]], int] = sum_of,
    ) -> None:
        """``value``: what one unit of a request of several legs costs at these prices of its
        legs, in the unit of its quotes' prices."""
        self.makers = tuple(makers)
        self.requests: dict[int, Request] = {}
        self._open: dict[int, Request] = {}
        self._of: dict[str, dict[int, Request]] = {}
        """Requests that each party may see, the oldest first."""
        self._over: dict[str, deque[int]] = {}
        """Those of each client that are over, in that order."""
        self._open_of: dict[str, dict[int, Request]] = {}
        """The requests among them that are open."""
        self.open_counts: Counter[str] = Counter()
        """Open requests of each client."""
        self._due: list[tuple[int, int]] = []
        """A heap of times and requests.  Each open request is there at the latest when time alone
        changes it; one that is there too early is put where it belongs."""
        self.looks = {maker: LastLook() for maker in makers}
        self.now_ns = 0
        self._unsettled: set[int] = set()
        self.touched: set[int] = set()
        """Requests that have changed since this was last emptied."""
        self._keep, self._trade, self._last_look_ns = keep, trade, last_look_ns
        self._value = value
        self._quotes = self._numbers = 0

    def replay(self, commands: Iterable[Command]) -> None:
        """Become the desk that these commands made."""
        keep, self._keep = self._keep, lambda command: None
        for command in commands:
            self.do(**command)
        self._keep = keep

    def do(self, what: str, by: str, at_ns: int, **terms: Any) -> int:
        """A command of a participant; returns the number of what it made, or 0.

        Raises :class:`Refusal`; then nothing has changed but that time has passed."""
        if at_ns < self.now_ns:
            raise Refusal(f"time went back from {self.now_ns} to {at_ns}")
        command = {"what": what, "by": by, "at_ns": at_ns, **terms}
        handler = HANDLERS.get(what)
        if handler is None:
            raise Refusal(f"there is no command {what!r}")
        probe: list[int] = []
        self._pass(at_ns, probe)
        self.touched.update(probe)
        try:
            effect = handler(self, by, **terms)
        except Refusal:
            # The time that passed is kept only with a command that is.
            if probe:
                self._keep({"what": "time", "by": "", "at_ns": at_ns})
            raise
        self._keep(command)
        number = effect()
        self.touched.add(terms.get("request") or number)
        return number

    def _pass(self, at_ns: int, changed: list[int]) -> None:
        """Let time pass: what is over expires, and a last look that was not answered is a no."""
        self.now_ns = at_ns
        while (request := self._first_due(at_ns)) is not None:
            if request.pending:
                maker = request.quotes[request.pending[0]].maker
                self.looks[maker].answer("timed_out", self._last_look_ns)
                self._refuse_pending(request)
            else:
                self._close(request, EXPIRED)
            changed.append(request.number)

    def _first_due(self, now_ns: int) -> Request | None:
        """A request that time alone changes by now."""
        due = self._due
        while due and due[0][0] < now_ns:
            request = self._open.get(due[0][1])
            if request is None:
                heapq.heappop(due)
                continue
            at_ns = self._due_ns(request)
            if at_ns < now_ns:
                return request
            heapq.heapreplace(due, (at_ns, request.number))
        return None

    def _due_ns(self, request: Request) -> int:
        if request.pending:
            return request.pending[3] + self._last_look_ns
        return request.until_ns

    def _watch(self, request: Request) -> None:
        """Watch a request whose time has changed."""
        heapq.heappush(self._due, (self._due_ns(request), request.number))

    @property
    def trades(self) -> list[Trade]:
        """The trades of the requests that are known."""
        return [request.trade for request in self.requests.values() if request.trade is not None]

    @property
    def last_look_ns(self) -> int:
        return self._last_look_ns

    def is_due(self, now_ns: int) -> bool:
        """Return whether time alone changes a request by now."""
        return self._first_due(now_ns) is not None

    def unsettled(self) -> list[Request]:
        """Traded, and the venue has not answered yet."""
        return [self.requests[number] for number in sorted(self._unsettled)]

    def open_requests(self) -> Iterable[Request]:
        """Return the requests that may still trade."""
        return self._open.values()

    def requests_of(self, party: str) -> Iterator[Request]:
        """Return the requests that a party has sent or received, the newest first."""
        return reversed(self._of.get(party, {}).values())

    def open_of(self, party: str) -> Iterator[Request]:
        """Like :meth:`requests_of`, for those that may still trade."""
        return reversed(self._open_of.get(party, {}).values())

    def _refuse_pending(self, request: Request) -> None:
        assert request.pending is not None
        number = request.pending[0]
        request.quotes[number] = replace(request.quotes[number], is_live=False)
        request.pending, request.state = None, OPEN
        self._watch(request)

    def _request(
        self,
        by: str,
        legs: Sequence[Sequence[Any]],
        side: int,
        quantity: int,
        until_ns: int,
        makers: Sequence[str] = (),
    ) -> Callable[[], int]:
        chosen = tuple(dict.fromkeys(makers)) or self.makers
        own = tuple(Leg(*leg) for leg in legs)
        if not 1 <= len(own) <= MAX_LEGS or any(leg.ratio == 0 for leg in own):
            raise Refusal(f"a request has 1 to {MAX_LEGS} legs, each with a ratio")
        if side not in (BUY, SELL, 0) or quantity <= 0 or until_ns <= self.now_ns:
            raise Refusal("a request needs a side or 0, a quantity and a later end")
        if not set(chosen) <= set(self.makers) - {by}:
            raise Refusal("a request must name makers, and not its client")
        if len(self._open) >= MAX_OPEN:
            raise Refusal(f"{MAX_OPEN:,} requests are open")

        def effect() -> int:
            self._numbers += 1
            number = self._numbers
            request = Request(number, by, chosen, own, side, quantity, until_ns)
            self.requests[number] = self._open[number] = request
            for party in (by, *chosen):
                self._of.setdefault(party, {})[number] = request
                self._open_of.setdefault(party, {})[number] = request
            self.open_counts[by] += 1
            self._watch(request)
            return number

        return effect

    def _quote(
        self,
        by: str,
        request: int,
        bid: int | None = None,
        ask: int | None = None,
        quantity: int = 0,
        is_firm: bool = True,
        has_last_look: bool = False,
        until_ns: int = 0,
        bids: Sequence[int] = (),
        asks: Sequence[int] = (),
    ) -> Callable[[], int]:
        """``bids`` and ``asks``: of a request of several legs the price of each, whose value
        together is ``bid`` and ``ask``."""
        one = self._asked(by, request)
        if one.state != OPEN:
            raise Refusal(f"request {request} is {one.state}")
        until_ns = until_ns or one.until_ns
        if until_ns <= self.now_ns:
            raise Refusal("a quote needs a later end")
        if bid is not None and ask is not None and bid > ask:
            raise Refusal(f"bid {bid} is above ask {ask}")
        needed = {BUY: [ask], SELL: [bid], 0: [bid, ask]}[one.side]
        if None in needed or not 0 <= quantity <= one.quantity:
            raise Refusal(
                "a quote must have each requested side, and at most the requested quantity"
            )
        legs = len(one.legs) if len(one.legs) > 1 else 0
        for price, prices in ((bid, bids), (ask, asks)):
            if len(prices) != (0 if price is None else legs):
                raise Refusal(f"request {request} has {len(one.legs)} legs, each with its price")
            self._require_sum(one, price, prices)

        def effect() -> int:
            for number, old in one.quotes.items():
                if old.maker == by:
                    one.quotes[number] = replace(old, is_live=False)
            self._quotes += 1
            one.quotes[self._quotes] = Quote(
                self._quotes,
                request,
                by,
                bid,
                ask,
                quantity or one.quantity,
                is_firm,
                has_last_look,
                until_ns,
                self.now_ns,
                bids=tuple(bids),
                asks=tuple(asks),
            )
            return self._quotes

        return effect

    def _require_sum(self, request: Request, price: int | None, prices: Sequence[int]) -> None:
        """Raise :class:`Refusal` where the prices of the legs do not come to the quoted price: they
        are what is traded and paid."""
        if price is None or not prices:
            return
        total = self._value(request.legs, prices)
        if total != price:
            raise Refusal(f"request {request.number}: the legs come to {total}, not to {price}")

    def _asked(self, maker: str, number: int) -> Request:
        """A request that a maker was asked; the others do not exist for it."""
        request = self.requests.get(number)
        if request is None or maker not in request.makers:
            raise Refusal(f"no request {number}")
        return request

    def _own(self, client: str, number: int, *states: str) -> Request:
        request = self.requests.get(number)
        if request is None or request.client != client:
            raise Refusal(f"no request {number}")
        if request.state not in states:
            raise Refusal(f"request {number} is {request.state}")
        return request

    def _live(self, request: Request, number: int) -> Quote:
        quote = request.quotes.get(number)
        if quote is None or not quote.is_live or self.now_ns > quote.until_ns:
            raise Refusal(f"quote {number} is not live")
        return quote

    def _accept(self, by: str, request: int, quote: int, side: int) -> Callable[[], int]:
        """A firm quote trades now; a maker with last look, or of an indicative quote, is asked."""
        one = self._own(by, request, OPEN)
        chosen = self._live(one, quote)
        price = chosen.ask if side == BUY else chosen.bid
        if price is None or side not in (BUY, SELL) or one.side not in (side, 0):
            raise Refusal(f"quote {quote} has no such side")
        self._require_sum(one, price, chosen.asks if side == BUY else chosen.bids)

        def effect() -> int:
            if chosen.is_firm and not chosen.has_last_look:
                return self._done(one, chosen, side, price)
            return self._ask_maker(one, chosen, side, price)

        return effect

    def _ask_maker(self, request: Request, quote: Quote, side: int, price: int) -> int:
        request.pending, request.state = (quote.number, side, price, self.now_ns), PENDING
        request.questions += 1
        self.looks[quote.maker].asked += 1
        self._watch(request)
        return 0

    def _counter(
        self, by: str, request: int, quote: int, side: int, price: int
    ) -> Callable[[], int]:
        """The client's own price: binding until the maker answers or its time is over."""
        one = self._own(by, request, OPEN)
        chosen = self._live(one, quote)
        if side not in (BUY, SELL) or one.side not in (side, 0):
            raise Refusal(f"request {request} is not for that side")
        if len(one.legs) > 1:
            raise Refusal(f"request {request} has several legs: no price can be offered for them")

        def effect() -> int:
            one.quotes[quote] = replace(chosen, counter=price)
            return self._ask_maker(one, chosen, side, price)

        return effect

    def _answer(self, by: str, request: int, accept: bool, question: int = 0) -> Callable[[], int]:
        """A maker's consent, or not, to what waits for it.  ``question``: its number (0: any), so
        that a late answer does not count for other terms."""
        one = self._asked(by, request)
        if one.pending is None or one.quotes[one.pending[0]].maker != by:
            raise Refusal(f"request {request} is not waiting for {by}")
        if question not in (0, one.questions):
            raise Refusal(f"question {question} of request {request} is over")
        quote, side, price, asked_ns = one.pending

        def effect() -> int:
            self.looks[by].answer("accepted" if accept else "rejected", self.now_ns - asked_ns)
            if accept:
                return self._done(one, one.quotes[quote], side, price)
            self._refuse_pending(one)
            return 0

        return effect

    def _done(self, request: Request, quote: Quote, side: int, price: int) -> int:
        assert request.state in (OPEN, PENDING), "a request trades once"
        request.pending = None
        self._unsettled.add(request.number)
        self._close(request, TRADED)
        legs = tuple(
            (leg.symbol, side if leg.ratio > 0 else -side, quote.quantity * abs(leg.ratio))
            for leg in request.legs
        )
        trade = Trade(
            request.number,
            quote.number,
            request.client,
            quote.maker,
            side,
            quote.quantity,
            price,
            legs,
            self.now_ns,
            (quote.asks if side == BUY else quote.bids) or (price,),
        )
        request.trade = trade
        self._trade(trade)
        return request.number

    def _withdraw(self, by: str, request: int, quote: int) -> Callable[[], int]:
        """A maker cancels its quote, unless it is being asked for its consent."""
        one = self._asked(by, request)
        chosen = self._live(one, quote)
        if chosen.maker != by:
            raise Refusal(f"quote {quote} is not live")
        if one.pending and one.pending[0] == quote:
            raise Refusal(f"quote {quote} waits for an answer")

        def effect() -> int:
            one.quotes[quote] = replace(chosen, is_live=False)
            return 0

        return effect

    def _pass_on(self, by: str, request: int) -> Callable[[], int]:
        """A client that wants none of the quotes, or a maker that will not quote."""
        one = self.requests.get(request)
        if one is not None and one.client == by:
            self._own(by, request, OPEN)
            return lambda: self._close(one, PASSED)
        asked = self._asked(by, request)
        if asked.state != OPEN:
            raise Refusal(f"request {request} is {asked.state}")

        def effect() -> int:
            asked.passed.add(by)
            return 0

        return effect

    def _cancel(self, by: str, request: int) -> Callable[[], int]:
        one = self._own(by, request, OPEN)
        return lambda: self._close(one, CANCELLED)

    def _close(self, request: Request, state: str) -> int:
        request.state, number = state, request.number
        del self._open[number]
        for party in (request.client, *request.makers):
            del self._open_of[party][number]
        self.open_counts[request.client] -= 1
        over = self._over.setdefault(request.client, deque())
        over.append(number)
        if len(over) > MAX_OVER:
            self._forget(over)
        return 0

    def _forget(self, over: deque[int]) -> None:
        """Forget the request of a client that is over for the longest time, and not in progress at
        the venue."""
        number = next((one for one in over if one not in self._unsettled), 0)
        if number:
            over.remove(number)
            request = self.requests.pop(number)
            for party in (request.client, *request.makers):
                del self._of[party][number]

    def _rules(self, by: str, makers: Sequence[str], last_look_ns: int) -> Callable[[], int]:
        """The venue says who makes quotes from now on, and how long a last look may take."""
        if by or last_look_ns <= 0:
            raise Refusal("the venue sets the rules")

        def effect() -> int:
            self.makers, self._last_look_ns = tuple(makers), last_look_ns
            for request in self._open.values():
                if request.pending:
                    self._watch(request)
            for maker in makers:
                self.looks.setdefault(maker, LastLook())
            return 0

        return effect

    def _settled(
        self, by: str, request: int, is_booked: bool, seq: int = 0, why: str = ""
    ) -> Callable[[], int]:
        """The venue says what became of a trade; once."""
        one = self.requests.get(request)
        if by or one is None or one.trade is None or one.outcome is not None:
            raise Refusal(f"request {request} has no trade that waits for the venue")

        def effect() -> int:
            one.outcome = Outcome(is_booked, seq, why)
            self._unsettled.discard(request)
            return 0

        return effect

    def _time(self, by: str) -> Callable[[], int]:
        return lambda: 0

    def ranked(self, client: str, number: int, side: int) -> list[Quote]:
        """The live quotes of an own request for a side, best first."""
        request = self._own(client, number, OPEN, PENDING)
        rows = []
        for quote in request.quotes.values():
            price = quote.ask if side == BUY else quote.bid
            if quote.is_live and price is not None and self.now_ns <= quote.until_ns:
                rows.append((side * price, quote.at_ns, quote.number, quote))
        return [row[-1] for row in sorted(rows)]

    def seen_by(self, maker: str) -> list[tuple[Request, list[Quote]]]:
        """The requests that a maker was asked, without what concerns other makers."""
        return [
            (
                self.seen(request, maker),
                [quote for quote in request.quotes.values() if quote.maker == maker],
            )
            for request in self.requests.values()
            if maker in request.makers
        ]

    def seen(self, one: Request, maker: str) -> Request:
        """A request as a maker may see it: if it is not the one asked or traded with, it is open or
        over."""
        is_asked = one.pending is not None and one.quotes[one.pending[0]].maker == maker
        has_traded = one.trade is not None and one.trade.maker == maker
        state = one.state
        if state == PENDING and not is_asked:
            state = OPEN
        elif state == TRADED and not has_traded:
            state = PASSED
        own = {number: quote for number, quote in one.quotes.items() if quote.maker == maker}
        more: dict[str, Any] = {"client": "", "makers": (maker,), "quotes": own, "state": state}
        more["passed"] = {maker} & one.passed
        more |= {} if is_asked else {"pending": None}
        more |= {} if has_traded else {"trade": None, "outcome": None}
        return replace(one, **more)


HANDLERS: dict[str, Callable[..., Callable[[], int]]] = {
    "request": Desk._request,
    "quote": Desk._quote,
    "accept": Desk._accept,
    "counter": Desk._counter,
    "answer": Desk._answer,
    "withdraw": Desk._withdraw,
    "pass": Desk._pass_on,
    "cancel": Desk._cancel,
    "rules": Desk._rules,
    "settled": Desk._settled,
    "time": Desk._time,
}
