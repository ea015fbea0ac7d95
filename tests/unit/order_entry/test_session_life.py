"""What sessions of every protocol have in common, in one thread: who is let in, who is locked out,
what a throttle does, and what becomes of orders whose session is lost, killed or silent."""

import asyncio
import socket
from types import SimpleNamespace

import pytest

from openoutcry.order_entry import session as session_block
from openoutcry.order_entry import session_region, soupbin
from openoutcry.order_entry.acceptor import MAX_HASHING, MAX_WAITING, REASONS
from openoutcry.order_entry.spec import (
    CancelOnDisconnect,
    PortSpec,
    Protocol,
    Takeover,
    ThrottlePolicy,
)
from openoutcry.ring import ProcessIdentity
from openoutcry.wire.enums import CommandKind
from tests.support.order_entry.sessions_venue import PASSWORD, session
from tests.support.venue.inline import InlineVenue
from tests.support.venue.line import Silence
from tests.support.venue.party import PARTIES, OuchParty, Party, Refused

NONE = int(CancelOnDisconnect.NONE)
CLOSED = "inline:0 closed the connection during the logon"
JUNK = (
    b"\xff\xffU" + b"x" * 5000,
    b"\x00\x00",
    soupbin.packet("U", b"Q" + b"x" * 30),
    soupbin.packet("Y"),
)
ROWS = {
    "ONE": {},
    "TWO": {},
    "FAR": {"networks": ["10.0.0.0/8"]},
    "TAKE": {"takeover": int(Takeover.TAKE_OVER)},
    "GRACE": {"grace_ms": 50},
    "STAY": {"cancel_on_disconnect": NONE},
    "FAST": {"throttle_per_s": 1, "throttle_burst": 3},
    "WAIT": {
        "throttle_per_s": 50,
        "throttle_burst": 2,
        "throttle_policy": int(ThrottlePolicy.QUEUE),
    },
    "FEW": {"max_open_orders": 2},
    "SLOW": {"queue_bytes": 1 << 14},
    "MUTE": {"timeout_ms": 4_000},
}


OVER_NETWORKS = pytest.mark.parametrize(
    "protocol",
    [protocol for protocol in PARTIES if protocol != Protocol.SHM],
    ids=lambda protocol: protocol.name,
    indirect=True,
)
"""Promises of sessions with passwords and addresses; shared memory has test_shm_login.py."""


@pytest.fixture(params=list(PARTIES), ids=lambda protocol: protocol.name)
def protocol(request):
    return request.param


@pytest.fixture
def venue(protocol):
    rows = [
        session(name, number, protocol=int(protocol), **more)
        for number, (name, more) in enumerate(ROWS.items(), start=1)
    ]
    other = Protocol.FIX44 if protocol != Protocol.FIX44 else Protocol.OUCH42
    with InlineVenue([*rows, session("OTHER", 99, protocol=int(other))]) as venue:
        yield venue


@pytest.fixture
def connect(venue, protocol):
    def connect(name: str, **login) -> Party:
        return PARTIES[protocol](venue, name, **login)

    return connect


@pytest.fixture
def not_authorised(protocol):
    """What a client is told that is not let in, for whatever reason: over FIX nothing."""
    return CLOSED if protocol == Protocol.FIX44 else "JA"


def refusal(connect, name, **login):
    """What the venue says to a client that it does not let in."""
    with pytest.raises(Refused) as refused:
        connect(name, **login)
    return str(refused.value)


@pytest.mark.promise(
    "Connections that never log in, and floods of wrong passwords, neither delay nor lock out"
    " clients at other addresses. The answer to a rejected login reveals neither whether the "
    "name exists nor whether the password was right",
    group="venue",
)
@OVER_NETWORKS
def test_a_refused_login_does_not_say_why(connect, not_authorised):
    answers = {
        refusal(connect, "ONE", password="wrong"),
        refusal(connect, "NOBODY"),
        refusal(connect, "FAR"),
        refusal(connect, "OTHER"),
    }
    assert answers == {not_authorised}
    assert connect("FAR", source="10.1.2.3").line


