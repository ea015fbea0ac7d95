"""What the exchange operator may change of an instrument's rules while it trades: price step and
tick table, lot, limits of price and quantity, the bands of market orders and auctions.

A request is the rules as the venue file names them, ``KEY=VALUE`` each.  They are staged word by
word and in force with one command, which cancels the open orders that they do not permit, or is
refused because of them (``wire/rule_changes.py``).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from openoutcry.market_data.feed import limits_broken
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.instrument_state import state_in
from openoutcry.risk.region import View, setting
from openoutcry.venue.desk import DeskError, Work
from openoutcry.venue.file import VenueFile
from openoutcry.venue.ouch_limits import ouch_bounds
from openoutcry.venue.requests import EFFECTIVE, NOTHING
from openoutcry.wire.instrument_states import InstrumentState
from openoutcry.wire.records import (
    INSTRUMENT_DTYPE,
    MAX_VALUE,
    NO_PRICE,
    TICK_BANDS,
    make_instruments,
)
from openoutcry.wire.rule_changes import CANCEL_OFF_GRID, FIELDS, changes_between
from openoutcry.wire.symbols import code_of

CHANGE = "instrument-change"
TICK_TABLE = "tick_table"
KEYS = (*FIELDS, TICK_TABLE)
"""Keys of the venue file that a request may change."""
OVER = InstrumentState.EXPIRED, InstrumentState.DELISTED
Doors = Callable[[int, Any], str]


class RulesDesk:
    """Turns requests about rules of instruments into work."""

    def __init__(self, symbols: list[str], view: View, doors: Doors = lambda at, row: "") -> None:
        """``doors(index, row)``: why the feed or a session could not say what a row of the
        instrument table allows, or nothing."""
        self.symbols, self.view, self.doors = symbols, view, doors

    def work_of(
        self, request: dict[str, Any], operator: int, had_effect: Callable[[], bool]
    ) -> Work:
        """``had_effect()``: the core has applied the command.  Raises :class:`DeskError` naming
        what cannot be."""
        symbol = str(request.get("instrument") or "")
        if symbol not in self.symbols:
            raise DeskError(f"there is no instrument {symbol!r}")
        if request.get(EFFECTIVE):
            return Work(NOTHING, [f"{symbol} has new rules"])
        index, rules = self.symbols.index(symbol), self.view.rules
        if self.view.word(lay.PARTITIONS) > 1:
            raise DeskError(f"{symbol}: rules change only with one partition ([venue] partitions)")
        if rules is None:
            raise DeskError(
                "the journal began without rules that change: `outcry venue carry` goes on with a "
                "new one"
            )
        row = rules.table[index].copy()
        asked = read_rules(symbol, request.get("rules"), KEYS, "changed")
        new = row_with(symbol, row, asked)
        if new == row:
            raise DeskError(f"{symbol} has these rules already")
        self._check(symbol, index, new)
        words = changes_between(row, new)
        how = CANCEL_OFF_GRID if _is_on(request, "cancel_off_grid") else 0
        place = 0, code_of(symbol)
        records = [setting(Setting.INSTRUMENT_APPLY, 0, *place, operator=operator)]
        for number, value, second in words:
            where = number, code_of(symbol), second, operator
            records.append(setting(Setting.INSTRUMENT_RULE, value, *where))
        last = len(words), how, code_of(symbol)
        records.append(setting(Setting.INSTRUMENT_APPLY, *last, operator=operator))

        def refused() -> str:
            assert rules is not None
            if rules.table[index] == new or had_effect():
                return ""
            count = rules.word("in_the_way")
            if count:
                return (
                    f"{symbol}: {count:,} open orders are off the new rules, so nothing has "
                    "changed; --cancel-off-grid cancels them"
                )
            return f"{symbol}: the core rejected it: a call has begun, or its last price has moved"

        shown = "; open orders off its new rules are cancelled" if how else ""
        return Work(np.concatenate(records), [f"{symbol}: {_difference(row, new)}{shown}"], refused)

    def _check(self, symbol: str, index: int, new: Any) -> None:
        """Raise :class:`DeskError` naming what the core would refuse, or a door could not say."""
        row = self.view.instruments[index]
        state = state_in(int(row[lay.HALT // 8]))
        if state in OVER:
            raise DeskError(f"{symbol} is {state.name.lower()}: its rules stay")
        if int(row[lay.MARKET_RESTS // 8]) & lay.RESTS_IN_CALL:
            raise DeskError(f"{symbol} is in a call: ask again after its auction")
        low, high = int(new["min_price_ticks"]), int(new["max_price_ticks"])
        if int(row[lay.SPOT_AT // 8]) and low < 1:
            raise DeskError(f"{symbol}: min_price_ticks is {low}: prices of spot are 1 or more")
        for name, at in (("last", lay.LAST), ("reference", lay.REFERENCE)):
            price = int(row[at // 8])
            if price not in (NO_PRICE, MAX_VALUE) and not low <= price <= high:
                raise DeskError(
                    f"{symbol}: its {name} price {price} would be outside the limits {low} to "
                    f"{high}"
                )
        if why := self.doors(index, new):
            raise DeskError(f"{symbol}: {why}")


def read_rules(symbol: str, asked: Any, keys: Sequence[str], what: str) -> dict[str, str]:
    """Return the values of a request, by key.  ``what``: what becomes of the instrument's rules."""
    if not isinstance(asked, str) or not asked.split():
        raise DeskError(f"name the rules of {symbol} that are {what}, such as price_step_ticks=5")
    found: dict[str, str] = {}
    for word in asked.split():
        key, _, text = word.partition("=")
        if key not in keys:
            raise DeskError(
                f"{key}: no key with which {symbol} is {what} while it trades; there are "
                f"{', '.join(keys)}"
            )
        if key in found:
            raise DeskError(f"{key} is named twice")
        found[key] = text
    return found


