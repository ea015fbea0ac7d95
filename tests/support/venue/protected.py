"""A venue file with bands, pauses and a market-wide breaker, and what the feed says of them."""

from tests.support.market_data.feed_support import fields, unframed
from tests.support.venue.served_venue import VENUE

LIMITS = (
    "\nmin_price_ticks = 1\nmax_price_ticks = 100_000\nreference_price_ticks = 1_000"
    "\nmax_qty_lots = 1_000_000\n"
)
PROTECTED = """
[[participant]]
number = 2
name = "two"
[[protection]]
instruments = ["GOLD"]
luld_bps = 500
volatility_bps = 1_000
call_s = 30
[[protection]]
velocity_ticks = 40
velocity_s = 10
pause_s = 120
cancel_resting = true
[breaker]
index = { TIN = 1 }
"""
TEXT = (
    VENUE.replace('symbol = "GOLD"', 'symbol = "GOLD"' + LIMITS + "auction_band_ticks = 200\n")
    .replace('symbol = "TIN"', 'symbol = "TIN"' + LIMITS)
    .replace("time_every_s = 600", "time_every_s = 1")
    + PROTECTED
)


def protections(stream: bytes) -> list[str]:
    """What a feed said of the market's protection, in its order."""
    lines = []
    for message in unframed(stream):
        row = fields(message)
        words = {
            "H": lambda r: f"{r['stock'].strip()} {r['state']} {r['reason'].strip()}",
            "J": lambda r: (
                f"{r['stock'].strip()} {r['reference_price'] // 100}"
                f" {r['upper'] // 100} {r['lower'] // 100} {r['extension']}"
            ),
            "V": lambda r: " ".join(str(r[f"level{k}"] // 10**8) for k in (1, 2, 3)),
            "W": lambda r: r["level"],
            "h": lambda r: f"{r['stock'].strip()} {r['action']}",
        }
        if row["kind"] in words:
            lines.append(f"{row['kind']} {words[row['kind']](row)}")
    return lines
