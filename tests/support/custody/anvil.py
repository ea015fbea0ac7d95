"""anvil, an EVM node for development, on loopback, for one test or several."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from openoutcry.custody.errors import NodeError
from openoutcry.custody.evm.contracts import creation_code
from openoutcry.custody.evm.encoding import from_hex, to_hex, words
from openoutcry.custody.evm.node import Node
from openoutcry.custody.evm.transactions import Transaction
from tests import ROOT
from tests.support.custody.keys import LocalKey
from tests.support.processes import free_port
from tests.support.waiting import wait_until

CHAIN_ID = 31337
VARIABLE = "OUTCRY_ANVIL"
INSTALLED = ROOT / "build" / "clients" / "node_modules" / "@foundry-rs"
GWEI, ETHER = 10**9, 10**18


def binary() -> Path | None:
    """By OUTCRY_ANVIL, where scripts/install-clients.sh puts it, or on the PATH."""
    named = os.environ.get(VARIABLE) or shutil.which("anvil")
    found = [Path(named)] if named else list(INSTALLED.glob("anvil-*/bin/anvil"))
    return found[0] if found and found[0].is_file() else None


def token_code(name: str, symbol: str, decimals: int) -> bytes:
    """What makes the demonstration token; its maker can mint."""
    texts = [one.encode() for one in (name, symbol)]
    strings = b"".join(words(len(one)) + one.ljust(32, b"\0") for one in texts)
    return creation_code("token") + words(96, 160, decimals) + strings


class Anvil:
    """A node, with what tests do to its chain."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]", command: list[str]) -> None:
        self.port, self.process, self.command = port, process, command
        self.node = Node(f"http://127.0.0.1:{port}")
        found = wait_until(self._accounts, "anvil answers") or []
        self.accounts = [from_hex(one) for one in found]

    def _accounts(self) -> list[str] | None:
        assert self.process.poll() is None, "anvil has ended"
        try:
            found: list[str] = self.node.call("eth_accounts")
        except NodeError:
            return None
        return found

    def mine(self, count: int = 1) -> None:
        self.node.call("anvil_mine", hex(count))

    def block_number(self) -> int:
        return int(self.node.call("eth_blockNumber"), 16)

    def automine(self, on: bool) -> None:
        self.node.call("evm_setAutomine", on)

    @contextmanager
    def undone(self) -> Iterator[None]:
        """What is done meanwhile is not: afterwards the chain is as it was.  A receipt is there
        before the node has taken its transaction out of the pool.  If the chain is put back between
        the two, the node takes the sender's next transaction out instead, and never mines it; so
        the pool is waited for."""
        snapshot = self.node.call("evm_snapshot")
        try:
            yield
        finally:
            self.settled()
            self.node.call("evm_revert", snapshot)

    def put_back(self, snapshot: str) -> None:
        """The chain as it was, and nothing in the pool, which would be mined on it."""
        self.node.call("anvil_dropAllTransactions")
        self.node.call("evm_revert", snapshot)

    def settled(self) -> None:
        """No transaction waits in the pool."""

        def is_empty() -> bool:
            waiting = self.node.call("txpool_status")
            return all(int(number, 16) == 0 for number in waiting.values())

        wait_until(is_empty, "the pool is empty")

    def reorganise(self, depth: int, transactions: list[tuple[bytes, int]] = []) -> None:  # noqa: B006
        """The last blocks are others; ``transactions``: raw ones, and in which new block each
        is."""
        self.node.call(
            "anvil_reorg", depth, [[to_hex(raw), offset] for raw, offset in transactions]
        )

    def transact(
        self, to: bytes | None, data: bytes = b"", value: int = 0, gas: int = 0, sender: int = 0
    ) -> dict[str, Any]:
        """The receipt of a transaction by one of the node's accounts, which succeeded or not."""
        return self.receipt(self.send(to, data, value, gas, sender))

    def send(
        self, to: bytes | None, data: bytes = b"", value: int = 0, gas: int = 0, sender: int = 0
    ) -> bytes:
        asked = {
            "from": to_hex(self.accounts[sender]),
            "data": to_hex(data),
            "value": hex(value),
            "gas": hex(gas or 8_000_000),
        }
        if to is not None:
            asked["to"] = to_hex(to)
        return from_hex(self.node.call("eth_sendTransaction", asked))

    def receipt(self, txid: bytes) -> dict[str, Any]:
        found: dict[str, Any] = wait_until(
            lambda: self.node.call("eth_getTransactionReceipt", to_hex(txid)), "a receipt"
        )
        return found

    def deploy(self, code: bytes) -> bytes:
        receipt = self.transact(None, code)
        assert int(receipt["status"], 16) == 1, "the contract was not made"
        return from_hex(receipt["contractAddress"])

    def fund(self, address: bytes, amount: int) -> None:
        self.node.call("anvil_setBalance", to_hex(address), hex(amount))

    def balance(self, address: bytes) -> int:
        return int(self.node.call("eth_getBalance", to_hex(address), "latest"), 16)

    def view(self, to: bytes, data: bytes) -> bytes:
        return from_hex(
            self.node.call("eth_call", {"to": to_hex(to), "data": to_hex(data)}, "latest")
        )

    def signed(
        self,
        key: LocalKey,
        to: bytes,
        value: int = 0,
        data: bytes = b"",
        nonce: int | None = None,
        fee: int = 100 * GWEI,
    ) -> bytes:
        """Raw bytes of a transaction by a key of the test's."""
        if nonce is None:
            asked = (to_hex(key.address), "pending")
            nonce = int(self.node.call("eth_getTransactionCount", *asked), 16)
        transaction = Transaction(CHAIN_ID, nonce, GWEI, fee, 2_000_000, to, value, data)
        return transaction.signed(key).raw

    def restart(self) -> None:
        """End it and start it with the state that it has written down (``state=True``)."""
        self.process.terminate()
        self.process.wait()
        self.node.close()
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        wait_until(self._accounts, "anvil answers")


@contextmanager
def anvil(*arguments: str) -> Iterator[Anvil]:
    """Skips the test where there is no anvil."""
    found = binary()
    if found is None:
        pytest.skip(f"there is no anvil: run scripts/install-clients.sh or set {VARIABLE}")
    port = free_port()
    command = [
        str(found),
        *("--host", "127.0.0.1", "--port", str(port), "--chain-id", str(CHAIN_ID)),
        *("--accounts", "5", "--balance", "1000000", "--silent"),
        *("--timestamp", str(int(time.time()) - 86_400), *arguments),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    running = None
    try:
        running = Anvil(port, process, command)
        yield running
    finally:
        ended = running.process if running is not None else process
        if running is not None:
            running.node.close()
        ended.terminate()
        with suppress(subprocess.TimeoutExpired):
            ended.wait(10)
