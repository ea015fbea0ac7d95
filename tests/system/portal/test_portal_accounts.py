"""Accounts over a real database and a real mail server: what is proved by whom, and what strangers
learn."""

import asyncio
import json
import re
from datetime import timedelta

import psycopg
import pyotp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from openoutcry.order_entry.passwords import password_hasher
from openoutcry.portal.accounts import lockout
from openoutcry.portal.accounts.accounts import RESET, Caller
from openoutcry.portal.accounts.errors import InvalidRequest, WrongCredentials
from openoutcry.portal.accounts.lockout import MAIL, Rule
from openoutcry.portal.accounts.sub_accounts import SubAccounts
from openoutcry.portal.native.documents import STRANGERS
from tests.support.portal.people import PASSWORD

ANNA, BERT = "anna@example.com", "bert@example.com"


async def posted(client, path, **body):
    return await client.post(f"/v1/{path}", json=body)


TOO_WIDE = (
    ["0.0.0.0/0"],
    ["::/0"],
    ["192.0.2.0/24", "0.0.0.0/0"],
    ["0.0.0.0/1", "128.0.0.0/1"],
    ["8.0.0.0/7"],
    ["::/1", "8000::/1"],
    ["::ffff:0.0.0.0/96"],
)
"""Networks that limit nothing, for a key that may withdraw."""


@pytest.mark.promise(
    "V2.1, V2.2, V2.5 (registration, recovery): by a mailed code, which is used once and ends"
    " after five tries or 15 minutes. Recovery ends every session; no question, no hint, no "
    "default account. A registration and a mail cost a proof of work, and each proof counts once",
    group="portal",
)
async def test_a_registration_needs_the_mailed_code_and_its_password(people):
    async with people.client() as client:
        await posted(client, "register", mail=ANNA, password=PASSWORD)
        await people.accounts.drain()
        first = people.mailbox.code(ANNA)
        # A stranger registers the same address before its owner has verified it.
        await posted(client, "register", mail=ANNA, password="a stranger's password")
        await people.accounts.drain()
        code = people.mailbox.code(ANNA)
        for wrong in (
            {"password": PASSWORD, "code": first},
            {"password": "a stranger's password", "code": first},
            {"password": PASSWORD, "code": code},
        ):
            answer = await posted(client, "verify", mail=ANNA, **wrong)
            assert answer.status_code == 401, wrong
        assert people.verified == []
        people.clock.advance(hours=25)
        await posted(client, "register", mail=ANNA, password=PASSWORD)
        await people.accounts.drain()
        code = people.mailbox.code(ANNA)
        right = {"mail": ANNA, "password": PASSWORD, "code": code}
        assert (await posted(client, "verify", **right)).status_code == 200
        assert len(people.verified) == 1
        assert (await posted(client, "verify", **right)).status_code == 401, "used"
        assert (await posted(client, "login", mail=ANNA, password=PASSWORD)).status_code == 200


async def test_mails_and_notifications_are_in_the_accounts_language(people):
    german = {"accept-language": "de-AT, en;q=0.7"}
    body = {"mail": ANNA, "password": PASSWORD}
    async with people.client() as stranger:
        await stranger.post("/v1/register", json=body, headers=german)
        await people.accounts.drain()
        mail, code = people.mailbox.mails[-1], people.mailbox.code(ANNA)
        assert mail["subject"] == "TEST: Ihre Registrierung"
        assert mail.get_content().startswith(f"Ihr Code für TEST lautet {code}. Er gilt ")
        await posted(stranger, "verify", **body, code=code)
        token = (await people.log_in(ANNA))["access_token"]
        async with people.client(token=token) as anna:
            me = (await anna.get("/v1/me")).json()
            assert me["language"] == "de"
            await SubAccounts(people.accounts).create(me["id"], "grid", Caller("192.0.2.7"))
            assert await languages(people) == ["de", "de"]
            refused = await anna.put("/v1/language", json={"language": "fr"})
            assert (refused.status_code, await languages(people)) == (422, ["de", "de"])
            await anna.put("/v1/language", json={"language": "en"})
            assert await languages(people) == ["en", "en"], "its sub-account's too"
            await posted(anna, "api-keys", label="bot", password=PASSWORD)
        rows = await people.database.rows("select title from notices order by id")
        titles = [row["title"] for row in rows]
        assert titles == ["Anmeldung bei Ihrem Konto", "An API key was created"]
        # What a stranger's request prefers is not what the account's owner reads.
        await stranger.post("/v1/register", json=body, headers=german)
        await people.accounts.drain()
        text = people.mailbox.mails[-1].get_content()
        assert text.startswith("A registration at TEST used this address")
        answer = await stranger.put("/v1/language", json={"language": "de"})
        assert answer.status_code == 401


