"""The protocol's own words of a session's block, and the memory that they point to.

fields     what the current message consists of (one for all sessions of a process)
numbers    for each MsgSeqNum that was sent: the entry of the stream, 0 for a session message, below
           0 an entry of ``answers``
queue      messages that arrived before their turn
answers    messages that answer a question of the session and are not in the journal (answers.py)
"""

from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.order_entry.fix.refusals as refusals
import openoutcry.order_entry.session as block
from openoutcry.order_entry.session import SessionBlock
from openoutcry.wire.layout import Layout, area, i64

_WORDS = range(block.PROTOCOL_WORDS, block.PROTOCOL_WORDS + 8 * 34, 8)


class FixSession(SessionBlock):
    """The protocol's own words of a session's block."""

    fields_: int = i64("address of what the message at hand consists of", at=512)
    numbers: int = i64("address of a row a MsgSeqNum that was sent")
    numbers_mask: int = i64("rows, less one")
    queue: int = i64("address of messages that arrived before their turn")
    clock_offset_ns: int = i64("realtime minus the clock of the ``now_ns`` that kernels are given")
    utc_offset_ns: int = i64("local time minus UTC: for dates of the local market")
    accuracy_ns: int = i64("how far SendingTime may be off; 0: no check")
    options: int = i64("RESET_ON_LOGON, RESET_SENT, NEXT_EXPECTED")
    fix_state: int = i64("NONE, AWAITED, ACTIVE, LOGGING_OUT")
    test_requests: int = i64("sent since something came")
    resend_to: int = i64("highest MsgSeqNum that was asked for, 0: none")
    resend_next: int = i64("next MsgSeqNum to send again, 0: none")
    resend_end: int = i64("and the last one")
    sent_entry: int = i64("last entry of the stream that has a MsgSeqNum")
    logout_ns: int = i64("when the venue asked for a logout, or when the connection came")
    out_bytes: int = i64("bytes that the last call wrote")
    queued_bytes: int = i64("length of what take_queued gave")
    cached_day: int = i64("day whose text is cached,")
    cached_text: int = i64("and the text")
    out: int = i64("address of what is to be sent")
    out_capacity: int = i64("bytes that fit")
    out_from: int = i64("where what was not sent yet begins")
    out_end: int = i64("and where it ends")
    resets: int = i64("how often both sides began at 1, over the numbers' life")
    decoded_in: int = i64("last message of orders that came: RESETS << SEQ_BITS | MsgSeqNum")
    applied_in: int = i64("the same, of those whose command is on the lane")
    numbers_file: int = i64("address of what is kept of the numbers (numbers.py), 0: nothing is")
    status_total: int = i64("while encoding: reports that answer a mass status request,")
    status_left: int = i64("and how many of them come after this one")
    refused_symbol: int = i64(
        "while encoding a refusal: the symbol that its message names, 0: none"
    )
    rejected: int = i64(
        "while encoding: address of the event by which the core rejects, 0: it does not"
    )
    gap_seq: int = i64(
        "first MsgSeqNum that is missing and asked for, 0: not yet known to the timer"
    )
    gap_since_ns: int = i64("since when it is waited for")
    gap_due_ns: int = i64("when it is asked for again")
    begin_size: int = i64("length of BeginString")
    begin: int = i64("BeginString")
    sender_size: int = i64("length of the venue's CompID")
    own_comp_id: int = i64("the venue's CompID")
    target_size: int = i64("length of the participant's CompID", at=848)
    comp_id: int = i64("the participant's CompID")
    head_size: int = i64("length of the header's first part", at=896)
    head: int = i64("the header's first part, ``49=…|52=``")
    tail_size: int = i64("length of its second part", at=968)
    tail: int = i64("its second part, ``|56=…|``")
    answers: int = i64("address of the answers to its questions (answers.py)", at=3584)
    sent_answer: int = i64("last of them that has a MsgSeqNum")
    questions_fd: int = i64("socket by which questions leave the stage, 0: none are answered")
    asked: int = i64("questions so far,")
    answered: int = i64("and how many of them were answered")


