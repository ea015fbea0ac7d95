"""The short way of a request of the trading API: from the parser of HTTP to its answer, in one task
and one write.  The application and what is around it take longer than all that an order needs.

It is for a request that has come whole, while no other one of its connection is answered.  Each
other request takes the way through the application, which answers it alike.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from openoutcry.portal.spot.limits import BANNED, Limits, banned
from openoutcry.portal.spot.rest import JSON, Endpoint, as_json
from openoutcry.wire.peers import HERE

NOT_SHORT = frozenset((b"transfer-encoding", b"expect", b"upgrade"))
"""Headers of requests that the application answers."""
Headers = list[tuple[bytes, bytes]]


class Answering:
    """The request that a connection's protocol has under way: what uvicorn asks of it."""

    def __init__(self, endpoint: Endpoint, protocol: Any, query: bytes) -> None:
        self.endpoint, self.query, self.before = endpoint, query, protocol.cycle
        self.headers = dict(reversed(protocol.headers))
        self.body, self.more_body, self.is_begun = b"", True, False
        self.response_complete = self.disconnected = False
        parser = protocol.parser
        self.keep_alive = parser.get_http_version() != "1.0" and parser.should_keep_alive()
        self.message_event = self

    def set(self) -> None:
        """uvicorn says so that there is more of the request, or that its connection has ended."""


class ShortWay:
    """Answers requests of the table past the application."""

    def __init__(
        self,
        endpoints: Mapping[tuple[str, str], Endpoint],
        most_bytes: int,
        headers: Callable[[str], Headers],
        admits: Callable[[tuple[str, int]], bool],
        took: Callable[[str, str, int, float], None],
        failed: Callable[[Exception], tuple[int, Headers, bytes]],
    ) -> None:
        """A body has ``most_bytes`` at most.  Every answer has ``headers``, by scheme.  ``admits``
        says whether an address is served.  ``took`` receives what was measured.  ``failed`` makes
        the answer to a request that could not be processed."""
        self.endpoints = {(at[0].encode(), at[1].encode()): one for at, one in endpoints.items()}
        self.most_bytes, self.admits, self.took, self.failed = most_bytes, admits, took, failed
        self._head: dict[str, bytes] = {one: _lines(headers(one)) for one in ("http", "https")}
        self._server: tuple[Any, bytes] = None, b""
        """The server's own headers, which change each second, and their bytes."""

    def begin(self, protocol: Any) -> Answering | None:
        """The request whose headers have just come; None: the application answers it."""
        path, _, query = protocol.url.partition(b"?")
        endpoint = self.endpoints.get((protocol.parser.get_method(), path))
        before, limit = protocol.cycle, protocol.limit_concurrency
        if endpoint is None or (before is not None and not before.response_complete):
            return None
        is_full = limit and max(len(protocol.connections), len(protocol.tasks)) >= limit
        if is_full or b"#" in query or not protocol.client or not self.admits(protocol.client):
            return None
        answering = Answering(endpoint, protocol, query)
        size = answering.headers.get(b"content-length", b"0")
        if NOT_SHORT & answering.headers.keys() or not size.isdigit():
            return None
        return answering if int(size) <= self.most_bytes else None

    async def answer(self, protocol: Any, asked: Answering) -> None:
        """Answer a request that is whole."""
        begun_s, endpoint = time.perf_counter(), asked.endpoint
        try:
            status, more, body = await endpoint.answer(
                asked.query, asked.body, asked.headers, protocol.client[0]
            )
            own: Headers = [JSON, *((name.encode(), more[name].encode()) for name in more)]
        except Exception as error:  # whatever a request brings about ends that request alone
            status, own, body = self.failed(error)
        took_s = time.perf_counter() - begun_s
        if protocol.flow.write_paused and not asked.disconnected:
            await protocol.flow.drain()
        transport = protocol.transport
        asked.response_complete = True
        if not asked.disconnected and not transport.is_closing():
            ends = b"" if asked.keep_alive else b"connection: close\r\n"
            head = self._begin(protocol, status), _lines(own), self._head[protocol.scheme], ends
            transport.write(b"".join((*head, b"content-length: %d\r\n\r\n" % len(body), body)))
            if not asked.keep_alive:
                transport.close()
        protocol.on_response_complete()
        method, path = endpoint.route.name.split(" ")
        self.took(method, path, status, took_s)

    def _begin(self, protocol: Any, status: int) -> bytes:
        from uvicorn.protocols.http.httptools_impl import STATUS_LINE

        given = protocol.server_state.default_headers
        if given is not self._server[0]:
            self._server = given, _lines(given)
        return bytes(STATUS_LINE[status]) + self._server[1]


def protocol_of(base: Any, short: ShortWay) -> Any:
    """``base``, a protocol of uvicorn with httptools, whose requests take the short way if they
    can."""

    class Short(base):  # type: ignore[misc,valid-type]
        def on_headers_complete(self) -> None:
            asked = short.begin(self)
            if asked is None:
                super().on_headers_complete()
                return
            self.end_head()
            self.cycle = asked

        def on_message_complete(self) -> None:
            super().on_message_complete()
            asked = self.cycle
            if type(asked) is Answering and not asked.is_begun:
                asked.is_begun = True
                task = self.loop.create_task(short.answer(self, asked))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            asked = self.cycle
            if type(asked) is Answering and not asked.is_begun and self.parser is not None:
                # The application waits for the rest, as long as it does.
                self.cycle = asked.before
                super().on_headers_complete()
                self.cycle.body += asked.body

    return Short


def refusal_of(limits: Limits) -> Callable[[str], bytes]:
    """What an address is sent that has used far too much, before anything of its request is read:
    to process it would cost other users their time.  Nothing: the address is not banned."""

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
    return b"".join(b"%b: %b\r\n" % one for one in headers)
