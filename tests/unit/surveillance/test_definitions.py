"""docs/surveillance.md and a case's page say the same of a pattern, and what the detectors do."""

import pytest

from openoutcry.surveillance.definitions import DEFINITIONS
from openoutcry.surveillance.parameters import INDEX, TABLE
from tests import ROOT

PAGE = " ".join((ROOT / "docs" / "surveillance.md").read_text().split())
EXPLAINED = ("spoofing", "layering", "wash_self", "momentum_ignition", "ramping", "marking_close",
             "cross_market", "moving_pegs", "front_running", "quote_stuffing", "excessive_cancels",
             "suspicious_volume", "negative_balance", "called_trades",
             "off_book_price")  # fmt: skip


@pytest.mark.parametrize("name", EXPLAINED)
def test_the_page_has_the_sentence_of_a_case(name: str) -> None:
    assert f"*{DEFINITIONS[name].what}*" in PAGE


def test_the_volume_rule_names_its_threshold() -> None:
    assert TABLE[INDEX["volume_times"]].value == 20
    assert "twenty times" in DEFINITIONS["suspicious_volume"].what
