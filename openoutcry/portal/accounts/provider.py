"""Logins by another provider (OpenID Connect: the code flow with PKCE, state and nonce)."""

import asyncio
import base64
import hashlib
import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from openoutcry.portal.accounts.accounts import (
    Accounts,
    Caller,
    Person,
    Tokens,
    audit,
    mail_address,
)
from openoutcry.portal.accounts.changes import Change
from openoutcry.portal.accounts.errors import (
    AccountError,
    InvalidRequest,
    Unavailable,
    WrongCredentials,
)
from openoutcry.portal.accounts.passkeys import NotOffered
from openoutcry.portal.accounts.tickets import Tickets
from openoutcry.portal.database import Row, rows_of
from openoutcry.wire.extras import need

LASTS, ANSWER_S, LARGEST = timedelta(minutes=10), 10.0, 1 << 20
FETCHERS = 2
"""Threads that ask the provider: one that does not answer keeps nothing else waiting."""
PURPOSE = "provider login"
ALGORITHMS = ["RS256", "ES256", "EdDSA"]
NO_PASSWORD = "!"
"""In the place of a password's hash: none is right."""


class NotLinked(AccountError):
    """The mail address has an account that is not linked, or the provider's account belongs to
    another user."""

    status, code = 409, "not_linked"


@dataclass(frozen=True)
class ProviderSettings:
    """An OpenID Connect provider. ``secret_file`` holds the client's secret; ``redirect`` is the
    portal's own page."""

    issuer: str
    client_id: str
    secret_file: Path
    redirect: str


