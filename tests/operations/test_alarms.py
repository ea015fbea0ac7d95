"""Every alarm fires at its edge and clears, by Prometheus's own judgement and by ours alike."""

import subprocess
from shutil import which

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.core import GaugeMetricFamily

from openoutcry.operations import expressions as ex
from openoutcry.operations.alarms import ALARMS, Alarm, rule_file
from openoutcry.operations.evaluate import Evaluator, State
from openoutcry.operations.expressions import History

STEP_S, PART_STEPS = 10, 90
"""Quiet, beyond the threshold, quiet again: each 15 minutes, longer than any alarm's window."""
VENUE = {"venue": "TEST"}
HAIR = 1e-3

needs_promtool = pytest.mark.skipif(which("promtool") is None, reason="no promtool (prometheus)")


def series_of(of, levels):
    """The input series, (name, labels) -> values, with which the expression has these levels."""
    match of:
        case ex.Now():
            return {(of.name, frozenset((VENUE | dict(of.labels)).items())): levels}
        case ex.Absolute():
            return series_of(of.of, [-level for level in levels])
        case ex.Used():
            return series_of(of.free, [1 - level for level in levels])
        case ex.Rate():
            return {(of.name, frozenset((VENUE | dict(of.labels)).items())): grown(levels)}
        case ex.Increase():
            return {(of.name, frozenset(VENUE.items())): grown([level / 60 for level in levels])}
        case ex.Share(part=ex.Total(of=part)):
            (mode,) = part.labels
            rest = ex.Rate(part.name, part.window_s, ((mode[0], "rest"),))
            return series_of(part, levels) | series_of(rest, [1 - level for level in levels])
        case ex.Share():
            return series_of(of.part, levels) | series_of(of.whole, [1.0] * len(levels))
        case ex.Quantile():
            series = {}
            for number, level in enumerate(sorted(set(levels))):
                # While the level is this one, all observations fall below the edge that gives it.
                edges = [one / of.q for one in sorted(set(levels))]
                for edge in (*edges, float("inf")):
                    text = "+Inf" if edge == float("inf") else f"{edge:.12g}"
                    key = (f"{of.name}_bucket",
                           frozenset((VENUE | dict(of.labels) | {"le": text}).items()))  # fmt: skip
                    here = [1.0 if one == level and edge >= edges[number] else 0.0
                            for one in levels]  # fmt: skip
                    before = series.get(key, [0.0] * len(levels))
                    series[key] = [a + b for a, b in zip(before, here, strict=True)]
            return {key: grown(values) for key, values in series.items()}
        case ex.Predicted():
            left, values = 1e9, []
            for level in levels:
                left += -1.2e9 / of.ahead_s * STEP_S if level < 0 else 0.0
                values.append(left)
            return {(of.name, frozenset(VENUE.items())): values}
    raise AssertionError(of)


def grown(slopes):
    """A counter that grows by these, a second."""
    total, values = 0.0, []
    for slope in slopes:
        total += slope * STEP_S
        values.append(total)
    return values


def levels_of(alarm: Alarm):
    """Just not enough, just enough, just not enough."""
    quiet, loud = {
        "==": (1 - alarm.threshold, alarm.threshold),
        ">": (alarm.threshold * (1 - HAIR), alarm.threshold * (1 + HAIR) or 1.0),
        "<": (alarm.threshold + 1, alarm.threshold - 1),
    }[alarm.sign]
    if isinstance(alarm.of, ex.Quantile):
        # Between the edges of a bucket a quantile is a guess: the edges are set apart.
        quiet, loud = alarm.threshold / 2, alarm.threshold * (1 + HAIR)
    return [quiet] * PART_STEPS + [loud] * PART_STEPS + [quiet] * PART_STEPS


def labels_of(alarm):
    """Of the series that the alarm fires for."""
    if isinstance(alarm.of, ex.Share) and isinstance(alarm.of.part, ex.Total):
        return {}
    return VENUE | dict(getattr(alarm.of, "labels", ()))


@pytest.mark.long
@needs_promtool
def test_prometheus_says_the_same_at_every_edge(tmp_path):
    """promtool runs the rule file over each alarm's series: quiet, firing, quiet."""
    (tmp_path / "rules.yml").write_text(rule_file())
    checked = subprocess.run(["promtool", "check", "rules", "rules.yml"], cwd=tmp_path,
                             capture_output=True, text=True, timeout=60)  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(ALARMS)} rules found" in checked.stdout + checked.stderr
    document = {"rule_files": ["rules.yml"], "evaluation_interval": f"{STEP_S}s", "tests": []}
    for alarm in ALARMS:
        rows = [
            {
                "series": ex.selector(name, dict(labels)),
                "values": " ".join(f"{v:.15g}" for v in row),
            }
            for (name, labels), row in series_of(alarm.of, levels_of(alarm)).items()
        ]
        fires = {
            # The rule's label stands over a sample's own of that name.
            "exp_labels": labels_of(alarm) | {"severity": alarm.severity},
            "exp_annotations": {"summary": alarm.summary,
                                "runbook_url": f"docs/alarms.md#{alarm.name.lower()}"},
        }  # fmt: skip
        looks = [(1, []), (2, [fires]), (3, [])]
        document["tests"].append({
            "interval": f"{STEP_S}s",
            "input_series": rows,
            "alert_rule_test": [
                {"eval_time": f"{(part * PART_STEPS - 1) * STEP_S}s", "alertname": alarm.name,
                 "exp_alerts": expected}
                for part, expected in looks
            ],
        })  # fmt: skip
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(document))
    tested = subprocess.run(["promtool", "test", "rules", "tests.yml"], cwd=tmp_path,
                            capture_output=True, text=True, timeout=120)  # fmt: skip
    assert tested.returncode == 0, tested.stdout[-4000:] + tested.stderr[-4000:]


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
        changes += [(step, one.state, dict(one.labels)) for one in
                    evaluator.evaluate(history, step * STEP_S)]  # fmt: skip
        assert bool(evaluator.firing) == (len(changes) == 1)
    assert [state for _, state, _ in changes] == [State.FIRING, State.RESOLVED]
    (begun, _, labels), (over, _, _) = changes
    assert labels == labels_of(alarm)
    assert held[0] >= PART_STEPS
    assert begun == held[0] + -(-alarm.for_s // STEP_S), "at the first look behind its patience"
    assert begun < 2 * PART_STEPS <= over


def test_a_counter_that_begins_anew_has_lost_nothing():
    points = [(0.0, 10.0), (1.0, 12.0), (2.0, 3.0), (3.0, 4.0)]
    assert ex.gained(points) == 2 + 3 + 1


def test_names_are_told_apart_and_each_has_a_runbook():
    """docs/alarms.md has a heading for each alarm, and none for what is no alarm."""
    from pathlib import Path

    page = (Path(__file__).resolve().parents[2] / "docs" / "alarms.md").read_text()
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


@given(st.lists(
    st.tuples(st.integers(1, 40), st.lists(st.integers(0, 9), min_size=4, max_size=4)),
    min_size=1, max_size=120,
))  # fmt: skip
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
        assert ex.Increase("a", window_s).values(history) == {
            labels: ex.gained(points) for labels, points in expected.items()
        }
        assert ex.Rate("a", window_s, (("number", "2"),)).values(history) == {
            labels: ex.gained(points) / (points[-1][0] - points[0][0])
            for labels, points in expected.items() if ("number", "2") in labels
        }  # fmt: skip
    newest = {labels: value for (name, labels), value in scrapes[-1][1].items() if name == "b"}
    assert ex.Now("b").values(history) == newest
