"""The participants' page and its API: each request acts for the session that is logged in, and
names no other."""

import asyncio
import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from openoutcry.client import price4
from openoutcry.console.accounts import LockedError
from openoutcry.console.gate import Gate
from openoutcry.console.live import add_live
from openoutcry.console.market import EVERY_S
from openoutcry.console.participants import MAX_LOTS, money_of
from openoutcry.console.requests import StrictBool, StrictInt
from openoutcry.console.screen.orders import Order
from openoutcry.console.screen.rules import LIMIT, PRICE, Rule, RuleError
from openoutcry.console.screen.screen import Screen
from openoutcry.console.screen.trader import Busy, Conflict, TradeError
from openoutcry.console.screen.traders import require_traded
from openoutcry.console.server import empty_app
from openoutcry.operations.connection_limits import LOGINS
from openoutcry.operations.web_server import LOOPBACK
from openoutcry.risk.contract_layout import MAX_PRICE
from openoutcry.venue.operators import OperatorError
from openoutcry.wire import OutcryError
from openoutcry.wire.load_limits import Turns, TurnsError
from openoutcry.wire.peers import owner_of
from openoutcry.wire.symbols import MAX_SYMBOL

COOKIE = "outcry_screen"
STATUS = (
    (LockedError, 429),
    (TurnsError, 429),
    (OperatorError, 403),
    (Busy, 503),
    (Conflict, 409),
    (OutcryError, 422),
)
REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {},
    403: {},
    409: {"description": "The token belongs to another order"},
    422: {"description": "The venue rejected the request, or it is malformed"},
    429: {},
    503: {"description": "The venue is not available"},
}
PRICE_TEXT = re.compile(r"\d{1,7}(\.\d{1,4})?")
STRICT: dict[str, str] = {"extra": "forbid"}


@dataclass
class Login:
    """``name``: of a session in the venue file."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT  # type: ignore[misc]
    name: str
    password: str


@dataclass
class Enter:
    """``token``: 1 to 14 capital letters and digits that the day has not seen; sent again with the
    same terms it is not entered again.

    ``price``: text with up to four decimals; none: a market order, immediate or cancel."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT  # type: ignore[misc]
    token: str
    side: Literal["buy", "sell"]
    symbol: str
    qty_lots: StrictInt
    price: str | None = None
    tif: Literal["day", "ioc"] = "day"
    display: Literal["shown", "hidden", "post-only"] = "shown"


@dataclass
class Replace:
    """``open_lots``: what is to be open then."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT  # type: ignore[misc]
    token: str
    new_token: str
    open_lots: StrictInt
    price: str


@dataclass
class Cancel:
    """``token``: of an open order."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT  # type: ignore[misc]
    token: str


@dataclass
class NewRule:
    """``price`` and ``above`` of a price, ``limit`` and ``percent`` of a limit."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT  # type: ignore[misc]
    kind: Literal["fill", "price", "limit"]
    symbol: str = ""
    above: StrictBool = True
    price: str = ""
    limit: str = ""
    percent: StrictInt = 0
    mail: str = ""
    webhook: str = ""


@dataclass
class OfRule:
    """``number``: as the list of rules has it."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT  # type: ignore[misc]
    number: str


def price_of(text: str) -> int:
    """Ten-thousandths.  Raises :class:`TradeError`."""
    if not PRICE_TEXT.fullmatch(text) or not text.isascii():
        raise TradeError("price: write digits with up to four decimals")
    try:
        return price4(text)
    except ValueError as error:
        raise TradeError(str(error)) from None


def make_screen(screen: Screen, secure: bool = False, hosts: tuple[str, ...] = LOOPBACK) -> Any:
    """The application, with its gate around it."""
    app = empty_app("Open Outcry screen", "screen.html", STATUS)
    _add_login(app, screen, secure)
    _add_reading(app, screen)
    _add_orders(app, screen)
    _add_rules(app, screen)
    add_live(app, screen.accounts, screen.message)
    return Gate(app, screen.accounts, secure, hosts, COOKIE)


def _add_login(app: Any, screen: Screen, secure: bool) -> None:
    from fastapi import Request
    from fastapi.responses import JSONResponse

    turns = Turns(*LOGINS)

    def who(session: Any) -> dict[str, Any]:
        known = {"name": session.name, "csrf": session.csrf}
        return known | {"money": money_of(screen.file)}

    @app.get("/api/hello")
    async def hello(request: Request) -> dict[str, Any]:
        """Return this venue's name, and the session that is logged in, if there is one."""
        session = request.scope["outcry"]["session"]
        return {"venue": screen.file.shown_name, "me": who(session) if session else None}

    @app.post("/api/login", responses=REFUSALS)
    async def login(body: Login, request: Request) -> JSONResponse:
        """Log in at the venue, as a session of the participant's; the cookie is not for scripts."""
        mine = request.scope["outcry"]
        screen.accounts.end(mine["cookie"])
        async with turns.turn(owner_of(mine["address"])) as turn:
            turn.has_failed = True
            cookie, session = await asyncio.to_thread(
                screen.log_in, body.name, body.password, mine["address"]
            )
            turn.has_failed = False
        answer = JSONResponse({"venue": screen.file.shown_name, "me": who(session)})
        answer.set_cookie(COOKIE, cookie, httponly=True, samesite="strict", secure=secure, path="/")
        return answer

    @app.post("/api/logout")
    async def logout(request: Request) -> JSONResponse:
        """End this page's session; the last one logs out at the venue, and orders stay."""
        mine = request.scope["outcry"]
        await asyncio.to_thread(screen.log_out, mine["cookie"], mine["session"])
        answer = JSONResponse({})
        answer.delete_cookie(COOKIE, path="/")
        return answer


