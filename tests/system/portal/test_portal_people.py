"""Passkeys, another provider, proofs of work, a change of the mail address, identities and their
review: over a real database."""

import json
import random
from datetime import timedelta
from pathlib import Path

import cbor2
import pyotp
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from openoutcry.client.portal import solved
from openoutcry.portal.accounts import lockout
from openoutcry.portal.accounts.accounts import Caller
from openoutcry.portal.accounts.errors import InvalidRequest
from openoutcry.portal.accounts.provider import ProviderSettings
from openoutcry.portal.accounts.sub_accounts import SubAccounts
from openoutcry.portal.trading.people import People
from openoutcry.venue.desk import PARTICIPANT_KNOWN, DeskError
from tests.support.portal.authenticator import Authenticator, bytes_of, text_of
from tests.support.portal.people import DOMAIN, ORIGIN, PASSWORD
from tests.support.portal.provider import SECRET, LocalProvider

ANNA, BERT, CLEO = "anna@example.com", "bert@example.com", "cleo@example.com"
PROOF = {"password": PASSWORD}


async def posted(client, path, **body):
    return await client.post(f"/v1/{path}", json=body)


async def with_passkey(people, mail):
    """A person's client and device, which the account knows."""
    client, device = await people.person(mail), Authenticator(ORIGIN, DOMAIN)
    begun = (await posted(client, "passkeys/begin", **PROOF)).json()
    made = device.make(begun["options"])
    added = await posted(client, "passkeys", ticket=begun["ticket"], label="phone", credential=made)
    assert added.status_code == 201, added.text
    return client, device


async def logged_in(client, device, **change):
    begun = (await posted(client, "login/passkey/begin")).json()
    credential = device.sign(begun["options"]) | change
    return await posted(client, "login/passkey", ticket=begun["ticket"], credential=credential)


@pytest.mark.promise(
    "V2.7, V2.9, V6.2.1 (passkeys, keys): a passkey logs its owner in where the device has "
    "verified the owner; an answer counts once, for this domain alone. A public key is one, "
    "or refused in words",
    group="portal",
)
async def test_a_passkey_logs_in_once_for_each_challenge(people):
    client, device = await with_passkey(people, ANNA)
    async with people.client() as stranger:
        tokens = await logged_in(stranger, device)
        assert tokens.status_code == 200, tokens.text
        async with people.client(token=tokens.json()["access_token"]) as anna:
            assert (await anna.get("/v1/me")).json()["mail"] == ANNA
            (row,) = (await anna.get("/v1/passkeys")).json()
            assert row["label"] == "phone"
            assert row["used_at"]
        begun = (await posted(stranger, "login/passkey/begin")).json()
        body = {"ticket": begun["ticket"], "credential": device.sign(begun["options"])}
        assert (await posted(stranger, "login/passkey", **body)).status_code == 200
        assert (await posted(stranger, "login/passkey", **body)).status_code == 401
        device.verifies = False
        assert (await logged_in(stranger, device)).status_code == 401
        device.verifies = True
        other = Authenticator(ORIGIN, DOMAIN)
        assert (await logged_in(stranger, other)).status_code == 401, "unknown"
        other.credential = device.credential
        assert (await logged_in(stranger, other)).status_code == 401, "another key"
        for change in ({"origin": "https://evil.example"}, {"domain": "evil.example"}):
            before = dict(device.__dict__)
            device.__dict__.update(change)
            assert (await logged_in(stranger, device)).status_code == 401
            device.__dict__.update(before)
        for nonsense in ({"rawId": "!"}, {"response": {}}, {"response": None}):
            assert (await logged_in(stranger, device, **nonsense)).status_code == 401
        people.clock.advance(minutes=6)
        late = await posted(stranger, "login/passkey", **body)
        assert late.status_code == 401
        begun = (await posted(stranger, "login/passkey/begin")).json()
        signed = device.sign(begun["options"])
        people.clock.advance(minutes=6)
        late = {"ticket": begun["ticket"], "credential": signed}
        assert (await posted(stranger, "login/passkey", **late)).status_code == 401
    await client.aclose()


