"""One journal in several directories: each counts once, and only if it holds the same blocks."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from openoutcry.journal import Disk, Journal, JournalError, JournalReader, JournalWriter
from openoutcry.journal.listing import describe
from openoutcry.journal.places import same_directory
from openoutcry.journal.segment import make_segment

SECTOR = 4096


def read_all(directory: Path) -> bytes:
    return b"".join(chunk.tobytes() for _, chunk in JournalReader(directory).chunks())


def append(writer: JournalWriter, orders: Any, count: int = 20, salt: int = 0) -> None:
    first_seq = writer.written_seq + 1
    records = orders(first_seq, count)
    records["qty_lots"] += salt
    writer.append(first_seq, [records], count, 1 + salt, durable=True)


def make(places: list[Path], orders: Any, policy: str = "quorum", blocks: int = 6) -> None:
    """A closed journal of ``blocks`` blocks of 20 orders in all ``places``."""
    with Journal.create(
        places[0], {}, segment_bytes=4 * SECTOR, copies=places[1:], policy=policy
    ) as writer:
        for _ in range(blocks):
            append(writer, orders)


def image(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    return [tmp_path / name for name in "abc"]


def test_a_former_copy_counts_once(places, orders):
    """A copy resumed alone of three is one of three: a quorum is refused, not made of it twice."""
    make(places, orders)
    shutil.rmtree(places[0])
    shutil.rmtree(places[2])
    with pytest.raises(JournalError, match=r"too few copies for the policy `quorum`: .*a.*c"):
        Journal.resume(places[1])


def test_a_former_copy_continues_with_all_others(places, orders):
    """Resumed from any directory, the first one lost or not, every directory that is there is
    written, and listed as a copy of the one in hand."""
    make(places, orders)
    reached = 120
    for at in (1, 2, 0):
        with Journal.resume(places[at]) as writer:
            assert (writer.failures, writer.written_seq) == ([], reached)
            append(writer, orders)
            reached += 20
        assert describe(places[at])["copies"] == [str(p) for p in places if p != places[at]]
        assert all(read_all(place) == orders(1, reached).tobytes() for place in places)
    shutil.rmtree(places[0])
    with Journal.resume(places[1]) as writer:
        assert [str(places[0]) in failure for failure in writer.failures] == [True]
        append(writer, orders)
    assert read_all(places[2]) == orders(1, reached + 20).tobytes()


def test_an_old_copy_does_not_know_the_first_directory(places, orders, monkeypatch):
    """A journal whose configuration names its copies only: the missing first one still counts."""
    import openoutcry.journal.journal as module

    old = module.first_block

    def without_places(journal_id: int, document: dict[str, Any], *after: Any) -> bytes:
        del document["places"]
        return old(journal_id, document, *after)

    monkeypatch.setattr(module, "first_block", without_places)
    make(places, orders)
    assert "places" not in JournalReader(places[1]).document
    with Journal.resume(places[0]) as writer:
        assert writer.failures == []
    with Journal.resume(places[1]) as writer:
        assert "does not name the first directory" in writer.failures[0]
        append(writer, orders)
    assert read_all(places[2]) == orders(1, 140).tobytes()
    shutil.rmtree(places[2])
    with pytest.raises(JournalError, match="too few copies"):
        Journal.resume(places[1])


def test_two_names_of_one_directory_count_once(places, orders):
    """A lost directory replaced by a link to another one brings no second copy."""
    make(places, orders)
    shutil.rmtree(places[0])
    shutil.rmtree(places[2])
    places[0].symlink_to(places[1])
    places[2].symlink_to(places[1])
    assert same_directory(places[0], places[1])
    for place in places:
        with pytest.raises(JournalError, match="too few copies"):
            Journal.resume(place)
    with pytest.raises(JournalError, match="given twice"):
        Journal.resume(places[1], copies=[places[0], places[2]])
    with pytest.raises(JournalError, match="given twice"):
        Journal.create(places[1] / "j", {}, copies=[places[0] / "j"])


def test_moved_directories(places, orders):
    """Directories given anew are counted among as many as there were, and none more; one that was
    moved itself stands in for the missing one, and is refused if none is missing."""
    make(places, orders)
    moved = [place.with_name(place.name + "2") for place in places]
    shutil.copytree(places[0], moved[0])
    with pytest.raises(JournalError, match="one more than the 3 directories"):
        Journal.resume(moved[0])
    shutil.rmtree(places[0])
    with Journal.resume(moved[0]) as writer:
        append(writer, orders)
    assert all(read_all(p) == orders(1, 140).tobytes() for p in (moved[0], *places[1:]))
    for old, new in zip(places[1:], moved[1:], strict=True):
        old.rename(new)
    with pytest.raises(JournalError, match="too few copies"):
        Journal.resume(moved[0])
    with pytest.raises(JournalError, match="too few copies"):
        Journal.resume(moved[0], copies=[])
    with pytest.raises(JournalError, match="2 copies, but 3 are given"):
        Journal.resume(moved[0], copies=[*moved[1:], places[0]])
    with Journal.resume(moved[0], copies=moved[1:]) as writer:
        assert writer.failures == []


def diverge(places: list[Path], extra: int, missed: int, orders: Any) -> None:
    """The last directory gets ``extra`` blocks that the others never see, and misses a session of
    ``missed`` other ones."""
    aside = places[0].parent / "aside"
    for place in places:
        shutil.copytree(place, aside / place.name)
    with Journal.resume(places[0]) as writer:
        for _ in range(extra):
            append(writer, orders, salt=1)
    places[-1].rename(aside / "kept")
    for place in places:
        shutil.rmtree(place, ignore_errors=True)
        (aside / place.name).rename(place)
    with Journal.resume(places[0]) as writer:
        for _ in range(missed):
            append(writer, orders)
    shutil.rmtree(places[-1])
    (aside / "kept").rename(places[-1])


@pytest.mark.parametrize(("extra", "missed"), [(1, 1), (1, 4), (4, 1), (2, 3), (3, 3)])
def test_a_copy_that_went_another_way_is_left_out(places, orders, extra, missed):
    """Shorter, as long or longer: it is named and not touched, never counted, and the others go
    on with what was acknowledged; alone with one other it is refused."""
    make(places, orders)
    diverge(places, extra, missed, orders)
    before = image(places[2])
    for _ in range(2):
        with Journal.resume(places[1]) as writer:
            (failure,) = writer.failures
            assert f"{places[2]} and " in failure
            assert "hold different blocks of one journal" in failure
            append(writer, orders)
    assert image(places[2]) == before
    expected = orders(1, 120 + 20 * (missed + 2)).tobytes()
    assert [read_all(place) for place in places[:2]] == [expected, expected]
    with pytest.raises(JournalError, match="different blocks"):
        Journal.resume(places[2])
    shutil.rmtree(places[0])
    with pytest.raises(JournalError, match=r"too few copies agree .*different blocks"):
        Journal.resume(places[1])
    assert read_all(places[1]) == expected


@pytest.mark.parametrize("policy", ["all", "any"])
def test_policies_that_need_all_refuse_a_copy_that_went_another_way(places, orders, policy):
    """Under `any` either may hold what was acknowledged, under `all` none can be left out: refused
    before anything is written."""
    make(places, orders, policy)
    diverge(places, 1, 2, orders)
    before = [image(place) for place in places]
    for place in places:
        with pytest.raises(JournalError, match=f"policy `{policy}`: .*different blocks"):
            Journal.resume(place)
    assert [image(place) for place in places] == before


def test_two_ways_are_not_chosen_from(places, orders):
    """One directory with a block that the second lacks, the second with one that the first lacks,
    the third with neither: refused until one of the two is taken away."""
    make(places, orders)
    before = places[1].with_name("before")
    shutil.copytree(places[1], before)
    diverge(places, 1, 1, orders)
    shutil.rmtree(places[1])
    before.rename(places[1])
    with pytest.raises(JournalError, match=r"a and .*c end in different blocks.*no program"):
        Journal.resume(places[1])
    shutil.rmtree(places[2])
    with Journal.resume(places[1]) as writer:
        assert writer.written_seq == 140
    assert read_all(places[1]) == orders(1, 140).tobytes()


def test_a_copy_that_takes_nothing_is_left_out(places, orders):
    """A copy that cannot be brought up to the others while the journal is resumed is named; under
    a policy that the others meet they go on, else it is refused."""

    class ReadOnly(Disk):
        def open(self, path: Path, flags: int) -> int:
            if path.parent == places[2] and flags & os.O_RDWR:
                raise OSError(errno.EROFS, "Read-only file system")
            return super().open(path, flags)

    make(places, orders)
    with Journal.resume(places[0], disk=ReadOnly()) as writer:
        assert "Read-only file system" in writer.failures[0]
        append(writer, orders)
    assert [len(read_all(place)) // 64 for place in places] == [140, 140, 120]
    shutil.rmtree(places[1])
    with pytest.raises(JournalError, match=r"too few copies .*Read-only"):
        Journal.resume(places[0], disk=ReadOnly())


def test_a_torn_tail_is_not_copied(places, orders):
    """What is torn at the end of the longest directory does not come into a shorter one."""
    make(places, orders)
    kept = places[0].with_name("kept")
    shutil.copytree(places[0], kept)
    writer = Journal.resume(places[0])
    for _ in range(2):
        append(writer, orders)
    writer.abandon()
    shutil.rmtree(places[0])
    kept.rename(places[0])
    for place in places[1:]:
        path = max(place.glob("segment-*"))
        with path.open("r+b") as file:
            file.seek(3 * SECTOR + 100)
            file.write(b"\xa5" * 9)
    Journal.resume(places[0]).abandon()
    images = [max(place.glob("segment-*")).read_bytes() for place in places]
    assert images[0] == images[1] == images[2]
    assert b"\xa5" * 9 not in images[0]


@pytest.mark.parametrize("ahead", [0, 1, 2])
@pytest.mark.parametrize("first", [0, 1, 2])
def test_directories_on_both_sides_of_a_new_segment(places, orders, ahead, first):
    """The power went while one directory had the next segment and the others not yet, all of them
    as long: none is written at the new segment's place in its old one."""
    make(places, orders, "all")
    make_segment(places[ahead], 2, 4 * SECTOR)
    with Journal.resume(places[first]) as writer:
        append(writer, orders)
    assert [read_all(place) for place in places] == [orders(1, 140).tobytes()] * 3
