"""Sub-accounts: participants of their own with keys of their own, and transfers that move each unit
once, whatever process dies."""

from decimal import Decimal

import pytest

from openoutcry.client.portal import PortalClient, PortalError
from tests.support import plain_http
from tests.support.portal.people import PASSWORD
from tests.support.portal.portal_venue import Person, until_killed
from tests.support.waiting import wait_until

USD, BTC = 10**6, 10**8
UNIVERSAL = "/sapi/v1/sub-account/universalTransfer"
SPOT = {"fromAccountType": "SPOT", "toAccountType": "SPOT"}


def native_of(venue, person):
    client = PortalClient(venue.url)
    client.log_in(person.mail, PASSWORD)
    return client


def opened(native, label):
    """A sub-account whose participant the venue has added."""
    made = native.new_sub_account(label)

    def row():
        return next(one for one in native.list_sub_accounts() if one.id == made.id)

    wait_until(lambda: row().is_open, "the sub-account's participant")
    return row()


def bot_of(native, sub):
    """Somebody who trades by a key of the sub-account."""
    key = native.new_sub_account_key(sub.id, "bot", PASSWORD, permissions=["read", "trade"])
    return Person(sub.mail, "", sub.participant, key.api_key, key.secret)


def free(rows, asset):
    row = next(one for one in rows if one.asset == asset)
    return Decimal(row.available), Decimal(row.reserved)


@pytest.mark.promise(
    "A sub-account is a participant: its keys trade its wallets and nothing else. Transfers "
    "between a user's accounts move each unit once, and no other user moves or sees them",
    group="portal",
)
def test_a_sub_account_trades_what_was_transferred_to_it(portal_venue):
    anna = portal_venue.person(USD=1_000 * USD, BTC=BTC)
    other = portal_venue.person(USD=1_000 * USD)
    with native_of(portal_venue, anna) as native, native_of(portal_venue, other) as stranger:
        sub = opened(native, "Grid")
        assert native.new_sub_account("grid").id == sub.id
        assert sub.participant != anna.participant
        moved = native.transfer(0, sub.id, "USD", "250.5", key="t-1")
        assert (moved.state, moved.source, moved.target) == ("done", 0, sub.id)
        assert native.transfer(0, sub.id, "USD", "250.5", key="t-1") == moved
        with pytest.raises(PortalError) as reused:
            native.transfer(0, sub.id, "USD", "250", key="t-1")
        assert reused.value.code == "idempotency_key_reused"
        assert free(native.balances(), "USD") == (Decimal("749.5"), 0)
        assert free(native.sub_account_balances(sub.id), "USD") == (Decimal("250.5"), 0)
        with pytest.raises(PortalError) as too_much:
            native.transfer(sub.id, 0, "USD", "250.500001")
        assert too_much.value.code == "insufficient_balance"
        with portal_venue.client(bot_of(native, sub)) as bot, portal_venue.client(anna) as main:
            order = bot.order("BUY", "0.01", "100").json()
            assert order["status"] == "NEW"
            named = {"symbol": "BTCUSD", "orderId": order["orderId"]}
            assert main.get("/api/v3/order", **named).json()["code"] == -2013
            assert main.request("DELETE", "/api/v3/order", **named).json()["code"] == -2011
            # What the order has reserved is not transferred.
            with pytest.raises(PortalError):
                native.transfer(sub.id, 0, "USD", "250")
            assert bot.request("DELETE", "/api/v3/order", **named).json()["status"] == "CANCELED"
            back = bot.request(
                "POST", "/sapi/v1/sub-account/transfer/subToMaster", asset="USD", amount="50"
            )
            assert back.json()["txnId"] > moved.id
            refused = bot.request(
                "POST", UNIVERSAL, **SPOT, toEmail=sub.mail, asset="USD", amount="1"
            )
            assert refused.json()["code"] == -2015
            path = "/v1/transfers"
            assert native.list_transfers().items[0].source == sub.id
            assert bot.http.get(path).status_code == 401
        assert free(native.balances(), "USD") == (Decimal("799.5"), 0)
        assert native.deposits().items == [], "a transfer is no deposit"
        for request in (
            lambda: stranger.sub_account_balances(sub.id),
            lambda: stranger.new_sub_account_key(sub.id, "bot", PASSWORD),
            lambda: stranger.list_sub_account_keys(sub.id),
            lambda: stranger.transfer(sub.id, 0, "USD", "1"),
            lambda: stranger.transfer(0, sub.id, "USD", "1"),
            lambda: stranger.one_transfer(moved.id),
        ):
            with pytest.raises(PortalError) as hidden:
                request()
            assert hidden.value.status == 404
        (key,) = native.list_sub_account_keys(sub.id)
        native.revoke_sub_account_key(sub.id, key.id)
        assert native.list_sub_account_keys(sub.id) == []
        with pytest.raises(PortalError) as withdraws:
            native.new_sub_account_key(
                sub.id, "bot", PASSWORD, permissions=["withdraw"], networks=["127.0.0.0/8"]
            )
        assert withdraws.value.code == "invalid_request"


