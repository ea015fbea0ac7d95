"""Another user of this machine, for tests."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

NOBODY = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")


def shared_folder(tmp_path: Path) -> Path:
    """A folder that all users share, as /tmp is."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    # pytest's own folders above are ours alone; a worker of xdist has one more of them.
    for above in (tmp_path, *tmp_path.parents):
        above.chmod(above.stat().st_mode | stat.S_IXOTH)
        if above.name.startswith("pytest-of-"):
            break
    return folder


def as_nobody(act: Callable[[], None]) -> None:
    """Do something as another user, in a child."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            act()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
