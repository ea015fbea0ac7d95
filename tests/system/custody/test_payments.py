"""Withdrawals over a real node, signed by two modules: paid once, whatever dies and however often
the chain changes; and refused by each signer where its own policy says so."""

import json

import pytest

from openoutcry.custody.errors import CustodyError, NodeError, Refused
from openoutcry.custody.withdrawals import Asked
from tests.support.custody.chains import NAME, need_hsm, need_node
from tests.support.custody.desk import Desk
from tests.support.custody.party import COIN, NAMES, softhsm


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    need_node()
    need_hsm()
    folder = tmp_path_factory.mktemp("pay")
    softhsm(folder, *NAMES)
    made = Desk(folder)
    made.fund(7, 40)
    yield made
    made.close()


def test_a_withdrawal_is_paid_and_done_once(desk):
    before = desk.core.balance(7, "LTC")[0]
    reference, to = desk.ask(7, 2 * COIN, salt="rent")
    again = desk.parts.withdrawals.ask(Asked(7, "LTC", to, 2 * COIN, "rent"))
    assert again == reference
    desk.settle()
    assert desk.core.movements[reference].state == "sent"
    assert desk.received(to) == 2 * COIN
    desk.mine(6)
    assert desk.core.movements[reference].state == "done"
    assert desk.received(to) == 2 * COIN
    assert desk.core.balance(7, "LTC") == [before - 2 * COIN, 0]
    assert desk.states()[reference] == "done"
    assert all(one.is_whole for one in desk.balances())


def test_a_payment_whose_block_is_undone_is_not_paid_again(desk):
    reference, to = desk.ask(7, COIN)
    desk.settle()
    (block,) = desk.bench.node.mine()
    desk.settle()
    desk.bench.node.rpc.call("invalidateblock", block)
    for _ in range(3):
        desk.bench.node.mine_empty()
    desk.settle()
    assert desk.states()[reference] == "sent"
    desk.mine(7)
    assert desk.received(to) == COIN
    assert desk.states()[reference] == "done"


def test_what_waits_too_long_is_replaced_and_paid_once(desk):
    reference, to = desk.ask(7, COIN)
    desk.settle()
    first = desk.drafts()[-1]
    desk.payer.clock_ns = lambda: first["sent_ns"] + 3_600 * 10**9
    desk.settle()
    del desk.payer.clock_ns
    desk.payer = desk.new_payer()
    second = desk.drafts()[-1]
    assert second["replaces"] == first["id"]
    assert int(second["fee"]) > int(first["fee"])
    pool = desk.bench.node.rpc.call("getrawmempool")
    assert second["txid"] in pool
    assert first["txid"] not in pool
    desk.mine(7)
    assert desk.received(to) == COIN
    assert desk.states()[reference] == "done"
    assert [one["state"] for one in desk.drafts()[-2:]] == ["dropped", "done"]


def test_a_transaction_whose_change_is_spent_is_not_replaced(desk):
    """A second version of it would leave the payment that spends its change without an input, and
    no signer would sign that payment again."""
    first, to = desk.ask(7, COIN)
    desk.settle()
    parent = desk.drafts()[-1]
    (block,) = desk.bench.node.mine()
    desk.settle()
    second, other = desk.ask(7, COIN)
    desk.settle()
    child = desk.drafts()[-1]
    assert any(key.startswith(parent["txid"]) for key in json.loads(child["conflicts"]))
    desk.bench.node.rpc.call("invalidateblock", block)
    for _ in range(3):
        desk.bench.node.mine_empty()
    desk.settle()
    desk.payer.clock_ns = lambda: child["sent_ns"] + 3_600 * 10**9
    desk.settle()
    desk.payer = desk.new_payer()
    assert [one["id"] for one in desk.drafts() if one["replaces"] == parent["id"]] == []
    desk.mine(9)
    assert (desk.received(to), desk.received(other)) == (COIN, COIN)
    assert desk.states()[first] == desk.states()[second] == "done"


@pytest.mark.promise(
    "A thousand withdrawals of one run are paid once each, in ten transactions, for a fee "
    "within 5 % of the node's rate. Where a node takes no replacement, a child pays for both",
    group="custody",
)
def test_a_child_pays_for_a_payment_that_the_node_does_not_replace(desk, monkeypatch):
    reference, to = desk.ask(7, COIN)
    desk.settle()
    first, rail = desk.drafts()[-1], desk.parts.rails[NAME]
    sending = rail.send

    def refusing(signed):
        row = desk.parts.store.row("select replaces from drafts where txid = ?", signed.txid)
        if row["replaces"] is not None:
            raise NodeError("txn-mempool-conflict", -26)
        sending(signed)

    monkeypatch.setattr(rail, "send", refusing)
    desk.payer.clock_ns = lambda: first["sent_ns"] + 3_600 * 10**9
    desk.settle()
    del desk.payer.clock_ns
    desk.payer = desk.new_payer()
    child = desk.drafts()[-1]
    assert (child["purpose"], child["state"]) == ("child", "broadcast")
    node = desk.bench.node.rpc
    entry = node.call("getmempoolentry", child["txid"])
    assert entry["depends"] == [first["txid"]]
    rate = int(entry["fees"]["ancestor"] * COIN) // entry["ancestorsize"]
    assert rate >= json.loads(first["notes"])["rate_a_kb"] * 5 // 4 // 1_000
    desk.settle()
    assert [one["purpose"] for one in desk.drafts()].count("child") == 1
    # What spends the child's change waits until the child is final: the replacement might come yet.
    desk.mine()
    assert child["txid"] not in [one.txid for one in rail._coins(frozenset())]
    desk.mine(6)
    assert desk.received(to) == COIN
    assert desk.states()[reference] == "done"
    states = {one["id"]: one["state"] for one in desk.drafts()}
    assert (states[first["id"]], states[child["id"]]) == ("done", "done")
    assert [states[one["id"]] for one in desk.drafts() if one["replaces"] == first["id"]] == [
        "dropped"
    ]
    assert child["txid"] in [one.txid for one in rail._coins(frozenset())]
    assert all(one.is_whole for one in desk.balances())


