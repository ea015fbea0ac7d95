"""Journal, ledger, the core's risk and the store: equal, or where they first part."""

import json
import shutil
import subprocess
import sys

import ledger_flow as flow
import numpy as np
import pyarrow.parquet as pq
import pytest

from openoutcry.ledger.follow import follow
from openoutcry.ledger.reconcile import Reconciliation, stops
from openoutcry.ledger.standing import at, at_the_begin, folder_of, save
from openoutcry.risk import layout as risk_layout
from openoutcry.risk.region import View

EVERY = 4_000


@pytest.fixture(scope="module")
def stored(day, tmp_path_factory):
    home = shutil.copytree(day, tmp_path_factory.mktemp("stored") / "day")
    follow(home, None, True, lambda: True, print, EVERY)
    return home


def test_all_four_are_equal(stored, outcry):
    done = outcry("reconcile", stored)
    assert done.returncode == 0, done.stderr
    assert "equal up to command 20,000: journal, ledger, the core's risk, store" in done.stdout
    assert ", 0 behind" in done.stdout


def test_without_a_store_three_are(day, outcry_json):
    found = outcry_json("reconcile", day)
    assert (found["seq"], found["store_event_seq"], found["difference"]) == (20_000, None, None)


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
    done = outcry("reconcile", home, "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)["difference"]
    following = seq if fault != "doubled" else found["event_seq"]
    assert found["event_seq"] == following
    assert seq <= found["event_seq"] <= seq + 20
    assert found["what"]


def test_a_core_whose_balance_is_another_is_found_at_its_command(day):
    """Somebody's balance is one more than it should be from command 9,000 on."""

    def faulty(directory):
        found = at_the_begin(directory)
        engine, real = found.point.engine, found.point.engine.process

        def process(orders, *more):
            events = real(orders, *more)
            if orders["seq"][0] <= 9_000 <= orders["seq"][-1]:
                View(engine.region).participants[7, risk_layout.BALANCE // 8] += 1
            return events

        engine.process = process
        return found

    # One command at a time, as when the stretch is gone through again.
    verdict = Reconciliation(day, None, faulty, every=3_000).advance()
    assert verdict.difference.seq == 9_000
    assert verdict.difference.what.startswith("balance of participant 7: the ledger has")


def test_it_goes_along_and_a_checkpoint_does_not_hide_anything(day, tmp_path):
    home, turns = shutil.copytree(day, tmp_path / "day"), iter([True, True, False])
    save(at(home, 10_000))
    found = list(stops(home, None, lambda: next(turns)))
    assert [verdict.seq for verdict in found] == [20_000]
    assert found[0].difference is None


def test_the_command_goes_along_until_it_is_asked_to_end(stored):
    words = [sys.executable, "-m", "openoutcry", "reconcile", str(stored), "--follow", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        first = json.loads(child.stdout.readline())
        child.terminate()
        assert child.wait(60) == 0
    assert first["difference"] is None
    assert first["seq"] == flow.COMMANDS
    assert np.int64(first["event_seq"]) > 0