def test_sub_accounts_in_the_shape_of_binance(portal_venue):
    anna = portal_venue.person(USD=1_000 * USD)
    with portal_venue.client(anna) as client:
        path = "/sapi/v1/sub-account/virtualSubAccount"
        mail = client.request("POST", path, subAccountString="maker").json()["email"]
        (row,) = client.get("/sapi/v1/sub-account/list").json()["subAccounts"]
        assert (row["email"], row["remark"]) == (mail, "maker")
        terms = SPOT | {"toEmail": mail, "asset": "USD", "amount": "10", "clientTranId": "u-1"}

        def sent():
            return client.request("POST", UNIVERSAL, **terms).json()

        wait_until(lambda: "tranId" in sent(), "the sub-account's participant")
        assert sent()["clientTranId"] == "u-1"
        shown = client.get("/sapi/v3/sub-account/assets", email=mail).json()["balances"]
        assert next(one for one in shown if one["asset"] == "USD")["free"] == "10.000000"
        (past,) = client.get(UNIVERSAL).json()["result"]
        assert (past["toEmail"], past["amount"], past["status"]) == (mail, "10.000000", "SUCCESS")
        move = {"type": "MAIN_FUNDING", "asset": "USD", "amount": "20"}
        assert client.request("POST", "/sapi/v1/asset/transfer", **move).json()["tranId"]
        back = move | {"type": "FUNDING_MAIN", "amount": "5"}
        assert client.request("POST", "/sapi/v1/asset/transfer", **back).json()["tranId"]
        (one,) = client.get("/sapi/v1/asset/transfer", type="MAIN_FUNDING").json()["rows"]
        assert (one["amount"], one["status"]) == ("20.000000", "CONFIRMED")
        none = client.get("/sapi/v1/asset/transfer", type="MAIN_UMFUTURE").json()
        assert none == {"rows": [], "total": 0}
        assert client.get("/sapi/v1/asset/transfer", type="MAIN_MAIN").json()["code"] == -1100
        assert portal_venue.held(anna, "USD") == "975.000000"
        poor = client.request("POST", UNIVERSAL, **(terms | {"amount": "976", "clientTranId": "u"}))
        assert poor.json()["code"] == -12024


@pytest.mark.promise(
    "Whatever process of the portal is killed, no order, transfer, request with an "
    "Idempotency-Key, notification or message of a stream is lost or doubled. The other "
    "processes serve meanwhile",
    group="portal",
)
def test_a_killed_portal_loses_and_doubles_no_transfer(portal_venue):
    anna = portal_venue.person(USD=1_000_000 * USD)
    with native_of(portal_venue, anna) as native:
        sub, tokens = opened(native, "grid"), native.tokens

    def moved(number):
        # Without a login each: too many from one address are refused.
        with PortalClient(portal_venue.url) as client:
            client.tokens = tokens
            return client.transfer(0, sub.id, "USD", "7", key=f"k-{number}").state

    first = until_killed(portal_venue, moved, threads=3, after=1)
    assert None in first.values()
    portal_venue.start_portal()
    with native_of(portal_venue, anna) as native:
        for number in first:
            assert native.transfer(0, sub.id, "USD", "7", key=f"k-{number}").state in (
                "done",
                "under way",
            )
        wait_until(
            lambda: {one.state for one in native.pages(native.list_transfers)} == {"done"},
            "all are done",
        )
        assert len(list(native.pages(native.list_transfers))) == len(first)
        assert free(native.balances(), "USD") == (1_000_000 - 7 * len(first), 0)
        assert free(native.sub_account_balances(sub.id), "USD") == (7 * len(first), 0)


def test_the_unused_address_of_a_sub_account_allows_no_login(portal_venue):
    anna = portal_venue.person()
    with native_of(portal_venue, anna) as native:
        mail = native.new_sub_account("grid").mail
    with plain_http.client(portal_venue.url) as client:
        for password in ("", "seven crooked ladders"):
            answer = client.post("/v1/login", json={"mail": mail, "password": password})
            assert answer.status_code in (401, 422), answer.text
