"""Changes of identity: of what proves who the owner of an account is, and of where money may go.

One table for all of them.  After each change everything that leaves the account waits: withdrawals
by a bank and on a chain, new addresses for them, and new API keys that withdraw.  People who
approve a withdrawal read the changes.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from openoutcry.portal.accounts.errors import AccountError
from openoutcry.portal.database import Row, rows_of
from openoutcry.wire.text import printable

WAIT = timedelta(hours=24)
LINK = timedelta(days=7)
"""How long the link that undoes a change is valid."""
UNDO = "undo link"
"""What the audit record has for an address where a link that undoes changes has acted."""
SHOWN_FOR = timedelta(days=30)
"""How long people who approve a withdrawal are shown a change."""
MOST_SHOWN = 20


@dataclass(frozen=True)
class Link:
    """What undoes a change: it is mailed to the address that the account had before."""

    mail: str
    token: str


class Change(StrEnum):
    """A change of identity; the audit record has the same words."""

    MAIL = "mail address changed"
    PASSWORD = "password changed"
    RESET = "password reset"
    AUTHENTICATOR_ADDED = "authenticator added"
    AUTHENTICATOR_REMOVED = "authenticator removed"
    PASSKEY_ADDED = "passkey added"
    PASSKEY_REMOVED = "passkey removed"
    PROVIDER = "provider linked"
    RECOVERY_CODES = "recovery codes made"
    RECOVERY_CODE = "recovery code used"
    ADDRESS = "withdrawal address added"
    KEY = "API key created"
    """Only of a key that may withdraw."""
    UNDONE = "changes undone"
    """By the link that was mailed to the address which the account had before."""


class IdentityChanged(AccountError):
    """What leaves the account waits after a change of identity; the text names when that ends."""

    status, code = 403, "identity_changed"

    def __init__(self, change: str, until: datetime, now: datetime) -> None:
        wait_s = int((until - now).total_seconds()) + 1
        text = f"{change}: nothing leaves this account until {shown_time(until)}"
        super().__init__(text, retry_after_s=wait_s)
        self.until = until


def shown_time(at: datetime) -> str:
    """Return a time as ``2026-11-26 12:00:00 UTC``."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def masked_mail(mail: str) -> str:
    """Return a mail address with the first letter of its name and its domain."""
    name, _, domain = mail.partition("@")
    return f"{name[:1]}***@{domain}"


def masked_address(address: str) -> str:
    """Return an address for withdrawals with its first and last four characters."""
    return f"{address[:4]}***{address[-4:]}" if len(address) > 12 else f"{address[:2]}***"


async def record(
    connection: Any,
    user_id: int,
    change: Change,
    at: datetime,
    came: tuple[str, str],
    values: tuple[str, str] = ("", ""),
) -> Link:
    """Record a change in the transaction that makes it, before it is made: what there was is kept
    for the link that undoes it.  ``came``: the network address and the device (user agent) that it
    came from; ``values``: the old and the new value, masked."""
    query = """
        insert into identity_changes (user_id, change, at, before, after, address, device,
            before_mail, before_totp, before_provider, before_passkeys, undo_hash, undo_until)
        select id, %(change)s, %(at)s, %(before)s, %(after)s, %(address)s, %(device)s, mail,
            case when totp_is_confirmed then totp_secret end, provider_subject,
            array(select id from passkeys where user_id = users.id), %(hash)s, %(until)s
        from users where id = %(user)s returning before_mail
    """
    token = secrets.token_urlsafe(32)
    before, after, address, device = (printable(text)[:200] for text in (*values, *came))
    given = {"user": user_id, "change": change, "at": at, "before": before, "after": after}
    given |= {"address": address, "device": device, "hash": hash_of(token), "until": at + LINK}
    (row,) = await rows_of(connection, query, given)
    return Link(row["before_mail"], token)


def hash_of(token: str) -> bytes:
    """Return the hash by which the token of a link is known."""
    return hashlib.sha256(f"undo {token}".encode()).digest()


async def last_change(connection: Any, users: tuple[int, ...]) -> Row | None:
    """Return the newest change of accounts and of their main accounts; None: there was none."""
    query = """
        select change, at from identity_changes where user_id = any(%(ids)s)
            or user_id in (select parent_id from users where id = any(%(ids)s))
        order by at desc, id desc limit 1
    """
    rows = await rows_of(connection, query, {"ids": list(users)})
    return rows[0] if rows else None


async def recent(connection: Any, user_id: int, now: datetime) -> list[Row]:
    """Return the changes of an account and of its main account that are shown to people who approve
    its withdrawals, the newest first."""
    query = """
        select change, at, before, after, address, device from identity_changes
        where at > %(since)s and user_id in (select coalesce(parent_id, id) from users
            where id = %(id)s union select %(id)s)
        order by at desc, id desc limit %(most)s
    """
    values = {"id": user_id, "since": now - SHOWN_FOR, "most": MOST_SHOWN}
    return await rows_of(connection, query, values)


def line_of(row: Row) -> str:
    """Return a change as people who approve a withdrawal read it."""
    values = f" from {row['before']} to {row['after']}" if row["before"] else ""
    values = values or (f": {row['after']}" if row["after"] else "")
    device = f" by {row['device']}" if row["device"] else ""
    return f"{shown_time(row['at'])} {row['change']}{values}, from {row['address']}{device}"
