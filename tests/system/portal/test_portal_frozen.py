"""What is left to an account in each of its states, at every door of the portal: each changing
route of ``/v1``, of the Binance-shaped API and of its WebSocket API, and at the venue itself."""

import hashlib
import hmac
import json
import time
from decimal import Decimal

import pytest

from openoutcry.client.portal import PortalClient, PortalError
from openoutcry.portal.accounts.states import ALLOWED, Action, State
from openoutcry.portal.spot.rest import ROUTES
from openoutcry.portal.spot.sockets import METHODS
from openoutcry.venue.desk import DeskError, ask
from openoutcry.venue.movement_desk import step
from tests.support import plain_http
from tests.support.console.websockets_patient import connect
from tests.support.portal.matrix import DOCUMENT
from tests.support.portal.people import PASSWORD
from tests.support.portal.portal_venue import Person
from tests.support.waiting import wait_until

USD, BTC = 10**6, 10**8
IBAN = "DE02120300000000202051"
LEFT = {
    "POST /v1/logout", "POST /v1/logout-everywhere", "DELETE /v1/sessions/{session_id}",
    "DELETE /v1/api-keys/{number}", "DELETE /v1/sub-accounts/{number}/api-keys/{key_number}",
    "PUT /v1/language", "POST /v1/identity", "POST /v1/identity/papers",
    "PUT /v1/own-limits", "DELETE /v1/own-limits/{number}", "POST /v1/kill",
    "POST /v1/notifications/read", "POST /v1/portfolio/rebalance", "POST /v1/refresh",
}  # fmt: skip
"""Changing routes of a person that are left in every state: READ, REVOKE and PROVE."""
STRANGERS = {
    "/v1/register", "/v1/verify", "/v1/login", "/v1/password/forget", "/v1/login/passkey/begin",
    "/v1/login/passkey", "/v1/login/provider/begin", "/v1/login/provider", "/v1/password/reset",
    "/v1/undo",
}  # fmt: skip
"""Routes without a login; a reset is tried apart."""
NOT_HERE = ("/v1/quotes",)
"""What this portal does not offer."""
BARRED = -2015
ORDER = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "quantity": "0.01", "price": "10"}
PROOF = {"password": PASSWORD}


@pytest.fixture
def operator(portal_venue):
    with PortalClient(portal_venue.url, operator=portal_venue.operator("freezer")) as made:
        yield made


