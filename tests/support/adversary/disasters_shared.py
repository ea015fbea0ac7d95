"""What the tests of disasters in several tiers share."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.adversary import disasters
from tests.support.pipeline import warm_outcry


def storm(folder: Path, count: int, seed: int) -> dict[str, Any]:
    """What a storm of ``count`` disasters found."""
    if shutil.which("cc") is None:
        pytest.skip("disk faults need a C compiler")
    evidence = folder / "evidence.json"
    command = [sys.executable, disasters.__file__, "--folder", folder, "--evidence", evidence]
    done = warm_outcry.run_command(
        [*command, "--count", f"{count}", "--seed", f"{seed}"], timeout=None
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-4_000:]
    return dict(json.loads(evidence.read_text())["disasters"][0])


def check(report: dict[str, Any], rounds: int) -> None:
    """Each kind has happened, and the faults of the disk were told."""
    assert set(report["kinds"].values()) == {rounds}
    assert len(report["kinds"]) == disasters.EPOCH
    assert report["events_told"] > 10 * rounds * disasters.EPOCH
    assert report["outcomes"]["disk fault told by name"] >= 2 * rounds
