"""Sub-accounts: each is a user without a login, whose parent acts for it.

So it is a participant of the venue like any other, with separate wallets, orders and API keys.
"""

import re
from dataclasses import dataclass
from typing import Any

from openoutcry.portal.accounts.accounts import SUB_ACCOUNTS, Accounts, Caller, audit
from openoutcry.portal.accounts.errors import InvalidRequest, NotFound
from openoutcry.portal.accounts.states import Action
from openoutcry.portal.database import Row, rows_of

LABEL = re.compile(r"[A-Za-z0-9_-]{1,20}")
MOST = 20
SHOWN = "id, parent_id, label, mail, participant, is_open, frozen_at, created_at"


@dataclass(frozen=True)
class Account:
    """The main account of a user, or one of the sub-accounts."""

    user_id: int
    participant: int
    """0: the venue has not added it yet."""
    mail: str
    label: str


class SubAccounts:
    """Sub-accounts of every user.  ``user_id`` is that of the main account."""

    def __init__(self, accounts: Accounts) -> None:
        self.accounts, self.database = accounts, accounts.database

    async def create(self, user_id: int, label: str, caller: Caller) -> Row:
        """The same label again is the same sub-account.  Raises :class:`InvalidRequest`."""
        if not LABEL.fullmatch(label):
            raise InvalidRequest("label: 1 to 20 letters, digits, - and _")
        values = {
            "user": user_id,
            "label": label,
            "mail": f"{label}.{user_id}@{SUB_ACCOUNTS}".lower(),
        }
        async with self.database.transaction() as connection:
            await self.accounts.require(connection, Action.SUB_ACCOUNT, user_id)
            query = "select level, language, parent_id from users where id = %(user)s"
            parent = (await rows_of(connection, query, values))[0]
            if parent["parent_id"] is not None:
                raise InvalidRequest("a sub-account has no sub-accounts")
            query = f"""
                select {SHOWN} from users
                where parent_id = %(user)s and lower(label) = lower(%(label)s)
            """
            known = await rows_of(connection, query, values)
            if known:
                return known[0]
            count = "select count(*) from users where parent_id = %(user)s"
            if (await rows_of(connection, count, values))[0]["count"] >= MOST:
                raise InvalidRequest(f"an account has {MOST} sub-accounts at most")
            query = f"""
                insert into users
                    (mail, password_hash, is_verified, parent_id, label, level, language)
                values (%(mail)s, '', true, %(user)s, %(label)s, %(level)s, %(language)s)
                returning {SHOWN}
            """
            values |= {"level": parent["level"], "language": parent["language"]}
            row = (await rows_of(connection, query, values))[0]
            await audit(connection, user_id, "sub-account created", caller, label)
        self.accounts.verified(row["id"])
        return row

    async def of_user(self, user_id: int) -> list[Row]:
        """The sub-accounts of a main account, in the order in which they were created."""
        query = f"select {SHOWN} from users where parent_id = %(user)s order by id"
        return await self.database.rows(query, user=user_id)

    async def one(self, user_id: int, number: int) -> Row:
        """Raises :class:`NotFound` also for one of another user."""
        query = f"select {SHOWN} from users where id = %(id)s and parent_id = %(user)s"
        row = await self.database.row(query, id=number, user=user_id)
        if row is None:
            raise NotFound("there is no such sub-account")
        return row

    async def account(self, user_id: int, number: int) -> Account:
        """0 or ``user_id``: the main account.  Raises :class:`NotFound`."""
        query = f"""
            select {SHOWN} from users
            where id = %(id)s and (id = %(user)s or parent_id = %(user)s)
        """
        row = await self.database.row(query, id=number or user_id, user=user_id)
        if row is None:
            raise NotFound("there is no such account")
        return _account(row)

    async def by_mail(self, user_id: int, mail: str) -> Account:
        """Nothing: the main account.  Raises :class:`NotFound`."""
        query = f"""
            select {SHOWN} from users
            where mail = lower(%(mail)s) and (id = %(user)s or parent_id = %(user)s)
        """
        if not mail:
            return await self.account(user_id, 0)
        row = await self.database.row(query, mail=mail, user=user_id)
        if row is None:
            raise NotFound("there is no such account")
        return _account(row)

    async def main_of(self, user_id: int) -> int:
        """The user of the main account."""
        query = "select coalesce(parent_id, id) as main from users where id = %(id)s"
        row = await self.database.row(query, id=user_id)
        assert row is not None
        return int(row["main"])

    def shown(self, row: Row) -> dict[str, Any]:
        """The columns of a row that its owner may see."""
        names = "id", "label", "mail", "participant", "is_open", "created_at"
        return {name: row[name] for name in names}


def _account(row: Row) -> Account:
    participant = int(row["participant"] or 0) if row["is_open"] else 0
    return Account(row["id"], participant, row["mail"], row["label"])
