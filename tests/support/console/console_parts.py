"""What the tests of console parts in several tiers share."""

import pytest

from openoutcry.console.accounts import Accounts
from openoutcry.venue.operators import Operator, Operators
from tests.support.console.console_venue import OPERATORS_HASH


class Clock:
    now_s = 1_000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def accounts():
    clock = Clock()
    console_accounts = Accounts(Operators((Operator("anna", OPERATORS_HASH),)), 3, 60.0, clock)
    console_accounts.turn = clock
    return console_accounts
