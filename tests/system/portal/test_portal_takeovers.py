"""Who holds an old mailbox, a copied passkey or a session that was just ended keeps nothing: what
was proved is looked at again where it takes effect."""

import asyncio
from collections import defaultdict
from types import SimpleNamespace

import pytest

from openoutcry.portal.accounts import accounts, identities, more_routes
from openoutcry.portal.accounts.errors import AccountError, InvalidRequest
from openoutcry.portal.native import idempotency
from openoutcry.portal.native.callers import Asking
from openoutcry.portal.native.problems import InProgress, of_reject
from openoutcry.portal.notices import notices
from openoutcry.portal.settings import PortalFile
from openoutcry.portal.spot import errors
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.trading.reject import Code, Reject
from tests.support.portal.authenticator import Authenticator, text_of
from tests.support.portal.people import DOMAIN, ORIGIN, PASSWORD
from tests.support.portal.provider import LocalProvider
from tests.support.waiting import BOUND_S
from tests.system.portal.test_portal_people import at, logged_in, posted, with_passkey

ANNA, NEW, THIEF = "anna@example.com", "anna@example.org", "thief@example.com"
PROOF = {"password": PASSWORD}


async def new_address(people, client, mail=NEW):
    await posted(client, "mail", mail=mail, **PROOF)
    await people.accounts.drain()
    codes = {"code": people.mailbox.code(mail), "old_code": people.mailbox.code(ANNA)}
    return {"mail": mail, **codes}


@pytest.mark.promise(
    "What a login or a change of an account rests on counts once, and only while it is valid,"
    " also at the same moment. So it is with codes, refresh tokens, passkeys, the mail "
    "address and the session",
    group="portal",
)
async def test_a_code_of_the_old_address_resets_nothing_after_a_change(people):
    anna = await people.person(ANNA)
    async with people.client("203.0.113.5") as thief:
        await posted(thief, "password/forget", mail=ANNA)
        await people.accounts.drain()
        stolen = people.mailbox.code(ANNA)
        body = await new_address(people, anna)
        assert (await posted(anna, "mail/confirm", **body)).status_code == 200
        body = {"mail": NEW, "code": stolen, "password": "the thief's passphrase"}
        assert (await posted(thief, "password/reset", **body)).status_code == 401
    await people.log_in(NEW)


@pytest.mark.parametrize("what", ["forget", "reset"])
async def test_a_reset_that_a_change_of_address_overtakes_is_none(people, what):
    anna, accounts = await people.person(ANNA), people.accounts
    change = await new_address(people, anna)
    async with people.client("203.0.113.5") as thief:
        body = {"mail": ANNA}
        if what == "reset":
            await posted(thief, "password/forget", **body)
            await accounts.drain()
            code = people.mailbox.code(ANNA)
            body |= {"code": code, "password": "the thief's passphrase"}
        find = accounts._user

        async def found(mail):
            row = await find(mail)
            accounts._user = find
            assert (await posted(anna, "mail/confirm", **change)).status_code == 200
            return row

        accounts._user = found
        await posted(thief, f"password/{what}", **body)
        await accounts.drain()
        if what == "forget":
            code = people.mailbox.code(ANNA)
            body = {"mail": NEW, "code": code, "password": "the thief's passphrase"}
            assert (await posted(thief, "password/reset", **body)).status_code in (401, 422)
    await people.log_in(NEW)


@pytest.mark.promise(
    "What a login or a change of an account rests on counts once, and only while it is valid,"
    " also at the same moment. So it is with codes, refresh tokens, passkeys, the mail "
    "address and the session",
    group="portal",
)
async def test_a_passkey_that_is_removed_during_its_login_allows_no_login(people):
    anna, device = await with_passkey(people, ANNA)
    (row,) = (await anna.get("/v1/passkeys")).json()
    find, path = people.database.row, f"passkeys/{row['id']}/remove"

    async def removed(query, **values):
        found = await find(query, **values)
        if "from passkeys" in query:
            people.database.row = find
            assert (await posted(anna, path, **PROOF)).status_code == 200
        return found

    people.database.row = removed
    async with people.client() as thief:
        assert (await logged_in(thief, device)).status_code == 401
    assert len((await anna.get("/v1/sessions")).json()) == 1