def test_a_session_has_one_connection(connect, protocol):
    first = connect("TWO")
    assert refusal(connect, "TWO") == (CLOSED if protocol == Protocol.FIX44 else "JS")
    first.close()
    connect("TWO")


@pytest.mark.promise(
    "Connections that never log in, and floods of wrong passwords, neither delay nor lock out"
    " clients at other addresses. The answer to a rejected login reveals neither whether the "
    "name exists nor whether the password was right",
    group="venue",
)
@OVER_NETWORKS
def test_failed_logins_lock_a_session_out_for_the_address_that_they_came_from(
    connect, venue, not_authorised
):
    for _ in range(venue.spec.failures_before_lock):
        answer = refusal(connect, "ONE", password="wrong", source="127.0.0.2")
        assert answer == not_authorised
    assert refusal(connect, "ONE", source="127.0.0.2") == not_authorised
    connect("ONE", source="127.0.0.3").close()
    connect("TWO", source="127.0.0.2").close()
    venue.clock.advance(venue.spec.lock_s - 1)
    assert refusal(connect, "ONE", source="127.0.0.2") == not_authorised
    venue.clock.advance(1.1)
    connect("ONE", source="127.0.0.2")


def test_failed_logins_of_a_customers_network_lock_the_session_out_for_all_of_it():
    """Whoever has one address of IPv6 has 2^64: they are one owner, as for the shares of a door."""
    with InlineVenue([session("ONE", 1)]) as venue:
        for number in range(venue.spec.failures_before_lock):
            client = venue.client("ONE", password="wrong", source=f"2001:db8:1:2::{number + 1:x}")
            assert client.answer[0] == "J"
        assert venue.client("ONE", source="2001:db8:1:2:ffff::1").answer[0] == "J"
        assert venue.client("ONE", source="2001:db8:1:3::1").answer[0] == "A"


def test_connections_of_a_customers_network_give_way_to_no_others():
    with InlineVenue([session("ONE", 1)]) as venue:
        other = venue.dial(source="192.0.2.1")
        network = [venue.dial(source=f"2001:db8::{n + 1:x}") for n in range(MAX_WAITING)]
        assert network[0].recv(64) == b"", "the network's own oldest"
        other.sendall(soupbin.login_packet(soupbin.LoginRequest("ONE", PASSWORD, "", 1)))
        assert other.recv(64)[2:3] == b"A"


@pytest.mark.promise(
    "Of many passwords that are sent at once none passes after the lock, which is checked again "
    "after the wait",
    group="capacity",
)
def test_passwords_that_are_sent_at_once_lock_as_those_sent_in_turn():
    """The lock counts when a password has been checked, not when it came."""
    with InlineVenue([session("ONE", 1), session("TWO", 2)]) as venue:
        guesses = ["wrong"] * 199 + [PASSWORD]
        lines = []
        for guess in guesses:
            ours, theirs = socket.socketpair()
            ours.send(soupbin.login_packet(soupbin.LoginRequest("ONE", guess, "", 1)))
            port = PortSpec(Protocol.OUCH42, "127.0.0.1", 0)
            venue.loop.call_soon(venue.acceptor.admit, theirs, port, ("127.0.0.2", 40_000))
            lines.append(ours)
        venue.loop.settle()
        assert {line.recv(64) for line in lines} == {soupbin.login_rejected("A")}
        venue.client("TWO").close()
        for line in lines:
            line.close()


def test_a_refused_login_whose_client_has_gone_is_counted_once():
    with InlineVenue([session("ONE", 1)]) as venue:
        ours, theirs = socket.socketpair()
        ours.send(soupbin.login_packet(soupbin.LoginRequest("ONE", "wrong", "", 1)))
        ours.close()
        port = PortSpec(Protocol.OUCH42, "127.0.0.1", 0)
        venue.loop.call_soon(venue.acceptor.admit, theirs, port, ("127.0.0.2", 40_000))
        venue.loop.settle()
        at, region = session_block.LOGINS // 8, venue.run.work.sessions.region
        assert sum(region.block(n)[at : at + len(REASONS)].sum() for n in range(2)) == 1


