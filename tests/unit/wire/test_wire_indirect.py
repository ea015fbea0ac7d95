"""Kernels called by address: the same answers, and an assertion that fails reaches the caller."""

import pytest

from openoutcry.wire.indirect import call_batch_kernel, call_step, kernel_address
from openoutcry.wire.kernel import kernel


@kernel
def twice(value):
    if value < 0:  # pytest would rewrite an assert into what numba cannot compile
        raise AssertionError
    return value + value


@kernel
def add_and_subtract(a, b, c, d, e):
    return a + b + c + d + e, a - b - c - d - e


@kernel
def step_at(address, value):
    return call_step(address, value) + 1


@kernel
def batch_at(address, value):
    total, rest = call_batch_kernel(address, value, 1, 2, 3, 4)
    return total * 1000 + rest


def test_a_kernel_called_by_address_answers_as_by_name():
    """One result or two."""
    assert step_at(kernel_address(twice, 1), 21) == 43
    assert batch_at(kernel_address(add_and_subtract, 5), 20) == 30 * 1000 + 10


def test_an_assertion_that_fails_in_the_callee_reaches_the_callers_caller():
    """It is not swallowed on the way, and the next call works."""
    address = kernel_address(twice, 1)
    with pytest.raises(AssertionError):
        step_at(address, -1)
    assert step_at(address, 1) == 3
