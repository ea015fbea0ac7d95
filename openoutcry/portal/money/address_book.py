"""Addresses that a user withdraws to: confirmed with both factors, and usable after custody's wait.

::

    unconfirmed ──► confirmed ──► listed ──► removed
         │              │                              expired: not confirmed in time
         ▼              ▼
      expired        refused                           by custody, with its words

The owner hears of each address by mail and has the wait to remove it again.
"""

import logging
from datetime import UTC, datetime
from typing import Any

from openoutcry.portal.accounts.accounts import CODE_LASTS, Accounts, Caller, audit
from openoutcry.portal.accounts.changes import UNDO, Change, masked_address
from openoutcry.portal.accounts.errors import InvalidRequest, NotFound, Unavailable
from openoutcry.portal.accounts.states import Action
from openoutcry.portal.database import Row, rows_of
from openoutcry.portal.money.custody import Custody, WithdrawalError
from openoutcry.portal.settings import Network, PortalFile
from openoutcry.portal.trading.mirror import Mirror

PURPOSE = "address "
UNCONFIRMED, CONFIRMED, LISTED, REMOVED, REFUSED, EXPIRED = (
    "unconfirmed",
    "confirmed",
    "listed",
    "removed",
    "refused",
    "expired",
)
log = logging.getLogger("outcry.portal")
MOST = 100
"""Most addresses of one user."""
MOST_LABEL = 40


