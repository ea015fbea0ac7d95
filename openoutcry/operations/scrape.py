"""/metrics over HTTP: as text, as OpenMetrics, or, with native histograms, by protobuf."""

import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Thread
from typing import Any, ClassVar, Protocol
from wsgiref.simple_server import WSGIRequestHandler, make_server

from openoutcry.operations.native import CONTENT_TYPE, delimited
from openoutcry.operations.web_server import host_of, served_hosts
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.load_limits import LEAST_S, Budgets, Logins, Rate
from openoutcry.wire.peers import address_of, owner_of

MAX_CONNECTIONS, REQUEST_S = 32, 10.0
"""Connections that say nothing, as many whose request is answered, each with a thread, and the
seconds that one has for its request and answer."""
SCRAPES = Rate(per_s=20, at_once=50)
"""Requests of an address that are answered; one is answered at a time."""
PROTOBUF = "application/vnd.google.protobuf"
PROTO = "io.prometheus.client.MetricFamily"


def wants_protobuf(accept: str) -> bool:
    """Return whether an Accept header asks for protobuf first of all that we write (RFC 9110,
    12.5.1)."""
    offers: list[tuple[float, int, bool]] = []
    for part in accept.split(","):
        kind, *words = (word.strip() for word in part.split(";"))
        parameters = dict(word.split("=", 1) for word in words if "=" in word)
        try:
            weight = float(parameters.get("q", "1"))
        except ValueError:
            weight = 0.0
        ours = kind == PROTOBUF and parameters.get("proto") == PROTO
        if ours or kind in ("text/plain", "application/openmetrics-text"):
            offers.append((-weight, len(offers), ours))
    return bool(offers) and min(offers)[2]


class Collector(Protocol):
    """What has metrics: ``VenueMetrics``, and the availability ledger's counts."""

    def collect(self, native_too: bool = False) -> Iterable[Any]:
        """Return the metric families of now."""


def make_application(
    collector: Collector, hosts: tuple[str, ...] = ()
) -> Callable[..., Iterable[bytes]]:
    """The WSGI application of these metrics, served under the names ``hosts``; none: any."""
    from prometheus_client import CollectorRegistry, make_wsgi_app

    registry = CollectorRegistry()
    registry.register(collector)
    text = make_wsgi_app(registry)

    scrapes, collecting = Budgets(SCRAPES), Lock()

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if hosts and host_of(environ.get("HTTP_HOST", "")) not in hosts:
            start("421 Misdirected Request", [("Content-Length", "0")])
            return []
        with collecting:
            if scrapes.of(owner_of(environ["REMOTE_ADDR"])).take(time.monotonic()):
                return answered(environ, start)
        start("429 Too Many Requests", [("Content-Length", "0"), ("Retry-After", "1")])
        return []

    def answered(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        is_scrape = environ["REQUEST_METHOD"] == "GET" and environ["PATH_INFO"] == "/metrics"
        if not is_scrape or not wants_protobuf(environ.get("HTTP_ACCEPT", "")):
            return list(text(environ, start))
        body = delimited(collector.collect(native_too=True))
        start("200 OK", [("Content-Type", CONTENT_TYPE), ("Content-Length", str(len(body)))])
        return [body]

    return application


def server_class(host: str) -> Any:
    """Return the class of servers on ``host``, whose connections have places."""
    from prometheus_client.exposition import ThreadingWSGIServer

    class Server(ThreadingWSGIServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        request_queue_size = 4 * MAX_CONNECTIONS
        places: Logins[socket.socket] = Logins(MAX_CONNECTIONS)
        until_s: ClassVar[dict[socket.socket, float]] = {}
        turn = Lock()

        def process_request(self, request: Any, client_address: Any) -> None:
            """Begin a thread; of those that say nothing the oldest connection of the address with
            most gives way to it."""
            self.service_actions()
            began_s, silent = 0.0, self.places.silent
            with self.turn:
                if silent.is_full():
                    began_s = self.until_s[silent.oldest_of_most()] - REQUEST_S
            time.sleep(max(0.0, began_s + LEAST_S - time.monotonic()))
            with self.turn:
                self.until_s[request] = time.monotonic() + REQUEST_S
                self._end(self.places.came(address_of(client_address), request))
            super().process_request(request, client_address)

        def begun(self, request: socket.socket) -> None:
            """Count a connection whose request has come."""
            with self.turn:
                self._end(self.places.begun(request))

        def service_actions(self) -> None:
            """Forget connections that have ended, and end those that take too long."""
            with self.turn:
                for request in list(self.until_s):
                    if request.fileno() < 0 or self.until_s[request] < time.monotonic():
                        self._end(request)

        def _end(self, request: socket.socket | None) -> None:
            if request is None:
                return
            self.places.leave(request)
            del self.until_s[request]
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)  # its thread closes it

    return Server


@contextmanager
def serving(
    collector: Collector, address: tuple[str, int], names: tuple[str, ...]
) -> Iterator[str]:
    """Serve metrics in a thread until the end of the block; yields their URL.  Raises
    :class:`OutcryError` naming an address that cannot be listened on."""
    host, port = address
    try:
        server = make_metrics_server(collector, address, names)
    except OSError as error:
        raise OutcryError(f"cannot serve metrics on {host}:{port}: {error.strerror}") from None
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def make_metrics_server(
    collector: Collector, address: tuple[str, int], names: tuple[str, ...] = ()
) -> Any:
    """A server that listens, a thread for each request; ``names``: further hosts under which it
    serves.  Raises ``OSError``."""
    host, port = address

    class Silent(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Write no line for a request."""

        def parse_request(self) -> bool:
            """Read a request's head: from here on its connection gives way to none that says
            nothing."""
            is_whole = super().parse_request()
            if is_whole:
                server.begun(self.connection)
            return is_whole

        def handle(self) -> None:
            """Handle a request, unless its connection ends before."""
            with suppress(OSError):
                super().handle()

    application = make_application(collector, served_hosts(host, names))
    server = make_server(host, port, application, server_class(host), Silent)
    return server
