"""A portal of several processes at one address: what one does the others know, and one that is
killed loses and doubles nothing."""

import asyncio
import json
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import SimpleNamespace

import httpx
import pytest

from openoutcry.host.processes import named_children
from openoutcry.portal.accounts.operators import Operator, Operators, Why
from openoutcry.portal.database import Database
from openoutcry.portal.money.custody import WithdrawalError
from openoutcry.portal.money.transfers import Transfers
from openoutcry.portal.money.withdrawals import Withdrawals
from openoutcry.portal.settings import PortalFile
from openoutcry.portal.trading.holds import Holds
from openoutcry.risk.bits import ParticipantStatus
from openoutcry.venue.desk import DeskError
from tests.support import plain_http
from tests.support.console.websockets_patient import connect
from tests.support.portal.portal_venue import CHOICES, PortalVenue
from tests.support.waiting import BOUND_S, wait_until

USD, BTC = 10**6, 10**8
COUNT = 2
LIMITS = """
[limits]
weight_a_minute = 1000000
key_weight_a_minute = 1000000
orders_in_10_s = 100000
"""


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    (folder / "limits.toml").write_text(CHOICES + LIMITS)
    options = "--settings=limits.toml", f"--processes={COUNT}"
    with PortalVenue(folder, 24, *options) as venue:
        yield venue


def workers(portal):
    """Pid of each process, by its name."""
    return dict(named_children(portal.portal.pid))


def client_of(portal, person, index):
    """A client whose connection is served by that process."""
    found = []

    def comes_there():
        client = portal.client(person)
        if client.http.get("/readyz").json()["process"] == index:
            found.append(client)
            return True
        client.http.close()
        return False

    wait_until(comes_there, f"a connection to process {index}")
    return found[0]


@pytest.fixture
def both(portal):
    """Two people, of whom each process has the session of one, and a client of each person at each
    process."""
    funds = {"USD": 10**6 * USD, "BTC": 100 * BTC}
    people = [portal.person(**funds) for _ in range(COUNT)]
    people.sort(key=lambda person: person.participant % COUNT)
    assert [person.participant % COUNT for person in people] == list(range(COUNT))
    with ExitStack() as stack:
        yield [
            [stack.enter_context(client_of(portal, person, index)) for index in range(COUNT)]
            for person in people
        ]


def weights_of_a_minute(*clients):
    """The weight that each is shown for one more request; it begins at 0 with each minute."""
    minute, weights = 0, []
    while minute != time.time() // 60:
        minute = time.time() // 60
        answers = [client.http.get("/api/v3/ping") for client in clients]
        weights = [int(answer.headers["x-mbx-used-weight-1m"]) for answer in answers]
    return weights


@pytest.mark.promise(
    "All processes of a portal share orders, limits, remembered requests and listen keys",
    group="portal",
)
def test_what_one_process_does_the_others_know(portal, both):
    for clients in both:
        one, two = clients
        for number in range(10):
            name = f"seen-{number}"
            placed = clients[number % 2].order("BUY", "0.01", "100", newClientOrderId=name)
            assert placed.status_code == 200, placed.text
            other = clients[1 - number % 2]
            shown = other.get("/api/v3/order", symbol="BTCUSD", origClientOrderId=name).json()
            assert shown["orderId"] == placed.json()["orderId"]
            twice = other.order("BUY", "0.01", "100", newClientOrderId=name)
            assert twice.json() == {"code": -2010, "msg": "Duplicate order sent."}
            gone = other.request("DELETE", "/api/v3/order", symbol="BTCUSD", origClientOrderId=name)
            assert gone.json()["status"] == "CANCELED", gone.text
        terms = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
        query = one.signed(**terms, quantity="0.1", price="100")
        assert one.http.post(f"/api/v3/order?{query}").status_code == 200
        assert two.http.post(f"/api/v3/order?{query}").json()["code"] == -1021
        counts = weights_of_a_minute(one, two, one, two)
        assert counts == sorted(set(counts)), "one count of all processes"
        two.request("DELETE", "/api/v3/openOrders", symbol="BTCUSD")


