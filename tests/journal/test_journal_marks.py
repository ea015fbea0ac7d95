"""The mark beside a journal: what it forbids, and what happens where it cannot be believed."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from openoutcry.cli.journal import journal
from openoutcry.journal import Journal, JournalError, JournalLock, JournalReader
from openoutcry.journal.listing import describe
from openoutcry.journal.lock import InUse
from openoutcry.journal.mark import Mark, pack_mark, read_mark
from openoutcry.journal.repair import repair
from openoutcry.journal.verify import verify

SECTOR = 4096
SEGMENT = "segment-000000.ocj"


def read_all(directory: Path) -> bytes:
    return b"".join(chunk.tobytes() for _, chunk in JournalReader(directory).chunks())


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def make(places: list[Path], orders: Any, policy: str = "all") -> None:
    """Ten orders in two blocks, acknowledged, by a writer that was killed then."""
    writer = Journal.create(
        places[0], {}, segment_bytes=8 * SECTOR, copies=places[1:], policy=policy
    )
    for first_seq in (1, 6):
        writer.append(first_seq, [orders(first_seq, 5)], 5, 7, durable=True)
    writer.abandon()


def age_mark(directory: Path) -> None:
    """As after a power cut: the mark is one block old."""
    mark, _ = read_mark(directory)
    assert mark is not None
    (directory / "acknowledged").write_bytes(pack_mark(mark._replace(block_index=1, seq=5)))


def image(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.glob("[as]*")}


@pytest.mark.parametrize("change", ["bit", "short", "foreign"])
def test_a_damaged_mark_is_no_missing_mark(tmp_path, orders, change):
    """With a bad mark and a flipped bit in the last block verify names the mark, nothing is called
    never acknowledged, resume and repair refuse and change nothing, and the journal can be read."""
    make([tmp_path], orders)
    mark = tmp_path / "acknowledged"
    if change == "bit":
        flip(mark, 20)
    elif change == "short":
        mark.write_bytes(mark.read_bytes()[:-1])
    else:
        mark.write_bytes(pack_mark(Mark(7, 0, 0)))
    flip(tmp_path / SEGMENT, 2 * SECTOR + 200)
    found = verify(tmp_path)
    assert (found.sound, found.marked, found.bad_file) == (False, False, str(mark))
    assert str(mark) in found.flaw
    said = CliRunner().invoke(journal, ["verify", str(tmp_path)])
    assert said.exit_code == 1
    assert "no mark says if it was acknowledged: " in said.output
    assert "never acknowledged" not in said.output
    assert "is unknown" in CliRunner().invoke(journal, ["ls", str(tmp_path)]).output
    assert describe(tmp_path)["acknowledged_seq"] is None
    before = image(tmp_path)
    for refuse in (Journal.resume, repair):
        with pytest.raises(JournalError, match=f"{mark}: "):
            refuse(tmp_path)
    assert image(tmp_path) == before
    assert read_all(tmp_path) == orders(1, 5).tobytes()


def test_a_missing_mark_promises_nothing(tmp_path, orders):
    """Without any mark a torn tail is not called unacknowledged."""
    make([tmp_path], orders)
    flip(tmp_path / SEGMENT, 2 * SECTOR + 200)
    (tmp_path / "acknowledged").unlink()
    assert not verify(tmp_path).marked
    said = CliRunner().invoke(journal, ["verify", str(tmp_path)]).output
    assert "no mark says if it was acknowledged: " in said


def test_what_is_taken_up_counts_as_acknowledged(tmp_path, orders):
    """A block that only the resume made durable is under the mark from then on."""
    make([tmp_path], orders)
    age_mark(tmp_path)
    Journal.resume(tmp_path).abandon()
    assert read_mark(tmp_path)[0][1:] == (2, 10)
    flip(tmp_path / SEGMENT, 2 * SECTOR + 200)
    with pytest.raises(JournalError, match="acknowledged up to block 2"):
        Journal.resume(tmp_path)


def test_a_new_journal_does_not_inherit_a_mark(tmp_path, orders):
    """The mark of a journal that was in the directory before goes."""
    (tmp_path / "acknowledged").write_bytes(pack_mark(Mark(7, 5, 5)))
    Journal.create(tmp_path, {}).abandon()
    assert verify(tmp_path).sound
    assert read_mark(tmp_path)[0].block_index == -1


def test_a_torn_tail_is_put_back_before_it_is_cut(tmp_path, orders):
    """Policy any, marks one block old, the last acknowledged block bad in one directory: the copy
    gives it back; without a copy named, the copy's own mark is enough to refuse the cut."""
    a, b = tmp_path / "a", tmp_path / "b"
    make([a, b], orders, "any")
    age_mark(a)
    flip(a / SEGMENT, 2 * SECTOR + 200)
    before = image(a)
    with pytest.raises(JournalError, match=rf"acknowledged up to block 2.* --copy {b}"):
        repair(a)
    assert image(a) == before
    age_mark(b)
    (done,) = repair(a, b)
    assert "block 2, bytes 8,192 to 12,287, restored from" in done
    assert read_all(a) == orders(1, 10).tobytes()
    assert repair(a, b) == []


