"""The tables of an exchange in PostgreSQL are those of the files: the same rows, and the same
answers to the questions.  A trade that was taken back is in all of them."""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal

from openoutcry.ledger.parquet_store import ask
from openoutcry.ledger.questions import GIVEN, MEANT, Parameters, store
from tests.support.ledger.follow import once
from tests.support.ledger.postgresql_server import postgresql
from tests.support.ledger.spot_venue import MARKETS, ByHand, in_decimals, take_back, traded_day

ASKED = Parameters(as_of=datetime(2024, 10, 1, 12), market="ETH-USD")
TABLES = ("users", "markets", "wallets", "orders", "trades", "ledger_entries", "venue_entries",
          "deposits", "withdrawals", "order_cancellations")  # fmt: skip


def test_both_stores_of_a_running_venue_answer_alike(tmp_path):
    (tmp_path / "venue").mkdir()
    floor = traded_day(tmp_path / "venue")
    take_back(floor, 9001)
    home = str(floor.journal_path)
    with postgresql() as url:
        once(floor.journal_path)
        once(floor.journal_path, url)
        # A follower that starts again takes up the same tables.
        once(floor.journal_path, url)
        with store(home) as ours, store(url) as theirs:
            for table in TABLES:
                one, other = (
                    sorted(books.rows(f"select * from {table}")[1], key=lambda row: str(row[:3]))
                    for books in (ours, theirs)
                )
                assert one == other, table
            assert len(ours.rows("select 1 from trades")[1]) == 9
            for given, names in ((True, GIVEN), (False, MEANT)):
                for name in names:
                    said = ours.answer(name, ASKED, given)
                    assert theirs.answer(name, ASKED, given) == said, (name, given)
                    assert said.rows or name == "q1"
    floor.close()


def test_a_trade_that_is_taken_back_is_in_every_table(tmp_path):
    """Wallets are what the entries come to, the venue has what its entries come to, and a volume is
    without the trade, which stays in its minute's bar."""
    floor = traded_day(tmp_path)
    bought = Parameters(as_of=ASKED.as_of, market="BTC-USD")
    once(floor.journal_path)
    with store(str(floor.journal_path)) as opened:
        before = {name: opened.rows(query)[1] for name, query in OF_BUST.items()}
        before["fees"] = opened.answer("fees", ASKED).rows
    matches = take_back(floor, 9001, 9007, 9011)
    once(floor.journal_path)
    with store(str(floor.journal_path)) as opened:
        after = {name: opened.rows(query)[1] for name, query in OF_BUST.items()}
        assert not any(row[-1] for row in opened.answer("q5", bought).rows)
        after["fees"] = [row for row in opened.answer("fees", ASKED).rows if row[-1]]
    assert before["apart"] == after["apart"] == []
    assert before["broken"] == []
    assert sorted(after["broken"]) == sorted((match + 1,) for match in matches)
    for name in ("volumes", "income", "fees"):
        assert before[name] != after[name]
        assert after[name] == by_trades(floor, name, matches), name
    assert before["bars"] == after["bars"]
    fills = ask(floor.journal_path / "ledger", "select event_seq, broken from trades").to_pylist()
    assert {row["event_seq"] for row in fills if row["broken"]} == {
        match + side for match in matches for side in (0, 1)
    }
    floor.close()


ENTRIES = """select user_id, currency, sum(amount) as amount from ledger_entries
    group by user_id, currency"""
OF_BUST = {
    "apart": f"""select w.user_id, w.currency, w.balance, e.amount from wallets w
        left join ({ENTRIES}) e on e.user_id = w.user_id and e.currency = w.currency
        where w.balance <> coalesce(e.amount, 0)""",
    "broken": "select trade_id from trades where broken",
    "volumes": """select user_id, market_id, quantity from daily_volumes
        order by user_id, market_id""",
    "income": """select currency, sum(amount) from venue_entries group by currency
        having sum(amount) <> 0 order by currency""",
    "bars": "select * from bars order by market_id, minute_bucket",
}


def by_trades(floor, name, matches):
    """Volumes, income or the fees of each by the events of the trades that stand."""
    by_hand, sums = ByHand(floor, "received"), defaultdict(Decimal)
    for symbol, *sides in by_hand.trades:
        if min(int(side["seq"]) for side in sides) in matches:
            continue
        for side in sides:
            who, seq = int(side["participant"]), int(side["seq"])
            if name == "volumes":
                lots = in_decimals(int(side["qty_lots"]) * MARKETS[symbol][2], MARKETS[symbol][0])
                sums[who, [*MARKETS].index(symbol) + 1] += lots
            else:
                for (at, _, asset), fee in by_hand.fees.items():
                    key = asset if name == "income" else (who, asset)
                    sums[key] += in_decimals(fee, asset) if at == seq else 0
    rows = sorted((key, value) for key, value in sums.items() if value)
    return [(*(key if isinstance(key, tuple) else (key,)), value) for key, value in rows]
