"""Deposits on an EVM chain: seen, credited, taken back, over any history of the chain."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.custody.deposits import together
from openoutcry.custody.errors import NodeError
from openoutcry.custody.evm.chain import EvmBook, EvmChain
from openoutcry.custody.evm.contracts import DepositAddresses
from openoutcry.custody.evm.encoding import address_from_text, address_text, to_hex, word
from openoutcry.custody.evm.node import NO_METHOD, RpcError
from openoutcry.custody.scanner import DeepFork, Scanner, give_address
from openoutcry.custody.settings import AssetSpec, ChainSpec, CustodyFile
from openoutcry.custody.store import Store
from tests.support.custody.model_chain import ModelChain, ModelTransaction
from tests.support.custody.model_venue import Killed, ModelVenue

TOKEN, OTHER_TOKEN = b"\x22" * 20, b"\x33" * 20
ADDRESSES = DepositAddresses(b"\x44" * 20, b"\x55" * 20)
BOOK = EvmBook(ADDRESSES)
UNIT = 10**10
FINAL = 12
SPEC = ChainSpec("EVM", "evm", "http://model", final=FINAL, gap=2, first_height=1)
ETH = AssetSpec("ETH", "EVM", 8, 18, "", 10, ((999, 2), (0, 5)))
USD = AssetSpec("USDT", "EVM", 6, 6, address_text(TOKEN), 10, ((0, 3),))
NEW = AssetSpec("NEW", "EVM", 6, 6, address_text(OTHER_TOKEN), 1, ((0, 1),))


class Desk:
    """Scanner and deposits over a database that outlives them."""

    def __init__(self, folder: Path) -> None:
        self.chain, self.folder, self.venue = ModelChain(), folder, ModelVenue()
        self.file = CustodyFile(
            folder / "custody.toml", folder, folder, (SPEC,), (ETH, USD), (), folder, b"", ()
        )
        self.referee: ModelChain | None = None
        self.store: Store | None = None
        self.start()
        self.places = [address_from_text(self.give(participant)) for participant in range(3)]

    def start(self) -> None:
        """As after a kill: everything in memory is forgotten."""
        if self.store is not None:
            self.store.close()
        self.store = Store(self.folder)
        self.trips: list[str] = []
        terms: Any = self.chain, ADDRESSES.wallet, self.referee
        chain = EvmChain("EVM", *terms)
        self.scanner = Scanner(SPEC, self.file, chain, BOOK, self.store, self.trips.append)

    def give(self, participant: int) -> str:
        assert self.store is not None
        return give_address(self.store, BOOK, SPEC, participant)

    def step(self) -> None:
        self.scanner.catch_up()
        self.scanner.deposits.post(self.venue)

    def states(self) -> list[str]:
        assert self.store is not None
        return [row["state"] for row in self.store.rows("select state from deposits order by 1")]


@contextmanager
def opened() -> Iterator[Desk]:
    with tempfile.TemporaryDirectory() as folder:
        made = Desk(Path(folder))
        yield made
        assert made.store is not None
        made.store.close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    with opened() as made:
        yield made


def coins(desk: Desk, name: str, participant: int, amount: int) -> ModelTransaction:
    return ModelTransaction(name, desk.places[participant], amount * UNIT)


def test_a_deposit_is_seen_then_credited_then_final(desk: Desk) -> None:
    desk.chain.mine([coins(desk, "a", 1, 50)])
    desk.step()
    assert desk.states() == ["seen"]
    assert desk.venue.credited() == {}
    desk.chain.mine()
    desk.step()
    assert desk.venue.credited() == {(1, "ETH"): 50}
    for _ in range(FINAL - 2):
        assert desk.states() == ["credited"]
        desk.chain.mine()
        desk.step()
    assert desk.states() == ["final"]


def test_an_amount_in_parts_to_sub_accounts_waits_as_long_as_in_one(desk: Desk) -> None:
    """They are their owner's, as the portal has said."""
    assert desk.store is not None
    for participant, owner in ((0, 1), (1, 1), (2, 2)):
        desk.store.run("insert into owners values (?, ?)", participant, owner)
    parts = [coins(desk, "sub", 0, 600), coins(desk, "main", 1, 600), coins(desk, "other", 2, 600)]
    desk.chain.mine(parts)
    desk.chain.mine()
    desk.step()
    assert desk.venue.credited() == {(2, "ETH"): 600}
    assert [together(desk.store, ETH, who, 2) for who in range(3)] == [1_200, 1_200, 600]
    for _ in range(3):
        desk.chain.mine()
    desk.step()
    assert desk.venue.credited() == {(who, "ETH"): 600 for who in range(3)}


