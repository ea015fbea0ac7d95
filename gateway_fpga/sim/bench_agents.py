# SPDX-License-Identifier: Apache-2.0
"""cocotb bench of outcry_gateway that needs nothing but the package: its agents, the golden model.

``fusesoc … --target sim`` runs it, test_agents.py does, and it is what a bench of one's own can
begin with.
"""

import random
from collections.abc import Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles

from openoutcry.gateway_fpga import Limits, Settings
from openoutcry.gateway_fpga.agents import OrderSource, RegisterBus, VerdictSink
from openoutcry.gateway_fpga.devices import GoldenDevice
from openoutcry.gateway_fpga.driver import BusError, GatewayDriver
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.registers import ADDRESS

INSTRUMENTS = make_instruments(["ACME", {"symbol": "STEP", "price_step_ticks": 5}])
SETTINGS = Settings(
    limits={b"ACME": Limits(1_000, 500)},
    check_participants=True,
    participants_on=frozenset({1, 2}),
)


def orders_of(dice: random.Random, count: int) -> Any:
    """New limit orders, many of them wrong in something."""
    orders = np.zeros(count, ORDER_DTYPE)
    orders["kind"] = orders["order_type"] = orders["time_in_force"] = 1
    for order in orders:
        order["symbol"] = dice.choice([b"ACME", b"ACME", b"STEP", b"NOBODY"])
        order["price_ticks"] = dice.choice([1_000, 1_050, 1_051, 950, 949, 0, -1, 7])
        order["qty_lots"] = dice.choice([1, 10, 0, -5])
        order["side"] = dice.choice([1, 2, 2, 3])
        order["participant"] = dice.choice([1, 2, 3])
    return orders


def half(dice: random.Random) -> Iterator[bool]:
    return iter(lambda: dice.random() < 0.5, None)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(pauses=[False, True])
async def verdicts_are_the_golden_models(dut: Any, pauses: bool) -> None:
    """With and without pauses on both sides; a settings change between; what a register refuses."""
    dice = random.Random(1)
    source = OrderSource(dut, idle=half(dice) if pauses else None)
    sink = VerdictSink(dut, hold=half(dice) if pauses else None)
    bus = RegisterBus(dut)
    dut.frames.value = 0
    dut.left_out.value = 0
    dut.rst.value = 1
    Clock(dut.clk, 4, unit="ns").start()
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    golden = GoldenDevice()
    beside = GatewayDriver(golden)
    for what in (
        lambda driver: driver.load(INSTRUMENTS, SETTINGS),
        lambda driver: driver.halt(b"STEP"),
        lambda driver: driver.set_participant(2, False),
    ):
        await bus.with_driver(what)
        what(beside)
        orders = orders_of(dice, 60)
        await source.send(orders)
        judged = await sink.receive(len(orders))
        golden.validate(orders)
        assert judged.tobytes() == orders.tobytes()
        assert len({*judged["error_code"].tolist()}) > 8
    assert sink.empty()
    assert await bus.read(ADDRESS["order_count"]) == 180
    try:
        await bus.write(ADDRESS["magic"], 0)
    except BusError:
        return
    raise AssertionError("a register that cannot be written took a value")
