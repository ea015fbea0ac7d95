"""Write the lists of docs/commands.md: every command and group of commands, one line each, from
the commands themselves, with the page that explains it.

``python -m tests.support.documents.commands`` writes them; a test compares.
"""

import re
from collections.abc import Iterator

import click

from openoutcry.cli.main import SUBCOMMANDS, main
from tests import ROOT

PAGE = ROOT / "docs" / "commands.md"
BEGIN = "<!-- generated: python -m tests.support.documents.commands -->\n"
END = "<!-- end -->\n"
TITLE = re.compile(r"^# (.+)$", re.M)
LONGEST = 400
"""Characters of a command's line: more than any has."""

SECTIONS: dict[str, dict[str, str]] = {
    "Run and measure": {
        "run": "for-benchmarkers.md",
        "send": "for-participants.md",
        "bench": "benchmarks.md",
        "top": "for-operators.md",
        "rings": "ring-operations.md",
        "doctor": "for-benchmarkers.md",
        "clock": "clock.md",
        "check-book": "benchmarks.md#recorded-markets",
        "backtest": "backtest.md",
    },
    "A venue": {
        "venue": "venue.md",
        "serve": "venue.md",
        "halt": "risk.md#while-trading",
        "resume": "risk.md#while-trading",
        "kill": "risk.md#while-trading",
        "emergency-close": "risk.md#while-trading",
        "limits": "risk.md#while-trading",
        "fees": "venue.md#money-and-fees",
        "assets": "venue.md#money-and-fees",
        "deposit": "venue.md#money-and-fees",
        "withdraw": "venue.md#money-and-fees",
        "corporate": "ledger.md#dividends-and-splits",
        "console": "operations.md#the-console",
        "metrics": "operations.md#metrics",
        "logs": "operations.md#logs",
        "alarms": "alarms.md",
        "dump": "operations.md#an-investigation",
        "deploy": "operations.md#a-new-build",
    },
    "Participants": {
        "client": "order-entry.md",
        "screen": "screen.md",
    },
    "Journal and books": {
        "journal": "journal.md#the-commands",
        "replay": "audit.md#why-did-this-order-not-trade",
        "feed": "market-data.md",
        "bars": "market-data.md#bars",
        "ledger": "ledger.md",
        "reconcile": "ledger.md#reconciliation",
        "settlement": "settlement.md",
        "proof": "proof.md",
    },
    "Supervision": {
        "surveillance": "surveillance.md",
        "audit": "audit.md",
    },
    "Replication": {
        "cluster": "replication.md",
        "standby": "replication-protocol.md",
        "failover": "replication-protocol.md",
        "dr": "replication.md",
        "drill": "replication.md",
        "simulate": "replication-protocol.md",
    },
}
"""The page that explains each command of `outcry`; what is below a command is explained there."""


def commands(command: click.Command, path: str) -> Iterator[tuple[str, str]]:
    """A command and, of a group, everything in it: its path and its line of help."""
    yield path, SUBCOMMANDS.get(path) or command.get_short_help_str(LONGEST)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below, name
            if not below.hidden:
                yield from commands(below, f"{path} {name}")


def tables() -> str:
    """A table for each section."""
    lines = []
    context = click.Context(main)
    for section, pages in SECTIONS.items():
        lines += [f"### {section}", "", "| command | what it does | page |", "|---|---|---|"]
        for name, page in pages.items():
            command = main.get_command(context, name)
            assert command, name
            document = page.partition("#")[0]
            heading = TITLE.search((ROOT / "docs" / document).read_text())
            assert heading, document
            for path, text in commands(command, name):
                line = text.replace("|", "\\|").replace("<", "&lt;")
                lines.append(f"| `outcry {path}` | {line} | [{heading[1]}]({page}) |")
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
