"""Two clones that are set up beside each other on a new machine."""

import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from tests import ROOT

TOOL = """#!/bin/sh
# Stands for PYTHON and for apt-get, both at once; says when it works, in one write each.
case "$*" in
*find_libpython*) exit 1 ;;  # so there is something to install
*version_info*) echo 3.11; exit ;;
*tomllib*) echo quickfix; exit ;;
*--no-index*) exit 1 ;;
esac
printf 'begin\n' >>"$WORK"
sleep 0.1
printf 'end\n' >>"$WORK"
exit 1
"""


@pytest.mark.parametrize(
    ("script", "lock"),
    [
        ("scripts/setup-system.sh", "cache/system.lock"),
        ("scripts/install-peers.sh", "cache/wheels/.lock"),
        ("bench/peers/setup_matchers.sh", "peers/.lock"),
    ],
)
def test_what_all_clones_share_is_installed_by_one_at_a_time(
    tmp_path: Path, script: str, lock: str
) -> None:
    """Else one removes what another installs, or is refused by apt-get and goes without."""
    for name in ("python", "apt-get"):
        (tmp_path / name).write_text(TOOL)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "id").write_text("#!/bin/sh\necho 0\n")
    (tmp_path / "id").chmod(0o755)
    work = tmp_path / "work"
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "OUTCRY_CACHE_DIR": str(tmp_path / "cache"),
        "WORK": str(work),
    }
    command = ["sh", str(ROOT / script), str(tmp_path / "python"), str(tmp_path / "peers")]
    (tmp_path / lock).parent.mkdir(parents=True)
    with (tmp_path / lock).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        clones = [
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            for _ in range(3)
        ]
        for clone in clones:
            assert clone.stdout is not None
            assert clone.stdout.readline() == b"Another set-up is at work: waiting for it.\n"
        assert not work.exists()
    for clone in clones:
        clone.communicate()
    steps = work.read_text().split()
    assert len(steps) >= 2 * len(clones)
    assert steps == ["begin", "end"] * (len(steps) // 2)
