"""The ledger's transactions out of the history, in the form in which the ledger takes them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.ledger.books import Books
from openoutcry.ledger.columns import KINDS, NUMBERS, SIDES
from openoutcry.ledger.layout import NO_INSTRUMENT, TRANSACTION_DTYPE
from openoutcry.wire import enum_numbers

HEAD, TAIL = 19, 2
"""Bytes of a binary COPY around its rows."""
CODES = ("participant", "instrument", "asset", "kind", "side", "flags")
FIELDS = (*NUMBERS, *CODES)
FIELD = (("size", ">i4"), ("at", ">i8"))
ROW = np.dtype(
    [("count", ">i2"), *((f"{what}_{name}", kind) for name in FIELDS for what, kind in FIELD)]
)
QUERY = """
    copy (
        select {numbers}, participant::bigint,
            coalesce(array_position({symbols}::text[], instrument), 0)::bigint,
            coalesce(array_position({monies}::text[], asset), 1)::bigint,
            array_position({kinds}::text[], kind)::bigint,
            array_position({sides}::text[], side)::bigint,
            case when maker then {maker} else 0 end::bigint
        from history.transactions
        where participant = {participant} and event_seq > {after} and cause_seq <= {until}
        order by event_seq, part
    ) to stdout (format binary)
"""


def transactions_of(
    connection: Any, books: Books, participant: int, after_event: int, until_seq: int
) -> npt.NDArray[Any]:
    """A participant's transactions (TRANSACTION_DTYPE) of the events after one, up to those of a
    command; of ``flags`` only whether it was the maker."""
    from psycopg import sql

    # A name without characters is no instrument; money that was declared late was CASH before.
    values = {
        "symbols": list(books.symbols),
        "monies": list(books.money_names),
        "kinds": KINDS,
        "sides": SIDES,
        "maker": enum_numbers.EVENT_FLAG_MAKER,
        "participant": participant,
        "after": after_event,
        "until": until_seq,
    }
    shown = {name: sql.Literal(value) for name, value in values.items()}
    numbers = sql.SQL(", ").join(map(sql.Identifier, NUMBERS))
    query = sql.SQL(QUERY).format(numbers=numbers, **shown)
    with connection.cursor().copy(query) as copy:
        data = b"".join(bytes(part) for part in copy)
    stored = np.frombuffer(data, ROW, (len(data) - HEAD - TAIL) // ROW.itemsize, HEAD)
    rows = np.zeros(len(stored), TRANSACTION_DTYPE)
    for name in (*NUMBERS, "participant", "flags"):
        rows[name] = stored[f"at_{name}"]
    # Places in an array are counted from 1 there.
    for name in ("asset", "kind", "side"):
        rows[name] = stored[f"at_{name}"] - 1
    places = stored["at_instrument"]
    rows["instrument"] = np.where(places == 0, NO_INSTRUMENT, places - 1)
    return rows