@pytest.mark.promise(
    "A transaction of an EVM chain may pay something else in the block that takes another's place. "
    "It is credited for what it pays there, to the account that it pays there",
    group="custody",
)
@pytest.mark.parametrize("credited", [False, True])
@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        # Token, participant, units of each transfer.
        ([(TOKEN, 1, 10**9)], [(TOKEN, 1, 11)], {(1, "USDT"): 11}),
        ([(TOKEN, 1, 500)], [(TOKEN, 2, 500)], {(2, "USDT"): 500}),
        ([(TOKEN, 1, 500)], [(OTHER_TOKEN, 1, 500)], {}),
        ([(OTHER_TOKEN, 1, 500)], [(TOKEN, 1, 500)], {(1, "USDT"): 500}),
        ([(TOKEN, 1, 9)], [(TOKEN, 1, 500)], {(1, "USDT"): 500}),
        ([(TOKEN, 1, 500), (TOKEN, 2, 600)], [(TOKEN, 2, 600)], {(2, "USDT"): 600}),
        ([(TOKEN, 1, 500)], [(TOKEN, 1, 500)], {(1, "USDT"): 500}),
    ],
)
def test_the_same_transaction_does_something_else_after_a_fork(
    desk: Desk, before: Any, after: Any, wanted: dict[tuple[int, str], int], credited: bool
) -> None:
    """A transaction's name says what was asked, and not what came of it: that depends on the
    block."""
    first, second = (
        ModelTransaction("a", logs=tuple((token, desk.places[who], n) for token, who, n in rows))
        for rows in (before, after)
    )
    desk.chain.mine([first])
    for _ in range(3 if credited else 0):
        desk.chain.mine()
    desk.step()
    depth = len(desk.chain.blocks) - 1
    desk.chain.fork(depth, [[second], *[[]] * depth])
    desk.step()
    for _ in range(FINAL):
        desk.chain.mine()
        desk.step()
    assert desk.venue.credited() == wanted


def test_a_node_that_has_a_transaction_in_two_blocks_is_not_believed(desk: Desk) -> None:
    for units in (500, 501):
        desk.chain.mine([ModelTransaction("a", logs=((TOKEN, desk.places[1], units),))])
        if units == 500:
            desk.step()
    with pytest.raises(NodeError, match="is in two blocks, and differs in them"):
        desk.step()
    assert desk.states() == ["seen"]


def test_a_large_amount_waits_longer(desk: Desk) -> None:
    desk.chain.mine([coins(desk, "a", 0, 999), coins(desk, "b", 1, 1_000)])
    for _ in range(3):
        desk.chain.mine()
    desk.step()
    assert desk.venue.credited() == {(0, "ETH"): 999}
    desk.chain.mine()
    desk.step()
    assert desk.venue.credited() == {(0, "ETH"): 999, (1, "ETH"): 1_000}