@pytest.mark.promise(
    "Logins of one address, or of one customer's IPv6 network, delay no logins of others. At "
    "the desk logins wait for every other request",
    group="capacity",
)
def test_a_login_that_is_turned_away_holds_its_turn_until_its_check_has_ended(monkeypatch):
    """The thread that hashes goes on without its connection: no other begins in its place."""
    with InlineVenue([session("ONE", 1)]) as venue:
        acceptor, loop, begun, lines = venue.acceptor, venue.loop, [], []

        def begin(executor, function, *arguments):
            begun.append(loop.create_future())
            return asyncio.shield(begun[-1])

        def arrive(network):
            for n in range(1, 26):
                ours, theirs = socket.socketpair()
                ours.send(soupbin.login_packet(soupbin.LoginRequest("ONE", "wrong", "", 1)))
                peer = (f"192.0.{network}.{n}", 40_000)
                port = PortSpec(Protocol.OUCH42, "127.0.0.1", 0)
                loop.call_soon(acceptor.admit, theirs, port, peer)
                lines.append(ours)
            loop.settle()

        monkeypatch.setattr(loop, "run_in_executor", begin)
        arrive(2)
        assert len(begun) == MAX_HASHING
        for one in list(acceptor.waiting.checked):
            acceptor.waiting.leave(one)
            acceptor._turn_away(one)
        loop.settle()
        assert len(begun) == MAX_HASHING
        arrive(3)
        assert len(begun) == MAX_HASHING, "all three are still under way"
        ended = 0
        while ended < len(begun):
            assert len(begun) - ended <= MAX_HASHING
            begun[ended].set_result(False)
            ended += 1
            loop.settle()
        assert ended == MAX_HASHING + 25, "those that were turned away in the queue are not hashed"
        for line in lines:
            line.close()


def test_after_a_wrong_password_its_address_waits_nine_times_as_long_as_the_check_took():
    """Guesses of one address take a tenth of a processor in each of its two turns."""
    with InlineVenue([session("ONE", 1), session("TWO", 2)]) as venue:
        checked, verify = [], venue.acceptor.hasher.verify

        def takes_a_while(password_hash, password):
            checked.append(password)
            venue.clock.advance(0.1)
            return verify(password_hash, password)

        venue.acceptor.hasher = SimpleNamespace(verify=takes_a_while)
        lines = []

        def tries(name, password, source):
            ours, theirs = socket.socketpair()
            ours.send(soupbin.login_packet(soupbin.LoginRequest(name, password, "", 1)))
            port = PortSpec(Protocol.OUCH42, "127.0.0.1", 0)
            venue.loop.call_soon(venue.acceptor.admit, theirs, port, (source, 40_000))
            lines.append(ours)

        for number in range(4):
            tries("ONE", f"wrong{number}", "127.0.0.2")
        venue.loop.settle()
        assert checked == ["wrong0", "wrong1"]
        tries("TWO", PASSWORD, "127.0.0.3")
        venue.loop.settle()
        assert checked[2:] == [PASSWORD], "another address waits for nobody"
        # Two checks at once, which took 0.2 s together; a tenth has passed since.
        venue.clock.advance(1.6)
        venue.loop.settle()
        assert len(checked) == 3
        venue.clock.advance(0.2)
        venue.loop.settle()
        assert checked[3:] == ["wrong2", "wrong3"]
        for line in lines:
            line.close()


