"""A message of real journal blocks: packed, unpacked, and refused where a bit is another."""

from random import Random

import numpy as np
import pytest
import zstandard
from crc32c import crc32c

from openoutcry.journal import Journal, JournalReader
from openoutcry.replica.message import (
    GENESIS,
    MESSAGE_HEADER_BYTES,
    Blocks,
    Check,
    Kind,
    Message,
    joined,
    pack,
    sealed,
    split,
    unpack,
)
from openoutcry.wire.errors import ReplicaError
from openoutcry.wire.records import ORDER_DTYPE

ZSTANDARD_MAGIC = b"\x28\xb5\x2f\xfd"


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """Journal id and whole blocks of a small journal."""
    directory = tmp_path_factory.mktemp("replica") / "journal"
    with Journal.create(directory, {"name": "v"}) as writer:
        seq = 1
        for count in (1, 40, 100):
            orders = np.zeros(count, ORDER_DTYPE)
            orders["seq"] = np.arange(seq, seq + count)
            writer.append(seq, [orders], count, 5, durable=True, note={"lane": seq})
            seq += count
    reader = JournalReader(directory)
    return reader.journal_id, [bytes(block.whole) for block in reader.all_blocks()]


def blocks_message(journal, position=3):
    journal_id, parts = journal
    return sealed(
        Message(
            Kind.BLOCKS,
            2,
            1,
            position,
            position - 1,
            bytes(range(32)),
            journal_id,
            joined(parts, GENESIS),
            Check(141, 77, bytes(range(16))),
            b'{"x":1}',
            None,
        )
    )


def test_a_message_comes_back_as_it_was(journal):
    message = blocks_message(journal)
    unpacked = unpack(pack(message), 3)
    assert unpacked._replace(blocks=message.blocks) == message
    assert bytes(unpacked.blocks.data) == b"".join(journal[1])
    assert [bytes(part) for part in split(unpacked.blocks)] == journal[1]
    assert unpacked.blocks[:2] == (0, len(journal[1]))
    assert unpacked.blocks.last_seq == 141


def test_a_misplaced_message_is_refused(journal):
    with pytest.raises(ReplicaError, match="misplaced"):
        unpack(pack(blocks_message(journal)), 4)


def test_any_changed_bit_is_noticed(journal):
    whole = pack(blocks_message(journal))
    rng = Random(22)
    places = [*range(MESSAGE_HEADER_BYTES + 8), *(rng.randrange(len(whole)) for _ in range(200))]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        with pytest.raises(ReplicaError):
            unpack(bytes(damaged), 3)


def resealed(whole, frame):
    """With another frame, and its checksum made right again."""
    start = whole.index(ZSTANDARD_MAGIC)
    return whole[:start] + frame + crc32c(frame).to_bytes(4, "little")


def test_blocks_travel_compressed_and_only_as_they_were(journal):
    """A frame that says another size, is cut, is followed by another, or is none, is refused by
    name, and none makes the reader hold more than the message names."""
    message = blocks_message(journal)
    whole = pack(message)
    assert len(whole) < MESSAGE_HEADER_BYTES + len(message.blocks.data) / 4
    compress = zstandard.ZstdCompressor().compress
    frame = whole[whole.index(ZSTANDARD_MAGIC) : -4]
    assert resealed(whole, frame) == whole
    for other in (
        b"",
        b"orders",
        frame[:-1],
        frame + b"\0",
        frame + frame,
        frame + compress(b""),
        compress(bytes(1 << 30)),
        compress(bytes(message.blocks.data) + b"\0"),
        zstandard.ZstdCompressor(write_content_size=False).compress(message.blocks.data),
    ):
        with pytest.raises(ReplicaError, match="message 3 is damaged: its blocks do not unpack"):
            unpack(resealed(whole, other), 3)


def test_a_message_without_blocks_has_no_frame(journal):
    message = blocks_message(journal)
    blocks = Blocks.none(7, message.blocks.block_after, 141)
    whole = pack(sealed(message._replace(kind=Kind.CHECK, blocks=blocks)))
    assert len(whole) == MESSAGE_HEADER_BYTES + len(message.text) + 4
    assert unpack(whole, 3).blocks == blocks


def test_a_message_that_is_cut_short_is_refused(journal):
    whole = pack(blocks_message(journal))
    for size in (0, 7, 255, 300, len(whole) - 1):
        with pytest.raises(ReplicaError):
            unpack(whole[:size], 3)
    with pytest.raises(ReplicaError):
        unpack(whole + b"\0", 3)


def test_blocks_that_are_not_those_named_are_refused(journal):
    message = blocks_message(journal)
    parts = journal[1]
    swapped = b"".join([*parts[:-2], parts[-1], parts[-2]])
    with pytest.raises(ReplicaError, match="message 3"):
        unpack(pack(message._replace(blocks=message.blocks._replace(data=swapped))), 3)
