"""Find messages in a stream of bytes, and the fields of a message.

FIX 4.4 vol. 1 and 2: a message begins with ``8=…|9=length|35=`` and ends with ``10=sum|``; one that
does not is *garbled*: it is passed over, and its number is missed later.

``buffer`` and ``message`` are addresses of ``size`` bytes; places within are offsets.
"""

import openoutcry.order_entry.fix.groups as groups
import openoutcry.order_entry.fix.words as words
from openoutcry.order_entry import constants
from openoutcry.order_entry.fix.text import (
    EQUALS,
    SOH,
    ZERO,
    byte_sum,
    bytes_that_are,
    find_byte,
    load_word,
    number_in,
    put_number,
    read_number,
)
from openoutcry.order_entry.fix.words import FixFields
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, Words
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
TAG_9, TWO_BYTES = int.from_bytes(b"9=", "little"), (1 << 16) - 1
TAG_35 = int.from_bytes(b"35=", "little")
TAG_10 = int.from_bytes(b"10=", "little")
# The end of the previous field, then CheckSum and its end around three digits.
TRAILER = int.from_bytes(b"\x0110=\0\0\0\x01", "little", signed=True)
ALL_BUT_DIGITS = int.from_bytes(b"\xff\xff\xff\xff\0\0\0\xff", "little", signed=True)
EQUALS_4, ONES_4, HIGH_4 = 0x3D3D3D3D, 0x01010101, 0x80808080
NO_EQUALS = 39
ZEROS_3, ABOVE_NINE_3, HIGH_3 = 0x303030, 0x767676, 0x808080
"""Masks for the first three bytes of a field, one byte each: ``=``, 1 and the high bit; then 0, and
the constants of text.py."""
CHECKSUM_BYTES = 7
"""Length of ``10=nnn|``."""
OVERSIZE = constants.FAULT_OVERSIZE
GARBLED, WHOLE = 1, 0
"""STATUS of a message."""
USER_TAGS = 5000
SLOTS = words.SLOTS
DATA_TAGS = tuple(words.DATA_TAGS.items())
"""Each field of data, and the one that says its length."""

# SessionRejectReason (373)
(
    INVALID_TAG, REQUIRED_MISSING, NOT_FOR_TYPE, UNDEFINED_TAG, NO_VALUE, OUT_OF_RANGE, BAD_FORMAT,
    DECRYPTION, SIGNATURE, COMP_ID, SENDING_TIME, BAD_MSG_TYPE, XML, TWICE, OUT_OF_ORDER,
    GROUP_ORDER, GROUP_COUNT,
) = range(17)  # fmt: skip
NOT_SUPPORTED = 99
"""Of these "other": an instruction that is not followed."""


@kernel
def begin_of_next(buffer: int, size: int, start: int) -> int:
    """Offset of the next ``8=FIX`` from ``start`` on; where it could still begin if it is
    absent."""
    for at in range(start, size):
        if Bytes(buffer)[at] == 56:
            left = size - at
            mask = FIVE_BYTES if left >= 5 else (1 << (8 * left)) - 1
            if (load_word(buffer + at) ^ BEGIN_WORD) & mask == 0:
                return at
    return size


@kernel
def head_of(buffer: int, size: int, ends: int) -> int:
    """Return the offset after ``8=…|9=length|`` that is complete and well-formed, and the length
    shifted by 32. For any other beginning 0; :func:`body_begin` then checks it. Bits of ``ends``
    show where SOH is among the first 64 bytes."""
    second = ends & (ends - 1)
    if second == 0:
        return 0
    at, end = count_trailing_zeros(ends) + 1, count_trailing_zeros(second)
    digits = end - at - 2
    if at > 16 or end >= size or digits < 1 or digits > MAX_SIZE_DIGITS:
        return 0
    word = load_word(buffer + at)
    if (word ^ TAG_9) & TWO_BYTES != 0:
        return 0
    body_bytes = number_in(load_word(buffer + at + 2), digits)
    return 0 if body_bytes < 0 else body_bytes << 32 | end + 1


