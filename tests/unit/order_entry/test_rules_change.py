"""Sessions look at the rules of an instrument that are in force in the core."""

from ctypes import c_int64

import numpy as np

from openoutcry.order_entry.ouch import rules_of
from openoutcry.order_entry.session import SymbolRow, Symbols
from openoutcry.risk.region import View, make_region
from openoutcry.wire import make_instruments
from openoutcry.wire.records import INSTRUMENT

TABLE = make_instruments(["GOLD", {"symbol": "A-LONGER", "price_step_ticks": 5}])
NAMES = ["GOLD", "A-LONGER-SYMBOL"]


def rows(symbols):
    """Index and address of each row: by index, by the symbol in records, by the long name."""
    for table in (symbols.by_index, symbols.table, symbols.names):
        for row in table[table[:, 0] != 0]:
            yield int(row[SymbolRow.offset("instrument") // 8]), row.ctypes.data


def steps(symbols):
    at = INSTRUMENT.offsets["price_step_ticks"]
    return sorted(
        {
            (index, c_int64.from_address(rules_of(SymbolRow.of(row)) + at).value)
            for index, row in rows(symbols)
        }
    )


def test_the_rules_are_the_cores_once_it_is_there():
    """Before it is, and of a core whose rules do not change, they are those of the file."""
    symbols = Symbols(TABLE, symbols=NAMES)
    assert steps(symbols) == [(0, 1), (1, 5)]
    region = make_region(TABLE, 4, rules=True)
    whole = region.view(np.int64)[0]
    region.view(np.int64)[0] = 0
    symbols.follow(region.ctypes.data)
    table = View(make_region(TABLE, 4, rules=True)).rules.table
    assert table["price_step_ticks"].tolist() == [1, 5]
    assert steps(symbols) == [(0, 1), (1, 5)]
    region.view(np.int64)[0] = whole
    View(region).rules.table["price_step_ticks"] = [10, 25]
    assert steps(symbols) == [(0, 10), (1, 25)]
    plain = make_region(TABLE, 4)
    symbols.follow(plain.ctypes.data)
    assert steps(symbols) == [(0, 1), (1, 5)]
