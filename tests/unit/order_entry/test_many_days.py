"""A journal of many days is read from its beginning with the tokens that one day has room for."""

import numpy as np

from openoutcry.order_entry import apply, command_metadata, rows, session, session_region
from openoutcry.order_entry.spec import Protocol
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import CommandKind
from openoutcry.wire.records import ORDER_DTYPE


def test_an_open_order_is_found_by_its_token_after_days_of_others():
    sizes = session_region.Sizes(1, rows=64, metadata=16, tokens=16)
    memory = np.zeros(session_region.region_bytes(sizes) // 8, np.int64)
    region, symbols = (
        session_region.SessionRegion(memory, sizes),
        session.Symbols(make_instruments(["ACME"])),
    )
    for word, value in symbols.words().items():
        region.block(1)[word // 8] = value
    table = np.frombuffer(region.rows, rows.ROW_DTYPE)

    def enter(number, token, orig=b""):
        order, metadata = np.zeros((), ORDER_DTYPE), np.zeros((), command_metadata.METADATA_DTYPE)
        order["kind"] = CommandKind.REPLACE if orig else CommandKind.NEW
        order["order_id"], order["qty_lots"] = rows.ORDER_BIT | (5 if orig else number), 10
        metadata["session"], metadata["protocol"], metadata["row"] = 1, int(Protocol.OUCH42), number
        metadata["flags"] = command_metadata.FLAG_NEW_ROW | command_metadata.FLAG_TOKEN
        metadata["token"], metadata["token_bytes"] = token.ljust(14), 14
        metadata["orig"], metadata["orig_bytes"] = orig.ljust(14) if orig else b"", 14 * bool(orig)
        apply.apply_command(region.address, order.ctypes.data, metadata.ctypes.data)

    for number in range(1, 60):
        enter(number, b"T%d" % number)
        if number != 5:
            table["state"][table["number"] == number] = rows.DONE
    enter(60, b"NEXT", orig=b"T5")
    assert table["chain"][table["number"] == 60].tolist() == [5]
