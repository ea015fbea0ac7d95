"""Announcements to all users: what an operator writes, and what became of markets.

Both are rows of one table, which the status page shows.  The notifier makes notices of each row,
some users at a time.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openoutcry.portal.accounts.errors import InvalidRequest, NotFound
from openoutcry.portal.accounts.operators import Operator, Operators
from openoutcry.portal.database import Row, rows_of
from openoutcry.portal.notices.words import MARKET
from openoutcry.wire.text import printable

KINDS = ("maintenance", "incident", "listing", "news")
MOST_TITLE, MOST_BODY, SHOWN = 120, 2_000, 100


@dataclass(frozen=True)
class Written:
    """What an operator announces; ``begins_at`` and ``ends_at``: of maintenance and the like."""

    kind: str
    title: str
    body: str
    begins_at: datetime | None = None
    ends_at: datetime | None = None


class Announcements:
    """The announcements of one portal."""

    def __init__(self, operators: Operators) -> None:
        self.operators, self.database = operators, operators.database

    async def newest(self, most: int = SHOWN) -> list[Row]:
        """Return announcements, the newest first."""
        query = "select * from announcements order by id desc limit %(most)s"
        return await self.database.rows(query, most=most)

    async def add(self, operator: Operator, written: Written) -> Row:
        """Announce something to all users.  Raises :class:`InvalidRequest`."""
        values = _checked(written)
        query = """
            insert into announcements (key, kind, title, body, begins_at, ends_at)
            values (%(key)s, %(kind)s, %(title)s, %(body)s, %(begins_at)s, %(ends_at)s)
            returning *
        """
        async with self.database.transaction() as connection:
            key = f"n{secrets.token_hex(8)}"
            (row,) = await rows_of(connection, query, values | {"key": key})
            await self.operators.log_of(connection, operator, "announced", written.title)
        return row

    async def end(self, operator: Operator, number: int) -> Row:
        """Note that what was announced is over.  Raises :class:`NotFound` where nothing with this
        number goes on."""
        query = """
            update announcements set ends_at = %(now)s
            where id = %(id)s and kind <> %(market)s and (ends_at is null or ends_at > %(now)s)
            returning *
        """
        values = {"id": number, "now": self.operators.accounts.now(), "market": MARKET}
        async with self.database.transaction() as connection:
            rows = await rows_of(connection, query, values)
            if not rows:
                raise NotFound("there is no such announcement, or it is over")
            await self.operators.log_of(connection, operator, "announcement ended", f"{number}")
        return rows[0]


def _checked(written: Written) -> dict[str, Any]:
    if written.kind not in KINDS:
        raise InvalidRequest(f"kind: one of {', '.join(KINDS)}")
    title, body = printable(written.title).strip(), printable(written.body, "\n").strip()
    if not 0 < len(title) <= MOST_TITLE:
        raise InvalidRequest(f"title: 1 to {MOST_TITLE} characters")
    if not 0 < len(body) <= MOST_BODY:
        raise InvalidRequest(f"body: 1 to {MOST_BODY} characters")
    for name in ("begins_at", "ends_at"):
        moment = getattr(written, name)
        if moment is not None and moment.tzinfo is None:
            raise InvalidRequest(f"{name}: a time with its zone, as 2026-11-30T12:00:00Z")
    if written.begins_at and written.ends_at and written.begins_at >= written.ends_at:
        raise InvalidRequest("ends_at: it is not after begins_at")
    terms = {"begins_at": written.begins_at, "ends_at": written.ends_at}
    return {"kind": written.kind, "title": title, "body": body, **terms}
