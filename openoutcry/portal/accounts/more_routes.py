"""The rest of the account API under ``/v1``: passkeys, another provider, the mail address,
identities, challenges."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from openoutcry.client import portal_models as models
from openoutcry.portal.accounts.accounts import Accounts
from openoutcry.portal.accounts.challenges import Challenges
from openoutcry.portal.accounts.errors import TooMany
from openoutcry.portal.accounts.identities import Identities, Said
from openoutcry.portal.accounts.passkeys import Passkeys
from openoutcry.portal.accounts.provider import Provider
from openoutcry.portal.accounts.routes import (
    ACCOUNT,
    DONE,
    Proof,
    caller_of,
    logged_in,
    person_of,
)
from openoutcry.portal.accounts.undo import Undo
from openoutcry.portal.body import Body
from openoutcry.wire.load_limits import Places

LARGE_BODY = "/v1/identity/papers"
"""The one path whose body may be large."""
UPLOADS, UPLOADS_EACH = 40, 2
"""Papers that are read at once, in all and of one user: each is in memory until it is whole."""
PAPER_SHOWN: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@dataclass
class NewPasskey(Body):
    """``credential``: as the browser gives it (``toJSON()``)."""

    ticket: str
    label: str
    credential: dict[str, Any]


@dataclass
class PasskeyLogin(Body):
    """``ticket``: of the login's options; ``credential``: as the browser gives it
    (``toJSON()``)."""

    ticket: str
    credential: dict[str, Any]


@dataclass
class ProviderLogin(Body):
    """``state`` and ``code``: from the provider's redirect; ``totp``: of the authenticator, if
    there is one."""

    state: str
    code: str
    totp: str = ""


@dataclass
class NewMail(Body):
    """``mail``: the new address; password and ``totp`` prove the user."""

    mail: str
    password: str
    totp: str = ""


@dataclass
class ConfirmedMail(Body):
    """``mail``: the new address; ``code``: the one that was mailed to it; ``old_code``: the one
    that was mailed to the old address."""

    mail: str
    code: str
    old_code: str


@dataclass
class MailWord(Body):
    """``word``: each mail to the user has it from now on, "": none; password and ``totp`` prove the
    user."""

    word: str
    password: str
    totp: str = ""


@dataclass
class UndoToken(Body):
    """``token``: of the link that was mailed to the address which the account had before."""

    token: str


@dataclass
class Identity(Body):
    """A request for a level; ``country``: two letters of ISO 3166."""

    level: int
    name: str
    born: date
    country: str
    address: str


@dataclass
class More:
    """Parts of these routes."""

    accounts: Accounts
    passkeys: Passkeys
    provider: Provider
    identities: Identities
    challenges: Challenges


def add_more(app: Any, more: More) -> None:
    """Add every route to an application of FastAPI."""
    logged = logged_in(more.accounts)
    _add_challenges(app, more.challenges)
    _add_mail(app, more.accounts, logged)
    _add_undo(app, more.accounts)
    _add_passkeys(app, more.passkeys, logged)
    _add_provider(app, more.provider, logged)
    _add_identity(app, more.identities, logged)


def _add_challenges(app: Any, challenges: Challenges) -> None:
    @app.get("/v1/challenge", response_model=models.Challenge, tags=ACCOUNT)
    async def challenge() -> Any:
        return {"algorithm": "ALTCHA", "challenge": challenges.new()}


def _add_mail(app: Any, accounts: Accounts, logged: Any) -> None:
    from fastapi import Request

    @app.post("/v1/mail", status_code=202, response_model=models.Status, tags=ACCOUNT)
    async def change_mail(person: logged, body: NewMail, request: Request) -> Any:
        factors = body.password, body.totp
        await accounts.change_mail(person, body.mail, *factors, caller_of(request))
        return {"status": "accepted"}

    @app.post("/v1/mail/confirm", response_model=models.Status, tags=ACCOUNT)
    async def confirm_mail(person: logged, body: ConfirmedMail, request: Request) -> Any:
        await accounts.confirm_mail(person, body.mail, body.code, body.old_code, caller_of(request))
        return DONE

    @app.put("/v1/mail-word", response_model=models.Status, tags=ACCOUNT)
    async def choose_mail_word(person: logged, body: MailWord, request: Request) -> Any:
        factors = body.password, body.totp
        await accounts.choose_mail_word(person, body.word, *factors, caller_of(request))
        return DONE


def _add_undo(app: Any, accounts: Accounts) -> None:
    from fastapi import Request

    @app.post("/v1/undo", response_model=models.Status, tags=ACCOUNT)
    async def undo_changes(body: UndoToken, request: Request) -> Any:
        await Undo(accounts).use(body.token, caller_of(request))
        return DONE


def _add_passkeys(app: Any, passkeys: Passkeys, logged: Any) -> None:
    from fastapi import Request

    @app.get("/v1/passkeys", response_model=list[models.PasskeyRow], tags=ACCOUNT)
    async def list_passkeys(person: logged) -> Any:
        return await passkeys.list(person)

    @app.post("/v1/passkeys/begin", response_model=models.PasskeyRequest, tags=ACCOUNT)
    async def begin_passkey(person: logged, body: Proof, request: Request) -> Any:
        return await passkeys.begin(person, body.password, body.totp, caller_of(request))

    @app.post("/v1/passkeys", status_code=201, response_model=models.Status, tags=ACCOUNT)
    async def add_passkey(person: logged, body: NewPasskey, request: Request) -> Any:
        terms = body.ticket, body.label, body.credential
        await passkeys.add(person, *terms, caller_of(request))
        return DONE

    @app.post("/v1/passkeys/{number}/remove", response_model=models.Status, tags=ACCOUNT)
    async def remove_passkey(person: logged, number: int, body: Proof, request: Request) -> Any:
        factors = body.password, body.totp
        await passkeys.remove(person, number, *factors, caller_of(request))
        return DONE

    @app.post("/v1/login/passkey/begin", response_model=models.PasskeyRequest, tags=ACCOUNT)
    async def begin_passkey_login() -> Any:
        return await passkeys.begin_login()

    @app.post("/v1/login/passkey", response_model=models.TokenPair, tags=ACCOUNT)
    async def log_in_by_passkey(body: PasskeyLogin, request: Request) -> Any:
        return asdict(await passkeys.log_in(body.ticket, body.credential, caller_of(request)))


def _add_provider(app: Any, provider: Provider, logged: Any) -> None:
    from fastapi import Request

    @app.post("/v1/login/provider/begin", response_model=models.ProviderRequest, tags=ACCOUNT)
    async def begin_provider_login() -> Any:
        return await provider.begin()

    @app.post("/v1/login/provider", response_model=models.TokenPair, tags=ACCOUNT)
    async def log_in_by_provider(body: ProviderLogin, request: Request) -> Any:
        terms = body.state, body.code, body.totp
        person = None
        if "authorization" in request.headers:
            person = await person_of(provider.accounts, request)
        return asdict(await provider.finish(*terms, caller_of(request), person))

    @app.post("/v1/provider/link", response_model=models.ProviderRequest, tags=ACCOUNT)
    async def link_provider(person: logged, body: Proof, request: Request) -> Any:
        caller = caller_of(request)
        await provider.accounts.proved(person, body.password, body.totp, caller)
        return await provider.begin(person)


def _add_identity(app: Any, identities: Identities, logged: Any) -> None:
    from fastapi import Request

    uploads: Places[Any] = Places(UPLOADS, UPLOADS_EACH)

    @app.get("/v1/identity", response_model=models.IdentityShown, tags=ACCOUNT)
    async def identity(person: logged) -> Any:
        return await identities.shown(person)

    @app.post("/v1/identity", status_code=202, response_model=models.Status, tags=ACCOUNT)
    async def submit_identity(person: logged, body: Identity, request: Request) -> Any:
        said = Said(body.level, body.name, body.born, body.country, body.address)
        await identities.submit(person, said, caller_of(request))
        return {"status": "accepted"}

    @app.post(
        LARGE_BODY,
        status_code=201,
        response_model=models.Status,
        tags=ACCOUNT,
        openapi_extra=PAPER_SHOWN,
    )
    async def upload_paper(person: logged, kind: str, request: Request) -> Any:
        with uploads.place(f"user {person.user_id}", request) as has_place:
            if not has_place:
                raise TooMany("too many papers are on their way: wait for them", retry_after_s=1)
            await identities.add_paper(person, kind, await request.body(), caller_of(request))
        return DONE
