"""freqtrade, unchanged but for the addresses that it gives to ccxt: without money, and with.

It takes 800 MB in a separate environment, so it runs only where a folder for it is named:
``OUTCRY_FREQTRADE=/var/tmp/freqtrade``.  The first run installs it there.
"""

import json
import signal
import sqlite3
import subprocess
from contextlib import closing, contextmanager

import pytest

from tests import ROOT
from tests.support.portal.clients import pointed, python_of
from tests.support.portal.portal_venue import CHOICES, PortalVenue
from tests.support.waiting import BOUND_S, wait_until

ADDRESSES = "import ccxt, json; print(json.dumps(ccxt.binance().urls['api']))"
"""Prints those that ccxt has, as freqtrade's environment has it."""
USD, BTC = 10**6, 10**8
PRICING = {"price_side": "other", "use_order_book": True, "order_book_top": 1}
PLAN = {
    "initial_state": "running",
    "max_open_trades": 1,
    "stake_currency": "USD",
    "stake_amount": 100,
    "tradable_balance_ratio": 0.99,
    "dry_run_wallet": 1000,
    "unfilledtimeout": {"entry": 10, "exit": 10},
    "entry_pricing": PRICING,
    "exit_pricing": PRICING,
    "order_types": {
        "entry": "limit",
        "exit": "limit",
        "stoploss": "limit",
        "stoploss_on_exchange": True,
    },
    "pairlists": [{"method": "StaticPairList"}],
    "internals": {"process_throttle_secs": 1},
}


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("freqtrade")
    (folder / "limits.toml").write_text(CHOICES)
    with PortalVenue(folder, 8, "--settings=limits.toml") as portal:
        maker, other = (portal.person(USD=10**6 * USD, BTC=100 * BTC) for _ in range(2))
        with portal.client(maker) as client:
            assert client.order("SELL", "50", "50000").status_code == 200
            assert client.order("BUY", "10", "49990").status_code == 200
        with portal.client(other) as client:
            assert client.order("BUY", "0.01", "50000").json()["status"] == "FILLED"
        yield portal


@contextmanager
def trading(venue, name, plan):
    """freqtrade as a process; the rows of its trades, as a function."""
    folder = venue.folder / name
    folder.mkdir()
    python = python_of("OUTCRY_FREQTRADE", "freqtrade")
    addresses = json.loads(subprocess.check_output([python, "-c", ADDRESSES]))
    urls = {"urls": {"api": pointed(addresses, venue.url)}}
    exchange = {"name": "binance", "pair_whitelist": ["BTC/USD"], "ccxt_config": urls}
    exchange |= plan.pop("exchange", {})
    (folder / "config.json").write_text(json.dumps(PLAN | plan | {"exchange": exchange}))
    command = [python.with_name("freqtrade"), "trade"]
    command += ["--config=config.json", "--strategy=Always", "--userdir=.", "-v"]
    command += [f"--strategy-path={ROOT / 'tests' / 'support' / 'portal'}"]
    command += ["--db-url=sqlite:///trades.sqlite"]
    log = folder / "log.txt"
    with log.open("w") as out:
        running = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out)

        def rows():
            assert running.poll() is None, log.read_text()[-3000:]
            file = folder / "trades.sqlite"
            if not file.exists():
                return []
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
                query = "select is_open, open_rate, close_rate, exit_reason, fee_open from trades"
                try:
                    return database.execute(query).fetchall()
                except sqlite3.OperationalError:
                    return []  # its tables are not there yet

        try:
            yield rows
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(BOUND_S)  # its status says whether it was in the middle of something


def closed(rows, count):
    def is_so():
        found = [row[1:4] for row in rows() if not row[0]]
        return found if len(found) >= count else None

    return wait_until(is_so, f"{count} closed trades")


@pytest.mark.long
def test_freqtrade_trades_without_money_also_after_a_restart_of_the_portal(venue):
    with trading(venue, "dry", {"dry_run": True}) as rows:
        closed(rows, 1)
        venue.stop_portal(signal.SIGKILL)
        venue.start_portal()
        for bought, sold, why in closed(rows, 2):
            assert (bought, sold, why) == (50000, 49990, "enough")


@pytest.mark.long
def test_freqtrade_trades_with_money_also_after_a_restart_of_the_portal(venue):
    person = venue.person(USD=1000 * USD)
    keys = {"key": person.api_key, "secret": person.secret}
    with trading(venue, "live", {"dry_run": False, "exchange": keys}) as rows:
        closed(rows, 1)
        venue.stop_portal(signal.SIGKILL)
        venue.start_portal()
        for bought, sold, why in closed(rows, 2):
            assert (bought, sold, why) == (50000, 49990, "enough")
    with venue.client(person) as client:
        fills = client.get("/api/v3/myTrades", symbol="BTCUSD").json()
        orders = client.get("/api/v3/allOrders", symbol="BTCUSD").json()
        assert client.get("/api/v3/openOrders", symbol="BTCUSD").json() == []
    sides = [fill["isBuyer"] for fill in fills]
    assert sides[:4] == [True, False, True, False]
    assert {order["type"] for order in orders} == {"LIMIT", "STOP_LOSS_LIMIT"}
    assert {order["status"] for order in orders} == {"FILLED", "CANCELED"}
