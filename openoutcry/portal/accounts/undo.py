"""The link that undoes changes of identity: for an owner whom a thief has locked out.

It is mailed to the address that the account had before a change.  It works once, without a login,
and only by a POST, because programs that check mails follow its GET.  It brings back what there was
before that change and undoes everything after it.  No one can act for the account then: sessions
and keys have ended, the password is gone, withdrawals are cancelled and the account is frozen.  An
operator finds out who the owner is.
"""

from typing import Any

from openoutcry.portal.accounts.accounts import Accounts, Caller, audit
from openoutcry.portal.accounts.changes import (
    UNDO,
    Change,
    hash_of,
    masked_mail,
    record,
)
from openoutcry.portal.accounts.errors import WrongCredentials
from openoutcry.portal.accounts.operators import Why, set_frozen
from openoutcry.portal.accounts.provider import NO_PASSWORD
from openoutcry.portal.accounts.states import locked_states
from openoutcry.portal.database import Row, rows_of
from openoutcry.portal.notices.texts import said

WRONG = "the link is wrong, has expired or was used"
REASON = "the undo link was used: find out who the owner is before the account is unfrozen"
ENDED = (
    "update sessions set revoked_at = %(now)s where user_id = %(id)s and revoked_at is null",
    """
    update api_keys set revoked_at = now() where revoked_at is null
        and user_id in (select id from users where %(id)s in (id, parent_id))
    """,
    "delete from mailed_codes where user_id = %(id)s",
    "delete from recovery_codes where user_id = %(id)s",
    """
    update own_limits set state = '', wanted = null
        where user_id in (select id from users where %(id)s in (id, parent_id))
    """,
    "delete from passkeys where user_id = %(id)s and not id = any(%(before_passkeys)s)",
    "update identity_changes set undo_hash = null where user_id = %(id)s and id >= %(change)s",
    """
    update withdrawals set is_undone = true
        where user_id in (select id from users where %(id)s in (id, parent_id))
        and state in ('unconfirmed', 'confirmed', 'requested', 'approved')
    """,
    """
    update withdrawal_addresses set is_undone = true where user_id = %(id)s
        and changed_at >= %(at)s - interval '15 minutes'
        and state in ('unconfirmed', 'confirmed', 'listed')
    """,
)
"""What ends with a change that is undone."""


class Undo:
    """Undoes changes of identity of every user."""

    def __init__(self, accounts: Accounts) -> None:
        self.accounts, self.database = accounts, accounts.database

    async def use(self, token: str, caller: Caller) -> None:
        """Undo the change that the token was made for, and all later ones.  Raises
        :class:`WrongCredentials`."""
        await self.accounts.count_network(caller)
        async with self.database.transaction() as connection:
            query = "select user_id from identity_changes where undo_hash = %(hash)s"
            found = await rows_of(connection, query, {"hash": hash_of(token)})
            if found:
                await locked_states(connection, (found[0]["user_id"],))
            query = """
                update identity_changes set undo_hash = null
                where undo_hash = %(hash)s and undo_until > %(now)s returning *
            """
            values = {"hash": hash_of(token), "now": self.accounts.now()}
            changes = await rows_of(connection, query, values)
            if not changes:
                raise WrongCredentials(WRONG)
            await self._undo(connection, changes[0], caller)
        await self.accounts.forgive_network(caller)
        await self.accounts.undone(changes[0]["user_id"])

    async def _undo(self, connection: Any, change: Row, caller: Caller) -> None:
        user_id, now = change["user_id"], self.accounts.now()
        query = "select mail, language from users where id = %(id)s"
        (user,) = await rows_of(connection, query, {"id": user_id})
        values = change | {"id": user_id, "now": now, "change": change["id"], "none": NO_PASSWORD}
        for statement in ENDED:
            await connection.execute(statement, values)
        # An address that was registered meanwhile and never verified claims nothing; one that has
        # another account now stays with that account.
        claim = "delete from users where mail = %(before_mail)s and not is_verified"
        await connection.execute(claim, values)
        query = """
            update users set password_hash = %(none)s, totp_secret = %(before_totp)s,
                totp_is_confirmed = %(before_totp)s::bytea is not null,
                provider_subject = (select %(before_provider)s::text where not exists
                    (select 1 from users where provider_subject = %(before_provider)s
                        and id <> %(id)s)),
                mail = case when exists (select 1 from users where mail = %(before_mail)s
                    and id <> %(id)s) then mail else %(before_mail)s end
            where id = %(id)s returning mail
        """
        (restored,) = await rows_of(connection, query, values)
        told = said(user["language"], "undo.told.text")
        await set_frozen(connection, user_id, now, Why(REASON, told), keeps_orders=False)
        masked = masked_mail(user["mail"]), masked_mail(restored["mail"])
        came = caller.address, caller.agent
        link = await record(connection, user_id, Change.UNDONE, now, came, masked)
        query = "update identity_changes set undo_hash = null where undo_hash = %(hash)s"
        await connection.execute(query, {"hash": hash_of(link.token)})
        detail = f"{change['change']}, {change['at']:%Y-%m-%d %H:%M:%S UTC}, and what followed"
        await audit(connection, user_id, Change.UNDONE, caller, detail)
        await audit(connection, user_id, "frozen", Caller(UNDO), told, REASON)
        query = """
            insert into operator_log (operator, action, user_id, reason)
            values (%(by)s, 'frozen', %(user)s, %(reason)s)
        """
        terms = {"by": UNDO, "user": user_id, "reason": REASON}
        await connection.execute(query, terms)
