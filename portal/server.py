"""The portal of one venue: everything behind its address, started and stopped together."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openoutcry.operations.notify import MailServer
from openoutcry.operations.web_server import listening, server_of, url_of
from openoutcry.portal.accounts.accounts import Accounts
from openoutcry.portal.accounts.api_keys import ApiKeys
from openoutcry.portal.accounts.mails import by_smtp, to_file
from openoutcry.portal.accounts.routes import add_accounts, problem
from openoutcry.portal.accounts.secret_key import SecretKey
from openoutcry.portal.database import Database, DatabaseError, migrate, start_embedded
from openoutcry.portal.spot.feeds import Feeds
from openoutcry.portal.spot.limits import Limits
from openoutcry.portal.spot.rest import Spot, add_rest
from openoutcry.portal.spot.signing import Signing
from openoutcry.portal.spot.sockets import add_sockets
from openoutcry.portal.spot.trade import Trading
from openoutcry.portal.spot.user_data import ListenKeys, UserData
from openoutcry.portal.trading.fix_broker import FixBroker, read_passwords
from openoutcry.portal.trading.mirror import Mirror
from openoutcry.portal.trading.people import People
from openoutcry.venue.file import VenueFile
from openoutcry.wire.errors import OutcryError

BODY_BYTES = 1 << 14
FAST_S, IDLE_S, LOOK_S = 0.0005, 0.003, 0.5
"""Between two looks at the journal while an answer is waited for, and otherwise; and between two
looks for the venue's process."""
log = logging.getLogger("outcry.portal")


def folder_of(file: VenueFile) -> Path:
    """The portal's files, next to the venue's journal."""
    return file.journal.parent / f"{file.journal.name}-portal"


@dataclass(frozen=True)
class Settings:
    """What an operator chooses."""

    database: str = ""
    """A URL; nothing: a PostgreSQL that the portal starts."""
    smtp: MailServer | None = None
    sender: str = "openoutcry@localhost"
    limits: Limits = field(default_factory=Limits)


class Portal:
    """Accounts, the mirror of the venue, and the API in front of both."""

    def __init__(self, file: VenueFile, settings: Settings) -> None:
        """Starts the database.  Raises :class:`OutcryError`."""
        self.file, self.folder = file, folder_of(file)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._server: Any = None
        url = settings.database
        if not url:
            url, self._server = start_embedded(self.folder / "postgresql")
        migrate(url)
        self.database = Database(url)
        self.broker = FixBroker(file, read_passwords(self.folder / "sessions.json"))
        if not self.broker.sessions:
            raise OutcryError(f"{file.path} has no session of the portal; run `outcry portal init`")
        self.mirror = Mirror(file, self.broker.serves)
        self.trading = Trading(self.mirror, self.broker, self._wake_up)
        key = SecretKey(self.folder / "portal.key")
        send = to_file(self.folder / "mails.jsonl")
        if settings.smtp is not None:
            send = by_smtp(settings.smtp, settings.sender)
        self.accounts = Accounts(self.database, key, send, file.name)
        self.keys = ApiKeys(self.accounts)
        self.people = People(file, self.database, sorted(self.broker.sessions))
        self.accounts.verified = lambda user_id: self.people.wake()
        self.spot = Spot(self.mirror, self.trading, Signing(self.keys), settings.limits)
        self.spot.listen_keys = ListenKeys()
        self.feeds, self.user_data = Feeds(self.mirror), UserData(self.mirror)
        self._wake = asyncio.Event()

    def _wake_up(self) -> None:
        self._wake.set()

    async def follow(self) -> None:
        """Bring the mirror to what is released, again and again; until cancelled."""
        loop = asyncio.get_running_loop()
        look_s, last_error = 0.0, ""
        while True:
            try:
                if loop.time() >= look_s:
                    self.mirror.look()
                    look_s = loop.time() + LOOK_S
                self.mirror.poll()
                last_error = ""
            except OutcryError as error:
                if str(error) != last_error:
                    last_error = str(error)
                    log.error("the venue's journal: %s", error)
                await asyncio.sleep(LOOK_S)
            if self.trading.waits:
                await asyncio.sleep(FAST_S)
                continue
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), IDLE_S)

    @contextlib.asynccontextmanager
    async def running(self, app: Any) -> AsyncIterator[None]:
        """The application's life: the mirror has caught up before the first request."""
        self.mirror.look()
        await asyncio.to_thread(self._catch_up)
        work = (self.follow(), self.feeds.run(), self.people.run())
        tasks = [asyncio.create_task(one) for one in work]
        for task in tasks:
            task.add_done_callback(_report_end)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.broker.close()
            await self.accounts.drain()
            await self.database.close()

    def _catch_up(self) -> None:
        while self.mirror.poll():
            pass

    def stop(self) -> None:
        """Stop the database that the portal has started."""
        if self._server is not None:
            self._server.cleanup()


