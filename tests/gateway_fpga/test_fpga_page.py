"""docs/fpga.md says what was measured, and its table of reasons what the parser has."""

import re

import pytest
from frames import REASONS

from openoutcry.gateway_fpga.tools.page import PAGE, PAGES, filled


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_filled_from_the_evidence(page):
    """Nothing typed, nothing stale: gateway_fpga.tools.page would not change it."""
    assert filled(page.read_text()) == page.read_text()


def test_every_reason_of_the_parser_is_explained():
    """Up to those that docs/packets.md explains, each at its number."""
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert rows == [(str(n), name) for n, name in enumerate(REASONS) if 0 < n < 12]
