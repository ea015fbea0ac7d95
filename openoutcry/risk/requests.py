"""The requests of operators that the core has had: each has a reference, and is one action.

A block of the risk state.  The operator's lane sends, in this order and without another operator's
command between them:

    REQUEST        the first 24 characters of the reference
    REQUEST_BEGUN  the others, and a digest of what is asked: the request is open
    a RISK command whose ``side`` is EFFECT or WHOLE: applied only while a request is open that has
                   had no effect; the request's state changes with it, in one command
    REQUEST_DONE   the open request is done (after WHOLE it is already)

An OFF_BOOK whose ``side`` is LEG only waits: the trade's last leg, which is EFFECT or WHOLE, trades
all legs or none.  So do the legs of a BUST.  What waits is forgotten with the next of the three
commands.

So whether a request has had its effect follows from the commands alone, wherever a process, a
machine or a disk was cut off.  The newest requests are remembered, as many as there is room for.
"""

import string
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from openoutcry.risk import constants
from openoutcry.risk.layout import RiskState
from openoutcry.risk.row_index import find_entry, forget_entry, index_entries
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import Layout, i64
from openoutcry.wire.memory import copy64, load_i64, not_inlined, store_i64
from openoutcry.wire.off_book_legs import MAX_LEGS
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import RECORD_BYTES

REFERENCE_BYTES = 32
TEXT_WORDS = REFERENCE_BYTES // 8
MAX_REQUESTS = 1 << 22
EFFECT, WHOLE, LEG = 1, 2, 3
"""``side`` of a RISK command: it is the effect of the open request; or all that the request is; or
a leg of its trade, before the last one."""


class RequestState(IntEnum):
    """How far a request has come."""

    BEGUN = 1
    """It has had no effect yet, or is a switch that was not seen through."""
    EFFECTIVE = 2
    """Its one effect has happened; what follows from it may be missing."""
    DONE = 3


BEGUN, EFFECTIVE, DONE = (int(state) for state in RequestState)
PRINTABLE = frozenset(string.digits + string.ascii_letters + string.punctuation + " ")


class RequestTable(Layout, size_bytes=128):
    """The header of the block."""

    capacity: int = i64("requests that are remembered")
    index_mask: int = i64("entries of the index, less one")
    count: int = i64("requests so far; request n has row n modulo ``capacity``")
    opened: int = i64("row of the open request, plus 1; 0: none is open")
    has_text: int = i64("1: a REQUEST has come, and its REQUEST_BEGUN has not")
    legs: int = i64(
        "legs of a trade off the book or a bust that wait for the last one, after the rows"
    )
    text: int = i64("of the reference at hand: its first 8 characters,", at=64)
    text_1: int = i64("the next,")
    text_2: int = i64("the next,")
    text_3: int = i64("and the last")


class Request(Layout, size_bytes=64):
    """The row of a request."""

    text: int = i64("the reference, 32 characters, padded with NUL")
    text_1: int = i64("and so on")
    text_2: int = i64("and so on")
    text_3: int = i64("and so on")
    content: int = i64("digest of what was asked")
    seq: int = i64("command with which it began")
    operator: int = i64("number of the operator, 0: none was named")
    state: int = i64("``RequestState``")


ROW_BYTES, HEADER_BYTES = Request.size_bytes, RequestTable.size_bytes
TEXT_AT, LEGS = RequestTable.offset("text"), RequestTable.offset("legs")
LEG_ROOM = MAX_LEGS - 1
SEQ_WORD = Request.offset("seq") // 8


def block_bytes(capacity: int) -> int:
    """Size of a block that remembers ``capacity`` requests: header, index, rows, legs."""
    return legs_offset(capacity) + RECORD_BYTES * LEG_ROOM


def legs_offset(capacity: int) -> int:
    """Return where the records of waiting legs are in a block."""
    return HEADER_BYTES + 8 * index_entries(capacity) + ROW_BYTES * capacity


