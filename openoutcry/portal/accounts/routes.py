"""The account API under ``/v1``: JSON in, JSON out, problems as ``application/problem+json``."""

from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Annotated, Any

from openoutcry.client import portal_models as models
from openoutcry.portal.accounts.accounts import Accounts, Caller, Person
from openoutcry.portal.accounts.api_keys import ApiKeys
from openoutcry.portal.accounts.challenges import Challenges
from openoutcry.portal.accounts.errors import AccountError, NotLoggedIn
from openoutcry.portal.body import Body
from openoutcry.portal.notices.texts import language_of
from openoutcry.wire.text import printable

ACCOUNT: list[Any] = ["account"]
ACCEPTED = {"status": "accepted"}
"""The answer to a request whose outcome a stranger must not see."""
DONE = {"status": "done"}
WORKED_OUT = ("waits_until", "recovery_codes", "has_mail_word")
SHOWN = tuple(field.name for field in fields(models.Me) if field.name not in WORKED_OUT)


@dataclass
class Credentials(Body):
    """Address and password of an account."""

    mail: str
    password: str


@dataclass
class Registration(Credentials):
    """``solution``: of a challenge of ``GET /v1/challenge``, where the portal asks for one."""

    solution: str = ""


@dataclass
class Verification(Credentials):
    """``code``: the one that was mailed to the address; ``solution``: as of a login."""

    code: str
    solution: str = ""


@dataclass
class Login(Credentials):
    """``totp``: of the authenticator, if the account has one; ``solution``: of a challenge of
    ``GET /v1/challenge``, where the portal asks for one after failures."""

    totp: str = ""
    solution: str = ""


@dataclass
class Refresh(Body):
    """A refresh token; it is valid once, and the answer holds the next one."""

    refresh_token: str


@dataclass
class Address(Body):
    """``solution``: of a challenge of ``GET /v1/challenge``, where the portal asks for one."""

    mail: str
    solution: str = ""


@dataclass
class PasswordReset(Body):
    """``code``: the mailed one; ``password``: the new one; ``totp``: of the authenticator, if there
    is one; ``solution``: as of a login."""

    mail: str
    code: str
    password: str
    totp: str = ""
    solution: str = ""


@dataclass
class PasswordChange(Body):
    """``old`` and ``new`` passwords; ``totp``: of the authenticator, if there is one."""

    old: str
    new: str
    totp: str = ""


@dataclass
class Proof(Body):
    """Proves the user again; ``totp``: of the authenticator, if there is one."""

    password: str
    totp: str = ""


@dataclass
class Language(Body):
    """``language``: en or de."""

    language: str


@dataclass
class Code(Body):
    """A code of an authenticator."""

    code: str


@dataclass
class NewKey(Body):
    """``public_key``: of Ed25519, in PEM or base64, or of RSA, in PEM; without one the key is
    HMAC-SHA256."""

    label: str
    password: str
    permissions: list[str] = field(default_factory=lambda: ["read"])
    networks: list[str] = field(default_factory=list)
    expires_at: datetime | None = None
    public_key: str = ""
    totp: str = ""


def problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> Any:
    """An answer of RFC 9457."""
    from fastapi.responses import JSONResponse

    body = {"type": f"urn:outcry:{code}", "title": code.replace("_", " "), "status": status}
    return JSONResponse(
        body | {"code": code, "detail": printable(detail)},
        status,
        headers=headers,
        media_type="application/problem+json",
    )


def caller_of(request: Any) -> Caller:
    """Address and user agent of a request; the address is "unknown" if the server does not know
    it."""
    address = request.client.host if request.client else "unknown"
    language = language_of(request.headers.get("accept-language", ""))
    return Caller(address, request.headers.get("user-agent", ""), language)


def add_accounts(app: Any, accounts: Accounts, keys: ApiKeys, challenges: Challenges) -> None:
    """Add every route of the account API to an application of FastAPI."""
    _add_problems(app)
    _add_strangers(app, accounts, challenges)
    logged = logged_in(accounts)
    _add_sessions(app, accounts, logged)
    _add_factors(app, accounts, logged)
    _add_keys(app, keys, logged)


