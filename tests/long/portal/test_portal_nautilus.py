"""nautilus-trader's Binance adapter, unchanged but for the address.

It takes 700 MB in a separate environment, so it runs only where a folder for it is named:
``OUTCRY_NAUTILUS=/var/tmp/nautilus``.  The first run installs it there.
"""

import json
import subprocess

import pytest

from tests import ROOT
from tests.support.portal.clients import python_of
from tests.support.portal.portal_venue import CHOICES, PortalVenue

PROGRAM = ROOT / "tests" / "support" / "portal" / "nautilus_trades.py"
USD, BTC, ETH = 10**6, 10**8, 10**8


@pytest.mark.long
def test_nautilus_trades_over_its_binance_adapter(tmp_path_factory):
    python = python_of("OUTCRY_NAUTILUS", "nautilus_trader")
    folder = tmp_path_factory.mktemp("nautilus")
    (folder / "limits.toml").write_text(CHOICES)
    with PortalVenue(folder, 8, "--settings=limits.toml") as venue:
        funds = {"USD": 10**6 * USD, "BTC": 100 * BTC, "ETH": 100 * ETH}
        maker, taker = (venue.person(**funds) for _ in range(2))
        with venue.client(maker) as client:
            assert client.order("SELL", "1", "50000").status_code == 200
        given = {"url": venue.url, "key": taker.api_key, "secret": taker.secret}
        ran = subprocess.run(
            [python, PROGRAM],
            input=json.dumps(given | {"symbol": "BTCUSD"}),
            capture_output=True,
            text=True,
            timeout=300,
        )
        lines = [line for line in ran.stdout.splitlines() if line.startswith("SEEN ")]
        assert lines, ran.stdout[-2000:] + ran.stderr[-2000:]
        seen = json.loads(lines[-1].removeprefix("SEEN "))
        assert seen["balances"]["USD"] == "1000000.00 USD"
        wanted = ["OrderAccepted", "OrderCanceled", "OrderAccepted", "OrderFilled"]
        assert [event for event in seen["events"] if event in wanted] == wanted
        assert seen["filled"] == ["0.01000000", "50000.00", "0.00001000 BTC"]
        assert seen["trades"] >= 1
        assert seen["quotes"] >= 1
        with venue.client(taker) as client:
            (row,) = client.get("/api/v3/myTrades", symbol="BTCUSD").json()
            assert (row["price"], row["qty"]) == ("50000.00", "0.01000000")