async def test_a_copied_passkey_and_the_real_one_do_not_both_log_in_at_once(people):
    """Both answers have the same count, and both are looked at before either is written."""
    _, device = await with_passkey(people, ANNA)
    count, answers = device.count, []
    async with people.client() as client:
        for _ in range(2):
            begun = (await posted(client, "login/passkey/begin")).json()
            device.count = count
            signed = device.sign(begun["options"])
            answers.append({"ticket": begun["ticket"], "credential": signed})
        find, both = people.database.row, asyncio.Barrier(2)

        async def found(query, **values):
            row = await find(query, **values)
            if "from passkeys" in query:
                await both.wait()
            return row

        people.database.row = found
        done = await asyncio.gather(
            *(posted(client, "login/passkey", **answer) for answer in answers)
        )
    assert sorted(one.status_code for one in done) == [200, 401]


@pytest.mark.promise(
    "What a login or a change of an account rests on counts once, and only while it is valid,"
    " also at the same moment. So it is with codes, refresh tokens, passkeys, the mail "
    "address and the session",
    group="portal",
)
@pytest.mark.parametrize("what", ["mail", "passkey", "authenticator", "provider"])
async def test_a_session_that_is_ended_during_a_request_leaves_nothing(people, what):
    await people.sign_up(ANNA)
    thief = people.client("203.0.113.5", (await people.log_in(ANNA))["access_token"])
    with LocalProvider() as provider:
        at(people, provider)
        path, body = await prepared(people, thief, provider, what)
        owned, name = {
            "mail": (people.accounts, "spend_code"),
            "passkey": (people.passkeys.tickets, "use"),
            "authenticator": (people.accounts, "_use_totp"),
            "provider": (people.provider, "_claims"),
        }[what]
        owner, ended = people.client(token=(await people.log_in(ANNA))["access_token"]), []
        real = getattr(owned, name)

        async def overtaken(*values):
            """The owner logs out everywhere after the last check."""
            found = await real(*values)
            if not ended:
                ended.append((await owner.post("/v1/logout-everywhere")).status_code)
            return found

        setattr(owned, name, overtaken)
        answer = await posted(thief, path, **body)
        assert ended == [200]
        assert answer.status_code == 401, answer.text
    query = """
            select mail, totp_is_confirmed, provider_subject,
                (select count(*) from passkeys) as passkeys from users
        """
    row = await people.database.row(query)
    expected = {"mail": ANNA, "totp_is_confirmed": False, "provider_subject": None}
    assert row == expected | {"passkeys": 0}


async def prepared(people, thief, provider, what):
    """The last request of what a thief who knows the password has begun: its path and body."""
    if what == "mail":
        return "mail/confirm", await new_address(people, thief, THIEF)
    if what == "passkey":
        begun = (await posted(thief, "passkeys/begin", **PROOF)).json()
        made = Authenticator(ORIGIN, DOMAIN).make(begun["options"])
        return "passkeys", {"ticket": begun["ticket"], "label": "x", "credential": made}
    if what == "authenticator":
        pyotp = pytest.importorskip("pyotp")
        secret = (await posted(thief, "totp", **PROOF)).json()["secret"]
        return "totp/confirm", {"code": pyotp.TOTP(secret).at(people.clock.at)}
    begun = (await posted(thief, "provider/link", **PROOF)).json()
    claims = {"sub": "thief", "email": THIEF, "email_verified": True}
    state, code = provider.log_in(begun["url"], **claims)
    return "login/provider", {"state": state, "code": code}


async def at_once(people, path, **body):
    """The same request from six addresses at once: the statuses, sorted."""
    clients = [people.client(f"203.0.113.{number}") for number in range(6)]
    answers = await asyncio.gather(*(posted(client, path, **body) for client in clients))
    for client in clients:
        await client.aclose()
    return sorted(one.status_code for one in answers)


