"""Check the plain English of Markdown pages, and of docstrings, comments, help texts and messages.

``python -m tests.support.documents.prose`` is part of ``make lint``. proselint matches the phrases
of ``prose.toml`` and its own; textstat gives the Flesch reading ease of each page.

    --report    the reading ease of every page and room, the hardest first
    --shrink    lower the allowances (``prose_allowed.toml``) to what is left
    FILE …      every finding of these pages, modules or folders, allowed or not

A page or room may have as many findings as its allowance says. An allowance above the findings
fails too, so allowances only shrink.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from openoutcry import PACKAGE
from tests import ROOT

RULES = Path(__file__).with_name("prose.toml")
ALLOWED = Path(__file__).with_name("prose_allowed.toml")
PAGES = ("*.md", "docs/*.md", "docs/decisions/*.md", ".github/**/*.md")
NOT_PAGES = {
    "CHANGELOG.md": "what changed before the rules",
    "docs/commands.md": "generated from help texts, which are checked",
    "docs/feed-messages.md": "generated from declarations, which are checked",
    "docs/order-messages.md": "generated from declarations, which are checked",
    "docs/wire.md": "generated from declarations, which are checked",
}
MISSING = "plain English is not checked: {error}; pip install 'openoutcry[test]'"
CODE = re.compile(r"``.+?``|`[^`]+`", re.S)
URL = re.compile(r"https?://\S+|\S+/\S+|\S+\.(?:py|md|toml|c|h|v)\b")
SENTENCE = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"')\]]))\s+(?=[\"'(\[]*[A-Z0-9])")
ITEM = re.compile(r"- |\d+\. |\S+(?: \S+)* {3,}\S")
"""A list item, or a row of a table whose columns are lined up."""
SHOWN = {"echo", "note", "say", "Field", "Register", "i64", "u64", "u32", "u16", "u8", "area"}
"""Calls whose arguments people read: messages, and the texts of fields and registers."""
WORD = re.compile(r"[A-Za-z0-9][\w'’.,/-]*")


class Text(NamedTuple):
    """A paragraph, a list item, a cell or a paragraph of a docstring."""

    file: str
    line: int
    text: str


class Finding(NamedTuple):
    file: str
    line: int
    what: str


def without_code(text: str) -> str:
    """The text with a word in the place of each piece of code, path and address."""
    return URL.sub("path", CODE.sub("code", text))


def page_texts(file: Path, name: str) -> Iterator[Text]:
    """The prose of a Markdown page: no code blocks, no HTML, no front matter."""
    from markdown_it import MarkdownIt

    source = file.read_text(encoding="utf-8")
    if source.startswith("---\n"):
        head = source.index("\n---\n", 4) + 5
        source = "\n" * source.count("\n", 0, head) + source[head:]
    line = 1
    for token in MarkdownIt("commonmark").enable("table").parse(source):
        if token.map:
            line = token.map[0] + 1
        if token.type == "inline":
            words = [
                child.content
                if child.type == "text"
                else "code"
                if child.type == "code_inline"
                else " "
                if child.type in ("softbreak", "hardbreak")
                else ""
                for child in token.children or ()
            ]
            yield Text(name, line, without_code("".join(words)))


def source_texts(file: Path, name: str) -> Iterator[Text]:
    """The paragraphs of a module's docstrings, help texts, messages, field texts and comments."""
    source = file.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield from _paragraphs(name, node.lineno, node.value.value)
        elif isinstance(node, ast.keyword) and node.arg == "help":
            yield from _paragraphs(name, node.value.lineno, _message(node.value))
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            for argument in node.exc.args[:1]:
                yield from _paragraphs(name, node.lineno, _message(argument))
        elif isinstance(node, ast.Call) and _name(node.func) in SHOWN:
            for argument in node.args:
                yield from _paragraphs(name, node.lineno, _message(argument))
    yield from _comments(source, name)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _message(node: ast.expr) -> str | None:
    """A message without its values."""
    if isinstance(node, ast.JoinedStr):
        parts = [one.value if isinstance(one, ast.Constant) else "code" for one in node.values]
        return "".join(map(str, parts))
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _comments(source: str, name: str) -> Iterator[Text]:
    """Each comment; lines in a row are one."""
    held: list[str] = []
    start = 0
    for number, line in enumerate([*source.splitlines(), ""], 1):
        body = line.strip()
        if body.startswith("# ") and not body.startswith(
            ("# type:", "# fmt:", "# ruff:", "# mypy:")
        ):
            start = start if held else number
            held.append(body[2:].strip())
        elif held:
            yield Text(name, start, without_code(" ".join(held)))
            held = []


def _paragraphs(name: str, line: int, text: object) -> Iterator[Text]:
    """Only prose: no examples, no drawings.  Each list item and row of a table is a paragraph."""
    if not isinstance(text, str):
        return
    lines = text.expandtabs().splitlines()
    margin = min((len(one) - len(one.lstrip()) for one in lines[1:] if one.strip()), default=0)
    held: list[str] = []
    start = line
    verbatim = False  # after click's mark for lines that it does not wrap
    for number, one in enumerate([*lines, ""]):
        body = one[margin:] if number else one
        verbatim = bool(body.strip()) and (verbatim or body.startswith("\b"))
        prose = bool(body.strip()) and not (
            verbatim or body.startswith(("    ", ">>>", "|", "..."))
        )
        if held and (not prose or ITEM.match(body)):
            yield Text(name, start, without_code(" ".join(held)))
            held = []
        if prose:
            start = start if held else line + number
            held.append(body.strip())