def enter_block(words: npt.NDArray[np.int64], at: int, capacity: int) -> None:
    """Make the zeroed bytes from ``at`` on a block without requests."""
    words[(at + RequestTable.offset("capacity")) // 8] = capacity
    words[(at + RequestTable.offset("index_mask")) // 8] = index_entries(capacity) - 1


# Kernels


@kernel
def row_of(table: RequestTable, number: int) -> Request:
    """Return a request's row, by its number."""
    return Request(rows_at(table) + ROW_BYTES * number)


@kernel
def rows_at(table: RequestTable) -> int:
    """Return the address of the requests' rows, after the index."""
    return table + HEADER_BYTES + 8 * (table.index_mask + 1)


@kernel
def find(table: RequestTable, text: int) -> int:
    """Address of the index's entry that has the reference at ``text``, or of the free one where it
    would be."""
    index, mask = table + HEADER_BYTES, table.index_mask
    return find_entry(index, mask, rows_at(table), ROW_BYTES, text, TEXT_WORDS)


@kernel
def forget(table: RequestTable, row: Request) -> None:
    """Take a row out of the index."""
    index, mask = table + HEADER_BYTES, table.index_mask
    forget_entry(index, mask, rows_at(table), ROW_BYTES, row, TEXT_WORDS)


@kernel_outlined
def apply_request(state: RiskState, order: OrderRecord, setting: int) -> bool:
    """REQUEST, REQUEST_BEGUN or REQUEST_DONE; False, and no request changed, if it makes no sense:
    the state has no room for requests, the reference was another request's, or it is done."""
    not_inlined()
    if state.requests_at == 0:
        return False
    table = RequestTable(state + state.requests_at)
    opened = table.opened
    table.opened = table.legs = 0
    if setting == constants.SET_REQUEST_DONE:
        table.has_text = 0
        if opened == 0:
            return False
        row_of(table, opened - 1).state = DONE
        return True
    if setting == constants.SET_REQUEST:
        table.text = order.price_ticks
        table.text_1 = order.qty_lots
        table.text_2 = order.aux
        table.has_text = 1
        return True
    if table.has_text == 0:
        return False
    table.has_text = 0
    table.text_3 = order.price_ticks
    return begin(table, order)


@kernel
def begin(table: RequestTable, order: OrderRecord) -> bool:
    """Open the request whose reference is at hand."""
    text = table + TEXT_AT
    at = find(table, text)
    number = load_i64(at) - 1
    if number >= 0:
        row = row_of(table, number)
        if row.content != order.aux or row.state == DONE:
            return False
        table.opened = number + 1
        return True
    number = table.count % table.capacity
    row = row_of(table, number)
    if table.count >= table.capacity:
        forget(table, row)
        at = find(table, text)
    store_i64(at, number + 1)
    row.text = table.text
    row.text_1 = table.text_1
    row.text_2 = table.text_2
    row.text_3 = table.text_3
    row.content = order.aux
    row.seq = order.seq
    row.operator = order.order_id
    row.state = BEGUN
    table.count += 1
    table.opened = number + 1
    return True


@kernel
def permits(state: RiskState, order: OrderRecord) -> bool:
    """Return whether the RISK command may be applied as far as requests go."""
    part = order.side
    if part == 0 or state.requests_at == 0:
        return True
    table = RequestTable(state + state.requests_at)
    setting = order.order_type
    has_legs = setting == constants.SET_OFF_BOOK or setting == constants.SET_BUST
    is_leg = part == LEG and has_legs
    if table.opened == 0 or (part > WHOLE and not is_leg):
        return False
    return row_of(table, table.opened - 1).state == BEGUN


@kernel
def is_next_leg(state: RiskState, number: int) -> bool:
    """Return whether all legs before this one of an off-book trade wait: one that was refused or
    lost lets none trade."""
    table = RequestTable(state + state.requests_at)
    return table.legs == number and may_follow(table, constants.SET_OFF_BOOK)


@kernel
def leg_at(table: RequestTable, number: int) -> OrderRecord:
    """Return the record of a leg that waits, or would be the next one."""
    rows_end = rows_at(table) + ROW_BYTES * table.capacity
    return OrderRecord(rows_end + RECORD_BYTES * number)


@kernel
def may_follow(table: RequestTable, setting: int) -> bool:
    """Return whether the legs that wait, if any, are of this setting."""
    return table.legs == 0 or leg_at(table, 0).order_type == setting


@kernel
def keep_leg(state: RiskState, order: OrderRecord) -> bool:
    """Keep a leg, which :func:`permits` let through, for the last one; False without room."""
    table = RequestTable(state + state.requests_at)
    if table.legs >= LEG_ROOM or not may_follow(table, order.order_type):
        return False
    copy64(leg_at(table, table.legs), order)
    table.legs += 1
    return True


@kernel
def note_effect(state: RiskState, order: OrderRecord) -> None:
    """The RISK command, which :func:`permits` let through, was applied."""
    part = order.side
    if part in (0, LEG) or state.requests_at == 0:
        return
    table = RequestTable(state + state.requests_at)
    if VERIFY:
        assert table.opened != 0, "the command was let through"
    table.legs = 0
    row_of(table, table.opened - 1).state = DONE if part == WHOLE else EFFECTIVE
    if part == WHOLE:
        table.opened = 0


# References, as Python has them


def reference_bytes(reference: str) -> bytes:
    """The reference padded with NULs.  Raises ``ValueError`` unless it is 1 to 32 printable ASCII
    characters, no space at either end."""
    fits = 1 <= len(reference) <= REFERENCE_BYTES and reference == reference.strip(" ")
    if not fits or not set(reference) <= PRINTABLE:
        raise ValueError(
            f"{reference!r}: a reference is 1 to {REFERENCE_BYTES} printable ASCII characters, "
            "without a space at either end"
        )
    return reference.encode().ljust(REFERENCE_BYTES, b"\0")


def reference_text(words: npt.ArrayLike) -> str:
    """The reference that four words have."""
    return np.array(words, np.int64).tobytes().rstrip(b"\0").decode("ascii", "replace")


class RequestsView:
    """The block, as arrays over its own bytes."""

    def __init__(self, words: npt.NDArray[np.int64], at: int) -> None:
        """``words``: of the risk state, ``at``: the block's offset in bytes."""
        self.header = words[at // 8 :][: HEADER_BYTES // 8]
        capacity = int(self.header[RequestTable.offset("capacity") // 8])
        self._legs = words[(at + legs_offset(capacity)) // 8 :][: RECORD_BYTES * LEG_ROOM // 8]
        first = (at + HEADER_BYTES) // 8 + index_entries(capacity)
        self.rows = words[first:][: capacity * ROW_BYTES // 8].reshape(capacity, ROW_BYTES // 8)

    def __len__(self) -> int:
        """Return how many are remembered."""
        return min(int(self.header[RequestTable.offset("count") // 8]), len(self.rows))

    @property
    def legs(self) -> npt.NDArray[np.int64]:
        """The records of the legs that wait, as words."""
        return self._legs[: RECORD_BYTES // 8 * int(self.header[LEGS // 8])]

    @property
    def used(self) -> npt.NDArray[np.int64]:
        """The rows that are in use: int64 of (requests, words of a row)."""
        return self.rows[: len(self)]

    def find(self, reference: str) -> npt.NDArray[np.int64] | None:
        """The request's row, a copy; None: it is not remembered."""
        words = np.frombuffer(reference_bytes(reference), np.int64)
        used = self.used
        places = np.flatnonzero((used[:, : len(words)] == words).all(axis=1))
        return used[places[-1]].copy() if len(places) else None

    def unfinished(self) -> list[tuple[str, RequestState]]:
        """References of requests that are not done and how far they have come, the oldest first."""
        used = self.used
        column = Request.offset("state") // 8
        rows = sorted(used[used[:, column] != DONE].tolist(), key=lambda row: row[SEQ_WORD])
        return [(reference_text(row[:4]), RequestState(row[column])) for row in rows]