def row_with(symbol: str, row: Any, asked: Mapping[str, str]) -> Any:
    """Return a row of the instrument table with the rules that are asked for."""
    values: dict[str, Any] = dict(zip(INSTRUMENT_DTYPE.names or (), row.item(), strict=True))
    for key, text in asked.items():
        values |= _bands(text) if key == TICK_TABLE else {key: whole(key, text)}
    try:
        (new,) = make_instruments([values])
    except (ValueError, OverflowError) as error:
        text = str(error).removeprefix("instrument row 0: ")
        raise DeskError(f"{symbol}: {text}") from None
    return new


def door_limits(file: VenueFile) -> Doors:
    """Return what says why the feed, or sessions over OUCH, could not say what a row allows."""
    symbols = file.symbols

    def why(index: int, row: Any) -> str:
        symbol = symbols[index]
        places = file.sessions.price_decimals.get(symbol, 4)
        if file.feed is not None:
            table = np.array([row], INSTRUMENT_DTYPE)
            for _, field, words in limits_broken(table, {symbol: places}, [symbol]):
                return f"{field} {words}"
        if symbol not in file.sessions.not_by_ouch:
            for field, least, most in ouch_bounds(places, file.sessions.sessions):
                if not least <= int(row[field]) <= most:
                    return f"{field} is {int(row[field])}: OUCH can say {least} to {most}"
        return ""

    return why


def whole(key: str, text: str) -> int:
    """Return the whole number that a key's text says.  Raises :class:`DeskError` for another."""
    unit = key.rpartition("_")[2] if key.endswith(("_lots", "_units")) else "ticks"
    unit = "decimals" if key == "decimals" else unit
    try:
        return int(text)
    except ValueError:
        raise DeskError(f"{key}: {text!r} is not a whole number of {unit}") from None


def _bands(text: str) -> dict[str, int]:
    """Return the fields of a tick table: ``FROM:STEP,FROM:STEP``; nothing: without bands."""
    rows = [word.split(":") for word in text.split(",")] if text else []
    if len(rows) > TICK_BANDS or any(len(row) != 2 for row in rows):
        raise DeskError(f"{TICK_TABLE}: {text!r} is not FROM:STEP,… of up to {TICK_BANDS} bands")
    rows += [["0", "0"]] * (TICK_BANDS - len(rows))
    fields = {}
    for number, (start, step) in enumerate(rows, start=1):
        fields[f"band{number}_from_ticks"] = whole(TICK_TABLE, start)
        fields[f"band{number}_step_ticks"] = whole(TICK_TABLE, step)
    return fields


def _is_on(request: dict[str, Any], key: str) -> bool:
    value = request.get(key, False)
    if type(value) is not bool:
        raise DeskError(f"{key}: {value!r} is not true or false")
    return value


def shown_rules(row: Any) -> dict[str, str]:
    """Return a row's rules that may change, as a request says them."""
    bands = [
        f"{int(row[f'band{n}_from_ticks'])}:{int(row[f'band{n}_step_ticks'])}"
        for n in range(1, TICK_BANDS + 1)
        if row[f"band{n}_step_ticks"]
    ]
    return {name: str(int(row[name])) for name in FIELDS} | {TICK_TABLE: ",".join(bands)}


def _difference(row: Any, new: Any) -> str:
    before, now = shown_rules(row), shown_rules(new)
    return ", ".join(
        f"{name} is {now[name] or 'nothing'} (was {before[name] or 'nothing'})"
        for name in KEYS
        if before[name] != now[name]
    )
