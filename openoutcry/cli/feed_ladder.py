"""A ladder as a table: what both kinds of feed are shown as."""

from typing import Any

from openoutcry.wire.text import printable

REDRAW_S = 0.25


def drawn(title: str, bids: Any, asks: Any, last: str, state: str, decimals: int) -> Any:
    """The table of a ladder; ``decimals``: of prices."""
    from rich.table import Table
    from rich.text import Text

    spread = price_text(asks[0][0] - bids[0][0], decimals) if bids and asks else "none"
    caption = printable(f"{last} · spread {spread}\n{state}", keep="\n")
    table = Table(title=Text(printable(title)), caption=Text(caption))
    for name in ("orders", "bid", "price", "ask", "orders"):
        table.add_column(name, justify="right")
    for price, shares, orders in reversed(asks):
        table.add_row("", "", price_text(price, decimals), f"{shares:,}", str(orders))
    for price, shares, orders in bids:
        table.add_row(str(orders), f"{shares:,}", price_text(price, decimals), "", "")
    return table


def price_text(price: int, decimals: int) -> str:
    """A price with its decimals."""
    sign, price = ("-", -price) if price < 0 else ("", price)
    whole, rest = divmod(price, 10**decimals)
    return f"{sign}{whole:,}" + (f".{rest:0{decimals}d}" if decimals else "")
