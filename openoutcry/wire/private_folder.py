"""Private folders: code is loaded from them.

A compiled kernel, a shared library or a pickle that another user can write is code executed as us.
So such a folder is owned by us, writable by us only, and below no folder where others may rename.
"""

import contextlib
import errno
import os
import stat
from pathlib import Path


def private_folder(path: str | os.PathLike[str]) -> Path:
    """Make the folder (mode 0700), or see that the one that is there is ours alone.

    Raises ``OSError`` saying why it is not: a symbolic link, another owner, writable by others, or
    below a folder in which others may rename.  Folders above it are made if need be.
    """
    folder = Path(os.path.abspath(path))
    folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    # By name and by where links lead: neither a link nor what it leads to can be exchanged.
    for above in {*folder.parents, *Path(os.path.realpath(folder.parent) + "/x").parents}:
        _require_fixed(above)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if folder.is_symlink():
            raise _refusal(folder, "it is a symbolic link") from None
        raise error from None
    try:
        status = os.fstat(fd)
        require_ours(fd)
    finally:
        os.close(fd)
    if status.st_mode & stat.S_IWGRP:
        raise _refusal(folder, "others may write to it")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _refusal(folder, "it cannot be written")
    return folder


def require_ours(folder: str | os.PathLike[str] | int) -> None:
    """Raise ``OSError`` unless the folder (a path or an open descriptor) belongs to us and no
    other user may write to it.

    Where another user could make files beforehand, such a link would lead our writes to a file of
    ours, and such a file would be read as ours.
    """
    status = os.stat(folder)
    shown = folder if not isinstance(folder, int) else os.readlink(f"/proc/self/fd/{folder}")
    if status.st_uid != os.geteuid():
        raise _refusal(Path(shown), f"it belongs to user {status.st_uid}")
    if _others_write(status):
        raise _refusal(Path(shown), "others may write to it")


def _others_write(status: os.stat_result) -> bool:
    """A group of our own name is how Debian makes users: its only member is we."""
    group_writes = status.st_mode & stat.S_IWGRP and status.st_gid != os.getegid()
    return bool(group_writes or status.st_mode & stat.S_IWOTH)


def _require_fixed(above: Path) -> None:
    """Only its owner, this user or root, can rename what is in this folder.

    In a shared temporary one (sticky) each user can only rename its own."""
    status = os.stat(above)
    if status.st_uid not in (0, os.geteuid()):
        raise _refusal(above, f"it belongs to user {status.st_uid}")
    if status.st_mode & stat.S_ISVTX:
        return
    if _others_write(status):
        raise _refusal(above, "others may rename what is in it")


def _refusal(folder: Path, why: str) -> OSError:
    return OSError(errno.EPERM, why, str(folder))
