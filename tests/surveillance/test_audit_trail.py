"""The audit trail has everything once, says whose it is, and every byte of it is held to that."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from uuid import UUID

import audit_journals as journals
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry.journal import Journal
from openoutcry.journal.archive import retire
from openoutcry.replay.checkpoint import make_checkpoints
from openoutcry.surveillance.audit.build import build, files_of, folder_of
from openoutcry.surveillance.audit.chain import NO_HASH, hash_file, heads, read_chain, write_chain
from openoutcry.surveillance.audit.columns import entry_of, schema, uuids
from openoutcry.surveillance.audit.errors import AuditError
from openoutcry.surveillance.audit.reference import PlainOrders
from openoutcry.surveillance.audit.rows import SESSION_NOTE_DTYPE, Orders, PartInput
from openoutcry.surveillance.audit.trail import Trail
from openoutcry.surveillance.audit.verify import compare_with_journal, verify

HOUR_NS = 3_600 * 10**9


def tree(folder):
    """Every file below a folder, with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def rows_of(home):
    """All rows of a trail in the sequence's order."""
    trail = Trail(folder_of(home))
    days = sorted({link.day for link in trail.links})
    return pa.concat_tables([table for day in days for table in trail.day(day)])


@pytest.mark.parametrize("bump_ns", [0, 90 * 10**9])
@settings(max_examples=4, deadline=None, derandomize=True)
@given(seed=st.integers(0, 999), cuts=st.sets(st.integers(1, 2_999), max_size=9))
def test_whose_each_event_is_does_not_depend_on_where_parts_end(bump_ns, seed, cuts):
    from openoutcry.replay.core import Core

    commands = journals.orders(seed, 3_000, bump_ns)
    engine = Core.of(journals.document(bump_ns != 0)).fresh()
    plain, orders = PlainOrders(), Orders()
    for part in np.split(commands, sorted(cuts)):
        events = engine.process(part)
        joined = orders.join(PartInput(part, np.zeros(len(part), SESSION_NOTE_DTYPE), events))
        assert joined.entry["entry_seq"].tolist() == plain.entries(part, events)
        is_open = {(int(r["instrument"]), int(r["order_id"])) for r in engine.state().rows}
        carried = zip(orders.open["instrument"], orders.open["order_id"], strict=True)
        assert {(int(i), int(o)) for i, o in carried} == is_open == set(plain.open)
    if bump_ns:
        assert len(orders.waiting), "something waits at the end"


def test_every_event_is_one_row_and_says_what_its_command_said(audited):
    commands, events, _ = journals.read_all(audited)
    table = rows_of(audited)
    assert table["event_seq"].to_pylist() == events["seq"].tolist()
    assert table["seq"].to_pylist() == events["cause_seq"].tolist()
    assert set(table["seq"].to_pylist()) == set(commands["seq"].tolist())
    stamps = dict(zip(commands["seq"].tolist(), commands["rx_ts_ns"].tolist(), strict=True))
    assert table["ts_ns"].to_pylist() == [stamps[s] for s in events["cause_seq"].tolist()]
    assert table["order_id"].to_pylist() == events["order_id"].tolist()
    trades = table.filter(pa.compute.equal(table["action"].cast("string"), "TRADE"))
    matches = trades["match"].to_pylist()
    assert sorted(set(matches)) == sorted(matches[::2])
    assert len(matches) == 2 * len(set(matches)) > 1_000
    risks = set(table["risk_result"].cast("string").to_pylist())
    assert "PASSED" in risks
    reasons = table["reason"].cast("string").to_pylist()
    assert "USER" in reasons


def test_an_orders_uuid_is_its_own_and_names_its_entry(audited):
    table = rows_of(audited)
    trail = Trail(folder_of(audited))
    mine = {}
    for uuid, entry, symbol, order_id in zip(
        table["order_uuid"].to_pylist(), table["entry_seq"].to_pylist(),
        table["symbol"].cast("string").to_pylist(), table["order_id"].to_pylist(), strict=True,
    ):  # fmt: skip
        assert (uuid is None) == (entry is None)
        if uuid is not None:
            assert mine.setdefault(uuid, (entry, symbol, order_id)) == (entry, symbol, order_id)
            assert UUID(bytes=uuid).version == 8
            assert entry_of(trail.journal_id, uuid) == entry
    assert len({entry for entry, _, _ in mine.values()}) == len(mine) > 2_000
    other = uuids(trail.journal_id ^ 1 << 60, np.array([1]))[0].tobytes()
    assert entry_of(trail.journal_id, other) is None


def test_clients_names_and_addresses_go_along_with_their_orders(audited):
    table = rows_of(audited).to_pylist()
    logins = [row for row in table if row["action"] == "LOGIN"]
    assert {(row["session"], row["source_address"]) for row in logins} == {
        ("ONE", "192.0.2.7:40001"),
    }
    first = min(row["seq"] for row in logins)
    named = [row for row in table if row["client_order_id"]]
    assert {row["action"] for row in named} >= {"NEW", "TRADE", "CANCEL", "REJECT"}
    for row in named:
        if row["command_seq"] == row["entry_seq"]:
            assert row["client_order_id"] == f"T{row['command_seq']}"
        known = row["session"] == "ONE" and row["seq"] > first
        if row["command_seq"] == row["entry_seq"] and known:
            assert row["source_address"] == "192.0.2.7:40001"


