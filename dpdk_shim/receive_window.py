"""The receiver's counters and its table of senders: which of whose numbers have come.

Both stand in the state block (``udp.py``), shared memory that outlives a stage.
"""

from enum import IntEnum

from openoutcry.dpdk_shim.packets import PacketError
from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.memory import load_i64, mul_wrapping, store_i64


class Counter(IntEnum):
    """Words of the state block.  Received packets are parsed or in error: ``PACKETS`` equals
    ``PARSED`` plus the ``ERROR_`` counters, less only what a killed stage held in its hands."""

    PACKETS = 0
    BYTES = 1
    PARSED = 2
    RECORDS = 3
    """Order records handed on: those of parsed packets that are neither duplicate nor stale."""
    EMPTY_POLLS = 4
    GAP_RECORDS = 5
    """Sequence numbers jumped over, ever; less ``LATE_RECORDS`` they are what is missing."""
    LATE_PACKETS = 6
    """Came after a later one, were missing until then, and are handed on."""
    LATE_RECORDS = 7
    DUPLICATE_PACKETS = 8
    """At least one record had come before; not handed on."""
    STALE_PACKETS = 9
    """Older than all gaps that are remembered: nobody knows if it came before; not handed on."""
    SENDERS = 10
    SENDER_REFUSED_PACKETS = 11
    """Of a sender beyond those that are remembered: none of them is forgotten, for its old packets
    would be new again."""
    JUMP_PACKETS = 12
    """So far ahead of their sender's sequence that nobody believes them."""
    OPERATOR_RECORDS = 13
    """Of participant 0, the exchange operator, who speaks by no network: left out one by one."""
    RATE_REFUSED_RECORDS = 14
    """Beyond their participant's rate: answered by a reject, left out one by one."""
    RESERVED_ID_RECORDS = 15
    """With an order id that is the venue's or a session's (wire/order_ids.py): answered by a
    reject, left out one by one."""
    ERROR_SHORT = 17
    ERROR_MAGIC = 18
    ERROR_LAYOUT = 19
    ERROR_KIND = 20
    ERROR_COUNT = 21
    ERROR_SIZE = 22
    ERROR_SEQUENCE = 23
    REFUSAL_PACKETS = 24
    """Of those rejects."""
    REFUSAL_UNTOLD_EVENTS = 25
    """Rejects that did not leave: too many of a burst, or the system did not take them."""
    ERROR_UNAUTHENTICATED = 26
    """No session's, a wrong tag, an epoch that is over, or from elsewhere (authentication.py)."""
    REPLY_PACKETS = 32
    REPLY_EVENTS = 33
    NO_PEER_EVENTS = 34
    """Events for a participant who has never sent anything."""
    SEND_FAILED_PACKETS = 35
    """The operating system did not take it: its queue is full, or the peer cannot be reached."""
    SEND_FAILED_EVENTS = 36


AT_PACKETS = 8 * Counter.PACKETS
AT_BYTES = 8 * Counter.BYTES
AT_PARSED = 8 * Counter.PARSED
AT_RECORDS = 8 * Counter.RECORDS
AT_EMPTY_POLLS = 8 * Counter.EMPTY_POLLS
AT_GAP_RECORDS = 8 * Counter.GAP_RECORDS
AT_LATE_PACKETS = 8 * Counter.LATE_PACKETS
AT_LATE_RECORDS = 8 * Counter.LATE_RECORDS
AT_DUPLICATE_PACKETS = 8 * Counter.DUPLICATE_PACKETS
AT_STALE_PACKETS = 8 * Counter.STALE_PACKETS
AT_SENDERS = 8 * Counter.SENDERS
AT_SENDER_REFUSED_PACKETS = 8 * Counter.SENDER_REFUSED_PACKETS
AT_JUMP_PACKETS = 8 * Counter.JUMP_PACKETS
AT_OPERATOR_RECORDS = 8 * Counter.OPERATOR_RECORDS
AT_RATE_REFUSED_RECORDS = 8 * Counter.RATE_REFUSED_RECORDS
AT_RESERVED_ID_RECORDS = 8 * Counter.RESERVED_ID_RECORDS
AT_REFUSAL_PACKETS = 8 * Counter.REFUSAL_PACKETS
AT_REFUSAL_UNTOLD_EVENTS = 8 * Counter.REFUSAL_UNTOLD_EVENTS
AT_ERRORS = 8 * (Counter.ERROR_SHORT - PacketError.SHORT)
AT_ERROR_UNAUTHENTICATED = 8 * Counter.ERROR_UNAUTHENTICATED
AT_REPLY_PACKETS = 8 * Counter.REPLY_PACKETS
AT_REPLY_EVENTS = 8 * Counter.REPLY_EVENTS
AT_NO_PEER_EVENTS = 8 * Counter.NO_PEER_EVENTS
AT_SEND_FAILED_PACKETS = 8 * Counter.SEND_FAILED_PACKETS
AT_SEND_FAILED_EVENTS = 8 * Counter.SEND_FAILED_EVENTS

