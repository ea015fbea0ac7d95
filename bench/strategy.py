"""The reference strategy: reads the public feed and takes what is offered at its price or below.

It is one kernel's turn over a block of memory.  It looks at its feed (the multicast line, or shared
memory) and sends an immediate order for each offer that crosses its price.  Then it reads the
answers (of an OUCH connection, of authenticated packets, or of a session over shared memory).  It
notes when each of these happened.  Answers come in the sequence of the orders, so each is known by
its place.
"""

from openoutcry.bench.colocated_live import Participant
from openoutcry.dpdk_shim.authentication import TRAILER_BYTES
from openoutcry.dpdk_shim.packets import check_packet
from openoutcry.order_entry.shm_layout import ShmRequests
from openoutcry.order_entry.shm_segments import put_request, reply_at
from openoutcry.wire import enum_numbers, sockets
from openoutcry.wire.big_endian import load_be16, load_be32, load_be64
from openoutcry.wire.feed_messages import (
    FRAME_BYTES,
    ITCH50,
    MOLD_COUNT_AT,
    MOLD_HEADER_BYTES,
    MOLD_SEQUENCE_AT,
)
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Bytes, Layout, Words, i64
from openoutcry.wire.memory import monotonic_ns
from openoutcry.wire.messages import PACKET_LENGTH_BYTES
from openoutcry.wire.shm_feed import ShmFeedHeader, read_messages

_ADD = ITCH50.from_server("A")
ADD, SELL = ord("A"), ord("S")
SIDE_AT, PRICE_AT = _ADD.offsets["side"], _ADD.offsets["price"]
LOST, GONE = -1, -2
SEQUENCED, ANSWER_ROOM = ord("S"), 4096
KIND_EVENTS = enum_numbers.PACKET_KIND_EVENTS


class Strategy(Layout, size_bytes=192):
    """Arguments of the strategy's turn."""

    feed: int = i64("address of the feed in shared memory, 0: it listens to datagrams")
    feed_base: int = i64("base of that feed's session")
    next_message: int = i64("stamp of the next message there; number of the next in datagrams")
    line: int = i64("socket of the multicast line")
    buffer: int = i64("address of room for messages")
    buffer_bytes: int = i64("bytes of it")
    limit: int = i64("price of an offer that it takes, in the feed's last place, or less")
    participant: int = i64("address of its session over shared memory, 0: it has a connection")
    connection: int = i64("socket of its OUCH session, or of its packets")
    by_packets: int = i64("1: that socket carries packets")
    orders: int = i64("address of its orders, in a row")
    order_bytes: int = i64("bytes of each")
    answer_units: int = i64("messages that answer an order")
    answered: int = i64("of these so far")
    answers: int = i64("address of room for what comes by its connection")
    answers_bytes: int = i64("bytes there, of a packet that is not whole")
    crossed: int = i64("offers that it has read")
    sent: int = i64("orders that it has sent")
    most: int = i64("orders that it may send")
    read_ns: Words = i64("address of when each offer was read, CLOCK_MONOTONIC", of=Words)
    sent_ns: Words = i64("address of when each order was about to be sent", of=Words)
    answered_ns: Words = i64("address of when its first answer was read", of=Words)


@kernel
def take_messages(strategy: Strategy, begin: int, end: int) -> int:
    """Read messages, each after its length; return how many there were."""
    at, count = begin, 0
    while at + FRAME_BYTES <= end:
        message = at + FRAME_BYTES
        if Bytes(message)[0] == ADD and Bytes(message)[SIDE_AT] == SELL:
            price = load_be32(message + PRICE_AT)
            if price <= strategy.limit and strategy.crossed < strategy.most:
                strategy.read_ns[strategy.crossed] = monotonic_ns()
                strategy.crossed += 1
        at = message + load_be16(at)
        count += 1
    return count


