"""The protocol of HTTP of every listener: uvicorn's, with bounds that it has not."""

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from openoutcry.operations.connection_limits import ConnectionLimits, Peer

MAX_HEAD = 1 << 16
"""Bytes of a request that are not its body."""
HEAD_S, REQUEST_S, UNREAD_S = 20.0, 120.0, 60.0
"""Seconds from a request's first byte until its head and the whole of it have come, and that a
client may leave an answer unread."""
END_OF_HEAD = b"\r\n\r\n"
TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class OneAtATime(HttpToolsProtocol):
    """A connection whose owner is one of ``limits``.

    It parses one request at a time: what follows is held, and reading pauses, until the request is
    answered.  A request's line and headers have MAX_HEAD bytes at most, and arrive within HEAD_S of
    their first byte, the whole of it within REQUEST_S.  It leaves version, host and encoding to
    the server.
    """

    limits: ConnectionLimits
    peer: Peer = ("", 0)
    number = -1
    """Of its descriptor."""
    head_bytes = 0
    app: Any
    tail = b""
    """The last bytes of a head that has not come whole."""
    body_left = 0
    """Bytes that are missing of a body with a length."""
    in_head = is_whole = True
    is_handed_over = False
    held: bytes | None = None
    """What has come after a request that is not answered; reading pauses."""
    deadline: asyncio.TimerHandle | None = None
    unread: asyncio.TimerHandle | None = None

    def __init__(self, *terms: Any, **names: Any) -> None:
        super().__init__(*terms, **names)
        self.app = in_one_write(self.app)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.peer = tuple((transport.get_extra_info("peername") or ("", 0))[:2])
        self.number = number_of(transport)

    def data_received(self, data: bytes) -> None:
        if self.held is not None:
            self.held += data
            self.transport.pause_reading()
            return
        refusal = self.limits.refusal(self.peer[0])
        if refusal and (self.cycle is None or self.cycle.response_complete):
            self.transport.write(refusal)
            self.transport.close()
            return
        self.take(data)
        is_open = not self.transport.is_closing()
        if is_open and not self.is_whole and self.deadline is None:
            self.deadline = self.loop.call_later(HEAD_S, self.is_late)

    def take(self, data: bytes) -> None:
        """Parse until a request is whole that is not answered at once."""
        at, size = 0, len(data)
        while at < size and not self.transport.is_closing() and not self.is_handed_over:
            is_asked = self.is_whole and self.cycle is not None
            if is_asked and not self.cycle.response_complete:
                self.held = data[at:]
                self.transport.pause_reading()
                return
            end = self.end_of_piece(data, at)
            self.parse(data[at:end] if end - at < size else data)
            at = end

    def end_of_piece(self, data: bytes, at: int) -> int:
        """Return where the head, the body or a line of chunks ends that begins or goes on
        at ``at``; no piece has the ends of two requests."""
        size = len(data)
        if not self.in_head:
            end = at + self.body_left if self.body_left else data.find(b"\n", at) + 1
            return min(end, size) or size
        tail, self.tail = self.tail, b""
        end = (tail + data[at : at + 3]).find(END_OF_HEAD) if tail else -1
        if end >= 0:
            return at + end + len(END_OF_HEAD) - len(tail)
        end = data.find(END_OF_HEAD, at)
        if end >= 0:
            return end + len(END_OF_HEAD)
        self.tail = (tail + data[at:])[-3:]
        return size

    def parse(self, piece: bytes) -> None:
        self.is_whole = False
        self.head_bytes += len(piece)
        if self.in_head and self.head_bytes > MAX_HEAD:
            self.send_400_response("Too much besides the body.")
            return
        try:
            super().data_received(piece)
        except Exception as error:  # bytes that uvicorn raises about, in place of an answer
            said = logging.getLogger("uvicorn.error")
            said.warning("a connection is closed: %s", type(error).__name__)
            self.transport.abort()
        if self.head_bytes > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("Too much besides the body.")

    def is_late(self) -> None:
        """A request has not come whole in time."""
        self.deadline = None
        if not self.in_head:  # the application has it, and waits for its body
            wait_s = REQUEST_S - HEAD_S
            self.deadline = self.loop.call_later(wait_s, self.transport.abort)
        elif not self.transport.is_closing():
            self.transport.write(TOO_LATE)
            self.transport.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.in_head:  # what follows a body in chunks is no header (RFC 9110, 6.5.1)
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self.head_bytes -= len(body)
        self.body_left = max(self.body_left - len(body), 0)
        super().on_body(body)

    def on_headers_complete(self) -> None:
        self.end_head()
        super().on_headers_complete()

    def end_head(self) -> None:
        """Require a plain request, whose body comes next."""
        if not self.in_head:
            return
        require_plain(self.parser.get_http_version(), self.headers, self.url)
        self.limits.begun(self.peer)
        headers = dict(self.headers)
        is_sized = b"transfer-encoding" not in headers
        size = headers.get(b"content-length", b"0") if is_sized else b"0"
        self.in_head, self.body_left = False, int(size) if size.isdigit() else 0

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.head_bytes, self.in_head, self.is_whole = 0, True, True
        self.end_deadline()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.limits.rests(self.peer)
        if self.held is not None:
            self._unset_keepalive_if_required()
            self.loop.call_soon(self.go_on)

    def go_on(self) -> None:
        """Parse the next request of those that were held."""
        held, self.held = self.held, None
        if held is None or self.transport.is_closing():
            return
        self.data_received(held)
        if self.held is None and not self.transport.is_closing():
            self.transport.resume_reading()

    def handle_websocket_upgrade(self) -> None:
        self.is_handed_over = True
        self.end_deadline()
        super().handle_websocket_upgrade()

    def end_deadline(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self.unread = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.unread is not None:
            self.unread.cancel()
            self.unread = None

    def connection_lost(self, error: Exception | None) -> None:
        self.held = None
        self.end_deadline()
        self.resume_writing()
        self.limits.left(self.peer, self.number)
        super().connection_lost(error)


def number_of(transport: Any) -> int:
    """Return the descriptor of a connection; -1: it is closed."""
    own = transport.get_extra_info("socket")
    return own.fileno() if own is not None else -1


def require_plain(version: str, headers: list[tuple[bytes, bytes]], url: bytes) -> None:
    """Require a request of HTTP 1.0, or of 1.1 with one host, whose body has a length or is in
    chunks, so that no proxy can read its end elsewhere. Its path has no line break: routes leave
    out one at the end, which a proxy's rules may not. Raises ``ValueError``, which is answered with
    400, and the connection ends."""
    hosts = sum(name == b"host" for name, _ in headers)
    encodings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    is_plain = hosts == 1 if version == "1.1" else version == "1.0" and hosts <= 1
    is_sized = any(name == b"content-length" for name, _ in headers)
    if b"%0a" in url.partition(b"?")[0].lower():
        raise ValueError("not a plain path")
    if not is_plain or encodings not in ([], [b"chunked"]) or (encodings and is_sized):
        raise ValueError("not a plain request")


def in_one_write(app: Any) -> Any:
    """The application with head and body of an answer in one write.  uvicorn makes two, each of
    which is a system call and wakes the client."""

    async def one(scope: Any, receive: Any, send: Any) -> None:
        cycle: Any = getattr(send, "__self__", None)
        if scope["type"] != "http" or not hasattr(cycle, "transport"):
            await app(scope, receive, send)
            return
        joined = cycle.transport = Joined(cycle.transport)

        async def sending(message: Any) -> None:
            await send(message)
            if message["type"] == "http.response.body":
                joined.flush()

        await app(scope, receive, sending)

    return one


class Joined:
    """A transport that gathers what is written until :meth:`flush`, or to the end of a turn of the
    event loop."""

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Gather; the transport has it before the next turn of the loop."""
        if not self._parts:
            asyncio.get_running_loop().call_soon(self.flush)
        self._parts.append(data)

    def flush(self) -> None:
        """Write what there is."""
        parts, self._parts = self._parts, []
        if parts:
            self.transport.write(b"".join(parts))

    def close(self) -> None:
        """Write what there is, and close."""
        self.flush()
        self.transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)


def counted(limits: ConnectionLimits) -> Any:
    """Return the protocol of HTTP of the listeners' connections, a class that uvicorn makes them
    from."""
    return type("Counted", (OneAtATime,), {"limits": limits})
