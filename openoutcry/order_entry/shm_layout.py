"""What a session over shared memory and its venue write to each other: two segments, each with one
writer.

::

    requests   header | 1,024 slots of 64 bytes    the participant writes, the venue reads
    replies    header | 1,024 slots of 128 bytes   the venue writes, the participant reads

A slot's last eight bytes are its sequence and publish it, as on every ring.  Requests have numbers
from 1 on over the whole day, replies are the messages of the session's stream by their numbers:
both continue across connections.  Each side reads the other's cursor and never trusts it
(docs/decisions/032-shared-memory-sessions.md).

A request is one slot.  Names in text take a further slot each, and so do the legs of a list, which
are published before the first one; the number of such a request is that of its last slot.  A reply
about a name in text follows a reply with the names.
"""

from enum import IntEnum
from hashlib import blake2b

from openoutcry.order_entry import constants
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry.session import SessionBlock
from openoutcry.wire import shm_feed
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Layout, Words, area, i64, u8, u16

HEADER_BYTES = 4096
REQUEST_SLOTS, REPLY_SLOTS = 1024, 1024
MAX_RANGES = 8
"""Ranges of participants that a broker's session may act for."""
NAME_BYTES = 24
"""Size of an order's name in a command's metadata: two words, and the participant as a third."""
TEXT_BYTES = 36
"""Characters of a name in text, at most."""
ID_TEXT, ORIG_TEXT = 1, 2
"""``names`` of a request: which of its names are text."""


class Request(IntEnum):
    """Requests of a participant (``kind`` of a request)."""

    ENTER = ord("O")
    REPLACE = ord("U")
    CANCEL = ord("X")
    MASS_CANCEL = ord("C")
    HEARTBEAT = ord("R")
    """Nothing: the participant lives."""
    LOGOUT = ord("Z")
    NAME = ord("N")
    """No request: a further slot of one, with a name in text."""
    LIST = ord("L")
    """A list of orders; further slots are its name in text, if it has one, and its legs, each an
    ENTER with the slot of its name."""
    QUOTE = ord("Q")
    """Both sides of an instrument: what is open of them is replaced, and what is not enters."""
    QUOTE_CANCEL = ord("K")
    """The participant's quote in an instrument goes, or all that this session has of it."""
    TERMS = ord("T")
    """An order and what its ENTER has no space for; further slots are that ENTER, with the slot of
    its name."""


class Reply(IntEnum):
    """Events (``kind`` of a reply)."""

    ACCEPTED = ord("A")
    REJECTED = ord("J")
    EXECUTED = ord("E")
    CANCELED = ord("C")
    """The order, or a part of it, is gone."""
    REPLACED = ord("U")
    PRIORITY = ord("T")
    """The order has another price, or another place in the book."""
    TRIGGERED = ord("S")
    DELAYED = ord("W")
    """The request waits at the speed bump."""
    MASS_CANCELED = ord("M")
    """The mass cancel is done; ``qty_lots`` orders went."""
    OFF_BOOK = ord("B")
    """A trade of the participant off the book, of no order of a session."""
    BROKEN = ord("V")
    """The operator has taken a trade of the participant back; ``match`` is its number."""
    QUOTES_CANCELED = ord("Q")
    """The quote cancel is done."""
    NAMES = ord("N")
    """The names in text of the next reply."""


class State(IntEnum):
    """States of a connection, as in the header of the replies."""

    OPENING = 0
    ACTIVE = 1
    ENDED = 2


