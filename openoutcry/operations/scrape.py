"""/metrics over HTTP: as text, as OpenMetrics, or, with native histograms, by protobuf."""

from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from openoutcry.operations.metrics import VenueMetrics
from openoutcry.operations.native import CONTENT_TYPE, delimited
from openoutcry.operations.web_server import host_of, served_hosts

PROTOBUF = "application/vnd.google.protobuf"
PROTO = "io.prometheus.client.MetricFamily"


def wants_protobuf(accept: str) -> bool:
    """Whether an Accept header asks for protobuf first of all that we write (RFC 9110, 12.5.1)."""
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


def make_application(
    collector: VenueMetrics, hosts: tuple[str, ...] = ()
) -> Callable[..., Iterable[bytes]]:
    """The WSGI application of these metrics, served under the names ``hosts``; none: any."""
    from prometheus_client import CollectorRegistry, make_wsgi_app

    registry = CollectorRegistry()
    registry.register(collector)
    text = make_wsgi_app(registry)

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if hosts and host_of(environ.get("HTTP_HOST", "")) not in hosts:
            start("421 Misdirected Request", [("Content-Length", "0")])
            return []
        is_scrape = environ["REQUEST_METHOD"] == "GET" and environ["PATH_INFO"] == "/metrics"
        if not is_scrape or not wants_protobuf(environ.get("HTTP_ACCEPT", "")):
            return list(text(environ, start))
        body = delimited(collector.collect(native_too=True))
        start("200 OK", [("Content-Type", CONTENT_TYPE), ("Content-Length", str(len(body)))])
        return [body]

    return application


def make_metrics_server(
    collector: VenueMetrics, address: tuple[str, int], names: tuple[str, ...] = ()
) -> Any:
    """A server that listens, a thread for each request; ``names``: further hosts under which it
    serves.  Raises ``OSError``."""
    import socket

    from prometheus_client.exposition import ThreadingWSGIServer

    host, port = address

    class Server(ThreadingWSGIServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    class Silent(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Write no line for a request."""

    application = make_application(collector, served_hosts(host, names))
    return make_server(host, port, application, Server, Silent)