async def languages(people):
    rows = await people.database.rows("select language from users order by id")
    return [row["language"] for row in rows]


async def test_a_code_expires_and_ends_after_some_tries(people):
    async with people.client() as client:
        await posted(client, "register", mail=ANNA, password=PASSWORD)
        await people.accounts.drain()
        code = people.mailbox.code(ANNA)
        people.clock.advance(minutes=16)
        late = await posted(client, "verify", mail=ANNA, password=PASSWORD, code=code)
        assert late.status_code == 401
        await posted(client, "register", mail=BERT, password=PASSWORD)
        await people.accounts.drain()
        code = people.mailbox.code(BERT)
        for n in range(6):
            people.clock.advance(hours=1 / 6 if n > 3 else 0)
            await posted(client, "verify", mail=BERT, password=PASSWORD, code=f"{n:08}")
        people.clock.advance(hours=25 / 60)
        spent = await posted(client, "verify", mail=BERT, password=PASSWORD, code=code)
        assert spent.status_code in (401, 429)


@pytest.mark.promise(
    "V2.2.1, V3.1 (accounts): answers, statuses and their times are the same for an address "
    "with and without an account, and wrong attempts lock either",
    group="portal",
)
async def test_strangers_do_not_learn_which_addresses_have_accounts(people):
    await people.sign_up(ANNA)
    async with people.client() as client:
        for path, more in (
            ("register", {"password": PASSWORD}),
            ("login", {"password": "not the password"}),
            ("password/forget", {}),
            ("password/reset", {"password": PASSWORD + "!", "code": "00000000"}),
            ("verify", {"password": PASSWORD + "?", "code": "00000000"}),
        ):
            known, unknown = [
                await posted(client, path, mail=mail, **more)
                for mail in (ANNA, "nobody@example.com")
            ]
            assert known.status_code == unknown.status_code, path
            assert known.json() == unknown.json(), path
        people.clock.advance(hours=25)
        seen = {}
        for mail in (ANNA, "nobody@example.com"):
            answers = [
                await posted(client, "login", mail=mail, password="not the password")
                for _ in range(MAIL.free + 2)
            ]
            seen[mail] = [(one.status_code, one.headers.get("retry-after")) for one in answers]
        assert seen[ANNA] == seen["nobody@example.com"]
        assert seen[ANNA][-1][0] == 429
        assert int(seen[ANNA][-1][1]) > 0
        right = await posted(client, "login", mail=ANNA, password=PASSWORD)
        assert right.status_code == 429, "a locked address takes no password"
        people.clock.advance(seconds=31)
        assert (await posted(client, "login", mail=ANNA, password=PASSWORD)).status_code == 200


async def test_attempts_in_parallel_count(people):
    await people.sign_up(ANNA)
    async with people.client() as client:
        tries = [
            posted(client, "login", mail=ANNA, password=f"not the password {n}") for n in range(20)
        ]
        statuses = [answer.status_code for answer in await asyncio.gather(*tries)]
    assert statuses.count(401) == MAIL.free


