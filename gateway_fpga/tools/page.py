"""Fill docs/fpga.md with what was measured: ``python -m openoutcry.gateway_fpga.tools.page``.

The page marks a place with ``<!-- fpga: NAME -->`` … ``<!-- end -->``; a test compares.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from openoutcry.gateway_fpga.tools.evidence import ROOT, read_evidence
from openoutcry.gateway_fpga.tools.report import diagram

PAGE = ROOT / "docs" / "fpga.md"
PLACE = re.compile(r"(<!-- fpga: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """The page with every marked place filled."""
    made = read_evidence()

    def fill(match: re.Match[str]) -> str:
        name = match[2]
        if name == "diagram":
            return match[1] + diagram() + match[3]
        if name not in made:
            return match[1] + "Not measured yet.\n" + match[3]
        return match[1] + TABLES[name](made[name]["figures"]) + _source(made[name]) + match[3]

    return PLACE.sub(fill, text)


def _source(section: dict[str, Any]) -> str:
    tools = ", ".join(f"{tool} {number}" for tool, number in section["tools"].items())
    return f"\n`{section['command']}`, {section['date']}, with {tools}.\n"


def _rows(header: str, rows: Sequence[Sequence[str]]) -> str:
    columns = header.count("|") - 1
    lines = [header, "|" + "---|" * columns]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def proofs(figures: dict[str, Any]) -> str:
    rows = [
        (f"`{row['name']}`", row["sentence"], "✓" if row["proved"] else "no",
         "✓" if row["caught"] else "no")
        for row in figures["properties"]
    ]  # fmt: skip
    whole = sum(row["proved"] and row["caught"] for row in figures["properties"])
    return f"{whole} properties are proved, each with its broken variant caught.\n\n" + _rows(
        "| property | what it says | proved | broken one caught |", rows
    )


def mutation(figures: dict[str, Any]) -> str:
    rows = [
        (f"`{row['module']}`", str(row["mutants"]), str(row["killed"]),
         str(len(row["equivalent"])), str(len(row["survivors"])))
        for row in figures["targets"]
    ]  # fmt: skip
    total = sum(row["mutants"] for row in figures["targets"])
    lines = [
        f"- `{row['module']}`: {place}" for row in figures["targets"] for place in row["survivors"]
    ]
    return (
        f"**{100 * figures['score']:.1f} %** of the real faults among {total} mutants noticed.\n\n"
        + _rows("| module | mutants | noticed | proved equivalent | survived |", rows)
        + ("\nSurvivors:\n\n" + "\n".join(lines) + "\n" if lines else "")
    )


def coverage(figures: dict[str, Any]) -> str:
    rows = [
        (row["kind"], str(row["points"]), f"{100 * row['reached'] / max(1, row['points']):.2f} %")
        for row in figures["rows"]
    ]
    reasons = sorted(set(figures["excluded"].values()))
    missed = [f"- {point}" for point in figures["missed"]]
    text = _rows("| what | points | reached |", rows)
    text += f"\nLeft out: {len(figures['excluded'])} points" + ("" if reasons else ".") + "\n"
    text += "".join(f"- {why}\n" for why in reasons)
    return text + ("\nNot reached:\n\n" + "\n".join(missed) + "\n" if missed else "")


def timing(figures: dict[str, Any]) -> str:
    rows = []
    for row in figures["modules"]:
        cells = row["cells"]
        rows.append(
            (
                f"`{row['module']}`" + (f" ({row['what']})" if row["what"] else ""),
                f"**{row['worst_mhz']:.1f}** – {row['best_mhz']:.1f} MHz",
                str(row["seeds"]),
                *(str(cells[name]) for name in ("LUTs", "flip-flops", "block RAM", "DSP")),
            )
        )
    header = "| module | worst – best | seeds | LUTs | flip-flops | block RAM | DSP |"
    return _rows(header, rows) + f"\nGoal: {figures['goal_mhz']} MHz.\n"


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "proofs": proofs,
    "mutation": mutation,
    "coverage": coverage,
    "timing": timing,
}


def main() -> None:
    PAGE.write_text(filled(PAGE.read_text()))


if __name__ == "__main__":
    main()
