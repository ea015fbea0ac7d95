"""What one user asks for again and again keeps no other user, and no operator, waiting: mails,
transfers, withdrawals and requests at custody's door have turns and bounds of each user."""

import asyncio
import threading
from types import SimpleNamespace

import pytest

from openoutcry.custody.errors import CustodyError
from openoutcry.portal.accounts.accounts import MAILERS, MAILS_WAITING, Accounts
from openoutcry.portal.accounts.errors import TooMany, Unavailable
from openoutcry.portal.accounts.more_routes import UPLOADS_EACH
from openoutcry.portal.accounts.own_limits import KILLED, WAITING_AT_ONCE, OwnLimits
from openoutcry.portal.accounts.sub_accounts import Account
from openoutcry.portal.database import DatabaseError
from openoutcry.portal.money import custody as custodys
from openoutcry.portal.money.transfers import AT_ONCE, WAITING, Transfers, Wanted
from openoutcry.wire.load_limits import Threads, TurnsError
from tests.support.waiting import BOUND_S


class Gate:
    """Work that waits until it is let through; what came is in ``seen``."""

    def __init__(self):
        self.seen, self.open = [], threading.Event()

    def __call__(self, *terms):
        self.seen.append(terms)
        assert self.open.wait(BOUND_S)
        return {}


async def until(condition):
    async with asyncio.timeout(BOUND_S):
        while not condition():
            await asyncio.sleep(0.001)


async def test_threads_go_round_among_owners_and_refuse_what_is_too_much():
    gate, threads = Gate(), Threads("work", 2, 1, 3)

    eves = [asyncio.create_task(threads.run("eve", gate, "eve", n)) for n in range(10)]
    await until(lambda: gate.seen)
    annas = asyncio.create_task(threads.run("anna", gate, "anna"))
    await until(lambda: len(gate.seen) == 2)
    gate.open.set()
    said = await asyncio.gather(annas, *eves, return_exceptions=True)
    assert gate.seen[:2] == [("eve", 0), ("anna",)]
    assert sum(isinstance(one, TurnsError) for one in said) == 10 - 1 - 3


@pytest.mark.promise(
    "One user's many mails, transfers, withdrawals or requests at custody keep no other user and "
    "no operator waiting: each user has a turn and a bound of what waits",
    group="portal",
)
async def test_a_mail_of_another_user_does_not_wait_for_many_of_one():
    gate = Gate()
    key = SimpleNamespace(derived=lambda name: b"k" * 32)

    def gone():
        raise DatabaseError("nothing is written down")

    accounts = Accounts(SimpleNamespace(transaction=gone), key, gate, "TEST")
    user = {"mail": "eve@example.com", "language": "en", "mail_word": ""}

    for _ in range(500):
        accounts.mail(user, "known")
    accounts.mail(user, "word", undo="https://example.com/#/undo/x")
    accounts.mail(user | {"mail": "anna@example.com"}, "known")
    await until(lambda: len(gate.seen) == MAILERS)
    gate.open.set()
    await accounts.drain()
    order = [recipient for recipient, *_ in gate.seen]
    assert "anna@example.com" in order[: MAILERS + 1]
    assert len(order) == 1 + MAILS_WAITING + 2, "few wait, and the link is among them"
    assert any("/undo/" in text for _, _, text in gate.seen)


async def test_lower_limits_of_one_owner_keep_no_other_owners_kill_switch_waiting():
    gate = Gate()

    class Held(OwnLimits):
        async def _written(self, user_id, name, *rest):
            return {"id": f"{user_id} {name}", "is_set": False}, ""

        async def _sent(self, number):
            await asyncio.to_thread(gate, number)
            return {"id": number}

    markets = SimpleNamespace(every=[], assets={})
    limits = Held(SimpleNamespace(), SimpleNamespace(database=None), markets, gate)

    eves = [
        asyncio.create_task(limits.put(1 + n % 2, ("open_orders", "", "5"), None, 0, 1))
        for n in range(100)
    ]
    await until(lambda: gate.seen)
    kill = KILLED, "", "true"
    kills = [asyncio.create_task(limits.put(n, kill, None, 0, n)) for n in (3, 1)]
    await asyncio.sleep(0)
    gate.open.set()
    said = await asyncio.gather(*kills, *eves, return_exceptions=True)
    order = [number for (number,) in gate.seen]
    assert set(order[1:3]) == {"3 killed", "1 killed"}, "also the owner's own"
    assert len(order) == 2 + 1 + WAITING_AT_ONCE, "of the owner's accounts together"
    assert sum(isinstance(one, TooMany) for one in said) == 100 - 1 - WAITING_AT_ONCE


