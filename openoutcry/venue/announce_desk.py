"""What the exchange operator may ask for about a pair that no file has named: it is announced.

A request names the pair's keys as the venue file does, ``KEY=VALUE`` each.  They are staged word by
word in a row without a symbol (``instrument_slots.py``), and in force with one command
(``wire/rule_changes.py``).  Then the instrument is as one that the file has announced.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import LARGEST, Setting
from openoutcry.risk.region import View, setting
from openoutcry.venue.desk import DeskError, Work
from openoutcry.venue.requests import EFFECTIVE, NOTHING
from openoutcry.venue.rules_desk import KEYS, Doors, read_rules, row_with, whole
from openoutcry.venue.spot_tables import tick_units
from openoutcry.wire.records import INSTRUMENT_DTYPE
from openoutcry.wire.rule_changes import (
    PAIR,
    PRICE_LIMIT,
    SLOT,
    SYMBOL,
    TICK_UNITS,
    changes_between,
)
from openoutcry.wire.symbols import CODE_BYTES, bare, check_symbol, code_of

ANNOUNCE = "instrument-announce"
ASSETS, UNITS = ("base", "quote"), ("lot_units", "tick_units")
NEEDED = (*ASSETS, *UNITS, "min_price_ticks", "max_price_ticks")
PAIR_KEYS = (*ASSETS, *UNITS, "decimals", *KEYS)
"""Keys of the venue file that a request may name."""


class AnnounceDesk:
    """Turns requests about new pairs into work."""

    def __init__(
        self,
        symbols: list[str],
        view: View,
        doors: Doors = lambda at, row: "",
        decimals: Callable[[str], int] = lambda symbol: 2,
    ) -> None:
        """``doors``: as of :class:`RulesDesk`; ``decimals(slot)``: of its prices."""
        self.symbols, self.view, self.doors, self.decimals = symbols, view, doors, decimals

    def work_of(
        self, request: dict[str, Any], operator: int, had_effect: Callable[[], bool]
    ) -> Work:
        """``had_effect()``: the core has applied the command.  Raises :class:`DeskError` naming
        what cannot be."""
        symbol = str(request.get("instrument") or "")
        if request.get(EFFECTIVE):
            return Work(NOTHING, [f"{symbol} is announced"])
        self._check_symbol(symbol)
        asked = read_rules(symbol, request.get("rules"), PAIR_KEYS, "announced")
        if missing := [key for key in NEEDED if key not in asked]:
            raise DeskError(f"{symbol}: {missing[0]} is missing; a pair needs {', '.join(NEEDED)}")
        pair = {key: asked.pop(key) for key in ASSETS}
        units = {key: whole(key, asked.pop(key)) for key in UNITS}
        index = self._slot(symbol, asked.pop("decimals", None))
        slot = self.symbols[index]
        numbers = self._check_units(symbol, slot, pair, units)
        rules = self.view.rules
        assert rules is not None
        row = rules.table[index].copy()
        (given,) = np.array([(code_of(symbol), *row.item()[1:])], INSTRUMENT_DTYPE)
        given["max_qty_lots"] = LARGEST
        new = row_with(symbol, given, asked)
        low, high = int(new["min_price_ticks"]), int(new["max_price_ticks"])
        if low < 1 or high > PRICE_LIMIT:
            what = f"prices of spot are 1 to {PRICE_LIMIT} ticks, not {low} to {high}"
            raise DeskError(f"{symbol}: {what}")
        if why := self.doors(index, new):
            raise DeskError(f"{symbol}: {why}")
        base, quote = numbers
        words = [
            (SYMBOL, int.from_bytes(code_of(symbol).ljust(CODE_BYTES, b"\0"), "little"), 0),
            (PAIR, base | quote << 16, units["lot_units"]),
            (TICK_UNITS, units["tick_units"], 0),
            *changes_between(row, new),
        ]
        apply, code = Setting.INSTRUMENT_APPLY, code_of(slot)
        records = [setting(apply, 0, 0, code, operator=operator)]
        for number, value, second in words:
            records.append(setting(Setting.INSTRUMENT_RULE, value, number, code, second, operator))
        records.append(setting(apply, len(words), 0, code, operator=operator))

        def refused() -> str:
            if code_of(symbol) in rules.table["symbol"].tolist() or had_effect():
                return ""
            return f"{symbol}: the core rejected it; see `outcry venue instrument list`"

        done = (
            f"{symbol} is announced: {pair['base']} paid in {pair['quote']}; it takes no order "
            f"until `outcry venue instrument open {symbol}`"
        )
        return Work(np.concatenate(records), [done], refused)

    def _check_symbol(self, symbol: str) -> None:
        """Raise :class:`DeskError` unless a new pair may have this symbol."""
        try:
            check_symbol(symbol)
        except ValueError as error:
            raise DeskError(str(error)) from None
        if len(symbol) > CODE_BYTES:
            raise DeskError(
                f"{symbol!r} has {len(symbol)} characters: a pair that is announced while trading "
                f"has {CODE_BYTES} at most; a longer symbol needs the venue file and "
                "`outcry venue carry`"
            )
        if symbol.startswith(SLOT):
            raise DeskError(f"{symbol!r}: {SLOT} begins the symbol of a slot")
        if code_of(symbol) in map(code_of, self.symbols):
            raise DeskError(f"there is an instrument {symbol!r} already")
        known = [one for one in self.symbols if not one.startswith(SLOT)]
        alike = [one for one in known if bare(one) == bare(symbol)]
        if alike:
            raise DeskError(
                f"{symbol!r} is {alike[0]!r} but for case and punctuation: programs that leave "
                "these out would take one for the other"
            )
        if self.view.wallets is not None and symbol in self.view.wallets.names:
            raise DeskError(f"{symbol!r} is also an asset's name")

    def _slot(self, symbol: str, decimals: str | None) -> int:
        """Return the row that gets the symbol."""
        free = [n for n, one in enumerate(self.symbols) if one.startswith(SLOT)]
        if self.view.rules is None or self.view.word(lay.PARTITIONS) > 1 or not free:
            raise DeskError(
                f"{symbol}: no slot is left for it; `outcry venue carry` goes on with a file that "
                "has more ([[instrument_slots]])"
            )
        wanted = None if decimals is None else whole("decimals", decimals)
        for index in free:
            if wanted in (None, self.decimals(self.symbols[index])):
                return index
        there = sorted({self.decimals(self.symbols[index]) for index in free})
        raise DeskError(
            f"{symbol}: no slot whose prices have {wanted} decimals is left; there are slots with "
            f"{', '.join(map(str, there))}"
        )

    def _check_units(
        self, symbol: str, slot: str, pair: dict[str, str], units: dict[str, int]
    ) -> list[int]:
        """Return the numbers of both assets.  Raises :class:`DeskError` for an asset that is not
        declared, and for units that would round."""
        wallets = self.view.wallets
        assert wallets is not None
        for key, name in pair.items():
            if name not in wallets.names:
                raise DeskError(
                    f"{symbol}: {key}: there is no asset {name!r}; there are: "
                    f"{', '.join(wallets.names)}"
                )
        base, quote = pair["base"], pair["quote"]
        if base == quote:
            raise DeskError(f"{symbol}: {quote} is also the base asset")
        for key, value in units.items():
            if not 1 <= value <= LARGEST:
                raise DeskError(f"{symbol}: {key} is {value}, not 1 to {LARGEST}")
        of_base, of_quote, places = *map(wallets.decimals, (base, quote)), self.decimals(slot)
        exact = tick_units(units["lot_units"], of_base, of_quote, places)
        if exact.denominator != 1:
            raise DeskError(
                f"{symbol}: a tick of a lot would be {exact} units of {quote}, and amounts would "
                "round: give a lot more units, or prices fewer decimals"
            )
        if exact != units["tick_units"]:
            raise DeskError(
                f"{symbol}: tick_units is {units['tick_units']}, but a tick of a lot is {exact} "
                f"units of {quote} (lot_units of {base} with {of_base} decimals, prices with "
                f"{places}, {quote} with {of_quote})"
            )
        return [wallets.names.index(name) for name in (base, quote)]
