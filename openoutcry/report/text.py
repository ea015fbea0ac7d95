"""What the terminal and the page say of a document's details, in the same words."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

from openoutcry.report.quantity import quantity

BAND_CAUSES = 4
NEW_LEVEL = "a price level touched for the first time"


def beside(row: dict[str, Any], meanwhile: int | None = None) -> list[str]:
    """Return what else is known of one of the slowest commands: when it was durable and what it
    touched.

    Then what the kernel ran meanwhile, the longest first (None: all that the document has)."""
    notes = []
    durable = row["after_intended_ns"].get("durable")
    if durable is not None:
        notes.append(f"durable after {quantity(durable, 'ns')}")
    if row["new_level"]:
        notes.append(NEW_LEVEL)
    if row["page_faults"]:
        notes.append(f"page faults meanwhile: {row['page_faults']:,}")
    return notes + [_meanwhile(one) for one in row["meanwhile"][:meanwhile] if one["length_ns"]]


def _meanwhile(span: dict[str, Any]) -> str:
    name = span["kind"] if span["kind"] == span["what"] else f"{span['kind']}: {span['what']}"
    at, length = span["after_intended_ns"], quantity(span["length_ns"], "ns")
    since = f"from {quantity(at, 'ns')} on" if at >= 0 else f"since {quantity(-at, 'ns')} before"
    return f"core {span['core']}, {name} for {length} {since}"


def not_kept(tail: dict[str, Any]) -> str:
    """Return how many long steps had no room, or nothing."""
    steps = tail["steps_not_kept"]
    if not steps:
        return ""
    return f"{steps:,} long steps were not kept: their time counts as waiting for other commands."


def core_groups(details: dict[str, Any]) -> list[str]:
    """Cores that are near each other as measured, and what the kernel says of their pairs; at the
    end how far the groups are from each other."""
    groups: list[list[int]] = details.get("groups") or []
    place = {core: number for number, core in enumerate(details["cores"])}
    group_of = {core: number for number, group in enumerate(groups) for core in group}
    pairs = list(combinations(details["cores"], 2))

    def summary(chosen: Iterable[tuple[int, int]]) -> str:
        chosen = list(chosen)
        times = [details["map"][place[a]][place[b]] for a, b in chosen]
        relations = Counter(details["relation"][f"{a}_{b}"] for a, b in chosen)
        listed = ", ".join(
            f"{what} ({count:,} pairs)" if count > 1 else what
            for what, count in relations.most_common()
        )
        low, high = f"{min(times):.0f}", f"{max(times):.0f}"
        return f"{low if low == high else f'{low} to {high}'} ns; the kernel says: {listed}"

    lines = []
    for number, group in enumerate(groups):
        within = [pair for pair in pairs if group_of[pair[0]] == group_of[pair[1]] == number]
        name = f"cores {ranges(group)}" if within else f"core {group[0]}"
        lines.append(f"{name}: {summary(within) if within else 'near no other'}")
    between = [pair for pair in pairs if group_of and group_of[pair[0]] != group_of[pair[1]]]
    return lines + ([f"from group to group: {summary(between)}"] if between else [])


def ranges(cores: Sequence[int]) -> str:
    """0, 1, 2, 5 -> 0-2, 5."""
    runs: list[list[int]] = []
    for core in sorted(cores):
        if runs and core == runs[-1][-1] + 1:
            runs[-1].append(core)
        else:
            runs.append([core])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def by_length(tail: dict[str, Any]) -> list[str]:
    """The causes of the slow commands, a line for each decade of how long they took."""
    lines = []
    for band in tail.get("bands", []):
        shares = [f"{one['cause']} {one['share']:.0%}" for one in band["causes"][:BAND_CAUSES]]
        low, high = (quantity(band[key], "ns") for key in ("from_ns", "to_ns"))
        lines.append(f"{band['commands']:,} took {low} to {high}: {'; '.join(shares)}")
    return lines


def knee(rungs: Sequence[dict[str, Any]]) -> int | None:
    """The highest rate before the first rung beyond the knee; None if the lowest is beyond."""
    best = None
    for rung in sorted(rungs, key=lambda rung: int(rung["rate"])):
        if rung["beyond"]:
            return best
        best = int(rung["rate"])
    return best
