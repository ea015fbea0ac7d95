"""What the tests of venue money in several tiers share."""

MONEY = """
[[asset]]
name = "USD"
decimals = 2
[[asset]]
name = "EUR"
decimals = 2
[[fee_schedule]]
name = "standard"
maker_bps = -1
taker_bps = 25
minimum = 3
[[fee_schedule]]
name = "standard"
from_volume = 1_000_000
maker_bps = -2
taker_bps = 12.5
[[fee_schedule]]
name = "free"
maker_bps = 0
taker_bps = 0
[[fees]]
schedule = "standard"
[[fees]]
group = "alpha"
schedule = "free"
[[fees]]
participant = 3
instrument = "GOLD"
schedule = "standard"
"""
