# mypy: disable-error-code="no-any-return,call-arg"
# (intrinsics have no types that mypy could see)
"""Find messages in a stream of bytes, and the fields of a message.

FIX 4.4 vol. 1 and 2: a message begins with ``8=…|9=length|35=`` and ends with ``10=sum|``; one that
does not is *garbled*: it is passed over, and its number is missed later.
"""

import openoutcry.order_entry.fix.words as words
from openoutcry.order_entry.faults import Fault
from openoutcry.order_entry.fix.text import (
    EQUALS,
    SOH,
    ZERO,
    byte_sum,
    bytes_that_are,
    find_byte,
    load_word,
    read_number,
)
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import (
    count_trailing_zeros,
    load_i64,
    load_u8,
    store_i64,
)

MAX_MESSAGE = 8192
"""Bytes of the longest message that is taken."""
MAX_SIZE_DIGITS = 5
BEGIN_WORD = int.from_bytes(b"8=FIX", "little")
FIVE_BYTES, THREE_BYTES = (1 << 40) - 1, (1 << 24) - 1
TAG_35, TAG_10 = int.from_bytes(b"35=", "little"), int.from_bytes(b"10=", "little")
CHECKSUM_BYTES = 7
"""Of ``10=nnn|``."""
OVERSIZE = int(Fault.OVERSIZE)
GARBLED, WHOLE = 1, 0
"""STATUS of a message."""
LAST_TAG, USER_TAGS = 956, 5000
SELF_TRADE_TAG, SELF_TRADE_SLOT = 2964, 1000
"""SelfMatchPreventionInstruction, of later versions; where its entry stands."""

# SessionRejectReason (373)
(
    INVALID_TAG, REQUIRED_MISSING, NOT_FOR_TYPE, UNDEFINED_TAG, NO_VALUE, OUT_OF_RANGE, BAD_FORMAT,
    DECRYPTION, SIGNATURE, COMP_ID, SENDING_TIME, BAD_MSG_TYPE, XML, TWICE, OUT_OF_ORDER,
    GROUP_ORDER, GROUP_COUNT,
) = range(17)  # fmt: skip


@kernel
def begin_of_next(buffer: int, size: int, start: int) -> int:
    """Offset of the next ``8=FIX`` from ``start`` on; where it could still begin if there is
    none."""
    for at in range(start, size):
        if load_u8(buffer + at) == 56:
            left = size - at
            mask = FIVE_BYTES if left >= 5 else (1 << (8 * left)) - 1
            if (load_word(buffer + at) ^ BEGIN_WORD) & mask == 0:
                return at
    return size


@kernel
def body_begin(buffer: int, size: int) -> int:
    """Offset behind ``8=…|9=…|``: 0 if that is not all there yet, -1 if it is something else."""
    begin_end = find_byte(buffer, min(size, 16), SOH)
    if begin_end >= 16:
        return -1
    at = begin_end + 1
    if at + 2 > size:
        return 0
    if load_u8(buffer + at) != 57 or load_u8(buffer + at + 1) != EQUALS:
        return -1
    digits = find_byte(buffer + at + 2, min(size - at - 2, MAX_SIZE_DIGITS + 1), SOH)
    if at + 2 == size:
        return 0
    if digits > MAX_SIZE_DIGITS or digits == 0:
        return -1
    return 0 if at + 2 + digits >= size else at + 3 + digits


@kernel
def body_size(buffer: int, begin: int) -> int:
    """What ``9=`` says, of a body that begins at ``begin``; less than 0 if that is no number."""
    at = begin - 2
    while load_u8(buffer + at) != EQUALS:
        at -= 1
    return read_number(buffer + at + 1, begin - at - 2)


