"""Another user of this machine, for tests."""

import os
from collections.abc import Callable

import pytest

NOBODY = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")


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
