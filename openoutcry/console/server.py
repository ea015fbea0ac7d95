"""The page and its API: FastAPI's application, and uvicorn that serves it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from openoutcry.console.accounts import LockedError
from openoutcry.console.actions import add_actions
from openoutcry.console.console import AgainError, Console, RoleError
from openoutcry.console.gate import COOKIE, Gate
from openoutcry.console.live import Texts, add_live, message
from openoutcry.console.participants import money_of
from openoutcry.console.reading import add_reading
from openoutcry.console.requests import Confirm, Login
from openoutcry.operations.connection_limits import LOGINS, ConnectionLimits, allow_files
from openoutcry.operations.web_server import (
    LOOPBACK,
    VENDOR,
    PageErrors,
    listening,
    served_hosts,
    server_of,
    tls_settings,
    url_of,
    web_config,
)
from openoutcry.venue.operators import OperatorError
from openoutcry.wire import OutcryError
from openoutcry.wire.load_limits import Turns, TurnsError
from openoutcry.wire.peers import owner_of

STATIC = Path(__file__).parent / "static"
STATUS = (
    (LockedError, 429),
    (TurnsError, 429),
    (RoleError, 403),
    (OperatorError, 403),
    (AgainError, 409),
    (OutcryError, 422),
)
"""HTTP status of an error."""


def make_app(console: Console, secure: bool = False, hosts: tuple[str, ...] = LOOPBACK) -> Any:
    """The application, with its gate around it."""
    app = empty_app("Open Outcry console", "index.html", STATUS)
    _add_login(app, console, secure)
    add_reading(app, console)
    add_actions(app, console)
    texts = Texts(console)
    add_live(app, console.accounts, lambda viewer, session: message(texts, viewer))
    return Gate(app, console.accounts, secure, hosts)


def empty_app(title: str, page: str, statuses: tuple[tuple[type[Exception], int], ...]) -> Any:
    """An application that serves its page and says what is refused; ``statuses``: what an error is
    over HTTP, the first that fits."""
    from fastapi import FastAPI, Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import FileResponse, JSONResponse
    from fastapi.staticfiles import StaticFiles

    app = FastAPI(
        title=title, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )

    @app.exception_handler(OutcryError)
    async def refused(request: Request, error: Exception) -> JSONResponse:
        status = next(number for kind, number in statuses if isinstance(error, kind))
        headers = {}
        if isinstance(error, LockedError | TurnsError):
            headers["retry-after"] = str(int(error.wait_s) + 1)
        return JSONResponse({"detail": str(error)}, status, headers)

    @app.exception_handler(RequestValidationError)
    async def is_none(request: Request, error: RequestValidationError) -> JSONResponse:
        """Return what is wrong, and where; not what was given: JSON cannot say all of it (NaN)."""
        wrong = [{key: one[key] for key in ("type", "loc", "msg")} for one in error.errors()]
        return JSONResponse({"detail": wrong}, 422)

    @app.get("/", include_in_schema=False)
    async def shown() -> FileResponse:
        return FileResponse(STATIC / page)

    app.mount("/static/vendor", StaticFiles(directory=VENDOR), "vendor")
    app.mount("/static", StaticFiles(directory=STATIC), "static")
    return app


def _add_login(app: Any, console: Console, secure: bool) -> None:
    from fastapi import Request
    from fastapi.responses import JSONResponse

    turns = Turns(*LOGINS)

    def who(session: Any) -> dict[str, Any]:
        known = {"name": session.name, "role": session.role, "csrf": session.csrf}
        return known | {"money": money_of(console.file)}

    @app.get("/api/hello")
    async def hello(request: Request) -> dict[str, Any]:
        """The venue's name, and the operator's if one is logged in."""
        session = request.scope["outcry"]["session"]
        codes = any(operator.totp for operator in console.file.risk.operators)
        return {
            "venue": console.file.shown_name,
            "codes": codes,
            "me": who(session) if session else None,
        }

    @app.post("/api/login", responses={403: {}, 429: {}})
    async def login(body: Login, request: Request) -> JSONResponse:
        """Begin a session; its cookie is not for scripts."""
        address = request.scope["outcry"]["address"]
        console.accounts.end(request.scope["outcry"]["cookie"])
        async with turns.turn(owner_of(address)) as turn:
            turn.has_failed = True
            cookie, session = await asyncio.to_thread(
                console.log_in, body.name, body.password, body.code, address
            )
            turn.has_failed = False
        answer = JSONResponse({"venue": console.file.shown_name, "me": who(session)})
        answer.set_cookie(COOKIE, cookie, httponly=True, samesite="strict", secure=secure, path="/")
        return answer

    @app.post("/api/confirm", responses={403: {}, 429: {}})
    async def confirm(body: Confirm, request: Request) -> dict[str, Any]:
        """Check the password again, where the venue does not know the session."""
        mine = request.scope["outcry"]
        async with turns.turn(owner_of(mine["address"])):
            await asyncio.to_thread(
                console.confirm, mine["session"], body.password, body.code, mine["address"]
            )
        return who(mine["session"])

    @app.post("/api/logout")
    async def logout(request: Request) -> JSONResponse:
        """End the session."""
        mine = request.scope["outcry"]
        await asyncio.to_thread(console.log_out, mine["cookie"], mine["session"])
        answer = JSONResponse({})
        answer.delete_cookie(COOKIE, path="/")
        return answer


class Served(Protocol):
    """A server of a page."""

    @property
    def log(self) -> Any:
        """Return where requests and refusals are recorded."""

    def start(self) -> None:
        """Begin what it does in threads."""

    def stop(self) -> None:
        """End what :meth:`start` began."""


def serve(
    console: Served,
    make: Callable[[Any, bool, tuple[str, ...]], Any],
    address: tuple[str, int],
    certificate: Path | None,
    key: Path | None,
    announce: Callable[[str], None],
    hosts: tuple[str, ...] = (),
) -> None:
    """Serve until SIGTERM or SIGINT; ``make`` makes the application, ``announce`` receives the
    page's address once the page answers.

    ``hosts``: further names by which a browser may ask for it.  Raises :class:`OutcryError`."""
    host = address[0]
    with listening(address, "the page ") as listener:
        secure = certificate is not None
        application = make(console, secure, served_hosts(host, hosts))
        files, connections = allow_files(), ConnectionLimits()
        application.known = connections.known
        config = web_config(
            application,
            connections,
            PageErrors(console.log.write),
            tls_settings(certificate, key),
            max(2048, files // 2),
            ws_max_size=1 << 12,
        )
        at = url_of(listener, host, secure)
        console.start()
        try:
            server_of(config, lambda: announce(at)).run([connections.listener(listener)])
        finally:
            console.stop()
