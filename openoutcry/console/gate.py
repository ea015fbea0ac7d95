"""What checks every request first: hosts, sessions, tokens against forgery, headers, sizes."""

from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, urlsplit

from openoutcry.console.accounts import Accounts, Session, same
from openoutcry.operations.web_server import LOOPBACK, host_of
from openoutcry.wire.load_limits import Budgets, Rate

COOKIE = "outcry_console"
BODY_BYTES = 1 << 14
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
READS, READ = Rate(per_s=100, at_once=200), 5
"""Messages that all pages and programs of one name together are sent.  A read of the API counts as
READ of them, a file of the page as one."""
ACTIONS = Rate(per_s=50, at_once=100)
"""What a name asks to be done, which no read of its pages keeps waiting."""
PRESENCE = "/api/seen"
"""Request that a page POSTs when its user uses the mouse or the keyboard."""


class Gate:
    """An ASGI middleware, around the whole application."""

    def __init__(
        self,
        app: Any,
        accounts: Accounts,
        secure: bool,
        hosts: tuple[str, ...] = LOOPBACK,
        cookie: str = COOKIE,
    ) -> None:
        """``secure``: the console speaks TLS; ``hosts``: names by which it may be asked (it
        refuses requests under another name, against DNS rebinding); none: any."""
        self.app, self.accounts, self.secure, self.hosts = app, accounts, secure, hosts
        self.cookie = cookie
        self._reads, self._actions = Budgets(READS), Budgets(ACTIONS)
        self.known: Callable[[tuple[str, int], str], None] = lambda peer, name: None
        """Called with the address and port of a connection on which a session asks, and its
        name."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }
        cookie = cookie_of(headers.get("cookie", ""), self.cookie)
        session = self.accounts.find(cookie)
        if session is not None:
            if scope.get("client"):
                self.known(tuple(scope["client"]), session.name)
            await self._rest(session.name, scope)
            session = self.accounts.find(cookie)  # it may have ended meanwhile
        scope["outcry"] = {
            "cookie": cookie,
            "session": session,
            "address": (scope.get("client") or ("", 0))[0],
            "reads": self._reads.of(session.name) if session else None,
        }
        refusal = self._refusal(scope, headers, session)
        if refusal and scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        elif refusal:
            await self._answer(send, *refusal)
        elif scope["type"] == "http" and scope["path"] == PRESENCE:
            self.accounts.heard(scope["outcry"]["session"])
            await self._answer(send, 200, "seen")
        elif scope["type"] == "http":
            if scope["method"] not in ("GET", "HEAD") and scope["outcry"]["session"] is not None:
                self.accounts.heard(scope["outcry"]["session"])
            await self.app(scope, self._bounded(receive), self._with_headers(scope, send))
        else:
            await self.app(scope, receive, send)

    async def _rest(self, name: str, scope: Any) -> None:
        """A name that asks more often than its share waits, and no other does."""
        if scope.get("method", "GET") in ("GET", "HEAD"):
            for _ in range(READ if scope["path"].startswith("/api/") else 1):
                await self._reads.of(name).rest()
        else:
            await self._actions.of(name).rest()

    def _refusal(
        self, scope: Any, headers: dict[str, str], session: Session | None
    ) -> tuple[int, str] | None:
        """Status and reason, if the request is not let in."""
        host = headers.get("host", "")
        if self.hosts and host_of(host) not in self.hosts:
            return 421, "this console is not served under that host name"
        origin = headers.get("origin")
        method = scope.get("method", "GET")
        changes = method not in ("GET", "HEAD") or scope["type"] == "websocket"
        if changes and origin is not None and _split(origin).netloc != host:
            return 403, "the request comes from a page of another origin"
        if scope["type"] == "websocket":
            return None if session and origin is not None else (403, "log in first")
        if int_or(headers.get("content-length"), 0) > BODY_BYTES:
            return 413, "a request has at most 16 KiB"
        path = scope["path"]
        if path == PRESENCE and method != "POST":
            return 405, "send this by POST"
        if changes and path != "/api/login":
            if session is None:
                return 401, "log in first"
            if not same(headers.get("x-csrf-token"), session.csrf):
                return 403, "the token of this session is missing"
        if path.startswith("/api/") and path not in ("/api/login", "/api/hello") and not session:
            return 401, "log in first"
        return None

    async def _answer(self, send: Any, status: int, text: str) -> None:
        body = b'{"detail": "%b"}' % text.encode()
        headers = [(b"content-type", b"application/json"), *self._headers("/api/")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _headers(self, path: str) -> list[tuple[bytes, bytes]]:
        headers = dict(HEADERS)
        headers["cache-control"] = "no-cache" if path.startswith("/static/") else "no-store"
        if self.secure:
            headers["strict-transport-security"] = "max-age=31536000"
        return [(key.encode(), value.encode()) for key, value in headers.items()]

    def _with_headers(self, scope: Any, send: Any) -> Callable[[Any], Any]:
        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *self._headers(scope["path"])]
            await send(message)

        return sending

    def _bounded(self, receive: Any) -> Callable[[], Any]:
        """A body that says no length is bounded as well: what is beyond it is not read."""
        taken = 0

        async def receiving() -> Any:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > BODY_BYTES:
                return {"type": "http.disconnect"}
            return message

        return receiving


def cookie_of(header: str, cookie: str) -> str:
    """The value of our cookie in a Cookie header; '' if it is not there."""
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == cookie:
            return value
    return ""


def _split(text: str) -> SplitResult:
    """The parts of an address; all empty if the text is not an address."""
    try:
        return urlsplit(text)
    except ValueError:
        return urlsplit("")


def int_or(text: str | None, default: int) -> int:
    """Return a number of digits alone, or the default."""
    return int(text) if text and text.isascii() and text.isdigit() else default