async def test_whatever_a_device_attests_is_answered(people):
    """Statements of every format that the library knows, with values that no device sends."""
    formats = "packed", "tpm", "android-key", "android-safetynet", "apple", "fido-u2f", "none", "x"
    names = "alg", "sig", "x5c", "ver", "response", "certInfo", "pubArea"
    values = b"", b"x" * 40, b"e30.e30.AA", "2.0", "a.b.c", -7, -257, None, [], [b"x"], {}, [None]

    rng, anna = random.Random(47), await people.person(ANNA)
    for number in range(120):
        begun = (await posted(anna, "passkeys/begin", **PROOF)).json()
        made = Authenticator(ORIGIN, DOMAIN).make(begun["options"])
        whole = cbor2.loads(bytes_of(made["response"]["attestationObject"]))
        whole["fmt"] = formats[number % len(formats)]
        chosen = rng.sample(names, rng.randrange(1, len(names)))
        whole["attStmt"] = {name: rng.choice(values) for name in chosen}
        made["response"]["attestationObject"] = text_of(cbor2.dumps(whole))
        body = {"ticket": begun["ticket"], "label": "x", "credential": made}
        assert (await posted(anna, "passkeys", **body)).status_code in (201, 422)


async def test_a_passkey_is_added_and_removed_by_its_owner_alone(people):
    anna, device = await with_passkey(people, ANNA)
    bert = await people.person(BERT)
    assert (await posted(anna, "passkeys/begin", password="not it")).status_code == 401
    begun = (await posted(bert, "passkeys/begin", **PROOF)).json()
    fresh = Authenticator(ORIGIN, DOMAIN).make(begun["options"])
    terms = {"ticket": begun["ticket"], "label": "x", "credential": fresh}
    assert (await posted(anna, "passkeys", **terms)).status_code == 422, "another's ticket"
    again = (await posted(bert, "passkeys/begin", **PROOF)).json()
    taken = device.make(again["options"])
    terms = {"ticket": again["ticket"], "label": "x", "credential": taken}
    assert (await posted(bert, "passkeys", **terms)).status_code == 422, "registered already"
    (row,) = (await anna.get("/v1/passkeys")).json()
    path = f"passkeys/{row['id']}/remove"
    assert (await posted(bert, path, **PROOF)).status_code == 404
    assert (await posted(anna, path, **PROOF)).status_code == 200
    assert (await logged_in(anna, device)).status_code == 401
    await people.accounts.drain()
    titles = [one["subject"] for one in people.mailbox.mails if one["to"] == ANNA]
    assert "TEST: a passkey was added" in titles


def at(people, provider):
    """The portal's settings for the provider."""
    secret = people.folder / "secret"
    secret.write_text(SECRET)
    people.provider.settings = ProviderSettings(
        provider.issuer, "portal", secret, "https://portal.example/back"
    )


async def by_provider(client, provider, **claims):
    begun = (await posted(client, "login/provider/begin")).json()
    state, code = provider.log_in(begun["url"], **claims)
    return await posted(client, "login/provider", state=state, code=code)


@pytest.mark.promise(
    "A login by another provider holds for its own state, nonce, signature and tab. It makes "
    "an account only for an address that the provider has verified, and never takes over an "
    "account",
    group="portal",
)
async def test_a_login_by_another_provider(people):
    with LocalProvider() as provider:
        async with people.client() as client:
            assert (await posted(client, "login/provider/begin")).status_code == 404
            at(people, provider)
            cleo = {"sub": "cleo", "email": CLEO, "email_verified": True}
            first = await by_provider(client, provider, **cleo)
            assert first.status_code == 200, first.text
            again = await by_provider(client, provider, **cleo)
            assert again.status_code == 200
            assert len(people.verified) == 1
            async with people.client(token=again.json()["access_token"]) as logged:
                assert (await logged.get("/v1/me")).json()["mail"] == CLEO
            none = await posted(client, "login", mail=CLEO, password="!")
            assert none.status_code == 401, "an account without a password"
            people.clock.advance(hours=25)
            refused = {
                "unverified": {"sub": "x", "email": "x@example.com"},
                "another nonce": {**cleo, "nonce": "other"},
                "for another client": {**cleo, "aud": "other"},
                "by another client": {**cleo, "aud": ["portal", "other"], "azp": "other"},
                "of no account": {**cleo, "sub": ""},
                "of another issuer": {**cleo, "iss": "https://evil.example"},
                "expired": {**cleo, "exp": 1_000},
            }
            for why, claims in refused.items():
                answer = await by_provider(client, provider, **claims)
                assert answer.status_code == 401, why
            provider.signs_with = rsa.generate_private_key(65537, 2048)
            assert (await by_provider(client, provider, **cleo)).status_code == 401
            provider.signs_with = provider.key
            begun = (await posted(client, "login/provider/begin")).json()
            state, code = provider.log_in(begun["url"], **cleo)
            other = await posted(client, "login/provider", state="other", code=code)
            assert other.status_code == 401
            assert (
                await posted(client, "login/provider", state=state, code=code)
            ).status_code == 200
            assert (
                await posted(client, "login/provider", state=state, code=code)
            ).status_code == 401


