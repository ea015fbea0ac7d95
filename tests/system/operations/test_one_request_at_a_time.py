"""Connections that pipeline without an end, or stop within a request: at every listener of HTTP.

Each listener is uvicorn with the configuration of ``web_server.web_config``, on its own socket.
"""

import asyncio
import contextlib
import logging
import socket
import struct
from types import SimpleNamespace

import pytest

from openoutcry.operations import http_protocol as bounds
from openoutcry.operations.connection_limits import ConnectionLimits
from openoutcry.operations.http_protocol import counted
from openoutcry.operations.web_server import server_of, web_config
from openoutcry.portal.server import text_pings
from openoutcry.portal.spot.http import Requests, protocol_of

GET = b"GET /asked HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\n"
BUFFER_BYTES = 1 << 14
READ_BYTES = 1 << 18
"""What asyncio reads at once."""
PATIENCE_S = 900


class Work:
    """What the application is given: each request waits until it ``may_end``."""

    def __init__(self):
        self.may_end = asyncio.Event()
        self.taken, self.answered = {}, {}

    async def do(self, peer):
        self.taken[peer] = self.taken.get(peer, 0) + 1
        assert self.taken[peer] <= self.answered.get(peer, 0) + 1, "a request before an answer"
        if self.taken[peer] == 1 and peer[0] == "127.0.0.1":
            await self.may_end.wait()
        self.answered[peer] = self.answered.get(peer, 0) + 1

    def application(self):
        async def application(scope, receive, send):
            more = True
            while more:
                more = (await receive()).get("more_body", False)
            await self.do(tuple(scope["client"]))
            headers = [(b"content-length", b"2")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"ok"})

        return application

    def endpoint(self, peer_of):
        async def answer(query, body, headers, host):
            await self.do(peer_of())
            return 200, {}, b"ok"

        return SimpleNamespace(answer=answer, route=SimpleNamespace(name="GET /asked"))


def console(work, connections):
    return {"ws_max_size": 1 << 12}


def portal(work, connections):
    return {"ws": text_pings(connections), "ws_max_size": 1 << 14}


def trading_api(work, connections):
    """The portal's trading API, whose requests pass by the application."""
    asking = []

    def took(*measured):
        """Nothing is measured here."""

    endpoints = {("GET", "/asked"): work.endpoint(lambda: asking.pop(0))}
    base = Requests(endpoints, lambda scheme: [], lambda peer: None, took, print, print, print)
    begin = base.begin

    def seen(protocol):
        asking.append(protocol.peer)
        return begin(protocol)

    base.begin = seen
    return portal(work, connections) | {"http": protocol_of(counted(connections), base)}


LISTENERS = console, portal, trading_api


@contextlib.asynccontextmanager
async def served(listener, most=100):
    """The work of a listener, and its port."""
    connections, work = ConnectionLimits(most, most, most), Work()
    with socket.create_server(("127.0.0.1", 0)) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        port, started = own.getsockname()[1], asyncio.Event()
        terms = listener(work, connections)
        config = web_config(work.application(), connections, logging.NullHandler(), {}, 99, **terms)
        config.lifespan = "off"
        server = server_of(config, started.set)
        server.capture_signals = contextlib.nullcontext
        task = asyncio.create_task(server.serve([connections.listener(own)]))
        try:
            await started.wait()
            yield work, port, server
        finally:
            work.may_end.set()
            server.should_exit = True
            await task


@pytest.fixture
def in_time():
    """Ends a test that waits for what does not come."""

    @contextlib.asynccontextmanager
    async def bounded():
        async with asyncio.timeout(PATIENCE_S):
            yield

    return bounded()


def connected(port, host="127.0.0.1"):
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
    one.bind((host, 0))
    one.connect(("127.0.0.1", port))
    one.setblocking(False)
    return one


async def answers(one, count):
    """What a client reads until it has this many answers, or the end."""
    loop, read = asyncio.get_running_loop(), b""
    while read.count(ANSWER) < count and (more := await loop.sock_recv(one, 1 << 16)):
        read += more
    return read


