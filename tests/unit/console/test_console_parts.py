"""The console's parts alone: sessions that end, logins that wait, trades out of messages."""

import asyncio
import json
import logging
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import httpx
import pytest
from click.testing import CliRunner
from fastapi import FastAPI
from prometheus_client.core import GaugeMetricFamily

from openoutcry.cli.main import main
from openoutcry.console import accounts as console_accounts
from openoutcry.console.accounts import IDLE_S, MAX_EACH, SESSION_S, Accounts, LockedError
from openoutcry.console.actions import ACTIONS, add_actions
from openoutcry.console.alarms import OVER, RECORD, SEEN, Alarms
from openoutcry.console.gate import COOKIE, PRESENCE, Gate
from openoutcry.console.live import next_due
from openoutcry.console.market import DAY_S, SECOND_NS, Market, Tapes
from openoutcry.console.participants import row_of
from openoutcry.console.server import make_app
from openoutcry.operations.connection_limits import LOGINS, ConnectionLimits
from openoutcry.operations.http_protocol import MAX_HEAD, counted
from openoutcry.operations.watch import Watch
from openoutcry.operations.web_server import A_LINE_S, PageErrors
from openoutcry.risk import layout as lay
from openoutcry.venue.desk_record import desk_record
from openoutcry.venue.example import EXAMPLE
from openoutcry.venue.file import read_venue
from openoutcry.venue.limits import fresh_view, hook_settings
from openoutcry.venue.operators import Operator, OperatorError, Operators
from openoutcry.wire import OutcryError, extras
from openoutcry.wire.feed_messages import ITCH50
from openoutcry.wire.load_limits import Turns, TurnsError
from openoutcry.wire.peers import owner_of
from tests.support.console import console_parts as shared
from tests.support.console.console_parts import Clock
from tests.support.console.console_venue import OPERATORS_HASH, PASSWORD
from tests.support.waiting import BOUND_S

accounts = shared.accounts


def test_logins_in_two_threads_both_last(accounts):
    """One begins while the other looks which sessions have ended."""
    first, _ = accounts.begin(1)
    cookies, callers, main = [], [], threading.main_thread()
    other = threading.Thread(target=lambda: cookies.append(accounts.begin(1)[0]))

    def clock():
        callers.append(threading.current_thread())
        # The second time it is about the first session, whether it lives.
        if callers[-1] is main and callers.count(main) == 2:
            other.start()
            other.join(0.2)
        return accounts.turn.now_s

    accounts.clock = clock
    cookies.append(accounts.begin(1)[0])
    other.join()
    assert all(accounts.find(cookie) for cookie in (first, *cookies))


@pytest.mark.promise(
    "V3.1.1 to V3.4.5 (sessions): each login gets a new token, in a cookie that scripts and "
    "other sites do not get, `Secure` with TLS, never in an address. A session ends by a "
    "logout, half an hour after it was last heard of, and after twelve hours; an open page is"
    " closed then",
    group="console",
)
def test_a_session_ends_when_its_user_is_idle_and_after_its_time(accounts):
    cookie, session = accounts.begin(1)
    begun = accounts.turn.now_s
    while accounts.turn.now_s < begun + SESSION_S:
        assert accounts.find(cookie) is session
        accounts.heard(session)
        accounts.turn.now_s += IDLE_S - 1
    assert accounts.find(cookie) is None
    cookie, _ = accounts.begin(1)
    accounts.turn.now_s += IDLE_S
    assert accounts.find(cookie) is None
    for wrong in (None, "", cookie[:-1], cookie + "x"):
        assert accounts.find(wrong) is None


@pytest.mark.promise(
    "V3.1.1 to V3.4.5 (sessions): each login gets a new token, in a cookie that scripts and "
    "other sites do not get, `Secure` with TLS, never in an address. A session ends by a "
    "logout, half an hour after it was last heard of, and after twelve hours; an open page is"
    " closed then",
    group="console",
)
def test_a_page_that_is_only_open_idles_out_and_what_its_user_does_counts(accounts):
    """It reads by itself, each second; of a participant's page that counts."""
    cookie, session = accounts.begin(1)
    for _ in range(int(IDLE_S)):
        assert accounts.find(cookie) is session
        accounts.turn.now_s += 1
    assert accounts.find(cookie) is None
    watched = Accounts(accounts.operators, 3, 60.0, accounts.turn, reading_counts=True)
    cookie, session = watched.begin(1)
    for _ in range(3):
        accounts.turn.now_s += IDLE_S - 1
        assert watched.find(cookie) is session