@pytest.mark.promise(
    "A deposit in many parts is credited after as many blocks as in one: an owner's deposits that "
    "a fork may still undo count together",
    group="custody",
)
def test_an_amount_in_many_parts_waits_as_long_as_in_one(desk: Desk) -> None:
    desk.chain.mine([coins(desk, "small", 1, 400)])
    desk.chain.mine()
    desk.step()
    assert desk.venue.credited() == {(1, "ETH"): 400}
    parts = [coins(desk, f"part {number}", 0, 100) for number in range(10)]
    desk.chain.mine([*parts, coins(desk, "more", 1, 600), coins(desk, "other", 2, 999)])
    for number in range(3):
        desk.chain.mine()
        desk.step()
        credited = desk.venue.credited()
        assert (0, "ETH") not in credited, "1,000 in parts of 100"
        # 1,000 with the one before, until that has as many blocks as any amount needs.
        assert credited[1, "ETH"] == (1_000 if number else 400)
        assert credited[2, "ETH"] == 999
    desk.chain.mine()
    desk.step()
    assert desk.venue.credited() == {(0, "ETH"): 1_000, (1, "ETH"): 1_000, (2, "ETH"): 999}
    desk.chain.mine([coins(desk, "later", 1, 999)])
    desk.chain.mine()
    desk.step()
    assert desk.venue.credited()[1, "ETH"] == 1_999


def test_sums_beyond_what_a_number_of_the_database_has_credit_all_the_same(desk: Desk) -> None:
    logs = tuple((TOKEN, desk.places[0], 2**80) for _ in range(4))
    desk.chain.mine([ModelTransaction("much", TOKEN, 0, logs)])
    for _ in range(3):
        desk.chain.mine()
    desk.step()
    assert desk.states() == ["credited"] * 4


def test_tokens_count_by_their_logs(desk: Desk) -> None:
    """Several in one transaction, each once; one that failed has none."""
    place, other = desk.places[:2]
    logs = ((TOKEN, place, 100), (TOKEN, other, 200), (TOKEN, place, 300))
    desk.chain.mine(
        [
            ModelTransaction("a", TOKEN, 0, logs),
            ModelTransaction("b", TOKEN, 0, logs, succeeds=False),
            ModelTransaction("c", place, 9 * UNIT * 10, succeeds=False),
        ]
    )
    for _ in range(3):
        desk.chain.mine()
    desk.step()
    assert desk.venue.credited() == {(0, "USDT"): 400, (1, "USDT"): 200}


def test_dust_and_unsupported_tokens_are_recorded_and_not_credited(desk: Desk) -> None:
    dust = ModelTransaction("dust", desk.places[0], 10 * UNIT - 1)
    foreign = ModelTransaction("foreign", OTHER_TOKEN, 0, ((OTHER_TOKEN, desk.places[1], 5_000),))
    desk.chain.mine([dust, foreign])
    for _ in range(FINAL + 2):
        desk.chain.mine()
        desk.step()
    assert sorted(desk.states()) == ["dust", "unsupported"]
    assert desk.venue.movements == {}


def test_a_token_that_is_listed_later_is_credited_from_then_on(desk: Desk) -> None:
    foreign = ModelTransaction("foreign", OTHER_TOKEN, 0, ((OTHER_TOKEN, desk.places[1], 5_000),))
    desk.chain.mine([foreign])
    desk.chain.mine()
    desk.step()
    assert desk.states() == ["unsupported"]
    desk.file = replace(desk.file, assets=(ETH, USD, NEW))
    desk.start()
    again = ModelTransaction("again", OTHER_TOKEN, 0, ((OTHER_TOKEN, desk.places[1], 7_000),))
    desk.chain.mine([again])
    desk.step()
    assert desk.venue.credited() == {(1, "NEW"): 7_000}


def test_what_does_not_fill_a_unit_is_not_credited(desk: Desk) -> None:
    """The remainder stays on the chain, and nobody is given it."""
    desk.chain.mine([ModelTransaction("a", desk.places[0], 50 * UNIT + UNIT - 1)])
    desk.chain.mine()
    desk.step()
    assert desk.venue.credited() == {(0, "ETH"): 50}


def test_a_credit_from_an_orphan_is_taken_back(desk: Desk) -> None:
    desk.chain.mine([coins(desk, "a", 1, 50)])
    desk.chain.mine()
    desk.step()
    desk.chain.fork(2, [[], [], []])
    desk.step()
    assert desk.venue.credited() == {}
    assert desk.states() == ["reversed"]


