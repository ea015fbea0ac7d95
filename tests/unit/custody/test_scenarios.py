"""Scenarios that the chains, their nodes and their tokens bring: forks, nodes that lie or lose what
they had, tokens whose amounts are not what they say.  docs/custody.md has a table of all."""

import hashlib
import re
import stat
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from openoutcry import PACKAGE
from openoutcry.custody.errors import NodeError
from openoutcry.custody.evm.transactions import HALF_ORDER
from openoutcry.custody.hsm import signature_of
from openoutcry.custody.payer import Payer
from openoutcry.custody.reconcile import Reconciler
from openoutcry.custody.reserves import signature_by
from openoutcry.custody.scanner import DeepFork
from openoutcry.custody.sockets import Server
from tests.support.custody.model_chain import ModelChain, ModelTransaction
from tests.unit.custody.test_evm_deposits import FINAL, TOKEN, UNIT, Desk, coins, opened

ROOT = PACKAGE.parent
RFC_6979 = (
    0xF8B8AF8CE3C7CCA5E300D33939540C10D45CE001B8F252BFBC57BA0342904181,
    b"Alan Turing",
    0x7063AE83E7F62BBB171798131B4A0564B956930092B33B07B395615D9EC7E15C,
    0x58DFCC1E00A35E1572F366FFE34BA0FC47DB1E7189759B9FB233C5B05AB388EA,
)
"""A known signature on secp256k1: key, message, r and s."""


@pytest.fixture
def desk() -> Iterator[Desk]:
    with opened() as made:
        yield made


def test_the_page_names_tests_that_exist() -> None:
    page = (ROOT / "docs" / "custody.md").read_text()
    named = re.findall(r"`(tests/[a-z_/]+\.py)::(test_\w+)`", page)
    assert len(named) > 30
    lost = [(file, test) for file, test in named if f"def {test}(" not in (ROOT / file).read_text()]
    assert lost == []


def credited(desk: Desk, *transactions: ModelTransaction) -> None:
    """Bring a block with transactions, and blocks until it is credited."""
    desk.chain.mine(transactions)
    for _ in range(5):
        desk.chain.mine()
    desk.step()


@pytest.mark.parametrize("depth", range(1, FINAL + 3))
def test_a_fork_is_undone_and_from_below_what_is_final_it_stops(desk: Desk, depth: int) -> None:
    """Both branches have a payment of another amount: one of them is credited, once."""
    desk.chain.mine()
    for number in range(FINAL + 2):
        desk.chain.mine([coins(desk, "before", 1, 50)] if number == FINAL + 2 - depth else [])
    desk.step()
    desk.chain.fork(depth, [[coins(desk, "after", 1, 70)], *[[]] * (FINAL + 2)])
    if depth < FINAL:
        desk.step()
        assert desk.venue.credited() == {(1, "ETH"): 70}
        assert desk.trips == []
    else:
        with pytest.raises(DeepFork):
            desk.scanner.catch_up()
        assert len(desk.trips) == 1


@pytest.mark.promise(
    "A node that serves another chain than the file names credits nothing, as its referee does; "
    "custody continues when it serves the right one again",
    group="custody",
)
@pytest.mark.parametrize("liar", ["node", "referee"])
def test_a_node_of_another_chain_credits_nothing(desk: Desk, liar: str) -> None:
    desk.step()
    if liar == "referee":
        desk.referee = ModelChain(desk.chain.blocks)
        desk.start()
    node = desk.chain if liar == "node" else desk.referee
    assert node is not None
    node.serves = 11_155_111
    desk.chain.mine([coins(desk, "worthless", 1, 50)])
    with pytest.raises(
        NodeError, match="serves the chain with the id 11155111, and the file names"
    ):
        desk.scanner.catch_up()
    assert desk.states() == []
    node.serves = 1
    credited(desk)
    assert desk.venue.credited() == {(1, "ETH"): 50}