def _add_problems(app: Any) -> None:
    from fastapi.exceptions import RequestValidationError

    @app.exception_handler(AccountError)
    async def refused(request: Any, error: AccountError) -> Any:
        headers = {"retry-after": str(error.retry_after_s)} if error.retry_after_s else None
        return problem(error.status, error.code, str(error), headers)

    @app.exception_handler(UnicodeEncodeError)
    async def no_text(request: Any, error: UnicodeEncodeError) -> Any:
        """JSON can name halves of surrogate pairs, which no text has."""
        return problem(422, "invalid_request", "a text has invalid characters")

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Any, error: RequestValidationError) -> Any:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return problem(422, "invalid_request", f"{where}: {first['msg']}".lstrip(": "))


def _add_strangers(app: Any, accounts: Accounts, challenges: Challenges) -> None:
    """Add the routes that need no login."""
    from fastapi import Request

    @app.post("/v1/register", status_code=202, response_model=models.Status, tags=ACCOUNT)
    async def register(body: Registration, request: Request) -> dict[str, str]:
        await challenges.require(body.solution)
        await accounts.register(body.mail, body.password, caller_of(request))
        return ACCEPTED

    @app.post("/v1/verify", response_model=models.Status, tags=ACCOUNT)
    async def verify(body: Verification, request: Request) -> dict[str, str]:
        caller = caller_of(request)
        await challenges.require_after_failures(body.solution, body.mail, caller)
        await accounts.verify(body.mail, body.password, body.code, caller)
        return DONE

    @app.post("/v1/login", response_model=models.TokenPair, tags=ACCOUNT)
    async def log_in(body: Login, request: Request) -> dict[str, Any]:
        caller = caller_of(request)
        await challenges.require_after_failures(body.solution, body.mail, caller)
        return asdict(await accounts.log_in(body.mail, body.password, body.totp, caller))

    @app.post("/v1/refresh", response_model=models.TokenPair, tags=ACCOUNT)
    async def refresh(body: Refresh, request: Request) -> dict[str, Any]:
        return asdict(await accounts.refresh(body.refresh_token, caller_of(request)))

    @app.post("/v1/password/forget", status_code=202, response_model=models.Status, tags=ACCOUNT)
    async def forget(body: Address, request: Request) -> dict[str, str]:
        await challenges.require(body.solution)
        await accounts.forget_password(body.mail, caller_of(request))
        return ACCEPTED

    @app.post("/v1/password/reset", response_model=models.Status, tags=ACCOUNT)
    async def reset(body: PasswordReset, request: Request) -> dict[str, str]:
        caller = caller_of(request)
        await challenges.require_after_failures(body.solution, body.mail, caller)
        await accounts.reset_password(body.mail, body.code, body.password, body.totp, caller)
        return DONE


async def person_of(accounts: Accounts, request: Any) -> Person:
    """The person of the request's access token.  Raises :class:`NotLoggedIn`."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise NotLoggedIn("log in")
    return await accounts.person(token)


def logged_in(accounts: Accounts) -> Any:
    """The type of a parameter that is the person of the request's access token."""
    from fastapi import Depends, Request

    async def person(request: Request) -> Person:
        return await person_of(accounts, request)

    return Annotated[Person, Depends(person)]


