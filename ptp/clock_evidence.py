"""Clock evidence for the journal: the daemon's page, sampled once a second."""

from typing import Any

import numpy.typing as npt

from openoutcry.ptp.page import ClockPage
from openoutcry.wire.enums import ClockSource
from openoutcry.wire.errors import OutcryError

EVERY_NS = 1_000_000_000


class ClockEvidence:
    """The clock records that are new since the last look; none while no clock daemon runs."""

    def __init__(self) -> None:
        self.page: ClockPage | None = None
        self._name = ""
        self._is_simulated = False
        self._next_ns = 0
        self._seq = 0

    def new_records(self, now_ns: int, at_once: bool = False) -> npt.NDArray[Any] | None:
        """CLOCK_DTYPE records, or None; reads at most once a second of ``now_ns`` (monotonic),
        unless it is to be ``at_once``."""
        if now_ns < self._next_ns and not at_once:
            return None
        self._next_ns = now_ns + EVERY_NS
        try:
            if self.page is None or self._is_simulated:  # is there a real one by now?
                self.page = ClockPage.open()
                if self.page.name != self._name:
                    # Another daemon counts its records from the beginning.
                    self._name, self._seq = self.page.name, 0
            records = self.page.evidence(self._seq)
        except OutcryError:
            self.page = None
            return None
        if not len(records):
            self.page = None  # perhaps its daemon is gone, and another one is there
            return None
        self._seq = int(records["seq"][-1])
        self._is_simulated = records["source"][-1] == ClockSource.SIMULATED
        return records
