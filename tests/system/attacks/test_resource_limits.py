"""With too few descriptors, too little memory or too small files a run ends in words and leaves
nothing behind; with enough of them it is done."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

FILES, SIZE, MEMORY = resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_AS


def ends(folder: Path, topology: str, what: int, most: int) -> int:
    """The status of a run under a limit."""
    command = [sys.executable, "-m", "openoutcry", "run", "--orders", "2000", "--json"]
    done = subprocess.run(
        [*command, "--topology", topology],
        cwd=folder,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(what, (most, most)),
    )
    assert "Traceback" not in done.stderr + done.stdout, (what, most, done.stderr)
    assert done.returncode == int("error" in json.loads(done.stdout)), done.stderr
    assert list(folder.iterdir()) == [], "something half made is left"
    return done.returncode


@pytest.mark.promise(
    "A limit of descriptors, file sizes or memory is reported in words, and nothing "
    "half-made remains",
    group="disasters",
)
@pytest.mark.parametrize(
    ("what", "most", "status"), [(FILES, 6, 1), (FILES, 16, 1), (FILES, 64, 0), (SIZE, 100_000, 1)]
)
def test_a_limit_is_reported_in_words(what: int, most: int, status: int, tmp_path: Path) -> None:
    assert ends(tmp_path, "processes", what, most) == status


@pytest.mark.promise(
    "A limit of descriptors, file sizes or memory is reported in words, and nothing "
    "half-made remains",
    group="disasters",
)
@pytest.mark.long
@pytest.mark.parametrize("topology", ["inline", "processes"])
def test_every_limit_is_reported_in_words(topology: str, tmp_path: Path) -> None:
    """Below 500 MB the libraries cannot be loaded, which they say themselves."""
    limits = [(FILES, most) for most in range(6, 26)]
    limits += [(SIZE, most) for most in (1, 100_000, 3_000_000, 1 << 40)]
    limits += [(MEMORY, mib << 20) for mib in (500, 550, 600, 650, 700, 750, 1 << 20)]
    assert {ends(tmp_path, topology, what, most) for what, most in limits} == {0, 1}