@pytest.mark.promise(
    "What a login or a change of an account rests on counts once, and only while it is valid,"
    " also at the same moment. So it is with codes, refresh tokens, passkeys, the mail "
    "address and the session",
    group="portal",
)
async def test_what_counts_once_counts_once_at_the_same_moment(people):
    pyotp = pytest.importorskip("pyotp")

    anna = await people.person(ANNA)
    secret = (await posted(anna, "totp", **PROOF)).json()["secret"]
    totp = pyotp.TOTP(secret)
    code = totp.at(people.clock.at)
    assert (await posted(anna, "totp/confirm", code=code)).status_code == 200
    people.clock.advance(seconds=60)
    login = {"mail": ANNA, **PROOF, "totp": totp.at(people.clock.at)}
    assert await at_once(people, "login", **login) == [200] + [401] * 5
    people.clock.advance(hours=25)
    tokens = await people.log_in(ANNA, totp=totp.at(people.clock.at))
    again = {"refresh_token": tokens["refresh_token"]}
    assert await at_once(people, "refresh", **again) == [200] + [401] * 5
    async with people.client(token=tokens["access_token"]) as ended:
        assert (await ended.get("/v1/me")).status_code == 401, "one of them was a thief"
    people.clock.advance(hours=25)
    await posted(anna, "password/forget", mail=ANNA)
    await people.accounts.drain()
    new = {"mail": ANNA, "code": people.mailbox.code(ANNA), "password": "another passphrase"}
    new["totp"] = totp.at(people.clock.at)
    assert await at_once(people, "password/reset", **new) == [200] + [401] * 5


@pytest.fixture
def few_papers(monkeypatch):
    """An account keeps three papers and uploads eight at once; set before there is a portal."""
    monkeypatch.setattr(identities, "MAX_PAPERS", 3)
    monkeypatch.setattr(more_routes, "UPLOADS_EACH", 8)


@pytest.mark.promise(
    "V11.1.4, V12.1.1 (bounds): bodies, connections, weights, orders, hashing, papers and "
    "rows of the database have limits for each owner, by address, network or key; beyond them"
    " nothing is done",
    group="portal",
)
async def test_papers_beyond_an_accounts_share_are_not_kept(few_papers, people):
    anna, path = await people.person(ANNA), "/v1/identity/papers?kind=passport"
    papers = [b"%PDF-" + bytes([number]) for number in range(8)]
    sent = await asyncio.gather(*(anna.post(path, content=one) for one in papers))
    assert sorted(one.status_code for one in sent) == [201] * 3 + [422] * 5
    kept = [one for one in (people.folder / "papers").rglob("*") if one.is_file()]
    assert len(kept) == 3
    known = next(one for one, answer in zip(papers, sent, strict=True) if answer.is_success)
    assert (await anna.post(path, content=known)).status_code == 201


@pytest.mark.parametrize("what", ["alerts", "subscriptions"])
async def test_a_share_is_not_exceeded_by_asking_at_once(people, monkeypatch, what):
    monkeypatch.setattr(notices, f"MOST_{what.upper()}", 3)
    market = SimpleNamespace(
        index=0, symbol="BTC-USD", ticks_of=int, price=str, by_index=defaultdict(lambda: market)
    )
    mirror = SimpleNamespace(seq=1, markets=market)

    anna = await people.person(ANNA)
    user_id = (await anna.get("/v1/me")).json()["id"]
    desk = notices.Notices(people.accounts, mirror, None, PortalFile())
    keys = text_of(bytes(65)), text_of(bytes(16))

    async def ask(number):
        if what == "alerts":
            await desk.new_alert(user_id, market, "above", str(number + 1))
        else:
            url = f"https://push.example/{number}"
            await desk.subscribe(user_id, url, *keys, "phone")

    done = await asyncio.gather(*map(ask, range(12)), return_exceptions=True)
    assert sum(one is None for one in done) == 3, done
    assert all(one is None or isinstance(one, InvalidRequest) for one in done)


async def log_in_often(people, user_id):
    for _ in range(12):
        await people.log_in(ANNA)


async def begin_often(people, user_id):
    async with people.client("198.51.100.4") as stranger:
        for _ in range(12):
            assert (await posted(stranger, "login/passkey/begin")).status_code == 200
            people.clock.advance(minutes=20)


