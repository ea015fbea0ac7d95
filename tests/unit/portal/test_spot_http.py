"""Requests of the trading API, from the parser of HTTP to their answer."""

import asyncio
import json

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from openoutcry.operations.connection_limits import ConnectionLimits
from openoutcry.operations.http_protocol import counted
from openoutcry.portal.observed import Metrics, Observed
from openoutcry.portal.server import Gate
from openoutcry.portal.spot import http as spot_http
from openoutcry.portal.spot.http import BODY_BYTES, CONTINUE, protocol_of, refusal_of
from openoutcry.portal.spot.limits import BAN_AFTER, BAN_S, Limits
from openoutcry.portal.spot.rest import endpoints_of
from openoutcry.wire.peers import HERE
from tests.unit.portal.test_portal_direct import until

AWAY = "192.0.2.7"


class Api:
    """Answers with what it was asked, or fails."""

    def __init__(self, error=None):
        self.error = error
        self.markets = None
        self.count = 0

    async def answer(self, route, read, api_key, address):
        self.count += 1
        if self.error is not None:
            raise self.error
        params, payload = read()
        said = {"route": route.name, "payload": payload, "key": api_key, "address": address}
        return said | params.values, {"x-mbx-used-weight": "1"}


async def other(scope, receive, send):
    """The application."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


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
    """A portal's server with one connection."""

    def __init__(self, api=None, serves=lambda host: True, limits=None, tracer=None):
        self.limits, self.metrics = limits or Limits(), Metrics()
        gate = Gate(Observed(other, self.metrics), self.limits, serves)
        self.connections, self.state, self.wire = ConnectionLimits(), ServerState(), Wire()
        gate.known = self.connections.known
        self.connections.refusal = refusal_of(self.limits)
        requests = gate.requests_of(endpoints_of(api or Api()), self.metrics, tracer)
        http = protocol_of(counted(self.connections), requests)
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


def answered(*parts, **terms):
    """Status, headers and body of each answer, and whether the connection is closed."""

    async def run():
        written, is_over = await Served(**terms).sent(*parts)
        answers = []
        while written:
            head, _, rest = written.partition(b"\r\n\r\n")
            first, *lines = head.lower().split(b"\r\n")
            headers = dict(line.split(b": ", 1) for line in lines)
            size = int(headers.get(b"content-length", 0))
            if headers.get(b"transfer-encoding") == b"chunked":
                size = rest.index(b"0\r\n\r\n") + 5
            answers.append((int(first.split()[1]), headers, rest[:size]))
            written = rest[size:]
        return answers, is_over

    return asyncio.run(run())


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
        ([request("POST //p/api/v3/%6Frder HTTP/1.1")], [404]),
        ([request("POST /api/v3/order?a=1#b HTTP/1.1")], [200]),
        ([request("POST http://p/api/v3/order?a=1 HTTP/1.1")], [200]),
        ([request("PATCH /api/v3/order HTTP/1.1")], [404]),
        ([request(host=False)], [400]),
        ([request("POST /api/v3/order HTTP/1.1", b"a=1", "host: q")], [400]),
        ([request("POST /api/v3/order HTTP/1.1", b"a" * (BODY_BYTES + 1))], [413]),
        ([request(f"POST /api/v3/order?{'a' * 9_000} HTTP/1.1")], [400]),
        ([b"no HTTP\r\n\r\n"], [400]),
    ],
)
def test_every_request_has_its_answer(parts, statuses):
    answers, _ = answered(*parts)
    assert [status for status, _, _ in answers] == statuses
    for status, headers, body in answers:
        if status in (200, 413):
            assert headers[b"x-content-type-options"] == b"nosniff"
            assert int(headers[b"content-length"]) == len(body)


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/sbe", 400),
        ("Application/SBE;q=1", 400),
        ("application/sbe,application/json", 200),
        ("application/sbe, */*;q=0.1", 200),
        ("application/json", 200),
        ("*/*", 200),
    ],
)
def test_sbe_is_refused_by_name_where_no_json_is_taken(accept, status):
    headers = f"accept: {accept}", "x-mbx-sbe: 3:1"
    [(found, _, body)], _ = answered(request("GET /api/v3/time HTTP/1.1", None, *headers))
    assert found == status
    if status == 400:
        assert json.loads(body) == {"code": -1155, "msg": "SBE is not enabled."}


@pytest.mark.parametrize("size", [1, 7, 40, len(WHOLE)])
def test_a_request_is_answered_alike_in_whatever_parts_it_comes(size):
    parts = [WHOLE[at : at + size] for at in range(0, len(WHOLE), size)]
    [(status, headers, body)], _ = answered(*parts)
    assert (status, headers[b"x-mbx-used-weight"]) == (200, b"1")
    said = json.loads(body)
    assert said["route"] == "POST /api/v3/order"
    assert (said["payload"], said["signature"]) == ("a=1b=2", "x")
    assert (said["key"], said["address"]) == ("K", AWAY)


