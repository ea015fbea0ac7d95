"""The table of processes in docs/operations.md: what each command starts, and what a death does."""

import re
from typing import NamedTuple

from tests import ROOT

HEADING = "| process | command | started by | after its death | shown by |"


class Row(NamedTuple):
    """A row of the table, and the words in code quotes of its cells."""

    process: str
    command: str
    started_by: str
    after: str
    shown_by: str

    def names(self, column: str) -> list[str]:
        """The quoted words of a cell."""
        return re.findall(r"`([^`]+)`", getattr(self, column))


def rows() -> list[Row]:
    """Every row of the table."""
    lines = (ROOT / "docs" / "operations.md").read_text().splitlines()
    begin = lines.index(HEADING) + 2
    end = next(at for at in range(begin, len(lines)) if not lines[at].startswith("|"))
    return [Row(*line.strip("| ").split(" | ")) for line in lines[begin:end]]


def restarted(command: str) -> list[str]:
    """The processes of a command that the table says are restarted, by their names."""
    chosen = [row for row in rows() if command in row.command and row.after.startswith("restarted")]
    return [name for row in chosen for name in row.names("process") or [row.process]]