@pytest.mark.promise(
    "V3.3 to V3.5, V4.2.2, V13.2.3 (sessions, cookie, forgery): a refresh token is used once,"
    " its second use ends the session. A session's cookie is HttpOnly and SameSite=Strict, "
    "for one path; no request of another site counts. Logouts and a new password end access "
    "tokens at once",
    group="portal",
)
async def test_sessions_end_at_once(people):
    await people.sign_up(ANNA)
    tokens = await people.log_in(ANNA)
    async with people.client(token=tokens["access_token"]) as client:
        assert (await client.get("/v1/me")).json()["mail"] == ANNA
        new = (await posted(client, "refresh", refresh_token=tokens["refresh_token"])).json()
        again = await posted(client, "refresh", refresh_token=tokens["refresh_token"])
        assert again.status_code == 401
        assert (await client.get("/v1/me")).status_code == 401, "a thief had one of the two"
        spoiled = await posted(client, "refresh", refresh_token=new["refresh_token"])
        assert spoiled.status_code == 401
    for end in ("logout", "logout-everywhere"):
        one, other = [await people.log_in(ANNA) for _ in range(2)]
        async with people.client(token=one["access_token"]) as client:
            assert (await posted(client, end)).status_code == 200
            assert (await client.get("/v1/me")).status_code == 401
        async with people.client(token=other["access_token"]) as client:
            left = (await client.get("/v1/me")).status_code
        assert left == (200 if end == "logout" else 401)
    tokens = await people.log_in(ANNA)
    async with people.client(token=tokens["access_token"]) as client:
        body = {"old": "not the password", "new": "eleven patient herons"}
        wrong = await posted(client, "password", **body)
        assert wrong.status_code == 401
        changed = await posted(client, "password", old=PASSWORD, new="eleven patient herons")
        assert changed.status_code == 200
        assert (await client.get("/v1/me")).status_code == 401
    people.clock.advance(minutes=6)
    tokens = await people.log_in(ANNA, password="eleven patient herons")
    async with people.client(token=tokens["access_token"]) as client:
        people.clock.advance(minutes=6)
        assert (await client.get("/v1/me")).status_code == 401, "an access token expires"


@pytest.mark.promise(
    "V2.1, V2.2, V2.5 (registration, recovery): by a mailed code, which is used once and ends"
    " after five tries or 15 minutes. Recovery ends every session; no question, no hint, no "
    "default account. A registration and a mail cost a proof of work, and each proof counts once",
    group="portal",
)
async def test_a_forgotten_password_is_reset_by_mail(people):
    await people.sign_up(ANNA)
    tokens = await people.log_in(ANNA)
    async with people.client(token=tokens["access_token"]) as client:
        await posted(client, "password/forget", mail=ANNA)
        await people.accounts.drain()
        code = people.mailbox.code(ANNA)
        body = {"mail": ANNA, "code": code, "password": "eleven patient herons"}
        assert (await posted(client, "password/reset", **body)).status_code == 200
        assert (await posted(client, "password/reset", **body)).status_code == 401, "used"
        assert (await client.get("/v1/me")).status_code == 401
    await people.log_in(ANNA, password="eleven patient herons")


@pytest.mark.parametrize("what", ["verify", "password/reset", "a withdrawal"])
async def test_a_mailed_code_stays_in_force_after_another_proof_was_wrong(people, what):
    """With the right code and a wrong password or authenticator; then with all of them, once."""
    async with people.client() as client:
        body = {"mail": ANNA, "password": PASSWORD}
        await posted(client, "register", **body)
        if what == "verify":
            proof, wrong = "password", "not the password"
        else:
            await people.accounts.drain()
            body["code"] = people.mailbox.code(ANNA)
            assert (await posted(client, "verify", **body)).status_code == 200
            token = (await people.log_in(ANNA))["access_token"]
            client.headers["authorization"] = f"Bearer {token}"
            begun = (await posted(client, "totp", password=PASSWORD)).json()
            totp = pyotp.TOTP(begun["secret"])
            confirmed = await posted(client, "totp/confirm", code=totp.at(people.clock.at))
            assert confirmed.status_code == 200
            people.clock.advance(hours=25)
            await posted(client, "password/forget", mail=ANNA)
            proof, wrong = "totp", "000000"
            body["totp"] = totp.at(people.clock.at)
        await people.accounts.drain()
        body["code"] = people.mailbox.code(ANNA)

        async def answered(**given):
            if what != "a withdrawal":
                return (await posted(client, what, **given)).status_code
            asked = 1, RESET, given["code"], given["totp"]
            try:
                await people.accounts.require_factors(*asked, Caller("192.0.2.7", "test"))
            except WrongCredentials:
                return 401
            return 200

        assert await answered(**body | {proof: wrong}) == 401
        assert await answered(**body | {"code": "00000000"}) == 401
        assert await answered(**body) == 200
        people.clock.advance(minutes=1)
        if proof == "totp":
            body["totp"] = totp.at(people.clock.at)
        assert await answered(**body) == 401, "used"