def requested(accounts, cookie, method, path, **headers):
    """The status with which the gate or the application behind it answers."""
    sent = []

    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 299, "headers": []})

    async def send(message):
        sent.append(message)

    given = {"host": "localhost", "cookie": f"{COOKIE}={cookie}"} | headers
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "client": ("127.0.0.1", 1),
        "headers": [(k.encode(), v.encode()) for k, v in given.items()],
    }
    asyncio.run(Gate(application, accounts, False)(scope, None, send))
    return sent[0]["status"]


def test_requests_that_change_count_and_so_does_the_page_that_says_its_user_is_there(accounts):
    """A GET does not; nothing of another origin or without the session's token does."""
    cookie, session = accounts.begin(1)
    token = {"x-csrf-token": session.csrf}

    def counts(method, path, **headers):
        accounts.turn.now_s += 10
        before = session.seen_s
        status = requested(accounts, cookie, method, path, **headers)
        return status, session.seen_s > before

    assert counts("GET", "/api/overview") == (299, False)
    assert counts("POST", "/api/kill", **token) == (299, True)
    assert counts("POST", PRESENCE, **token) == (200, True)
    assert counts("POST", PRESENCE) == (403, False)
    assert counts("POST", PRESENCE, origin="http://elsewhere.example", **token) == (403, False)
    assert counts("GET", PRESENCE) == (405, False)


@pytest.mark.promise(
    "One name's connections to a page, and those without a login, take no place of another's",
    group="capacity",
)
def test_one_name_has_a_bounded_number_of_sessions_and_its_own_oldest_goes(monkeypatch):
    """Logins of one participant end no page of another."""
    people = tuple(Operator(name, OPERATORS_HASH) for name in ("anna", "bert", "cody"))
    accounts = Accounts(Operators(people), 3, 60.0)
    other = accounts.begin(2)[0]
    cookies = [accounts.begin(1)[0] for _ in range(300)]
    assert accounts.find(other)
    found = [bool(accounts.find(one)) for one in cookies]
    assert found == [False] * (300 - MAX_EACH) + [True] * MAX_EACH
    monkeypatch.setattr(console_accounts, "MAX_SESSIONS", 1 + MAX_EACH)
    with pytest.raises(OperatorError, match="too many sessions"):
        accounts.begin(3)
    accounts.begin(1)
    assert accounts.find(other)


@pytest.mark.promise(
    "One name's connections to a page, and those without a login, take no place of another's",
    group="capacity",
)
def test_tickets_of_one_operator_end_none_of_another():
    people = tuple(Operator(name, OPERATORS_HASH) for name in ("anna", "bert"))
    operators = Operators(people)
    other = operators.ticket(2)
    tickets = [operators.ticket(1) for _ in range(2_000)]
    assert operators.holder(other) == 2
    assert operators.holder(tickets[-1]) == 1
    with pytest.raises(OperatorError):
        operators.holder(tickets[0])


@pytest.mark.promise(
    "Of many passwords that are sent at once none passes after the lock, which is checked again "
    "after the wait",
    group="capacity",
)
def test_passwords_that_are_tried_at_once_lock_as_those_tried_in_turn():
    """The right one is checked while the wrong ones before it fail."""

    class Slow:
        """Says that a password is right once others have been wrong."""

        def prove(self, name, password, code=""):
            if password != PASSWORD:
                raise OperatorError("wrong")
            for _ in range(3):
                with pytest.raises(OperatorError):
                    accounts.prove("anna", "guess", "", "far")
            return 1

    accounts = Accounts(Slow(), 3, 60.0)
    with pytest.raises(LockedError):
        accounts.prove("anna", PASSWORD, "", "far")


