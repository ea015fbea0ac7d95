"""Exceptions that a request from outside raised and that no code expected: counted, and reported in
one line a minute.  The request is answered, and its server continues."""

import time
from collections.abc import Callable

from openoutcry.wire.text import printable

LINE_S = 60.0


class Faults:
    """Faults of one server; each line goes to ``report``."""

    def __init__(self, name: str, report: Callable[[str], None]) -> None:
        self.name, self.report, self.count = name, report, 0
        self._reported_s = -LINE_S

    def add(self, error: Exception) -> str:
        """The words that answer the request."""
        self.count += 1
        kind = type(error).__name__
        if time.monotonic() >= self._reported_s + LINE_S:
            self._reported_s = time.monotonic()
            text = printable(f"{kind} {error}"[:300])
            self.report(f"{self.name}: a request failed ({self.count} so far): {text}")
        return f"the request failed: {kind}"