@pytest.mark.promise(
    "An address that was registered and never verified holds nothing. Its owner logs in there by "
    "a provider, registers it, or moves an account to it; the earlier code and password end",
    group="portal",
)
@pytest.mark.parametrize("way", ["provider", "registration", "change of address"])
async def test_an_unverified_claim_of_an_address_holds_nothing(people, way):
    with LocalProvider() as provider:
        at(people, provider)
        anna = await people.person(ANNA)
        async with people.client("198.51.100.9") as stranger, people.client() as client:
            theirs = {"mail": CLEO, "password": "a stranger's password"}
            assert (await posted(stranger, "register", **theirs)).status_code == 202
            await people.accounts.drain()
            code = people.mailbox.code(CLEO)
            people.clock.advance(minutes=1)
            if way == "provider":
                claims = {"sub": "cleo", "email": CLEO, "email_verified": True}
                answer = await by_provider(client, provider, **claims)
                assert answer.status_code == 200, answer.text
            elif way == "registration":
                mine = {"mail": CLEO, "password": PASSWORD}
                await posted(client, "register", **mine)
                await people.accounts.drain()
                mine["code"] = people.mailbox.code(CLEO)
                assert (await posted(client, "verify", **mine)).status_code == 200
            else:
                assert (await posted(anna, "mail", mail=CLEO, **PROOF)).status_code == 202
                await people.accounts.drain()
                codes = {
                    "code": people.mailbox.code(CLEO),
                    "old_code": people.mailbox.code(ANNA),
                }
                changed = await posted(anna, "mail/confirm", mail=CLEO, **codes)
                assert changed.status_code == 200, changed.text
            refused = await posted(stranger, "verify", **theirs, code=code)
            assert refused.status_code == 401
            assert (await posted(stranger, "login", **theirs)).status_code == 401


@pytest.mark.promise(
    "A password alone moves no account to another mail address: the old address gets a code, too, "
    "and the change needs both",
    group="portal",
)
async def test_another_address_needs_the_code_that_the_old_one_gets(people):
    anna = await people.person(ANNA)
    before = people.mailbox.code(ANNA)
    assert (await posted(anna, "mail", mail=CLEO, **PROOF)).status_code == 202
    await people.accounts.drain()
    new, old = people.mailbox.code(CLEO), people.mailbox.code(ANNA)
    assert len({before, new, old}) == 3
    (asked,) = [one for one in people.mailbox.mails if old in one.get_content()]
    assert asked["to"] == ANNA
    assert CLEO in asked.get_content()
    for code, consent in ((new, new), (new, before), (old, old), (new, "")):
        answer = await posted(anna, "mail/confirm", mail=CLEO, code=code, old_code=consent)
        assert answer.status_code == 401, answer.text
    answer = await posted(anna, "mail/confirm", mail=CLEO, code=new)
    assert answer.status_code == 422, "the old address's code is left out"
    done = await posted(anna, "mail/confirm", mail=CLEO, code=new, old_code=old)
    assert done.status_code == 200, done.text
    async with people.client() as client:
        assert (await posted(client, "login", mail=ANNA, **PROOF)).status_code == 401
        assert (await posted(client, "login", mail=CLEO, **PROOF)).status_code == 200