class End(IntEnum):
    """Why the venue ended a connection."""

    NONE = 0
    LOGGED_OUT = 1
    VENUE_CLOSED = 2
    SWITCHED_OFF = 3
    """The operator did."""
    TAKEN_OVER = 4
    """By a second login of the session."""
    LOST = 5
    """The participant's process is dead, or closed the socket of its login."""
    SILENT = 6
    """No request came for the session's ``timeout_ms``."""
    SLOW = 7
    """Replies were not read."""
    NUMBER = 8
    """The login asked for a reply that the day has not."""
    SEQUENCE = 9
    """A slot has another sequence than the next request's or the one that was there before."""
    TORN = 10
    """A request changed while it was read."""
    CURSOR_AHEAD = 11
    """The participant says that it read replies which were not written yet,"""
    CURSOR_BACK = 12
    """or fewer than it said before."""
    UNKNOWN_KIND = 13
    SOCKET_DATA = 14
    """Bytes came over the socket of the login, which has no use for them."""
    STREAM_FULL = 15
    """The session has received nearly as many messages as a day can hold."""
    NO_MEMORY = 16
    """The venue could not map the segments."""


class ShmRequest(Layout, size_bytes=64):
    """A request: a slot of the requests' segment."""

    kind: int = u8("a ``Request``")
    side: int = u8("enter: Side; mass cancel: the side, 0 both")
    order_type: int = u8("enter, quote: OrderType; list: Contingency; terms: TriggerBy, 0 none")
    time_in_force: int = u8(
        "from bit 4 SelfTrade; enter, quote: TimeInForce; enter: bit 7 reduce-only; replace: 1 if "
        "``qty_lots`` has a new ``aux`` too; terms: 1 if ``price_ticks`` is an activation price"
    )
    participant: int = u16("whose order it is; 0: the session's participant")
    names: int = u16(
        "enter, replace, cancel, list: names in text, 0 none; 1: ``id`` is in a further slot; 2: "
        "``orig_id`` is; 3: both are, in this order"
    )
    id: int = i64(
        "enter, replace, quote: the participant's name of the order, not 0; cancel, list: of the "
        "request, 0 none;"
    )
    id_high: int = i64("and its second word")
    orig_id: int = i64("replace, cancel: name of the order that is meant,")
    orig_id_high: int = i64("and its second word")
    price_ticks: int = i64("enter, replace: limit price; quote: the bid's; terms: activation price")
    qty_lots: int = i64(
        "enter: quantity; quote: the bid's, 0 none; list: how many legs, 2 to 8; replace: the new "
        "whole quantity, executed lots included; with a new ``aux`` the low half (u32), and "
        "``aux`` the high one (i32)"
    )
    seq: int = i64("number of the request; storing it publishes the slot", atomic=True)
    symbol: int = i64(
        "enter, quote, mass and quote cancel: instrument, ASCII, padded with NUL; cancels: 0 all",
        at=24,
    )
    aux: int = i64(
        "enter: second price, quantity or time, by the order type; terms: until when a GTC order "
        "is good, ns since the epoch",
        at=32,
    )
    offer_lots: int = i64("quote: quantity of the offer, 0 none", at=16)
    offer_ticks: int = i64("quote: price of the offer", at=32)


class ShmRequestName(Layout, size_bytes=64):
    """A name in text: a further slot of a request."""

    kind: int = u8("``Request.NAME``")
    text: int = area(TEXT_BYTES, "printable ASCII without spaces, padded with NUL", at=8)
    seq: int = i64("number of the slot; storing it publishes the slot", at=56, atomic=True)


FIELDS_OF = {
    Request.ENTER: "names side order_type time_in_force id id_high symbol aux price_ticks qty_lots",
    Request.REPLACE: "names time_in_force id id_high orig_id orig_id_high price_ticks qty_lots",
    Request.CANCEL: "names id id_high orig_id orig_id_high",
    Request.MASS_CANCEL: "side symbol",
    Request.LIST: "names order_type id id_high qty_lots",
    Request.TERMS: "order_type time_in_force price_ticks aux",
    Request.QUOTE: "order_type time_in_force id symbol price_ticks qty_lots offer_ticks offer_lots",
    Request.QUOTE_CANCEL: "symbol",
}
"""Fields of each request of orders, apart from ``kind``, ``participant`` and ``seq``; each other
one is 0, or the request is refused (UNUSED_FIELD)."""


