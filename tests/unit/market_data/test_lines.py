"""Two lossy lines and a retransmission server become one stream: once each, in order, all of it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.market_data import lines, mold
from openoutcry.market_data.book import Book
from openoutcry.market_data.feed import Feed
from tests.support.market_data.feed_support import damaged_line, flow, unframed

SESSION = "20261121AB"


def answer(messages, request, room=400):
    """What the server sends: what fits one packet of what was asked for."""
    wanted = messages[request.sequence - 1 : request.sequence - 1 + request.count]
    data = b"".join(len(one).to_bytes(2, "big") + one for one in wanted)
    return next(iter(mold.packets(SESSION, request.sequence, data, room)))


@given(st.integers(0, 300), st.sampled_from([0.0, 0.15, 0.6, 1.0]))
def test_every_message_comes_once_and_in_order(seed, loss):
    """Also where nothing at all came but the end of the session; and the book is the sender's."""
    rng = random.Random(seed)
    run, events, rx_ts_ns = flow(seed, 300)
    data = Feed(run.instruments, run.order_capacity).encode(events, rx_ts_ns, 1)
    messages = unframed(data)
    sent = list(mold.packets(SESSION, 1, data, 300))
    both = [damaged_line(sent, rng, loss) for _ in range(2)]
    arriving = [p for pair in zip(*both, strict=False) for p in pair]
    arriving += max(both, key=len)[min(map(len, both)) :]
    book, came = Book(), []

    def deliver(part, first):
        assert first == len(came) + 1
        came.extend(unframed(part))
        book.apply(part)

    receiver, now = lines.Lines(deliver), 0
    for packet in [*arriving, mold.end_of_session(SESSION, len(messages) + 1)]:
        now += rng.choice([1, 1_000, 2_000_000])
        receiver.take(packet, now)
        request = receiver.request(now)
        if request and rng.random() >= loss:
            receiver.take(answer(messages, mold.parse_request(request)), now)
    request_count = 0
    while not receiver.complete:
        now += lines.RETRY_NS
        request_count += 1
        assert request_count <= len(messages) + 2
        receiver.take(answer(messages, mold.parse_request(receiver.request(now))), now)
    assert came == messages
    assert receiver.taken == len(messages)
    sender = Book()
    sender.apply(data)
    assert book.hash() == sender.hash()


def packet(sequence, *letters):
    message = b"".join(b"\x00\x0c" + letter.encode() * 12 for letter in letters)
    return mold.header(SESSION, sequence, len(letters)) + message


def test_what_overlaps_is_taken_from_where_it_is_new():
    came = []
    receiver = lines.Lines(lambda data, first: came.append((first, data[2::14])))
    for one in (
        packet(1, "a", "b"),
        packet(2, "b", "c"),
        packet(5, "e"),
        packet(1, "a"),
        packet(3, "c", "d", "e", "f"),
        packet(5, "e", "f"),
    ):
        receiver.take(one, 1)
    assert came == [(1, b"ab"), (3, b"c"), (4, b"def")]
    assert receiver.missing == (0, 0)
    assert receiver.duplicates == 1 + 1 + 1 + 1 + 2


def test_a_gap_is_requested_after_a_while_and_again_after_a_longer_one():
    receiver = lines.Lines(lambda data, first: None)
    receiver.take(packet(1, "a"), 10)
    assert receiver.request(10**12) == b""
    receiver.take(packet(4, "d"), 20)
    assert receiver.missing == (2, 2)
    assert receiver.request(20 + lines.REQUEST_AFTER_NS - 1) == b""
    first = 20 + lines.REQUEST_AFTER_NS
    assert receiver.request(first) == mold.header(SESSION, 2, 2)
    assert receiver.request(first + lines.RETRY_NS - 1) == b""
    assert receiver.request(first + lines.RETRY_NS) == mold.header(SESSION, 2, 2)
    receiver.take(mold.heartbeat(SESSION, 9), first + 2 * lines.RETRY_NS)
    receiver.take(packet(2, "b", "c"), first + 2 * lines.RETRY_NS)
    assert receiver.missing == (5, 4)
    assert receiver.gaps == 2


def test_a_late_client_requests_one_piece_after_the_other_without_a_pause():
    receiver = lines.Lines(lambda data, first: None)
    assert receiver.due_ns == 0
    receiver.take(packet(7, "g"), 10)
    now = 10 + lines.REQUEST_AFTER_NS
    assert receiver.due_ns == now
    for first in (1, 3, 5):
        assert receiver.request(now) == mold.header(SESSION, first, 7 - first)
        assert receiver.due_ns == now + lines.RETRY_NS
        receiver.take(packet(first, "a", "b"), now + 1)
        now += 2
    assert (receiver.gaps, receiver.requests, receiver.missing) == (1, 3, (0, 0))
    receiver.take(packet(9, "i"), now)
    assert receiver.due_ns == now + lines.REQUEST_AFTER_NS
    assert receiver.gaps == 2


