"""Each reader of fills knows trades that are taken back, or says why it need not."""

import re

import pytest

from tests import ROOT

NAMES = (
    r"EventKind\.FILLED|EVENT_KIND_FILLED|FILLED_KIND|'FILLED'|Kind\.POSTED|KIND_POSTED|'POSTED'"
)
"""How code names a fill: the event, or the ledger's transaction."""
READS = "it does something with BROKEN"
STAYS = "a bust changes no book, last price, candle, stop or volume of the matcher"
SINGLE = "a market of its own, which has no operator"
COUNTS = "it counts the trades that there were"
READERS = {
    "matcher/constants.py": READS,
    "matcher/reducing.py": READS,
    "openoutcry/backtest/journal_day.py": STAYS,
    "openoutcry/backtest/routed.py": SINGLE,
    "openoutcry/console/screen/orders.py": "the trader's screen shows executions of its session",
    "openoutcry/flow/agent_market.py": SINGLE,
    "openoutcry/journal/book.py": READS,
    "openoutcry/journal/events.py": COUNTS,
    "openoutcry/journal/sql.py": READS,
    "openoutcry/ledger/broken.py": READS,
    "openoutcry/ledger/chain.py": "an order's life: the row of its bust is among its transactions",
    "openoutcry/ledger/constants.py": READS,
    "openoutcry/ledger/contract_reports.py": READS,
    "openoutcry/ledger/exchange.py": READS,
    "openoutcry/ledger/parquet_store.py": READS,
    "openoutcry/ledger/portfolio.py": STAYS,
    "openoutcry/ledger/post.py": READS,
    "openoutcry/ledger/postgresql.py": READS,
    "openoutcry/ledger/reports.py": READS,
    "openoutcry/ledger/settlement/journal.py": READS,
    "openoutcry/ledger/spot.py": READS,
    "openoutcry/ledger/volumes.py": READS,
    "openoutcry/market_data/bars.py": STAYS,
    "openoutcry/market_data/encode.py": READS,
    "openoutcry/market_data/encode_simple.py": "what is not simple goes to encode.py",
    "openoutcry/order_entry/apply.py": READS,
    "openoutcry/order_entry/ouch42_out.py": READS,
    "openoutcry/order_entry/ouch50_out.py": READS,
    "openoutcry/order_entry/shm_out.py": READS,
    "openoutcry/pipeline/stages/replies.py": COUNTS,
    "openoutcry/portal/history/fold.py": "the fill stays; rows.py notes the trade as taken back",
    "openoutcry/portal/history/rows.py": READS,
    "openoutcry/portal/trading/follower.py": "what a fill has cost; mirror.py marks it",
    "openoutcry/portal/trading/mirror.py": READS,
    "openoutcry/portal/trading/order_events.py": READS,
    "openoutcry/risk/after.py": "busts.py has done it before",
    "openoutcry/risk/open_orders.py": "the order stays as it was",
    "openoutcry/risk/protection.py": STAYS,
    "openoutcry/surveillance/audit/columns.py": READS,
    "openoutcry/surveillance/audit/rows.py": READS,
    "openoutcry/surveillance/audit/why.py": "why an order did not trade: it did",
    "openoutcry/surveillance/before.py": COUNTS,
    "openoutcry/surveillance/detect/watch.py": READS,
    "openoutcry/surveillance/dossier.py": READS,
    "openoutcry/surveillance/written.py": COUNTS,
    "openoutcry/venue/history.py": READS,
    "openoutcry/wire/enum_numbers.py": READS,
}


def modules():
    """Each module of the product, by its path."""
    for folder in ("matcher", "openoutcry", "ring"):
        for path in (ROOT / folder).rglob("*.py"):
            yield path.relative_to(ROOT).as_posix(), path


def test_every_reader_is_known():
    found = {name for name, path in modules() if re.search(NAMES, path.read_text())}
    assert found == set(READERS), "a reader of fills: does it know BROKEN, and why not?"


@pytest.mark.parametrize("name", [name for name, why in READERS.items() if why == READS])
def test_it_names_the_event_or_the_command(name):
    text = (ROOT / name).read_text()
    assert re.search(r"BROKEN|BUST", text), name