@pytest.mark.promise(
    "Logins of one address, or of one customer's IPv6 network, delay no logins of others. At "
    "the desk logins wait for every other request",
    group="capacity",
)
async def test_one_address_holds_its_own_turns_and_others_log_in():
    """Forty logins of one network that do not end: two are under way, sixteen wait, and another
    address logs in at once."""
    turns, end, under_way, refused = Turns(*LOGINS), asyncio.Event(), [], []

    async def log_in(address):
        try:
            async with turns.turn(owner_of(address)):
                under_way.append(address)
                await end.wait()
        except TurnsError:
            refused.append(address)

    held = [asyncio.create_task(log_in(f"2001:db8::{n:x}")) for n in range(1, 41)]
    await asyncio.sleep(0)
    _, each, waiting = LOGINS
    assert (len(under_way), len(refused)) == (each, 40 - each - waiting)
    other = asyncio.create_task(log_in("192.0.2.1"))
    await asyncio.sleep(0)
    assert under_way[-1] == "192.0.2.1"
    end.set()
    await asyncio.gather(*held, other)
    assert len(under_way) == each + waiting + 1
    async with turns.turn(owner_of("2001:db8::1")):
        pass


def test_the_addresses_of_a_customers_network_wait_as_one(accounts):
    for n in range(1, accounts.failures_before_lock + 1):
        with pytest.raises(OperatorError):
            accounts.prove(f"nobody{n}", "wrong", "", f"2001:db8:1:2::{n:x}")
    with pytest.raises(LockedError):
        accounts.prove("anna", PASSWORD, "", "2001:db8:1:2:ffff::1")
    assert accounts.prove("anna", PASSWORD, "", "2001:db8:1:3::1") == 1


@pytest.mark.promise(
    "Whatever a page, the portal, custody's door, a signer or the operator's desk is sent is "
    "answered or refused in words, also with a right signature. None fails or writes a "
    "traceback",
    group="doors",
)
def test_what_strangers_make_the_server_say_is_a_line_a_minute():
    lines, now = [], Clock()
    errors = PageErrors(lambda level, text: lines.append(text), now)
    record = logging.LogRecord("uvicorn.error", logging.WARNING, "", 0, "no request", (), None)
    for _ in range(1_000):
        errors.handle(record)
    assert lines == ["page: no request"]
    now.now_s += A_LINE_S
    errors.handle(record)
    assert lines[1:] == ["page: no request (and 999 more before)"]


def test_text_of_a_client_that_is_no_text_is_one_line():
    """An error of ours keeps its place."""
    lines = []
    errors = PageErrors(lambda level, text: lines.append(text), lambda: A_LINE_S * len(lines))
    for act in (lambda: b"\xce".decode(), lambda: {}["gone"]):
        try:
            act()
        except (UnicodeDecodeError, KeyError):
            terms = "uvicorn.error", logging.ERROR, "", 0, "it failed", ()
            errors.handle(logging.LogRecord(*terms, sys.exc_info()))
    assert lines[0] == "page: it failed"
    assert "Traceback" in lines[1]


