"""The examples of docs/fix.md."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[1] / "docs" / "fix.md").read_text()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.M | re.S)


def fields(line: str) -> list[tuple[int, str]]:
    """Tags and values of a line in which ``|`` ends a field."""
    return [(int(tag), value) for tag, value in re.findall(r"(\d+)=([^|]*)\|", line)]
