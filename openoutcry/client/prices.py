"""Prices as people and programs give them."""

import re
from decimal import Decimal

_PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)


def decimal_price(price: str | int | Decimal) -> Decimal:
    """The exact price.  Raises ``ValueError`` for what is not a plain decimal number: a float, an
    exponent, an underscore between digits."""
    if isinstance(price, float):
        raise ValueError(f"price {price!r} is a float: give text or a Decimal")
    if isinstance(price, str) and not _PLAIN.fullmatch(price):
        raise ValueError(f"price {price!r} is not a number")
    value = Decimal(price)
    if not value.is_finite():
        raise ValueError(f"price {price} is not a number")
    return value
