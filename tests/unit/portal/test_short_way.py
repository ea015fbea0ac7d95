"""Requests that are answered past the application: as the application answers them."""

import asyncio
import json

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from openoutcry.operations.http_protocol import counted
from openoutcry.operations.strangers import Strangers
from openoutcry.portal.observed import Metrics, Observed
from openoutcry.portal.server import BODY_BYTES, Gate, failed
from openoutcry.portal.short_way import Answering, protocol_of, refusal_of
from openoutcry.portal.spot.limits import BAN_AFTER, BAN_S, Limits
from openoutcry.portal.spot.rest import Direct
from openoutcry.wire.peers import HERE
from tests.unit.portal.test_portal_direct import Api, other, until

AWAY = "192.0.2.7"


class Wire:
    """A connection's transport: what is written, and whether it is closed."""

    def __init__(self, host=AWAY):
        self.peer, self.written, self.is_over = (host, 5), b"", False

    def get_extra_info(self, name, default=None):
        return self.peer if name in ("peername", "sockname") else default

    def write(self, data):
        assert not self.is_over
        self.written += data

    def close(self):
        self.is_over = True

    def is_closing(self):
        return self.is_over

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


class Served:
    """A portal's server with one connection, which takes the short way or never does."""

    def __init__(self, is_short, api=None, serves=lambda host: True, limits=None):
        self.limits, self.metrics = limits or Limits(), Metrics()
        direct = Direct(other, api or Api(), failed)
        gate = Gate(Observed(direct, self.metrics), self.limits, serves)
        self.strangers, self.state, self.wire = Strangers(), ServerState(), Wire()
        gate.known = self.strangers.known
        self.strangers.refusal = refusal_of(self.limits)
        http = counted(self.strangers)
        if is_short:
            http = protocol_of(http, gate.short_way(direct.endpoints, self.metrics))
        config = Config(gate, log_config=None, http=http, proxy_headers=False, lifespan="off")
        config.load()
        self.protocol = http(config, self.state, {})
        self.protocol.connection_made(self.wire)

    async def sent(self, *parts):
        """What is written once every task has ended after each part."""
        for part in parts:
            self.protocol.data_received(part)
            for _ in range(3):
                await asyncio.sleep(0)
        await until(lambda: not self.state.tasks or self.wire.is_over)
        if self.protocol.timeout_keep_alive_task is not None:
            self.protocol.timeout_keep_alive_task.cancel()
        return self.wire.written, self.wire.is_over


def request(head="POST /api/v3/order?a=1 HTTP/1.1", body=b"b=2&signature=x", *headers, host=True):
    lines = [head, *(["host: p"] if host else []), "x-mbx-apikey: K", *headers]
    if body is not None:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def both(*parts, **terms):
    """The answers by either way, their headers in one order."""

    async def run():
        rows = []
        for is_short in (True, False):
            written, is_over = await Served(is_short, **terms).sent(*parts)
            answers = []
            while written:
                head, _, rest = written.partition(b"\r\n\r\n")
                first, *headers = head.lower().split(b"\r\n")
                size = next((int(one[16:]) for one in headers if b"content-length" in one), 0)
                if b"transfer-encoding: chunked" in headers:
                    size = rest.index(b"0\r\n\r\n") + 5
                answers.append((first, sorted(headers), rest[:size]))
                written = rest[size:]
            rows.append((answers, is_over))
        return rows

    short, long = asyncio.run(run())
    assert short == long
    return short


WHOLE = request()


