"""The charts of benchmark reports, in the style of the run's report."""

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from openoutcry.report.charts import (
    Frame,
    Tick,
    both,
    nice_ticks,
)
from openoutcry.report.core_map import SHADES
from openoutcry.report.page import escaped
from openoutcry.report.quantity import compact, duration

FIGURES = (("p50", "s0"), ("p99", "s1"), ("p999", "s3"))


def _decades(low: float, high: float, text: Any) -> list[Tick]:
    return [(power, text(10.0**power)) for power in range(math.floor(low), math.ceil(high) + 1)]


def rate_chart(rungs: Sequence[dict[str, Any]], knee: float | None) -> Markup | None:
    """p50, p99 and p99.9 of the whole span against the rate, both logarithmic; the knee marked."""
    if len(rungs) < 2:
        return None
    xs = [math.log10(rung["rate"]) for rung in rungs]
    ys = [math.log10(max(rung[name], 1)) for rung in rungs for name, _ in FIGURES]
    x_range = (math.floor(min(xs)), math.ceil(max(xs)))
    y_range = (math.floor(min(ys)), math.ceil(max(ys)))

    def draw(frame: Frame) -> None:
        frame.axes(
            _decades(*x_range, lambda value: f"{compact(value)}/s"),
            _decades(*y_range, duration),
            "commands a second asked for",
            "latency",
        )
        for name, css in FIGURES:
            points = [
                (x, math.log10(max(rung[name], 1))) for x, rung in zip(xs, rungs, strict=True)
            ]
            frame.line(points, css, name)
        if knee:
            at = math.log10(knee)
            frame.line([(at, y_range[0]), (at, y_range[1])], "target", "the knee")

    return both(
        "Latency against rate", x_range, (y_range[0], max(y_range[1], y_range[0] + 1)), draw
    )


def waterfall(stages: Sequence[dict[str, Any]], figure: str) -> Markup:
    """The stages one after the other, each bar as long as its figure: where the time goes."""
    parts = [stage for stage in stages if stage["name"] not in ("whole", "release")]
    total = sum(stage[figure] for stage in parts) or 1
    at = 0.0
    rows = []
    for index, stage in enumerate(parts):
        width = 100 * stage[figure] / total
        rows.append(
            f'<tr><td>{escaped(stage["name"])}</td><td class="n">{duration(stage[figure])}</td>'
            f'<td style="width: 62%"><span class="bar s{index}" style="margin-left: {at:.2f}%; '
            f'width: {width:.2f}%; background: var(--c)"></span></td></tr>'
        )
        at += width
    return Markup(
        f'<div class="scroll"><table class="shares"><tbody>{"".join(rows)}</tbody></table></div>'
    )


def heat_chart(heat: dict[str, Any]) -> Markup | None:
    """Latency over time: the darker, the more commands (logarithmic)."""
    edges, starts, counts = heat["edges_ns"], heat["t_s"], heat["counts"]
    most = max((count for row in counts for count in row), default=0)
    if not most or len(starts) < 2:
        return None
    step = starts[1] - starts[0]
    low, high = math.log10(edges[0]), math.log10(edges[-1] * math.sqrt(2))
    end = starts[-1] + step

    def draw(frame: Frame) -> None:
        for row, edge in enumerate(edges):
            above = edges[row + 1] if row + 1 < len(edges) else edge * math.sqrt(2)
            top, bottom = frame.y(math.log10(above)), frame.y(math.log10(edge))
            for column, count in enumerate(counts[row]):
                if count:
                    x = frame.x(starts[column])
                    width = frame.x(starts[column] + step) - x
                    frame.parts.append(
                        f'<rect class="h{_shade(count, most)}" x="{x:.1f}" y="{top:.1f}" '
                        f'width="{width:.1f}" height="{bottom - top:.1f}"/>'
                    )
        ticks = [(t, f"{t:g}") for t in nice_ticks(0, end, 8) if t <= end]
        frame.axes(
            ticks, _decades(math.ceil(low), math.floor(high), duration), "seconds", "latency"
        )

    return both("Latency over time, by how many commands had it", (0, end), (low, high), draw)


def _shade(count: float, most: float) -> int:
    return round((SHADES - 1) * math.log1p(count) / math.log1p(most))
