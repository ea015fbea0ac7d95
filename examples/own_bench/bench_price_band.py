r"""A cocotb bench of one's own block, with the gateway's golden model as the judge.

    cd examples/own_bench
    python -m openoutcry.gateway_fpga.tools.simulate --sources price_band.v icarus price_band \
        bench_price_band

`verilator` in place of `icarus` runs it there, and WAVES=1 before it leaves a waveform.
"""

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from openoutcry.gateway_fpga import make_rules, validate_orders
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import ErrorBit

MAX_PRICE_TICKS, ORDERS = 1_000, 500


def orders_of(dice: random.Random) -> Any:
    """Return new limit orders, an array of ``ORDER_DTYPE``; many of their prices are wrong."""
    orders = np.zeros(ORDERS, ORDER_DTYPE)
    orders["kind"] = orders["order_type"] = orders["time_in_force"] = orders["side"] = 1
    orders["symbol"], orders["qty_lots"] = b"ACME", 1
    edges = [-(1 << 63), -1, 0, 1, MAX_PRICE_TICKS, MAX_PRICE_TICKS + 1, (1 << 63) - 1]
    orders["price_ticks"] = [dice.choice([*edges, dice.randint(-2000, 2000)]) for _ in orders]
    return orders


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def says_what_the_golden_model_says(dut: Any) -> None:
    """Offer an order a cycle, and none in some cycles; compare each answer."""
    dice = random.Random(cocotb.RANDOM_SEED)
    orders = orders_of(dice)
    judged = orders.copy()
    row = {"symbol": "ACME", "min_price_ticks": 1, "max_price_ticks": MAX_PRICE_TICKS}
    validate_orders(judged, make_rules(make_instruments([row])))
    dut.rst.value, dut.order_tvalid.value = 0, 0
    Clock(dut.clk, 4, unit="ns").start()
    await FallingEdge(dut.clk)
    for order, golden in zip(orders, judged, strict=True):
        while dice.random() < 0.25:
            dut.order_tvalid.value = 0
            await FallingEdge(dut.clk)
            assert dut.out_valid.value == 0
        dut.order_tdata.value = int.from_bytes(order.tobytes(), "little")
        dut.order_tvalid.value = 1
        await FallingEdge(dut.clk)
        assert dut.out_valid.value == 1
        for bit, output in (
            (ErrorBit.PRICE_NOT_POSITIVE, dut.not_positive),
            (ErrorBit.PRICE_ABOVE_LIMIT, dut.above_limit),
        ):
            expected = int(golden["error_code"]) >> bit & 1
            assert output.value == expected, f"{bit.name} of {order['price_ticks']}"
