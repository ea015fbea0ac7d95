"""A journal of any age is resumed and closed at the cost of its last segment: bytes are counted,
not seconds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openoutcry.journal import Journal, JournalError, JournalReader, JournalWriter
from openoutcry.journal.verify import verify
from tests.support.journal.journal_reads import counted_reads

SEGMENT_BYTES = 64 << 10
A_SEGMENT = 600
"""Orders of one block that leave no room for a second one in a segment."""


@pytest.fixture
def bytes_read() -> Iterator[list[int]]:
    with counted_reads() as sizes:
        yield sizes


def grow(writer: JournalWriter, orders: Any, segments: int) -> None:
    for _ in range(segments):
        first_seq = writer.written_seq + 1
        writer.append(first_seq, [orders(first_seq, A_SEGMENT)], A_SEGMENT, 1, durable=True)


def resume_cost(directory: Path, orders: Any, segments: int, bytes_read: list[int]) -> int:
    """Bytes that are read to resume a journal of so many segments whose writer was killed."""
    writer = Journal.create(directory, {}, segment_bytes=SEGMENT_BYTES)
    grow(writer, orders, segments)
    writer.abandon()
    bytes_read.clear()
    resumed = Journal.resume(directory)
    cost = sum(bytes_read)
    assert resumed.written_seq == segments * A_SEGMENT
    grow(resumed, orders, 1)
    resumed.close()
    report = verify(directory)
    assert (report.sound, report.last_seq) == (True, (segments + 1) * A_SEGMENT)
    assert resumed.bytes == report.bytes
    return cost


@pytest.mark.promise(
    "`repair` never discards what was acknowledged, and costs with the journal and not with "
    "its square. A resume costs the same whatever the age of the journal",
    group="files",
)
def test_a_resume_reads_no_more_of_an_old_journal_than_of_a_young_one(tmp_path, orders, bytes_read):
    """Two segments and fifty cost the same, and that is a constant number of segments."""
    young = resume_cost(tmp_path / "young", orders, 2, bytes_read)
    old = resume_cost(tmp_path / "old", orders, 50, bytes_read)
    assert old == young
    assert old <= 8 * SEGMENT_BYTES


def test_going_on_after_a_clean_end_reads_nothing(tmp_path, orders, bytes_read):
    """One process hands the journal over, another writes the evidence and closes it."""
    places = [tmp_path / "a", tmp_path / "b"]
    writer = Journal.create(places[0], {"seed": 1}, segment_bytes=SEGMENT_BYTES, copies=places[1:])
    grow(writer, orders, 5)
    bytes_read.clear()
    again = Journal.reopen(writer, writer.hand_over())
    again.evidence({"commands": 5 * A_SEGMENT})
    again.close()
    assert sum(bytes_read) < 1000, "only the watermark, to see that nobody else goes on"
    for place in places:
        report = verify(place)
        assert (report.sound, report.last_seq) == (True, 5 * A_SEGMENT)
        assert JournalReader(place).evidence == {"commands": 5 * A_SEGMENT}
    with pytest.raises(JournalError, match="written elsewhere"):
        grow(writer, orders, 1)


def test_a_segment_of_another_history_is_not_gone_on_with(tmp_path, orders):
    """Two histories of one journal; the last segment of the one is put behind those of the other:
    it does not follow the block that stands before it."""
    ours, fork = tmp_path / "ours", tmp_path / "fork"
    writer = Journal.create(ours, {}, segment_bytes=SEGMENT_BYTES)
    grow(writer, orders, 2)
    fork.mkdir()
    for path in ours.iterdir():
        (fork / path.name).write_bytes(path.read_bytes())
    grow(writer, orders, 2)
    writer.abandon()
    other = Journal.resume(fork)
    grow(other, orders, 2)
    other.abandon()
    last = sorted(ours.glob("segment-*"))[3]
    (fork / last.name).write_bytes(last.read_bytes())
    with pytest.raises(JournalError, match="the chain is broken: the block before"):
        Journal.resume(fork)
