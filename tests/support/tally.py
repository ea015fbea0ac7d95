"""How far a long test has come, over several calls: the seeds that are done and what they add up
to.

The folder OUTCRY_TALLY keeps it, a file for each test; without it each call begins at 0.  A tally
is of one build: once a source of what is tested is another one, it begins at 0 again.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

from tests import folder_of, inside


def digest_of(folders: Iterable[str]) -> str:
    """Return the digest of every source in these rooms."""
    hashed = blake2b(digest_size=8)
    for folder in folders:
        for path in sorted(folder_of(folder).rglob("*.py")):
            hashed.update(str(inside(path)).encode() + path.read_bytes())
    return hashed.hexdigest()


class Tally:
    """The tally of one test."""

    def __init__(self, name: str, folders: Iterable[str]) -> None:
        """``folders``: what is tested, and by what."""
        kept = os.environ.get("OUTCRY_TALLY")
        self.path = Path(kept) / f"{name}.json" if kept else None
        self.build = digest_of(folders)
        self.figures: Counter[str] = Counter()
        self.seeds = 0
        if self.path is not None and self.path.exists():
            known = json.loads(self.path.read_text())
            if known["build"] == self.build:
                self.figures, self.seeds = Counter(known["figures"]), known["seeds"]

    def add(self, seeds: int, **figures: float) -> None:
        """The next seeds are done; what they come to is on the disk when this returns."""
        self.seeds += seeds
        self.figures.update(figures)
        if self.path is None:
            return
        document = {"build": self.build, "seeds": self.seeds, "figures": dict(self.figures)}
        new = self.path.with_suffix(".new")
        new.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps(document))
        new.replace(self.path)
