"""What the tests of alarms in several tiers share."""

import re

from openoutcry.operations.alarms import HOUR_S, Alarm, Gauge
from tests.support.operations.alarm_looks import STEP_S

PART_STEPS = 90
"""Quiet, beyond the threshold, quiet again: each 15 minutes, longer than any alarm's window."""
VENUE = {"venue": "TEST"}
HAIR = 1e-3


def key(name, labels=()):
    return name, frozenset((VENUE | dict(labels)).items())


def series_of(alarm, levels):
    """The input series, (name, labels) -> values, with which the expression has these levels."""
    of, ones = alarm.of, [1.0] * len(levels)
    if isinstance(of, Gauge):
        values = [-level for level in levels] if of.absolute else levels
        whole = {key(of.whole): ones} if of.whole else {}
        return {key(of.name, of.labels): values} | whole
    parts = re.findall(r'(outcry_\w+)(?:{(\w+)="(\w+)"})?\[', of)
    name, label, value = parts[0]
    own = key(name, [(label, value)] if label else ())
    if of.startswith("histogram_quantile(0.99,"):
        return buckets(name, {label: value}, levels)
    if of.startswith("predict_linear("):
        left, values = 1e9, []
        for level in levels:
            left += -1.2e9 / HOUR_S * STEP_S if level < 0 else 0.0
            values.append(left)
        return {own: values}
    if of.startswith("increase("):
        return {own: grown([level / 60 for level in levels])}
    if of.startswith("sum("):
        rest = key(name, [(label, "rest")])
        return {own: grown(levels), rest: grown([1 - level for level in levels])}
    whole = {key(parts[1][0]): grown(ones)} if len(parts) > 1 else {}
    assert of.startswith("rate("), of
    return {own: grown(levels)} | whole


def buckets(name, labels, levels):
    """While the level is this one, all observations fall below the edge that gives it."""
    series, different = {}, sorted(set(levels))
    edges = [one / 0.99 for one in different]
    for number, level in enumerate(different):
        for edge in (*edges, float("inf")):
            text = "+Inf" if edge == float("inf") else f"{edge:.12g}"
            row = key(name, labels | {"le": text})
            here = [1.0 if one == level and edge >= edges[number] else 0.0 for one in levels]
            before = series.get(row, [0.0] * len(levels))
            series[row] = [a + b for a, b in zip(before, here, strict=True)]
    return {row: grown(values) for row, values in series.items()}


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
        "<": (alarm.threshold * (1 + HAIR) or 1.0, alarm.threshold * (1 - HAIR) or -1.0),
    }[alarm.sign]
    if "quantile" in alarm.promql():
        # Between the edges of a bucket a quantile is a guess: the edges are set apart.
        quiet, loud = alarm.threshold / 2, alarm.threshold * (1 + HAIR)
    return [quiet] * PART_STEPS + [loud] * PART_STEPS + [quiet] * PART_STEPS


def labels_of(alarm):
    """Return the labels of the series that the alarm fires for."""
    if isinstance(alarm.of, str):
        stage = re.search(r'stage="(\w+)"', alarm.of)
        shared = {} if alarm.of.startswith("sum(") else VENUE
        return shared | ({"stage": stage[1]} if stage else {})
    return VENUE | dict(alarm.of.labels)
