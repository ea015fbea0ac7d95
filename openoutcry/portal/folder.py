"""Where the portal's files are."""

import json
from collections.abc import Iterable
from pathlib import Path

from openoutcry.venue.file import VenueFile
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.private_folder import private_folder


def folder_of(file: VenueFile) -> Path:
    """The portal's files, next to the venue's journal."""
    return file.journal.parent / f"{file.journal.name}-portal"


def make_folder(folder: Path) -> None:
    """Make the portal's folder, for its user alone.  Raises :class:`OutcryError` if it is not."""
    try:
        private_folder(folder)
        if folder.stat().st_mode & 0o066:
            folder.chmod(0o700)
    except OSError as error:
        raise OutcryError(f"{folder}: {error.strerror}") from None


def write_levels(folder: Path, levels: Iterable[int]) -> None:
    """Leave the numbers of the portal's levels for reviews from outside of the portal."""
    (folder / "levels.json").write_text(json.dumps(sorted(levels)) + "\n", encoding="utf-8")


def read_levels(folder: Path) -> tuple[int, ...]:
    """Return the levels that the portal had at its last start; none before that."""
    path = folder / "levels.json"
    return tuple(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else ()
