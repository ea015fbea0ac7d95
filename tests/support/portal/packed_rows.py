"""What the packed fields of a history say."""

from typing import Any

import numpy as np
import psycopg

from openoutcry.portal.history import packed
from openoutcry.portal.history.changes import changes_of
from openoutcry.portal.history.output import SLACK
from openoutcry.portal.history.projector import order_of
from openoutcry.portal.portfolio.stored import transactions_of
from openoutcry.portal.trading.orders import Order


def packed_rows(rows: np.ndarray) -> bytes:
    """Rows, int64[rows, words], as a field."""
    words, before = rows.shape[1], 0
    out = np.empty(packed.most_bytes(words) * len(rows) + SLACK, np.uint8)
    at = out.ctypes.data
    for index in range(len(rows)):
        row = rows.ctypes.data + index * rows.strides[0]
        at = packed.pack(at, row, before, words)
        before = row
    return out[: at - out.ctypes.data].tobytes()


def changes_in(url: str, condition: str = "true") -> list[dict[str, Any]]:
    """Every change of an order, by its event."""
    query = f"select * from history.order_changes where {condition}"
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        found = [change for row in connection.execute(query) for change in changes_of(row)]
    return sorted(found, key=lambda change: int(change["event_seq"]))


def orders_in(url: str) -> list[Order]:
    """Every order."""
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        return [order_of(row) for row in connection.execute("select * from history.orders")]


def transactions_in(url: str) -> np.ndarray:
    """Every transaction (TRANSACTION_DTYPE), in the ledger's order."""
    with psycopg.connect(url) as connection:
        query = "select distinct participant from history.transactions"
        people = [row[0] for row in connection.execute(query)]
        rows = np.concatenate([transactions_of(connection, who, -1, 2**62) for who in people])
    return rows[np.lexsort((rows["part"], rows["event_seq"]))]