def test_one_that_comes_back_is_counted_once(desk: Desk) -> None:
    """In another block of the new branch; later, after it was taken back, and again."""
    payment = coins(desk, "a", 1, 50)
    desk.chain.mine([payment])
    desk.chain.mine()
    desk.step()
    for blocks in ([[], [payment], []], [[], [], [], []], [[payment], [], [], [], []]):
        desk.chain.fork(len(blocks) - 1, blocks)
        desk.step()
        counted = {(1, "ETH"): 50} if payment.txid in desk.chain.included() else {}
        assert desk.venue.credited() == counted


def test_a_reorganisation_that_keeps_the_payment_leaves_its_credit(desk: Desk) -> None:
    payment = coins(desk, "a", 1, 50)
    desk.chain.mine([payment])
    desk.chain.mine()
    desk.step()
    assert desk.venue.credited() == {(1, "ETH"): 50}
    desk.chain.fork(2, [[payment], [], []])
    desk.step()
    assert desk.venue.credited() == {(1, "ETH"): 50}


def test_a_fork_below_final_blocks_stops_the_scanner(desk: Desk) -> None:
    desk.chain.mine()
    desk.chain.mine([coins(desk, "a", 1, 50)])
    for _ in range(FINAL - 1):
        desk.chain.mine()
    desk.step()
    assert desk.states() == ["final"]
    desk.chain.fork(FINAL, [[]] * (FINAL + 1))
    with pytest.raises(DeepFork, match="another branch begins below"):
        desk.scanner.catch_up()
    desk.scanner.deposits.post(desk.venue)
    assert len(desk.trips) == 1, "a person decides"


def test_the_deepest_permitted_fork_is_undone(desk: Desk) -> None:
    desk.chain.mine()
    desk.chain.mine([coins(desk, "a", 1, 50)])
    for _ in range(FINAL - 2):
        desk.chain.mine()
    desk.step()
    assert desk.states() == ["credited"]
    desk.chain.fork(FINAL - 1, [[]] * FINAL)
    desk.step()
    assert desk.venue.credited() == {}


def test_a_node_that_is_behind_undoes_nothing(desk: Desk) -> None:
    """It was restarted, and has fewer blocks for a while."""
    desk.chain.mine([coins(desk, "a", 1, 50)])
    desk.chain.mine()
    desk.step()
    desk.chain.shown = 2
    desk.step()
    assert desk.venue.credited() == {(1, "ETH"): 50}
    desk.chain.shown = None
    desk.chain.fork(2, [[], [], []])
    desk.step()
    assert desk.venue.credited() == {}


def test_a_lying_node_is_found_by_its_referee(desk: Desk) -> None:
    """A block that the second node has with another hash is not taken."""
    desk.step()
    honest = ModelChain(list(desk.chain.blocks))
    desk.referee = honest
    desk.start()
    honest.mine()
    block = desk.chain.mine([coins(desk, "a", 1, 50)])
    honest.blocks[-1] = replace(block, transactions=())
    with pytest.raises(NodeError, match="two nodes have different blocks 1"):
        desk.scanner.catch_up()
    assert desk.states() == []
    honest.blocks[-1] = block
    desk.step()
    assert desk.states() == ["seen"]


def invent(row: dict[str, Any], desk: Desk) -> None:
    row["logs"] = ModelTransaction("b", logs=((TOKEN, desk.places[2], 900),)).receipt("")["logs"]


def enlarge(row: dict[str, Any], desk: Desk) -> None:
    row["logs"][0]["data"] = to_hex(word(10**9))


LIES: dict[str, tuple[str, Callable[[dict[str, Any], Desk], object]]] = {
    "a transfer that there was not": ("eth_getBlockReceipts", invent),
    "a larger amount": ("eth_getBlockReceipts", enlarge),
    "a transfer left out": ("eth_getBlockReceipts", lambda row, desk: row["logs"].clear()),
    "a failure": ("eth_getBlockReceipts", lambda row, desk: row.update(status="0x0")),
    "coins of another value": (
        "eth_getBlockByHash",
        lambda row, desk: row.update(value=hex(900 * UNIT), to=to_hex(desk.places[2])),
    ),
}


