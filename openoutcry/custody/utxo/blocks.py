"""Blocks as bytes: what they spend and pay, checked against the hash that was asked for.

A node cannot add, leave out or change a transaction.  The merkle root over the ids of all of them
is in the header, and the scanner has asked for the header's hash.
"""

import hashlib
from dataclasses import dataclass

from openoutcry.custody.errors import NodeError

HEADER_BYTES = 80
WITNESS_FLAG, MWEB_FLAG = 1, 8
Output = tuple[int, bytes]
"""Amount, and the script that it is locked by."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction's spent outputs (id and place of each), and its payments."""

    txid: str
    spends: tuple[tuple[str, int], ...]
    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A block that :func:`parse_block` has checked; ``time_s``: seconds since 1970, by its
    miner."""

    hash: str
    parent: str
    time_s: int
    transactions: tuple[Transaction, ...]


def double_sha256(data: bytes) -> bytes:
    """The hash of the Bitcoin family: SHA-256 of SHA-256."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def parse_block(raw: bytes, wanted: str) -> Block:
    """Raises :class:`NodeError` if this is not the block ``wanted``, whole."""
    if len(raw) < HEADER_BYTES + 1:
        raise NodeError(f"block {wanted}: {len(raw)} bytes")
    header = raw[:HEADER_BYTES]
    if double_sha256(header)[::-1].hex() != wanted:
        raise NodeError(f"block {wanted}: the node gave the header of another block")
    try:
        count, at = _compact(raw, HEADER_BYTES)
        transactions = []
        for _ in range(count):
            one, at = parse_transaction(raw, at)
            transactions.append(one)
    except (IndexError, ValueError) as error:
        raise NodeError(f"block {wanted}: {error}") from None
    ids = [bytes.fromhex(transaction.txid)[::-1] for transaction in transactions]
    if merkle_root(ids) != header[36:68]:
        raise NodeError(f"block {wanted}: its transactions do not match its header")
    parent = header[4:36][::-1].hex()
    return Block(wanted, parent, int.from_bytes(header[68:72], "little"), tuple(transactions))


def merkle_root(ids: list[bytes]) -> bytes:
    """b"" for a list in which a pair is repeated: another list has the same root."""
    row = ids
    while len(row) > 1:
        if any(row[i] == row[i + 1] for i in range(0, len(row) - 1, 2)):
            return b""
        if len(row) % 2:
            row = [*row, row[-1]]
        row = [double_sha256(row[i] + row[i + 1]) for i in range(0, len(row), 2)]
    return row[0] if row else b""


def parse_transaction(raw: bytes, at: int = 0) -> tuple[Transaction, int]:
    """A transaction and the place after it.  Raises ``ValueError`` or ``IndexError``."""
    start, flags = at, 0
    at += 4
    if raw[at] == 0:
        flags = raw[at + 1]
        if not flags or flags & ~(WITNESS_FLAG | MWEB_FLAG):
            raise ValueError(f"transaction flags {flags}")
        at += 2
    middle = at
    inputs, at = _compact(raw, at)
    spends = []
    for _ in range(inputs):
        spends.append(
            (raw[at : at + 32][::-1].hex(), int.from_bytes(raw[at + 32 : at + 36], "little"))
        )
        size, at = _compact(raw, at + 36)
        at += size + 4
    count, at = _compact(raw, at)
    outputs = []
    for _ in range(count):
        amount = int.from_bytes(raw[at : at + 8], "little")
        size, at = _compact(raw, at + 8)
        outputs.append((amount, raw[at : at + size]))
        at += size
    after = at
    if flags & WITNESS_FLAG:
        for _ in range(inputs):
            items, at = _compact(raw, at)
            for _ in range(items):
                size, at = _compact(raw, at)
                at += size
    if flags & MWEB_FLAG:
        # Litecoin: the last transaction of a block carries the mark of the extension block.
        if raw[at]:
            raise ValueError("a transaction with an extension part in a block")
        at += 1
    if at + 4 > len(raw):
        raise ValueError("cut off")
    plain = raw[start : start + 4] + raw[middle:after] + raw[at : at + 4]
    return Transaction(double_sha256(plain)[::-1].hex(), tuple(spends), tuple(outputs)), at + 4


def _compact(raw: bytes, at: int) -> tuple[int, int]:
    first = raw[at]
    if first < 0xFD:
        return first, at + 1
    size = {0xFD: 2, 0xFE: 4, 0xFF: 8}[first]
    end = at + 1 + size
    value = int.from_bytes(raw[at + 1 : end], "little")
    if end > len(raw) or value > len(raw):
        raise ValueError("a length beyond the end")
    return value, end
