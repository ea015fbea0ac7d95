"""What a takeover may take from those of the other side, by docs/derivatives.md alone.

Amounts and positions are plain lists by participant.
"""

from collections.abc import Mapping, Sequence


def takeover_fault(taker: int, paid: int, had: Sequence[int], has: Sequence[int]) -> str:
    """Return what is wrong with one takeover, "" if nothing is; ``had`` and ``has``: everybody's
    equity before and after it."""
    if had[taker] <= 0:
        return "a participant that has nothing is not asked"
    if not 0 <= has[taker] == had[taker] - paid:
        return "a taker pays what is said, and at most what it has"
    if any(before >= 0 > after for before, after in zip(had, has, strict=True)):
        return "a takeover takes no participant below 0"
    return ""


def rest_fault(
    deficits: Mapping[int, int],
    fund: int,
    equities: Sequence[int],
    positions: Sequence[Sequence[int]],
) -> str:
    """Return what is wrong with the deficits that are left once nothing more is due, "" if nothing
    is; ``positions``: lots of each participant in each contract."""
    if sum(deficits.values()) <= fund:
        return ""
    for who in deficits:
        for index, held in enumerate(positions[who]):
            across = [n for n, row in enumerate(positions) if row[index] * held < 0]
            if any(equities[other] > 0 for other in across):
                return "the rest goes on in rank as long as a participant can pay"
    return ""
