"""Between the hot and the cold vault of an EVM chain: by the payer, and by carried files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openoutcry.custody.evm import cold
from openoutcry.custody.evm.contracts import COIN, Payment
from openoutcry.custody.evm.deploy import Deployer
from openoutcry.custody.evm.encoding import address_text, from_hex
from openoutcry.custody.evm.transactions import FeePolicy
from openoutcry.custody.reconcile import Reconciler
from openoutcry.custody.scanner import give_address
from tests.support.custody.anvil import ETHER, GWEI, Anvil, anvil
from tests.support.custody.evm_floor import CHAIN, FINAL, UNIT, EvmFloor
from tests.support.custody.keys import LocalKey

for needed in ("embit", "shamir_mnemonic"):
    pytest.importorskip(needed, reason="custody's libraries are not installed")

from openoutcry.custody.ceremony import CeremonyError, hold, recovered  # noqa: E402

TOKENS = 10**9


@pytest.fixture
def chain() -> Iterator[Anvil]:
    with anvil() as running:
        yield running


def are_whole(floor: EvmFloor) -> bool:
    assert floor.store is not None
    reconciler = Reconciler(floor.file, floor.store, floor.venue, {CHAIN: floor.rail})
    found = reconciler.balances(CHAIN)
    assert found is not None
    return all(one.is_whole for one in found)


@pytest.mark.promise(
    "Two of three owners move a wallet's money, and no batch is made twice, elsewhere or "
    "changed. Two of three shares, offline, refill hot wallets and vaults, and recover all "
    "funds after the loss of every online key. Other shares, another fee or another secret's "
    "inputs are refused",
    group="custody",
)
def test_coins_go_to_the_cold_vault_and_come_back_by_two_shares(
    chain: Anvil, tmp_path: Path
) -> None:
    keys, shares = hold("ltc-regtest")
    public = keys.document()
    key = LocalKey("deployer of the cold vault")
    chain.fund(key.address, 10 * ETHER)
    owners = cold.owner_addresses(public)
    vault = Deployer(chain.node, key, FeePolicy(500 * GWEI)).deploy(sorted(owners)).wallet
    floor = EvmFloor(chain, tmp_path, cold=vault, hot_most=10 * ETHER // UNIT)
    try:
        chain.transact(floor.address(7), value=30 * ETHER, sender=1)
        floor.mint(floor.address(7), TOKENS)
        floor.settle()
        assert chain.balance(floor.made.wallet) == 10 * ETHER
        assert chain.balance(vault) == 20 * ETHER
        assert are_whole(floor)
        floor.settle(2)
        assert chain.balance(vault) == 20 * ETHER, "once"
        assert floor.store is not None
        own = give_address(floor.store, floor.book, floor.file.chains[0], None)
        hot = floor.made.wallet
        assert own == address_text(hot)
        paid = [Payment(COIN, hot, 500_000 * UNIT)]
        chain.fund(owners[0], ETHER)
        document = cold.build(public, chain.node, address_text(vault), paid, 86_400)
        two = recovered(shares[1:], str(public["network"]), str(public["fingerprint"]))
        with pytest.raises(CeremonyError):
            recovered(shares[:1], str(public["network"]), str(public["fingerprint"]))
        receipt = chain.receipt(from_hex(cold.send(cold.sign(document, two), chain.node)))
        assert int(receipt["status"], 16) == 1
        chain.mine(FINAL)
        floor.settle(3)
        (row,) = floor.store.rows("select state, amount from deposits where address = ?", own)
        assert (row["state"], int(row["amount"])) == ("own", 500_000 * UNIT)
        assert chain.balance(hot) == 10 * ETHER + 500_000 * UNIT
        assert are_whole(floor)
        assert floor.venue.credited() == {(7, "ETH"): 30 * ETHER // UNIT, (7, "USDT"): TOKENS}
    finally:
        floor.close()


def test_without_a_cold_vault_nothing_is_moved(chain: Anvil, tmp_path: Path) -> None:
    floor = EvmFloor(chain, tmp_path, hot_most=ETHER // UNIT)
    try:
        chain.transact(floor.address(7), value=3 * ETHER, sender=1)
        floor.settle(3)
        assert chain.balance(floor.made.wallet) == 3 * ETHER
        assert "EVM has no cold wallet" in floor.notes()
    finally:
        floor.close()


def test_a_block_that_comes_between_two_questions_stops_nothing(
    chain: Anvil, tmp_path: Path
) -> None:
    """A sweep is mined after the vault's balance was read, and before that of the address."""
    floor = EvmFloor(chain, tmp_path)
    try:
        chain.transact(floor.address(7), value=3 * ETHER, sender=1)
        chain.mine(FINAL)
        floor.scanner.catch_up()
        assert are_whole(floor)
        inner, asked = floor.node.batch, []

        def batch(calls: Any) -> list[Any]:
            found = inner(calls)
            if not asked and any(one[0] == "eth_getBalance" for one in calls):
                asked.append(calls)
                chain.transact(chain.accounts[1], value=1)
            return found

        floor.node.batch = batch  # type: ignore[method-assign]
        reconciler = Reconciler(floor.file, floor.store, floor.venue, {CHAIN: floor.rail})  # type: ignore[arg-type]
        found = reconciler.balances(CHAIN)
        assert asked
        assert found is not None
        assert all(one.is_whole for one in found)
        assert reconciler.balances(CHAIN) is None, "the node has a block that was not scanned"
        floor.scanner.catch_up()
        assert are_whole(floor)
    finally:
        floor.close()
