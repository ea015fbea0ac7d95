"""Every alarm fires at its edge and clears, by Prometheus's own judgement and by ours alike."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.core import GaugeMetricFamily

from openoutcry.operations import expressions
from openoutcry.operations.alarms import ALARMS, names_of, wanted_by
from openoutcry.operations.evaluate import Evaluator, State
from openoutcry.operations.expressions import History
from openoutcry.operations.metrics import Families
from openoutcry.runtime.histogram import WORDS
from tests import ROOT
from tests.support.operations.alarms import PART_STEPS, STEP_S, labels_of, levels_of, series_of


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda one: one.name)
def test_the_evaluator_says_the_same(alarm):
    """Ours, over the same series: it fires in the second part alone, once, behind its patience."""
    rows = series_of(alarm.of, levels_of(alarm))
    history, evaluator, changes, held = History(660), Evaluator((alarm,)), [], []
    for step in range(3 * PART_STEPS):
        families = {}
        for (name, labels), values in rows.items():
            row = dict(sorted(labels))
            family = families.setdefault(name, GaugeMetricFamily(name, "x", labels=list(row)))
            family.add_metric(list(row.values()), values[step])
        history.add(step * STEP_S, families.values())
        held += [step] if alarm.holds(history) else []
        changes += [
            (step, one.state, dict(one.labels))
            for one in evaluator.evaluate(history, step * STEP_S)
        ]
        assert bool(evaluator.firing) == (len(changes) == 1)
    assert [state for _, state, _ in changes] == [State.FIRING, State.RESOLVED]
    (begun, _, labels), (over, _, _) = changes
    assert labels == labels_of(alarm)
    assert held[0] >= PART_STEPS
    assert begun == held[0] + -(-alarm.for_s // STEP_S), "at the first look behind its patience"
    assert begun < 2 * PART_STEPS <= over


def test_a_counter_that_begins_again_has_lost_nothing():
    points = [(0.0, 10.0), (1.0, 12.0), (2.0, 3.0), (3.0, 4.0)]
    assert expressions.gained(points) == 2 + 3 + 1


def test_names_are_distinguished_and_each_has_a_runbook():
    """docs/alarms.md has a heading for each alarm, and none for what is no alarm."""

    page = (ROOT / "docs" / "alarms.md").read_text()
    headings = [line[4:] for line in page.splitlines() if line.startswith("### ")]
    assert headings == [alarm.name for alarm in ALARMS]


def naive(scrapes, name, window_s):
    """The points of each series within a window, by going through every scrape."""
    series = {}
    for at_s, taken in scrapes:
        if at_s >= scrapes[-1][0] - window_s:
            for (of, labels), value in taken.items():
                if of == name:
                    series.setdefault(labels, []).append((at_s, value))
    return {labels: points for labels, points in series.items() if len(points) > 1}


@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.lists(st.integers(0, 9), min_size=4, max_size=4)),
        min_size=1,
        max_size=120,
    )
)
def test_a_history_by_series_is_one_by_scrapes(steps):
    """Counters that begin anew, series that are missing for a while, points that are too old."""
    history, scrapes, at_s = History(60.0), [], 0.0
    counts = [0] * 4
    for seconds, gains in steps:
        at_s += seconds
        taken = {}
        for number, gain in enumerate(gains):
            counts[number] = 0 if gain == 8 else counts[number] + gain
            if gain != 9:
                name, place = ("a", "b")[number % 2], frozenset({("number", str(number))})
                taken[name, place] = float(counts[number])
        families = []
        for (name, place), value in taken.items():
            family = GaugeMetricFamily(name, "", labels=[key for key, _ in place])
            family.add_metric([value for _, value in place], value)
            families.append(family)
        history.add(at_s, families)
        scrapes.append((at_s, taken))
    for window_s in (30, 60):
        expected = naive(scrapes, "a", window_s)
        assert expressions.Increase("a", window_s).values(history) == {
            labels: expressions.gained(points) for labels, points in expected.items()
        }
        assert expressions.Rate("a", window_s, (("number", "2"),)).values(history) == {
            labels: expressions.gained(points) / (points[-1][0] - points[0][0])
            for labels, points in expected.items()
            if ("number", "2") in labels
        }
    newest = {labels: value for (name, labels), value in scrapes[-1][1].items() if name == "b"}
    assert expressions.Now("b").values(history) == newest


def test_a_watch_collects_what_its_alarms_look_at_and_nothing_else():
    wanted, words = wanted_by(ALARMS), np.zeros(WORDS, np.int64)
    ends = re.compile("_(total|bucket)$")
    looked_at = {ends.sub("", name) for name in names_of(ALARMS) if name.startswith("outcry_")}
    assert set(wanted) == looked_at
    out = Families(wanted=wanted)
    for stage in ("matcher", "gateway", "feed", "fix-4.4"):
        out.histogram("outcry_latency_seconds", "", words, stage=stage)
    out.counter("outcry_commands", "", 1.0, venue="X")
    out.gauge("outcry_scrape_seconds", "", 1.0)
    rows = {
        (sample.name, sample.labels.get("stage"))
        for family in out.families.values()
        for sample in family.samples
    }
    assert {name for name, _ in rows} >= {"outcry_commands_total", "outcry_latency_seconds_bucket"}
    assert {stage for _, stage in rows} == {None, "matcher", "gateway", "feed"}
    assert "outcry_scrape_seconds" not in out.families
