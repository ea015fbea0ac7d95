"""A chain in memory that answers as a node does, and forks when a test wants it to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from openoutcry.custody.errors import NodeError
from openoutcry.custody.evm.contracts import TRANSFERRED
from openoutcry.custody.evm.encoding import from_hex, keccak, to_hex, word
from openoutcry.custody.evm.node import Node

GENESIS_S = 1_700_000_000
BLOCK_S = 12


@dataclass(frozen=True)
class ModelTransaction:
    """``logs``: (token, receiver, amount) of its transfers."""

    name: str
    to: bytes = bytes(20)
    value: int = 0
    logs: tuple[tuple[bytes, bytes, int], ...] = ()
    succeeds: bool = True

    @property
    def txid(self) -> bytes:
        return keccak(f"transaction {self.name}".encode())

    def as_node(self) -> dict[str, Any]:
        return {"hash": to_hex(self.txid), "to": to_hex(self.to), "value": hex(self.value)}

    def receipt(self, block_hash: str) -> dict[str, Any]:
        logs = [
            {
                "address": to_hex(token),
                "topics": [to_hex(one) for one in (TRANSFERRED, word(1), word(receiver))],
                "data": to_hex(word(amount)),
            }
            for token, receiver, amount in self.logs
        ]
        return {
            "transactionHash": to_hex(self.txid),
            "blockHash": block_hash,
            "status": hex(int(self.succeeds)),
            "gasUsed": hex(21_000 if not logs else 60_000),
            "logs": logs if self.succeeds else [],
        }


@dataclass(frozen=True)
class ModelBlock:
    number: int
    parent: bytes
    salt: int
    transactions: tuple[ModelTransaction, ...] = ()

    @property
    def hash(self) -> bytes:
        names = ",".join(one.name for one in self.transactions)
        return keccak(self.parent + f"{self.number} {self.salt} {names}".encode())

    def as_node(self, full: bool) -> dict[str, Any]:
        return {
            "number": hex(self.number),
            "hash": to_hex(self.hash),
            "parentHash": to_hex(self.parent),
            "timestamp": hex(GENESIS_S + BLOCK_S * self.number),
            "transactions": [one.as_node() for one in self.transactions] if full else [],
        }


@dataclass(eq=False)
class ModelChain(Node):
    """The node's client, whose messages are answered here; the chain must have the id 1."""

    blocks: list[ModelBlock] = field(default_factory=lambda: [ModelBlock(0, bytes(32), 0)])
    shown: int | None = None
    """The node answers as if it had only so many blocks: it was restarted."""
    serves: int = 1
    pruned: int = 0
    """The node has no bodies and receipts of blocks below."""
    failing_after: int | None = None
    """Calls until the node is away."""
    _salt: int = 0

    def __post_init__(self) -> None:
        super().__init__("http://model:1", chain_id=1)

    def mine(self, transactions: Iterable[ModelTransaction] = ()) -> ModelBlock:
        self._salt += 1
        last = self.blocks[-1]
        made = ModelBlock(last.number + 1, last.hash, self._salt, tuple(transactions))
        self.blocks.append(made)
        return made

    def fork(self, depth: int, blocks: Sequence[Sequence[ModelTransaction]]) -> None:
        """The last ``depth`` blocks are replaced."""
        assert depth < len(self.blocks)
        if depth:
            del self.blocks[-depth:]
        for transactions in blocks:
            self.mine(transactions)

    def included(self) -> dict[bytes, int]:
        """The block of each transaction."""
        return {one.txid: block.number for block in self.blocks for one in block.transactions}

    def _exchange(self, message: Any) -> Any:
        if self.failing_after is not None:
            if self.failing_after <= 0:
                raise NodeError("model: away")
            self.failing_after -= 1
        rows = message if isinstance(message, list) else [message]
        return [
            {"id": row["id"], "result": self._answer(row["method"], *row["params"])} for row in rows
        ]

    def _answer(self, method: str, *parameters: Any) -> Any:
        seen = self.blocks[: self.shown] if self.shown is not None else self.blocks
        if method == "eth_chainId":
            return hex(self.serves)
        if method == "eth_blockNumber":
            return hex(seen[-1].number)
        if method == "eth_getBlockByNumber":
            number, full = parameters
            if number == "latest":
                return seen[-1].as_node(full)
            place = int(number, 16)
            return seen[place].as_node(full) if place < len(seen) else None
        wanted = from_hex(parameters[0])
        for block in seen:
            if block.hash != wanted:
                continue
            if block.number < self.pruned and (method != "eth_getBlockByHash" or parameters[1]):
                return None
            if method == "eth_getBlockByHash":
                return block.as_node(parameters[1])
            if method == "eth_getBlockReceipts":
                return [one.receipt(to_hex(block.hash)) for one in block.transactions]
            raise AssertionError(method)
        return None
