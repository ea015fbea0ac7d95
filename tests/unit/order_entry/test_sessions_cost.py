"""What one session's messages cost all: those that are no orders are charged like orders, what is
sent again is charged, and a list of one's orders is not a walk over everybody's."""

import re
import time

import pytest

from openoutcry.order_entry import session, session_region, soupbin
from openoutcry.order_entry.fix.send import MAX_GAP_WALK
from openoutcry.order_entry.session_commands import ANSWERS_A_TOKEN, MAX_DEBT_NS
from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol, ThrottlePolicy
from tests.support.venue.inline import InlineVenue
from tests.support.venue.line import Silence
from tests.support.venue.party import PARTIES

FIX, NONE = int(Protocol.FIX44), int(CancelOnDisconnect.NONE)
FEW = {"throttle_per_s": 1, "throttle_burst": 2}


def firm(**fields):
    row = {"name": "FIRM", "participant": 1, "protocol": FIX, "cancel_on_disconnect": NONE}
    return row | fields


def read(client):
    """All bytes that have come."""
    data = b""
    try:
        while True:
            data += client.socket.recv(1 << 20)
    except Silence:
        return data


def debt_tokens(venue, each_ns):
    """Tokens by which the session's bucket is ahead of the time."""
    assert venue.run is not None
    block = venue.run.work.sessions.region.block(1)
    return (int(block[session.THROTTLE_AT // 8]) - venue.clock.monotonic_ns()) // each_ns


@pytest.mark.promise(
    "A session's message costs the same whatever others have (open orders, orders of the day, "
    "sessions, instruments), and a token pays for it: at most 12 times an order",
    group="capacity",
)
@pytest.mark.parametrize(
    ("policy", "at_once"), [(ThrottlePolicy.REJECT, 4), (ThrottlePolicy.QUEUE, 2)]
)
def test_a_test_request_costs_a_token(policy, at_once):
    """Among ten at once as many are answered as there are tokens, then one more each second."""
    with InlineVenue([firm(throttle_policy=int(policy), **FEW)]) as venue:
        client = venue.fix("FIRM")
        venue.clock.advance(5)
        for number in range(10):
            client._send("1", ((112, f"T{number}"),))
        answered = read(client).count(b"\x01112=T")
        assert answered == at_once
        venue.clock.advance(1.1)
        assert read(client).count(b"\x01112=T") == at_once // 2
        venue.clock.advance(5)


@pytest.mark.promise(
    "A session's message costs the same whatever others have (open orders, orders of the day, "
    "sessions, instruments), and a token pays for it: at most 12 times an order",
    group="capacity",
)
@pytest.mark.parametrize("protocol", [Protocol.OUCH42, Protocol.OUCH50])
def test_a_heartbeat_costs_a_token(protocol):
    """An order behind four of them waits for a token."""
    row = {"name": "FIRM", "participant": 1, "protocol": int(protocol), **FEW}
    with InlineVenue([row]) as venue:
        client = PARTIES[protocol](venue, "FIRM")
        venue.clock.advance(5)
        client.line.sendall(soupbin.packet("R", b"") * 4 + client.order(1))
        assert client.told() == ""
        venue.clock.advance(1.1)
        assert client.told() == "A"


@pytest.mark.promise(
    "A session's message costs the same whatever others have (open orders, orders of the day, "
    "sessions, instruments), and a token pays for it: at most 12 times an order",
    group="capacity",
)
def test_what_is_sent_again_is_charged():
    """A resend of 100 messages costs the request's token and one for each 32 of them; of any number
    no more than five seconds."""
    each_ns = 1_000_000_000 // 50
    with InlineVenue([firm(throttle_per_s=50, throttle_burst=200)]) as venue:
        client = venue.fix("FIRM")
        for number in range(100):
            client.buy("ACME", 1, "1.00", name=f"C{number}")
        read(client)
        venue.clock.advance(10)
        first = client.numbers.next_in
        client._send("2", ((7, "2"), (16, "0")))
        assert read(client).count(b"\x0143=Y") == 100
        assert debt_tokens(venue, each_ns) == 1 + 100 // ANSWERS_A_TOKEN
        assert first == 2


@pytest.mark.promise(
    "A session's message costs the same whatever others have (open orders, orders of the day, "
    "sessions, instruments), and a token pays for it: at most 12 times an order",
    group="capacity",
)
def test_a_mass_status_is_charged_by_its_reports():
    each_ns = 1_000_000_000 // 50
    with InlineVenue([firm(throttle_per_s=50, throttle_burst=200)]) as venue:
        client = venue.fix("FIRM")
        for number in range(64):
            client.buy("ACME", 1, "1.00", name=f"C{number}")
        read(client)
        venue.clock.advance(10)
        client.mass_status()
        answer = read(client)
        assert re.findall(rb"\x0111=(C\d+)", answer) == [b"C%d" % n for n in range(64)]
        assert debt_tokens(venue, each_ns) == 1 + 64 // ANSWERS_A_TOKEN


def test_no_message_has_its_session_wait_longer_than_five_seconds():
    """With one order a second, 400 open ones would be twelve."""
    with InlineVenue([firm(throttle_per_s=1, throttle_burst=500)]) as venue:
        client = venue.fix("FIRM")
        for number in range(400):
            client.buy("ACME", 1, "1.00", name=f"C{number}")
        read(client)
        venue.clock.advance(500)
        client.mass_status()
        read(client)
        assert debt_tokens(venue, 1) == 1_000_000_000 + MAX_DEBT_NS


@pytest.mark.promise(
    "A session's message costs the same whatever others have (open orders, orders of the day, "
    "sessions, instruments), and a token pays for it: at most 12 times an order",
    group="capacity",
)
def test_a_gap_of_session_messages_is_passed_in_parts():
    """Numbers of 6,000 heartbeats are filled by messages that each pass a bounded number, and that
    together leave none out."""
    count = 6_000
    with InlineVenue([firm()]) as venue:
        client = venue.fix("FIRM")
        for start in range(0, count, 500):
            for number in range(start, start + 500):
                client._send("1", ((112, f"T{number}"),))
            read(client)
        client._send("2", ((7, "2"), (16, "0")))
        fills = re.findall(rb"\x0134=(\d+)\x01.*?\x0136=(\d+)\x01", read(client), re.DOTALL)
    begins, ends = [int(begin) for begin, _ in fills], [int(end) for _, end in fills]
    assert begins == [2, *ends[:-1]]
    assert ends[-1] == count + 2
    assert all(end - begin <= MAX_GAP_WALK + 1 for begin, end in zip(begins, ends, strict=True))
    assert len(fills) == 2


def fastest_status_s(last_number):
    """The shortest of 20 answers to AF with one open order; ``last_number``: as if so many orders
    had been entered by all sessions."""
    with InlineVenue([firm()], sizes={"row_capacity": 1 << 16}) as venue:
        client = venue.fix("FIRM")
        assert venue.run is not None
        venue.run.work.sessions.region.words[session_region.LAST_NUMBER // 8] = last_number
        client.buy("ACME", 1, "1.00", name="C")
        read(client)
        took = []
        for _ in range(20):
            client.mass_status()
            begun = time.perf_counter()
            venue.step()
            took.append(time.perf_counter() - begun)
            assert read(client).count(b"\x01911=1") == 1
        return min(took)


@pytest.mark.promise(
    "A session's message costs the same whatever others have (open orders, orders of the day, "
    "sessions, instruments), and a token pays for it: at most 12 times an order",
    group="capacity",
)
def test_a_mass_status_walks_over_no_other_sessions_orders():
    """It costs the same whether one order or 65,000 were entered by others before."""
    assert fastest_status_s(65_000) < 3 * fastest_status_s(1)
