"""A bench's folder in this one: the file system that is measured is the one that the user chose."""

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn


@contextmanager
def scratch_folder(subject: str) -> Iterator[Path]:
    """A new folder below the current one, gone at the end, also after SIGTERM.  What a bench of the
    subject left that was killed outright is removed first: a folder's name has its owner's pid."""
    begin = f".bench-{subject}-"
    for old in Path().glob(f"{begin}*"):
        if not _is_alive(old.name.removeprefix(begin).partition("-")[0]):
            shutil.rmtree(old, ignore_errors=True)
    with _ended_by_sigterm():
        folder = Path(tempfile.mkdtemp(prefix=f"{begin}{os.getpid()}-", dir=".")).absolute()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def is_scratch_of(path: str, pid: int = 0) -> bool:
    """Return whether a path lies in a scratch folder of the process ``pid``; 0: of this one."""
    ends = f"-{pid or os.getpid()}-"
    return any(part.startswith(".bench-") and ends in part for part in Path(path).parts)


def _is_alive(pid: str) -> bool:
    """Return whether a process has this number; a name that is not one of ours is left alone."""
    try:
        os.kill(int(pid), 0)
    except ValueError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the block as an exception does, if nothing else is made of it."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def end(number: int, frame: Any) -> NoReturn:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