class AddressBook:
    """The addresses of all users of a portal."""

    def __init__(
        self, accounts: Accounts, mirror: Mirror, custody: Custody, file: PortalFile
    ) -> None:
        self.accounts, self.database, self.mirror = accounts, accounts.database, mirror
        self.custody, self.file = custody, file

    def network(self, asset: str, name: str) -> Network:
        """Return the network on which custody pays. Raises :class:`WithdrawalError`."""
        found = self.file.network(asset, name)
        if found is None or not found.chain or not found.withdraws:
            raise WithdrawalError("not_withdrawable", "this asset has no list of addresses")
        return found

    async def add(
        self, user_id: int, participant: int, wanted: tuple[str, str, str, str], caller: Caller
    ) -> Row:
        """``wanted``: asset, network, address, label.  Mails the code that confirms it.  Raises
        :class:`WithdrawalError` or :class:`IdentityChanged`."""
        asset, name, given, label = wanted
        network = self.network(asset, name)
        if len(label) > MOST_LABEL or not label.isprintable():
            raise InvalidRequest(f"label: at most {MOST_LABEL} printable characters")
        if not 0 < len(given) <= 128 or not given.isprintable():
            raise InvalidRequest("address: at most 128 printable characters")
        async with self.database.transaction() as connection:
            await self.accounts.require(connection, Action.WITHDRAW, user_id)
        address = await self.custody.form(network.chain, participant, given)
        values = {
            "user": user_id,
            "participant": participant,
            "asset": asset,
            "network": network.name,
            "chain": network.chain,
            "address": address,
            "label": label,
            "now": self.accounts.now(),
        }
        async with self.database.transaction() as connection:
            await self.accounts.require(connection, Action.WITHDRAW, user_id)
            query = "select * from users where id = %(user)s"
            user = (await rows_of(connection, query, values))[0]
            row = await self._recorded(connection, values)
            if row["state"] != UNCONFIRMED:
                return row
            code = await self.accounts.new_code(connection, user_id, f"{PURPOSE}{row['id']}")
            detail = f"{network.name} {address}"
            await audit(connection, user_id, "withdrawal address asked for", caller, detail)
        named = {"network": network.name, "address": address, "code": code}
        self.accounts.mail(user, "payee", **named)
        return row

    async def _recorded(self, connection: Any, values: dict[str, Any]) -> Row:
        query = """
            select * from withdrawal_addresses where user_id = %(user)s
                and state in ('unconfirmed', 'confirmed', 'listed')
        """
        known = await rows_of(connection, query, values)
        for row in known:
            if (row["chain"], row["address"]) == (values["chain"], values["address"]):
                return row
        if len(known) >= MOST:
            raise WithdrawalError("too_many", f"a list has {MOST} addresses")
        query = """
            insert into withdrawal_addresses (user_id, participant, asset, network, chain, address,
                label, state, created_at, changed_at)
            values (%(user)s, %(participant)s, %(asset)s, %(network)s, %(chain)s, %(address)s,
                %(label)s, 'unconfirmed', %(now)s, %(now)s) returning *
        """
        return (await rows_of(connection, query, values))[0]

    async def confirm(self, user_id: int, number: int, code: str, totp: str, caller: Caller) -> Row:
        """Confirm an address with the mailed code and the second factor: a change of identity.
        Raises :class:`WrongCredentials` or :class:`IdentityChanged`."""
        row = await self.one(user_id, number)
        if row["state"] != UNCONFIRMED:
            text = f"this address is {row['state']}"
            raise WithdrawalError("not_unconfirmed", text, 409)
        await self.accounts.require_factors(user_id, f"{PURPOSE}{number}", code, totp, caller)
        async with self.database.transaction() as connection:
            await self.accounts.require(connection, Action.WITHDRAW, user_id)
            values = {"id": number, "now": self.accounts.now()}
            query = """
                update withdrawal_addresses set state = 'confirmed', changed_at = %(now)s
                where id = %(id)s and state = 'unconfirmed' returning *
            """
            changed = await rows_of(connection, query, values)
            if not changed:
                raise WithdrawalError("not_unconfirmed", "this address has changed", 409)
            detail = f"{row['network']} {row['address']}"
            masked = "", f"{row['network']} {masked_address(row['address'])}"
            change = Change.ADDRESS
            link = await self.accounts.changed(connection, user_id, change, caller, masked, detail)
            query = "select mail, language, mail_word from users where id = %(id)s"
            (user,) = await rows_of(connection, query, {"id": user_id})
        self.accounts.mail_change(user, change, link)
        return await self._list(changed[0])

    async def remove(self, user_id: int, number: int, caller: Caller) -> Row:
        """Remove an address at once. Raises :class:`NotFound`, or ``Unavailable``: it is still on
        the list."""
        row = await self.one(user_id, number)
        if row["state"] in (CONFIRMED, LISTED):
            await self.custody.unlist(row)
        changed = await self._change(number, (UNCONFIRMED, CONFIRMED, LISTED), REMOVED)
        if changed is None:
            return await self.one(user_id, number)
        async with self.database.transaction() as connection:
            detail = f"{row['network']} {row['address']}"
            await audit(connection, user_id, "withdrawal address removed", caller, detail)
        return changed

    async def go_on(self) -> None:
        """List what is confirmed; let what was not confirmed in time expire."""
        query = """
            select * from withdrawal_addresses where state in ('unconfirmed', 'confirmed')
                or (state = 'listed' and is_undone) order by id
        """
        for row in await self.database.rows(query):
            if row["is_undone"]:
                try:
                    await self.remove(row["user_id"], row["id"], Caller(UNDO))
                except WithdrawalError as error:
                    log.error("address %d is not removed: %s", row["id"], error)
            elif row["state"] == CONFIRMED:
                await self._list(row)
            elif row["created_at"] + CODE_LASTS <= self.accounts.now():
                await self._change(row["id"], (UNCONFIRMED,), EXPIRED)

    async def _list(self, row: Row) -> Row:
        """List an address at custody, whose wait begins; while custody does not answer, the address
        stays confirmed."""
        try:
            usable_ns = await self.custody.whitelist(row)
        except Unavailable:
            return row
        except WithdrawalError as error:
            why = str(error), error.code
            return await self._change(row["id"], (CONFIRMED,), REFUSED, *why) or row
        usable = datetime.fromtimestamp(usable_ns / 10**9, UTC)
        changed = await self._change(row["id"], (CONFIRMED,), LISTED, usable_at=usable)
        if changed is not None:
            return changed
        if (await self.one(row["user_id"], row["id"]))["state"] == REMOVED:
            await self.custody.unlist(row)  # removed while custody was asked
        return row

    async def _change(
        self,
        number: int,
        before: tuple[str, ...],
        after: str,
        detail: str = "",
        code: str = "",
        usable_at: datetime | None = None,
    ) -> Row | None:
        query = """
            update withdrawal_addresses set state = %(after)s, detail = %(detail)s, code = %(code)s,
                usable_at = coalesce(%(usable)s, usable_at), changed_at = %(now)s
            where id = %(id)s and state = any(%(before)s) returning *
        """
        values = {"id": number, "before": list(before), "after": after, "code": code}
        values["detail"], now = detail[:500], self.accounts.now()
        return await self.database.row(query, now=now, usable=usable_at, **values)

    async def one(self, user_id: int, number: int) -> Row:
        """Raises :class:`NotFound` also for one of another user."""
        query = "select * from withdrawal_addresses where id = %(id)s and user_id = %(user)s"
        row = await self.database.row(query, id=number, user=user_id)
        if row is None:
            raise NotFound("there is no such address")
        return row

    async def of_user(self, user_id: int) -> list[Row]:
        """Return a user's addresses that are or may be listed, the newest first."""
        query = """
            select * from withdrawal_addresses where user_id = %(user)s
                and state in ('unconfirmed', 'confirmed', 'listed', 'refused')
            order by id desc limit 200
        """
        return await self.database.rows(query, user=user_id)
