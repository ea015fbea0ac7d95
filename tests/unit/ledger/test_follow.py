"""A ledger in files or a database: followed, killed, begun again, it is the rebuilt one."""

import os
import shutil

import pytest

from openoutcry.ledger import ledger_state
from openoutcry.ledger.ledger_state import folder_of
from openoutcry.ledger.parquet_store import connect
from openoutcry.wire.errors import LedgerError
from tests.support.ledger.follow import once


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
