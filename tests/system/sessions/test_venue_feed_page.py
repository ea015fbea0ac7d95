"""docs/market-data.md: its programs, run against a venue, print what stands there, and its commands
listen to it."""

import json
import os
import re
import shlex
import signal
import sys
import time

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.host.processes import named_children
from openoutcry.market_data.depth import DepthReceiver
from openoutcry.wire.enums import Side, TimeInForce
from tests.support.console.websockets_patient import connect
from tests.support.market_data.feed_days import Days
from tests.support.pipeline import warm_outcry
from tests.support.venue.venue_feed_page import PAGE, PROGRAMS
from tests.support.venue.venue_floor import order
from tests.support.waiting import BOUND_S

LISTENS = re.findall(r"outcry feed listen [^`\n]+", PAGE)


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    served_days = Days(tmp_path_factory.mktemp("page"))
    tin = {"symbol": b"TIN", "time_in_force": TimeInForce.DAY}
    for one in (
        order(1, Side.SELL, 3, 10_100, **tin),
        order(2, Side.BUY, 2, 10_100, **tin),
        order(3, Side.BUY, 5, 9_900, **tin),
    ):
        assert served_days.venue.send(one)["acknowledged"] == 1
    yield served_days
    served_days.close()


def here(text: str, days: Days) -> str:
    """The page's addresses as this venue's."""
    spec = days.spec
    for shown, real in (
        ("239.193.0.1:26400", spec.a),
        ("239.193.0.2:26400", spec.b),
        ("10.0.0.1:26401", spec.retransmission),
        ("10.0.0.1:26402", spec.snapshots),
        ("10.0.0.1:26403", spec.stream),
        ("239.193.0.3:26400", spec.depth),
        ("10.0.0.1:8460", spec.pages),
    ):
        host, port = shown.split(":")
        text = text.replace(shown, "{}:{}".format(*real))
        text = text.replace(f'("{host}", {port})', repr(real))
    return text.replace('interface="10.0.0.1"', 'interface="127.0.0.1"')


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_a_program_prints_what_the_page_says(days, number):
    program, shown = PROGRAMS[number]
    done = warm_outcry.run_command([sys.executable, "-c", here(program, days)], timeout=BOUND_S)
    assert done.returncode == 0, done.stderr
    assert done.stdout == shown


@pytest.mark.parametrize("number", range(len(LISTENS)))
def test_a_command_of_the_page_listens(days, number):
    """Each with `--seconds`: what it takes in is there."""
    _, *words = shlex.split(here(LISTENS[number], days))
    words = [word for word in words if word != "--follow"]
    if "--stream" not in words:
        words += ["--interface", "127.0.0.1"]
    for seconds in ("3", "60"):
        done = CliRunner().invoke(main, [*words, "--seconds", seconds, "--json"])
        assert done.exit_code == 0, done.output
        if '"symbol": "TIN"' in done.stdout:
            break
    else:
        pytest.fail(done.stdout)


def test_the_conflated_feed_knows_the_last_trade_also_when_it_begins_again(days):
    """A process that is killed takes nothing back of what was told."""
    receiver = DepthReceiver(days.spec.depth, "127.0.0.1")
    until, runs = time.monotonic() + BOUND_S, set()
    # What a full refresh tells of one instrument may be in two packets.
    while not (len(runs) == 2 and receiver.book.levels(2, "B") and 2 in receiver.book.last):
        assert time.monotonic() < until
        receiver.poll()
        if receiver.book.run and receiver.book.run not in runs:
            runs.add(receiver.book.run)
            receiver.book._levels.clear()
            receiver.book.last.clear()
            if len(runs) == 1:
                (pid,) = [
                    pid for name, pid in named_children(days.venue.process.pid) if name == "depth"
                ]
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    receiver.close()
    assert receiver.book.last[2] == (1_010_000, 2, 1)
    host, port = days.spec.pages
    with connect(f"ws://{host}:{port}", legacy=True) as page:
        row = {"type": "heartbeat"}
        while row["type"] != "snapshot":
            page.send(json.dumps({"subscribe": ["TIN"]}))
            row = json.loads(page.recv(timeout=BOUND_S))
    assert row["last"] == [1_010_000, 2]
