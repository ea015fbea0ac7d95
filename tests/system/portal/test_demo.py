"""``outcry demo``: a stranger's first minutes at the exchange that it opens."""

import os
import re
import signal
import subprocess
import sys

import httpx

from openoutcry.client.portal import PortalClient
from tests import ROOT
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY, free_port
from tests.support.waiting import BOUND_S, wait_until


def test_demo(tmp_path):
    """The page opens, the account has money, the key trades, and nothing is left."""
    folder, out = tmp_path / "d", tmp_path / "out"
    command = [*OUTCRY, "demo", f"--folder={folder}", f"--listen=127.0.0.1:{free_port()}"]
    with out.open("w") as file:
        demo = warm_outcry.Process(command, cwd=tmp_path, stdout=file, stderr=file, text=True)
    try:
        wait_until(lambda: "its secret" in out.read_text() or demo.poll() is not None, "it is open")
        said = out.read_text()
        assert demo.poll() is None, said
        page, password = re.search(
            r"page +(http://\S+)/\s+log in with +you\S+\s+password +(\S+)", said
        ).groups()
        console = re.search(r"operators' page +(\S+)", said)[1]
        key, secret = re.search(r"API key +(\S+)\s+its secret +(\S+)", said).groups()
        assert "<html" in httpx.get(f"{page}/").text
        assert "<html" in httpx.get(console).text
        with PortalClient(page, key, secret) as client:
            symbols = {row.symbol for row in client.instruments()}
            assert symbols == {"BTC-USD", "ETH-USD", "ETH-BTC", "BTC-PERP"}
            for symbol in sorted(symbols):
                wait_until(lambda: client.trades(symbol), f"a trade of {symbol}")  # noqa: B023
            order = client.place("BTC-USD", "buy", "market", quantity="0.1")
            assert order.state == "filled"
            contract = client.place("BTC-PERP", "buy", "market", quantity="1")
            assert contract.state == "filled"
        secrets = os.environ | {"OUTCRY_KEY": key, "OUTCRY_SECRET": secret}
        bot = [sys.executable, ROOT / "examples" / "portal_bot.py", page, "BTC/USD", "0.1", "1"]
        traded = subprocess.run(bot, capture_output=True, text=True, check=False, env=secrets)
        assert traded.returncode == 0, traded.stderr
        bought, *_, money = traded.stdout.splitlines()
        assert re.match(r"1: buy \d[.\d]* at \S+, (closed|expired)$", bought)
        assert re.match(r"USD \d[.\d]* before, \d[.\d]* after$", money)
        with PortalClient(page) as person:
            person.log_in("you@example.com", password)
            assert person.me().is_open
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(BOUND_S)
    assert demo.returncode == 0, out.read_text()
    assert not (folder / "journal-portal" / "postgresql" / "postmaster.pid").exists()
