"""bench/jitter.py, cores.py, corewatch.py: gaps are found, and given their cause."""

import os

import pytest

from openoutcry.bench import jitter
from openoutcry.bench.jitter import bench_jitter
from openoutcry.bench.results import check_document


@pytest.mark.long
def test_the_subject_has_every_cores_figures():
    """One quick round: the document holds, and each core has its share lost and its causes."""
    document = bench_jitter(1, True, "outcry bench jitter", lambda text: None)
    check_document(document, "here")
    names = {row["name"] for row in document["results"]}
    for core in os.sched_getaffinity(0):
        assert {f"lost_ppb_core{core}", f"gaps_over_10us_core{core}"} <= names
        assert str(core) in document["details"]["lost_ns_by_cause"]
        rates = document["details"]["interrupts_per_s_by_name"][str(core)]
        total = next(r for r in document["results"] if r["name"] == f"interrupts_core{core}")
        assert sum(rates.values()) == pytest.approx(total["median"])
    all_names = names | {row["name"] for row in document["missing"]}
    for figures in jitter.FIGURES.values():
        assert {f"{name}_core{core}" for name, _, _ in figures} <= all_names