def test_a_pruned_node_undoes_and_credits_nothing_until_it_has_its_blocks(desk: Desk) -> None:
    credited(desk, coins(desk, "first", 1, 50))
    desk.chain.mine([coins(desk, "second", 1, 20)])
    for _ in range(5):
        desk.chain.mine()
    desk.chain.pruned = len(desk.chain.blocks)
    with pytest.raises(NodeError, match="has no block"):
        desk.scanner.catch_up()
    assert desk.venue.credited() == {(1, "ETH"): 50}
    desk.start()
    desk.chain.pruned = 0
    desk.step()
    assert desk.venue.credited() == {(1, "ETH"): 70}


@pytest.mark.parametrize("away", range(12))
def test_a_node_that_restarts_at_any_call_credits_once(desk: Desk, away: int) -> None:
    """It is away after so many calls, and is back with fewer blocks than before."""
    desk.chain.mine([coins(desk, "a", 1, 50)])
    desk.chain.mine()
    desk.chain.failing_after = away
    try:
        desk.step()
    except NodeError:
        desk.start()
    desk.chain.failing_after, desk.chain.shown = None, 2
    desk.step()
    desk.chain.shown = None
    credited(desk)
    assert desk.venue.credited() == {(1, "ETH"): 50}


NO_ANSWERS: tuple[Any, ...] = (
    None, {}, [], "", "0x", "zz", 5, True, [None], [{}], {"number": None}, "0x" + "f" * 80,
    {"hash": 5, "number": "0x1"}, {"number": "0x" + "f" * 20, "hash": "0x", "parentHash": ""},
)  # fmt: skip


