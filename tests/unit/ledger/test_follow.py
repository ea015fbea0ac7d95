"""A ledger in files or a database: followed, killed, begun again, it is the rebuilt one."""

import json
import os
import shutil

import numpy as np
import pytest

from openoutcry.journal import Journal, JournalReader
from openoutcry.journal.checkpoint import make_checkpoints
from openoutcry.journal.segment import segment_numbers, segment_path
from openoutcry.ledger import ledger_state
from openoutcry.ledger.follow import Follower
from openoutcry.ledger.ledger_state import folder_of
from openoutcry.ledger.parquet_store import ParquetStore, connect
from openoutcry.wire.errors import LedgerError, OutcryError
from tests.support.ledger import ledger_flow as flow
from tests.support.ledger.follow import once
from tests.support.ledger.ledger_invariants import files


def test_a_full_disk_is_named_and_what_counted_still_counts(day, tmp_path, monkeypatch):
    home = shutil.copytree(day, tmp_path / "day")
    real, left = os.fsync, [7]

    def full(descriptor):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LedgerError, match=r"No space left on device: nothing was written"):
        once(home)
    assert not list(folder_of(home).rglob("*.tmp"))
    monkeypatch.setattr(os, "fsync", real)
    once(home)
    assert connect(folder_of(home)).sql("select max(cause_seq) from transactions").fetchall()[0][0]


def test_a_checkpoint_has_the_ledger_as_it_was_captured(day, tmp_path):
    """Another thread writes it, while the ledger goes on."""
    state = ledger_state.at(day, 60)
    wanted = ledger_state.save(state, tmp_path / "at once")
    write = ledger_state.captured(state)
    for _ in state.advance(90):
        pass
    late = write(tmp_path / "later")
    assert (late.name, late.read_bytes()) == (wanted.name, wanted.read_bytes())
    assert ledger_state.save(state, tmp_path / "later").name != wanted.name


LAST, BLOCK, EVERY = 1_200, 50, 300


@pytest.fixture(scope="module")
def segments(tmp_path_factory):
    """A journal of many segments."""
    home, orders = tmp_path_factory.mktemp("segments") / "day", flow.draw(LAST, 5)
    limits = [{"set": "DEPOSIT", "value": 10**6, "who": 7}]
    config = flow.config(limits=limits)
    with Journal.create(home, config, segment_bytes=1 << 15, direct=False) as writer:
        for at in range(0, LAST, BLOCK):
            writer.append(at + 1, [orders[at : at + BLOCK]], BLOCK, 1_000 + at)
    return home


def note_replica(home):
    """Note what a replicated stream has."""
    document = {"journal_id": JournalReader(home).journal_id, "last_seq": LAST}
    (home / "replicated.json").write_text(json.dumps(document))


PROOFS = {
    "checkpoint": lambda home: make_checkpoints(home, LAST),
    "watermark": lambda home: None,
    "replica": note_replica,
    "ledger": lambda home: once(home, every=EVERY),
}


@pytest.mark.parametrize("had", [0, 600, LAST])
@pytest.mark.parametrize("proof", PROOFS)
def test_a_follower_says_that_a_journal_lost_its_end(segments, tmp_path, proof, had):
    """Whatever proves it; to a ledger that has nothing, a part, or all: what it has posted stays,
    and what is left of the journal is posted."""
    home = shutil.copytree(segments, tmp_path / "day")
    if had:
        follower = Follower(home, ParquetStore(folder_of(home)), EVERY)
        follower.advance(until_seq=had)
        follower.store.finish()
    PROOFS[proof](home)
    if proof != "watermark":
        (home / "acknowledged").unlink()
    numbers = segment_numbers(home)
    for number in numbers[len(numbers) // 2 :]:
        segment_path(home, number).unlink()
    before = files(home)
    with pytest.raises(OutcryError, match=r"[\d,]+ commands are missing"):
        once(home, every=EVERY)
    after = files(home)
    assert {name: after.get(name) for name in before} == before
    posted = LAST if proof == "ledger" else max(had, LAST // 2)
    assert json.loads(after["manifest.json"])["seq"] == posted


def test_a_follower_names_a_flaw_of_the_journal(segments, tmp_path):
    home = shutil.copytree(segments, tmp_path / "day")
    path = segment_path(home, 3)
    data = bytearray(path.read_bytes())
    data[5_000] ^= 1
    path.write_bytes(data)
    with pytest.raises(OutcryError, match="checksum of the block does not agree"):
        once(home, every=EVERY)


def test_a_follower_posts_what_came_after_a_clock_was_set_back(segments, tmp_path):
    """The same postings in the same order: only the times of the later ones are others."""
    home, back_ns = tmp_path / "day", 3_600 * 10**9
    reader = JournalReader(segments)
    orders = np.concatenate([orders for _, orders in reader.chunks()])
    orders["rx_ts_ns"][LAST // 2 :] -= back_ns
    with Journal.create(home, reader.config, segment_bytes=1 << 15, direct=False) as writer:
        for at in range(0, LAST, BLOCK):
            written_ns = 10**18 + at - (back_ns if at >= LAST // 2 else 0)
            writer.append(at + 1, [orders[at : at + BLOCK]], BLOCK, written_ns)
    calm = shutil.copytree(segments, tmp_path / "calm")
    columns = "cause_seq, event_seq, part, available, clearing, ts_ns"
    rows = []
    for journal in (calm, home):
        once(journal, every=EVERY)
        with connect(folder_of(journal)) as connection:
            query = f"select {columns} from transactions order by event_seq, part"
            rows.append(connection.sql(query).fetchall())
    assert len(rows[0]) == len(rows[1]) > 100
    for before, after in zip(*rows, strict=True):
        assert before[:-1] == after[:-1]
        assert before[-1] - after[-1] == (back_ns if before[0] > LAST // 2 else 0)
