"""Lists of orders as they come: NewOrderList (E), ListCancelRequest (K), ListStatusRequest (M).

Each order of a NewOrderList is read as a NewOrderSingle with the same header (:mod:`.parts`), so by
the rules of every other order.
"""

import openoutcry.order_entry.command_metadata as command_metadata
import openoutcry.order_entry.fix.scan as scan
import openoutcry.order_entry.fix.words as words
import openoutcry.order_entry.session as block
from openoutcry.order_entry import constants
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.fix import decode, parts
from openoutcry.order_entry.fix.decode import FINE, FixLeg
from openoutcry.order_entry.fix.parts import D, E, put_part, tag_at
from openoutcry.order_entry.fix.text import read_number, read_timestamp
from openoutcry.order_entry.fix.words import FixFields, FixSession
from openoutcry.wire.enums import MAX_LEGS, MIN_LEGS
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.words import CONTINGENCIES

LIST, REJECT, APPLICATION = constants.KIND_LIST, constants.KIND_REJECT, constants.KIND_APPLICATION
K, M = ord("K"), ord("M")
LIST_ID, SEQUENCE, TOTAL, ORDERS, TIME, BID_TYPE = 66, 67, 68, parts.ORDERS, 60, 394
CONTINGENCY, CONTINGENCY_SLOT = words.CONTINGENCY_TAG, words.CONTINGENCY_SLOT
NOT_OFFERED = (4, 5, 6)
"""Values of ContingencyType that the standard has, and that the venue does not offer."""
_OFFERED = {int(value): int(one) for value, one in CONTINGENCIES.by_word("FIX 1385").items()}
CONTINGENCY_OF = tuple(_OFFERED.get(value, 0) for value in range(1 + max(_OFFERED)))
"""The Contingency of each value of ContingencyType (1385); 0: none."""
LEG_WORDS = FixLeg.size_bytes // 8


@kernel
def is_of_lists(msg_type: int) -> bool:
    """Return whether a message is about a list of orders."""
    return (msg_type == E) | (msg_type == K) | (msg_type == M)


@kernel_outlined
def reject(fields: FixFields, reason: int, tag: int) -> int:
    """Reject the list for a tag; what ``parse_order`` returns."""
    fields.msg_type = E
    return -decode.rejected(fields, reason, tag)


@kernel_outlined
def contingency_of(fields: FixFields) -> int:
    """Return the Contingency that ContingencyType says; below 0: the reason why it is wrong."""
    entry = scan.field(fields, CONTINGENCY_SLOT)
    if entry == 0:
        return -scan.REQUIRED_MISSING
    value = read_number(scan.value_of(fields, entry), entry & 0xFFFF)
    if value < 0:
        return -scan.BAD_FORMAT
    if value in NOT_OFFERED:
        return -scan.NOT_SUPPORTED
    contingency = CONTINGENCY_OF[value] if value < len(CONTINGENCY_OF) else 0
    return contingency if contingency != 0 else -scan.OUT_OF_RANGE


@kernel_outlined
def take_number(fields: FixFields, tag: int, least: int, most: int) -> int:
    """Return the number of a required tag; below 0: the reason why it is wrong."""
    value = scan.number_of(fields, tag)
    if scan.field(fields, tag) == 0:
        return -scan.REQUIRED_MISSING
    if value < 0:
        return -scan.BAD_FORMAT
    return value if least <= value <= most else -scan.OUT_OF_RANGE


@kernel_outlined
def take_head(fields: FixFields, leg: FixLeg, bit: int) -> int:
    """Take what the fields before the orders say of the list; 0, or what ``decode`` returns."""
    if fields.taken >> bit & 1 == 0:
        problem = decode.refuse_fault(fields, bit)
        if problem != FINE:
            return problem
    problem = decode.take_token(fields, LIST_ID, leg, leg + decode.LEG_ID_BYTES)
    if problem != FINE:
        return decode.rejected(fields, decode.reason_of(problem), LIST_ID)
    contingency = contingency_of(fields)
    if contingency < 0:
        return decode.rejected(fields, -contingency, CONTINGENCY)
    if scan.field(fields, BID_TYPE) == 0:
        return decode.rejected(fields, scan.REQUIRED_MISSING, BID_TYPE)
    legs = take_number(fields, ORDERS, MIN_LEGS, MAX_LEGS)
    if legs < 0:
        return decode.rejected(fields, -legs, ORDERS)
    total = take_number(fields, TOTAL, legs, legs)
    if total < 0:
        return decode.rejected(fields, -total, TOTAL)
    leg.contingency = contingency
    leg.legs = legs
    return 0