@pytest.mark.promise(
    "No message of a session, and no first bytes of a connection, raise anything or write to "
    "standard error. Each refused login is counted, and another session is answered as before",
    group="doors",
)
@pytest.mark.parametrize(
    "data",
    [
        b"8=FIX\xc3\xa9\x019=5\x0135=A\x0110=000\x01",
        b"8=FIX.4.4\x019=5\x0135=A\x0149=\xff\xfe\x0110=000\x01",
        b"8=FIX\xff\xff.4\x019=99999\x0135=A\x01",
        b"\0" * 64,
    ],
)
def test_what_is_no_logon_is_refused_and_counted_and_raises_nothing(data):
    with InlineVenue([session("ONE", 1, protocol=int(Protocol.FIX44))]) as venue:
        line = venue.dial(Protocol.FIX44)
        (task,) = venue.acceptor.tasks
        line.sendall(data)
        assert line.recv(64) == b""
        counts = venue.run.work.sessions.region.block(0)
        at = session_block.LOGINS // 8 + REASONS.index("malformed login")
        assert counts[at] == 1
        assert task.exception() is None


def test_a_second_login_takes_over_where_that_is_the_policy(connect):
    first = connect("TAKE")
    second = connect("TAKE")
    assert first.rest() == ""
    second.enter(1)
    assert second.kinds(1) == "A"


