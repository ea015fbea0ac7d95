"""Order-to-trade ratios of RTS 9: Delegated Regulation (EU) 2017/566, by member, instrument, day.

By number: all orders / all transactions - 1; by volume: all orders' volume / the transactions' - 1
(Article 3).  What an order counts as depends on its type (the Annex): :data:`COUNTS`, which a
venue's file of codes overrides (``[rts9]``: ``ICEBERG = [1, 2, 1]``).
"""

from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from openoutcry.surveillance.audit.trail import Trail, operators_cancels
from openoutcry.surveillance.reports import schema
from openoutcry.surveillance.reports.schema import Field, Row, Table, alphanumeric
from openoutcry.wire.errors import AuditError
from openoutcry.wire.order_types import AT_ONCE
from openoutcry.wire.words import ORDER_TYPES

Counts = dict[str, tuple[int, int, int]]
MESSAGES = {"rests": (1, 2, 1), "waits": (1, 2, 1), "at once": (1, 0, 0)}
COUNTS: Counts = {
    order_type.name: MESSAGES[word] for order_type, word in ORDER_TYPES.column("RTS 9").items()
} | {"IMMEDIATE": MESSAGES["at once"]}
"""Messages that count: when it is entered, each time it is changed, when it is cancelled.
IMMEDIATE: IOC and FOK of any type.  What the venue does by itself (a peg that follows, an iceberg's
next slice, an expiry, a cancel without a request) counts nothing."""
RATIO = r"-?\d{1,18}\.\d{4}"
TABLE = Table(
    "RTS 9 ratios",
    "Delegated Regulation (EU) 2017/566",
    (
        Field(1, "day", schema.DATE),
        Field(2, "participant", schema.WHOLE),
        Field(3, "instrument", alphanumeric(20)),
        Field(4, "orders", schema.WHOLE),
        Field(5, "transactions", schema.WHOLE),
        Field(6, "ratio_by_number", RATIO, True),
        Field(7, "order_lots", schema.WHOLE),
        Field(8, "transaction_lots", schema.WHOLE),
        Field(9, "ratio_by_volume", RATIO, True),
    ),
)
ASKED_CANCELS = ("USER", "MASS_CANCEL", "REDUCED_TO_ZERO")


def counts_of(overrides: dict[str, Any]) -> Counts:
    """:data:`COUNTS` with a venue's own.  Raises :class:`AuditError` for what makes no sense."""
    counts = dict(COUNTS)
    for name, row in overrides.items():
        right = isinstance(row, list) and [type(n) for n in row] == [int, int, int]
        if name not in COUNTS or not right or min(row) < 0:
            raise AuditError(
                f"[rts9] {name} = {row!r}: write an order type and three numbers, 0 or more "
                f"(entered, changed, cancelled): {', '.join(COUNTS)}"
            )
        counts[name] = (row[0], row[1], row[2])
    return counts


@dataclass
class _Sums:
    orders: int = 0
    order_lots: int = 0
    lots: int = 0
    matches: set[int] = field(default_factory=set)


def ratios(trail: Trail, day: str, counts: Counts | None = None) -> list[Row]:
    """A row for each participant and instrument of the day; no ratio where nothing traded.

    An order that was refused was not received into the book and does not count; a participant
    that traded with itself has one transaction.
    """
    counts = counts or COUNTS
    sums: dict[tuple[int, str], _Sums] = {}
    for table in trail.day(day):
        of_operator = operators_cancels(table)
        for batch in table.to_batches(max_chunksize=1 << 14):
            for row in batch.to_pylist():
                if row["symbol"] and row["participant"] and row["entry_seq"]:
                    key = row["participant"], row["symbol"]
                    by_operator = row["seq"] in of_operator
                    _count(sums.setdefault(key, _Sums()), row, counts, by_operator)
    rows = [_row(day, who, symbol, own_sums) for (who, symbol), own_sums in sorted(sums.items())]
    return list(TABLE.checked(rows))


def _count(sums: _Sums, row: dict[str, Any], counts: Counts, by_operator: bool) -> None:
    action = row["action"]
    if action == "TRADE":
        sums.matches.add(row["match"])
        sums.lots += row["qty_lots"]
        return
    at_once = row["time_in_force"] in [tif.name for tif in AT_ONCE]
    entered, changed, cancelled = counts["IMMEDIATE" if at_once else row["order_type"]]
    requested = row["reason"] in ASKED_CANCELS and not by_operator
    if action == "NEW":
        sums.orders += entered
        sums.order_lots += row["qty_lots"] if entered else 0
    elif action == "REPLACE" or (action == "REDUCE" and row["command"] == "REDUCE"):
        sums.orders += changed
        sums.order_lots += row["leaves_lots"] if changed else 0
    elif action == "CANCEL" and requested:
        sums.orders += cancelled


def _row(day: str, who: int, symbol: str, sums: _Sums) -> Row:
    return {
        "day": day,
        "participant": str(who),
        "instrument": symbol,
        "orders": str(sums.orders),
        "transactions": str(len(sums.matches)),
        "ratio_by_number": _ratio(sums.orders, len(sums.matches)),
        "order_lots": str(sums.order_lots),
        "transaction_lots": str(sums.lots),
        "ratio_by_volume": _ratio(sums.order_lots, sums.lots),
    }


def _ratio(orders: int, trades: int) -> str:
    """Return the ratio to four decimals, half to even; empty where nothing traded."""
    if not trades:
        return ""
    exact = Decimal(orders) / Decimal(trades) - 1
    return str(exact.quantize(Decimal("0.0001"), ROUND_HALF_EVEN))
