"""Collars, notional limits, halts, participants and rates: the golden model against the reference.

The reference divides with fractions and keeps rates in a dictionary; the kernel multiplies exactly.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from openoutcry.gateway_fpga import Limits, Settings, make_rules
from openoutcry.gateway_fpga.settings import SettingsError
from openoutcry.wire import CommandKind, ErrorBit
from tests.support.gateway_fpga.settings import (
    EDGES,
    INSTRUMENTS,
    LIMITS,
    ROWS,
    SETTINGS,
    codes,
    expected,
    make_orders,
)


def reasons(orders: np.ndarray, chosen: Settings, bit: ErrorBit) -> list[int]:
    return [code >> bit & 1 for code in codes(orders, chosen)]


def test_every_edge_price_against_every_edge_quantity() -> None:
    """Collar and notional are exact where floats would round: all pairs, in every symbol."""
    pairs = [(price, qty) for price in EDGES for qty in EDGES]
    chosen = Settings(limits=LIMITS)
    for symbol in ROWS:
        orders = make_orders(
            symbol=symbol, price_ticks=[p for p, _ in pairs], qty_lots=[q for _, q in pairs]
        )
        assert codes(orders, chosen) == expected(orders, chosen)


def test_the_collar_is_closed_on_both_sides() -> None:
    """Five percent of 1,000 is 50: 950 and 1,050 pass, 949 and 1,051 do not."""
    orders = make_orders(price_ticks=[949, 950, 1_000, 1_050, 1_051])
    assert reasons(orders, SETTINGS, ErrorBit.COLLAR) == [1, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("reference", "bps"), [(1, 1), (50, 1), (50, 199), (9_999, 1), (10_000, 1)]
)
def test_one_tick_from_the_reference_passes_every_collar(reference: int, bps: int) -> None:
    """A share that is less than a tick would refuse every price but the reference itself; the
    core's limits on prices let one tick pass, and so does the gateway."""
    chosen = Settings(limits={b"A": Limits(reference_price_ticks=reference, collar_bps=bps)})
    orders = make_orders(price_ticks=[reference + d for d in (-2, -1, 0, 1, 2)])
    refused = reasons(orders, chosen, ErrorBit.COLLAR)
    # A price of 0 or less has no distance.
    assert refused == [int(reference > 2), 0, 0, 0, 1]
    assert codes(orders, chosen) == expected(orders, chosen)


def test_price_bands_refuse_new_sells_below_and_new_buys_above() -> None:
    """A buy far below and a sell far above rest; a REPLACE's side stands in the book alone."""
    chosen = Settings(limits={b"A": Limits(lowest_sell_ticks=950, highest_buy_ticks=1_050)})
    prices = [1, 949, 950, 1_050, 1_051, 2**63 - 1]
    for side, kind, refused in (
        (1, CommandKind.NEW, [0, 0, 0, 0, 1, 1]),
        (2, CommandKind.NEW, [1, 1, 0, 0, 0, 0]),
        (1, CommandKind.REPLACE, [0] * 6),
        (2, CommandKind.REPLACE, [0] * 6),
    ):
        orders = make_orders(price_ticks=prices, side=side, kind=kind)
        assert reasons(orders, chosen, ErrorBit.COLLAR) == refused
        assert codes(orders, chosen) == expected(orders, chosen)
    closed_band = Settings(limits={b"A": Limits(lowest_sell_ticks=2**63 - 1, highest_buy_ticks=0)})
    for side in (1, 2):
        orders = make_orders(price_ticks=[1, 2**63 - 2], side=side)
        assert reasons(orders, closed_band, ErrorBit.COLLAR) == [1, 1]


def test_a_notional_beyond_64_bits_is_compared_exactly() -> None:
    """2**32 times 2**32 is the limit; one lot more is above it, and nothing wraps."""
    chosen = Settings(limits={b"A": Limits(notional_limit=2**64)})
    orders = make_orders(price_ticks=2**32, qty_lots=[2**32 - 1, 2**32, 2**32 + 1, 2**63 - 1])
    assert reasons(orders, chosen, ErrorBit.NOTIONAL) == [0, 0, 1, 1]
    largest = make_orders(price_ticks=2**63 - 1, qty_lots=[2**63 - 1])
    limit = (2**63 - 1) ** 2
    for less, verdict in ((0, 0), (1, 1)):
        chosen = Settings(limits={b"A": Limits(notional_limit=limit - less)})
        assert reasons(largest, chosen, ErrorBit.NOTIONAL) == [verdict]