COUNTER_WORDS = 64
AT_HASH_KEY = 8 * 62
SENDER_SLOTS = 4096
SENDERS_MAX = 3072
"""A sender beyond these is refused."""
SENDER_BYTES = 256
SENDERS_AT = 8 * COUNTER_WORDS

# A sender's slot: identity (two words) and its window (packets.Windows): all numbers below the next
# have come, but those of the missing ranges, two words each; below the floor nobody knows any more.
SENDER_NAME_AT, SENDER_ADDRESS_AT, SENDER_NEXT_AT, SENDER_FLOOR_AT = 0, 8, 16, 24
SENDER_RANGE_COUNT_AT, SENDER_RANGES_AT = 32, 40
SENDER_USED = 1 << 32
HASH_MULTIPLIERS = (-7046029254386353131, -4417276706812531889)
RANGES_MAX = 11
MAX_JUMP_RECORDS = 1 << 20
"""Records that a sender may jump over at once; one who has lost more starts as another sender."""


@kernel
def add(addr: int, amount: int) -> None:
    """Add to a counter; each has one writer, so nothing atomic is needed."""
    store_i64(addr, load_i64(addr) + amount)


@kernel
def find_sender(state: int, name: int, peer: int) -> int:
    """Address of the slot of a sender at an address, made anew if it is not known; 0 when there is
    no room for one more: who is known is never forgotten.

    The address belongs to the identity: a program started again counts from 1 from another port.
    """
    mix = mul_wrapping(name ^ load_i64(state + AT_HASH_KEY), HASH_MULTIPLIERS[0])
    mix = mix ^ (mix >> 32) ^ peer ^ load_i64(state + AT_HASH_KEY + 8)
    home = mul_wrapping(mix, HASH_MULTIPLIERS[1]) >> 40
    # A quarter of the slots stay free, so that the walk ends at one of them.
    for probe in range(SENDER_SLOTS):
        slot = state + SENDERS_AT + ((home + probe) & (SENDER_SLOTS - 1)) * SENDER_BYTES
        slot_name = load_i64(slot + SENDER_NAME_AT)
        if slot_name == name and load_i64(slot + SENDER_ADDRESS_AT) == peer:
            return slot
        if slot_name == 0:
            if load_i64(state + AT_SENDERS) >= SENDERS_MAX:
                return 0
            add(state + AT_SENDERS, 1)
            if VERIFY:
                assert load_i64(state + AT_SENDERS) <= SENDERS_MAX, "a search meets a free slot"
                assert name & SENDER_USED != 0, "a name of zero would be a free slot's"
            store_i64(slot + SENDER_ADDRESS_AT, peer)
            store_i64(slot + SENDER_NEXT_AT, 1)
            store_i64(slot + SENDER_FLOOR_AT, 1)
            store_i64(slot + SENDER_RANGE_COUNT_AT, 0)
            store_i64(slot + SENDER_NAME_AT, name)
            return slot
    return 0


