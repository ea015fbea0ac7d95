"""Random histories of custody on an EVM chain: whatever happens, chain = core to the unit.

    python -m tests.support.custody.evm_histories --count 1000 --folder histories

Each history has a seed, an empty database and a new wallet.  What is finished is in the folder, and
is not done again: the run can be stopped at any time, and several processes share it."""

import argparse
import itertools
import json
import os
import random
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from openoutcry.custody.evm.contracts import COIN, transfers
from openoutcry.custody.evm.encoding import from_hex, selector, to_hex, words
from openoutcry.custody.evm.node import RpcError
from tests.support.custody.anvil import ETHER, GWEI, Anvil, anvil
from tests.support.custody.claims import claimed, tallies
from tests.support.custody.evm_floor import FINAL, UNIT, EvmFloor
from tests.support.custody.keys import LocalKey
from tests.support.custody.model_venue import Killed

ACCOUNTS = 4
STEPS = 40
DEEPEST = 10
HISTORIES_A_NODE = 7
"""anvil 1.7.1 loses contracts when it goes back ten blocks on a chain of 1,100 (147, 154, 158,
166, 177, 185, 191, 197, 205, 209 on one node): custody then pays nothing and says why."""


@dataclass
class History:
    """One seed's."""

    floor: EvmFloor
    random: random.Random
    restarts: bool = False
    done: Counter[str] = field(default_factory=Counter)
    asked: dict[str, tuple[str, int, bytes]] = field(default_factory=dict)
    """Withdrawals by reference: asset, amount and receiver."""
    raw: list[bytes] = field(default_factory=list)
    """Customers' transactions, which may come back in another block."""

    def __post_init__(self) -> None:
        self.chain: Anvil = self.floor.chain
        self.customers = [LocalKey(f"customer {self.random.random()}") for _ in range(ACCOUNTS)]
        for customer in self.customers:
            self.chain.fund(customer.address, 1_000 * ETHER)
            self.floor.mint(customer.address, 10**12)
        self.places = [self.floor.address(account) for account in range(ACCOUNTS)]
        self.floor.fill(10 * ETHER, 10**9)
        self.chain.mine(FINAL + 1)
        self.first_block = self.oldest = self.chain.block_number()
        self.chain.automine(False)

    # What happens

    def deposit(self) -> None:
        customer, place = self.random.choice(self.customers), self.random.choice(self.places)
        if self.random.random() < 0.5:
            target, data = place, b""
            value = self.random.randrange(1, 50) * UNIT + self.random.randrange(UNIT)
        else:
            target, value = self.floor.token, 0
            data = selector("transfer(address,uint256)") + words(
                place, self.random.randrange(1, 10**6)
            )
        raw = self.chain.signed(customer, target, value, data)
        self.raw.append(raw)
        self._send(raw)

    def double_spend(self) -> None:
        """Another transaction with the nonce of one that waits, for a higher fee."""
        customer = self.random.choice(self.customers)
        used = int(
            self.chain.node.call("eth_getTransactionCount", to_hex(customer.address), "latest"), 16
        )
        target = self.random.choice([*self.places, LocalKey("elsewhere").address])
        raw = self.chain.signed(customer, target, 30 * UNIT, nonce=used, fee=150 * GWEI)
        self.raw.append(raw)
        self._send(raw)

    def withdraw(self) -> None:
        asset = self.random.choice(["ETH", "USDT"])
        amount = self.random.randrange(10, 10_000)
        target = LocalKey(f"{self.random.random()}").address
        reference = self.floor.withdraw(f"w{len(self.asked)}", asset, amount, target)
        self.asked[reference] = (asset, amount, target)

    def mine(self) -> None:
        self.chain.mine(self.random.randrange(1, 4))

    def reorganise(self) -> None:
        """The new branch has some of the old transactions again, in other blocks."""
        deepest = min(DEEPEST, self.chain.block_number() - self.oldest)
        if deepest < 1:
            return
        depth = self.random.randrange(1, deepest + 1)
        again = [
            (raw, self.random.randrange(depth))
            for raw in self.random.sample(self.raw, min(len(self.raw), 3))
        ]
        for chosen in (again, []):
            try:
                self.chain.reorganise(depth, chosen)
            except RpcError as error:
                if not chosen:
                    raise AssertionError(str(error)) from None
                continue  # one of them does not fit the new branch: without them
            return

    def step(self) -> None:
        self.floor.step()

    def kill(self) -> None:
        self.floor.node.dies_after = self.random.randrange(0, 60)
        self.floor.node.after = self.random.random() < 0.5
        if self.random.random() < 0.3:
            self.floor.venue.dies_after = self.random.randrange(0, 4)
        try:
            self.floor.step()
        except Killed:
            self.done["died"] += 1
        self.floor.venue.dies_after = None
        self.floor.start()

    def signer_away(self) -> None:
        assert self.floor.signers is not None
        one = self.random.choice(self.floor.signers.signers)
        one.away = not one.away

    def lose_pool(self) -> None:
        """The node forgets what waits, as after a restart."""
        self.chain.node.call("anvil_dropAllTransactions")

    def restart_node(self) -> None:
        if self.restarts:
            self.chain.restart()
            self.chain.automine(False)
            # anvil cannot go back to what was before its restart.
            self.oldest = self.chain.block_number()

    def _send(self, raw: bytes) -> None:
        with suppress(Exception):  # a nonce that was used, or a fee that is too low
            self.chain.node.call("eth_sendRawTransaction", to_hex(raw))

    def play(self) -> None:
        weights = {
            self.deposit: 8,
            self.double_spend: 2,
            self.withdraw: 4,
            self.mine: 8,
            self.reorganise: 3,
            self.step: 8,
            self.kill: 5,
            self.signer_away: 1,
            self.lose_pool: 1,
            self.restart_node: 1,
        }
        for _ in range(STEPS):
            (event,) = self.random.choices(list(weights), list(weights.values()))
            event()
            self.done[event.__name__] += 1
        assert self.floor.signers is not None
        for one in self.floor.signers.signers:
            one.away = False
        self.chain.automine(True)
        self.chain.mine()
        self.floor.settle(6)

    # What must be true then

    def check(self) -> None:
        """Against a walk over the chain that shares nothing with the scanner."""
        arrived: Counter[tuple[int, str]] = Counter()
        received: Counter[bytes] = Counter()
        at = {place: account for account, place in enumerate(self.places)}
        paid_out = {target: asset for asset, _, target in self.asked.values()}
        for number in range(self.first_block, self.chain.block_number() + 1):
            block = self.chain.node.call("eth_getBlockByNumber", hex(number), True)
            for one in block["transactions"]:
                receipt = self.chain.node.call("eth_getTransactionReceipt", one["hash"])
                if receipt["status"] != "0x1":
                    continue
                to = from_hex(one["to"]) if one["to"] else b""
                units = int(one["value"], 16) // UNIT
                if to in at and units >= 10:
                    arrived[at[to], "ETH"] += units
                for transfer in transfers(receipt["logs"]):
                    if transfer.receiver in at and transfer.amount >= 10:
                        arrived[at[transfer.receiver], "USDT"] += transfer.amount
                    if transfer.receiver in paid_out:
                        received[transfer.receiver] += transfer.amount
        core = self.floor.venue.credited()
        assert core == dict(arrived), (core, dict(arrived))
        for reference, (asset, amount, target) in self.asked.items():
            held = (
                self.chain.balance(target) if asset == "ETH" else self.floor.token_balance(target)
            )
            unit = UNIT if asset == "ETH" else 1
            assert self.floor.venue.state(reference) == "done", (reference, self.floor.notes())
            assert held == amount * unit, (reference, held, amount)
            if asset == "USDT":
                assert received[target] == amount
        self._check_sums()

    def _check_sums(self) -> None:
        """What the wallet and all deposit addresses hold = what came in, less what was paid."""
        for asset, token, unit in (("ETH", COIN, UNIT), ("USDT", self.floor.token, 1)):
            holders = [self.floor.made.wallet, *self.places]
            held = sum(
                self.chain.balance(one) if token == COIN else self.floor.token_balance(one)
                for one in holders
            )
            query = (
                "select amount from deposits where asset = ? and height is not null"
                " and state <> 'reversed'"
            )
            assert self.floor.store is not None
            rows = self.floor.store.rows(query, asset)
            came = sum(int(row[0]) for row in rows)
            paid = sum(one[1] * unit for one in self.asked.values() if one[0] == asset)
            assert held == came - paid, (asset, held, came, paid)


