"""The commands that a page of the documentation shows, and how a test runs them."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import ROOT
from tests.support.dpdk_shim.udp_runs import started
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY
from tests.support.waiting import BOUND_S, wait_until

DOCS = ROOT / "docs"
PORT = "9000"
"""The pages' UDP port; a test takes a free one in its place."""
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)


def commands(page: str) -> list[str]:
    """The lines after ``$`` in a page's console blocks; comments stand on lines of their own."""
    lines = [
        line
        for kind, block in BLOCK.findall((DOCS / page).read_text())
        if kind == "console"
        for line in block.splitlines()
    ]
    assert all(line.startswith(("$ ", "# ")) for line in lines), page
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def python_blocks(page: Path) -> list[str]:
    return [block for kind, block in BLOCK.findall(page.read_text()) if kind == "python"]


def environment() -> dict[str, str]:
    """This process's, with the commands of its own interpreter first on the path."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def run(command: str, folder: Path, status: int = 0) -> str:
    """Run a shell line in a folder and return its standard output; it ends with ``status``.  One
    that is ``outcry`` and words is forked from a process that has loaded it (warm_outcry.py)."""
    name, *words = shlex.split(command)
    if name == "outcry" and not set(command) & set("|&;<>$`*?{}~"):
        done = warm_outcry.run(words, folder, BOUND_S)
    else:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=BOUND_S,
        )
    assert done.returncode == status, (command, done.stdout, done.stderr)
    return done.stdout


def started_command(
    command: str, folder: Path, stdin: int | None = None, **variables: str
) -> warm_outcry.Process:
    """``outcry`` and words, under way in a folder; ``variables`` of its environment."""
    name, *words = shlex.split(command)
    assert name == "outcry", command
    pipe = subprocess.PIPE
    return warm_outcry.Process(
        [*OUTCRY, *words],
        cwd=folder,
        env=environment() | variables,
        text=True,
        stdin=stdin,
        stdout=pipe,
        stderr=pipe,
    )


@contextmanager
def listening(command: str, folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """A pipeline that takes orders from the network, once it takes them.  Interrupted at the
    end, it must stop cleanly, unless the test has killed it."""
    with started_command(command, folder) as pipeline:
        try:
            started(pipeline)
            yield pipeline
        except BaseException:
            pipeline.kill()
            raise
        if pipeline.poll() is None:
            pipeline.send_signal(signal.SIGINT)
            out, err = pipeline.communicate(timeout=BOUND_S)
            assert pipeline.returncode == 0, err
            assert "lost 0, duplicated 0" in out


def _bound(port: int) -> bool:
    return f":{port:04X} " in Path("/proc/net/udp").read_text()


def kill_whole_pipeline(pipeline: subprocess.Popen[str], port: int) -> None:
    """SIGKILL, and wait until its stages, which inherited the socket, are gone as well."""
    pipeline.kill()
    pipeline.wait()
    wait_until(lambda: not _bound(port), "the port is free")


def copy_of_the_tree(target: Path) -> Path:
    """What a clone would have, with what is not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source = ROOT / name
        if source.is_symlink() or source.exists():
            copy = target / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy, follow_symlinks=False)
    return target
