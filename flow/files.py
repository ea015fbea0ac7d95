"""What all file sources check before they read."""

import lzma
from pathlib import Path
from typing import BinaryIO

from openoutcry.flow.errors import FlowError

XZ_MAGIC = b"\xfd7zXZ\x00"


def checked_file(path: str | Path) -> Path:
    """``path`` if it is a readable file with something in it; :class:`FlowError` if not."""
    path = Path(path)
    if path.is_dir():
        raise FlowError(f"{path} is a directory, not a file")
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise FlowError(f"{path} is empty")
    except OSError as error:
        raise file_error(path, error) from error
    return path


def file_error(path: Path, error: OSError) -> FlowError:
    """The operating system's refusal, with the file named once."""
    return FlowError(f"{path}: {error.strerror or error}")


def open_maybe_xz(path: Path) -> BinaryIO:
    """Open a file for reading bytes, through the decompressor if it starts like an .xz file."""
    try:
        with path.open("rb") as file:
            packed = file.read(len(XZ_MAGIC)) == XZ_MAGIC
        return lzma.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]
    except OSError as error:
        raise file_error(path, error) from error
