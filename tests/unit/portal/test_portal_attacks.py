"""What was tried against the portal, each as its kind: signatures written in another way, requests
that read as another one, places that one owner took, and input that raised."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import random
import threading
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace

import httpx
import msgpack
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from fastapi import FastAPI
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import JSONResponse

from openoutcry.portal.accounts.accounts import Accounts
from openoutcry.portal.accounts.api_keys import ED25519, HMAC, SMALL_ORDER, ApiKey, public_key_of
from openoutcry.portal.accounts.challenges import ChallengeRequired, Challenges
from openoutcry.portal.accounts.errors import Declined, InvalidRequest, NotLoggedIn, Unavailable
from openoutcry.portal.accounts.more_routes import LARGE_BODY
from openoutcry.portal.accounts.routes import _add_problems
from openoutcry.portal.database import DatabaseError, migrate, start_embedded
from openoutcry.portal.history.reader import History
from openoutcry.portal.native import stream
from openoutcry.portal.native.callers import Asking, Callers, Forbidden, signed_text
from openoutcry.portal.native.idempotency import Once, Owner, route_class
from openoutcry.portal.native.problems import EVERY_CODE
from openoutcry.portal.native.stream import Session
from openoutcry.portal.server import BODY_BYTES, Gate
from openoutcry.portal.settings import Level, PortalFile
from openoutcry.portal.spot import capital, signing, sub_accounts
from openoutcry.portal.spot.api import Route, Spot
from openoutcry.portal.spot.capital import name_of
from openoutcry.portal.spot.errors import TOO_MANY_ORDERS, ApiError, refusal
from openoutcry.portal.spot.feeds import Subscriber
from openoutcry.portal.spot.limits import BAN_AFTER, NAMES_OF_ORDER, Limits
from openoutcry.portal.spot.params import Params
from openoutcry.portal.spot.rest import ROUTES, Endpoint, pairs_of
from openoutcry.portal.spot.signing import READ, TRADE, Replays, Signing, now_ms
from openoutcry.portal.spot.sockets import METHODS as WS_METHODS
from openoutcry.portal.spot.sockets import OF_CONNECTION, Requests, Streams
from openoutcry.portal.spot.trade import order_id_of
from openoutcry.portal.spot.user_data import ListenKeys
from openoutcry.portal.trading.broker import NewOrder, Refusal
from openoutcry.portal.trading.orders import Order
from openoutcry.portal.trading.public import INTERVALS
from openoutcry.portal.trading.reject import Code, NotReady, Reject
from openoutcry.portal.trading.service import OrderService
from openoutcry.wire.enums import OrderType, Side, TimeInForce

SECRET = b"s" * 64
stopped = partial(Limits, clock=lambda: 1_790_000_000.0)
"""Limits whose minute does not end while a test runs."""


def key(kind=HMAC, secret=SECRET, number=1, participant=1000):
    return ApiKey(number, number, participant, kind, secret, True, False, (), None)


def checked(signer, owner, payload, signature):
    """Whether the request is taken."""
    params = Params([*pairs_of(payload), ("signature", signature)], None)
    try:
        signer.check(owner, params, payload, True)
    except ApiError:
        return False
    return True


@pytest.mark.promise(
    "A request of a key needs its signature, over exactly what was sent, within its time, and"
    " counts once (HMAC-SHA256, Ed25519). One of the native API covers method, path with "
    "query, Idempotency-Key and body. A revoked key ends at once",
    group="portal",
)
@pytest.mark.parametrize("kind", [HMAC, ED25519])
def test_a_request_counts_once_however_its_signature_is_written(kind):
    """Hexadecimal has two cases, and the last letter of base64 has bits that mean nothing."""
    payload = f"symbol=BTCUSD&timestamp={now_ms()}"
    if kind == HMAC:
        owner = key()
        signature = hmac.new(SECRET, payload.encode(), hashlib.sha256).hexdigest()
        ways = [signature.upper(), signature.title(), signature.swapcase()]
    else:
        private = Ed25519PrivateKey.generate()
        owner = key(ED25519, private.public_key().public_bytes_raw())
        raw = private.sign(payload.encode())
        signature = base64.b64encode(raw).decode()
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        ways = [f"{signature[:85]}{letter}==" for letter in letters]
        ways = [way for way in ways if base64.b64decode(way) == raw and way != signature]
    assert len(ways) >= 2
    signer = Signing(SimpleNamespace())
    assert checked(signer, owner, payload, signature)
    assert [checked(signer, owner, payload, way) for way in ways] == [False] * len(ways)


@pytest.mark.promise(
    "A request of a key needs its signature, over exactly what was sent, within its time, and"
    " counts once (HMAC-SHA256, Ed25519). One of the native API covers method, path with "
    "query, Idempotency-Key and body. A revoked key ends at once",
    group="portal",
)
def test_no_cut_of_what_was_signed_reads_as_another_request():
    """Query and body are signed as one text: wherever an attacker cuts it in two, the parameters
    are those of the whole, or there is no request."""
    whole = "symbol=BTCUSD&side=BUY&type=LIMIT&quantity=10&price=50000.5&timestamp=1700000000000"
    names = dict(pairs_of(whole))
    for at in range(len(whole) + 1):
        try:
            assert dict(pairs_of(whole[:at]) + pairs_of(whole[at:])) == names, at
        except ApiError:
            continue


@pytest.mark.promise(
    "A request of a key needs its signature, over exactly what was sent, within its time, and"
    " counts once (HMAC-SHA256, Ed25519). One of the native API covers method, path with "
    "query, Idempotency-Key and body. A revoked key ends at once",
    group="portal",
)
def test_a_signature_of_v1_holds_for_what_was_signed_alone():
    """Also where a part could end and the next begin elsewhere."""
    parts = ["1700000000000", "POST", "/v1/orders?symbol=A", "key-1", '{"side": "buy"}']
    others = [
        ["1700000000001", *parts[1:]],
        [parts[0], "PUT", *parts[2:]],
        [parts[0], "POST", "/v1/orders", *parts[3:]],
        [*parts[:3], "key-2", parts[4]],
        [*parts[:3], "", parts[3] + parts[4]],
        [*parts[:2], parts[2] + parts[3], "", parts[4]],
        [*parts[:4], parts[4] + " "],
        [parts[0], "POST/v1", "/orders?symbol=A", *parts[3:]],
    ]
    texts = {signed_text(*one) for one in (parts, *others)}
    assert len(texts) == 1 + len(others)


def asking_of(method, sent_key, path="/v1/quotes/requests"):
    """A signed request of the native API, and what checks it."""
    owner = key()

    async def find(*terms):
        return owner

    signer = SimpleNamespace(key=find, may_trade=lambda one: True, replays=Replays())
    at, sent = str(now_ms()), {"x-api-key": "a"}
    text = signed_text(at, method, path, sent_key)
    sent |= {"x-timestamp": at, "idempotency-key": sent_key} if sent_key else {"x-timestamp": at}
    sent["x-signature"] = hmac.new(SECRET, text.encode(), hashlib.sha256).hexdigest()

    async def body():
        return b""

    def request():
        return SimpleNamespace(
            headers=sent,
            body=body,
            method=method,
            scope={"raw_path": path.encode(), "path": path, "query_string": b""},
            client=None,
            state=SimpleNamespace(),
        )

    return Callers(None, signer, None), request, (at, sent["x-signature"], text)


@pytest.mark.promise(
    "A request of a key needs its signature, over exactly what was sent, within its time, and"
    " counts once (HMAC-SHA256, Ed25519). One of the native API covers method, path with "
    "query, Idempotency-Key and body. A revoked key ends at once",
    group="portal",
)
@pytest.mark.parametrize(
    ("method", "sent_key", "counts"),
    [("POST", "", False), ("DELETE", "", False), ("POST", "k", True), ("GET", "", True)],
)
def test_a_signed_change_of_v1_that_is_sent_again_is_refused(method, sent_key, counts):
    callers, request, _ = asking_of(method, sent_key)

    async def both():
        await callers.of_request(request())
        try:
            await callers.of_request(request())
        except NotLoggedIn:
            return False
        return True

    assert asyncio.run(both()) is counts


async def test_a_signed_login_to_the_stream_that_is_sent_again_is_refused():
    callers, _, (at, signature, text) = asking_of("GET", "", "/v1/stream")
    session = Session(SimpleNamespace(), callers, Limits(), "192.0.2.1")
    login = {"op": "auth", "api_key": "a", "timestamp": at, "signature": signature}
    assert "/v1/stream" in text
    await session._log_in(login)
    with pytest.raises(NotLoggedIn):
        await session._log_in(login)


def test_a_signed_body_is_what_was_signed_byte_for_byte():
    """Bytes that are no text would all read as one character."""
    owner = key()

    async def find(*terms):
        return owner

    signer = SimpleNamespace(key=find, may_trade=lambda one: True)
    callers = Callers(None, signer, None)

    def request(signed, sent):
        at = str(now_ms())
        text = signed_text(at, "POST", "/v1/orders", "k", signed)

        async def body():
            return sent

        headers = {"x-api-key": "a", "x-timestamp": at, "idempotency-key": "k"}
        headers["x-signature"] = hmac.new(SECRET, text.encode(), hashlib.sha256).hexdigest()
        return SimpleNamespace(
            headers=headers,
            body=body,
            method="POST",
            scope={"raw_path": b"/v1/orders", "path": "/v1/orders", "query_string": b""},
            client=None,
            state=SimpleNamespace(),
        )

    assert asyncio.run(callers.of_request(request("{}", b"{}"))).participant == 1000
    with pytest.raises(NotLoggedIn):
        asyncio.run(callers.of_request(request("\ufffd", b"\xff")))


@pytest.mark.promise(
    "No account, with its sub-accounts, takes more than a quarter of the names of orders that the "
    "venue has for a day, so that others can enter orders",
    group="portal",
)
def test_no_account_uses_up_the_names_of_a_day():
    """Sessions are shared, and the venue gives one no more names than are left for all."""
    limits = stopped(orders_in_10_s=10**9, names=40_000, session_of=lambda number: number // 1_000)
    used = {0: 0, 1: 0}

    def takes_all(owner, participants):
        for number in itertools.cycle(participants):
            try:
                limits.take_order(number, owner)
            except ApiError as error:
                return error.status, error.code
            used[number // 1_000] += NAMES_OF_ORDER
            assert used[number // 1_000] <= limits.names - sum(used.values()), "the venue's rule"

    assert takes_all(1, range(21)) == (429, TOO_MANY_ORDERS)
    assert sum(used.values()) == pytest.approx(limits.names / 4, rel=0.01)
    for owner in range(2, 6):
        takes_all(owner, [owner * 50])
    for _ in range(100):
        limits.take_order(999, 999)
    limits.take_names(1_999, 12)
    with pytest.raises(ApiError):
        limits.take_names(5, 1, limits.names)
    limits.take_names(999, 999)  # what is refused counts nothing


class OfHost(Request):
    """A request as older frameworks show it, which made its URL with the Host as it was sent."""

    url = URL("http://p?state=open#/v1/orders?state=all")


def test_a_signature_of_v1_covers_the_query_that_is_read_whatever_the_host_says():
    callers, _, (at, signature, _) = asking_of("GET", "", "/v1/orders?state=open")
    headers = {"x-api-key": "a", "x-timestamp": at, "x-signature": signature}
    head = {"type": "http", "method": "GET", "path": "/v1/orders", "raw_path": b"/v1/orders"}
    head["headers"] = [(name.encode(), text.encode()) for name, text in headers.items()]

    async def receive():
        return {"type": "http.request", "body": b""}

    def asked(query):
        return asyncio.run(callers.of_request(OfHost(head | {"query_string": query}, receive)))

    assert asked(b"state=open").participant == 1000
    with pytest.raises(NotLoggedIn):
        asked(b"state=all")


async def test_a_login_that_is_refused_keeps_no_stream_open():
    """A thief's stream ends with the key that it was opened with, although the thief has logged in
    with a key of another account, which the connection does not take."""
    ended = set()
    people = {"anna": 1000, "bert": 1001}

    async def of_key(api_key, *rest, once):
        return Asking(1, people[api_key], True, False, "", False)

    async def still(api_key, *rest):
        if api_key in ended:
            raise ApiError(-2015, "revoked")

    callers = SimpleNamespace(of_key=of_key, signing=SimpleNamespace(key=still))
    session = Session(SimpleNamespace(mirror=SimpleNamespace(seq=1)), callers, Limits(), "")

    def log_in(name):
        return session._log_in({"api_key": name, "timestamp": "1", "signature": "s"})

    await log_in("anna")
    with pytest.raises(NotLoggedIn):
        await log_in("bert")
    assert session.connection.participant == 1000
    ended.add("anna")
    with pytest.raises(ApiError):
        await session._still()


@pytest.mark.promise(
    "A stream ends with the key or session that opened it, also one that was revoked while the "
    "portal's reader began again",
    group="portal",
)
async def test_a_stream_is_watched_on_after_the_reader_was_away(monkeypatch):
    monkeypatch.setattr(stream, "CHECK_S", 0.0)
    session, outcomes = session_of(Limits()), [NotReady(), None, NotReady(), ApiError(-2015, "x")]

    async def still():
        if (outcome := outcomes.pop(0)) is not None:
            raise outcome

    session._still = still

    await session.watch()
    assert not outcomes
    assert session.connection.queue.qsize() == 2, "why, and the end"


@pytest.mark.parametrize("fails", [False, True])
async def test_a_stream_that_is_not_watched_ends(monkeypatch, fails):
    session, sent = session_of(Limits()), []

    async def watch():
        if fails:
            raise ValueError("a fault")

    session.watch = watch
    socket = SimpleNamespace(receive=asyncio.Event().wait, send_text=None, close=None)

    async def close(code):
        sent.append(code)

    socket.close = close

    async with asyncio.timeout(60):
        await stream._serve(socket, session, False)
    assert sent == [1000]


async def test_what_cannot_be_read_for_a_moment_is_said_so_at_every_door():
    """The portal's reader has died, and the portal does not know yet."""

    def gone(*_, **more):
        raise NotReady

    session = session_of(Limits())
    session.callers = SimpleNamespace(of_token=gone)
    spot = SimpleNamespace(limits=Limits(), markets=None, signing=SimpleNamespace(key=gone))
    requests = Requests(spot, None, "192.0.2.1")
    requests._result = gone
    made, claims = FastAPI(), []
    once = Once(
        None, None, SimpleNamespace(accounts=SimpleNamespace(now=lambda: datetime.now(UTC))), None
    )
    once._owner_of = lambda request: asyncio.sleep(0, Owner("answers", "user_id", 1, "x"))

    async def rows(query, **values):
        claims.append(query.split()[0])
        return [1]

    once.database, once.secret = SimpleNamespace(rows=rows), None
    made.router.route_class = route_class(once, Limits())
    _add_problems(made)

    @made.get("/v1/balances")
    @made.post("/v1/alerts")
    async def answered():
        raise NotReady

    await session.asked('{"op": "auth", "token": "t", "id": 7}')
    said = json.loads((await session.connection.queue.get()).text())
    assert (said["code"], said["id"]) == ("unavailable", 7)
    await requests._ask('{"id": 1, "method": "time"}')
    (answer,) = answers_of(requests)
    assert answer["status"] == 503
    transport = httpx.ASGITransport(made)
    async with httpx.AsyncClient(transport=transport, base_url="http://portal") as client:
        assert (await client.get("/v1/balances")).status_code == 503
        named = {"idempotency-key": "k"}
        assert (await client.post("/v1/alerts", headers=named)).status_code == 503
    assert claims == ["insert", "delete"], "nothing was done: the name may be used again"


