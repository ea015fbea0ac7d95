"""The file of a venue whose contracts are under scenario margin, and its margin file."""

from tests.support.venue.contract_floor import CONTRACT_VENUE, OF_GOLD, OF_TIN

MARGIN_FILE = """
[margin]
asset = "USD"
now = 2026-11-23T00:00:00Z
[[asset]]
name = "USD"
[[underlying]]
name = "XAU"
price_ticks = 5_000
scan_ticks = 500
unit = 10
initial = 1_100_000
[[underlying]]
name = "SN"
price_ticks = 200_000
scan_ticks = 10_000
unit = 1
[[contract]]
symbol = "GOLD"
kind = "future"
underlying = "XAU"
asset = "USD"
multiplier = 10
expiry = 2026-11-23T16:00:00Z
mark_ticks = 5_000
[[contract]]
symbol = "TIN"
kind = "perpetual"
underlying = "SN"
asset = "USD"
multiplier = 1
mark_ticks = 200_000
[[offset]]
legs = ["XAU:long:1", "SN:short:1"]
rate = 500_000
"""
"""A lot of GOLD needs 5,000, and a lot of TIN 10,000."""
SCENARIO_VENUE = CONTRACT_VENUE.replace(OF_GOLD, OF_GOLD.replace("margin_bps = 1_000\n", ""))
SCENARIO_VENUE = SCENARIO_VENUE.replace(OF_TIN, OF_TIN.replace("margin = 10_000\n", ""))
SCENARIO_VENUE += '[margin]\nfile = "margin.toml"\n'