def test_a_stream_at_one_process_has_what_is_ordered_at_another(portal, both):
    for one, two in both:
        key = one.http.post("/api/v3/userDataStream").json()["listenKey"]
        assert two.http.post("/api/v3/userDataStream").json()["listenKey"] == key
        assert two.http.put(f"/api/v3/userDataStream?listenKey={key}").status_code == 200
        with ExitStack() as stack:
            streams = [
                stack.enter_context(connect(f"{portal.url.replace('http', 'ws')}/ws/{key}"))
                for _ in range(6)
            ]
            placed = one.order("BUY", "0.01", "100").json()
            taken = two.order("SELL", "0.01", "100").json()
            for stream in streams:
                orders = []
                while taken["orderId"] not in orders:
                    event = json.loads(stream.recv(BOUND_S))
                    if event["e"] == "executionReport":
                        orders.append(event["i"])
                assert placed["orderId"] in orders
        assert two.http.delete(f"/api/v3/userDataStream?listenKey={key}").status_code == 200
        assert one.http.put(f"/api/v3/userDataStream?listenKey={key}").status_code == 400


def test_metrics_are_those_of_all_processes(portal, both):
    def counted():
        text = plain_http.get(f"{portal.url}/metrics").text
        rows = [row for row in text.splitlines() if row.startswith("outcry_portal_requests_total")]
        return sum(float(row.rpartition(" ")[2]) for row in rows if "/api/v3/ping" in row)

    before = counted()
    for clients in both:
        for client in clients:
            client.http.get("/api/v3/ping")
    # A request is counted once its answer is on its way.
    wait_until(lambda: counted() >= before + COUNT * COUNT, "all are counted")
    assert counted() == before + COUNT * COUNT


@pytest.mark.promise(
    "Whatever process of the portal is killed, no order, transfer, request with an "
    "Idempotency-Key, notification or message of a stream is lost or doubled. The other "
    "processes serve meanwhile",
    group="portal",
)
@pytest.mark.parametrize("victim", [*(f"web {index}" for index in range(COUNT)), "reader"])
def test_a_killed_process_loses_and_doubles_no_order(portal, both, victim):
    names = [[f"kill-{victim.replace(' ', '-')}-{n}" for n in range(40)] for _ in both]

    def entered(person, name):
        """At any process, until it is answered."""
        answers = []
        while not answers or answers[-1] is None:
            try:
                with portal.client(person) as client:
                    answers.append(
                        client.order("BUY", "0.001", "100", newClientOrderId=name).json()
                    )
            except httpx.TransportError:
                answers.append(None)
            else:
                if answers[-1].get("code") in (-1001, -1007):
                    answers.append(None)
        return answers[-1]

    people = [clients[0].person for clients in both]
    before = workers(portal)
    with ThreadPoolExecutor(8) as pool:
        work = [
            pool.submit(entered, person, name)
            for person, own in zip(people, names, strict=True)
            for name in own
        ]
        wait_until(lambda: sum(one.done() for one in work) >= 10, "orders are under way")
        os.kill(before[victim], signal.SIGKILL)
        answers = [one.result() for one in work]
    for answer in answers:
        known = answer == {"code": -2010, "msg": "Duplicate order sent."}
        assert answer.get("status") == "NEW" or known, answer
    wait_until(lambda: workers(portal).keys() == before.keys(), "it is started again")
    assert workers(portal)[victim] != before[victim]
    for person, own in zip(people, names, strict=True):
        for place in range(COUNT):
            with client_of(portal, person, place) as client:
                rows = client.get("/api/v3/openOrders", symbol="BTCUSD").json()
                there = [row["clientOrderId"] for row in rows]
                assert sorted(name for name in there if name in own) == sorted(own)
        with portal.client(person) as client:
            client.request("DELETE", "/api/v3/openOrders", symbol="BTCUSD")


def test_after_a_death_of_the_venue_each_process_knows_what_another_was_answered(portal, both):
    """Also before its next look at the venue: it finds the one that has begun since."""
    portal.venue.kill()
    portal.venue.start()
    for number, (one, two) in enumerate(both):
        order = {"newClientOrderId": f"restart-{number}"}
        wait_until(
            lambda: one.order("BUY", "0.001", "100", **order).status_code == 200,  # noqa: B023
            "the venue takes the order",
        )
        gone = two.request(
            "DELETE", "/api/v3/order", symbol="BTCUSD", origClientOrderId=f"restart-{number}"
        )
        assert gone.json().get("status") == "CANCELED", gone.text


