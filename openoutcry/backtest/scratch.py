"""Folders of results that appear whole or not at all, and the rest of those that did not.

A folder is written under another name, which says which process of which machine writes it, and
renamed when it is durable.  A process that is killed leaves it: the next start removes it.
"""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def committed(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write to; at the end it becomes ``folder``, durable, by one rename.
    A folder that another process has put there already stays."""
    scratch = folder.with_name(f".{folder.name}-{socket.gethostname()}-{os.getpid()}")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        yield scratch
        for path in [*scratch.iterdir(), scratch]:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        try:
            os.rename(scratch, folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what processes of this machine that are gone have left in ``folder``; what other
    machines write there cannot be known to be left."""
    for path in folder.glob(f".*-{socket.gethostname()}-*"):
        _remove(path, path.name)


def sweep_named(folder: Path, prefix: str) -> None:
    """Remove folders that are named ``prefix``, a process that is gone, and more."""
    for path in folder.glob(f"{prefix}*"):
        _remove(path, path.name.removeprefix(prefix).partition("-")[0])


def _remove(path: Path, name: str) -> None:
    """Remove ``path`` if the process whose number ends ``name`` is gone."""
    number = name.rpartition("-")[2]
    if not number.isdigit():
        return
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, OverflowError):
        shutil.rmtree(path, ignore_errors=True)
    except OSError:
        pass  # Another user's, which runs.
