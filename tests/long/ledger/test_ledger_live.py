"""A ledger that is followed while a pipeline runs: how far it is behind, and what that costs the
orders.  The figures go to docs/evidence/ledger_live.json; no timing decides."""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from openoutcry.bench.paced import SEED, WARM_S, check_spans, checked, flow, percentiles
from openoutcry.bench.risk_pipeline import hooks
from openoutcry.ledger.ledger_state import folder_of
from openoutcry.ledger.parquet_store import read_manifest
from openoutcry.ledger.reconcile import noted
from openoutcry.pipeline.recording import Recording
from openoutcry.pipeline.run import Options, run
from openoutcry.pipeline.top import attached, running_owners
from openoutcry.report.evidence import write_evidence

RATE, SECONDS, ROUNDS = 100_000, 20.0, 3
LOOK_S = 0.02
CAUGHT_UP_S, CAUGHT_UP_LAG_S = 300.0, 5.0


def seqs(journal):
    """How far the store and the reconciliation are."""
    manifest, looked = read_manifest(folder_of(journal)), noted(journal)
    return manifest["seq"] if manifest else 0, looked["seq"] if looked else 0


def look(owner_pid, journal, samples):
    """Samples until the pipeline ends: time, commands durable, in the store, compared."""
    pipeline = None
    while pipeline is None or pipeline.owner.alive():
        living = running_owners(owner_pid)
        if pipeline is None:
            pipeline = attached(living[0]) if living else None
        elif not living:
            break
        else:
            row = (time.monotonic(), pipeline.durable_seq, *seqs(journal))
            samples.append(row)
        time.sleep(LOOK_S)


def lag(samples, column):
    """Seconds since what is missing first was durable, of each look behind the first at which
    nothing much was: how long a follower takes to start is not its lag."""
    times, durable = samples[:, 0], samples[:, 1]
    first = np.searchsorted(durable, samples[:, column], "right")
    behind = times - times[np.minimum(first, len(times) - 1)]
    behind[first >= len(times)] = 0.0
    caught_up = np.flatnonzero((behind < CAUGHT_UP_LAG_S) & (samples[:, column] > 0))
    assert len(caught_up), "it never caught up: the machine has no processor left for it"
    return np.maximum(behind[caught_up[0] :], 0.0)


@contextmanager
def followed(journal, on):
    """``outcry ledger follow`` and ``outcry ledger reconcile --follow`` once there is a journal."""
    if not on:
        yield None
        return
    gathered = multiprocessing.Manager().list()
    watcher = multiprocessing.get_context("fork").Process(
        target=look, args=(os.getpid(), journal, gathered)
    )
    script = (
        f'while [ ! -e {journal}/journal.json ] && [ -z "$(ls {journal} 2>/dev/null)" ]; '
        'do sleep 0.02; done; exec "$@"'
    )
    outcry = [sys.executable, "-m", "openoutcry"]
    words = (
        [*outcry, "ledger", "follow", str(journal)],
        [*outcry, "ledger", "reconcile", str(journal), "--follow", "--json"],
    )
    children = [
        subprocess.Popen(
            ["bash", "-c", script, "follow", *one],
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for one in words
    ]
    watcher.start()
    try:
        yield gathered
    finally:
        watcher.terminate()
        watcher.join()
        for child in children:
            child.terminate()
            child.communicate(timeout=CAUGHT_UP_S)


def one(journal, on):
    """The whole span of a paced run, durable, with risk in its core; what was looked at."""
    orders, recording = int(RATE * (SECONDS + WARM_S)), Recording()
    source = flow("normal", orders)
    options = Options(
        source=source,
        orders=orders,
        seed=SEED,
        rate=RATE,
        durability="durable",
        verify=False,
        hooks=hooks(source.instruments),
        journal=journal,
        volatile_journal=True,
        recording=recording,
    )
    samples = None
    with followed(journal, on) as gathered:
        checked(run(options))
        if on:
            until = time.monotonic() + CAUGHT_UP_S
            while min(seqs(journal)) < orders and time.monotonic() < until:
                time.sleep(0.1)
            assert seqs(journal) == (orders, orders)
            assert noted(journal)["difference"] is None
            samples = np.array(list(gathered), dtype=np.float64)
    check_spans(recording)
    return percentiles(recording.spans()["whole"][int(RATE * WARM_S) :]), samples


@pytest.mark.long
def test_a_ledger_goes_along_with_a_hundred_thousand_orders_a_second():
    rounds = []
    for number in range(ROUNDS):
        figures = {}
        for on in (False, True) if number % 2 == 0 else (True, False):
            with tempfile.TemporaryDirectory(prefix="ledger-live-") as folder:
                spans, samples = one(Path(folder) / "journal", on)
            figures["followed" if on else "alone"] = spans
            if on:
                for name, column in (("store", 2), ("reconciliation", 3)):
                    behind = lag(samples, column)
                    figures[f"{name}_lag_s"] = {
                        "p50": round(float(np.median(behind)), 3),
                        "p99": round(float(np.percentile(behind, 99)), 3),
                        "max": round(float(behind.max()), 3),
                        "looks": len(behind),
                    }
        figures["ratio"] = {
            name: round(figures["followed"][name] / figures["alone"][name], 3)
            for name in ("p50", "p99")
        }
        print(json.dumps(figures))
        rounds.append(figures)
    write_evidence(
        "ledger_live",
        {"rate_per_s": RATE, "seconds": SECONDS, "rounds": rounds, "seed": SEED},
        "make test-long ARGS='tests/long/ledger/test_ledger_live.py'",
    )
