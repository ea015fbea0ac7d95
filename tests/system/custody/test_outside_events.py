"""What anyone can send to the wallet stops nothing, and what cannot be spent pays nobody."""

import json
from dataclasses import replace

import pytest

from openoutcry.custody.errors import CustodyError, NodeError, Refused
from openoutcry.custody.payer import draft_of
from openoutcry.custody.rail import taken
from openoutcry.custody.reconcile import Reconciler
from openoutcry.custody.statement import claim_document
from openoutcry.custody.utxo import rail as rails
from tests.support.custody.chains import NAME, need_hsm, need_node
from tests.support.custody.desk import Desk
from tests.support.custody.party import COIN, NAMES, softhsm


@pytest.fixture
def desk(tmp_path):
    need_node()
    need_hsm()
    softhsm(tmp_path, *NAMES)
    made = Desk(tmp_path, an_hour=10**4 * COIN, a_day=10**4 * COIN)
    yield made
    made.close()


def alarms(desk):
    rows = desk.parts.store.rows("select text from notes where kind = 'alarm'")
    return "\n".join(row["text"] for row in rows)


def whole(desk):
    """Reconciled as the command does, with the ledger that a venue without faults has."""
    terms = desk.bench.file, desk.parts.store, desk.core, desk.parts.rails
    reconciler, shown = Reconciler(*terms), []
    query = (
        "select coalesce(sum(units), 0) as n from deposits where venue = 'credited' "
        "and state in ('credited', 'final')"
    )
    owed = desk.parts.store.row(query)["n"]
    paid = desk.parts.store.row(
        "select coalesce(sum(units), 0) as n from withdrawals where state = 'done'"
    )["n"]
    return reconciler.differences(lambda: {"LTC": owed - paid}, shown.append), shown


@pytest.mark.promise(
    "What anyone can send to a wallet is at most an alarm. A surplus on a chain, a block that came "
    "meanwhile and a venue that does not answer stop no withdrawal",
    group="custody",
)
def test_a_surplus_is_an_alarm_and_stops_nothing(desk):
    desk.fund(7, 20)
    assert whole(desk)[0] == []
    # Beyond the addresses that are watched, within those that the node searches for.
    for _ in range(25):
        desk.bench.address(8)
    desk.settle()
    desk.bench.node.pay(desk.bench.book.address(1, 40), 2 * COIN)
    desk.mine(2)
    differences, (balance,) = whole(desk)
    assert differences == []
    assert balance.on_chain - balance.recorded == 2 * COIN
    terms = desk.bench.file, desk.parts.store, desk.core, desk.parts.rails
    Reconciler(*terms).go_on()
    assert desk.parts.breaker.why() == ""
    assert "the chain has 2.00000000 LTC or more that custody has not seen" in alarms(desk)
    reference, to = desk.ask(7, COIN)
    desk.mine(7)
    assert (desk.states()[reference], desk.received(to)) == ("done", COIN)


def test_what_moves_meanwhile_is_no_difference_and_what_is_missing_is(desk):
    desk.fund(7, 20)
    terms = desk.bench.file, desk.parts.store, desk.core, desk.parts.rails
    reconciler = Reconciler(*terms)
    ledgers = iter([{"LTC": 19 * COIN}, {"LTC": 20 * COIN}])
    assert reconciler.differences(lambda: next(ledgers), lambda one: None) == []
    (text,) = reconciler.differences(lambda: {"LTC": 19 * COIN}, lambda one: None)
    assert "in the ledger" in text
    desk.bench.node.mine()  # the scanner has not taken it
    with pytest.raises(CustodyError, match="try again"):
        reconciler.differences(dict, lambda one: None)
    assert desk.parts.breaker.why() == ""


def mine_to_deposit(desk, participant=7):
    """A miner's payment to a deposit address, credited and not mature."""
    desk.bench.node.mine(1, desk.bench.address(participant))
    desk.mine(6)


