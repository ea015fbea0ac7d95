"""The routes of ``/v1/history``: what a user has done on all days."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from openoutcry.client import portal_models as models
from openoutcry.portal.accounts.errors import InvalidRequest, NotFound
from openoutcry.portal.history.pages import PARTS, Pages, Span
from openoutcry.portal.native.callers import Callers
from openoutcry.portal.native.orders import STATES, NativeOrders
from openoutcry.portal.native.pages import DEFAULT, number_of, page_of
from openoutcry.portal.native.routes import limit_type
from openoutcry.portal.spot.signing import now_ms
from openoutcry.portal.trading.instruments import text_of

EPOCH = date(1970, 1, 1)
LAST_DAY = 2_932_896
"""The 31st of December 9999."""
TRADES = 1 << 48
"""More than numbers of trades: a fill's cursor is day * TRADES + trade."""
MOVEMENTS = ("", "deposit", "withdrawal", "transfer")
HISTORY: list[Any] = ["history"]


def day_of(text: str, name: str, otherwise: int) -> int:
    """A date of ISO 8601 as its number since 1970.  Raises :class:`InvalidRequest`."""
    if not text:
        return otherwise
    try:
        day = (date.fromisoformat(text) - EPOCH).days
    except ValueError:
        raise InvalidRequest(f"{name}: a date, as 2026-11-26") from None
    if not 0 <= day <= LAST_DAY:
        raise InvalidRequest(f"{name}: a date from 1970 on")
    return day


def span_of(from_ms: int, until_ms: int) -> Span:
    """Raises :class:`InvalidRequest`."""
    if from_ms < 0 or until_ms < 0:
        raise InvalidRequest("from_ms, until_ms: milliseconds since 1970")
    return Span(from_ms, until_ms)


