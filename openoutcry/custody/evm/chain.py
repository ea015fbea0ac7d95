"""An EVM chain as the scanner of custody sees it."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from openoutcry.custody.chain import Content, Header, Receipt, Watched
from openoutcry.custody.errors import NodeError
from openoutcry.custody.evm.contracts import (
    COIN,
    EXECUTED,
    RECEIVED,
    DepositAddresses,
    transfers,
)
from openoutcry.custody.evm.encoding import address_at, address_text, from_hex, number_at, to_hex
from openoutcry.custody.evm.node import Bounds, Node, TooMuch

PLAIN_GAS = 21_000
"""Gas of a transaction that only moves coins."""
CREATING = ("CALL", "CREATE", "CREATE2", "SELFDESTRUCT")
"""Steps of a trace that bring coins to an address."""
A_TRACE, TRACES_S = Bounds(2.0, 1 << 25), 10.0
"""The most that the trace of one transaction may take, and seconds after which no more of a block
are asked for: for little gas anyone makes one of calls that copy much, which has gigabytes."""
COIN_PLACE, FIRST_LOG, FIRST_CALL = 0, 1, 1_000_000
"""Places in a transaction: its own value; then its logs; then the calls that it makes, in order."""


def token_name(token: bytes) -> str:
    """A token's address as text; empty for the chain's own coin."""
    return "" if token == COIN else address_text(token)


class EvmBook:
    """The addresses that others pay to, without any secret: deposit addresses by number (branch 0),
    and the wallet itself, to which refills come (branch 1)."""

    branches = (0, 1)

    def __init__(self, addresses: DepositAddresses) -> None:
        self.addresses = addresses

    def address(self, branch: int, index: int) -> str:
        return address_text(self.addresses.address(index)) if branch == 0 else self.vault

    @property
    def vault(self) -> str:
        """The vault, which logs what it receives, also from another contract; deposit addresses do
        not."""
        return address_text(self.addresses.wallet)


class EvmChain:
    """``trace``: look into calls between contracts (the node needs ``debug_traceTransaction``).
    Without it, coins that a contract sends to a deposit address are not seen."""

    def __init__(
        self,
        name: str,
        node: Node,
        wallet: bytes,
        referee: Node | None = None,
        trace: bool = False,
    ) -> None:
        self.name, self.node, self.wallet = name, node, wallet
        self.referee, self.trace = referee, trace

    def close(self) -> None:
        self.node.close()
        if self.referee is not None:
            self.referee.close()

    def tip(self) -> Header:
        return _header(self.node.call("eth_getBlockByNumber", "latest", False))

    def header(self, block: str) -> Header:
        found = self.node.call("eth_getBlockByHash", block, False)
        if found is None:
            raise NodeError(f"{self.node.where} has no block {block}")
        return _header(found)

    def hash_at(self, height: int) -> str | None:
        found = self.node.call("eth_getBlockByNumber", hex(height), False)
        return None if found is None else str(found["hash"])

    def content(self, header: Header, watched: Watched) -> Content:
        """Raises NodeError when the node no longer has the block, or a second node has another, or
        reads it differently: a hash names a block, and does not prove what a node says of it."""
        self._ask_referee(header)
        untraced: set[str] = set()
        found = self._content(self.node, header, watched, untraced)
        if self.referee is None:
            return found
        other = self._content(self.referee, header, watched, untraced)
        if other.untraced != found.untraced:  # what one of both cannot trace counts as untraced
            found = self._content(self.node, header, watched, untraced)
        if replace(other, untraced=found.untraced) != found:
            raise NodeError(
                f"two nodes say different things of block {header.height}, {header.hash}: "
                f"{self.node.where} and {self.referee.where}"
            )
        return found

    def _content(self, node: Node, header: Header, watched: Watched, untraced: set[str]) -> Content:
        """``untraced``: transactions that are not traced; those that cannot be are added."""
        found = node.call("eth_getBlockByHash", header.hash, True)
        receipts = node.call("eth_getBlockReceipts", header.hash)
        if found is None or receipts is None:
            raise NodeError(f"{node.where} has no block {header.hash} any more")
        taken = found["transactions"]
        if len(receipts) != len(taken) or any(
            receipt["transactionHash"] != one["hash"] or receipt["blockHash"] != header.hash
            for receipt, one in zip(receipts, taken, strict=True)
        ):
            raise NodeError(f"{node.where}: the receipts of {header.hash} are not of that block")
        ours: list[Receipt] = []
        made: list[str] = []
        until_s = time.monotonic() + TRACES_S
        for one, receipt in zip(taken, receipts, strict=True):
            if int(receipt["status"], 16) == 1:
                if time.monotonic() > until_s and self._is_traced(receipt):
                    untraced.add(str(one["hash"]))
                ours += self._receipts(node, one, receipt, watched, untraced)
                made += self._batches(receipt["logs"])
        sent = frozenset(made) & watched.sent
        return Content(tuple(ours), (), sent, len(taken), frozenset(untraced))

    def _batches(self, logs: list[dict[str, Any]]) -> Iterator[str]:
        """The digests of the batches that the wallet made, in any transaction."""
        for log in logs:
            own = from_hex(log["address"]) == self.wallet and len(log["topics"]) == 2
            if own and from_hex(log["topics"][0]) == EXECUTED:
                yield to_hex(from_hex(log["data"])[:32])

    def pool(self, watched: Watched) -> Content:
        """Nothing: what waits for a block can be replaced at any time, and costs its sender
        little."""
        return Content()

    def _ask_referee(self, header: Header) -> None:
        if self.referee is None:
            return
        other = self.referee.call("eth_getBlockByNumber", hex(header.height), False)
        if other is None:
            raise NodeError(f"{self.referee.where} has not reached block {header.height} yet")
        if other["hash"] != header.hash:
            raise NodeError(
                f"two nodes have different blocks {header.height}: {self.node.where} has "
                f"{header.hash}, {self.referee.where} has {other['hash']}"
            )

    def _is_traced(self, receipt: dict[str, Any]) -> bool:
        return self.trace and int(receipt["gasUsed"], 16) > PLAIN_GAS

    def _receipts(
        self,
        node: Node,
        one: dict[str, Any],
        receipt: dict[str, Any],
        watched: Watched,
        untraced: set[str],
    ) -> Iterator[Receipt]:
        txid, root = str(one["hash"]), None
        if self._is_traced(receipt) and txid not in untraced:
            try:
                terms = txid, {"tracer": "callTracer"}
                root = node.bounded(A_TRACE, "debug_traceTransaction", *terms)
            except TooMuch:
                untraced.add(txid)
            else:
                if not isinstance(root, dict):
                    raise NodeError(f"{node.where} has no trace of {txid}")
        if root is not None:
            yield from self._traced(root, txid, watched)
        else:
            yield from self._coins(txid, one["to"], int(one["value"], 16), COIN_PLACE, watched)
        for transfer in transfers(receipt["logs"]):
            sender, address = address_text(transfer.sender), address_text(transfer.receiver)
            # A sweep moves what was counted when it arrived.
            if address in watched.addresses and transfer.amount and sender not in watched.addresses:
                place, token = FIRST_LOG + transfer.place, token_name(transfer.token)
                yield Receipt(txid, place, address, token, transfer.amount)
        yield from self._refills(txid, receipt["logs"], watched)

    def _refills(
        self, txid: str, logs: list[dict[str, Any]], watched: Watched
    ) -> Iterator[Receipt]:
        """Coins that came to the wallet by any path, by its own log."""
        wallet = address_text(self.wallet)
        for place, log in enumerate(logs):
            topics = [from_hex(one) for one in log["topics"]]
            own = from_hex(log["address"]) == self.wallet and len(topics) == 2
            if not own or topics[0] != RECEIVED or wallet not in watched.addresses:
                continue
            amount = number_at(from_hex(log["data"]), 0)
            if amount and address_text(address_at(topics[1], 0)) not in watched.addresses:
                yield Receipt(txid, FIRST_LOG + place, wallet, "", amount)

    def _traced(self, root: dict[str, Any], txid: str, watched: Watched) -> Iterator[Receipt]:
        """Coins that came in any call of the transaction that was not undone."""
        waiting, place = [root], 0
        while waiting:
            call = waiting.pop()
            if call.get("error"):
                continue
            if call["type"] in CREATING:
                at = FIRST_CALL + place if place else COIN_PLACE
                amount = int(call.get("value", "0x0"), 16)
                yield from self._coins(txid, call.get("to"), amount, at, watched)
            waiting += reversed(call.get("calls", []))
            place += 1

    def _coins(
        self, txid: str, to: str | None, amount: int, place: int, watched: Watched
    ) -> Iterator[Receipt]:
        """Return the coins that came to the wallet, from its own log."""
        if to is None or not amount or from_hex(to) == self.wallet:
            return
        address = address_text(from_hex(to))
        if address in watched.addresses:
            yield Receipt(txid, place, address, "", amount)


def _header(found: dict[str, Any]) -> Header:
    return Header(
        int(found["number"], 16),
        str(found["hash"]),
        str(found["parentHash"]),
        int(found["timestamp"], 16),
    )
