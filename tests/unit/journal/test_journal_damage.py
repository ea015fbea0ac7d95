"""Torn tails are recognised, damage is named, and never is a wrong record served."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.journal import Journal, JournalError, JournalReader
from openoutcry.journal.block import BlockBuffer, BlockHeader, digest, examine
from openoutcry.journal.segment import SegmentFile
from openoutcry.wire.enums import BlockKind
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.layout_hash import LayoutMismatch
from tests.support.journal import journal_damage as shared
from tests.support.journal.journal_damage import (
    BATCHES,
    SECTOR,
    SEGMENT,
    SEGMENT_BYTES,
    STARTS,
    fill,
    poke,
    read_all,
)

running = shared.running


def test_resume_drops_the_torn_tail_and_continues(running, orders):
    """Resumed at many cuts behind what was acknowledged, with other orders appended, the journal
    is whole again; no byte of the torn block is left behind the new end."""
    path = running / SEGMENT
    image = path.read_bytes()
    for cut in range(STARTS[-2] + 1, STARTS[-1], 97):
        path.write_bytes((image[:cut] + b"\xa5" * 7 + image[cut + 7 :])[: len(image)])
        whole = len(BATCHES) - 1
        writer = Journal.resume(running)
        assert writer.written_seq == writer.durable_seq == sum(BATCHES[:whole])
        assert writer.blocks == 1 + whole
        assert path.read_bytes() == image[: STARTS[whole]] + bytes(SEGMENT_BYTES - STARTS[whole])
        fill(writer, orders, [1])
        writer.abandon()
        reader, data = read_all(running)
        assert reader.torn is None
        assert data == orders(1, sum(BATCHES[:whole]) + 1).tobytes()


def test_resume_never_drops_what_was_acknowledged(running, orders):
    """A cut in a block that somebody was told of: resume refuses and touches nothing."""
    path = running / SEGMENT
    torn = path.read_bytes()[: STARTS[-2] - 100]
    path.write_bytes(torn)
    with pytest.raises(JournalError, match=r"acknowledged up to block 3, sequence 31.*damaged"):
        Journal.resume(running)
    assert path.read_bytes() == torn


def test_a_hole_among_unsynced_blocks_is_a_torn_tail(tmp_path, orders):
    """A power cut may keep a later block and lose an earlier one if neither was synced: the later
    one says so itself, and resume goes on before the hole."""
    writer = Journal.create(tmp_path, {}, segment_bytes=SEGMENT_BYTES)
    fill(writer, orders, [4])
    writer.sync()
    fill(writer, orders, [3, 2, 5])
    writer.abandon()
    path = tmp_path / SEGMENT
    image = path.read_bytes()
    poke(path, 3 * SECTOR, bytes(SECTOR))
    reader, data = read_all(tmp_path)
    assert data == orders(1, 7).tobytes()
    assert "nothing that was durable follows" in str(reader.torn)
    poke(path, 2 * SECTOR, bytes(SECTOR))
    writer = Journal.resume(tmp_path)
    assert writer.written_seq == 4
    writer.abandon()
    path.write_bytes(image)
    poke(path, SECTOR, bytes(SECTOR))
    (tmp_path / "acknowledged").unlink()
    with pytest.raises(JournalError, match=r"byte 4096: .*block 2 was written when this one was"):
        read_all(tmp_path)


def test_a_torn_first_block_of_a_segment(tmp_path, orders):
    """A segment whose very first block is torn ends the journal there; resume goes on in it."""
    writer = Journal.create(tmp_path, {}, segment_bytes=2 * SECTOR)
    fill(writer, orders, [13, 14])
    writer.abandon()
    poke(tmp_path / "segment-000001.ocj", 500, b"\xff")
    reader, data = read_all(tmp_path)
    assert data == orders(1, 13).tobytes()
    assert reader.torn is not None
    assert "segment-000001.ocj: byte 0: " in reader.torn
    writer = Journal.resume(tmp_path)
    fill(writer, orders, [14, 14])
    writer.close()
    assert read_all(tmp_path)[1] == orders(1, 41).tobytes()


def test_old_bytes_in_a_torn_tail_are_no_later_block(running, orders):
    """A copy of an earlier whole block behind the end does not turn a torn tail into damage."""
    path = running / SEGMENT
    image = path.read_bytes()
    poke(path, STARTS[-2], image[STARTS[3] : STARTS[3] + 128] + bytes(SECTOR - 128))
    poke(path, STARTS[-1], image[STARTS[0] : STARTS[1]])
    reader, data = read_all(running)
    assert data == orders(1, sum(BATCHES[:-1])).tobytes()
    assert reader.torn is not None
    assert f"{path}: byte {STARTS[-2]}: the checksum" in reader.torn


def segments(directory: Path, orders: Any) -> list[Path]:
    """A closed journal of five segments of one block each behind the configuration."""
    with Journal.create(directory, {}, segment_bytes=2 * SECTOR) as writer:
        fill(writer, orders, [13] * 5)
    paths = sorted(directory.glob("segment-*"))
    assert len(paths) == 5
    return paths


def test_damage_before_the_last_segment_is_an_error(tmp_path, orders):
    """The last block of a segment may be torn only if no later segment holds data; the reader
    stops with file and byte, and resume, which looks at the last segment and what it follows,
    refuses to touch anything if that is damaged."""
    paths = segments(tmp_path, orders)
    whole = paths[2].read_bytes()
    poke(paths[2], 700, b"\xff")
    with pytest.raises(JournalError, match=rf"{paths[2]}: byte 0: .*checksum.*damaged here"):
        read_all(tmp_path)
    paths[2].write_bytes(whole)
    poke(paths[3], SECTOR + 700, b"\xff")
    before = {path: path.read_bytes() for path in paths}
    with pytest.raises(JournalError, match=f"{paths[3]}: no whole block ends it"):
        Journal.resume(tmp_path)
    assert {path: path.read_bytes() for path in paths} == before


def test_a_cut_before_the_last_segment_is_an_error(tmp_path, orders):
    """Shortened inside a block, or to nothing, a middle segment cannot pass for an end."""
    paths = segments(tmp_path, orders)
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[:500])
    with pytest.raises(JournalError, match=rf"{paths[1]}: byte 0: the file ends inside a block"):
        read_all(tmp_path)
    paths[1].write_bytes(b"")
    with pytest.raises(JournalError, match=rf"{paths[1]} is empty, and 000002 is there"):
        read_all(tmp_path)
    paths[1].write_bytes(bytes(2 * SECTOR))
    with pytest.raises(JournalError, match=rf"{paths[1]}: byte 0: zeros .*segment-000002"):
        read_all(tmp_path)


def test_a_missing_segment_is_an_error(tmp_path, orders):
    """Which one is missing is said."""
    paths = segments(tmp_path, orders)
    paths[3].unlink()
    with pytest.raises(JournalError, match=f"{paths[3]} is missing"):
        read_all(tmp_path)
    paths[0].unlink()
    with pytest.raises(JournalError, match=f"{paths[0]} is missing"):
        read_all(tmp_path)


def test_a_segment_in_the_wrong_place_is_an_error(tmp_path, orders):
    """Whole blocks of the same journal in the wrong order are found by their index."""
    paths = segments(tmp_path, orders)
    shutil.copy(paths[3], paths[2])
    with pytest.raises(JournalError, match=rf"{paths[2]}: byte 0: block 6 where 4 belongs"):
        read_all(tmp_path)


def forge(path: Path, offset: int, records: Any, index: int, first_seq: int, **fields: Any) -> None:
    """A block whose checksum is right and whose content may not be, behind the one before it."""
    before = SegmentFile.open(path.parent, 0)
    whole = examine(before, offset - SECTOR)
    header = BlockHeader(
        journal_id=whole.header.journal_id,
        block_index=index,
        first_seq=first_seq,
        record_count=len(records),
        previous_hash=digest(whole.whole),
        kind=BlockKind.COMMANDS,
    )._replace(**fields)
    poke(path, offset, bytes(BlockBuffer().fill(header, [records])))


def test_a_right_checksum_does_not_excuse_a_wrong_place(running, orders):
    """Journal, chain, index and sequence of block and records are checked, and what is wrong is
    named."""
    path = running / SEGMENT
    end = STARTS[-1]
    records = orders(37, 4)
    records["seq"][2] = 38
    for given, index, first_seq, fields, words in [
        (records, 5, 37, {}, f"byte {end}: record 2 .* 38 where 39 belongs"),
        (orders(38, 4), 5, 38, {}, "sequence 38 where 37 belongs"),
        (orders(37, 4), 6, 37, {}, "block 6 where 5 belongs"),
        (orders(37, 4), 5, 37, {"previous_hash": bytes(32)}, "the chain is broken"),
        (orders(37, 4), 5, 37, {"journal_id": 7}, "a block of another journal"),
    ]:
        forge(path, end, given, index, first_seq, **fields)
        with pytest.raises(JournalError, match=words):
            read_all(running)
    forge(path, end, orders(37, 4), 5, 37)
    assert read_all(running)[1] == orders(1, 40).tobytes()


@pytest.mark.promise(
    "Flipped bits, a block changed with its checksum, changed event hashes and a cut end of "
    "the evidence are detected. A journal that cannot be replayed is not sound to `verify`",
    group="files",
)
def test_a_changed_block_with_a_right_checksum_breaks_the_chain(running, orders):
    """Who changes one order and makes its checksum right is found out by the next block."""
    path = running / SEGMENT
    records = orders(9, 20)
    records["qty_lots"][3] += 1
    forge(path, STARTS[1], records, 2, 9)
    with pytest.raises(JournalError, match=f"byte {STARTS[2]}: the chain is broken"):
        read_all(running)


def test_another_layout_is_refused(running, orders):
    """A journal of another layout, or one block of it, says so; nothing is served from it."""
    path = running / SEGMENT
    forge(path, STARTS[-1], orders(37, 4), 5, 37, layout_hash=0x1122334455667788)
    writer = Journal.create(running.parent / "other", {}, segment_bytes=2 * SECTOR)
    writer.close()
    forged = SegmentFile.open(running.parent / "other", 0)
    config = examine(forged, 0)
    header = config.header._replace(layout_hash=0x1122334455667788)
    poke(running.parent / "other" / SEGMENT, 0, bytes(BlockBuffer().fill(header, [config.payload])))
    with pytest.raises(LayoutMismatch, match=rf"{path}: byte {STARTS[-1]} was written with layout"):
        read_all(running)
    for refuse in (JournalReader, Journal.resume):
        with pytest.raises(LayoutMismatch, match=rf"other/{SEGMENT} was .*1122334455667788"):
            refuse(running.parent / "other")


def test_random_overwrites_never_serve_a_wrong_record(running, orders):
    """Runs of random bytes over random places: an error, or a prefix of what was written."""
    path = running / SEGMENT
    image = path.read_bytes()
    expected = orders(1, sum(BATCHES)).tobytes()
    rng = np.random.default_rng(20240229)
    outcomes = set()
    for _ in range(800):
        at, size = int(rng.integers(0, SEGMENT_BYTES)), int(rng.integers(1, 3000))
        path.write_bytes((image[:at] + rng.bytes(size) + image[at + size :])[:SEGMENT_BYTES])
        try:
            reader, data = read_all(running)
        except OutcryError:
            outcomes.add("error")
            continue
        assert reader.torn is not None
        assert data == expected[: len(data)]
        outcomes.add(len(data) // 64)
    assert outcomes == {"error", *np.cumsum(BATCHES).tolist()[-2:]}