@pytest.mark.promise(
    "Whatever one chain's node answers, the other chains continue: what cannot be read waits",
    group="custody",
)
@pytest.mark.parametrize("answer", NO_ANSWERS, ids=lambda answer: str(answer)[:20])
@pytest.mark.parametrize(
    "method", ["eth_chainId", "eth_getBlockByNumber", "eth_getBlockByHash", "eth_getBlockReceipts"]
)
def test_an_answer_that_is_none_waits_and_credits_nothing(
    desk: Desk, method: str, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.chain.mine([coins(desk, "first", 1, 50)])
    desk.step()
    desk.chain.mine([coins(desk, "second", 1, 20)])
    whole = desk.chain._answer
    with monkeypatch.context() as patch:
        patch.setattr(
            desk.chain, "_answer", lambda do, *p: answer if do == method else whole(do, *p)
        )
        for _ in range(2):
            try:
                assert desk.scanner.catch_up(5) == 0
            except NodeError:
                continue
    assert desk.venue.credited() == {}
    credited(desk)
    assert desk.venue.credited() == {(1, "ETH"): 70}


def test_an_answer_that_is_none_stops_the_payer_of_no_other_chain(desk: Desk) -> None:
    assert desk.store is not None
    rail: Any = SimpleNamespace(look_after=lambda sends: int("zz"))
    signers: Any = SimpleNamespace()
    assert Payer("EVM", desk.file, desk.store, desk.venue, rail, signers).go_on() == 0
    (note, *_) = desk.store.rows("select text from notes where kind = 'waits'")
    assert "EVM: an answer of its node cannot be read: ValueError" in note["text"]


@pytest.mark.promise(
    "A token that delivers or keeps less than its logs say (fee on transfer, rebasing) stops "
    "withdrawals with the next block; one that gives more is an alarm",
    group="custody",
)
@pytest.mark.parametrize(
    ("kind", "on_chain", "stops"),
    [("as logged", 1_000, False), ("fee on transfer", 990, True), ("rebased down", 500, True),
     ("rebased up", 1_300, False)],
)  # fmt: skip
def test_a_token_whose_balance_is_not_what_its_logs_say(
    desk: Desk, kind: str, on_chain: int, stops: bool
) -> None:
    assert desk.store is not None
    credited(desk, ModelTransaction("a", TOKEN, 0, ((TOKEN, desk.places[1], 1_000),)))
    assert desk.venue.credited() == {(1, "USDT"): 1_000}
    rail: Any = SimpleNamespace(holdings=lambda top: {"USDT": on_chain, "ETH": 0})
    reconciler = Reconciler(desk.file, desk.store, desk.venue, {"EVM": rail})
    reconciler.go_on()
    assert bool(reconciler.breaker.why()) is stops, kind
    texts = [row["text"] for row in desk.store.rows("select text from notes")]
    assert any("has not seen" in text for text in texts) is (on_chain > 1_000)


@pytest.mark.promise(
    "What anyone can send to a wallet is at most an alarm. A surplus on a chain, a block that came "
    "meanwhile and a venue that does not answer stop no withdrawal",
    group="custody",
)
@pytest.mark.parametrize("blocks", [1, FINAL - 1, FINAL, FINAL + 5])
def test_a_surplus_that_lasted_and_leaves_stops_withdrawals(desk: Desk, blocks: int) -> None:
    """Else a thief could take as much as strangers have paid in unseen.  One that a fork takes
    away was there for fewer blocks."""
    assert desk.store is not None
    credited(desk, ModelTransaction("a", TOKEN, 0, ((TOKEN, desk.places[1], 1_000),)))
    on_chain = {"USDT": 1_000, "ETH": 0}
    rail: Any = SimpleNamespace(holdings=lambda top: on_chain)
    reconciler = Reconciler(desk.file, desk.store, desk.venue, {"EVM": rail})

    def look(count: int, units: int) -> str:
        on_chain["USDT"] = units
        for _ in range(count):
            desk.chain.mine()
            desk.step()
            reconciler.go_on()
        return reconciler.breaker.why()

    assert look(blocks, 1_300) == ""
    why = look(1, 1_100)
    assert ("0.000200 USDT of what custody has not seen has left" in why) is (blocks >= FINAL)
    desk.store.run("update breaker set lifted_ns = 1")
    assert look(FINAL, 1_100) == "", "people know it"


def test_a_fee_on_transfer_that_the_log_states_is_credited_net(desk: Desk) -> None:
    """The fee is another transfer: the sender's loss, and none of the venue."""
    token_fee = ((TOKEN, desk.places[1], 990), (TOKEN, b"\x77" * 20, 10))
    credited(desk, ModelTransaction("a", TOKEN, 0, token_fee))
    assert desk.venue.credited() == {(1, "USDT"): 990}


def test_a_key_in_memory_signs_by_rfc_6979_with_the_low_s() -> None:
    """The nonce follows from key and digest: the same request is the same signature, and no bad
    source of randomness gives the key away."""
    ec = pytest.importorskip("embit.ec", reason="custody's libraries are not installed")
    secret, message, r, s = RFC_6979
    key = ec.PrivateKey(secret.to_bytes(32, "big"))
    digest = hashlib.sha256(message).digest()
    assert signature_of(signature_by(key, digest)) == (r, s)
    for number in range(64):
        digest = hashlib.sha256(bytes([number])).digest()
        first, again = (signature_by(key, digest) for _ in range(2))
        assert first == again
        assert 0 < signature_of(first)[1] <= HALF_ORDER


def test_a_signers_socket_is_its_owners_alone_also_where_another_one_was(tmp_path: Any) -> None:
    """A link that somebody left in its place is replaced, and what it names is not touched."""
    other, path = tmp_path / "other", tmp_path / "signer.sock"
    other.write_text("kept")
    path.symlink_to(other)
    with Server(path, lambda request: request) as server:
        mode = server.path.lstat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert other.read_text() == "kept"


def test_amounts_that_fill_no_unit_and_amounts_of_all_sizes_are_credited_to_the_unit(
    desk: Desk,
) -> None:
    """Up to the largest that the venue holds, and one transaction of hundreds of transfers."""
    logs = tuple((TOKEN, desk.places[number % 3], 10 + number) for number in range(300))
    credited(
        desk,
        ModelTransaction("many", TOKEN, 0, logs),
        ModelTransaction("odd", desk.places[0], 5_000 * UNIT + UNIT - 1),
    )
    wanted = {(who, "USDT"): sum(10 + n for n in range(300) if n % 3 == who) for who in range(3)}
    assert desk.venue.credited() == wanted | {(0, "ETH"): 5_000}
