"""A directory that was one block ahead when the writer died, and that the others went on without:
the resume names it, and `repair` says where the two part and mends what can be proved."""

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest

from openoutcry.journal import Disk, Journal, JournalError, JournalReader, JournalWriter
from openoutcry.journal.repair import repair
from openoutcry.journal.watermark import read_watermark
from tests.support.waiting import wait_until

SECTOR = 4096


def append(writer: JournalWriter, orders: Any, salt: int = 0) -> None:
    first_seq = writer.written_seq + 1
    records = orders(first_seq, 20)
    records["qty_lots"] += salt
    writer.append(first_seq, [records], 20, 1 + salt, durable=True)


def read_all(directory: Path) -> bytes:
    return b"".join(chunk.tobytes() for _, chunk in JournalReader(directory).chunks())


def watermark_seq(directory: Path) -> int:
    watermark, _ = read_watermark(directory)
    return watermark.seq if watermark is not None else 0


def parted(
    places: list[Path], orders: Any, policy: str, blocks: int, ahead: int = 1, noted: bool = True
) -> None:
    """The last directory got ``ahead`` blocks more than the others before everything died, and they
    were resumed without it (``noted``: by a run that says so) and went on."""
    writer = Journal.create(
        places[0], {}, segment_bytes=4 * SECTOR, copies=places[1:], policy=policy
    )
    for _ in range(blocks):
        append(writer, orders)
    # By a quorum one directory may be behind, and what is copied while it is written is no journal.
    wait_until(
        lambda: not any(watermark_seq(place) < writer.durable_seq for place in places),
        "all directories have all blocks",
    )
    unfinished = shutil.ignore_patterns("*.new")  # the next segment is made beside this
    for place in places[:-1]:
        shutil.copytree(place, place.with_name(place.name + " before"), ignore=unfinished)
    for _ in range(ahead):
        append(writer, orders, salt=1)
    writer.abandon()
    for place in places[:-1]:
        shutil.rmtree(place)
        place.with_name(place.name + " before").rename(place)
    hidden = places[-1].rename(places[-1].with_name("hidden"))
    stands_in = places[0].with_name("stands in")
    if policy == "all":  # a copy of the first takes the place of the one that is missing
        shutil.copytree(places[0], stands_in)
    with Journal.resume(stands_in if policy == "all" else places[0]) as writer:
        if noted:
            writer.resumed({"seq": writer.written_seq})
        append(writer, orders)
        append(writer, orders)
    shutil.rmtree(stands_in, ignore_errors=True)
    hidden.rename(places[-1])


@pytest.fixture(params=["quorum", "all"])
def policy(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def places(tmp_path: Path, policy: str) -> list[Path]:
    return [tmp_path / name for name in ("abc" if policy == "quorum" else "ab")]


@pytest.mark.promise(
    "The resume names a directory that was one block ahead when everything died and that the "
    "others were resumed without. Then `repair` mends it, or says where the two part and why it "
    "does not choose",
    group="files",
)
@pytest.mark.parametrize("blocks", range(3, 9))
def test_what_was_in_flight_gives_way(places, orders, policy, blocks):
    """Wherever in its segment the block stands; then all resume and agree."""
    parted(places, orders, policy, blocks)
    first, last = places[0], places[-1]
    if policy == "all":
        with pytest.raises(JournalError, match=f"different blocks.*journal repair {first} --copy"):
            Journal.resume(first)
    else:
        with Journal.resume(first) as writer:
            (failure,) = writer.failures
            assert f"journal repair {last} --copy {first}" in failure
    with pytest.raises(JournalError, match=f"mend {last}: outcry journal repair {last} --copy"):
        repair(first, last)
    cut, *restored = repair(last, first)
    assert "cut off: it was in flight when its writer died" in cut
    assert all("restored from" in line for line in restored)
    assert restored
    with Journal.resume(first) as writer:
        assert writer.failures == []
        append(writer, orders)
    expected = orders(1, 20 * (blocks + 3)).tobytes()
    assert [read_all(place) for place in places] == [expected] * len(places)
    assert repair(last, first) == repair(first, last) == []


@pytest.mark.promise(
    "The resume names a directory that was one block ahead when everything died and that the "
    "others were resumed without. Then `repair` mends it, or says where the two part and why it "
    "does not choose",
    group="files",
)
@pytest.mark.parametrize(("ahead", "noted"), [(2, True), (1, False)])
def test_what_may_have_been_acknowledged_is_not_touched(places, orders, policy, ahead, noted):
    """Two blocks: the first of them had come to enough directories.  And where no run says that it
    resumed the journal, nothing tells which of the two came later."""
    parted(places, orders, policy, 4, ahead, noted)
    images = [read_all(place) for place in places]
    for one, other in ((places[0], places[-1]), (places[-1], places[0])):
        with pytest.raises(JournalError, match=r"from block \d+ on, \d+ here.*no program can tell"):
            repair(one, other)
    assert [read_all(place) for place in places] == images


def test_a_copy_of_elsewhere_proves_nothing(places, orders, policy):
    """The other directories must be the journal's own."""
    parted(places, orders, policy, 4)
    elsewhere = places[0].with_name("elsewhere")
    shutil.copytree(places[0], elsewhere)
    for place in places[:-1]:
        shutil.rmtree(place)
    with pytest.raises(JournalError, match="no program can tell"):
        repair(places[-1], elsewhere)


def test_a_disk_that_fails_meanwhile_leaves_a_journal_to_mend(places, orders, policy, tmp_path):
    """Each call fails once: told, and done again on a sound disk."""

    class FailsOnce(Disk):
        def __init__(self, at: int) -> None:
            self.left = at

        def _count(self) -> None:
            self.left -= 1
            if self.left == 0:
                raise OSError(errno.EIO, "Input/output error")

        def write(self, fd: int, data: Any, offset: int, **more: Any) -> int:
            self._count()
            return super().write(fd, data, offset, **more)

        def truncate(self, fd: int, size: int) -> None:
            self._count()
            super().truncate(fd, size)

        def sync(self, fd: int) -> None:
            self._count()
            super().sync(fd)

        def unlink(self, path: Path) -> None:
            self._count()
            super().unlink(path)

    parted(places, orders, policy, 6)
    last = places[-1]
    kept = last.with_name("kept")
    shutil.copytree(last, kept)
    for at in range(1, 100):
        disk = FailsOnce(at)
        failed = ""
        try:
            repair(last, places[0], disk=disk)
        except JournalError as error:
            failed = str(error)
        assert ("Input/output error" in failed) == (disk.left <= 0)
        repair(last, places[0])
        assert read_all(last) == read_all(places[0])
        shutil.rmtree(last)
        shutil.copytree(kept, last)
        if disk.left > 0:
            assert at > 4
            return
    pytest.fail("it never came to an end")
