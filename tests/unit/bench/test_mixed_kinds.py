"""bench/mixed_kinds.py: the mixed stream's time, divided among kinds and types of commands."""

from dataclasses import asdict

import numpy as np

from openoutcry.bench.mixed_kinds import rows_of
from openoutcry.host.info import host_info
from openoutcry.report.tables import mixed_kinds_table
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind, OrderType


def test_time_is_divided_among_kinds_and_the_types_of_new_orders() -> None:
    """A cancel's type is of no account; the dearest in all comes first; shares add up to 1."""
    commands = np.zeros(5, ORDER_DTYPE)
    new, cancel = CommandKind.NEW, CommandKind.CANCEL
    commands["kind"] = [new, new, cancel, cancel, new]
    commands["order_type"] = [
        OrderType.LIMIT,
        OrderType.LIMIT,
        OrderType.LIMIT,
        OrderType.STOP,
        OrderType.STOP,
    ]
    rows = rows_of(commands, np.array([10.0, 30.0, 5.0, 15.0, 40.0]))
    assert [row.name for row in rows] == ["NEW LIMIT", "NEW STOP", "CANCEL"]
    assert [(row.mean_ns, row.count_share) for row in rows] == [(20, 0.4), (40, 0.2), (10, 0.4)]
    assert [row.time_share for row in rows] == [0.4, 0.4, 0.2]
    document = {
        "figures": {"rows": [asdict(row) for row in rows]},
        "command": "x",
        "host": host_info(),
    }
    lines = mixed_kinds_table(document).splitlines()
    assert lines[2] == "| NEW LIMIT | 40.00% | 20 ns | 20 ns | 30 ns | 40.0% |"
