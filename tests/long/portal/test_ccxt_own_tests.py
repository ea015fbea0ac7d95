"""The tests that ccxt ships for every exchange, public, private and by WebSocket, at a portal."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import ROOT
from tests.support.portal.clients import pointed
from tests.support.portal.portal_venue import CHOICES, PortalVenue
from tests.support.waiting import BOUND_S

PROGRAM = ROOT / "tests" / "support" / "portal" / "ccxt_own_tests.py"
USD, BTC = 10**6, 10**8
NOT_HERE = [
    "swap", "future", "option", "margin", "fetchBorrowInterest", "fetchLeverageTiers",
    "fetchMarginMode", "fetchMarginModes", "fetchLedger", "fetchLedgerEntry", "fetchPositions",
    "watchPosition", "watchPositions", "watchLiquidations", "watchLiquidationsForSymbols",
    "watchMyLiquidations", "watchMyLiquidationsForSymbols",
]  # fmt: skip
"""What Binance has and a spot market has not."""
SKIPPED = {"orderBook": {"timestamp": "a book of Binance's spot API has none"}}
PUBLIC = "Currencies Ticker Tickers LastPrices OHLCV Trades OrderBook Status"
PRIVATE = "Balance ClosedOrders Deposits MyTrades OpenOrders Orders TradingFees Transfers"
STREAMED = """
    OHLCV OHLCVForSymbols Ticker Tickers BidsAsks OrderBook OrderBookForSymbols Trades
    TradesForSymbols Balance MyTrades Orders
"""
FETCHED = {f"fetch{name}" for name in f"{PUBLIC} {PRIVATE}".split()}
WATCHED = {f"watch{name}" for name in STREAMED.split()}


@pytest.fixture
def package(tmp_path):
    """A copy of ccxt outside of where packages are installed, in which alone its tests run."""
    ccxt = pytest.importorskip("ccxt")
    installed, copy = Path(ccxt.__file__).parent, tmp_path / "python" / "ccxt"
    copy.mkdir(parents=True)
    for entry in installed.iterdir():
        if entry.name == "test":
            shutil.copytree(entry, copy / "test")
        else:
            (copy / entry.name).symlink_to(entry)
    return copy


@pytest.mark.long
@pytest.mark.parametrize(("how", "wanted"), [("--sync", FETCHED), ("--ws", WATCHED)])
def test_the_tests_of_ccxt_pass(how, wanted, package, tmp_path_factory):
    pro = pytest.importorskip("ccxt.pro")
    tmp_path = tmp_path_factory.mktemp("v")
    (tmp_path / "limits.toml").write_text(CHOICES)
    with PortalVenue(tmp_path, 8, "--settings=limits.toml") as venue:
        funds = {"USD": 10**6 * USD, "BTC": 100 * BTC}
        maker, taker = (venue.person(**funds) for _ in range(2))
        urls = {"api": pointed(pro.binance().urls["api"], venue.url)}
        given = {"apiKey": taker.api_key, "secret": taker.secret, "urls": urls}
        given |= {"has": dict.fromkeys(NOT_HERE, False)}
        (tmp_path / "keys.local.json").write_text(json.dumps({"binance": given}))
        skipped = {"binance": {"skipMethods": SKIPPED}}
        (tmp_path / "skip-tests.json").write_text(json.dumps(skipped))
        log = tmp_path / "ccxt.log"
        with log.open("w") as out:
            running = subprocess.Popen(
                [sys.executable, PROGRAM, "binance", "BTC/USD", "--private", "--info", how],
                cwd=package.parent,
                env=os.environ | {"PYTHONPATH": f"{package.parent}:{package / 'test'}"},
                stdout=out,
                stderr=out,
            )
            try:
                trade_until(lambda: running.poll() is not None, venue, maker, taker)
            finally:
                running.kill()
                running.wait()
    said = log.read_text()
    assert "[TEST_FAILURE]" not in said, said[said.index("[TEST_FAILURE]") :][:4_000]
    done = set(re.findall(r"TESTING DONE +binance (\w+)", said))
    assert wanted <= done, (wanted - done, said[-4_000:])


def trade_until(has_ended, venue, maker, taker):
    """A market with a book, and a trade every fifth of a second: streams wait for one."""
    with venue.client(maker) as makes, venue.client(taker) as takes:
        for step in range(1, 6):
            for side, price in (("BUY", 50_000 - step), ("SELL", 50_000 + step)):
                assert makes.order(side, "1", str(price)).status_code == 200
        until_s = time.monotonic() + BOUND_S
        while not has_ended():
            assert time.monotonic() < until_s
            for side, price in (("BUY", "50001"), ("SELL", "49999")):
                traded = takes.order(side, "0.001", price)
                assert traded.json()["status"] == "FILLED", traded.text
            time.sleep(0.2)