def test_what_takes_away_is_never_refused() -> None:
    """With his bit off, the symbol halted and his rate used up, a participant can still cancel."""
    chosen = Settings(
        limits={b"A": Limits(halted=True)}, check_participants=True, rate_interval_ns=2**32 - 1
    )
    entry = 1 << ErrorBit.PARTICIPANT | 1 << ErrorBit.HALTED
    rate = 1 << ErrorBit.RATE
    operators = (CommandKind.TIME, CommandKind.PHASE, CommandKind.RISK)
    kinds = [k for k in CommandKind if k not in operators]
    got = dict(zip(kinds, codes(make_orders(kind=kinds), chosen), strict=True))
    assert got == {
        CommandKind.NEW: entry,
        CommandKind.CANCEL: 0,
        CommandKind.REDUCE: 0,
        CommandKind.REPLACE: entry | rate,
        CommandKind.SET_EXPIRY: entry | rate,
        CommandKind.MASS_CANCEL: 0,
        CommandKind.DISCONNECT: 0,
        CommandKind.TERMS: 0,
    }


def test_a_burst_and_then_the_rate() -> None:
    """A bucket of 1 + 250 / 100 orders: three at once, then one each 100 ns."""
    times = [1_000] * 4 + [1_049, 1_050, 1_149, 1_150, 5_000, 5_000, 5_000, 5_000]
    orders = make_orders(rx_ts_ns=times)
    assert reasons(orders, SETTINGS, ErrorBit.RATE) == [0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 1]


def test_each_participant_has_its_own_bucket() -> None:
    """One who uses up his rate slows nobody else; who has no bucket has no rate."""
    orders = make_orders(participant=[1, 3, 1, 3, 1, 3, 1, 3, 1_024, 1_023], rx_ts_ns=7)
    assert reasons(orders, SETTINGS, ErrorBit.RATE) == [0, 0, 0, 0, 0, 0, 1, 1, 1, 0]


def test_an_order_that_fails_otherwise_uses_its_place_a_refused_one_does_not() -> None:
    """The bucket counts what was asked, not what was granted; RATE itself costs nothing."""
    orders = make_orders(price_ticks=[-1, -1, -1, 1_000, 1_000], rx_ts_ns=[0, 0, 0, 0, 50])
    assert reasons(orders, SETTINGS, ErrorBit.RATE) == [0, 0, 0, 1, 0]


def test_without_settings_nothing_is_switched_on() -> None:
    """The default gateway knows no collar, limit, bit, halt or rate."""
    orders = make_orders(price_ticks=[1, 2**63 - 1] * 50, qty_lots=2**63 - 1, participant=60_000)
    assert codes(orders, Settings()) == [0] * 100


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: Limits(collar_bps=65_536, reference_price_ticks=1), "collar_bps is 65536"),
        (lambda: Limits(collar_bps=-1), "collar_bps is -1"),
        (lambda: Limits(collar_bps=1), "reference_price_ticks is 0, not 1"),
        (lambda: Limits(lowest_sell_ticks=-1), "lowest_sell_ticks is -1"),
        (lambda: Limits(highest_buy_ticks=2**63), "highest_buy_ticks"),
        (lambda: Limits(5, 1, highest_buy_ticks=9), "collar_bps and price bands"),
        (lambda: Limits(reference_price_ticks=2**63), "reference_price_ticks"),
        (lambda: Limits(notional_limit=2**126), "notional_limit"),
        (lambda: Settings(rate_interval_ns=2**32), "rate_interval_ns"),
        (lambda: Settings(rate_burst_ns=-1), "rate_burst_ns"),
        (lambda: Settings(participants_on=frozenset({1_024})), "participant is 1024"),
        (lambda: make_rules(INSTRUMENTS, Settings(limits={b"Z": Limits()})), "b'Z'"),
    ],
)
def test_settings_out_of_range_are_refused(build: Any, named: str) -> None:
    """The message names the setting and the value it has."""
    with pytest.raises(SettingsError, match=named):
        build()


def bits_of(values: Iterable[ErrorBit]) -> int:
    return sum(1 << bit for bit in values)


def test_every_switched_reason_can_stand_with_every_other() -> None:
    """All five at once: no reason hides another."""
    chosen = Settings(
        limits={b"A": Limits(1_000, 1, 1, True)}, check_participants=True, rate_interval_ns=1
    )
    orders = make_orders(price_ticks=[1_002, 1_002], qty_lots=2)
    five = (
        ErrorBit.COLLAR,
        ErrorBit.NOTIONAL,
        ErrorBit.PARTICIPANT,
        ErrorBit.HALTED,
        ErrorBit.RATE,
    )
    assert codes(orders, chosen) == [bits_of(five[:-1]), bits_of(five)]
