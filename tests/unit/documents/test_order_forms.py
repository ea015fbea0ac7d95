"""The tables of what each door can say."""

from tests.support.documents.order_forms import DOORS, PAGE, filled, types


def test_the_tables_of_the_page_are_those_of_the_words():
    """`python -m tests.support.documents.order_forms` writes them."""
    assert filled(PAGE.read_text()) == PAGE.read_text()


def test_each_type_has_a_door():
    for row in types():
        assert len(row) == len(DOORS) + 2
        assert set(row[1:-1]) != {"–"}, row
