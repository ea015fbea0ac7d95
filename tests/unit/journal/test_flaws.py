"""Every file of a journal, truncated, emptied, extended, flipped, removed and exchanged: verify
says what is wrong by its own name, or what it cannot tell."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.journal import Journal
from openoutcry.journal.archive import archive, retire
from openoutcry.journal.failed import note_failed
from openoutcry.journal.repair import repair
from openoutcry.journal.verify import verify
from openoutcry.wire.errors import JournalError
from tests.support.journal.journal_checkpoint import own_checkpoint
from tests.unit.journal.test_journal_archive import checkpoint, make

CHANGES = ("truncated", "emptied", "extended", "flipped", "removed", "another's")
FILES = {
    "first segment": "segment-000005.ocj.zst",
    "segment": "segment-000007.ocj",
    "last segment": "segment-000019.ocj",
    "archived": "segment-000006.ocj.zst",
    "watermark": "acknowledged",
    "checkpoint": "checkpoint-000000000001500.occ",
    "retired": "retired",
    "failed": "failed",
}
NAMES: dict[tuple[str, str], str] = {
    ("first segment", "truncated"): "ends inside the archived segment|cannot be unpacked",
    ("first segment", "emptied"): "is empty: the archived segment is gone",
    ("first segment", "extended"): "3 bytes follow the archived segment",
    ("first segment", "flipped"): "cannot be unpacked|checksum",
    ("first segment", "removed"): "segment-000005.ocj is missing",
    ("first segment", "another's"): "another journal|does not agree|no good checkpoint",
    ("archived", "truncated"): "ends inside the archived segment|cannot be unpacked",
    ("archived", "emptied"): "is empty: the archived segment is gone",
    ("archived", "extended"): "3 bytes follow the archived segment",
    ("archived", "flipped"): "cannot be unpacked|checksum",
    ("archived", "removed"): "segment-000006.ocj is missing, but 000007 is there",
    ("archived", "another's"): "a block of another journal",
    ("segment", "truncated"): "1 is missing: the segment before was cut off|the file ends inside",
    ("segment", "emptied"): "is empty, and 000008 is there: all of its blocks are missing",
    ("segment", "extended"): "3 bytes follow block .*, the last one of a finished segment",
    ("segment", "flipped"): "the checksum of the block does not agree",
    ("segment", "removed"): "segment-000007.ocj is missing, but 000008 is there",
    ("segment", "another's"): "a block of another journal",
    ("last segment", "truncated"): "commands are missing",
    ("last segment", "emptied"): "commands are missing",
    ("last segment", "extended"): "torn tail of up to 3 bytes",
    ("last segment", "flipped"): "the checksum of the block does not agree.*commands are missing",
    ("last segment", "removed"): "commands are missing",
    ("last segment", "another's"): "a block of another journal",
    ("watermark", "truncated"): "acknowledged: damaged: the acknowledged end .* is unknown",
    ("watermark", "emptied"): "acknowledged: is empty: the acknowledged end .* is unknown",
    ("watermark", "extended"): "acknowledged: damaged",
    ("watermark", "flipped"): "acknowledged: damaged",
    ("watermark", "removed"): "there is no watermark .* is unknown",
    ("watermark", "another's"): "acknowledged: of another journal",
    ("checkpoint", "truncated"): "its hash does not agree: the checkpoint is damaged",
    ("checkpoint", "emptied"): "is empty: the checkpoint is gone",
    ("checkpoint", "extended"): "its hash does not agree: the checkpoint is damaged",
    ("checkpoint", "flipped"): "its hash does not agree: the checkpoint is damaged",
    ("checkpoint", "another's"): "checkpoint-000000000001500.occ: of another journal",
    ("retired", "truncated"): "retired cannot be read",
    ("retired", "emptied"): "retired cannot be read",
    ("retired", "extended"): "retired cannot be read",
    ("retired", "flipped"): "retired cannot be read|is missing",
    ("retired", "removed"): "segment-000000.ocj is missing, and no file `retired` says",
    ("retired", "another's"): "is not read: `retired` says that the journal begins with",
    ("failed", "truncated"): "failed: which directories failed cannot be read",
    ("failed", "emptied"): "failed: which directories failed cannot be read",
    ("failed", "extended"): "failed: which directories failed cannot be read",
    ("failed", "flipped"): "failed: which directories failed cannot be read",
}
SOUND = {"checkpoint", "retired another's", "watermark removed", "last segment extended"}
"""What leaves the journal itself whole."""


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory, orders: Any) -> tuple[Path, Path]:
    """Two journals of the same shape: a retired beginning, archived segments, plain ones."""
    folder = tmp_path_factory.mktemp("flaws")
    for name in ("ours", "theirs"):
        directory = folder / name
        make(directory, orders, blocks=20)
        for seq in (500, 1_500):
            checkpoint(directory, seq)
        retire(directory)
        for number in (5, 6):
            path = directory / f"segment-{number:06d}.ocj"
            assert path.exists(), sorted(p.name for p in directory.iterdir())
        archive_only(directory, (5, 6))
        journal_id = own_checkpoint(directory, 1_500).journal_id
        note_failed(directory, journal_id, folder / "gone", "its disk failed")
    (folder / "theirs" / "retired").write_text("7\n")
    return folder / "ours", folder / "theirs"


def archive_only(directory: Path, numbers: tuple[int, ...]) -> None:
    """Archive these segments, and leave the others plain."""
    kept = {
        path.name: path.read_bytes()
        for path in directory.glob("segment-*.ocj")
        if int(path.name[8:14]) not in numbers
    }
    archive(directory)
    for name, data in kept.items():
        (directory / f"{name}.zst").unlink(missing_ok=True)
        (directory / name).write_bytes(data)


def change(path: Path, how: str, theirs: Path) -> None:
    data = path.read_bytes()
    if how == "truncated":
        path.write_bytes(data[: -4096 if len(data) > 8_000 else -1])
        if path.name == "retired":
            path.write_bytes(b"\n")
    elif how == "emptied":
        path.write_bytes(b"")
    elif how == "extended":
        path.write_bytes(data + b"+?+")
    elif how == "flipped":
        at = len(data) // 2
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x80]) + data[at + 1 :])
    elif how == "removed":
        path.unlink()
    else:
        shutil.copyfile(theirs / path.name, path)


def said(directory: Path) -> str:
    """What ``outcry journal verify`` says, or its error."""
    invocation = CliRunner().invoke(main, ["journal", "verify", str(directory)])
    return f"{invocation.exit_code} {invocation.output}{invocation.exception}"


@pytest.mark.parametrize(("file", "how"), NAMES, ids=lambda one: one.replace(" ", "-"))
def test_each_flaw_has_its_own_name(tmp_path, journals, file, how):
    """The words name the flaw; verify fails unless the journal itself is whole without that file,
    and a resume that verify would refuse is refused."""
    ours, theirs = journals
    directory = tmp_path / "journal"
    shutil.copytree(ours, directory)
    assert verify(directory).sound
    assert verify(directory).notes == []
    change(directory / FILES[file], how, theirs)
    text = said(directory).replace("\n", " ")
    assert re.search(NAMES[file, how], text), text
    is_whole = file in SOUND or f"{file} {how}" in SOUND
    assert text.startswith("0 " if is_whole else "1 "), text
    if not is_whole and file in ("watermark", "failed", "last segment"):
        with pytest.raises(JournalError):
            Journal.resume(directory)


def test_appended_bytes_are_cut_off(tmp_path, journals):
    """The next segment proves which block was the last of a finished one."""
    directory = tmp_path / "journal"
    shutil.copytree(journals[0], directory)
    path = directory / FILES["segment"]
    whole = path.read_bytes()
    for appended in (b"+?", bytes(4096)):
        path.write_bytes(whole + appended)
        assert f"{len(appended):,} bytes follow block" in verify(directory).flaw
        (done,) = repair(directory)
        assert f"{len(appended):,} bytes cut off" in done
        assert path.read_bytes() == whole
        assert verify(directory).sound


def test_an_emptied_watermark_with_its_last_segment_gone(tmp_path, orders):
    """Not "there is no watermark", and not sound."""
    make(tmp_path, orders)
    (tmp_path / "acknowledged").write_bytes(b"")
    max(tmp_path.glob("segment-*")).unlink()
    found = verify(tmp_path)
    assert not found.sound
    assert "is empty: the acknowledged end of the journal is unknown" in found.flaw
    with pytest.raises(JournalError, match="acknowledged: is empty"):
        Journal.resume(tmp_path)
