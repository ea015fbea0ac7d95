"""What is written comes back: same bytes, same order, nothing more."""

import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.journal import (
    Disk,
    EventDigest,
    Journal,
    JournalError,
    JournalLock,
    JournalReader,
    read_commands,
)
from openoutcry.journal.listing import describe
from openoutcry.journal.recent import RECENT_BYTES, RecentBlocks
from openoutcry.journal.scan import Scan
from openoutcry.journal.verify import verify
from openoutcry.wire.enums import BlockKind
from openoutcry.wire.records import ORDER_DTYPE
from tests.support.journal.journal_damage import fill
from tests.support.journal.journal_reads import counted_reads
from tests.support.journal.journal_roundtrip import read_all
from tests.support.waiting import BOUND_S, wait_until


def test_orders_config_and_evidence_come_back(tmp_path, orders):
    """A closed journal gives back its configuration, every order byte for byte, and evidence."""
    config = {"seed": 7, "instruments": [{"symbol": "ACME"}], "text": "größer"}
    with Journal.create(tmp_path / "j", config, 100) as writer:
        fill(writer, orders, [1, 30, 69])
        writer.evidence({"state_hash": "00ff", "seq": 100})
        counted = (writer.blocks, writer.bytes)
    reader, data = read_all(tmp_path / "j")
    assert reader.config == config
    assert data == orders(1, 100).tobytes()
    assert reader.evidence == {"state_hash": "00ff", "seq": 100}
    assert reader.torn is None
    assert (reader.blocks, reader.bytes, reader.segments) == (*counted, 1)
    assert reader.last_seq == 100


def test_a_fresh_journal_is_durable_and_empty(tmp_path):
    """Create alone leaves a readable journal of no orders and no evidence."""
    writer = Journal.create(tmp_path / "j", {"a": 1})
    reader, data = read_all(tmp_path / "j")
    assert (data, reader.evidence, reader.torn, reader.blocks) == (b"", None, None, 1)
    writer.close()
    assert Journal.exists(tmp_path / "j")
    assert not Journal.exists(tmp_path)
    assert not Journal.exists(tmp_path / "nowhere")


def test_evidence_is_found_without_reading_the_orders_first(tmp_path, orders):
    """Asking for the evidence reads to the end; the last of several counts."""
    with Journal.create(tmp_path / "j", {}) as writer:
        writer.evidence({"seq": 0})
        fill(writer, orders, [5])
        writer.evidence({"seq": 5})
    assert JournalReader(tmp_path / "j").evidence == {"seq": 5}


def test_what_wraps_in_the_ring_is_one_block(tmp_path, orders):
    """Two buffers, as a ring slice that wraps, make one block with their bytes in a row."""
    records = orders(1, 100)
    with Journal.create(tmp_path / "j", {}) as writer:
        writer.append(1, [memoryview(records[:60]), records[60:]], 100, 5)
        assert writer.blocks == 2
        writer.append(101, [orders(101, 1), orders(102, 0)], 1, 6)
    chunks = list(JournalReader(tmp_path / "j").chunks())
    assert [(first, len(chunk)) for first, chunk in chunks] == [(1, 100), (101, 1)]
    assert chunks[0][1].tobytes() == records.tobytes()
    assert chunks[0][1].dtype == ORDER_DTYPE
    assert not chunks[0][1].flags.writeable


def test_blocks_never_span_segments(tmp_path, orders):
    """A block that does not fit begins a segment, behind the configuration; the filled one is cut
    behind its last block."""
    with Journal.create(tmp_path / "j", {}, segment_bytes=5 * 4096) as writer:
        fill(writer, orders, [100] * 5)
    reader, data = read_all(tmp_path / "j")
    assert data == orders(1, 500).tobytes()
    sizes = [path.stat().st_size for path in sorted((tmp_path / "j").glob("segment-*"))]
    assert sizes == [5 * 4096, 5 * 4096, 3 * 4096]
    assert (reader.segments, reader.bytes) == (3, sum(sizes))


def test_every_segment_has_the_configuration(tmp_path, orders):
    """With the first segments retired the rest still says what it is a journal of."""
    with Journal.create(tmp_path, {"seed": 3}, segment_bytes=8192) as writer:
        fill(writer, orders, [10] * 4)
    kinds = [block.header.kind for block in JournalReader(tmp_path).all_blocks()]
    assert kinds == [BlockKind.CONFIG, BlockKind.COMMANDS] * 4


