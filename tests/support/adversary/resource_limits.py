"""What the tests of resource limits in several tiers share."""

import json
import resource
import subprocess
import sys
from pathlib import Path

FILES, SIZE, MEMORY = resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_AS


def ends(folder: Path, topology: str, what: int, most: int) -> int:
    """The status of a run under a limit."""
    command = [sys.executable, "-m", "openoutcry", "run", "--orders", "2000", "--json"]
    done = subprocess.run(
        [*command, "--topology", topology], cwd=folder, capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(what, (most, most)),
    )  # fmt: skip
    assert "Traceback" not in done.stderr + done.stdout, (what, most, done.stderr)
    assert done.returncode == int("error" in json.loads(done.stdout)), done.stderr
    assert list(folder.iterdir()) == [], "something half made is left"
    return done.returncode