@pytest.mark.promise(
    "V2.8 (authenticators): codes of RFC 6238, for their time, are used once, and are needed "
    "with the password for a login and for what changes the account. Seeds are sealed with "
    "the portal's key",
    group="portal",
)
async def test_a_second_factor_is_needed_and_its_code_is_used_once(people):
    client = await people.person(ANNA)
    async with client:
        begun = (await posted(client, "totp", password=PASSWORD)).json()
        totp = pyotp.TOTP(begun["secret"])
        await people.log_in(ANNA)  # it does not count before it is confirmed
        code = totp.at(people.clock.at)
        assert (await posted(client, "totp/confirm", code="000000")).status_code == 401
        assert (await posted(client, "totp/confirm", code=code)).status_code == 200
        body = {"mail": ANNA, "password": PASSWORD}
        assert (await posted(client, "login", **body)).json()["code"] == "totp_required"
        again = await posted(client, "login", **body, totp=code)
        assert again.status_code == 401, "the code of the confirmation"
        people.clock.advance(seconds=30)
        code = totp.at(people.clock.at)
        assert (await posted(client, "login", **body, totp=code)).status_code == 200
        assert (await posted(client, "login", **body, totp=code)).status_code == 401
        people.clock.advance(minutes=2)
        key = {"label": "bot", "password": PASSWORD}
        assert (await posted(client, "api-keys", **key)).status_code == 401
        key["totp"] = totp.at(people.clock.at)
        assert (await posted(client, "api-keys", **key)).status_code == 201
        people.clock.advance(minutes=2)
        code = totp.at(people.clock.at)
        removed = await posted(client, "totp/remove", password=PASSWORD, totp=code)
        assert removed.status_code == 200
        assert (await posted(client, "login", **body)).status_code == 200


async def test_an_authenticator_that_is_confirmed_leaves_no_attempt_counted(people):
    client = await people.person(ANNA)
    async with client:
        begun = (await posted(client, "totp", password=PASSWORD)).json()
        query = "select subject, count from failures order by subject"
        before = await people.database.rows(query)
        code = pyotp.TOTP(begun["secret"]).at(people.clock.at)
        assert (await posted(client, "totp/confirm", code=code)).status_code == 200
        assert await people.database.rows(query) == before


async def with_authenticator(people, mail):
    """The authenticator of a person that has just signed up."""
    async with await people.person(mail) as client:
        totp = pyotp.TOTP((await posted(client, "totp", password=PASSWORD)).json()["secret"])
        code = totp.at(people.clock.at)
        assert (await posted(client, "totp/confirm", code=code)).status_code == 200
    people.clock.advance(seconds=30)
    return totp


@pytest.mark.promise(
    "V2.2.1 (two steps): a right password whose code is missing counts for its account and not "
    "for its network. A wrong password or code counts for both, whatever comes between",
    group="portal",
)
async def test_a_login_in_two_steps_is_no_failure_of_its_network(people, monkeypatch):
    monkeypatch.setattr(lockout, "NETWORK", Rule(3, timedelta(seconds=30)))

    totp = await with_authenticator(people, ANNA)
    async with people.client("198.51.100.7") as office:
        for n in range(2):
            wrong = {"mail": f"x{n}@example.com", "password": "a wrong password"}
            assert (await posted(office, "login", **wrong)).status_code == 401
        # One failure more would make the network wait; and two steps are two attempts.
        for _ in range(4):
            body = {"mail": ANNA, "password": PASSWORD}
            first = await posted(office, "login", **body)
            assert (first.status_code, first.json()["code"]) == (401, "totp_required")
            code = totp.at(people.clock.at)
            assert (await posted(office, "login", **body, totp=code)).status_code == 200
            people.clock.advance(seconds=30)
        query = "select count from failures where subject = 'from 198.51.100.7'"
        assert await people.database.rows(query) == [{"count": 2}]