def test_bytes_that_the_server_raises_about_end_their_connection_alone(monkeypatch):
    """uvicorn answers a second broken request of a connection that it is closing, and raises."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    aborted = []

    class Raising(counted(ConnectionLimits())):
        def __init__(self):
            self.transport = SimpleNamespace(
                abort=lambda: aborted.append(True), is_closing=lambda: bool(aborted)
            )
            self.cycle = None

    def raises(self, data):
        raise RuntimeError("state=MUST_CLOSE")

    monkeypatch.setattr(HttpToolsProtocol, "data_received", raises)
    Raising().data_received(b"GET")
    assert aborted == [True]


async def sent(first, more=b"", most=100):
    """What the server answers to bytes, and how many it took until it closed."""
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    async def app(scope, receive, send):
        await receive()

    told, closed = [], []
    transport = SimpleNamespace(
        get_extra_info=lambda name: None,
        write=told.append,
        close=lambda: closed.append(True),
        is_closing=lambda: bool(closed),
        pause_reading=lambda: None,
        resume_reading=lambda: None,
    )
    state = ServerState()
    one = counted(ConnectionLimits())(Config(app, log_config=None), state, {})
    one.connection_made(transport)
    one.data_received(first)
    count = 0
    while more and not closed and count < most:
        one.data_received(more)
        count += 1
    for task in state.tasks:
        task.cancel()
    return b"".join(told), count * len(more)


POST = b"POST / HTTP/1.1\r\nhost: a\r\n"


@pytest.mark.parametrize(
    ("first", "more"),
    [
        (b"GET / HTTP/1.1\r\n", b"x: y\r\n" * 1_000),
        (b"GET / HTTP/1.1\r\nx: ", b"y" * 8_000),
        (b"GET /", b"y" * 8_000),
        (POST + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n" * 1_000),
    ],
)
def test_what_a_request_has_besides_its_body_has_a_bound(first, more):
    """A head without an end, one header without an end, and trailers without an end."""
    answer, size = asyncio.run(sent(first, more))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert size <= 2 * MAX_HEAD


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"GET /\r\n\r\n",
        POST + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        POST + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"content-length: 3\r\ncontent-length: 4\r\n\r\na=12",
        POST + b"content-length: +3\r\n\r\na=1",
        POST + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_a_request_whose_end_or_host_could_be_read_in_two_ways_is_refused(request_bytes):
    answer, _ = asyncio.run(sent(request_bytes))
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_name_or_an_address_gives_way_to_itself():
    """Connections to a page: without a login by address, with one by name."""
    pairs = []

    def connection():
        pairs.append(socket.socketpair())
        return pairs[-1][0]

    def ended(at):
        pairs[at][1].setblocking(False)
        try:
            return pairs[at][1].recv(1) == b""
        except BlockingIOError:
            return False

    page = ConnectionLimits(4, 2)
    page.came(("192.0.2.1", 1), connection())
    for n in range(1, 9):
        page.came((f"2001:db8::{n:x}", n), connection())
    assert [ended(at) for at in range(9)] == [False, *[True] * 5, *[False] * 3]
    for n in (6, 7, 8):
        page.known((f"2001:db8::{n:x}", n), "vera")
    assert page.counts() == (1, {"vera": 2})
    assert [ended(at) for at in (6, 7, 8)] == [True, False, False]
    page.known(("192.0.2.1", 1), "anna")
    assert page.counts() == (0, {"vera": 2, "anna": 1})
    page.left(("192.0.2.1", 1), pairs[0][0].fileno())
    assert page.counts() == (0, {"vera": 2})
    pairs[7][0].close()
    for n in (1, 2):
        page.came(("192.0.2.2", n), connection())
        page.known(("192.0.2.2", n), "vera")
    assert not ended(8 + 1)
    page.came(("192.0.2.2", 2), connection())  # the one from there has reported no end
    page.known(("192.0.2.2", 2), "ruth")
    assert page.counts() == (0, {"vera": 1, "ruth": 1})
    page.left(("192.0.2.2", 2), pairs[-2][0].fileno())
    assert page.counts() == (0, {"vera": 1, "ruth": 1}), "that was the earlier one"
    page.left(("192.0.2.2", 2), pairs[-1][0].fileno())
    assert page.counts() == (0, {"vera": 1})
    page = ConnectionLimits(4, 3, 3)
    for n in range(1, 5):
        page.came(("192.0.2.3", n), connection())
        page.known(("192.0.2.3", n), "anna" if n == 1 else "ruth")
    assert page.counts() == (0, {"anna": 1, "ruth": 2}), "the one with most loses its oldest"
    assert [ended(at) for at in range(len(pairs) - 4, len(pairs))] == [False, True, False, False]
    page = ConnectionLimits(2, 2)
    for n in range(1, 3):
        page.came((f"192.0.2.{n}", n), connection())
        page.begun((f"192.0.2.{n}", n))
    for n in range(3, 9):
        page.came((f"192.0.2.{n}", n), connection())
    assert not any(ended(len(pairs) - at) for at in (8, 7)), "their requests are being answered"
    page.rests(("192.0.2.1", 1))
    page.came(("192.0.2.9", 9), connection())
    page.came(("192.0.2.10", 10), connection())
    assert [ended(len(pairs) - at) for at in (10, 9)] == [True, False]
    for pair in pairs:
        for end in pair:
            end.close()


def message(kind, **fields):
    one = ITCH50.from_server(kind)
    empty = {f.name: "" if f.ctype == "alpha" else 0 for f in one.fields}
    packed = one.pack(**(empty | {"locate": 1, "timestamp": 10**9} | fields))
    return len(packed).to_bytes(2, "big") + packed


def test_each_trade_has_its_own_price_and_an_order_is_forgotten_with_its_shares():
    tapes = Tapes()
    tapes.take(
        message("A", reference=1, shares=10, price=100)
        + message("E", reference=1, shares=4)
        + message("U", reference=1, new_reference=2, shares=6, price=101)
        + message("X", reference=2, shares=1)
        + message("E", reference=2, shares=5)
        + message("A", reference=3, shares=9, price=99)
        + message("C", reference=3, shares=2, price=98, printable="Y")
        + message("C", reference=3, shares=2, price=97, printable="N")
        + message("D", reference=3)
        + message("E", reference=3, shares=1)
        + message("P", shares=7, price=96)
        + message("Q", shares=8, price=95)
    )
    tape = tapes.of[1]
    assert [(row["price"], row["shares"]) for row in tape.trades] == [
        (100, 4),
        (101, 5),
        (98, 2),
        (96, 7),
        (95, 8),
    ]
    assert list(tape.candles) == [[1, 100, 101, 95, 95, 26]]
    assert tapes._orders == {}
    tapes.take(message("S", event="O"))
    assert tapes.of == {}


@pytest.mark.parametrize(
    ("now_s", "begins"),
    [
        (10 * DAY_S + 20, [10 * DAY_S - 2, 10 * DAY_S - 1, 10 * DAY_S + 3]),
        (10 * DAY_S + 3 * 3_600, [10 * DAY_S - 2, 10 * DAY_S - 1, 10 * DAY_S + 3]),
    ],
)
def test_candles_follow_one_another_over_midnight_and_a_clock_set_back(monkeypatch, now_s, begins):
    """A chart takes no candle that is older than the one before it; ITCH tells the time of day."""
    market = Market(None, None)
    monkeypatch.setattr(market, "_find", lambda symbol: SimpleNamespace(locate=1))
    monkeypatch.setattr("openoutcry.console.market.time", SimpleNamespace(time=lambda: now_s))
    assert market.candles("TIN", 1) == []
    market.tapes.take(trades_at(DAY_S - 2, DAY_S - 1, DAY_S - 1, 3, 2))
    candles = market.candles("TIN", 1)
    assert [row[0] for row in candles] == begins
    assert [row[5] for row in candles] == [1, 2, 2]
    assert [row[0] for row in market.candles("TIN", 60)] == [10 * DAY_S - 60, 10 * DAY_S]


def test_candles_of_an_evening_stay_there_while_nothing_is_traded_after_midnight(monkeypatch):
    market = Market(None, None)
    monkeypatch.setattr(market, "_find", lambda symbol: SimpleNamespace(locate=1))
    late = SimpleNamespace(time=lambda: 10 * DAY_S + 60)
    monkeypatch.setattr("openoutcry.console.market.time", late)
    market.tapes.take(trades_at(DAY_S - 5))
    assert [row[0] for row in market.candles("TIN", 1)] == [10 * DAY_S - 5]


def trades_at(*seconds):
    return b"".join(message("P", shares=1, price=100, timestamp=one * SECOND_NS) for one in seconds)


def test_what_is_missing_is_reported_in_a_line(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "fastapi" else object())
    with pytest.raises(OutcryError, match=r"needs fastapi: pip install 'openoutcry\[console\]'"):
        extras.require_console()


class Watching(Watch):
    """A watch over one metric that the test sets."""

    def __init__(self):
        self.halted = 1.0
        super().__init__(lambda: [GaugeMetricFamily(HALTED, "x", self.halted)])


HALTED = "outcry_instruments_halted"


def test_an_acknowledgement_outlives_the_console_until_its_alarm_is_over(tmp_path):
    watch, name = Watching(), "InstrumentHalted"
    first = Alarms(watch, tmp_path)
    first.poll()
    first.acknowledge(name, {}, "anna", "known")
    with pytest.raises(OutcryError, match="is not active"):
        first.acknowledge(name, {"venue": "another"}, "anna", "not this one")
    for _ in range(2):
        again = Alarms(watch, tmp_path)
        again.poll()
        (row,) = again.rows()
        assert (row["acknowledged"]["by"], row["acknowledged"]["why"]) == ("anna", "known")
    watch.halted = 0.0
    again.poll()
    assert again.rows() == []
    watch.halted = 1.0
    again.poll()
    assert again.rows()[0]["acknowledged"] is None
    assert Alarms(watch, tmp_path).acknowledged == {}
    did = [(row["asked"]["do"], row["operator"]) for row in desk_record(tmp_path, RECORD)]
    assert did == [(SEEN, "anna"), (OVER, "")]
    assert [row["state"] for row in again.changes] == ["resolved", "firing"]


def test_an_alarm_that_ended_between_two_consoles_is_not_acknowledged_for_ever(tmp_path):
    watch = Watching()
    first = Alarms(watch, tmp_path)
    first.poll()
    first.acknowledge("InstrumentHalted", {}, "anna", "x")
    watch.halted = 0.0
    again = Alarms(watch, tmp_path)
    assert again.acknowledged, "it has not looked yet"
    again.poll()
    assert again.acknowledged == {}
    assert Alarms(watch, tmp_path).acknowledged == {}


def test_a_changed_record_of_alarms_is_reported_and_not_believed(tmp_path):
    watch = Watching()
    for why in ("one", "two"):
        alarms = Alarms(watch, tmp_path)
        alarms.poll()
        alarms.acknowledge("InstrumentHalted", {}, "anna", why)
    path = tmp_path / RECORD
    path.write_text(path.read_text().replace("one", "eno"))
    alarms = Alarms(watch, tmp_path)
    assert "line 2 does not follow" in alarms.fault
    assert alarms.acknowledged == {}


def test_viewers_with_an_interval_of_a_second_are_served_together():
    """Whenever each came; who looks more often has moments of his own."""
    dues = {next_due(due, 1.0, due + 0.01) for due in (70.02, 70.5, 70.97)}
    assert dues == {71.0}
    assert next_due(70.0, 5.0, 70.0) == 75.0
    assert next_due(70.0, 0.02, 70.001) == 70.02
    assert next_due(70.0, 0.02, 70.5) == 70.5


@pytest.mark.promise(
    "What one name reads at the console or the screen, over however many pages, is paced: another "
    "name's requests do not wait for it",
    group="venue",
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_name_that_asks_without_end_waits_and_no_other_does(accounts, method, monkeypatch):
    """Sleeps are counted in place of slept."""
    asked, now_s = [], [0.0]
    both = Operator("anna", OPERATORS_HASH), Operator("bert", OPERATORS_HASH)
    accounts.operators = Operators(both)

    async def application(scope, receive, send):
        asked.append(scope["outcry"]["session"].name)

    async def sleep(delay_s):
        now_s[0] += delay_s

    async def send(message):
        """No request is refused."""

    async def flood():
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "time", lambda: now_s[0])
        monkeypatch.setattr("openoutcry.wire.load_limits.asyncio.sleep", sleep)
        gate = Gate(application, accounts, False)
        cookie, session = accounts.begin(1)
        other_cookie, other = accounts.begin(2)

        async def ask(cookie, session):
            headers = {
                "host": "localhost",
                "cookie": f"{COOKIE}={cookie}",
                "x-csrf-token": session.csrf,
            }
            rows = [(name.encode(), value.encode()) for name, value in headers.items()]
            scope = {"type": "http", "method": method, "path": "/api/x", "headers": rows}
            await gate(scope, None, send)

        for _ in range(1_000):
            await ask(cookie, session)
        flooded_s = now_s[0]
        assert flooded_s >= 15, "twenty or fifty a second, but for the first"
        await ask(other_cookie, other)
        assert now_s[0] == flooded_s
        assert len(asked) == 1_001

    run(flood())


def run(coroutine):
    """In a thread of its own: in that of the tests a browser's loop may be running."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, coroutine).result()


