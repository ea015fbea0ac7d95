"""Movements at the venue, each by its reference: what the scanner and the payer ask of its desk."""

from pathlib import Path
from typing import Any, Protocol

from openoutcry.custody.errors import CustodyError
from openoutcry.venue.desk import UNAVAILABLE, DeskError, ask
from openoutcry.venue.movement_desk import (
    deposit_seen,
    listing,
    request_withdrawal,
    state_after,
    step,
)


class VenueError(CustodyError):
    """``is_passing``: it may be done or not, and is to be asked again; else the venue has refused
    it, for the reason ``code`` where the desk names one."""

    def __init__(self, text: str, code: str = "", *, is_passing: bool = False) -> None:
        super().__init__(text)
        self.code, self.is_passing = code, is_passing


class Venue(Protocol):
    """The core, as custody sees it.  Each call is done once for its reference, however often it is
    made.  All raise :class:`VenueError`."""

    def seen(self, participant: int, asset: str, units: int, reference: str, decimals: int) -> None:
        """A deposit that is not certain yet; ``units``: of ``decimals`` decimals."""

    def requested(
        self, participant: int, asset: str, units: int, reference: str, decimals: int
    ) -> None:
        """Reserve a withdrawal's amount; ``units``: of ``decimals`` decimals."""

    def step(self, do: str, reference: str) -> None:
        """A later step, as ``deposit-credit``."""

    def movement(self, kind: str, participant: int, reference: str) -> dict[str, Any] | None:
        """Return a movement as the desk lists it; None: it ended long ago, or never began."""


class VenueDesk:
    """The desk of a venue on this host, by its journal."""

    def __init__(self, journal: Path) -> None:
        self.journal = journal

    def seen(self, participant: int, asset: str, units: int, reference: str, decimals: int) -> None:
        self._ask(deposit_seen(participant, asset, units, reference, decimals))

    def requested(
        self, participant: int, asset: str, units: int, reference: str, decimals: int
    ) -> None:
        self._ask(request_withdrawal(participant, asset, units, reference, decimals))

    def step(self, do: str, reference: str) -> None:
        try:
            self._ask(step(do, reference, step_reference(do, reference)))
        except VenueError as error:
            # The venue remembers its newest requests: it may have done this one long ago.
            if error.is_passing or self._state(do, reference) != state_after(do):
                raise

    def _state(self, do: str, reference: str) -> str:
        kind = do.partition("-")[0]
        rows = self._ask(listing(kind, None, None, reference)).get("movements", [])
        return str(rows[0]["state"]) if rows else ""

    def movement(self, kind: str, participant: int, reference: str) -> dict[str, Any] | None:
        rows = self._ask(listing(kind, None, participant, reference)).get("movements", [])
        return dict(rows[0]) if rows else None

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return ask(self.journal, request)
        except DeskError as error:
            is_passing = error.code == UNAVAILABLE
            raise VenueError(str(error), error.code, is_passing=is_passing) from None
        except OSError as error:
            text = f"{self.journal}: the venue is not running ({error})"
            raise VenueError(text, is_passing=True) from None


def step_reference(do: str, reference: str) -> str:
    """One for each step of a movement: 32 characters at most."""
    return f"{do[0]}{do.partition('-')[2][:2]}{reference[2:]}"[:32]
