"""MoldUDP64: packets of whole messages, each with the number of its first one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.market_data import mold
from openoutcry.market_data.feed import Feed
from openoutcry.wire.errors import FeedError
from tests.support.market_data.feed_support import flow, unframed

SESSION = "20261121AB"


def framed(messages):
    return b"".join(len(one).to_bytes(2, "big") + one for one in messages)


def plain_packets(messages, first, room):
    """The same, slowly: a message goes into the packet at work if it fits, else into the next."""
    packets, count, data = [], 0, b""
    for message in messages:
        one = framed([message])
        if 20 + len(data) + len(one) > room:
            packets.append((first, count, data))
            first, count, data = first + count, 0, b""
        count, data = count + 1, data + one
    if count:
        packets.append((first, count, data))
    return [mold.header(SESSION, seq, n) + rest for seq, n, rest in packets]


@given(st.integers(0, 400), st.integers(128, 9_000), st.integers(1, 2**63))
def test_packets_are_as_full_as_they_get(seed, room, first):
    run, events, rx_ts_ns = flow(seed, 200)
    data = Feed(run.instruments, run.order_capacity).encode(events, rx_ts_ns, 1)
    messages = unframed(data)
    packets = list(mold.packets(SESSION, first, data, room))
    assert packets == plain_packets(messages, first, room)
    again, following = [], first
    for packet in packets:
        parsed = mold.parse(packet)
        assert parsed is not None
        assert (parsed.session, parsed.sequence) == (SESSION.encode(), following)
        assert len(packet) <= room
        following += parsed.count
        again += unframed(parsed.messages)
    assert again == messages


def test_heartbeat_and_end_say_the_next_number():
    beat, end = mold.heartbeat(SESSION, 7), mold.end_of_session(SESSION, 7)
    assert beat == b"20261121AB" + bytes([0, 0, 0, 0, 0, 0, 0, 7, 0, 0])
    assert end[-2:] == b"\xff\xff"
    parsed = mold.parse(end)
    assert parsed is not None
    assert parsed.is_end
    assert parsed.sequence == 7
    assert not mold.parse(beat).is_end
    request = mold.Packet(SESSION.encode(), 3, 50, b"")
    assert mold.parse_request(mold.header(SESSION, 3, 50)) == request


@pytest.mark.parametrize(
    "change",
    [
        lambda packet: packet[:19],
        lambda packet: packet[:-1],
        lambda packet: packet + b"x",
        lambda packet: packet[:18] + b"\x00\x03" + packet[20:],
        lambda packet: packet[:18] + b"\x00\x01" + packet[20:],
        lambda packet: packet[:20] + b"\xff\xff" + packet[22:],
        lambda packet: b"",
    ],
)
def test_what_is_not_whole_is_no_packet(change):
    """Cut, longer than it says, or with another number of messages than it says."""
    packet = mold.header(SESSION, 1, 2) + framed([b"S" * 12, b"D" * 19])
    assert mold.parse(packet) is not None
    assert mold.parse(change(packet)) is None


def test_a_frame_that_no_message_fits_is_refused():
    assert mold.payload_bytes() == 1472
    assert mold.payload_bytes(ipv6=True) == 1452
    with pytest.raises(FeedError, match="an MTU of 100 bytes leaves 72 for a packet"):
        mold.payload_bytes(100)


def test_a_stream_has_one_name():
    assert mold.session_name(0x1234_5678_9ABC_DEF0, 1) == "BCDEF00001"
    assert mold.session_name(1, 0xFFFF) == "000001FFFF"
