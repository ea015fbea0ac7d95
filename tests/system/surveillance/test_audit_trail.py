"""The audit trail has everything once, says whose it is, and every byte of it is held to that."""

import os
import shutil
import signal
import subprocess
import sys
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from openoutcry.journal import Journal
from openoutcry.surveillance.audit.build import build, files_of, folder_of
from openoutcry.surveillance.audit.chain import read_chain
from openoutcry.surveillance.audit.trail import Trail
from openoutcry.surveillance.audit.verify import compare_with_journal, verify
from openoutcry.wire.errors import AuditError
from tests.support.pipeline import warm_outcry
from tests.support.surveillance import audit_journals as journals
from tests.support.surveillance.audit_trail import forge, rows_of, tree

HOUR_NS = 3_600 * 10**9


def test_questions_give_what_reading_everything_gives(audited):
    table, trail = rows_of(audited), Trail(folder_of(audited))
    ids = table["order_id"].to_pylist()
    rng = np.random.default_rng(3)
    for order_id in {ids[i] for i in rng.integers(0, len(ids), 25).tolist()}:
        mine = table.filter(pa.compute.equal(table["order_id"], order_id))
        assert trail.order(order_id).to_pylist() == mine.to_pylist()
        uuid = next((u for u in mine["order_uuid"].to_pylist() if u), None)
        if uuid is not None:
            life = mine.filter(pa.compute.equal(mine["order_uuid"], uuid))
            assert trail.order(str(UUID(bytes=uuid))).to_pylist() == life.to_pylist()
    begin = table["ts_ns"][len(table) // 2].as_py()
    span = (table["ts_ns"].to_numpy() >= begin) & (table["ts_ns"].to_numpy() < begin + HOUR_NS)
    for who in (0, 1, 7, 77, 65_535):
        mine = table.filter(pa.array(span & (table["participant"].to_numpy() == who)))
        assert trail.participant(who, begin, begin + HOUR_NS).to_pylist() == mine.to_pylist()
    symbols = [row["symbol"] for row in journals.document()["instruments"]]
    for symbol in symbols:
        wanted = pa.compute.and_(
            pa.compute.is_in(table["action"].cast("string"), pa.array(["NEW", "TRADE"])),
            pa.compute.equal(table["symbol"].cast("string"), symbol),
        )
        rows = trail.symbol(symbol, ["NEW", "TRADE"], instruments=symbols)
        assert rows.to_pylist() == table.filter(wanted).to_pylist()
    with pytest.raises(AuditError, match="no order -12345 "):
        trail.order(-12345)
    with pytest.raises(AuditError, match="neither an order's id nor its UUID"):
        trail.order("nonsense")


def test_a_build_that_grows_with_its_journal_gives_the_same_trail(tmp_path):
    commands = journals.orders(9, 6_000)
    whole, grown = tmp_path / "whole", tmp_path / "grown"
    with Journal.create(whole, journals.document(), segment_bytes=1 << 18, direct=False) as writer:
        for piece in np.split(commands.copy(), [1_000, 2_700, 5_000]):
            journals.add(writer, piece, 5)
    shutil.copytree(whole, tmp_path / "later")
    build(whole, part_commands=1_024)
    with Journal.create(grown, journals.document(), segment_bytes=1 << 18, direct=False) as writer:
        for piece in np.split(commands.copy(), [1_000, 2_700, 5_000]):
            journals.add(writer, piece, 5)
            writer.sync()
            build(grown, part_commands=1_024)
            assert not verify(folder_of(grown))["faults"]
    build(grown, part_commands=1_024)
    # Two journals have two ids; all else is the same.
    one, two = read_chain(folder_of(whole)), read_chain(folder_of(grown))
    assert [(k.day, k.first_seq, k.last_seq, k.rows, k.index) for k in one] == [
        (k.day, k.first_seq, k.last_seq, k.rows, k.index) for k in two
    ]
    for left, right in zip(one, two, strict=True):
        tables = [
            pyarrow.parquet.read_table(files_of(folder_of(home), link)[0], partitioning=None)
            for home, link in ((whole, left), (grown, right))
        ]
        assert tables[0].drop_columns(["order_uuid"]) == tables[1].drop_columns(["order_uuid"])
    closed = [link.open_until_block is None for link in one]
    assert closed == sorted(closed, reverse=True)
    assert any(closed)
    assert compare_with_journal(whole, folder_of(whole)) == []


KILLED = """
import sys, time
from pathlib import Path
from openoutcry.surveillance.audit import build as b

stop = int(sys.argv[2])
written = b.write_whole
count = 0
def waits(path, data):
    global count
    count += 1
    if count == stop:
        # In the middle: some files of a part are there, others are not.
        half = path.with_name(".outcry-half")
        half.mkdir()
        (half / path.name).write_bytes(data[: len(data) // 2])
        print("here", flush=True)
        time.sleep(3600)
    written(path, data)
b.write_whole = waits
b.build(Path(sys.argv[1]), part_commands=1_024)
"""


def test_a_killed_build_continues_byte_for_byte(tmp_path):
    home = journals.write(tmp_path / "journal", journals.orders(4, 5_000), 10)
    build(home, tmp_path / "straight", part_commands=1_024)
    wanted = tree(tmp_path / "straight")
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    folder = folder_of(home)
    for stop in (2, 3, 6):
        child = warm_outcry.Process(
            [sys.executable, script, home, str(stop)], stdout=subprocess.PIPE
        )
        assert child.stdout.readline() == b"here\n"
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        assert verify(folder)["faults"], "half a build is not a trail"
    build(home, part_commands=77)
    assert tree(folder) == wanted
    assert not verify(folder)["faults"]


def test_two_builds_at_once_are_refused(tmp_path):
    home = journals.write(tmp_path / "journal", journals.orders(4, 500), 2)
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    child = warm_outcry.Process([sys.executable, script, home, "1"], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"here\n"
    with pytest.raises(AuditError, match="another build is in progress"):
        build(home)
    child.kill()
    child.wait()
    child.stdout.close()


def test_one_flipped_byte_anywhere_is_found(tmp_path):
    home = journals.write(tmp_path / "journal", journals.orders(2, 1_500), 6)
    build(home, part_commands=700)
    folder = folder_of(home)
    assert not verify(folder)["faults"]
    rng = np.random.default_rng(8)
    flipped = 0
    for name, data in sorted(tree(folder).items()):
        places = {0, len(data) - 1, *rng.integers(0, max(1, len(data)), 12).tolist()}
        if name == "plan.json":
            places = range(len(data))
        if name == "chain.jsonl":
            places = range(flipped % 9, len(data), 9)
        for place in places if data else ():
            changed = bytearray(data)
            changed[place] ^= 1 << int(rng.integers(8))
            (folder / name).write_bytes(changed)
            assert verify(folder)["faults"], (name, place)
            flipped += 1
        (folder / name).write_bytes(data)
    assert flipped > 400
    assert not verify(folder)["faults"]
    (folder / "lock").write_bytes(b"x")
    assert verify(folder)["faults"]


def test_a_days_end_and_a_closed_trail_stay_as_they_are(tmp_path):
    commands = journals.orders(3, 4_000)
    home = tmp_path / "journal"
    with Journal.create(home, journals.document(), segment_bytes=1 << 18, direct=False) as writer:
        journals.add(writer, commands[:2_000], 4)
        writer.sync()
        build(home, part_commands=512, close=True)
        before = read_chain(folder_of(home))
        journals.add(writer, commands[2_000:], 4)
    build(home, part_commands=512)
    after = read_chain(folder_of(home))
    assert after[: len(before)] == before
    assert after[-1].last_seq == 4_000
    assert not verify(folder_of(home))["faults"]
    assert compare_with_journal(home, folder_of(home)) == []
    for number, facts in ((len(before) - 1, {}), (0, {"min_order_id": 10**6})):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(folder_of(home), copy)
        forge(copy, number, **facts)
        assert not verify(copy)["faults"]
        (fault,) = compare_with_journal(home, copy)
        assert fault.startswith(after[number].name)