@kernel_outlined
def parse_order(fields: FixFields, message: int, stop: int, begin: int) -> int:
    """Find the fields of the order at an offset, without its ListSeqNo (67), which must be its
    place; returns where the next one begins.  Below 0: minus what ``decode`` returns.  ``stop``:
    where the last order ends."""
    if begin >= stop:
        return reject(fields, scan.GROUP_COUNT, ORDERS)
    if tag_at(message, stop, begin) != parts.CL_ORD_ID:
        return reject(fields, scan.GROUP_ORDER, max(tag_at(message, stop, begin), 0))
    end, cut, cut_end = begin, 0, 0
    while end < stop:
        tag = tag_at(message, stop, end)
        if tag == parts.CL_ORD_ID and end != begin:
            break
        following = parts.after(fields, message, stop, end)
        if tag == SEQUENCE and cut == 0:
            cut, cut_end = end, following
        end = following
    if cut == 0:
        return reject(fields, scan.REQUIRED_MISSING, SEQUENCE)
    value = cut + 3
    if read_number(message + value, cut_end - 1 - value) != fields.leg:
        return reject(fields, scan.OUT_OF_RANGE, SEQUENCE)
    first, last = parts.header_begin(message, stop), parts.header_end(fields, message, stop)
    body = last - first + cut - begin + end - cut_end
    cursor = put_part(parts.begin_part(fields, message, D, body), message, first, last)
    cursor = put_part(put_part(cursor, message, begin, cut), message, cut_end, end)
    if parts.finish_part(fields, cursor) != scan.WHOLE:
        return reject(fields, scan.BAD_FORMAT, ORDERS)
    if fields.error != 0:
        fields.msg_type = E
        return -REJECT
    return end


@kernel_outlined
def decode_order(
    message: int,
    stop: int,
    begin: int,
    session: FixSession,
    order: OrderRecord,
    metadata: CommandMetadata,
) -> int:
    """Decode the order at an offset, and keep it; returns as :func:`parse_order`."""
    fields = FixFields(session.fields_)
    end = parse_order(fields, message, stop, begin)
    if end < 0:
        return end
    participant, rx_ts_ns = order.participant, order.rx_ts_ns
    for word in range(8):
        Words(order)[word] = 0
    order.participant = participant
    order.rx_ts_ns = rx_ts_ns
    result = decode.decode(fields.text, fields.size, session, order, metadata)
    fields.msg_type = E
    if result == REJECT:
        return -REJECT
    metadata.message = E
    metadata.client_seq |= session.resets << words.SEQ_BITS
    for word in range(LEG_WORDS):
        Words(metadata + command_metadata.ORIG)[word] = Words(fields.head)[word]
    FixLeg(metadata + command_metadata.ORIG).leg = fields.leg
    decode.keep_order(fields, fields.leg, order, metadata)
    return end


@kernel_outlined
def decode_list(
    message: int, size: int, session: FixSession, order: OrderRecord, metadata: CommandMetadata
) -> int:
    """Decode a NewOrderList whose head is parsed; LIST, and its orders are kept, or REJECT."""
    fields = FixFields(session.fields_)
    head = FixLeg(fields.head)
    for word in range(LEG_WORDS):
        Words(head)[word] = 0
    result = take_head(fields, head, decode.bit_of(E, session.protocol == block.FIX42))
    if result != 0:
        return result
    at, stop = parts.orders_begin(fields, message, size), parts.orders_end(fields, message, size)
    for leg in range(1, head.legs + 1):
        fields.leg = leg
        at = decode_order(message, stop, at, session, order, metadata)
        fields.leg = 0
        if at < 0:
            return -at
    if at < stop:
        return -reject(fields, scan.GROUP_COUNT, ORDERS)
    fields.legs = head.legs
    fields.contingency = head.contingency
    return LIST


@kernel_outlined
def decode_request(
    session: FixSession, order: OrderRecord, metadata: CommandMetadata, msg_type: int
) -> int:
    """Decode a ListCancelRequest or a ListStatusRequest; returns what ``decode`` does.  LIST is a
    cancel, of which a list of no orders is kept."""
    fields = FixFields(session.fields_)
    decode.begin(session, fields, metadata)
    bit = decode.bit_of(msg_type, session.protocol == block.FIX42)
    if fields.taken >> bit & 1 == 0:
        problem = decode.refuse_fault(fields, bit)
        if problem != FINE:
            return problem
    name = metadata + command_metadata.ORIG
    problem = decode.take_token(fields, LIST_ID, name, metadata + command_metadata.ORIG_BYTES)
    if problem != FINE:
        return decode.rejected(fields, decode.reason_of(problem), LIST_ID)
    if msg_type == M:
        decode.mark_refused(metadata, constants.FIX_REFUSAL_MASS_STATUS)
        return APPLICATION
    entry = scan.field(fields, TIME)
    if read_timestamp(scan.value_of(fields, entry), entry & 0xFFFF) < 0:
        bad = scan.REQUIRED_MISSING if entry == 0 else scan.BAD_FORMAT
        return decode.rejected(fields, bad, TIME)
    metadata.client_seq |= session.resets << words.SEQ_BITS
    order.kind = decode.CANCEL
    decode.keep_order(fields, 1, order, metadata)
    fields.contingency = 0
    return LIST


@kernel_outlined
def decode_any(
    message: int, size: int, session: FixSession, order: OrderRecord, metadata: CommandMetadata
) -> int:
    """Decode a message about a list; returns what ``decode`` does, or LIST."""
    msg_type = FixFields(session.fields_).msg_type
    if msg_type == E:
        return decode_list(message, size, session, order, metadata)
    return decode_request(session, order, metadata, msg_type)
