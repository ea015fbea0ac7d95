"""Assertions in order entry's kernels: they fire under VERIFY alone, cost nothing without it, and
hold wherever rows, tokens, metadata and streams go."""

import pytest

from tests.support.verified import (
    assert_costs_nothing,
    assert_fires_under_verify_alone,
    assert_passes_under_verify,
)

WRONG_CALLS = """
import numpy as np
from openoutcry.order_entry import apply, command_metadata, rows, session, session_region
from openoutcry.order_entry import stream, sums, tokens
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE
from openoutcry.wire.enums import EventKind

fired = {}

table = np.zeros(8, rows.ROW_DTYPE)
at = table.ctypes.data
rows.take_row(at, 7, 3)
rows.take_row(at, 7, 4)
table["order_id"][[3, 4]] = rows.ORDER_BIT | 3
table["current"][3] = 4
right = [fires(rows.current_row, at, 7, rows.ORDER_BIT | 3)]
table["state"][4] = rows.OPEN
fired["a live order's row"] = fires(rows.take_row, at, 7, 12)
fired["a number that goes back"] = fires(rows.take_row, at, 7, 3)
table["order_id"][4] = 99
fired["a row that is another order's"] = fires(rows.current_row, at, 7, rows.ORDER_BIT | 3)

entries = np.zeros(4 * sums.ENTRY_BYTES // 8, np.int64)
entry = int(sums.find(entries.ctypes.data, 3, 5))
right.append(fires(sums.put, entry, 5, 100))
right.append(fires(sums.remove, entries.ctypes.data, 3, entry))
fired["an order taken out twice"] = fires(sums.remove, entries.ctypes.data, 3, entry)
sums.put(entry, 5, 100)
fired["an entry of two orders"] = fires(sums.put, entry, 6, 100)

words = np.zeros(tokens.TABLE_BYTES // 8, np.int64)
memory = np.zeros(tokens.memory_bytes(8, 1) // 8, np.int64)
tokens.prepare_table(words, memory.ctypes.data, 8)
place, names = words.ctypes.data, np.arange(15)
right.append(fires(tokens.put_token, place, 1, names.ctypes.data, 3))
fired["a token of no order"] = fires(tokens.put_token, place, 1, names[5:].ctypes.data, 0)
fired["a token of nobody"] = fires(tokens.put_token, place, 0, names[10:].ctypes.data, 4)

store, told = stream.Stream(None, 1, 8, 64), np.zeros(8, np.uint8)
text = told.ctypes.data
right.append(fires(stream.append, store.address, text, 8, 7))
fired["an entry without bytes"] = fires(stream.append, store.address, text, 0, 8)
fired["an event before the last one told"] = fires(stream.append, store.address, text, 8, 6)

sizes = session_region.Sizes(1, 8, 8, 8)
region_memory = np.zeros(session_region.region_bytes(sizes) // 8, np.int64)
shared = session_region.SessionRegion(region_memory, sizes)
block = shared.block(1)
block[session.PARTICIPANT // 8] = 7
symbols = np.zeros(session.SYMBOL_BYTES // 8, np.int64)
block[session.SYMBOLS // 8] = symbols.ctypes.data
dtypes = command_metadata.METADATA_DTYPE, ORDER_DTYPE, EVENT_DTYPE
metadata, order, event = (np.zeros(1, of) for of in dtypes)
metadata["session"], metadata["row"], metadata["flags"] = 1, 1, command_metadata.FLAG_NEW_ROW
order["kind"], order["qty_lots"] = apply.NEW, 5

def command(participant=7, number=1):
    order["participant"], order["order_id"] = participant, rows.ORDER_BIT | number
    apply.apply_command(shared.address, order.ctypes.data, metadata.ctypes.data)

def update(kind, qty=0, leaves=0):
    event["kind"], event["qty_lots"], event["leaves_lots"] = kind, qty, leaves
    row = shared[session_region.ROWS] + rows.ROW_BYTES
    apply.update_row(shared.address, row, event.ctypes.data)

fired["somebody else's order"] = fires(command, 8)
shared.clear()
fired["an order under another's number"] = fires(command, 7, 2)
shared.clear()
right += [fires(command), fires(update, EventKind.ACCEPTED, 0, 5)]
fired["a number that comes twice"] = fires(command)
shared.clear()
command()
update(EventKind.ACCEPTED, 0, 5)
fired["more lots than were asked for"] = fires(update, EventKind.FILLED, 3, 5)
shared.clear()
command()
block[session.OPEN_ORDERS // 8] = 0
fired["an end of what was not counted"] = fires(update, EventKind.REJECTED)
right.append(fires(apply.begin_day, shared.address))
fired["a day that begins twice"] = fires(apply.begin_day, shared.address)
print(fired | {"right": any(right)})
"""


@pytest.mark.parametrize("verify", [True, False])
def test_a_deliberately_wrong_call_fires_under_verify_alone(verify: bool) -> None:
    """Orders of somebody else, numbers that come twice, rows, tokens and streams out of order."""
    assert_fires_under_verify_alone(WRONG_CALLS, verify)


@pytest.mark.long
def test_without_verify_the_machine_code_has_no_trace_of_them(tmp_path):
    kernels = {
        "openoutcry.order_entry.rows": ("take_row", "current_row"),
        "openoutcry.order_entry.stream": ("append",),
        "openoutcry.order_entry.sums": ("put", "remove"),
        "openoutcry.order_entry.tokens": ("put_token", "number_of"),
    }
    assert_costs_nothing(kernels, tmp_path)


@pytest.mark.long
def test_what_sessions_keep_and_tell_passes_under_verify() -> None:
    """The tables against their references, and both protocols of OUCH from bytes to bytes."""
    assert_passes_under_verify(
        "tests/unit/order_entry/test_sessions_tables.py",
        "tests/unit/order_entry/test_ouch42.py",
        "tests/unit/order_entry/test_ouch42_out.py",
        "tests/unit/order_entry/test_ouch50.py",
    )


@pytest.mark.long
def test_sessions_pass_under_verify() -> None:
    """Whole venues: both protocols, drop copies, lost connections, kills and checkpoints."""
    system, unit = "tests/system/sessions", "tests/unit/order_entry"
    assert_passes_under_verify(
        f"{system}/test_sessions_live.py",
        f"{unit}/test_sessions_ouch50.py",
        f"{system}/test_sessions_checkpoint.py",
        f"{system}/test_sessions_kill.py",
        f"{system}/test_fix_live.py",
        f"{system}/test_fix_kill.py",
        f"{unit}/test_fix_drop_copy.py",
    )
