"""The examples of docs/fix.md."""

import re

from tests import ROOT

PAGE = (ROOT / "docs" / "fix.md").read_text()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.M | re.S)


def fields(line: str) -> list[tuple[int, str]]:
    """Tags and values of a line in which ``|`` ends a field."""
    return [(int(tag), value) for tag, value in re.findall(r"(\d+)=([^|]*)\|", line)]