def _report_end(task: "asyncio.Task[None]") -> None:
    """A task that ends before it is cancelled is a defect: it is logged, and the portal ends."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.critical("a task of the portal failed", exc_info=error)
        os.kill(os.getpid(), signal.SIGTERM)


def make_app(portal: Portal) -> Any:
    """The application: accounts, REST and WebSockets."""
    from fastapi import FastAPI

    app = FastAPI(
        title=f"{portal.file.name} portal",
        lifespan=portal.running,
        docs_url=None,
        redoc_url=None,
    )
    add_accounts(app, portal.accounts, portal.keys)
    add_rest(app, portal.spot)
    add_sockets(app, portal.spot, portal.feeds, portal.user_data)
    _add_health(app, portal)
    return Gate(app)


def _add_health(app: Any, portal: Portal) -> None:
    from fastapi import Response

    @app.exception_handler(DatabaseError)
    async def no_database(request: Any, error: DatabaseError) -> Any:
        log.error("%s", error)
        return problem(503, "unavailable", "the portal's database cannot be reached")

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz(response: Response) -> dict[str, Any]:
        await portal.database.rows("select 1")
        is_ready = portal.mirror.is_open
        response.status_code = 200 if is_ready else 503
        return {"venue": portal.mirror.state, "seq": portal.mirror.seq}


class Gate:
    """An ASGI middleware: bounds a body, and sets the headers of every answer."""

    HEADERS = (
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    )

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        size, is_over = 0, False

        async def bounded() -> Any:
            nonlocal size, is_over
            message = await receive()
            size += len(message.get("body", b""))
            if size > BODY_BYTES:
                is_over = True
                return {"type": "http.request", "body": b"", "more_body": False}
            return message

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), *self.HEADERS]
                status = 413 if is_over else message["status"]
                message = message | {"headers": headers, "status": status}
            await send(message)

        declared = next((v for k, v in scope["headers"] if k == b"content-length"), b"0")
        if declared.isdigit() and int(declared) > BODY_BYTES:
            answer = problem(413, "too_large", f"a body has {BODY_BYTES} bytes at most")
            await answer(scope, receive, with_headers)
            return
        await self.app(scope, bounded, with_headers)


def serve(
    portal: Portal, address: tuple[str, int], announce: Any, tls: tuple[Path, Path] | None
) -> None:
    """Serve until SIGTERM or SIGINT; ``announce`` is given the address.

    Raises :class:`OutcryError`."""
    import uvicorn

    with listening(address, "") as listener:
        config = uvicorn.Config(
            make_app(portal),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ssl_certfile=tls[0] if tls else None,
            ssl_keyfile=tls[1] if tls else None,
            loop="asyncio",
            timeout_keep_alive=30,
            limit_concurrency=6_000,
            ws_max_size=1 << 14,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=2,
        )

        at = url_of(listener, address[0], tls is not None)
        try:
            server_of(config, lambda: announce(at)).run([listener])
        finally:
            portal.stop()
