"""After each change of identity everything that leaves an account waits: every change of the table
is made by its requests, and then everything that leaves is asked for by its own."""

import re
from datetime import timedelta
from types import SimpleNamespace

import pyotp
import pytest

from openoutcry.portal.accounts.changes import Change, shown_time
from openoutcry.portal.accounts.errors import AccountError
from openoutcry.portal.money.address_book import PURPOSE as OF_ADDRESS
from openoutcry.portal.money.withdrawals import PURPOSE as OF_WITHDRAWAL
from openoutcry.portal.money.withdrawals import Withdrawals
from openoutcry.portal.native.callers import Callers
from openoutcry.portal.native.routes import Native, add_native
from openoutcry.portal.settings import Network, PortalFile
from openoutcry.portal.spot.capital import Capital
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.spot.params import Params
from tests.support.portal.authenticator import Authenticator
from tests.support.portal.people import DOMAIN, ORIGIN, PASSWORD
from tests.support.portal.provider import LocalProvider
from tests.system.portal.test_portal_people import at, posted

ANNA, NEW = "anna@example.com", "anna@example.org"
IBAN, COIN_ADDRESS = "DE02120300000000202051", "ltc1qexampleexampleexample"
DAY, PROOF = timedelta(hours=24), ("password", "totp")
FILE = PortalFile(networks=(Network("WIRE", "USD"), Network("LTC", "LTC", chain="LTC")))


