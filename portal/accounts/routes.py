"""The account API under ``/v1``: JSON in, JSON out, problems as ``application/problem+json``."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Annotated, Any, ClassVar

from openoutcry.portal.accounts.accounts import Accounts, Caller, Person
from openoutcry.portal.accounts.api_keys import ApiKeys
from openoutcry.portal.accounts.errors import AccountError, NotLoggedIn

STRICT: dict[str, str] = {"extra": "forbid"}
ACCEPTED = {"status": "accepted"}
"""The answer to a request whose outcome a stranger must not see."""
DONE = {"status": "done"}


@dataclass
class Credentials:
    __pydantic_config__: ClassVar[dict[str, str]] = STRICT  # type: ignore[misc]
    mail: str
    password: str


@dataclass
class Verification(Credentials):
    code: str


@dataclass
class Login(Credentials):
    totp: str = ""


@dataclass
class Refresh:
    __pydantic_config__: ClassVar[dict[str, str]] = STRICT  # type: ignore[misc]
    refresh_token: str


@dataclass
class Address:
    __pydantic_config__: ClassVar[dict[str, str]] = STRICT  # type: ignore[misc]
    mail: str


@dataclass
class PasswordReset:
    __pydantic_config__: ClassVar[dict[str, str]] = STRICT  # type: ignore[misc]
    mail: str
    code: str
    password: str
    totp: str = ""


@dataclass
class PasswordChange:
    __pydantic_config__: ClassVar[dict[str, str]] = STRICT  # type: ignore[misc]
    old: str
    new: str
    totp: str = ""


@dataclass
class Proof:
    __pydantic_config__: ClassVar[dict[str, str]] = STRICT  # type: ignore[misc]
    password: str
    totp: str = ""


@dataclass
class Code:
    __pydantic_config__: ClassVar[dict[str, str]] = STRICT  # type: ignore[misc]
    code: str


@dataclass
class NewKey:
    """``public_key``: of Ed25519, in PEM or base64; without one the key is HMAC-SHA256."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT  # type: ignore[misc]
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
        body | {"code": code, "detail": detail},
        status,
        headers=headers,
        media_type="application/problem+json",
    )


def caller_of(request: Any) -> Caller:
    address = request.client.host if request.client else "unknown"
    return Caller(address, request.headers.get("user-agent", ""))


def add_accounts(app: Any, accounts: Accounts, keys: ApiKeys) -> None:
    """Add every route of the account API to an application of FastAPI."""
    _add_problems(app)
    _add_strangers(app, accounts)
    logged = _logged_in(accounts)
    _add_sessions(app, accounts, logged)
    _add_factors(app, accounts, logged)
    _add_keys(app, keys, logged)


def _add_problems(app: Any) -> None:
    from fastapi.exceptions import RequestValidationError

    @app.exception_handler(AccountError)
    async def refused(request: Any, error: AccountError) -> Any:
        headers = {"retry-after": str(error.retry_after_s)} if error.retry_after_s else None
        return problem(error.status, error.code, str(error), headers)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Any, error: RequestValidationError) -> Any:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return problem(422, "invalid_request", f"{where}: {first['msg']}".lstrip(": "))


def _add_strangers(app: Any, accounts: Accounts) -> None:
    """What needs no login."""
    from fastapi import Request

    @app.post("/v1/register", status_code=202)
    async def register(body: Credentials, request: Request) -> dict[str, str]:
        await accounts.register(body.mail, body.password, caller_of(request))
        return ACCEPTED

    @app.post("/v1/verify")
    async def verify(body: Verification, request: Request) -> dict[str, str]:
        await accounts.verify(body.mail, body.password, body.code, caller_of(request))
        return DONE

    @app.post("/v1/login")
    async def log_in(body: Login, request: Request) -> dict[str, Any]:
        caller = caller_of(request)
        return asdict(await accounts.log_in(body.mail, body.password, body.totp, caller))

    @app.post("/v1/refresh")
    async def refresh(body: Refresh, request: Request) -> dict[str, Any]:
        return asdict(await accounts.refresh(body.refresh_token, caller_of(request)))

    @app.post("/v1/password/forget", status_code=202)
    async def forget(body: Address, request: Request) -> dict[str, str]:
        await accounts.forget_password(body.mail, caller_of(request))
        return ACCEPTED

    @app.post("/v1/password/reset")
    async def reset(body: PasswordReset, request: Request) -> dict[str, str]:
        caller = caller_of(request)
        await accounts.reset_password(body.mail, body.code, body.password, body.totp, caller)
        return DONE


def _logged_in(accounts: Accounts) -> Any:
    """The type of a parameter that is the person of the request's access token."""
    from fastapi import Depends, Request

    async def logged_in(request: Request) -> Person:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise NotLoggedIn("log in")
        return await accounts.person(token)

    return Annotated[Person, Depends(logged_in)]


def _add_sessions(app: Any, accounts: Accounts, logged: Any) -> None:
    from fastapi import Request

    @app.get("/v1/me")
    async def me(person: logged) -> dict[str, Any]:
        user = await accounts.user(person)
        shown = ("id", "mail", "participant", "is_open", "totp_is_confirmed", "created_at")
        return {name: user[name] for name in shown}

    @app.post("/v1/logout")
    async def log_out(person: logged, request: Request) -> dict[str, str]:
        await accounts.end_session(person, person.session_id, caller_of(request))
        return DONE

    @app.post("/v1/logout-everywhere")
    async def log_out_everywhere(person: logged, request: Request) -> dict[str, str]:
        await accounts.end_all_sessions(person, caller_of(request))
        return DONE

    @app.get("/v1/sessions")
    async def sessions(person: logged) -> list[dict[str, Any]]:
        return await accounts.sessions(person)

    @app.delete("/v1/sessions/{session_id}")
    async def end_session(person: logged, session_id: str, request: Request) -> dict[str, str]:
        await accounts.end_session(person, session_id, caller_of(request))
        return DONE

    @app.get("/v1/audit")
    async def audit(person: logged, before: int = 0) -> list[dict[str, Any]]:
        return await accounts.audit(person, before)


def _add_factors(app: Any, accounts: Accounts, logged: Any) -> None:
    """Passwords and authenticators."""
    from fastapi import Request

    @app.post("/v1/password")
    async def change(person: logged, body: PasswordChange, request: Request) -> dict[str, str]:
        caller = caller_of(request)
        await accounts.change_password(person, body.old, body.new, body.totp, caller)
        return DONE

    @app.post("/v1/totp")
    async def new_totp(person: logged, body: Proof, request: Request) -> dict[str, str]:
        return await accounts.new_totp(person, body.password, caller_of(request))

    @app.post("/v1/totp/confirm")
    async def confirm_totp(person: logged, body: Code, request: Request) -> dict[str, str]:
        await accounts.confirm_totp(person, body.code, caller_of(request))
        return DONE

    @app.post("/v1/totp/remove")
    async def remove_totp(person: logged, body: Proof, request: Request) -> dict[str, str]:
        await accounts.remove_totp(person, body.password, body.totp, caller_of(request))
        return DONE


def _add_keys(app: Any, keys: ApiKeys, logged: Any) -> None:
    from fastapi import Request

    @app.get("/v1/api-keys")
    async def list_keys(person: logged) -> list[dict[str, Any]]:
        return await keys.list(person)

    @app.post("/v1/api-keys", status_code=201)
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

    @app.delete("/v1/api-keys/{number}")
    async def revoke_key(person: logged, number: int, request: Request) -> dict[str, str]:
        await keys.revoke(person, number, caller_of(request))
        return DONE
