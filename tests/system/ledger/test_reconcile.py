"""Journal, ledger, the core's risk and the store: equal, or where they first part."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

from openoutcry.ledger.follow import follow
from openoutcry.ledger.ledger_state import folder_of, oldest
from openoutcry.ledger.parquet_store import ask
from openoutcry.ledger.reconcile import (
    COMPARED,
    RECONCILED,
    Reconciliation,
    load_last_reconciled,
    note,
    noted,
)
from openoutcry.ledger.store_files import Files
from openoutcry.risk import layout as risk_layout
from openoutcry.risk.region import View
from tests.support.ledger import ledger_flow as flow
from tests.support.pipeline import warm_outcry
from tests.support.waiting import BOUND_S

EVERY = 4_000


@pytest.fixture(scope="module")
def stored(day, tmp_path_factory):
    home = shutil.copytree(day, tmp_path_factory.mktemp("stored") / "day")
    follow(home, None, True, lambda: True, print, EVERY)
    return home


def test_all_four_are_equal(stored, outcry):
    done = outcry("ledger", "reconcile", stored)
    assert done.returncode == 0, done.stderr
    assert "equal up to command 20,000: journal, ledger, the core's risk, store" in done.stdout
    assert ", 0 behind" in done.stdout


@pytest.mark.parametrize("fault", ["changed", "lost", "doubled"])
def test_a_fault_in_the_store_is_found_where_it_begins(stored, tmp_path, outcry, fault):
    home = shutil.copytree(stored, tmp_path / "day")
    path = sorted(folder_of(home).rglob("part-*.parquet"))[20]
    table = pq.read_table(path)
    at_row = table.num_rows // 2
    seq = table["event_seq"][at_row].as_py()
    if fault == "changed":
        amounts = table["available"].to_numpy().copy()
        amounts[at_row] += 1
        place = table.column_names.index("available")
        table = table.set_column(place, "available", [amounts])
    elif fault == "lost":
        table = table.take([n for n in range(table.num_rows) if n != at_row])
    else:
        table = table.take(sorted([*range(table.num_rows), at_row]))
    pq.write_table(table, path)
    done = outcry("ledger", "reconcile", home, "--json")
    assert done.returncode == 1
    difference = json.loads(done.stdout)["difference"]
    if fault == "doubled":
        assert seq <= difference["event_seq"] <= seq + 20
    else:
        assert difference["event_seq"] == seq
    assert difference["what"]


def test_a_core_whose_balance_is_another_is_found_at_its_command(day):
    """Somebody's balance is one more than it should be from command 9,000 on."""

    def faulty(directory):
        ledger_state = oldest(directory)
        engine, real = ledger_state.point.engine, ledger_state.point.engine.process

        def process(orders, *more):
            events = real(orders, *more)
            if orders["seq"][0] <= 9_000 <= orders["seq"][-1]:
                View(engine.region).participants[7, risk_layout.BALANCE // 8] += 1
            return events

        engine.process = process
        return ledger_state

    # One command at a time, as when the stretch is gone through again.
    verdict = Reconciliation(day, None, faulty, every=3_000).advance()
    assert verdict.difference.seq == 9_000
    assert verdict.difference.what.startswith("balance of participant 7: the ledger has")


def test_a_look_is_noted_and_the_next_begins_after_it(stored, tmp_path, outcry, outcry_json):
    """What was compared already is not gone through again, what comes later is."""
    home = shutil.copytree(stored, tmp_path / "day")
    (folder_of(home) / RECONCILED).unlink(missing_ok=True)
    assert noted(home) is None
    assert outcry("ledger", "reconcile", home).returncode == 0
    assert (noted(home)["seq"], noted(home)["difference"]) == (flow.COMMANDS, None)
    assert load_last_reconciled(home).seq == flow.COMMANDS
    assert outcry_json("ledger", "reconcile", home, "--since-last")["seq"] == flow.COMMANDS
    spoilt = View(load_last_reconciled(home).point.engine.region)

    def faulty(directory):
        ledger_state = load_last_reconciled(directory)
        View(ledger_state.point.engine.region).participants[7, risk_layout.BALANCE // 8] += 1
        return ledger_state

    assert spoilt.of(7, risk_layout.BALANCE)
    verdict = Reconciliation(home, None, faulty).advance()
    assert verdict.difference.what.startswith("balance of participant 7")
    note(home, verdict)
    assert load_last_reconciled(home).seq == 0


def test_rows_of_the_files_are_those_that_duckdb_finds(stored):
    """Also in files that say nothing of what they hold, and after one was replaced."""
    folder = folder_of(stored)
    whole = ask(folder, f"select {', '.join(COMPARED)} from transactions order by 1, 2")
    events = whole["event_seq"].to_numpy()
    files = Files(folder, COMPARED)
    for after, until in ((-1, 2**62), (0, int(events[-1]) // 2), (int(events[-1]) // 2, 2**40)):
        rows, kept = files.rows(after, until), (events > after) & (events <= until)
        assert kept.any()
        for name in COMPARED:
            assert rows[name].tolist() == whole[name].to_numpy()[kept].tolist()
    assert len(files.rows(2**61, 2**62)["part"]) == 0


def test_the_command_follows_the_journal_until_it_is_stopped(stored):
    words = [
        sys.executable,
        "-m",
        "openoutcry",
        "ledger",
        "reconcile",
        str(stored),
        "--follow",
        "--json",
    ]
    with warm_outcry.Process(words, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        first = json.loads(child.stdout.readline())
        child.terminate()
        assert child.wait(BOUND_S) == 0
    assert first["difference"] is None
    assert first["seq"] == flow.COMMANDS
    assert np.int64(first["event_seq"]) > 0
