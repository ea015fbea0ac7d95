"""One journal, one writer: whatever is removed, moved or put in its place under a running one."""

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from openoutcry.journal import Journal, JournalError, JournalLock, JournalReader, JournalWriter
from openoutcry.journal.lock import InUse, held
from openoutcry.journal.verify import verify

BLOCK = 20
SEGMENT_BYTES = 64 << 10


def append(writer: JournalWriter, orders: Any) -> None:
    first_seq = writer.written_seq + 1
    writer.append(first_seq, [orders(first_seq, BLOCK)], BLOCK, 1, durable=True)


def test_the_lock_outlives_its_name(tmp_path):
    """Removing or replacing the file `lock` lets nobody else in; a link in its place is refused."""
    with JournalLock(tmp_path) as lock:
        (tmp_path / "lock").unlink()
        assert held(tmp_path)
        with pytest.raises(InUse, match="is in use by a running pipeline"):
            JournalLock(tmp_path)
        lock.release()
        assert not held(tmp_path)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "lock").unlink(missing_ok=True)
    (tmp_path / "lock").symlink_to(victim)
    with pytest.raises(JournalError, match="cannot lock"):
        JournalLock(tmp_path)
    assert victim.read_text() == "precious"


@pytest.mark.promise(
    "One writer: a second pipeline is kept out of each directory of a journal in use, also "
    "when the file `lock` is removed. A superseded writer, or one whose directory is removed,"
    " moved, replaced or cut, acknowledges nothing more",
    group="files",
)
def test_a_writer_that_was_superseded_acknowledges_nothing(tmp_path, orders):
    """Where no lock holds (a file system without flock) a second resume takes the journal over:
    the first one sees it at its next commit, before it acknowledges."""
    first = Journal.create(tmp_path, {}, segment_bytes=SEGMENT_BYTES)
    append(first, orders)
    second = Journal.resume(tmp_path)
    with pytest.raises(JournalError, match="another process has resumed this journal"):
        append(first, orders)
    assert (first.written_seq, first.durable_seq) == (BLOCK, BLOCK)
    with pytest.raises(JournalError, match="the journal writer has stopped"):
        first.sync()
    first.abandon()
    append(second, orders)
    assert second.durable_seq == 2 * BLOCK
    second.close()
    assert verify(tmp_path).sound


def remove(place: Path) -> None:
    shutil.rmtree(place)


def move(place: Path) -> None:
    place.rename(place.with_name("moved"))


def replace(place: Path) -> None:
    place.rename(place.with_name("moved"))
    shutil.copytree(place.with_name("moved"), place)


def remove_segment(place: Path) -> None:
    (place / "segment-000000.ocj").unlink()


def cut_segment(place: Path) -> None:
    os.truncate(place / "segment-000000.ocj", 8192)


ATTACKS: dict[Callable[[Path], None], str] = {
    remove: "gone while the journal was written: No such file",
    move: "gone while the journal was written: No such file",
    replace: "replaced while the journal was written",
    remove_segment: "gone while the journal was written: No such file",
    cut_segment: "cut to 12,288 bytes while the journal was written",
}


@pytest.mark.promise(
    "One writer: a second pipeline is kept out of each directory of a journal in use, also "
    "when the file `lock` is removed. A superseded writer, or one whose directory is removed,"
    " moved, replaced or cut, acknowledges nothing more",
    group="files",
)
@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_taken_from_under_a_writer_is_noticed_at_the_next_commit(
    tmp_path, orders, attack, durable
):
    """Nothing is acknowledged that stands in nobody's journal; the error names the file."""
    place = tmp_path / "j"
    writer = Journal.create(place, {}, segment_bytes=SEGMENT_BYTES, direct=durable)
    append(writer, orders)
    attack(place)
    commit = partial(append, writer, orders)
    if not durable:
        writer.append(BLOCK + 1, [orders(BLOCK + 1, BLOCK)], BLOCK, 1)
        commit = writer.sync
    with pytest.raises(JournalError, match=f"{place}/segment-000000.ocj: {ATTACKS[attack]}"):
        commit()
    assert writer.durable_seq == BLOCK
    writer.abandon()


def test_a_copy_that_vanishes_is_dropped_and_named(tmp_path, orders):
    """Under a quorum the others go on; what they hold is whole."""
    places = [tmp_path / name for name in "abc"]
    writer = Journal.create(
        places[0], {}, segment_bytes=SEGMENT_BYTES, copies=places[1:], policy="quorum"
    )
    append(writer, orders)
    remove(places[1])
    for _ in range(3):
        append(writer, orders)
    writer.close()
    assert writer.durable_seq == 4 * BLOCK
    (failure,) = writer.failures
    assert f"{places[1]}/segment-000000.ocj: gone while" in failure
    for place in (places[0], places[2]):
        assert verify(place).last_seq == 4 * BLOCK
        assert JournalReader(place).journal_id == writer.journal_id
