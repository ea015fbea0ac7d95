"""Accounts of people: registration, logins, sessions and second factors.

Every answer to a stranger is the same, and takes the same work, whether an address has an account
or not.
"""

import asyncio
import base64
import hashlib
import json
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from openoutcry.operations.notify import NotifyError
from openoutcry.portal.accounts import lockout
from openoutcry.portal.accounts.changes import (
    LINK,
    WAIT,
    Change,
    IdentityChanged,
    Link,
    last_change,
    masked_mail,
    record,
)
from openoutcry.portal.accounts.errors import (
    CodeRequired,
    InvalidRequest,
    NotFound,
    NotLoggedIn,
    WrongCredentials,
)
from openoutcry.portal.accounts.lockout import Lockout
from openoutcry.portal.accounts.mails import Send
from openoutcry.portal.accounts.passwords import (
    Passwords,
    mailed_code,
    require_password,
    totp_step,
)
from openoutcry.portal.accounts.secret_key import SecretKey
from openoutcry.portal.accounts.states import Action, State, locked_states, require, state_of
from openoutcry.portal.database import Database, DatabaseError, rows_of
from openoutcry.portal.notices.texts import DEFAULT, TABLES, said, word_line
from openoutcry.portal.notices.words import Notice, of_audit
from openoutcry.risk.bits import ParticipantStatus
from openoutcry.wire.extras import need
from openoutcry.wire.load_limits import Threads, TurnsError
from openoutcry.wire.peers import owner_of
from openoutcry.wire.text import printable

MAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63}){1,8}")
SUB_ACCOUNTS = "sub.invalid"
"""Domain of the addresses that name sub-accounts: no mail is ever sent there (RFC 2606)."""
SESSION_ID = re.compile(r"[0-9a-f-]{36}")
ACCESS, REFRESH = timedelta(minutes=5), timedelta(days=30)
SUPPORT = timedelta(minutes=15)
CODE_LASTS, CODE_TRIES = timedelta(minutes=15), 5
REGISTER, RESET = "register", "reset password"
WRONG = "the address, the password or the code is wrong"
WRONG_CODE = "the code is wrong or has expired"
NEW_MAIL, OLD_MAIL = "new mail ", "old mail "
MAX_SESSIONS, ENDED_KEPT = 50, 100
"""Maximum sessions of a user, and how many rows of ended sessions are kept."""
MAILERS, MAILS_WAITING = 2, 20
"""Mails that are sent at once, one to each address, and those to an address that wait: neither a
mail server that does not answer nor a user who has many sent keeps other mails waiting."""
AUDIT_ROWS = 200
ORIGIN = "http://127.0.0.1:9480"
"""Of a page whose portal says no other."""
RECOVERY_COUNT, RECOVERY_GROUPS = 10, 4
RECOVERY = re.compile(rf"[a-z2-7]{{4}}(-[a-z2-7]{{4}}){{{RECOVERY_GROUPS - 1}}}")
MAIL_WORD = re.compile(r"[^\W_](?:[\w .,'-]{1,38}[^\W_])")
log = logging.getLogger("outcry.portal")


@dataclass(frozen=True)
class Caller:
    """Where a request comes from."""

    address: str
    agent: str = ""
    language: str = DEFAULT
    """The one that the request prefers: that of an account which it makes."""


@dataclass(frozen=True)
class Person:
    """A user whose access token was checked, and that token's session."""

    user_id: int
    session_id: str


@dataclass(frozen=True)
class Tokens:
    """The answer to a login; ``expires_in``: seconds until the access token ends."""

    access_token: str
    refresh_token: str
    expires_in: int


def utc_now() -> datetime:
    """The present time with its time zone; tests give :class:`Accounts` another clock."""
    return datetime.now(UTC)


async def nothing_more(user_id: int) -> None:
    """Do nothing more about a user."""


def hashed(token: str) -> bytes:
    """Hash a random token; it needs no salt and no work."""
    return hashlib.sha256(token.encode()).digest()


def mail_address(text: str) -> str:
    """In the form in which it is kept.

    Raises :class:`InvalidRequest`, also for the name of a sub-account, which only its parent's
    request makes: a stranger who registered it would keep the parent from making it."""
    mail = text.strip().lower()
    if not MAIL.fullmatch(mail) or len(mail) > 254 or mail.endswith(f"@{SUB_ACCOUNTS}"):
        raise InvalidRequest("mail: this is not an address")
    return mail


def _subjects(caller: Caller, mail: str) -> tuple[tuple[str, lockout.Rule], ...]:
    """Return what an attempt to prove something counts for."""
    owner = owner_of(caller.address)
    return (
        (f"from {owner}", lockout.NETWORK),
        (f"mail {mail} from {owner}", lockout.MAIL),
        (f"mail {mail}", lockout.MAIL_ANYWHERE),
    )


