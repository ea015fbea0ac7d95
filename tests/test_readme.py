"""Every command that README.md shows is run here, with fewer orders."""

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import OUTCRY

from openoutcry.journal import Journal

ROOT = Path(__file__).resolve().parents[1]
FEWER = ["--orders", "2000"]
LOBSTER = "34200.1,1,11,100,5853300,1\n34200.2,1,12,50,5853400,-1\n34200.3,3,11,100,5853300,1\n"
BOOK = ("9999999999,0,5853300,100\n", "5853400,50,5853300,100\n", "5853400,50,-9999999999,0\n")
ITCH_ADD = (
    b"\x00\x24A" + bytes(10) + (7).to_bytes(8, "big") + b"B" + (100).to_bytes(4, "big")
    + b"AAPL    " + (5_853_300).to_bytes(4, "big")
)  # fmt: skip
BITSTAMP = """id,timestamp,exchange.timestamp,price,volume,action,direction
65595247,1430438404518,1430438404000,236.47,200000000,created,bid
65595247,1430438404635,1430438404000,236.47,178855669,changed,bid
65595248,1430438404700,1430438404000,236.51,100000000,created,ask
"""


def commands() -> list[str]:
    """The ``outcry`` and ``make`` lines of README's code blocks, without their comments."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    lines = [line.split("#")[0].strip() for kind, block in blocks if not kind
             for line in block.splitlines()]  # fmt: skip
    return [line for line in lines if line.startswith(("outcry ", "make "))]


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*OUTCRY, *arguments], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, (arguments, done.stderr)
    return done


def test_readme_shows_the_commands_that_are_tested_here() -> None:
    """A command added to README must find its way into one of these tests."""
    shown = commands()
    known = ("outcry run", "outcry replay", "outcry check-book", "outcry top", "outcry send",
             "outcry bench", "outcry clock", "outcry doctor", "outcry journal",
             "make run", "make test", "make fpga")  # fmt: skip
    assert {name for name in known if any(line.startswith(name) for line in shown)} == set(known)
    assert all(line.startswith(known) for line in shown)
    makefile = (ROOT / "Makefile").read_text()
    targets = {line.split()[1] for line in shown if line.startswith("make ")}
    assert all(re.search(rf"^[a-z -]*\b{target}:", makefile, re.M) for target in targets)


@pytest.mark.parametrize(
    "line", [line for line in commands() if line.startswith("outcry run --") and "FILE" not in line
             and "--udp" not in line and "--resume" not in line]
)  # fmt: skip
def test_run_commands(line: str, tmp_path: Path) -> None:
    """The runs of the sections for users."""
    run([*shlex.split(line)[1:], *FEWER], tmp_path)
    assert ("--report" in line) == (tmp_path / "report.html").exists()


def test_commands_on_files(tmp_path: Path) -> None:
    """run on each recorded format, check-book, and replay, on small files made here."""
    (tmp_path / "messages.csv").write_text(LOBSTER)
    (tmp_path / "seed.csv").write_text(BOOK[0])
    (tmp_path / "book.csv").write_text("".join(BOOK))
    (tmp_path / "day.itch").write_bytes(ITCH_ADD)
    (tmp_path / "orders.csv").write_text(BITSTAMP)
    run(["run", "--lobster", "messages.csv", "--seed-book", "seed.csv"], tmp_path)
    run(["run", "--itch", "day.itch"], tmp_path)
    run(["run", "--bitstamp", "orders.csv", "--journal", "day"], tmp_path)
    assert Journal.exists(tmp_path / "day")
    run(["replay", "day"], tmp_path)
    run(["replay", "day", "--until", "1"], tmp_path)
    done = run(
        ["check-book", "--lobster", "messages.csv", "--orderbook", "book.csv", "--json"], tmp_path
    )
    checked = json.loads(done.stdout)
    assert checked["rows"] == checked["equal"] == 3


def test_the_journals_commands(tmp_path: Path) -> None:
    """A run into two directories, the same gone on with, and everything asked of its journal."""
    lines = [
        line for line in commands() if re.search(r"^outcry (run --journal|journal \w+) day", line)
    ]
    assert len(lines) == 8
    for line in lines:
        fewer = FEWER if line.startswith("outcry run") else []
        run([*shlex.split(line)[1:], *fewer], tmp_path)
    assert (tmp_path / "orders.parquet").stat().st_size > 0


def test_the_participants_two_terminals(tmp_path: Path) -> None:
    """The listening run and the sender, as shown, end with every order acknowledged."""
    listen, send = (line for line in commands() if "127.0.0.1:9000" in line)
    pipeline = subprocess.Popen(
        [*OUTCRY, *shlex.split(listen)[1:]],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 90
    while ":2328 " not in Path("/proc/net/udp").read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    try:
        done = run([*shlex.split(send)[1:], *FEWER], tmp_path)
        assert "2,000 acknowledged, 0 unanswered" in done.stdout
    finally:
        pipeline.send_signal(signal.SIGINT)
        out, err = pipeline.communicate(timeout=60)
    assert pipeline.returncode == 0, err
    assert "lost 0, duplicated 0" in out


def test_top_and_bench(tmp_path: Path) -> None:
    """`outcry top` with one look; the bench lines with one quick round; the host sheet; the clock
    (its daemon and report: tests/replay/test_clock_report.py)."""
    run(["top", "--once"], tmp_path)
    run(["doctor"], tmp_path)
    run(["clock"], tmp_path)
    for line in commands():
        if line.startswith("outcry bench"):
            run([*shlex.split(line)[1:], "--rounds", "1", "--quick"], tmp_path)
    assert (tmp_path / "here.json").exists()


def test_make_run(tmp_path: Path) -> None:
    """`make run` in a fresh copy of the tree leaves a report and a journal that replays."""
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    for name in filter(None, files):
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)
    environment = Path(sys.prefix)
    if not (environment / ".run-ready").exists():
        pytest.skip("this environment was not made by make: `make test` runs this test")
    done = subprocess.run(
        ["make", "run", f"VENV={environment}", "--old-file", f"{environment}/.run-ready"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "state and events equal" in done.stdout
    assert "</html>" in (tmp_path / "report.html").read_text()
    run(["replay", "run-journal"], tmp_path)
