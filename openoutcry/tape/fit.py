"""Fit records into a format: what it cannot say is counted, by name, and left out or cut."""

from collections import Counter
from typing import Any

import numpy as np

from openoutcry.tape.formats import EXACT_IN_FLOAT, OPTIONAL, Format
from openoutcry.tape.records import (
    ACTIONS,
    NO_PRICE,
    Array,
    Header,
    Symbol,
)
from openoutcry.wire.errors import FlowError

DAY_NS = 86_400 * 10**9


class Losses:
    """What a format does not say of the records that it was given."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.reasons: dict[str, str] = {}

    def add(self, name: str, count: int, reason: str) -> None:
        """Count records of which ``name`` is lost; ``reason`` says in words what that means."""
        if count:
            self.counts[name] += count
            self.reasons[name] = reason

    def rows(self) -> list[dict[str, Any]]:
        """Return the losses: name, count and reason of each."""
        return [
            {"name": name, "count": count, "reason": self.reasons[name]}
            for name, count in sorted(self.counts.items())
        ]


class Fit:
    """Records as ``row`` can say them.  ``header`` is the target's.

    Raises :class:`FlowError` for a value that the target's field has no room for: a book in which
    an order is missing or has another price or quantity would be wrong.
    """

    def __init__(self, row: Format, source: Header, losses: Losses) -> None:
        self.row, self.losses, self._done = row, losses, 0
        self._source = source
        self.header = Header(
            row.name,
            tuple(kind for kind in source.kinds if kind in row.kinds),
            source.about,
            {number: self._symbol(one) for number, one in source.symbols.items()},
            source.levels,
            source.origin,
            self._symbol(source.other),
        )
        scaled = [
            one for one in source.symbols.values() if row.qty_decimals == 0 < one.qty_decimals
        ]
        losses.add(
            "qty_decimals",
            len(scaled),
            "quantities are written in their smallest units, and the file does not say which",
        )
        family = row.name.partition("-")[0]
        if family != "parquet":
            other = set(source.origin) - {family}
            losses.add("origin", len(other), "what a file says of itself, as its data set")
        if not row.has_symbols:
            named = sum(bool(one.name) for one in source.symbols.values())
            losses.add("symbol", named, "the file does not name its instrument")

    def _symbol(self, one: Symbol) -> Symbol:
        price, qty = self.row.price_decimals, self.row.qty_decimals
        # Decimals that hold for any instrument, as DBN's, are not those that its prices need.
        if price is not None and self.row.is_finer and not self._source.other.price_decimals:
            price = max(price, one.price_decimals)
        return Symbol(
            one.name,
            one.price_decimals if price is None else price,
            one.qty_decimals if qty is None else qty,
        )

    def fitted(self, kind: str, records: Array) -> Array | None:
        """Return the records as the format says them; None if it says nothing of them."""
        row, losses = self.row, self.losses
        if kind not in row.kinds:
            losses.add(kind, len(records), f"{row.name} has no records of the kind {kind}")
            return None
        first, self._done = self._done, self._done + len(records)
        if kind not in ("event", "depth"):
            return records
        records = records.copy()
        kept = np.isin(records["action"], row.actions)
        for action in np.unique(records["action"][~kept]):
            name = ACTIONS[bytes(action)]
            count = int((records["action"] == action).sum())
            losses.add(f"action {action.decode()}", count, f"{row.name} does not say: {name}")
        places = first + np.flatnonzero(kept)
        records = records[kept]
        for field in OPTIONAL:
            if field in row.fields:
                continue
            losses.add(
                field, int(np.count_nonzero(records[field])), f"{row.name} has no field for it"
            )
            records[field] = 0
        self._times(records)
        self._numbers(kind, records, places)
        return records

    def _times(self, records: Array) -> None:
        row, losses = self.row, self.losses
        for name in ("ts_ns", "rx_ts_ns"):
            rest = records[name] % row.time_ns
            losses.add(name, int(np.count_nonzero(rest)), f"times are in units of {row.time_ns} ns")
            records[name] -= rest
        if not row.has_date:
            days = records["ts_ns"] // DAY_NS
            losses.add("date", int(np.count_nonzero(days)), "times are those of a day, without it")

    def _numbers(self, kind: str, records: Array, places: Array) -> None:
        row = self.row
        for column in _columns(kind, records, "price"):
            self._scale(records["instrument"], column)
            there = column != NO_PRICE
            self._bound(there & (column > row.price_most), places, column, "price", row.price_most)
            if row.price_most < NO_PRICE - 1:
                self._bound(there & (column < 0), places, column, "price", row.price_most)
        for column in _columns(kind, records, "qty"):
            wrong = (column > row.qty_most) | (column < 0)
            self._bound(wrong, places, column, "qty", row.qty_most)
        if "order_id" in row.fields:
            number = records["order_id"]
            self._bound(number > row.order_most, places, number, "order_id", row.order_most)
        number = records["instrument"]
        most = row.instrument_most
        self._bound(number > most, places, number, "instrument", most)
        if row.is_float:
            self._floats(records)

    def _floats(self, records: Array) -> None:
        for name in ("price", "qty"):
            column = records[name]
            wrong = (np.abs(column) > EXACT_IN_FLOAT) & (column != NO_PRICE)
            reason = "numbers of more than 53 bits are rounded"
            self.losses.add(name, int(np.count_nonzero(wrong)), reason)

    def _scale(self, instruments: Array, column: Array) -> None:
        for number in np.unique(instruments).tolist():
            source = self._source.symbol(number)
            power = self._symbol(source).price_decimals - source.price_decimals
            one = (instruments == number) & (column != NO_PRICE)
            if not power or not one.any():
                continue
            unit = 10 ** abs(power)
            values = column[one]
            if power > 0:
                most = (NO_PRICE - 1) // unit
                if (np.abs(values) > most).any():
                    raise FlowError(
                        f"a price of {source.name} is too large for {self.row.price_decimals} "
                        f"decimals: {int(np.abs(values).max())} in units of "
                        f"1e-{source.price_decimals}"
                    )
                column[one] = values * unit
            else:
                rest = values % unit
                reason = f"prices have {self.row.price_decimals} decimals: cut"
                self.losses.add("price", int(np.count_nonzero(rest)), reason)
                column[one] = values // unit

    def _bound(self, wrong: Array, places: Array, values: Array, name: str, most: int) -> None:
        found = np.flatnonzero(wrong if wrong.ndim == 1 else wrong.any(axis=1))
        if len(found):
            at = int(found[0])
            value = values[at] if values.ndim == 1 else values[at].tolist()
            raise FlowError(
                f"record {int(places[at]) + 1}: {name} {value} does not fit {self.row.name}, "
                f"which has 0 to {most}"
            )


def _columns(kind: str, records: Array, name: str) -> list[Array]:
    """The columns of prices or quantities: of depth records those of each level, too."""
    columns = [records[name]]
    if kind == "depth":
        levels = records["levels"]
        for side in ("bid", "ask"):
            columns += [levels[f"{side}_{name}"][:, at] for at in range(levels.shape[1])]
    return columns
