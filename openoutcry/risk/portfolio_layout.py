"""Scenario margin's part of the risk state: one block after the contracts, only where the margin of
contracts is that of a portfolio (docs/margin.md).

    header      where the rest is, and how often parameters were changed
    parameters  those in force, as ``derivatives/margin_layout.py`` lays them out
    staged      those that the commands of the operator's lane are making, until MARGIN_APPLY
    works       a participant each: what its positions and open orders come to
"""

from openoutcry.wire.layout import Layout, i64


class PortfolioBlock(Layout, size_bytes=64):
    """The header of the block; offsets are from the beginning of the risk state."""

    table_at: int = i64("offset of the parameters in force")
    staged_at: int = i64("offset of the staged ones")
    table_bytes: int = i64("bytes of each of the two")
    work_at: int = i64("offset of the first participant's work")
    work_bytes: int = i64("bytes of a participant's work")
    staged: int = i64("commands that changed the staged parameters since the last MARGIN_APPLY")
    applied: int = i64("how often MARGIN_APPLY has put staged parameters in force")


BLOCK_BYTES = PortfolioBlock.size_bytes
