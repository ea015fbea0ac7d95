"""The page of red and green has every alarm of the rules, and judges each at its edge."""

import re

import numpy as np
import pytest
import yaml
from prometheus_client.core import GaugeMetricFamily

from openoutcry.operations.alarms import ALARMS, Gauge, rule_file, wanted
from openoutcry.operations.metrics import Families
from openoutcry.operations.watch import Light, State, Watch
from openoutcry.runtime.histogram import WORDS
from tests import ROOT
from tests.support.operations.alarms import PART_STEPS, labels_of, levels_of, series_of

GAUGES = [alarm for alarm in ALARMS if isinstance(alarm.of, Gauge)]
WINDOWED = [alarm.name for alarm in ALARMS if isinstance(alarm.of, str)]
PAGE = (ROOT / "docs" / "alarms.md").read_text()


def watch_of(rows):
    """A watch over series whose values are taken in turn: each look takes the next."""
    step = iter(range(3 * PART_STEPS))

    def collect():
        at, families = next(step), {}
        for (name, labels), values in rows.items():
            row = dict(sorted(labels))
            family = families.setdefault(name, GaugeMetricFamily(name, "x", labels=list(row)))
            family.add_metric(list(row.values()), values[at])
        return families.values()

    return Watch(collect)


@pytest.mark.parametrize("alarm", GAUGES, ids=lambda one: one.name)
def test_the_page_turns_red_at_the_edge_and_green_again(alarm):
    """Over the series over which Prometheus judges the rules, and another series of that metric."""
    rows = series_of(alarm, levels_of(alarm))
    other = {"venue": "OTHER"}
    for name, labels in list(rows):
        quiet = rows[name, labels][0]
        rows[name, frozenset((dict(labels) | other).items())] = [quiet] * 3 * PART_STEPS
    watch, changes, red = watch_of(rows), [], []
    assert watch.lights[alarm.name] is Light.UNKNOWN
    for step in range(3 * PART_STEPS):
        for one in watch.poll():
            if one.alarm is alarm:
                changes.append((step, one.state, dict(one.labels)))
        red += [step] if watch.lights[alarm.name] is Light.RED else []
        assert watch.lights[alarm.name] in (Light.RED, Light.GREEN)
    labels = labels_of(alarm)
    assert changes == [
        (PART_STEPS, State.FIRING, labels),
        (2 * PART_STEPS, State.RESOLVED, labels),
    ]
    assert red == list(range(PART_STEPS, 2 * PART_STEPS))


def test_a_gauge_takes_only_the_series_with_its_labels():
    state = Gauge("a", (("state", "dead"),))
    dead, there = frozenset({("state", "dead"), ("venue", "X")}), frozenset({("state", "open")})
    assert state.values({"a": {dead: 1.0, there: 2.0}}) == {dead: 1.0}
    assert Gauge("a", whole="b").values({"a": {there: 1.0, dead: 1.0}, "b": {there: 0.0}}) == {}


def test_the_page_has_every_rule_or_names_it_as_needing_prometheus():
    """The page, the rules and docs/alarms.md have the same alarms with the same severities."""
    watch = Watch(list)
    watch.poll()
    page = {row["name"]: row for row in watch.page()}
    rules = yaml.safe_load(rule_file())["groups"][0]["rules"]
    assert [
        (rule["alert"], rule["labels"]["severity"], rule["annotations"]["summary"])
        for rule in rules
    ] == [(row["name"], row["severity"], row["summary"]) for row in page.values()]
    needs = [name for name, row in page.items() if row["light"] == Light.NEEDS_PROMETHEUS]
    assert needs == WINDOWED
    assert all(page[alarm.name]["light"] == Light.UNKNOWN for alarm in GAUGES)
    for alarm, rule in zip(ALARMS, rules, strict=True):
        assert ("[" in rule["expr"]) == (alarm.name in WINDOWED), "a window of time"
        assert rule["expr"].endswith(f" {alarm.sign} {alarm.threshold:.10g}")


def test_the_runbooks_name_what_needs_prometheus():
    (sentence,) = re.findall(r"need Prometheus: (.*?)\.\s", PAGE, re.S)
    assert re.findall(r"`(\w+)`", sentence) == WINDOWED


def test_names_are_distinguished_and_each_has_a_runbook():
    """docs/alarms.md has a heading for each alarm, and none for what is no alarm."""
    headings = [line[4:] for line in PAGE.splitlines() if line.startswith("### ")]
    assert headings == [alarm.name for alarm in ALARMS]


def test_a_page_collects_what_its_alarms_look_at_and_nothing_else():
    looked_at = {name for alarm in GAUGES for name in re.findall(r"outcry_\w+", alarm.promql())}
    assert set(wanted()) == looked_at
    out, words = Families(wanted=wanted()), np.zeros(WORDS, np.int64)
    out.histogram("outcry_latency_seconds", "", words, stage="matcher")
    out.counter("outcry_commands", "", 1.0, venue="X")
    for state in ("open", "dead"):
        out.gauge("outcry_venue_state", "", 1.0, venue="X", state=state)
    rows = [
        (sample.name, sample.labels)
        for family in out.families.values()
        for sample in family.samples
    ]
    assert rows == [("outcry_venue_state", {"venue": "X", "state": "dead"})]
