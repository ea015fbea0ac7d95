"""The programs in examples/ that show how to use the exchange: each is run as a reader would."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from openoutcry.client.ouch import OuchClient
from openoutcry.routing.demo import run
from tests import ROOT
from tests.support.order_entry.sessions_venue import HASH, KEY, PASSWORD
from tests.support.processes import OUTCRY, free_port
from tests.support.venue.served_venue import VENUE, ServedVenue
from tests.support.waiting import BOUND_S, LOOK_S, wait_until

LIMITS = "\nmin_price_ticks = 1\nmax_price_ticks = 1_000_000\nmax_qty_lots = 1_000_000\n"
DOORS = f"""
[[participant]]
number = 2
name = "two"
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:OUCH"
[[session]]
name = "MAKER"
protocol = "ouch-4.2"
participant = 1
password = "{HASH}"
[[session]]
name = "TAKER"
protocol = "ouch-4.2"
participant = 2
password = "{HASH}"
[[port]]
protocol = "fix-4.4"
address = "127.0.0.1:FIX"
[[session]]
name = "ENGINE"
protocol = "fix-4.4"
participant = 2
password = "{HASH}"
[[port]]
protocol = "shm"
path = "shm.socket"
[[session]]
name = "MEMORY"
protocol = "shm"
participant = 1
key = "{KEY.hex()}"
[market_data]
interface = "127.0.0.1"
a = "239.193.9.1:FEED"
stream = "127.0.0.1:STREAM"
"""
SECRETS = os.environ | {"OUTCRY_PASSWORD": PASSWORD, "OUTCRY_KEY": KEY.hex()}


def example(name: str, *words: str) -> str:
    """What an example prints that runs to its end."""
    command = [sys.executable, ROOT / "examples" / name, *words]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, check=False, env=SECRETS
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Running:
    """An example that runs until it is interrupted."""

    def __init__(self, folder: Path, name: str, *words: str) -> None:
        self.file = folder / f"{name}.txt"
        command = [sys.executable, ROOT / "examples" / name, *words]
        with self.file.open("w") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=SECRETS)

    def wait_for(self, line: str) -> None:
        wait_until(lambda: line in self.lines() or self.process.poll() is not None, line)
        assert line in self.lines(), self.lines()

    def lines(self) -> list[str]:
        return self.file.read_text().splitlines()

    def interrupt(self) -> list[str]:
        """End it as Control-C does; what it printed."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(BOUND_S) == 0, self.lines()
        return self.lines()


def test_the_matcher_is_a_library() -> None:
    said = example("matcher_library.py").splitlines()
    assert "  FILLED         id=3 5@101" in said
    assert "depth: {'bids': [], 'asks': [(102, 3, 1)]}" in said
    assert "  UNCROSSED      id=0 7@102" in said
    assert said[-1].startswith("the same state after a restart: ")