@pytest.mark.promise(
    "V2.2.1 (two steps): a right password whose code is missing counts for its account and not "
    "for its network. A wrong password or code counts for both, whatever comes between",
    group="portal",
)
@pytest.mark.parametrize("guess", [{"mail": BERT, "password": "a guess of it"}, {"totp": "000000"}])
async def test_guesses_are_counted_between_first_steps(people, monkeypatch, guess):
    """The owner of an account with an authenticator gets no more guesses at others by it."""
    monkeypatch.setattr(lockout, "NETWORK", Rule(3, timedelta(seconds=30)))

    await with_authenticator(people, ANNA)
    await people.sign_up(BERT)
    own = {"mail": ANNA, "password": PASSWORD}
    async with people.client("198.51.100.7") as stranger:
        for _ in range(3):
            assert (await posted(stranger, "login", **own)).json()["code"] == "totp_required"
            assert (await posted(stranger, "login", **own | guess)).status_code == 401
            await people.database.rows("delete from failures where subject like 'mail %%'")
        for body in (own, own | guess):
            assert (await posted(stranger, "login", **body)).status_code == 429
    async with people.client("198.51.100.8") as other:
        for n in range(MAIL.free + 2):
            asked = await posted(other, "login", **own)
            assert asked.status_code == (401 if n < MAIL.free else 429), "the account's count"


async def test_api_keys_are_shown_once_and_revoked_at_once(people):
    client = await people.person(ANNA)
    async with client:
        made = await posted(
            client, "api-keys", label="bot", password=PASSWORD, permissions=["read", "trade"]
        )
        key = made.json()
        assert len(key["secret"]) == 64
        listed = (await client.get("/v1/api-keys")).text
        assert key["api_key"] in listed
        assert key["secret"] not in listed
        found = await people.keys.find(key["api_key"])
        assert found.secret.decode() == key["secret"]
        assert (found.can_trade, found.can_withdraw) == (True, False)
        assert (await client.delete(f"/v1/api-keys/{key['id']}")).status_code == 200
        assert await people.keys.find(key["api_key"]) is None
        public = Ed25519PrivateKey.generate().public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        body = {"label": "bot", "password": PASSWORD, "public_key": pem}
        made = (await posted(client, "api-keys", **body)).json()
        assert "secret" not in made
        assert (await people.keys.find(made["api_key"])).secret == public.public_bytes_raw()
        body = {"label": "x", "password": PASSWORD, "permissions": ["withdraw"]}
        assert (await posted(client, "api-keys", **body)).status_code == 422
        for networks in TOO_WIDE:
            refused = await posted(client, "api-keys", **body, networks=networks)
            assert refused.status_code == 422, networks
            assert "too wide" in refused.text, networks
        refused = await posted(client, "api-keys", label="x", password=PASSWORD, permissions=[])
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
        assert "read, trade, withdraw" in refused.text
        body |= {"networks": ["192.0.2.0/24"], "expires_at": "2026-11-26T13:00:00Z"}
        made = (await posted(client, "api-keys", **body)).json()
        found = await people.keys.find(made["api_key"])
        assert found.may_come_from("192.0.2.200")
        assert not found.may_come_from("198.51.100.1")
        people.clock.advance(hours=2)
        assert await people.keys.find(made["api_key"]) is None
    rows = await people.database.rows("select secret from api_keys")
    stored = b"".join(bytes(row["secret"]) for row in rows)
    assert key["secret"].encode() not in stored, "secrets are sealed"


