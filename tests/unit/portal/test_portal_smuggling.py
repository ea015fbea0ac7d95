"""Requests that two readers may cut in different places: what the portal's server makes of them.

Each begins with a request that is answered, and has the line of a second one where one of the two
ways to read it begins a request.  The server must refuse the whole, or read it as RFC 9112 says,
and end the connection where a proxy may have read it in another way.
"""

import asyncio
import random

import pytest

from openoutcry.operations.connection_limits import ConnectionLimits
from openoutcry.operations.http_protocol import MAX_HEAD, counted

SECOND = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"POST /first HTTP/1.1\r\nHost: a\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(SECOND)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
END = b"\r\n"
LAST = b"0\r\n\r\n"


class Wire:
    """The transport of a connection that is none."""

    def __init__(self):
        self.said, self.is_closed = b"", False

    def get_extra_info(self, name):
        return ("192.0.2.1", 4_000) if name == "peername" else None

    def write(self, data):
        self.said += data

    def close(self):
        self.is_closed = True

    abort = close

    def is_closing(self):
        return self.is_closed

    def set_write_buffer_limits(self, *sizes):
        pass

    def pause_reading(self):
        pass

    resume_reading = pause_reading


def read(*pieces):
    """What the application is given of these bytes, and the connection after them."""
    import uvicorn
    from uvicorn.server import ServerState

    seen = []

    async def app(scope, receive, send):
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body, more = body + message.get("body", b""), message.get("more_body", False)
        names = {name for name, _ in scope["headers"]}
        assert b"trailer" not in names, "what follows a body was taken for a header"
        seen.append((scope["method"], scope["path"], body))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def run():
        config = uvicorn.Config(app, log_config=None, lifespan="off", proxy_headers=False)
        config.load()
        state, wire = ServerState(), Wire()
        made = counted(ConnectionLimits(10, 10, 10))
        connection = made(config, state, {}, asyncio.get_running_loop())
        connection.connection_made(wire)
        for piece in pieces:
            if not wire.is_closed:
                connection.data_received(piece)
            for _ in range(5):
                await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        connection.connection_lost(None)
        for task in list(state.tasks):
            task.cancel()
        return wire

    return seen, asyncio.run(run())


def body(size):
    return b"%x\r\n%s\r\n" % (size, b"x" * size)


REFUSED = {
    "two lengths": HEAD + b"Content-Length: 0\r\n" + LENGTH + END + SECOND,
    "a list of lengths": HEAD + b"Content-Length: 0, %d\r\n" % len(SECOND) + END + SECOND,
    "a signed length": HEAD + b"Content-Length: +0\r\n" + END + SECOND,
    "a negative length": HEAD + b"Content-Length: -1\r\n" + END + SECOND,
    "a hexadecimal length": HEAD + b"Content-Length: 0x0\r\n" + END + SECOND,
    "a length with a space": HEAD + b"Content-Length: 0 0\r\n" + END + SECOND,
    "a length that is no number": HEAD + "Content-Length: ٠\r\n".encode() + END + SECOND,
    "a length without a number": HEAD + b"Content-Length:\r\n" + END + SECOND,
    "another encoding": HEAD + b"Transfer-Encoding: xchunked\r\n" + LENGTH + END + LAST + SECOND,
    "two encodings": HEAD + b"Transfer-Encoding: identity, chunked\r\n" + END + LAST + SECOND,
    "an encoding after chunked": HEAD + b"Transfer-Encoding: chunked, x\r\n" + END + LAST + SECOND,
    "an encoding twice": HEAD + CHUNKED + b"Transfer-Encoding: x\r\n" + END + LAST + SECOND,
    "a space before the colon": HEAD + b"Transfer-Encoding : chunked\r\n" + END + LAST + SECOND,
    "a length with a space before the colon": HEAD + b"Content-Length : 0\r\n" + END + SECOND,
    "a header in the line": b"POST /first HTTP/1.1\r\n\x00Host: a\r\n" + END + SECOND,
    "a NUL in a header": HEAD + b"A: b\x00c\r\n" + END + SECOND,
    "a carriage return in a header": HEAD + b"A: b\rTransfer-Encoding: chunked\r\n" + END + SECOND,
    "no host": b"POST /first HTTP/1.1\r\n" + END + SECOND,
    "two hosts": HEAD + b"Host: b\r\n" + END + SECOND,
    "another version": b"POST /first HTTP/1.2.3\r\nHost: a\r\n" + END + SECOND,
    "a space in the path": b"POST /fi rst HTTP/1.1\r\nHost: a\r\n" + END + SECOND,
    "a line break in the path": b"POST /first%0A HTTP/1.1\r\nHost: a\r\n" + END + SECOND,
    "another line break in the path": b"POST /first%0a?a HTTP/1.1\r\nHost: a\r\n" + END + SECOND,
    "a signed chunk": HEAD + CHUNKED + END + b"+0\r\n\r\n" + SECOND,
    "a chunk in the notation of C": HEAD + CHUNKED + END + b"0x0\r\n\r\n" + SECOND,
    "a chunk of a size that no number holds": HEAD + CHUNKED + END + b"f" * 30 + END + SECOND,
    "a chunk that ends too late": HEAD + CHUNKED + END + b"3\r\nabcd\r\n" + LAST + SECOND,
    "a chunk that ends with something else": HEAD + CHUNKED + END + b"1\r\naXX" + LAST + SECOND,
}