class Owner:
    """Anna, her participant at the venue with money, and her portal without a venue: requests to
    its desk are kept in ``entered``."""

    def __init__(self, people):
        self.people, self.password, self.mail = people, PASSWORD, ANNA
        self.totp, self.count, self.entered, self.user = None, 0, [], 0
        markets = SimpleNamespace(assets={"USD": 2, "LTC": 8})
        self.mirror = SimpleNamespace(
            wallets=None,
            is_open=True,
            markets=markets,
            balances=lambda participant: dict.fromkeys(markets.assets, (10**9, 0)),
        )
        terms = people.accounts, self.mirror, FILE
        self.withdrawals = Withdrawals(*terms, lambda request: self.entered.append(request) or {})
        callers = Callers(people.accounts, None, FILE)
        add_native(people.app, Native(callers, None, None, self.withdrawals, None))

    async def begin(self):
        await self.people.sign_up(ANNA)
        query = "update users set participant = 1000, is_open = true returning id"
        ((self.user,),) = [one.values() for one in await self.people.database.rows(query)]

    def proof(self):
        """What proves her; a code of the authenticator is valid once."""
        if self.totp is None:
            return {"password": self.password, "totp": ""}
        self.people.clock.advance(seconds=60)
        return {"password": self.password, "totp": self.totp.at(self.people.clock.at)}

    async def session(self):
        tokens = await self.people.log_in(self.mail, **self.proof())
        return self.people.client(token=tokens["access_token"])

    async def asked(self, path, *proofs, **body):
        """The answer to her request in a new session.  ``proofs``: which of ``password``, ``totp``
        the body has, too."""
        self.count += 1
        async with await self.session() as client:
            proof = self.proof() if proofs else {}
            body |= {name: proof[name] for name in proofs}
            headers = {"idempotency-key": f"key-{self.count}"}
            return await client.post(f"/v1/{path}", json=body, headers=headers)

    async def done(self, path, *proofs, **body):
        answer = await self.asked(path, *proofs, **body)
        assert answer.is_success, (path, answer.text)
        return answer.json()

    async def mailed(self):
        await self.people.accounts.drain()
        return self.people.mailbox.code(self.mail)

    # Changes of identity

    async def change_mail(self):
        await self.done("mail", *PROOF, mail=NEW)
        old = await self.mailed()
        codes = {"code": self.people.mailbox.code(NEW), "old_code": old}
        await self.done("mail/confirm", mail=NEW, **codes)
        self.mail = NEW

    async def change_password(self):
        new = "another crooked ladder"
        await self.done("password", "totp", old=self.password, new=new)
        self.password = new

    async def reset_password(self):
        new = "a third crooked ladder"
        await self.done("password/forget", mail=self.mail)
        code = await self.mailed()
        await self.done("password/reset", "totp", mail=self.mail, code=code, password=new)
        self.password = new

    async def add_authenticator(self):
        secret = (await self.done("totp", *PROOF))["secret"]
        totp = pyotp.TOTP(secret)
        self.people.clock.advance(seconds=60)
        code = totp.at(self.people.clock.at)
        await self.done("totp/confirm", code=code)
        self.totp = totp

    async def remove_authenticator(self):
        await self.done("totp/remove", *PROOF)
        self.totp = None

    async def add_passkey(self):
        begun = await self.done("passkeys/begin", *PROOF)
        made = Authenticator(ORIGIN, DOMAIN).make(begun["options"])
        await self.done("passkeys", ticket=begun["ticket"], label="phone", credential=made)

    async def remove_passkey(self):
        query = "select id from passkeys"
        ((number,),) = [one.values() for one in await self.people.database.rows(query)]
        await self.done(f"passkeys/{number}/remove", *PROOF)

    async def link_provider(self):
        with LocalProvider() as provider:
            at(self.people, provider)
            async with await self.session() as client:
                begun = (await posted(client, "provider/link", **self.proof())).json()
                claims = {"sub": "anna", "email": self.mail, "email_verified": True}
                state, code = provider.log_in(begun["url"], **claims)
                body = {"state": state, "code": code, "totp": self.proof()["totp"]}
                answer = await posted(client, "login/provider", **body)
                assert answer.is_success, answer.text

    async def add_address(self):
        answer = await self.confirm_address()
        assert answer.is_success, answer.text

    async def add_key(self):
        answer = await self.new_key()
        assert answer.is_success, answer.text

    # What leaves

    async def ask_for_a_wire(self):
        return await self.asked("withdrawals", asset="USD", amount="5", address=IBAN)

    async def ask_for_coins(self):
        return await self.asked("withdrawals", asset="LTC", amount="1", address=COIN_ADDRESS)

    async def ask_as_at_binance(self):
        """The answer as if it came over HTTP: a program's request, by the same words."""
        pairs = {"coin": "USD", "amount": "5", "address": IBAN, "withdrawOrderId": f"{self.count}"}
        params = Params(pairs.items(), self.mirror.markets)
        self.count += 1
        try:
            await Capital(self.withdrawals).apply(self.user, 1000, params, "192.0.2.7", "key")
        except ApiError as error:
            return SimpleNamespace(status_code=403, text=error.text, json=lambda: {})
        return SimpleNamespace(status_code=200, text="", json=lambda: {})

    async def confirm_withdrawal(self):
        """Of one that was asked for before."""
        query = """
            insert into withdrawals (user_id, participant, reference, client_id, asset, network,
                address, given, chain, salt, device, tag, amount, state, created_at, changed_at)
            values (%(user)s, 1000, %(name)s, %(name)s, 'USD', 'WIRE', %(iban)s, %(iban)s, '', '',
                '', '', 5, 'unconfirmed', %(now)s, %(now)s) returning id
        """
        return await self._confirmed(query, OF_WITHDRAWAL, "withdrawals")

    async def confirm_address(self):
        """Of one that was asked for before."""
        query = """
            insert into withdrawal_addresses (user_id, participant, asset, network, chain, address,
                label, state, created_at, changed_at)
            values (%(user)s, 1000, 'LTC', 'LTC', 'LTC', %(name)s, '', 'unconfirmed', %(now)s,
                %(now)s) returning id
        """
        return await self._confirmed(query, OF_ADDRESS, "withdrawal-addresses")

    async def _confirmed(self, query, purpose, path):
        self.count += 1
        accounts = self.people.accounts
        values = {"user": self.user, "name": f"name {self.count}", "iban": IBAN}
        row = await self.people.database.row(query, now=accounts.now(), **values)
        async with self.people.database.transaction() as connection:
            code = await accounts.new_code(connection, self.user, f"{purpose}{row['id']}")
        return await self.asked(f"{path}/{row['id']}/confirm", "totp", code=code)

    async def add_an_address(self):
        return await self.asked("withdrawal-addresses", asset="LTC", address=COIN_ADDRESS)

    async def new_key(self):
        body = {"label": "x", "permissions": ["read", "withdraw"], "networks": ["192.0.2.0/24"]}
        return await self.asked("api-keys", *PROOF, **body)


CHANGES = {
    Change.MAIL: Owner.change_mail,
    Change.PASSWORD: Owner.change_password,
    Change.RESET: Owner.reset_password,
    Change.AUTHENTICATOR_ADDED: Owner.add_authenticator,
    Change.AUTHENTICATOR_REMOVED: Owner.remove_authenticator,
    Change.PASSKEY_ADDED: Owner.add_passkey,
    Change.PASSKEY_REMOVED: Owner.remove_passkey,
    Change.PROVIDER: Owner.link_provider,
    Change.ADDRESS: Owner.add_address,
    Change.KEY: Owner.add_key,
}
BEFORE = {
    Change.AUTHENTICATOR_REMOVED: Owner.add_authenticator,
    Change.PASSKEY_REMOVED: Owner.add_passkey,
}
"""What must be there before."""
LEAVES = {
    "a bank withdrawal": Owner.ask_for_a_wire,
    "a bank withdrawal as at Binance": Owner.ask_as_at_binance,
    "a chain withdrawal": Owner.ask_for_coins,
    "the confirmation of a withdrawal": Owner.confirm_withdrawal,
    "a new address": Owner.add_an_address,
    "the confirmation of an address": Owner.confirm_address,
    "a new key that withdraws": Owner.new_key,
}
REFUSED = re.compile("nothing leaves this account until (.*)")