@pytest.mark.promise(
    "What a node says of a block on an EVM chain, right hash or not, credits nothing unless the "
    "second node says the same",
    group="custody",
)
@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("liar", ["node", "referee"])
def test_a_node_that_lies_about_what_a_block_has_is_found_by_its_referee(
    desk: Desk, lie: str, liar: str
) -> None:
    """The block and its hash are the right ones."""
    method, change = LIES[lie]
    desk.referee = ModelChain(desk.chain.blocks)
    desk.start()
    desk.chain.mine([ModelTransaction("a", TOKEN, 0, ((TOKEN, desk.places[1], 1_000),))])
    for _ in range(5):
        desk.chain.mine()
    node = desk.chain if liar == "node" else desk.referee
    true_call = node.call

    def lying(name: str, *parameters: Any) -> Any:
        answer = true_call(name, *parameters)
        if name == method and parameters[-1] is not False and answer:
            rows = answer if isinstance(answer, list) else answer["transactions"]
            for row in rows:
                change(row, desk)
        return answer

    node.call = lying  # type: ignore[method-assign, assignment]
    with pytest.raises(NodeError, match="two nodes say different things of block 1"):
        desk.scanner.catch_up()
    assert desk.states() == []
    node.call = true_call  # type: ignore[method-assign]
    desk.step()
    assert desk.venue.credited() == {(1, "USDT"): 1_000}


@pytest.mark.parametrize("answer", ["execution timeout", "no such method", "", "right"])
@pytest.mark.parametrize("which", ["node", "referee", "both"])
def test_what_one_node_cannot_trace_is_an_alarm_and_what_it_lacks_waits(
    desk: Desk, which: str, answer: str
) -> None:
    """A trace that takes too long keeps no block waiting; a node that has none for another reason
    is asked again."""
    desk.referee = ModelChain(desk.chain.blocks)
    desk.start()
    chain = desk.scanner.chain
    assert isinstance(chain, EvmChain)
    chain.trace = True
    place = desk.places[1]
    desk.chain.mine([ModelTransaction("a", TOKEN, 0, ((TOKEN, place, 1_000),))])
    for _ in range(5):
        desk.chain.mine()
    inside = {"type": "CALL", "to": to_hex(place), "value": hex(50 * UNIT)}
    trace = {"type": "CALL", "to": to_hex(TOKEN), "value": "0x0", "calls": [inside]}
    nodes = {"node": desk.chain, "referee": desk.referee}
    for name, node in nodes.items():
        fails = answer != "right" and which in (name, "both")

        def call(method: str, *terms: Any, _true: Any = node.call, _fails: bool = fails) -> Any:
            if method != "debug_traceTransaction":
                return _true(method, *terms)
            if _fails and answer:
                code = NO_METHOD if answer == "no such method" else -32_000
                raise RpcError(method, code, answer)
            return None if _fails else trace

        node.call = call  # type: ignore[method-assign]
    if answer in ("no such method", ""):
        with pytest.raises(NodeError):
            desk.scanner.catch_up()
        assert desk.states() == []
        return
    desk.step()
    coin = {(1, "ETH"): 50} if answer == "right" else {}
    assert desk.venue.credited() == {(1, "USDT"): 1_000} | coin
    assert desk.store is not None
    alarms = desk.store.rows("select subject from notes where kind = 'alarm'")
    assert [row["subject"] for row in alarms] == [] if coin else ["traces EVM"]


def test_receipts_of_another_block_are_refused(desk: Desk) -> None:
    desk.chain.mine([coins(desk, "a", 1, 50)])
    true_call = desk.chain.call

    def lie(method: str, *parameters: object) -> object:
        answer = true_call(method, *parameters)
        return answer[:-1] if method == "eth_getBlockReceipts" else answer

    desk.chain.call = lie  # type: ignore[method-assign, assignment]
    with pytest.raises(NodeError, match="are not of that block"):
        desk.scanner.catch_up()


def test_no_two_participants_have_one_address(desk: Desk) -> None:
    given = [desk.give(participant) for participant in (0, 1, 2, 0)]
    assert len({*given, *map(address_text, desk.places)}) == 7


