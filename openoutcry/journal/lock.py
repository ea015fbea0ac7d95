"""The lock of a journal directory: one running pipeline."""

import fcntl
import os
from pathlib import Path

from openoutcry.wire.errors import JournalError
from openoutcry.wire.private_folder import require_ours

LOCK_NAME = "lock"
LOCKS = Path("/proc/locks")


class InUse(JournalError):
    """Another pipeline holds that directory."""


class NotOurs(JournalError):
    """Another user may write to that directory, or put another one's files there."""


class JournalLock:
    """Holds the directory itself by flock(2) for as long as any process of the pipeline lives.

    Makes the directory (mode 0700) if it is missing, and takes from others what they could see of
    one that is there.  The lock belongs to the open directory, not
    to a name in it that a user may remove; ``DIRECTORY/lock`` only names the holder.  Processes
    made by ``os.fork`` share it: it is free when the last of them has released it or died, so an
    orphaned stage still keeps a second pipeline out.  Raises :class:`InUse` if another pipeline
    holds it, :class:`NotOurs` where another user owns it or may write to it, :class:`JournalError`
    if the directory cannot be used.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)
        self._fd = -1
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileExistsError, NotADirectoryError):
            raise JournalError(f"{self.directory} is not a directory") from None
        except OSError as error:
            raise JournalError(f"{self.directory}: cannot lock: {error.strerror}") from None
        try:
            require_ours(fd)
        except OSError as error:
            os.close(fd)
            raise NotOurs(
                f"{self.directory}: {error.strerror}: a journal is in a directory of the user that "
                "runs it, to which no other user may write"
            ) from None
        try:
            if os.fstat(fd).st_mode & 0o077:
                os.fchmod(fd, 0o700)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._note_holder()
        except BlockingIOError:
            os.close(fd)
            holder = _holder(self.directory)
            raise InUse(
                f"{self.directory} is in use by a running pipeline (pid {holder})"
            ) from None
        except OSError as error:
            os.close(fd)
            raise JournalError(f"{self.directory}: cannot lock: {error.strerror}") from None
        self._fd = fd

    def _note_holder(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        note = os.open(self.directory / LOCK_NAME, flags, 0o600)
        try:
            os.ftruncate(note, 0)
            os.pwrite(note, f"{os.getpid()}\n".encode(), 0)
        finally:
            os.close(note)

    def release(self) -> None:
        """Give up this process's share of the lock; harmless when repeated."""
        # Closing, not LOCK_UN: unlocking would free it under the feet of a forked stage.
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> "JournalLock":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _holder(directory: Path) -> str:
    try:
        return (directory / LOCK_NAME).read_text("ascii", "replace")[:32].strip() or "unknown"
    except OSError:
        return "unknown"


def held(directory: Path) -> bool:
    """Return whether any process holds the directory's lock.  It only reads /proc/locks, so that no
    process that wants the lock finds it taken by us."""
    try:
        inode = directory.stat().st_ino
        rows = [row.split() for row in LOCKS.read_text().splitlines()]
    except OSError:
        return False
    # number: FLOCK ADVISORY WRITE pid major:minor:inode start end; a waiting one has an arrow.
    return any(row[1] == "FLOCK" and row[5].split(":")[-1] == f"{inode}" for row in rows)


def lock_if_there(directory: Path) -> JournalLock | None:
    """The lock of a directory; None for one that is gone or takes no writes.

    Raises :class:`InUse` if another pipeline holds it, :class:`NotOurs` as above."""
    if not directory.is_dir():
        return None
    try:
        return JournalLock(directory)
    except (InUse, NotOurs):
        raise
    except JournalError:
        return None