class OneVenue:
    """A broker whose session takes each name once, and a mirror that shows it later."""

    def __init__(self):
        self.sent, self.listeners, self.require_ready = [], [], int
        own = SimpleNamespace(by_client_id={})
        self.own, self.orders = own, SimpleNamespace(participant=lambda number: own)
        self.markets = SimpleNamespace(by_index={0: SimpleNamespace(symbol="BTC-USD", index=0)})

    async def enter(self, participant, order):
        self.sent.append(order.client_id)
        if self.sent.count(order.client_id) > 1:
            self.refused(participant, order.client_id, Refusal("ClOrdID was used before", True))

    def show(self, order_id, side=Side.BUY, ticks=1):
        terms = side, OrderType.LIMIT, TimeInForce.GTC, ticks, 1
        order = Order(7, 1000, 0, 7, order_id, *terms, 0, 0, 0)
        self.own.by_client_id[order_id] = order
        for listener in self.listeners:
            listener(SimpleNamespace(changes=[SimpleNamespace(order=order)]))
        return order


async def test_of_orders_with_one_name_at_once_one_is_entered_and_answered():
    venue = OneVenue()
    trading = OrderService(venue, venue, lambda: None)
    order = NewOrder("x", "BTC-USD", Side.BUY, OrderType.LIMIT, TimeInForce.GTC, 1, 1)
    asked = [asyncio.ensure_future(trading.enter(1000, order)) for _ in range(5)]
    await asyncio.sleep(0)
    shown = venue.show("x")
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    late = await asyncio.gather(trading.enter(1000, order), return_exceptions=True)
    shown, outcomes = shown, [*outcomes, *late]
    assert [one is shown for one in outcomes] == [True] + 5 * [False]
    assert {one.code for one in outcomes[1:]} == {Code.DUPLICATE}
    assert venue.sent == ["x", "x"], "the last one was refused by the venue"


