"""Deposits, sweeps and withdrawals on an EVM node, with kills, reorganisations and thieves."""

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openoutcry.custody.errors import Refused
from openoutcry.custody.evm.broadcaster import Send, SendError
from openoutcry.custody.evm.chain import A_TRACE
from openoutcry.custody.evm.contracts import (
    COIN,
    FAILED,
    MAX_PAYMENTS,
    PAID,
    Batch,
    OwnerReplacement,
    Payment,
    creation_code,
    receivers_gas,
)
from openoutcry.custody.evm.encoding import address_text, selector, to_hex, words
from openoutcry.custody.evm.node import TooMuch
from openoutcry.custody.evm.rail import MOST_PAYMENTS
from openoutcry.custody.evm.reader import batch_body
from openoutcry.custody.evm.transactions import FeePolicy, Transaction
from tests.support.custody.anvil import CHAIN_ID, ETHER, GWEI, Anvil, anvil
from tests.support.custody.evm_floor import FINAL, UNIT, EvmFloor
from tests.support.custody.keys import LocalKey
from tests.support.custody.model_venue import Killed
from tests.support.custody.wallet_checks import World, helper


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with anvil() as running:
        yield running


@pytest.fixture
def chain(node: Anvil) -> Iterator[Anvil]:
    """The same node for each test, as it was before the test."""
    snapshot = node.node.call("evm_snapshot")
    node.automine(True)
    yield node
    node.put_back(snapshot)


@pytest.fixture
def floor(chain: Anvil, tmp_path: Path) -> Iterator[EvmFloor]:
    made = EvmFloor(chain, tmp_path)
    yield made
    made.close()


def place(name: str) -> bytes:
    return LocalKey(name).address


def transfer(to: bytes, amount: int) -> bytes:
    return selector("transfer(address,uint256)") + words(to, amount)


