"""Transactions of a part of the journal: out of the files of a store as far as there are any, the
rest by a replay from a checkpoint."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal.reader import parts_before
from openoutcry.ledger.columns import as_rows
from openoutcry.ledger.layout import TRANSACTION_DTYPE
from openoutcry.ledger.ledger_state import LedgerState, at, folder_of, oldest, opened
from openoutcry.ledger.parquet_store import stored_files
from openoutcry.ledger.report import arrow
from openoutcry.wire.errors import LedgerError

Rows = npt.NDArray[Any]


def transactions(
    directory: Path, until: LedgerState, after_seq: int = 0, participant: int | None = None
) -> Iterator[Rows]:
    """Every transaction (TRANSACTION_DTYPE) of the commands after ``after_seq`` up to where
    ``until`` is, in order; from the begin on with those of the configuration first.

    Of one ``participant`` only, if it is named.  Raises :class:`LedgerError` if the journal's begin
    was retired and no store has the earlier transactions.  Those of a journal that this one
    continues are found there.
    """
    parts = parts_before(directory)
    if parts and after_seq < parts[-1][1]:
        before, seq = parts[-1]
        end = until if until.seq <= seq else at(before, seq)
        yield from transactions(before, end, after_seq, participant)
        if until.seq <= seq:
            return
        after_seq = seq
    reached = after_seq if after_seq else -1
    files = stored_files(folder_of(directory), until.reader.journal_id)
    limit = max((begin for begin, _ in files), default=0)
    ledger_state = opened(directory, min(max(limit, after_seq), until.seq))
    if limit and ledger_state.seq > after_seq:
        for begin, path in files:
            if begin < ledger_state.seq:
                yield _stored(path, until, reached, ledger_state.seq, participant)
        reached = ledger_state.seq
    elif not after_seq:
        ledger_state = oldest(directory)
        if ledger_state.seq:
            raise LedgerError(
                f"{directory} begins after sequence {ledger_state.seq}, "
                "and no store has the earlier transactions"
            )
        yield _of(ledger_state.books.opening, participant)
    for rows, _ in ledger_state.advance(until.seq):
        yield _of(rows[rows["cause_seq"] > reached], participant)


def _of(rows: Rows, participant: int | None) -> Rows:
    return rows if participant is None else rows[rows["participant"] == participant]


def _stored(
    path: Path, until: LedgerState, after_seq: int, until_seq: int, participant: int | None
) -> Rows:
    import pyarrow.dataset
    from pyarrow import compute, parquet

    pa, books = arrow(), until.books
    try:
        if participant is None:
            table = parquet.read_table(path, partitioning=None)
        else:
            condition = compute.field("participant") == participant
            table = pyarrow.dataset.dataset(path, format="parquet").to_table(filter=condition)
        rows = as_rows(table, books.symbols, books.money_names)
    except (OSError, ValueError, KeyError, IndexError, pa.ArrowException) as error:
        raise LedgerError(f"{path}: {' '.join(str(error).split())}") from None
    cause = rows["cause_seq"]
    return rows[(cause > after_seq) & (cause <= until_seq)]


def joined(parts: Iterator[Rows]) -> Rows:
    """All of them as one array."""
    return np.concatenate([np.zeros(0, TRANSACTION_DTYPE), *parts])
