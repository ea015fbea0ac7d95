"""Two histories of one journal: what was made from the one is never believed beside the other."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.journal import Journal, JournalError, JournalReader, JournalWriter
from openoutcry.journal.checkpoint import make_checkpoints, recover
from openoutcry.journal.checkpoints import checkpoint_path, newest_checkpoint, write_checkpoint
from openoutcry.journal.listing import describe
from openoutcry.journal.verify import verify
from openoutcry.pipeline.run import Options, run
from tests.support.journal.journal_checkpoint import own_checkpoint
from tests.support.journal.journal_reads import counted_reads

SEGMENT_BYTES = 256 << 10
BLOCK = 500


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> JournalReader:
    """The journal of a real run of 30,000 commands."""
    journal = tmp_path_factory.mktemp("day") / "j"
    flow = GeneratedFlow("normal", 30_000, 5)
    run(Options(source=flow, seed=5, topology="inline", journal=journal, verify=False))
    return JournalReader(journal)


def blocks(day: JournalReader, first_seq: int, last_seq: int) -> Iterator[npt.NDArray[Any]]:
    """The day's commands in blocks of equal size."""
    orders = np.concatenate([records for _, records in day.chunks()])
    for at in range(first_seq - 1, last_seq, BLOCK):
        yield orders[at : min(at + BLOCK, last_seq)].copy()


def write(writer: JournalWriter, day: JournalReader, last_seq: int, shift: int = 0) -> None:
    """Go on to ``last_seq``; with ``shift`` with other prices: another history."""
    for records in blocks(day, writer.written_seq + 1, last_seq):
        records["price_ticks"] += shift
        first_seq = int(records["seq"][0])
        writer.append(first_seq, [records], len(records), 1, durable=True)


def fork(day: JournalReader, ours: Path, theirs: Path) -> None:
    """One journal of 10,000 commands, and two histories of it up to 20,000."""
    writer = Journal.create(ours, day.config, segment_bytes=SEGMENT_BYTES)
    write(writer, day, 10_000)
    writer.abandon()
    shutil.copytree(ours, theirs)
    for place, shift in ((ours, 0), (theirs, 3)):
        with Journal.resume(place) as writer:
            write(writer, day, 20_000, shift)


@pytest.mark.promise(
    "A checkpoint, watermark or copy of another history or another journal, or of commands that "
    "were lost, is not used",
    group="files",
)
def test_a_checkpoint_of_another_history_is_not_used(day, tmp_path):
    """Same journal id, same sequence, whole: the older one, of before the fork, is taken instead,
    and without that the beginning; the state is that of this journal's commands."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    fork(day, ours, theirs)
    expected = recover(ours, 20_000).engine.state_hash()
    wrong = recover(theirs).engine.state_hash()
    assert wrong != expected
    make_checkpoints(theirs, 7_000)
    for seq in (7_000, 14_000):
        shutil.copy(checkpoint_path(theirs, seq), ours)
    listed = {row["seq"]: row for row in describe(ours)["checkpoints"]}
    assert [listed[seq]["good"] for seq in (7_000, 14_000)] == [True, False]
    assert "of another history" in listed[14_000]["why"]
    checkpoint = newest_checkpoint(ours, JournalReader(ours).journal_id, 2**62)
    assert checkpoint is not None
    assert checkpoint.seq == 7_000
    assert recover(ours).engine.state_hash() == expected
    checkpoint_path(ours, 7_000).unlink()
    assert recover(ours).engine.state_hash() == expected
    # The same file is good where it was made.
    assert newest_checkpoint(theirs, JournalReader(theirs).journal_id, 2**62).seq == 14_000


@pytest.mark.promise(
    "A checkpoint, watermark or copy of another history or another journal, or of commands that "
    "were lost, is not used",
    group="files",
)
def test_a_watermark_of_another_history_is_not_believed(day, tmp_path):
    """It names block and hash: reading, verify and resume say that the journal is not the one that
    was acknowledged."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    fork(day, ours, theirs)
    shutil.copy(theirs / "acknowledged", ours)
    words = r"block \d+ is not the one that acknowledged says was acknowledged"
    with pytest.raises(JournalError, match=words):
        Journal.resume(ours)
    report = verify(ours)
    assert not report.sound
    assert "of another history" in report.flaw


@pytest.mark.parametrize("archived", [False, True])
def test_a_segment_of_another_history_is_found_by_verify(day, tmp_path, archived):
    """A whole segment, or its archive, exchanged for the other history's breaks the chain."""
    pytest.importorskip("zstandard")
    from openoutcry.journal.archive import archive

    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    fork(day, ours, theirs)
    if archived:
        archive(ours)
        archive(theirs)
    name = sorted(path.name for path in ours.glob("segment-*"))[-2]
    shutil.copy(theirs / name, ours)
    assert not verify(ours).sound
    with pytest.raises(JournalError):
        Journal.resume(ours)


def test_a_rebuild_reads_from_the_checkpoint_on(day, tmp_path):
    """However much lies before the newest checkpoint: bytes are counted, not seconds."""
    costs = []
    for last_seq in (10_000, 30_000):
        directory = tmp_path / f"{last_seq}"
        with Journal.create(directory, day.config, segment_bytes=SEGMENT_BYTES) as writer:
            write(writer, day, last_seq - BLOCK)
        make_checkpoints(directory)
        with Journal.resume(directory) as writer:
            write(writer, day, last_seq)
        with counted_reads() as sizes:
            assert recover(directory).seq == last_seq
        costs.append(sum(sizes))
    assert max(costs) <= 12 * SEGMENT_BYTES, costs


def test_a_checkpoint_names_a_block_that_is_there(day, tmp_path):
    """One behind the journal's end is not this journal's, whatever it says."""
    with Journal.create(tmp_path, day.config) as writer:
        write(writer, day, 2 * BLOCK)
    checkpoint = own_checkpoint(tmp_path, BLOCK)
    write_checkpoint(tmp_path, checkpoint._replace(seq=5 * BLOCK))
    assert newest_checkpoint(tmp_path, checkpoint.journal_id, 2**62) is None
    write_checkpoint(tmp_path, checkpoint)
    assert newest_checkpoint(tmp_path, checkpoint.journal_id, 2**62) == checkpoint
