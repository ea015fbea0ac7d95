"""The table of formats, and the page that shows it."""

from openoutcry.tape.convert import TAPES, WRITERS, family_of
from openoutcry.tape.formats import ALWAYS, OPTIONAL, ROWS
from openoutcry.tape.records import ACTIONS, EVENT
from tests.support.tape.formats import PAGE, filled


def test_the_page_has_the_tables_of_the_formats() -> None:
    """`python -m tests.support.tape.formats` writes them."""
    assert filled(PAGE.read_text()) == PAGE.read_text()


def test_each_row_has_a_reader_and_a_writer_and_known_fields() -> None:
    assert set(ALWAYS) | set(OPTIONAL) == set(EVENT.names or ())
    for row in ROWS:
        assert (family_of(row.name) in TAPES) >= row.reads
        assert (family_of(row.name) in WRITERS) >= row.writes
        assert row.fields <= set(OPTIONAL)
        assert set(row.actions) <= set(ACTIONS)