@pytest.mark.smoke
@pytest.mark.promise(
    "V4.2.1 (access): no request, whatever numbers and names it gives, reads, changes, "
    "confirms or cancels what belongs to another user. A key without the permission withdraws"
    " nothing",
    group="portal",
)
async def test_no_endpoint_gives_one_user_the_objects_of_another(people):
    """Generated from the application's own routes: a new endpoint is in the matrix by itself."""
    anna, bert = await people.person(ANNA), await people.person(BERT)
    async with anna, bert, people.client() as stranger:
        key = (await posted(anna, "api-keys", label="bot", password=PASSWORD)).json()
        session = (await anna.get("/v1/sessions")).json()[0]["id"]
        objects = {"number": str(key["id"]), "session_id": session}
        schema = people.app.openapi()
        tried = 0
        for path, methods in schema["paths"].items():
            names = re.findall(r"\{(\w+)\}", path)
            url = re.sub(r"\{(\w+)\}", lambda found: objects[found[1]], path)
            for method in methods:
                if path not in STRANGERS:
                    answer = await stranger.request(method, url, json={})
                    assert answer.status_code in (401, 422), (method, path)
                    if method == "get" or names:
                        assert answer.status_code == 401, (method, path)
                if names:
                    proof = {"password": PASSWORD} if method == "post" else None
                    answer = await bert.request(method, url, json=proof)
                    assert answer.status_code == 404, (method, path)
                    tried += 1
        assert tried == 3
        assert (await anna.get("/v1/api-keys")).json()[0]["id"] == key["id"]
        assert (await anna.get("/v1/me")).status_code == 200
        for path in ("/v1/api-keys", "/v1/sessions", "/v1/audit", "/v1/me"):
            shown = (await bert.get(path)).text
            assert ANNA not in shown, path
            assert key["api_key"] not in shown, path
            assert session not in shown, path


@pytest.mark.promise(
    "V2.2.3, V2.5.5, V7.1.3, V7.2 (news, log): the owner hears of new factors, keys, "
    "addresses and passwords. Logins, refusals and changes are recorded with address and "
    "time, without secrets, and shown to the account's owner",
    group="portal",
)
async def test_what_is_done_with_an_account_is_recorded(people):
    client = await people.person(ANNA)
    async with client:
        await posted(client, "login", mail=ANNA, password="not the password")
        await posted(client, "api-keys", label="bot", password=PASSWORD)
        rows = (await client.get("/v1/audit")).json()
        actions = [row["action"] for row in rows]
        assert actions[:2] == ["API key created", "login refused"]
        assert actions[-1] == "register"
        assert {row["address"] for row in rows} == {"192.0.2.7"}
        assert PASSWORD not in json.dumps(rows)


@pytest.mark.promise(
    "V5.2.3, V5.2.6, V12.6.1 (mail, requests for users): no address adds a header or a "
    "recipient to a mail. Webhooks and pushes reach no address inside, by no name, "
    "redirection or second look-up. One that hangs, and a burst for one user, keep no other "
    "user waiting",
    group="portal",
)
async def test_a_mail_that_is_refused_is_recorded_and_headers_cannot_be_added(people):
    people.mailbox.refuses = True
    async with people.client() as client:
        await posted(client, "register", mail=ANNA, password=PASSWORD)
        await people.accounts.drain()
        rows = await people.database.rows("select * from audit where action = 'mail not sent'")
        assert "550" in rows[0]["detail"]
        for mail in ("a@example.com\r\nBcc: b@example.com", "a@b", "a b@example.com", "@x.de"):
            answer = await posted(client, "register", mail=mail, password=PASSWORD)
            assert answer.status_code == 422, mail
            assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.promise(
    "V2.1.1 to V2.1.10, V2.4.1 (passwords): 12 to 256 characters of any kind, kept whole as "
    "argon2id; none that is easily guessed, no rule of composition, no expiry",
    group="portal",
)
async def test_easily_guessed_passwords_are_refused(people):
    async with people.client() as client:
        for password in ("short", "a" * 30, "password123456", "abcabcabcabcabc", "x" * 300):
            answer = await posted(client, "register", mail=ANNA, password=password)
            assert answer.status_code == 422, password
    whole = "сорок две длинные фразы и пробел ✓ " * 7
    await people.sign_up(ANNA, password=whole)
    await people.log_in(ANNA, password=whole)
    (row,) = await people.database.rows("select password_hash from users")
    assert row["password_hash"].startswith("$argon2id$v=19$")
    hasher = password_hasher()  # that of the tests is cheaper
    assert hasher.memory_cost >= 19_456
    assert hasher.time_cost >= 2
    async with people.client() as client:
        for other in (whole[:-1], whole.strip(), whole.replace("ё", "е").lower()[:128]):
            answer = await posted(client, "login", mail=ANNA, password=other)
            assert answer.status_code == 401, other


# What is checked before a wait is checked again after it.


