"""A session that sends far more than its rate, where the excess is rejected: of what the kernels
admit against counted tokens, and of a venue whose sequence takes no more than twice the rate."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.order_entry import apply, command_metadata, session
from openoutcry.order_entry import session_commands as commands
from openoutcry.order_entry.spec import Protocol, ThrottlePolicy
from openoutcry.wire.enums import CommandKind
from tests.oracles.order_entry.throttle import Throttle
from tests.support.venue.inline import InlineVenue
from tests.support.venue.party import PARTIES

RATE, BURST, COUNT = 200, 20, 1_200
LIMITS = {"throttle_per_s": RATE, "throttle_burst": BURST, "queue_bytes": 1 << 24}
FEW = {"throttle_per_s": 1, "throttle_burst": 2}
TICK_S, ELAPSED_S = 0.02, 1.0


@pytest.mark.promise(
    "A session with a rate adds at most twice that rate to the sequence, rejections and cancels "
    "included. Messages beyond that wait, in bounded memory, and no cancel is rejected for the "
    "rate",
    group="venue",
)
@given(
    st.integers(1, 2_000),
    st.integers(1, 6),
    st.sampled_from(ThrottlePolicy),
    st.lists(
        st.tuples(st.one_of(st.just(0), st.integers(0, 300), st.integers(0, 10**9)), st.booleans()),
        max_size=80,
    ),
)
def test_what_enters_is_rejected_or_waits_is_what_counted_tokens_say(
    interval_ns, burst, policy, offers
):
    block = np.zeros(session.BLOCK_BYTES // 8, np.int64)
    block[session.THROTTLE_NS // 8] = interval_ns
    block[session.THROTTLE_BURST // 8] = burst
    block[session.THROTTLE_POLICY // 8] = int(policy)
    throttle, now_ns, taken_ns = Throttle(interval_ns, burst, policy), 10**9, []
    for pause_ns, is_cancel in offers:
        now_ns += pause_ns
        verdict = "waits"
        if commands.may_enter(block.ctypes.data, now_ns):
            entered = commands.take_token(block.ctypes.data, now_ns, is_cancel)
            verdict = "enters" if entered else "rejected"
            taken_ns.append(now_ns)
        assert verdict == throttle.offer(now_ns, is_cancel)
    buckets = 1 if policy == ThrottlePolicy.QUEUE else 2
    for count, end_ns in enumerate(taken_ns, start=1):
        for before, begin_ns in enumerate(taken_ns[:count]):
            most = burst + (end_ns - begin_ns) // interval_ns
            assert count - before <= buckets * most


def test_without_a_rate_nothing_waits():
    block = np.zeros(session.BLOCK_BYTES // 8, np.int64)
    block[session.THROTTLE_BURST // 8] = 1
    for _ in range(100):
        assert commands.may_enter(block.ctypes.data, 5)
        assert commands.take_token(block.ctypes.data, 5, False)


@pytest.mark.parametrize(
    ("protocol", "kind", "message", "cancels"),
    [
        (Protocol.OUCH42, 0, "X", True),
        (Protocol.OUCH50, 0, "X", True),
        (Protocol.OUCH50, CommandKind.MASS_CANCEL, "C", True),
        (Protocol.FIX44, CommandKind.CANCEL, "F", True),
        (Protocol.FIX42, CommandKind.MASS_CANCEL, "q", True),
        (Protocol.OUCH42, CommandKind.NEW, "O", False),
        (Protocol.OUCH42, 0, "U", False),
        (Protocol.OUCH50, 0, "D", False),
        (Protocol.FIX44, 0, "X", False),
        (Protocol.FIX44, CommandKind.REPLACE, "G", False),
    ],
)
def test_what_a_cancel_is(protocol, kind, message, cancels):
    block = np.zeros(session.BLOCK_BYTES // 8, np.int64)
    block[session.PROTOCOL // 8] = int(protocol)
    order, metadata = np.zeros(64, np.uint8), np.zeros(command_metadata.METADATA_BYTES, np.uint8)
    order[apply.ORDER_KIND], metadata[command_metadata.MESSAGE] = int(kind), ord(message)
    addresses = (one.ctypes.data for one in (block, order, metadata))
    assert bool(commands.is_cancel(*addresses)) == cancels


def flooding(party, data):
    """Send what the venue takes, for a while; kinds of all that it tells."""
    told, sent = "", 0
    for _ in range(round(ELAPSED_S / TICK_S)):
        with contextlib.suppress(BlockingIOError):
            sent += party.line.send(data[sent : sent + (1 << 14)])
        party.venue.clock.advance(TICK_S)
        told += party.told()
    return told


def flood_of(protocol, tmp_path):
    """A venue with a session that sends too much, connected, and all that it sends."""
    row = {"name": "FLOOD", "participant": 1, "protocol": int(protocol), **LIMITS}
    venue = InlineVenue([row], tmp_path / "journal")
    party = PARTIES[protocol](venue, "FLOOD")
    return venue, party, b"".join(party.order(n, ioc=True) for n in range(1, COUNT + 1))


@pytest.mark.promise(
    "A session with a rate adds at most twice that rate to the sequence, rejections and cancels "
    "included. Messages beyond that wait, in bounded memory, and no cancel is rejected for the "
    "rate",
    group="venue",
)
@pytest.mark.parametrize("protocol", list(PARTIES))
def test_a_flood_is_rejected_by_name_and_no_more_than_twice_the_rate_is_sequenced(
    protocol, tmp_path
):
    venue, flood, data = flood_of(protocol, tmp_path)
    with venue:
        told = flooding(flood, data)
        count = int((venue.commands()["participant"] == 1).sum())
    most = 2 * (BURST + RATE * ELAPSED_S)
    assert most * 0.9 < count <= most + 2, "2: who came and went is said too"
    assert told.count("A") >= 200
    assert told.count("J") >= 200


@pytest.mark.promise(
    "A session with a rate adds at most twice that rate to the sequence, rejections and cancels "
    "included. Messages beyond that wait, in bounded memory, and no cancel is rejected for the "
    "rate",
    group="venue",
)
@pytest.mark.parametrize("protocol", list(PARTIES))
def test_a_cancel_beyond_the_rate_enters(protocol):
    """Among five messages at once two have tokens, and two those of the other bucket; the last
    waits for one."""
    row = {"name": "C", "participant": 1, "protocol": int(protocol), **FEW}
    with InlineVenue([row]) as venue:
        client = PARTIES[protocol](venue, "C")
        venue.clock.advance(5)
        orders = [client.order(number) for number in (1, 2, 3)]
        cancels = [client.cancellation(number) for number in (1, 2)]
        client.line.sendall(b"".join([*orders, *cancels]))
        assert client.told() == "AAJC"
        venue.clock.advance(0.9)
        assert client.told() == ""
        venue.clock.advance(0.2)
        assert client.told() == "C"


@pytest.mark.parametrize("protocol", [Protocol.OUCH42, Protocol.OUCH50])
def test_after_a_flood_each_receives_the_same_from_the_journal(protocol, tmp_path):
    """Rejections are made again from the journal, as everything else."""
    venue, flood, data = flood_of(protocol, tmp_path)
    with venue:
        assert flooding(flood, data).count("J") >= 50
        venue.again()
        again = PARTIES[protocol](venue, "FLOOD")
        again.kinds(len(flood.client.messages))
        assert again.client.messages == flood.client.messages
        report = venue.stop()
    assert (report["lost"], report["duplicated"]) == (0, 0)
    assert report["replay"]["equal"] is True