async def refusals(owner):
    """By what leaves: until when it waits; "" where it does not wait."""
    found = {}
    for name, ask in LEAVES.items():
        answer = await ask(owner)
        until = REFUSED.search(answer.text)
        found[name] = until[1].split('"')[0] if until else ""
        if until:
            assert answer.status_code == 403, name
            assert answer.json().get("code", "identity_changed") == "identity_changed"
    return found


@pytest.mark.promise(
    "After each change of mail address, password, authenticator, passkey, provider, withdrawal "
    "address or key that withdraws, what leaves the account waits 24 hours. That is withdrawals "
    "by bank and chain, new addresses, new keys that withdraw. The refusal names the end",
    group="portal",
)
@pytest.mark.parametrize("change", list(Change))
def test_everything_that_leaves_waits_after_each_change(people, change):
    async def test(people):
        owner = Owner(people)
        await owner.begin()
        if change in BEFORE:
            await BEFORE[change](owner)
            people.clock.advance(hours=25)
        for name, ask in LEAVES.items():
            answer = await ask(owner)
            assert "identity_changed" not in answer.text, (name, "nothing was changed")
            people.clock.advance(hours=25)
        await CHANGES[change](owner)
        row = await people.database.row(
            "select change, at, before, after, address from identity_changes order by at desc"
        )
        assert (row["change"], row["address"]) == (change, "192.0.2.7")
        until = row["at"] + DAY
        assert await refusals(owner) == dict.fromkeys(LEAVES, shown_time(until))
        async with await owner.session() as client:
            assert (await client.get("/v1/me")).json()["waits_until"] is not None
        people.clock.at = until - timedelta(hours=1)
        assert "" not in (await refusals(owner)).values(), "an hour is left"
        for name, ask in LEAVES.items():
            people.clock.at = max(people.clock.at, until) + timedelta(hours=25)
            answer = await ask(owner)
            assert "identity_changed" not in answer.text, name

    people(test)


def test_the_table_has_every_change():
    assert set(CHANGES) == set(Change)


@pytest.mark.promise(
    "A withdrawal that was confirmed before a change of identity and has not reached the venue or "
    "custody waits, too, and continues after the wait",
    group="portal",
)
def test_a_withdrawal_that_was_confirmed_before_waits_too(people):
    async def test(people):
        owner = Owner(people)
        await owner.begin()
        assert (await owner.confirm_withdrawal()).json()["state"] == "confirmed"
        await owner.change_password()
        await owner.withdrawals.go_on()
        assert owner.entered == []
        people.clock.advance(hours=25)
        await owner.withdrawals.go_on()
        assert [one["do"] for one in owner.entered] == ["withdrawal-request"]

    people(test)


@pytest.mark.promise(
    "What the owner of an account can do to stop money is open during the wait: it cancels "
    "withdrawals, removes addresses and revokes keys",
    group="portal",
)
def test_what_stops_money_does_not_wait(people):
    async def test(people):
        owner = Owner(people)
        await owner.begin()
        made = (await owner.ask_for_a_wire()).json()
        key = (await owner.new_key()).json()
        async with await owner.session() as client:
            assert (await client.delete(f"/v1/withdrawals/{made['id']}")).status_code == 200
            assert (await client.delete(f"/v1/api-keys/{key['id']}")).status_code == 200
        assert (await owner.ask_for_a_wire()).json()["code"] == "identity_changed"
        with pytest.raises(AccountError, match="API key created"):
            async with people.database.transaction() as connection:
                await people.accounts.require_settled(connection, owner.user)

    people(test)


def test_masks_hide_what_they_name(people):
    """The record for operators names no whole mail address and no whole address."""

    async def test(people):
        owner = Owner(people)
        await owner.begin()
        await owner.change_mail()
        people.clock.advance(hours=25)
        await owner.add_address()
        rows = await people.database.rows("select * from identity_changes order by id")
        assert [(row["before"], row["after"]) for row in rows[:1]] == [
            ("a***@example.com", "a***@example.org")
        ]
        assert rows[1]["after"].startswith("LTC ")
        assert "***" in rows[1]["after"]

    people(test)