@pytest.mark.parametrize(
    ("name", "headers", "status"),
    [
        ("host", [(b"host", b"[")], 421),
        ("host", [(b"host", b"[::1")], 421),
        ("origin", [(b"host", b"127.0.0.1"), (b"origin", b"http://[")], 403),
    ],
)
def test_a_host_or_an_origin_that_is_no_address_is_refused(accounts, name, headers, status):
    messages = []

    async def send(message):
        messages.append(message)

    scope = {"type": "http", "method": "POST", "path": "/api/login", "headers": headers}
    run(Gate(None, accounts, False)(scope, None, send))
    assert messages[0]["status"] == status


@pytest.mark.parametrize("given", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_json_cannot_say_back_is_a_request_that_is_refused(accounts, given):
    body, messages = b'{"name": %b, "password": "word"}' % given.encode(), []
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/login",
        "headers": headers,
        "query_string": b"",
        "http_version": "1.1",
        "scheme": "http",
        "root_path": "",
    }

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        messages.append(message)

    app = make_app(SimpleNamespace(accounts=accounts, file=None, observer=None, market=None))
    run(app(scope, receive, send))
    assert messages[0]["status"] == 422
    (wrong,) = json.loads(messages[1]["body"])["detail"]
    assert (wrong["loc"], wrong["msg"]) == (["body", "name"], "Input should be a valid string")
    assert b"word" not in messages[1]["body"]