class Desk:
    """The venue's desk with one wallet, or custody's door: refuses what is not held."""

    def __init__(self):
        self.held, self.reserved = 0, {}

    def __call__(self, request):
        if request["do"] == "withdrawal-request":
            self.take(request["reference"], request["amount"])
        elif request["do"] == "withdrawal-cancel":
            del self.reserved[request["movement"]]
        return {}

    def take(self, reference, amount):
        if amount > self.held:
            raise DeskError("not so much is held", "insufficient_balance")
        self.reserved[reference] = amount

    async def withdraw(self, row, changes):
        try:
            self.take(row["reference"], row["amount"])
        except DeskError as error:
            raise WithdrawalError(error.code, str(error)) from None

    async def cancel(self, row):
        del self.reserved[row["reference"]]


ROWS = """
    with one as (insert into withdrawals (user_id, participant, reference, client_id, asset,
        network, address, given, chain, salt, device, tag, amount, state, created_at, changed_at)
        select id, 1000, 'wd '||%(chain)s, %(chain)s, 'USD', 'WIRE', 'DE', 'DE', %(chain)s, '', '',
            '', 5, 'confirmed', now(), now() from users returning *),
    other as (insert into transfers (user_id, source_id, target_id, source, target, reference,
        client_id, asset, amount, state, created_at, changed_at)
        select id, id, id, 1000, 1001, 'tr '||%(chain)s, %(chain)s, 'USD', 5, 'begun', now(),
            now() from users returning *)
    select (select to_json(one) from one) as withdrawal, (select to_json(other) from other) as
        transfer
"""


@pytest.mark.promise(
    "A withdrawal or a transfer that one process of the portal was refused reserves nothing at the "
    "venue or custody, although another process asks for it later",
    group="portal",
)
async def test_what_one_process_was_refused_is_not_taken_for_another(people):
    """The other process has read the row before it was refused; the money comes in between."""
    mirror = SimpleNamespace(movement=lambda reference: None, is_open=True)
    mirror.markets = SimpleNamespace(assets={"USD": 2})

    await people.sign_up("anna@example.com")
    for chain in ("", "LTC"):
        desk = Desk()
        (row,) = await people.database.rows(ROWS, chain=chain)
        for is_first in (True, False):
            desk.held = 0 if is_first else 5
            one = Withdrawals(people.accounts, mirror, PortalFile(), desk)
            one.custody = desk
            if chain:
                await one._hand_over(row["withdrawal"])
            else:
                await one._enter(row["withdrawal"])
                await Transfers(people.accounts, mirror, desk)._finish(row["transfer"])
            assert desk.reserved == {}
        query = "select state from withdrawals where chain = %(chain)s"
        assert await people.database.rows(query, chain=chain) == [{"state": "refused"}]
    rows = await people.database.rows("select state from transfers where client_id = ''")
    assert rows == [{"state": "refused"}]


class Suspensions:
    """What the venue's desk does about one participant, each reference once."""

    def __init__(self):
        self.known, self.is_suspended, self.random = set(), False, random.Random(76)
        self.turn = threading.Lock()

    def __call__(self, request):
        time.sleep(self.random.random() / 100)
        with self.turn:
            wanted = request["do"] == "participant-suspend"
            if request["reference"] in self.known:
                return {}
            if wanted is self.is_suspended:
                raise DeskError("it is so already")
            self.known.add(request["reference"])
            self.is_suspended = wanted
        time.sleep(self.random.random() / 100)
        return {}

    def status(self, participant):
        return ParticipantStatus.SUSPENDED if self.is_suspended else ParticipantStatus.ACTIVE


@pytest.mark.promise(
    "What operators freeze and unfreeze at several processes of the portal at once is at the "
    "venue what the last one of them has chosen",
    group="portal",
)
async def test_the_venue_has_what_the_last_operator_chose_at_any_process(people):
    desk = Suspensions()

    await people.sign_up("anna@example.com")
    query = "update users set participant = 1000, is_open = true returning id"
    ((user,),) = [row.values() for row in await people.database.rows(query)]
    databases = [Database(people.database.url) for _ in range(COUNT)]
    holds = [Holds(None, one, desk.status, lambda who: False, desk) for one in databases]
    operators = Operators(people.accounts)

    async def chosen(number):
        why, is_frozen = Why(f"look {number}"), number % 3 != 0
        await operators.freeze(Operator("olga"), user, why, is_frozen)
        await holds[number % COUNT].go_on(user)

    for number in range(30):
        await asyncio.gather(*(chosen(6 * number + place) for place in range(6)))
        assert all([await one.go_on(user) for one in holds])
        (row,) = await people.database.rows("select frozen_at, is_held, hold from users")
        assert desk.is_suspended is (row["frozen_at"] is not None), (number, row)
        assert row["hold"] != "venue", number
    for database in databases:
        await database.close()
