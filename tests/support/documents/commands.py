"""Write the lists of docs/commands.md: every command, from the commands themselves, with the page
that explains it.  The commands of a group are in its line, unless one has another page.

``python -m tests.support.documents.commands`` writes them; a test compares.
"""

import re
from collections.abc import Iterator

import click

from openoutcry.cli.main import main
from openoutcry.cli.sections import COMMANDS
from tests import ROOT

PAGE = ROOT / "docs" / "commands.md"
BEGIN = "<!-- generated: python -m tests.support.documents.commands -->\n"
END = "<!-- end -->\n"
TITLE = re.compile(r"^# (.+)$", re.M)
LONGEST = 400
"""Characters of a command's line: more than any has."""

PAGES: dict[str, str] = {
    "run": "for-benchmarkers.md",
    "send": "for-participants.md",
    "bench": "benchmarks.md",
    "bench check-book": "benchmarks.md#recorded-markets",
    "top": "for-operators.md",
    "rings": "ring-operations.md",
    "doctor": "for-benchmarkers.md",
    "clock": "clock.md",
    "backtest": "backtest.md",
    "demo": "portal.md#in-a-minute",
    "serve": "venue.md",
    "venue": "venue.md",
    "venue halt": "risk.md#while-trading",
    "venue resume": "risk.md#while-trading",
    "venue kill": "risk.md#while-trading",
    "venue emergency-close": "risk.md#while-trading",
    "venue limits": "risk.md#while-trading",
    "venue fees": "venue.md#money-and-fees",
    "venue assets": "venue.md#money-and-fees",
    "venue deposit": "venue.md#money-and-fees",
    "venue withdraw": "venue.md#money-and-fees",
    "venue off-book": "routing.md#requests-for-quotes",
    "venue corporate": "ledger.md#dividends-and-splits",
    "venue contract": "derivatives.md#commands",
    "venue console": "operations.md#the-console",
    "venue metrics": "operations.md#metrics",
    "venue logs": "operations.md#logs",
    "venue alarms": "alarms.md",
    "venue dump": "operations.md#an-investigation",
    "venue deploy": "operations.md#a-new-build",
    "venue standby": "replication-protocol.md",
    "venue failover": "replication-protocol.md",
    "client": "order-entry.md",
    "screen": "screen.md",
    "portal": "portal.md",
    "route": "routing.md#the-command",
    "custody": "custody.md",
    "margin": "margin.md",
    "journal": "journal.md#the-commands",
    "replay": "audit.md#why-did-this-order-not-trade",
    "feed": "market-data.md",
    "feed bars": "market-data.md#bars",
    "data": "data.md",
    "ledger": "ledger.md",
    "ledger reconcile": "ledger.md#reconciliation",
    "settlement": "settlement.md",
    "proof": "proof.md",
    "surveillance": "surveillance.md",
    "audit": "audit.md",
    "cluster": "replication.md",
    "cluster drill": "replication.md",
}
"""The page that explains each command; a command below one of them has the same page."""


def page_of(path: str) -> str:
    """The page of a command: its own, or that of the group that it is in."""
    first = path
    while path not in PAGES:
        assert path, f"PAGES has no page for {first}"
        path = path.rpartition(" ")[0]
    return PAGES[path]


def commands(command: click.Command, path: str) -> Iterator[tuple[str, str]]:
    """A command and, of a group, everything in it: its path and its line of help."""
    yield path, command.get_short_help_str(LONGEST)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below, name
            if not below.hidden:
                yield from commands(below, f"{path} {name}")


def lines_of(listed: list[tuple[str, str]]) -> dict[str, str]:
    """The commands and groups with a line, and its text: a group's names the commands in it."""
    groups = {path.rpartition(" ")[0] for path, _ in listed}
    lines: dict[str, str] = {}
    for path, text in listed:
        group, _, name = path.rpartition(" ")
        if path in groups or path in PAGES or group in ("", "venue"):
            lines[path] = text.replace("|", "\\|").replace("<", "&lt;")
        else:
            lines[group] += f"{',' if '`' in lines[group] else ''} `{name}`"
    return lines


def tables() -> str:
    """One table, with a row before each section."""
    lines = ["| command | what it does | page |", "|---|---|---|"]
    context = click.Context(main)
    for section, names in COMMANDS.items():
        lines.append(f"| **{section}** | | |")
        for name in names:
            command = main.get_command(context, name)
            assert command, name
            for path, text in lines_of(list(commands(command, name))).items():
                page = page_of(path)
                document = page.partition("#")[0]
                heading = TITLE.search((ROOT / "docs" / document).read_text())
                assert heading, document
                title = heading[1].partition(": ")[0]
                lines.append(f"| `outcry {path}` | {text} | [{title}]({page}) |")
    lines.append("")
    return "\n".join(lines)


def filled(text: str) -> str:
    """The page with its lists made again."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
    print(f"written: {PAGE.relative_to(ROOT)}")
