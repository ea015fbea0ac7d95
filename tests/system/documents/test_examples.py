"""The programs in examples/ that show how to use the exchange: each is run as a reader would."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from openoutcry.client.ouch import OuchClient
from tests import ROOT
from tests.support.order_entry.sessions_venue import HASH, PASSWORD
from tests.support.processes import free_port
from tests.support.venue.served_venue import VENUE, ServedVenue
from tests.support.waiting import BOUND_S, wait_until

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
[market_data]
interface = "127.0.0.1"
a = "239.193.9.1:FEED"
stream = "127.0.0.1:STREAM"
"""


def example(name: str, *words: str) -> str:
    """What an example prints that runs to its end."""
    command = [sys.executable, ROOT / "examples" / name, *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Running:
    """An example that runs until it is interrupted."""

    def __init__(self, folder: Path, name: str, *words: str) -> None:
        self.file = folder / f"{name}.txt"
        command = [sys.executable, ROOT / "examples" / name, *words]
        environment = os.environ | {"OUTCRY_PASSWORD": PASSWORD}
        with self.file.open("w") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)

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


def test_a_market_maker_a_book_and_questions_to_the_journal(tmp_path: Path) -> None:
    ports = {name: str(free_port()) for name in ("OUCH", "FEED", "STREAM")}
    text = VENUE + DOORS
    for symbol in ("GOLD", "TIN"):
        text = text.replace(f'symbol = "{symbol}"', f'symbol = "{symbol}"{LIMITS}')
    for name, port in ports.items():
        text = text.replace(f":{name}", f":{port}")
    venue = ServedVenue(tmp_path, "2026-11-23T10:00", port="", venue=text)
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    address = "127.0.0.1:{}".format
    book = Running(tmp_path, "feed_book.py", address(ports["STREAM"]))
    maker = Running(tmp_path, "market_maker.py", address(ports["OUCH"]), "MAKER", "GOLD", "20.00")
    try:
        book.wait_for("GOLD: 10 at 19.98 | 10 at 20.02")
        with OuchClient("127.0.0.1", int(ports["OUCH"]), "TAKER", PASSWORD) as taker:
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
        venue.stop()
    said = example("journal_sql.py", str(venue.journal))
    assert "trades: 2\n" in said
    assert "symbol GOLD, participant 1, trades 2, lots 15\n" in said
    assert "symbol GOLD, participant 2, trades 2, lots 15\n" in said
    assert "symbol GOLD, participant 2, verdict REJECTED PRICE_ABOVE_LIMIT, orders 1\n" in said
