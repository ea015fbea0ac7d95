"""What is replicated: one message of the stream, whole journal blocks under one more chain.

A message names its place (its sequence in the stream) and its writer (epoch, and the attempt within
it).  It also names the message that it extends, by place and by hash.  Its BLAKE3 hash covers the
header and the hash of its last journal block, whose chain covers every block before it.  So a byte
is hashed once, and no node has to trust the stream.  The blocks travel compressed (Zstandard, RFC
8878, level 1): records of orders shrink to a sixth, and a server's work is proportional to bytes.

::

    0    magic "OUTCRYR1"       8   kind, version (u16 each), block count (u32)
    16   epoch                  24  attempt              32  position
    40   previous position      48  journal id           56  first block
    64   next block             72  last sequence        80  seq of the check
    88   its event hash         96  its state hash (16 bytes)
    112  text bytes             120 bytes of the blocks, before they are compressed
    128  hash of the previous message      160  hash of the block before
    192  hash of the last block            224  hash of this message
    256  text (JSON), then the blocks as in the journal, in one frame of Zstandard (none
         if there is no block), then the crc32c of that frame (u32)
"""

import struct
from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import cache
from typing import Any, NamedTuple

from blake3 import blake3
from crc32c import crc32c

from openoutcry.journal.block import (
    HEADER_BYTES,
    NO_HASH,
    checksum,
    digest,
    header_flaw,
    unpack_header,
)
from openoutcry.wire.errors import ReplicaError
from openoutcry.wire.extras import need
from openoutcry.wire.layout_hash import LAYOUT_HASH
from openoutcry.wire.records import BLOCK_MAGIC

MAGIC = b"OUTCRYR1"
VERSION = 2
_HEAD = struct.Struct("<8sHHIQQQQQQQQQQ16sQQ32s32s32s")
HASHED_BYTES = _HEAD.size
MESSAGE_HEADER_BYTES = HASHED_BYTES + 32
assert MESSAGE_HEADER_BYTES == 256
MAX_BLOCK_BYTES = 64 << 20
"""More than any message's blocks: what claims more is damaged, and is not made room for."""
LEVEL = 1
_CRC = struct.Struct("<I")
NO_STATE = bytes(16)
MASK = 2**64 - 1


class Kind(IntEnum):
    """Kind of a message."""

    EPOCH = 1
    """Who leads from here on; nothing of an older epoch counts after it."""
    BLOCKS = 2
    CHECK = 3
    """Nothing but a check, of a primary that has no commands to send."""
    SEAL = 4
    """The primary sends nothing more: a planned failover."""


class Check(NamedTuple):
    """The primary's core after command ``seq``: hash of all its events, and of its whole state."""

    seq: int = 0
    events_hash: int = 0
    state_hash: bytes = NO_STATE


NO_CHECK = Check()


class Blocks(NamedTuple):
    """Journal blocks in a row, as the primary has written them."""

    first_block: int
    next_block: int
    block_before: Any
    """Hash of the block before the first; of the simulator's, any value."""
    block_after: Any
    """Hash of the last one."""
    last_seq: int
    """The last command in or before them."""
    data: Any = b""
    """Their bytes."""

    @classmethod
    def none(cls, next_block: int, block_hash: Any, last_seq: int) -> "Blocks":
        """No block, at this place of the journal."""
        return cls(next_block, next_block, block_hash, block_hash, last_seq)


class Message(NamedTuple):
    """A message whose own checks have passed, or that is about to be sent."""

    kind: int
    epoch: int
    attempt: int
    position: int
    previous_position: int
    previous: Any
    journal_id: int
    blocks: Blocks
    check: Check
    text: bytes
    hash: Any


Seal = Callable[[Message], Message]
"""Gives a message its hash; the simulator has a cheaper one than :func:`sealed`."""


def sealed(message: Message) -> Message:
    """The message with its hash."""
    return message._replace(hash=blake3(_head(message) + message.text).digest())


def pack(message: Message) -> bytes:
    """The message as the stream has it."""
    data = message.blocks.data
    frame = _zstandard().ZstdCompressor(LEVEL).compress(data) if len(data) else b""
    return b"".join((_head(message), message.hash, message.text, frame, _CRC.pack(crc32c(frame))))


@cache
def _zstandard() -> Any:
    return need("zstandard", "replication needs zstandard", "replication", ReplicaError)


def _blocks_of(frame: memoryview, size: int, position: int) -> bytes:
    """The bytes that were compressed to ``frame``; raises :class:`ReplicaError` if those are not
    ``size``."""
    if not size and not len(frame):
        return b""
    zstandard = _zstandard()
    try:
        # The frame's own word is what room is made for.
        if zstandard.get_frame_parameters(frame).content_size == size <= MAX_BLOCK_BYTES:
            decompressor = zstandard.ZstdDecompressor()
            return bytes(decompressor.decompress(frame, allow_extra_data=False))
    except zstandard.ZstdError:
        pass
    raise ReplicaError(f"message {position} is damaged: its blocks do not unpack to {size:,} bytes")


