"""Write a text file whole or not at all."""

import os
from pathlib import Path

from openoutcry.wire.beside import written_beside
from openoutcry.wire.errors import OutcryError


class FileNotWritten(OutcryError):
    """A result could not be put where it was asked for; what stood there is untouched."""


def write_atomically(path: str | os.PathLike[str], text: str) -> None:
    """Put ``text`` (UTF-8) at ``path``: readers see the old file or the new one, never a part.

    Raises :class:`FileNotWritten`, naming the path and why, if the folder is missing or cannot
    be written to, if there is no space, or if something that is no regular file is there.
    """
    target = Path(os.path.realpath(path))
    if os.path.islink(path) and os.lstat(path).st_uid not in (0, os.geteuid()):
        raise FileNotWritten(f"cannot write {path}: it is another user's link, to {target}")
    if target.exists() and not target.is_file():
        raise FileNotWritten(f"cannot write {path}: it is there and is not a regular file")
    if not target.parent.is_dir():
        raise FileNotWritten(f"cannot write {path}: there is no folder {target.parent}")
    try:
        with written_beside(target) as part, part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise FileNotWritten(f"cannot write {path}: {error.strerror}") from error
