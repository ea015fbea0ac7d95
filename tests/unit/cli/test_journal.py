"""``outcry journal`` on the journal of a real run: listing, proof, tables in every format, SQL."""

import csv
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from openoutcry.__main__ import main
from openoutcry.flow import GeneratedFlow
from openoutcry.journal import Journal, JournalReader
from openoutcry.pipeline.run import Options, run

ORDERS, SEED = 8_000, 3


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A short run whose journal stays."""
    folder = tmp_path_factory.mktemp("run")
    flow = GeneratedFlow("normal", ORDERS, SEED)
    return run(
        Options(source=flow, orders=ORDERS, seed=SEED, topology="inline", journal=folder / "j")
    )


def outcry(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(main, ["journal", *arguments])
    assert done.exit_code == status, done.output
    return done.stdout if status == 0 else done.output


def sql(journal: str, query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(outcry("sql", journal, query, "--json"))
    return rows


def test_ls_and_verify(finished_run: dict[str, Any], tmp_path: Path) -> None:
    """Both say what the run said; verify of a changed copy exits 1 and names the byte."""
    journal = finished_run["journal"]["path"]
    listed = json.loads(outcry("ls", journal, "--json"))
    assert (listed["commands"], listed["acknowledged_seq"]) == (ORDERS, ORDERS)
    assert listed["evidence"]["state_hash"] == finished_run["state_hash"]
    assert "acknowledged up to 8,000" in outcry("ls", journal)
    checked = json.loads(outcry("verify", journal, "--json"))
    assert (checked["sound"], checked["head"]) == (True, listed["head"])
    copy = tmp_path / "copy"
    copy.mkdir()
    data = bytearray((Path(journal) / "segment-000000.ocj").read_bytes())
    data[9999] ^= 4
    (copy / "segment-000000.ocj").write_bytes(data)
    assert "first bad byte: " in (output := outcry("verify", str(copy), status=1))
    assert "segment-000000.ocj byte 9999" in output
    assert not json.loads(outcry("verify", str(copy), "--json", status=1))["sound"]
    assert "give --copy DIR" in outcry("repair", str(copy), status=1)
    assert f"restored from {journal}" in outcry("repair", str(copy), "--copy", journal)
    assert outcry("repair", str(copy)) == "sound: nothing to do\n"


def test_sql_counts_what_the_run_counted(finished_run: dict[str, Any]) -> None:
    """Orders, events by kind, trades and rejects come to the run's own counts; names and times
    are readable."""
    journal = finished_run["journal"]["path"]
    assert sql(journal, "select count(*) n from orders") == [{"n": ORDERS}]
    rows = sql(journal, "select event, count(*) n from events group by event")
    assert {row["event"]: row["n"] for row in rows} == finished_run["event_kinds"]
    (trades,) = sql(journal, "select count(*) n, sum(qty_lots) lots from trades")
    assert trades["n"] == finished_run["trades"] > 0
    rows = sql(journal, "select reason, count(*) n from events where event = 'REJECTED' group by 1")
    assert {row["reason"]: row["n"] for row in rows} == finished_run["rejects"]
    (row,) = sql(journal, "select * from audit where seq = 1")
    assert row["action"] == "NEW"
    assert row["rx_time"].startswith("20")
    assert len(row["rx_time"].split(".")[1]) == 9
    assert row["latency_ns"] >= 0
    assert row["gateway"] == "golden"
    assert row["session"] == f"{JournalReader(journal).journal_id:016x}/1"
    (count,) = sql(journal, "select count(*) n, count(verdict) v from audit")
    assert (count["n"], count["v"]) == (ORDERS, ORDERS)


def test_sql_keeps_every_column_and_sums_are_numbers(finished_run: dict[str, Any]) -> None:
    """Two columns of one name, as of a join, are two; a sum is not the text of one."""
    journal = finished_run["journal"]["path"]
    columns = "1 as a, 2 as a, 3 as a_1, sum(qty_lots) as lots, 1.50::decimal(9, 2) as d"
    query = f"select {columns} from orders"
    (row,) = sql(journal, query)
    (expected,) = sql(journal, "select sum(qty_lots)::bigint as lots from orders")
    assert row == {"a": 1, "a_2": 2, "a_1": 3, "lots": expected["lots"], "d": "1.50"}
    shown = outcry("sql", journal, query)
    assert shown.split()[:5] == ["a", "a_2", "a_1", "lots", "d"]
    join = "select o.*, e.* from orders o join events e on e.command_seq = o.seq limit 2"
    assert "order_id_1" in outcry("sql", journal, join, "--csv")
    assert len(sql(journal, join)[0]) > 30


def test_sql_shows_spans_lists_and_infinity(finished_run: dict[str, Any]) -> None:
    """As text where CSV has no such values; in JSON what is no number is null."""
    journal = finished_run["journal"]["path"]
    query = (
        "select interval 3 day + interval 90 second as span, [seq, 7] as both, "
        "{'a': [[1.5]], 'b': map([1], [2])} as s, qty_lots / 0.0 as x, [qty_lots / 0.0] as xs, "
        "'\\xFF'::blob as raw, 'infinity'::timestamp as never from orders where seq = 1"
    )
    (row,) = csv.DictReader(io.StringIO(outcry("sql", journal, query, "--csv")))
    assert row | {"never": ""} == {
        "span": "3 days 00:01:30",
        "both": "[1, 7]",
        "s": "{'a': [[1.5]], 'b': {1=2}}",
        "x": "inf",
        "xs": "[inf]",
        "raw": "\\xFF",
        "never": "",
    }
    (row,) = json.loads(outcry("sql", journal, query, "--json"), parse_constant=pytest.fail)
    assert row | {"never": ""} == {
        "span": "3 days 00:01:30",
        "both": [1, 7],
        "s": {"a": [["1.5"]], "b": [[1, 2]]},
        "x": None,
        "xs": [None],
        "raw": "\\xFF",
        "never": "",
    }
    assert "3 days 00:01:30" in outcry("sql", journal, query)
    span = "select max(rx_time) - min(rx_time) as span, list(seq) from orders group by symbol"
    assert outcry("sql", journal, span, "--csv").startswith('"span","list(seq)"\n"')


def test_sql_over_a_running_journal(finished_run: dict[str, Any], tmp_path: Path) -> None:
    """While the writer is at work, what is written so far can be asked for, its events too."""
    reader = JournalReader(finished_run["journal"]["path"])
    orders = np.concatenate([chunk for _, chunk in reader.chunks()])
    with Journal.create(tmp_path / "j", reader.config) as writer:
        for until in (3_000, 5_000):
            part = orders[writer.written_seq : until]
            writer.append(writer.written_seq + 1, [part], len(part), 1, durable=True)
            query = "select count(distinct cause_seq) n, max(cause_seq) last from events"
            assert sql(str(tmp_path / "j"), query) == [{"n": until, "last": until}]


def test_sql_refuses_in_words(finished_run: dict[str, Any]) -> None:
    """A wrong query and one that would read other files: one line each, exit 1."""
    journal = finished_run["journal"]["path"]
    assert "Referenced column" in outcry("sql", journal, "select nothing from orders", status=1)
    assert "sql: " in outcry("sql", journal, "select * from read_csv('/etc/passwd')", status=1)


def test_sql_names_what_there_is(finished_run: dict[str, Any]) -> None:
    """--schema lists every view's columns, and a query for a table or a column that is not there
    is answered with those that are."""
    journal = finished_run["journal"]["path"]
    rows = json.loads(outcry("sql", journal, "--schema", "--json"))
    columns: dict[str, list[str]] = {}
    for row in rows:
        columns.setdefault(row["view"], []).append(row["column"])
    assert list(columns) == ["orders", "events", "trades", "audit"]
    for view, names in columns.items():
        assert list(sql(journal, f"select * from {view} limit 1")[0]) == names
        assert f"  {view}: {', '.join(names)}\n" in outcry(
            "sql", journal, "select * from fills", status=1
        )
    output = outcry("sql", journal, "select quantity from orders", status=1)
    assert f"  orders: {', '.join(columns['orders'])}\n" in output
    assert "audit" not in output
    assert "seq" in outcry("sql", journal, "--schema")
    assert "give a query or --schema" in outcry("sql", journal, status=2)
    assert "give a query or --schema" in outcry("sql", journal, "select 1", "--schema", status=2)


def test_tables_at_80_columns_cut_nothing(
    finished_run: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit beside the rest stands beneath it, under the same first column."""
    monkeypatch.setenv("COLUMNS", "80")
    journal = finished_run["journal"]["path"]
    query = "select * from audit order by seq limit 3"
    shown = outcry("sql", journal, query)
    rows = sql(journal, query)
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown
    for row in rows:
        cells = " ".join(str(value) for value in row.values() if value is not None)
        assert set(cells.split()) <= set(shown.split())
    assert set(rows[0]) <= set(shown.split())
    listed = outcry("ls", journal)
    (segment,) = json.loads(outcry("ls", journal, "--json"))["segments"]
    lines = listed.splitlines()[1:]
    assert max(map(len, lines)) <= 80
    for key in ("first_seq", "last_seq", "blocks", "bytes"):
        assert f"{segment[key]:,}" in " ".join(lines).split()