@pytest.mark.promise(
    "A deposit is credited once, when its amount has the confirmations it needs and the "
    "second node of the chain has its block. This holds also on a full disk and with a kill "
    "at any call. An undone block reverses it",
    group="custody",
)
def test_deposit_sweep_and_withdrawal(floor: EvmFloor) -> None:
    """Coins and a token, to the unit: chain = core at the end."""
    chain = floor.chain
    first, second = floor.address(1), floor.address(2)
    chain.transact(first, value=3 * ETHER)
    chain.transact(floor.token, transfer(second, 5_000_000))
    chain.mine(4)
    floor.step()
    assert floor.venue.credited() == {(1, "ETH"): 3 * ETHER // UNIT, (2, "USDT"): 5_000_000}
    floor.settle(2)
    assert chain.balance(first) == 0
    assert chain.balance(floor.made.wallet) == 3 * ETHER
    assert floor.token_balance(floor.made.wallet) == 5_000_000
    assert floor.venue.credited() == {(1, "ETH"): 3 * ETHER // UNIT, (2, "USDT"): 5_000_000}
    one = floor.withdraw("w1", "ETH", ETHER // UNIT, place("customer"))
    two = floor.withdraw("w2", "USDT", 4_000_000, place("customer"))
    floor.settle(2)
    assert floor.venue.state(one) == floor.venue.state(two) == "done"
    assert chain.balance(place("customer")) == ETHER
    assert floor.token_balance(place("customer")) == 4_000_000
    assert chain.balance(floor.made.wallet) == 2 * ETHER


def test_a_batch_goes_on_without_what_people_failed_at_the_venue(floor: EvmFloor) -> None:
    """Two supervisors give an amount back while its batch waits for signatures: no number is left
    out, and the batches after it are made."""
    chain, payer = floor.chain, floor.payer
    chain.transact(floor.address(1), value=5 * ETHER)
    chain.mine(4)
    floor.settle(2)
    names = "failed", "with it", "later"
    first, second, third = (
        floor.withdraw(name, "ETH", ETHER // UNIT, place(name)) for name in names
    )
    assert payer is not None
    assert payer._draft() == 1
    floor.venue.step("withdrawal-fail", first)
    floor.settle(3)
    assert [floor.venue.state(one) for one in (first, second, third)] == ["failed", "done", "done"]
    assert [chain.balance(place(name)) for name in names] == [0, ETHER, ETHER]


def test_a_second_deposit_at_an_address_that_was_swept(floor: EvmFloor) -> None:
    """The address has a contract now; coins still arrive there, also with 2,300 gas, and a sweep
    costs less than the first."""
    chain, at = floor.chain, floor.address(1)
    sender = chain.deploy(helper("hostile"))
    used = []
    for turn in range(1, 3):
        call = selector("forward(address,bool)") + words(at, 1)
        chain.transact(at, value=ETHER)
        assert int(chain.transact(sender, call, value=1000)["status"], 16) == 1
        chain.mine(4)
        floor.step()
        floor.settle(2)
        assert chain.balance(at) == 0
        assert chain.balance(floor.made.wallet) == turn * (ETHER + 1000)
        send = floor.broadcaster.find(f"sweep {COIN.hex()} {turn - 1}")
        assert send is not None
        assert send.txid is not None
        used.append(int(chain.receipt(send.txid)["gasUsed"], 16))
    print(f"\nsweep of one address: {used[0]} gas the first time, then {used[1]}")
    assert used[1] < used[0] < 250_000, used


def test_one_sweep_takes_many_addresses(floor: EvmFloor) -> None:
    """What an address costs in a sweep of a hundred, of coins and of a token."""
    chain = floor.chain
    places = [floor.address(one) for one in range(60)]
    for at in places:
        chain.send(at, value=ETHER)
        chain.send(floor.token, transfer(at, 1_000_000))
    chain.mine(4)
    floor.step()
    floor.settle(2)
    assert chain.balance(floor.made.wallet) == 60 * ETHER
    assert floor.token_balance(floor.made.wallet) == 60 * 1_000_000
    for token in (COIN, floor.token):
        send = floor.broadcaster.find(f"sweep {token.hex()} 0")
        assert send is not None
        assert send.txid is not None
        used = int(chain.receipt(send.txid)["gasUsed"], 16)
        print(f"\nsweep of 60 addresses: {used // 60} gas an address")


def test_coins_that_a_contract_sends_are_seen_by_traces_only(chain: Anvil, tmp_path: Path) -> None:
    """Those of a call that was undone are not there, and not credited."""
    sender = chain.deploy(helper("hostile"))
    for trace in (False, True):
        folder = tmp_path / str(trace)
        folder.mkdir()
        floor = EvmFloor(chain, folder, trace=trace, gas_key=LocalKey(f"gas {trace}"))
        at = floor.address(1)
        forward = selector("forward(address,bool)") + words(at, 0)
        undone = selector("forward_and_undo(address)") + words(at)
        for call in (forward, undone):
            assert int(chain.transact(sender, call, value=ETHER)["status"], 16) == 1
        chain.mine(4)
        floor.scanner.catch_up()
        floor.scanner.deposits.post(floor.venue)
        assert chain.balance(at) == ETHER
        assert floor.venue.credited() == ({(1, "ETH"): ETHER // UNIT} if trace else {})
        floor.close()


COPIES = bytes.fromhex(
    "5b600060006201000060006000" + "61dead6064f150" + "5a62013880106000" + "5700"
)
"""Code that makes calls with 64 KiB each for as long as it has gas."""


@pytest.mark.promise(
    "A transaction whose trace has no end keeps no block of an EVM chain from being read: it is "
    "an alarm, and what others pay in is credited",
    group="custody",
)
def test_a_trace_without_end_keeps_nothing_waiting(chain: Anvil, tmp_path: Path) -> None:
    floor = EvmFloor(chain, tmp_path, trace=True, gas_key=LocalKey("gas of copies"))
    sender, at = chain.deploy(helper("hostile")), floor.address(1)
    forward = selector("forward(address,bool)") + words(at, 0)
    txid = chain.transact(None, COPIES, gas=300_000)["transactionHash"]
    with pytest.raises(TooMuch, match="more than"):
        chain.node.bounded(A_TRACE, "debug_traceTransaction", txid, {"tracer": "callTracer"})
    assert int(chain.transact(sender, forward, value=ETHER)["status"], 16) == 1
    chain.mine(4)
    floor.scanner.catch_up()
    floor.scanner.deposits.post(floor.venue)
    assert floor.venue.credited() == {(1, "ETH"): ETHER // UNIT}
    assert floor.store is not None
    rows = floor.store.rows("select kind, text from notes where text like '%trace%' order by kind")
    assert [row["kind"] for row in rows] == ["alarm", "deposit"]
    floor.close()


def test_refills_of_the_wallet_are_recorded_and_no_sweep_is_one(floor: EvmFloor) -> None:
    """Coins by its log, tokens by theirs; what a sweep brings was counted when it arrived."""
    floor.fill(5 * ETHER, 777)
    at = floor.address(1)
    floor.chain.transact(at, value=ETHER)
    floor.chain.transact(floor.token, transfer(at, 1_000_000))
    floor.settle(3)
    assert floor.chain.balance(floor.made.wallet) == 6 * ETHER
    assert floor.store is not None
    rows = floor.store.rows("select asset, amount, state from deposits order by asset, state")
    assert [tuple(row) for row in rows] == [
        ("ETH", str(ETHER), "final"),
        ("ETH", str(5 * ETHER), "unknown"),
        ("USDT", "1000000", "final"),
        ("USDT", "777", "unknown"),
    ]


# Withdrawals


@pytest.mark.long
def test_a_thousand_withdrawals_in_one_run(chain: Anvil, tmp_path: Path) -> None:
    """Each exactly once, in batches; the gas within 5 % of the node's own estimate."""
    floor = EvmFloor(chain, tmp_path, batch_most=150)
    floor.fill()
    references = [
        floor.withdraw(f"w{at}", "ETH" if at % 2 else "USDT", 100 + at, place(f"customer {at}"))
        for at in range(1_000)
    ]
    floor.settle(10)
    assert {floor.venue.state(one) for one in references} == {"done"}
    for at in range(1_000):
        held = (
            chain.balance(place(f"customer {at}")) // UNIT
            if at % 2
            else floor.token_balance(place(f"customer {at}"))
        )
        assert held == 100 + at
    query = "select gas, data, txid from evm_sends where reference like 'batch %'"
    sends = floor.broadcaster.sent.rows(query)
    assert len(sends) == 7
    differences = []
    for gas, call, txid in sends:
        estimated = (gas - receivers_gas(call)) * 100 // 120
        used = int(chain.receipt(txid)["gasUsed"], 16)
        differences.append(abs(used - estimated) / estimated)
    print(f"\ngas of 7 batches: at most {max(differences):.1%} from the node's estimate")
    assert max(differences) <= 0.05
    floor.close()


def test_a_batch_has_no_more_payments_than_a_transaction(chain: Anvil, tmp_path: Path) -> None:
    """Whatever the file says of ``batch_most``."""
    floor = EvmFloor(chain, tmp_path, batch_most=1_000)
    try:
        floor.fill()
        for number in range(MOST_PAYMENTS + 1):
            floor.withdraw(f"w{number}", "ETH", 100, place(f"customer {number}"))
        floor.step()
        assert floor.store is not None
        rows = floor.store.rows("select payments from drafts order by id")
        assert [len(json.loads(row["payments"])) for row in rows] == [MOST_PAYMENTS]
        (gas,) = floor.broadcaster.sent.rows("select gas from evm_sends")[0]
        assert gas < 1 << 24, "EIP-7825"
        floor.step()
        rows = floor.store.rows("select payments from drafts order by id")
        assert [len(json.loads(row["payments"])) for row in rows] == [MOST_PAYMENTS, 1]
    finally:
        floor.close()


def test_a_receiver_that_refuses_gets_nothing_and_the_venue_is_notified(floor: EvmFloor) -> None:
    """The amount is the customer's again; the others are paid."""
    floor.fill()
    refusing = floor.chain.deploy(helper("hostile"))
    World.set_up_hostile(floor, refusing, True, False, bytes(20), b"")  # type: ignore[arg-type]
    one = floor.withdraw("w1", "ETH", 100, refusing)
    two = floor.withdraw("w2", "ETH", 100, place("customer"))
    floor.settle(2)
    assert (floor.venue.state(one), floor.venue.state(two)) == ("failed", "done")
    assert floor.chain.balance(floor.made.wallet) == 100 * ETHER - 100 * UNIT
    assert floor.store is not None
    states = floor.store.rows("select state from withdrawals order by asked_ns")
    assert [row["state"] for row in states] == ["failed", "done"]


THRIFTY = "3a156009575b6005565b00"
"""A receiver that uses all its gas, but none where gas has no price, as in a node's estimate."""


@pytest.mark.promise(
    "A receiver of coins cannot make a batch fail, whatever gas its code uses: the other payments "
    "of the batch, and later ones, are made",
    group="custody",
)
def test_a_receiver_that_hides_what_gas_it_uses_stops_no_payment(floor: EvmFloor) -> None:
    floor.fill()
    code = bytes.fromhex(THRIFTY)
    copies = bytes.fromhex("600b600c600039600b6000f3")
    thrifty = floor.chain.deploy(copies + code)
    wasted = [floor.withdraw(f"w{number}", "ETH", 100, thrifty) for number in range(10)]
    honest = floor.withdraw("honest", "ETH", 100, place("customer"))
    token = floor.withdraw("token", "USDT", 100, place("customer"))
    floor.settle(2)
    assert {floor.venue.state(one) for one in wasted} == {"failed"}
    assert floor.venue.state(honest) == floor.venue.state(token) == "done"
    assert floor.chain.balance(place("customer")) == 100 * UNIT
    assert floor.chain.balance(thrifty) == 0


def test_a_node_that_lost_its_logs_makes_no_refused_payment_one_that_arrived(
    floor: EvmFloor,
) -> None:
    """Pruned, or restarted and behind, it has no log of a batch that is final: its payments are
    neither done nor failed until it has, also after a restart of custody."""
    floor.fill()
    refusing = floor.chain.deploy(helper("hostile"))
    World.set_up_hostile(floor, refusing, True, False, bytes(20), b"")  # type: ignore[arg-type]
    refused = floor.withdraw("w1", "ETH", 100, refusing)
    paid = floor.withdraw("w2", "ETH", 100, place("customer"))
    floor.step()
    floor.chain.mine()
    floor.scanner.catch_up()
    for _ in range(2):
        floor.start()
        floor.node.has_logs, floor.rail.referee = False, None
        floor.settle(2)
        assert (floor.venue.state(refused), floor.venue.state(paid)) == ("sent", "sent")
        assert floor.store is not None
        notes = floor.store.rows("select text from notes where kind = 'waits'")
        assert any("what became of its payments is not known" in row["text"] for row in notes)
    floor.node.has_logs = True
    floor.settle(1)
    assert (floor.venue.state(refused), floor.venue.state(paid)) == ("failed", "done")
    assert floor.chain.balance(place("customer")) == 100 * UNIT


def test_a_node_that_lies_about_what_became_of_a_payment_ends_nothing(floor: EvmFloor) -> None:
    """A refusal that there was not would give an owner the amount a second time."""
    floor.fill()
    reference = floor.withdraw("w1", "ETH", 100, place("customer"))
    floor.step()
    floor.chain.mine()
    floor.scanner.catch_up()

    def refused(receipt: dict[str, Any]) -> dict[str, Any]:
        for log in receipt["logs"]:
            log["topics"] = [
                to_hex(FAILED) if one == to_hex(PAID) else one for one in log["topics"]
            ]
        return receipt

    floor.node.lie = "eth_getTransactionReceipt", refused
    floor.settle(2)
    assert floor.venue.state(reference) == "sent"
    assert floor.store is not None
    notes = floor.store.rows("select text from notes where kind = 'waits'")
    assert any("two nodes say different things of batch" in row["text"] for row in notes)
    floor.node.lie = None
    floor.settle(1)
    assert floor.venue.state(reference) == "done"


def test_a_node_of_another_chain_is_asked_for_nothing_and_uses_up_no_nonce(
    floor: EvmFloor,
) -> None:
    """Nothing is signed, sent or numbered by what the other chain says; then it is paid once."""
    floor.fill()
    first = floor.withdraw("w1", "ETH", 100, place("one"))
    floor.settle(1)
    sent = len(floor.broadcaster.sent.rows("select * from evm_attempts"))
    second = floor.withdraw("w2", "ETH", 100, place("two"))
    floor.chain.node.call("anvil_setChainId", 11_155_111)
    # The account has been used more often there.
    floor.chain.node.call("anvil_setNonce", to_hex(floor.gas_key.address), hex(500))
    try:
        for _ in range(3):
            floor.step()
        assert len(floor.broadcaster.sent.rows("select * from evm_attempts")) == sent
        assert floor.store is not None
        assert [row["state"] for row in floor.store.rows("select state from drafts")] == ["done"]
        text = "serves the chain with the id 11155111, and the file names 31337"
        waiting = floor.store.rows("select text from notes where kind = 'waits'")
        assert any(text in row["text"] for row in waiting)
    finally:
        floor.chain.node.call("anvil_setChainId", CHAIN_ID)
        nonce = floor.broadcaster.sent.value("select max(nonce) from evm_sends")
        floor.chain.node.call("anvil_setNonce", to_hex(floor.gas_key.address), hex(nonce + 1))
    floor.settle(2)
    assert (floor.venue.state(first), floor.venue.state(second)) == ("done", "done")
    assert floor.chain.balance(place("two")) == 100 * UNIT


def test_a_batch_that_was_orphaned_is_made_again_and_pays_once(floor: EvmFloor) -> None:
    """At each depth; the new branch has none of our transactions."""
    floor.fill()
    for depth in range(1, 11):
        to = place(f"w{depth}")
        reference = floor.withdraw(f"w{depth}", "ETH", 100, to)
        floor.step()
        floor.chain.mine(depth - 1)
        floor.step()
        assert floor.chain.balance(to) == 100 * UNIT
        floor.chain.reorganise(depth)
        assert floor.chain.balance(to) == 0
        assert floor.venue.state(reference) == "sent"
        floor.settle(2)
        assert floor.venue.state(reference) == "done"
        assert floor.chain.balance(to) == 100 * UNIT


def batch_send(floor: EvmFloor) -> Send:
    """The broadcaster's row of the first batch."""
    query = "select reference from evm_sends where reference like 'batch %' order by id"
    found = floor.broadcaster.find(floor.broadcaster.sent.value(query))
    assert found is not None
    return found


def test_a_stranger_may_bring_the_signed_batch(floor: EvmFloor) -> None:
    """It was seen in the pool and sent by somebody else: ours then fails, and each payment counts
    once."""
    floor.fill()
    floor.chain.automine(False)
    one = floor.withdraw("w1", "ETH", 100, place("customer"))
    floor.step()
    send = batch_send(floor)
    stranger = LocalKey("stranger")
    floor.chain.fund(stranger.address, ETHER)
    raw = floor.chain.signed(stranger, send.target, 0, send.data, fee=400 * GWEI)
    floor.chain.node.call("eth_sendRawTransaction", to_hex(raw))
    floor.chain.automine(True)
    floor.settle(2)
    assert floor.venue.state(one) == "done"
    assert floor.chain.balance(place("customer")) == 100 * UNIT
    two = floor.withdraw("w2", "ETH", 100, place("customer"))
    floor.settle(2)
    assert floor.venue.state(two) == "done"
    assert floor.chain.balance(place("customer")) == 200 * UNIT


def test_a_batch_that_expired_is_signed_again_with_the_same_number(floor: EvmFloor) -> None:
    """Its first version can never be made any more, so nothing is paid twice."""
    floor.fill()
    floor.chain.automine(False)
    one = floor.withdraw("w1", "ETH", 100, place("customer"))
    floor.step()
    for _ in range(FINAL + 2):
        floor.chain.node.call("anvil_dropAllTransactions")
        floor.chain.node.call("evm_increaseTime", 4_000)
        floor.chain.mine()
    floor.chain.automine(True)
    floor.settle(3)
    assert floor.venue.state(one) == "done"
    assert floor.chain.balance(place("customer")) == 100 * UNIT
    assert floor.store is not None
    rows = floor.store.rows("select body, conflicts, state from drafts order by id")
    assert len({row["conflicts"] for row in rows}) == 1
    assert [row["state"] for row in rows][-1] == "done"
    assert len(rows) == 2


def test_a_batch_whose_number_replaced_an_owner_ends_when_people_fail_it(floor: EvmFloor) -> None:
    """A stolen owner's place is given to another key while a batch waits: no signer signs its
    payment in another batch, so people are told, and afterwards nothing is left of it."""
    floor.fill()
    chain, store = floor.chain, floor.store
    assert store is not None
    one = floor.withdraw("w1", "ETH", 100, place("customer"))
    assert floor.payer._draft() == floor.payer._sign() == 1
    stolen, *others = floor.owners
    change = OwnerReplacement(0, 2**63, stolen.address, place("another owner"))
    digest = change.digest(floor.made.domain)
    call = change.call([other.sign(digest) for other in others], digest)
    assert int(chain.transact(floor.made.wallet, call)["status"], 16) == 1
    floor.settle(2)
    chain.node.call("evm_increaseTime", 4_000)
    floor.settle(2)
    assert "its payments can never be made; fail them at the venue" in floor.notes()
    floor.venue.step("withdrawal-fail", one)
    floor.settle(1)
    query = "select w.state, d.state from withdrawals w join drafts d on d.id = w.draft"
    assert [tuple(row) for row in store.rows(query)] == [("failed", "dropped")]
    assert chain.balance(place("customer")) == 0


def test_a_wallet_that_has_too_little_says_so(floor: EvmFloor) -> None:
    floor.fill(coins=50 * UNIT)
    one = floor.withdraw("w1", "ETH", 100, place("a"))
    floor.step()
    assert "refill it" in floor.notes()
    assert floor.venue.state(one) == "sent"
    floor.fill()
    floor.settle(2)
    assert floor.venue.state(one) == "done"


@pytest.mark.promise(
    "A payment that a signer refuses, or that the hot wallet cannot make, keeps no other one "
    "waiting, and is made when it can be",
    group="custody",
)
def test_a_payment_that_waits_for_a_refill_does_not_fail_behind_one_that_is_under_way(
    floor: EvmFloor,
) -> None:
    """What a batch that is not made yet will pay is no longer there for the next one."""
    floor.fill(coins=100 * UNIT)
    floor.chain.automine(False)
    one = floor.withdraw("w1", "ETH", 80, place("a"))
    floor.step()
    two = floor.withdraw("w2", "ETH", 60, place("b"))
    floor.step()
    floor.chain.automine(True)
    floor.settle(2)
    assert (floor.venue.state(one), floor.venue.state(two)) == ("done", "sent")
    assert "refill it" in floor.notes()
    floor.fill(coins=50 * UNIT)
    floor.settle(2)
    assert floor.venue.state(two) == "done"
    assert floor.chain.balance(place("b")) == 60 * UNIT


# The gas account


def test_what_the_gas_accounts_key_or_records_refuse_ends_nothing(
    floor: EvmFloor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Custody of the other chains continues, and this one when it can."""
    floor.fill()
    one = floor.withdraw("w1", "ETH", 100, place("customer"))
    other = LocalKey("another").sign
    with monkeypatch.context() as patch:
        patch.setattr(floor.gas_key, "sign", other)
        floor.step()
    assert "not by its sender" in floor.notes()

    def submit(reference: str, *terms: object, **more: object) -> None:
        raise SendError(f"reference {reference} belongs to another transaction")

    with monkeypatch.context() as patch:
        patch.setattr(floor.broadcaster, "submit", submit)
        floor.withdraw("w2", "ETH", 100, place("customer"))
        floor.step()
    assert "belongs to another transaction" in floor.notes()
    floor.settle(2)
    assert floor.venue.state(one) == "done"
    assert floor.chain.balance(place("customer")) == 200 * UNIT


def test_a_stuck_transaction_is_replaced_by_a_dearer_one(floor: EvmFloor) -> None:
    """By a tenth at least, with the same nonce and content; the one that is mined counts."""
    floor.fill()
    floor.chain.automine(False)
    one = floor.withdraw("w1", "ETH", 100, place("customer"))
    floor.step()
    nonce = batch_send(floor).nonce
    assert nonce is not None
    for _ in range(6):
        floor.chain.node.call("anvil_dropAllTransactions")
        floor.chain.mine()
    floor.step()
    old, new = floor.broadcaster.attempts(nonce)
    assert 10 * new.fee >= 11 * old.fee
    assert 10 * new.tip >= 11 * old.tip
    floor.chain.automine(True)
    floor.settle(2)
    assert floor.venue.state(one) == "done"
    assert floor.chain.balance(place("customer")) == 100 * UNIT


def test_the_cap_of_fees_is_kept_and_the_reason_is_said(floor: EvmFloor) -> None:
    """A new transaction waits without a nonce."""
    floor.fill()
    floor.chain.node.call("anvil_setNextBlockBaseFeePerGas", hex(600 * GWEI))
    floor.chain.mine()
    one = floor.withdraw("w1", "ETH", 100, place("customer"))
    floor.step()
    send = batch_send(floor)
    assert send.nonce is None
    assert "the cap is" in send.why
    floor.chain.node.call("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    floor.chain.mine()
    floor.settle(2)
    assert floor.venue.state(one) == "done"


@pytest.mark.promise(
    "While withdrawals are stopped nothing is sent to an EVM chain, also what was signed before",
    group="custody",
)
def test_a_signed_batch_is_not_sent_while_withdrawals_are_stopped(floor: EvmFloor) -> None:
    """It waits for a lower fee when they are stopped; then it is sent at once, and once."""
    chain = floor.chain
    floor.fill()
    floor.broadcaster.fees = FeePolicy(max_fee_cap=1)
    reference = floor.withdraw("w1", "ETH", ETHER // UNIT, place("stopped"))
    floor.step()
    assert [send.state for send in floor.broadcaster.open()] == ["waiting"]
    floor.payer.breaker.trip("a drill")
    floor.broadcaster.fees = floor.fees
    floor.settle(2)
    assert chain.balance(place("stopped")) == 0
    assert floor.venue.state(reference) == "sent"
    assert floor.store is not None
    floor.store.run("update breaker set lifted_ns = 1")
    floor.settle(2)
    assert chain.balance(place("stopped")) == ETHER
    assert floor.venue.state(reference) == "done"


def test_nonces_have_no_gaps(floor: EvmFloor) -> None:
    """Many transactions, some of which cannot be sent now: those that can have nonces in a row."""
    floor.fill()
    chain, broadcaster = floor.chain, floor.broadcaster
    chain.automine(False)
    for at in range(40):
        if at % 3 == 2:  # a call that fails
            broadcaster.submit(f"s{at}", floor.made.factory, b"\1\2\3\4" + bytes(32), 0)
        else:
            broadcaster.submit(f"s{at}", place(f"r{at}"), b"", 1)
    for _ in range(6):
        broadcaster.step()
        chain.mine()
    nonces = sorted(send.nonce for send in broadcaster.open() if send.nonce is not None)
    asked = (to_hex(floor.gas_key.address), "latest")
    used = int(chain.node.call("eth_getTransactionCount", *asked), 16)
    assert nonces == list(range(3, 3 + 27))
    assert used == 3 + 27


def test_a_foreign_use_of_the_gas_key_is_an_alarm(floor: EvmFloor) -> None:
    """Within one block: the nonce is gone, and none of ours is in a block with it."""
    floor.fill()
    floor.chain.automine(False)
    floor.withdraw("w1", "ETH", 100, place("customer"))
    floor.step()
    floor.chain.node.call("anvil_dropAllTransactions")
    theft = Transaction(CHAIN_ID, 3, GWEI, 400 * GWEI, 21_000, place("thief"), ETHER, b"")
    floor.chain.node.call("eth_sendRawTransaction", to_hex(theft.signed(floor.gas_key).raw))
    floor.chain.mine()
    floor.step()
    assert "is not ours" in floor.notes()


def test_a_number_that_one_node_invents_is_no_nonce(floor: EvmFloor) -> None:
    """One that is far above is never reached: nothing after it would be made, with any node."""
    floor.fill()
    floor.node.lie = "eth_getTransactionCount", lambda found: hex(1 << 40)
    one = floor.withdraw("w1", "ETH", 100, place("customer"))
    floor.step()
    floor.node.lie = None
    floor.settle(2)
    assert floor.venue.state(one) == "done"
    assert floor.chain.balance(place("customer")) == 100 * UNIT


# Kills


def everything(floor: EvmFloor) -> None:
    """What was asked for, through every state."""
    floor.settle(3)


@pytest.mark.promise(
    "A deposit is credited once, when its amount has the confirmations it needs and the "
    "second node of the chain has its block. This holds also on a full disk and with a kill "
    "at any call. An undone block reverses it",
    group="custody",
)
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_some_calls(chain: Anvil, tmp_path: Path, after: bool) -> None:
    """The process dies at its n-th call of the node, for n from 0 until it no longer does; before
    the node sees the call, and after."""
    kill(chain, tmp_path, after, every=41)


@pytest.mark.long
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_every_call(chain: Anvil, tmp_path: Path, after: bool) -> None:
    kill(chain, tmp_path, after, every=1)


def kill(chain: Anvil, tmp_path: Path, after: bool, every: int) -> None:
    count = done = 0
    start = chain.node.call("evm_snapshot")
    while not done:
        folder = tmp_path / str(count)
        folder.mkdir()
        floor = EvmFloor(chain, folder)
        floor.fill()
        chain.transact(floor.address(1), value=ETHER)
        chain.transact(floor.token, transfer(floor.address(2), 5_000))
        references = [
            floor.withdraw(name, asset, 100, place(name))
            for asset, name in (("ETH", "w1"), ("USDT", "w2"))
        ]
        chain.mine(4)
        floor.node.dies_after, floor.node.after = count, after
        try:
            everything(floor)
            floor.node.dies_after, done = None, 1
        except Killed:
            floor.start()
            everything(floor)
        floor.settle(2)
        assert {floor.venue.state(one) for one in references} == {"done"}, count
        assert chain.balance(place("w1")) == 100 * UNIT, count
        assert floor.token_balance(place("w2")) == 100, count
        assert floor.venue.credited() == {(1, "ETH"): ETHER // UNIT, (2, "USDT"): 5_000}, count
        floor.close()
        chain.put_back(start)
        start = chain.node.call("evm_snapshot")
        count += every
    assert count > 100


# Thieves


@pytest.mark.promise(
    "A thief of one part (builder, payer, gas key, database, one signer or attestor) moves "
    "nothing. What custody did not ask for stops all withdrawals within one block. Whatever "
    "trips the breaker stops all withdrawals, and only two supervisors lift it",
    group="custody",
)
def test_a_stolen_builder_moves_nothing(floor: EvmFloor) -> None:
    """It asks the signers for a payment to itself, with every claim that it has."""
    floor.fill()
    honest = floor.withdraw("w1", "ETH", 100, place("customer"))
    floor.settle(2)
    assert floor.signers is not None
    assert floor.store is not None
    row = floor.store.row("select * from withdrawals where reference = ?", honest)
    statement, signature = floor.signers.state(honest, 9)
    terms = {
        "reference": honest,
        "participant": 9,
        "asset": "ETH",
        "chain": "EVM",
        "address": row["address"],  # type: ignore[index]
        "units": 100,
        "salt": "w1",
        "statement": statement.__dict__,
        "signature": signature,
    }
    to_thief = Payment(COIN, place("thief"), 100 * UNIT)
    again = Payment(COIN, place("customer"), 100 * UNIT)
    thief_terms = terms | {"address": to_thief.described()["to"]}
    number = 1_000
    for payments, claims in (
        ((to_thief,), []),
        ((to_thief,), [terms]),
        ((to_thief,), [thief_terms]),
        ((again, to_thief), [terms]),
        ((again,), [terms]),
        ((again, again), [terms, terms]),
    ):
        for signer in floor.signers.signers:
            number += 1
            body = batch_body(Batch(1, floor.now() + 3_000, payments))
            with pytest.raises(Refused):
                signer.sign(number, claims, body)
    assert floor.chain.balance(place("thief")) == 0


def test_a_stolen_database_moves_nothing(floor: EvmFloor) -> None:
    """Its rows are changed: another receiver; a payment that was made waits again; all drafts are
    forgotten."""
    floor.fill()
    floor.withdraw("w1", "ETH", 100, place("customer"))
    floor.settle(2)
    later = floor.withdraw("w2", "ETH", 100, place("customer"))
    database = sqlite3.connect(floor.folder / "custody.sqlite")
    thief = address_text(place("thief"))
    for change in (
        "update withdrawals set state = 'sent', draft = null where salt = 'w1'",
        f"update withdrawals set address = '{thief}' where salt = 'w2'",
        "delete from drafts",
    ):
        with database:
            database.execute(change)
    database.close()
    floor.start()
    floor.settle(3)
    assert floor.chain.balance(place("thief")) == 0
    assert floor.chain.balance(place("customer")) == 100 * UNIT
    assert floor.chain.balance(floor.made.wallet) == 100 * ETHER - 100 * UNIT
    assert floor.venue.state(later) == "sent"
    assert floor.notes()


def test_a_stolen_signer_and_gas_key_move_nothing(floor: EvmFloor) -> None:
    """One owner's key signs whatever the thief wants: the wallet refuses it.  The gas account's
    coins are all that the gas key can move."""
    floor.fill()
    batch = Batch(0, 2**40, (Payment(COIN, place("thief"), ETHER),))
    digest = batch.digest(floor.made.domain)
    own = floor.owners[0].sign(digest)
    for other in (own, floor.gas_key.sign(digest), LocalKey("thief").sign(digest)):
        for pair in ([own, other], [other, own]):
            call = World.call(None, batch, pair)  # type: ignore[arg-type]
            receipt = floor.chain.transact(floor.made.wallet, call)
            assert int(receipt["status"], 16) == 0
    # Nor can it sweep anywhere but into the wallet.
    at = floor.address(1)
    floor.chain.transact(at, value=ETHER)
    call = selector("sweep(address,uint256[])") + words(COIN, 64, 1, 0)
    floor.chain.transact(floor.made.factory, call, sender=3)
    assert floor.chain.balance(floor.made.wallet) == 101 * ETHER
    assert floor.chain.balance(place("thief")) == 0


def test_no_contract_of_ours_has_a_way_around_the_owners() -> None:
    """The functions of the wallet, all of them: two need two owners, the others only read."""
    from openoutcry.custody.evm.contracts import compiled

    abi = compiled()["contracts"]["wallet"]["abi"]
    changing = {
        one["name"]
        for one in abi
        if one["type"] == "function" and one["stateMutability"] not in ("view", "pure")
    }
    assert changing == {"execute", "replace_owner"}


# Speed


@pytest.mark.long
def test_a_block_with_five_thousand_outputs(tmp_path: Path) -> None:
    """Two seconds at most from its arrival until all are pending: 25 batches of 200 payments.

    anvil itself takes 25 s to return a block of 5,000 transactions (its time grows with the
    square), so the transactions here are few."""
    with anvil("--gas-limit", "400000000") as chain:
        floor = EvmFloor(chain, tmp_path)
        places = [floor.address(account) for account in range(1_000)]
        floor.step()
        payer = World(chain, creation_code("wallet"), owners=floor.owners)
        floor.mint(payer.wallet, 10**9)
        floor.step()
        chain.automine(False)
        for number in range(25):
            payments = [
                Payment(floor.token, places[(number * 40 + at) % 1_000], 100 + at)
                for at in range(MAX_PAYMENTS)
            ]
            batch = payer.batch(*payments, number=number)
            chain.send(payer.wallet, payer.call(batch, payer.signatures(batch)), gas=15_000_000)
        chain.mine()
        began, used = time.monotonic(), time.process_time()
        floor.scanner.catch_up()
        took, used = time.monotonic() - began, time.process_time() - used
        assert floor.store is not None
        (count,) = floor.store.rows("select count(*) from deposits where state = 'seen'")[0]
        assert count == 5_000
        print(f"\n5,000 outputs pending {took:.2f} s after their block: {used:.2f} s of work")
        assert used < 2, "of this process alone: the machine may be busy"
        floor.close()
