# SPDX-License-Identifier: Apache-2.0
"""What the gateway checks beyond the instrument table, and the rows that the hardware has.

Everything is off by default: no collar, no notional limit, no participant switched off, nothing
halted, no rate limit. The row's fields are computed here once, in exact integers, for the golden
model, the driver and C alike.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.wire.errors import OutcryError
from openoutcry.wire.records import INSTRUMENT_DTYPE, MAX_VALUE, TICK_BANDS
from openoutcry.wire.registers import COLLAR_ONE, PARTICIPANT_BITS, PRICE_FIVES_MAX

NO_NOTIONAL_LIMIT = 2**126 - 1
"""Above the notional of any order."""
NO_COLLAR_HIGH = 2**80 - 1
PARTICIPANTS = 2**PARTICIPANT_BITS
MAX_RATE_NS = 2**32 - 1


class SettingsError(OutcryError):
    """A setting of the gateway that it cannot have."""


@dataclass(frozen=True, slots=True)
class Limits:
    """One symbol's limits beyond its instrument row.

    A ``collar_bps`` of 0 is no collar; otherwise prices further than that many basis points from
    ``reference_price_ticks`` fail, but one tick always passes.  ``notional_limit`` is the highest
    price times quantity.  Price bands take a collar's place: new sells fail below
    ``lowest_sell_ticks``, new buys above ``highest_buy_ticks``.
    """

    reference_price_ticks: int = 0
    collar_bps: int = 0
    notional_limit: int = NO_NOTIONAL_LIMIT
    halted: bool = False
    lowest_sell_ticks: int = 0
    highest_buy_ticks: int = MAX_VALUE

    @property
    def banded(self) -> bool:
        """Return whether a price band is set for either side."""
        return self.lowest_sell_ticks > 0 or self.highest_buy_ticks < MAX_VALUE

    def __post_init__(self) -> None:
        _within("collar_bps", self.collar_bps, 0, 65_535)
        _within("lowest_sell_ticks", self.lowest_sell_ticks, 0, MAX_VALUE)
        _within("highest_buy_ticks", self.highest_buy_ticks, 0, MAX_VALUE)
        if self.collar_bps and self.banded:
            raise SettingsError(
                "gateway settings collar_bps and price bands: a symbol has one of them"
            )
        _within("notional_limit", self.notional_limit, 0, NO_NOTIONAL_LIMIT)
        lowest = 1 if self.collar_bps else 0
        _within("reference_price_ticks", self.reference_price_ticks, lowest, MAX_VALUE)


@dataclass(frozen=True, slots=True)
class Settings:
    """The gateway's settings.

    With ``check_participants`` only those in ``participants_on`` may enter orders. With a
    ``rate_interval_ns`` other than 0 each participant may enter one order in that time on average.
    A participant may run ahead of that by ``rate_burst_ns``: a token bucket of 1 + burst / interval
    orders.
    """

    limits: Mapping[bytes, Limits] = field(default_factory=lambda: MappingProxyType({}))
    check_participants: bool = False
    participants_on: frozenset[int] = frozenset()
    rate_interval_ns: int = 0
    rate_burst_ns: int = 0

    def __post_init__(self) -> None:
        _within("rate_interval_ns", self.rate_interval_ns, 0, MAX_RATE_NS)
        _within("rate_burst_ns", self.rate_burst_ns, 0, MAX_RATE_NS)
        for participant in self.participants_on:
            _within("participant", participant, 0, PARTICIPANTS - 1)


def _within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise SettingsError(f"gateway setting {name} is {value}, not {low} to {high}")


def make_rows(instruments: npt.NDArray[Any], settings: Settings) -> list[dict[str, int]]:
    """The symbol table: for each instrument the fields of ``wire.registers.ROW_FIELDS``.

    Raises ``ValueError`` for another dtype or an empty table, :class:`SettingsError` for limits of
    a symbol that no instrument has.
    """
    if instruments.dtype != INSTRUMENT_DTYPE or instruments.ndim != 1 or len(instruments) == 0:
        raise ValueError(
            "rules are made from a one-dimensional array of INSTRUMENT_DTYPE, not empty"
        )
    unknown = set(settings.limits) - {bytes(row["symbol"]) for row in instruments}
    if unknown:
        raise SettingsError(f"gateway limits for {min(unknown)!r}, which is not an instrument")
    return [
        row_values(row, settings.limits.get(bytes(row["symbol"]), Limits())) for row in instruments
    ]


def row_values(instrument: np.void, limits: Limits) -> dict[str, int]:
    """One row's fields from an ``INSTRUMENT_DTYPE`` row and its limits."""
    price_twos, price_fives = factors(checked_price_step(instrument))
    qty_twos, qty_fives = factors(int(instrument["qty_step_lots"]))
    reference, bps = limits.reference_price_ticks, limits.collar_bps
    # One tick always passes, as it does with the core's own collars (risk/protection.py).
    width = max(COLLAR_ONE, reference * bps)
    low = max(0, reference * COLLAR_ONE - width) if bps else 0
    high = reference * COLLAR_ONE + width if bps else NO_COLLAR_HIGH
    if limits.banded:
        low, high = limits.lowest_sell_ticks * COLLAR_ONE, limits.highest_buy_ticks * COLLAR_ONE
    return {
        "symbol": symbol_word(bytes(instrument["symbol"])),
        "max_price_ticks": int(instrument["max_price_ticks"]),
        "min_qty_lots": int(instrument["min_qty_lots"]),
        "max_qty_lots": int(instrument["max_qty_lots"]),
        "collar_low": low,
        "collar_high": high,
        "notional_limit": limits.notional_limit,
        "price_twos": price_twos,
        "price_fives": price_fives,
        "qty_twos": qty_twos,
        "qty_fives": qty_fives,
        "by_side": int(limits.banded),
        "halted": int(limits.halted),
    }


def symbol_word(symbol: bytes) -> int:
    """The eight bytes of a symbol as the unsigned number that is in the record."""
    return int.from_bytes(symbol.ljust(8, b"\0"), "little")


def checked_price_step(instrument: np.void) -> int:
    """Return the number of which every positive price of an instrument is a multiple: the greatest
    common divisor of the steps that such a price can have. Where a first band begins at 0, the step
    below it is left out.

    Which of its bands a price lies in, and the step there, is the matcher's to check."""
    steps = [int(instrument["price_step_ticks"])]
    for k in range(1, TICK_BANDS + 1):
        step = int(instrument[f"band{k}_step_ticks"])
        if step:
            # Nothing positive lies below this band: only it and the bands above it count.
            kept = steps if int(instrument[f"band{k}_from_ticks"]) > 1 else []
            steps = [*kept, step]
    return math.gcd(*steps)


def factors(step: int) -> tuple[int, int]:
    """Return how many factors of two and (up to six) of five a step has: what the hardware
    checks."""
    twos = (step & -step).bit_length() - 1
    fives = 0
    while fives < PRICE_FIVES_MAX and step % 5 ** (fives + 1) == 0:
        fives += 1
    return twos, fives