def sentences(text: str) -> list[str]:
    return [one for one in SENTENCE.split(text) if one.strip()]


class Rules:
    """The phrases as proselint's checks, and proselint's own."""

    def __init__(self, rules: dict[str, Any]) -> None:
        from proselint.checks import __register__ as own_checks
        from proselint.registry.checks import Check
        from proselint.registry.checks.types import PreferredForms

        self.max_words = int(rules["max_words"])
        self.exceptions = re.compile("|".join(rules["exceptions"]), re.I)
        phrases = {f"(?:{phrase})": instead for phrase, instead in rules["phrases"].items()}
        self.checks = [
            Check(
                check_type=PreferredForms(items=phrases),
                path="openoutcry",
                message="'{1}': write {0}",
            ),
            *(
                check
                for check in own_checks
                if any(check.matches_partial(one) for one in rules["proselint"])
            ),
        ]

    def findings(self, text: Text) -> Iterator[Finding]:
        for sentence in sentences(text.text):
            count = len(WORD.findall(sentence))
            if count > self.max_words:
                begin = " ".join(sentence.split()[:6])
                yield Finding(text.file, text.line, f"{count} words in a sentence: {begin} …")
        padded = f"\n{self.exceptions.sub('noun', text.text)}\n"
        for check in self.checks:
            for result in check.check_with_flags(padded):
                yield Finding(text.file, text.line, result.message)


def pages() -> list[str]:
    names = {
        str(file.relative_to(ROOT)) for pattern in PAGES for file in sorted(ROOT.glob(pattern))
    }
    return sorted(names - set(NOT_PAGES))


def rooms() -> list[str]:
    """The folders of source whose docstrings and help texts are checked."""
    return sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def texts_of(name: str) -> Iterator[Text]:
    """The texts of a page, a module or a folder of source."""
    path = ROOT / name
    if path.suffix == ".md":
        yield from page_texts(path, name)
        return
    for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
        yield from source_texts(file, str(file.relative_to(ROOT)))


def reading_ease(texts: list[Text]) -> float:
    """Flesch's: 0 hard to 100 easy."""
    import textstat

    prose = " ".join(
        one.text if one.text.rstrip().endswith((".", ":", "?")) else one.text + "." for one in texts
    )
    return float(textstat.flesch_reading_ease(prose))


def compare(found: dict[str, int], allowed: dict[str, int]) -> list[str]:
    """What is wrong with findings or allowances, a line each."""
    lines = []
    for name in sorted(found.keys() | allowed.keys()):
        have, may = found.get(name, 0), allowed.get(name, 0)
        if have > may:
            lines.append(
                f"{name}: {have} findings, {may} allowed; list them with "
                f"python -m tests.support.documents.prose {name}"
            )
        elif have < may:
            lines.append(f"{name}: {have} findings, {may} allowed: lower it with --shrink")
    return lines


def shrunk(found: dict[str, int], allowed: dict[str, int]) -> dict[str, int]:
    """Allowances that are no higher than before and no higher than the findings."""
    lower = {name: min(found.get(name, 0), most) for name, most in allowed.items()}
    return {name: most for name, most in lower.items() if most}


def written(allowed: dict[str, int]) -> str:
    rows = "".join(f'"{name}" = {count}\n' for name, count in sorted(allowed.items()))
    return (
        "# Findings that a page, or the source of a room, may still have. They only shrink:\n"
        "# python -m tests.support.documents.prose --shrink\n"
        f"{rows}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Check the plain English of pages and docstrings.")
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument(
        "--report", action="store_true", help="Print the reading ease of every page."
    )
    parser.add_argument("--shrink", action="store_true", help="Lower the allowances.")
    asked = parser.parse_args()
    try:
        rules = Rules(tomllib.loads(RULES.read_text()))
        import textstat  # noqa: F401
    except ImportError as error:
        print(MISSING.format(error=error))
        return 0
    if asked.files:
        found = [
            one for name in asked.files for text in texts_of(name) for one in rules.findings(text)
        ]
        for one in found:
            print(f"{one.file}:{one.line}: {one.what}")
        return bool(found)
    counts: Counter[str] = Counter()
    ease: dict[str, float] = {}
    for name in [*pages(), *rooms()]:
        texts = list(texts_of(name))
        counts[name] = sum(1 for text in texts for _ in rules.findings(text))
        if asked.report:
            ease[name] = reading_ease(texts)
    if asked.report:
        for name in sorted(ease, key=ease.__getitem__):
            print(f"{ease[name]:6.1f}  {name}")
    found_now = {name: count for name, count in counts.items() if count}
    allowed = tomllib.loads(ALLOWED.read_text())
    if asked.shrink:
        allowed = shrunk(found_now, allowed)
        ALLOWED.write_text(written(allowed))
    wrong = compare(found_now, allowed)
    for line in wrong:
        print(line)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