@kernel
def frame(buffer: int, size: int) -> int:
    """Bytes that the first message in ``buffer`` takes, garbled or not; 0 if it is not whole yet,
    a fault if it is too long.

    Bytes before a message count as a (garbled) message.  One with a wrong BodyLength goes on to
    the next check sum behind it.
    """
    if size < 5:
        return 0
    if (load_word(buffer) ^ BEGIN_WORD) & FIVE_BYTES != 0:
        return begin_of_next(buffer, size, 1)
    begin = body_begin(buffer, size)
    if begin == 0:
        return 0
    if begin < 0:
        return begin_of_next(buffer, size, 5)
    said = body_size(buffer, begin)
    if said < 0:
        return begin_of_next(buffer, size, 5)
    end = begin + said
    if end + CHECKSUM_BYTES > MAX_MESSAGE:
        return OVERSIZE
    if end + CHECKSUM_BYTES <= size and (
        (load_word(buffer + end) ^ TAG_10) & THREE_BYTES == 0
        and load_u8(buffer + end - 1) == SOH
        and load_u8(buffer + end + 6) == SOH
    ):
        return end + CHECKSUM_BYTES
    return end_of_garbled(buffer, size, end)


@kernel_outlined
def end_of_garbled(buffer: int, size: int, end: int) -> int:
    """As :func:`frame`, of a message that has no check sum at ``end``."""
    for at in range(max(end - 1, 1), size - 4):
        if load_u8(buffer + at) == SOH and (
            (load_word(buffer + at + 1) ^ TAG_10) & THREE_BYTES == 0
        ):
            length = find_byte(buffer + at + 4, size - at - 4, SOH)
            if at + 4 + length < size:
                return at + 5 + length
    return OVERSIZE if size >= MAX_MESSAGE else 0


@kernel
def is_garbled(message: int, size: int) -> bool:
    """BeginString, BodyLength and MsgType do not stand first, BodyLength or CheckSum is wrong."""
    if size < 16 or (load_word(message) ^ BEGIN_WORD) & FIVE_BYTES != 0:
        return True
    begin = body_begin(message, size)
    if begin <= 0 or body_size(message, begin) != size - CHECKSUM_BYTES - begin:
        return True
    if (load_word(message + begin) ^ TAG_35) & THREE_BYTES != 0:
        return True
    tail = message + size - CHECKSUM_BYTES
    said = read_number(tail + 3, 3)
    if said != byte_sum(message, size - CHECKSUM_BYTES):
        return True
    return (load_word(tail) ^ TAG_10) & THREE_BYTES != 0 or load_u8(tail + 6) != SOH


@kernel_outlined
def long_tag(at: int, size: int) -> int:
    """The number of a tag that has not one to three plain digits; 0 if it is no tag of ours to
    read, -1 an invalid number, -2 no number at all."""
    digits = size
    negative = size > 1 and load_u8(at) == 45
    value = read_number(at + 1, digits - 1) if negative else read_number(at, digits)
    if value < 0:
        return -2
    if negative or value == 0 or load_u8(at) == ZERO:
        return -1
    if value == SELF_TRADE_TAG:
        return SELF_TRADE_SLOT
    return 0 if value > USER_TAGS else -1


@kernel
def note_error(fields: int, reason: int, tag: int, size: int) -> None:
    """The first error of a message stands; ``tag``, ``size``: text of the tag it is about."""
    if load_i64(fields + words.ERROR) == 0:
        store_i64(fields + words.ERROR, 1 + reason)
        store_i64(fields + words.REF_TAG, tag)
        store_i64(fields + words.REF_SIZE, size)


@kernel_outlined
def new_generation(fields: int) -> int:
    """Forget the fields of the message before; every 2**30 messages for good."""
    generation = load_i64(fields + words.GENERATION) + 1
    if generation >= 1 << 30:
        for tag in range(words.TAGS):
            store_i64(fields + words.ENTRIES + 8 * tag, 0)
        generation = 1
    return generation


