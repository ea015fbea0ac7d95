"""Deposits and withdrawals through the portal: confirmed by their owner, approved by an operator,
moved once, within the limits of a level."""

from decimal import Decimal

import pytest

from openoutcry.client.portal import PortalClient, PortalError
from openoutcry.venue.desk import ask
from openoutcry.venue.movement_desk import deposit_seen, step
from tests.support.pipeline import warm_outcry
from tests.support.portal.people import PASSWORD
from tests.support.portal.portal_venue import FIRST
from tests.support.processes import OUTCRY
from tests.support.waiting import wait_until

USD, BTC = 10**6, 10**8
IBAN = "DE02120300000000202051"
HISTORY = "/sapi/v1/capital/withdraw/history"


@pytest.fixture
def anna(portal_venue):
    return portal_venue.person(("read", "trade", "withdraw"), USD=10_000 * USD, BTC=2 * BTC)


@pytest.fixture
def native(portal_venue, anna):
    with PortalClient(portal_venue.url) as client:
        client.log_in(anna.mail, PASSWORD)
        yield client


def at_the_venue(portal_venue, do, reference):
    """A step of the operator."""
    ask(portal_venue.venue.journal, step(do, reference, f"{do[-8:]} {reference}"[:32]))


def state_of(native, number, state):
    wait_until(lambda: native.withdrawal(number).state == state, f"the withdrawal is {state}")


def held(native, asset):
    row = next(one for one in native.balances() if one.asset == asset)
    return Decimal(row.available), Decimal(row.reserved)


@pytest.mark.promise(
    "A withdrawal by an API key moves nothing until its owner has confirmed it by the mailed code. "
    "It leaves the venue only by an operator's approval; the same request again is the same one",
    group="portal",
)
def test_a_withdrawal_is_confirmed_approved_and_done_once(portal_venue, anna, native):
    terms = {"coin": "USD", "amount": "1000.5", "address": IBAN, "network": "WIRE"}
    with portal_venue.client(anna) as client:
        made = client.request(
            "POST", "/sapi/v1/capital/withdraw/apply", withdrawOrderId="rent-1", **terms
        )
        again = client.request(
            "POST", "/sapi/v1/capital/withdraw/apply", withdrawOrderId="rent-1", **terms
        )
        assert made.json() == again.json()
        other = client.request(
            "POST",
            "/sapi/v1/capital/withdraw/apply",
            withdrawOrderId="rent-1",
            **(terms | {"amount": "1000"}),
        )
        assert other.json()["code"] == -4014
        (row,) = client.get(HISTORY, coin="USD").json()
        assert (row["status"], row["amount"], row["withdrawOrderId"]) == (
            0,
            "1000.500000",
            "rent-1",
        )
        assert row["id"] == made.json()["id"]
        assert held(native, "USD") == (10_000, 0)
        (page,) = native.list_withdrawals().items
        code = portal_venue.code(anna.mail, anna.registration)
        with pytest.raises(PortalError) as wrong:
            native.confirm_withdrawal(page.id, f"{(int(code) + 1) % 10**8:08}")
        assert (wrong.value.status, wrong.value.code) == (401, "wrong_credentials")
        native.confirm_withdrawal(page.id, code)
        state_of(native, page.id, "requested")
        assert held(native, "USD") == (Decimal("8999.5"), Decimal("1000.5"))
        assert client.get(HISTORY).json()[0]["status"] == 2
        at_the_venue(portal_venue, "withdrawal-approve", page.reference)
        state_of(native, page.id, "approved")
        at_the_venue(portal_venue, "withdrawal-sent", page.reference)
        with pytest.raises(PortalError) as late:
            native.cancel_withdrawal(page.id)
        assert late.value.code == "not_cancellable"
        at_the_venue(portal_venue, "withdrawal-done", page.reference)
        state_of(native, page.id, "done")
        assert held(native, "USD") == (Decimal("8999.5"), 0)
        wait_until(lambda: client.get(HISTORY, status=6).json(), "the history")
        assert client.get(HISTORY, status=6).json()[0]["completeTime"]
        with pytest.raises(PortalError) as done:
            native.confirm_withdrawal(page.id, code)
        assert done.value.code == "not_unconfirmed"


def test_a_withdrawal_is_cancelled_by_its_owner_and_the_money_is_free_again(
    portal_venue, anna, native
):
    one = native.withdraw("USD", "500", IBAN, key="first")
    assert native.withdraw("USD", "500", IBAN, key="first") == one
    first = portal_venue.code(anna.mail, anna.registration)
    assert native.cancel_withdrawal(one.id).state == "cancelled"
    two = native.withdraw("USD", "700", IBAN)
    native.confirm_withdrawal(two.id, portal_venue.code(anna.mail, first))
    state_of(native, two.id, "requested")
    assert held(native, "USD") == (9_300, 700)
    assert native.cancel_withdrawal(two.id).state == "cancelled"
    wait_until(lambda: held(native, "USD") == (10_000, 0), "the reservation has ended")
    assert native.cancel_withdrawal(two.id).state == "cancelled"


REFUSED = (
    ({"asset": "DOGE"}, "invalid_request"),
    ({"asset": "ETH"}, "not_withdrawable"),
    ({"amount": "9.99"}, "too_small"),
    ({"amount": "20000"}, "insufficient_balance"),
    ({"amount": "5000.01"}, "daily_limit"),
    ({"amount": "0.0000001"}, "invalid_request"),
    ({"amount": "-1"}, "invalid_request"),
    ({"address": "nowhere"}, "invalid_address"),
    ({"tag": "a\nb"}, "invalid_request"),
    ({"network": "BTC"}, "not_withdrawable"),
)


