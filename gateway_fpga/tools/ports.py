# SPDX-License-Identifier: Apache-2.0
"""The ports and parameters of the modules that a bench or a design begins with, from their source.

``python -m openoutcry.gateway_fpga.tools.page`` writes them into docs/fpga-ports.md.
"""

import re
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from openoutcry.gateway_fpga.tools.evidence import ROOT
from openoutcry.report.documents import table

RTL = ROOT / "gateway_fpga" / "rtl"
MODULES = (
    "outcry_top",
    "outcry_card",
    "outcry_gateway",
    "outcry_udp_parser",
)
AXI_LITE = "s_axil_"
AXI_LITE_ROW = ("`32`", "The registers: addresses of 12 bits, `awprot` and `arprot` unused.")
BUNDLE = re.compile(r"[sm]_(axis|axil)_")
PORT = re.compile(r"(input|output)\s+(?:wire|reg)\s*(\[[^\]]+\])?\s*(\w+),?$")
PARAMETER = re.compile(r"parameter\s+(\w+)\s*=\s*([^,]+?),?$")


@dataclass(frozen=True, slots=True)
class Row:
    """A port, or a parameter (whose ``kind`` is ``parameter`` and whose ``width`` its default)."""

    name: str
    kind: str
    width: str
    meaning: str


def rows_of(module: str, folder: Path = RTL) -> list[Row]:
    """The header of a module, in its order, each with the comment before it or after it.  Raises
    ``ValueError`` for a line that is neither."""
    text = (folder / f"{module}.v").read_text()
    header = text[text.index(f"module {module} ") : text.index("\n);\n")]
    rows: list[Row] = []
    comment: list[str] = []
    for line in (part.strip() for part in header.splitlines()[1:]):
        if line.startswith("//"):
            comment.append(line.removeprefix("//").strip())
            continue
        code, _, behind = (part.strip() for part in line.partition("//"))
        meaning, comment = behind or " ".join(comment), []
        if code in ("", ") ("):
            continue
        if match := PORT.match(code):
            rows.append(Row(match[3], match[1], match[2] or "1", meaning))
        elif match := PARAMETER.match(code):
            rows.append(Row(match[1], "parameter", match[2], meaning))
        else:
            raise ValueError(f"{module}: {line!r} is neither a port nor a parameter")
    return rows


def markdown() -> str:
    """A table a module, the signals of a stream and of its AXI-Lite window in one row each.  What
    a later module has as the first one, it names in a sentence."""
    parts = []
    first, *_ = MODULES
    for module in MODULES:
        cells = cells_of(module)
        same = [] if module == first else [row for row in cells if row in cells_of(first)]
        if len(same) > len(cells) / 2:
            cells = [row for row in cells if row not in same]
            names = ", ".join(name for name, *_ in same)
            parts.append(f"\n### {module}\n\nAs of `{first}`: {names}.\n\n")
        else:
            parts.append(f"\n### {module}\n\n")
        parts.append(table("| name | | width or default | |", _joined(cells)))
    return "".join(parts)


def _joined(cells: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The rows, those of one kind that no comment explains in one."""
    rows: list[tuple[str, ...]] = []
    at: dict[str, int] = {}
    for name, kind, width, meaning in cells:
        if meaning or kind.startswith("stream"):
            rows.append((name, kind, width, meaning))
        elif kind in at:
            names, _, widths, _ = rows[at[kind]]
            rows[at[kind]] = (f"{names}, {name}", kind, f"{widths}, {width}", "")
        else:
            at[kind] = len(rows)
            rows.append((name, kind, width, meaning))
    return rows


def cells_of(module: str) -> list[tuple[str, ...]]:
    """The rows of a module's table."""
    cells: list[tuple[str, ...]] = []
    for stream, group in groupby(rows_of(module), _stream):
        signals = list(group)
        if stream == AXI_LITE:
            cells.append((f"`{AXI_LITE}*`", "AXI-Lite", *AXI_LITE_ROW))
        elif stream:
            cells.append(_stream_row(stream, signals))
        else:
            cells += [(f"`{r.name}`", r.kind, _width(r), r.meaning) for r in signals]
    return cells


def _stream(row: Row) -> str:
    """The prefix of a stream's or a bus's signals; empty for any other port."""
    match = BUNDLE.match(row.name)
    return match[0] if match else ""


def _stream_row(stream: str, signals: list[Row]) -> tuple[str, ...]:
    kind = "stream in" if stream.startswith("s_") else "stream out"
    widths = ", ".join(
        f"`{signal.name.removeprefix(stream)}` {_width(signal)}" for signal in signals
    )
    return (
        f"`{stream}*`",
        kind,
        widths,
        " ".join(signal.meaning for signal in signals if signal.meaning),
    )


def _width(row: Row) -> str:
    return f"`{row.width.replace('`', '')}`"
