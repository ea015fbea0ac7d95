"""Pages of a user's history over all days, the newest first; and how far behind it is."""

from dataclasses import dataclass
from typing import Any

from openoutcry.portal.history.projector import order_of
from openoutcry.portal.history.reader import COLUMNS, FILLS, MS, History, fill_of
from openoutcry.portal.trading.orders import OPEN_STATES, REJECTED, Fill, Order

PARTS = 1 << 32
"""More than the transactions of an event: a movement's number is event * PARTS + part."""
NO_END = 2**63 - 1
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
        """Where the history ends: ``seq`` and ``at_ns``; None: it was not begun yet."""
        rows = await self._rows("select seq, at_ns from history.position")
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
        query = f"""
            select {COLUMNS} from history.orders
            where participant = %(participant)s and state <> %(rejected)s
              and (%(instrument)s::integer is null or instrument = %(instrument)s)
              and number > 0 and number < %(before)s
              and created_ns >= %(begin)s and created_ns < %(end)s
              and (%(state)s = 'all' or (state = any(%(open)s)) = (%(state)s = 'open'))
              and (%(search)s = '' or number::text = %(search)s or client_id like %(like)s)
            order by number desc limit %(most)s
        """
        rows = await self._rows(
            query,
            participant=participant,
            rejected=REJECTED,
            instrument=instrument,
            before=before or NO_END,
            begin=span.begin_ns,
            end=span.end_ns,
            state=state,
            open=list(OPEN_STATES),
            search=search,
            like=f"%{search.translate(LIKE)}%",
            most=most,
        )
        return [order_of(row) for row in rows]

    async def changes(self, participant: int, number: int) -> list[dict[str, Any]]:
        """Every change of an order of the participant, in order."""
        query = """
            select c.*, o.instrument from history.order_changes as c
            join history.orders as o using (number)
            where number = %(number)s and o.participant = %(participant)s
              and o.state <> %(rejected)s
            order by event_seq
        """
        return await self._rows(query, number=number, participant=participant, rejected=REJECTED)

    async def fills_before(
        self,
        participant: int,
        instrument: int | None,
        number: int,
        span: Span,
        before: int,
        most: int,
    ) -> list[tuple[Order, Fill]]:
        """Return fills by the numbers of their trades; ``number``: of one order, 0: of all."""
        query = f"""
            {FILLS}
            where f.participant = %(participant)s
              and (%(instrument)s::integer is null or f.instrument = %(instrument)s)
              and (%(number)s = 0 or f.number = %(number)s)
              and f.trade < %(before)s and f.at_ns >= %(begin)s and f.at_ns < %(end)s
              and f.day >= %(first_day)s and f.day <= %(last_day)s
            order by f.trade desc, f.number desc limit %(most)s
        """
        day_ns = 86_400 * 10**9
        rows = await self._rows(
            query,
            participant=participant,
            instrument=instrument,
            number=number,
            before=before or NO_END,
            begin=span.begin_ns,
            end=span.end_ns,
            first_day=span.begin_ns // day_ns,
            last_day=span.end_ns // day_ns,
            most=most,
        )
        return [(order_of(row), fill_of(row)) for row in rows]

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

    async def view(self, name: str, first: int, last: int) -> list[dict[str, Any]]:
        """A view of :mod:`analytics`, by days if it has such."""
        column = "first_week" if name == "cohorts" else "day"
        query = f"""
            select * from history.{name}
            where {column} between date '1970-01-01' + %(first)s::integer
              and date '1970-01-01' + %(last)s::integer order by {column}, 1 limit 10000
        """
        return await self._rows(query, first=first, last=last)