@pytest.mark.parametrize("other", [{"side": Side.SELL}, {"ticks": 2}])
async def test_an_order_of_another_process_with_the_same_name_is_not_ours(other):
    """Each process sends its own; the venue takes one of them, and the mirrors of both show it."""
    venue = OneVenue()
    trading = OrderService(venue, venue, lambda: None)
    order = NewOrder("x", "BTC-USD", Side.BUY, OrderType.LIMIT, TimeInForce.GTC, 1, 1)

    asked = asyncio.ensure_future(trading.enter(1000, order))
    await asyncio.sleep(0)
    venue.show("x", **other)
    with pytest.raises(Reject) as refused:
        await asked
    assert refused.value.code is Code.DUPLICATE


async def test_no_solution_of_another_form_raises():
    """A challenge as it was given, with one field or two of something else."""
    pytest.importorskip("altcha")
    accounts = SimpleNamespace(
        database=None, key=SimpleNamespace(derived=lambda what: b"s" * 32), now=None
    )
    challenges, rng = Challenges(accounts, 20), random.Random(47)
    values = (
        None, True, -1, 0, 2**53, 10**400, 1.5, "", "x", "\ud800", "00" * 32, [], [[]], {},
        {"a": 1}, 99_999_999_999,
    )  # fmt: skip

    def spoiled(document):
        out = dict(document)
        for _ in range(rng.randrange(1, 3)):
            name = rng.choice([*out, "other"])
            inner = out.get(name)
            out[name] = spoiled(inner) if isinstance(inner, dict) and inner else rng.choice(values)
        return out

    for _ in range(1_000):
        document = {
            "challenge": challenges.new(),
            "solution": {"counter": 1, "derivedKey": "0"},
        }
        text = json.dumps(spoiled(document))
        solution = base64.b64encode(text.encode()).decode()
        with pytest.raises(ChallengeRequired):
            await challenges.require(solution)