@kernel_outlined
def body_begin(buffer: int, size: int) -> int:
    """Offset after ``8=…|9=…|``: 0 if that is not all there yet, -1 if it is something else."""
    begin_end = find_byte(buffer, min(size, 16), SOH)
    if begin_end >= 16:
        return -1
    at = begin_end + 1
    if at + 2 > size:
        return 0
    if Bytes(buffer)[at] != 57 or Bytes(buffer + at)[1] != EQUALS:
        return -1
    digits = find_byte(buffer + at + 2, min(size - at - 2, MAX_SIZE_DIGITS + 1), SOH)
    if at + 2 == size:
        return 0
    if digits > MAX_SIZE_DIGITS or digits == 0:
        return -1
    return 0 if at + 2 + digits >= size else at + 3 + digits


@kernel_outlined
def body_size(buffer: int, begin: int) -> int:
    """Return the length in ``9=``, of a body that begins at ``begin``; less than 0 if that is not a
    number."""
    at = begin - 2
    while Bytes(buffer)[at] != EQUALS:
        at -= 1
    return read_number(buffer + at + 1, begin - at - 2)


@kernel
def frame(buffer: int, size: int) -> int:
    """Bytes that the first message in ``buffer`` takes, garbled or not; 0 if it is not whole yet,
    a fault if it is too long.

    Bytes before a message count as a (garbled) message. One with a wrong BodyLength extends to the
    next check sum after it.
    """
    if size < 5:
        return 0
    if (load_word(buffer) ^ BEGIN_WORD) & FIVE_BYTES != 0:
        return begin_of_next(buffer, size, 1)
    head = head_of(buffer, size, bytes_that_are(buffer, SOH))
    begin, body_bytes = head & 0xFFFFFFFF, head >> 32
    if head == 0:
        begin = body_begin(buffer, size)
        if begin == 0:
            return 0
        body_bytes = body_size(buffer, begin) if begin > 0 else -1
        if body_bytes < 0:
            return begin_of_next(buffer, size, 5)
    end = begin + body_bytes
    if end + CHECKSUM_BYTES > MAX_MESSAGE:
        return OVERSIZE
    if end + CHECKSUM_BYTES <= size and (
        (load_word(buffer + end) ^ TAG_10) & THREE_BYTES == 0
        and load_u8(buffer + end - 1) == SOH
        and Bytes(buffer + end)[6] == SOH
    ):
        return end + CHECKSUM_BYTES
    return end_of_garbled(buffer, size, end)


@kernel_outlined
def end_of_garbled(buffer: int, size: int, end: int) -> int:
    """Like :func:`frame`, for a message that has no check sum at ``end``."""
    for at in range(max(end - 1, 1), size - 4):
        if Bytes(buffer)[at] == SOH and ((load_word(buffer + at + 1) ^ TAG_10) & THREE_BYTES == 0):
            length = find_byte(buffer + at + 4, size - at - 4, SOH)
            if at + 4 + length < size:
                return at + 5 + length
    return OVERSIZE if size >= MAX_MESSAGE else 0


@kernel
def is_garbled(message: int, size: int, ends: int) -> bool:
    """BeginString, BodyLength and MsgType do not come first, BodyLength or CheckSum is wrong.
    ``ends``: where SOH is among the first 64 bytes."""
    if size < 16 or (load_word(message) ^ BEGIN_WORD) & FIVE_BYTES != 0:
        return True
    # Of a whole message what is not found so is nothing else either.
    head = head_of(message, size, ends)
    begin = head & 0xFFFFFFFF
    if head == 0 or head >> 32 != size - CHECKSUM_BYTES - begin:
        return True
    if (load_word(message + begin) ^ TAG_35) & THREE_BYTES != 0:
        return True
    tail = load_word(message + size - CHECKSUM_BYTES - 1)
    if (tail ^ TRAILER) & ALL_BUT_DIGITS != 0:
        return True
    return number_in(tail >> 32, 3) != byte_sum(message, size - CHECKSUM_BYTES)


@kernel_outlined
def long_tag(at: int, size: int) -> int:
    """The number of a tag that is not one to three plain digits.  Returns 0 for a tag that is not
    read here, -1 for an invalid number and -2 if it is not a number."""
    digits = size
    negative = size > 1 and Bytes(at)[0] == 45
    value = read_number(at + 1, digits - 1) if negative else read_number(at, digits)
    if value < 0:
        return -2
    if negative or value == 0 or Bytes(at)[0] == ZERO:
        return -1
    for tag, slot in SLOTS:
        if value == tag:
            return slot
    return 0 if value > USER_TAGS else -1