def test_bounds_are_what_the_clock_said_nearby(audited):
    table = rows_of(audited)
    known = [one for one in table["bound_ns"].to_pylist() if one is not None]
    assert known
    assert set(known) <= {900 + number for number in range(24)}


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


def test_the_files_are_plain_parquet_by_day(audited):
    folder = folder_of(audited)
    links = read_chain(folder)
    days = {link.day for link in links}
    assert len(days) >= journals.DAYS
    assert all(len(day) == 10 for day in days)
    for link in links:
        table = pyarrow.parquet.read_table(files_of(folder, link)[0], partitioning=None)
        assert table.schema == schema()
        assert table.num_rows == link.rows
        assert {str(t)[:10] for t in table["time"].to_pylist()} <= {link.day}
    assert [row["day"] for row in heads(links)] == sorted(days)


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


def test_a_build_that_is_killed_goes_on_byte_for_byte(tmp_path):
    home = journals.write(tmp_path / "journal", journals.orders(4, 5_000), 10)
    build(home, tmp_path / "straight", part_commands=1_024)
    wanted = tree(tmp_path / "straight")
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    folder = folder_of(home)
    for stop in (2, 3, 6):
        child = subprocess.Popen([sys.executable, script, home, str(stop)], stdout=subprocess.PIPE)
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
    child = subprocess.Popen([sys.executable, script, home, "1"], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"here\n"
    with pytest.raises(AuditError, match="another build is under way"):
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


def test_a_trail_that_was_made_again_otherwise_does_not_have_the_published_head(tmp_path):
    home = journals.write(tmp_path / "journal", journals.orders(2, 1_500), 6)
    days = build(home, part_commands=700, close=True)["days"]
    folder = folder_of(home)
    published = {row["day"]: row["head"] for row in days}
    assert all(row["closed"] for row in days)
    assert not verify(folder, published)["faults"]
    forge(folder, 0)
    assert not verify(folder)["faults"], "his own chain holds together"
    assert verify(folder, published)["faults"]
    assert compare_with_journal(home, folder)


def forge(folder, number, **facts):
    """Somebody who may write everything makes the chain agree with what he has changed: of a part
    the prices, or what its line says."""
    links = read_chain(folder)
    path = files_of(folder, links[number])[0]
    if not facts:
        table = pyarrow.parquet.read_table(path, partitioning=None)
        prices = pa.array(table["price_ticks"].to_numpy() + 1)
        column = table.schema.get_field_index("price_ticks")
        pyarrow.parquet.write_table(table.set_column(column, "price_ticks", prices), path)
        facts = {"parquet": hash_file(path)}
    forged = []
    for at, link in enumerate(links):
        previous = forged[-1].hash if forged else NO_HASH
        changed = facts if at == number else {}
        forged.append(replace(link, previous=previous, **changed).sealed())
    write_chain(folder, forged)


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


def test_a_state_that_is_lost_costs_time_and_nothing_else(tmp_path):
    commands = journals.orders(3, 3_000)
    home, other = tmp_path / "journal", tmp_path / "straight"
    with Journal.create(home, journals.document(), segment_bytes=1 << 18, direct=False) as writer:
        journals.add(writer, commands[:2_000], 4)
        writer.sync()
        build(home, part_commands=512)
        shutil.rmtree(folder_of(home) / "state")
        journals.add(writer, commands[2_000:], 4)
    build(home, part_commands=512)
    build(home, other, part_commands=512)
    assert tree(folder_of(home)) == tree(other)


def test_a_trail_without_its_state_does_not_go_on_behind_a_gap(tmp_path):
    """What was retired cannot be made again, and a hole in a chain is none."""
    commands = journals.orders(3, 3_000)
    home = tmp_path / "journal"
    with Journal.create(home, journals.document(), segment_bytes=1 << 15, direct=False) as writer:
        journals.add(writer, commands[:1_000], 10)
        writer.sync()
        build(home, part_commands=512)
        shutil.rmtree(folder_of(home) / "state")
        journals.add(writer, commands[1_000:], 20)
    make_checkpoints(home, 1_500)
    assert retire(home)
    before = tree(folder_of(home))
    with pytest.raises(AuditError, match="can be replayed behind command 1,500 only"):
        build(home, part_commands=512)
    assert {name: before[name] for name in before if "plan" not in str(name)}.items() <= tree(
        folder_of(home)
    ).items()


def test_what_is_no_trail_or_anothers_is_refused(tmp_path, audited):
    with pytest.raises(AuditError, match="holds no audit trail"):
        Trail(tmp_path)
    with pytest.raises(AuditError, match="holds no audit trail"):
        verify(tmp_path)
    home = journals.write(tmp_path / "journal", journals.orders(2, 100), 2)
    with pytest.raises(AuditError, match="is the trail of journal"):
        build(home, folder_of(audited))
