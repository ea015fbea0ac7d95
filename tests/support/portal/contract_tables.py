"""The tables of contracts on gold and the euro that venues and margin files of tests have."""

RULES = """
[liquidation]
[[limits]]
credit = 0
maintenance_bps = 10_000
[margin]
file = "margin.toml"
"""
MARGIN = """
[margin]
asset = "USD"
now = {now}
[[asset]]
name = "USD"
"""
GOLD = """
[[underlying]]
name = "XAU"
price_ticks = 1_000
scan_ticks = 300
unit = 10_000
initial = 1_500_000
"""
EURO = """
[[underlying]]
name = "EUR"
price_ticks = 1_000
scan_ticks = 300
unit = 10_000
"""
SMILE = """
[[smile]]
underlying = "XAU"
expiry = {expiry}
ratios = [800_000, 1_000_000, 1_200_000]
volatilities = [400_000, 400_000, 400_000]
"""
MARK = "mark_ticks = 1_000\n"


def instrument(symbol: str, price: int = 1_000, fee: int = 0) -> str:
    """Return the instrument of a contract, with two decimals; ``fee``: units a lot."""
    return f"""
[[instrument]]
symbol = "{symbol}"
decimals = 2
amount_decimals = 6
min_price_ticks = 1
max_price_ticks = 4_000_000
reference_price_ticks = {price}
price_distance_bps = 1_000_000
fee = {fee}
"""


def contract(symbol: str, kind: str, expiry: str = "", more: str = "") -> str:
    """Return a contract on gold, paid in dollars; ``more``: lines of its own."""
    ends = f"expiry = {expiry}\n" if expiry else ""
    terms = "strike_ticks = 1_000\nstrike_multiplier = 10_000\n" if kind == "call" else ""
    return f"""
[[contract]]
symbol = "{symbol}"
kind = "{kind}"
underlying = "XAU"
asset = "USD"
multiplier = 10_000
{ends}{terms}{more}"""


def inverse(more: str = "") -> str:
    """Return an inverse perpetual on the euro, paid in dollars; ``more``: lines of its own."""
    return f"""
[[contract]]
symbol = "EUR-I"
kind = "perpetual"
inverse = true
underlying = "EUR"
asset = "USD"
multiplier = 10_000_000_000
{more}"""
