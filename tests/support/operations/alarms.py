"""What the tests of alarms in several tiers share."""

from openoutcry.operations import expressions
from openoutcry.operations.alarms import Alarm

STEP_S, PART_STEPS = 10, 90
"""Quiet, beyond the threshold, quiet again: each 15 minutes, longer than any alarm's window."""
VENUE = {"venue": "TEST"}
HAIR = 1e-3


def series_of(of, levels):
    """The input series, (name, labels) -> values, with which the expression has these levels."""
    match of:
        case expressions.Now():
            return {(of.name, frozenset((VENUE | dict(of.labels)).items())): levels}
        case expressions.Absolute():
            return series_of(of.of, [-level for level in levels])
        case expressions.Used():
            return series_of(of.free, [1 - level for level in levels])
        case expressions.Rate():
            return {(of.name, frozenset((VENUE | dict(of.labels)).items())): grown(levels)}
        case expressions.Increase():
            return {(of.name, frozenset(VENUE.items())): grown([level / 60 for level in levels])}
        case expressions.Share(part=expressions.Total(of=part)):
            (mode,) = part.labels
            rest = expressions.Rate(part.name, part.window_s, ((mode[0], "rest"),))
            return series_of(part, levels) | series_of(rest, [1 - level for level in levels])
        case expressions.Share():
            return series_of(of.part, levels) | series_of(of.whole, [1.0] * len(levels))
        case expressions.Quantile():
            series = {}
            for number, level in enumerate(sorted(set(levels))):
                # While the level is this one, all observations fall below the edge that gives it.
                edges = [one / of.q for one in sorted(set(levels))]
                for edge in (*edges, float("inf")):
                    text = "+Inf" if edge == float("inf") else f"{edge:.12g}"
                    key = (
                        f"{of.name}_bucket",
                        frozenset((VENUE | dict(of.labels) | {"le": text}).items()),
                    )
                    here = [
                        1.0 if one == level and edge >= edges[number] else 0.0 for one in levels
                    ]
                    before = series.get(key, [0.0] * len(levels))
                    series[key] = [a + b for a, b in zip(before, here, strict=True)]
            return {key: grown(values) for key, values in series.items()}
        case expressions.Predicted():
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
    if isinstance(alarm.of, expressions.Quantile):
        # Between the edges of a bucket a quantile is a guess: the edges are set apart.
        quiet, loud = alarm.threshold / 2, alarm.threshold * (1 + HAIR)
    return [quiet] * PART_STEPS + [loud] * PART_STEPS + [quiet] * PART_STEPS


def labels_of(alarm):
    """Return the labels of the series that the alarm fires for."""
    if isinstance(alarm.of, expressions.Share) and isinstance(alarm.of.part, expressions.Total):
        return {}
    return VENUE | dict(getattr(alarm.of, "labels", ()))