class NoHistory(History):
    """Has nothing, and keeps what it was asked."""

    def __init__(self):
        self.asked = []

    async def _rows(self, query, **values):
        self.asked.append(values)
        return []


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("moment", [0, 2**43, 2**53, 2**62])
def test_a_moment_beyond_any_calendar_is_one_without_candles(interval, moment):
    history = NoHistory()
    for start_ms in (None, moment):
        rows = asyncio.run(history.candles(1, interval, start_ms, moment, 5))
        assert rows == []
    assert interval == "1s" or len(history.asked) == 2
    assert asyncio.run(history.fills(1, 1, 5, start_ms=moment, end_ms=moment)) == []
    assert asyncio.run(history.orders(1, 1, 5, start_ms=moment, end_ms=moment)) == []


def test_a_forged_signature_takes_nothing_of_its_keys_weight():
    """A key's name is in every request of it; its weight is its owner's."""

    async def find(*terms):
        return key()

    def check(*terms):
        if terms[1].text("signature") != "right":
            raise ApiError(-1022, "Signature for this request is not valid.")

    signer = SimpleNamespace(key=find, check=check)
    mirror = SimpleNamespace(markets=None)
    limits = stopped(10**9, key_weight_a_minute=10)
    spot = Spot(mirror, None, signer, limits)

    async def answer(spot, request):
        return {}

    route = Route(answer, 5, READ)

    def ask(signature):
        params = Params([("signature", signature)], None)
        return asyncio.run(spot.answer(route, lambda: (params, ""), "a", "192.0.2.1"))

    for _ in range(20):
        with pytest.raises(ApiError) as forged:
            ask("forged")
        assert forged.value.code == -1022
    assert [ask("right")[0] for _ in range(2)] == [{}, {}]
    with pytest.raises(ApiError) as over:
        ask("right")
    assert over.value.code == -1003


def test_a_withdrawal_without_a_name_is_named_by_its_request():
    """However its signature is written, and after a restart, it is the same withdrawal."""

    def name(**more):
        return name_of(Params({"timestamp": "1", "amount": "5", **more}.items(), None))

    assert name() == name(signature="x") == name(signature="X")
    assert len({name(), name(amount="6"), name(timestamp="2"), name(address="y")}) == 4
    assert name().startswith("s "), "no name that a client may choose"


def answers_of(connection):
    is_native = isinstance(connection, Session)
    queue = connection.connection.queue if is_native else connection.subscriber.queue
    said = []
    while not queue.empty():
        said.append(queue.get_nowait())
    return [json.loads(one.text() if is_native else one) for one in said if one]


async def test_no_parameter_of_a_socket_reads_as_two():
    """What is signed there is ``name=value`` joined by ``&``, sorted."""
    spot = SimpleNamespace(limits=Limits(), markets=None)

    for given in ({"a": "1&b=2"}, {"a=1&b": "2"}, {"a=b": "c"}, {"a": ["1&b=2"]}):
        requests = Requests(spot, None, "192.0.2.1")
        text = json.dumps({"id": 1, "method": "order.place", "params": given})
        await requests._ask(text)
        (answer,) = answers_of(requests)
        assert answer["error"]["code"] == -1100, given


def test_an_order_without_a_name_is_named_by_its_request():
    """So that the venue refuses a replay, whichever portal it comes to."""

    def name(participant=1000, **more):
        return order_id_of(participant, Params({"timestamp": "1", **more}.items(), None))

    assert name() == name(signature="x") == name(signature="y")
    others = [name(), name(1001), name(price="2"), name(timestamp="2")]
    assert len(set(others)) == 4
    assert all(len(one) == 22 and one.isalnum() for one in others)


def test_one_key_takes_its_own_share_of_remembered_requests(monkeypatch):
    monkeypatch.setattr(signing, "SHARE_OF_A_KEY", 1)
    replays = Replays()
    for number in range(60):
        replays.require_new(key(), str(number), 2_000, 1_000)
    with pytest.raises(ApiError):
        replays.require_new(key(), "more", 2_000, 1_000)
    replays.require_new(key(number=2), "another's", 2_000, 1_000)
    replays.require_new(key(), "later", 62_000, 60_001)


