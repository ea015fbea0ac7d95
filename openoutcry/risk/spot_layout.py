"""The wallets' part of the risk state: one block after the cells, all int64 words.

header     counts and offsets
assets     a row each: name, the venue's fee account, what came in and did not go out
rules      of each instrument: lot, rows of its two assets, participant 0's wallets in them
schedules  256 fee schedules of 8 tiers
wallets    of each participant a row an asset: available, reserved, credit, shortfall
movements  deposits and withdrawals under way, and the newest that ended (``movements.py``)

A wallet of participant p is ``p * wallet_step`` bytes after participant 0's, whose place is in the
instrument's rules: no search, no multiplication by a count of assets.
"""

from openoutcry.wire.layout import Layout, i64

MAX_ASSETS = 256
SCHEDULES = 256
TIERS = 8
UNUSED_TIER = 2**63 - 1
"""The beginning of an unused tier."""
FEE_UNIT = 1_000_000
"""Rates are millionths: 100 are a basis point."""
LARGEST_TOTAL = 2**61
"""Units of an asset: deposits, credit and shortfalls together are never more, and the venue's fee
account is never below minus that.  So no wallet passes 2**62."""


class SpotBlock(Layout, size_bytes=64):
    """The header of the wallets' block."""

    assets: int = i64("assets; of the room for more each is declared while trading")
    asset_at: int = i64("offset of the assets' rows")
    rules_at: int = i64("offset of the instruments' rules")
    schedule_at: int = i64("offset of the fee schedules")
    wallet_at: int = i64("offset of the wallets")
    wallet_step: int = i64("bytes from a participant's wallets to the next one's")
    schedule_of_all: int = i64("fee schedule of those that name none, its number + 1; 0: none")
    movements_at: int = i64("offset of the movements (``movements``), 0: there is no room for any")


class SpotAsset(Layout, size_bytes=64):
    """An asset's row; amounts in its whole units."""

    name: int = i64("its name, eight characters")
    decimals: int = i64(
        "decimals of an amount as people write it, lowest byte; above it characters of a name "
        "longer than eight (``wire/asset_names.py``)"
    )
    fees: int = i64("the venue's fee account; below 0 where rebates were more than fees")
    net: int = i64("what came in from outside and did not go out again")
    granted: int = i64("credit of all participants in it")
    clearing: int = i64("counterparty of the trades of the command under way; 0 between commands")
    short: int = i64("shortfalls of all participants in it")
    rest: int = i64("more characters of a name longer than eight")


class SpotRules(Layout, size_bytes=64):
    """How an instrument is paid from wallets."""

    lot_units: int = i64("units of the base asset a lot; 0: the instrument is not spot")
    wallet_step: int = i64("bytes from a participant's wallets to the next one's")
    quote_wallet_at: int = i64("offset of participant 0's wallet in the quote asset")
    base_wallet_at: int = i64("offset of participant 0's wallet in the base asset")
    quote_at: int = i64("offset of the quote asset's row")
    base_at: int = i64("offset of the base asset's row")
    schedule: int = i64("its fee schedule + 1; 0: none")


class SpotSchedule(Layout, size_bytes=256):
    """A fee schedule; its tiers follow the first word."""

    collects_quote: int = i64("1: buyers pay in the quote asset; 0: in what they receive")
    minimum: int = i64("least fee of a fill, units of the quote asset", at=200)


class SpotTier(Layout, size_bytes=24):
    """A tier of a fee schedule."""

    begin: int = i64("volume from which it counts, or UNUSED_TIER")
    maker: int = i64("rate of makers, millionths; negative: paid to the participant")
    taker: int = i64("rate of takers, millionths; negative: paid to the participant")


class Wallet(Layout, size_bytes=32):
    """A participant's amounts of an asset, in its whole units."""

    available: int = i64("what orders and withdrawals may use; below 0: credit is used")
    reserved: int = i64("what its open orders and withdrawals need")
    credit: int = i64("how far below 0 orders may take ``available``")
    shortfall: int = i64("how far ``available`` is below that because a deposit was reversed")


TIERS_AT = 8
BLOCK_BYTES, ASSET_BYTES, RULES_BYTES = (
    SpotBlock.size_bytes,
    SpotAsset.size_bytes,
    SpotRules.size_bytes,
)
SCHEDULE_BYTES, TIER_BYTES, WALLET_BYTES = (
    SpotSchedule.size_bytes,
    SpotTier.size_bytes,
    Wallet.size_bytes,
)

# A cell's ``mark`` in a spot instrument, where there is no position to mark: its fee terms.
RATE_BITS, TAKER_AT, QUOTE_FEE_AT, OWN_SCHEDULE_AT, MINIMUM_AT = 21, 21, 42, 43, 52
OWN_SCHEDULE_MASK = 0x1FF
"""Maker's and taker's rate, each 21 bits with sign, and whether the buyer pays in the quote asset.
Then this participant's fee schedule in this instrument, as its number + 1 (0: no schedule), and
whether the schedule that counts has a minimum."""

# An open order's flags, above PRICED_FLAG and PEG_FLAG.
QUOTE_FEE_FLAG, PINNED_SHIFT = 4, 3
"""The order pays its fee in the quote asset, at the pinned rate (20 bits, millionths) at most."""


def block_bytes(participants: int, instruments: int, assets: int) -> int:
    """Return the bytes of the spot block with its wallets."""
    return (
        BLOCK_BYTES
        + assets * ASSET_BYTES
        + instruments * RULES_BYTES
        + SCHEDULES * SCHEDULE_BYTES
        + participants * wallet_step(assets)
    )


def wallet_step(assets: int) -> int:
    """Return the bytes of one participant's wallets."""
    return assets * WALLET_BYTES
