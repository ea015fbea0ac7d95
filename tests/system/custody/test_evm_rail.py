"""The EVM chain and rail as the rest of custody uses them, on a node."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from openoutcry.custody.errors import NodeError, Refused
from openoutcry.custody.evm.chain import FIRST_LOG, EvmChain
from openoutcry.custody.evm.contracts import COIN, Batch
from openoutcry.custody.evm.encoding import address_text, selector, words
from openoutcry.custody.evm.node import Node
from openoutcry.custody.evm.rail import EvmRail, EvmRailSettings
from openoutcry.custody.evm.reader import batch_of
from openoutcry.custody.rail import Draft, Found, Payment, Signed
from tests.support.custody.anvil import ETHER, Anvil, anvil
from tests.support.custody.evm_floor import FINAL, UNIT, EvmFloor
from tests.support.custody.keys import LocalKey
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with anvil() as running:
        yield running


@pytest.fixture
def floor(node: Anvil, tmp_path: Path) -> Iterator[EvmFloor]:
    snapshot = node.node.call("evm_snapshot")
    node.automine(True)
    made = EvmFloor(node, tmp_path)
    made.fill()
    yield made
    made.close()
    node.put_back(snapshot)


@pytest.fixture
def rail(floor: EvmFloor) -> EvmRail:
    settings = EvmRailSettings(
        {"ETH": COIN, "USDT": floor.token}, {"ETH": 10 * UNIT, "USDT": 10}, final=FINAL
    )
    return EvmRail("EVM", floor.node, floor.made, floor.broadcaster, settings, floor.now)


@dataclass
class Looked:
    """What a scanner looks for."""

    addresses: Mapping[str, object] = field(default_factory=dict)
    outputs: Mapping[tuple[str, int], object] = field(default_factory=dict)
    sent: frozenset[str] = frozenset()


def place(name: str) -> bytes:
    return LocalKey(name).address


def paying(name: str, asset: str = "ETH", amount: int = 100 * UNIT) -> Payment:
    return Payment(f"w {name}", asset, address_text(place(name)), amount)


def signed(floor: EvmFloor, rail: EvmRail, draft: Draft) -> Signed:
    digest = batch_of(draft.body).digest(floor.made.domain)
    answers = [{"signature": key.sign(digest).bytes65().hex()} for key in floor.owners[1:]]
    return rail.combine(draft, answers)


# The chain


def test_a_block_has_what_came_to_our_addresses(floor: EvmFloor) -> None:
    """Coins and tokens, each at its place; and nothing of a transaction that failed."""
    chain = EvmChain("EVM", floor.node, floor.made.wallet)
    at = place("deposit")
    floor.chain.automine(False)
    coin = floor.chain.send(at, value=ETHER)
    call = selector("transfer(address,uint256)") + words(at, 77)
    token = floor.chain.send(floor.token, call)
    floor.chain.send(floor.token, call, sender=1)  # it has no tokens
    floor.chain.mine()
    header = chain.tip()
    content = chain.content(header, Looked({address_text(at): 1}))
    assert content.transactions == 3
    assert [(one.txid, one.place, one.token, one.amount) for one in content.receipts] == [
        ("0x" + coin.hex(), 0, "", ETHER),
        ("0x" + token.hex(), FIRST_LOG, address_text(floor.token), 77),
    ]
    assert chain.header(header.hash) == header
    assert chain.hash_at(header.height) == header.hash
    assert chain.hash_at(header.height + 1) is None
    before = chain.header(header.parent)
    floor.chain.reorganise(1)
    assert chain.tip().parent == before.hash
    with pytest.raises(NodeError, match="no block"):
        chain.content(header, Looked())


def test_a_second_node_must_have_the_same_block(floor: EvmFloor) -> None:
    with anvil() as other:
        chain = EvmChain("EVM", floor.node, floor.made.wallet, other.node)
        with pytest.raises(NodeError, match="has not reached block"):
            chain.content(chain.tip(), Looked())
        other.mine(chain.tip().height)
        with pytest.raises(NodeError, match="two nodes have different blocks"):
            chain.content(chain.tip(), Looked())


# The rail


def test_addresses_are_refused_by_name(floor: EvmFloor, rail: EvmRail) -> None:
    good = address_text(place("customer"))
    for same in (good, good.lower()):
        assert rail.check_address(same, "ETH", 10 * UNIT) == good
    for address, amount, code in (
        ("rltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kxw508d", 10 * UNIT, "wrong_network"),
        (good[:2] + good[2:].swapcase(), 10 * UNIT, "bad_checksum"),
        (good[:-1] + ("0" if good[-1] != "0" else "1"), 10 * UNIT, "bad_checksum"),
        (good[:-1], 10 * UNIT, "bad_address"),
        ("0x" + "0" * 40, 10 * UNIT, "bad_address"),
        (address_text(floor.made.wallet), 10 * UNIT, "own_address"),
        (address_text(floor.token), 10 * UNIT, "own_address"),
        (good, 10 * UNIT - 1, "below_dust"),
    ):
        with pytest.raises(Refused) as refused:
            rail.check_address(address, "ETH", amount)
        assert refused.value.code == code, address


def test_a_draft_is_signed_sent_found_and_paid(floor: EvmFloor, rail: EvmRail) -> None:
    draft = rail.build([paying("a"), paying("b", "USDT", 500)], frozenset())
    done = signed(floor, rail, draft)
    assert rail.find(done) is None
    for _ in range(3):
        rail.send(done)

    def in_a_block() -> Found | None:
        found = rail.find(done)
        return found if found is not None and found.height else None

    found = wait_until(in_a_block, "it is in a block")
    assert found is not None
    assert found.height == floor.chain.block_number()
    assert floor.chain.balance(place("a")) == 100 * UNIT
    assert floor.token_balance(place("b")) == 500
    assert rail.refused_payments(draft, done) == frozenset()
    chain = EvmChain("EVM", floor.node, floor.made.wallet)
    header = chain.header(str(chain.hash_at(found.height)))
    assert chain.content(header, Looked(sent=frozenset({done.txid}))).confirmed == {done.txid}
    assert chain.content(header, Looked()).confirmed == frozenset()
    assert rail.holdings() == {"ETH": 100 * ETHER - 100 * UNIT, "USDT": 10**9 - 500}


def test_a_second_draft_takes_the_next_number(floor: EvmFloor, rail: EvmRail) -> None:
    first = rail.build([paying("a")], frozenset())
    second = rail.build([paying("b")], frozenset(first.conflicts))
    assert [batch_of(one.body).number for one in (first, second)] == [0, 1]
    late, early = signed(floor, rail, second), signed(floor, rail, first)
    rail.send(late)
    assert rail.find(late) is None, "it would not succeed, and has no nonce yet"
    rail.send(early)
    floor.broadcaster.step()
    floor.broadcaster.step()
    assert floor.chain.balance(place("a")) == floor.chain.balance(place("b")) == 100 * UNIT


def test_a_draft_is_made_again_only_when_the_old_one_is_dead(
    floor: EvmFloor, rail: EvmRail
) -> None:
    draft = rail.build([paying("a")], frozenset())
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            rail.bump(draft)
        assert refused.value.code == "not_needed"
        floor.chain.node.call("evm_increaseTime", 3_000)
        floor.chain.mine(1)
    floor.chain.mine(FINAL - 1)
    with pytest.raises(Refused):
        rail.bump(draft)
    floor.chain.mine(1)
    again = rail.bump(draft)
    assert again.conflicts == draft.conflicts
    assert again.identity != draft.identity
    old = signed(floor, rail, draft)
    rail.send(old)
    assert rail.find(old) is None
    rail.send(signed(floor, rail, again))
    wait_until(lambda: floor.chain.balance(place("a")) == 100 * UNIT, "the payment is mined")


def test_what_is_not_there_is_not_promised(floor: EvmFloor, rail: EvmRail) -> None:
    with pytest.raises(Refused) as refused:
        rail.build([paying("a", "ETH", 60 * ETHER), paying("b", "ETH", 60 * ETHER)], frozenset())
    assert refused.value.code == "insufficient_hot"


def test_one_owner_or_a_stranger_is_not_enough(floor: EvmFloor, rail: EvmRail) -> None:
    draft = rail.build([paying("a")], frozenset())
    digest = Batch.digest(batch_of(draft.body), floor.made.domain)
    one = {"signature": floor.owners[0].sign(digest).bytes65().hex()}
    for answers in (
        [],
        [one],
        [one, one],
        [one, {"signature": "00" * 65}],
        [one, {}],
        [one, {"signature": 5}],
    ):
        with pytest.raises(Refused) as refused:
            rail.combine(draft, answers)
        assert refused.value.code == "bad_signature"


def test_the_estimate_of_a_fee_covers_the_fee(floor: EvmFloor, rail: EvmRail) -> None:
    """For a batch of coins and tokens to new accounts, the most expensive kind."""
    payments = [paying(f"n{at}", "ETH" if at % 2 else "USDT", 100 * UNIT) for at in range(40)]
    floor.mint(floor.made.wallet, 10**18)
    draft = rail.build(payments, frozenset())
    done = signed(floor, rail, draft)
    base_fee = int(floor.node.call("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
    rail.send(done)
    send = floor.broadcaster.find(f"batch {done.txid}")
    assert send is not None
    gas = int(
        floor.chain.receipt(floor.broadcaster.attempts(send.nonce or 0)[-1].txid)["gasUsed"], 16
    )
    assert 0.6 * draft.fee < gas * base_fee <= draft.fee, gas / 40


def test_what_a_nodes_url_hides_is_in_no_message() -> None:
    """A password, and a path that is a provider's key: notes are shown to every operator."""
    for url, why in (
        ("http://user:secret@127.0.0.1:1/secret", "the node at 127.0.0.1:1: "),
        ("https://node.example/secret", "http://HOST:PORT"),
    ):
        with pytest.raises(NodeError, match=why) as error:
            Node(url).call("eth_chainId")
        assert "secret" not in str(error.value)