@kernel
def look_at_feed(strategy: Strategy) -> int:
    """Return how many messages came; LOST if some never will."""
    buffer = strategy.buffer
    if strategy.feed != 0:
        size = read_messages(
            ShmFeedHeader(strategy.feed),
            strategy.feed_base,
            strategy.next_message,
            buffer,
            strategy.buffer_bytes,
        )
        if size <= 0:
            return LOST if size < 0 else 0
        count = take_messages(strategy, buffer, buffer + size)
        strategy.next_message += count
        return count
    size = sockets.recv(strategy.line, buffer, strategy.buffer_bytes)
    if size < MOLD_HEADER_BYTES:
        return 0
    first, count = load_be64(buffer + MOLD_SEQUENCE_AT), load_be16(buffer + MOLD_COUNT_AT)
    if count == 0 or count == 0xFFFF or first < strategy.next_message:
        return 0
    if first > strategy.next_message and strategy.next_message != 0:
        return LOST
    strategy.next_message = first + count
    return take_messages(strategy, buffer + MOLD_HEADER_BYTES, buffer + size)


@kernel
def send_order(strategy: Strategy) -> int:
    """Send the next order if an offer crosses; 1, 0 or GONE."""
    sent = strategy.sent
    if sent == strategy.crossed:
        return 0
    order = strategy.orders + strategy.order_bytes * sent
    strategy.sent_ns[sent] = monotonic_ns()
    if strategy.participant != 0:
        participant = Participant(strategy.participant)
        put_request(participant.requests, order, participant.next_request)
        participant.next_request += 1
    elif sockets.send(strategy.connection, order, strategy.order_bytes) != strategy.order_bytes:
        return GONE
    strategy.sent = sent + 1
    return 1


@kernel
def note_answer(strategy: Strategy) -> None:
    """A message has come: the answers to an order follow one another, in the orders' sequence."""
    answered = strategy.answered
    if answered % strategy.answer_units == 0:
        strategy.answered_ns[answered // strategy.answer_units] = monotonic_ns()
    strategy.answered = answered + 1


@kernel
def take_answers(strategy: Strategy) -> int:
    """Return how much came, or GONE."""
    if strategy.sent == 0:
        return 0
    if strategy.participant != 0:
        participant, count = Participant(strategy.participant), 0
        while reply_at(participant.replies, participant.next_reply) != 0:
            note_answer(strategy)
            participant.next_reply += 1
            count += 1
        if count > 0:
            ShmRequests(participant.requests).replies_read = participant.next_reply - 1
        return count
    kept = strategy.answers_bytes
    size = sockets.recv(strategy.connection, strategy.answers + kept, ANSWER_ROOM - kept)
    if size <= 0:
        return GONE if size == 0 else 0
    if strategy.by_packets != 0:
        return take_events(strategy, size)
    return take_packets(strategy, kept + size)


@kernel
def take_events(strategy: Strategy, size: int) -> int:
    """Count the events of one datagram; how many there were.  Its tag is not checked: a client that
    trusts the network does not wait for it, and one that does not checks it afterwards."""
    count = check_packet(strategy.answers, size - TRAILER_BYTES, KIND_EVENTS)
    for _ in range(count):
        note_answer(strategy)
    return max(count, 0)


@kernel
def take_packets(strategy: Strategy, size: int) -> int:
    """Count the messages of the session among the packets of SoupBinTCP: heartbeats answer no
    order.  Returns how many packets there were."""
    begin, at, count = strategy.answers, 0, 0
    while at + PACKET_LENGTH_BYTES <= size:
        end = at + PACKET_LENGTH_BYTES + load_be16(begin + at)
        if end > size:
            break
        if Bytes(begin)[at + PACKET_LENGTH_BYTES] == SEQUENCED:
            note_answer(strategy)
        at = end
        count += 1
    for place in range(size - at):
        Bytes(begin)[place] = Bytes(begin)[at + place]
    strategy.answers_bytes = size - at
    return count


@kernel
def strategy_turn(strategy: Strategy) -> int:
    """One turn: how much was done, LOST or GONE."""
    done = look_at_feed(strategy)
    if done < 0:
        return done
    sent = send_order(strategy)
    if sent < 0:
        return sent
    came = take_answers(strategy)
    if came < 0:
        return came
    return done + sent + came
