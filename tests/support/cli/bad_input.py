"""What the tests of bad input in several tiers share."""

import subprocess
from collections.abc import Callable

Outcry = Callable[..., subprocess.CompletedProcess[str]]


def one_line_error(done: subprocess.CompletedProcess[str], status: int, *texts: str) -> None:
    """One sentence for the user, no traceback, nothing on standard output."""
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    last = done.stderr.strip().splitlines()[-1]
    for text in texts:
        assert text in last, done.stderr
