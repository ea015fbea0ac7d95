"""Transactions as columns for other people's tools: names spelt out, one schema for every store."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.ledger.layout as lay
from openoutcry.ledger.report import arrow
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import EventFlag
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words

KINDS = ["", *(kind.name for kind in lay.Kind)]
SIDES = ["", "BUY", "SELL"]
NUMBERS = (
    "event_seq",
    "part",
    "cause_seq",
    "ts_ns",
    "order_id",
    "contra_id",
    "price_ticks",
    "qty_lots",
    *lay.MONEY_COLUMNS,
    *lay.LOT_COLUMNS,
)
COLUMNS = (*NUMBERS, "participant", "instrument", "asset", "kind", "side", "maker", "day")
"""``day``: the day of ``ts_ns``, UTC, days since the epoch as a date."""
TYPES = {
    "participant": "integer",
    "instrument": "text",
    "asset": "text",
    "kind": "text",
    "side": "text",
    "maker": "boolean",
    "day": "date",
}
"""In PostgreSQL, of the columns that are no numbers of 64 bits."""
ROW_WORDS = lay.ROW_BYTES // 8
"""The last word holds the small fields: participant, instrument, asset, kind, side, flags."""


@cache
def _dictionary(names: tuple[str, ...]) -> Any:
    return arrow().array(names, arrow().string())


def days_of(ts_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The day of each time, days since the epoch; time never goes back."""
    if len(ts_ns) and ts_ns[0] // lay.DAY_NS == ts_ns[-1] // lay.DAY_NS:
        # Measured: dividing each took a tenth of what a file takes.
        return np.full(len(ts_ns), ts_ns[0] // lay.DAY_NS)
    days: npt.NDArray[np.int64] = ts_ns // lay.DAY_NS
    return days


@kernel
def gather(rows: int, count: int, columns: int, stride: int) -> None:
    """Words of rows (TRANSACTION_DTYPE) as columns: each row is read once, as it lies; word k of
    row n goes to ``columns`` + k * ``stride`` + 8 * n.  Measured: three times as fast as numpy's
    field after field within a cache."""
    for row in range(count):
        for word in range(ROW_WORDS):
            value = Words(rows + row * lay.ROW_BYTES)[word]
            Words(columns + word * stride)[row] = value


def gathered(parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.int64]:
    """Rows (TRANSACTION_DTYPE), one array after the other, as int64[ROW_WORDS, rows]."""
    words = np.empty((ROW_WORDS, sum(map(len, parts))), np.int64)
    at = 0
    for rows in parts:
        rows = np.ascontiguousarray(rows)
        gather(rows.ctypes.data, len(rows), words.ctypes.data + 8 * at, words.strides[0])
        at += len(rows)
    return words


def as_table(parts: Sequence[npt.NDArray[Any]], symbols: list[str], monies: list[str]) -> Any:
    """Rows (TRANSACTION_DTYPE), one array after the other, as an arrow table with
    :data:`COLUMNS`."""
    pa, words = arrow(), gathered(parts)
    columns: dict[str, Any] = {name: words[lay.AT[name] // 8] for name in NUMBERS}
    labels = words[lay.AT["participant"] // 8]

    def label(name: str) -> npt.NDArray[np.int64]:
        kind, shift = lay.TRANSACTION_DTYPE[name], 8 * (lay.AT[name] - lay.AT["participant"])
        return (labels >> shift) & ((1 << 8 * kind.itemsize) - 1)

    def named(codes: npt.NDArray[Any], names: list[str]) -> Any:
        codes, different = np.minimum(codes, len(names) - 1), list(dict.fromkeys(names))
        if len(different) < len(names):
            # With a name twice, the writer of Parquet stores memory that was never written.
            codes = np.array([different.index(name) for name in names])[codes]
        return pa.DictionaryArray.from_arrays(
            pa.array(codes.astype(np.int16)), _dictionary(tuple(different))
        )

    columns["participant"] = label("participant").astype(np.int32)
    columns["instrument"] = named(label("instrument"), [*symbols, ""])
    columns["asset"] = named(label("asset"), monies)
    columns["kind"] = named(label("kind"), KINDS)
    columns["side"] = named(label("side"), SIDES)
    columns["maker"] = (label("flags") & (EventFlag.MAKER | EventFlag.AUCTION)) != 0
    columns["day"] = pa.array(days_of(columns["ts_ns"]).astype(np.int32)).cast(pa.date32())
    arrays = [pa.array(columns[name]) for name in COLUMNS]
    # Measured: columns that may be null took a fifth longer to write.
    fields = [
        pa.field(name, array.type, nullable=False)
        for name, array in zip(COLUMNS, arrays, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def whole_numbers(table: Any, name: str) -> npt.NDArray[np.int64]:
    """A column of whole numbers.  Raises KeyError or ValueError for one that holds anything else,
    such as numbers of more than 64 bits: they would become other numbers without a word."""
    types, column = arrow().types, table[name]
    kind = column.type
    fits = types.is_signed_integer(kind) or (types.is_unsigned_integer(kind) and kind != "uint64")
    if not fits or column.null_count:
        raise ValueError(f"column {name} is of {kind} with {column.null_count} empty values")
    numbers: npt.NDArray[np.int64] = column.to_numpy().astype(np.int64)
    return numbers


def as_rows(table: Any, symbols: list[str], monies: list[str]) -> npt.NDArray[Any]:
    """The rows (TRANSACTION_DTYPE) of such a table; of ``flags`` only whether it was the maker.

    Raises KeyError or ValueError for a table of something else.
    """
    rows = np.zeros(table.num_rows, lay.TRANSACTION_DTYPE)
    for name in NUMBERS:
        rows[name] = whole_numbers(table, name)
    participants = whole_numbers(table, "participant")
    if len(participants) and not 0 <= participants.min() <= participants.max() < 1 << 16:
        raise ValueError("column participant has numbers that are not participants")
    rows["participant"] = participants

    def codes(name: str, known: dict[str, int]) -> npt.NDArray[np.int64]:
        texts = table[name].combine_chunks()
        if texts.null_count:
            raise ValueError(f"column {name} has {texts.null_count} empty values")
        if not hasattr(texts, "indices"):
            texts = texts.dictionary_encode()
        of = np.array([known[text] for text in texts.dictionary.to_pylist()] or [0], np.int64)
        column: npt.NDArray[np.int64] = of[texts.indices.to_numpy(zero_copy_only=False)]
        return column

    instruments = {name: number for number, name in enumerate(symbols)} | {"": lay.NO_INSTRUMENT}
    # Before any money was declared the first has another name.
    assets = {"CASH": 0} | {name: number for number, name in enumerate(monies)}
    rows["instrument"], rows["asset"] = codes("instrument", instruments), codes("asset", assets)
    rows["kind"] = codes("kind", {name: number for number, name in enumerate(KINDS)})
    rows["side"] = codes("side", {name: number for number, name in enumerate(SIDES)})
    rows["flags"] = np.where(table["maker"].to_numpy(), enum_numbers.EVENT_FLAG_MAKER, 0)
    return rows