@kernel
def parse(fields: int, message: int, size: int) -> int:
    """Find the fields of a whole message; returns STATUS.

    A tag that is no number or a field without ``=`` makes it garbled; what a Reject can name (an
    undefined tag, no value, a field twice, a header field behind the body's) is its ERROR.
    """
    generation = load_i64(fields + words.GENERATION) + 1
    if generation >= 1 << 30:
        generation = new_generation(fields)
    store_i64(fields + words.GENERATION, generation)
    store_i64(fields + words.MESSAGE, message)
    store_i64(fields + words.SIZE, size)
    store_i64(fields + words.ERROR, 0)
    store_i64(fields + words.STATUS, GARBLED)
    store_i64(fields + words.MSG_TYPE, 0)
    if is_garbled(message, size):
        return GARBLED
    stamp = generation << 32
    at, body, data_size = 0, False, -1
    window, ends = 0, bytes_that_are(message, SOH)
    while at < size:
        while ends == 0:
            window += 64
            if window >= size:
                return GARBLED
            ends = bytes_that_are(message + window, SOH)
        end = window + count_trailing_zeros(ends)
        ends &= ends - 1
        word = load_word(message + at)
        b0, b1 = (word & 255) - ZERO, (word >> 8 & 255) - ZERO
        b2, b3 = (word >> 16 & 255) - ZERO, (word >> 24 & 255) - ZERO
        if (b2 == EQUALS - ZERO) & (1 <= b0 <= 9) & (0 <= b1 <= 9):
            tag, value = b0 * 10 + b1, at + 3
        elif (b3 == EQUALS - ZERO) & (1 <= b0 <= 9) & (0 <= b1 <= 9) & (0 <= b2 <= 9):
            tag, value = b0 * 100 + b1 * 10 + b2, at + 4
        elif (b1 == EQUALS - ZERO) & (1 <= b0 <= 9):
            tag, value = b0, at + 2
        else:
            digits = find_byte(message + at, end - at, EQUALS)
            value = at + digits + 1
            tag = long_tag(message + at, digits)
            if value > end or tag == -2:
                return GARBLED
            if tag == -1:
                note_error(fields, INVALID_TAG, message + at, digits)
                tag = 0
        if tag > LAST_TAG and tag != SELF_TRADE_SLOT:
            note_error(fields, INVALID_TAG, message + at, 3)
            tag = 0
        if value > end:
            return GARBLED
        kind = load_u8(fields + words.CLASSES + tag)
        if kind & words.DATA_TAG and data_size >= 0:
            end = value + data_size
            if end >= size or load_u8(message + end) != SOH:
                return GARBLED
            window = end & ~63
            ends = bytes_that_are(message + window, SOH) & ~((2 << (end & 63)) - 1)
        if kind & words.LENGTH_TAG:
            data_size = read_number(message + value, end - value)
            if data_size > size:
                return GARBLED
        else:
            data_size = -1
        entry = fields + words.ENTRIES + 8 * tag
        if value == end:
            note_error(fields, NO_VALUE, message + at, value - at - 1)
        elif load_i64(entry) >> 32 == generation and kind & words.SINGLE_TAG:
            note_error(fields, TWICE, message + at, value - at - 1)
        elif kind & words.HEADER_TAG and body:
            note_error(fields, OUT_OF_ORDER, message + at, value - at - 1)
        if kind & words.HEADER_TAG == 0:
            body = True
        if tag > 0:
            store_i64(entry, stamp | value << 16 | (end - value))
        at = end + 1
    msg_type = load_i64(fields + words.ENTRIES + 8 * 35)
    type_size = msg_type & 0xFFFF
    if type_size < 1 or type_size > 3:
        type_size = 3
    store_i64(
        fields + words.MSG_TYPE,
        load_word(message + (msg_type >> 16 & 0xFFFF)) & ((1 << (8 * type_size)) - 1),
    )
    store_i64(fields + words.STATUS, WHOLE)
    return WHOLE


@kernel
def field(fields: int, tag: int) -> int:
    """Where the value of a tag is: offset << 16 | length; 0 if the message has none."""
    entry = load_i64(fields + words.ENTRIES + 8 * tag)
    return entry & 0xFFFFFFFF if entry >> 32 == load_i64(fields + words.GENERATION) else 0


@kernel
def value_of(fields: int, entry: int) -> int:
    """Address of the value that :func:`field` found."""
    return load_i64(fields + words.MESSAGE) + (entry >> 16)


@kernel
def number_of(fields: int, tag: int) -> int:
    """The unsigned number of a tag; less than 0 if there is none."""
    entry = field(fields, tag)
    return read_number(value_of(fields, entry), entry & 0xFFFF)


@kernel
def char_of(fields: int, tag: int) -> int:
    """The one character of a tag; 0 if it is absent, 255 if it is longer."""
    entry = field(fields, tag)
    if entry == 0:
        return 0
    return load_u8(value_of(fields, entry)) if entry & 0xFFFF == 1 else 255
