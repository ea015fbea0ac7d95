"""Warns before the journal's disk is full, by the rate of its growth."""

import os
from collections.abc import Callable
from pathlib import Path

REPORT_EVERY_S = (3600, 600, 60)
"""How long before it is full it is said, once each."""
WINDOW_S = 10.0
"""Over which the rate is taken."""


def free_bytes_of(directory: Path) -> int:
    """Bytes a user may still write there."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


class SpaceWatch:
    """Samples one directory at most every ten seconds."""

    def __init__(
        self,
        directory: Path,
        now_s: float,
        written_bytes: int,
        free_bytes: Callable[[Path], int] = free_bytes_of,
    ) -> None:
        self.directory = directory
        self._free_bytes = free_bytes
        self._since_s = now_s
        self._since_bytes = written_bytes
        self._told_s = float("inf")

    def poll(self, now_s: float, written_bytes: int) -> str:
        """The warning due at ``written_bytes``; mostly none."""
        passed_s = now_s - self._since_s
        if passed_s < WINDOW_S:
            return ""
        rate = (written_bytes - self._since_bytes) / passed_s
        self._since_s, self._since_bytes = now_s, written_bytes
        try:
            free_bytes = self._free_bytes(self.directory)
        except OSError as error:
            return f"{self.directory}: how much is free cannot be read: {error.strerror}"
        left_s = free_bytes / rate if rate else float("inf")
        due = min((s for s in REPORT_EVERY_S if left_s < s), default=float("inf"))
        before, self._told_s = self._told_s, due
        if due >= before:
            return ""
        return (
            f"{self.directory}: {free_bytes >> 20:,} MiB are free, full in about {left_s:,.0f} s "
            f"at {rate * 60 / 2**20:,.0f} MiB a minute: `outcry journal archive {self.directory} "
            "--retire` makes room while it runs"
        )
