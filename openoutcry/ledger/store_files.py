"""Rows of the ledger's files by their events, for a process that follows them.

Asking DuckDB for what is new opened every file of the ledger at every look.  As measured, that was
half of a reconciliation's processor time.  A file's footer says what it holds, and is read once.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.ledger.columns import whole_numbers
from openoutcry.ledger.parquet_store import ATTEMPTS, read_manifest
from openoutcry.ledger.report import arrow
from openoutcry.wire.errors import LedgerError

Columns = dict[str, npt.NDArray[np.int64]]
FIRST, LAST = 0, 1


class Files:
    """The files that count of a ledger's folder, and these columns of their rows as int64."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder, self.names = folder, list(names)
        self._spans: dict[tuple[str, int, int], npt.NDArray[np.int64]] = {}
        """By a file's name, inode and time: first and last event of each of its row groups."""

    def rows(self, after: int, until: int) -> Columns:
        """Return the rows of the events after ``after`` up to ``until``, in order.

        Raises :class:`LedgerError` for files that cannot be read."""
        import pyarrow as pa

        for attempt in range(ATTEMPTS):
            try:
                return self._rows(after, until)
            except (OSError, pa.ArrowException) as error:
                # A file of the tail that was replaced meanwhile is read again.
                if attempt == ATTEMPTS - 1:
                    raise LedgerError(f"{self.folder}: {' '.join(str(error).split())}") from None
                time.sleep(0.05)
            except (LookupError, ValueError, TypeError, ArithmeticError) as error:
                # Of another make than ours, which another look does not change.
                raise LedgerError(f"{self.folder}: {' '.join(str(error).split())}") from None
        raise AssertionError("unreachable")

    def _rows(self, after: int, until: int) -> Columns:
        pa, manifest = arrow(), read_manifest(self.folder) or {"final": [], "tail": []}
        parts: list[Any] = []
        known = {}
        for name in (*manifest["final"], *manifest["tail"]):
            path = self.folder / name
            stat = os.stat(path)
            key = (name, stat.st_ino, stat.st_mtime_ns)
            file = None if key in self._spans else pa.parquet.ParquetFile(path)
            known[key] = spans = _spans(file) if file else self._spans[key]
            groups = np.flatnonzero((spans[:, LAST] > after) & (spans[:, FIRST] <= until))
            if len(groups):
                file = file or pa.parquet.ParquetFile(path)
                parts.append(
                    file.read_row_groups(groups.tolist(), columns=self.names, use_threads=False)
                )
        self._spans = known
        return _between(parts, self.names, after, until)


def _spans(file: Any) -> npt.NDArray[np.int64]:
    """First and last event of each row group; one that does not say so may hold any."""
    meta, column = file.metadata, file.schema_arrow.get_field_index("event_seq")
    spans = np.zeros((meta.num_row_groups, 2), np.int64)
    for number in range(meta.num_row_groups):
        statistics = meta.row_group(number).column(column).statistics
        says = statistics is not None and statistics.has_min_max
        spans[number] = (statistics.min, statistics.max) if says else (-1, np.iinfo(np.int64).max)
    return spans


def _between(parts: list[Any], names: list[str], after: int, until: int) -> Columns:
    columns = {
        name: np.concatenate(
            [np.zeros(0, np.int64), *[whole_numbers(table, name) for table in parts]]
        )
        for name in names
    }
    events, order = columns["event_seq"], columns["part"]
    kept = (events > after) & (events <= until)
    if not kept.all():
        columns = {name: values[kept] for name, values in columns.items()}
        events, order = columns["event_seq"], columns["part"]
    step = np.diff(events)
    if ((step < 0) | ((step == 0) & (np.diff(order) < 0))).any():
        at = np.lexsort((order, events))
        columns = {name: values[at] for name, values in columns.items()}
    return columns
