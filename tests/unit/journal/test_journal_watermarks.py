"""The acknowledged watermark: what it forbids, and what happens where it cannot be believed."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from openoutcry.cli.journal import journal
from openoutcry.journal import Journal, JournalError, JournalLock, JournalReader
from openoutcry.journal.listing import describe
from openoutcry.journal.lock import InUse
from openoutcry.journal.repair import repair
from openoutcry.journal.verify import verify
from openoutcry.journal.watermark import Reached, Watermark, pack_watermark, read_watermark

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


def age_watermark(directory: Path) -> None:
    """As after a power cut: the watermark is one block old."""
    watermark, _ = read_watermark(directory)
    assert watermark is not None
    block = next(b for b in JournalReader(directory).all_blocks() if b.header.block_index == 1)
    aged = Watermark(watermark.journal_id, *Reached.by(block.header))
    (directory / "acknowledged").write_bytes(pack_watermark(aged))


def image(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.glob("[as]*")}


@pytest.mark.parametrize("change", ["bit", "short", "foreign"])
def test_a_damaged_watermark_is_no_missing_watermark(tmp_path, orders, change):
    """With a bad watermark and a flipped bit in the last block verify names the watermark, nothing
    is called never acknowledged, resume and repair refuse and change nothing, and the journal can
    be read."""
    make([tmp_path], orders)
    watermark = tmp_path / "acknowledged"
    if change == "bit":
        flip(watermark, 20)
    elif change == "short":
        watermark.write_bytes(watermark.read_bytes()[:-1])
    else:
        watermark.write_bytes(pack_watermark(Watermark(7, 0, 0)))
    flip(tmp_path / SEGMENT, 2 * SECTOR + 200)
    report = verify(tmp_path)
    assert (report.sound, report.watermarked, report.bad_file) == (False, False, str(watermark))
    assert str(watermark) in report.flaw
    invocation = CliRunner().invoke(journal, ["verify", str(tmp_path)])
    assert invocation.exit_code == 1
    assert "no watermark says if it was acknowledged: " in invocation.output
    assert "never acknowledged" not in invocation.output
    assert "is unknown" in CliRunner().invoke(journal, ["ls", str(tmp_path)]).output
    assert describe(tmp_path)["acknowledged_seq"] is None
    before = image(tmp_path)
    for refuse in (Journal.resume, repair):
        with pytest.raises(JournalError, match=f"{watermark}: "):
            refuse(tmp_path)
    assert image(tmp_path) == before
    assert read_all(tmp_path) == orders(1, 5).tobytes()


def test_a_missing_watermark_promises_nothing(tmp_path, orders):
    """Without any watermark a torn tail is not called unacknowledged."""
    make([tmp_path], orders)
    flip(tmp_path / SEGMENT, 2 * SECTOR + 200)
    (tmp_path / "acknowledged").unlink()
    assert not verify(tmp_path).watermarked
    output = CliRunner().invoke(journal, ["verify", str(tmp_path)]).output
    assert "no watermark says if it was acknowledged: " in output


def test_what_is_resumed_counts_as_acknowledged(tmp_path, orders):
    """A block that only the resume made durable is under the watermark from then on."""
    make([tmp_path], orders)
    age_watermark(tmp_path)
    Journal.resume(tmp_path).abandon()
    assert read_watermark(tmp_path)[0][1:3] == (2, 10)
    flip(tmp_path / SEGMENT, 2 * SECTOR + 200)
    with pytest.raises(JournalError, match="acknowledged up to block 2"):
        Journal.resume(tmp_path)


def test_a_new_journal_does_not_inherit_a_watermark(tmp_path, orders):
    """The watermark of a journal that was in the directory before goes."""
    (tmp_path / "acknowledged").write_bytes(pack_watermark(Watermark(7, 5, 5)))
    Journal.create(tmp_path, {}).abandon()
    assert verify(tmp_path).sound
    assert read_watermark(tmp_path)[0].block_index == -1


def test_a_torn_tail_is_put_back_before_it_is_cut(tmp_path, orders):
    """Policy any, watermarks one block old, the last acknowledged block bad in one directory: the
    copy gives it back; without a copy named, its own watermark is enough to refuse the cut."""
    a, b = tmp_path / "a", tmp_path / "b"
    make([a, b], orders, "any")
    age_watermark(a)
    flip(a / SEGMENT, 2 * SECTOR + 200)
    before = image(a)
    with pytest.raises(JournalError, match=rf"acknowledged up to block 2.* --copy {b}"):
        repair(a)
    assert image(a) == before
    age_watermark(b)
    (done,) = repair(a, b)
    assert "block 2, bytes 8,192 to 12,287, restored from" in done
    assert read_all(a) == orders(1, 10).tobytes()
    assert repair(a, b) == []


def test_a_lost_end_is_put_back(tmp_path, orders):
    """Where the last blocks are gone without a trace the copy gives them back too."""
    a, b = tmp_path / "a", tmp_path / "b"
    make([a, b], orders)
    age_watermark(a)
    path = a / SEGMENT
    path.write_bytes(path.read_bytes()[: 2 * SECTOR])
    assert len(repair(a, b)) == 1
    assert read_all(a) == orders(1, 10).tobytes()


@pytest.mark.promise(
    "A checkpoint, watermark or copy of another history or another journal, or of commands that "
    "were lost, is not used",
    group="files",
)
def test_another_journals_watermark_permits_no_cut(tmp_path, orders):
    """A valid watermark of another journal says nothing about this one."""
    make([tmp_path], orders)
    flip(tmp_path / SEGMENT, 2 * SECTOR + 200)
    (tmp_path / "acknowledged").write_bytes(pack_watermark(Watermark(7, 0, 0)))
    with pytest.raises(JournalError, match="of another journal, 0000000000000007"):
        repair(tmp_path)


@pytest.mark.parametrize(("policy", "works"), [("all", True), ("any", False)])
def test_a_damaged_watermark_is_made_again_from_a_copy(tmp_path, orders, policy, works):
    """Under `all` one other directory has all that was acknowledged, so a new watermark can be
    made; under `any` this one alone may have had it."""
    a, b = tmp_path / "a", tmp_path / "b"
    make([a, b], orders, policy)
    flip(a / "acknowledged", 20)
    flip(a / SEGMENT, 2 * SECTOR + 200)
    if not works:
        with pytest.raises(JournalError, match=r"2 other directories could show .*, 1 do"):
            repair(a, b)
        return
    with pytest.raises(JournalError, match="Give --copy"):
        repair(a)
    restored, marked = repair(a, b)
    assert "restored" in restored
    assert "acknowledged: made again, up to block 2, sequence 10" in marked
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
