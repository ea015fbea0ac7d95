"""The venue's side of movements in memory, as strict as the core is."""

from dataclasses import dataclass, field
from typing import Any

from openoutcry.custody.venue import VenueError
from openoutcry.risk.bits import MovementState, MovementStep
from openoutcry.risk.movements import FROM_STATES
from openoutcry.venue.movement_desk import STEPS


class Killed(BaseException):
    """The process ends here, whatever it was doing."""


@dataclass
class ModelVenue:
    """A :class:`~openoutcry.custody.venue.Venue`.  ``dies_after``: steps until the process that
    asks is killed; half of the time the venue has done the last one."""

    movements: dict[str, list[Any]] = field(default_factory=dict)
    """By reference: kind, participant, asset, units, state."""
    dies_after: int | None = None

    def _live(self) -> None:
        if self.dies_after is not None:
            self.dies_after -= 1
            if self.dies_after < 0:
                raise Killed

    def _begin(self, kind: str, terms: tuple[int, str, int], reference: str, state: Any) -> None:
        self._live()
        known = self.movements.setdefault(reference, [kind, *terms, state])
        if known[:4] != [kind, *terms]:
            raise VenueError(f"{reference} is another movement")
        self._live()

    def seen(self, participant: int, asset: str, units: int, reference: str, decimals: int) -> None:
        self._begin("deposit", (participant, asset, units), reference, MovementState.SEEN)

    def requested(
        self, participant: int, asset: str, units: int, reference: str, decimals: int
    ) -> None:
        self._begin("withdrawal", (participant, asset, units), reference, MovementState.REQUESTED)

    def step(self, do: str, reference: str) -> None:
        self._live()
        row, step = self.movements[reference], STEPS[do]
        if int(row[4]) != int(step):
            if row[4] not in FROM_STATES[step]:
                raise VenueError(f"{reference} is {row[4].name.lower()}: no {do}")
            row[4] = MovementState(int(MovementStep(step)))
        self._live()

    def movement(self, kind: str, participant: int, reference: str) -> dict[str, Any] | None:
        row = self.movements.get(reference)
        if row is None or row[0] != kind:
            return None
        return {"asset": row[2], "amount": row[3], "state": row[4].name.lower()}

    def state(self, reference: str) -> str:
        return str(self.movements[reference][4].name.lower())

    def credited(self) -> dict[tuple[int, str], int]:
        """By participant and asset."""
        sums: dict[tuple[int, str], int] = {}
        for kind, participant, asset, units, state in self.movements.values():
            if kind == "deposit" and state == MovementState.CREDITED:
                sums[participant, asset] = sums.get((participant, asset), 0) + units
        return sums
