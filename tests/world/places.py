"""The venue file of the world: two books of one spot market, a future and a perpetual under
scenario margin with collateral, an instrument that is paid in full, an insurance fund, fees, and a
short trading day."""

from openoutcry.wire.enums import Phase
from tests.oracles.trading_day import TradingDay
from tests.support.venue.scenario_floor import MARGIN_FILE, SCENARIO_VENUE
from tests.support.venue.spot_floor import session_tables

PEOPLE = {"alice": 1, "bob": 2, "carol": 3}
FUND = 9
FIRST_DAY, EXPIRY_DAY, EXPIRES_AT = "2026-11-23", "2026-11-25", "09:20"
DAYS = (FIRST_DAY, "2026-11-24", EXPIRY_DAY)
HOUR_S = 3_600
STEPS = (
    (8 * HOUR_S + 3_000, Phase.PRE_OPEN),
    (9 * HOUR_S, Phase.CONTINUOUS),
    (9 * HOUR_S + 1_800, Phase.CLOSING_AUCTION),
    (9 * HOUR_S + 1_980, Phase.TRADING_AT_LAST),
    (9 * HOUR_S + 2_100, Phase.CLOSED),
)
"""Seconds of the day, UTC."""
DAY = TradingDay(STEPS)
MARKETS = ("BTC-USD", "XBT-USD")
"""Two books of the same asset: a router may use both."""
CONTRACTS = ("GOLD", "TIN")
PLAIN, LOT_FEE = "IRON", 3
"""Paid in full out of margin accounts, with a fee for each lot."""
LOT_UNITS = {"BTC-USD": 10_000_000, "XBT-USD": 30_000_000}
"""A lot is 0.1 and 0.3 BTC."""
FEES_BPS = {"maker": 2, "taker": 10}
_SPOT = f"""
[[asset]]
name = "BTC"
decimals = 8
[[fee_schedule]]
name = "standard"
maker_bps = {FEES_BPS["maker"]}
taker_bps = {FEES_BPS["taker"]}
collect = "received"
""" + "".join(
    f"""
[[fees]]
schedule = "standard"
instrument = "{symbol}"
[[instrument]]
symbol = "{symbol}"
settlement = "spot"
base = "BTC"
quote = "USD"
decimals = 1
lot_units = {LOT_UNITS[symbol]}
tick_units = {LOT_UNITS[symbol] // 10_000_000}
min_price_ticks = 1
max_price_ticks = 4_000_000
reference_price_ticks = 500_000
market_band_ticks = 100_000
"""
    for symbol in MARKETS
)
_PLAIN = f"""
[[instrument]]
symbol = "{PLAIN}"
min_price_ticks = 1
max_price_ticks = 100_000
reference_price_ticks = 1_000
market_band_ticks = 1_000
fee = {LOT_FEE}
margin = 500
"""
_WALLETS = "".join(
    f'[[limits]]\nparticipant = {who}\nasset = "{asset}"\nopening_balance = {amount}\n'
    for who in PEOPLE.values()
    for asset, amount in (("USD", 100_000_000), ("BTC", 2_000_000_000))
)
OPENING = {"USD": 100_000_000, "BTC": 2_000_000_000}
"""Of each wallet, in units."""
_SESSIONS = session_tables(
    {
        name.upper(): ("fix-4.4", f'participant = {who}\ncancel_on_disconnect = "none"', "password")
        for name, who in PEOPLE.items()
    }
)
_EXPIRES, _NOW = f"{FIRST_DAY}T16:00", f"{EXPIRY_DAY}T{EXPIRES_AT}"
_CLOCK = ", ".join(
    f'"{at // HOUR_S:02}:{at % HOUR_S // 60:02} {phase.name}"' for at, phase in STEPS
)
_DAY = 'day = ["08:00 PRE_OPEN", "09:00 CONTINUOUS", "17:00 CLOSING_AUCTION", "17:05 CLOSED"]'
assert _DAY in SCENARIO_VENUE
VENUE_FILE = SCENARIO_VENUE.replace(_DAY, f"day = [{_CLOCK}]").replace(_EXPIRES, _NOW)
VENUE_FILE = VENUE_FILE.replace("[margin]\n", '[margin]\ncollateral = ["BTC"]\n')
VENUE_FILE += _SPOT + _PLAIN + _WALLETS + _SESSIONS
MARGIN = (
    MARGIN_FILE.replace(_EXPIRES, _NOW)
    + """
[[asset]]
name = "BTC"
price = [5, 100]
tiers = [[0, 100_000], [30_000, 200_000]]
"""
)
PRICE_DECIMALS = {"GOLD": 2, "TIN": 2, PLAIN: 2, "BTC-USD": 1, "XBT-USD": 1}
