"""People who approve, the breaker, proofs of reserves, and signers as processes."""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from openoutcry.custody.errors import CustodyError, Refused
from openoutcry.custody.links import Links
from openoutcry.custody.payer import Payer
from openoutcry.custody.persons import Persons
from openoutcry.custody.reserves import ReservesError, check, message_of, prove, spent
from openoutcry.custody.risk_score import Rules
from openoutcry.custody.settings import Person
from openoutcry.custody.sockets import Server
from openoutcry.custody.store import now_ns
from tests.support.custody.chains import NAME, TEXT, hot_keys, need_hsm, need_node
from tests.support.custody.desk import Desk
from tests.support.custody.party import COIN, NAMES, Processes, softhsm
from tests.support.pipeline import warm_outcry
from tests.support.portal.people import CHEAP
from tests.support.processes import OUTCRY
from tests.support.waiting import BOUND_S


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    need_node()
    need_hsm()
    folder = tmp_path_factory.mktemp("people")
    softhsm(folder, *NAMES)
    made = Desk(folder, an_hour=10**4 * COIN, a_day=10**4 * COIN)
    made.bench.node.mine(10)
    for _ in range(12):
        made.bench.node.pay(made.bench.address(7), 10 * COIN)
    made.fund(7, 10)
    yield made
    made.close()


@pytest.fixture(scope="module")
def persons():
    rows = (("anna", "supervisor"), ("bert", "supervisor"), ("carl", "operator"))
    return Persons(tuple(Person(name, CHEAP.hash(f"word {name}"), role) for name, role in rows))


def test_an_unusual_withdrawal_waits_for_two_people(desk, persons):
    desk.parts.withdrawals.rules = Rules(hold_at=1)
    reference, to = desk.ask(7, COIN)
    desk.settle()
    assert desk.states()[reference] == "held"
    desk.parts.withdrawals.persons, approve = persons, desk.parts.withdrawals.approve
    for name, word in (("anna", "wrong"), ("nobody", "word nobody")):
        with pytest.raises(Refused) as refused:
            approve(reference, name, word)
        assert refused.value.code == "not_proven"
    assert approve(reference, "carl", "word carl") is False
    assert approve(reference, "carl", "word carl") is False
    desk.settle()
    assert desk.states()[reference] == "held"
    assert approve(reference, "anna", "word anna") is True
    desk.parts.withdrawals.rules = Rules(hold_at=10**6)
    desk.mine(7)
    assert desk.received(to) == COIN
    other, _ = desk.ask(7, 11 * COIN)
    desk.settle()
    assert desk.states()[other] == "held"
    desk.core.step("withdrawal-cancel", other)
    desk.settle()
    assert desk.states()[other] == "cancelled"


@pytest.mark.promise(
    "A thief of one part (builder, payer, gas key, database, one signer or attestor) moves "
    "nothing. What custody did not ask for stops all withdrawals within one block. Whatever "
    "trips the breaker stops all withdrawals, and only two supervisors lift it",
    group="custody",
)
def test_the_breaker_stops_everything_until_two_supervisors_lift_it(desk, persons):
    breaker = desk.parts.breaker
    breaker.trip("a test")
    reference, to = desk.ask(7, COIN)
    desk.mine(3)
    assert desk.states()[reference] == "asked"
    with pytest.raises(Refused) as refused:
        breaker.lift(persons, "carl", "word carl")
    assert refused.value.code == "not_allowed"
    assert breaker.lift(persons, "anna", "word anna") is False
    assert breaker.lift(persons, "anna", "word anna") is False
    assert breaker.why() == "a test"
    assert breaker.lift(persons, "bert", "word bert") is True
    desk.mine(7)
    assert desk.received(to) == COIN


def test_a_drain_trips_the_breaker(desk):
    (asset,) = desk.bench.file.assets
    desk.parts.withdrawals.file = replace(
        desk.bench.file, assets=(replace(asset, drain_an_hour=COIN),)
    )
    try:
        reference, _ = desk.ask(7, 2 * COIN)
        desk.settle()
        assert "in an hour" in desk.parts.breaker.why()
        assert desk.states()[reference] == "approved"
    finally:
        desk.parts.withdrawals.file = desk.bench.file
        desk.parts.store.run("update breaker set lifted_ns = 1")
    desk.mine(7)


def test_a_drain_counts_a_withdrawal_when_it_is_paid_and_not_again_when_it_arrives(desk):
    (asset,) = desk.bench.file.assets
    paid, _ = desk.ask(7, 2 * COIN)
    desk.mine(7)
    store = desk.parts.store
    assert desk.states()[paid] == "done"
    # All was paid more than an hour ago, and has arrived just now.
    store.run("update drafts set made_ns = made_ns - ?", 3_601 * 10**9)
    store.run("update withdrawals set changed_ns = ? where state = 'done'", now_ns())
    limited = replace(asset, drain_an_hour=2 * COIN)
    desk.parts.withdrawals.file = replace(desk.bench.file, assets=(limited,))
    try:
        reference, _ = desk.ask(7, 2 * COIN)
        desk.settle()
        assert (desk.parts.breaker.why(), desk.states()[reference]) == ("", "sent")
    finally:
        desk.parts.withdrawals.file = desk.bench.file
    desk.mine(7)


