"""Whether marks fit: no amount and no total of a participant may pass 2**62 by them.

The core refuses all of a look of which one mark does not fit.  After that the venue sees by itself
which underlying's marks do not, so that the others are marked without them.
"""

from collections.abc import Sequence

import numpy as np

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import LARGEST
from openoutcry.risk.region import View

TOTALS = [at // 8 for at in (lay.BALANCE, lay.PROFIT, lay.RESERVED, lay.MARGINED)]
HELD = [at // 8 for at in (lay.POSITION, lay.BUY_LOTS, lay.SELL_LOTS)]
Mark = tuple[int, int]
"""The index of an instrument, and its new mark."""


class Room:
    """What the participants' totals are at most after the marks of a look."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.totals = np.abs(view.participants[:, TOTALS].astype(float))
        self.taken: list[Mark] = []

    def take(self, marks: Sequence[Mark]) -> bool:
        """Return whether there is room for these, too, which is then taken."""
        totals, held = self.totals.copy(), np.zeros(len(self.totals), bool)
        for place, mark in marks:
            lots = np.abs(self.view.cells[:, place, HELD].astype(float))
            gain, margin = self._a_lot(place, mark)
            if margin > LARGEST:
                return False
            totals[:, :2] += lots[:, :1] * float(gain)
            totals[:, 2:] += lots.sum(axis=1, keepdims=True) * float(margin)
            held |= lots.any(axis=1)
        # Half of the bound is far beyond what floating point rounds.
        near = np.flatnonzero(held & (totals.max(axis=1) > LARGEST // 2))
        if not all(self._fits(who, [*self.taken, *marks]) for who in near.tolist()):
            return False
        self.totals = totals
        self.taken += marks
        return True

    def _a_lot(self, place: int, mark: int) -> Mark:
        """Return what a lot gains or loses by a mark, and what margin it then has in addition at
        most."""
        contracts = self.view.contracts
        assert contracts is not None
        worth, was = (contracts.value(place, p) for p in (mark, contracts.of(place, "mark")))
        return abs(worth - was), -(-abs(worth) * contracts.of(place, "margin_bps") // 10_000)

    def _fits(self, who: int, marks: Sequence[Mark]) -> bool:
        """The same of one participant, in whole numbers."""
        totals = [abs(int(self.view.participants[who, at])) for at in TOTALS]
        for place, mark in marks:
            position, *open_lots = (abs(int(self.view.cells[who, place, at])) for at in HELD)
            gain, margin = self._a_lot(place, mark)
            more = position * gain, (position + sum(open_lots)) * margin
            totals = [total + more[n // 2] for n, total in enumerate(totals)]
        return max(totals) <= LARGEST