def test_expected_records_are_prewritten(tmp_path, orders):
    """All segments for the expected records are there, whole, before the first append, and those
    that were not needed go again."""
    writer = Journal.create(tmp_path, {}, expected_records=1000, segment_bytes=16384)
    segments = [path.name for path in sorted(tmp_path.glob("segment-*"))]
    assert segments == [f"segment-{n:06d}.ocj" for n in range(6)]
    assert {path.stat().st_size for path in tmp_path.glob("segment-*")} == {16384}
    assert all(path.stat().st_blocks * 512 >= 16384 for path in tmp_path.glob("segment-*"))
    fill(writer, orders, [60] * 5)
    _, data = read_all(tmp_path)
    assert data == orders(1, 300).tobytes()
    writer.close()
    assert sorted(path.name for path in tmp_path.glob("segment-*")) == segments[:2]


@pytest.mark.parametrize("direct", [True, False])
def test_the_next_segment_is_made_while_one_fills(tmp_path, orders, direct):
    """Past its middle a large segment has a successor that grows as it does, so that no commit
    waits behind much of it, and is whole before it is needed."""
    size_bytes = 4 << 20
    growing, whole = tmp_path / "segment-000001.ocj.new", tmp_path / "segment-000001.ocj"
    writer = Journal.create(tmp_path, {}, segment_bytes=size_bytes, direct=direct)
    fill(writer, orders, [30_000])
    assert not growing.exists()
    fill(writer, orders, [4_000, 10])
    wait_until(lambda: growing.exists() and growing.stat().st_size > 0)
    for _ in range(20):
        assert growing.stat().st_size <= 2.5 * (writer.bytes - size_bytes // 2)
        time.sleep(0.005)
    fill(writer, orders, [4_000] * 7)
    wait_until(whole.exists)
    assert whole.stat().st_size == size_bytes
    assert writer.bytes < size_bytes
    fill(writer, orders, [20_000])
    writer.close()
    assert read_all(tmp_path)[1] == orders(1, 82_010).tobytes()


@pytest.mark.parametrize("ends", ["roll", "close"])
def test_who_needs_the_next_segment_waits_for_no_pace(tmp_path, orders, ends):
    """Its successor half made, a segment is left at once; closed, the half goes as well."""
    writer = Journal.create(tmp_path, {}, segment_bytes=4 << 20)
    fill(writer, orders, [34_000, 10])
    wait_until((tmp_path / "segment-000001.ocj.new").exists)
    getattr(writer, ends)()
    segments = sorted(path.name for path in tmp_path.glob("segment-*"))
    assert segments == [f"segment-{n:06d}.ocj" for n in range(2 if ends == "roll" else 1)]
    writer.close()
    assert read_all(tmp_path)[1] == orders(1, 34_010).tobytes()


@pytest.mark.parametrize("ends", ["close", "abandon"])
def test_who_closes_the_journal_makes_no_segment_for_it(tmp_path, orders, ends):
    """What was prewritten of the next one goes, and no thread goes on or waits for more."""
    writer = Journal.create(tmp_path, {}, segment_bytes=64 << 20)
    fill(writer, orders, [100_000] * 7)
    new = tmp_path / "segment-000001.ocj.new"
    wait_until(new.exists)
    (thread,) = [t for t in threading.enumerate() if t.name == "journal-prewrite"]
    getattr(writer, ends)()
    thread.join(BOUND_S)
    assert not thread.is_alive()
    assert not new.exists()
    assert [path.name for path in tmp_path.glob("segment-*")] == ["segment-000000.ocj"]


def test_durable_follows_sync(tmp_path, orders):
    """Written runs ahead; durable catches up at sync, and only then."""

    class Counting(Disk):
        syncs = durable_writes = 0

        def datasync(self, fd: int) -> None:
            self.syncs += 1
            super().datasync(fd)

        def write(self, fd: int, data: Any, offset: int, durable: bool = False) -> int:
            self.durable_writes += durable
            return super().write(fd, data, offset, durable)

    disk = Counting()
    writer = Journal.create(tmp_path, {}, disk=disk)
    fill(writer, orders, [10, 5])
    assert (writer.written_seq, writer.durable_seq, disk.syncs) == (15, 0, 0)
    writer.sync()
    assert (writer.durable_seq, disk.syncs) == (15, 1)
    writer.sync()
    assert disk.syncs == 1, "nothing new: no call"
    writer.append(16, [orders(16, 2)], 2, 1, durable=True)
    assert (writer.durable_seq, disk.syncs, disk.durable_writes) == (17, 1, 1), "one call"
    fill(writer, orders, [3])
    writer.append(21, [orders(21, 2)], 2, 1, durable=True)
    assert (writer.durable_seq, disk.syncs, disk.durable_writes) == (22, 2, 1)
    writer.close()


@pytest.mark.parametrize("direct", [True, False])
def test_through_the_page_cache_or_past_it(tmp_path, orders, direct):
    """Either way the same bytes come back, resumed the other way too; past it only if asked."""
    with Journal.create(tmp_path, {}, segment_bytes=16384, direct=direct) as writer:
        assert direct or not writer.direct
        writer.append(1, [orders(1, 90)], 90, 1, durable=True)
        fill(writer, orders, [10, 80, 3])
    with Journal.resume(tmp_path, direct=not direct) as writer:
        fill(writer, orders, [17])
    assert read_all(tmp_path)[1] == orders(1, 200).tobytes()


def test_the_header_carries_the_event_digest(tmp_path, orders):
    """What is known of the events when a block is written stands in its header."""
    with Journal.create(tmp_path, {}) as writer:
        writer.append(1, [orders(1, 9)], 9, 1)
        writer.append(10, [orders(10, 9)], 9, 1, event_digest=EventDigest(9, -2))
    digests = [(b.header.events_seq, b.header.events_hash) for b in read_blocks(tmp_path)]
    assert digests == [(0, 0), (0, 0), (9, 2**64 - 2)]


def test_clock_records_stand_between_the_orders(tmp_path, orders):
    """They are blocks of their own kind, durable with the next commit, and no reader of orders
    sees them."""
    clocks = orders(500, 3)
    with Journal.create(tmp_path, {}) as writer:
        fill(writer, orders, [4])
        writer.clock(clocks, 7)
        fill(writer, orders, [4])
        with pytest.raises(JournalError, match="clock records of 8 bytes"):
            writer.clock(np.zeros(3), 7)
    assert read_all(tmp_path)[1] == orders(1, 8).tobytes()
    kinds = [BlockKind.CONFIG, BlockKind.COMMANDS, BlockKind.CLOCK, BlockKind.COMMANDS]
    blocks = list(read_blocks(tmp_path))
    assert [block.header.kind for block in blocks] == kinds
    assert bytes(blocks[2].payload) == clocks.tobytes()


def read_blocks(directory: Path) -> Any:
    return JournalReader(directory).all_blocks()


@pytest.mark.parametrize(
    ("first_seq", "record_seq", "count", "words"),
    [
        (5, 5, 3, "append of sequence 5 after 3"),
        (3, 3, 3, "append of sequence 3 after 3"),
        (4, 5, 3, "the records are 5 to 7"),
        (4, 4, 4, r"append of 4 records as buffers of \[192\]"),
    ],
)
def test_a_gap_is_refused(tmp_path, orders, first_seq, record_seq, count, words):
    """A batch out of sequence, or of other records than it claims, never reaches the disk."""
    with Journal.create(tmp_path, {}) as writer:
        fill(writer, orders, [3])
        with pytest.raises(JournalError, match=words):
            writer.append(first_seq, [orders(record_seq, 3)], count, 1)
        with pytest.raises(JournalError, match="append of nothing"):
            writer.append(4, [], 0, 1)
        fill(writer, orders, [2])
    _, data = read_all(tmp_path)
    assert data == orders(1, 5).tobytes()


def test_a_batch_larger_than_a_segment_is_refused(tmp_path, orders):
    """It says so and the writer goes on."""
    with Journal.create(tmp_path, {}, segment_bytes=8192) as writer:
        with pytest.raises(JournalError, match="8,192 bytes does not fit a segment of 8,192 with"):
            fill(writer, orders, [63])
        fill(writer, orders, [62, 62])
    _, data = read_all(tmp_path)
    assert data == orders(1, 124).tobytes()


def test_commands_are_read_in_any_range(tmp_path, orders):
    """Every range of a small journal comes back exactly; one past its end is an error."""
    with Journal.create(tmp_path, {}, segment_bytes=8192) as writer:
        fill(writer, orders, [3, 1, 8, 8])
    for from_seq in range(1, 21):
        for until_seq in range(from_seq - 1, 21):
            records = b"".join(c.tobytes() for c in read_commands(tmp_path, from_seq, until_seq))
            assert records == orders(from_seq, until_seq - from_seq + 1).tobytes()
    with pytest.raises(JournalError, match="ends at sequence 20, 21 was requested"):
        list(read_commands(tmp_path, 5, 21))
    with pytest.raises(JournalError, match="begin at 1"):
        list(read_commands(tmp_path, 0, 3))


@given(
    batches=st.lists(st.tuples(st.integers(1, 60), st.booleans()), max_size=30),
    segment_sectors=st.integers(2, 9),
    expected=st.integers(0, 900),
    reopen_every=st.integers(1, 12),
)
def test_any_batches_in_any_segments(orders, batches, segment_sectors, expected, reopen_every):
    """Whatever the batch and segment sizes, and however often it is closed and resumed, the
    same orders come back, and the writer's counts are the reader's."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        writer = Journal.create(directory, {"n": 1}, expected, segment_sectors * 4096)
        for turn, (count, sync) in enumerate(batches):
            fill(writer, orders, [count])
            if sync:
                writer.sync()
                assert writer.durable_seq == writer.written_seq
            if turn % reopen_every == 0:
                before = (writer.written_seq, writer.blocks, writer.bytes)
                if turn % 2:
                    writer.close()
                else:
                    writer.abandon()  # as it stands, as a killed process would
                writer = Journal.resume(directory)
                after = (writer.written_seq, writer.blocks, writer.bytes)
                assert after == before
                assert writer.durable_seq == writer.written_seq
        total = sum(count for count, _ in batches)
        reader, data = read_all(directory)
        assert data == orders(1, total).tobytes()
        assert (reader.blocks, reader.bytes, reader.torn) == (writer.blocks, writer.bytes, None)
        writer.close()
        reader, data = read_all(directory)
        assert data == orders(1, total).tobytes()
        assert sum(p.stat().st_size for p in directory.glob("segment-*")) == reader.bytes


@pytest.mark.parametrize("count", [3, 13, 60])
def test_a_writer_that_continues_while_the_end_is_looked_at(tmp_path, orders, monkeypatch, count):
    """Blocks and segments that appear between seeing the end and looking behind it are neither
    damage nor a torn tail; resume takes them for what they are, another writer at work."""
    writer = Journal.create(tmp_path, {}, expected_records=20_000, segment_bytes=32768)
    fill(writer, orders, [5])
    look = Scan._data_after

    def write_then_look(scan: Scan, segment: Any, offset: int) -> str:
        fill(writer, orders, [1] * count)
        return look(scan, segment, offset)

    monkeypatch.setattr(Scan, "_data_after", write_then_look)
    reader, data = read_all(tmp_path)
    assert reader.torn is None
    assert data == orders(1, 5).tobytes()
    with pytest.raises(JournalError, match="is being written by another process"):
        Journal.resume(tmp_path)
    monkeypatch.undo()
    assert read_all(tmp_path)[1] == orders(1, 5 + 2 * count).tobytes()


@pytest.mark.parametrize("segment_bytes", [32768, 1 << 20])
def test_a_reading_ends_where_the_journal_stood(tmp_path, orders, segment_bytes):
    """A writer faster than its reader, within a segment and over many: the reading ends with what
    was there when it began, every block of it, and a second one can end at the very same block."""
    with Journal.create(tmp_path, {}, segment_bytes=segment_bytes) as writer:
        fill(writer, orders, [5] * 20)
        reader = JournalReader(tmp_path)
        chunks = []
        for _, chunk in reader.chunks():
            chunks.append(chunk.tobytes())
            fill(writer, orders, [1] * 3)
        assert b"".join(chunks)[: 100 * 64] == orders(1, 100).tobytes()
        assert len(chunks) <= 21  # the first block asks for nothing yet
        assert reader.torn is None
        until = reader.blocks
        again = list(reader.all_blocks(until_block=until))
        assert [block.header.block_index for block in again] == list(range(until))
        assert verify(tmp_path).last_seq == describe(tmp_path)["last_seq"] == writer.written_seq


def test_a_block_that_is_being_written_is_not_torn(tmp_path, orders):
    """Half a block at the end while a pipeline holds the lock is its business; without one it is a
    torn tail."""
    with Journal.create(tmp_path, {}) as writer:
        fill(writer, orders, [5, 60])
        writer.abandon()
    path = tmp_path / "segment-000000.ocj"
    data = bytearray(path.read_bytes())
    data[2 * 4096 + 3000 : 3 * 4096] = bytes(4096 - 3000)
    path.write_bytes(data)
    with JournalLock(tmp_path):
        assert read_all(tmp_path)[0].torn is None
        assert verify(tmp_path).torn == ""
        assert describe(tmp_path)["torn"] is None
    assert "torn tail" in (read_all(tmp_path)[0].torn or "")
    assert "torn tail" in verify(tmp_path).torn
    assert "torn tail" in describe(tmp_path)["torn"]


def test_resume_makes_a_closed_segment_whole(tmp_path, orders):
    """After close and resume the last segment is prewritten again, and what a killed process
    left half made is removed by both."""
    half_made = tmp_path / "segment-000001.ocj.new"
    writer = Journal.create(tmp_path, {}, segment_bytes=8192)
    fill(writer, orders, [5])
    half_made.write_bytes(b"half")
    writer.close()
    assert not half_made.exists()
    half_made.write_bytes(b"half")
    writer = Journal.resume(tmp_path)
    assert not half_made.exists()
    assert (tmp_path / "segment-000000.ocj").stat().st_size == 8192
    writer.close()
    assert (tmp_path / "segment-000000.ocj").stat().st_size == writer.bytes


def test_who_follows_reads_only_what_is_new(tmp_path, orders):
    """Through many segments, a block at a time, beside a writer that has prewritten more."""
    expected, size = orders(1, 4_000), 40
    with Journal.create(tmp_path, {}, 100_000, segment_bytes=64 * 1024) as writer:
        fill(writer, orders, [size])
        reader = JournalReader(tmp_path)
        seen = [bytes(block.payload) for block in reader.follow(1) if block.header.commands]
        for _ in range(size, len(expected), size):
            fill(writer, orders, [size])
            with counted_reads() as reads:
                new = list(reader.follow(1))
            # The rest of one segment, and of the next where that has just begun.
            assert sum(reads) <= 2 * 64 * 1024
            seen += [bytes(block.payload) for block in new if block.header.commands]
            assert reader.last_seq == writer.written_seq
            assert list(reader.follow(1)) == []
    assert b"".join(seen) == expected.tobytes()


@pytest.mark.promise(
    "What is written is its owner's alone, in directories where no other user may write, "
    "follows no other user's link, and is whole or not there. Each unit sets UMask, LimitCORE"
    " and SystemCallFilter",
    group="files",
)
def test_a_folder_that_others_could_look_into_is_closed_to_them(tmp_path):
    """Its files are the owner's alone; their names and sizes are from here on as well."""
    tmp_path.chmod(0o755)
    with JournalLock(tmp_path):
        assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_a_follower_finds_a_block_in_memory_as_soon_as_it_is_safe(tmp_path, orders):
    """A process that hears that it is safe looks for it at once, and reads no disk."""
    recent = RecentBlocks(np.zeros(RECENT_BYTES, np.uint8))
    with Journal.create(tmp_path / "journal", {}) as writer:
        writer.append(1, [orders(1, 3)], 3, 7, durable=True)
        follower = JournalReader(tmp_path / "journal")
        assert [block.header.first_seq for block in follower.follow(1)][-1] == 1
        writer.recent = follower.recent = recent
        for first in (4, 6):
            at = writer.blocks, writer._offset
            writer.append(first, [orders(first, 2)], 2, 7, durable=True)
            assert recent.find(*at) is not None
            assert [block.header.first_seq for block in follower.follow(1)] == [first]
