"""What `make run` installs is pinned by hash, licensed for use, and can be listed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documents.supply_chain import ENTRY, LOCK
from tests.support.user_commands import ROOT, run


@pytest.mark.smoke
@pytest.mark.promise(
    "Every dependency's licence is known and permits use. `make run` installs only the "
    "versions and hashes of `requirements.lock`, which names no package index and covers what"
    " pyproject.toml asks for",
    group="supply",
)
def test_make_run_installs_what_the_lock_pins(tmp_path: Path) -> None:
    """`make` passes the lock to pip with --require-hashes, and builds the package with what is
    then installed; a wrong hash is refused."""
    plan = run("make --dry-run run VENV=nowhere", ROOT)
    assert "--require-hashes --requirement requirements.lock" in plan
    assert "--no-build-isolation --no-deps --editable ." in plan
    first = ENTRY.search(LOCK)
    assert first is not None
    wheel = (
        tmp_path / f"{first[1].partition('==')[0]}-{first[1].partition('==')[2]}-py3-none-any.whl"
    )
    shutil.copy(__file__, wheel)
    (tmp_path / "lock").write_text(first[0])
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--dry-run",
            "--isolated",
            "--no-index",
            "--no-deps",
            "--ignore-installed",
            "--find-links",
            str(tmp_path),
            "--require-hashes",
            "--requirement",
            str(tmp_path / "lock"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
