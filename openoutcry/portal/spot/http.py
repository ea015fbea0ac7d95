"""Requests of the trading API, from the parser of HTTP to the answer, in one task and one write: a
web framework and what is around it take longer than all that an order needs."""

import time
from asyncio import TimerHandle
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from openoutcry.portal.observed import end_span
from openoutcry.portal.spot.limits import BANNED, Limits, banned
from openoutcry.portal.spot.rest import JSON, Endpoint, as_json
from openoutcry.wire.peers import HERE

BODY_BYTES = 1 << 14
"""Size of the largest body."""
BODY_S = 20.0
"""How long a body, or its next part, may take."""
Refusal = tuple[int, str, str]
"""Status, code and text."""
NOT_SERVED: Refusal = 403, "address_not_served", "this portal does not serve your address"
TOO_LATE: Refusal = 408, "timeout", f"a body must arrive within {BODY_S:.0f} s"
NOT_PROCESSED: Refusal = 500, "internal", "the request could not be processed"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
Headers = list[tuple[bytes, bytes]]
Answer = tuple[int, Headers, bytes]
"""Status, headers without a length, and body."""


def too_large(most: int) -> Refusal:
    """Return the refusal of a body of more than ``most`` bytes."""
    return 413, "too_large", f"a body has {most} bytes at most"


class Answering:
    """The request that a connection's protocol has under way: what uvicorn asks of it."""

    def __init__(self, endpoint: Endpoint, protocol: Any, query: bytes, is_head: bool) -> None:
        self.endpoint, self.query, self.is_head = endpoint, query, is_head
        self.headers = dict(reversed(protocol.headers))
        self.body, self.more_body, self.is_begun = b"", True, False
        self.response_complete = self.disconnected = False
        parser = protocol.parser
        self.keep_alive = parser.get_http_version() != "1.0" and parser.should_keep_alive()
        self.message_event = self
        self.refusal: Answer | None = None
        """The answer to a request that is not processed."""
        self.deadline: TimerHandle | None = None

    def set(self) -> None:
        """uvicorn says so that there is more of the request, or that its connection has ended."""


class Requests:
    """Answers the requests of a table of endpoints."""

    def __init__(
        self,
        endpoints: Mapping[tuple[str, str], Endpoint],
        headers: Callable[[str], Headers],
        barred: Callable[[tuple[str, int]], tuple[int, str, str] | None],
        took: Callable[[str, str, int, float], None],
        refused: Callable[[int, str, str], Answer],
        failed: Callable[[Exception], None],
        counted: Callable[[str], Answer | None],
        tracer: Any = None,
    ) -> None:
        """Every answer has ``headers``, by scheme.  ``barred`` says why nothing of an address is
        processed now.  ``took`` receives what was measured.  ``refused`` makes an answer of a
        status, a code and a text.  ``failed`` is told why a request could not be processed.
        ``counted`` counts one that is refused unread, and returns the answer to an address over its
        limit."""
        self.endpoints = {(at[0].encode(), at[1].encode()): one for at, one in endpoints.items()}
        self.barred, self.took, self.refused, self.failed = barred, took, refused, failed
        self.counted = counted
        self.tracer = tracer
        self._head: dict[str, bytes] = {one: _lines(headers(one)) for one in ("http", "https")}
        self._server: tuple[Any, bytes] = None, b""
        """The server's own headers, which change each second, and their bytes."""

    def begin(self, protocol: Any) -> Answering | None:
        """Return the request whose headers have just come; None: it is not of the table."""
        url, method = protocol.url.partition(b"#")[0], protocol.parser.get_method()
        path, _, query = url.partition(b"?")
        if not path.startswith(b"/"):  # with a host; one that begins with // is a path
            parsed = urlsplit(url)
            path, query = parsed.path, parsed.query
        if b"%" in path:
            path = unquote_to_bytes(path)
        is_head = method == b"HEAD"
        endpoint = self.endpoints.get((b"GET" if is_head else method, path))
        if endpoint is None or (protocol.parser.should_upgrade() and protocol._should_upgrade()):
            return None
        answering = Answering(endpoint, protocol, query, is_head)
        limit, size = protocol.limit_concurrency, answering.headers.get(b"content-length", b"0")
        if limit and max(len(protocol.connections), len(protocol.tasks)) >= limit:
            answering.refusal = self.refused(503, "unavailable", "too many connections")
        elif why := self.barred(protocol.client or ("", 0)):
            answering.refusal = self.refused(*why)
        elif size.isdigit() and int(size) > BODY_BYTES:
            answering.refusal = self.refused(*too_large(BODY_BYTES))
        return answering

    def late(self, protocol: Any, asked: Answering) -> None:
        """Refuse a request whose body has not come in time."""
        asked.refusal, asked.keep_alive = self.refused(*TOO_LATE), False
        self.start(protocol, asked)

    def start(self, protocol: Any, asked: Answering) -> None:
        """Answer a request that is whole, or refused."""
        asked.is_begun = True
        if asked.deadline is not None:
            asked.deadline.cancel()
        if not asked.disconnected:
            task = protocol.loop.create_task(self.answer(protocol, asked))
            protocol.tasks.add(task)
            task.add_done_callback(protocol.tasks.discard)

    async def answer(self, protocol: Any, asked: Answering) -> None:
        """Write the answer."""
        address = protocol.client[0] if protocol.client else ""
        if asked.refusal is not None:
            await self._write(protocol, asked, self.counted(address) or asked.refusal)
            return
        begun_s, endpoint = time.perf_counter(), asked.endpoint
        span = self.tracer.start_span("request") if self.tracer is not None else None
        try:
            status, more, body = await endpoint.answer(
                asked.query, bytes(asked.body), asked.headers, address
            )
            own: Headers = [JSON, *((name.encode(), more[name].encode()) for name in more)]
        except ConnectionAbortedError:  # a fault of a test venue (portal/faults.py)
            asked.response_complete = True
            protocol.transport.abort()
            return
        except Exception as error:  # whatever a request brings about ends that request alone
            self.failed(error)
            status, own, body = self.refused(*NOT_PROCESSED)
        took_s = time.perf_counter() - begun_s
        await self._write(protocol, asked, (status, own, body))
        method, path = endpoint.route.name.split(" ")
        self.took(method, path, status, took_s)
        if span is not None:
            end_span(span, method, path, status)

    async def _write(self, protocol: Any, asked: Answering, answer: Answer) -> None:
        """Write an answer, in one piece."""
        status, own, body = answer
        if protocol.flow.write_paused and not asked.disconnected:
            await protocol.flow.drain()
        transport = protocol.transport
        asked.response_complete = True
        if not asked.disconnected and not transport.is_closing():
            ends = b"" if asked.keep_alive else b"connection: close\r\n"
            head = self._begin(protocol, status), _lines(own), self._head[protocol.scheme], ends
            shown = b"" if asked.is_head else body
            transport.write(b"".join((*head, b"content-length: %d\r\n\r\n" % len(body), shown)))
            if not asked.keep_alive:
                transport.close()
        protocol.on_response_complete()

    def _begin(self, protocol: Any, status: int) -> bytes:
        from uvicorn.protocols.http.httptools_impl import STATUS_LINE

        given = protocol.server_state.default_headers
        if given is not self._server[0]:
            self._server = given, _lines(given)
        return bytes(STATUS_LINE[status]) + self._server[1]


