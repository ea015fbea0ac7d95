"""Whatever proves that commands are missing: each reader and the resume say how many, and nothing
is deleted."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.journal import Journal, JournalReader
from openoutcry.journal.checkpoints import checkpoint_seqs, remove_later_checkpoints
from openoutcry.journal.repair import repair
from openoutcry.journal.segment import segment_numbers, segment_path
from openoutcry.journal.verify import PublishedHead, verify
from openoutcry.wire.errors import JournalError
from tests.unit.journal.test_journal_archive import checkpoint, make

LAST = 2_000


def image(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name not in ("lock", "upkeep")
    }


def note_cursor(name: str, field: str) -> Any:
    def note(directory: Path) -> None:
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        document = {"journal_id": JournalReader(directory).journal_id, field: LAST}
        path.write_text(json.dumps(document))

    return note


PROOFS = {
    "checkpoint": lambda directory: checkpoint(directory, LAST),
    "watermark": lambda directory: None,
    "replica": note_cursor("replicated.json", "last_seq"),
    "ledger": note_cursor("ledger/manifest.json", "seq"),
}


def cut(directory: Path, proof: str) -> int:
    """Remove the second half of the segments, and each proof but ``proof``; the last command."""
    PROOFS[proof](directory)
    if proof != "watermark":
        (directory / "acknowledged").unlink()
    numbers = segment_numbers(directory)
    for number in numbers[len(numbers) // 2 :]:
        segment_path(directory, number).unlink()
    last_block = [
        block.header for block in JournalReader(directory).follow(0) if block.header.commands
    ][-1]
    return last_block.first_seq + last_block.commands - 1


@pytest.mark.promise(
    "A journal that ends before a command that its checkpoint, watermark, replica or ledger has "
    "is not sound, and is not continued: each reader says how many commands are missing",
    group="files",
)
@pytest.mark.parametrize("proof", PROOFS)
def test_every_proof_of_missing_commands_counts_everywhere(tmp_path, orders, proof):
    """verify, ls, sql, export, archive and a resume say the same sentence and change nothing."""
    directory = tmp_path / "journal"
    make(directory, orders)
    last_seq = cut(directory, proof)
    before = image(directory)
    missing = LAST - last_seq
    sentence = f"the journal ends with command {last_seq:,}: {missing:,} commands are missing"
    assert 500 < last_seq < 1_500
    out = tmp_path / "out.csv"
    commands: list[list[str]] = [
        ["verify", str(directory)],
        ["ls", str(directory)],
        ["export", str(directory), "--format", "csv", "--out", str(out)],
        ["sql", str(directory), "select count(*) from orders"],
        ["archive", str(directory)],
        ["repair", str(directory)],
    ]
    for command in commands:
        invocation = CliRunner().invoke(main, ["journal", *command])
        text = invocation.output + str(invocation.exception)
        assert sentence in text, command
        assert "repair" in text, command
        assert invocation.exit_code != 0, command
    assert not out.exists()
    with pytest.raises(JournalError, match=sentence):
        Journal.resume(directory)
    assert image(directory) == before


@pytest.mark.parametrize("proof", PROOFS)
def test_what_was_missing_is_put_back_or_let_go(tmp_path, orders, proof):
    """A copy gives the commands back; without one an operator moves the proof away, and the journal
    goes on where it ends."""
    directory, copy = tmp_path / "journal", tmp_path / "copy"
    make(directory, orders)
    shutil.copytree(directory, copy)
    last_seq = cut(directory, proof)
    lost = tmp_path / "lost"
    shutil.copytree(directory, lost)
    repair(directory, copy)
    assert verify(directory).sound
    assert verify(directory).last_seq == LAST
    found = verify(lost).flaw
    for name in ("checkpoint-000000000002000.occ", "acknowledged", *("ledger/manifest.json",)):
        if name in found and (lost / name).exists():
            (lost / name).rename(tmp_path / "away")
    (lost / "replicated.json").unlink(missing_ok=True)
    with Journal.resume(lost) as writer:
        assert writer.written_seq == last_seq


def test_all_proofs_are_named_in_one_sentence(tmp_path, orders):
    """Two checkpoints and the watermark: one sentence names what an operator has to move."""
    make(tmp_path, orders)
    for seq in (1_500, 1_900):
        checkpoint(tmp_path, seq)
    numbers = segment_numbers(tmp_path)
    for number in numbers[len(numbers) // 2 :]:
        segment_path(tmp_path, number).unlink()
    flaw = verify(tmp_path).flaw
    for name in ("acknowledged", "checkpoint-000000000001500.occ", "checkpoint-000000000001900"):
        assert name in flaw
    assert f"{LAST - verify(tmp_path).last_seq:,} commands are missing" in flaw


def test_a_damaged_or_foreign_proof_proves_nothing(tmp_path, orders):
    """A checkpoint that is damaged or of another journal, and a list that cannot be read."""
    make(tmp_path, orders)
    path = checkpoint(tmp_path, LAST)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    (tmp_path / "replicated.json").write_text('{"journal_id": 7, "last_seq": 9000}')
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "manifest.json").write_text("[")
    (tmp_path / "acknowledged").unlink()
    segment_path(tmp_path, segment_numbers(tmp_path)[-1]).unlink()
    assert verify(tmp_path).sound


def test_a_published_head_shows_what_is_missing(tmp_path, orders):
    """With the command after which it was published the count is known; without, that something
    is; a head that is there is found wherever the journal has gone since."""
    make(tmp_path, orders)
    whole = verify(tmp_path)
    published = PublishedHead.parse(f"{LAST}={whole.head}")
    assert verify(tmp_path, published=published).sound
    with Journal.resume(tmp_path) as writer:
        writer.append(LAST + 1, [orders(LAST + 1, 5)], 5, 1, durable=True)
    assert verify(tmp_path, published=published).sound
    (tmp_path / "acknowledged").unlink()
    segment_path(tmp_path, segment_numbers(tmp_path)[-1]).unlink()
    segment_path(tmp_path, segment_numbers(tmp_path)[-1]).unlink()
    found = verify(tmp_path, published=published)
    assert f"{LAST - found.last_seq:,} commands are missing" in found.flaw
    assert "changed or is missing" in verify(tmp_path, published=published._replace(seq=0)).flaw
    arguments = ["journal", "verify", str(tmp_path), "--head"]
    assert CliRunner().invoke(main, [*arguments, f"{LAST}={whole.head}"]).exit_code == 1
    assert CliRunner().invoke(main, [*arguments, "12=abc"]).exit_code == 2
    assert CliRunner().invoke(main, [*arguments, verify(tmp_path).head]).exit_code == 0


def test_checkpoints_of_what_is_cut_off_are_set_aside(tmp_path, orders):
    """A history that another one superseded: its checkpoints keep their bytes."""
    make(tmp_path, orders)
    for seq in (1_000, 1_900):
        checkpoint(tmp_path, seq)
    kept = (tmp_path / "checkpoint-000000000001900.occ").read_bytes()
    assert remove_later_checkpoints(tmp_path, 1_000) == [1_900]
    assert checkpoint_seqs(tmp_path) == [1_000]
    assert (tmp_path / "checkpoint-000000000001900.occ.ahead").read_bytes() == kept
