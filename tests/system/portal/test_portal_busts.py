"""A trade between users that the operator takes back: wallets, fills, stream, history, notices."""

import pytest

from openoutcry.cli.bust import request_of
from openoutcry.client.portal import PortalClient, PortalError
from openoutcry.ledger.broken import trade_of
from openoutcry.venue.desk import ask
from openoutcry.wire.errors import OutcryError
from tests.support.portal.people import PASSWORD
from tests.support.portal.portal_venue import NOW
from tests.support.waiting import wait_until
from tests.system.portal.test_native_lists import trade
from tests.system.portal.test_portal_money import IBAN, at_the_venue, state_of
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


REACHED = ("not asked for", "unconfirmed", "requested", "approved")


@pytest.mark.promise(
    "An owner that is short in one account withdraws from none until that is paid. What was asked "
    "for before is cancelled unless it was sent",
    group="portal",
)
@pytest.mark.parametrize("who", ["the main account", "a sub-account"])
@pytest.mark.parametrize("reached", REACHED)
def test_who_is_short_in_one_account_withdraws_from_none(portal_venue, who, reached):
    """What a trade brought is with another account when the trade is taken back."""
    owner = portal_venue.person(USD=1_000 * USD, BTC=BTC)
    other = portal_venue.person(USD=10**6 * USD)
    with PortalClient(portal_venue.url) as native:
        native.log_in(owner.mail, PASSWORD)
        sub = native.new_sub_account("proceeds").id
        wait_until(lambda: native.list_sub_accounts()[0].is_open, "the sub-account")

        def move(asset, amount, source, target):
            row = native.transfer(source, target, asset, amount)
            wait_until(lambda: native.one_transfer(row.id).state == "done", "the transfer")

        def refused():
            with pytest.raises(PortalError) as short:
                native.withdraw("USD", "100", IBAN)
            return short.value.code

        seller, ends = (owner.api_key, owner.secret), (0, sub)
        if who == "a sub-account":
            move("BTC", "0.5", 0, sub)
            key = native.new_sub_account_key(sub, "bot", PASSWORD, permissions=["read", "trade"])
            seller, ends = (key.api_key, key.secret), (sub, 0)
        with (
            PortalClient(portal_venue.url, *seller) as sells,
            PortalClient(portal_venue.url, other.api_key, other.secret) as buys,
        ):
            trade(sells, buys, "51000", "0.1")
            wait_until(lambda: sells.fills(symbol="BTC-USD").items, "the fill")
            (fill,) = sells.fills(symbol="BTC-USD").items
        move("USD", "5000", *ends)
        if reached != "not asked for":
            asked = native.withdraw("USD", "100", IBAN)
        if reached in ("requested", "approved"):
            code = portal_venue.code(owner.mail, owner.registration)
            native.confirm_withdrawal(asked.id, code)
            state_of(native, asked.id, "requested")
        if reached == "approved":
            at_the_venue(portal_venue, "withdrawal-approve", asked.reference)
            state_of(native, asked.id, "approved")
        bust(portal_venue, fill.id)
        if reached != "not asked for":
            state_of(native, asked.id, "cancelled")
        wait_until(lambda: refused() == "insufficient_balance", "the shortfall")
        move("USD", "5000", *ends[::-1])
        assert native.withdraw("USD", "100", IBAN).state == "unconfirmed"
