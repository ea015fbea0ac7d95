"""Divide a NewOrderList (E) into parts: each is written as a message, and read as that message.

What comes before the orders, and after them, are the fields of the list.  A field of the list ends
the orders, as none of them is one of an order.  Places in the message are offsets.  A field
of data and the field before it, which says its length, are passed over together: whatever is in the
data begins no field and no order.
"""

import openoutcry.order_entry.fix.instructions as instructions
import openoutcry.order_entry.fix.scan as scan
import openoutcry.order_entry.fix.words as words
from openoutcry.order_entry.fix.send import put_field_end
from openoutcry.order_entry.fix.text import (
    EQUALS,
    SOH,
    ZERO,
    byte_sum,
    constant,
    find_byte,
    put_bytes,
    put_number,
    read_number,
)
from openoutcry.order_entry.fix.words import FixFields
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, Words

D, E = ord("D"), ord("E")
CL_ORD_ID, ORDERS = 11, 73
"""What begins an order; NoOrders, which comes before the first one."""
OF_LIST = instructions.DEFINED + instructions.MESSAGES.index("E")
"""The bit of a tag in the table of instructions that a NewOrderList has."""
put_9, put_kind, put_sum = constant(b"9="), constant(b"35="), constant(b"10=")


@kernel
def tag_at(message: int, size: int, at: int) -> int:
    """Return the tag of the field at an offset; below 0: it has none."""
    return read_number(message + at, find_byte(message + at, min(size - at, 8), EQUALS))


@kernel_outlined
def after(fields: FixFields, message: int, size: int, at: int) -> int:
    """Return the offset after the field at an offset, or after its data if it says their length."""
    tag, end = tag_at(message, size, at), at + find_byte(message + at, size - at, SOH) + 1
    if not 0 < tag < words.TAGS or Bytes(fields + words.CLASSES)[tag] & words.LENGTH_TAG == 0:
        return end
    value = at + find_byte(message + at, 8, EQUALS) + 1
    length = read_number(message + value, end - 1 - value)
    data = end + find_byte(message + end, min(size - end, 8), EQUALS) + 1
    if 0 <= length < size - data and Bytes(message)[data + length] == SOH:
        return data + length + 1
    return end


@kernel_outlined
def header_begin(message: int, size: int) -> int:
    """Return the offset after MsgType (35), the third field."""
    at = 0
    for _ in range(3):
        at += find_byte(message + at, size - at, SOH) + 1
    return at


@kernel_outlined
def header_end(fields: FixFields, message: int, size: int) -> int:
    """Return the offset of the first field that is not of the header."""
    at = header_begin(message, size)
    while at < size:
        tag = tag_at(message, size, at)
        is_known = 0 < tag < words.TAGS
        if not is_known or Bytes(fields + words.CLASSES)[tag] & words.HEADER_TAG == 0:
            break
        at = after(fields, message, size, at)
    return at


@kernel_outlined
def orders_begin(fields: FixFields, message: int, size: int) -> int:
    """Return the offset where the first order begins, or the trailer if there is none."""
    at = header_begin(message, size)
    while at < size - scan.CHECKSUM_BYTES and tag_at(message, size, at) != CL_ORD_ID:
        end = after(fields, message, size, at)
        if tag_at(message, size, at) == ORDERS:
            return end
        at = end
    return at


@kernel
def is_of_list(fields: FixFields, tag: int) -> bool:
    """Return whether a tag is of the list itself, and not of its orders."""
    if tag == words.CONTINGENCY_TAG:
        return True
    if not 0 < tag < words.TAGS or Bytes(fields + words.CLASSES)[tag] & words.HEADER_TAG != 0:
        return False
    return Words(fields + words.TAKEN)[tag] >> OF_LIST & 1 != 0


@kernel_outlined
def orders_end(fields: FixFields, message: int, size: int) -> int:
    """Return the offset where the last order ends."""
    at = orders_begin(fields, message, size)
    while at < size - scan.CHECKSUM_BYTES and not is_of_list(fields, tag_at(message, size, at)):
        at = after(fields, message, size, at)
    return min(at, size - scan.CHECKSUM_BYTES)


@kernel
def put_part(cursor: int, message: int, begin: int, end: int) -> int:
    """Copy the message's bytes between two offsets; returns the address after them."""
    return put_bytes(cursor, message + begin, end - begin)


@kernel_outlined
def begin_part(fields: FixFields, message: int, kind: int, body: int) -> int:
    """Write the first fields of a part of ``body`` bytes after MsgType; returns where they end."""
    version_end = find_byte(message, 16, SOH) + 1
    cursor = put_number(put_9(put_part(fields.text, message, 0, version_end)), body + 5)
    cursor = put_kind(put_field_end(cursor))
    Bytes(cursor)[0] = kind
    return put_field_end(cursor + 1)


@kernel_outlined
def finish_part(fields: FixFields, cursor: int) -> int:
    """Write the check sum of the part in ``text``, and find its fields; returns STATUS."""
    total, begin = byte_sum(fields.text, cursor - fields.text), fields.text
    cursor = put_sum(cursor)
    Bytes(cursor)[0] = total // 100 + ZERO
    Bytes(cursor)[1] = total // 10 % 10 + ZERO
    Bytes(cursor)[2] = total % 10 + ZERO
    cursor = put_field_end(cursor + 3)
    Words(cursor)[0] = 0
    return scan.parse(fields, begin, cursor - begin)


@kernel_outlined
def parse_head(fields: FixFields, message: int, size: int) -> None:
    """Find the fields of a NewOrderList itself, which come before its orders and after them."""
    first, end = header_begin(message, size), orders_begin(fields, message, size)
    rest, stop = orders_end(fields, message, size), size - scan.CHECKSUM_BYTES
    cursor = begin_part(fields, message, E, end - first + stop - rest)
    cursor = put_part(put_part(cursor, message, first, end), message, rest, stop)
    finish_part(fields, cursor)
