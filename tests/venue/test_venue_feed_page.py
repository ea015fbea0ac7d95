"""docs/market-data.md: its programs, run against a venue, print what stands there, and its commands
listen to it."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from feed_days import Days
from venue_floor import order

from openoutcry.cli.main import main
from openoutcry.wire.enums import Side, TimeInForce

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "market-data.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
LISTENS = re.findall(r"outcry feed listen [^`\n]+", PAGE)


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    made = Days(tmp_path_factory.mktemp("page"))
    tin = {"symbol": b"TIN", "time_in_force": TimeInForce.DAY}
    for one in (order(1, Side.SELL, 3, 10_100, **tin), order(2, Side.BUY, 2, 10_100, **tin),
                order(3, Side.BUY, 5, 9_900, **tin)):  # fmt: skip
        assert made.venue.send(one)["acknowledged"] == 1
    yield made
    made.close()


def here(text: str, days: Days) -> str:
    """The page's addresses as this venue's."""
    spec = days.spec
    for shown, real in (
        ("239.193.0.1:26400", spec.a), ("239.193.0.2:26400", spec.b),
        ("10.0.0.1:26401", spec.retransmission), ("10.0.0.1:26402", spec.snapshots),
        ("10.0.0.1:26403", spec.stream), ("239.193.0.3:26400", spec.depth),
        ("10.0.0.1:8460", spec.pages),
    ):  # fmt: skip
        host, port = shown.split(":")
        text = text.replace(shown, "{}:{}".format(*real))
        text = text.replace(f'("{host}", {port})', repr(real))
    return text.replace('interface="10.0.0.1"', 'interface="127.0.0.1"')


def test_the_page_has_a_program_of_each_kind():
    kinds = ("Receiver(", "DepthReceiver(", "connect(", "StreamReceiver(", "statistics_of(")
    programs = "".join(program for program, _ in PROGRAMS)
    assert all(kind in programs for kind in kinds)


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_a_program_prints_what_the_page_says(days, number):
    program, shown = PROGRAMS[number]
    done = subprocess.run(
        [sys.executable, "-c", here(program, days)], capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == shown


@pytest.mark.parametrize("number", range(len(LISTENS)))
def test_a_command_of_the_page_listens(days, number):
    """Each with `--seconds`: what it takes in is there."""
    _, *words = shlex.split(here(LISTENS[number], days))
    words = [word for word in words if word != "--follow"]
    if "--stream" not in words:
        words += ["--interface", "127.0.0.1"]
    done = CliRunner().invoke(main, [*words, "--seconds", "3", "--json"])
    assert done.exit_code == 0, done.output
    assert '"symbol": "TIN"' in done.stdout
