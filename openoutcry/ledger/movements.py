"""Deposits and withdrawals with a life of several steps: what a step that is not the first leaves
out, its asset and whether a deposit was credited.

The core remembers a bounded number of movements (risk/movements.py), and so do the books.  One that
has ended is forgotten after twice as many new ones as the core has room for.  By then the core has
gone round its rows once, after it had filled them.
"""

from typing import Any

import openoutcry.ledger.layout as lay
from openoutcry.journal.projections import MovementStep

FIRST = (MovementStep.REQUEST, MovementStep.SEE)
ENDS = (MovementStep.FINISH, MovementStep.CANCEL, MovementStep.FAIL, MovementStep.REVERSE)
CREDITED = 1 << 8
"""Above the asset in the header's word: the deposit was credited."""


class Movements:
    """Movements by number (the command with the first step), while a further step is possible."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.begun = capacity, 0
        self.assets: dict[int, int] = {}
        self.credited: dict[int, int] = {}
        """Movements begun so far when each deposit was credited, the oldest first."""

    def word(self, command: Any) -> int:
        """Return the word that the kernel needs for a step's movement; 0 of a first step, which
        names its asset."""
        number = int(command["price_ticks"])
        if int(command["time_in_force"]) in FIRST or number not in self.assets:
            return 0
        return self.assets[number] | (CREDITED if number in self.credited else 0)

    def follow(self, command: Any, seq: int, codes: list[int]) -> None:
        """A step that the core has applied; ``codes``: of the assets that have wallets."""
        step, number = MovementStep(int(command["time_in_force"])), int(command["price_ticks"])
        if step in FIRST:
            self.assets[seq] = lay.MONEY_SLOTS + codes.index(number)
            self.begun += 1
            self._forget()
        elif step == MovementStep.CREDIT:
            self.credited[number] = self.begun
        elif step in ENDS:
            self.assets.pop(number, None)
            self.credited.pop(number, None)

    def _forget(self) -> None:
        """Deposits that were credited so long ago that the core cannot reverse them any more."""
        for number in list(self.credited):
            if self.begun - self.credited[number] <= 2 * self.capacity:
                break
            self.assets.pop(number)
            self.credited.pop(number)

    def document(self) -> list[Any]:
        """Return the document for a checkpoint."""
        return [self.begun, [*self.assets.items()], [*self.credited.items()]]

    def restore(self, document: list[Any]) -> None:
        """Continue from what a checkpoint has."""
        self.begun = int(document[0])
        self.assets = {int(number): int(asset) for number, asset in document[1]}
        self.credited = {int(number): int(begun) for number, begun in document[2]}
