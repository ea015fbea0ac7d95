"""What one finding about a host is, and where findings are read from."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STATES = ("good", "costs", "unseen", "note", "unfit")


@dataclass(frozen=True)
class Finding:
    """One thing about the host.

    The ``state`` is ``good``, ``costs`` (latency), ``note`` (a fact), ``unfit`` (for a venue's
    production) or ``unseen``.  The last means that the host does not show it, for the reason in
    ``what``.  The ``cost`` is what it costs on this host, measured just now, or None.  The
    ``change`` is the exact command that changes it; None without one.  ``settings``: files below
    the root and the values that end what it costs until the next boot (``settings.py``).
    """

    topic: str
    name: str
    state: str
    what: str
    why: str
    cost: str | None = None
    change: str | None = None
    settings: tuple[tuple[str, str], ...] = ()


class Host:
    """Where ``proc``, ``sys`` and ``dev`` are read from: ``/``, or a folder in tests."""

    def __init__(self, root: str | os.PathLike[str] = "/") -> None:
        self.base = Path(root)

    def text(self, path: str) -> str | None:
        """A file's text without the line's end; None where it cannot be read."""
        try:
            return (self.base / path).read_text(errors="replace").strip()
        except OSError:
            return None

    def number(self, path: str) -> int | None:
        """Return the whole number in a file, None if it is not there or has none."""
        text = self.text(path)
        try:
            return None if text is None else int(text)
        except ValueError:
            return None

    def names(self, path: str) -> list[str]:
        """Return the names in a folder, sorted; nothing where there is no such folder."""
        try:
            return sorted(entry.name for entry in (self.base / path).iterdir())
        except OSError:
            return []

    def link(self, path: str) -> str | None:
        """The last part of what a link points to."""
        try:
            return os.path.basename(os.readlink(self.base / path))
        except OSError:
            return None

    def boot_options(self) -> dict[str, str]:
        """The kernel's command line as names and values."""
        words = (self.text("proc/cmdline") or "").split()
        return {name: value for name, _, value in (word.partition("=") for word in words)}


def cores_of(text: str | None) -> list[int]:
    """The kernel's list of cores, "0-2,5", as numbers."""
    cores: list[int] = []
    for part in (text or "").split(","):
        first, _, last = part.partition("-")
        if first.strip().isdigit():
            cores += range(int(first), int(last or first) + 1)
    return cores


def chosen(text: str | None) -> str | None:
    """The word in brackets of "always [madvise] never"."""
    if text is None or "[" not in text:
        return text
    return text[text.index("[") + 1 : text.index("]")]


def measured(cost: Callable[[], Any]) -> Any:
    """A measured figure, or None where this host does not let it be taken."""
    try:
        return cost()
    except Exception:
        return None
