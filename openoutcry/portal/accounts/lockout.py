"""Attempts that failed, by mail address and by network address: after some, each costs a proof of
work, and after more a wait.

An attempt counts before its password is looked at, so that attempts in parallel count, too.  An
address that has no account locks as any other, so that strangers do not learn which have one.  A
stranger locks an account for the stranger's own network first: for all networks it takes many more
attempts, from several of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from openoutcry.portal.accounts.errors import Locked
from openoutcry.portal.database import Database

FORGET = timedelta(hours=24)
LONGEST = timedelta(hours=1)


@dataclass(frozen=True)
class Rule:
    """``free`` attempts; the wait after the next one, which doubles with each.  ``unproved``: this
    many need no proof of work."""

    free: int
    first_wait: timedelta
    unproved: int = 0


MAIL = Rule(5, timedelta(seconds=30), 3)
"""For a mail address, from one network."""
MAIL_ANYWHERE = Rule(100, timedelta(seconds=30), 10)
"""From all networks together (NIST SP 800-63B, 5.2.2: no more than 100)."""
NETWORK = Rule(50, timedelta(seconds=30), 20)
CODE_MAIL, CODE_NETWORK = Rule(5, timedelta(seconds=60)), Rule(100, timedelta(seconds=60))
CODE_ANYWHERE = Rule(20, timedelta(seconds=60))
"""Mails that an address is sent for one network, that a network asks for, and that an address is
sent for all networks."""
FORGET_EVERY = 1_000
"""Attempts between two looks for rows that are old: strangers choose their subjects."""

COUNT = """
    insert into failures (subject, count, locked_until, last_at)
    values (%(subject)s, 1, %(now)s, %(now)s)
    on conflict (subject) do update set
        count = case when failures.last_at < %(forget)s then 1
                     when failures.locked_until > %(now)s then failures.count
                     else failures.count + 1 end,
        last_at = %(now)s
    returning count, locked_until
"""
LOCK = "update failures set locked_until = %(until)s where subject = %(subject)s"
FORGIVE = """
    update failures set count = count - 1, locked_until =
        case when count <= %(free)s then least(locked_until, %(now)s) else locked_until end
    where subject = %(subject)s and count > 0
"""
"""One attempt less, and no wait that it alone has begun."""
LOCKED = "too many attempts: try again later"


class Lockout:
    """Counts attempts in the database, so that every portal sees them."""

    def __init__(self, database: Database) -> None:
        self.database, self._attempts = database, 0

    async def attempt(self, now: Any, *subjects: tuple[str, Rule]) -> None:
        """Count an attempt of each subject.  Raises :class:`Locked`."""
        self._attempts += 1
        if self._attempts % FORGET_EVERY == 0:
            query = "delete from failures where last_at < %(forget)s and locked_until < %(now)s"
            await self.database.rows(query, forget=now - FORGET, now=now)
        for subject, rule in subjects:
            async with self.database.transaction() as connection:
                values = {"subject": subject, "now": now, "forget": now - FORGET}
                cursor = await connection.execute(COUNT, values)
                row = await cursor.fetchone()
                if row["locked_until"] > now:
                    wait_s = int((row["locked_until"] - now).total_seconds()) + 1
                    raise Locked(LOCKED, retry_after_s=wait_s)
                over = row["count"] - rule.free
                if over >= 0:
                    wait = min(rule.first_wait * 2 ** min(over, 10), LONGEST)
                    await connection.execute(LOCK, {"subject": subject, "until": now + wait})

    async def needs_proof(self, now: Any, *subjects: tuple[str, Rule]) -> bool:
        """Return whether one of them has failed so often that the next attempt costs a proof of
        work."""
        query = """
            select true from failures, unnest(%(subjects)s::text[], %(unproved)s::int[])
                as asked (name, unproved)
            where subject = name and count >= unproved and last_at >= %(forget)s limit 1
        """
        values = [name for name, _ in subjects], [rule.unproved for _, rule in subjects]
        names = dict(zip(("subjects", "unproved"), values, strict=True))
        return await self.database.row(query, forget=now - FORGET, **names) is not None

    async def succeeded(self, now: Any, mails: Sequence[str], network: str) -> None:
        """Forget what failed before at the mail address, and of the network address this attempt:
        an office behind one address has many people who log in."""
        await self.database.rows("delete from failures where subject = any(%(s)s)", s=list(mails))
        await self.forgive(now, network)

    async def forgive(self, now: Any, network: str) -> None:
        """Forget one attempt of a network address: the caller's, which :meth:`attempt` counted."""
        await self.database.rows(FORGIVE, subject=network, free=NETWORK.free, now=now)
