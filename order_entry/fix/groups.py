# mypy: disable-error-code="no-any-return,call-arg"
# (intrinsics have no types that mypy could see)
"""Repeating groups: as many entries as their count says, each begun by its first field, its fields
in their order and none twice.

Only a message that has a group is looked at once more, from its first field on.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.order_entry.fix.text import EQUALS, SOH, find_byte, put_number, read_number
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, load_u8, store_i64, store_u8

# Of SessionRejectReason (373).
REQUIRED_MISSING, OUT_OF_RANGE, BAD_FORMAT, TWICE, GROUP_ORDER, GROUP_COUNT = 1, 5, 6, 13, 15, 16

GROUPS = {
    453: (448, 447, 452, 802),
    802: (523, 803),
    539: (524, 525, 538, 804),
    804: (545, 805),
    78: (79, 661, 736, 467, 539, 80),
    386: (336, 625),
    232: (233, 234),
    454: (455, 456),
    864: (865, 866, 867, 868),
    711: (
        311, 312, 309, 305, 457, 462, 463, 310, 763, 313, 542, 315, 241, 242, 243, 244, 245, 246,
        256, 595, 592, 593, 594, 247, 316, 941, 317, 436, 435, 308, 306, 362, 363, 364, 365, 877,
        878, 318, 879, 810, 882, 883, 884, 885, 886, 887,
    ),
    457: (458, 459),
    887: (888, 889),
    627: (628, 629, 630),
    384: (372, 385),
}  # fmt: skip
"""Fields of each group, by its count, in their order: those of the messages that are taken here."""
ELSEWHERE = {372, 385, 336, 625}
"""Fields of groups that other messages have without a group."""

_ROW, _FRAME = 24, 48
COUNTER, FIRST, MEMBERS = 0, 8, 16
"""A row of the table: tag of the count, place of its first field among all, how many it has."""
WORDS_PER_MEMBER = 8
DEPTH = 3
"""Groups in each other at most."""
ROWS_AT = 0
MEMBERS_AT = ROWS_AT + _ROW * len(GROUPS)
STACK_AT = MEMBERS_AT + WORDS_PER_MEMBER * sum(map(len, GROUPS.values()))
FRAME_ROW, EXPECTED, SEEN, RANK, USED, TAG_AT = range(0, _FRAME, 8)
"""A group that is open: its row, entries as its count says, entries so far, place of the last field
in its entry, a bit for each field that the entry has, and where the text of the count stands."""
TABLE_BYTES = STACK_AT + _FRAME * DEPTH
_GROUPS = len(GROUPS)
assert max(map(len, GROUPS.values())) < 63


def table() -> npt.NDArray[np.int64]:
    """What the kernels read: the groups, and room for those that are open."""
    words: npt.NDArray[Any] = np.zeros(TABLE_BYTES // 8, np.int64)
    place = 0
    for row, (counter, members) in enumerate(GROUPS.items()):
        at = (ROWS_AT + _ROW * row) // 8
        words[at : at + 3] = counter, place, len(members)
        begin = MEMBERS_AT // 8 + place
        words[begin : begin + len(members)] = members
        place += len(members)
    return words


@kernel
def row_of(groups: int, counter: int) -> int:
    """Address of the row of a group; 0: the tag counts none."""
    for row in range(_GROUPS):
        at = groups + ROWS_AT + _ROW * row
        if load_i64(at + COUNTER) == counter:
            return at
    return 0


@kernel
def rank_of(groups: int, row: int, tag: int) -> int:
    """The field's place in an entry of the group, -1: it is none of its fields."""
    begin = groups + MEMBERS_AT + WORDS_PER_MEMBER * load_i64(row + FIRST)
    for place in range(load_i64(row + MEMBERS)):
        if load_i64(begin + WORDS_PER_MEMBER * place) == tag:
            return place
    return -1