@kernel
def note_error(fields: FixFields, reason: int, tag: int, size: int) -> None:
    """The first error of a message counts; ``tag``, ``size``: text of the tag it is about."""
    if fields.error == 0:
        fields.error = 1 + reason
        fields.ref_tag = tag
        fields.ref_size = size


@kernel_outlined
def note_error_of(fields: FixFields, reason: int, tag: int) -> None:
    """The same of a tag that the message does not have."""
    if fields.error == 0:
        at = fields + words.TAG_TEXT
        note_error(fields, reason, at, put_number(at, tag) - at)


@kernel_outlined
def data_of(length_tag: int) -> int:
    """The field of data whose length a field says."""
    for data, length in DATA_TAGS:
        if length == length_tag:
            return data
    return 0


@kernel_outlined
def length_of(data_tag: int) -> int:
    """The tag that has the length of a data field; 0 for another tag."""
    for data, length in DATA_TAGS:
        if data == data_tag:
            return length
    return 0


@kernel_outlined
def check_data(fields: FixFields, tag: int, kind: int, length_tag: int) -> bool:
    """Return whether the field is the data whose length was said just before it; an error is
    noted where one of both is missing."""
    if length_tag != 0:
        if data_of(length_tag) == tag:
            return True
        note_error_of(fields, REQUIRED_MISSING, data_of(length_tag))
    if kind & words.DATA_TAG:
        note_error_of(fields, REQUIRED_MISSING, length_of(tag))
    return False


@kernel_outlined
def check_groups(fields: FixFields, message: int, size: int) -> None:
    """CommandMetadata the first fault of the repeating groups."""
    classes, scratch = fields + words.CLASSES, fields + words.TAG_TEXT
    problem = groups.check(fields + words.GROUPS, message, size, classes, scratch)
    if problem != 0:
        tag = problem >> 8
        note_error(fields, (problem & 255) - 1, tag, find_byte(tag, 8, EQUALS))


@kernel_outlined
def new_generation(fields: FixFields) -> int:
    """Forget the fields of the message before; every 2**30 messages for good."""
    generation = fields.generation + 1
    if generation >= 1 << 30:
        for tag in range(words.TAGS):
            Words(fields + words.ENTRIES)[tag] = 0
        generation = 1
    return generation


@kernel_outlined
def is_type(msg_type: int) -> bool:
    """Return whether a type has letters and digits alone."""
    while msg_type != 0:
        letter = msg_type & 255
        folded = letter | 32
        if not (48 <= letter <= 57) and not (97 <= folded <= 122):
            return False
        msg_type >>= 8
    return True


