"""journal/sql.py: a query gets every table that it reads, however it names it."""

import pytest

from openoutcry.journal.sql import query
from openoutcry.journal.tables import Tables
from openoutcry.wire.errors import JournalError
from tests.support.market_data.feed_journal import each_second_trades

VIEWS = ("orders", "events", "trades", "audit")
HALVES = {view: f"'{view[:2]}' || '{view[2:]}'" for view in VIEWS}


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """Some hundred commands, of which each second trades."""
    return each_second_trades(tmp_path_factory.mktemp("sql") / "journal")


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    "form",
    [
        "select count(*) n from {view}",
        "select count(*) n from query_table({halves})",
        "select count(*) n from query('from ' || {halves})",
        'select count(*) n from "{upper}"',
        "with a as (from query_table({halves})), b as (from a) select count(*) n from b",
        "select (select count(*) from query_table({halves})) n",
        "set threads = 1; select count(*) n from query_table({halves})",
        "create view v as from query_table({halves}); select count(*) n from v",
        "create table t as from query_table({halves}); select count(*) n from t",
    ],
)
def test_every_way_to_name_a_table_counts_the_same(journal, view, form):
    """Directly, in halves, in capitals, inside a view or a subquery: the right number."""
    right = query(journal, f"select count(*) n from {view}").to_pylist()
    assert right[0]["n"] > 10
    text = form.format(view=view, halves=HALVES[view], upper=view.upper())
    assert query(journal, text).to_pylist() == right


def test_what_is_only_text_replays_nothing(journal, monkeypatch):
    """The word in a literal or an alias is no table."""
    asked = []
    whole = Tables.__init__

    def spy(self, directory, with_events=True):
        asked.append(with_events)
        whole(self, directory, with_events)

    monkeypatch.setattr(Tables, "__init__", spy)
    query(journal, "select 'events' as trades, count(*) from orders")
    assert not any(asked)


def test_a_table_that_is_not_there_is_an_error(journal):
    """In DuckDB's words, with the views that there are."""
    with pytest.raises(JournalError, match=r"(?s)sql: .*nothing.*views and their columns"):
        query(journal, "select * from query_table('noth' || 'ing')")
