"""The event log: what the venue and this console have said, followed and searched in memory."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any

from openoutcry.venue.log import FILE_NAME, follow_lines

KEPT = 20_000
CONSOLE = "console.jsonl"
"""The console's own log, in the folder of the venue's."""


class Events:
    """The last lines of both logs, in the order in which they were read."""

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self.lines: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.count = 0
        """How many there were; each line's ``number``."""
        self._sources: dict[str, Iterator[dict[str, Any] | None]] = {}
        self._lock = Lock()

    def poll(self) -> None:
        """Read what is new."""
        with self._lock:
            lines = []
            for name in (FILE_NAME, CONSOLE):
                lines += self._read(name)
            for line in sorted(lines, key=lambda line: str(line.get("@timestamp"))):
                self.count += 1
                self.lines.append(
                    {
                        "number": self.count,
                        "at": line.get("@timestamp", ""),
                        "level": line.get("log.level", ""),
                        "text": line.get("message", ""),
                        "seq": line.get("event.sequence", 0),
                    }
                )

    def _read(self, name: str) -> list[dict[str, Any]]:
        if name not in self._sources:
            self._sources[name] = follow_lines(self.journal, KEPT, name)
        lines = []
        try:
            while (line := next(self._sources[name])) is not None:
                lines.append(line)
        except (FileNotFoundError, StopIteration):
            del self._sources[name]  # not there yet
        return lines

    def since(self, number: int, most: int = 200) -> list[dict[str, Any]]:
        """The lines after a number, the last ``most`` of them."""
        with self._lock:
            new = min(self.count - number, most, len(self.lines))
            return list(self.lines)[len(self.lines) - new :] if new > 0 else []

    def search(self, words: str, level: str, before: int, most: int) -> list[dict[str, Any]]:
        """Lines that hold every word, the newest first, of numbers below ``before`` (0: any)."""
        terms = words.casefold().split()
        matches = []
        with self._lock:
            kept = list(self.lines)
        for line in reversed(kept):
            text = f"{line['text']} {line['seq']}".casefold()
            if before and line["number"] >= before:
                continue
            if level in ("", line["level"]) and all(word in text for word in terms):
                matches.append(line)
                if len(matches) == most:
                    break
        return matches
