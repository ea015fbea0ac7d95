"""verify, repair, checkpoints, archive: a journal is proven, mended, kept small."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.journal import Journal, JournalError, JournalReader
from openoutcry.journal.block import BlockBuffer, BlockHeader, checksum
from openoutcry.journal.checkpoints import (
    newest_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from openoutcry.journal.listing import describe
from openoutcry.journal.locate import bad_byte
from openoutcry.journal.repair import repair
from openoutcry.journal.verify import verify
from tests.support.journal.journal_checkpoint import own_checkpoint

SECTOR = 4096


def read_all(directory: Path) -> bytes:
    return b"".join(chunk.tobytes() for _, chunk in JournalReader(directory).chunks())


def make(directory: Path, orders: Any, blocks: int = 20, **more: Any) -> bytes:
    """A closed journal of blocks of 100 orders in segments of four sectors; its orders' bytes."""
    with Journal.create(directory, {"seed": 4}, segment_bytes=4 * SECTOR, **more) as writer:
        for _ in range(blocks):
            first_seq = writer.written_seq + 1
            writer.append(first_seq, [orders(first_seq, 100)], 100, 1, durable=True)
    return bytes(orders(1, 100 * blocks).tobytes())


def poke(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


@given(st.integers(0, 3 * SECTOR - 1), st.integers(1, 255), st.integers(0, 12_000))
def test_the_bad_byte_of_a_block_is_found(at, change, count):
    """Whatever one byte of a block becomes, the checksum's difference tells which it is; changes
    of the header that hide its checksum's extent aside."""
    block = bytearray(BlockBuffer().fill(BlockHeader(kind=2), [bytes(count)]))
    assert bad_byte(block) is None
    at %= len(block)
    block[at] ^= change
    assert bad_byte(block) == at


def test_two_bad_bytes_are_not_called_one(orders):
    """Where several bytes changed no single one is named."""
    block = bytearray(BlockBuffer().fill(BlockHeader(kind=2), [orders(1, 60)]))
    block[700] ^= 1
    block[900] ^= 1
    assert checksum(block) != 0
    assert bad_byte(block) is None


def test_verify_says_what_is_sound(tmp_path, orders):
    """All is counted, and the head is the hash that the next block would carry."""
    make(tmp_path, orders)
    report = verify(tmp_path)
    assert report.sound
    assert (report.blocks, report.commands, report.segments) == (40, 2000, 20)
    assert report.bytes == sum(p.stat().st_size for p in tmp_path.glob("segment-*"))
    Journal.resume(tmp_path).abandon()
    again = verify(tmp_path)
    assert (again.sound, again.head, again.torn) == (True, report.head, "")
    writer = Journal.resume(tmp_path)
    writer.evidence({})
    writer.close()
    last = list(JournalReader(tmp_path).all_blocks())[-1]
    assert last.header.previous_hash.hex() == report.head


def test_verify_names_the_first_bad_byte(tmp_path, orders):
    """A changed byte in each segment in turn, quick way and slow: file and byte are named."""
    make(tmp_path, orders)
    for number in range(20):
        path = tmp_path / f"segment-{number:06d}.ocj"
        image = path.read_bytes()
        at = SECTOR + 130 + 311 * number
        poke(path, at, bytes([image[at] ^ 0x5A]))
        report = verify(tmp_path)
        assert not report.sound
        assert (report.bad_file, report.bad_byte) == (str(path), at)
        poke(path, at, image[at : at + 1])
    assert verify(tmp_path).sound


def test_verify_sees_a_missing_end(tmp_path, orders):
    """A journal cut exactly between two blocks, or without its last segment, is not sound: it was
    acknowledged further."""
    make(tmp_path, orders)
    last = tmp_path / "segment-000019.ocj"
    image = last.read_bytes()
    last.write_bytes(image[:SECTOR])
    assert "acknowledged up to block 39" in verify(tmp_path).flaw
    last.unlink()
    assert "acknowledged up to block 39" in verify(tmp_path).flaw


def test_repair_of_what_is_sound_does_nothing(tmp_path, orders):
    """No file changes."""
    make(tmp_path, orders)
    before = {p.name: p.read_bytes() for p in tmp_path.glob("segment-*")}
    assert repair(tmp_path) == []
    assert {p.name: p.read_bytes() for p in tmp_path.glob("segment-*")} == before


def test_repair_cuts_a_torn_tail_that_was_never_acknowledged(tmp_path, orders):
    """It says what was cut, and the journal is sound; without the watermark it refuses."""
    writer = Journal.create(tmp_path, {}, segment_bytes=8 * SECTOR)
    writer.append(1, [orders(1, 60)], 60, 1, durable=True)
    writer.append(61, [orders(61, 100)], 100, 1)
    writer.abandon()
    path = tmp_path / "segment-000000.ocj"
    poke(path, 2 * SECTOR + 5000, b"torn")
    watermark = (tmp_path / "acknowledged").read_bytes()
    (tmp_path / "acknowledged").unlink()
    with pytest.raises(JournalError, match="no watermark says what was acknowledged"):
        repair(tmp_path)
    (tmp_path / "acknowledged").write_bytes(watermark)
    (done,) = repair(tmp_path)
    assert "bytes of a torn tail cut off after block 1, sequence 60" in done
    assert path.stat().st_size == 2 * SECTOR
    assert verify(tmp_path).sound
    assert read_all(tmp_path) == orders(1, 60).tobytes()


@pytest.mark.promise(
    "`repair` never discards what was acknowledged, and costs with the journal and not with "
    "its square. A resume costs the same whatever the age of the journal",
    group="files",
)
def test_repair_refuses_to_throw_away_what_was_acknowledged(tmp_path, orders):
    """The same tear in a block that somebody was told of: nothing is touched."""
    writer = Journal.create(tmp_path, {}, segment_bytes=8 * SECTOR)
    writer.append(1, [orders(1, 60)], 60, 1, durable=True)
    writer.abandon()
    path = tmp_path / "segment-000000.ocj"
    poke(path, SECTOR + 500, b"torn")
    image = path.read_bytes()
    with pytest.raises(JournalError, match=r"acknowledged up to block 1.*give --copy DIR"):
        repair(tmp_path)
    assert path.read_bytes() == image


def test_repair_restores_blocks_from_a_copy(tmp_path, orders):
    """Blocks damaged in the first, a middle and the last segment, a lost segment and a lost end
    come back from the second directory, and each is named."""
    ours, copy = tmp_path / "a", tmp_path / "b"
    expected = make(ours, orders, copies=[copy])
    for number, at in ((0, 10), (7, SECTOR + 1000), (19, SECTOR + 64)):
        path = ours / f"segment-{number:06d}.ocj"
        poke(path, at, bytes([path.read_bytes()[at] ^ 0xFF]))
    (ours / "segment-000011.ocj").unlink()
    done = repair(ours, copy)
    assert len(done) == 4  # the lost segment had two blocks, in one line
    assert "segment-000011.ocj: blocks 22 to 23, bytes 0 to 12,287, restored" in done[2]
    assert "segment-000000.ocj: block 0, bytes 0 to 4,095, restored" in done[0]
    assert verify(ours).sound
    assert read_all(ours) == expected
    for path in copy.glob("segment-*"):
        assert path.read_bytes() == (ours / path.name).read_bytes()


@pytest.mark.promise(
    "A checkpoint, watermark or copy of another history or another journal, or of commands that "
    "were lost, is not used",
    group="files",
)
def test_repair_believes_no_copy_of_another_journal(tmp_path, orders):
    """A block that the chain does not ask for is not put in."""
    ours, other = tmp_path / "a", tmp_path / "b"
    make(ours, orders)
    make(other, orders)
    poke(ours / "segment-000003.ocj", SECTOR + 99, b"\xff")
    with pytest.raises(JournalError, match=r"cannot mend it: block \d+ of it there is different"):
        repair(ours, other)


def test_checkpoints_are_whole_or_passed_over(tmp_path, orders):
    """Every changed byte of a checkpoint is noticed, and the one before is taken; so is one of
    another journal or behind what is asked for."""
    make(tmp_path, orders)
    journal_id = JournalReader(tmp_path).journal_id
    for seq in (10, 20):
        path = write_checkpoint(tmp_path, own_checkpoint(tmp_path, seq, b"state" * seq))
    assert read_checkpoint(path).state == b"state" * 20
    assert newest_checkpoint(tmp_path, journal_id, 99).seq == 20
    assert newest_checkpoint(tmp_path, journal_id, 19).seq == 10
    assert newest_checkpoint(tmp_path, journal_id + 1, 99) is None
    image = path.read_bytes()
    for at in range(len(image)):
        poke(path, at, bytes([image[at] ^ 1]))
        assert newest_checkpoint(tmp_path, journal_id, 99).seq == 10
        poke(path, at, image[at : at + 1])
    for size in range(0, len(image), 3):
        path.write_bytes(image[:size])
        assert newest_checkpoint(tmp_path, journal_id, 99).seq == 10


def test_a_listing_shows_everything(tmp_path, orders):
    """Segments with their sequences, the watermark, checkpoints with their state, the copies."""
    make(tmp_path / "a", orders, 3, copies=[tmp_path / "b"])
    path = write_checkpoint(tmp_path / "a", own_checkpoint(tmp_path / "a", 50))
    poke(path, 10, b"\xff")
    listing = describe(tmp_path / "a")
    assert [(r["first_seq"], r["last_seq"]) for r in listing["segments"]] == [
        (1, 100),
        (101, 200),
        (201, 300),
    ]
    assert (listing["acknowledged_seq"], listing["copies"]) == (300, [str(tmp_path / "b")])
    assert [row["good"] for row in listing["checkpoints"]] == [False]
    shutil.rmtree(tmp_path / "b")
