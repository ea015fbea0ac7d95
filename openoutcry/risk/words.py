"""What a reject by a limit says, in words: for tables, and for the texts of protocols."""

from openoutcry.risk.bits import RiskBit

FIGURELESS = frozenset(
    {
        RiskBit.MARKET_KILLED,
        RiskBit.HALTED,
        RiskBit.GROUP_KILLED,
        RiskBit.KILLED,
        RiskBit.RESTRICTED,
        RiskBit.SELF_TRADE,
        RiskBit.UNPRICED,
        RiskBit.WITHDRAWN,
        RiskBit.SUSPENDED,
        RiskBit.CLOSED,
        RiskBit.EXPIRED,
        RiskBit.INSTRUMENT_SUSPENDED,
        RiskBit.CLOSE_ONLY,
        RiskBit.DELISTED,
    }
)
"""Switches: they have no limit in figures."""


def failed(bits: int) -> list[RiskBit]:
    """The checks that failed, in their order (``contra_id`` of a REJECTED with reason RISK)."""
    return [bit for bit in RiskBit if bits >> bit & 1]


def refusal_text(bits: int, limit: int, current: int, requested: int) -> str:
    """One line about a reject by a limit, from its event's ``contra_id``, ``price_ticks``,
    ``leaves_lots`` and ``qty_lots``: the first check that failed with its figures, then the
    others'."""
    first, *others = failed(bits)
    text = first.name
    if first is RiskBit.BALANCE:
        text += f": asset {current} has {limit} available, {requested} needed"
    elif first not in FIGURELESS:
        text += f": limit {limit}, now {current}, asked {requested}"
    return text + "".join(f"; {bit.name}" for bit in others)