def run(chain: Anvil, seed: int, restarts: bool = False) -> Counter[str]:
    """What happened in the history of a seed.  Raises AssertionError."""
    with tempfile.TemporaryDirectory() as folder:
        chain.automine(True)
        key = LocalKey(f"gas {seed} {time.time_ns()}")
        floor = EvmFloor(chain, Path(folder), gas_key=key)
        try:
            history = History(floor, random.Random(seed), restarts)
            history.play()
            history.check()
        finally:
            floor.close()
        for row in floor.venue.movements.values():
            history.done[f"{row[0]}s {row[4].name.lower()}"] += 1
        return history.done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    seeds = claimed(folder, range(arguments.count))
    with (
        tempfile.TemporaryDirectory() as states,
        (folder / f"{os.getpid()}.jsonl").open("a") as progress,
    ):
        for first in seeds:
            state = Path(states) / f"state{first}"
            with anvil("--state", str(state), "--preserve-historical-states") as chain:
                for seed in itertools.chain([first], itertools.islice(seeds, HISTORIES_A_NODE - 1)):
                    counts = run(chain, seed, restarts=True)
                    print(json.dumps({"seed": seed, **counts}), file=progress, flush=True)
    totals: Counter[str] = Counter()
    rows = tallies(folder)
    for row in rows:
        totals.update({name: count for name, count in row.items() if name != "seed"})
    print(json.dumps({"histories": len(rows), **totals}))


if __name__ == "__main__":
    main()
