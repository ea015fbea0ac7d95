"""What people read before they approve a withdrawal: where it goes, and what its owner's account
has changed lately."""

from datetime import datetime
from typing import Any

from openoutcry.portal.accounts.changes import line_of, recent
from openoutcry.portal.database import Row, rows_of

REFERENCES = "wd "
"""How the references of the portal's withdrawals at the venue begin."""
NO_CHANGE = "no change of identity within 30 days"


async def to_approve(connection: Any, now: datetime, reference: str = "") -> list[Row]:
    """Return the withdrawals that are confirmed and not sent, the oldest first, each with its
    owner's ``mail``, ``is_first`` (nothing has arrived at this address before) and ``changes``.
    ``reference``: this one alone."""
    query = """
        select w.*, u.mail, not exists (select 1 from withdrawals as d where d.state = 'done'
            and d.user_id = w.user_id and d.address = w.address) as is_first
        from withdrawals as w join users as u on u.id = w.user_id
        where w.state in ('confirmed', 'requested', 'approved')
            and %(reference)s in ('', w.reference) order by w.id limit 1000
    """
    rows = await rows_of(connection, query, {"reference": reference})
    return [row | {"changes": await recent(connection, row["user_id"], now)} for row in rows]


def lines_of(row: Row) -> list[str]:
    """Return a withdrawal of :func:`to_approve` as lines to read."""
    first = ", the first one to this address" if row["is_first"] else ""
    place = f"{row['network']} {row['address']}" + (f" {row['tag']}" if row["tag"] else "")
    about = f"{row['reference']}: of {row['mail']} to {place}{first}"
    return [about, *(f"  {one}" for one in changes_of(row["changes"]))]


def changes_of(rows: list[Row]) -> list[str]:
    """Return changes as lines; one line where there are none."""
    return [line_of(row) for row in rows] or [NO_CHANGE]