def test_a_participants_limits_are_shown_in_their_own_units():
    file = read_venue(EXAMPLE)
    view = fresh_view(hook_settings([1, 2], file.order_capacity, file.risk, 0), file.instruments)
    view.participants[1, lay.RATE_NS // 8] = 200_000_000
    view.participants[1, lay.DUPLICATE_NS // 8] = 100_000_000
    shown = row_of(view, file.participants[0], ["GOLD", "SILVER"])["limits"]
    wanted = [("orders_per_s", 5), ("duplicate_window_ms", 100)]
    assert [(one["limit"], one["value"]) for one in shown] == wanted


@pytest.mark.parametrize("page", [["venue", "console"], ["screen"]], ids=["console", "screen"])
def test_a_certificate_that_is_invalid_is_reported_in_a_line(page, tmp_path):
    (tmp_path / "c.pem").write_text("no PEM\n")
    for name, words in (
        ("c.pem", "are not a certificate and key in PEM"),
        ("x.pem", "No such file"),
    ):
        pair = ["--certificate", str(tmp_path / name), "--key", str(tmp_path / name)]
        done = CliRunner().invoke(main, [*page, str(EXAMPLE), "--address", "127.0.0.1:0", *pair])
        assert done.exit_code == 1
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.promise(
    "What one name reads at the console or the screen, over however many pages, is paced: another "
    "name's requests do not wait for it",
    group="venue",
)
async def test_many_actions_of_one_operator_keep_the_red_button_of_another_waiting_for_none():
    """The venue's desk does one after the other; each waits here in a thread."""
    begun, may_end = [], threading.Event()

    class Held:
        file = SimpleNamespace(name="TEST")

        def act(self, session, action, *rest):
            begun.append(session.name)
            assert may_end.wait(BOUND_S)
            return {}

    app = FastAPI()
    add_actions(app, Held())
    names = ["ruth"] * 20 + ["anna"]

    async def named(scope, receive, send):
        number = int(dict(scope["headers"])[b"x-number"])
        session = SimpleNamespace(name=names[number])
        await app(scope | {"outcry": {"session": session, "address": "192.0.2.1"}}, receive, send)

    transport = httpx.ASGITransport(named)
    async with httpx.AsyncClient(transport=transport, base_url="http://p") as client:

        async def halt(number):
            body = {"instrument": "GOLD", "why": "a reason"}
            return await client.post("/api/halt", json=body, headers={"x-number": f"{number}"})

        asked = [asyncio.create_task(halt(number)) for number in range(20)]
        async with asyncio.timeout(BOUND_S):
            while not begun:
                assert not any(one.done() for one in asked)
                await asyncio.sleep(0)
            asked.append(asyncio.create_task(halt(20)))
            while "anna" not in begun:
                assert not any(one.done() for one in asked)
                await asyncio.sleep(0)
        assert begun.count("ruth") <= ACTIONS[1]
        may_end.set()
        assert {one.status_code for one in await asyncio.gather(*asked)} == {200}
