"""Pages of a user's history over all days, the newest first; and how far behind it is."""

from dataclasses import dataclass
from typing import Any

from openoutcry.portal.history.changes import changes_of
from openoutcry.portal.history.projector import order_of
from openoutcry.portal.history.reader import (
    COLUMNS,
    FILLS,
    MS,
    NO_END,
    OF_TRADES,
    History,
    fill_of,
    filled_of,
)
from openoutcry.portal.history.schema import NOT_REFUSED, OPEN, POSITION
from openoutcry.portal.trading.follower import DAY_NS
from openoutcry.portal.trading.orders import Fill, FilledOrder, Order

Place = tuple[int, int]
"""A fill's day and the number of its trade."""
PARTS = 1 << 32
"""More than the transactions of an event: a movement's number is event * PARTS + part."""
LIKE = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


@dataclass(frozen=True)
class Span:
    """A time, in milliseconds, both ends included; 0: without an end."""

    from_ms: int = 0
    until_ms: int = 0

    @property
    def begin_ns(self) -> int:
        """The first nanosecond of the span."""
        return min(self.from_ms * MS, NO_END)

    @property
    def end_ns(self) -> int:
        """The first nanosecond after the span."""
        return min((self.until_ms + 1) * MS, NO_END) if self.until_ms else NO_END


class Pages(History):
    """Pages of the history for the native API."""

    async def position(self) -> dict[str, Any] | None:
        """Return where the history ends: ``seq`` and ``at_ns``; None: it was not begun yet."""
        rows = await self._rows(f"select seq, at_ns from {POSITION}")
        return rows[0] if rows else None

    async def orders_before(
        self,
        participant: int,
        instrument: int | None,
        state: str,
        search: str,
        span: Span,
        before: int,
        most: int,
    ) -> list[Order]:
        """Orders that were not refused; ``before``: with a smaller number, 0: all; ``search``: an
        order's number, or a part of its client's name."""
        conditions = ["participant = %(participant)s", NOT_REFUSED]
        conditions.append("number > 0 and number < %(before)s")
        if instrument is not None:
            conditions.append("instrument = %(instrument)s")
        conditions += await self.created(span.begin_ns, span.end_ns)
        if search:
            conditions.append("(number = %(exact)s or client_id like %(like)s)")
        if state != "all":
            conditions.append(OPEN if state == "open" else f"not {OPEN}")
        query = f"""
            select {COLUMNS} from history.orders where {" and ".join(conditions)}
            order by number desc limit %(most)s
        """
        found = await self._rows(
            query,
            participant=participant,
            instrument=instrument,
            before=before or NO_END,
            exact=int(search) if search.isdecimal() and int(search) < NO_END else 0,
            like=f"%{search.translate(LIKE)}%",
            most=most,
        )
        orders = [order_of(row) for row in found]
        await self.lists_of(orders)
        return orders

    async def changes(self, participant: int, number: int) -> list[dict[str, Any]]:
        """Return every change of an order of the participant, in order."""
        order = await self._days_of(participant, number)
        if order is None:
            return []
        query = """
            select *, %(instrument)s::integer as instrument from history.order_changes
            where number = %(number)s and day between %(first_day)s and %(last_day)s
            order by event_seq
        """
        rows = await self._rows(query, number=number, **order)
        return [change for row in rows for change in changes_of(row)]

    async def _days_of(self, participant: int, number: int) -> dict[str, int] | None:
        """An order's instrument, and the days between which its rows are; the venue's clock may
        have been set by up to a day meanwhile.  None: it was refused, or is another's."""
        query = f"""
            select instrument, created_ns, updated_ns from history.orders
            where number = %(number)s and participant = %(participant)s and {NOT_REFUSED}
        """
        rows = await self._rows(query, number=number, participant=participant)
        if not rows:
            return None
        order = rows[0]
        first, last = sorted(order[name] // DAY_NS for name in ("created_ns", "updated_ns"))
        return {"instrument": order["instrument"], "first_day": first - 1, "last_day": last + 1}

    async def fills_before(
        self,
        participant: int,
        instrument: int | None,
        number: int,
        span: Span,
        before: Place | None,
        most: int,
    ) -> list[tuple[FilledOrder, Fill, Place]]:
        """Return fills by days and the numbers of their trades, each with its place; ``before``: of
        a smaller place; ``number``: of one order, 0: of all."""
        days = {"first_day": span.begin_ns // DAY_NS, "last_day": (span.end_ns - 1) // DAY_NS}
        conditions, trades = ["participant = %(participant)s"], None
        if number:
            order = await self._days_of(participant, number)
            if order is None:
                return []
            days["first_day"] = max(days["first_day"], order["first_day"])
            days["last_day"] = min(days["last_day"], order["last_day"])
            conditions.append("number = %(number)s")
            trades = await self.trades_of(number, **days)
        if trades is not None:
            conditions.append(OF_TRADES)
        if instrument is not None:
            conditions.append("instrument = %(instrument)s")
        if before is not None:
            days["last_day"] = min(days["last_day"], before[0])
            conditions.append("(day, trade) < (%(before_day)s, %(before_trade)s)")
        if span.from_ms or span.until_ms:
            conditions.append("at_ns >= %(begin)s and at_ns < %(end)s")
        conditions.append("day >= %(first_day)s and day <= %(last_day)s")
        before_day, before_trade = before or (0, 0)
        rows = await self._rows(
            FILLS.format(conditions=" and ".join(conditions), way="desc"),
            participant=participant,
            instrument=instrument,
            number=number,
            trades=trades,
            before_day=before_day,
            before_trade=before_trade,
            begin=span.begin_ns,
            end=span.end_ns,
            most=most,
            **days,
        )
        rows.sort(key=lambda row: (row["day"], row["trade"], row["number"]), reverse=True)
        return [(filled_of(row), fill_of(row), (row["day"], row["trade"])) for row in rows]

    async def movements_before(
        self, participant: int, asset: str, kind: str, before: int, most: int
    ) -> list[dict[str, Any]]:
        """Steps of deposits, withdrawals and transfers."""
        event, part = divmod(before or NO_END, PARTS)
        query = """
            select * from history.movements
            where participant = %(participant)s and (event_seq, part) < (%(event)s, %(part)s)
              and (%(asset)s = '' or asset = %(asset)s) and (%(kind)s = '' or kind = %(kind)s)
            order by event_seq desc, part desc limit %(most)s
        """
        values = {"participant": participant, "asset": asset, "kind": kind}
        return await self._rows(query, event=event, part=part, most=most, **values)

    async def balances(self, participant: int, first: int, last: int) -> list[dict[str, Any]]:
        """Return balances at the ends of days on which they had changed."""
        query = """
            select day, asset, available, reserved from history.balances
            where participant = %(participant)s and day between %(first)s and %(last)s
            order by day, asset
        """
        return await self._rows(query, participant=participant, first=first, last=last)

    async def fees(self, participant: int, first: int, last: int) -> list[dict[str, Any]]:
        """Fees of a participant by day, instrument and asset, in units of the asset.

        ``first``, ``last``: days since 1970, both included."""
        query = """
            select day, instrument, asset, fee_units from history.fees
            where participant = %(participant)s
              and day between date '1970-01-01' + %(first)s::integer
              and date '1970-01-01' + %(last)s::integer
            order by day, instrument, asset
        """
        return await self._rows(query, participant=participant, first=first, last=last)