FIELDS = FixSession.offset("fields_")
NUMBERS = FixSession.offset("numbers")
NUMBERS_MASK = FixSession.offset("numbers_mask")
QUEUE = FixSession.offset("queue")
CLOCK_OFFSET_NS = FixSession.offset("clock_offset_ns")
ACCURACY_NS = FixSession.offset("accuracy_ns")
OPTIONS = FixSession.offset("options")
STATE = FixSession.offset("fix_state")
TEST_REQUESTS = FixSession.offset("test_requests")
RESEND_TO = FixSession.offset("resend_to")
RESEND_NEXT = FixSession.offset("resend_next")
SENT_ENTRY = FixSession.offset("sent_entry")
OUT_BYTES = FixSession.offset("out_bytes")
QUEUED_BYTES = FixSession.offset("queued_bytes")
CACHED_DAY = FixSession.offset("cached_day")
OUT = FixSession.offset("out")
OUT_CAPACITY = FixSession.offset("out_capacity")
OUT_FROM = FixSession.offset("out_from")
OUT_END = FixSession.offset("out_end")
RESETS = FixSession.offset("resets")
DECODED_IN = FixSession.offset("decoded_in")
APPLIED_IN = FixSession.offset("applied_in")
ANSWERS = FixSession.offset("answers")
SENT_ANSWER = FixSession.offset("sent_answer")
QUESTIONS_FD = FixSession.offset("questions_fd")
ASKED = FixSession.offset("asked")
ANSWERED = FixSession.offset("answered")
REFUSED_SYMBOL = FixSession.offset("refused_symbol")
GAP_SEQ = FixSession.offset("gap_seq")
BEGIN = FixSession.offset("begin")
SENDER = FixSession.offset("own_comp_id")
TARGET = FixSession.offset("comp_id")
HEAD = FixSession.offset("head")
TAIL = FixSession.offset("tail")

MAX_COMP_ID = 32
assert TAIL + 48 <= 1024

RESET_ON_LOGON, RESET_SENT, NEXT_EXPECTED, QUOTES = 1, 2, 4, 8
"""OPTIONS: numbers begin at 1 with each logon; we asked for a reset; the participant sends 789;
the session is for quotes, whose messages are of other types."""

SEQ_BITS = 40
"""The bit of a MsgSeqNum above which a reset's number is stored."""

OUT_SIZE, OUT_MIN_ROOM = 1 << 16, 1 << 13
"""Bytes at OUT; with less room than the latter no message is taken."""

NONE, AWAITED, ACTIVE, LOGGING_OUT = range(4)
"""STATE: not connected; connected, its Logon is awaited; logged on; we asked for a logout."""

# The parsed message.
TAGS = 1024


class FixFields(Layout, size_bytes=47744):
    """Fields of the current message."""

    generation: int = i64("number of the message; entries of older ones are stale")
    message: int = i64("address of the message")
    size: int = i64("its length")
    status: int = i64("what is to be done with it")
    msg_type: int = i64("bytes of 35=, as a little-endian word")
    error: int = i64("0, or 1 + SessionRejectReason")
    ref_tag: int = i64("address of the text of the tag that the error is about, 0: none")
    ref_size: int = i64("its length")
    taken: int = i64("what instructions.table says of all its fields", at=28600)
    legs: int = i64("orders of its list; 1: it is an order with a term; 0: neither", at=36800)
    contingency: int = i64("of its list, a Contingency; 0: it is no list")
    term: int = area(64, "the term of its order, as the record of a TERMS")
    orders: int = area(1536, "each of its list's orders: the record, then the metadata")
    head: int = area(40, "what each order of its list says of the list (FixLeg)")
    leg: int = i64("place of the order of a list that is being read, 0: none is")
    text: int = area(9216, "a part of it, as a message of its own")


FIELDS_BYTES = FixFields.size_bytes
ERROR = FixFields.offset("error")
REF_TAG = FixFields.offset("ref_tag")
REF_SIZE = FixFields.offset("ref_size")

CLASSES = 64
ENTRIES = CLASSES + TAGS
BODY = ENTRIES + 8 * TAGS
TAG_TEXT = BODY + 1024
REASONS = BODY + 2048
GROUPS = REASONS + refusals.ROW_BYTES * refusals.TEXT_COUNT
TAKEN = FixFields.offset("taken") + 8
HEADER_TAG, SINGLE_TAG, DATA_TAG, LENGTH_TAG, UNKNOWN_TAG, ANY_TAG, COUNT_TAG, MEMBER_TAG = (
    1 << bit for bit in range(8)
)
"""Bits of CLASSES; ANY_TAG is every tag's."""
RARE_TAGS = DATA_TAG | LENGTH_TAG | UNKNOWN_TAG | COUNT_TAG | MEMBER_TAG
LAST_TAG = 956
SELF_TRADE_TAG, SELF_TRADE_SLOT = 2964, 1000
"""SelfMatchPreventionInstruction, of later versions; where its entry is."""
WITH_MARGIN_TAG, WITH_MARGIN_SLOT = 5500, 1001
"""Our own: a request for positions asks for the margin too; where its entry is."""
SLIDE_TAG, SLIDE_SLOT = 5550, 1002
"""Our own: a post-only order is priced one step short of trading; where its entry is."""
DIRECTION_TAG, DIRECTION_SLOT = 1109, 1003
"""TriggerPriceDirection, of later versions; where its entry is."""
TRIGGER_BY_TAG, TRIGGER_BY_SLOT = 1107, 1004
"""TriggerPriceType, of later versions; where its entry is."""
ACTIVATION_TAG, ACTIVATION_SLOT = 1102, 1005
"""TriggerPrice, of later versions: a trailing stop's activation price; where its entry is."""
CONTINGENCY_TAG, CONTINGENCY_SLOT = 1385, 1006
"""ContingencyType of a list, of later versions; where its entry is."""
SLOTS = (
    (SELF_TRADE_TAG, SELF_TRADE_SLOT),
    (WITH_MARGIN_TAG, WITH_MARGIN_SLOT),
    (SLIDE_TAG, SLIDE_SLOT),
    (DIRECTION_TAG, DIRECTION_SLOT),
    (TRIGGER_BY_TAG, TRIGGER_BY_SLOT),
    (ACTIVATION_TAG, ACTIVATION_SLOT),
    (CONTINGENCY_TAG, CONTINGENCY_SLOT),
)
"""Each tag above LAST_TAG that is read, and where its entry is."""

