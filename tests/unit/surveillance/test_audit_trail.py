"""The audit trail has everything once, says whose it is, and every byte of it is held to that."""

import shutil
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry.journal import Journal
from openoutcry.journal.archive import retire
from openoutcry.journal.checkpoint import make_checkpoints
from openoutcry.surveillance.audit.build import build, files_of, folder_of
from openoutcry.surveillance.audit.chain import heads, read_chain
from openoutcry.surveillance.audit.columns import entry_of, schema, uuids
from openoutcry.surveillance.audit.rows import SESSION_METADATA_DTYPE, Orders, PartInput
from openoutcry.surveillance.audit.trail import Trail
from openoutcry.surveillance.audit.verify import compare_with_journal, verify
from openoutcry.wire.errors import AuditError
from tests.oracles.surveillance.audit import PlainOrders
from tests.support.surveillance import audit_journals as journals
from tests.support.surveillance.audit_trail import forge, rows_of, tree


@pytest.mark.parametrize("bump_ns", [0, 90 * 10**9])
@settings(max_examples=4)  # one takes 40 to 130 ms
@given(seed=st.integers(0, 999), cuts=st.sets(st.integers(1, 2_999), max_size=9))
def test_whose_each_event_is_does_not_depend_on_where_parts_end(bump_ns, seed, cuts):
    from openoutcry.journal.core import Core

    commands = journals.orders(seed, 3_000, bump_ns)
    engine = Core.of(journals.document(bump_ns != 0)).fresh()
    plain, orders = PlainOrders(), Orders()
    for part in np.split(commands, sorted(cuts)):
        events = engine.process(part)
        joined = orders.join(PartInput(part, np.zeros(len(part), SESSION_METADATA_DTYPE), events))
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
        table["order_uuid"].to_pylist(),
        table["entry_seq"].to_pylist(),
        table["symbol"].cast("string").to_pylist(),
        table["order_id"].to_pylist(),
        strict=True,
    ):
        assert (uuid is None) == (entry is None)
        if uuid is not None:
            assert mine.setdefault(uuid, (entry, symbol, order_id)) == (entry, symbol, order_id)
            assert UUID(bytes=uuid).version == 8
            assert entry_of(trail.journal_id, uuid) == entry
    assert len({entry for entry, _, _ in mine.values()}) == len(mine) > 2_000
    other = uuids(trail.journal_id ^ 1 << 60, np.array([1]))[0].tobytes()
    assert entry_of(trail.journal_id, other) is None


@pytest.mark.promise(
    "What a protocol calls text is printable ASCII or refused by the protocol. Nothing else in a "
    "field of a message becomes a symbol of the journal, part of the audit trail or of an answer "
    "over FIX",
    group="text",
)
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


def test_names_of_orders_that_are_no_text_end_no_trail(tmp_path, monkeypatch):
    """Any bytes may be in a journal; they are in the trail as escapes."""
    monkeypatch.setattr(journals, "token_of", lambda seq: b"\xff\x80T%d" % seq)
    home = journals.write(tmp_path / "journal", journals.orders(2, 300), 3)
    build(home, close=True)
    names = {name for name in rows_of(home)["client_order_id"].to_pylist() if name}
    assert names
    assert all(name.startswith("\\xff\\x80T") for name in names)
    assert not verify(folder_of(home), None)["faults"]


def test_bounds_are_what_the_clock_said_nearby(audited):
    table = rows_of(audited)
    known = [one for one in table["bound_ns"].to_pylist() if one is not None]
    assert known
    assert set(known) <= {900 + number for number in range(24)}


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


def test_a_trail_without_its_state_does_not_continue_after_a_gap(tmp_path):
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
    with pytest.raises(AuditError, match="can be replayed only after command 1,500"):
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
