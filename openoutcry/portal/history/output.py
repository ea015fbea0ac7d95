"""Room for rows of a table, as PostgreSQL's binary COPY takes them, which kernels write."""

import numpy as np

from openoutcry.ledger.copy_rows import HEADER, TRAILER

SLACK = 8
"""Bytes after the last row that a kernel may write to."""


class Output:
    """Rows of one table.  While the database takes those of one room the next are written to the
    other: fresh memory costs ten times what it costs to write to it again."""

    def __init__(self) -> None:
        self._room, self._other = (np.frombuffer(HEADER, np.uint8) for _ in range(2))
        self._used = len(HEADER)

    def hold(self, most_bytes: int) -> int:
        """Make room for this many bytes more; the address at which the next row goes."""
        needed = self._used + most_bytes + SLACK
        if needed > len(self._room):
            larger = np.empty(2 * needed, np.uint8)
            larger[: self._used] = self._room[: self._used]
            self._room = larger
        return int(self._room.ctypes.data) + self._used

    def end(self, address: int) -> None:
        """Rows were written up to an address."""
        self._used = address - int(self._room.ctypes.data)

    def finish(self) -> memoryview:
        """All rows, nothing without one; the next are those of another transaction.  It is valid
        until rows are written after the next call that has some."""
        if self._used == len(HEADER):
            return memoryview(b"")
        found = self._room[: self._used + len(TRAILER)]
        found[self._used :] = np.frombuffer(TRAILER, np.uint8)
        self._room, self._other = self._other, self._room
        self._used = len(HEADER)
        return found.data
