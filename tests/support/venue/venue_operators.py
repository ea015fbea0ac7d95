"""What the tests of venue operators in several tiers share."""

import dataclasses

import argon2
import pytest

from openoutcry.risk import layout as lay
from openoutcry.venue.example import EXAMPLE
from openoutcry.venue.file import read_venue
from openoutcry.venue.limits import FileLimits, fresh_view, hook_settings
from openoutcry.venue.operations import Operations
from openoutcry.venue.operators import (
    Operator,
    Operators,
)

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
HASH = argon2.PasswordHasher(time_cost=5, memory_cost=7_168, parallelism=1).hash("word")


class Clock:
    now_s = 1_700_000_000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def operators(clock):
    return Operators((Operator("anna", HASH), Operator("otto", HASH, "operator", SECRET)), clock)


def operations_of(*operators):
    file = read_venue(EXAMPLE)
    risk = dataclasses.replace(file.risk, operators=operators)
    numbers = [one.number for one in file.participants]
    hooks = hook_settings(numbers, file.order_capacity, risk, file.delayed)
    view = fresh_view(hooks, file.instruments)
    limits = FileLimits(risk, numbers, file.instruments, view)
    return Operations(limits, lambda symbol, on: [], lambda what: {}, lambda line: None)


@pytest.fixture(scope="module")
def operations():
    return operations_of()


@pytest.fixture
def rich():
    """Participant 1 has 100."""
    operations = operations_of(
        Operator("anna", HASH), Operator("bert", HASH), Operator("otto", HASH, "operator")
    )
    operations.view.participants[1, lay.BALANCE // 8] = 100
    return operations
