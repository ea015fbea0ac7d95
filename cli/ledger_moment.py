"""The moment that a report of the ledger is of."""

from pathlib import Path
from typing import TYPE_CHECKING

from openoutcry.cli.bars import moment_ns

if TYPE_CHECKING:
    from openoutcry.ledger.standing import Standing


def standing_at(journal: Path, as_of: str | None) -> "Standing":
    """The ledger after a command's sequence or at a moment."""
    from openoutcry.ledger.standing import at

    if as_of is None:
        return at(journal)
    if as_of.isascii() and as_of.isdigit() and len(as_of) < 20:
        return at(journal, seq=int(as_of))
    return at(journal, time_ns=moment_ns(as_of, "--as-of"))
