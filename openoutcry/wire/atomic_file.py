"""Write a file whole or not at all: in a new folder of our own, then renamed to its place.

In a shared folder such as /tmp, another user may have made a link under any name that can be
guessed.  Writing through that link would overwrite one of our own files.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openoutcry.wire.errors import OutcryError


class FileNotWritten(OutcryError):
    """A result could not be put where it was asked for; the file there is untouched."""


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """Give a path to write at; if the block ends without an error, its file replaces ``out``.

    Otherwise nothing is left.  Raises ``OSError`` as the system does.
    """
    folder = Path(tempfile.mkdtemp(prefix=".outcry-", dir=out.absolute().parent))
    try:
        part = folder / out.name
        yield part
        os.replace(part, out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def create_atomically(path: Path, content: bytes) -> bool:
    """Make a file that is its owner's alone; False: there is one already, which stays.

    Several processes may try at once, and be killed: readers see no file or a whole one, and all
    see the same.  Raises ``OSError`` as the system does.
    """
    folder = Path(tempfile.mkdtemp(prefix=".outcry-", dir=path.absolute().parent))
    try:
        part = folder / path.name
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.link(part, path)
    except FileExistsError:
        return False
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return True


def write_atomically(path: str | os.PathLike[str], text: str) -> None:
    """Put ``text`` (UTF-8) at ``path``: readers see the old file or the new one, never a part.

    Raises :class:`FileNotWritten`, which names the path and the reason: the folder is missing or
    not writable, the disk is full, or the path is not a regular file.
    """
    target = Path(os.path.realpath(path))
    if os.path.islink(path) and os.lstat(path).st_uid not in (0, os.geteuid()):
        raise FileNotWritten(f"cannot write {path}: it is another user's link, to {target}")
    if target.exists() and not target.is_file():
        raise FileNotWritten(f"cannot write {path}: it exists and is not a regular file")
    if not target.parent.is_dir():
        raise FileNotWritten(f"cannot write {path}: there is no folder {target.parent}")
    try:
        with replacing(target) as part, part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise FileNotWritten(f"cannot write {path}: {error.strerror}") from error
