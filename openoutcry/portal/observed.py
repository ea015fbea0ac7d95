"""What the portal measures of its requests: counts and times of every endpoint for Prometheus, and
traces (OpenTelemetry) if the operator names where they go."""

import os
import time
from collections.abc import Callable
from typing import Any

from openoutcry.wire.extras import need

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
METHODS = frozenset(("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"))
TOGETHER = "PROMETHEUS_MULTIPROC_DIR"
"""Where the library adds up what several processes count."""
OTHER = "other"
"""What a stranger makes up is one label: their number is bounded."""


class Metrics:
    """The metrics of one process; several show the sum of all."""

    def __init__(self) -> None:
        prometheus = need("prometheus_client", "metrics need prometheus-client", "portal")
        self._library, self.registry = prometheus, prometheus.CollectorRegistry()
        labels, registry = ["method", "route"], {"registry": self.registry}
        self.requests = prometheus.Counter(
            "outcry_portal_requests", "Requests, by status.", [*labels, "status"], **registry
        )
        self.seconds = prometheus.Histogram(
            "outcry_portal_request_seconds",
            "From a request to the begin of its answer.",
            labels,
            buckets=SECONDS,
            **registry,
        )
        self.sockets = prometheus.Gauge(
            "outcry_portal_websockets",
            "WebSockets that are open.",
            ["route"],
            multiprocess_mode="livesum",
            **registry,
        )

        self._of: dict[tuple[str, str, int], tuple[Any, Any]] = {}
        """Counter and histogram of each method, route and status: to find them takes longer than to
        count."""

    def took(self, method: str, route: str, status: int, took_s: float) -> None:
        """Count a request and its time."""
        found = self._of.get((method, route, status))
        if found is None:
            counter = self.requests.labels(method, route, str(status))
            found = counter, self.seconds.labels(method, route)
            self._of[method, route, status] = found
        found[0].inc()
        found[1].observe(took_s)

    def shown(self) -> bytes:
        """The metrics in the text format of Prometheus."""
        registry = self.registry
        if TOGETHER in os.environ:
            # The sum of all processes, which write their numbers into a folder.
            registry = self._library.CollectorRegistry()
            together = need("prometheus_client.multiprocess", "metrics", "portal")
            together.MultiProcessCollector(registry)
        return bytes(self._library.generate_latest(registry))


def tracer_of(endpoint: str, name: str) -> Any:
    """A tracer that sends to a collector (OTLP over HTTP); None: no endpoint is named."""
    if not endpoint:
        return None
    what = "traces need OpenTelemetry"
    trace = need("opentelemetry.sdk.trace", what, "telemetry")
    export = need("opentelemetry.sdk.trace.export", what, "telemetry")
    otlp = need("opentelemetry.exporter.otlp.proto.http.trace_exporter", what, "telemetry")
    resources = need("opentelemetry.sdk.resources", what, "telemetry")
    resource = resources.Resource.create({"service.name": name})
    provider = trace.TracerProvider(resource=resource)
    exporter = otlp.OTLPSpanExporter(endpoint=endpoint)
    provider.add_span_processor(export.BatchSpanProcessor(exporter))
    return provider.get_tracer("openoutcry.portal")


class Observed:
    """An ASGI middleware: measures each request, and traces it."""

    def __init__(
        self,
        app: Any,
        metrics: Metrics,
        tracer: Any = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.app, self.metrics, self.tracer, self.clock = app, metrics, tracer, clock

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun_s, status, answered_s = self.clock(), 500, 0.0

        async def watched(message: Any) -> None:
            nonlocal status, answered_s
            if message["type"] == "http.response.start":
                status, answered_s = message["status"], self.clock()
            await send(message)

        span = self.tracer.start_span("request") if self.tracer is not None else None
        try:
            await self.app(scope, receive, watched)
        finally:
            method = scope["method"] if scope["method"] in METHODS else OTHER
            route = route_of(scope)
            self.metrics.took(method, route, status, (answered_s or self.clock()) - begun_s)
            if span is not None:
                end_span(span, method, route, status)

    async def _socket(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        kinds = ("/v1/stream", "/ws-api/v3", "/ws", "/stream")
        route = next((kind for kind in kinds if path == kind or path.startswith(f"{kind}/")), OTHER)
        gauge = self.metrics.sockets.labels(route)
        gauge.inc()
        try:
            await self.app(scope, receive, send)
        finally:
            gauge.dec()


def route_of(scope: Any) -> str:
    """The path of the endpoint, with the names of its parameters; never what a client wrote."""
    return str(getattr(scope.get("route"), "path", None) or OTHER)


def end_span(span: Any, method: str, route: str, status: int) -> None:
    """End the trace of a request."""
    span.update_name(f"{method} {route}")
    span.set_attribute("http.request.method", method)
    span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    span.end()
