"""How a process's time was spent: what ran instead of it and its own long steps, as running sums.

So a window over a hundred thousand of them costs no more than one over ten.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass
class Slice:
    """[start, end] in ns, and what it is given to."""

    start: int
    end: int
    cause: str


class Timeline:
    """Slices in layers: each layer has what those before it left."""

    def __init__(self, layers: Sequence[Iterable[Slice]]) -> None:
        self.layers: list[_Sums] = []
        taken: list[Slice] = []
        for layer in layers:
            pieces = unless_taken(taken, layer)
            self.layers.append(_Sums(pieces))
            taken = sorted(taken + pieces, key=lambda piece: piece.start)

    def lost(self, start: int, end: int) -> list[Counter[str]]:
        """ns of [start, end] by cause, of each layer."""
        return [sums.between(start, end) for sums in self.layers]


class _Sums:
    """Disjoint slices by cause: their starts, their ends, ns of those before each."""

    def __init__(self, pieces: Iterable[Slice]) -> None:
        self.by_cause: dict[str, tuple[list[int], list[int], list[int]]] = {}
        for piece in pieces:
            starts, ends, before = self.by_cause.setdefault(piece.cause, ([], [], []))
            before.append(before[-1] + ends[-1] - starts[-1] if before else 0)
            starts.append(piece.start)
            ends.append(piece.end)

    def between(self, start: int, end: int) -> Counter[str]:
        counts: Counter[str] = Counter()
        for cause, rows in self.by_cause.items():
            ns = _until(*rows, end) - _until(*rows, start)
            if ns:
                counts[cause] = ns
        return counts


def _until(starts: list[int], ends: list[int], before: list[int], at: int) -> int:
    """ns of the slices that lie before the moment ``at``."""
    last = bisect_left(starts, at) - 1
    return before[last] + min(ends[last], at) - starts[last] if last >= 0 else 0


def unless_taken(taken: Sequence[Slice], layer: Iterable[Slice]) -> list[Slice]:
    """The layer's slices, rising and disjoint, without what ``taken`` (rising and disjoint) has;
    where two of the layer overlap, the one that began first has it."""
    slices: list[Slice] = []
    reach, first = 0, 0
    for piece in sorted(layer, key=lambda piece: piece.start):
        low = max(piece.start, reach)
        reach = max(reach, piece.end)
        while first < len(taken) and taken[first].end <= low:
            first += 1
        at = first
        while at < len(taken) and taken[at].start < piece.end:
            if low < taken[at].start:
                slices.append(Slice(low, taken[at].start, piece.cause))
            low = max(low, taken[at].end)
            at += 1
        if low < piece.end:
            slices.append(Slice(low, piece.end, piece.cause))
    return slices
