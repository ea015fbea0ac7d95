"""Amounts in requests of operators: decimal text of an asset, or whole units as a number.

People type ``100000.00``; the portal and custody ask in units."""

from collections.abc import Mapping
from typing import Any

from openoutcry.venue.fee_tables import MoneySpec
from openoutcry.wire.decimals import AmountError, amount_of, whole_units

MARGIN_MONEY = "units"
"""Key of a collateral's price: an amount of the money of margin accounts."""
AMOUNTS: dict[str, tuple[str, ...]] = {
    "deposit": ("amount",),
    "deposit-seen": ("amount",),
    "withdrawal-request": ("amount",),
    "asset-credit": ("amount",),
    "contract-pledge": ("amount",),
    "contract-release": ("amount",),
    "contract-collateral": (MARGIN_MONEY, "of"),
    "dividend": ("amount",),
    "fee-tier": ("from_volume",),
    "fee-minimum": ("minimum",),
    "fee-volume": ("volume",),
}
"""The fields of each request that are amounts."""
LIMITS = (
    "credit", "exposure_buy", "exposure_sell", "loss", "drawdown", "max_value", "fee", "margin",
    "deposit",
)  # fmt: skip
"""Limits whose value is an amount."""


def amounts_in(request: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the fields of a request that are amounts."""
    if request.get("do") == "set":
        return ("value",) if request.get("limit") in LIMITS else ()
    return AMOUNTS.get(str(request.get("do")), ())


def asset_of(request: Mapping[str, Any], field: str, spec: MoneySpec) -> str:
    """Return the asset of an amount: the one that the request names, the one that pays its
    instrument, that of margin accounts for their limits, or the first; '' if the venue has none."""
    symbol = str(request.get("instrument") or "")
    named = "" if field == MARGIN_MONEY else str(request.get("asset") or "")
    if not named and symbol in spec.spot:
        named = spec.spot[symbol].quote
    named = named or spec.quotes.get(symbol) or ""
    if not named and (field == MARGIN_MONEY or request.get("do") == "set"):
        named = spec.margin_asset
    return named or next(iter(spec.assets), "")


def in_units(
    request: dict[str, Any], spec: MoneySpec, assets: Mapping[str, int] | None
) -> dict[str, Any]:
    """Return the request with the amounts that are text as units; ``assets``: decimals by name;
    None: the text is whole units.

    An asset that is not among them is left to the check of the request.  Raises
    :class:`AmountError` with the field, the asset and its decimals."""
    found = {}
    for field in amounts_in(request):
        text, name = request.get(field), asset_of(request, field, spec)
        if type(text) is not str or text == "none":
            continue
        pays_out = request["do"] == "deposit" and text[:1] == "-"
        digits = text[1:] if pays_out else text
        try:
            if assets is None:
                units = whole_units(digits)
            elif name and name not in assets:
                continue
            else:
                units = amount_of(digits, name, assets.get(name, 0))
        except AmountError as error:
            raise AmountError(f"{field}: {error}") from None
        found[field] = -units if pays_out else units
    return request | found
