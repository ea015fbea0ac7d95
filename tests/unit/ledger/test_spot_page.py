"""The triangle of tests/support/ledger/spot_example.md, to the unit."""

import pytest

from tests.support.ledger.spot_page import EXAMPLES, LedgerMarket


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_page(example, tmp_path):
    market = LedgerMarket(tmp_path)
    for line in example.splitlines():
        command, _, wanted = line.partition(" -> ")
        if not command.startswith("#"):
            assert market.line(command) == wanted, line


def test_the_page_has_the_triangle():
    assert len(EXAMPLES) == 1
    assert all(symbol in EXAMPLES[0] for symbol in ("BTC-USD", "ETH-USD", "ETH-BTC"))
