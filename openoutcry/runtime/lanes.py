"""How much of each lane has been sequenced, from the journal.

With one lane this is implied: its sequences are the commands' own.  With several, each block of
commands also records, in the same write, how far each lane had come at the last of them.  So what
is durable and what has been sequenced cannot disagree, whenever the power fails.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal import JournalError, note_at
from openoutcry.runtime.table import Topology

LANES = "lanes"
SHIFT = 8
NUMBERS = 1 << SHIFT
"""A command's lane word is lane sequence << SHIFT | lane number."""
FEW = 16
"""Words that are looked through without arrays, in a tenth of the time."""


def last_of_lanes(words: npt.NDArray[np.int64]) -> dict[int, int]:
    """The last lane sequence of each lane number among lane words."""
    if len(words) <= FEW:
        rows = sorted(words.tolist())  # the last of a lane is its largest
        return {row & (NUMBERS - 1): row >> SHIFT for row in rows}
    numbers, seqs = words & (NUMBERS - 1), words >> SHIFT
    return {int(n): int(seqs[numbers == n].max()) for n in np.unique(numbers)}


def lane_seqs(words: npt.NDArray[np.int64], lane: int) -> npt.NDArray[np.int64]:
    """Sequences on the lane of commands with these lane words; 0 for other lanes'."""
    if len(words) <= FEW:
        rows = [row >> SHIFT if row & (NUMBERS - 1) == lane else 0 for row in words.tolist()]
        return np.array(rows, np.int64)
    return np.where(words & (NUMBERS - 1) == lane, words >> SHIFT, 0)


def journaled_lanes(directories: Sequence[Path], table: Topology, seq: int) -> dict[str, int]:
    """Return how many commands of each lane are among the first ``seq`` of the journal.

    Raises :class:`JournalError` naming each directory if none of them has command ``seq``.
    """
    lanes = [lane.name for lane in table.lanes]
    if len(lanes) == 1 or not seq:
        return dict.fromkeys(lanes, seq)
    refusals = []
    for directory in directories:
        try:
            note = note_at(directory, seq)
        except JournalError as error:
            refusals.append(str(error))
            continue
        return _counts(lanes, note)
    raise JournalError("; ".join(refusals))


def noted_lanes(note: Mapping[str, Any], table: Topology) -> dict[str, int]:
    """The same for a table with several lanes, from the note stored with the last commands."""
    return _counts([lane.name for lane in table.lanes], note)


def _counts(lanes: Iterable[str], note: Mapping[str, Any]) -> dict[str, int]:
    return {lane: int(note.get(LANES, {}).get(lane, 0)) for lane in lanes}


class LaneCounts:
    """The journal stage's note of the lanes for each block."""

    def __init__(self, table: Topology, reached: dict[str, int]) -> None:
        self._names = {lane.lane: lane.name for lane in table.lanes}
        self._reached = dict(reached)

    def after(self, words: npt.NDArray[np.int64]) -> dict[str, dict[str, int]]:
        """The note for a block whose commands have these lane words."""
        for number, seq in last_of_lanes(words).items():
            self._reached[self._names[number]] = seq
        return {LANES: dict(self._reached)}
