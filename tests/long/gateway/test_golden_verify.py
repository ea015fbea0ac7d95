"""Assertions in the golden model: they fire under VERIFY alone, cost nothing without it, and hold
for whatever is judged."""

import pytest

from tests.support.verified import (
    assert_costs_nothing,
    assert_fires_under_verify_alone,
    assert_passes_under_verify,
)

WRONG_CALLS = """
import numpy as np
from openoutcry.gateway_fpga import golden, make_rules
from openoutcry.wire import ORDER_DTYPE, make_instruments

fired, right = {}, []


class Gateway:
    '''One instrument, and participants of whom each may send an order every ten nanoseconds.'''

    def __init__(self):
        self.rules = make_rules(make_instruments([{"symbol": "ACME", "max_qty_lots": 100}]))
        self.bucket = np.zeros(1, np.int64)
        self.order = np.zeros(1, ORDER_DTYPE)
        self.order["symbol"], self.order["kind"] = b"ACME", 1

    def set(self, at, value):
        self.rules[at // 8] = value
        return self

    def validate(self):
        return golden.validate(self.order.ctypes.data, self.rules.ctypes.data)

    def over_rate(self, interval):
        self.set(golden.RATE_INTERVAL_AT, interval)
        return golden.over_rate(self.bucket.ctypes.data, 1_000, self.rules.ctypes.data)


right += [fires(Gateway().validate), fires(Gateway().over_rate, 10)]
fired["a bucket whose time goes back"] = fires(Gateway().over_rate, -2_000)
fired["a rate that switches a participant off"] = fires(Gateway().over_rate, -(2**63))
fired["a command that gets by without a kind"] = fires(Gateway().set(golden.MASKS_AT, 0).validate)
gateway = Gateway()
symbol = int(gateway.order["symbol"].view(np.int64)[0])
row = golden.find_row(symbol, gateway.rules.ctypes.data) - gateway.rules.ctypes.data
fired["a quantity that nobody may trade"] = fires(
    gateway.set(row + golden.ROW_MIN_QTY_AT, 2**62).validate
)
print(fired | {"right": any(right)})
"""


@pytest.mark.parametrize("verify", [True, False])
def test_a_deliberately_wrong_call_fires_under_verify_alone(verify: bool) -> None:
    """Buckets whose time goes back, rules that let anything pass or nothing."""
    assert_fires_under_verify_alone(WRONG_CALLS, verify)


@pytest.mark.long
def test_without_verify_the_machine_code_has_no_trace_of_them(tmp_path):
    kernels = ("over_rate", "validate", "applicable_checks")
    assert_costs_nothing({"openoutcry.gateway_fpga.golden": kernels}, tmp_path)


@pytest.mark.long
def test_the_golden_model_passes_under_verify() -> None:
    """The assertions hold at every boundary, for random bytes, and with every setting."""
    names = ("golden", "settings")
    assert_passes_under_verify(*(f"tests/gateway_fpga/test_{name}.py" for name in names))
