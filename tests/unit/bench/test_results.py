"""bench/results.py: one shape, honest errors, and no file that a reader stumbles over."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.bench import results
from openoutcry.bench.results import (
    UNITS,
    ResultError,
    missing,
    read_document,
    summarise,
)
from openoutcry.report import goals
from openoutcry.report.tables import _met
from tests import ROOT
from tests.support.bench.results import OURS, PEER


def test_a_figure_has_its_median_its_quartiles_and_its_count():
    """The summary of known rounds is known, key by key."""
    assert summarise("round trip", "ns", "lower", OURS) == {
        "name": "round trip",
        "unit": "ns",
        "better": "lower",
        "median": 100.0,
        "spread": [95.0, 105.0],
        "samples": 5,
        "rounds": OURS,
        "against": {},
    }


def test_ratio_is_taken_round_by_round():
    """A host that slows down both in one round leaves the ratio alone: it is the median of the
    rounds' ratios, not the ratio of the medians."""
    ours, peer = [10.0, 1000.0, 10.0], [20.0, 2000.0, 1.0]
    against = summarise("x", "ns", "lower", ours, {"peer": peer})["against"]["peer"]
    assert against["ratio"] == 0.5
    assert against["median"] == 20.0
    steady = summarise("x", "ns", "lower", OURS, {"peer": PEER})["against"]["peer"]
    assert steady["interval"] == [0.5, 0.5]


def test_interval_is_repeatable_and_tightens_with_rounds():
    """The same seed gives the same interval; ten times the rounds give a narrower one."""
    ratios = np.random.default_rng(5).normal(1.0, 0.2, 400)
    few, many = results.ratio_interval(ratios[:40], 1), results.ratio_interval(ratios, 1)
    assert few == results.ratio_interval(ratios[:40], 1)
    assert many[1] - many[0] < few[1] - few[0]


def test_one_round_gives_no_interval():
    """Nothing is said about the next round when there was only one."""
    one = summarise("x", "1/s", "higher", [5.0], {"peer": [4.0]})
    assert one["against"]["peer"]["interval"] is None
    results.check_result(one, "here")


def test_interval_holds_the_true_ratio_about_as_often_as_it_says():
    """In 200 seeded experiments with a known true ratio, a 95 % interval misses few, and it is
    narrow enough to miss some."""
    random = np.random.default_rng(11)
    hits = 0
    for _ in range(200):
        low, high = results.ratio_interval(np.exp(random.normal(0.0, 0.1, 15)), 1)
        hits += low <= 1.0 <= high
    assert 176 <= hits <= 199


@given(st.lists(st.tuples(st.floats(1e-3, 1e9), st.floats(1e-3, 1e9)), min_size=2, max_size=12))
def test_the_ratio_lies_in_its_interval_and_the_median_in_its_spread(rounds):
    """Whatever the rounds were, the figures stand in order, and the shape's own check passes."""
    ours, peer = zip(*rounds, strict=True)
    one = summarise("x", "ns", "lower", ours, {"peer": peer})
    low, high = one["against"]["peer"]["interval"]
    assert low <= one["against"]["peer"]["ratio"] <= high
    assert one["spread"][0] <= one["median"] <= one["spread"][1]
    assert json.loads(json.dumps(one)) == one


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unit": "h"}, "unit 'h' is not one of ns, 1/s"),
        ({"better": "faster"}, "better 'faster' is neither"),
        ({"name": ""}, "name is empty"),
        ({"ours": []}, "ours has no rounds"),
        ({"ours": [1.0, float("nan")]}, "ours, round 1: nan is not a number"),
        ({"peers": {"boost": [1.0]}}, "boost has 1 rounds and ours has 2"),
        ({"peers": {"boost": [1.0, 0.0]}}, "boost, round 1: 0.0 has no ratio"),
    ],
)
def test_what_cannot_be_summed_up_is_refused(changes, message):
    """Each refusal names the figure, the peer or the round."""
    arguments = {"name": "x", "unit": "ns", "better": "lower", "ours": [1.0, 2.0]} | changes
    with pytest.raises(ResultError, match=message.replace("/", "[/]")):
        summarise(**arguments)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON: line 1"),
        (b'{"subject": 1,\n oops}', "is not JSON: line 2"),
        (b"[1, 2]", "is not a bench document"),
        (b"\xff\xfe", "is not text: byte 0"),
    ],
)
def test_a_foreign_file_is_refused(tmp_path, content, message):
    """Empty, foreign and binary files each get a sentence, not a stack trace."""
    path = tmp_path / "foreign"
    path.write_bytes(content)
    with pytest.raises(ResultError, match=message):
        read_document(path)


def test_a_missing_file_is_named(tmp_path):
    """The path asked for is in the message."""
    with pytest.raises(ResultError, match=r"cannot read .*gone\.json: No such file"):
        read_document(Path(tmp_path, "gone.json"))


def test_a_missing_figure_needs_a_reason():
    """A gap without a why is no gap but a hole."""
    with pytest.raises(ResultError, match="the reason"):
        missing("far", "")


def test_every_bench_measures_in_units_that_a_document_takes():
    """Else the figures of many minutes are refused at the end."""
    added = re.compile(r'\badd\(\s*f?"[^"]*",\s*"([^"]+)",\s*"(?:lower|higher)"')
    for path in sorted((ROOT / "bench").glob("*.py")):
        assert set(added.findall(path.read_text())) <= set(UNITS), path.name


def test_every_goal_can_be_judged():
    rows = [row for name, rows in vars(goals).items() if name.endswith("_ROWS") for row in rows]
    assert len(rows) > 100
    for _, _, what, goal in rows:
        assert _met([1.0, 1.0], goal) in ("met", "missed", ""), what
