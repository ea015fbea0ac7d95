"""Rows in one field of the history."""

import ctypes

import numpy as np
import pytest

from openoutcry.ledger.copy_rows import HEADER, TRAILER
from openoutcry.ledger.layout import TRANSACTION_DTYPE
from openoutcry.portal.history import packed
from openoutcry.portal.history.changes import CHANGE_SIZE, PastChange, add_changes, changes_of
from openoutcry.portal.history.output import Output
from tests.support.portal.packed_rows import packed_rows

NUMBERS = [0, 1, -1, 127, 128, -128, -129, 2**31, -(2**31), 2**55, -(2**55) - 1]
NUMBERS += [2**63 - 1, -(2**63)]


@pytest.mark.parametrize("words", [1, 6, 21])
def test_rows_come_back_as_they_were(words):
    rng = np.random.default_rng(words)
    rows = rng.choice(np.array(NUMBERS), (400, words))
    field = packed_rows(rows)
    np.testing.assert_array_equal(packed.unpacked(field, words), rows)
    assert len(packed.unpacked(b"", words)) == 0


def test_what_is_as_in_the_row_before_costs_half_a_byte():
    row = np.arange(10**12, 10**12 + 20)
    one, many = (packed_rows(np.array([row] * count)) for count in (1, 11))
    assert len(many) - len(one) == 10 * 20 // 2


def test_transactions_of_a_command_and_participant_are_one_row():
    rng = np.random.default_rng(1)
    rows = np.zeros(900, TRANSACTION_DTYPE)
    for name in TRANSACTION_DTYPE.names:
        kind = TRANSACTION_DTYPE[name]
        limits = np.iinfo(kind)
        rows[name] = rng.integers(limits.min, limits.max, len(rows), kind)
    rows["event_seq"], rows["cause_seq"] = np.arange(900), np.arange(900) // 9
    rows["participant"] = rng.integers(1, 4, len(rows))
    output = Output()
    packed.add_transactions(output, rows)
    fields = list(fields_of(output.finish(), packed.TRANSACTION_FIELDS))
    for _, participant, event_seq, cause_seq, field in fields:
        seq, who = int.from_bytes(cause_seq), int.from_bytes(participant)
        own = rows[(rows["cause_seq"] == seq) & (rows["participant"] == who)]
        assert int.from_bytes(event_seq) == own["event_seq"][-1]
        alone = b"\0\1" + len(field).to_bytes(4) + field
        np.testing.assert_array_equal(packed.transactions_in(HEADER + alone + TRAILER), own)
    assert len(fields) == len(np.unique(rows[["participant", "cause_seq"]]))


def test_changes_of_a_command_and_order_are_one_row_for_each_name():
    """A replacement gives an order another name."""
    terms = [(7, 1, b"a"), (8, 1, b"b"), (7, 1, b"a"), (7, 1, b"c"), (7, 2, b"c")]
    kept = np.zeros((len(terms), CHANGE_SIZE), np.uint8)
    for event_seq, (row, (number, seq, name)) in enumerate(zip(kept, terms, strict=True)):
        change = PastChange(row.ctypes.data)
        change.event_seq, change.number, change.seq = event_seq, number, seq
        change.execution, change.state, change.at_ns = event_seq, 2, 86_400 * 10**9 * 3
        at = PastChange.offset("client")
        row[at : at + 1 + len(name)] = np.frombuffer(bytes([len(name)]) + name, np.uint8)
    rows, output = [], Output()
    add_changes(output, kept.reshape(-1))
    for day, event_seq, number, name, _, seq, field in fields_of(output.finish(), 7):
        assert int.from_bytes(day) == 3
        row = {"number": int.from_bytes(number), "seq": int.from_bytes(seq), "packed": field}
        changes = changes_of(row | {"client_id": name.decode()})
        assert changes[-1]["event_seq"] == int.from_bytes(event_seq)
        rows.append([(one["number"], one["event_seq"], one["execution"]) for one in changes])
    assert rows == [
        [(7, 0, "NEW"), (7, 2, "CANCELED")],
        [(7, 3, "REJECTED")],
        [(8, 1, "TRADE")],
        [(7, 4, "EXPIRED")],
    ]


def test_rows_of_a_transaction_stay_while_the_next_are_written():
    """The database takes them meanwhile.  A transaction without rows gives nothing."""
    output, copied = Output(), []

    def write(*parts):
        for part in parts:
            at = output.hold(len(part))
            ctypes.memmove(at, part, len(part))
            output.end(at + len(part))

    for turn in range(4):
        write(*[bytes([turn]) * 100 * turn] * 3)
        copied.append(output.finish())
        write(b"next")
        assert bytes(copied[-1]) == (HEADER + bytes([turn]) * 300 * turn + TRAILER if turn else b"")
        assert len(output.finish()) == len(HEADER) + 4 + len(TRAILER)


def fields_of(copied, count):
    """The fields of each row of a binary COPY."""
    data, at = bytes(copied).removeprefix(HEADER), 0
    while data[at : at + 2] != TRAILER:
        assert int.from_bytes(data[at : at + 2]) == count
        at, fields = at + 2, []
        for _ in range(count):
            size = int.from_bytes(data[at : at + 4])
            fields.append(data[at + 4 : at + 4 + size])
            at += 4 + size
        yield fields
