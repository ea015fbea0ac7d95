"""A standby's journal: the primary's bytes, resumed by a writer, cut where the chain has others."""

import shutil

import numpy as np
import pytest

from openoutcry.journal import Journal, JournalReader
from openoutcry.journal.segment import segment_path
from openoutcry.journal.watermark import WATERMARK_NAME
from openoutcry.replica.chain import Tip
from openoutcry.replica.local_journal import LocalJournal
from openoutcry.replica.place import write_place
from openoutcry.wire.errors import JournalError, ReplicaError
from openoutcry.wire.records import ORDER_DTYPE


def written(folder, blocks=6, segment_bytes=1 << 14, start=None):
    """The blocks of a journal of several segments."""
    writer = start or Journal.create(folder, {"of": "primary"}, segment_bytes=segment_bytes)
    for _ in range(blocks):
        first = writer.written_seq + 1
        orders = np.zeros(3, ORDER_DTYPE)
        orders["seq"] = np.arange(first, first + 3)
        writer.append(first, [orders], 3, 5, durable=True)
    writer.close()
    return blocks_of(folder)


def blocks_of(folder):
    return [memoryview(bytes(block.whole)) for block in JournalReader(folder).all_blocks()]


@pytest.fixture
def blocks(tmp_path):
    return written(tmp_path / "primary")


def standby(folder, blocks):
    local = LocalJournal(folder)
    for block in blocks:
        local.append(block)
    return local


def test_it_is_the_primarys_journal_byte_for_byte(tmp_path, blocks):
    local = standby(tmp_path / "standby", blocks)
    local.close()
    assert blocks_of(tmp_path / "standby") == blocks
    for path in (tmp_path / "primary").glob("segment-*"):
        own = (tmp_path / "standby" / path.name).read_bytes()
        assert own.rstrip(b"\0") == path.read_bytes().rstrip(b"\0")
    assert len(list((tmp_path / "standby").glob("segment-*"))) > 1


def test_a_writer_resumes_it(tmp_path, blocks):
    standby(tmp_path / "standby", blocks).close()
    writer = Journal.resume(tmp_path / "standby")
    again = written(tmp_path / "standby", blocks=2, start=writer)
    assert again[: len(blocks)] == blocks
    assert JournalReader(tmp_path / "standby").torn is None


def test_a_torn_end_is_given_again(tmp_path, blocks):
    local = standby(tmp_path / "standby", blocks)
    last = local.places[-1]
    local.close()
    path = segment_path(tmp_path / "standby", last.segment)
    data = bytearray(path.read_bytes())
    data[last.offset + 200 : last.end] = bytes(last.end - last.offset - 200)
    path.write_bytes(data)
    local = LocalJournal(tmp_path / "standby")
    assert local.next_block == len(blocks) - 1
    local.append(blocks[-1])
    local.close()
    assert blocks_of(tmp_path / "standby") == blocks


@pytest.mark.parametrize("seed", range(20))
def test_after_a_power_cut_what_was_not_synced_is_given_again(tmp_path, blocks, seed):
    """Any of the sectors that were not synced may be on the disk. The place was noted with a sync
    before."""
    rng, folder = np.random.default_rng(seed), tmp_path / "standby"
    whole = written(tmp_path / "long", blocks=20, segment_bytes=1 << 16)
    synced = int(rng.integers(1, len(whole)))
    local = standby(folder, whole[:synced])
    local.sync()
    write_place(folder, Tip(journal_id=local.journal_id, next_block=int(rng.integers(synced + 1))))
    for block in whole[synced:]:
        local.append(block)
    places = local.places[synced:]
    local.lock.release()
    local._close()
    kept = float(rng.choice([0.3, 0.7, 0.95]))
    for place in places:
        path = segment_path(folder, place.segment)
        data = bytearray(path.read_bytes())
        for at in range(place.offset, place.end, 512):
            if rng.random() > kept and place.segment == local.places[-1].segment:
                data[at : at + 512] = bytes(min(512, place.end - at))
        path.write_bytes(data)
    again = LocalJournal(folder)
    assert again.next_block >= synced
    for block in whole[again.next_block :]:
        again.append(block)
    again.close()
    assert blocks_of(folder) == whole
    assert JournalReader(folder).torn is None


@pytest.mark.parametrize("known_by", ["place", "watermark"])
def test_a_hole_in_what_was_durable_is_damage(tmp_path, blocks, known_by):
    local = standby(tmp_path / "standby", blocks)
    spoilt = local.places[3]
    if known_by == "place":
        write_place(tmp_path / "standby", Tip(journal_id=local.journal_id, next_block=4))
    else:
        shutil.copy(tmp_path / "primary" / WATERMARK_NAME, tmp_path / "standby")
    local.close()
    path = segment_path(tmp_path / "standby", spoilt.segment)
    data = bytearray(path.read_bytes())
    data[spoilt.offset : spoilt.offset + 512] = bytes(512)
    path.write_bytes(data)
    with pytest.raises(JournalError, match="damaged here"):
        LocalJournal(tmp_path / "standby")


@pytest.mark.parametrize("keep", [1, 2, 4, 5, 7])
def test_what_the_chain_has_not_is_cut_off(tmp_path, blocks, keep):
    local = standby(tmp_path / "standby", blocks)
    local.cut(keep)
    assert local.next_block == keep
    local.append(blocks[keep])
    local.close()
    assert blocks_of(tmp_path / "standby") == blocks[: keep + 1]
    Journal.resume(tmp_path / "standby").close()


def test_the_journal_of_an_old_primary_is_cut_and_continues(tmp_path, blocks):
    """With the watermark that says all of it was durable."""
    local = LocalJournal(tmp_path / "primary")
    local.cut(3)
    local.append(blocks[3])
    local.close()
    writer = Journal.resume(tmp_path / "primary")
    assert writer.blocks == 4
    writer.close()


def test_another_journal_is_never_cut_away_whole(tmp_path, blocks):
    local = standby(tmp_path / "standby", blocks)
    with pytest.raises(ReplicaError, match="another journal"):
        local.cut(0)
    local.close()
    assert blocks_of(tmp_path / "standby") == blocks


def test_a_block_that_does_not_follow_is_refused(tmp_path, blocks):
    local = standby(tmp_path / "standby", blocks[:2])
    with pytest.raises(ReplicaError, match="does not follow"):
        local.append(blocks[3])
    local.close()


def test_a_full_disk_is_named_and_nothing_is_taken_for_written(tmp_path, blocks, monkeypatch):
    local = standby(tmp_path / "standby", blocks[:3])

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", full)
        with pytest.raises(ReplicaError, match=r"segment.* cannot write: No space left"):
            local.append(blocks[3])
    local.append(blocks[3])
    local.close()
    assert blocks_of(tmp_path / "standby") == blocks[:4]


def test_a_journal_in_use_is_left_alone(tmp_path, blocks):
    local = standby(tmp_path / "standby", blocks)
    with pytest.raises(JournalError, match="in use"):
        LocalJournal(tmp_path / "standby")
    local.close()


def test_one_of_several_directories_is_refused(tmp_path):
    with Journal.create(tmp_path / "a", {}, copies=[tmp_path / "b"]):
        pass
    with pytest.raises(ReplicaError, match="several directories"):
        LocalJournal(tmp_path / "a")