def test_another_sessions_packets_and_damaged_ones_go_no_further():
    receiver = lines.Lines(lambda data, first: None)
    receiver.take(packet(1, "a"), 1)
    receiver.take(packet(2, "b").replace(SESSION.encode(), b"XXXXXXXXXX"), 1)
    receiver.take(packet(2, "b")[:-1], 1)
    assert (receiver.next_sequence, receiver.foreign) == (2, 2)


def test_what_comes_much_too_early_is_not_kept_without_end():
    receiver = lines.Lines(lambda data, first: None)
    for number in range(lines.MAX_EARLY + 100):
        receiver.take(packet(3 + 2 * number, "x"), 1)
    assert len(receiver._early) == lines.MAX_EARLY
    assert receiver.missing == (1, 2)


def lines_of(*packets, at_ns=1):
    """What a receiver makes of packets: its lines, and the sequence numbers that it was given."""
    came = []
    receiver = lines.Lines(lambda messages, first: came.append(first))
    for packet in packets:
        receiver.take(packet, at_ns)
    return receiver, came


def one_message(session, sequence):
    message = bytes([0, 12]) + b"S" + bytes(10) + b"O"
    return mold.header(session, sequence, 1) + message


def test_the_next_session_is_followed_after_the_end_of_one():
    """With its first packet that is no end; what is late of the one before goes no further."""
    first, second = "SESSION001", "SESSION002"
    seen, came = lines_of(one_message(first, 1), mold.end_of_session(first, 2))
    assert seen.complete
    seen.take(mold.end_of_session("SESSION000", 9), 2)
    assert (seen.session, seen.foreign) == (first.encode(), 1)
    seen.take(mold.heartbeat(second, 1), 2)
    assert (seen.session, seen.complete, seen.next_sequence) == (second.encode(), False, 1)
    seen.take(one_message(first, 1), 3)
    seen.take(one_message(second, 1), 3)
    assert (came, seen.foreign, seen.sessions, seen.unfinished) == ([1, 1], 2, 1, 0)


def test_a_session_that_continues_is_not_left_and_one_that_is_silent_is():
    first, second = "SESSION001", "SESSION002"
    seen, came = lines_of(one_message(first, 1), mold.heartbeat(first, 3))
    seen.take(one_message(second, 1), lines.SILENCE_NS)
    assert (seen.session, seen.missing) == (first.encode(), (2, 1))
    seen.take(mold.end_of_session(second, 5), 3 * lines.SILENCE_NS)
    assert seen.session == first.encode()
    seen.take(one_message(second, 1), 3 * lines.SILENCE_NS)
    assert (seen.session, seen.unfinished, came) == (second.encode(), 1, [1, 1])


@pytest.mark.parametrize("last", [(1 << 64) - 1, (1 << 63) - 1, 1 << 48])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("kind", ["messages", "heartbeat", "end"])
def test_a_number_that_no_session_can_have_sent_is_never_requested(last, known, kind):
    """A forged packet of the right session, first of all or in the midst of it."""
    came = []
    receiver = lines.Lines(lambda data, first: came.append(first), session=SESSION.encode())
    now = 1_000_000_000
    if known:
        receiver.take(packet(1, "a", "b"), now)
    forged = {
        "messages": packet(last, "x"),
        "heartbeat": mold.heartbeat(SESSION, last),
        "end": mold.end_of_session(SESSION, last),
    }[kind]
    receiver.take(forged, now + 1)
    assert receiver.foreign == 1
    assert receiver.request(now + 10 * lines.RETRY_NS) == b""
    assert (receiver.missing, receiver.ended) == ((0, 0), False)
    receiver.take(packet(3 if known else 1, "c"), now + 2)
    receiver.take(mold.end_of_session(SESSION, 4 if known else 2), now + 3)
    assert receiver.complete


def test_a_receiver_that_was_away_for_hours_catches_up():
    """A session's numbers may go on as far as time has."""
    receiver = lines.Lines(lambda data, first: None)
    receiver.take(packet(1, "a"), 1)
    hour_ns = 3_600_000_000_000
    receiver.take(mold.heartbeat(SESSION, 5_000_000_000), 3 * hour_ns)
    assert (receiver.foreign, receiver.missing) == (0, (2, 4_999_999_998))
    late = lines.Lines(lambda data, first: None)
    late.take(mold.heartbeat(SESSION, 2_000_000_000_000), 1)
    assert (late.foreign, late.highest) == (0, 1_999_999_999_999)