@pytest.mark.parametrize(
    ("parts", "statuses"),
    [
        ([WHOLE], [200]),
        ([request("GET /api/v3/time HTTP/1.1", None)], [200]),
        ([WHOLE, request("GET /api/v3/account HTTP/1.1", None)], [200, 200]),
        ([WHOLE + WHOLE + request("GET /x HTTP/1.1", None)], [200, 200, 404]),
        ([WHOLE[:-4], WHOLE[-4:]], [200]),
        ([WHOLE[:30], WHOLE[30:]], [200]),
        ([request("POST /api/v3/order HTTP/1.0")], [200]),
        ([request("POST /api/v3/order HTTP/1.0", b"a=1", "connection: keep-alive")], [200]),
        ([request("POST /api/v3/order HTTP/1.1", b"a=1", "connection: close")], [200]),
        ([request("POST /api/v3/order#x HTTP/1.1")], [200]),
        ([request("POST /api/v3/order?a=%zz HTTP/1.1")], [200]),
        ([request("POST /api/v3/order?a HTTP/1.1")], [400]),
        ([request(body=b"a=\xff")], [400]),
        ([request("POST /api/v3/order HTTP/1.1", b"a=1", "x-mbx-apikey: L")], [200]),
        ([request("POST /%61pi/v3/order HTTP/1.1")], [200]),
        ([request("PATCH /api/v3/order HTTP/1.1")], [404]),
        ([request(host=False)], [400]),
        ([request("POST /api/v3/order HTTP/1.1", b"a=1", "host: q")], [400]),
        ([request("POST /api/v3/order HTTP/1.1", b"a" * (BODY_BYTES + 1))], [413]),
        ([request(f"POST /api/v3/order?{'a' * 9_000} HTTP/1.1")], [400]),
        ([b"no HTTP\r\n\r\n"], [400]),
    ],
)
def test_the_short_way_answers_as_the_application_does(parts, statuses):
    answers, _ = both(*parts)
    assert [int(first.split()[1]) for first, _, _ in answers] == statuses


def test_chunks_and_lengths_together_are_refused():
    chunked = request("POST /api/v3/order HTTP/1.1", None, "transfer-encoding: chunked")
    assert both(chunked + b"3\r\na=1\r\n0\r\n\r\n")[0][0][0].startswith(b"http/1.1 200")
    twice = request("POST /api/v3/order HTTP/1.1", b"0\r\n\r\n", "transfer-encoding: chunked")
    assert both(twice)[0][0][0].startswith(b"http/1.1 400")


def test_what_fails_is_answered_without_its_reason_and_who_is_not_served_is_refused():
    (_, _, body), *_ = both(WHOLE, api=Api(RuntimeError("a secret")))[0]
    assert b"secret" not in body
    assert both(WHOLE, serves=lambda host: False)[0][0][0].startswith(b"http/1.1 403")


def test_only_a_whole_request_alone_on_its_connection_is_taken():
    async def run():
        served = Served(True)
        served.protocol.data_received(WHOLE)
        assert type(served.protocol.cycle) is Answering
        await served.sent()
        served.protocol.data_received(WHOLE[:-1])
        assert type(served.protocol.cycle) is not Answering
        await served.sent(WHOLE[-1:])
        assert served.strangers.counts() == (0, {})

    asyncio.run(run())


def test_both_ways_are_measured_alike():
    async def run(is_short):
        served = Served(is_short)
        await served.sent(WHOLE)
        rows = served.metrics.shown().decode().splitlines()
        return [row for row in rows if row.startswith("outcry_portal_requests_total")]

    assert asyncio.run(run(True)) == asyncio.run(run(False)) != []


def test_an_address_that_is_banned_is_refused_before_its_request_is_read():
    now = [1_000.0]
    limits = Limits(10, clock=lambda: now[0])

    async def run():
        for weight in (10, BAN_AFTER + 1, 1):
            try:
                limits.take(AWAY, weight)
            except Exception as error:
                refused = error
        served = Served(True, limits=limits)
        written, is_over = await served.sent(WHOLE[:9])
        head, _, body = written.partition(b"\r\n\r\n")
        assert is_over
        assert head.startswith(b"HTTP/1.1 418 ")
        assert b"retry-after: %d" % refused.retry_after_s in head
        assert json.loads(body) == refused.body
        refusal = refusal_of(limits)
        assert refusal("192.0.2.8") == b""
        assert refusal(HERE[0]) == b"", "a proxy speaks for all its clients"
        now[0] += BAN_S
        assert refusal(AWAY) == b""

    asyncio.run(run())


def test_a_host_that_opens_connections_all_the_time_is_turned_away():
    strangers = Strangers()
    assert sum(not strangers.turns_away(AWAY, 1.0) for _ in range(5_000)) == 600
    assert sum(not strangers.turns_away(AWAY, 2.0) for _ in range(5_000)) == 100
    assert not strangers.turns_away("192.0.2.8", 2.0)
    assert not any(strangers.turns_away(HERE[0], 2.0) for _ in range(5_000))
    strangers.refusal = lambda host: b"no" if host == AWAY else b""
    assert sum(not strangers.turns_away(AWAY, 60.0) for _ in range(50)) == 1
    assert not strangers.turns_away("192.0.2.8", 60.0)
