"""The golden model against the slow reference, and its promises about memory."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.gateway_fpga import make_rules, validate, validate_batch, validate_orders
from openoutcry.wire import (
    INSTRUMENT_DTYPE,
    ORDER_DTYPE,
    CommandKind,
    ErrorBit,
    OrderType,
    SelfTrade,
    Side,
    TimeInForce,
    make_instruments,
)
from tests.oracles.gateway import ReferenceGateway, error_code
from tests.support.gateway_fpga.golden import RULES, expected


def make_order(**fields: Any) -> np.ndarray:
    """One good new limit order in PLAIN, but for ``fields``."""
    order = np.zeros(1, ORDER_DTYPE)
    good = {
        "price_ticks": 100,
        "qty_lots": 10,
        "symbol": b"PLAIN",
        "kind": CommandKind.NEW,
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.DAY,
    }
    for name, value in (good | fields).items():
        order[name] = value
    return order


def verdict(order: np.ndarray) -> set[ErrorBit]:
    code = validate(order.ctypes.data, RULES.ctypes.data)
    return {bit for bit in ErrorBit if code >> bit & 1}


@given(st.binary(min_size=64, max_size=64 * 20))
def test_random_bytes_are_judged_like_any_order(noise: bytes) -> None:
    """No content of a record makes kernel and reference differ, and only the verdict is written."""
    count = len(noise) // 64
    orders = np.frombuffer(noise[: 64 * count], ORDER_DTYPE).copy()
    before = orders.copy()
    rejected = validate_orders(orders, RULES)
    assert orders["error_code"].tolist() == expected(before)
    assert rejected == np.count_nonzero(orders["error_code"])
    before["error_code"] = orders["error_code"]
    assert orders.tobytes() == before.tobytes()


def test_good_orders_of_every_kind_pass() -> None:
    """A well-formed command of each kind and type has the verdict 0."""
    for kind, order_type in itertools.product(CommandKind, OrderType):
        is_operator = kind in (CommandKind.TIME, CommandKind.PHASE, CommandKind.RISK)
        assert (
            verdict(make_order(kind=kind, order_type=order_type, participant=not is_operator))
            == set()
        )


@pytest.mark.parametrize(
    "kind", [CommandKind.TIME, CommandKind.PHASE, CommandKind.MASS_CANCEL, CommandKind.RISK]
)
def test_what_only_the_operator_may_send_is_refused_from_a_participant(kind: CommandKind) -> None:
    """Time, phases, limits and a cancel of everybody's orders are participant 0's alone."""
    assert verdict(make_order(kind=kind, aux=1, participant=0)) == set()
    for participant in (1, 256, 65_535):
        wrong = verdict(make_order(kind=kind, aux=1, participant=participant))
        assert wrong == {ErrorBit.KIND}


def test_any_participant_may_mass_cancel_its_own_orders() -> None:
    """Without aux it is nobody else's business; any bit of aux makes it the operator's."""
    own = {"kind": CommandKind.MASS_CANCEL, "participant": 3}
    for side in (0, 1, 2):
        assert verdict(make_order(side=side, **own)) == set()
    assert verdict(make_order(side=3, **own)) == {ErrorBit.SIDE}
    for aux in (1, 2**32, -(2**63)):
        assert verdict(make_order(aux=aux, **own)) == {ErrorBit.KIND}


@pytest.mark.parametrize("symbol", [b"", b"NOBODY"])
def test_who_must_name_an_instrument(symbol: bytes) -> None:
    """A disconnect and the time are of no instrument; a mass cancel and a limit may be."""
    free = {CommandKind.DISCONNECT, CommandKind.TIME}
    if symbol == b"":
        free |= {CommandKind.MASS_CANCEL, CommandKind.RISK}
    for kind in CommandKind:
        wrong = verdict(make_order(kind=kind, symbol=symbol))
        assert (ErrorBit.SYMBOL in wrong) == (kind not in free)


def test_time_in_force_and_self_trade_share_a_byte() -> None:
    """Each low nibble with each of the three bits above it: good only when both are declared.  The
    last bit, REDUCE_ONLY, is free."""
    for code in range(256):
        good = code & 15 in list(TimeInForce) and code >> 4 & 7 in list(SelfTrade)
        wrong = verdict(make_order(time_in_force=code))
        assert wrong == (set() if good else {ErrorBit.TIME_IN_FORCE})


@pytest.mark.parametrize("fives", range(9))
def test_steps_are_held_to_their_factors_of_two_and_six_of_five(fives: int) -> None:
    """Only 2**a * 5**b of a step, with b up to 6, is checked; a factor of three, and of five beyond
    the sixth, is the matcher's."""
    twos = fives // 2
    step, checked = 3 * 2**twos * 5**fives, 2**twos * 5 ** min(fives, 6)
    rules = make_rules(make_instruments([{"symbol": "PLAIN", "price_step_ticks": step}]))
    for base in (0, 7 * step, 2**63 - 1 - (2**63 - 1) % checked - 2 * checked):
        prices = [base + k * (checked // d) for d in (1, 2, 5) for k in range(1, 3)]
        for price in [base + checked - 1, base + checked + 1, *prices]:
            order = make_order(price_ticks=price)
            off = validate(order.ctypes.data, rules.ctypes.data) >> ErrorBit.PRICE_STEP & 1
            assert off == (price % checked != 0), price


def test_tick_bands_are_held_to_what_all_their_steps_share() -> None:
    """Steps 6, 20, 50 and 8 have 2 in common: an odd price is wrong everywhere, and which even
    one is right depends on where it lies, which the matcher says."""
    for price in (7, 121, 1_001, 2**53 + 1):
        assert verdict(make_order(symbol=b"BANDS", price_ticks=price)) == {ErrorBit.PRICE_STEP}
    for price in (6, 8, 120, 1_002, 5_002):
        assert verdict(make_order(symbol=b"BANDS", price_ticks=price)) == set()


@pytest.mark.parametrize(
    ("table", "checked"),
    [
        ([(0, 4), (100, 10)], 2),
        ([(1, 1), (100, 10)], 1),
        ([(-100, 5), (0, 20), (100, 50)], 10),
        ([(-100, 5), (20, 20), (100, 50)], 5),
        ([(-100, 20)], 20),
    ],
)
def test_a_step_that_only_prices_below_1_have_switches_no_check_off(
    table: list[tuple[int, int]], checked: int
) -> None:
    """``price_step_ticks`` is 1 unless given: below a first band at 0 no positive price has it."""
    instruments = make_instruments([{"symbol": "PLAIN", "tick_table": table}])
    rules = make_rules(instruments)
    reference = ReferenceGateway({b"PLAIN": instruments[0]})
    for price in range(1, 220):
        order = make_order(price_ticks=price)
        code = validate(order.ctypes.data, rules.ctypes.data)
        assert code >> ErrorBit.PRICE_STEP & 1 == (price % checked != 0), price
        assert code == error_code(reference.verdict(order[0]))


def test_all_reasons_are_reported_not_only_the_first() -> None:
    """An order that is wrong in everything sets every bit that can stand together."""
    order = make_order(
        symbol=b"STEPS", price_ticks=1_001, qty_lots=10_001, side=3, order_type=0, time_in_force=9
    )
    assert verdict(order) == {
        ErrorBit.PRICE_ABOVE_LIMIT,
        ErrorBit.PRICE_STEP,
        ErrorBit.QTY_OUT_OF_LIMITS,
        ErrorBit.QTY_STEP,
        ErrorBit.SIDE,
        ErrorBit.ORDER_TYPE,
        ErrorBit.TIME_IN_FORCE,
    }


def test_negative_numbers_do_not_wrap_into_large_ones() -> None:
    """-1 is not positive; it is neither above a limit nor off a step."""
    order = make_order(symbol=b"STEPS", price_ticks=-1, qty_lots=-1)
    assert verdict(order) == {ErrorBit.PRICE_NOT_POSITIVE, ErrorBit.QTY_NOT_POSITIVE}


def test_types_without_a_limit_price_have_none_checked() -> None:
    """The price of a market order or a stop is not looked at, of any other type it is; so it is in
    a replace, whatever its type says."""
    unpriced = {
        OrderType.MARKET,
        OrderType.MARKET_TO_LIMIT,
        OrderType.STOP,
        OrderType.TRAILING_STOP,
        OrderType.TRAILING_STOP_BPS,
        OrderType.MARKET_BUDGET,
        OrderType.TAKE_PROFIT,
    }
    for order_type in range(256):
        order = {"order_type": order_type, "price_ticks": -5}
        seen = ErrorBit.PRICE_NOT_POSITIVE in verdict(make_order(**order))
        assert seen == (order_type not in unpriced)
        replaced = make_order(kind=CommandKind.REPLACE, **order)
        assert verdict(replaced) == {ErrorBit.PRICE_NOT_POSITIVE}


def test_unknown_symbol_leaves_the_rows_checks_silent() -> None:
    """Without a row only the checks that need none can fail."""
    order = make_order(symbol=b"NOBODY", price_ticks=2**63 - 1, qty_lots=-1, side=0)
    assert verdict(order) == {ErrorBit.SYMBOL, ErrorBit.QTY_NOT_POSITIVE, ErrorBit.SIDE}


def test_cancel_needs_nothing_but_its_symbol() -> None:
    """Whatever else stands in a cancel is not looked at."""
    junk = {"price_ticks": -1, "qty_lots": 0, "side": 9, "order_type": 9, "time_in_force": 9}
    assert verdict(make_order(kind=CommandKind.CANCEL, **junk)) == set()
    lost = make_order(kind=CommandKind.CANCEL, symbol=b"", **junk)
    assert verdict(lost) == {ErrorBit.SYMBOL}


def test_reduce_is_not_held_to_the_limits_of_a_new_order() -> None:
    """One step may be taken off an order although it is below the smallest new quantity."""
    reduced = {"kind": CommandKind.REDUCE, "symbol": b"STEPS", "price_ticks": -1}
    assert verdict(make_order(qty_lots=100, **reduced)) == set()
    assert verdict(make_order(qty_lots=101, **reduced)) == {ErrorBit.QTY_STEP}
    assert verdict(make_order(qty_lots=0, **reduced)) == {ErrorBit.QTY_NOT_POSITIVE}


@pytest.mark.parametrize("count", [1, 2, 3, 100, 4096])
def test_every_symbol_of_a_table_is_found_with_its_own_row(count: int) -> None:
    """The hash table loses nobody and mixes up nobody, from one instrument to the most."""
    table = make_instruments([{"symbol": f"S{n}", "max_price_ticks": n + 1} for n in range(count)])
    rules = make_rules(table)
    orders = np.repeat(make_order(), 2 * count)
    orders["symbol"] = np.repeat(table["symbol"], 2)
    orders["price_ticks"] = np.repeat(table["max_price_ticks"], 2)
    orders["price_ticks"][1::2] += 1
    assert validate_orders(orders, rules) == count
    assert orders["error_code"].tolist() == [0, 1 << ErrorBit.PRICE_ABOVE_LIMIT] * count
    orders["symbol"] = b"ABSENT"
    assert validate_orders(orders, rules) == 2 * count


def test_an_old_verdict_is_overwritten() -> None:
    """Nobody can bring his own verdict, neither a good nor a bad one."""
    orders = np.concatenate([make_order(error_code=0xFFFF), make_order(error_code=0, side=0)])
    assert validate_batch(orders.ctypes.data, 2, RULES.ctypes.data) == 1
    assert orders["error_code"].tolist() == [0, 1 << ErrorBit.SIDE]


def test_rules_may_be_copied_anywhere() -> None:
    """The block holds no address of its own, so shared memory can carry it."""
    copied = RULES.copy()
    order = make_order(symbol=b"STEPS", price_ticks=7)
    assert RULES.ctypes.data % 64 == 0
    assert validate(order.ctypes.data, copied.ctypes.data) == validate(
        order.ctypes.data, RULES.ctypes.data
    )


def test_foreign_arrays_are_refused() -> None:
    """Arrays that a kernel would read past or misread never reach it."""
    with pytest.raises(ValueError, match="INSTRUMENT_DTYPE"):
        make_rules(np.zeros(3, ORDER_DTYPE))
    with pytest.raises(ValueError, match="INSTRUMENT_DTYPE"):
        make_rules(np.zeros(0, INSTRUMENT_DTYPE))
    for orders in (np.zeros(4, ORDER_DTYPE)[::2], np.zeros(4, INSTRUMENT_DTYPE)):
        with pytest.raises(ValueError, match="ORDER_DTYPE"):
            validate_orders(orders, RULES)
