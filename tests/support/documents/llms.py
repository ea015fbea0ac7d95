"""Write llms.txt, the list of pages for language models (https://llmstxt.org), from docs/index.md.

``python -m tests.support.documents.llms`` writes it; a test compares.
"""

import posixpath
import re

from tests import ROOT

PAGE = ROOT / "llms.txt"
INDEX = ROOT / "docs" / "index.md"
HEAD = """# Open Outcry

> An exchange for one Linux host, from the network packet to the durable, replayable trade: order
> entry over OUCH and FIX, risk limits, a deterministic matcher, a journal, market data over ITCH, a
> ledger, replication, surveillance, and an order gateway in Verilog. Python with numba kernels.

`make run` sends a million orders through the pipeline; `make test` runs the unit tests.
"""
LINK = re.compile(r"\[([^\]\n]+)\]\(([^)\s]+)\)")
ROW = re.compile(r"\| (.+) \| (\[[^\]\n]+\]\([^)\s]+\)) \|")


def from_the_root(text: str) -> str:
    """The text with its links as seen from the root of the repository."""

    def point(match: re.Match[str]) -> str:
        return f"[{match[1]}]({posixpath.normpath(posixpath.join('docs', match[2]))})"

    return LINK.sub(point, text)


def page() -> str:
    """Every section of the index with its pages, one line each."""
    lines = [HEAD]
    sections = INDEX.read_text().split("\n## ")[1:]
    for section in sections:
        title, _, body = section.partition("\n")
        lines += [f"## {title}", ""]
        for line in body.splitlines():
            row = ROW.fullmatch(line)
            if row:
                lines.append(from_the_root(f"- {row[2]}: {row[1]}"))
            elif line.startswith("- "):
                lines.append(from_the_root(line))
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"written: {PAGE.relative_to(ROOT)}")