CRASHES = ("build", "keep", "sign", "combine", "send", "after send")


@pytest.mark.parametrize("at", CRASHES)
def test_a_payer_that_dies_pays_once(desk, at, monkeypatch):
    class Gone(BaseException):
        pass

    def die(*_, **__):
        raise Gone

    reference, to = desk.ask(7, COIN)
    rail = desk.parts.rails[NAME]
    sending = rail.send
    with monkeypatch.context() as patch:
        if at == "keep":
            patch.setattr(desk.payer, "keep", die)
        elif at == "sign":
            patch.setattr(desk.party, "sign", die)
        elif at == "after send":
            patch.setattr(rail, "send", lambda signed: (sending(signed), die()))
        else:
            patch.setattr(rail, at, die)
        with pytest.raises(Gone):
            desk.settle()
    desk.payer = desk.new_payer()
    desk.mine(7)
    assert desk.received(to) == COIN
    assert desk.states()[reference] == "done"


REFUSED = (
    ("ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9", "wrong_network"),
    ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "wrong_network"),
    ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "wrong_network"),
    ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "bad_checksum"),
    ("0x52908400098527886E0F7030069857D2E4169EE7", "wrong_network"),
    ("tmweb1qqg" + "q" * 60, "unsupported"),
    ("nonsense", "bad_address"),
)


@pytest.mark.parametrize(("address", "code"), REFUSED)
def test_an_address_that_is_none_of_the_chain_is_refused_by_name(desk, address, code):
    with pytest.raises(Refused) as refused:
        desk.parts.withdrawals.add_address(NAME, 7, address)
    assert refused.value.code == code


def test_other_bad_withdrawals_are_refused_by_name(desk):
    own = desk.bench.address(7)
    good = desk.outside()
    mistyped = good[:-1] + ("q" if good[-1] != "q" else "p")
    for address, code in ((own, "own_address"), (mistyped, "bad_checksum")):
        with pytest.raises(Refused) as refused:
            desk.parts.withdrawals.add_address(NAME, 7, address)
        assert refused.value.code == code
    with pytest.raises(Refused) as refused:
        desk.parts.withdrawals.ask(Asked(7, "LTC", good, COIN))
    assert refused.value.code == "not_whitelisted"
    with pytest.raises(Refused) as refused:
        desk.ask(7, 500)
    assert refused.value.code == "below_dust"
    reference, _ = desk.ask(7, 10_000 * COIN)
    desk.settle()
    assert desk.states()[reference] == "refused"


AWAY = ("state", "sign", "nothing")


@pytest.mark.promise(
    "An address that is sanctioned after the venue has sent its withdrawal, before anything is "
    "signed, is not paid. People fail it, and what was with it is paid",
    group="custody",
)
@pytest.mark.parametrize("away", AWAY)
def test_an_address_that_is_sanctioned_before_anything_is_signed_is_not_paid(
    desk, away, monkeypatch
):
    """``away``: what the signers or the attestor do not answer until the list has changed."""
    withdrawals, core = desk.parts.withdrawals, desk.core
    free = core.balance(7, "LTC")[0]
    (bad, to_bad), (good, to_good) = (desk.ask(7, COIN) for _ in range(2))
    with monkeypatch.context() as patch:

        def no_answer(*terms):
            raise CustodyError("no answer")

        if away != "nothing":
            patch.setattr(desk.party, away, no_answer)
            desk.settle()
        else:
            while withdrawals.go_on():
                pass
    assert {desk.states()[one] for one in (bad, good)} == {"sent"}
    monkeypatch.setattr(withdrawals, "sanctioned", frozenset({to_bad}))
    desk.settle()
    desk.mine(7)
    assert (desk.states()[bad], desk.states()[good]) == ("sent", "done")
    assert desk.received(to_good) == COIN
    core.step("withdrawal-fail", bad)
    desk.mine(2)
    assert desk.states()[bad] == "failed"
    assert desk.received(to_bad) == 0
    assert core.balance(7, "LTC") == [free - COIN, 0]
    assert all(one.is_whole for one in desk.balances())
