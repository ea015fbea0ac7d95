"""Documents that quote what was measured: marked places are filled from evidence, never typed.

A document marks a place with ``<!-- WHAT: NAME -->`` … ``<!-- end -->``.
"""

import re
from collections.abc import Callable, Sequence


def fill(text: str, what: str, content: Callable[[str], str]) -> str:
    """The document with the places of ``what`` filled: ``content`` gives the text of a name."""
    return _place(what).sub(lambda match: match[1] + content(match[2]) + match[4], text)


def places(text: str, what: str) -> dict[str, str]:
    """Return the contents of the places of ``what``, by their names."""
    return {match[2]: match[3] for match in _place(what).finditer(text)}


def _place(what: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- {what}: ([a-z_-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def table(header: str, lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown under ``header``, ``| a | b |``."""
    columns = header.count("|") - 1
    ruled = [header, "|" + "---|" * columns]
    return "\n".join([*ruled, *("| " + " | ".join(line) + " |" for line in lines)]) + "\n"