def protocol_of(base: Any, requests: Requests) -> Any:
    """Return ``base``, the listeners' protocol of HTTP, with the table's requests answered by
    ``requests`` and all others by the application."""

    class OfTable(base):  # type: ignore[misc,valid-type]
        def on_headers_complete(self) -> None:
            asked = requests.begin(self)
            if asked is None:
                super().on_headers_complete()
                return
            self.end_head()
            self.cycle = asked
            if asked.refusal is not None:
                requests.start(self, asked)
            elif self.expect_100_continue:
                self.transport.write(CONTINUE)

        def on_body(self, body: bytes) -> None:
            super().on_body(body)
            asked = self.cycle
            if type(asked) is Answering and len(asked.body) > BODY_BYTES and not asked.is_begun:
                asked.refusal = requests.refused(*too_large(BODY_BYTES))
                asked.keep_alive = False
                requests.start(self, asked)

        def on_message_complete(self) -> None:
            super().on_message_complete()
            asked = self.cycle
            if type(asked) is Answering and not asked.is_begun:
                requests.start(self, asked)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            asked = self.cycle
            if type(asked) is Answering and not asked.is_begun and self.parser is not None:
                if asked.deadline is not None:
                    asked.deadline.cancel()
                asked.deadline = self.loop.call_later(BODY_S, requests.late, self, asked)

        def connection_lost(self, error: Exception | None) -> None:
            asked = self.cycle
            if type(asked) is Answering and asked.deadline is not None:
                asked.deadline.cancel()
            super().connection_lost(error)

    return OfTable


def refusal_of(limits: Limits) -> Callable[[str], bytes]:
    """Return what an address is sent that has used far too much, before anything of its request
    is read: to process it would cost other users their time.  Nothing: the address is not
    banned."""

    def refusal(host: str) -> bytes:
        left_s = 0.0 if host in HERE else limits.banned_s(host)
        if not left_s:
            return b""
        error = banned(limits.clock() + left_s, left_s)
        body = as_json(error.body).encode()
        headers = [JSON, (b"retry-after", b"%d" % error.retry_after_s)]
        headers += [(b"connection", b"close"), (b"content-length", b"%d" % len(body))]
        return b"HTTP/1.1 %d I'm a teapot\r\n%b\r\n%b" % (BANNED, _lines(headers), body)

    return refusal


def _lines(headers: Headers) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)
