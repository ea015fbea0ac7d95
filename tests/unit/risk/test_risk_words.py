"""A reject by a limit in words."""

from openoutcry.risk.bits import RiskBit
from openoutcry.risk.words import failed, refusal_text


def test_the_first_check_has_its_figures_the_others_their_names():
    bits = 1 << RiskBit.MAX_QTY | 1 << RiskBit.CAPITAL
    assert refusal_text(bits, 10, 0, 11) == "MAX_QTY: limit 10, now 0, asked 11; CAPITAL"
    assert failed(bits) == [RiskBit.MAX_QTY, RiskBit.CAPITAL]


def test_a_switch_has_no_figures():
    assert refusal_text(1 << RiskBit.KILLED, 0, 0, 1) == "KILLED"


def test_a_wallet_that_has_too_little_says_which_asset():
    text = refusal_text(1 << RiskBit.BALANCE, 5, 2, 7)
    assert text == "BALANCE: asset 2 has 5 available, 7 needed"
