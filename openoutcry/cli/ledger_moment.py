"""The moment that a report of the ledger is of."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from openoutcry.cli.bars import moment_ns

if TYPE_CHECKING:
    from openoutcry.ledger.ledger_state import LedgerState


from_option = click.option(
    "--from",
    "begin",
    help="Start after a command (a number) or at a time (default: the beginning).",
)


def begin_at(journal: Path, begin: str | None, until: "LedgerState") -> "LedgerState | None":
    """The ledger where a period that ends at ``until`` begins; None: at the journal's begin."""
    ledger_state = None if begin is None else ledger_state_at(journal, begin, "--from")
    if ledger_state is not None and ledger_state.seq > until.seq:
        raise click.UsageError(
            f"--from (command {ledger_state.seq:,}) is after --as-of (command {until.seq:,})"
        )
    return ledger_state if ledger_state is not None and ledger_state.seq else None


def ledger_state_at(journal: Path, as_of: str | None, option: str = "--as-of") -> "LedgerState":
    """The ledger after a command's sequence or at a moment."""
    from openoutcry.ledger.ledger_state import at

    if as_of is None:
        return at(journal)
    if as_of.isascii() and as_of.isdigit() and len(as_of) < 20:
        return at(journal, seq=int(as_of))
    return at(journal, time_ns=moment_ns(as_of, option))
