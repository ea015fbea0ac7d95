"""The file of a venue with contracts: a future, a perpetual, liquidation and its fund."""

from tests.support.venue.served_venue import VENUE

OF_GOLD = """
min_price_ticks = 1
max_price_ticks = 100_000
reference_price_ticks = 5_000
price_distance_bps = 100_000
margin_bps = 1_000
"""
OF_TIN = """
min_price_ticks = 1
max_price_ticks = 1_000_000
reference_price_ticks = 200_000
price_distance_bps = 100_000
margin = 10_000
"""
CONTRACTS = """
[[asset]]
name = "USD"
decimals = 2
[[contract]]
symbol = "GOLD"
kind = "future"
underlying = "XAU"
asset = "USD"
multiplier = 10
expiry = 2026-11-23T16:00:00Z
[[contract]]
symbol = "TIN"
kind = "perpetual"
underlying = "SN"
asset = "USD"
multiplier = 1
"""
PEOPLE = "".join(f'[[participant]]\nnumber = {n}\nname = "p{n}"\n' for n in (2, 3, 9))
RULES = """
[liquidation]
mark_every_ms = 5
every_ms = 20
part_bps = 10_000
band_bps = 2_000
fund = 9
[[limits]]
credit = 0
maintenance_bps = 5_000
[[limits]]
participant = 1
opening_balance = 60_000
[[limits]]
participant = 2
opening_balance = 200_000
[[limits]]
participant = 3
opening_balance = 100_000
[[limits]]
participant = 9
opening_balance = 2_000
"""
CONTRACT_VENUE = VENUE.replace('symbol = "GOLD"', 'symbol = "GOLD"' + OF_GOLD)
CONTRACT_VENUE = (
    CONTRACT_VENUE.replace('symbol = "TIN"', 'symbol = "TIN"' + OF_TIN) + CONTRACTS + PEOPLE + RULES
)
