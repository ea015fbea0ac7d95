"""Text that attacks whatever shows it, and what no output may hold of it."""

import csv
import io
import json
import random
import re
from collections.abc import Iterator
from html.parser import HTMLParser

from openoutcry.wire.text import BEGINS, NUMBER

PIECES = (
    # terminals: colours, titles, clipboard, moved cursors, old and C1 forms
    "\x1b[31m", "\x1b[2J\x1b[H", "\x1b]0;title\x07", "\x1b]52;c;cm0=\x07", "\x1b[1A\x1b[2K",
    "\x1bc",
    "\x9b31m", "\x9d0;x\x9c", "\x07", "\x08\x08\x08", "\r", "\n", "\t", "\x00", "\x7f", "\x0b",
    "\x0c",
    # markup: rich, HTML, templates
    "[/b]", "[red]", "[bold red]x[/]", "[link=http://x.example]y[/link]", "[/", "[]", "\\[",
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'><svg onload=alert(1)>",
    "</title></style></table>", "<!--", "]]>", "&lt;b&gt;", "javascript:alert(1)", "{{7*7}}",
    "{% raw %}",
    "${7*7}", "{0.__class__}", "%s%n%x",
    # spreadsheets
    "=1+1", "=cmd|' /C calc'!A0", "+A1", "-A1", "@SUM(A1)", "\t=1+1", "\r=1+1",
    "=HYPERLINK(\"http://x\")",
    "\uff1d1+1", "\uff0bA1", "\uff0dA1", "\uff20A1", "-1+cmd", "-1,5;=1",
    # quoting: CSV, JSON, SQL, shells, mail
    "\"", "'", ",", ";", "\"\"", "\\", "\\u001b", "\\x1b[31m", "\"}", "'; drop table orders; --",
    "' or 1=1 --", "$(id)", "`id`", "| id", "\r\nBcc: x@example.com\r\n\r\n", "\n.\r\n",
    "\r\n\r\nHTTP/1.1",
    # paths
    "../../../etc/passwd", "/etc/passwd", "..", "a/b", "..\\..\\x", "%2e%2e%2f", "CON", "-rf",
    "~", "*",
    # what turns, hides or breaks text
    "\u202e", "\u2066", "\u200b", "\ufeff", "\u2028", "\u2029", "\u0300" * 40, "\U000e0041",
    "\ufffe",
    "\ud800", "\udfff", "é", "ÿþ", "😀", "Ａ", "\x85", "\xa0",
    # plain, long, numbers
    "A1", "GOLD", " ", "  x ", "-5", "1e309", "nan", "NULL", "None", "A" * 200, "0x41",
)  # fmt: skip


def hostile(count: int, seed: int) -> Iterator[str]:
    """So many strings: every piece alone, then drawn ones of up to four pieces or characters."""
    rng = random.Random(f"hostile text {seed}")
    yield from PIECES[:count]
    for _ in range(count - len(PIECES)):
        parts = rng.choices(PIECES, k=rng.randrange(1, 4))
        if rng.random() < 0.5:
            bits = rng.choice((7, 8, 8, 16, 20))
            parts.insert(rng.randrange(len(parts) + 1), chr(rng.getrandbits(bits) % 0x110000))
        yield "".join(parts)


def as_bytes(text: str) -> bytes:
    """As a field of bytes may have it: no encoding is promised."""
    return text.encode("utf-8", "surrogatepass")


def controls(text: str, keep: str = "\n") -> list[str]:
    """Characters of an output that speak to what shows it."""
    return [one for one in text if not one.isprintable() and one not in keep]


def formulas(text: str) -> list[str]:
    """Cells of CSV that a spreadsheet would run."""
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    return [one for one in cells if one.startswith(BEGINS) and not NUMBER.fullmatch(one)]


class Shape(HTMLParser):
    """Which elements and attributes a page has, in their order; its text is of no interest."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.strange: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.elements.append((f"/{tag}", ()))

    def handle_comment(self, data: str) -> None:
        self.strange.append(data)

    def unknown_decl(self, data: str) -> None:
        self.strange.append(data)


def wrong_json(text: str) -> list[str]:
    """What is wrong with a JSON document, or with lines of it."""
    raw = controls(text)
    try:
        for line in text.splitlines():
            json.loads(line)
    except ValueError as error:
        raw.append(str(error))
    return raw


SAFE_NAME = re.compile(r"[A-Za-z0-9._=+-]{1,100}")
"""Names of files or folders that are made for input."""
