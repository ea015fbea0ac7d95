"""Repeating groups: as many entries as their count says, each begun by its first field, its fields
in their order and none twice.

Only a message that has a group is scanned again, from its first field on.

``groups`` is the address of a message's table of groups, whose rows are :class:`GroupRow`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.order_entry.fix.text import EQUALS, SOH, find_byte, put_number, read_number
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, Layout, i64
from openoutcry.wire.memory import load_i64

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


class GroupRow(Layout, size_bytes=24):
    """A row of the table of groups."""

    counter: int = i64("tag of the count")
    first: int = i64("place of its first field among all")
    members: int = i64("fields that it has")


WORDS_PER_MEMBER = 8
DEPTH = 3
"""Groups in each other at most."""
ROWS_AT = 0
MEMBERS_AT = ROWS_AT + _ROW * len(GROUPS)
STACK_AT = MEMBERS_AT + WORDS_PER_MEMBER * sum(map(len, GROUPS.values()))


class GroupFrame(Layout, size_bytes=48):
    """A group that is open."""

    row: int = i64("its row")
    expected: int = i64("entries, as its count says")
    seen: int = i64("entries so far")
    rank: int = i64("place of the last field in its entry")
    used: int = i64("a bit for each field that the entry has")
    tag_at: int = i64("where the text of the count is")


TABLE_BYTES = STACK_AT + _FRAME * DEPTH
_GROUPS = len(GROUPS)
assert max(map(len, GROUPS.values())) < 63


def table() -> npt.NDArray[np.int64]:
    """Return the table that the kernels read: the groups, and room for those that are open."""
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
        at = GroupRow(groups + ROWS_AT + _ROW * row)
        if at.counter == counter:
            return at
    return 0


@kernel
def rank_of(groups: int, row: GroupRow, tag: int) -> int:
    """The field's place in an entry of the group, -1: it is not one of its fields."""
    begin = groups + MEMBERS_AT + WORDS_PER_MEMBER * row.first
    for place in range(row.members):
        if load_i64(begin + WORDS_PER_MEMBER * place) == tag:
            return place
    return -1


@kernel
def counter_of(groups: int, tag: int) -> int:
    """The count of the group that has the field."""
    for row in range(_GROUPS):
        at = GroupRow(groups + ROWS_AT + _ROW * row)
        if rank_of(groups, at, tag) >= 0:
            return at.counter
    return 0


@kernel
def reason_of_number(at: int, size: int) -> int:
    """Return why a text is not a number of things: it is below 0, or no number."""
    if size > 1 and Bytes(at)[0] == 45 and read_number(at + 1, size - 1) >= 0:
        return OUT_OF_RANGE
    return BAD_FORMAT


@kernel
def fault(reason: int, at: int) -> int:
    """A fault is a reason and the place of its tag's text."""
    return at << 8 | reason + 1


@kernel
def enter(frame: GroupFrame, rank: int, at: int) -> int:
    """A field of the open group; a fault, or 0."""
    if rank == 0:
        frame.seen += 1
        if frame.seen > frame.expected:
            return fault(GROUP_COUNT, frame.tag_at)
        frame.used = 0
    elif frame.seen == 0:
        return fault(GROUP_ORDER, at)
    elif frame.used >> rank & 1:
        return fault(TWICE, at)
    elif rank < frame.rank:
        return fault(GROUP_ORDER, at)
    frame.rank = rank
    frame.used |= 1 << rank
    return 0


@kernel
def close(frame: GroupFrame) -> int:
    """The open group ends; a fault, or 0."""
    if frame.seen != frame.expected:
        return fault(GROUP_COUNT, frame.tag_at)
    return 0


@kernel_outlined
def check(groups: int, message: int, size: int, data_length: int, scratch: int) -> int:
    """The first fault of the groups of a message whose fields are otherwise well-formed, 0: none.

    At ``data_length`` is a byte for each tag below 1024; its bit 8 says that the field is a length
    of data.  A tag that the message lacks is written at ``scratch``.
    """
    at, depth, data_size, stack = 0, 0, -1, groups + STACK_AT
    while at < size:
        value = at + find_byte(message + at, size - at, EQUALS) + 1
        tag = read_number(message + at, value - at - 1)
        end = value + data_size
        if data_size < 0:
            end = value + find_byte(message + value, size - value, SOH)
        data_size, inside = -1, False
        if tag < 1024 and Bytes(data_length)[tag] & 8 != 0:
            data_size = read_number(message + value, end - value)
        while depth > 0 and not inside:
            frame = GroupFrame(stack + _FRAME * (depth - 1))
            rank = rank_of(groups, GroupRow(frame.row), tag)
            inside = rank >= 0
            problem = enter(frame, rank, message + at) if inside else close(frame)
            if problem != 0:
                return problem
            depth -= not inside
        if not inside and tag < 1024 and Bytes(data_length)[tag] & 128 != 0:
            Bytes(put_number(scratch, counter_of(groups, tag)))[0] = EQUALS
            return fault(REQUIRED_MISSING, scratch)
        row = row_of(groups, tag)
        if row != 0:
            expected = read_number(message + value, end - value)
            if expected < 0:
                return fault(reason_of_number(message + value, end - value), message + at)
            if depth < DEPTH:
                frame = GroupFrame(stack + _FRAME * depth)
                frame.row = row
                frame.expected = expected
                frame.seen = 0
                frame.rank = -1
                frame.used = 0
                frame.tag_at = message + at
                depth += 1
        at = end + 1
    while depth > 0:
        problem = close(GroupFrame(stack + _FRAME * (depth - 1)))
        if problem != 0:
            return problem
        depth -= 1
    return 0
