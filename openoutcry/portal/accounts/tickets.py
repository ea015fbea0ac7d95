"""Tickets: each is given out and taken back once, also by another process of the portal."""

import secrets
from datetime import datetime, timedelta
from typing import Any

from openoutcry.portal.database import Database, Row

LONGEST = timedelta(minutes=30)
"""No ticket lasts so long."""


class Tickets:
    """Tickets in the database, so that every portal knows them."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def new(
        self, purpose: str, data: bytes, until: datetime, user_id: int | None = None
    ) -> str:
        """The ticket's name."""
        name = secrets.token_urlsafe(24)
        await self.spend(name, purpose, until, data, user_id)
        return name

    async def spend(
        self,
        name: str,
        purpose: str,
        until: datetime,
        data: bytes = b"",
        user_id: int | None = None,
    ) -> bool:
        """Write a name down; false: it was there before."""
        query = """
            insert into tickets (id, user_id, purpose, data, expires_at)
            values (%(id)s, %(user)s, %(purpose)s, %(data)s, %(until)s)
            on conflict (id) do nothing returning id
        """
        values: dict[str, Any] = {"id": name, "user": user_id, "purpose": purpose}
        # Strangers are given some: what has expired goes.
        await self.database.rows(
            "delete from tickets where expires_at < %(at)s", at=until - LONGEST
        )
        return bool(await self.database.rows(query, data=data, until=until, **values))

    async def use(
        self, name: str, purpose: str, now: datetime, user_id: int | None = None
    ) -> Row | None:
        """The ticket, which is gone from here on; None: it is unknown or has expired.
        ``user_id``: whose it must be; another user's stays."""
        query = """
            delete from tickets where id = %(id)s and purpose = %(purpose)s
                and (%(user)s::bigint is null or user_id = %(user)s)
            returning user_id, data, expires_at
        """
        row = await self.database.row(query, id=name, purpose=purpose, user=user_id)
        return row if row is not None and row["expires_at"] > now else None