class Owner:
    """Somebody with a sub-account, keys of both, open orders of both, and a withdrawal that was
    asked for."""

    def __init__(self, venue, operator):
        self.venue, self.operator = venue, operator
        self.person = venue.person(("read", "trade", "withdraw"), USD=9_000 * USD)
        self.native = PortalClient(venue.url)
        self.native.log_in(self.person.mail, PASSWORD)
        self.user = self.native.me().id
        made = self.native.new_sub_account("grid")
        wait_until(lambda: self.native.list_sub_accounts()[0].is_open, "the sub-account")
        (self.sub,) = self.native.list_sub_accounts()
        self.native.transfer(0, made.id, "USD", "4500")
        terms = {"permissions": ["read", "trade"]}
        key = self.native.new_sub_account_key(made.id, "bot", PASSWORD, **terms)
        self.bot = Person(self.sub.mail, "", self.sub.participant, key.api_key, key.secret)
        self.bodies = self.bodies_of()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Leave no order: the next test finds the books as they were."""
        for user in (self.user, self.sub.id):
            self.operator.unfreeze(user, "the end")
        for person in (self.person, self.bot):
            self.venue.cancel_all(person)
        self.native.close()

    def rest(self, person, side="BUY", price="100.00"):
        with self.venue.client(person) as client:
            return client.order(side, "0.01", price).json()

    def is_open(self, person, order):
        with self.venue.client(person) as client:
            rows = client.get("/api/v3/openOrders", symbol="BTCUSD").json()
        return order["orderId"] in {row["orderId"] for row in rows}

    def withdrawal(self):
        made = self.native.withdraw("USD", "20", IBAN, network="WIRE")
        code = self.venue.code(self.person.mail, self.person.registration)
        self.native.confirm_withdrawal(made.id, code)
        wait_until(lambda: self.native.withdrawal(made.id).state == "requested", "the venue")
        return made.id

    def reference(self):
        """Of the withdrawal at the venue."""
        request = {"do": "movements", "kind": "withdrawal", "participant": self.person.participant}
        (row,) = ask(self.venue.venue.journal, request)["movements"]
        return row["reference"]

    def bodies_of(self):
        """A body for each changing route, which a healthy account would be let through with."""
        key = {"label": "another", **PROOF}
        transfer = {"source": self.sub.id, "target": 0, "asset": "USD", "amount": "1"}
        wire = {"asset": "USD", "amount": "20", "address": IBAN, "network": "WIRE"}
        return {
            "POST /v1/orders": ORDER,
            "PATCH /v1/orders/{number}": {"price": "11.00"},
            "POST /v1/order-lists": {"contingency": "oco", "orders": [ORDER, ORDER]},
            "POST /v1/withdrawals": wire,
            "POST /v1/withdrawals/{number}/confirm": {"code": "12345678"},
            "POST /v1/withdrawal-addresses": {"asset": "BTC", "address": "x", "network": "BTC"},
            "POST /v1/withdrawal-addresses/{number}/confirm": {"code": "12345678"},
            "POST /v1/transfers": transfer,
            "POST /v1/own-limits/{number}/confirm": {"code": "12345678"},
            "POST /v1/sub-accounts": {"label": "another"},
            "POST /v1/sub-accounts/{number}/api-keys": key,
            "POST /v1/api-keys": key,
            "POST /v1/totp": PROOF,
            "POST /v1/totp/confirm": {"code": "123456"},
            "POST /v1/totp/remove": PROOF | {"totp": "123456"},
            "POST /v1/password": {"old": PASSWORD, "new": "another crooked ladder"},
            "POST /v1/totp/recovery-codes": PROOF,
            "PUT /v1/mail-word": PROOF | {"word": "blue heron"},
            "POST /v1/mail": PROOF | {"mail": "elsewhere@example.com"},
            "POST /v1/mail/confirm": {
                "mail": "elsewhere@example.com", "code": "12345678", "old_code": "12345678"
            },
            "POST /v1/passkeys/begin": PROOF,
            "POST /v1/passkeys": {"ticket": "x", "label": "", "credential": {}},
            "POST /v1/passkeys/{number}/remove": PROOF,
            "POST /v1/provider/link": PROOF,
            "PUT /v1/webhook": {"url": "https://example.com/"},
            "POST /v1/price-alerts": {"symbol": "BTC-USD", "direction": "above", "price": "9"},
            "POST /v1/push/subscriptions": {"endpoint": "https://a.b/", "p256dh": "", "auth": ""},
            "PUT /v1/notification-settings": {
                "events": {"order": ["app"]}, "quiet_from": "22:00", "quiet_until": "07:00",
                "time_zone": "UTC", "summary": "daily", "summary_at": "08:00", "currency": "USD",
            },
        }  # fmt: skip


def changing():
    """Each changing route of a person, as the document has it."""
    for path, methods in DOCUMENT["paths"].items():
        if "/operator/" in path or path in STRANGERS or path.startswith(NOT_HERE):
            continue
        for method in methods:
            if method != "get":
                yield method.upper(), path


def answers(owner):
    """The code of each changing route's answer to the owner's session."""
    numbers = {"number": owner.sub.id, "key_number": 1, "session_id": "0" * 36}
    for count, (method, path) in enumerate(changing()):
        at = f"{method} {path}"
        if at in LEFT:
            continue
        headers = {"authorization": f"Bearer {owner.native.tokens.access_token}"}
        headers["idempotency-key"] = f"frozen{count}-{time.time_ns()}"
        with plain_http.client(owner.venue.url, headers=headers) as client:
            answer = client.request(
                method,
                path.format(**numbers),
                json=owner.bodies.get(at),
                params={"symbol": "BTC-USD"},
            )
        yield at, answer.json().get("code", answer.status_code)


def spot_answers(owner, person):
    """The code of each changing route of the Binance-shaped API to a key."""
    given = {
        "symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
        "quantity": "0.01", "price": "100.00", "orderId": 1, "coin": "USD", "network": "WIRE",
        "address": IBAN, "amount": "20", "asset": "USD", "subAccountString": "more",
        "fromAccountType": "SPOT", "toAccountType": "SPOT", "fromEmail": owner.sub.mail,
        "cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": 1, "kind": "MAIN_FUNDING",
    }  # fmt: skip
    with owner.venue.client(person) as client:
        for (method, path), route in ROUTES.items():
            if not route.is_change:
                continue
            names = set(route.names) if route.takes is not None else set(given)
            terms = {name: value for name, value in given.items() if name in names}
            if path.endswith("/asset/transfer"):
                terms = {"type": "MAIN_FUNDING", "asset": "USD", "amount": "1"}
            yield f"{method} {path}", client.request(method, path, **terms).json()["code"]


def socket_answers(owner, person):
    """The code of each changing method of ``ws-api`` to a key."""
    url = owner.venue.url.replace("http", "ws") + "/ws-api/v3"
    with connect(url) as socket:
        for name, at in METHODS.items():
            if not ROUTES[at].is_change:
                continue
            terms = {"apiKey": person.api_key, "timestamp": time.time_ns() // 1_000_000}
            terms |= {"symbol": "BTCUSD", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
            text = "&".join(f"{one}={terms[one]}" for one in sorted(terms))
            signed = hmac.new(person.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
            socket.send(
                json.dumps({"id": name, "method": name, "params": terms | {"signature": signed}})
            )
            yield name, json.loads(socket.recv())["error"]["code"]


@pytest.mark.promise(
    "A frozen account, and each sub-account of it, changes nothing at any door: no order, "
    "transfer, withdrawal, key, sub-account, password, factor or address. It reads, ends "
    "sessions, revokes keys and proves who it is",
    group="portal",
)
def test_a_frozen_account_changes_nothing_at_any_door(portal_venue, operator):
    with Owner(portal_venue, operator) as owner:
        operator.freeze(owner.user, "ticket 1", "Please call us")
        codes = dict(answers(owner))
        assert {at: code for at, code in codes.items() if code != "frozen"} == {}
        for person in (owner.person, owner.bot):
            codes = dict(spot_answers(owner, person))
            assert codes, "there are changing routes"
            assert set(codes.values()) <= {BARRED, -1002}, (person.mail, codes)
            assert BARRED in codes.values()
            codes = dict(socket_answers(owner, person))
            assert set(codes.values()) <= {BARRED}, codes
            with portal_venue.client(person) as client:
                shown = client.get("/api/v3/account").json()
                assert (shown["canTrade"], shown["canWithdraw"]) == (False, False)
        with pytest.raises(PortalError, match="Please call us"):
            owner.native.new_key("another", PASSWORD)
        assert owner.native.balances(), "it reads"
        again = PortalClient(portal_venue.url)
        again.log_in(owner.person.mail, PASSWORD)
        with again, pytest.raises(PortalError) as refused:
            again.place("BTC-USD", "buy", "limit", quantity="0.01", price="10")
        assert refused.value.code == "frozen", "a new session does no more"
        operator.unfreeze(owner.user, "ticket 2")
        assert owner.rest(owner.person)["status"] == "NEW"
        assert owner.rest(owner.bot)["status"] == "NEW"
        with portal_venue.client(owner.person) as client:
            assert client.get("/api/v3/account").json()["canTrade"] is True


@pytest.mark.promise(
    "No money moves out of a frozen sub-account or into it, by any key or session of its owner, "
    "and it gets no new key",
    group="portal",
)
def test_a_frozen_sub_account_holds_its_money_in_both_directions(portal_venue, operator):
    with Owner(portal_venue, operator) as owner:
        operator.freeze(owner.sub.id, "ticket 1")
        before = owner.native.balances(), owner.native.sub_account_balances(owner.sub.id)
        for source, target in ((owner.sub.id, 0), (0, owner.sub.id)):
            with pytest.raises(PortalError) as refused:
                owner.native.transfer(source, target, "USD", "1")
            assert refused.value.code == "frozen"
        with pytest.raises(PortalError) as refused:
            owner.native.new_sub_account_key(owner.sub.id, "bot", PASSWORD)
        assert refused.value.code == "frozen"
        path, spot = "/sapi/v1/sub-account/universalTransfer", {"asset": "USD", "amount": "1"}
        spot |= {"fromAccountType": "SPOT", "toAccountType": "SPOT"}
        with portal_venue.client(owner.person) as main, portal_venue.client(owner.bot) as bot:
            for one in ({"fromEmail": owner.sub.mail}, {"toEmail": owner.sub.mail}):
                assert main.request("POST", path, **spot, **one).json()["code"] == BARRED
            to_main = "/sapi/v1/sub-account/transfer/subToMaster"
            assert bot.request("POST", to_main, asset="USD", amount="1").json()["code"] == BARRED
            assert bot.order("BUY", "0.01", "100").json()["code"] == BARRED
            (row,) = main.get("/sapi/v1/sub-account/list").json()["subAccounts"]
            assert row["isFreeze"] is True
        now = owner.native.balances(), owner.native.sub_account_balances(owner.sub.id)
        assert now == before
        assert owner.rest(owner.person)["status"] == "NEW", "its main account is not frozen"


@pytest.mark.promise(
    "A freeze cancels the open orders of the account and its sub-accounts before it is answered, "
    "or keeps them, as the operator says",
    group="portal",
)
@pytest.mark.parametrize("orders", ["cancel", "keep"])
def test_resting_orders_are_cancelled_or_kept_as_the_operator_says(portal_venue, operator, orders):
    with Owner(portal_venue, operator) as owner:
        resting = [(one, owner.rest(one, price="20.00")) for one in (owner.person, owner.bot)]
        row = operator.freeze(owner.user, "ticket 1", orders=orders)
        assert (row.is_held, row.keeps_orders) == (True, orders == "keep")
        seller = portal_venue.person(BTC=BTC)
        sold = owner.rest(seller, "SELL", "20.00")
        if orders == "cancel":
            assert (sold["status"], sold["executedQty"]) == ("NEW", "0.00000000")
            assert not any(owner.is_open(*one) for one in resting)
        else:
            assert sold["status"] == "FILLED"
            assert sum(owner.is_open(*one) for one in resting) == 1


@pytest.mark.promise(
    "A freeze that is repeated with another choice about open orders has the last one: orders that "
    "were kept are cancelled",
    group="portal",
)
def test_a_repeated_freeze_cancels_the_orders_that_were_kept(portal_venue, operator):
    with Owner(portal_venue, operator) as owner:
        resting = [(one, owner.rest(one, price="20.00")) for one in (owner.person, owner.bot)]
        operator.freeze(owner.user, "ticket 1", orders="keep")
        assert all(owner.is_open(*one) for one in resting)
        for _ in range(2):
            row = operator.freeze(owner.user, "ticket 2", orders="cancel")
            assert (row.is_held, row.keeps_orders) == (True, False)
            wait_until(lambda: not any(owner.is_open(*one) for one in resting), "no order is open")
        operator.unfreeze(owner.user, "ticket 3")
        assert owner.rest(owner.person)["status"] == "NEW"


@pytest.mark.promise(
    "A participant that the venue's operator resumes while its account is frozen is suspended "
    "again, and an unfreeze ends that",
    group="portal",
)
def test_a_resume_at_the_venue_does_not_end_a_freeze(portal_venue, operator):
    journal = portal_venue.venue.journal
    with Owner(portal_venue, operator) as owner:
        number = owner.person.participant
        resume = {"do": "participant-resume", "participant": number}
        operator.freeze(owner.user, "ticket 1")
        for time in (1, 2):
            ask(journal, resume | {"reference": f"r{time} {number}"})
            assert operator.freeze(owner.user, "ticket 1").is_held
        suspend = {"do": "participant-suspend", "participant": number}
        with pytest.raises(DeskError, match="is already suspended"):
            ask(journal, suspend | {"reference": f"s {number}"})
        operator.unfreeze(owner.user, "ticket 2")
        with pytest.raises(DeskError, match="is not suspended"):
            ask(journal, resume | {"reference": f"r3 {number}"})
        assert owner.rest(owner.person)["status"] == "NEW"


@pytest.mark.promise(
    "A withdrawal that was asked for before its account was frozen is not approved and not sent "
    "while it is: the venue says why",
    group="portal",
)
def test_a_withdrawal_under_way_does_not_leave_a_frozen_account(portal_venue, operator):
    journal = portal_venue.venue.journal
    with Owner(portal_venue, operator) as owner:
        number = owner.withdrawal()
        reference = owner.reference()
        operator.freeze(owner.user, "ticket 1")
        with pytest.raises(DeskError, match="is suspended and cannot withdraw"):
            ask(journal, step("withdrawal-approve", reference, f"a {reference}"[:32]))
        operator.unfreeze(owner.user, "ticket 2")
        ask(journal, step("withdrawal-approve", reference, f"b {reference}"[:32]))
        operator.freeze(owner.user, "ticket 3")
        with pytest.raises(DeskError, match="is suspended and cannot withdraw"):
            ask(journal, step("withdrawal-sent", reference, f"s {reference}"[:32]))
        assert owner.native.withdrawal(number).state == "approved"
        balance = next(one for one in owner.native.balances() if one.asset == "USD")
        assert Decimal(balance.reserved) == 20


@pytest.mark.promise(
    "What an operator writes for operators, as a ticket, is neither shown nor mailed to the user",
    group="portal",
)
def test_the_user_is_told_the_outer_reason_alone(portal_venue, operator):
    inner, told = "TICKET-31337", "We have seen a login that may not be yours"
    with Owner(portal_venue, operator) as owner:
        key = owner.native.list_keys()[0].id
        assert operator.freeze(owner.user, inner, told).frozen_told == told
        operator.unfreeze(owner.user, inner)
        operator.set_level(owner.user, 0, inner)
        operator.support_view(owner.user, inner)
        operator.revoke_user_key(owner.user, key, inner)
        wait_until(lambda: told in str(owner.native.notifications()), "the notification")
        wait_until(lambda: "revoked" in str(owner.native.notifications()), "the last of them")
        mine = f"{owner.native.audit()} {owner.native.notifications()}"
        assert told in mine
        assert inner not in mine
        assert inner in str(operator.operator_log())


def test_a_participant_that_the_venue_suspends_moves_no_money_and_stays_so(portal_venue, operator):
    """A freeze and its end leave alone what the operator of the venue has done."""
    journal = portal_venue.venue.journal
    with Owner(portal_venue, operator) as owner:
        number = owner.person.participant
        ask(
            journal,
            {"do": "participant-suspend", "participant": number, "reference": f"s {number}"},
        )
        barred = set(Action) - ALLOWED[State.SUSPENDED]
        assert barred == {Action.TRADE, Action.TRANSFER, Action.WITHDRAW}
        wait_until(lambda: owner.rest(owner.person).get("code") == BARRED, "it does not trade")
        for change in (
            lambda: owner.native.transfer(0, owner.sub.id, "USD", "1"),
            lambda: owner.native.withdraw("USD", "20", IBAN, network="WIRE"),
        ):
            with pytest.raises(PortalError) as refused:
                change()
            assert refused.value.code == "suspended"
        operator.freeze(owner.user, "ticket 1")
        operator.unfreeze(owner.user, "ticket 2")
        with pytest.raises(PortalError) as refused:
            owner.native.withdraw("USD", "20", IBAN, network="WIRE")
        assert refused.value.code == "suspended"
        ask(
            journal, {"do": "participant-resume", "participant": number, "reference": f"r {number}"}
        )
        owner.native.transfer(0, owner.sub.id, "USD", "1")
