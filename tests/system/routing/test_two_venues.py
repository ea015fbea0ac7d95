"""An order over the venues of `outcry route demo`, as a trader routes it: book, order, report; and
over a recording of them."""

import json
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event, Thread

import pyarrow.parquet as parquet
import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.market_data.book import Book
from openoutcry.routing.demo import INSTRUMENT, VENUE, VENUES, run, served
from tests.support.pipeline import warm_outcry
from tests.support.waiting import BOUND_S, LOOK_S, wait_until

WARM = partial(served, popen=warm_outcry.Process)
"""A venue as the demonstration serves it, forked warm."""


@contextmanager
def demonstration(monkeypatch, tmp_path):
    """The router's file of the demonstration, which runs."""
    monkeypatch.setattr("openoutcry.cli.route.READY_S", BOUND_S)
    folder, said, stop = tmp_path / "demo", [], Event()
    thread = Thread(
        target=run,
        args=(folder, said.append, lambda: not stop.is_set(), lambda: time.sleep(LOOK_S), WARM),
    )
    thread.start()
    try:
        wait_until(lambda: "outcry route order" in "".join(said) or not thread.is_alive())
        assert thread.is_alive(), said
        yield str(folder / "routes.toml")
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def file(tmp_path, monkeypatch):
    with demonstration(monkeypatch, tmp_path) as path:
        yield path


def outcry(*words):
    done = CliRunner().invoke(main, [*words, "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout.splitlines()[-1])


def asks(file):
    book = outcry("route", "book", file, "GOLD/USD")
    assert book["status"] == {"EAST": "live", "WEST": "live"}
    # One clock: what is left is the time that a message took, and was not read.
    assert all(-1 <= offset < BOUND_S * 1_000 for offset in book["clock_ms"].values())
    return [(row["venue"], row["price"], row["quantity"], row["with_fee"]) for row in book["asks"]]


def test_an_order_over_two_venues(file):
    before = asks(file)
    assert before[:4] == [
        ("EAST", "2001.5000", "20", "2001.5000000000"),
        ("WEST", "2000.5000", "30", "2002.5005000000"),
        ("EAST", "2003.0000", "40", "2003.0000000000"),
        ("WEST", "2001.0000", "50", "2003.0010000000"),
    ]
    order = ("route", "order", file, "buy", "100", "GOLD/USD", "--limit", "2003.00")
    order += ("--seconds", str(BOUND_S))
    report = outcry(*order)
    assert (report["state"], report["end"], report["filled"]) == ("ended", "filled", "100")
    assert {(c["venue"], c["filled"], c["average_price"]) for c in report["children"]} == {
        ("EAST", "60", "2002.5000"),
        ("WEST", "40", "2000.6250"),
    }
    # 40 at 2,000.625 of WEST, 10 basis points of it.
    assert (report["fees"], report["slippage_to_available_ppm"]) == ("80.0250", 0)
    wait_until(lambda: asks(file) == before, "the makers quote what was taken")
    # The same file again: its own events come once more, and change nothing.
    assert outcry(*order)["parent"] == 2
    page = Path(file).parent / "report.html"
    later = outcry("route", "report", file, "1", "--page", str(page))
    assert later | {"markouts_ppm": {}} == report | {"markouts_ppm": {}}
    assert "buy 100 GOLD/USD" in page.read_text()


OVER_SHM = f"""
[[session]]
name = "SHM"
protocol = "shm"
participant = 1
key = "{"ab" * 32}"
[[port]]
protocol = "shm"
path = "shm.socket"
"""


def test_an_order_over_shared_memory(monkeypatch, tmp_path):
    """The same venues, with sessions over shared memory; a second router settles and goes on."""
    monkeypatch.setattr("openoutcry.routing.demo.VENUE", VENUE + OVER_SHM)
    with demonstration(monkeypatch, tmp_path) as file:
        path = Path(file)
        key = path.parent / "key"
        key.touch(0o600)
        key.write_text("ab" * 32)
        for name in ("EAST", "WEST"):
            text = path.read_text()
            head, found, rest = text.partition(f'name = "{name}"\nkind = "own"\n')
            found = found.replace('kind = "own"\n', "")
            door = f'kind = "shm"\nsocket = "{name}/shm.socket"\nkey_file = "key"\n'
            path.write_text(f"{head}{found}{door}tick_decimals = 2\n{rest}")
        path.write_text(path.read_text().replace('"ROUTER"', '"SHM"'))
        before = asks(file)
        order = ("route", "order", file, "buy", "100", "GOLD/USD", "--limit", "2003.00")
        for number in (1, 2):
            report = outcry(*order, "--seconds", str(BOUND_S))
            assert (report["parent"], report["filled"], report["fees"]) == (
                number,
                "100",
                "80.0250",
            )
            assert {(c["venue"], c["filled"], c["average_price"]) for c in report["children"]} == {
                ("EAST", "60", "2002.5000"),
                ("WEST", "40", "2000.6250"),
            }
            wait_until(lambda: asks(file) == before, "the makers quote what was taken")


BACK = """
[[venue]]
name = "{name}"
kind = "recorded"
day = "levels:levels.parquet@{name}"
latency = "constant:1000000:500000"
taker_ppm = {taker_ppm}
[[listing]]
venue = "{name}"
instrument = "GOLD/USD"
symbol = "GOLD"
price_decimals = 4
quantity_decimals = 0
price_step = 100
"""


def test_the_router_splits_an_order_over_recorded_levels_as_it_did_live(file, tmp_path):
    """Both venues are recorded, and replayed as venues of a backtest."""
    levels = tmp_path / "levels.parquet"

    def both_are_recorded():
        words = ["route", "record", file, "GOLD/USD", str(levels), "--seconds", "1"]
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, done.output
        rows = parquet.read_table(levels).to_pylist()
        return {row["venue"] for row in rows} == {"EAST", "WEST"}

    wait_until(both_are_recorded)
    itch = tmp_path / "levels.itch"
    words = ["route", "record", file, "GOLD/USD", str(itch), "--seconds", "1", "--format", "itch"]
    assert CliRunner().invoke(main, words).exit_code == 0
    (book := Book()).apply(itch.read_bytes())
    assert [one.symbol for one in book.instruments()] == ["EAST", "WEST"]
    rows = parquet.read_table(tmp_path / "levels.itch.parquet").num_rows
    assert book.messages == rows + 3, "and a directory of two"
    back = INSTRUMENT.split("\n", 2)[2]
    back += "".join(BACK.format(name=one.name, taker_ppm=one.taker_bps * 100) for one in VENUES)
    (tmp_path / "back.toml").write_text(back)
    out = tmp_path / "out"
    words = ["backtest", f"venues:{tmp_path / 'back.toml'}@GOLD/USD", "--strategy", "take"]
    words += ["--param", "quantity=100", "--param", "limit=20030000", "--out", str(out)]
    summary = outcry(*words, "--workers", "0")
    assert summary["runs"] == 1
    (run,) = json.loads((out / "tasks" / "day00000-part0000" / "orders.json").read_text())
    (order,) = run["orders"]
    assert {(c["venue"], c["filled"], c["average_price"]) for c in order["children"]} == {
        ("EAST", "60", "2002.5000"),
        ("WEST", "40", "2000.6250"),
    }
    assert order["fees"] == "80.0250"


def test_the_demonstration_needs_a_new_folder(tmp_path):
    done = CliRunner().invoke(main, ["route", "demo", str(tmp_path)])
    assert (done.exit_code, done.stderr) == (1, f"outcry: {tmp_path}: File exists\n")