@kernel
def counter_of(groups: int, tag: int) -> int:
    """The count of the group that has the field."""
    for row in range(_GROUPS):
        at = groups + ROWS_AT + _ROW * row
        if rank_of(groups, at, tag) >= 0:
            return load_i64(at + COUNTER)
    return 0


@kernel
def reason_of_number(at: int, size: int) -> int:
    """Why a text is no number of things: it is below 0, or no number."""
    if size > 1 and load_u8(at) == 45 and read_number(at + 1, size - 1) >= 0:
        return OUT_OF_RANGE
    return BAD_FORMAT


@kernel
def fault(reason: int, at: int) -> int:
    """A fault is a reason and where the text of its tag stands."""
    return at << 8 | reason + 1


@kernel
def enter(frame: int, rank: int, at: int) -> int:
    """A field of the open group; a fault, or 0."""
    if rank == 0:
        store_i64(frame + SEEN, load_i64(frame + SEEN) + 1)
        if load_i64(frame + SEEN) > load_i64(frame + EXPECTED):
            return fault(GROUP_COUNT, load_i64(frame + TAG_AT))
        store_i64(frame + USED, 0)
    elif load_i64(frame + SEEN) == 0:
        return fault(GROUP_ORDER, at)
    elif load_i64(frame + USED) >> rank & 1:
        return fault(TWICE, at)
    elif rank < load_i64(frame + RANK):
        return fault(GROUP_ORDER, at)
    store_i64(frame + RANK, rank)
    store_i64(frame + USED, load_i64(frame + USED) | 1 << rank)
    return 0


@kernel
def close(frame: int) -> int:
    """The open group ends; a fault, or 0."""
    if load_i64(frame + SEEN) != load_i64(frame + EXPECTED):
        return fault(GROUP_COUNT, load_i64(frame + TAG_AT))
    return 0


@kernel_outlined
def check(groups: int, message: int, size: int, data_length: int, scratch: int) -> int:
    """The first fault of the groups of a message whose fields are otherwise well-formed, 0: none.

    ``data_length``: address of a byte for each tag below 1024, whose bit 8 says that the field is a
    length of data.  ``scratch``: where a tag is written that the message does not have.
    """
    at, depth, data_size, stack = 0, 0, -1, groups + STACK_AT
    while at < size:
        value = at + find_byte(message + at, size - at, EQUALS) + 1
        tag = read_number(message + at, value - at - 1)
        end = value + data_size
        if data_size < 0:
            end = value + find_byte(message + value, size - value, SOH)
        data_size, inside = -1, False
        if tag < 1024 and load_u8(data_length + tag) & 8 != 0:
            data_size = read_number(message + value, end - value)
        while depth > 0 and not inside:
            frame = stack + _FRAME * (depth - 1)
            rank = rank_of(groups, load_i64(frame + FRAME_ROW), tag)
            inside = rank >= 0
            problem = enter(frame, rank, message + at) if inside else close(frame)
            if problem != 0:
                return problem
            depth -= not inside
        if not inside and tag < 1024 and load_u8(data_length + tag) & 128 != 0:
            store_u8(put_number(scratch, counter_of(groups, tag)), EQUALS)
            return fault(REQUIRED_MISSING, scratch)
        row = row_of(groups, tag)
        if row != 0:
            expected = read_number(message + value, end - value)
            if expected < 0:
                return fault(reason_of_number(message + value, end - value), message + at)
            if depth < DEPTH:
                frame = stack + _FRAME * depth
                store_i64(frame + FRAME_ROW, row)
                store_i64(frame + EXPECTED, expected)
                store_i64(frame + SEEN, 0)
                store_i64(frame + RANK, -1)
                store_i64(frame + USED, 0)
                store_i64(frame + TAG_AT, message + at)
                depth += 1
        at = end + 1
    while depth > 0:
        problem = close(stack + _FRAME * (depth - 1))
        if problem != 0:
            return problem
        depth -= 1
    return 0