def _head(message: Message) -> bytes:
    blocks, check = message.blocks, message.check
    return _HEAD.pack(
        MAGIC,
        message.kind,
        VERSION,
        blocks.next_block - blocks.first_block,
        message.epoch,
        message.attempt,
        message.position,
        message.previous_position,
        message.journal_id,
        blocks.first_block,
        blocks.next_block,
        blocks.last_seq,
        check.seq,
        check.events_hash & MASK,
        check.state_hash,
        len(message.text),
        len(blocks.data),
        message.previous,
        blocks.block_before,
        blocks.block_after,
    )


def unpack(data: bytes | memoryview, position: int) -> Message:
    """The message that the stream has at ``position``, every byte of it checked: its hash, its
    place, each block's checksum and chain.

    Raises :class:`ReplicaError` for anything else: another's message, another layout, damage.
    """
    view = memoryview(data)
    if len(view) < MESSAGE_HEADER_BYTES or bytes(view[:8]) != MAGIC:
        raise ReplicaError(f"message {position} of the stream is not one of a replicated journal")
    (_, kind, version, count, epoch, attempt, own, previous_position, journal_id, first_block,
     next_block, last_seq, check_seq, events_hash, state_hash, text_bytes, block_bytes,
     previous, block_before, block_after) = _HEAD.unpack(view[:HASHED_BYTES])  # fmt: skip
    if version != VERSION:
        raise ReplicaError(f"message {position} has version {version}, not {VERSION}")
    frame_at, frame_end = MESSAGE_HEADER_BYTES + text_bytes, len(view) - _CRC.size
    if frame_at > frame_end or _CRC.unpack(view[frame_end:])[0] != crc32c(view[frame_at:frame_end]):
        raise ReplicaError(f"message {position} is cut short or damaged: {len(view):,} bytes")
    text = bytes(view[MESSAGE_HEADER_BYTES:frame_at])
    own_hash = bytes(view[HASHED_BYTES:MESSAGE_HEADER_BYTES])
    if blake3(view[:HASHED_BYTES].tobytes() + text).digest() != own_hash:
        raise ReplicaError(f"message {position} is damaged: its hash does not agree")
    if own != position:
        raise ReplicaError(f"message {position} was written as message {own}: it is misplaced")
    blocks = Blocks(
        first_block,
        next_block,
        block_before,
        block_after,
        last_seq,
        memoryview(_blocks_of(view[frame_at:frame_end], block_bytes, position)),
    )
    if next_block - first_block != count:
        raise ReplicaError(f"message {position}: {count} blocks, {first_block} to {next_block}")
    _check_blocks(blocks, journal_id, position)
    check = Check(check_seq, events_hash, state_hash)
    return Message(
        kind,
        epoch,
        attempt,
        position,
        previous_position,
        previous,
        journal_id,
        blocks,
        check,
        text,
        own_hash,
    )


def split(blocks: Blocks) -> list[memoryview]:
    """The blocks one by one; their headers have been checked."""
    view, at, parts = memoryview(blocks.data), 0, []
    while at < len(view):
        size = unpack_header(view[at : at + HEADER_BYTES]).block_bytes
        parts.append(view[at : at + size])
        at += size
    return parts


def joined(parts: Sequence[Any], block_before: bytes) -> Blocks:
    """Whole journal blocks in a row, as one; ``block_before`` is the hash of the one before."""
    first, last = (unpack_header(parts[at][:HEADER_BYTES]) for at in (0, -1))
    return Blocks(
        first.block_index,
        last.block_index + 1,
        block_before,
        digest(parts[-1]),
        last.first_seq - 1 + last.commands,
        parts[0] if len(parts) == 1 else b"".join(parts),
    )


def _check_blocks(blocks: Blocks, journal_id: int, position: int) -> None:
    view, at = memoryview(blocks.data), 0
    previous, seq = blocks.block_before, -1
    for index in range(blocks.first_block, blocks.next_block):
        where = f"message {position}, block {index}"
        if len(view) - at < HEADER_BYTES:
            raise ReplicaError(f"{where}: it is not there")
        header = unpack_header(view[at : at + HEADER_BYTES])
        if header.magic != BLOCK_MAGIC or header_flaw(header):
            raise ReplicaError(f"{where}: {header_flaw(header) or 'no block begins there'}")
        if header.layout_hash != LAYOUT_HASH:
            raise ReplicaError(f"{where}: written by a program with another record layout")
        block = view[at : at + header.block_bytes]
        if len(block) < header.block_bytes or checksum(block) != header.crc32c:
            raise ReplicaError(f"{where}: its checksum does not agree")
        if (header.journal_id, header.block_index) != (journal_id, index):
            raise ReplicaError(f"{where}: block {header.block_index} of another place is stored")
        if header.previous_hash != previous or seq not in (-1, header.first_seq - 1):
            raise ReplicaError(f"{where}: it does not follow the block before")
        previous, seq = digest(block), header.first_seq - 1 + header.commands
        at += header.block_bytes
    if at != len(view) or previous != blocks.block_after or seq not in (-1, blocks.last_seq):
        raise ReplicaError(f"message {position}: its blocks are not those it names")


GENESIS = NO_HASH
"""The tip that the first message extends."""