@pytest.mark.promise(
    "V11.1.4, V12.1.1 (bounds): bodies, connections, weights, orders, hashing, papers and "
    "rows of the database have limits for each owner, by address, network or key; beyond them"
    " nothing is done",
    group="portal",
)
def test_the_addresses_of_a_customers_network_are_one_owner():
    limits = stopped(10)
    for n in range(10):
        limits.take(f"2001:db8::{n:x}", 1)
    with pytest.raises(ApiError):
        limits.take("2001:db8::ffff", 1)
    limits.take("2001:db8:0:1::1", 1)


def test_a_stream_ends_with_the_key_that_opened_it():
    ended = set()
    keys = ListenKeys(lambda owner: owner.number not in ended)
    mine, other = keys.create(key()), keys.create(key(number=2))
    assert mine != other
    ended.add(1)
    assert (keys.participant(mine), keys.participant(other)) == (0, 1000)
    with pytest.raises(ApiError):
        keys.keep(1000, mine)
    ended.clear()
    assert keys.create(key()) == mine


VALUES = (
    None, True, 0, -1, 1.5, 1e999, float("nan"), 10**400, "", "x", "\ud800", "\0" * 64, [], [[]],
    {}, {"a": 1}, ["combined"], ["combined", 1], ["combined", 1, 2], [None], [1e999], [[[]]] * 3,
)  # fmt: skip
METHODS = (
    "SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY", "nothing",
)  # fmt: skip


def anything(count):
    """Messages of one to three known fields with any values, and what is no object."""
    yield from ("", "{", "[]", "1", "null", '"x"', "[" * 5_000, '{"method":"SUBSCRIBE"}', "{}")
    rng = random.Random(47)
    fields = ("id", "method", "params")
    for _ in range(count):
        message = {name: rng.choice(VALUES) for name in rng.sample(fields, rng.randrange(4))}
        if rng.random() < 0.7:
            message["method"] = rng.choice(METHODS)
        yield json.dumps(message)


@pytest.mark.promise(
    "Whatever a page, the portal, custody's door, a signer or the operator's desk is sent is "
    "answered or refused in words, also with a right signature. None fails or writes a "
    "traceback",
    group="doors",
)
async def test_whatever_a_socket_is_asked_is_answered():
    mirror = SimpleNamespace(markets=SimpleNamespace(by_name={}))
    spot = SimpleNamespace(
        limits=Limits(10**9),
        markets=SimpleNamespace(by_name={}, all=[]),
        listen_keys=ListenKeys(),
        mirror=mirror,
    )
    feeds = SimpleNamespace(subscribe=lambda *row: False, unsubscribe=lambda *row: None)

    for text in anything(2_000):
        streams = Streams(spot, feeds, None, False, "192.0.2.1")
        await streams.asked(text)
        assert len(answers_of(streams)) == 1, text
        requests = Requests(spot, None, "192.0.2.1")
        await requests._ask(text)
        assert len(answers_of(requests)) == 1, text


async def test_mails_that_are_not_taken_keep_no_password_waiting():
    """A mail server hangs, and a stranger asks for mails."""
    taken = threading.Event()
    key = SimpleNamespace(derived=lambda name: b"k" * 32)
    accounts = Accounts(None, key, lambda *mail: taken.wait(), "TEST")
    user = {"mail": "anna@example.com", "language": "en", "mail_word": ""}

    try:
        for _ in range(50):
            accounts.mail(user, "reset")
        await asyncio.sleep(0)
        async with asyncio.timeout(60):
            assert not await accounts.passwords.is_right(None, "a password", "192.0.2.1")
    finally:
        taken.set()
    await accounts.drain()


def session_of(limits):
    """A stranger's connection to ``/v1/stream``."""
    feeds = SimpleNamespace(
        mirror=SimpleNamespace(seq=1),
        require_symbol=lambda channel, symbol: None,
        subscribe=lambda connection, channel, *more: 10_000 * (channel == "trades"),
        leave=lambda connection: None,
    )
    return Session(feeds, Callers(None, None, None), limits, "192.0.2.1")


@pytest.mark.promise(
    "Whatever a page, the portal, custody's door, a signer or the operator's desk is sent is "
    "answered or refused in words, also with a right signature. None fails or writes a "
    "traceback",
    group="doors",
)
async def test_whatever_v1_stream_is_asked_has_an_answer_in_each_format():
    """Also what JSON can say and MessagePack cannot: large numbers, halves of characters."""
    rng, session = random.Random(47), session_of(Limits(10**9))
    fields = {"op": ("subscribe", "ping", "auth", "unsubscribe"), "channel": ("book", "orders")}

    def answer():
        one = session.connection.queue.get_nowait()
        assert session.connection.queue.empty()
        assert json.loads(one.text()) == msgpack.unpackb(one.packed())
        assert len(one.text()) < 300

    for value in VALUES:
        await session.asked(json.dumps({"op": "ping", "id": value}))
        answer()
    for _ in range(1_000):
        names = rng.sample(("id", "op", "channel", "symbol", "after", "api_key", "token"), 4)
        message = {name: rng.choice((*fields.get(name, ()), *VALUES)) for name in names}
        await session.asked(json.dumps(message))
        answer()
        await session.asked(rng.randbytes(rng.randrange(30)))
        answer()


BOOKS = json.dumps({"id": 1, "method": "SUBSCRIBE", "params": [f"m{n}@depth" for n in range(50)]})