async def test_an_account_is_linked_to_the_provider_by_its_owner(people):
    with LocalProvider() as provider:
        at(people, provider)
        anna = await people.person(ANNA)
        claims = {"sub": "anna", "email": ANNA, "email_verified": True}
        async with people.client() as client:
            answer = await by_provider(client, provider, **claims)
            assert answer.json()["code"] == "not_linked"
            secret = (await posted(anna, "totp", **PROOF)).json()["secret"]
            totp = pyotp.TOTP(secret)
            code = totp.at(people.clock.at)
            assert (await posted(anna, "totp/confirm", code=code)).status_code == 200
            people.clock.advance(seconds=60)
            proof = {**PROOF, "totp": totp.at(people.clock.at)}
            assert (await posted(anna, "provider/link", **PROOF)).status_code == 401
            begun = (await posted(anna, "provider/link", **proof)).json()
            state, code = provider.log_in(begun["url"], **claims)
            body = {"state": state, "code": code, "totp": totp.at(people.clock.at)}
            led = await posted(client, "login/provider", **body)
            assert led.status_code == 401, "who was led to another's link links nothing"
            people.clock.advance(seconds=60)
            proof["totp"] = totp.at(people.clock.at)
            begun = (await posted(anna, "provider/link", **proof)).json()
            state, code = provider.log_in(begun["url"], **claims)
            people.clock.advance(seconds=60)
            body = {"state": state, "code": code, "totp": totp.at(people.clock.at)}
            assert (await posted(anna, "login/provider", **body)).status_code == 200
            without = await by_provider(client, provider, **claims)
            assert without.json()["code"] == "totp_required"


async def test_codes_of_an_authenticator_are_not_tried_through_the_provider(people, monkeypatch):
    """Each try has a login of the provider's, and comes from an address of its own."""
    monkeypatch.setattr(lockout, "MAIL_ANYWHERE", lockout.Rule(5, timedelta(seconds=30)))

    with LocalProvider() as provider:
        at(people, provider)
        claims = {"sub": "cleo", "email": "cleo@example.com", "email_verified": True}
        async with people.client() as client:
            assert (await by_provider(client, provider, **claims)).status_code == 200
        ((user_id,),) = [row.values() for row in await people.database.rows("select id from users")]
        secret = pyotp.random_base32().encode()
        key = people.accounts.key.seal(secret, f"totp {user_id}")
        query = "update users set totp_is_confirmed = true, totp_secret = %(key)s"
        await people.database.rows(query, key=key)
        statuses = []
        for number in range(8):
            async with people.client(f"198.51.{number}.7") as client:
                begun = (await posted(client, "login/provider/begin")).json()
                state, code = provider.log_in(begun["url"], **claims)
                body = {"state": state, "code": code, "totp": "000000"}
                statuses.append((await posted(client, "login/provider", **body)).status_code)
        assert statuses == [401] * 5 + [429] * 3


async def test_the_address_that_names_a_sub_account_is_its_parents(people):
    """Numbers of users are guessed: with such a row Anna could not make that sub-account."""
    anna, bert = await people.person(ANNA), await people.person(BERT)
    user_id = (await anna.get("/v1/me")).json()["id"]
    caller, subs = Caller("192.0.2.7"), SubAccounts(people.accounts)
    name = f"funding.{user_id}@sub.invalid"
    proof = PROOF | {"mail": name.upper()}
    for path in ("register", "mail", "password/forget"):
        body = proof if path != "password/forget" else {"mail": name}
        answer = await posted(bert, path, **body)
        assert answer.status_code == 422, (path, answer.text)
    with LocalProvider() as provider:
        at(people, provider)
        claims = {"sub": "evil", "email": name, "email_verified": True}
        assert (await by_provider(bert, provider, **claims)).status_code == 422
    assert (await subs.create(user_id, "Funding", caller))["mail"] == name
    await people.accounts.drain()
    assert not [one for one in people.mailbox.mails if one["to"] == name]


@pytest.mark.parametrize(("code", "given"), [(PARTICIPANT_KNOWN, 1001), ("", 1000)])
async def test_a_number_that_the_venue_knows_from_elsewhere_is_no_users(people, code, given):
    """By the refusal's code: its words may change, and may say anything."""
    asked = []

    def desk(request):
        asked.append(request["participant"])
        if len(asked) == 1:
            raise DeskError("there is a participant, or there is none", code)
        return {}

    await people.sign_up(ANNA)
    assigner = People(None, people.database, [1000, 1001], people.accounts.key, desk)
    assert await assigner.assign_all()
    assert not await assigner.assign_all()
    assert asked == [1000, given]


