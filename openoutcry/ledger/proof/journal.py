"""What a venue owes its participants after a command of its journal, as a proof wants it."""

from collections import defaultdict
from pathlib import Path

from openoutcry.ledger.ledger_state import LedgerState
from openoutcry.ledger.proof.tree import Sums
from openoutcry.wire.errors import ProofError


def balances_in(
    ledger_state: LedgerState, directory: Path
) -> tuple[int, tuple[str, ...], dict[str, Sums], int]:
    """(sequence, assets by name, balances by participant's number, debts) of a state that was read
    from ``directory``.

    A participant's balance of an asset is the sum of its accounts: available, reserved, margin and
    fees that are due.  One below 0 is a debt to the venue: it counts as 0, so that it lessens
    nothing that is owed to others, and is counted in ``debts``.
    Raises ``ProofError`` where no participant has anything.
    """
    sums: dict[tuple[int, int], int] = defaultdict(int)
    for place, value in ledger_state.books.nonzero_balances():
        if place.participant is not None:
            sums[place.participant, place.asset] += value
    used = sorted({asset for (_, asset), units in sums.items() if units > 0})
    names = ledger_state.books.assets
    members = {participant for participant, _ in sums}
    if not used:
        raise ProofError(
            f"{directory}: no participant is owed anything after command {ledger_state.seq}"
        )
    balances = {
        str(member): tuple(max(sums.get((member, asset), 0), 0) for asset in used)
        for member in sorted(members)
    }
    debts = sum(units < 0 for units in sums.values())
    return ledger_state.seq, tuple(names[asset] for asset in used), balances, debts


def decimals_in(ledger_state: LedgerState, assets: tuple[str, ...]) -> tuple[int, ...]:
    """Decimals of these assets' amounts, in their order."""
    books = ledger_state.books
    known = {name: books.decimals(asset) for asset, name in enumerate(books.assets)}
    return tuple(known[name] for name in assets)