def _add_reading(app: Any, screen: Screen) -> None:
    from fastapi import Query, Request

    @app.get("/api/own")
    def read_own(request: Request) -> dict[str, Any]:
        """Orders, fills, positions, money and limits; the state of the connection to the venue."""
        return screen.own(request.scope["outcry"]["session"])

    @app.get("/api/instruments")
    def read_instruments() -> list[dict[str, Any]]:
        """Return the instruments, their phases, and whether they are halted."""
        return screen.holdings.instruments()

    @app.get("/api/margin", responses=REFUSALS)
    def read_margin(
        request: Request,
        symbol: Annotated[str, Query(max_length=MAX_SYMBOL)] = "",
        lots: Annotated[int, Query(ge=-MAX_LOTS, le=MAX_LOTS)] = 0,
        price_ticks: Annotated[int | None, Query(ge=-MAX_PRICE, le=MAX_PRICE)] = None,
    ) -> dict[str, Any]:
        """Return what the participant's scenario margin is made of; with a symbol and lots (below
        0: a sale) also what that order would need."""
        return screen.margin(request.scope["outcry"]["session"], symbol, lots, price_ticks)

    @app.get("/api/notices")
    def read_notices(
        request: Request, since: Annotated[int, Query(ge=0, le=1 << 53)] = 0
    ) -> list[dict[str, Any]]:
        """The notices of this session's pages."""
        return screen.notices(request.scope["outcry"]["session"].name, since)

    @app.get("/api/market")
    def read_market(
        symbol: Annotated[str, Query(max_length=MAX_SYMBOL)],
        since: Annotated[int, Query(ge=0, le=1 << 53)] = 0,
    ) -> dict[str, Any]:
        """Book, statistics and trades, as published.  Prices have four decimals."""
        return screen.market.view(symbol, since)

    @app.get("/api/candles")
    def read_candles(
        symbol: Annotated[str, Query(max_length=MAX_SYMBOL)],
        every_s: Annotated[int, Query(ge=1, le=900)] = 60,
    ) -> list[list[int]]:
        """Candles of 1, 5, 15, 60, 300 or 900 seconds (the next shorter is taken)."""
        return screen.market.candles(symbol, max(one for one in EVERY_S if one <= every_s))


def _add_orders(app: Any, screen: Screen) -> None:
    from fastapi import Request

    def mine(request: Request) -> Any:
        return screen.trader(request.scope["outcry"]["session"])

    @app.post("/api/orders", responses=REFUSALS)
    def enter(body: Enter, request: Request) -> dict[str, Any]:
        """Enter an order; /api/own and the WebSocket report what becomes of it."""
        require_traded(screen.file, body.symbol)
        price = price_of(body.price) if body.price is not None else None
        tif = body.tif if price is not None else "ioc"
        order = Order(
            body.token,
            "B" if body.side == "buy" else "S",
            body.symbol,
            body.qty_lots,
            tif=tif,
            display=body.display,
        )
        return dict(mine(request).enter(order, price))

    @app.post("/api/replace", responses=REFUSALS)
    def replace(body: Replace, request: Request) -> dict[str, Any]:
        """Replace price and open quantity, under a new token."""
        price = price_of(body.price)
        return dict(mine(request).replace(body.token, body.new_token, body.open_lots, price))

    @app.post("/api/cancel", responses=REFUSALS)
    def cancel(body: Cancel, request: Request) -> dict[str, Any]:
        """Take an open order out of the book."""
        return dict(mine(request).cancel(body.token))

    @app.post("/api/cancel-all", responses=REFUSALS)
    def cancel_all(request: Request) -> dict[str, Any]:
        """Every open order of this session."""
        return {"cancelled": mine(request).cancel_all()}


def _add_rules(app: Any, screen: Screen) -> None:
    from fastapi import Request

    def name(request: Request) -> str:
        return str(request.scope["outcry"]["session"].name)

    @app.get("/api/rules")
    def read_rules(request: Request) -> list[dict[str, Any]]:
        """Return the rules of this session's notices."""
        return screen.rules.of(name(request))

    @app.post("/api/rules", responses=REFUSALS)
    def add_rule(body: NewRule, request: Request) -> dict[str, Any]:
        """Ask for notices of fills, of a price, or of how much of a limit is used."""
        if (body.symbol or body.kind == PRICE) and body.symbol not in screen.holdings.symbols:
            raise RuleError("there is no such instrument")
        rule = Rule(body.kind, body.symbol, mail=body.mail, webhook=body.webhook)
        if body.kind == PRICE:
            rule.above, rule.price = body.above, price_of(body.price)
        if body.kind == LIMIT:
            known = screen.own(request.scope["outcry"]["session"]).get("holdings") or {}
            limits = (known.get("account") or {}).get("limits", [])
            key = (body.limit, body.symbol)
            if key not in [
                (row["limit"], row["instrument"]) for row in limits if row["used"] is not None
            ]:
                raise RuleError("limit: there is no counted limit with this name")
            if not 1 <= body.percent <= 100:
                raise RuleError("percent: 1 to 100")
            rule.limit, rule.percent = body.limit, body.percent
        return {"number": screen.rules.add(name(request), rule)}

    @app.post("/api/rules/remove", responses=REFUSALS)
    def remove_rule(body: OfRule, request: Request) -> dict[str, Any]:
        """End the notices of a rule."""
        screen.rules.remove(name(request), body.number)
        return {}