def unused_bytes(kind: Request) -> list[int]:
    """Return, for each word of a request but its ``seq``, the bits that this kind leaves at 0."""
    used = {"kind", "participant", *FIELDS_OF[kind].split()}
    words = [(1 << 64) - 1] * 7
    for name in used:
        field = ShmRequest.fields[name]
        bits = (1 << 8 * {"u8": 1, "u16": 2}.get(field.ctype, 8)) - 1
        words[field.offset // 8] &= ~(bits << 8 * (field.offset % 8))
    return [word - (1 << 64) if word >> 63 else word for word in words]


class ShmReply(Layout, size_bytes=128):
    """A reply: a slot of the replies' segment, and a message of the session's stream."""

    kind: int = u8("a ``Reply``")
    side: int = u8("Side")
    order_type: int = u8("OrderType")
    time_in_force: int = u8("TimeInForce, from bit 4 SelfTrade")
    flags: int = u8("EventFlag")
    reason: int = u8("Reason; from 128 on why the session layer refused the request (REASONS)")
    participant: int = u16("whose order it is")
    id: int = i64("the participant's name of the order, 0 of one in text,")
    id_high: int = i64("and its second word")
    orig_id: int = i64(
        "replaced: the name before; rejected: the order that the request named; executed, off the "
        "book: units of an asset that it cost, below 0: a rebate,"
    )
    orig_id_high: int = i64(
        "and its second word; executed: 1: they are of the base asset, 0: of the quote asset"
    )
    symbol: int = i64("instrument")
    price_ticks: int = i64("executed: price of the trade; else the order's; of a limit the limit")
    qty_lots: int = i64("accepted, executed, canceled: lots; of a limit what it would have been")
    leaves_lots: int = i64("open lots")
    cum_lots: int = i64("executed lots of the order")
    cum_value: int = i64("their value, lots times ticks")
    order_number: int = i64("the venue's number of the order; a replace keeps it")
    match: int = i64(
        "executed: number of the trade; accepted, replaced, priority: the order's in market data; "
        "rejected by the gateway or by limits: bits of the checks that failed"
    )
    rx_ts_ns: int = i64("when the causing command was received, ns since the epoch")
    request: int = i64("number of the session's request that caused it, 0: none did")
    seq: int = i64("number of the reply; storing it publishes the slot", atomic=True)


class ShmNames(Layout, size_bytes=128):
    """The names in text of the next reply (``Reply.NAMES``)."""

    kind: int = u8("``Reply.NAMES``")
    participant: int = u16("whose order it is", at=6)
    id: int = area(TEXT_BYTES, "in place of ``id`` of the reply, padded with NUL; empty: a number")
    orig_id: int = area(TEXT_BYTES, "in place of ``orig_id``", at=48)
    request: int = i64("as in the reply", at=112)
    seq: int = i64("number of the reply; storing it publishes the slot", at=120, atomic=True)


class ShmTextName(Layout, size_bytes=40):
    """A name in text as metadata and rows keep it: a participant's names are its own."""

    text: int = area(TEXT_BYTES, "the name, padded with NUL")
    participant: int = u16("whose it is")
    is_text: int = u8("1; 0 where a name of numbers is")
    unused: int = u8("0")


class ShmRequests(Layout, size_bytes=4096):
    """Header of the requests' segment, which the participant writes."""

    replies_read: int = i64(
        "number of the last reply that the participant has done with", at=64, atomic=True
    )
    waits: int = i64(
        "of a session that rings: counted up before the participant sleeps until a byte comes by "
        "the socket of its login",
        atomic=True,
    )


class ShmReplies(Layout, size_bytes=4096):
    """Header of the replies' segment, which the venue writes."""

    state: int = i64("a ``State``", atomic=True)
    end: int = i64("why it ended, an ``End``")
    next_request: int = i64("number of the first request of this connection")
    next_reply: int = i64("number of the first reply of this connection")
    rings: int = i64(
        "1: a request that finds no other waiting comes with a byte by the socket of the login"
    )
    alive_ns: int = i64("CLOCK_MONOTONIC when the venue last looked at its timers", atomic=True)
    requests_read: int = i64(
        "number of the last request that the venue has taken", at=64, atomic=True
    )
    written: int = i64("number of the last reply that was written", at=128, atomic=True)


REQUEST_BYTES, REPLY_BYTES = ShmRequest.size_bytes, ShmReply.size_bytes
REQUESTS_BYTES = HEADER_BYTES + REQUEST_SLOTS * REQUEST_BYTES
REPLIES_BYTES = HEADER_BYTES + REPLY_SLOTS * REPLY_BYTES


class ShmSession(SessionBlock):
    """The protocol's own words of a session's block."""

    requests: int = i64(
        "address of the requests' segment, 0: it is not mapped", at=session_block.PROTOCOL_WORDS
    )
    replies: int = i64("address of the replies' segment")
    pidfd: int = i64("descriptor of the participant's process, -1: none")
    first_request: int = i64("number of the first request of this connection")
    next_request: int = i64("number of the next request")
    applied_request: int = i64("number of the last request that is a command of the day")
    written: int = i64("number of the last reply in the segment")
    read: int = i64("number of the last reply that the participant said it read")
    ended: int = i64("why the last connection ended, an ``End``")
    rings: int = i64("1: either side may sleep until a byte comes by the socket of the login")
    woken: int = i64("``waits`` of the participant when it was last sent a byte")
    rung: int = i64("bytes that came by the socket of the login")
    range_count: int = i64("ranges of participants that it may act for, 0: not a broker's session")
    ranges: int = area(16 * MAX_RANGES, "first and last number of each, two words")


REQUESTS = ShmSession.offset("requests")
REPLIES = ShmSession.offset("replies")
PIDFD = ShmSession.offset("pidfd")
APPLIED_REQUEST = ShmSession.offset("applied_request")
ENDED = ShmSession.offset("ended")
RANGE_COUNT = ShmSession.offset("range_count")
RANGES = ShmSession.offset("ranges")

SHM = constants.PROTOCOL_SHM


@kernel
def is_in_ranges(session: ShmSession, participant: int) -> bool:
    """Return whether a range of the broker's session has the participant."""
    ranges = Words(session.ranges)
    for place in range(session.range_count):
        if ranges[2 * place] <= participant <= ranges[2 * place + 1]:
            return True
    return False


@kernel
def may_act(session: SessionBlock, participant: int) -> bool:
    """The session's orders may be this participant's."""
    if session.participant == participant:
        return True
    return session.protocol == SHM and is_in_ranges(ShmSession(session), participant)


@kernel
def is_text(token: int) -> bool:
    """Return whether a name that metadata or a row keeps, at the address ``token``, is in text."""
    return ShmTextName(token).is_text != 0


def name_text(token: bytes) -> str:
    """An order's name as other protocols and the audit trail write it, by the bytes that metadata
    keep: its text, or 32 hexadecimal digits of its two words."""
    if token[ShmTextName.offset("is_text") :][:1] == b"\1":
        return token[:TEXT_BYTES].rstrip(b"\0").decode("ascii")
    low, high = (int.from_bytes(token[at : at + 8], "little") for at in (0, 8))
    return f"{high:016x}{low:016x}"


def layout_number() -> int:
    """63 bits of a hash over what both sides must agree on."""
    text = "".join(
        f"{block.__name__} {block.size_bytes} {field.name} {field.ctype} {field.offset}\n"
        for block in (
            ShmRequest,
            ShmRequestName,
            ShmReply,
            ShmNames,
            ShmRequests,
            ShmReplies,
            shm_feed.ShmFeedHeader,
            shm_feed.ShmFeedSlot,
        )
        for field in block.fields.values()
    )
    text += f"{REQUEST_SLOTS} {REPLY_SLOTS} {shm_feed.SLOTS}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") >> 1
