"""What processes that serve pages or an API over uvicorn share: the listener, and their end."""

import contextlib
import copy
import logging
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from openoutcry.operations.connection_limits import ConnectionLimits
from openoutcry.wire.errors import OutcryError

VENDOR = Path(__file__).parent / "vendor"
"""Scripts of others that pages of several rooms use, with their licences."""
A_LINE_S = 60.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Ciphers of TLS 1.2: authenticated, with forward secrecy. uvicorn's own choice has none of these.
"""


class PageErrors(logging.Handler):
    """What the server says of requests goes to the log of what it serves: strangers choose how
    often, so it is one line in A_LINE_S, with how many there were."""

    def __init__(
        self, write: Callable[[str, str], Any], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``write``: takes a level and a line."""
        super().__init__(logging.WARNING)
        self.write, self.clock = write, clock
        self.count, self.due_s = 0, 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """A client's bytes that are no text are the client's error, and no place of ours."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, UnicodeDecodeError):
            record = copy.copy(record)
            record.exc_info = record.exc_text = None
        self.say(self.format(record))

    def say(self, text: str) -> None:
        """One line, or one more that was not written."""
        self.count += 1
        if self.clock() < self.due_s:
            return
        more = f" (and {self.count - 1:,} more before)" if self.count > 1 else ""
        self.count, self.due_s = 0, self.clock() + A_LINE_S
        self.write("error", f"page: {text}{more}")


@contextlib.contextmanager
def listening(address: tuple[str, int], what: str) -> Iterator[socket.socket]:
    """A TCP socket bound to the address; ``what`` is served there.

    Raises :class:`OutcryError` if the address cannot be bound."""
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's algorithm off only where the protocol is named. Without it each
    # answer of two segments waits 40 ms for the client's delayed acknowledgement.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise OutcryError(f"cannot serve {what}on {host}:{port}: {error.strerror}") from None
        yield listener


def url_of(listener: socket.socket, host: str, is_secure: bool) -> str:
    """The URL at which ``listener`` answers."""
    return f"http{'s' * is_secure}://{url_host(host)}:{listener.getsockname()[1]}/"


def served_hosts(host: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return the names under which a page is served that listens at ``host``; none: any.

    They are the address itself, each of ``names``, and the loopback's names where the page listens
    on loopback or everywhere.  A page that listens everywhere and has no names is served under any.
    """
    given = tuple(host_of(name) for name in names)
    own = host_of(url_host(host))
    try:
        address = ip_address(own)
        is_everywhere, is_here = address.is_unspecified, address.is_loopback
    except ValueError:
        is_everywhere, is_here = False, own in LOOPBACK
    if is_everywhere:
        return (*LOOPBACK, *given) if given else ()
    return (own, *(LOOPBACK if is_here else ()), *given)


def url_host(host: str) -> str:
    """Return an address as it is written in a URL."""
    return f"[{host}]" if ":" in host else host


def host_of(header: str) -> str:
    """Return the host of a Host header in one spelling, without its port; empty for no host."""
    try:
        name = (urlsplit(f"//{header}").hostname or "").removesuffix(".")
    except ValueError:
        return ""
    try:
        return str(ip_address(name))
    except ValueError:
        return name


def tls_settings(certificate: Any, key: Any) -> dict[str, Any]:
    """Settings of uvicorn for TLS 1.2 and later; without a certificate it serves in the clear."""
    if certificate is None:
        return {}
    names = "ssl_certfile", "ssl_keyfile", "ssl_version", "ssl_ciphers"
    values = certificate, key, ssl.PROTOCOL_TLS_SERVER, CIPHERS
    return dict(zip(names, values, strict=True))


def web_config(
    application: Any,
    connections: ConnectionLimits,
    errors: logging.Handler,
    tls: dict[str, Any],
    most: int,
    http: Any = None,
    ws: Any = None,
    **websockets: Any,
) -> Any:
    """The configuration of uvicorn of every listener of HTTP.

    ``tls``: of :func:`tls_settings`; ``most``: connections and requests of all owners together;
    ``http``, ``ws``: protocols made from those of ``connections``; ``websockets``: settings
    of WebSockets."""
    import uvicorn

    from openoutcry.operations.http_protocol import counted
    from openoutcry.operations.websocket_protocol import weighed

    log = logging.getLogger("uvicorn.error")
    log.propagate, log.handlers = False, [errors]
    return uvicorn.Config(
        application,
        log_config=None,
        http=http or counted(connections),
        ws=ws or weighed(connections),
        access_log=False,
        server_header=False,
        proxy_headers=False,
        **tls,
        loop="asyncio",
        timeout_keep_alive=30,
        # Shares are the bound (connection_limits.py); this one is of what all owners have together.
        limit_concurrency=most,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=2,
        **websockets,
    )


def server_of(
    config: Any, started: Callable[[], None], ending: Callable[[], None] = lambda: None
) -> Any:
    """uvicorn's server of ``config``: calls ``started`` once it answers, and ``ending`` before it
    closes connections at its end.  It ends by SIGTERM as by SIGINT: cleanly, with status 0.
    uvicorn alone raises the signal again at the end."""
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started()

        async def shutdown(self, sockets: Any = None) -> None:
            ending()
            await super().shutdown(sockets)

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            numbers = signal.SIGINT, signal.SIGTERM
            before = {number: signal.signal(number, self.handle_exit) for number in numbers}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    return Server(config)
