"""wire/records.py: the tables are sound, and an instrument table with a mistake is refused."""

import pytest

from openoutcry.wire import (
    make_instruments,
)
from openoutcry.wire.records import (
    MAX_INSTRUMENTS,
)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["A", ""], "row 1: symbol '' is not 1 to 8 printable ASCII characters"),
        (["A", "É"], "row 1: symbol 'É' is not 1 to 8 printable ASCII characters"),
        (["ABCDEFGHI"], "row 0: symbol 'ABCDEFGHI' is not 1 to 8"),
        (["A B"], "row 0: symbol 'A B' is not"),
        (["A\0"], "row 0: symbol"),
        (["A", "B", "A"], "row 2: symbol b'A' occurs twice"),
        ([{"symbol": "A", "tick": 1}], "row 0: unknown field 'tick'"),
        ([{"symbol": "A", "price_step_ticks": 0}], "row 0: price_step_ticks is 0, not 1 to"),
        ([{"symbol": "A", "qty_step_lots": -1}], "row 0: qty_step_lots is -1, not 1 to"),
        ([{"symbol": "A", "max_price_ticks": 2**63}], "row 0: max_price_ticks is"),
        (
            [{"symbol": "A", "min_qty_lots": 5, "max_qty_lots": 4}],
            "row 0: min_qty_lots is above max_qty_lots",
        ),
        (
            [{"symbol": "A", "min_price_ticks": 5, "max_price_ticks": 4}],
            "row 0: min_price_ticks is above max_price_ticks",
        ),
        ([{"symbol": "A", "allocation": 4}], "row 0: allocation is 4, not 1 to 3"),
        ([{"symbol": "A", "options": 2 | 32}], "row 0: options has both STOPS_BY_QUOTE and"),
        (
            [{"symbol": "A", "tick_table": [(100, 5), (50, 10)]}],
            "row 0: band2_from_ticks is 50: not above",
        ),
        ([{"symbol": "A", "tick_table": [(101, 5)]}], "row 0: band1_from_ticks is 101"),
        ([{"symbol": "A", "tick_table": [(1, 1)] * 11}], "row 0: tick_table has 11 bands"),
        ([{"symbol": "A", "band2_from_ticks": 4, "band2_step_ticks": 2}], "after an empty band"),
        ([], "1 to 65535 rows, not 0"),
        ([str(n) for n in range(MAX_INSTRUMENTS + 1)], "1 to 65535 rows, not 65536"),
    ],
)
def test_a_wrong_instrument_row_is_named(rows, message):
    """The error says which row and which field."""
    with pytest.raises(ValueError, match=message):
        make_instruments(rows)
