"""Transactions as columns for other people's tools: names spelt out, one schema for every store."""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.ledger.layout as lay
from openoutcry.ledger.report import arrow
from openoutcry.wire.enums import EventFlag

KINDS = ["", *(kind.name for kind in lay.Kind)]
SIDES = ["", "BUY", "SELL"]
NUMBERS = ("event_seq", "part", "cause_seq", "ts_ns", "order_id", "contra_id", "price_ticks",
           "qty_lots", *lay.MONEY_COLUMNS, *lay.LOT_COLUMNS)  # fmt: skip
COLUMNS = (*NUMBERS, "participant", "instrument", "asset", "kind", "side", "maker", "day")
"""``day``: the day of ``ts_ns``, UTC, days since the epoch as a date."""


@cache
def _dictionary(names: tuple[str, ...]) -> Any:
    return arrow().array(names, arrow().string())


def days_of(rows: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The day of each, days since the epoch."""
    days: npt.NDArray[np.int64] = rows["ts_ns"] // lay.DAY_NS
    return days


def as_table(rows: npt.NDArray[Any], symbols: list[str], monies: list[str]) -> Any:
    """Rows (TRANSACTION_DTYPE) as an arrow table with :data:`COLUMNS`."""
    pa = arrow()

    def named(codes: npt.NDArray[Any], names: list[str]) -> Any:
        return pa.DictionaryArray.from_arrays(
            pa.array(np.minimum(codes, len(names) - 1).astype(np.int16)), _dictionary(tuple(names))
        )

    columns = {name: np.ascontiguousarray(rows[name]) for name in NUMBERS}
    columns["participant"] = rows["participant"].astype(np.int32)
    columns["instrument"] = named(rows["instrument"], [*symbols, ""])
    columns["asset"] = named(rows["asset"], monies)
    columns["kind"] = named(rows["kind"], KINDS)
    columns["side"] = named(rows["side"], SIDES)
    columns["maker"] = (rows["flags"] & (EventFlag.MAKER | EventFlag.AUCTION)) != 0
    columns["day"] = pa.array(days_of(rows).astype(np.int32)).cast(pa.date32())
    return pa.table(columns)
