"""Whether a journal's clock was set back: the stamps of its blocks, in the journal's order.

One process at a time stamps blocks, so their times only grow.  Commands of several sources come in
turns, and one may have waited for its turn: only a large step back of their times counts.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from openoutcry.journal.block import BlockHeader

WRITTEN_BACK_NS = 10_000_000
RECEIVED_BACK_NS = 60_000_000_000
FIRST_TS_NS = 10**18
"""Times before September 2001 are of no clock."""
MAX_FOUND = 100


class SetBack(NamedTuple):
    """At command ``seq``, or at the first one after the block, the time went back."""

    seq: int
    before_ts_ns: int
    after_ts_ns: int

    @property
    def text(self) -> str:
        """The sentence about it."""
        back = timedelta(microseconds=(self.before_ts_ns - self.after_ts_ns) // 1_000)
        return (
            f"the clock was set back by {back} at command {self.seq:,}, from "
            f"{utc_text(self.before_ts_ns)} to {utc_text(self.after_ts_ns)}: later commands have "
            "times that were there before"
        )


def utc_text(ts_ns: int) -> str:
    """Return ns since the epoch as UTC, to the millisecond."""
    return datetime.fromtimestamp(ts_ns // 1_000_000 / 1e3, UTC).isoformat(" ", "milliseconds")


class ClockOrder:
    """Takes blocks of commands and of clock records in order; ``found`` has the first
    ``MAX_FOUND`` steps back, ``count`` how many there are."""

    def __init__(self) -> None:
        self.found: list[SetBack] = []
        self.count = 0
        self.written_ts_ns = self._first_written_ts_ns = 0
        self._received_ts_ns = self._first_received_ts_ns = 0
        self._first_seq = 0

    def take(self, header: BlockHeader, received_ts_ns: npt.NDArray[Any]) -> None:
        """Take a block whose commands have these times of arrival (none: clock records)."""
        first_seq = header.first_seq
        self._first_seq = self._first_seq or first_seq
        is_found = self._step(first_seq, self.written_ts_ns, header.written_ts_ns, WRITTEN_BACK_NS)
        if header.written_ts_ns > FIRST_TS_NS:
            self.written_ts_ns = header.written_ts_ns
            self._first_written_ts_ns = self._first_written_ts_ns or self.written_ts_ns
        if is_found:
            self._received_ts_ns = 0  # what came before is of the time before the step
        if not len(received_ts_ns):
            return
        if not is_found:
            first_ts_ns = int(received_ts_ns[0])
            self._step(first_seq, self._received_ts_ns, first_ts_ns, RECEIVED_BACK_NS)
            before = received_ts_ns[:-1]
            for row in np.flatnonzero(before - RECEIVED_BACK_NS > received_ts_ns[1:]).tolist():
                earlier, later = int(received_ts_ns[row]), int(received_ts_ns[row + 1])
                self._step(first_seq + row + 1, earlier, later, RECEIVED_BACK_NS)
        self._received_ts_ns = int(received_ts_ns[-1])
        self._first_received_ts_ns = self._first_received_ts_ns or int(received_ts_ns[0])

    def join(self, later: "ClockOrder") -> None:
        """Take what another one took of the blocks that follow."""
        seq, written, received = later._first_seq, later._first_written_ts_ns, 0
        is_found = self._step(seq, self.written_ts_ns, written, WRITTEN_BACK_NS)
        received = later._first_received_ts_ns
        if not is_found:
            self._step(seq, self._received_ts_ns, received, RECEIVED_BACK_NS)
        self.found = [*self.found, *later.found][:MAX_FOUND]
        self.count += later.count
        self.written_ts_ns = later.written_ts_ns or self.written_ts_ns
        self._received_ts_ns = later._received_ts_ns or self._received_ts_ns

    def _step(self, seq: int, before_ts_ns: int, after_ts_ns: int, back_ns: int) -> bool:
        """Note a step back of more than ``back_ns``; whether it is one."""
        if not FIRST_TS_NS < after_ts_ns < before_ts_ns - back_ns:
            return False
        self.count += 1
        if len(self.found) < MAX_FOUND:
            self.found.append(SetBack(seq, before_ts_ns, after_ts_ns))
        return True

    @property
    def texts(self) -> list[str]:
        """A sentence for each step that was found."""
        texts = [one.text for one in self.found]
        if self.count > len(texts):
            texts.append(f"the clock was set back {self.count - len(texts):,} times more")
        return texts