async def alert_often(people, user_id):
    market = SimpleNamespace(index=0, symbol="X", ticks_of=int, price=str)
    market.by_index = [market]
    mirror = SimpleNamespace(seq=1, markets=market)
    desk = notices.Notices(people.accounts, mirror, None, PortalFile())
    for _ in range(12):
        await desk.new_alert(user_id, market, "above", "1")
        await people.database.rows("update price_alerts set fired_at = now()")


def asked_once(people, user_id, handler):
    """A function that asks with a key, as the portal's own API does."""

    async def of_request(request):
        return Asking(user_id, 0, True, True, "192.0.2.1", True)

    async def body():
        return b""

    callers = SimpleNamespace(accounts=people.accounts, of_request=of_request)
    once = idempotency.Once(people.database, people.accounts.key, callers, None)
    scope = {"path": "/v1/quotes/requests", "query_string": b""}

    def ask(key):
        headers = {"idempotency-key": key}
        asked = SimpleNamespace(headers=headers, method="POST", scope=scope, body=body)
        return once.answer(asked, handler)

    return ask


async def answer_often(people, user_id):
    async def handler(request):
        return SimpleNamespace(status_code=200, body=b"done")

    ask = asked_once(people, user_id, handler)
    for number in range(12):
        await ask(f"key-{number}")
        people.clock.advance(seconds=1)


UNANSWERED, NOT_SENT = Reject(Code.UNKNOWN_OUTCOME), Reject(Code.UNAVAILABLE)


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ApiError(errors.TIMEOUT, "no answer"), InProgress),
        (ApiError(errors.DISCONNECTED, "not sent"), ApiError),
        (of_reject(UNANSWERED), InProgress),
        (of_reject(NOT_SENT), AccountError),
    ],
    ids=["-1007", "-1001", "unanswered", "not sent"],
)
async def test_what_the_venue_did_not_answer_is_not_done_again_for_its_key(people, error, again):
    done = []

    async def handler(request):
        done.append(request)
        raise error

    anna = await people.person(ANNA)
    ask = asked_once(people, (await anna.get("/v1/me")).json()["id"], handler)
    with pytest.raises(type(error)):
        await ask("key")
    with pytest.raises(again):
        await ask("key")
    assert len(done) == (1 if again is InProgress else 2)


@pytest.mark.promise(
    "V11.1.4, V12.1.1 (bounds): bodies, connections, weights, orders, hashing, papers and "
    "rows of the database have limits for each owner, by address, network or key; beyond them"
    " nothing is done",
    group="portal",
)
@pytest.mark.parametrize(
    ("table", "often"),
    [
        ("sessions", log_in_often),
        ("tickets", begin_often),
        ("price_alerts", alert_often),
        ("answers", answer_often),
    ],
)
async def test_what_is_left_in_the_database_is_bounded(people, monkeypatch, table, often):
    for module, name, value in (
        (accounts, "MAX_SESSIONS", 2),
        (accounts, "ENDED_KEPT", 2),
        (notices, "MOST_ALERTS", 3),
        (idempotency, "MOST_KEPT", 4),
        (idempotency, "FORGET_EVERY", 1),
    ):
        monkeypatch.setattr(module, name, value, raising=False)

    anna = await people.person(ANNA)
    await often(people, (await anna.get("/v1/me")).json()["id"])
    row = await people.database.row(f"select count(*) from {table}")
    assert 0 < row["count"] <= 6


@pytest.mark.promise(
    "V2.2.1, V3.1 (accounts): answers, statuses and their times are the same for an address "
    "with and without an account, and wrong attempts lock either",
    group="portal",
)
@pytest.mark.parametrize("path", ["password/forget", "mail"])
async def test_the_answer_about_a_mail_does_not_wait_for_it(people, path):
    """The code is made and written down after the answer."""
    anna, accounts, free = await people.person(ANNA), people.accounts, asyncio.Event()
    new_code = accounts.new_code

    async def held(*values):
        await free.wait()
        return await new_code(*values)

    accounts.new_code = held
    body = {"mail": ANNA} if path != "mail" else {"mail": NEW, **PROOF}
    answer = await asyncio.wait_for(posted(anna, path, **body), BOUND_S)
    assert answer.status_code == 202
    free.set()
    await accounts.drain()
    assert people.mailbox.code(body["mail"])
