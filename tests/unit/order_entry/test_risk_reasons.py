"""Rejects by a limit have their own reasons in OUCH, by the first check that failed."""

import numpy as np
import pytest

from openoutcry.order_entry import ouch
from openoutcry.order_entry.risk_reasons import CHECKS, WORDS, code, letter, text
from openoutcry.risk.bits import RiskBit
from openoutcry.risk.words import refusal_text
from openoutcry.wire import EVENT_DTYPE
from openoutcry.wire.words import number


def test_the_checks_have_the_numbers_of_the_core():
    assert list(CHECKS) == [bit.name for bit in sorted(RiskBit)]


@pytest.mark.parametrize("bit", [*RiskBit])
def test_the_first_check_decides(bit):
    bits = 1 << bit | 1 << max(RiskBit)
    event = np.zeros(1, EVENT_DTYPE)
    event["contra_id"] = bits
    assert ouch.risk_bit(event.ctypes.data) == bit
    assert letter(bits) == WORDS.say("OUCH 4.2", bit.name)
    assert code(bits, 5) == number(WORDS.say("OUCH 5.0", bit.name))


@pytest.mark.parametrize("bit", [*RiskBit])
def test_a_text_is_that_of_the_tables(bit):
    bits = 1 << bit | 1 << RiskBit.OPEN_ORDERS | 1 << RiskBit.DRAWDOWN
    assert text(bits, 100, -3, 120) == refusal_text(bits, 100, -3, 120)


def test_without_a_check_it_is_other():
    event = np.zeros(1, EVENT_DTYPE)
    assert ouch.risk_bit(event.ctypes.data) == 63
    assert (letter(0), code(0, 5), letter(1 << 63)) == ("O", 5, "O")
    assert text(0, 1, 2, 3) == "RISK: limit 1, now 2, asked 3"