@pytest.mark.promise(
    "Every listener of HTTP parses one request of a connection at a time. While it is not "
    "answered, reading pauses, and what is held of the next ones has a bound",
    group="doors",
)
@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("reads", [True, False])
async def test_a_connection_that_pipelines_has_one_request_taken(in_time, listener, reads):
    async with served(listener) as (work, port, server):
        loop = asyncio.get_running_loop()
        with connected(port) as attacker, connected(port, "127.0.0.2") as honest:
            peer = attacker.getsockname()
            sent, is_full = 0, 0
            while is_full < 50:  # turns of the loop in which nothing more is taken
                try:
                    sent += attacker.send((GET * 1_000)[sent % len(GET) :])
                    is_full = 0
                except BlockingIOError:
                    is_full += work.taken.get(peer, 0)
                await asyncio.sleep(0.001)
                assert sent < 16 * READ_BYTES, "bytes are taken without an end"
            assert work.taken == {peer: 1}
            (held,) = [one.held for one in server.server_state.connections if one.peer == peer]
            assert 0 < len(held) <= 2 * READ_BYTES
            await loop.sock_sendall(honest, GET)
            assert (await answers(honest, 1)).endswith(b"ok")
            assert work.taken[peer] == 1
            work.may_end.set()
            if reads:
                most = sent // len(GET)
                assert (await answers(attacker, most)).count(ANSWER) == most
                assert work.taken[peer] in (most, most + 1)
            else:
                await loop.sock_sendall(honest, GET)
                assert (await answers(honest, 1)).endswith(b"ok")


@pytest.mark.promise(
    "The time within which a request must come begins with its first byte, for each request of "
    "a connection. A connection that stops within a head is closed",
    group="doors",
)
@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("before", [b"", GET, GET + GET], ids=["none", "one", "two"])
@pytest.mark.parametrize("half", [b"GET /as", GET[:-2], b"\r\n", GET[:-2] + b"x: "])
async def test_half_a_head_is_closed_after_whole_requests(
    in_time, listener, before, half, monkeypatch
):
    monkeypatch.setattr(bounds, "HEAD_S", 0.01)
    async with served(listener) as (work, port, _):
        work.may_end.set()
        with connected(port) as one:
            loop, count = asyncio.get_running_loop(), before.count(b"GET")
            await loop.sock_sendall(one, before + half)
            read = await answers(one, count + 1)
            assert read.count(ANSWER) == count
            assert b" 408 " in read
            with contextlib.suppress(ConnectionError):
                assert await loop.sock_recv(one, 1) == b""


@pytest.mark.parametrize("cut", range(1, len(GET) + 1))
async def test_requests_are_parsed_alike_wherever_a_read_ends(in_time, cut):
    async with served(portal) as (work, port, _):
        work.may_end.set()
        post = b"POST /asked HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n\r\n\r\n"
        chunks = b"POST /asked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunks += b"4\r\n\r\n\r\n\r\n0\r\n\r\n"
        data, loop = (GET + post + GET + chunks) * 2, asyncio.get_running_loop()
        with connected(port) as one:
            for at in range(0, len(data), cut):
                await loop.sock_sendall(one, data[at : at + cut])
                await asyncio.sleep(0)
            assert (await answers(one, 8)).count(ANSWER) == 8


@pytest.mark.promise(
    "At every listener whose connections wait for a login or a request, one that is being answered "
    "gives way to none that says nothing, from however many addresses",
    group="doors",
)
@pytest.mark.parametrize("listener", LISTENERS)
async def test_silent_newcomers_end_no_connection_that_is_answered(in_time, listener):
    async with served(listener, 10) as (work, port, server):
        loop, limits = asyncio.get_running_loop(), server.config.http_protocol_class.limits
        with connected(port) as honest, contextlib.ExitStack() as crowd:
            await loop.sock_sendall(honest, GET)
            while not work.taken:
                await asyncio.sleep(0.001)
            for number in range(40):
                crowd.enter_context(connected(port, f"127.9.0.{number + 1}"))
            while limits.counts()[0] < 11:
                await asyncio.sleep(0.001)
            work.may_end.set()
            assert (await answers(honest, 1)).endswith(b"ok")
            await loop.sock_sendall(honest, GET)
            assert (await answers(honest, 1)).endswith(b"ok")


@pytest.mark.parametrize("listener", LISTENERS)
async def test_a_connection_that_comes_from_where_one_was_reset_is_counted(in_time, listener):
    """Else an address could have more than its share: the end of the earlier one, which is heard
    of later, was taken for the later one's."""
    async with served(listener, 10) as (_, port, server):
        limits = server.config.http_protocol_class.limits
        reset = struct.pack("ii", 1, 0)
        with contextlib.ExitStack() as crowd:
            for number in range(40):
                host = f"127.9.0.{number + 1}"
                first = connected(port, host)
                own = first.getsockname()
                first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                await asyncio.sleep(0.002)
                first.close()
                again = crowd.enter_context(socket.socket())
                again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                again.bind(own)
                again.connect(("127.0.0.1", port))
                again.setblocking(False)
            async with asyncio.timeout(PATIENCE_S):
                while len(server.server_state.connections) > 10:
                    await asyncio.sleep(0.001)
            assert limits.counts()[0] == 10
