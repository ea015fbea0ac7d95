"""What another user has prepared is neither run nor written to, and the program still works."""

import os
import stat
from pathlib import Path

import pytest

from openoutcry.wire.private_folder import private_folder


def test_a_private_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """Whatever the umask; and found again."""
    before = os.umask(0)
    try:
        folder = private_folder(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert private_folder(folder) == folder
    with pytest.raises(OSError, match=r"No such file|Not a directory"):
        private_folder("/proc/none/x")
