"""A trade between users that the operator takes back: wallets, fills, stream, history, notices."""

import pytest

from openoutcry.cli.bust import request_of
from openoutcry.client.portal import PortalClient
from openoutcry.ledger.broken import trade_of
from openoutcry.venue.desk import ask
from openoutcry.wire.errors import OutcryError
from tests.support.portal.portal_venue import NOW
from tests.support.waiting import wait_until
from tests.system.portal.test_native_lists import trade
from tests.system.portal.test_portal_native import Follower

USD, BTC = 10**6, 10**8


@pytest.fixture
def two(portal_venue):
    """A seller and a buyer."""
    people = [portal_venue.person(USD=10**6 * USD, BTC=10 * BTC) for _ in range(2)]
    clients = [PortalClient(portal_venue.url, one.api_key, one.secret) for one in people]
    yield clients
    for client in clients:
        client.cancel_all()
        client.close()


def held(client):
    return {row.asset: (row.available, row.reserved) for row in client.balances()}


def bust(venue, match):
    """As ``outcry venue bust``, but the trading day is that of the test's clock."""
    journal, day = venue.venue.journal, int(NOW[:10].replace("-", ""))
    return ask(journal, request_of(trade_of(journal, match), day))


def test_a_trade_that_is_taken_back(portal_venue, two):
    seller, buyer = two
    before = [held(client) for client in two]
    stream = Follower(portal_venue.url)
    stream.log_in(buyer)
    stream.ask(op="subscribe", channel="fills")

    def told():
        events = stream.events.get("fills", [])
        return [row["broken"] for one in events for row in one["data"] if one["type"] == "update"]

    stream.until(lambda: "fills" in stream.last)
    trade(seller, buyer, "51000")
    (fill,) = buyer.fills(symbol="BTC-USD").items
    assert not fill.broken
    stream.until(lambda: told() == [False])
    bust(portal_venue, fill.id)
    stream.until(lambda: told() == [False, True])
    wait_until(lambda: [held(client) for client in two] == before, "the money and coins again")
    for client in two:
        (own,) = client.fills(symbol="BTC-USD").items
        assert (own.id, own.broken) == (fill.id, True)
        wait_until(lambda: [row.broken for row in client.past_fills().items] == [True])  # noqa: B023
        wait_until(
            lambda: [n for n in client.notifications().items if "taken back" in n.title],  # noqa: B023
            "the notice",
        )
    with pytest.raises(OutcryError, match=str(fill.id)):
        bust(portal_venue, fill.id)
