"""The tables of docs/data.md, from the table of formats.

``python -m tests.support.tape.formats`` writes them; a test compares.
"""

from openoutcry.report.documents import fill, table
from openoutcry.tape.formats import OPTIONAL, ROWS
from openoutcry.tape.records import ACTIONS, KINDS
from tests import ROOT

PAGE = ROOT / "docs" / "data.md"


def cells() -> dict[str, str]:
    """Return the tables by their names."""
    formats = [
        [
            f"`{row.name}`",
            row.title,
            ", ".join(f"`{one}`" for one in row.suffixes),
            " and ".join(
                word for word, is_so in (("read", row.reads), ("write", row.writes)) if is_so
            ),
            ", ".join(kind for kind in KINDS if kind in row.kinds),
            _decimals(row.price_decimals),
            _decimals(row.qty_decimals),
            _unit(row.time_ns) + ("" if row.has_date else ", no date"),
            row.checked or "no library",
        ]
        for row in ROWS
    ]
    events = [row for row in ROWS if {"event", "depth"} & set(row.kinds)]
    said = [
        [f"`{name}`", *("yes" if name in row.fields else "–" for row in events)]
        for name in OPTIONAL
    ]
    said += [
        [
            f"action `{action.decode()}`: {text}",
            *("yes" if action in row.actions else "–" for row in events),
        ]
        for action, text in ACTIONS.items()
    ]
    said.append(["symbols", *("yes" if row.has_symbols else "–" for row in events)])
    head = "| format | file | suffix | direction | records | price decimals | quantity decimals |"
    names = " | ".join(f"`{row.name}`" for row in events)
    return {
        "formats": table(f"{head} times | checked with |", formats),
        "fields": table(f"| field | {names} |", said),
    }


def _decimals(count: int | None) -> str:
    return "as they are" if count is None else str(count)


def _unit(time_ns: int) -> str:
    return {1: "ns", 1_000: "µs"}[time_ns]


def filled(text: str) -> str:
    """Return the page with its tables."""
    return fill(text, "tape", cells().__getitem__)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
