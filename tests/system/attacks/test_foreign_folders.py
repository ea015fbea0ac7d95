"""What another user has prepared is neither run nor written to, and the program still works."""

import os
import pickle
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from openoutcry.wire.private_folder import private_folder
from tests import ROOT
from tests.support.adversary.other_user import NOBODY, as_nobody, as_root, shared_folder
from tests.support.waiting import BOUND_S

CALLER = """
from openoutcry.wire.kernel import CACHE_ROOT
from openoutcry.ring.kernels import release
import numpy as np

words = np.zeros(1, np.int64)
release(words.ctypes.data, 42)
print(CACHE_ROOT, words[0])
"""


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    return shared_folder(tmp_path)


def run_kernel(shared: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A kernel called in a process without a usable home."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OUTCRY_", "XDG_"))}
    environment = {**kept, "HOME": "/proc/none", "TMPDIR": str(shared), **variables}
    return subprocess.run(
        [sys.executable, "-c", CALLER],
        cwd=ROOT,
        env=environment,
        text=True,
        capture_output=True,
        timeout=BOUND_S,
    )


class Pwned:
    """A pickle that runs a command where it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"id -u > {self.trace}",)


@pytest.mark.promise(
    "Compiled code is loaded only from a folder that belongs to the user alone; without one, "
    "nothing is cached. A changed source is never served by an old compiled kernel",
    group="secrets",
)
@as_root
def test_a_cache_that_another_user_made_first_is_not_loaded(shared: Path, tmp_path: Path) -> None:
    """A whole cache with a command in each index, under the very name that ours would have: not
    run, told, and the kernel is compiled somewhere else."""
    ours = run_kernel(shared)
    assert ours.returncode == 0, ours.stderr
    place, answer = ours.stdout.split()
    assert (Path(place), answer) == (shared / "openoutcry-0", "42")
    assert stat.S_IMODE(Path(place).stat().st_mode) == 0o700
    indexes = list(Path(place).rglob("*.nbi"))
    assert indexes
    trace = tmp_path / "pwned"
    for index in indexes:
        index.write_bytes(pickle.dumps(Pwned(trace)))
    assert run_kernel(shared).returncode in (0, 1)
    assert trace.exists(), "the command does run where it is believed: the test can fail"
    trace.unlink()
    for path in [Path(place), *Path(place).rglob("*")]:
        os.chown(path, NOBODY, NOBODY)
    again = run_kernel(shared)
    assert again.returncode == 0, again.stderr
    assert not trace.exists()
    used, answer = again.stdout.split()
    assert answer == "42"
    assert not Path(used).is_relative_to(place)
    assert "compiled kernels are not kept: /proc/none/.cache/openoutcry: " in again.stderr
    assert f"{place}: it belongs to user {NOBODY}" in again.stderr
    assert not Path(used).exists(), "what is not kept goes with the process"


@as_root
def test_a_folder_asked_for_that_is_not_ours_is_named(shared: Path) -> None:
    """OUTCRY_CACHE_DIR in another user's hands: said, and the next choice is taken."""
    theirs = shared / "theirs"
    as_nobody(theirs.mkdir)
    completed = run_kernel(shared, OUTCRY_CACHE_DIR=str(theirs))
    assert completed.returncode == 0
    assert f"OUTCRY_CACHE_DIR is not used: {theirs}: {theirs}: it belongs to" in completed.stderr
    assert completed.stdout.split()[0] == str(shared / "openoutcry-0")
    assert list(theirs.iterdir()) == []


@pytest.mark.smoke
@pytest.mark.promise(
    "Compiled code is loaded only from a folder that belongs to the user alone; without one, "
    "nothing is cached. A changed source is never served by an old compiled kernel",
    group="secrets",
)
@as_root
@pytest.mark.parametrize("way", ["owner", "link", "writable", "above", "file"])
def test_only_a_folder_of_our_own_is_private(shared: Path, way: str) -> None:
    """Another's, a link (also to what is ours), one that others may write to, one in a folder in
    which others may rename, and no folder at all."""
    ours = shared / "ours"
    ours.mkdir(mode=0o700)
    path = shared / "asked"
    if way == "owner":
        as_nobody(path.mkdir)
    elif way == "link":
        as_nobody(lambda: path.symlink_to(ours))
    elif way == "writable":
        path.mkdir()
        path.chmod(0o770)
    elif way == "above":
        path.mkdir()
        path.chmod(0o777)
        path = path / "inner"
    else:
        path.write_text("")
    words = {
        "owner": f"it belongs to user {NOBODY}",
        "link": "it is a symbolic link",
        "writable": "others may write to it",
        "above": "others may rename what is in it",
        "file": "Not a directory",
    }
    with pytest.raises(OSError, match=words[way]):
        private_folder(path)
    assert list(ours.iterdir()) == []
