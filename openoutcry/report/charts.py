"""Draw a run's charts as SVG text that takes its colours from the page around it.

Each chart is drawn for a wide and for a narrow page, so that its letters stay readable on a
phone; the page shows one of them.  Series carry classes (``s0`` ... ``s7``, ``ink``, ``bid``,
``ask``) whose colours the page declares for light, dark and paper.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from openoutcry.report.page import escaped
from openoutcry.report.quantity import compact, duration

Point = tuple[float, float]
Tick = tuple[float, str]

WIDE = (960, 360)
NARROW = (380, 300)
"""Width and height in SVG units, which are CSS pixels when the page is as wide as the chart."""
MAX_POINTS = 120
"""Maximum intervals of a timeline that are drawn; more are merged, so that no count is lost."""
MAX_NINES = 8
BODY_FROM_NINES = 0.1
"""The latency axis starts below every curve from here on (the 20th percentile): a few readings of
0 ns must not take decades of room."""
DEPTH_LEVELS = 60
"""Price levels a side in the depth picture: one far order must not squeeze the market flat."""
SERIES_COUNT = 8


@dataclass
class Frame:
    """The area between the axes: maps values to SVG coordinates and collects what is drawn."""

    size: tuple[int, int]
    x_range: Point
    y_range: Point
    label: str
    css: str
    parts: list[str] = field(default_factory=list)
    left: int = 62
    right: int = 14
    top: int = 34
    bottom: int = 42

    def x(self, value: float) -> float:
        """The horizontal place of a value, in SVG units."""
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (self.size[0] - self.left - self.right)

    def y(self, value: float) -> float:
        """The vertical place of a value, in SVG units from the top."""
        low, high = self.y_range
        return self.size[1] - self.bottom - (value - low) / (high - low) * self.inner_height

    @property
    def inner_height(self) -> int:
        """Height of the area between the axes."""
        return self.size[1] - self.top - self.bottom

    def axes(self, x_ticks: Sequence[Tick], y_ticks: Sequence[Tick], x_of: str, y_of: str) -> None:
        """Grid lines, tick labels and what the axes are of."""
        right, bottom = self.size[0] - self.right, self.size[1] - self.bottom
        for value, text in y_ticks:
            at = self.y(value)
            self.parts.append(f'<path class="grid" d="M{self.left} {at:.1f}H{right}"/>')
            self._text(self.left - 8, at + 4, text, "end")
        for value, text in x_ticks:
            at = self.x(value)
            self.parts.append(f'<path class="grid" d="M{at:.1f} {self.top}V{bottom}"/>')
            self._text(at, bottom + 18, text, "middle")
        self.parts.append(f'<path class="axis" d="M{self.left} {bottom}H{right}"/>')
        self._text(right, self.size[1] - 6, x_of, "end", "of")
        self._text(4, 14, y_of, "start", "of")

    def line(self, points: Sequence[Point], css: str, title: str = "") -> None:
        """A line through ``points``, which are values, not coordinates."""
        name = f"<title>{escaped(title)}</title>" if title else ""
        self.parts.append(f'<path class="line {css}" d="{self._path(points)}">{name}</path>')

    def area(self, points: Sequence[Point], css: str) -> None:
        """The area between ``points`` and the bottom."""
        bottom = self.size[1] - self.bottom
        first, last = self.x(points[0][0]), self.x(points[-1][0])
        closed = f"{self._path(points)}L{last:.1f} {bottom}L{first:.1f} {bottom}Z"
        self.parts.append(f'<path class="area {css}" d="{closed}"/>')

    def svg(self) -> str:
        """The chart as an SVG element."""
        width, height = self.size
        return (
            f'<svg class="{self.css}" viewBox="0 0 {width} {height}" role="img" '
            f'aria-label="{escaped(self.label)}">{"".join(self.parts)}</svg>'
        )

    def _text(self, x: float, y: float, text: str, anchor: str, css: str = "tick") -> None:
        self.parts.append(
            f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
            f"{escaped(text)}</text>"
        )

    def _path(self, points: Sequence[Point]) -> str:
        """The points as a path; those that fall on the one before are left out."""
        pieces: list[str] = []
        last = (math.inf, math.inf)
        for number, (x_value, y_value) in enumerate(points):
            at = (self.x(x_value), self.y(y_value))
            near = abs(at[0] - last[0]) < 0.4 and abs(at[1] - last[1]) < 0.4
            if near and number != len(points) - 1:
                continue
            pieces.append(f"{'L' if pieces else 'M'}{at[0]:.1f} {at[1]:.1f}")
            last = at
        return "".join(pieces)


def series_class(index: int, name: str) -> str:
    """The CSS class of a series; the span over everything is drawn in the colour of the text."""
    return "ink" if name == "whole" else f"s{index % SERIES_COUNT}"


def percentile_chart(stages: Sequence[dict[str, Any]]) -> Markup | None:
    """Latency (logarithmic) by percentile on an axis of nines; one line a stage.

    Each stage needs ``name`` and ``histogram``, pairs of [upper edge in ns, count] in rising
    order; stages without values are left out.  None if no stage has any.
    """
    curves = []
    for index, stage in enumerate(stages):
        points = percentile_points(stage.get("histogram") or [], stage.get("max"))
        if points:
            curves.append((series_class(index, stage["name"]), stage["name"], points))
    if not curves:
        return None
    body = [y for _, _, points in curves for x, y in points if x >= BODY_FROM_NINES]
    low, high = math.floor(min(body)), math.ceil(max(body))
    nines = min(MAX_NINES, max(1.0, max(points[-1][0] for _, _, points in curves)))

    def draw(frame: Frame) -> None:
        frame.axes(_nines_ticks(nines), _decade_ticks(low, high), "percentile", "latency")
        for css, name, points in curves:
            frame.line([(min(x, nines), max(y, low)) for x, y in points], css, name)

    label = "Latency by percentile, one line a stage"
    return both(label, (0, nines), (low, max(high, low + 1)), draw)


def percentile_points(histogram: Sequence[Sequence[int]], maximum: int | None) -> list[Point]:
    """The percentile curve of a histogram as steps: (nines, log10 of ns).

    Nines are -log10(1 - q): 1 is the 90th percentile, 2 the 99th.  The largest value alone has
    q = 1, infinitely far to the right: the curve ends where half a value is left, on the maximum.
    """
    total = sum(count for _, count in histogram)
    points: list[Point] = []
    below = 0
    at = 0.0
    for upper, count in histogram:
        if count <= 0:
            continue
        below += count
        capped = upper if maximum is None else min(upper, maximum)
        value = math.log10(max(capped, 1))
        points.append((at, value))
        at = math.log10(2 * total) if below == total else -math.log10(1 - below / total)
        points.append((at, value))
    return points


def throughput_chart(timeline: Sequence[dict[str, Any]], rate: float | None) -> Markup | None:
    """Commands and events a second over the run; ``rate`` is what was asked for, if anything.

    ``timeline`` holds cumulative counts at rising ``t_s``.  None with fewer than two moments.
    """
    moments = _merged(timeline)
    if len(moments) < 2:
        return None
    series = {key: _rates(moments, key) for key in ("commands", "events")}
    series = {key: points for key, points in series.items() if points}
    if not series:
        return None
    peak = max(max(y for points in series.values() for _, y in points), rate or 0, 1)
    y_ticks = nice_ticks(0, peak * 1.05)
    span = (moments[0]["t_s"], moments[-1]["t_s"])

    def draw(frame: Frame) -> None:
        labels = [(value, compact(value)) for value in y_ticks]
        frame.axes(_second_ticks(span, frame), labels, "seconds", "a second")
        if "commands" in series:
            frame.area(series["commands"], "s0")
        for css, key in (("s1", "events"), ("s0", "commands")):
            if key in series:
                frame.line(series[key], css, f"{key} a second")
        if rate:
            frame.line([(span[0], rate), (span[1], rate)], "target", "asked for")

    return both("Throughput over time", span, (0, y_ticks[-1]), draw)


def fill_chart(timeline: Sequence[dict[str, Any]]) -> Markup | None:
    """Return how full each ring was over the run, in per cent.  None without a sample."""
    moments = [m for m in timeline if m.get("fill")]
    moments = _thinned(moments)
    if len(moments) < 2:
        return None
    names = ring_names(timeline)
    peak = max(100 * value for m in moments for value in m["fill"].values())
    y_ticks = nice_ticks(0, max(peak * 1.05, 1.0))
    span = (moments[0]["t_s"], moments[-1]["t_s"])

    def draw(frame: Frame) -> None:
        labels = [(value, f"{value:g} %") for value in y_ticks]
        frame.axes(_second_ticks(span, frame), labels, "seconds", "of the ring in use")
        for index, name in enumerate(names):
            # Two cursors read one after the other can pass each other: never below empty.
            points = [(m["t_s"], 100 * max(0.0, m["fill"].get(name, 0.0))) for m in moments]
            frame.line(points, f"s{index % SERIES_COUNT}", name)

    return both("How full each ring was over time", span, (0, y_ticks[-1]), draw)


def ring_names(timeline: Sequence[dict[str, Any]]) -> list[str]:
    """The rings of a timeline, in the order they first appear in."""
    return list(dict.fromkeys(name for m in timeline for name in m.get("fill") or {}))


def depth_chart(bids: Sequence[Sequence[int]], asks: Sequence[Sequence[int]]) -> Markup | None:
    """Open quantity up to each price, bids falling to the left and asks to the right.

    Both sides best first, rows of [price_ticks, qty_lots, ...].  None for an empty book.
    """
    sides = {"bid": _cumulated(bids[:DEPTH_LEVELS]), "ask": _cumulated(asks[:DEPTH_LEVELS])}
    points = [point for side in sides.values() for point in side]
    if not points:
        return None
    prices = [x for x, _ in points]
    margin = max(1.0, (max(prices) - min(prices)) * 0.02)
    x_range = (min(prices) - margin, max(prices) + margin)
    y_ticks = nice_ticks(0, max(y for _, y in points) * 1.05)

    def draw(frame: Frame) -> None:
        count = 8 if frame.size == WIDE else 4
        x_ticks = [(v, f"{v:,.0f}") for v in nice_ticks(*x_range, count, whole=True)]
        x_ticks = [tick for tick in x_ticks if x_range[0] <= tick[0] <= x_range[1]]
        labels = [(value, compact(value)) for value in y_ticks]
        frame.axes(x_ticks, labels, "price in ticks", "lots up to the price")
        for css, steps in sides.items():
            if steps:
                frame.area(steps, css)
                frame.line(steps, css, f"{css}s")

    return both("Depth of the book", x_range, (0, y_ticks[-1]), draw)


def nice_ticks(low: float, high: float, count: int = 5, *, whole: bool = False) -> list[float]:
    """About ``count`` round values from at most ``low`` to at least ``high``."""
    step = 10 ** math.floor(math.log10((high - low) / count))
    step *= next(m for m in (1, 2, 5, 10) if (high - low) / (step * m) <= count)
    if whole:
        step = max(1, round(step))
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(number * step, 12) for number in range(first, last + 1)]


def both(label: str, x_range: Point, y_range: Point, draw: Any) -> Markup:
    """The same chart for wide and for narrow pages."""
    frames = []
    for css, size in (("wide", WIDE), ("narrow", NARROW)):
        frame = Frame(size, x_range, y_range, label, css)
        draw(frame)
        frames.append(frame.svg())
    return Markup("".join(frames))


def _nines_ticks(nines: float) -> list[Tick]:
    """50, 90, 99, 99.9, ... up to that many nines."""
    ticks = [(math.log10(2), "50")]
    for number in range(1, math.floor(nines) + 1):
        digits = "9" * number if number > 1 else "90"
        ticks.append((number, digits[:2] + ("." + digits[2:] if number > 2 else "")))
    return ticks


def _decade_ticks(low: int, high: int) -> list[Tick]:
    return [(power, duration(10.0**power)) for power in range(low, max(high, low + 1) + 1)]


def _second_ticks(span: Point, frame: Frame) -> list[Tick]:
    count = 10 if frame.size == WIDE else 5
    ticks = nice_ticks(span[0], span[1], count)
    return [(t, f"{t:g}") for t in ticks if span[0] <= t <= span[1]]


def _thinned(timeline: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return at most MAX_POINTS moments, evenly taken, the last among them."""
    keep = -(-len(timeline) // MAX_POINTS) or 1
    return list(timeline[::-1][::keep][::-1])


def _merged(timeline: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Moments at strictly rising times from the run's start; counts are cumulative, so leaving
    one out merges two intervals."""
    start = {"t_s": 0.0, "commands": 0, "events": 0}
    moments = [start] if timeline and timeline[0]["t_s"] > 0 else []
    for moment in _thinned(timeline):
        if not moments or moment["t_s"] > moments[-1]["t_s"]:
            moments.append(moment)
    return moments


def _rates(moments: Sequence[dict[str, Any]], key: str) -> list[Point]:
    """Steps: each interval's mean rate from its start to its end."""
    points: list[Point] = []
    for before, after in pairwise(moments):
        if before.get(key) is None or after.get(key) is None:
            continue
        rate = (after[key] - before[key]) / (after["t_s"] - before["t_s"])
        points += [(before["t_s"], rate), (after["t_s"], rate)]
    return points


def _cumulated(levels: Sequence[Sequence[int]]) -> list[Point]:
    """Steps outward from the best price: (price, quantity up to and with it)."""
    points: list[Point] = []
    total = 0
    for price, qty, *_ in levels:
        points.append((price, total))
        total += qty
        points.append((price, total))
    return points