async def test_transfers_of_one_user_are_taken_on_one_after_the_other():
    """The venue's desk does one request after the other, and the operators' freeze is one."""
    gate = Gate()

    class Held(Transfers):
        async def _recorded(self, user_id, wanted, caller):
            return {"id": int(wanted.client_id), "state": "begun", "user_id": user_id}

        async def _step(self, row):
            await self._threads.run("", gate, row["user_id"])
            return row | {"state": "done"}

        async def one(self, user_id, number):
            return {"id": number, "state": "done"}

    accounts = SimpleNamespace(database=None)
    transfers = Held(accounts, SimpleNamespace(), lambda request: {})
    ends = Account(1, 1000, "", ""), Account(2, 1001, "", "")

    async def begin(user, number):
        return await transfers.begin(user, Wanted(f"{number}", *ends, "USD", 1), None)

    eves = [asyncio.create_task(begin(1, number)) for number in range(100)]
    await until(lambda: gate.seen)
    annas = asyncio.create_task(begin(2, 1_000))
    await until(lambda: len(gate.seen) == AT_ONCE)
    assert gate.seen == [(1,), (2,)]
    gate.open.set()
    assert (await annas)["state"] == "done"
    said = await asyncio.gather(*eves, return_exceptions=True)
    assert sum(isinstance(one, TooMany) for one in said) == 100 - 1 - WAITING
    assert not transfers._locks


async def test_a_door_of_custody_that_does_not_answer_holds_its_own_threads_alone(
    monkeypatch, tmp_path
):
    gate = Gate()

    def ask(*terms):
        gate(*terms)
        raise CustodyError("no answer")

    monkeypatch.setattr(custodys, "ask", ask)
    custody = custodys.Custody(tmp_path / "door")

    eves = [asyncio.create_task(custody.form("BTC", 1000, "a")) for _ in range(100)]
    await until(lambda: gate.seen)
    assert await asyncio.to_thread(lambda: "at once") == "at once"
    annas = asyncio.create_task(custody.form("BTC", 1001, "a"))
    await until(lambda: len(gate.seen) == 2)
    gate.open.set()
    said = await asyncio.gather(annas, *eves, return_exceptions=True)
    assert isinstance(said[0], Unavailable)
    assert sum(isinstance(one, TooMany) for one in said) == 100 - 1 - custodys.WAITING


async def test_a_user_has_few_papers_on_their_way(people):
    """Each is in the portal's memory until it is whole."""
    anna, bert = [await people.person(f"{one}@example.com") for one in ("anna", "bert")]
    may_end, begun = asyncio.Event(), []

    async def slowly():
        begun.append(1)
        yield b"\x89PNG"
        await may_end.wait()
        yield b"\r\n\x1a\n" + bytes(64)

    async def sent(client, content):
        return await client.post("/v1/identity/papers?kind=passport", content=content)

    whole = b"\x89PNG\r\n\x1a\n" + bytes(64)
    slow = [asyncio.create_task(sent(anna, slowly())) for _ in range(UPLOADS_EACH)]
    await until(lambda: len(begun) == UPLOADS_EACH)
    refused = await sent(anna, whole)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert (await sent(bert, whole)).status_code == 201
    may_end.set()
    assert {one.status_code for one in await asyncio.gather(*slow)} == {201}
    assert (await sent(anna, whole)).status_code == 201
    for client in (anna, bert):
        await client.aclose()
