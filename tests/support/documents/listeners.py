"""``python -m tests.support.documents.listeners``: writes the load budgets of the listeners into
``docs/security.md``."""

import re
from importlib import import_module

from openoutcry.operations.load_table import LISTENERS
from tests import ROOT

NAMED = re.compile(r"{([a-z_.0-9]+)\.([A-Z_]+)}")
PAGE, BEGIN, END = ROOT / "docs" / "security.md", "<!-- listeners -->\n", "\n<!-- end -->"


def _value(found: re.Match[str]) -> str:
    value = getattr(import_module(f"openoutcry.{found[1]}"), found[2])
    if hasattr(value, "per_s"):
        return f"{value.per_s:,g} a second, {value.at_once:,} at once"
    return f"{value:,g}" if isinstance(value, float) else f"{value:,}"


def table() -> str:
    """Return the table, with the values of the constants that it names."""
    rows = ["| listener | connections | requests | unread | test |", "|---|---|---|---|---|"]
    for one in LISTENERS:
        bounds = [NAMED.sub(_value, text) for text in (one.connections, one.requests, one.unread)]
        rows.append(f"| {one.name} | {' | '.join(bounds)} | `{one.test}` |")
    return "\n".join(rows)


def page(text: str) -> str:
    """Return the page with the present table."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin, f"{PAGE} has no {BEGIN}"
    return before + begin + table() + end + after


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
