"""After each change of identity everything that leaves an account waits: every change of the table
is made by its requests, and then everything that leaves is asked for by its own."""

import asyncio
import re
from datetime import timedelta
from types import SimpleNamespace

import pyotp
import pytest

from openoutcry.portal.accounts.changes import Change, shown_time
from openoutcry.portal.accounts.errors import AccountError
from openoutcry.portal.accounts.operators import Operator, Operators, Why
from openoutcry.portal.money import withdrawals
from openoutcry.portal.money.address_book import PURPOSE as OF_ADDRESS
from openoutcry.portal.money.approvals import NO_CHANGE, lines_of, to_approve
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
            movement=lambda reference: None,
            is_open=True,
            markets=markets,
            balances=lambda participant: dict.fromkeys(markets.assets, (10**9, 0)),
            owes=lambda participant: False,
        )
        terms = people.accounts, self.mirror, FILE
        self.withdrawals = Withdrawals(*terms, lambda request: self.entered.append(request) or {})
        callers = Callers(people.accounts, None, FILE)
        add_native(people.app, Native(callers, None, None, None, self.withdrawals, None))

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

    async def make_recovery_codes(self):
        return (await self.done("totp/recovery-codes", *PROOF))["codes"]

    async def use_recovery_code(self):
        codes = await self.make_recovery_codes()
        self.people.clock.advance(hours=25)
        async with self.people.client() as client:
            body = {"mail": self.mail, "password": self.password, "totp": codes[0]}
            answer = await posted(client, "login", **body)
            assert answer.is_success, answer.text

    async def undo(self):
        """Her account is frozen then, with a password that is not known: the operator, who has
        found out that it is she, ends that."""
        await self.change_password()
        await self.people.accounts.drain()
        async with self.people.client() as client:
            assert (await posted(client, "undo", token=self.link())).is_success
        await Operators(self.people.accounts).freeze(
            Operator("olga"), self.user, Why("she was here"), False
        )
        new = "a fourth crooked ladder"
        async with self.people.client() as client:
            await posted(client, "password/forget", mail=self.mail)
            body = {"mail": self.mail, "code": await self.mailed(), "password": new}
            assert (await posted(client, "password/reset", **body)).is_success
        self.password = new
        # That is another change: the test is about the one before.
        query = "delete from identity_changes where change = 'password reset' returning 1"
        await self.people.database.rows(query)

    def link(self, mail=None):
        """The token of the last link that was mailed there."""
        mails = self.people.mailbox.mails
        texts = [one.get_content() for one in mails if one["to"] == (mail or self.mail)]
        return re.findall(r"/#/undo/(\S+)", "".join(texts).replace("=\n", ""))[-1]

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

    async def confirm_withdrawal(self, totp=""):
        """Of one that was asked for before; ``totp``: in the place of her authenticator's code."""
        query = """
            insert into withdrawals (user_id, participant, reference, client_id, asset, network,
                address, given, chain, salt, device, tag, amount, state, created_at, changed_at)
            values (%(user)s, 1000, %(name)s, %(name)s, 'USD', 'WIRE', %(iban)s, %(iban)s, '', '',
                '', '', 5, 'unconfirmed', %(now)s, %(now)s) returning id
        """
        return await self._confirmed(query, OF_WITHDRAWAL, "withdrawals", totp)

    async def confirm_address(self):
        """Of one that was asked for before."""
        query = """
            insert into withdrawal_addresses (user_id, participant, asset, network, chain, address,
                label, state, created_at, changed_at)
            values (%(user)s, 1000, 'LTC', 'LTC', 'LTC', %(name)s, '', 'unconfirmed', %(now)s,
                %(now)s) returning id
        """
        return await self._confirmed(query, OF_ADDRESS, "withdrawal-addresses")

    async def _confirmed(self, query, purpose, path, totp=""):
        self.count += 1
        accounts = self.people.accounts
        values = {"user": self.user, "name": f"name {self.count}", "iban": IBAN}
        row = await self.people.database.row(query, now=accounts.now(), **values)
        async with self.people.database.transaction() as connection:
            code = await accounts.new_code(connection, self.user, f"{purpose}{row['id']}")
        at = f"{path}/{row['id']}/confirm"
        if totp:
            return await self.asked(at, code=code, totp=totp)
        return await self.asked(at, "totp", code=code)

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
    Change.RECOVERY_CODES: Owner.make_recovery_codes,
    Change.RECOVERY_CODE: Owner.use_recovery_code,
    Change.UNDONE: Owner.undo,
    Change.ADDRESS: Owner.add_address,
    Change.KEY: Owner.add_key,
}
BEFORE = {
    Change.AUTHENTICATOR_REMOVED: Owner.add_authenticator,
    Change.PASSKEY_REMOVED: Owner.add_passkey,
    Change.RECOVERY_CODES: Owner.add_authenticator,
    Change.RECOVERY_CODE: Owner.add_authenticator,
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
async def test_everything_that_leaves_waits_after_each_change(people, change):
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
        "select change, at, address from identity_changes order by id desc limit 1"
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


def test_the_table_has_every_change():
    assert set(CHANGES) == set(Change)


@pytest.mark.promise(
    "A withdrawal that was confirmed before a change of identity and has not reached the venue or "
    "custody waits, too, and continues after the wait",
    group="portal",
)
async def test_a_withdrawal_that_was_confirmed_before_waits_too(people):
    owner = Owner(people)
    await owner.begin()
    assert (await owner.confirm_withdrawal()).json()["state"] == "confirmed"
    await owner.change_password()
    await owner.withdrawals.go_on()
    assert owner.entered == []
    people.clock.advance(hours=25)
    await owner.withdrawals.go_on()
    assert [one["do"] for one in owner.entered] == ["withdrawal-request"]


@pytest.mark.promise(
    "What the owner of an account can do to stop money is open during the wait: it cancels "
    "withdrawals, removes addresses and revokes keys",
    group="portal",
)
async def test_what_stops_money_does_not_wait(people):
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


async def test_masks_hide_what_they_name(people):
    """The record for operators names no whole mail address and no whole address."""
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


@pytest.mark.promise(
    "The link that undoes a change is mailed to the address which the account had before. It works "
    "once, for 7 days, by a POST. Mail address, factors and provider are as before. Sessions, keys "
    "and password end, withdrawals are cancelled, and the account is frozen",
    group="portal",
)
async def test_the_link_gives_an_account_back_and_freezes_it(people):
    """A thief with Anna's password and, for a moment, her mailbox takes everything."""
    owner = Owner(people)
    await owner.begin()
    key = (await owner.new_key()).json()
    people.clock.advance(hours=25)
    waiting = (await owner.ask_for_a_wire()).json()["id"]
    asked = (await owner.confirm_withdrawal()).json()["id"]
    await owner.withdrawals.go_on()
    held = (await owner.confirm_withdrawal()).json()["id"]
    await owner.change_mail()
    await people.accounts.drain()
    links = {ANNA: owner.link(ANNA)}
    people.clock.advance(hours=25)
    await owner.add_address()
    people.clock.advance(hours=25)
    await owner.add_passkey()
    await owner.add_authenticator()
    await people.accounts.drain()
    links[NEW] = owner.link(NEW)
    async with await owner.session() as thief, people.client("198.51.100.9") as client:
        for token in ("", "x", links[ANNA][:-1]):
            assert (await posted(client, "undo", token=token)).status_code == 401
        looked = await client.get(f"/v1/undo?token={links[ANNA]}")
        assert looked.status_code == 405, "programs that check mails open links"
        assert (await thief.get("/v1/me")).json()["mail"] == NEW
        assert (await posted(client, "undo", token=links[ANNA])).status_code == 200
        assert (await thief.get("/v1/me")).status_code == 401, "sessions have ended"
        for mail in (ANNA, NEW):
            body = {"mail": mail, **owner.proof()}
            assert (await posted(client, "login", **body)).status_code == 401
        for token in links.values():
            assert (await posted(client, "undo", token=token)).status_code == 401, "once"
    user = await people.database.row("select * from users")
    assert (user["mail"], user["totp_is_confirmed"]) == (ANNA, False)
    assert user["frozen_at"] is not None
    assert "find out who the owner is" in user["frozen_reason"]
    for table in ("passkeys", "recovery_codes"):
        (row,) = await people.database.rows(f"select count(*) from {table}")
        assert row["count"] == 0, table
    assert await people.keys.find(key["api_key"]) is None
    await owner.withdrawals.go_on()
    steps = [(one["do"], one.get("movement") or one["reference"]) for one in owner.entered]
    names = [(await owner.withdrawals.one(owner.user, n))["reference"] for n in (asked, held)]
    both = [("withdrawal-request", names[1]), ("withdrawal-cancel", names[1])]
    assert steps[:2] == [("withdrawal-request", names[0]), ("withdrawal-cancel", names[0])]
    assert steps[2:] == both, "it may have been on its way to the venue"
    for number in (waiting, asked, held):
        row = await owner.withdrawals.one(owner.user, number)
        assert row["state"] in ("cancelled", "expired")
    (address,) = await people.database.rows("select is_undone from withdrawal_addresses")
    assert address["is_undone"], "custody is asked to remove it"


async def test_the_link_of_an_authenticator_that_was_removed_brings_it_back(people):
    owner = Owner(people)
    await owner.begin()
    await owner.add_authenticator()
    was = (await people.database.row("select totp_secret from users"))["totp_secret"]
    await owner.remove_authenticator()
    await people.accounts.drain()
    async with people.client() as client:
        assert (await posted(client, "undo", token=owner.link())).status_code == 200
    row = await people.database.row("select totp_secret, totp_is_confirmed from users")
    assert row == {"totp_secret": was, "totp_is_confirmed": True}


async def test_a_link_expires_and_is_used_once_at_the_same_moment(people):
    owner = Owner(people)
    await owner.begin()
    await owner.change_password()
    await people.accounts.drain()
    old = owner.link()
    people.clock.advance(days=7, seconds=1)
    async with people.client() as client:
        assert (await posted(client, "undo", token=old)).status_code == 401
    await owner.change_mail()
    await people.accounts.drain()
    clients = [people.client(f"203.0.113.{number}") for number in range(4)]
    token = owner.link(ANNA)
    answers = await asyncio.gather(*(posted(one, "undo", token=token) for one in clients))
    assert sorted(one.status_code for one in answers) == [200, 401, 401, 401]
    for client in clients:
        await client.aclose()


async def test_a_link_does_not_take_an_address_from_another_account(people):
    owner = Owner(people)
    await owner.begin()
    await owner.change_mail()
    await people.accounts.drain()
    token = owner.link(ANNA)
    people.clock.advance(hours=25)
    await people.sign_up(ANNA)
    async with people.client() as client:
        assert (await posted(client, "undo", token=token)).status_code == 200
    rows = await people.database.rows("select mail, frozen_at from users order by id")
    assert [(row["mail"], row["frozen_at"] is None) for row in rows] == [
        (NEW, False),
        (ANNA, True),
    ]


@pytest.mark.promise(
    "Ten recovery codes take the place of an authenticator's code, each once. They are kept as "
    "hashes, shown once, confirm no withdrawal, and new ones end the old ones",
    group="portal",
)
async def test_a_recovery_code_counts_once_and_confirms_no_withdrawal(people):
    owner = Owner(people)
    await owner.begin()
    await owner.add_authenticator()
    old = await owner.make_recovery_codes()
    codes = await owner.make_recovery_codes()
    assert len(set(codes) | set(old)) == 20
    stored = str(await people.database.rows("select * from recovery_codes"))
    assert not [code for code in codes if code in stored]
    async with people.client() as client:
        body = {"mail": ANNA, "password": PASSWORD}
        wrong = await posted(client, "login", **body, totp=old[0])
        assert wrong.status_code == 401
        answers = [await posted(client, "login", **body, totp=codes[0]) for _ in range(2)]
        assert [one.status_code for one in answers] == [200, 401]
        token = answers[0].json()["access_token"]
    async with people.client(token=token) as anna:
        assert (await anna.get("/v1/me")).json()["recovery_codes"] == 9
        people.clock.advance(minutes=4)
        proof = {"password": PASSWORD, "totp": codes[1].upper()}
        assert (await posted(anna, "totp/remove", **proof)).status_code == 200
        assert (await anna.get("/v1/me")).json()["recovery_codes"] == 0
    people.clock.advance(hours=25)
    owner.totp = None
    await owner.add_authenticator()
    codes = await owner.make_recovery_codes()
    people.clock.advance(hours=25)
    refused = await owner.confirm_withdrawal(codes[0])
    assert refused.status_code == 401, refused.text
    assert await people.accounts.recovery_left(owner.user) == 10


@pytest.mark.promise(
    "The word that a user has chosen ends each mail to the user. A mail to an address that the "
    "user has not proved does not have it",
    group="portal",
)
async def test_each_mail_to_a_user_has_the_users_word(people):
    owner = Owner(people)
    await owner.begin()
    for word in ("x", "a\nb", "<b>", "y" * 41):
        async with await owner.session() as client:
            body = {"word": word, **owner.proof()}
            refused = await client.put("/v1/mail-word", json=body)
            assert refused.status_code == 422, word
    async with await owner.session() as client:
        wrong = {"word": "blue heron", "password": "not it"}
        assert (await client.put("/v1/mail-word", json=wrong)).status_code == 401
        body = {"word": "blue heron", **owner.proof()}
        assert (await client.put("/v1/mail-word", json=body)).status_code == 200
        shown = (await client.get("/v1/me")).text
        assert "blue heron" not in shown, "a thief of the session does not learn it"
    before = len(people.mailbox.mails)
    await owner.ask_for_a_wire()
    await owner.change_mail()
    await owner.reset_password()
    await people.accounts.drain()
    mails = people.mailbox.mails[before:]
    has = {(one["subject"], one["to"]): "blue heron" in one.get_content() for one in mails}
    assert has.pop(("TEST: your new address", NEW)) is False
    assert set(has.values()) == {True}
    assert len(has) >= 5


@pytest.mark.promise(
    "Who approves a withdrawal reads where it goes, whether anything has gone there before, and "
    "what its owner's identity has changed: when, what, from where, old and new value masked",
    group="portal",
)
async def test_who_approves_reads_the_changes(people):
    owner = Owner(people)
    await owner.begin()
    await owner.change_mail()
    people.clock.advance(hours=25)
    await owner.confirm_withdrawal()
    await owner.withdrawals.go_on()
    async with people.database.transaction() as connection:
        rows = await to_approve(connection, people.accounts.now())
    (first, change) = lines_of(rows[0])
    assert f"of {NEW} to WIRE {IBAN}, the first one to this address" in first
    assert "mail address changed from a***@example.com to a***@example.org" in change
    assert "from 192.0.2.7 by python-httpx" in change
    people.clock.advance(days=30)
    async with people.database.transaction() as connection:
        rows = await to_approve(connection, people.accounts.now(), rows[0]["reference"])
    assert lines_of(rows[0])[1] == f"  {NO_CHANGE}"


async def test_a_user_has_few_withdrawals_under_way(people, monkeypatch):
    """Each is looked at in every look, and has a mail."""
    monkeypatch.setattr(withdrawals, "MOST", 3)

    anna = Owner(people)
    await anna.begin()
    body = {"asset": "USD", "amount": "10", "address": IBAN}
    made = [await anna.done("withdrawals", **body) for _ in range(3)]
    refused = await anna.asked("withdrawals", **body)
    assert (refused.status_code, refused.json()["code"]) == (422, "too_many")
    async with await anna.session() as client:
        assert (await client.delete(f"/v1/withdrawals/{made[0]['id']}")).is_success
    await anna.done("withdrawals", **body)