def _add_sessions(app: Any, accounts: Accounts, logged: Any) -> None:
    from fastapi import Depends, Request

    async def viewer(request: Request) -> Person:
        """Also an operator who looks at the user's pages."""
        _, _, token = request.headers.get("authorization", "").partition(" ")
        if accounts.is_support(token):
            return Person(await accounts.supported(token), "")
        return await accounts.person(token)

    viewed = Annotated[Person, Depends(viewer)]

    @app.get("/v1/me", response_model=models.Me, tags=ACCOUNT)
    async def me(person: viewed) -> dict[str, Any]:
        user = await accounts.user(person)
        shown = {name: user[name] for name in SHOWN}
        return shown | {
            "waits_until": await accounts.waits_until(person.user_id),
            "recovery_codes": await accounts.recovery_left(person.user_id),
            "has_mail_word": bool(user["mail_word"]),
        }

    @app.put("/v1/language", response_model=models.Status, tags=ACCOUNT)
    async def choose_language(person: logged, body: Language) -> dict[str, str]:
        await accounts.choose_language(person, body.language)
        return DONE

    @app.post("/v1/logout", response_model=models.Status, tags=ACCOUNT)
    async def log_out(person: logged, request: Request) -> dict[str, str]:
        await accounts.end_session(person, person.session_id, caller_of(request))
        return DONE

    @app.post("/v1/logout-everywhere", response_model=models.Status, tags=ACCOUNT)
    async def log_out_everywhere(person: logged, request: Request) -> dict[str, str]:
        await accounts.end_all_sessions(person, caller_of(request))
        return DONE

    @app.get("/v1/sessions", response_model=list[models.SessionRow], tags=ACCOUNT)
    async def sessions(person: logged) -> list[dict[str, Any]]:
        return await accounts.sessions(person)

    @app.delete("/v1/sessions/{session_id}", response_model=models.Status, tags=ACCOUNT)
    async def end_session(person: logged, session_id: str, request: Request) -> dict[str, str]:
        await accounts.end_session(person, session_id, caller_of(request))
        return DONE

    @app.get("/v1/audit", response_model=list[models.AuditRow], tags=ACCOUNT)
    async def audit(person: logged, before: int = 0) -> list[dict[str, Any]]:
        return await accounts.audit(person, before)


def _add_factors(app: Any, accounts: Accounts, logged: Any) -> None:
    """Passwords and authenticators."""
    from fastapi import Request

    @app.post("/v1/password", response_model=models.Status, tags=ACCOUNT)
    async def change(person: logged, body: PasswordChange, request: Request) -> dict[str, str]:
        caller = caller_of(request)
        await accounts.change_password(person, body.old, body.new, body.totp, caller)
        return DONE

    @app.post("/v1/totp", response_model=models.TotpSecret, tags=ACCOUNT)
    async def new_totp(person: logged, body: Proof, request: Request) -> dict[str, str]:
        return await accounts.new_totp(person, body.password, caller_of(request))

    @app.post("/v1/totp/confirm", response_model=models.RecoveryCodes, tags=ACCOUNT)
    async def confirm_totp(person: logged, body: Code, request: Request) -> dict[str, Any]:
        codes = await accounts.confirm_totp(person, body.code, caller_of(request))
        return DONE | {"codes": codes}

    @app.post("/v1/totp/recovery-codes", response_model=models.RecoveryCodes, tags=ACCOUNT)
    async def new_recovery_codes(person: logged, body: Proof, request: Request) -> dict[str, Any]:
        factors = body.password, body.totp
        codes = await accounts.new_recovery_codes(person, *factors, caller_of(request))
        return DONE | {"codes": codes}

    @app.post("/v1/totp/remove", response_model=models.Status, tags=ACCOUNT)
    async def remove_totp(person: logged, body: Proof, request: Request) -> dict[str, str]:
        await accounts.remove_totp(person, body.password, body.totp, caller_of(request))
        return DONE


def _add_keys(app: Any, keys: ApiKeys, logged: Any) -> None:
    from fastapi import Request

    @app.get("/v1/api-keys", response_model=list[models.ApiKeyRow], tags=ACCOUNT)
    async def list_keys(person: logged) -> list[dict[str, Any]]:
        return await keys.list(person.user_id)

    @app.post(
        "/v1/api-keys",
        status_code=201,
        response_model=models.CreatedKey,
        response_model_exclude_none=True,
        tags=ACCOUNT,
    )
    async def new_key(person: logged, body: NewKey, request: Request) -> dict[str, Any]:
        return await keys.create(
            person,
            body.label,
            body.permissions,
            body.networks,
            body.expires_at,
            body.public_key,
            body.totp,
            body.password,
            caller_of(request),
        )

    @app.delete("/v1/api-keys/{number}", response_model=models.Status, tags=ACCOUNT)
    async def revoke_key(person: logged, number: int, request: Request) -> dict[str, str]:
        await keys.revoke(person, number, caller_of(request))
        return DONE
