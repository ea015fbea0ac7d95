"""The venue file's table of liquidations."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LiquidationSpec:
    """The table [liquidation] of a venue file."""

    mark_every_ms: int
    every_ms: int
    """Pause between two parts of a participant."""
    part_bps: int
    """Share of the participant's position in the instrument, in 1/10,000."""
    band_bps: int
    """How far from the last price (of a contract: its mark) a part may trade, 1/10,000."""
    fund: int = 0
    """The participant whose balance is the insurance fund; 0: the exchange's own."""
    fee_bps: int = 0
    """What a participant pays into it for what a part closes out, in 1/10,000 of its value."""
