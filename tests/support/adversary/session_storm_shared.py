"""What the tests of session storm in several tiers share."""

import json
import sys
from pathlib import Path
from typing import Any

from tests.support.adversary import session_storm
from tests.support.pipeline import warm_outcry


def run(script: str, folder: Path, *arguments: str) -> dict[str, Any]:
    """What a storm found; none may find a violation."""
    path = Path(session_storm.__file__).with_name(script)
    evidence = folder / "evidence.json"
    command = [sys.executable, path, "--folder", folder, "--evidence", evidence, *arguments]
    done = warm_outcry.run_command(command, timeout=None)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-4_000:]
    (report,) = json.loads(evidence.read_text()).values()
    return dict(report)