@kernel
def parse(fields: FixFields, message: int, size: int) -> int:
    """Find the fields of a whole message; returns STATUS.

    A tag that is not a number, or a field without ``=``, makes the message garbled.  Faults that a
    Reject can name are in its ERROR: an undefined tag, no value, a field twice, a header field
    after the body's.
    """
    generation = fields.generation + 1
    if generation >= 1 << 30:
        generation = new_generation(fields)
    fields.generation = generation
    fields.message = message
    fields.size = size
    fields.error = 0
    fields.status = GARBLED
    fields.msg_type = 0
    window, ends = 0, bytes_that_are(message, SOH)
    if is_garbled(message, size, ends):
        return GARBLED
    stamp = generation << 32
    at, body, data_size, rare = 0, 0, -1, words.RARE_TAGS
    length_tag, length_at, length_digits, has_groups, taken = 0, 0, 0, False, -1
    while at < size:
        while ends == 0:
            window += 64
            if window >= size:
                return GARBLED
            ends = bytes_that_are(message + window, SOH)
        end = window + count_trailing_zeros(ends)
        ends &= ends - 1
        word = load_word(message + at)
        equals = (word ^ EQUALS_4) & 0xFFFFFFFF
        # 7, 15, 23 or 31 after 0 to 3 characters of a tag, else NO_EQUALS.
        place = count_trailing_zeros((equals - ONES_4) & ~equals & HIGH_4 | 1 << NO_EQUALS)
        left = ((word ^ ZEROS_3) << (31 ^ place)) & 0xFFFFFF
        tens = left * 10 + (left >> 8)
        tag, value = (tens & 255) * 10 + (left >> 16), at + (place >> 3) + 1
        # Anything but a digit from 1 to 9 and up to two digits after it.
        odd = (left + ABOVE_NINE_3 | left) & HIGH_3
        if (odd != 0) | (left == 0) | (word & 255 == ZERO):
            digits = find_byte(message + at, end - at, EQUALS)
            value = at + digits + 1
            tag = long_tag(message + at, digits)
            if value > end or tag == -2:
                return GARBLED
            if tag == -1:
                note_error(fields, INVALID_TAG, message + at, digits)
                tag = 0
        if value > end:
            return GARBLED
        kind = Bytes(fields + words.CLASSES)[tag]
        if kind & rare != 0:
            if kind & words.UNKNOWN_TAG:
                note_error(fields, INVALID_TAG, message + at, 3)
                tag, kind = 0, words.ANY_TAG
            is_data = ((length_tag != 0) | (kind & words.DATA_TAG != 0)) and check_data(
                fields, tag, kind, length_tag
            )
            if is_data and data_size >= 0:
                end = value + data_size
                if end >= size or Bytes(message)[end] != SOH:
                    # Where the data end is not known, nor what is a field after them.
                    note_error(fields, OUT_OF_RANGE, message + length_at, length_digits)
                    break
                window = end & ~63
                ends = bytes_that_are(message + window, SOH) & ~((2 << (end & 63)) - 1)
            data_size, length_tag, rare = -1, 0, words.RARE_TAGS
            if kind & words.LENGTH_TAG:
                data_size, rare = read_number(message + value, end - value), words.ANY_TAG
                length_tag, length_at, length_digits = tag, at, value - at - 1
                if data_size < 0 and end > value:
                    reason = groups.reason_of_number(message + value, end - value)
                    note_error(fields, reason, message + at, length_digits)
                data_size = min(data_size, size)
            has_groups |= kind & (words.COUNT_TAG | words.MEMBER_TAG) != 0
        entry = fields + words.ENTRIES + 8 * tag
        is_twice = (load_i64(entry) >> 32 == generation) & (kind >> 1)
        is_late = kind & body
        if (value == end) | (is_twice | is_late) != 0:
            error = NO_VALUE if value == end else TWICE if is_twice else OUT_OF_ORDER
            note_error(fields, error, message + at, value - at - 1)
            if is_twice:  # the first one counts
                entry = fields + words.ENTRIES
        body |= ~kind & words.HEADER_TAG
        taken &= Words(fields + words.TAKEN)[tag]
        store_i64(entry, stamp | value << 16 | (end - value))
        at = end + 1
    msg_type = Words(fields + words.ENTRIES)[35]
    type_size = msg_type & 0xFFFF
    if type_size < 1 or type_size > 3:
        type_size = 3
    fields.msg_type = load_word(message + (msg_type >> 16 & 0xFFFF)) & ((1 << (8 * type_size)) - 1)
    fields.taken = taken
    if has_groups and fields.error == 0:
        check_groups(fields, message, size)
    fields.status = WHOLE
    return WHOLE


@kernel
def field(fields: FixFields, tag: int) -> int:
    """Return where the value of a tag is: offset << 16 | length; 0 if the message has none."""
    entry = Words(fields + words.ENTRIES)[tag]
    return entry & 0xFFFFFFFF if entry >> 32 == fields.generation else 0


@kernel
def value_of(fields: FixFields, entry: int) -> int:
    """Address of the value that :func:`field` found."""
    return fields.message + (entry >> 16)


@kernel
def number_of(fields: FixFields, tag: int) -> int:
    """Return the unsigned number of a tag; less than 0: no number."""
    entry = field(fields, tag)
    return read_number(value_of(fields, entry), entry & 0xFFFF)


@kernel
def char_of(fields: FixFields, tag: int) -> int:
    """The one character of a tag; 0 if it is absent, 255 if it is longer."""
    entry = field(fields, tag)
    if entry == 0:
        return 0
    return Bytes(value_of(fields, entry))[0] if entry & 0xFFFF == 1 else 255
