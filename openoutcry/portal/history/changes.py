"""Changes of orders: what a command did to an order is one row of the history."""

from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.ledger.copy_rows import number
from openoutcry.portal.history.binary import head, latin, word
from openoutcry.portal.history.output import Output
from openoutcry.portal.history.packed import add_rows, most_bytes, pack_field, unpacked
from openoutcry.portal.trading.follower import DAY_NS, TOKEN_BYTES
from openoutcry.portal.trading.order_events import EXECUTION_NAMES, STATE_NAMES
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Layout, Words, area, i64

CHANGE_WORDS, CHANGE_FIELDS = 6, 7
CHANGE_HEAD = 160
"""More than the other fields take."""
NUMBERS = 1 << 48
"""Those of orders are below it."""


class PastChange(Layout, size_bytes=120):
    """A change of an order.  The first CHANGE_WORDS numbers are packed."""

    event_seq: int = i64("event")
    execution: int = i64("index in EXECUTION_NAMES")
    state: int = i64("index in STATE_NAMES")
    price_ticks: int = i64("as of the order after it")
    lots: int = i64("as of the order after it")
    executed_lots: int = i64("as of the order after it")
    number: int = i64("of the order")
    at_ns: int = i64("when")
    seq: int = i64("of the command that caused it")
    client: int = area(TOKEN_BYTES, "the client's name of the order after it")


CHANGE_SIZE = PastChange.size_bytes


def add_changes(output: Output, changes: npt.NDArray[np.uint8]) -> None:
    """Add rows of ``order_changes``, out of each PastChange of whole commands."""
    words = changes.view(np.int64).reshape(-1, CHANGE_SIZE // 8)
    seq, of = (words[:, PastChange.offset(name) // 8] for name in ("seq", "number"))
    room = CHANGE_HEAD + most_bytes(CHANGE_WORDS)
    add_rows(output, write_changes, words, (seq - seq[:1]) * NUMBERS + of, room)


@kernel
def is_one_row(first: PastChange, change: PastChange) -> bool:
    """Return whether both are of one command and order, with one name of the client's."""
    is_one = first.number == change.number and first.seq == change.seq
    for index in range(TOKEN_BYTES // 8):
        is_one = is_one and Words(first.client)[index] == Words(change.client)[index]
    return is_one


@kernel
def write_changes(out: int, changes: int, order: int, count: int) -> int:
    """A row for each order and command, by ``order``; where they end."""
    cursor, index = out, 0
    while index < count:
        first = PastChange(changes + Words(order)[index] * CHANGE_SIZE)
        last = index
        while last + 1 < count:
            change = PastChange(changes + Words(order)[last + 1] * CHANGE_SIZE)
            if not is_one_row(first, change):
                break
            last += 1
        cursor = head(cursor, CHANGE_FIELDS)
        cursor = number(cursor, first.at_ns // DAY_NS, 4)
        cursor = word(cursor, PastChange(changes + Words(order)[last] * CHANGE_SIZE).event_seq)
        cursor = word(cursor, first.number)
        cursor = latin(cursor, first.client)
        cursor = word(cursor, first.at_ns)
        cursor = word(cursor, first.seq)
        cursor = pack_field(cursor, changes, CHANGE_SIZE, order, index, last, CHANGE_WORDS)
        index = last + 1
    return cursor


def changes_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Each change of a row of ``order_changes``, in order, with the row's other columns."""
    terms = {name: value for name, value in row.items() if name != "packed"}
    names = list(PastChange.fields)[:CHANGE_WORDS]
    found = []
    for words in unpacked(row["packed"], CHANGE_WORDS).tolist():
        change = terms | dict(zip(names, words, strict=True))
        change["execution"] = EXECUTION_NAMES[change["execution"]]
        change["state"] = STATE_NAMES[change["state"]]
        found.append(change)
    return found
