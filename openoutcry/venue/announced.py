"""A venue file with the instruments that were announced since it was read.

Their symbols, assets, units and rules are the core's: it has given them to rows without a symbol
(``instrument_slots.py``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy.typing as npt

from openoutcry.order_entry.spec import AssetName, PaidIn
from openoutcry.risk import layout as lay
from openoutcry.risk.region import View
from openoutcry.risk.spot_layout import ASSET_BYTES, SpotBlock, SpotRules
from openoutcry.venue.file import VenueFile
from openoutcry.venue.risk_tables import Place, RiskSpec, Value
from openoutcry.venue.spot_tables import SpotTerms
from openoutcry.wire.rule_changes import SLOT

Of = TypeVar("Of")
Names = Mapping[str, str]


def pair_of(view: View, index: int) -> SpotTerms:
    """Return how the core pays a spot instrument from wallets."""
    assert view.wallets is not None
    rules, names = view.wallets.rules[index], view.wallets.names
    first = int(view.wallets.words[SpotBlock.offset("asset_at") // 8])
    base, quote = (
        names[(int(rules[SpotRules.offset(name) // 8]) - first) // ASSET_BYTES]
        for name in ("base_at", "quote_at")
    )
    units = int(rules[SpotRules.offset("lot_units") // 8])
    return SpotTerms(base, quote, units, int(view.instruments[index, lay.MULTIPLIER // 8]))


def announced(symbols: Sequence[str], view: View) -> Iterator[tuple[int, str]]:
    """Yield index and symbol of each row that had no symbol in a file, and has one now."""
    for index, symbol in enumerate(symbols if view.rules is not None else ()):
        if symbol.startswith(SLOT):
            assert view.rules is not None
            now = bytes(view.rules.table["symbol"][index]).decode()
            if now != symbol:
                yield index, now


def with_announced(file: VenueFile, view: View) -> VenueFile:
    """Return the file as it would be if it named the instruments that the core has by now."""
    new = dict(announced(file.symbols, view))
    if not new:
        return file
    names = {file.symbols[index]: symbol for index, symbol in new.items()}
    pairs = {symbol: pair_of(view, index) for index, symbol in new.items()}
    assert view.wallets is not None
    decimals = {one: view.wallets.decimals(one) for one in view.wallets.names}
    symbols = tuple(names.get(symbol, symbol) for symbol in file.symbols)
    instruments: npt.NDArray[Any] = file.instruments.copy()
    for index in new:
        assert view.rules is not None
        instruments[index] = view.rules.table[index]
    traded = tuple(
        replace(one, symbol=names.get(one.symbol, one.symbol)) for one in file.calendar.instruments
    )
    sessions, feed = file.sessions, file.feed
    paid_in = {
        symbol: PaidIn(*(AssetName(one, decimals[one]) for one in (pair.base, pair.quote)))
        for symbol, pair in pairs.items()
    }
    return replace(
        file,
        symbols=symbols,
        instruments=instruments,
        calendar=replace(file.calendar, instruments=traded, _days={}),
        sessions=replace(
            sessions,
            symbols=symbols,
            price_decimals=_named(sessions.price_decimals, names),
            not_by_ouch=frozenset(names.get(one, one) for one in sessions.not_by_ouch),
            paid_in=_named(sessions.paid_in, names) | paid_in,
        ),
        feed=feed
        and replace(feed, symbols=symbols, price_decimals=_named(feed.price_decimals, names)),
        risk=_risk(file.risk, new, names, pairs),
    )


def _named(of: Mapping[str, Of], names: Names) -> dict[str, Of]:
    return {names.get(symbol, symbol): value for symbol, value in of.items()}


def _places(of: Mapping[Place, Value], names: Names) -> dict[Place, Value]:
    return {(what, who, names.get(one, one)): value for (what, who, one), value in of.items()}


def _risk(
    spec: RiskSpec, new: Mapping[int, str], names: Names, pairs: Mapping[str, SpotTerms]
) -> RiskSpec:
    multipliers = [
        pairs[new[index]].tick_units if index in new else one
        for index, one in enumerate(spec.multipliers)
    ]
    return replace(
        spec,
        wanted=_places(spec.wanted, names),
        of_new={group: _places(limits, names) for group, limits in spec.of_new.items()},
        multipliers=tuple(multipliers),
        symbols=tuple(names.get(symbol, symbol) for symbol in spec.symbols),
        money=replace(spec.money, spot=_named(spec.money.spot, names) | dict(pairs)),
        filed_digest=spec.digest,
    )
