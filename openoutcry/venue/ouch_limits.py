"""What OUCH can say of an instrument: a venue file with more is refused, by line and key.

Prices of OUCH 4.2 are four bytes and those of OUCH 5.0 eight, both with four decimals and without a
sign; quantities are four bytes.  An instrument whose prices or quantities need more names
``ouch = false``: OUCH does not trade it then, and FIX and packets do.  Older releases made
such files: a venue whose journal exists is served with a warning.
"""

from collections.abc import Iterable
from typing import Any

from openoutcry.order_entry.spec import Protocol, SessionSpec
from openoutcry.wire.toml_tables import Mistake, Tables, name_of

PRICE_DECIMALS = 4
MAX_U32 = 2**32 - 1
HIGHEST = {Protocol.OUCH42: MAX_U32, Protocol.OUCH50: 2**64 - 1}
"""Prices in ten-thousandths that a report can say."""


def check_ouch(tables: Tables, sessions: list[SessionSpec]) -> frozenset[str]:
    """Symbols of the instruments that OUCH does not trade.  Limits of the file that the protocols
    of its sessions cannot say are noted as mistakes."""
    spoken = [one for one in HIGHEST if any(row.protocol is one for row in sessions)]
    untraded = set()
    for path, row in tables.given_rows("instrument"):
        if row.get("ouch") is False:
            untraded.add(str(row.get("symbol", "")))
            if spoken and tables.is_accepted:
                _warn_members(tables, path, row, sessions)
        elif spoken:
            _check(tables, path, row, spoken)
    return frozenset(untraded)


def ouch_bounds(decimals: int, sessions: Iterable[SessionSpec]) -> tuple[tuple[str, int, int], ...]:
    """Return field, least and greatest value of each limit that the protocols of these sessions can
    say, of an instrument whose prices have so many decimals."""
    protocols = {row.protocol for row in sessions}
    spoken = [one for one in HIGHEST if one in protocols]
    return _bounds(decimals, spoken) if spoken and decimals <= PRICE_DECIMALS else ()


def _bounds(decimals: int, spoken: list[Protocol]) -> tuple[tuple[str, int, int], ...]:
    highest = min(HIGHEST[one] for one in spoken) // 10 ** (PRICE_DECIMALS - decimals)
    return (
        ("min_price_ticks", 0, highest),
        ("max_price_ticks", 0, highest),
        ("max_qty_lots", 1, MAX_U32),
    )


def _warn_members(
    tables: Tables, path: Any, row: dict[str, Any], sessions: list[SessionSpec]
) -> None:
    """Name the sessions that lose an instrument of a journal that may have their orders."""
    names = ", ".join(one.name for one in sessions if one.protocol in HIGHEST and not one.slot)
    text = f"is false: sessions over OUCH ({names}) enter no orders in {row.get('symbol')}"
    tables.warnings.append(Mistake(tables.line_of((*path, "ouch")), name_of((*path, "ouch")), text))


def _check(tables: Tables, path: Any, row: dict[str, Any], spoken: list[Protocol]) -> None:
    decimals = row.get("decimals", 2)
    if type(decimals) is not int:
        return
    if decimals > PRICE_DECIMALS:
        tables.stricter(
            (*path, "decimals"),
            f"is {decimals}: prices of OUCH have {PRICE_DECIMALS}; lower it, or say `ouch = false`",
        )
        return
    for name, low, high in _bounds(decimals, spoken):
        value = row.get(name, low)
        if type(value) is int and not low <= value <= high:
            tables.stricter(
                (*path, name),
                f"is {value}: OUCH can say {low} to {high}; change it, or say `ouch = false`",
            )
