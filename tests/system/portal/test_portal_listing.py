"""An instrument changes its state while people trade: the API, the stream and their orders see it,
and nothing starts again."""

import pytest

from openoutcry.client.portal import PortalClient, PortalError
from openoutcry.venue.desk import DeskError, ask
from tests.support.waiting import wait_until
from tests.system.portal.test_portal_native import Follower

USD, ETH = 10**6, 10**8


@pytest.fixture
def people(portal_venue):
    """One with ETH, one with USD."""
    funds = ({"ETH": 100 * ETH}, {"USD": 10**6 * USD})
    clients = [
        PortalClient(portal_venue.url, one.api_key, one.secret)
        for one in (portal_venue.person(**held) for held in funds)
    ]
    yield clients
    for client in clients:
        client.cancel_all()
        client.close()


def test_close_only_is_seen_at_every_door_and_ends(portal_venue, people):
    """Orders are cancelled, holders may sell, none may buy; then all is as before."""
    holder, buyer = people

    def change(what):
        ask(portal_venue.venue.journal, {"do": f"instrument-{what}", "instrument": "ETH-USD"})

    def status():
        with portal_venue.client() as client:
            return client.get("/api/v3/exchangeInfo", symbol="ETHUSD").json()["symbols"][0][
                "status"
            ]

    stream = Follower(portal_venue.url)
    stream.ask(op="subscribe", channel="ticker", symbol="ETH-USD", id=1)
    bid = buyer.place("ETH-USD", "buy", "limit", quantity="1", price="2000")
    change("close-only")
    try:
        wait_until(lambda: holder.instrument("ETH-USD").state == "close_only", "the API knows it")
        assert status() == "TRADING"
        assert buyer.order(bid.id).state != "open"
        with pytest.raises(PortalError, match="CLOSE_ONLY"):
            buyer.place("ETH-USD", "buy", "limit", quantity="1", price="2000")
        offer = holder.place("ETH-USD", "sell", "limit", quantity="2", price="3000")
        assert offer.state == "open"
        while stream.take().get("data", {}).get("state") != "close_only":
            pass
        with pytest.raises(DeskError, match="ETH-USD is close-only: it takes suspend, resume"):
            change("close-only")
    finally:
        change("resume")
    while stream.take().get("data", {}).get("state") != "trading":
        pass
    taken = buyer.place("ETH-USD", "buy", "limit", quantity="2", price="3000")
    assert taken.state == "filled"
    stream.socket.close()


def test_a_tick_changes_while_people_trade(portal_venue, people):
    """What is off the new grid is cancelled by name, what is on it stays and trades; the API, the
    stream and the orders of both people follow, and nothing starts again."""
    holder, buyer = people

    def change(rules, **more):
        asked = {"do": "instrument-change", "instrument": "ETH-USD", "rules": rules}
        return ask(portal_venue.venue.journal, asked | more)

    def tick_size():
        with portal_venue.client() as client:
            (row,) = client.get("/api/v3/exchangeInfo", symbol="ETHUSD").json()["symbols"]
        found = {one["filterType"]: one for one in row["filters"]}
        return found["PRICE_FILTER"]["tickSize"]

    stream = Follower(portal_venue.url)
    stream.ask(op="subscribe", channel="ticker", symbol="ETH-USD", id=1)
    before = holder.instrument("ETH-USD")
    on, off = (
        buyer.place("ETH-USD", "buy", "limit", quantity="1", price=price)
        for price in ("2000.10", "2000.05")
    )
    with pytest.raises(DeskError, match="ETH-USD: 1 open orders are off the new rules"):
        change("price_step_ticks=10")
    assert buyer.order(off.id).state == "open"
    change("price_step_ticks=10", cancel_off_grid=True)
    try:
        wait_until(lambda: holder.instrument("ETH-USD").price_step == "0.10", "the API knows it")
        now = holder.instrument("ETH-USD")
        assert now.rules == before.rules + 1
        assert now.max_quantity == before.max_quantity
        assert tick_size() == "0.10"
        assert buyer.order(off.id).state == "expired"
        assert buyer.order(on.id).state == "open"
        with pytest.raises(PortalError):
            buyer.place("ETH-USD", "buy", "limit", quantity="1", price="2000.05")
        while stream.take().get("data", {}).get("rules") != now.rules:
            pass
        taken = holder.place("ETH-USD", "sell", "limit", quantity="1", price="2000.10")
        assert taken.state == "filled"
    finally:
        change("price_step_ticks=1")
    wait_until(lambda: holder.instrument("ETH-USD").price_step == before.price_step, "it is back")
    fine = buyer.place("ETH-USD", "buy", "limit", quantity="1", price="2000.05")
    assert fine.state == "open"
    stream.socket.close()