class Accounts:
    """Actions of people on their accounts."""

    def __init__(
        self,
        database: Database,
        key: SecretKey,
        send: Send,
        name: str,
        passwords: Passwords | None = None,
        now: Callable[[], datetime] = utc_now,
        wait: timedelta = WAIT,
        origin: str = ORIGIN,
        levels: Collection[int] = (),
    ) -> None:
        """``name``: of the venue, for mails and authenticators; ``wait``: after a change of
        identity, before anything leaves the account; ``origin``: of the page, for links in
        mails; ``levels``: that the portal's file has, none: it has no levels."""
        self.database, self.key, self.send, self.name, self.now = database, key, send, name, now
        self.wait, self.origin = wait, origin.rstrip("/")
        self.levels = sorted(levels)
        self.passwords = passwords or Passwords()
        self.lockout = Lockout(database)
        self.verified: Callable[[int], None] = lambda user_id: None
        """Called with a user whose address is verified: the user needs a participant."""
        self.undone: Callable[[int], Awaitable[None]] = nothing_more
        """Called with a user whose changes were undone: keys and orders end, withdrawals are
        cancelled."""
        self.status_of: Callable[[int], ParticipantStatus] = lambda number: ParticipantStatus.FILED
        """Status of a participant in the core."""
        self._jwt, self._jwt_key = need("jwt", "the portal", "portal"), key.derived("access tokens")
        self._under_way: set[asyncio.Task[None]] = set()
        self._mailers = Threads("mail", MAILERS, 1, MAILS_WAITING)

    def check_level(self, number: int) -> None:
        """Raise :class:`InvalidRequest` for a level that the portal's file does not have; every
        account begins with level 0."""
        if self.levels and number not in (0, *self.levels):
            raise InvalidRequest(f"level: the portal has {', '.join(map(str, self.levels))}")

    # Registration

    async def register(self, mail: str, password: str, caller: Caller) -> None:
        """Mail a code to the address.  Nothing else can be seen from outside."""
        mail = mail_address(mail)
        require_password(password, mail)
        await self._count_mail(caller, mail)
        password_hash = await self.passwords.hash(password, caller.address)
        async with self.database.transaction() as connection:
            # The code goes with the password of the same registration, which verify() asks for
            # again: a stranger's registration of the address is worth nothing.
            query = """
                insert into users (mail, password_hash, language)
                values (%(mail)s, %(hash)s, %(language)s)
                on conflict (mail) do update set
                    password_hash = case when users.is_verified then users.password_hash
                                         else excluded.password_hash end,
                    language = case when users.is_verified then users.language
                                    else excluded.language end
                returning id, is_verified, language, mail_word
            """
            values = {"mail": mail, "hash": password_hash, "language": caller.language}
            user = (await rows_of(connection, query, values))[0]
            text, code = "known", ""
            if not user["is_verified"]:
                text, code = "register", await self.new_code(connection, user["id"], REGISTER)
            await self._audit(connection, user["id"], "register", caller)
        self.mail(user | {"mail": mail}, text, code=code)

    async def verify(self, mail: str, password: str, code: str, caller: Caller) -> None:
        """Complete a registration.  Raises :class:`WrongCredentials`."""
        mail = mail_address(mail)
        await self.count(caller, mail)
        user = await self._user(mail)
        right = await self._is_right(user, password, caller)
        known = await self.known_code(user["id"] if user else 0, REGISTER, code)
        if user is None or not right or known is None:
            raise WrongCredentials(WRONG)
        await self.spend_code(user["id"], REGISTER, known)
        async with self.database.transaction() as connection:
            # A registration of the address that came meanwhile has another password.
            query = """
                update users set is_verified = true
                where id = %(id)s and password_hash = %(hash)s returning id
            """
            values = {"id": user["id"], "hash": user["password_hash"]}
            if not await rows_of(connection, query, values):
                raise WrongCredentials(WRONG)
            await self._audit(connection, user["id"], "address verified", caller)
        await self.succeeded(caller, mail)
        self.verified(user["id"])

    # Logins

    async def log_in(self, mail: str, password: str, code: str, caller: Caller) -> Tokens:
        """Begin a session.  Raises :class:`WrongCredentials` or :class:`CodeRequired`."""
        mail = mail_address(mail)
        await self.count(caller, mail)
        user = await self._user(mail)
        right = await self._is_right(user, password, caller)
        if user is None or not right or not user["is_verified"]:
            async with self.database.transaction() as connection:
                user_id = user["id"] if user else None
                await self._audit(connection, user_id, "login refused", caller)
            raise WrongCredentials(WRONG)
        if user["totp_is_confirmed"]:
            await self._require_totp_after_password(user, code, caller)
        tokens = await self.begin(user["id"], caller, partial(self.require_unchanged, user=user))
        await self.succeeded(caller, mail)
        return tokens

    async def require_totp(
        self, user: dict[str, Any], code: str, caller: Caller | None = None
    ) -> None:
        """Check a code of the user's authenticator and use it up.  ``caller``: given where one of
        the user's recovery codes is as good.

        Raises :class:`CodeRequired` without a code, and :class:`WrongCredentials` for a wrong or a
        used one."""
        if not code:
            raise CodeRequired("this account needs the code of its authenticator")
        given = code.strip().lower()
        if caller is not None and RECOVERY.fullmatch(given):
            is_right = await self._use_recovery(user, given, caller)
        else:
            is_right = await self._use_totp(user, code)
        if not is_right:
            raise WrongCredentials(WRONG)

    async def _require_totp_after_password(
        self, user: dict[str, Any], code: str, caller: Caller
    ) -> None:
        """Like :meth:`require_totp`, once the password was right.

        A password without a code is the first step of a login: it is no failure of the network,
        which may be an office's.  For the account it counts, or a thief of the password could ask
        without end."""
        try:
            await self.require_totp(user, code, caller)
        except CodeRequired:
            await self.forgive_network(caller)
            raise

    async def _use_totp(self, user: dict[str, Any], code: str) -> bool:
        """Return whether the code is right and was not used before; from here on it was."""
        secret = self.key.open(bytes(user["totp_secret"]), f"totp {user['id']}").decode()
        step = totp_step(secret, code, self.now().timestamp())
        query = """
            update users set totp_step = %(step)s where id = %(id)s and totp_step < %(step)s
            returning id
        """
        return bool(step and await self.database.rows(query, step=step, id=user["id"]))

    async def begin(
        self, user_id: int, caller: Caller, require: Callable[[Any], Awaitable[None]]
    ) -> Tokens:
        """``require``: looks again, in the session's transaction, at what has proved the user,
        and raises :class:`WrongCredentials`."""
        refresh, now = secrets.token_urlsafe(32), self.now()
        async with self.database.transaction() as connection:
            await require(connection)
            query = """
                insert into sessions
                    (user_id, refresh_hash, address, agent, created_at, used_at, expires_at)
                values (%(user)s, %(hash)s, %(address)s, %(agent)s, %(now)s, %(now)s, %(until)s)
                returning id::text
            """
            values = {
                "user": user_id,
                "hash": hashed(refresh),
                "address": caller.address,
                "agent": printable(caller.agent)[:200],
                "now": now,
                "until": now + REFRESH,
            }
            session = (await rows_of(connection, query, values))[0]["id"]
            query = """
                update sessions set revoked_at = %(now)s where revoked_at is null and id in
                    (select id from sessions where user_id = %(user)s and revoked_at is null
                     order by used_at desc offset %(most)s)
            """
            await rows_of(connection, query, {"user": user_id, "now": now, "most": MAX_SESSIONS})
            query = """
                with ended as (select id from sessions where user_id = %(user)s
                    and (revoked_at is not null or expires_at <= %(now)s)
                    order by used_at desc offset %(most)s)
                delete from sessions where id in (select id from ended)
            """
            await rows_of(connection, query, {"user": user_id, "now": now, "most": ENDED_KEPT})
            await self._audit(connection, user_id, "login", caller)
        return self._tokens(user_id, session, refresh)

    def state(self, user: dict[str, Any]) -> State:
        """The state of the account of a row of ``users``, without that of its main account."""
        number = int(user["participant"] or 0) if user["is_open"] else 0
        status = self.status_of(number) if number else ParticipantStatus.FILED
        return state_of(user["frozen_at"] is not None, status)

    async def require(self, connection: Any, action: Action, *users: int) -> None:
        """Require that the accounts, and their main accounts, may do it, and keep them so until the
        transaction ends.  Raises :class:`Frozen`, or :class:`IdentityChanged` where it lets money
        leave and the wait after a change of identity is not over."""
        for row in await locked_states(connection, users):
            require(self.state(row), action, row["frozen_told"])
        if action is Action.WITHDRAW:
            await self.require_settled(connection, *users)

    async def require_settled(self, connection: Any, *users: int) -> None:
        """Require that no change of identity of the accounts, or of their main accounts, is so new
        that what leaves them waits.  Raises :class:`IdentityChanged`."""
        last = await last_change(connection, users)
        now = self.now()
        if last is not None and last["at"] + self.wait > now:
            raise IdentityChanged(last["change"], last["at"] + self.wait, now)

    async def waits_until(self, user_id: int) -> datetime | None:
        """When the wait after an account's last change of identity ends; None: nothing waits."""
        async with self.database.transaction() as connection:
            try:
                await self.require_settled(connection, user_id)
            except IdentityChanged as error:
                return error.until
        return None

    async def changed(
        self,
        connection: Any,
        user_id: int,
        change: Change,
        caller: Caller,
        values: tuple[str, str] = ("", ""),
        detail: str = "",
    ) -> Link:
        """Record a change of identity, from which on everything that leaves the account waits, in
        the transaction that makes it and before it is made.  ``values``: the old and the new one,
        masked; ``detail``: of the audit record.  The caller mails the link (:meth:`mail_change`)
        after the transaction."""
        came = caller.address, caller.agent
        link = await record(connection, user_id, change, self.now(), came, values)
        await self._audit(connection, user_id, change, caller, detail)
        return link

    def mail_change(
        self, user: dict[str, Any], change: Change, link: Link, text: str = "change", **given: str
    ) -> None:
        """Mail a change, and the link that undoes it, to the address that the account had before.
        ``text``: of the mail."""
        what = said(user["language"], f"did.{change}")
        undo = f"{self.origin}/#/undo/{link.token}"
        self.mail(user | {"mail": link.mail}, text, undo=undo, what=what, **given)

    async def require_identity(self, person: Person) -> None:
        """Require that the account may change its identity, before anything is used up.  Raises
        :class:`Frozen`."""
        user = await self.user(person)
        require(self.state(user), Action.IDENTITY, user["frozen_told"])

    async def require_unchanged(self, connection: Any, user: dict[str, Any]) -> None:
        """Require that what was proved still applies: a check takes a while, and address, password,
        authenticator or provider may have been changed during it.
        Raises :class:`WrongCredentials`."""
        query = """
            select id from users where id = %(id)s and password_hash = %(password_hash)s
                and totp_is_confirmed = %(totp_is_confirmed)s and mail = %(mail)s
                and provider_subject is not distinct from %(provider_subject)s for update
        """
        if not await rows_of(connection, query, user):
            raise WrongCredentials(WRONG)

    async def require_live(self, connection: Any, person: Person) -> None:
        """Require, before a person is given lasting access, that the session was not ended during
        the request, and that the account may change its identity. Raises :class:`NotLoggedIn` or
        :class:`Frozen`."""
        await self.require(connection, Action.IDENTITY, person.user_id)
        query = "select id from sessions where id = %(id)s::uuid and revoked_at is null"
        if not await rows_of(connection, query, {"id": person.session_id}):
            raise NotLoggedIn("log in")

    async def _is_right(self, user: dict[str, Any] | None, password: str, caller: Caller) -> bool:
        stored = user["password_hash"] if user else None
        return await self.passwords.is_right(stored, password, caller.address)

    def _tokens(self, user_id: int, session: str, refresh: str) -> Tokens:
        claims = {"sub": str(user_id), "sid": session, "exp": self.now() + ACCESS}
        access = self._jwt.encode(claims, self._jwt_key, "HS256")
        return Tokens(access, refresh, int(ACCESS.total_seconds()))

    async def refresh(self, token: str, caller: Caller) -> Tokens:
        """Return a new pair of tokens. A refresh token that was used before ends its session: one
        of two holders is a thief. Raises :class:`NotLoggedIn`."""
        new, now = secrets.token_urlsafe(32), self.now()
        values = {"old": hashed(token), "new": hashed(new), "now": now, "until": now + REFRESH}
        async with self.database.transaction() as connection:
            query = """
                update sessions set used_hash = refresh_hash, refresh_hash = %(new)s,
                    used_at = %(now)s, expires_at = %(until)s
                where refresh_hash = %(old)s and revoked_at is null and expires_at > %(now)s
                returning id::text, user_id
            """
            rows = await rows_of(connection, query, values)
            if not rows:
                query = """
                    update sessions set revoked_at = %(now)s
                    where used_hash = %(old)s and revoked_at is null returning user_id
                """
                for row in await rows_of(connection, query, values):
                    action = "refresh token used twice: session ended"
                    await self._audit(connection, row["user_id"], action, caller)
        if not rows:
            raise NotLoggedIn("log in again")
        return self._tokens(rows[0]["user_id"], rows[0]["id"], new)

    async def person(self, access_token: str) -> Person:
        """Return the user of a valid token whose session was not ended.  Raises
        :class:`NotLoggedIn`."""
        claims = self._claims(access_token, "sid")
        until = datetime.fromtimestamp(claims["exp"], UTC)
        query = """
            select user_id from sessions
            where id = %(session)s::uuid and user_id = %(user)s and revoked_at is null
        """
        values = {"session": claims["sid"], "user": int(claims["sub"])}
        if until <= self.now() or await self.database.row(query, **values) is None:
            raise NotLoggedIn("log in")
        return Person(int(claims["sub"]), claims["sid"])

    def _claims(self, token: str, wanted: str) -> dict[str, Any]:
        """Return the claims of a token that this portal has signed.  Raises
        :class:`NotLoggedIn`."""
        try:
            options = {"require": ["exp", "sub", wanted], "verify_exp": False}
            claims = self._jwt.decode(token, self._jwt_key, ["HS256"], options=options)
            datetime.fromtimestamp(claims["exp"], UTC)
        except (self._jwt.InvalidTokenError, ValueError, TypeError, OverflowError):
            raise NotLoggedIn("log in") from None
        return dict(claims)

    def support_token(self, user_id: int, operator: str) -> str:
        """Return a token with which an operator reads a user's pages; it is read-only."""
        claims = {"sub": str(user_id), "support": operator, "exp": self.now() + SUPPORT}
        return str(self._jwt.encode(claims, self._jwt_key, "HS256"))

    async def supported(self, token: str) -> int:
        """The user whose pages an operator's token shows, while there is that operator.  Raises
        :class:`NotLoggedIn`."""
        claims = self._claims(token, "support")
        query = "select 1 from operators where name = %(name)s"
        is_over = datetime.fromtimestamp(claims["exp"], UTC) <= self.now()
        if is_over or await self.database.row(query, name=claims["support"]) is None:
            raise NotLoggedIn("ask for the support view again")
        return int(claims["sub"])

    def is_support(self, token: str) -> bool:
        """Return whether it is an operator's token, in force or not."""
        try:
            self._claims(token, "support")
        except NotLoggedIn:
            return False
        return True

    async def require_session(self, person: Person) -> None:
        """Raises :class:`NotLoggedIn` once the session was ended."""
        query = """
            select 1 from sessions
            where id = %(id)s::uuid and revoked_at is null and expires_at > %(now)s
        """
        if await self.database.row(query, id=person.session_id, now=self.now()) is None:
            raise NotLoggedIn("log in again")

    async def sessions(self, person: Person) -> list[dict[str, Any]]:
        """Sessions of the user that have not ended, the last used first; ``is_this`` marks the
        caller's."""
        query = """
            select id::text, address, agent, created_at, used_at from sessions
            where user_id = %(user)s and revoked_at is null and expires_at > %(now)s
            order by used_at desc
        """
        rows = await self.database.rows(query, user=person.user_id, now=self.now())
        return [row | {"is_this": row["id"] == person.session_id} for row in rows]

    async def end_session(self, person: Person, session_id: str, caller: Caller) -> None:
        """Raises :class:`NotFound` also for a session of another user."""
        if not SESSION_ID.fullmatch(session_id):
            raise NotFound("there is no such session")
        query = """
            update sessions set revoked_at = %(now)s
            where id::text = %(id)s and user_id = %(user)s and revoked_at is null returning id
        """
        values = {"now": self.now(), "id": session_id, "user": person.user_id}
        async with self.database.transaction() as connection:
            if not await rows_of(connection, query, values):
                raise NotFound("there is no such session")
            await self._audit(connection, person.user_id, "logout", caller)

    async def end_all_sessions(self, person: Person, caller: Caller) -> None:
        """End every session of the user, the caller's too; its refresh tokens are worth nothing
        from here on."""
        async with self.database.transaction() as connection:
            await self._end_all(connection, person.user_id)
            await self._audit(connection, person.user_id, "logout everywhere", caller)

    async def _end_all(self, connection: Any, user_id: int) -> None:
        query = """
            update sessions set revoked_at = %(now)s where user_id = %(user)s and revoked_at is null
        """
        await rows_of(connection, query, {"now": self.now(), "user": user_id})

    # Passwords and second factors

    async def forget_password(self, mail: str, caller: Caller) -> None:
        """Mail a code, if the address has an account: after the answer, whose time shows
        nothing."""
        mail = mail_address(mail)
        await self._count_mail(caller, mail)
        self._later(self._mail_reset(mail, caller))

    async def _mail_reset(self, mail: str, caller: Caller) -> None:
        user = await self._user(mail)
        if user is None or not user["is_verified"]:
            return
        async with self.database.transaction() as connection:
            query = "select id from users where id = %(id)s and mail = %(mail)s for update"
            if not await rows_of(connection, query, user):
                return  # the account has another address since
            code = await self.new_code(connection, user["id"], RESET)
            await self._audit(connection, user["id"], "password reset requested", caller)
        self.mail(user, "forgotten", code=code)

    async def reset_password(
        self, mail: str, code: str, password: str, totp: str, caller: Caller
    ) -> None:
        """Reset the password with a mailed code, and the second factor of an account that has one.
        Ends every session. Raises :class:`WrongCredentials`."""
        mail = mail_address(mail)
        require_password(password, mail)
        await self.count(caller, mail)
        password_hash = await self.passwords.hash(password, caller.address)
        user = await self._user(mail)
        known = await self.known_code(user["id"] if user else 0, RESET, code)
        if user is None or known is None:
            raise WrongCredentials(WRONG_CODE)
        require(self.state(user), Action.IDENTITY, user["frozen_told"])
        if user["totp_is_confirmed"]:
            await self.require_totp(user, totp, caller)
        await self.spend_code(user["id"], RESET, known)
        link = await self._set_password(user, password_hash, Change.RESET, caller)
        await self.succeeded(caller, mail)
        self.mail_change(user, Change.RESET, link, "reset")

    async def change_password(
        self, person: Person, old: str, new: str, totp: str, caller: Caller
    ) -> None:
        """Ends every session, this one included.  Raises :class:`WrongCredentials`."""
        user = await self.proved(person, old, totp, caller)
        require_password(new, user["mail"])
        password_hash = await self.passwords.hash(new, caller.address)
        link = await self._set_password(user, password_hash, Change.PASSWORD, caller)
        self.mail_change(user, Change.PASSWORD, link, "changed")

    async def _set_password(
        self, user: dict[str, Any], password_hash: str, change: Change, caller: Caller
    ) -> Link:
        user_id = user["id"]
        async with self.database.transaction() as connection:
            await self.require(connection, Action.IDENTITY, user_id)
            await self.require_unchanged(connection, user)
            link = await self.changed(connection, user_id, change, caller)
            query = "update users set password_hash = %(hash)s where id = %(id)s"
            await rows_of(connection, query, {"hash": password_hash, "id": user_id})
            await self._end_all(connection, user_id)
        return link

    async def proved(
        self, person: Person, password: str, totp: str, caller: Caller
    ) -> dict[str, Any]:
        """The row of a user that proves itself again, with every factor, to change what proves it.
        Raises :class:`WrongCredentials` or :class:`Frozen`."""
        user = await self.user(person)
        require(self.state(user), Action.IDENTITY, user["frozen_told"])
        await self.count(caller, user["mail"])
        if not await self._is_right(user, password, caller):
            raise WrongCredentials(WRONG)
        if user["totp_is_confirmed"]:
            await self._require_totp_after_password(user, totp, caller)
        await self.succeeded(caller, user["mail"])
        return user

    async def change_mail(
        self, person: Person, mail: str, password: str, totp: str, caller: Caller
    ) -> None:
        """Mail a code to the new address, if it has no account, and one to the old address: a
        password alone moves no account.  That is after the answer, and nothing shows which is so.
        """
        mail = mail_address(mail)
        user = await self.proved(person, password, totp, caller)
        await self._count_mail(caller, mail)
        self._later(self._mail_change(user, mail, caller))

    async def _mail_change(self, user: dict[str, Any], mail: str, caller: Caller) -> None:
        known = await self._user(mail)
        if known is not None and known["is_verified"]:
            return
        async with self.database.transaction() as connection:
            await self.require(connection, Action.IDENTITY, user["id"])
            code = await self.new_code(connection, user["id"], f"{NEW_MAIL}{mail}")
            consent = await self.new_code(connection, user["id"], f"{OLD_MAIL}{mail}")
            await self._audit(connection, user["id"], "change of mail address asked for", caller)
        # The new address is not the user's yet: it does not get the user's word.
        self.mail(user | {"mail": mail, "mail_word": ""}, "address", code=code)
        self.mail(user, "leaving", code=consent, new_mail=mail)

    async def confirm_mail(
        self, person: Person, mail: str, code: str, consent: str, caller: Caller
    ) -> None:
        """Confirm a new address with the code that was mailed to it, and with the one that was
        mailed to the old address.  Raises :class:`WrongCredentials`; then neither is used up."""
        mail = mail_address(mail)
        user = await self.user(person)
        require(self.state(user), Action.IDENTITY, user["frozen_told"])
        await self.count(caller, user["mail"])
        codes = ((f"{NEW_MAIL}{mail}", code), (f"{OLD_MAIL}{mail}", consent))
        known = [await self.known_code(user["id"], *one) for one in codes]
        if None in known:
            raise WrongCredentials(WRONG_CODE)
        for (purpose, _), found in zip(codes, known, strict=True):
            await self.spend_code(user["id"], purpose, found)
        async with self.database.transaction() as connection:
            await self.require_live(connection, person)
            masked = masked_mail(user["mail"]), masked_mail(mail)
            link = await self.changed(connection, user["id"], Change.MAIL, caller, masked)
            # The address may have been registered and never verified: that claims nothing.
            claim = "delete from users where mail = %(mail)s and not is_verified"
            await rows_of(connection, claim, {"mail": mail})
            query = """
                update users set mail = %(mail)s where id = %(id)s
                    and not exists (select 1 from users where mail = %(mail)s) returning id
            """
            values = {"mail": mail, "id": user["id"]}
            if not await rows_of(connection, query, values):
                raise WrongCredentials(WRONG_CODE)
            # The old address may be the reason for the change: its codes end with it.
            await rows_of(
                connection, "delete from mailed_codes where user_id = %(id)s returning 1", values
            )
        await self.succeeded(caller, user["mail"])
        self.mail_change(user, Change.MAIL, link, "moved", new_mail=mail)

    async def new_totp(self, person: Person, password: str, caller: Caller) -> dict[str, str]:
        """The secret of an authenticator; it counts once a code of it has come back."""
        user = await self.user(person)
        if user["totp_is_confirmed"]:
            raise InvalidRequest("this account has an authenticator: remove it first")
        await self.proved(person, password, "", caller)
        pyotp = need("pyotp", "one-time codes need pyotp", "portal")
        secret = pyotp.random_base32()
        sealed = self.key.seal(secret.encode(), f"totp {user['id']}")
        query = """
            update users set totp_secret = %(sealed)s
            where id = %(id)s and not totp_is_confirmed returning id
        """
        async with self.database.transaction() as connection:
            await self.require(connection, Action.IDENTITY, user["id"])
            await rows_of(connection, query, {"sealed": sealed, "id": user["id"]})
        uri = pyotp.TOTP(secret).provisioning_uri(name=user["mail"], issuer_name=self.name)
        return {"secret": secret, "uri": uri}

    async def confirm_totp(self, person: Person, code: str, caller: Caller) -> list[str]:
        """Require the authenticator of :meth:`new_totp` from now on; return recovery codes, which
        are shown here and never again.

        Raises :class:`WrongCredentials` for a wrong code, and without such an authenticator."""
        user = await self.user(person)
        require(self.state(user), Action.IDENTITY, user["frozen_told"])
        await self.count(caller, user["mail"])
        if user["totp_secret"] is None or not await self._use_totp(user, code):
            raise WrongCredentials(WRONG_CODE)
        async with self.database.transaction() as connection:
            await self.require_live(connection, person)
            change = Change.AUTHENTICATOR_ADDED
            link = await self.changed(connection, user["id"], change, caller)
            query = """
                update users set totp_is_confirmed = true
                where id = %(id)s and totp_secret = %(totp_secret)s returning id
            """
            if not await rows_of(connection, query, user):
                raise WrongCredentials(WRONG_CODE)
            codes = await self._new_recovery_codes(connection, user["id"])
        await self.succeeded(caller, user["mail"])
        self.mail_change(user, change, link)
        return codes

    async def new_recovery_codes(
        self, person: Person, password: str, totp: str, caller: Caller
    ) -> list[str]:
        """Return ten recovery codes of an account with an authenticator, each of which takes the
        place of its code once; earlier ones end.

        Raises :class:`WrongCredentials` or :class:`CodeRequired` if password and code do not prove
        the user, :class:`InvalidRequest` without an authenticator."""
        user = await self.proved(person, password, totp, caller)
        if not user["totp_is_confirmed"]:
            raise InvalidRequest("this account has no authenticator: add one first")
        change = Change.RECOVERY_CODES
        async with self.database.transaction() as connection:
            await self.require_live(connection, person)
            await self.require_unchanged(connection, user)
            link = await self.changed(connection, user["id"], change, caller)
            codes = await self._new_recovery_codes(connection, user["id"])
        self.mail_change(user, change, link)
        return codes

    async def _new_recovery_codes(self, connection: Any, user_id: int) -> list[str]:
        query = "delete from recovery_codes where user_id = %(user)s returning 1"
        await rows_of(connection, query, {"user": user_id})
        codes = [recovery_code() for _ in range(RECOVERY_COUNT)]
        query = "insert into recovery_codes select %(user)s, unnest(%(hashes)s::bytea[])"
        hashes = [_recovery_hash(user_id, code) for code in codes]
        await connection.execute(query, {"user": user_id, "hashes": hashes})
        return codes

    async def recovery_left(self, user_id: int) -> int:
        """Return how many recovery codes an account has left."""
        query = "select count(*) from recovery_codes where user_id = %(id)s"
        row = await self.database.row(query, id=user_id)
        assert row is not None
        return int(row["count"])

    async def _use_recovery(self, user: dict[str, Any], code: str, caller: Caller) -> bool:
        """Return whether it is a recovery code of the user; from here on it is used, which is a
        change of identity."""
        change = Change.RECOVERY_CODE
        async with self.database.transaction() as connection:
            query = """
                delete from recovery_codes where user_id = %(user)s and code_hash = %(hash)s
                returning 1
            """
            values = {"user": user["id"], "hash": _recovery_hash(user["id"], code)}
            if not await rows_of(connection, query, values):
                return False
            link = await self.changed(connection, user["id"], change, caller)
        self.mail_change(user, change, link)
        return True

    async def choose_mail_word(
        self, person: Person, word: str, password: str, totp: str, caller: Caller
    ) -> None:
        """Choose the word that each mail to the user has from now on, so that the user knows mails
        of others; "": none.  Raises :class:`WrongCredentials` or :class:`InvalidRequest`."""
        if word and not MAIL_WORD.fullmatch(word):
            text = (
                "word: 3 to 40 letters, digits, blanks and .,'-, with a letter or digit at its ends"
            )
            raise InvalidRequest(text)
        user = await self.proved(person, password, totp, caller)
        async with self.database.transaction() as connection:
            await self.require_live(connection, person)
            await self.require_unchanged(connection, user)
            query = "update users set mail_word = %(word)s where id = %(id)s returning id"
            await rows_of(connection, query, {"word": word, "id": user["id"]})
            await self._audit(connection, user["id"], "mail word chosen", caller)
        self.mail(user | {"mail_word": word}, "word")

    async def remove_totp(self, person: Person, password: str, code: str, caller: Caller) -> None:
        """Remove the authenticator and mail the user.

        Raises :class:`WrongCredentials` or :class:`CodeRequired` if password or code do not prove
        the user."""
        user = await self.proved(person, password, code, caller)
        async with self.database.transaction() as connection:
            await self.require(connection, Action.IDENTITY, user["id"])
            await self.require_unchanged(connection, user)
            change = Change.AUTHENTICATOR_REMOVED
            link = await self.changed(connection, user["id"], change, caller)
            query = """
                update users set totp_secret = null, totp_is_confirmed = false where id = %(id)s
            """
            await rows_of(connection, query, {"id": user["id"]})
            query = "delete from recovery_codes where user_id = %(id)s returning 1"
            await rows_of(connection, query, {"id": user["id"]})
        self.mail_change(user, change, link, "authenticator")

    # What is shown

    async def user(self, person: Person) -> dict[str, Any]:
        """The row of the user."""
        row = await self.database.row("select * from users where id = %(id)s", id=person.user_id)
        if row is None:
            raise NotLoggedIn("log in")
        return row

    async def language(self, user_id: int) -> str:
        """The language of a user's notifications, mails and statements."""
        async with self.database.transaction() as connection:
            return await language_of_user(connection, user_id)

    async def holder(self, participant: int) -> str:
        """Return the mail address of the owner of an account, which names it."""
        query = "select mail from users where participant = %(participant)s"
        row = await self.database.row(query, participant=participant)
        return str(row["mail"]) if row is not None else ""

    async def choose_language(self, person: Person, language: str) -> None:
        """Choose the language of notifications and mails from now on, of sub-accounts too.  Raises
        :class:`InvalidRequest`."""
        if language not in TABLES:
            raise InvalidRequest(f"language: one of {', '.join(TABLES)}")
        query = "update users set language = %(language)s where %(id)s in (id, parent_id)"
        async with self.database.transaction() as connection:
            await rows_of(connection, query, {"language": language, "id": person.user_id})

    async def audit(self, person: Person, before: int = 0) -> list[dict[str, Any]]:
        """Return the actions on the account, the newest first; ``before``: with a
        smaller number."""
        query = """
            select id, at, action, address, detail from audit
            where user_id = %(user)s and (%(before)s = 0 or id < %(before)s)
            order by id desc limit %(most)s
        """
        values = {"user": person.user_id, "before": before, "most": AUDIT_ROWS}
        return await self.database.rows(query, **values)

    # Helpers

    async def count(self, caller: Caller, mail: str) -> None:
        """An attempt to prove something."""
        await self.lockout.attempt(self.now(), *_subjects(caller, mail))

    async def needs_proof(self, caller: Caller, mail: str) -> bool:
        """Return whether attempts have failed so often that the next one costs a proof of work;
        the same whether the address has an account or not.  Raises :class:`InvalidRequest`."""
        subjects = _subjects(caller, mail_address(mail))
        return await self.lockout.needs_proof(self.now(), *subjects)

    async def count_network(self, caller: Caller) -> None:
        """An attempt to prove something without naming an account."""
        network = f"from {owner_of(caller.address)}", lockout.NETWORK
        await self.lockout.attempt(self.now(), network)

    async def forgive_network(self, caller: Caller) -> None:
        """The attempt was no failure."""
        await self.lockout.forgive(self.now(), f"from {owner_of(caller.address)}")

    async def succeeded(self, caller: Caller, mail: str) -> None:
        """Undo :meth:`count`: forget all attempts with the mail address, and this one of the
        network."""
        owner = owner_of(caller.address)
        mails = f"mail {mail}", f"mail {mail} from {owner}"
        await self.lockout.succeeded(self.now(), mails, f"from {owner}")

    async def _count_mail(self, caller: Caller, mail: str) -> None:
        """A mail that is asked for."""
        owner = owner_of(caller.address)
        await self.lockout.attempt(
            self.now(),
            (f"mails from {owner}", lockout.CODE_NETWORK),
            (f"mails {mail} from {owner}", lockout.CODE_MAIL),
            (f"mails {mail}", lockout.CODE_ANYWHERE),
        )

    async def _user(self, mail: str) -> dict[str, Any] | None:
        # A sub-account has no login, whatever its address.
        query = "select * from users where mail = %(mail)s and parent_id is null"
        return await self.database.row(query, mail=mail)

    async def new_code(self, connection: Any, user_id: int, purpose: str) -> str:
        """A code to mail, valid for 15 minutes; an earlier one for the same purpose ends.

        ``connection``: inside of a transaction.  Only the code's hash is stored."""
        code = mailed_code()
        query = """
            insert into mailed_codes (user_id, purpose, code_hash, expires_at)
            values (%(user)s, %(purpose)s, %(hash)s, %(until)s)
            on conflict (user_id, purpose) do update set
                code_hash = excluded.code_hash, expires_at = excluded.expires_at, tries = 0
        """
        values = {
            "user": user_id,
            "purpose": purpose,
            "hash": hashed(f"{user_id} {purpose} {code}"),
            "until": self.now() + CODE_LASTS,
        }
        await rows_of(connection, query, values)
        return code

    async def spend_code(self, user_id: int, purpose: str, known: bytes | None) -> None:
        """Use up what :meth:`known_code` has found, once everything else is proved.  Raises
        :class:`WrongCredentials` if it was used meanwhile, or is None."""
        query = """
            delete from mailed_codes where user_id = %(user)s and purpose = %(purpose)s
                and code_hash = %(hash)s returning user_id
        """
        terms = {"user": user_id, "purpose": purpose}
        if known is None or not await self.database.rows(query, hash=known, **terms):
            raise WrongCredentials(WRONG_CODE)

    async def known_code(self, user_id: int, purpose: str, code: str) -> bytes | None:
        """The hash of a code that was mailed for this and is in force, which stays so.  Each
        question counts as a try."""
        values = {"user": user_id, "purpose": purpose}
        query = """
            update mailed_codes set tries = tries + 1
            where user_id = %(user)s and purpose = %(purpose)s
            returning code_hash, tries, expires_at
        """
        rows = await self.database.rows(query, **values)
        if not rows or rows[0]["tries"] > CODE_TRIES or rows[0]["expires_at"] <= self.now():
            return None
        stored = bytes(rows[0]["code_hash"])
        return stored if stored == hashed(f"{user_id} {purpose} {code}") else None

    async def require_factors(
        self, user_id: int, purpose: str, code: str, totp: str, caller: Caller
    ) -> None:
        """The mailed code and, if the account has one, its authenticator's, for what has to do with
        a withdrawal.  Raises :class:`WrongCredentials`, :class:`Frozen` or
        :class:`IdentityChanged`."""
        user = await self.database.row("select * from users where id = %(id)s", id=user_id)
        assert user is not None
        async with self.database.transaction() as connection:
            await self.require(connection, Action.WITHDRAW, user_id)
        await self.count(caller, user["mail"])
        known = await self.known_code(user_id, purpose, code)
        if known is None:
            raise WrongCredentials(WRONG_CODE)
        if user["totp_is_confirmed"]:
            await self.require_totp(user, totp)
        await self.spend_code(user_id, purpose, known)
        await self.succeeded(caller, user["mail"])

    async def _audit(
        self, connection: Any, user_id: int | None, action: str, caller: Caller, detail: str = ""
    ) -> None:
        await audit(connection, user_id, action, caller, detail)

    def mail(self, user: dict[str, Any], text: str, undo: str = "", **given: str) -> None:
        """Send a mail after the answer, so that the time it takes reveals nothing.

        ``user``: a row of ``users`` with ``mail``, ``language`` and ``mail_word``; ``text``: its
        key among the texts of mails; ``undo``: the link that undoes what it says; ``given``: what
        it names."""
        recipient, language = user["mail"], user["language"]
        subject = f"{self.name}: {said(language, f'mail.{text}')}"
        content = said(language, f"mail.{text}.text", name=self.name, **given)
        if undo:
            content += "\n\n" + said(language, "undo.link.text", link=undo, days=LINK.days)
        content += word_line(user["mail_word"], language)

        # What undoes a change waits for no code, of which a thief may have many sent.
        owner = f"undo {recipient}" if undo else recipient

        async def deliver() -> None:
            try:
                await self._mailers.run(owner, self.send, recipient, subject, content)
            except (NotifyError, TurnsError) as error:
                async with self.database.transaction() as connection:
                    values = None, "mail not sent", Caller("portal"), str(error)
                    await self._audit(connection, *values)

        self._later(deliver())

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this after the answer."""

        async def done() -> None:
            try:
                await work
            except DatabaseError as error:
                log.error("a mail is not sent: %s", error)

        task = asyncio.create_task(done())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def drain(self) -> None:
        """Wait for mails that are under way."""
        while self._under_way:
            await asyncio.gather(*self._under_way, return_exceptions=True)


async def audit(
    connection: Any,
    user_id: int | None,
    action: str,
    caller: Caller,
    detail: str = "",
    for_operators: str = "",
) -> None:
    """A row of the audit record, and the user's notice of it if it is news, in the transaction of
    what it is about.  ``for_operators``: the detail that they read in the place of the user's."""
    query = """
        insert into audit (user_id, action, address, detail, for_operators)
        values (%(user)s, %(action)s, %(address)s, %(detail)s, %(inner)s)
        returning id, (select language from users where id = user_id)
    """
    shown = printable(detail)[:500]
    values = {"user": user_id, "action": action, "address": caller.address, "detail": shown}
    values["inner"] = printable(for_operators)[:500]
    row = (await rows_of(connection, query, values))[0]
    if user_id is None:
        return
    notice = of_audit(row["id"], action, caller.address, shown, row["language"])
    if notice is not None:
        await add_notice(connection, user_id, notice)


def recovery_code() -> str:
    """A random recovery code: 80 bits."""
    letters = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(letters[at : at + 4] for at in range(0, 4 * RECOVERY_GROUPS, 4))


def _recovery_hash(user_id: int, code: str) -> bytes:
    return hashed(f"recovery {user_id} {code}")


async def language_of_user(connection: Any, user_id: int) -> str:
    """The language of a user's notifications and mails."""
    query = "select language from users where id = %(id)s"
    return str((await rows_of(connection, query, {"id": user_id}))[0]["language"])


async def add_notice(connection: Any, user_id: int, notice: Notice) -> None:
    """Add a notice in the connection's transaction; one that exists is not added again."""
    query = """
        select add_notice(%(user)s, %(key)s, %(event)s, %(urgent)s, %(title)s, %(body)s, %(data)s)
    """
    values = {
        "user": user_id,
        "key": notice.key,
        "event": notice.event,
        "urgent": notice.is_urgent,
        "title": notice.title,
        "body": notice.body,
        "data": json.dumps(notice.data),
    }
    await rows_of(connection, query, values)
