"""The ledger's transactions out of the history, in the form in which the ledger takes them."""

from typing import Any

import numpy.typing as npt

from openoutcry.portal.history.packed import transactions_in

QUERY = """
    copy (
        select packed from history.transactions
        where participant = {} and event_seq > {} and cause_seq <= {} order by event_seq
    ) to stdout (format binary)
"""


def transactions_of(
    connection: Any, participant: int, after_event: int, until_seq: int
) -> npt.NDArray[Any]:
    """A participant's transactions (TRANSACTION_DTYPE) of the events after one, which was a
    command's last, up to those of a command."""
    from psycopg import sql

    values = map(sql.Literal, (participant, after_event, until_seq))
    with connection.cursor().copy(sql.SQL(QUERY).format(*values)) as copy:
        return transactions_in(b"".join(bytes(part) for part in copy))