def test_chunks_and_lengths_together_are_refused():
    chunked = request("POST /api/v3/order HTTP/1.1", None, "transfer-encoding: chunked")
    [(status, _, body)], _ = answered(chunked + b"3\r\na=1\r\n0\r\n\r\n")
    assert (status, json.loads(body)["a"]) == (200, "1")
    twice = request("POST /api/v3/order HTTP/1.1", b"0\r\n\r\n", "transfer-encoding: chunked")
    [(status, _, _)], is_over = answered(twice + WHOLE)
    assert (status, is_over) == (400, True)
    large = b"%x\r\n%b\r\n" % (BODY_BYTES + 1, b"a" * (BODY_BYTES + 1))
    limits = Limits(1, clock=lambda: 1_790_000_000.0)
    for status in (413, 429):
        [(found, _, _)], is_over = answered(chunked + large, limits=limits)
        assert (found, is_over) == (status, True)


def test_what_fails_is_answered_without_its_reason_and_an_address_that_is_not_served_is_refused():
    [(status, _, body)], _ = answered(WHOLE, api=Api(RuntimeError("a secret")))
    assert (status, json.loads(body)["code"]) == (500, -1000)
    assert b"secret" not in body
    assert answered(WHOLE, serves=lambda host: False)[0][0][0] == 403


async def test_a_head_is_answered_without_a_body():
    written, _ = await Served().sent(request("HEAD /api/v3/time HTTP/1.1", None))
    head, _, body = written.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"content-length: 0" not in head
    assert body == b""


async def test_a_client_that_waits_to_be_asked_for_its_body_is_asked():
    served = Served()
    waits = request("POST /api/v3/order HTTP/1.1", b"a=1", "expect: 100-continue")
    served.protocol.data_received(waits[:-3])
    assert served.wire.written == CONTINUE
    written, _ = await served.sent(waits[-3:])
    assert written.removeprefix(CONTINUE).startswith(b"HTTP/1.1 200 ")


async def test_a_body_that_does_not_come_is_refused_and_one_that_is_cut_off_does_nothing(
    monkeypatch,
):
    monkeypatch.setattr(spot_http, "BODY_S", 0.0)

    api = Api()
    served = Served(api)
    served.protocol.data_received(WHOLE[:-1])
    await until(lambda: served.wire.is_over)
    assert served.wire.written.startswith(b"HTTP/1.1 408 ")
    cut = Served(api)
    cut.protocol.data_received(WHOLE[:-1])
    cut.protocol.connection_lost(None)
    for _ in range(10):
        await asyncio.sleep(0)
    assert cut.wire.written == b""
    assert api.count == 0


async def test_a_full_server_refuses():
    served = Served()
    served.protocol.limit_concurrency = 1
    written, _ = await served.sent(WHOLE)
    assert written.startswith(b"HTTP/1.1 503 ")


async def test_requests_are_measured_and_traced():
    class Span:
        def __init__(self):
            self.seen = {}

        def start_span(self, name):
            return self

        def update_name(self, name):
            self.seen["name"] = name

        def set_attribute(self, name, value):
            self.seen[name] = value

        def end(self):
            self.seen["end"] = True

    span = Span()
    served = Served(tracer=span)
    await served.sent(WHOLE)
    rows = served.metrics.shown().decode().splitlines()
    counted_rows = [row for row in rows if row.startswith("outcry_portal_requests_total")]
    labels = 'method="POST",route="/api/v3/order",status="200"'
    assert counted_rows == [f"outcry_portal_requests_total{{{labels}}} 1.0"]
    assert span.seen == {
        "name": "POST /api/v3/order",
        "http.request.method": "POST",
        "http.route": "/api/v3/order",
        "http.response.status_code": 200,
        "end": True,
    }
    assert served.connections.counts() == (0, {})


async def test_an_address_that_is_banned_is_refused_before_its_request_is_read():
    now = [1_000.0]
    limits = Limits(10, clock=lambda: now[0])

    for weight in (10, BAN_AFTER + 1, 1):
        try:
            limits.take(AWAY, weight)
        except Exception as error:
            refused = error
    served = Served(limits=limits)
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


def test_a_host_that_opens_connections_all_the_time_is_turned_away():
    connections = ConnectionLimits()
    assert sum(not connections.turns_away(AWAY, 1.0) for _ in range(5_000)) == 600
    assert sum(not connections.turns_away(AWAY, 2.0) for _ in range(5_000)) == 100
    assert not connections.turns_away("192.0.2.8", 2.0)
    assert not any(connections.turns_away(HERE[0], 2.0) for _ in range(5_000))
    connections.refusal = lambda host: b"no" if host == AWAY else b""
    assert sum(not connections.turns_away(AWAY, 60.0) for _ in range(50)) == 1
    assert not connections.turns_away("192.0.2.8", 60.0)
