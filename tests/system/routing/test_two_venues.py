"""An order over two venues of ours, as a trader routes it: book, order, report."""

import json
from contextlib import ExitStack

import argon2
import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.client import OuchClient
from tests.support.market_data.feed_days import LIMITS
from tests.support.processes import free_port
from tests.support.venue.served_venue import VENUE, ServedVenue

WORD = "secret"
SESSIONS = """
[[participant]]
number = 2
name = "two"
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:{{port}}"
[[session]]
name = "ROUTER"
protocol = "ouch-4.2"
participant = 1
password = "{word}"
[[session]]
name = "MAKER"
protocol = "ouch-4.2"
participant = 2
password = "{word}"
[market_data]
a = "{group}:{line}"
interface = "127.0.0.1"
retransmission = "127.0.0.1:{requests}"
snapshots = "127.0.0.1:{snapshots}"
heartbeat_ms = 50
"""
ROUTES = """
[[instrument]]
symbol = "GOLD/USD"
base = "GOLD"
quote = "USD"
price_decimals = 4
quantity_decimals = 0
"""
ROUTE = """
[[venue]]
name = "{name}"
taker_ppm = {taker_ppm}
orders = "127.0.0.1:{port}"
session = "ROUTER"
password_file = "password"
a = "{group}:{line}"
interface = "127.0.0.1"
retransmission = "127.0.0.1:{requests}"
snapshots = "127.0.0.1:{snapshots}"
[[listing]]
venue = "{name}"
instrument = "GOLD/USD"
symbol = "GOLD"
price_decimals = 4
quantity_decimals = 0
price_step = 100
"""


@pytest.fixture
def floor(tmp_path):
    """Two venues that trade, a maker's session at each, and the router's file."""
    word = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(WORD)
    routes = ROUTES
    (tmp_path / "password").write_text(WORD)
    (tmp_path / "password").chmod(0o600)
    with ExitStack() as stack:
        venues = {}
        for number, (name, taker_ppm) in enumerate([("A", 1_000), ("B", 0)], start=1):
            folder = tmp_path / name
            folder.mkdir()
            feed = {"group": f"239.193.57.{number}", "line": free_port()}
            feed |= {"requests": free_port(), "snapshots": free_port()}
            text = VENUE.replace('symbol = "GOLD"', f'symbol = "GOLD"{LIMITS}')
            text = text.replace('symbol = "TIN"', f'symbol = "TIN"{LIMITS}')
            sessions = SESSIONS.format(word=word, **feed)
            venue = ServedVenue(folder, "2026-11-23T10:00", sessions, text)
            venue.start()
            stack.callback(venue.kill)
            venues[name] = venue
            routes += ROUTE.format(name=name, taker_ppm=taker_ppm, port=venue.port, **feed)
        makers = {}
        for name, venue in venues.items():
            venue.wait_for_phase("CONTINUOUS")
            maker = OuchClient("127.0.0.1", venue.port, "MAKER", WORD)
            stack.callback(maker.connection.close)
            makers[name] = maker
        (tmp_path / "routes.toml").write_text(routes)
        yield tmp_path, makers


def outcry(*words):
    done = CliRunner().invoke(main, [*words, "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout.splitlines()[-1])


def test_an_order_over_two_venues(floor):
    folder, makers = floor
    for name, asks in {"A": [(5, "10.00"), (40, "10.05")], "B": [(30, "10.01")]}.items():
        for quantity, price in asks:
            makers[name].sell("GOLD", quantity, price)
            assert makers[name].next(20).name == "accepted"
    file = str(folder / "routes.toml")
    book = outcry("route", "book", file, "GOLD/USD")
    assert book["status"] == {"A": "live", "B": "live"}
    assert [(row["venue"], row["price"], row["quantity"]) for row in book["asks"]] == [
        ("A", "10.0000", "5"),
        ("B", "10.0100", "30"),
        ("A", "10.0500", "40"),
    ]
    assert [row["with_fee"] for row in book["asks"]][:2] == ["10.0100000000", "10.0100000000"]
    report = outcry("route", "order", file, "buy", "34", "GOLD/USD", "--limit", "10.02")
    assert (report["state"], report["end"], report["filled"]) == ("ended", "filled", "34")
    assert {(c["venue"], c["filled"], c["average_price"]) for c in report["children"]} == {
        ("A", "5", "10.0000"),
        ("B", "29", "10.0100"),
    }
    assert report["slippage_to_available_ppm"] == 0
    assert makers["A"].next(20)["shares"] == 5
    assert makers["B"].next(20)["shares"] == 29
    # The same file again: its own events come once more, and change nothing.
    rest = outcry("route", "order", file, "buy", "5", "GOLD/USD", "--limit", "10.02")
    assert (rest["parent"], rest["filled"]) == (2, "1")
    assert rest["end"] == "nothing more at the limit"
    page = folder / "report.html"
    assert outcry("route", "report", file, "1", "--page", str(page))["filled"] == "34"
    assert "buy 34 GOLD/USD" in page.read_text()
