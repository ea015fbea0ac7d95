"""A portal whose venue is carried over with another market: its users' orders, money, history and
keys go on, and the new market is open to them."""

from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from openoutcry.journal.replay import replay
from tests.support.pipeline import warm_outcry
from tests.support.portal.portal_venue import CHOICES, GENEROUS, INSTRUMENT, NAMES, PortalVenue
from tests.support.processes import OUTCRY
from tests.support.venue.carried import carried
from tests.support.waiting import wait_until

USD, BTC, SOL = 10**6, 10**8, 10**8
MORE = """
[[asset]]
name = "SOL"
decimals = 8
""" + INSTRUMENT.format(**dict(zip(NAMES, ("SOL", "USD", 2, 1_000_000, 100, 15_000), strict=True)))


@pytest.mark.parametrize(
    ("how", "options"),
    [("stopped", ()), ("while it trades", ()), ("while it trades", ("--processes=2",))],
    ids=["stopped", "open", "two processes"],
)
def test_orders_money_and_history_go_on_and_a_market_is_new(
    tmp_path_factory: pytest.TempPathFactory, how: str, options: tuple[str, ...]
) -> None:
    folder: Path = tmp_path_factory.mktemp("v")
    portal = PortalVenue(folder, 4, *options)
    (folder / "portal.toml").write_text(CHOICES + GENEROUS)
    with portal:
        buyer, seller = portal.person(USD=10**6 * USD), portal.person(BTC=100 * BTC)
        terms = {"symbol": "BTCUSD", "type": "LIMIT", "timeInForce": "GTC"}
        with portal.client(buyer) as client:
            bought = client.request(
                "POST", "/api/v3/order", **terms, side="BUY", quantity="0.5", price="50000"
            ).json()
        with portal.client(seller) as client:
            sold = client.request(
                "POST", "/api/v3/order", **terms, side="SELL", quantity="0.2", price="50000"
            ).json()
            assert sold["status"] == "FILLED"
        before = answers(portal, buyer), answers(portal, seller)

        if how == "stopped":
            portal.stop_portal()
            portal.venue.stop()
            assert "new instruments: SOL-USD" in carried(portal.venue, lambda text: text + MORE)
            portal.venue.start()
            portal.venue.wait_for_phase("CONTINUOUS")
            portal.start_portal()
        else:
            file = folder / "venue.toml"
            file.write_text(file.read_text() + MORE)
            done = warm_outcry.run_command([*OUTCRY, "venue", "carry", "venue.toml"], cwd=folder)
            assert done.returncode == 0, done.stderr
            wait_until(lambda: has_market(portal, "SOLUSD"), "the portal has the market")

        assert (answers(portal, buyer), answers(portal, seller)) == before
        portal.fund(seller, SOL=500 * SOL)
        sol = terms | {"symbol": "SOLUSD"}
        with portal.client(seller) as client:
            assert "SOLUSD" in {
                row["symbol"] for row in client.get("/api/v3/exchangeInfo").json()["symbols"]
            }
            client.request("POST", "/api/v3/order", **sol, side="SELL", quantity="3", price="150")
        with portal.client(buyer) as client:
            answer = client.request(
                "POST", "/api/v3/order", **sol, side="BUY", quantity="2", price="150"
            ).json()
            assert (answer["status"], Decimal(answer["cummulativeQuoteQty"])) == ("FILLED", 300)
            gone = client.request(
                "DELETE", "/api/v3/order", symbol="BTCUSD", orderId=bought["orderId"]
            ).json()
            assert (gone["status"], Decimal(gone["executedQty"])) == ("CANCELED", Decimal("0.2"))
            trades = client.get("/api/v3/myTrades", symbol="BTCUSD").json()
            assert [Decimal(row["qty"]) for row in trades] == [Decimal("0.2")]
            candles = client.get("/api/v3/klines", symbol="BTCUSD", interval="1d").json()
            assert Decimal(candles[-1][5]) == Decimal("0.2")
    assert replay(portal.venue.journal)["equal"]


def has_market(portal: PortalVenue, symbol: str) -> bool:
    """Whether the portal answers, and knows the market."""
    with portal.client() as client, suppress(httpx.TransportError):
        answer = client.get("/api/v3/exchangeInfo")
        return answer.status_code == 200 and symbol in answer.text
    return False


def answers(portal: PortalVenue, person) -> dict[str, object]:  # type: ignore[no-untyped-def]
    """What a user is told of orders, trades and balances."""
    with portal.client(person) as client:
        return {
            path: client.get(path, **more).json()
            for path, more in (
                ("/api/v3/openOrders", {}),
                ("/api/v3/allOrders", {"symbol": "BTCUSD"}),
                ("/api/v3/myTrades", {"symbol": "BTCUSD"}),
            )
        } | {"balances": balances(client)}


def balances(client) -> list[object]:  # type: ignore[no-untyped-def]
    """The balances that are not nothing."""
    rows = client.get("/api/v3/account").json()["balances"]
    return [row for row in rows if Decimal(row["free"]) or Decimal(row["locked"])]
