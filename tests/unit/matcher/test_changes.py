"""The place of each order type after each change, as docs/matcher.md says it."""

import pytest

from openoutcry.matcher import Engine
from openoutcry.wire import OrderType
from tests.oracles.matcher.engine import ReferenceEngine
from tests.support.matcher.changes import PAGE, Terms, cells, filled, name_of, situations


def test_the_page_says_what_each_change_does_to_each_order() -> None:
    """The table is what the matcher does; `python -m tests.support.matcher.changes` writes it."""
    assert filled(PAGE.read_text(), Engine) == PAGE.read_text()


@pytest.mark.parametrize("terms", situations(), ids=name_of)
def test_the_reference_keeps_the_same_places(terms: Terms) -> None:
    """Both implementations agree about each cell."""
    assert cells(ReferenceEngine, terms) == cells(Engine, terms)


def test_every_order_that_can_be_open_has_a_row() -> None:
    """A new order type is in the table without a change of the table's code."""
    budgets = {OrderType.MARKET_BUDGET, OrderType.LIMIT_BUDGET}
    assert {terms.order_type for terms in situations()} == set(OrderType) - budgets