@pytest.mark.promise(
    "V2.1, V2.2, V2.5 (registration, recovery): by a mailed code, which is used once and ends"
    " after five tries or 15 minutes. Recovery ends every session; no question, no hint, no "
    "default account. A registration and a mail cost a proof of work, and each proof counts once",
    group="portal",
)
async def test_a_registration_costs_a_proof_of_work(people):
    altcha = pytest.importorskip("altcha")

    people.challenges.cost = 20
    async with people.client() as client:
        body = {"mail": ANNA, "password": PASSWORD}
        assert (await posted(client, "register", **body)).status_code == 428
        given = (await client.get("/v1/challenge")).json()
        assert given["algorithm"] == "ALTCHA"
        challenge = altcha.Challenge.from_dict(given["challenge"])
        solved = altcha.solve_challenge(challenge)
        solution = altcha.Payload(challenge, solved).to_base64()
        first = await posted(client, "register", **body, solution=solution)
        assert first.status_code == 202, first.text
        again = await posted(client, "register", **body, solution=solution)
        assert again.status_code == 428
        forged = json.loads(json.dumps(given["challenge"]))
        forged["parameters"]["cost"] = 1
        easy = altcha.Challenge.from_dict(forged)
        lie = altcha.Payload(easy, altcha.solve_challenge(easy)).to_base64()
        for wrong in (lie, "nonsense", "e30=", text_of(b'{"challenge": 1}')):
            answer = await posted(client, "register", **body, solution=wrong)
            assert answer.status_code == 428, wrong
            forgotten = await posted(client, "password/forget", mail=ANNA, solution=wrong)
            assert forgotten.status_code == 428


AFTER_FAILURES = (
    ("login", {"mail": ANNA, "password": "a wrong password"}, 401),
    ("login", {"mail": "stranger@example.com", "password": "a wrong password"}, 401),
    ("verify", {"mail": ANNA, "password": PASSWORD, "code": "00000000"}, 401),
    ("password/reset", {"mail": ANNA, "password": PASSWORD, "code": "00000000"}, 401),
)


@pytest.mark.promise(
    "V2.2.1 (guesses): after three failures of an address, ten from all networks, or twenty of a "
    "network, a guess costs a proof of work. So it does where there is no account",
    group="portal",
)
@pytest.mark.parametrize(("path", "body", "status"), AFTER_FAILURES)
async def test_a_guess_costs_a_proof_of_work_after_failures(people, path, body, status):
    await people.sign_up(ANNA)
    people.challenges.cost = 2

    async def guess(client, **more):
        return (await posted(client, path, **body, **more)).status_code

    async def solution(client):
        return solved((await client.get("/v1/challenge")).json()["challenge"])

    async with people.client() as client, people.client("198.51.100.7") as other:
        statuses = [await guess(client) for _ in range(5)]
        assert statuses == [status] * 3 + [428] * 2, "what is refused counts for no wait"
        proof = await solution(client)
        assert await guess(client, solution=proof) == status
        assert await guess(client, solution=proof) == 428, "a proof counts once"
        assert await guess(other) == status, "another network has not failed"
        right = {"mail": ANNA, "password": PASSWORD}
        if path == "login" and body["mail"] == ANNA:
            assert (await posted(client, "login", **right)).status_code == 428
            right["solution"] = await solution(client)
            assert (await posted(client, "login", **right)).status_code == 200
            assert await guess(client) == status, "a success forgets the failures"
    people.clock.advance(hours=25)
    async with people.client() as client:
        assert await guess(client) == status


@pytest.mark.parametrize("is_spread", [False, True])
async def test_failures_of_a_network_and_of_an_address_cost_a_proof_of_work(people, is_spread):
    """``is_spread``: one address from many networks; else many addresses from one network."""
    people.challenges.cost = 2
    statuses = []
    for number in range(22):
        network = f"198.51.{number}.7" if is_spread else "198.51.100.7"
        mail = ANNA if is_spread else f"person{number}@example.com"
        async with people.client(network) as client:
            answer = await posted(client, "login", mail=mail, password="a wrong password")
            statuses.append(answer.status_code)
    free = 10 if is_spread else 20
    assert statuses == [401] * free + [428] * (22 - free)