@pytest.mark.parametrize(
    ("socket", "text", "most"),
    [
        (Streams, BOOKS, 2),
        (Streams, '{"id":1,"method":"LIST_SUBSCRIPTIONS"}', 1_001),
        (Requests, "{}", 1_001),
        (Requests, '{"id":1,"method":"no"}', 1_001),
        (Session, '{"op":"ping"}', 1_001),
        (Session, "no request", 1_001),
        (Session, '{"op":"subscribe","channel":"book","symbol":"BTC-USD"}', 101),
        (Session, '{"op":"subscribe","channel":"trades","symbol":"BTC-USD","after":1}', 10),
    ],
)
def test_what_a_stranger_says_over_a_socket_has_a_weight(monkeypatch, socket, text, most):
    """Also what is refused: subscribing to books, unknown methods, what is no request."""
    monkeypatch.setattr(Streams, "heard", lambda connection: None)
    spot = SimpleNamespace(limits=stopped(1_000), markets=None, listen_keys=ListenKeys())
    feeds = SimpleNamespace(subscribe=lambda *row: True)

    async def run():
        if socket is Streams:
            connection = Streams(spot, feeds, None, False, "192.0.2.1")
            ask = connection.asked
        elif socket is Session:
            connection = session_of(spot.limits)
            ask = connection.asked
        else:
            connection = Requests(spot, None, "192.0.2.1")
            ask = connection._ask
        for count in range(1, 1_100):
            await ask(text)
            *_, answer = answers_of(connection)
            if answer.get("error", {}).get("code") == -1003:
                return count
            if answer.get("code") == "too_many_requests":
                return count
        return 0

    assert 0 < asyncio.run(run()) <= most


MALFORMED = (
    {"limit": "x"}, {"symbols": "[", "symbol": "A"}, {"computeCommissionRates": ""}, {"a&b": "1"},
    {"returnRateLimits": 1}, {"timeZone": ""}, {"a": ["1&b=2"]}, {str(n): "1" for n in range(50)},
)  # fmt: skip
"""Parameters that are refused before, or while, a request's weight is worked out of them."""
MALFORMED_QUERIES = (
    b"limit=x",
    b"a=1&a=2",
    b"a",
    b"a=%ff",
    b"\xff",
    b"a=1&" * 70,
    b"timeZone=&limit=x",
)


@pytest.mark.promise(
    "Whatever is refused has a weight, at every request of the Binance-shaped API and of its "
    "WebSocket, however early it is refused. An address that sends nothing else is banned",
    group="portal",
)
async def test_whatever_is_refused_has_a_weight():
    async def weight(ask):
        """What one request counts for the address that it comes from."""
        limits = stopped(10**9)
        mirror = SimpleNamespace(markets=SimpleNamespace(by_name={}, all=[], contracts_by_name={}))
        signing = SimpleNamespace(key=refused, known=lambda key: None)
        with contextlib.suppress(AttributeError):  # it came as far as the mirror
            await ask(Spot(mirror, None, signing, limits))
        return limits._weight.count("192.0.2.1", limits.clock())

    async def refused(*terms):
        raise ApiError(-2015, "refused")

    free = []
    for at, route in ROUTES.items():
        for query in MALFORMED_QUERIES:

            async def ask(spot, route=route, query=query):
                await Endpoint(spot, route).answer(query, b"", {}, "192.0.2.1")

            if not await weight(ask):
                free.append((at, query))
    for method in (*WS_METHODS, *OF_CONNECTION, "no"):
        for given in MALFORMED:
            text = json.dumps({"id": 1, "method": method, "params": given})

            async def ask(spot, text=text):
                await Requests(spot, None, "192.0.2.1")._ask(text)

            if not await weight(ask):
                free.append((method, given))
    assert not free


@pytest.mark.parametrize("socket", [Streams, Requests, Session])
def test_a_socket_of_an_address_that_is_banned_ends(monkeypatch, socket):
    """A stranger who does not stop is not read any more."""
    monkeypatch.setattr(Streams, "heard", lambda connection: None)
    limits = stopped(10)
    spot = SimpleNamespace(limits=limits, markets=None, listen_keys=ListenKeys())
    connection = {
        Streams: lambda: Streams(spot, None, None, False, "192.0.2.1"),
        Requests: lambda: Requests(spot, None, "192.0.2.1"),
        Session: lambda: session_of(limits),
    }[socket]()
    end = connection.connection if socket is Session else connection.subscriber
    ask = connection._ask if socket is Requests else connection.asked

    async def run():
        for count in range(1_000):
            if end.is_cut:
                return count
            await ask('{"id": 1, "method": "LIST_SUBSCRIPTIONS", "op": "ping"}')
        return 0

    assert 10 < asyncio.run(run()) < 10 + 2 * BAN_AFTER


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PUBLIC KEY-----\nMCwwBwYDK2VxBQADIQA=\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(
            bytes.fromhex("3013300b06092a8648ce3d0201060030040301000100")
        ).decode() + "\n-----END PUBLIC KEY-----",
        "-----BEGIN",
        "-----BEGIN PUBLIC KEY-----\n\n-----END PUBLIC KEY-----",
        "A" * 43, "=", "é" * 44, "A" * 44,
    ],
)  # fmt: skip
@pytest.mark.promise(
    "V2.7, V2.9, V6.2.1 (passkeys, keys): a passkey logs its owner in where the device has "
    "verified the owner; an answer counts once, for this domain alone. A public key is one, "
    "or refused in words",
    group="portal",
)
def test_what_is_no_public_key_is_refused_in_words(text):
    try:
        assert len(public_key_of(text)) == 32
    except InvalidRequest:
        return


def rsa_pem(modulus):
    form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return rsa.RSAPublicNumbers(65_537, modulus).public_key().public_bytes(*form).decode()


