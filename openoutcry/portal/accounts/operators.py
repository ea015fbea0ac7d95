"""What an operator does with users: a list, freezes, levels, keys, and a look at a user's pages.

An operator has a token, which ``outcry portal operator`` makes and shows once.  Everything that an
operator does is a row of the operators' log and, if it concerns a user, of the user's own record.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openoutcry.portal.accounts.accounts import (
    AUDIT_ROWS,
    SUPPORT,
    Accounts,
    Caller,
    audit,
    hashed,
)
from openoutcry.portal.accounts.api_keys import ApiKeys
from openoutcry.portal.accounts.errors import InvalidRequest, NotFound, NotLoggedIn
from openoutcry.portal.database import Row, rows_of
from openoutcry.portal.notices.words import OPERATOR
from openoutcry.wire.text import printable

PREFIX = "op_"
MOST_REASON, HIGHEST_LEVEL = 300, 9
SHOWN = """
    id, mail, participant, level, is_open, is_verified, frozen_at, frozen_reason, frozen_told,
    keeps_orders, is_held, created_at
"""
LIKE = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


@dataclass(frozen=True)
class Operator:
    """A person whose token was checked; ``name`` is written into the audit trail."""

    name: str


@dataclass(frozen=True)
class Why:
    """Why an operator does something: ``reason`` is for operators, ``told`` is what the user is
    shown and mailed."""

    reason: str
    told: str = ""


async def set_frozen(
    connection: Any, user_id: int, at: datetime | None, why: Why, keeps_orders: bool
) -> bool:
    """Freeze an account from ``at`` on, None: it is not frozen; false: there is no such user."""
    query = """
        update users set frozen_at = %(at)s, frozen_reason = %(reason)s, frozen_told = %(told)s,
            keeps_orders = %(keeps)s where id = %(id)s returning id
    """
    values = {"at": at, "reason": why.reason, "told": why.told, "keeps": keeps_orders}
    return bool(await rows_of(connection, query, values | {"id": user_id}))


class Operators:
    """The operators of one portal."""

    def __init__(self, accounts: Accounts) -> None:
        self.accounts, self.database = accounts, accounts.database

    async def make(self, name: str) -> str:
        """Make a new token for an operator; the earlier one ends."""
        token = PREFIX + secrets.token_urlsafe(32)
        query = """
            insert into operators (name, token_hash) values (%(name)s, %(hash)s)
            on conflict (name) do update set token_hash = excluded.token_hash, created_at = now()
        """
        await self.database.rows(query, name=name, hash=hashed(token))
        return token

    async def remove(self, name: str) -> None:
        """Raises :class:`NotFound`."""
        query = "delete from operators where name = %(name)s returning name"
        if not await self.database.rows(query, name=name):
            raise NotFound(f"there is no operator {name!r}")

    async def of_token(self, token: str, caller: Caller) -> Operator:
        """Raises :class:`NotLoggedIn`; wrong tokens of an address are counted as wrong passwords
        are."""
        await self.accounts.count_network(caller)
        row = None
        if token.startswith(PREFIX):
            query = "select name from operators where token_hash = %(hash)s"
            row = await self.database.row(query, hash=hashed(token))
        if row is None:
            raise NotLoggedIn("this needs an operator's token")
        await self.accounts.forgive_network(caller)
        return Operator(row["name"])

    # Users

    async def users(self, search: str, before: int, most: int) -> list[Row]:
        """The newest first; ``search``: a part of an address, or the number of a participant."""
        query = f"""
            select {SHOWN} from users
            where (%(before)s = 0 or id < %(before)s)
              and (%(search)s = '' or mail like %(like)s or participant::text = %(search)s)
            order by id desc limit %(most)s
        """
        like = f"%{search.lower().translate(LIKE)}%"
        return await self.database.rows(query, before=before, search=search, like=like, most=most)

    async def user(self, user_id: int) -> Row:
        """Return a user with ``sessions``, ``api_keys`` and ``audit``. Raises :class:`NotFound`."""
        query = f"""
            select {SHOWN}, (select count(*) from sessions where user_id = users.id
                and revoked_at is null and expires_at > %(now)s) as sessions,
                (select count(*) from api_keys where user_id = users.id
                and revoked_at is null) as api_keys
            from users where id = %(id)s
        """
        row = await self.database.row(query, id=user_id, now=self.accounts.now())
        if row is None:
            raise NotFound("there is no such user")
        query = """
            select id, at, action, address,
                case for_operators when '' then detail else for_operators end as detail
            from audit where user_id = %(id)s
            order by id desc limit %(most)s
        """
        return row | {"audit": await self.database.rows(query, id=user_id, most=AUDIT_ROWS)}

    async def freeze(
        self,
        operator: Operator,
        user_id: int,
        why: Why,
        is_frozen: bool,
        keeps_orders: bool = False,
    ) -> None:
        """Freeze an account with its sub-accounts, or end that.  ``keeps_orders``: its open orders
        stay and may trade; otherwise the venue cancels them.

        Raises :class:`NotFound`, or :class:`InvalidRequest` without a reason."""
        reason, action = self._reason(why.reason), "frozen" if is_frozen else "unfrozen"
        told = self._told(why)
        async with self.database.transaction() as connection:
            at = self.accounts.now() if is_frozen else None
            written = Why(reason, told) if is_frozen else Why("")
            if not await set_frozen(connection, user_id, at, written, keeps_orders and is_frozen):
                raise NotFound("there is no such user")
            await self._log(connection, operator, action, user_id, reason)
            await audit(connection, user_id, action, Caller(OPERATOR), told, reason)

    async def set_level(self, operator: Operator, user_id: int, level: int, why: Why) -> None:
        """Change what a user and its sub-accounts may withdraw in a day.  Raises
        :class:`NotFound` or :class:`InvalidRequest`."""
        reason, told = f"level {level}: {self._reason(why.reason)}", self._told(why)
        if not 0 <= level <= HIGHEST_LEVEL:
            raise InvalidRequest(f"level: 0 to {HIGHEST_LEVEL}")
        self.accounts.check_level(level)
        query = "update users set level = %(level)s where %(id)s in (id, parent_id) returning id"
        async with self.database.transaction() as connection:
            if not await rows_of(connection, query, {"level": level, "id": user_id}):
                raise NotFound("there is no such user")
            await self._log(connection, operator, "level changed", user_id, reason)
            shown = f"level {level}: {told}" if told else f"level {level}"
            await audit(connection, user_id, "level changed", Caller(OPERATOR), shown, reason)

    async def revoke_key(
        self, operator: Operator, keys: ApiKeys, user_id: int, number: int, why: Why
    ) -> None:
        """Raises :class:`NotFound`, or :class:`InvalidRequest` without a reason."""
        reason, told = f"key {number}: {self._reason(why.reason)}", self._told(why)
        async with keys.revoking(user_id, number) as connection:
            await self._log(connection, operator, "API key revoked", user_id, reason)
            shown = f"key {number}: {told}" if told else f"key {number}"
            await audit(connection, user_id, "API key revoked", Caller(OPERATOR), shown, reason)

    async def view(self, operator: Operator, user_id: int, why: Why) -> tuple[str, int]:
        """A token that reads a user's pages, and how many seconds it lasts; the user sees that it
        was given, to whom, and what the operator tells about it."""
        reason, told = self._reason(why.reason), self._told(why)
        async with self.database.transaction() as connection:
            query = "select id from users where id = %(id)s"
            if not await rows_of(connection, query, {"id": user_id}):
                raise NotFound("there is no such user")
            await self._log(connection, operator, "support view", user_id, reason)
            detail = f"{operator.name}: {told}" if told else operator.name
            inner = f"{operator.name}: {reason}"
            await audit(connection, user_id, "support view", Caller(OPERATOR), detail, inner)
        token = self.accounts.support_token(user_id, operator.name)
        return token, int(SUPPORT.total_seconds())

    def _reason(self, reason: str) -> str:
        shown = printable(reason).strip()
        if not shown or len(shown) > MOST_REASON:
            raise InvalidRequest(f"reason: 1 to {MOST_REASON} characters")
        return shown

    def _told(self, why: Why) -> str:
        shown = printable(why.told).strip()
        if len(shown) > MOST_REASON:
            raise InvalidRequest(f"told: up to {MOST_REASON} characters")
        return shown

    async def log_of(self, connection: Any, operator: Operator, action: str, reason: str) -> None:
        """Write what an operator does that is about no user into the log, in a transaction."""
        await self._log(connection, operator, action, None, reason)

    async def _log(
        self, connection: Any, operator: Operator, action: str, user_id: int | None, reason: str
    ) -> None:
        query = """
            insert into operator_log (operator, action, user_id, reason)
            values (%(operator)s, %(action)s, %(user)s, %(reason)s)
        """
        values = {"operator": operator.name, "action": action, "user": user_id, "reason": reason}
        await rows_of(connection, query, values)

    async def log(self, before: int, most: int) -> list[Row]:
        """The newest first."""
        query = """
            select * from operator_log where %(before)s = 0 or id < %(before)s
            order by id desc limit %(most)s
        """
        return await self.database.rows(query, before=before, most=most)
