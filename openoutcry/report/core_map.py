"""Round trips between cores as a heat map, the cores in the order of the groups that were measured.

Groups are outlined, and brackets above show what the kernel says of the same cores.  A topology
that a hypervisor made up is so seen to differ from the one that was measured.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from markupsafe import Markup

from openoutcry.report.page import escaped
from openoutcry.report.quantity import duration
from openoutcry.report.text import ranges

SHADES = 7
"""Steps of a heat map; a reader could not tell more apart."""
NUMBERED = 16
"""Up to this many cores each cell has room for its figure."""
CELL, SMALL_WIDTH = 36, 720
LEFT, TOP, FOOT = 62, 56, 44
NEAR = ("threads of one core", "one L1", "one L2", "one L3", "one L4", "one socket")

Runs = list[tuple[int, int]]


def core_map(details: dict[str, Any]) -> Markup:
    """The map of a ``cores`` document's details; nothing if no pair was measured."""
    cores, table = details["cores"], details["map"]
    place = {core: row for row, core in enumerate(cores)}
    groups = details.get("groups") or [cores]
    order = [core for group in groups for core in group]
    values = [value for row in table for value in row if value]
    if not values:
        return Markup("")
    cell = CELL if len(cores) <= NUMBERED else SMALL_WIDTH / len(cores)
    least, most = min(values), max(values)
    parts: list[str] = []
    for y, a in enumerate(order):
        for x, b in enumerate(order):
            if value := table[place[a]][place[b]]:
                share = (value - least) / (most - least) if most > least else 0.0
                parts.append(
                    _cell(
                        x,
                        y,
                        cell,
                        round((SHADES - 1) * share),
                        f"{value:.0f}",
                        f"cores {a} and {b}",
                    )
                )
    parts += _names(order, cell)
    parts += _outlines(groups, cell)
    parts += _brackets(shared_sets(order, details.get("relation") or {}), cell)
    parts += _legend(least, most, TOP + len(cores) * cell + 18)
    return _svg(parts, len(cores), cell)


def shared_sets(order: Sequence[int], relation: dict[str, str]) -> list[tuple[str, Runs]]:
    """Return the sets that cores share according to the kernel: (what, runs of places in ``order``)
    of each set of two and more. The farthest thing short of a socket, where there is one; else the
    socket."""
    sets: list[tuple[str, Runs]] = []
    relations = set(relation.values())
    shared = [what for what in NEAR if what in relations]
    farthest = next((what for what in reversed(shared) if what != "one socket"), None)
    what = farthest or (shared[-1] if shared else None)
    if what is None:
        return []
    within = set(NEAR[: NEAR.index(what) + 1])
    remaining = list(order)
    while remaining:
        first = remaining[0]
        mates = [
            core
            for core in remaining
            if core == first or relation.get(f"{min(first, core)}_{max(first, core)}") in within
        ]
        remaining = [core for core in remaining if core not in mates]
        if len(mates) > 1:
            sets.append((what, _runs([order.index(core) for core in mates])))
    return sets


def _runs(places: Sequence[int]) -> Runs:
    """0, 1, 2, 5 -> (0, 3), (5, 6)."""
    runs: Runs = []
    for place in sorted(places):
        if runs and runs[-1][1] == place:
            runs[-1] = (runs[-1][0], place + 1)
        else:
            runs.append((place, place + 1))
    return runs


def _cell(x: int, y: int, cell: float, shade: int, text: str, title: str) -> str:
    left, top = LEFT + x * cell, TOP + y * cell
    svg = (
        f'<rect class="core h{shade}" x="{left:.2f}" y="{top:.2f}" width="{cell:.2f}" '
        f'height="{cell:.2f}"><title>{title}: {text} ns</title></rect>'
    )
    if cell >= CELL:
        svg += (
            f'<text class="in" x="{left + cell / 2:.1f}" y="{top + cell / 2 + 5:.1f}" '
            f'text-anchor="middle">{text}</text>'
        )
    return svg


def _names(order: Sequence[int], cell: float) -> Iterator[str]:
    """Core numbers on both sides, as many as there is room for."""
    keep = max(1, math.ceil(22 / cell))
    for at, core in list(enumerate(order))[::keep]:
        middle = (at + 0.5) * cell
        yield (
            f'<text x="{LEFT + middle:.1f}" y="{TOP - 8}" text-anchor="middle">{core}</text>'
            f'<text x="{LEFT - 8}" y="{TOP + middle + 5:.1f}" text-anchor="end">'
            f"{'core ' if not at else ''}{core}</text>"
        )


def _outlines(groups: Sequence[Sequence[int]], cell: float) -> Iterator[str]:
    """A frame around each group of several cores, if there is more than one group."""
    at = 0
    for group in groups:
        side = len(group) * cell
        if len(group) > 1 and len(groups) > 1:
            corner = at * cell
            yield (
                f'<rect class="group" x="{LEFT + corner:.1f}" y="{TOP + corner:.1f}" '
                f'width="{side:.1f}" height="{side:.1f}"><title>near each other: cores '
                f"{ranges(group)}</title></rect>"
            )
        at += len(group)


def _brackets(sets: Sequence[tuple[str, Runs]], cell: float) -> Iterator[str]:
    for what, runs in sets:
        for number, (first, last) in enumerate(runs):
            left, right = LEFT + first * cell + 2, LEFT + last * cell - 2
            yield f'<path class="told" d="M{left:.1f} {TOP - 24}v-5H{right:.1f}v5"/>'
            room = right - left >= 7 * len(what)
            if not number and (room or len(sets) == 1):
                yield (
                    f'<text x="{left if not room else (left + right) / 2:.1f}" y="{TOP - 36}" '
                    f'text-anchor="{"middle" if room else "start"}">{escaped(what)}</text>'
                )


def _legend(least: float, most: float, top: float) -> Iterator[str]:
    if most <= least:
        return
    yield f'<text x="{LEFT}" y="{top + 12:.1f}">{duration(least)}</text>'
    for shade in range(SHADES):
        left = LEFT + 60 + 18 * shade
        yield (
            f'<rect class="core h{shade}" x="{left}" y="{top:.1f}" width="18" height="14"></rect>'
        )
    yield f'<text x="{LEFT + 68 + 18 * SHADES}" y="{top + 12:.1f}">{duration(most)}</text>'


def _svg(parts: Sequence[str], cores: int, cell: float) -> Markup:
    width, height = max(LEFT + cores * cell + 14, 320), TOP + cores * cell + FOOT
    # Where cells have figures the letters keep their size and a narrow page scrolls.
    size = f"width: {width:.0f}px" if cell >= CELL else f"max-width: {width:.0f}px"
    return Markup(
        f'<div class="scroll"><svg style="{size}" viewBox="0 0 {width:.0f} {height:.0f}" '
        'role="img" aria-label="Round trip of a cache line between cores">'
        f"{''.join(parts)}</svg></div>"
    )