def test_a_fork_from_below_what_is_final_stops_withdrawals(desk):
    rpc = desk.bench.node.rpc
    tip = rpc.call("getblockcount")
    rpc.call("invalidateblock", rpc.call("getblockhash", tip - 6))
    for _ in range(9):
        desk.bench.node.mine_empty()
    with pytest.raises(CustodyError, match="final is 6"):
        desk.bench.scanner.catch_up()
    assert desk.bench.trips
    back = rpc.call("getblockhash", rpc.call("getblockcount") - 8)
    rpc.call("invalidateblock", back)
    for row in rpc.call("getchaintips"):
        if row["status"] == "invalid":
            rpc.call("reconsiderblock", row["hash"])
            rpc.call("invalidateblock", back)
    desk.bench.trips.clear()
    assert rpc.call("getblockcount") == tip
    desk.bench.scanner.catch_up()
    assert not desk.bench.trips


class Reserves:
    """The signers' words, as :class:`Links` brings them."""

    def __init__(self, party):
        self.party = party

    def reserves(self, chain, message):
        request = {"do": "reserves", "chain": chain, "message": message}
        return [one.answer(request) for one in self.party.signers]


def test_a_proof_of_reserves_holds_and_no_change_to_it_does(desk):
    rpc = desk.bench.node.rpc
    terms = desk.bench.spec, "LTC", desk.parts.store, Reserves(desk.party), rpc
    document = json.loads(json.dumps(prove(*terms, "fresh")))
    total = check(document, "fresh")
    assert total == desk.parts.rails[NAME].holdings()["LTC"] > 0
    assert spent(document, rpc) == []
    with pytest.raises(ReservesError, match="another challenge"):
        check(document, "old")
    first = document["outputs"][0]
    more = str(int(first["amount"]) + 1)
    for change in (
        {"total": str(total + 1)},
        {"outputs": [first | {"amount": more}, *document["outputs"][1:]]},
        {"outputs": [first, *document["outputs"]]},
        {"height": document["height"] + 1},
        {"signatures": document["signatures"][:1]},
        {"signatures": [document["signatures"][0]] * 2},
    ):
        with pytest.raises(ReservesError):
            check(document | change, "fresh")
    # A venue that signs a false document with its own keys: the chain's bytes say no.
    for place in ({"amount": more}, {"place": 1 - first["place"]}, {"txid": "00" * 32}):
        outputs = [first | place, *document["outputs"][1:]]
        false = {k: v for k, v in document.items() if k != "signatures"} | {"outputs": outputs}
        false["total"] = str(sum(int(one["amount"]) for one in outputs))
        signed = false | {"signatures": Reserves(desk.party).reserves(NAME, message_of(false))}
        with pytest.raises(ReservesError):
            check(signed, "fresh")


@pytest.mark.promise(
    "Signers are processes with a PIN from a descriptor. While one is away nothing is paid "
    "and no address is lost to the others; when it is back everything is done, once. What a "
    "signer's answers cost does not grow with what it signed or refused before",
    group="custody",
)
def test_signers_are_processes_and_what_waits_for_one_is_paid_once(desk):
    folder = desk.party.folder
    for one in desk.party.policies:
        one.close()
    processes = Processes(folder)
    attest = Server(folder / "attest.sock", desk.party.attestor.answer)
    try:
        assert processes.start("signer1", pin="0000").wait(BOUND_S) == 1
        assert "PIN is wrong" in (folder / "signer1.log").read_text()
        processes.start("signer1")
        processes.wait("signer1")
        links = Links([folder / "signer1.sock", folder / "signer2.sock"], folder / "attest.sock")
        links.state = desk.party.state
        file, store, rail = desk.bench.file, desk.parts.store, desk.parts.rails[NAME]
        desk.payer = Payer(NAME, file, store, desk.core, rail, links)
        reference, to = desk.ask(7, COIN)
        desk.mine(2)
        assert desk.received(to) == 0
        notes = store.rows("select text from notes where kind = 'waits' order by id desc limit 1")
        assert "signer2.sock: no answer" in notes[0]["text"]
        second = processes.start("signer2")
        processes.wait("signer2")
        limits = Path(f"/proc/{second.pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits), "its secrets are on no disk"
        processes.kill("signer1")
        desk.settle()
        assert desk.received(to) == 0
        (folder / "signer1.sock").unlink()
        processes.start("signer1")
        processes.wait("signer1")
        desk.mine(7)
        assert desk.received(to) == COIN
        assert desk.states()[reference] == "done"
    finally:
        processes.close()
        attest.close()
        desk.party.policies = []


@pytest.mark.promise(
    "One process pays from a custody's folder. Another one ends with an error: each would make a "
    "draft of one withdrawal, and what no signer signs would keep its coins, or its number",
    group="custody",
)
def test_one_process_serves_a_folder(tmp_path):
    need_node()
    _, _, hot, cold = hot_keys()
    values = {"url": "http://u:p@127.0.0.1:1", "hot": hot, "cold": cold}
    (tmp_path / "custody.toml").write_text(TEXT.format(final=6, wait=3_600, **values))

    def serve(**more):
        command = [*OUTCRY, "custody", "serve", "custody.toml"]
        return warm_outcry.Process(command, cwd=tmp_path, text=True, **more)

    def ended(one):
        return one.communicate(timeout=BOUND_S)

    first = serve(stdout=subprocess.PIPE)
    try:
        assert first.stdout.readline() == f"custody of {NAME}\n"
        second = serve(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, errors = ended(second)
        assert (out, second.returncode) == ("", 1)
        assert "another `outcry custody serve` uses it" in errors
        first.kill()
        ended(first)
        third = serve(stdout=subprocess.PIPE)
        assert third.stdout.readline() == f"custody of {NAME}\n", "the lock is gone with its owner"
        third.terminate()
        ended(third)
        assert third.returncode == 0
    finally:
        if first.poll() is None:
            first.kill()
