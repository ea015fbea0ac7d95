"""Files that hold a secret: their owner alone may read them."""

from pathlib import Path

from openoutcry.wire.errors import OutcryError


def require_private(path: Path, error: type[OutcryError] = OutcryError) -> None:
    """Raise ``error`` if other users may read the file, and ``OSError`` if it is missing."""
    if path.stat().st_mode & 0o077:
        raise error(f"{path}: other users may read it; run chmod 600 {path}")


def read_private(path: Path, error: type[OutcryError] = OutcryError) -> str:
    """Return the text of such a file, without blanks around it.

    Raises ``error`` naming a file that cannot be read, is not UTF-8 or that others may read."""
    try:
        require_private(path, error)
        return path.read_text(encoding="utf-8").strip()
    except OSError as failure:
        raise error(f"{path}: {failure.strerror}") from None
    except UnicodeDecodeError:
        raise error(f"{path}: not UTF-8") from None