def test_a_connection_that_died_with_its_process_refuses_no_login(connect, venue):
    """As after a SIGKILL of the sessions' process, while the one in its place finds its place."""
    region = venue.run.work.sessions.region
    first = connect("STAY")
    index = next(i for i in range(1, len(ROWS) + 1) if region.block(i)[session_block.FD // 8] >= 0)
    with pytest.raises(Refused):
        connect("STAY")
    dead = ProcessIdentity(ProcessIdentity.mine().pid, 1)
    region.words[session_region.STAGE_PROCESS // 8] = dead.word
    second = connect("STAY")
    assert first.rest() == ""
    second.enter(1)
    assert second.kinds(1) == "A"
    refused = session_block.LOGINS // 8 + REASONS.index("already connected")
    assert region.block(index)[refused] == 1


def test_a_lost_sessions_orders_go_when_its_grace_is_over(connect, venue):
    lost = connect("GRACE")
    lost.enter(1)
    assert lost.kinds(1) == "A"
    lost.close()
    venue.clock.advance(0.04)
    lost.log_in()
    with pytest.raises(Silence):
        lost.kind()
    lost.close()
    venue.clock.advance(0.06)
    lost.log_in()
    assert lost.kinds(1) == "C"


def test_orders_stay_after_a_logout(connect, venue):
    one = connect("GRACE")
    one.enter(1)
    assert one.kinds(1) == "A"
    one.log_out()
    venue.clock.advance(10)
    one.log_in()
    one.cancel(1)
    assert one.kinds(1) == "C"


def test_orders_stay_where_the_policy_is_none(connect, venue):
    one = connect("STAY")
    one.enter(1)
    assert one.kinds(1) == "A"
    one.close()
    venue.clock.advance(10)
    one.log_in()
    one.cancel(1)
    assert one.kinds(1) == "C"


@pytest.mark.promise(
    "A session with a rate adds at most twice that rate to the sequence, rejections and cancels "
    "included. Messages beyond that wait, in bounded memory, and no cancel is rejected for the "
    "rate",
    group="venue",
)
def test_a_throttle_rejects_what_is_beyond_the_rate_and_lets_wait_what_is_beyond_twice(
    connect, venue
):
    fast = connect("FAST")
    venue.clock.advance(3)
    fast.enter(*range(1, 9))
    assert fast.kinds(6) == "AAAJJJ"
    with pytest.raises(Silence):
        fast.kind()
    venue.clock.advance(1)
    assert fast.kinds(2) == "AJ"


@pytest.mark.promise(
    "A session with a rate adds at most twice that rate to the sequence, rejections and cancels "
    "included. Messages beyond that wait, in bounded memory, and no cancel is rejected for the "
    "rate",
    group="venue",
)
def test_a_throttle_that_queues_lets_everything_in_at_its_rate(connect, venue):
    waiting = connect("WAIT")
    waiting.line.patience_s = 1
    begin_s = venue.clock.seconds
    waiting.enter(*range(1, 21))
    assert waiting.kinds(20) == "A" * 20
    assert venue.clock.seconds - begin_s > 17 / 50


def test_a_session_has_no_more_open_orders_than_it_may(connect):
    few = connect("FEW")
    few.enter(1, 2, 3)
    assert few.kinds(3) == "AAJ"
    few.cancel(1)
    assert few.kinds(1) == "C"
    few.enter(4)
    assert few.kinds(1) == "A"


def test_a_session_with_all_the_orders_that_it_may_have_enters_what_never_rests(connect):
    """So it can close out."""
    few = connect("FEW")
    few.enter(1, 2)
    assert few.kinds(2) == "AA"
    few.enter(3, ioc=True)
    assert few.kinds(2) == "AC"
    few.enter(4)
    assert few.kinds(1) == "J"


@pytest.mark.parametrize("protocol", [Protocol.OUCH42, Protocol.OUCH50], indirect=True)
def test_bytes_that_are_no_message_end_the_connection_and_harm_no_other(connect):
    watching = connect("STAY")
    for number, junk in enumerate(JUNK, start=1):
        client = connect("ONE")
        client.line.sendall(junk)
        assert client.rest() == ""
        client.close()
        watching.enter(number)
        assert watching.kinds(1) == "A"


def was_disconnected(party):
    """Whether the venue closes the connection of a client that orders and does not read."""
    for number in range(1, 20_000, 50):
        try:
            party.line.sendall(b"".join(party.order(number + n, ioc=True) for n in range(50)))
        except OSError:
            return True
    return False


@pytest.mark.promise(
    "A client that does not read, or vanishes with full buffers, is disconnected, and can "
    "recover its messages. A session whose stream for the day is nearly full enters no order "
    "and loses no fill",
    group="venue",
)
def test_a_reader_that_does_not_read_is_disconnected_and_recovers(connect):
    slow, other = connect("SLOW"), connect("TWO")
    slow.line.reads = False
    assert was_disconnected(slow)
    other.enter(1)
    assert other.kinds(1) == "A", "no other session waits"
    told = slow.rest()
    slow.log_in()
    again = slow.kinds(20)
    assert set(told + again) == {"A", "C"}


def block_of(venue, name):
    names = [row.name for row in venue.spec.sessions]
    return venue.run.work.sessions.region.block(1 + names.index(name))


def test_a_session_that_is_switched_off_loses_connection_and_orders_until_it_is_on(
    connect, venue, not_authorised
):
    one = connect("ONE")
    one.enter(1)
    assert one.kinds(1) == "A"
    block = block_of(venue, "ONE")
    block[session_block.SWITCH // 8] = session_block.SWITCH_OFF
    venue.clock.advance(0.01)
    assert one.rest() == ""
    one.close()
    assert refusal(connect, "ONE") == not_authorised
    block[session_block.SWITCH // 8] = session_block.SWITCH_ON
    venue.clock.advance(0.01)
    one.log_in()
    assert one.kinds(1) == "C"


def test_a_venue_that_was_dropped_reports_the_same_to_each_session_again(protocol, tmp_path):
    rows = [session("ONE", 1, protocol=int(protocol), cancel_on_disconnect=NONE)]
    with InlineVenue(rows, tmp_path / "journal") as venue:
        one = PARTIES[protocol](venue, "ONE")
        one.enter(1, 2)
        assert one.kinds(2) == "AA"
        venue.drop()
        for stream in (tmp_path / "journal" / "sessions").glob("*.stream"):
            stream.unlink()
        venue.open()
        if isinstance(one, OuchParty):
            again = one.connected()
            assert [again.packet()[1] for _ in range(2)] == one.client.messages
            again.close()
        one.log_in()
        one.cancel(2)
        assert one.kinds(1) == "C"
        commands = venue.commands()
        assert (commands["kind"] == CommandKind.NEW).sum() == 2
        report = venue.stop()
    assert (report["lost"], report["duplicated"], report["open_orders"]) == (0, 0, 1)
    assert report["replay"]["equal"] is True
