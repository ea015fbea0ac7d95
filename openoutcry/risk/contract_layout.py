"""Contracts' part of the risk state: one block after the wallets, only where an instrument is a
future, a perpetual or an option.

    header   whose balance the insurance fund is, what it paid, what was taken over
    rows     a contract each: its terms, its mark, its funding, how it ended

Amounts are those of ``derivatives/contracts.py``: lots times the amount of one lot, and only that
is rounded, down.  So what longs are paid is what shorts pay, to the unit.
"""

from openoutcry.wire.layout import Layout, i64

FUTURE, PERPETUAL, CALL, PUT = 1, 2, 3, 4
"""As in ``derivatives/contracts.py``."""
RATE_UNIT = 1_000_000_000
"""Unit of funding rates: billionths of a lot's value for one period."""
MAX_PRICE = 1 << 40
"""No mark, index or strike is further from 0."""
MAX_MULTIPLIER = 1 << 55
EXPIRED_HALT = 4
"""In an instrument's ``halt``, next to the operator's and the protection's: it is past its expiry.
"""
PAUSED_HALT = 8
"""The same: its index has too few sources."""
UNLISTED_HALT = 16
"""The same: it is of a series, and not listed yet."""
LIVE, SETTLED = 0, 1
NOT_BEGUN = -1
"""``premium_from_ns`` of a perpetual whose premium is averaged, before its first index."""
STAGED = 1
"""``time_in_force`` of a command that is in force from CONTRACT_APPLY on."""
WITH_MARK = 1
"""``qty_lots`` of CONTRACT_APPLY, or of a contract's setting that is in force by itself: all other
instruments are marked with it, as by MARK."""


class ContractBlock(Layout, size_bytes=128):
    """The header of the block."""

    contracts: int = i64("contracts")
    rows_at: int = i64("offset of the contracts' rows")
    fund: int = i64("participant whose balance is the insurance fund")
    covered: int = i64("deficits that the fund has paid")
    covers: int = i64("how often it paid")
    takeovers: int = i64("how often lots of a bankrupt participant were taken over")
    taken_over: int = i64("lots that others took over")
    losses: int = i64("what those others paid for it")
    clearing: int = i64("while a command is processed: what contracts moved, 0 after it")
    staged: int = i64("commands that were staged since the last CONTRACT_APPLY")
    applied: int = i64("how often CONTRACT_APPLY has put staged commands in force")
    fee_bps: int = i64("fee for what a liquidation closes out, 1/10,000 of its value; 0: none")
    fee_due: int = i64("fee for the last part of a liquidation that is not paid yet")
    fee_payer: int = i64("the participant that owes it")
    fees: int = i64("what the fund has received by it")


class ContractRow(Layout, size_bytes=256):
    """A contract: its instrument's place, its terms and what it is worth now."""

    instrument: int = i64("index of the instrument")
    kind: int = i64("FUTURE, PERPETUAL, CALL, PUT")
    inverse: int = i64("1: paid in the asset that the price is of")
    multiplier: int = i64("units a tick and lot; inverse: units times ticks a lot")
    expiry_ns: int = i64("when it expires, ns since the epoch; 0: never")
    strike: int = i64("of an option, ticks of the underlying")
    strike_multiplier: int = i64("of an option: units a tick of the underlying and lot")
    margin_bps: int = i64("initial margin of a lot, basis points of its value; 0: set by MARGIN")
    mark: int = i64("price that every position is valued at, ticks")
    index: int = i64("price of the index when it was marked, ticks; 0: none was given")
    marked_ns: int = i64("sequenced time of the mark, ns since the epoch")
    marks: int = i64("marks so far")
    day: int = i64("number of the day that was settled last")
    settlement: int = i64("settlement price of that day, ticks")
    rate: int = i64("last funding rate, billionths")
    period: int = i64("number of the period that was funded last")
    carry: int = i64("what the funding left over for the next period, billionths of a unit")
    funded: int = i64("units that a lot held since the beginning has paid in funding")
    state: int = i64("LIVE or SETTLED")
    final: int = i64("final settlement price, ticks of the contract or of an option's underlying")
    final_units: int = i64("units that a lot was paid at the end")
    staged: int = i64("setting that CONTRACT_APPLY puts in force, 0: none")
    staged_value: int = i64("its value")
    staged_second: int = i64("its second value")
    strike_rest: int = i64("of an adjusted option: units a lot by which its strike is more")
    adjustments: int = i64("how often its terms were adjusted")
    ratio: int = i64("the last time: new units of the underlying in the upper half, for old ones")
    adjusted_ns: int = i64("and when, sequenced time, ns since the epoch")
    market_band: int = i64("ticks past the best price that an order without a price goes; 0: none")
    premium: int = i64("sum of the mark's premium over the index, billionths times milliseconds")
    premium_from_ns: int = i64("since when, ns since the epoch; 0: not averaged, or NOT_BEGUN")
    premium_to_ns: int = i64("until when, the same; 0: nothing yet")


BLOCK_BYTES, ROW_BYTES = ContractBlock.size_bytes, ContractRow.size_bytes


def block_bytes(contracts: int) -> int:
    """Return the size of the header and the rows, in bytes."""
    return BLOCK_BYTES + contracts * ROW_BYTES
