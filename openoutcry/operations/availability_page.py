"""A month of the availability ledger as lines of text and as a page."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from openoutcry.operations.availability import DOWN, PLANNED, UNMEASURED, UP, Month, utc
from openoutcry.report.page import render_page
from openoutcry.wire.atomic_file import write_atomically

OUTAGES_SHOWN = 200


def lines(months: Sequence[Month]) -> Iterator[str]:
    """Yield a line for each function, with its outages below."""
    width = max(len(month.function) for month in months)
    for month in months:
        seconds, objective = month.seconds, _percent(month.objective_ppm)
        of_budget = f"down {seconds[DOWN]} s of a budget of {month.budget_s} s"
        rest = f"planned {seconds[PLANNED]} s, not measured {seconds[UNMEASURED]} s"
        available = f"{_percent(month.available_ppm)} of {objective}"
        yield f"{month.function:<{width}}  {available}, {of_budget}, {rest}"
        for cause, cause_s in month.causes:
            yield f"{'':<{width}}  {cause_s} s: {cause}"


def write_page(path: Path, month: str, until_s: int, months: Sequence[Month]) -> None:
    """Write the page of a month; of many outages only the longest."""
    outages = [(one.function, span) for one in months for span in one.outages]
    shown = sorted(outages, key=lambda row: -row[1].seconds)[:OUTAGES_SHOWN]
    rows = [
        {
            "at": utc(span.from_s),
            "seconds": span.seconds,
            "function": function,
            "planned": "yes" if span.state == PLANNED else "no",
            "cause": span.cause,
        }
        for function, span in sorted(shown, key=lambda row: row[1].from_s)
    ]
    text = render_page(
        "availability.html",
        {},
        month=month,
        until=utc(until_s),
        rows=[_row(one) for one in months],
        outages=rows,
        left_out=len(outages) - len(shown),
    )
    write_atomically(path, text)


def _row(month: Month) -> dict[str, Any]:
    seconds, available = month.seconds, _percent(month.available_ppm)
    spent = f"{100 * seconds[DOWN] / month.budget_s:.0f} %" if month.budget_s else "–"
    return {
        "function": month.function,
        "label": f"{month.function}: {available}",
        "days": [_day(number, day) for number, day in enumerate(month.days, 1)],
        "available": available,
        "objective": _percent(month.objective_ppm),
        "down": f"{seconds[DOWN]:,} s",
        "budget": f"{month.budget_s:,} s",
        "spent": spent,
        "planned": f"{seconds[PLANNED]:,} s",
        "unmeasured": f"{seconds[UNMEASURED]:,} s",
    }


def _day(number: int, seconds: Any) -> dict[str, str]:
    state = next((state for state in (DOWN, PLANNED, UP) if seconds[state]), "unmeasured")
    parts = ", ".join(f"{state} {value:,} s" for state, value in seconds.items() if value)
    return {"state": state, "text": f"day {number}: {parts}"}


def _percent(ppm: int | None) -> str:
    """A share as text, never rounded up; a dash where nothing was measured."""
    return "–" if ppm is None else f"{ppm // 10_000}.{ppm % 10_000:04d} %"
