"""Amounts of an asset: decimal text for people, whole units inside.

Every command, page and report reads and writes an amount by these functions."""

import re
from collections.abc import Mapping

from openoutcry.wire.errors import OutcryError

DECIMAL = re.compile(r"(\d{1,20})(?:\.(\d{1,20}))?")


class AmountError(OutcryError):
    """Text that is no amount, or has more decimals than are left."""


def decimal_text(units: int, decimals: int, separator: str = "") -> str:
    """Return units as decimal text: 150 with 2 decimals is ``1.50``.

    ``separator``: what stands between thousands."""
    sign, units = ("-", -units) if units < 0 else ("", units)
    whole, fraction = divmod(units, 10**decimals)
    text = f"{sign}{whole:,}".replace(",", separator) if separator else f"{sign}{whole}"
    return f"{text}.{fraction:0{decimals}}" if decimals else text


def units_of(text: str, decimals: int) -> int:
    """Return decimal text as units: ``1.5`` with 2 decimals is 150; exact.

    Raises :class:`AmountError`."""
    found = DECIMAL.fullmatch(text)
    if found is None or not text.isascii():
        raise AmountError("not a decimal number")
    whole, fraction = found[1], (found[2] or "").rstrip("0")
    if len(fraction) > decimals:
        raise AmountError(f"more than {decimals} decimals")
    return int(whole + fraction.ljust(decimals, "0"))


def amount_of(text: str, asset: str, decimals: int) -> int:
    """Return an amount that a person typed as units of an asset.

    Raises :class:`AmountError` with the asset and its decimals."""
    try:
        return units_of(text, decimals)
    except AmountError as error:
        example = decimal_text(1234 * 10**decimals, decimals)
        raise AmountError(
            f"{text!r} is no amount of {asset or 'money'}, which has {decimals} decimals: {error}; "
            f"write it like {example}"
        ) from None


def written_units(text: str, asset: str, decimals: Mapping[str, int]) -> int:
    """Return an amount of a file as units of its asset; one below 0 begins with a minus.

    An asset without known decimals has whole amounts.  Raises :class:`AmountError`."""
    digits = text.removeprefix("-")
    if asset not in decimals and "." in text:
        raise AmountError(f"{text!r}: give the decimals of {asset}, as --decimals {asset}=2")
    units = amount_of(digits, asset, decimals.get(asset, 0))
    return units if digits == text else -units


def whole_units(text: str) -> int:
    """Return a number of units that a person typed.  Raises :class:`AmountError`."""
    if not text.isascii() or not text.isdigit() or len(text) > 20:
        raise AmountError(f"{text!r} is not a whole number of units, from 0")
    return int(text)


def amount_words(units: int, asset: str, decimals: Mapping[str, int], separator: str = "") -> str:
    """Return units as text with the asset's name: ``1.50 USD``; units of an asset without known
    decimals are whole."""
    return f"{decimal_text(units, decimals.get(asset, 0), separator)} {asset}".rstrip()