@kernel
def is_new(state: int, sender: int, first_seq: int, count: int) -> bool:
    """Hand on these records?  Keeps the sender's window and counts gaps, late comers, doubles."""
    next_seq = load_i64(sender + SENDER_NEXT_AT)
    last = first_seq + count - 1
    if VERIFY:
        assert count > 0, "a packet without records is none"
        assert load_i64(sender + SENDER_FLOOR_AT) <= next_seq, "what is missing lies below the next"
    if first_seq >= next_seq:
        if first_seq - next_seq > MAX_JUMP_RECORDS:
            add(state + AT_JUMP_PACKETS, 1)
            return False
        if first_seq > next_seq:
            add(state + AT_GAP_RECORDS, first_seq - next_seq)
            _insert_range(sender, load_i64(sender + SENDER_RANGE_COUNT_AT), next_seq, first_seq - 1)
        store_i64(sender + SENDER_NEXT_AT, last + 1)
        return True
    for index in range(load_i64(sender + SENDER_RANGE_COUNT_AT)):
        at = sender + SENDER_RANGES_AT + 16 * index
        begin, end = load_i64(at), load_i64(at + 8)
        if begin <= first_seq and last <= end:
            add(state + AT_LATE_PACKETS, 1)
            add(state + AT_LATE_RECORDS, count)
            if first_seq == begin and last == end:
                _remove_range(sender, index)
            elif first_seq == begin:
                store_i64(at, last + 1)
            else:
                store_i64(at + 8, first_seq - 1)
                if last < end:
                    _insert_range(sender, index + 1, last + 1, end)
            return True
    if first_seq < load_i64(sender + SENDER_FLOOR_AT):
        add(state + AT_STALE_PACKETS, 1)
    else:
        add(state + AT_DUPLICATE_PACKETS, 1)
    return False


@kernel
def _insert_range(sender: int, index: int, begin: int, end: int) -> None:
    """One more missing range before the ``index``-th; with too many the oldest is forgotten."""
    count = load_i64(sender + SENDER_RANGE_COUNT_AT)
    if count == RANGES_MAX:
        if index == 0:
            store_i64(sender + SENDER_FLOOR_AT, max(end + 1, load_i64(sender + SENDER_FLOOR_AT)))
            return
        oldest_end = load_i64(sender + SENDER_RANGES_AT + 8)
        floor = max(oldest_end + 1, load_i64(sender + SENDER_FLOOR_AT))
        store_i64(sender + SENDER_FLOOR_AT, floor)
        _remove_range(sender, 0)
        index -= 1
        count -= 1
    ranges = sender + SENDER_RANGES_AT
    for at in range(count, index, -1):
        store_i64(ranges + 16 * at, load_i64(ranges + 16 * at - 16))
        store_i64(ranges + 16 * at + 8, load_i64(ranges + 16 * at - 8))
    store_i64(ranges + 16 * index, begin)
    store_i64(ranges + 16 * index + 8, end)
    store_i64(sender + SENDER_RANGE_COUNT_AT, count + 1)
    if VERIFY:
        earlier = load_i64(ranges + 16 * index - 8) if index > 0 else 0
        later = load_i64(ranges + 16 * index + 16) if index < count else end + 1
        assert begin <= end, "a missing range has a number"
        assert earlier < begin, "ranges stand in order, and share no number"
        assert end < later, "on both sides"
        assert end < load_i64(sender + SENDER_NEXT_AT) or index == count, "it is below the next"
        assert count < RANGES_MAX, "no more are remembered than there is room for"


@kernel
def _remove_range(sender: int, index: int) -> None:
    count = load_i64(sender + SENDER_RANGE_COUNT_AT) - 1
    if VERIFY:
        assert 0 <= index <= count, "only a range that is there goes"
    ranges = sender + SENDER_RANGES_AT
    for at in range(index, count):
        store_i64(ranges + 16 * at, load_i64(ranges + 16 * at + 16))
        store_i64(ranges + 16 * at + 8, load_i64(ranges + 16 * at + 24))
    store_i64(sender + SENDER_RANGE_COUNT_AT, count)
