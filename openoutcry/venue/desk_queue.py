"""The operator's desk between two trading days: what stops something is kept and done first when
the next run begins; what opens something again has to wait until then."""

import json
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from openoutcry.risk.requests import reference_bytes
from openoutcry.venue.desk import UNAVAILABLE, DeskError, Work
from openoutcry.venue.file import VenueFile
from openoutcry.venue.operations import ALL_INSTRUMENTS
from openoutcry.venue.requests import content_of, new_reference
from openoutcry.wire import ORDER_DTYPE

NAME = "desk-queue.jsonl"
STOPS = ("kill", "halt")


class DeskQueue:
    """Requests in a file of the journal's folder, a line each."""

    def __init__(self, file: VenueFile) -> None:
        self.file, self.path = file, file.journal / NAME

    def work_of(self, request: dict[str, Any]) -> Work:
        """Queue a request.  Raises :class:`DeskError` if it cannot be queued or names no one."""
        action = request.get("do")
        if action not in STOPS:
            raise DeskError(
                "the venue is closed between two trading days: it accepts "
                f"{', '.join(STOPS)}, which apply from the start of the next day; send "
                "other requests when it is open",
                UNAVAILABLE,
            )
        if request.get("operator"):
            raise DeskError(
                "the venue is closed: send this without --operator, and it is stored for the "
                "next day"
            )
        what, name = _named(request)
        if (action, name) != ("halt", ALL_INSTRUMENTS):
            self._check(what, name)
        kept = ("do", "what", "name", "instrument", "reason", "why")
        reference, known = self._referenced(request)
        line = {key: request[key] for key in kept if key in request} | {"reference": reference}
        shown = " ".join(str(part) for part in (action, what, name) if part)
        more = {"queued": True, "reference": reference}
        if known:
            done = f"{shown}: reference {reference!r} is already stored"
            return Work(np.zeros(0, ORDER_DTYPE), [done], more=more | {"repeated": True})
        with self.path.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
            out.flush()
            os.fsync(out.fileno())
        done = f"{shown}: the venue is closed; stored, and applied first when the next day starts"
        return Work(np.zeros(0, ORDER_DTYPE), [done], more=more)

    def _referenced(self, request: dict[str, Any]) -> tuple[str, bool]:
        """The request's reference, and whether the same request is kept already."""
        reference = str(request.get("reference") or new_reference())
        try:
            reference_bytes(reference)
        except ValueError as error:
            raise DeskError(str(error)) from None
        for line in self.waiting():
            if line.get("reference") == reference:
                if content_of(line) != content_of(request):
                    raise DeskError(
                        f"reference {reference!r} belongs to a different request; nothing was done"
                    )
                return reference, True
        return reference, False

    def _check(self, what: str, name: Any) -> None:
        known: dict[str, set[str]] = {
            "participant": {str(participant.number) for participant in self.file.participants},
            "group": {
                participant.group for participant in self.file.participants if participant.group
            },
            "instrument": {instrument.symbol for instrument in self.file.calendar.instruments},
        }
        if what in known and str(name) not in known[what]:
            raise DeskError(f"there is no {what} {name}")
        if what not in known and what != "market":
            raise DeskError(f"{what!r} cannot be killed or enabled")

    def waiting(self) -> Iterator[dict[str, Any]]:
        """The requests that were kept, in order, without a line that a crash broke off."""
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                yield dict(json.loads(line))
            except ValueError:
                continue

    def done(self) -> None:
        """Remove the requests that were kept: all have been applied."""
        self.path.unlink(missing_ok=True)


def _named(request: dict[str, Any]) -> tuple[str, Any]:
    if request["do"] == "halt":
        return "instrument", request.get("instrument")
    return str(request.get("what")), request.get("name")
