"""docs/fpga.md says what was measured, and its table of reasons what the parser has."""

import pytest

from openoutcry.gateway_fpga.tools.page import PAGES, filled


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_filled_from_the_evidence(page):
    """Nothing typed, nothing stale: gateway_fpga.tools.page would not change it."""
    assert filled(page.read_text()) == page.read_text()