@pytest.mark.promise(
    "V2.2 (accounts): what was proved counts only while it is so: a registration, password or "
    "authenticator that changed during the check refuses it",
    group="portal",
)
async def test_a_strangers_registration_during_the_owners_verification_gains_nothing(people):
    accounts, stranger = people.accounts, "a stranger's password"
    spend_code = accounts.spend_code

    async def used(*values):
        """The stranger's registration comes right after the owner's code was taken."""
        await spend_code(*values)
        async with people.client("198.51.100.9") as other:
            await posted(other, "register", mail=ANNA, password=stranger)

    async with people.client() as client:
        await posted(client, "register", mail=ANNA, password=PASSWORD)
        await accounts.drain()
        code = people.mailbox.code(ANNA)
        accounts.spend_code = used
        verified = await posted(client, "verify", mail=ANNA, password=PASSWORD, code=code)
        accounts.spend_code = spend_code
        assert verified.status_code == 401
        theirs = await posted(client, "login", mail=ANNA, password=stranger)
        assert theirs.status_code == 401
        assert people.verified == []


@pytest.mark.parametrize("what", ["login", "password", "api-keys", "totp/remove"])
async def test_an_old_password_gains_nothing_while_its_owner_resets_it(people, what):
    """A thief's request waits in the check of the password, and the reset overtakes it."""
    await people.sign_up(ANNA)
    token = (await people.log_in(ANNA))["access_token"]
    accounts, new = people.accounts, "another long passphrase"
    is_right = accounts.passwords.is_right

    async def slow(*values):
        right = await is_right(*values)
        accounts.passwords.is_right = is_right
        async with people.client("198.51.100.9") as owner:
            await posted(owner, "password/forget", mail=ANNA)
            await accounts.drain()
            body = {"mail": ANNA, "code": people.mailbox.code(ANNA), "password": new}
            assert (await posted(owner, "password/reset", **body)).status_code == 200
        return right

    thief = people.client("203.0.113.5", token)
    accounts.passwords.is_right = slow
    asked = {
        "login": {"mail": ANNA, "password": PASSWORD},
        "password": {"old": PASSWORD, "new": "the thief's passphrase"},
        "api-keys": {"label": "x", "password": PASSWORD},
        "totp/remove": {"password": PASSWORD},
    }[what]
    assert (await posted(thief, what, **asked)).status_code == 401
    async with people.client() as owner:
        body = await posted(owner, "login", mail=ANNA, password=new)
        assert body.status_code == 200
        owner.headers["authorization"] = f"Bearer {body.json()['access_token']}"
        assert (await owner.get("/v1/api-keys")).json() == []
        assert len((await owner.get("/v1/sessions")).json()) == 1


@pytest.mark.promise(
    "A stranger's wrong passwords lock an account for the stranger's network alone, up to a "
    "hundred of them",
    group="portal",
)
async def test_a_stranger_locks_out_only_itself(people):
    await people.sign_up(ANNA)
    people.clock.advance(hours=25)
    async with people.client("2001:db8:1:2::1") as stranger:
        for n in range(MAIL.free + 2):
            wrong = await posted(stranger, "login", mail=ANNA, password="not the password")
            assert wrong.status_code == (401 if n < MAIL.free else 429)
            forget = await posted(stranger, "password/forget", mail=ANNA)
        assert forget.status_code == 429
    async with people.client("2001:db8:1:2:ffff::9") as neighbour:
        same = await posted(neighbour, "login", mail=ANNA, password=PASSWORD)
        assert same.status_code == 429, "one customer's network is one owner"
    async with people.client("198.51.100.7") as owner:
        assert (await posted(owner, "login", mail=ANNA, password=PASSWORD)).status_code == 200
        assert (await posted(owner, "password/forget", mail=ANNA)).status_code == 202