@pytest.mark.promise(
    "V13.1, V13.2.5, V14.3, V14.5 (surface): bytes that two readers may cut into different "
    "requests, bodies of another kind and other methods are refused. No version, debug page "
    "or listing is shown",
    group="portal",
)
@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_read_in_two_ways_is_refused(name):
    for pieces in ([REFUSED[name]], [bytes([one]) for one in REFUSED[name]]):
        seen, wire = read(*pieces)
        assert not [row for row in seen if row[1] == "/smuggled"], seen
        assert b"200 OK" not in wire.said
        assert wire.is_closed


@pytest.mark.promise(
    "V13.1, V13.2.5, V14.3, V14.5 (surface): bytes that two readers may cut into different "
    "requests, bodies of another kind and other methods are refused. No version, debug page "
    "or listing is shown",
    group="portal",
)
def test_a_length_together_with_chunks_ends_the_connection():
    """A proxy may have taken the length where the server takes the chunks."""
    for first in (LENGTH + CHUNKED, CHUNKED + LENGTH, CHUNKED + b"Content-Length: 3\r\n"):
        seen, wire = read(HEAD + first + END + LAST + SECOND)
        assert seen == [], first
        assert b" 400 " in wire.said
        assert wire.is_closed


def test_a_head_that_is_too_long_is_refused_also_in_one_piece():
    for size, is_taken in ((MAX_HEAD - len(HEAD) - 7, True), (MAX_HEAD, False)):
        seen, wire = read(HEAD + b"A: %b\r\n" % (b"a" * size) + END)
        assert (seen == [("POST", "/first", b"")]) is is_taken
        assert (b" 400 " in wire.said) is not is_taken


def test_chunks_of_every_lawful_form_are_one_body():
    forms = {
        b"3;name=value\r\nabc\r\n0\r\n\r\n",
        b'3;name="quoted; text"\r\nabc\r\n0;last\r\n\r\n',
        b"03\r\nabc\r\n000\r\n\r\n",
        b"1\r\na\r\n2\r\nbc\r\n0\r\nTrailer: x\r\n\r\n",
    }
    for form in forms:
        seen, _ = read(HEAD + CHUNKED + END + form + SECOND)
        assert seen == [("POST", "/first", b"abc"), ("GET", "/smuggled", b"")], form


def test_the_same_length_twice_is_one():
    seen, wire = read(HEAD + LENGTH + LENGTH + END + SECOND)
    assert seen in ([("POST", "/first", SECOND)], [])
    assert seen or wire.is_closed


def test_a_line_that_a_line_feed_alone_ends_hides_no_request():
    """Read as a line or refused, and never as the rest of the one before."""
    bare = HEAD.replace(b"\r\n", b"\n") + b"Content-Length: %d\n\n" % len(SECOND) + SECOND
    seen, wire = read(bare)
    assert seen in ([("POST", "/first", SECOND)], [])
    assert seen or wire.is_closed
    chunk = HEAD + CHUNKED + END + b"3;a\nbc\r\nabc\r\n0\r\n\r\n" + SECOND
    seen, wire = read(chunk)
    assert not [row for row in seen if row[1] == "/smuggled"]
    assert wire.is_closed


def test_an_end_of_old_http_is_not_chunked():
    """HTTP/1.0 has no chunks: a proxy of it would have forwarded all as one body."""
    seen, wire = read(b"POST /first HTTP/1.0\r\n" + CHUNKED + END + LAST + SECOND)
    assert not [row for row in seen if row[1] == "/smuggled"]
    assert wire.is_closed


def test_no_change_of_a_request_makes_two_of_it():
    """A request with a body that looks like another one, with bytes changed, doubled and left out
    in its head."""
    rng = random.Random(52)
    whole = HEAD + LENGTH + b"Connection: close\r\n" + END
    for _ in range(400):
        head = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(head))
            head[at : at + rng.randrange(2)] = rng.choice((b"", b"\r", b"\n", b" ", b"\x00", b":"))
        seen, wire = read(bytes(head) + SECOND)
        smuggled = [row for row in seen if row[1] == "/smuggled"]
        has_length = b"content-length: %d\r\n" % len(SECOND) in bytes(head).lower()
        assert not (smuggled and has_length), bytes(head)
        assert len(seen) <= 2
        assert wire.said.count(b"HTTP/1.1 ") <= 2