def test_what_is_no_withdrawal_is_refused_by_its_code(portal_venue, anna, native):
    for change, code in REFUSED:
        terms = {"asset": "USD", "amount": "100", "address": IBAN} | change
        with pytest.raises(PortalError) as refused:
            native.withdraw(**terms)
        assert refused.value.code == code, change
    native.withdraw("USD", "4000", IBAN)
    with pytest.raises(PortalError) as spent:
        native.withdraw("USD", "1000.01", IBAN)
    assert spent.value.code == "daily_limit"
    assert native.withdraw("USD", "1000", IBAN).state == "unconfirmed"
    assert native.withdraw("BTC", "1", "any text").state == "unconfirmed"


@pytest.mark.promise(
    "V4.2.1 (access): no request, whatever numbers and names it gives, reads, changes, "
    "confirms or cancels what belongs to another user. A key without the permission withdraws"
    " nothing",
    group="portal",
)
def test_money_is_its_owners(portal_venue, anna, native):
    row = native.withdraw("USD", "100", IBAN)
    bert = portal_venue.person(("read", "trade"), USD=USD)
    with PortalClient(portal_venue.url) as other:
        other.log_in(bert.mail, PASSWORD)
        code = portal_venue.code(anna.mail, anna.registration)
        for call in (
            lambda: other.withdrawal(row.id),
            lambda: other.confirm_withdrawal(row.id, code),
            lambda: other.cancel_withdrawal(row.id),
        ):
            with pytest.raises(PortalError) as refused:
                call()
            assert refused.value.status == 404
        assert other.list_withdrawals().items == []
    with portal_venue.client(bert) as client:
        terms = {"coin": "USD", "amount": "10", "address": IBAN}
        answer = client.request("POST", "/sapi/v1/capital/withdraw/apply", **terms)
        assert answer.json()["code"] == -2015
    with PortalClient(portal_venue.url, bert.api_key, bert.secret) as program:
        with pytest.raises(PortalError) as forbidden:
            program.withdraw("USD", "10", IBAN)
        assert forbidden.value.code == "forbidden"
    assert native.withdrawal(row.id).state == "unconfirmed"


def test_a_deposit_is_seen_then_credited_and_has_a_history(portal_venue, anna, native):
    journal = portal_venue.venue.journal
    ask(journal, deposit_seen(anna.participant, "USD", 250 * USD, f"chain {anna.participant}", 6))
    wait_until(lambda: native.deposits().items, "the deposit")
    assert native.deposits().items[0].state == "seen"
    with portal_venue.client(anna) as client:
        path = "/sapi/v1/capital/deposit/hisrec"
        assert client.get(path).json()[0]["status"] == 0
        ask(journal, step("deposit-credit", f"chain {anna.participant}", f"ok {anna.participant}"))
        wait_until(lambda: client.get(path, status=1).json(), "it is credited")
        (row,) = client.get(path, coin="USD").json()
        assert (row["amount"], row["txId"]) == ("250.000000", f"chain {anna.participant}")
        assert held(native, "USD") == (10_250, 0)
        assert client.get(path, coin="BTC").json() == []
        address = client.get("/sapi/v1/capital/deposit/address", coin="USD").json()
        assert address["address"] == IBAN
        assert address["tag"][:-1] == str(anna.participant) >= str(FIRST)
        assert native.deposit_addresses(asset="USD")[0].tag == address["tag"]
        coins = {row["coin"]: row for row in client.get("/sapi/v1/capital/config/getall").json()}
        assert coins["USD"]["networkList"][0]["withdrawMin"] == "10.000000"
        assert (coins["BTC"]["depositAllEnable"], coins["ETH"]["withdrawAllEnable"]) == (
            False,
            False,
        )


def test_a_withdrawal_needs_the_authenticator_of_an_account_that_has_one(
    portal_venue, anna, native
):
    import pyotp

    totp = pyotp.TOTP(native.new_totp(PASSWORD).secret)
    native.confirm_totp(totp.now())
    row = native.withdraw("USD", "100", IBAN)
    code = portal_venue.code(anna.mail, anna.registration)
    with pytest.raises(PortalError) as missing:
        native.confirm_withdrawal(row.id, code)
    assert missing.value.code == "totp_required"
    with pytest.raises(PortalError) as used:
        native.confirm_withdrawal(row.id, code, totp=totp.now())
    assert used.value.code == "wrong_credentials", "a code of the authenticator counts once"
    assert native.withdrawal(row.id).state == "unconfirmed"


@pytest.mark.promise(
    "Who approves a bank withdrawal at the command line or over the API reads address, owner and "
    "changes of identity first",
    group="portal",
)
def test_who_approves_a_wire_reads_where_it_goes(portal_venue, anna, native):
    row = native.withdraw("USD", "500", IBAN)
    native.confirm_withdrawal(row.id, portal_venue.code(anna.mail, anna.registration))
    state_of(native, row.id, "requested")
    with PortalClient(portal_venue.url, operator=portal_venue.operator("approver")) as operator:
        (shown,) = [one for one in operator.withdrawals_to_approve() if one.id == row.id]
    assert (shown.mail, shown.address, shown.is_first) == (anna.mail, IBAN, True)
    (change,) = shown.changes
    assert (change.change, change.address) == ("API key created", anna.source)
    command = [*OUTCRY, "venue", "withdraw", "approve", row.reference, "--venue=venue.toml"]
    done = warm_outcry.run_command(command, cwd=portal_venue.folder)
    assert done.returncode == 0, done.stderr
    assert f"of {anna.mail} to WIRE {IBAN}, the first one to this address" in done.stderr
    assert "API key created: key " in done.stderr
    state_of(native, row.id, "approved")