def test_a_lost_end_is_put_back(tmp_path, orders):
    """Where the last blocks are gone without a trace the copy gives them back too."""
    a, b = tmp_path / "a", tmp_path / "b"
    make([a, b], orders)
    age_mark(a)
    path = a / SEGMENT
    path.write_bytes(path.read_bytes()[: 2 * SECTOR])
    assert len(repair(a, b)) == 1
    assert read_all(a) == orders(1, 10).tobytes()


def test_another_journals_mark_permits_no_cut(tmp_path, orders):
    """A valid mark of another journal says nothing about this one."""
    make([tmp_path], orders)
    flip(tmp_path / SEGMENT, 2 * SECTOR + 200)
    (tmp_path / "acknowledged").write_bytes(pack_mark(Mark(7, 0, 0)))
    with pytest.raises(JournalError, match="of another journal, 0000000000000007"):
        repair(tmp_path)


@pytest.mark.parametrize(("policy", "works"), [("all", True), ("any", False)])
def test_a_damaged_mark_is_made_anew_from_a_copy(tmp_path, orders, policy, works):
    """Under `all` one other directory has all that was acknowledged, so a new mark can be made;
    under `any` this one alone may have had it."""
    a, b = tmp_path / "a", tmp_path / "b"
    make([a, b], orders, policy)
    flip(a / "acknowledged", 20)
    flip(a / SEGMENT, 2 * SECTOR + 200)
    if not works:
        with pytest.raises(JournalError, match=r"2 other directories could show .*, 1 do"):
            repair(a, b)
        return
    with pytest.raises(JournalError, match="give --copy"):
        repair(a)
    restored, marked = repair(a, b)
    assert "restored" in restored
    assert "acknowledged: made anew, up to block 2, sequence 10" in marked
    assert verify(a).sound
    Journal.resume(a).abandon()


def test_repair_chooses_between_no_two_blocks(tmp_path, orders):
    """A copy that was left behind with another block is not put in where a third directory, or
    what is left of the block itself, says otherwise."""
    a, b, c = places = [tmp_path / name for name in "abc"]
    make(places, orders, "quorum")
    kept = {path: path.read_bytes() for place in places for path in place.glob("[as]*")}
    with Journal.resume(a) as writer:
        writer.append(11, [orders(11, 5)], 5, 8, durable=True)
    other = tmp_path / "other"
    shutil.copytree(c, other)
    for path, data in kept.items():
        path.write_bytes(data)
    with Journal.resume(a) as writer:
        writer.append(11, [orders(11, 6)], 6, 9, durable=True)
    shutil.rmtree(c)
    other.rename(c)
    flip(a / SEGMENT, 3 * SECTOR + 200)
    with pytest.raises(JournalError, match=rf"{c} and what is left in {a} hold different blocks 3"):
        repair(a, c)
    flip(a / SEGMENT, 3 * SECTOR)
    before = image(a)
    with pytest.raises(JournalError, match=rf"{c} and {b} hold different blocks 3"):
        repair(a, c)
    assert image(a) == before
    flip(a / SEGMENT, 3 * SECTOR)
    assert len(repair(a, b)) == 1
    assert read_all(a) == orders(1, 16).tobytes()


def test_repair_keeps_out_of_what_is_in_use(tmp_path, orders):
    """Neither a journal nor the copy named is touched while a pipeline holds it; a journal is no
    copy of itself."""
    a, b = tmp_path / "a", tmp_path / "b"
    make([a, b], orders)
    with JournalLock(b):
        for arguments in ((b,), (a, b)):
            with pytest.raises(InUse, match=f"{b} is in use"):
                repair(*arguments)
    with pytest.raises(JournalError, match="is the journal itself"):
        repair(a, a)
    assert repair(a, b) == []