WEAK = {
    "even": rsa_pem(1 << 2_047),
    "three": rsa_pem((1 << 2_048) - 1),
    "997": rsa_pem(((1 << 2_047) // 997 | 1) * 997),
    **{
        f"{y.hex()[:6]} {sign:x}": base64.b64encode(bytes([*y[:31], y[31] | sign])).decode()
        for y in sorted(SMALL_ORDER)
        for sign in (0, 0x80)
    },
}


@pytest.mark.parametrize("text", WEAK.values(), ids=WEAK)
def test_a_public_key_for_which_anyone_signs_is_refused(text):
    with pytest.raises(InvalidRequest, match="anyone could sign"):
        public_key_of(text)


def test_the_points_of_small_order_are_those():
    """For each, a signature without a key is found for some text: of order n, for one in n."""
    for y in SMALL_ORDER:
        key, found = Ed25519PublicKey.from_public_bytes(y), 0
        for number in range(100):
            for point in SMALL_ORDER:
                with contextlib.suppress(InvalidSignature):
                    key.verify(point + bytes(32), b"%d" % number)
                    found += 1
        assert found, y.hex()


class Client:
    """One request to an application behind the gate."""

    def __init__(self, app, limits=None):
        self.gate, self.sent = Gate(app, limits or Limits()), []
        self.lines = []
        self.gate.errors.write = lambda level, text: self.lines.append(text)

    async def ask(
        self, *bodies, path="/v1/me", more=True, address="192.0.2.1", is_gone=False, headers=()
    ):
        parts = [
            {"type": "http.request", "body": body, "more_body": more or n + 1 < len(bodies)}
            for n, body in enumerate(bodies)
        ]

        async def receive():
            if parts:
                return parts.pop(0)
            if is_gone:
                return {"type": "http.disconnect"}
            await asyncio.Event().wait()

        async def send(message):
            self.sent.append(message)

        scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
        await self.gate(scope | {"client": (address, 1)}, receive, send)
        (start,) = [one for one in self.sent if one["type"] == "http.response.start"]
        self.sent = []
        return start["status"]


async def reading(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    scope["path"] = "done"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.promise(
    "V11.1.4, V12.1.1 (bounds): bodies, connections, weights, orders, hashing, papers and "
    "rows of the database have limits for each owner, by address, network or key; beyond them"
    " nothing is done",
    group="portal",
)
async def test_a_body_that_is_too_long_or_never_ends_does_nothing(monkeypatch):
    monkeypatch.setattr("openoutcry.portal.server.BODY_S", 0.01)

    client = Client(reading)
    assert await client.ask(b"x", more=False) == 200
    assert await client.ask(b"x" * BODY_BYTES, b"y", more=False) == 413
    assert await client.ask(b"x") == 408
    assert client.lines == []


async def test_what_a_stranger_has_written_down_weighs_more_than_a_look():
    """Each is a transaction of the database."""
    made = FastAPI()
    made.router.route_class = route_class(None, stopped(100))

    @made.exception_handler(ApiError)
    async def refused(request, error):
        return JSONResponse({}, error.status)

    @made.post("/v1/login/passkey/begin")
    @made.get("/v1/markets")
    async def answered():
        return {}

    transport = httpx.ASGITransport(made, client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://portal") as client:
        path = "/v1/login/passkey/begin"
        begun = [(await client.post(path)).status_code for _ in range(6)]
        assert begun == [200] * 5 + [429]
    transport = httpx.ASGITransport(made, client=("192.0.2.2", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://portal") as client:
        looks = [(await client.get("/v1/markets")).status_code for _ in range(6)]
        assert looks == [200] * 6


TWICE = (
    ({"params": [("symbol", "A"), ("symbol", "B")]}, "symbol"),
    ({"content": b'{"amount": "1", "amount": "2"}'}, "amount"),
    ({"content": b'{"legs": [{"side": "buy", "side": "sell"}]}'}, "side"),
    ({"content": b'{"amount": "1", "\\u0061mount": "2"}'}, "amount"),
    ({"headers": [("idempotency-key", "a"), ("idempotency-key", "b")]}, "idempotency-key"),
    ({"headers": [("x-api-key", "a"), ("X-API-Key", "b")]}, "x-api-key"),
    ({"headers": [("authorization", "a"), ("authorization", "a")]}, "authorization"),
)


@pytest.mark.promise(
    "A request of /v1 that has a parameter, a field or a caller's header twice is refused, and so "
    "is such a message of a WebSocket. Another reader could take the other one",
    group="portal",
)
@pytest.mark.parametrize(("given", "name"), TWICE)
async def test_nothing_that_a_request_names_occurs_twice(given, name):
    made, done = FastAPI(), []
    made.router.route_class = route_class(None, stopped(100))
    _add_problems(made)

    @made.api_route("/v1/thing", methods=["POST", "DELETE"])
    async def thing(request: Request):
        done.append(await request.body())
        return {}

    transport = httpx.ASGITransport(made)
    async with httpx.AsyncClient(transport=transport, base_url="http://p") as client:
        for method in ("POST", "DELETE"):
            refused = await client.request(method, "/v1/thing", **given)
            assert refused.status_code == 422, given
            assert refused.json()["detail"] == f"{name}: this occurs twice"
        assert (await client.post("/v1/thing", json={"a": {"b": 1}, "b": 1})).is_success
    assert len(done) == 1


@pytest.mark.parametrize("more", [{}, {"x-api-key": "a" * 64}])
async def test_a_large_body_is_not_read_before_its_sender_is_known(more):
    """A key of the request is none of its: 100 bodies of strangers had 500 MB of the portal."""
    made, read = FastAPI(), []
    made.router.route_class = route_class(None, stopped(100))

    @made.post(LARGE_BODY)
    async def paper(request: Request):
        return {"read": len(read)}

    async def body():
        read.append(1)
        yield b"%PDF-"

    transport = httpx.ASGITransport(made)
    async with httpx.AsyncClient(transport=transport, base_url="http://p") as client:
        headers = {"idempotency-key": "once", **more}
        answer = await client.post(LARGE_BODY, headers=headers, content=body())
        assert answer.json() == {"read": 0}


TWICE = '{"id": 1, "op": "ping", "method": "ping", "op": "ping", "method": "LIST_SUBSCRIPTIONS"}'
PACKED = b"\x82\xa2op\xa4ping\xa2op\xa4ping"


@pytest.mark.parametrize(
    ("socket", "text"), [(Requests, TWICE), (Session, TWICE), (Session, PACKED), (Streams, TWICE)]
)
async def test_no_message_of_a_socket_has_a_field_twice(socket, text):
    limits = stopped(100)
    spot = SimpleNamespace(limits=limits, markets=None, listen_keys=ListenKeys())
    if socket is Session:
        connection = session_of(limits)
    else:
        more = (False,) if socket is Streams else ()
        parts = (spot, None, None) if socket is Streams else (spot, None)
        connection = socket(*parts, *more, "192.0.2.1")
    ask = connection._ask if socket is Requests else connection.asked
    await ask(text)
    ((answer),) = answers_of(connection)
    assert answer.get("code") == "invalid_request" or answer["error"]["code"] in (-1135, 3)


async def test_a_client_that_goes_before_its_body_is_whole_is_no_fault():
    """What reads bodies itself, as signatures and keys do, raises then."""

    async def of_body(scope, receive, send):
        await Request(scope, receive).body()

    client = Client(of_body)
    assert await client.ask(b"{", is_gone=True) == 400
    assert client.lines == []


@pytest.mark.promise(
    "V5.1, V7.4, V13.1.3, V13.2.2 (input, errors): requests are of a schema, with no other "
    "field. Answers are those that the documents describe, with stable codes, below 500 "
    "whatever is sent, and nothing of the inside",
    group="portal",
)
async def test_what_fails_is_one_line_a_minute_and_what_has_no_weight_of_its_own_has_one():
    async def failing(scope, receive, send):
        await send({"type": "http.response.start", "status": 500, "headers": []})
        raise RuntimeError("\x1b[31mboom")

    client = Client(failing)
    for _ in range(100):
        assert await client.ask(b"", more=False) == 500
    assert len(client.lines) == 1
    limited = Client(reading, stopped(5))
    statuses = [await limited.ask(b"", more=False) for _ in range(7)]
    assert statuses == [200] * 5 + [429] * 2
    assert await limited.ask(b"", more=False, address="192.0.2.2") == 200
    large = [(b"content-length", b"%d" % (BODY_BYTES + 1))]
    limited = Client(reading, stopped(5))
    statuses = [await limited.ask(b"", more=False, headers=large) for _ in range(7)]
    assert statuses == [413] * 5 + [429] * 2


def test_an_answer_to_a_connection_that_the_server_has_given_up_is_no_fault():
    import h11

    async def answering(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def gone(message):
        raise h11.LocalProtocolError("can't handle event type Response when state=MUST_CLOSE")

    client = Client(answering)
    scope = {"type": "http", "method": "GET", "path": "/v1/me", "headers": []}
    asyncio.run(client.gate(scope | {"client": ("192.0.2.1", 1)}, None, gone))
    assert client.lines == []


@pytest.mark.parametrize("codes", [capital.CODES, sub_accounts.CODES])
def test_what_an_account_or_custody_refuses_is_no_failure_of_the_portal(codes):
    """In the Binance-shaped API, also where that API has no code for it."""
    for code in {*EVERY_CODE, "limit", "unknown_asset", "one_of_tomorrow"}:
        for status in (409, 422):
            answer = refusal(Declined(code, "words", status), codes)
            assert 400 <= answer.status < 500, code
            assert answer.body["msg"], code
    assert refusal(Unavailable("custody is away"), codes).status == 503


@pytest.mark.promise(
    "V1.4, V2.10, V9.2 (database): reached through a folder of the portal alone, or by a URL "
    "whose password is in no message",
    group="portal",
)
def test_the_database_is_reached_through_the_portals_folder_alone(tmp_path):
    """The server asks nobody who reaches its socket for a password."""
    deep = tmp_path / ("x" * 120) / "postgresql"
    with pytest.raises(DatabaseError, match="too long"):
        start_embedded(deep)
    assert not deep.exists()


@pytest.mark.promise(
    "V1.4, V2.10, V9.2 (database): reached through a folder of the portal alone, or by a URL "
    "whose password is in no message",
    group="portal",
)
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://anna:s3cr3t-9@host:none/outcry",
        "postgresql://anna:s3cr3t-9@[host/outcry",
        "mysql://anna:s3cr3t-9@host/outcry",
    ],
)
def test_a_wrong_url_of_a_database_is_reported_without_its_password(url):
    with pytest.raises(DatabaseError) as error:
        migrate(url)
    assert "s3cr3t-9" not in str(error.value)


def test_a_client_that_does_not_read_is_cut():
    subscriber = Subscriber(False)
    for _ in range(5_000):
        subscriber.put_text("x")
    assert subscriber.is_cut
    assert subscriber.queue.qsize() <= 2_001


@pytest.mark.parametrize("door", ["binance", "native key", "native login"])
def test_a_level_that_does_not_trade_reads_and_enters_no_order(door):
    """``[[level]]`` with ``trades = false``, whatever the key itself may do."""
    file = PortalFile(levels=(Level(0, "new", trades=False), Level(1, "known")))

    async def may(level):
        owner = replace(key(), level=level)
        user = {"participant": 1000, "is_open": True, "level": level, "frozen_at": None}

        def given(one):
            async def find(*terms):
                return one

            return find

        signer = Signing(SimpleNamespace(find=given(owner)), file)
        person = SimpleNamespace(user_id=1)
        accounts = SimpleNamespace(
            is_support=lambda token: False, person=given(person), user=given(user)
        )
        callers = Callers(accounts, signer, file)
        try:
            if door == "binance":
                assert await signer.key("a" * 64, "", READ) == owner
                await signer.key("a" * 64, "", TRADE)
            elif door == "native key":
                (await callers.of_known_key("a" * 64, "")).require_trade()
            else:
                (await callers.of_token("token", "")).require_trade()
        except (ApiError, Forbidden):
            return False
        return True

    assert [asyncio.run(may(level)) for level in (0, 1, 2)] == [False, True, True]
