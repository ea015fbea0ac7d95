"""Files that hold a secret: their owner alone may read them."""

from pathlib import Path

from openoutcry.wire.errors import OutcryError


def require_private(path: Path, error: type[OutcryError] = OutcryError) -> None:
    """Raise ``error`` if other users may read the file, and ``OSError`` if it is missing."""
    if path.stat().st_mode & 0o077:
        raise error(f"{path}: other users may read it; run chmod 600 {path}")
