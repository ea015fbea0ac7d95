"""The moment that a report of the ledger is of."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from openoutcry.cli.bars import moment_ns

if TYPE_CHECKING:
    from openoutcry.ledger.standing import Standing


from_option = click.option(
    "--from",
    "begin",
    help="Start after a command (a number) or at a time (default: the beginning).",
)


def begin_at(journal: Path, begin: str | None, until: "Standing") -> "Standing | None":
    """The ledger where a period that ends at ``until`` begins; None: at the journal's begin."""
    standing = None if begin is None else standing_at(journal, begin, "--from")
    if standing is not None and standing.seq > until.seq:
        raise click.UsageError(f"--from is command {standing.seq:,}, --as-of command {until.seq:,}")
    return standing if standing is not None and standing.seq else None


def standing_at(journal: Path, as_of: str | None, option: str = "--as-of") -> "Standing":
    """The ledger after a command's sequence or at a moment."""
    from openoutcry.ledger.standing import at

    if as_of is None:
        return at(journal)
    if as_of.isascii() and as_of.isdigit() and len(as_of) < 20:
        return at(journal, seq=int(as_of))
    return at(journal, time_ns=moment_ns(as_of, option))
