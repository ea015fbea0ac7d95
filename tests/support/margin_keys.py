"""The tables of docs/margin.md: every key of a margin file, with its unit, default and rounding.

``python -m tests.support.margin_keys`` writes them; a test compares.  The defaults are those of
the reader of the file; a key without words here, or words without a key, is an error.
"""

from typing import Any

from openoutcry.derivatives import book
from openoutcry.report.documents import fill, table
from openoutcry.venue.funding_schedule import FUNDING
from openoutcry.venue.margin_file import MARGIN as IN_VENUE
from openoutcry.venue.risk_tables import LIQUIDATION
from openoutcry.wire.toml_tables import REQUIRED
from tests import ROOT

PAGE = ROOT / "docs" / "margin.md"
TABLES: dict[str, Any] = {
    "margin": book.MARGIN,
    "asset": book.ASSET,
    "underlying": book.UNDERLYING,
    "contract": book.CONTRACT_HERE,
    "smile": book.SMILE,
    "offset": book.OFFSET,
    "participant": book.PARTICIPANT,
    "venue": IN_VENUE,
    "liquidation": LIQUIDATION,
    "funding": FUNDING,
}
WORDS = {
    "margin": {
        "asset": ("name", "the money that margin is in"),
        "now": (
            "UTC time",
            "when the book is looked at; options have their time to expiry from it",
        ),
    },
    "asset": {
        "name": (
            "name",
            "also of an underlying, whose price then moves this asset's",
        ),
        "price": (
            "units of margin, units of it",
            "`[n, d]`: `n` units of margin for `d` units. A value is rounded down, also"
            " of what is owed",
        ),
        "tiers": (
            "units of margin, millionths",
            "`[value, haircut]`, from 0 on: the haircut of the part of the value above."
            " Each part's deduction is rounded up",
        ),
        "share": (
            "millionths",
            "of the value of all assets but the money, before haircuts; the limit is rounded down",
        ),
        "concentrated": (
            "millionths",
            "the further haircut of what is above `share`, rounded up, and at most what"
            " the tiers have left",
        ),
    },
    "underlying": {
        "name": ("name", "contracts, smiles and offsets name it"),
        "price_ticks": ("ticks", "its price: the forward of every option"),
        "scan_ticks": ("ticks", "the price scan range. A move of 1/3 or 2/3 of it is rounded down"),
        "volatility_scan": (
            "millionths of volatility",
            "added in the scenarios with odd numbers up to 13, subtracted in those with"
            " even numbers up to 14; the volatility is then at least 1",
        ),
        "volatility_terms": (
            "days, millionths of volatility",
            "`[days, range]`, instead of `volatility_scan`: the range of an option that"
            " expires in that many days; linear between and rounded down, beyond all of"
            " them the nearest one's",
        ),
        "extreme_thirds": (
            "thirds of the scan range",
            "how far scenarios 15 (up) and 16 (down) go, rounded down; with the "
            "volatility unchanged",
        ),
        "extreme_share": (
            "millionths",
            "of the loss of scenarios 15 and 16 that counts: a loss is rounded up, a gain down",
        ),
        "extended": (
            "millionths of the price",
            "scenarios 17 and on, up to 8: moves that are rounded down, with the volatility"
            " unchanged",
        ),
        "extended_factor": (
            "millionths",
            "the part of an extended move's loss that counts is this times the scan range,"
            " divided by the move in ticks and rounded up, at most the whole. A loss is then"
            " rounded up, a gain down",
        ),
        "unit": (
            "units of margin for a tick",
            "of the reference lot: a lot's delta is what it gains for a tick divided by"
            " this, in millionths, rounded down (of an option to the nearest, half to "
            "even)",
        ),
        "addon": ("units for a whole delta", "for the net delta without its sign, rounded up"),
        "volume": ("whole deltas", "what is traded in a day; needed with `liquidity`"),
        "liquidity": (
            "millionths, units for a whole delta",
            "`[share, charge]`, up to 3: for the net delta without its sign above that share of"
            " `volume`, in addition to `addon`; each charge is rounded up",
        ),
        "initial": (
            "millionths",
            "initial margin of each underlying: its maintenance margin times this, rounded up",
        ),
        "short_minimum": ("units for a lot", "for each lot of an option that is short"),
        "spreads": (
            "tiers, units for a whole delta",
            "`[tier, tier, charge]`, in the order in which they use up delta; each "
            "charge is rounded up",
        ),
        "pledges_hedge": (
            "`true`, `false`",
            "[pledges](#pledges-that-hedge) of the asset of this name move in the scenarios. A"
            " unit's change in a scenario is rounded down to 60 binary digits after the point, its"
            " delta up. There are fewer digits if a number times 2^digits would be above 2^61",
        ),
    },
    "contract": {
        "symbol": ("name", "of the contract"),
        "kind": ("`future`, `perpetual`, `call`, `put`", ""),
        "underlying": ("name", ""),
        "asset": ("name", "what it is settled in: the money of `[margin]`"),
        "multiplier": (
            "units for a tick",
            "of a lot; inverse: units times ticks, divided by the price and rounded down",
        ),
        "inverse": ("`true`, `false`", "settled in its own underlying"),
        "strike_multiplier": (
            "units for a tick in the money",
            "of a lot, at an option's expiry",
        ),
        "delivered_asset": ("name", "what is delivered at the end; nothing for margin"),
        "delivered_units": ("units", "for a lot; nothing for margin"),
        "expiry": ("UTC time", "0: a perpetual"),
        "strike_ticks": ("ticks", "of the underlying"),
        "mark_ticks": (
            "ticks",
            "of futures and perpetuals. 0: an option's is the surface's price, rounded "
            "to the nearest tick, a half up",
        ),
        "tier": ("number", "group of expiries that `spreads` name"),
    },
    "smile": {
        "underlying": ("name", ""),
        "expiry": ("UTC time", "between two, the variance times time is linear"),
        "ratios": (
            "millionths",
            "strikes, divided by the price of the underlying; a strike's own is rounded"
            " to the nearest, a half up",
        ),
        "volatilities": ("millionths", "at each ratio; linear between, the last beyond"),
    },
    "offset": {
        "legs": (
            "`NAME:long:RATIO`, `NAME:short:RATIO`",
            "whole deltas of each in a spread; as many spreads as the smallest leg has,"
            " a fraction of a delta too",
        ),
        "rate": (
            "millionths",
            "of the price's part of the scan risk, times the share of the leg's delta "
            "that is used. The share is a fraction of 2^20, rounded down; so are both "
            "products",
        ),
    },
    "participant": {
        "number": ("number", ""),
        "holdings": ("units of each asset", "variation up to the marks has been paid into them"),
        "positions": ("lots of each contract", "below 0: short"),
        "orders": ("lots of a contract", "each open order; below 0: sales"),
    },
    "venue": {
        "file": ("path", "of the margin file, next to the venue file"),
        "collateral": ("names", "assets of the file that participants may pledge"),
    },
    "liquidation": {
        "mark_every_ms": (
            "ms",
            "how often what has traded is marked at its last prices; contracts are marked"
            " by their index",
        ),
        "every_ms": ("ms", "pause between two parts of a participant"),
        "part_bps": (
            "1/10,000",
            "of the position in the instrument that a part closes out, rounded down to"
            " the quantity step, and at least one",
        ),
        "band_bps": (
            "1/10,000",
            "how far from the mark a part may trade, rounded down, and at least one price"
            " step; 0: only at the mark",
        ),
        "fund": ("participant", "whose balance is the insurance fund; 0: the exchange's own"),
        "fee_bps": (
            "1/10,000",
            "of the value, at its price, of what a fill of a part closes out, rounded up:"
            " paid into the insurance fund, at most what the participant owns",
        ),
    },
    "funding": {
        "contract": ("symbol", "a perpetual, which the venue then funds by itself"),
        "every_h": ("hours", "a divisor of 24; the first period of a day begins at 00:00 UTC"),
        "interest_ppb": ("billionths", "interest for a period"),
        "clamp_ppb": (
            "billionths",
            "the most that interest less premium changes the rate, either way. The premium"
            " is the mark less the index, divided by the index and cut off towards 0, at"
            " most the whole; its mean over time is rounded down. Time is counted in whole"
            " milliseconds, and only with an index",
        ),
        "cap_ppb": ("billionths", "the largest rate, either way"),
    },
}
HEADINGS = {
    "venue": "in the venue file: `[margin]`",
    "liquidation": "in the venue file: `[liquidation]`",
    "funding": "in the venue file: `[[funding]]`",
    "margin": "`[margin]`",
}


def default_of(key: Any) -> str:
    """A key's default as a person writes it."""
    if key.default is REQUIRED:
        return "required"
    if key.default in ((), {}, ""):
        return "none"
    if isinstance(key.default, tuple):
        return f"`{[list(one) if isinstance(one, tuple) else one for one in key.default]}`"
    if isinstance(key.default, bool):
        return f"`{str(key.default).lower()}`"
    return f"`{key.default:_}`"


def filled(text: str) -> str:
    """The page with its tables as the reader has the keys."""

    def content(_all: str) -> str:
        parts = []
        for name, keys in TABLES.items():
            words = WORDS[name]
            assert words.keys() == keys.keys(), (name, words.keys() ^ keys.keys())
            heading = HEADINGS.get(name, f"`[[{name}]]`")
            rows = [
                (f"`{key}`", words[key][0], default_of(keys[key]), words[key][1]) for key in keys
            ]
            parts.append(table(f"| {heading} | unit | default | meaning and rounding |", rows))
        return "\n".join(parts)

    return fill(text, "keys", content)


def main() -> None:
    """Write the tables."""
    PAGE.write_text(filled(PAGE.read_text()))


if __name__ == "__main__":
    main()