def test_a_ring_carries_orders_between_processes() -> None:
    said = example("ring_between_processes.py", "10001")
    assert said == "the reader has seen 10,001 orders of 10,001 lots\n"


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[tuple[ServedVenue, dict[str, str]]]:
    """A venue with every door that the examples use, which trades; and the doors' addresses."""
    ports = {name: str(free_port()) for name in ("OUCH", "FIX", "FEED", "STREAM")}
    text = VENUE + DOORS
    for symbol in ("GOLD", "TIN"):
        text = text.replace(f'symbol = "{symbol}"', f'symbol = "{symbol}"{LIMITS}')
    for name, port in ports.items():
        text = text.replace(f":{name}", f":{port}")
    served = ServedVenue(tmp_path, "2026-11-23T10:00", port="", venue=text)
    served.start()
    try:
        served.wait_for_phase("CONTINUOUS")
        yield served, {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    finally:
        served.stop()


@contextmanager
def taking(doors: dict[str, str]) -> Iterator[OuchClient]:
    """A participant that trades with the examples."""
    with OuchClient("127.0.0.1", int(doors["OUCH"].split(":")[1]), "TAKER", PASSWORD) as client:
        yield client


def test_a_market_maker_a_book_and_questions_to_the_journal(tmp_path: Path, venue: Any) -> None:
    served, doors = venue
    book = Running(tmp_path, "feed_book.py", doors["STREAM"])
    maker = Running(tmp_path, "market_maker.py", doors["OUCH"], "MAKER", "GOLD", "20.00")
    try:
        book.wait_for("GOLD: 10 at 19.98 | 10 at 20.02")
        with taking(doors) as taker:
            taker.sell("GOLD", 1, "10000.01")
            taker.sell("GOLD", 15, "19.97")
            maker.wait_for("buy 5, position 15")
        book.wait_for("GOLD: 5 at 19.97 | 10 at 20.02")
        quoted = ["buy 10, position 10", "buy 5, position 15", "2 fills, position 15"]
        assert maker.interrupt() == quoted
        wait_until(lambda: book.lines()[-1] == "GOLD: - | -")
        book.interrupt()
    finally:
        book.process.kill()
        maker.process.kill()
        served.stop()
    said = example("journal_sql.py", str(served.journal))
    assert "trades: 2\n" in said
    assert "symbol GOLD, participant 1, trades 2, lots 15\n" in said
    assert "symbol GOLD, participant 2, trades 2, lots 15\n" in said
    assert "symbol GOLD, participant 2, verdict REJECTED PRICE_ABOVE_LIMIT, orders 1\n" in said


def test_a_strategy_trades_by_the_feed(tmp_path: Path, venue: Any) -> None:
    _, doors = venue
    with taking(doors) as other:
        other.buy("GOLD", 30, "19.98")
        other.sell("GOLD", 10, "20.02")
        words = doors["STREAM"], doors["OUCH"], "MAKER", "GOLD", "2"
        strategy = Running(tmp_path, "imbalance_taker.py", *words)
        try:
            assert strategy.process.wait(BOUND_S) == 0, strategy.lines()
        finally:
            strategy.process.kill()
    assert strategy.lines() == ["B 1 at 20.02, position 1", "B 1 at 20.02, position 2"]


def test_a_market_maker_over_shared_memory(tmp_path: Path, venue: Any) -> None:
    served, doors = venue
    words = str(served.folder / "shm.socket"), "MEMORY", "GOLD", "2000", "3"
    book = Running(tmp_path, "feed_book.py", doors["STREAM"])
    maker = Running(tmp_path, "shm_maker.py", *words)
    try:
        book.wait_for("GOLD: 10 at 19.98 | 10 at 20.02")
        with taking(doors) as taker:
            taker.buy("GOLD", 15, "20.02", ioc=True)
            maker.wait_for("SELL 10 at 2002")
            taker.sell("GOLD", 4, "19.98", ioc=True)
            maker.wait_for("BUY 4 at 1998")
            taker.sell("GOLD", 1, "19.98", ioc=True)
        assert maker.process.wait(BOUND_S) == 0, maker.lines()
        assert maker.lines() == ["SELL 10 at 2002", "BUY 4 at 1998", "BUY 1 at 1998", "3 fills"]
    finally:
        book.process.kill()
        maker.process.kill()


def test_an_order_by_quickfix(venue: Any) -> None:
    pytest.importorskip("quickfix", reason="PyPI's quickfix could not be built")
    _, doors = venue
    with taking(doors) as other:
        other.sell("GOLD", 10, "20.02")
        order = "fix_client.py", doors["FIX"], "ENGINE", "TEST", "buy"
        said = example(*order, "12", "GOLD", "20.02")
        assert said.startswith("traded 10 at 20.02\ncancelled, 10 in all")
        said = example(*order, "1", "NOTHING", "20.02")
        assert said.startswith("rejected, 0 in all: "), said


def test_a_strategy_of_ones_own_over_a_day(tmp_path: Path) -> None:
    written = (ROOT / "examples" / "backtest_strategy.py").read_text()
    words = re.search(r"outcry (backtest .*--workers 0)", written, re.DOTALL)[1]  # type: ignore[index]
    command = [*OUTCRY, *words.replace("\\", "").split()]
    command[command.index("results")] = str(tmp_path / "results")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 runs, 40,000 commands" in done.stdout
    assert "patient" in (tmp_path / "results" / "report.html").read_text()


def test_a_bench_of_ones_own_block() -> None:
    """The block passes beside the golden model, and with another limit it does not."""
    command = [sys.executable, "-m", "openoutcry.gateway_fpga.tools.simulate"]
    command += ["--sources", "price_band.v", "verilator", "price_band", "bench_price_band"]
    folder = ROOT / "examples" / "own_bench"
    for more, status in ((), 0), (("MAX_PRICE_TICKS=999",), 1):
        done = subprocess.run([*command, *more], cwd=folder, capture_output=True, check=False)
        assert done.returncode == status, done.stdout + done.stderr


def test_a_router_and_an_index_over_two_venues(tmp_path: Path) -> None:
    file, said, stop = tmp_path / "demo" / "routes.toml", [], threading.Event()
    words = file.parent, said.append, lambda: not stop.is_set(), lambda: stop.wait(LOOK_S)
    demo = threading.Thread(target=run, args=words)
    demo.start()
    try:
        wait_until(lambda: "outcry route order" in "".join(said) or not demo.is_alive())
        index = Running(tmp_path, "index_feed.py", str(file), "GOLD/USD")
        try:
            wait_until(lambda: "EAST, WEST" in index.file.read_text(), "an index of both")
            assert re.fullmatch(r"GOLD/USD 2000\.\d+ of EAST, WEST", index.lines()[-1])
            routed = example("route_order.py", str(file), "GOLD/USD", "buy", "100", "2003.00")
            assert routed.splitlines()[-1] == "100 at 2001.7500, fees 80.0250"
            index.interrupt()
        finally:
            index.process.kill()
    finally:
        stop.set()
        demo.join()
