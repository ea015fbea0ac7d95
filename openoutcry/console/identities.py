"""Identities of the portal's users that wait for a decision, with their papers: a supervisor reads
them and decides, and proves who it is with each decision.

They are in the portal's database: the one that the portal has started, or the one that is named.
"""

from dataclasses import dataclass
from typing import Any

from openoutcry.portal import review
from openoutcry.portal.database import running_embedded
from openoutcry.portal.folder import folder_of
from openoutcry.venue.file import VenueFile
from openoutcry.wire import OutcryError


@dataclass
class Identities:
    """The identities of a venue's portal."""

    file: VenueFile
    database: str = ""
    """A URL; nothing: the one that the portal has started."""

    def _url(self) -> str:
        return self.database or running_embedded(folder_of(self.file) / "postgresql")

    def view(self) -> dict[str, Any]:
        """The oldest first; ``fault``: why they cannot be read; ``portal``: whether there is
        one."""
        if not folder_of(self.file).is_dir():
            return {"rows": [], "fault": "", "portal": False}
        try:
            return {"rows": review.queue(self.file, self._url()), "fault": "", "portal": True}
        except OutcryError as error:
            return {"rows": [], "fault": str(error), "portal": True}

    def paper(self, user_id: int, number: int) -> tuple[bytes, str]:
        """A paper and its media type.  Raises :class:`OutcryError`."""
        return review.paper(self.file, self._url(), user_id, number)

    def decide(self, decision: review.Decision) -> str:
        """Decide an identity; returns what was done, in words. Raises :class:`OutcryError`."""
        return review.decide(self.file, self._url(), decision)