def test_exports(finished_run: dict[str, Any], tmp_path: Path) -> None:
    """Parquet and CSV hold every order and event, the capture every record, the LOBSTER file of
    `outcry data export` every trade."""
    journal = finished_run["journal"]["path"]
    orders, events = tmp_path / "o.parquet", tmp_path / "e.csv"
    outcry("export", journal, "--format", "parquet", "--out", str(orders))
    table = pq.read_table(orders)
    assert table["seq"].to_pylist() == list(range(1, ORDERS + 1))
    outcry("export", journal, "--format", "csv", "--what", "events", "--out", str(events))
    with events.open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["event_seq"]) for row in rows] == list(range(1, finished_run["events"] + 1))
    capture = tmp_path / "o.pcap"
    outcry("export", journal, "--format", "pcap", "--out", str(capture))
    data = capture.read_bytes()
    at, records = 24, []
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at + 8)
        records.append(data[at + 16 + 14 + 28 + 32 : at + 16 + size])
        at += 16 + size
    chunks = [chunk.tobytes() for _, chunk in JournalReader(journal).chunks()]
    assert b"".join(records) == b"".join(chunks)
    messages = tmp_path / "m.csv"
    words = ["data", "export", journal, str(messages), "--to", "lobster", "--allow-loss", "all"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    kinds = [line.split(",")[1] for line in messages.read_text().splitlines()]
    assert kinds.count("4") == finished_run["trades"]
    assert kinds.count("1") >= kinds.count("3") > 0
    assert not list(tmp_path.glob(".*.part"))


def test_an_export_that_cannot_be(finished_run: dict[str, Any], tmp_path: Path) -> None:
    """A folder that is not there, an instrument that is not there: nothing is written."""
    journal = finished_run["journal"]["path"]
    output = outcry(
        "export", journal, "--format", "csv", "--out", str(tmp_path / "no" / "x"), status=1
    )
    assert "there is no folder" in output
    out = str(tmp_path / "x.csv")
    done = CliRunner().invoke(main, ["data", "export", journal, out, "--symbol", "NOPE"])
    assert done.exit_code == 1
    output = done.output
    assert "NOPE is not among the journal's instruments" in output
    assert list(tmp_path.iterdir()) == []