async def test_one_address_holds_its_own_turns_of_hashing(people):
    """Forty logins of one address wait for their checks; another address is let in meanwhile."""
    await people.sign_up(ANNA)
    hold, verify = asyncio.Event(), people.accounts.passwords._verify
    loop, refused = asyncio.get_running_loop(), 30 - 1 - 16

    def slow(stored, password):
        if password.startswith("not"):
            asyncio.run_coroutine_threadsafe(hold.wait(), loop).result()
        return verify(stored, password)

    people.accounts.passwords._verify = slow
    async with people.client("203.0.113.5") as flood, people.client("198.51.100.7") as owner:
        wrong = [
            asyncio.create_task(
                posted(flood, "login", mail=f"{n}@example.com", password="not right at all")
            )
            for n in range(30)
        ]
        await asyncio.wait(wrong, return_when=asyncio.FIRST_COMPLETED)  # the first to be refused
        right = await posted(owner, "login", mail=ANNA, password=PASSWORD)
        assert right.status_code == 200
        # Every other one has its place or its refusal before a place becomes free.
        while sum(task.done() for task in wrong) < refused:
            waiting = [task for task in wrong if not task.done()]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        hold.set()
        statuses = [one.status_code for one in await asyncio.gather(*wrong)]
    assert statuses.count(429) == refused


# Whatever is asked.

STRANGE = (
    "", "\0", "\0" * 64, "x" * 300, "%00", "-1", "0", "1e999", "NaN", "9" * 40, "9" * 5_000,
    "null", "\ud800 half a pair of surrogates", "\u202e", "../..",
    "00000000-0000-0000-0000-000000000000", "'", "\\",
)  # fmt: skip
JSON = {"content-type": "application/json"}
WANTED = {
    "login": ("mail", "password", "totp"),
    "register": ("mail", "password"),
    "verify": ("mail", "password", "code"),
    "refresh": ("refresh_token",),
    "password/reset": ("mail", "code", "password", "totp"),
    "totp": ("password", "totp"),
}
TIMES = (
    "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2030-01-01T00:00:00", "1e18", -1,
    1e999, "infinity", "9000-12-31T23:59:59Z",
)  # fmt: skip


@pytest.mark.promise(
    "Whatever a page, the portal, custody's door, a signer or the operator's desk is sent is "
    "answered or refused in words, also with a right signature. None fails or writes a "
    "traceback",
    group="doors",
)
@pytest.mark.promise(
    "V5.1, V7.4, V13.1.3, V13.2.2 (input, errors): requests are of a schema, with no other "
    "field. Answers are those that the documents describe, with stable codes, below 500 "
    "whatever is sent, and nothing of the inside",
    group="portal",
)
async def test_no_request_makes_the_account_api_fail(people):
    client = await people.person(ANNA)
    async with client:
        for text in STRANGE:
            data = text.encode("utf-8", "surrogatepass")
            quoted = "".join(f"%{byte:02x}" for byte in data)[:9_000]
            for method, path in (
                ("DELETE", f"/v1/sessions/{quoted}"),
                ("DELETE", f"/v1/api-keys/{quoted}"),
                ("GET", f"/v1/audit?before={quoted}"),
            ):
                answer = await client.request(method, path)
                assert answer.status_code < 500, (path, answer.text)
            for path, fields in WANTED.items():
                raw = json.dumps(dict.fromkeys(fields, text))
                answer = await client.post(f"/v1/{path}", content=raw, headers=JSON)
                assert answer.status_code < 500, (path, answer.text)
            key = {"label": text, "password": PASSWORD, "networks": [text]}
            for more in ({}, {"networks": [], "public_key": text}, {"permissions": [text]}):
                people.clock.advance(hours=25)
                again = await people.log_in(ANNA)
                client.headers["authorization"] = f"Bearer {again['access_token']}"
                raw = json.dumps(key | more)
                answer = await client.post("/v1/api-keys", content=raw, headers=JSON)
                assert answer.status_code < 500, (text, answer.text)
        for at in TIMES:
            body = {"label": "t", "password": PASSWORD, "expires_at": at}
            raw = json.dumps(body)
            answer = await client.post("/v1/api-keys", content=raw, headers=JSON)
            assert answer.status_code < 500, (at, answer.text)
        rows = await client.get("/v1/api-keys")
        assert rows.status_code == 200, rows.text


async def test_text_that_the_database_cannot_hold_is_the_fault_of_its_request(people):
    """And an overflow of ours is not."""
    query = "select %(text)s::text as text"
    with pytest.raises(InvalidRequest, match="NUL"):
        await people.database.row(query, text="a\0b")
    assert await people.database.row(query, text="a") == {"text": "a"}
    with pytest.raises(psycopg.errors.NumericValueOutOfRange):
        await people.database.row("select %(number)s::smallint as n", number=10**6)