@pytest.mark.promise(
    "Coins are chosen among those that the node would let be spent. A draft that the node rejects "
    "chooses again, and at most one of both is paid. A payment that waits is an alarm",
    group="custody",
)
def test_a_miners_coin_is_not_chosen_before_it_is_mature(desk):
    desk.fund(7, 3)
    mine_to_deposit(desk)
    assert len(desk.parts.rails[NAME]._coins(frozenset())) == 2
    reference, to = desk.ask(7, 2 * COIN)
    desk.mine(7)
    assert (desk.states()[reference], desk.received(to)) == ("done", 2 * COIN)
    # What only that coin can pay waits, is no draft, and is an alarm in time.
    desk.payer.spec = replace(desk.payer.spec, bump_after_s=0)
    waits, there = desk.ask(7, 10 * COIN)
    later, also = desk.ask(7, COIN // 2)
    desk.mine(7)
    assert (desk.states()[waits], desk.received(there)) == ("sent", 0)
    assert "a payment waits for more than 0 s" in alarms(desk)
    desk.payer.spec = desk.bench.spec
    desk.bench.node.mine(100)
    desk.mine(7)
    assert (desk.states()[waits], desk.received(there)) == ("done", 10 * COIN)
    assert (desk.states()[later], desk.received(also)) == ("done", COIN // 2)
    assert all(one.is_whole for one in desk.balances())


def test_a_rejected_draft_chooses_again_and_is_paid_once(desk, monkeypatch):
    desk.fund(7, 3)
    desk.fund(7, 4)
    mine_to_deposit(desk)
    rail, chooses = desk.parts.rails[NAME], rails.UtxoRail._spendable
    reference, to = desk.ask(7, 5 * COIN)
    # As a draft of before: it takes the miner's coin, and another.
    monkeypatch.setattr(rails.UtxoRail, "_spendable", lambda self, coins: iter(coins))
    coins = rail._coins(frozenset())
    monkeypatch.setattr(rail, "_coins", lambda taken: [coins[-1], coins[0]])
    while desk.parts.withdrawals.go_on():
        pass
    desk.payer._draft()
    monkeypatch.setattr(rails.UtxoRail, "_spendable", chooses)
    monkeypatch.delattr(rail, "_coins")
    desk.settle()
    first, second = desk.drafts()
    assert second["replaces"] == first["id"]
    assert set(json.loads(first["conflicts"])) & set(json.loads(second["conflicts"]))
    desk.mine(7)
    assert (desk.states()[reference], desk.received(to)) == ("done", 5 * COIN)
    assert [one["state"] for one in desk.drafts()] == ["dropped", "done"]
    desk.bench.node.mine(110)
    desk.mine(7)
    assert desk.received(to) == 5 * COIN, "the first can never be confirmed"
    assert all(one.is_whole for one in desk.balances())


def test_a_replacement_that_comes_too_late_is_no_second_payment(desk):
    """It has one coin more than the first one, which is in a block before it is sent."""
    for _ in range(4):
        desk.fund(7, 1)
    reference, to = desk.ask(7, COIN - 2_500)
    desk.settle()
    (first,) = desk.drafts()
    desk.payer.clock_ns = lambda: first["sent_ns"] + 3_600 * 10**9
    desk.payer._bump()
    desk.payer._sign()
    desk.bench.node.mine()
    desk.settle()
    late = desk.drafts()[1:]
    assert [one["replaces"] for one in late] == [first["id"]]
    assert set(json.loads(first["conflicts"])) < set(json.loads(late[0]["conflicts"]))
    desk.settle()
    texts = [tuple(row) for row in desk.parts.store.rows("select subject, text from notes")]
    assert len(texts) == len(set(texts)), "nothing is noted twice"
    assert not [text for _, text in texts if "paid_twice" in text]
    desk.payer = desk.new_payer()
    desk.mine(7)
    assert (desk.states()[reference], desk.received(to)) == ("done", COIN - 2_500)
    assert [one["state"] for one in desk.drafts()] == ["done", "dropped"]
    assert len(desk.parts.rails[NAME]._coins(taken(desk.parts.store, NAME))) == 3


def test_a_draft_of_nothing_but_an_immature_coin_is_an_alarm_and_waits(desk, monkeypatch):
    mine_to_deposit(desk)
    desk.fund(8, 20)
    rail, chooses = desk.parts.rails[NAME], rails.UtxoRail._spendable
    reference, to = desk.ask(7, 5 * COIN)
    monkeypatch.setattr(rails.UtxoRail, "_spendable", lambda self, coins: iter(coins))
    while desk.parts.withdrawals.go_on():
        pass
    desk.payer._draft()
    monkeypatch.setattr(rails.UtxoRail, "_spendable", chooses)
    desk.settle()
    assert len(desk.drafts()) == 1
    assert "none of its outputs can be spent now" in alarms(desk)
    assert rail.chain == NAME
    desk.bench.node.mine(100)
    desk.mine(7)
    assert (desk.states()[reference], desk.received(to)) == ("done", 5 * COIN)


def test_a_transaction_has_a_limit_of_inputs_and_small_outputs_are_joined(desk, monkeypatch):
    monkeypatch.setattr(rails, "MAX_INPUTS", 3)
    for _ in range(6):
        desk.bench.node.pay(desk.bench.address(7), COIN)
    desk.mine(7)
    reference, to = desk.ask(7, 4 * COIN)
    _, there = desk.ask(7, COIN)
    desk.mine(7)
    # What does not fit waits, and keeps no other from its turn.
    assert (desk.states()[reference], desk.received(to)) == ("sent", 0)
    assert desk.received(there) == COIN
    desk.parts.store.run("update withdrawals set state = 'refused' where reference = ?", reference)
    monkeypatch.setattr(rails, "CONSOLIDATE_FROM", 3)
    before = len(desk.parts.rails[NAME]._coins(frozenset()))
    desk.mine(8)
    after = desk.parts.rails[NAME]._coins(frozenset())
    assert len(after) < before
    assert [one["purpose"] for one in desk.drafts()][-1] == "consolidation"
    assert desk.drafts()[-1]["state"] == "done"
    assert all(one.is_whole for one in desk.balances())


def allow(desk, **limits):
    """Limits of both signers."""
    for one in desk.party.policies:
        one.limits[NAME, "LTC"] = replace(one.limits[NAME, "LTC"], **limits)


@pytest.mark.promise(
    "A payment that a signer refuses, or that the hot wallet cannot make, keeps no other one "
    "waiting, and is made when it can be",
    group="custody",
)
def test_a_payment_that_a_signer_refuses_keeps_no_other_waiting(desk):
    desk.fund(7, 10)
    allow(desk, a_payment=2 * COIN)
    large, there = desk.ask(7, 3 * COIN)
    small, to = desk.ask(7, COIN)
    desk.mine(7)
    assert (desk.states()[small], desk.received(to)) == ("done", COIN)
    assert (desk.states()[large], desk.received(there)) == ("sent", 0)
    assert "a signer refuses it: too_much" in alarms(desk)
    allow(desk, a_payment=3 * COIN)
    desk.mine(7)
    assert (desk.states()[large], desk.received(there)) == ("done", 3 * COIN)
    assert all(one.is_whole for one in desk.balances())


def test_a_draft_goes_on_without_what_people_failed_at_the_venue(desk):
    """Two supervisors give an amount back while its payment waits for signatures, of which one is
    there: the others are paid by the same outputs."""
    desk.fund(7, 20)
    (failed, nobody), (paid, to) = desk.ask(7, COIN), desk.ask(7, 2 * COIN)
    while desk.parts.withdrawals.go_on():
        pass
    assert desk.payer._draft() == 1
    (draft,) = desk.drafts()
    claims = [desk.payer._claim(one) for one in draft_of(draft).payments]
    documents = [claim_document(one) for one in claims]
    terms = {"do": "sign", "number": 1, "chain": NAME, "claims": documents}
    desk.party.signers[0].answer(terms | {"body": json.loads(draft["body"])})
    desk.core.step("withdrawal-fail", failed)
    desk.mine(7)
    assert desk.states() == {failed: "failed", paid: "done"}
    assert (desk.received(nobody), desk.received(to)) == (0, 2 * COIN)
    first, second = desk.drafts()
    assert (first["state"], second["state"]) == ("dropped", "done")
    assert set(json.loads(first["conflicts"])) <= set(json.loads(second["conflicts"]))
    alone, nobody = desk.ask(7, COIN)
    while desk.parts.withdrawals.go_on():
        pass
    assert desk.payer._draft() == 1
    desk.core.step("withdrawal-fail", alone)
    desk.mine(7)
    assert (desk.states()[alone], desk.received(nobody)) == ("failed", 0)
    assert desk.drafts()[-1]["state"] == "dropped", "its outputs are free again"
    assert whole(desk)[0] == []


def test_a_signer_with_records_of_yesterday_hears_of_todays_addresses_again(desk):
    desk.fund(7, 20)
    for one in desk.party.policies:
        one.wait_ns = 1

    def announced():
        query = "select announced_ns from whitelist where address = ?"
        return desk.parts.store.value(query, to) is not None

    reference, to = desk.ask(7, COIN)
    desk.parts.announce()
    assert announced()
    desk.party.policies[0].records.run("delete from destinations")
    desk.settle()
    assert f"{to} waits: it was announced too late" in alarms(desk)
    assert not announced()
    desk.parts.announce()
    desk.mine(7)
    assert (desk.states()[reference], desk.received(to)) == ("done", COIN)


def test_a_draft_that_was_refused_once_is_signed_when_it_may_be(desk, monkeypatch):
    """Others were signed meanwhile: a number below theirs would be refused for ever."""
    desk.fund(7, 10)
    desk.fund(7, 5)
    allow(desk, a_payment=2 * COIN)
    with monkeypatch.context() as patch:
        patch.setattr(desk.party, "refused", lambda chain, claims, body=None: {})
        large, there = desk.ask(7, 3 * COIN)
        desk.settle()
    small, to = desk.ask(7, COIN)
    desk.mine(7)
    assert (desk.states()[small], desk.received(to)) == ("done", COIN)
    assert desk.states()[large] == "sent"
    allow(desk, a_payment=3 * COIN)
    desk.mine(7)
    assert (desk.states()[large], desk.received(there)) == ("done", 3 * COIN)


def test_a_transaction_that_a_signer_refuses_is_no_draft_and_keeps_no_coin(desk, monkeypatch):
    """One whose fee is above the signers' limit, and one with too much for the cold wallet."""
    desk.fund(7, 40)
    allow(desk, to_cold_a_day=5 * COIN)
    (asset,) = desk.payer.file.assets
    desk.payer.file = replace(desk.payer.file, assets=(replace(asset, hot_most=10 * COIN),))
    desk.mine(8)
    (cold,) = desk.drafts()
    assert (cold["purpose"], cold["state"]) == ("cold", "done")
    assert json.loads(cold["notes"])["leaves"]["LTC"]["cold"] == 30 * COIN // 8, "a part, today"
    assert "more to the cold wallet than may go there in one day" in alarms(desk)
    assert desk.parts.store.word(f"cold {NAME}") == "1", "no address is used up"
    with monkeypatch.context() as dear:
        dear.setattr(rails.UtxoRail, "fee_rate", lambda self: 10_000_000)
        reference, to = desk.ask(7, COIN)
        desk.settle()
    assert "fee_too_high: the fee is above this signer's limit" in alarms(desk)
    assert len(desk.drafts()) == 1
    desk.mine(7)
    assert (desk.states()[reference], desk.received(to)) == ("done", COIN)
    assert all(one.is_whole for one in desk.balances())


def test_a_rejected_draft_keeps_no_signed_one_waiting_while_signers_are_away(desk, monkeypatch):
    for _ in range(2):
        desk.fund(7, 3)
    asked = []
    for _ in range(2):
        asked.append(desk.ask(7, COIN))
        while desk.parts.withdrawals.go_on():
            pass
        desk.payer._draft()
        desk.payer._sign()
    first, _ = desk.drafts()
    rail, sends = desk.parts.rails[NAME], desk.parts.rails[NAME].send

    def send(signed):
        if signed.txid == first["txid"]:
            raise NodeError("missing inputs", -25)
        sends(signed)

    def away(chain, claims, body=None):
        raise CustodyError("0 of 2 signatures")

    with monkeypatch.context() as patch:
        patch.setattr(rail, "send", send)
        patch.setattr(rail, "again", lambda draft, earlier: draft)
        patch.setattr(desk.party, "refused", away)
        desk.payer.go_on()
        assert [one["state"] for one in desk.drafts()] == ["signed", "broadcast"]
        assert desk.received(asked[1][1]) == COIN
    desk.mine(7)
    assert {desk.states()[reference] for reference, _ in asked} == {"done"}


def test_many_payments_that_wait_for_a_refill_keep_no_other_waiting(desk):
    for participant in (7, 8):
        desk.fund(participant, 3)
    desk.core.balance(7, "LTC")[0] += 100 * COIN  # in the cold wallet
    waiting = [desk.ask(7, 9 * COIN)[0] for _ in range(8)]
    small, to = desk.ask(8, COIN)
    desk.mine(7)
    assert (desk.states()[small], desk.received(to)) == ("done", COIN)
    assert {desk.states()[one] for one in waiting} == {"sent"}


def test_a_payment_that_cannot_be_bumped_keeps_no_other_waiting(desk, monkeypatch):
    desk.fund(7, 3)
    desk.fund(7, 3)
    for _ in range(2):
        desk.ask(7, COIN)
        desk.settle()
    first, second = desk.drafts()
    rail = desk.parts.rails[NAME]
    bumps = rail.bump

    def bump(draft):
        if draft.identity == first["identity"]:
            raise Refused("fee_too_high", "above what the file allows")
        return bumps(draft)

    monkeypatch.setattr(rail, "bump", bump)
    desk.payer.clock_ns = lambda: second["sent_ns"] + 3_600 * 10**9
    desk.settle()
    assert [one["replaces"] for one in desk.drafts()[2:]] == [second["id"]]
