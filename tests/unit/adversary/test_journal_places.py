"""Where a journal is put: what a power cut would take is not called durable, what was acknowledged
is kept, what was cut short while it was made is begun anew, and a wrong path is told in words."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.journal import Journal
from openoutcry.journal.medium import medium_of
from openoutcry.journal.unwritten import discard_unwritten, is_unwritten
from openoutcry.journal.verify import verify
from openoutcry.pipeline.run import Options, run
from openoutcry.runtime.work import PipelineError
from tests.support.adversary.journal_places import outcry

MOUNTS = r"""22 1 252:0 / / rw,relatime - ext4 /dev/vda1 rw,errors=remount-ro
30 22 0:25 / /dev/shm rw,nosuid,nodev - tmpfs tmpfs rw
31 22 252:16 / /data rw,noatime - xfs /dev/vdb rw,nobarrier
32 22 252:32 / /my\040disk rw - ext4 /dev/vdc rw,barrier=0
33 31 252:48 / /data/safe rw - ext4 /dev/vdd rw
"""


@pytest.mark.parametrize(
    ("path", "file_system", "lost"),
    [
        ("/home/x", "ext4", ""),
        ("/dev/shm/j", "tmpfs", "kept in memory"),
        ("/dev/shmother", "ext4", ""),
        ("/data/j", "xfs", "without write barriers"),
        ("/data/safe/j", "ext4", ""),
        ("/my disk/j", "ext4", "without write barriers"),
    ],
)
def test_what_a_directory_is_kept_on_is_known(path: str, file_system: str, lost: str) -> None:
    """The innermost mount counts; what a sync does not save there is said."""
    medium = medium_of(Path(path), MOUNTS)
    assert medium.file_system == file_system
    assert (lost in medium.lost) if lost else not medium.lost
    assert file_system in medium.text


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A folder that a power cut empties."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        assert medium_of(Path(folder)).file_system == "tmpfs"
        yield Path(folder)


def options(**more: Any) -> Options:
    given = {"orders": 2_000, "seed": 3, "topology": "inline", "verify": False, **more}
    return Options(source=GeneratedFlow("normal", 2_000, 3), **given)


@pytest.mark.promise(
    "A durable run is rejected where a power cut is known to lose synced data, unless a "
    "flag allows it",
    group="files",
)
def test_a_durable_journal_in_memory_is_rejected_unless_requested_by_name(
    in_memory: Path, tmp_path: Path
) -> None:
    """Also for a copy; async promises nothing of power cuts and is left alone."""
    journal = in_memory / "j"
    words = "tmpfs: kept in memory, which a power cut empties: .* --volatile-journal"
    with pytest.raises(PipelineError, match=words):
        run(options(journal=journal))
    with pytest.raises(PipelineError, match=words):
        run(options(journal=tmp_path / "j", copies=(journal,)))
    assert not journal.exists()
    assert not (tmp_path / "j").exists()
    result = run(options(journal=journal, volatile_journal=True))
    assert "kept in memory" in result["journal"]["medium"]
    assert run(options(journal=in_memory / "k", durability="async"))["commands"] == 2_000


@pytest.mark.promise(
    "A wrong path or number is an error in words, and makes no directory. A run killed while "
    "it made its directories can be begun again; nothing that was written is discarded for it",
    group="files",
)
def test_what_was_written_to_is_never_discarded(tmp_path: Path, orders: Any) -> None:
    """One command; a damaged configuration; a directory whose watermark says that more was
    acknowledged, or cannot be read."""
    with Journal.create(tmp_path, {}) as writer:
        writer.append(1, [orders(1, 1)], 1, 1, durable=True)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    watermark = (tmp_path / "acknowledged").read_bytes()
    assert not discard_unwritten(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    segment = tmp_path / "segment-000000.ocj"
    segment.write_bytes(before[segment.name][:4096])
    assert not is_unwritten(tmp_path), "its end is lost, and the watermark says so"
    (tmp_path / "acknowledged").write_bytes(watermark[:-1])
    assert not is_unwritten(tmp_path), "what was acknowledged is unknown"
    (tmp_path / "acknowledged").unlink()
    assert is_unwritten(tmp_path)
    segment.write_bytes(b"x" + before[segment.name][1:4096])
    assert not is_unwritten(tmp_path), "damaged"


def test_a_run_begins_where_the_making_of_its_copies_was_killed(tmp_path: Path) -> None:
    """One directory made, the other not: neither --resume nor rm is needed."""
    a, b = tmp_path / "a", tmp_path / "b"
    Journal.create(a, {}, copies=[b]).abandon()
    for path in b.iterdir():
        path.unlink()
    result = run(options(journal=a, copies=(b,)))
    assert result["commands"] == 2_000
    assert verify(b).last_seq == 2_000
    with pytest.raises(PipelineError, match="has no journal to resume; start one without"):
        run(options(journal=tmp_path / "none", resume=True))


@pytest.mark.promise(
    "A wrong path or number is an error in words, and makes no directory. A run killed while "
    "it made its directories can be begun again; nothing that was written is discarded for it",
    group="files",
)
@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["journal", "repair", "mistyped"], 1, "mistyped: no such directory"),
        (["journal", "ls", "x" * 300], 1, "File name too long"),
        (["journal", "verify", "x" * 300], 1, "File name too long"),
        (["journal", "repair", "x" * 300], 1, "File name too long"),
        (["replay", "x" * 300], 1, "File name too long"),
        (["run", "--orders", "99999999999999999999"], 2, "is not in the range"),
        (["run", "--udp", "127.0.0.1:9", "--orders", f"{2**63}"], 2, "is not in the range"),
        (["send", "--to", "127.0.0.1:9", "--orders", f"{2**63}"], 2, "is not in the range"),
    ],
)
def test_a_wrong_path_or_number_is_an_error_in_words(
    tmp_path: Path, arguments: list[str], status: int, words: str
) -> None:
    """No traceback, nothing is made, and with --json a document says what went wrong."""
    done = outcry(*arguments, "--json", cwd=tmp_path)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert words in done.stderr
    assert words in json.loads(done.stdout)["error"]
    assert list(tmp_path.iterdir()) == []