@dataclass
class NativeHistory:
    """Parts of the routes."""

    callers: Callers
    orders: NativeOrders
    pages: Pages

    def index(self, symbol: str) -> int | None:
        """Return an instrument's index; None without a symbol."""
        return self.orders.market(symbol).index if symbol else None

    async def state(self) -> models.HistoryState:
        """Return how far the history is, and by how many commands and milliseconds the mirror is
        ahead."""
        at, mirror = await self.pages.position(), self.orders.mirror
        seq, at_ns = (int(at["seq"]), int(at["at_ns"])) if at else (0, 0)
        behind = max(0, mirror.seq - seq)
        behind_ms = max(0, (mirror.time_ns - at_ns) // 1_000_000) if behind and at_ns else 0
        return models.HistoryState(seq, at_ns // 1_000_000, mirror.seq, behind, behind_ms)

    def text(self, asset: str, units: Any) -> str:
        """An amount in whole units as decimal text; without decimals for an asset of no market."""
        return text_of(int(units), self.orders.mirror.markets.decimals(asset))


def add_history(app: Any, history: NativeHistory) -> None:
    """Add every route to an application of FastAPI."""
    asking_type, limited = history.callers.parameter(), limit_type()
    _add_orders(app, history, asking_type, limited)
    _add_fills(app, history, asking_type, limited)
    _add_money(app, history, asking_type, limited)


def _add_orders(app: Any, history: NativeHistory, asking_type: Any, limited: Any) -> None:
    orders, pages = history.orders, history.pages

    @app.get("/v1/history", response_model=models.HistoryState, tags=HISTORY)
    async def history_state(asking: asking_type) -> Any:
        return await history.state()

    @app.get("/v1/history/orders", response_model=models.OrderPage, tags=HISTORY)
    async def past_orders(
        asking: asking_type,
        symbol: str = "",
        state: str = "all",
        search: str = "",
        from_ms: int = 0,
        until_ms: int = 0,
        cursor: str = "",
        limit: limited = DEFAULT,
    ) -> Any:
        asking.require_participant()
        if state not in ("all", "open", "closed"):
            raise InvalidRequest("state: open, closed or all")
        if len(search) > 36:
            raise InvalidRequest("search: 36 characters at most")
        chosen = history.index(symbol), state, search, span_of(from_ms, until_ms)
        before = number_of("ho", cursor)
        rows = await pages.orders_before(asking.participant, *chosen, before, limit + 1)
        found, following = page_of("ho", rows, limit, lambda order: order.number)
        return models.OrderPage([orders.row(order) for order in found], following)

    changes_type = list[models.OrderChange]

    @app.get("/v1/history/orders/{number}", response_model=changes_type, tags=HISTORY)
    async def order_changes(asking: asking_type, number: int) -> Any:
        asking.require_participant()
        if not 0 < number < 2**62:
            raise NotFound("there is no such order")
        rows = await pages.changes(asking.participant, number)
        if not rows:
            raise NotFound("there is no such order")
        return [_change(history, row) for row in rows]


def _add_fills(app: Any, history: NativeHistory, asking_type: Any, limited: Any) -> None:
    orders, pages = history.orders, history.pages

    @app.get("/v1/history/fills", response_model=models.FillPage, tags=HISTORY)
    async def past_fills(
        asking: asking_type,
        symbol: str = "",
        order: int = 0,
        from_ms: int = 0,
        until_ms: int = 0,
        cursor: str = "",
        limit: limited = DEFAULT,
    ) -> Any:
        asking.require_participant()
        if not 0 <= order < 2**62:
            raise InvalidRequest("order: the number of an order")
        chosen = history.index(symbol), order, span_of(from_ms, until_ms)
        place = number_of("hp", cursor)
        before = divmod(place, TRADES) if place else None
        # Both sides of a trade with oneself have one number: a page ends between two numbers.
        rows = await pages.fills_before(asking.participant, *chosen, before, limit + 2)
        most = limit
        if len(rows) > limit and rows[limit - 1][2] == rows[limit][2]:
            most = limit + 1
        found, following = page_of("hp", rows, most, lambda row: row[2][0] * TRADES + row[2][1])
        return models.FillPage([orders.fill_row(*row[:2]) for row in found], following)


def _change(history: NativeHistory, row: dict[str, Any]) -> models.OrderChange:
    market = history.orders.mirror.markets.by_index[row["instrument"]]
    return models.OrderChange(
        row["event_seq"],
        row["execution"].lower(),
        STATES[row["state"]],
        market.price(row["price_ticks"]),
        market.quantity(row["lots"]),
        market.quantity(row["executed_lots"]),
        row["client_id"],
        row["at_ns"] // 1_000_000,
        row["seq"],
    )


def _add_money(app: Any, history: NativeHistory, asking_type: Any, limited: Any) -> None:
    from fastapi import Query

    pages = history.pages

    @app.get("/v1/history/movements", response_model=models.MovementPage, tags=HISTORY)
    async def movements(
        asking: asking_type,
        asset: str = "",
        kind: str = "",
        cursor: str = "",
        limit: limited = DEFAULT,
    ) -> Any:
        asking.require_participant()
        if kind not in MOVEMENTS:
            raise InvalidRequest("kind: deposit, withdrawal or transfer")
        before = number_of("hm", cursor)
        rows = await pages.movements_before(asking.participant, asset, kind, before, limit + 1)
        found, following = page_of("hm", rows, limit, place_of)
        return models.MovementPage([_movement(history, row) for row in found], following)

    days_type = list[models.DayBalance]

    @app.get("/v1/history/balances", response_model=days_type, tags=HISTORY)
    async def day_balances(
        asking: asking_type,
        since: str = Query("", alias="from"),
        until: str = "",
    ) -> Any:
        asking.require_participant()
        days = day_of(since, "from", 0), day_of(until, "until", LAST_DAY)
        rows = await pages.balances(asking.participant, *days)
        return [
            models.DayBalance(
                EPOCH + timedelta(days=row["day"]),
                row["asset"],
                history.text(row["asset"], row["available"]),
                history.text(row["asset"], row["reserved"]),
            )
            for row in rows
        ]

    @app.get("/v1/history/fees", response_model=list[models.DayFee], tags=HISTORY)
    async def day_fees(
        asking: asking_type,
        since: str = Query("", alias="from"),
        until: str = "",
    ) -> Any:
        asking.require_participant()
        days = day_of(since, "from", 0), day_of(until, "until", LAST_DAY)
        rows = await pages.fees(asking.participant, *days)
        return [
            models.DayFee(
                row["day"],
                row["instrument"],
                row["asset"],
                history.text(row["asset"], row["fee_units"]),
            )
            for row in rows
        ]


def place_of(row: dict[str, Any]) -> int:
    """Return a movement's place among all, for cursors."""
    return int(row["event_seq"]) * PARTS + int(row["part"])


def _movement(history: NativeHistory, row: dict[str, Any]) -> models.Movement:
    asset = row["asset"]
    return models.Movement(
        f"{row['event_seq']}-{row['part']}",
        row["number"],
        row["kind"],
        row["step"],
        asset,
        history.text(asset, row["amount"]),
        history.text(asset, row["available"]),
        history.text(asset, row["reserved"]),
        row["at_ns"] // 1_000_000,
        row["seq"],
    )


def today() -> int:
    """Days since 1970, UTC."""
    return now_ms() // 86_400_000