HEADER_TAGS = (
    8,
    9,
    35,
    34,
    43,
    49,
    50,
    52,
    56,
    57,
    90,
    91,
    97,
    115,
    116,
    122,
    128,
    129,
    142,
    143,
    144,
    145,
    212,
    213,
    347,
    369,
    627,
    628,
    629,
    630,
)
TRAILER_TAGS = 10, 89, 93
DATA_TAGS = {
    96: 95,
    91: 90,
    213: 212,
    349: 348,
    351: 350,
    353: 352,
    355: 354,
    357: 356,
    359: 358,
    361: 360,
    363: 362,
    365: 364,
    446: 445,
    619: 618,
    622: 621,
    89: 93,
}
"""Data, which may have any byte in it, and the field before it that says how long it is."""
SINGLE_TAGS = (
    1,
    7,
    11,
    16,
    18,
    21,
    36,
    37,
    38,
    40,
    41,
    44,
    45,
    54,
    55,
    58,
    59,
    60,
    66,
    68,
    73,
    98,
    99,
    108,
    110,
    111,
    112,
    123,
    126,
    141,
    152,
    211,
    371,
    372,
    373,
    394,
    432,
    433,
    530,
    553,
    554,
    584,
    585,
    710,
    715,
    724,
    789,
    835,
    836,
    10,
)
"""Tags that a message may have once (others may belong to repeating groups)."""

QUEUE_SLOTS, QUEUE_SLOT_BYTES = 64, 1024
QUEUE_BYTES = QUEUE_SLOTS * QUEUE_SLOT_BYTES + 64
"""A slot: MsgSeqNum, length (0: it was acted upon when it came), message."""
NUMBER_BYTES = 16
"""Size of an entry of ``numbers``: the stream entry and the time at which it was sent."""


class Memory:
    """Memory that the words of one session point to, and the texts of its block."""

    def __init__(
        self,
        words: npt.NDArray[Any],
        begin: str,
        sender: str,
        target: str,
        messages: int,
        numbers: int = 0,
    ) -> None:
        """The session's block, as int64, is ``words``.  As many MsgSeqNum as ``messages`` says, a
        power of two, can be sent again.  The venue is ``sender``, the participant ``target``.  The
        memory for what was sent is at ``numbers``; 0: make it.

        Raises ``ValueError`` for a CompID that is empty, too long or not printable.
        """
        self.numbers = np.zeros(0 if numbers else messages * NUMBER_BYTES // 8, np.int64)
        self.queue = np.zeros(QUEUE_BYTES, np.uint8)
        assert messages & (messages - 1) == 0
        words[NUMBERS // 8] = numbers or self.numbers.ctypes.data
        words[NUMBERS_MASK // 8] = messages - 1
        words[QUEUE // 8] = self.queue.ctypes.data
        words[CACHED_DAY // 8] = -1
        put_names(words, begin, sender, target)


def put_names(words: npt.NDArray[Any], begin: str, sender: str, target: str) -> None:
    """The texts of a session's block; raises as :class:`Memory`."""
    texts = FixSession.words(
        begin_size=begin.encode(),
        sender_size=_comp_id(sender),
        target_size=_comp_id(target),
        head_size=b"49=%s\x0152=" % _comp_id(sender),
        tail_size=b"\x0156=%s\x01" % _comp_id(target),
    )
    memory = words.view(np.uint8)
    for place, text in texts.items():
        words[place // 8] = len(text)
        memory[place + 8 : place + 8 + len(text)] = np.frombuffer(text, np.uint8)


def _comp_id(text: str) -> bytes:
    if not 1 <= len(text) <= MAX_COMP_ID or not text.isascii() or not text.isprintable():
        raise ValueError(f"CompID {text!r} is not 1 to {MAX_COMP_ID} printable characters")
    return text.encode()
