"""nautilus-trader's Binance adapter, unchanged but for the address.

It takes 700 MB in a separate environment, so it runs only where a folder for it is named:
``OUTCRY_NAUTILUS=/var/tmp/nautilus``.  The first run installs it there.
"""

import json
import signal
import subprocess
import time

import pytest

from tests import ROOT
from tests.support.portal.clients import python_of
from tests.support.portal.portal_venue import CHOICES, PortalVenue
from tests.support.waiting import BOUND_S, wait_until

PROGRAM = ROOT / "tests" / "support" / "portal" / "nautilus_trades.py"
USD, BTC, ETH = 10**6, 10**8, 10**8


@pytest.mark.long
def test_nautilus_trades_also_after_a_restart_of_the_portal(tmp_path_factory):
    python = python_of("OUTCRY_NAUTILUS", "nautilus_trader")
    folder = tmp_path_factory.mktemp("nautilus")
    (folder / "limits.toml").write_text(CHOICES)
    with PortalVenue(folder, 8, "--settings=limits.toml") as venue:
        funds = {"USD": 10**6 * USD, "BTC": 100 * BTC, "ETH": 100 * ETH}
        maker, taker = (venue.person(**funds) for _ in range(2))
        with venue.client(maker) as client:
            assert client.order("SELL", "1", "50000").status_code == 200
        given = {"url": venue.url, "key": taker.api_key, "secret": taker.secret}
        given |= {"symbol": "BTCUSD", "ask": "49999.00"}
        log = folder / "nautilus.log"
        with log.open("w") as out:
            running = subprocess.Popen(
                [python, PROGRAM], stdin=subprocess.PIPE, stdout=out, stderr=out, text=True
            )
            assert running.stdin is not None
            running.stdin.write(json.dumps(given))
            running.stdin.close()
            try:
                wait_until(lambda: "RESTING" in log.read_text() or running.poll(), "an order rests")
                assert "RESTING" in log.read_text(), log.read_text()[-2000:]
                venue.stop_portal(signal.SIGKILL)
                venue.start_portal()
                with venue.client(maker) as client, venue.client(taker) as mine:

                    def has_cancelled():
                        """Once the program has subscribed again it is quoted the change."""
                        assert running.poll() is None, log.read_text()[-2000:]
                        time.sleep(0.5)  # orders of ten seconds are limited
                        assert client.order("SELL", "0.1", given["ask"]).status_code == 200
                        return not mine.get("/api/v3/openOrders", symbol="BTCUSD").json()

                    wait_until(has_cancelled, "the resting order is cancelled")
                running.wait(BOUND_S)
            finally:
                running.kill()
                running.wait()
        text = log.read_text()
        lines = [line for line in text.splitlines() if line.startswith("SEEN ")]
        assert lines, text[-4000:]
        seen = json.loads(lines[-1].removeprefix("SEEN "))
        assert seen["balances"]["USD"] == "1000000.00 USD"
        wanted = ["OrderAccepted", "OrderCanceled", "OrderAccepted", "OrderFilled"]
        assert [event for event in seen["events"] if event in wanted] == wanted, text[-4000:]
        assert seen["filled"] == ["0.01000000", given["ask"], "0.00001000 BTC"]
        assert seen["trades"] >= 1
        with venue.client(taker) as client:
            (row,) = client.get("/api/v3/myTrades", symbol="BTCUSD").json()
            assert (row["price"], row["qty"]) == (given["ask"], "0.01000000")
            orders = client.get("/api/v3/allOrders", symbol="BTCUSD").json()
        assert [order["status"] for order in orders] == ["CANCELED", "FILLED"]