def test_an_address_with_a_past_is_not_given_out(desk: Desk) -> None:
    """A database from a backup does not know that number 4 was somebody's; the chain does."""
    desk.chain.mine([ModelTransaction("old", ADDRESSES.address(4), 70 * UNIT)])
    desk.chain.mine()
    desk.step()
    assert desk.venue.movements == {}
    given = [desk.give(9) for _ in range(2)]
    assert given == [address_text(ADDRESSES.address(number)) for number in (3, 5)]


def test_an_address_that_is_given_out_while_the_scanner_runs_is_known(desk: Desk) -> None:
    desk.step()
    late = address_from_text(desk.give(77))
    desk.chain.mine([ModelTransaction("a", late, 20 * UNIT)])
    desk.chain.mine()
    desk.step()
    assert desk.venue.credited() == {(77, "ETH"): 20}


HISTORY = st.lists(
    st.one_of(
        st.tuples(st.just("mine"), st.lists(st.integers(0, 9), max_size=3, unique=True)),
        st.tuples(
            st.just("fork"),
            st.integers(1, 10),
            st.lists(st.lists(st.integers(0, 9), max_size=2, unique=True), min_size=1, max_size=11),
        ),
        st.tuples(st.just("step")),
        st.tuples(st.just("kill"), st.integers(0, 6)),
        st.tuples(st.just("away"), st.integers(0, 12)),
    ),
    max_size=25,
)


def payments(desk: Desk) -> list[ModelTransaction]:
    """Ten payments, the same ones whichever block they come into."""
    made = [coins(desk, f"coin {one}", one % 3, 20 + one) for one in range(5)]
    for one in range(5):
        logs = ((TOKEN, desk.places[one % 3], 100 + one), (TOKEN, desk.places[0], 50))
        made.append(ModelTransaction(f"token {one}", TOKEN, 0, logs))
    return made


def play(desk: Desk, history: list[tuple[object, ...]]) -> None:
    """A transaction is in a branch once, as on every chain."""
    made = payments(desk)

    def chosen(numbers: object) -> list[ModelTransaction]:
        inside = desk.chain.included()
        assert isinstance(numbers, list)
        return [made[one] for one in numbers if made[one].txid not in inside]

    for event in history:
        if event[0] == "mine":
            desk.chain.mine(chosen(event[1]))
        elif event[0] == "fork":
            depth = min(int(str(event[1])), len(desk.chain.blocks) - 1)
            blocks = event[2]
            assert isinstance(blocks, list)
            desk.chain.fork(depth, [])
            for numbers in blocks + [[]] * max(0, depth - len(blocks)):
                desk.chain.mine(chosen(numbers))
        elif event[0] == "step":
            desk.step()
        elif event[0] == "kill":
            desk.venue.dies_after = int(str(event[1]))
            try:
                desk.step()
            except Killed:
                desk.start()
            desk.venue.dies_after = None
        else:
            desk.chain.failing_after = int(str(event[1]))
            try:
                desk.step()
            except NodeError:
                desk.start()
            desk.chain.failing_after = None


def expected(desk: Desk) -> dict[tuple[int, str], int]:
    """From the chain alone: what is in it and deep enough."""
    head = desk.chain.blocks[-1].number
    sums: dict[tuple[int, str], int] = {}
    accounts = {place: account for account, place in enumerate(desk.places)}
    for block in desk.chain.blocks:
        for one in block.transactions:
            parts = [(ETH, one.to, one.value // UNIT)] if one.value else []
            parts += [(USD, receiver, amount) for _, receiver, amount in one.logs]
            for asset, receiver, amount in parts:
                if head - block.number + 1 >= asset.needed(amount):
                    key = accounts[receiver], asset.name
                    sums[key] = sums.get(key, 0) + amount
    return sums


@given(history=HISTORY)
def test_the_core_has_what_the_chain_has(history: list[tuple[object, ...]]) -> None:
    """After any history of blocks, forks, kills and a node that goes away: to the unit.

    Whatever was credited too early was taken back, and nothing is counted twice."""
    with opened() as desk:
        play(desk, history)
        for _ in range(6):
            desk.chain.mine()
        desk.step()
        assert desk.venue.credited() == expected(desk)