@pytest.mark.promise(
    "V2.1.6, V3.7.1 (changes): the mail address, passwords, factors and keys change only "
    "with the password again, and the authenticator if there is one",
    group="portal",
)
async def test_the_mail_address_is_changed_with_the_old_factor_and_the_new_address(people):
    anna = await people.person(ANNA)
    await people.sign_up(BERT)
    new = "anna@example.org"
    assert (await posted(anna, "mail", mail=new, password="not the password")).status_code == 401
    taken = await posted(anna, "mail", mail=BERT, **PROOF)
    free = await posted(anna, "mail", mail=new, **PROOF)
    assert (taken.status_code, taken.json()) == (free.status_code, free.json())
    await people.accounts.drain()
    codes = {"code": people.mailbox.code(new), "old_code": people.mailbox.code(ANNA)}
    assert (await posted(anna, "mail/confirm", mail=BERT, **codes)).status_code == 401
    assert (await posted(anna, "mail/confirm", mail=new, **codes)).status_code == 200
    assert (await anna.get("/v1/me")).json()["mail"] == new
    await people.log_in(new)
    await people.accounts.drain()
    titles = [one["subject"] for one in people.mailbox.mails if one["to"] == ANNA]
    assert titles[-1] == "TEST: your address was changed"


SAID = {
    "level": 2,
    "name": "Anna Alpha",
    "born": "1990-05-01",
    "country": "DE",
    "address": "Hauptstraße 1, Berlin",
}


@pytest.mark.promise(
    "V12.1 to V12.5 (uploads): a paper is of three kinds by its content, and bounded in size and "
    "number. It has a name that the portal chose, outside of what is served, readable by the "
    "portal's user alone",
    group="portal",
)
async def test_an_identity_is_submitted_reviewed_and_raises_the_level(people):
    anna, bert = await people.person(ANNA), await people.person(BERT)
    assert (await anna.get("/v1/identity")).json()["state"] == "none"
    people.accounts.levels = [0, 2]
    for change in (
        {"born": "2015-01-01"},
        {"country": "Germany"},
        {"level": 0},
        {"level": 7},
        {"name": "A\nB"},
        {"extra": 1},
    ):
        assert (await posted(anna, "identity", **(SAID | change))).status_code == 422, change
    pdf = b"%PDF-1.7 a passport"
    for kind, content, status in (
        ("passport", pdf, 201),
        ("passport", pdf, 201),
        ("passport", b"MZ a program", 422),
        ("poem", pdf, 422),
    ):
        answer = await anna.post(f"/v1/identity/papers?kind={kind}", content=content)
        assert answer.status_code == status
    assert (await posted(anna, "identity", **SAID)).status_code == 202
    assert (await posted(anna, "identity", **SAID)).json()["code"] == "not_now"
    shown = (await anna.get("/v1/identity")).json()
    assert (shown["state"], shown["level"], len(shown["papers"])) == ("submitted", 0, 1)
    hit = SAID | {"name": "Badenov, Bóris", "address": "Evil street 13 / 2"}
    assert (await posted(bert, "identity", **hit)).status_code == 202
    assert "Badenov" not in json.dumps((await bert.get("/v1/identity")).json()["papers"])
    one, other = await people.identities.waiting()
    assert (one["mail"], one["hits"]) == (ANNA, [])
    assert other["hits"] == ["Boris Badenov", "; 13 Evil Street"]
    (shown,) = await people.identities.papers_of(one["user_id"])
    path = Path(shown)
    assert path.read_bytes() == pdf
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(InvalidRequest, match="level: the portal has 0, 2"):
        await people.identities.decide(one["user_id"], True, 7, "papers agree", "olga")
    await people.identities.decide(one["user_id"], True, 2, "papers agree", "olga")
    await people.identities.decide(other["user_id"], False, 2, "see the letter", "olga")
    assert (await anna.get("/v1/me")).json()["level"] == 2
    refused = (await bert.get("/v1/identity")).json()
    assert (refused["state"], refused["reason"], refused["level"]) == (
        "refused",
        "see the letter",
        0,
    )
    assert (await posted(bert, "identity", **SAID)).status_code == 202, "once more"
    actions = [row["action"] for row in (await anna.get("/v1/audit")).json()]
    assert actions[:3] == ["identity decided", "identity submitted", "paper uploaded"]