class Provider:
    """One provider."""

    def __init__(self, accounts: Accounts, settings: ProviderSettings | None) -> None:
        self.accounts, self.settings = accounts, settings
        self.tickets = Tickets(accounts.database)
        self._found: dict[str, Any] | None = None
        self._fetchers = ThreadPoolExecutor(FETCHERS, "provider")

    async def begin(self, person: Person | None = None) -> dict[str, str]:
        """Return where the browser goes.  ``person``: the account that the provider's is linked
        to."""
        settings, found = await self._provider()
        verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        data = json.dumps([verifier, nonce]).encode()
        until = self.accounts.now() + LASTS
        user_id = person.user_id if person is not None else None
        state = await self.tickets.new(PURPOSE, data, until, user_id)
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": settings.client_id,
            "redirect_uri": settings.redirect,
            "scope": "openid email",
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        return {"url": f"{found['authorization_endpoint']}?{urlencode(query)}", "state": state}

    async def finish(
        self, state: str, code: str, totp: str, caller: Caller, person: Person | None = None
    ) -> Tokens:
        """A session of the account that is linked, or that is made now.

        ``person``: that is logged in.  The account that began a link finishes it: so a user cannot
        be led to link an identity to another one's account.

        Raises :class:`WrongCredentials`, or :class:`NotLinked` where the mail address has an
        account which is not linked: its owner logs in and links it."""
        await self.accounts.count_network(caller)
        ticket = await self.tickets.use(state, PURPOSE, self.accounts.now())
        if ticket is None:
            raise WrongCredentials("begin the login again")
        if ticket["user_id"] is not None and (
            person is None or person.user_id != ticket["user_id"]
        ):
            raise WrongCredentials("a link is finished by the account that began it: log in")
        verifier, nonce = json.loads(bytes(ticket["data"]))
        claims = await self._claims(code, verifier, nonce)
        subject = f"{claims['iss']} {claims['sub']}"
        if person is not None and ticket["user_id"] is not None:
            user = await self._link(person, subject, caller)
        else:
            user = await self._user(subject, claims, caller)
        if user["totp_is_confirmed"]:
            # From many addresses, too, its codes cannot be tried.
            await self.accounts.count(caller, user["mail"])
            await self.accounts.require_totp(user, totp, caller)
            await self.accounts.succeeded(caller, user["mail"])
        require = partial(self.accounts.require_unchanged, user=user)
        tokens = await self.accounts.begin(user["id"], caller, require)
        await self.accounts.forgive_network(caller)
        return tokens

    async def _user(self, subject: str, claims: dict[str, Any], caller: Caller) -> Row:
        query = "select * from users where provider_subject = %(subject)s"
        known = await self.accounts.database.row(query, subject=subject)
        if known is not None:
            return known
        if claims.get("email_verified") is not True:
            raise WrongCredentials("the provider has not verified this mail address")
        mail = mail_address(str(claims.get("email", "")))
        query = """
            insert into users (mail, password_hash, is_verified, provider_subject, language)
            values (%(mail)s, %(none)s, true, %(subject)s, %(language)s)
            on conflict (mail) do update set is_verified = true,
                password_hash = excluded.password_hash, language = excluded.language,
                provider_subject = excluded.provider_subject
            where not users.is_verified returning *
        """
        async with self.accounts.database.transaction() as connection:
            values = {"mail": mail, "none": NO_PASSWORD, "subject": subject}
            values["language"] = caller.language
            rows = await rows_of(connection, query, values)
            if not rows:
                raise NotLinked("this address has an account: log in and link it there")
            # The address may have been registered and never verified: that claims nothing, and its
            # codes and password end.
            query = "delete from mailed_codes where user_id = %(id)s"
            await rows_of(connection, query, {"id": rows[0]["id"]})
            await audit(connection, rows[0]["id"], "registered by the provider", caller)
        self.accounts.verified(rows[0]["id"])
        return rows[0]

    async def _link(self, person: Person, subject: str, caller: Caller) -> Row:
        query = """
            update users set provider_subject = %(subject)s where id = %(id)s
                and not exists (select 1 from users where provider_subject = %(subject)s
                    and id <> %(id)s)
            returning *
        """
        async with self.accounts.database.transaction() as connection:
            await self.accounts.require_live(connection, person)
            link = await self.accounts.changed(connection, person.user_id, Change.PROVIDER, caller)
            rows = await rows_of(connection, query, {"subject": subject, "id": person.user_id})
            if not rows:
                raise NotLinked("the provider's account is linked to another account")
        self.accounts.mail_change(rows[0], Change.PROVIDER, link)
        return rows[0]

    # The provider

    async def _provider(self) -> tuple[ProviderSettings, dict[str, Any]]:
        if self.settings is None:
            raise NotOffered("this portal knows no other provider")
        if self._found is None:
            url = f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration"
            found = await self._fetched(Request(url))
            if found.get("issuer") != self.settings.issuer:
                raise Unavailable("the provider names an issuer other than its own")
            self._found = found
        return self.settings, self._found

    async def _fetched(self, request: Request) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._fetchers, _fetched, request)

    async def _claims(self, code: str, verifier: str, nonce: str) -> dict[str, Any]:
        """Return the claims of the ID token, checked.  Raises :class:`WrongCredentials`."""
        settings, found = await self._provider()
        if not code:
            raise InvalidRequest("code: it is missing")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": settings.redirect,
            "client_id": settings.client_id,
            "client_secret": settings.secret_file.read_text(encoding="utf-8").strip(),
            "code_verifier": verifier,
        }
        request = Request(str(found["token_endpoint"]), urlencode(form).encode())
        answer = await self._fetched(request)
        keys = await self._fetched(Request(str(found["jwks_uri"])))
        jwt = need("jwt", "the portal", "portal")
        try:
            token = str(answer["id_token"])
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                raise WrongCredentials("the provider's token is signed in another way")
            key = jwt.PyJWKSet.from_dict(keys)[header["kid"]]
            options = {"require": ["exp", "iat", "sub", "iss", "aud"]}
            claims = jwt.decode(
                token,
                key.key,
                ALGORITHMS,
                audience=settings.client_id,
                issuer=settings.issuer,
                options=options,
                leeway=30,
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            raise WrongCredentials("the provider's token does not hold") from None
        if not secrets.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise WrongCredentials("the provider's token belongs to another login")
        if not claims["sub"] or claims.get("azp", settings.client_id) != settings.client_id:
            raise WrongCredentials("the provider's token is for another client, or of no account")
        return dict(claims)


def _fetched(request: Request) -> dict[str, Any]:
    """A JSON object.  Raises :class:`Unavailable`, or :class:`WrongCredentials` for a refusal."""
    request.add_header("accept", "application/json")
    try:
        with urlopen(request, timeout=ANSWER_S) as answer:
            found = json.loads(answer.read(LARGEST))
    except URLError as error:
        if getattr(error, "code", 0) in (400, 401):
            raise WrongCredentials("the provider refuses this login") from None
        raise Unavailable("the provider does not answer") from None
    except (OSError, ValueError):
        raise Unavailable("the provider does not answer") from None
    if type(found) is not dict:
        raise Unavailable("the provider does not answer as it should")
    return found
