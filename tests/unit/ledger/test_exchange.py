"""The tables of an exchange over a running venue's own store: the data set's questions, checked
against the venue's events added up by hand, and what is planted in the store is found."""

import csv
import io
import json
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.ledger.exchange import Exchange, Market
from openoutcry.ledger.follow import follow
from openoutcry.ledger.parquet_store import ask
from openoutcry.ledger.questions import GIVEN, Parameters, store
from openoutcry.wire.enums import Side
from openoutcry.wire.errors import LedgerError
from tests.support.ledger.spot_venue import (
    MAKERS,
    MARKETS,
    OPENING,
    ByHand,
    in_decimals,
    price,
    traded_day,
)

PARAMETERS = Parameters(as_of=datetime(2024, 10, 1, 12), market="ETH-USD")
TO_0913 = {"begin": datetime(2024, 10, 1, 9, 10), "end": datetime(2024, 10, 1, 9, 13)}


@pytest.fixture(scope="module", params=["received", "quote"])
def traded(request, tmp_path_factory):
    """The venue, which goes on trading, and its day by hand."""
    floor = traded_day(tmp_path_factory.mktemp("venue"), request.param)
    follow(floor.journal_path, None, True, lambda: False, print)
    yield floor, ByHand(floor, request.param)
    floor.close()


@pytest.fixture(scope="module")
def books(traded):
    with store(str(traded[0].journal_path)) as opened:
        yield opened


def answers(books, name, given=False, **more):
    return books.answer(name, replace(PARAMETERS, **more), given).rows


def test_q1_volume_and_vwap_by_minute(traded, books):
    _, by_hand = traded
    quantity, turnover = defaultdict(Decimal), defaultdict(Decimal)
    for symbol, one, other in by_hand.trades:
        buyer = one if one["side"] == Side.BUY else other
        at = by_hand.minute(buyer)
        lots = in_decimals(int(buyer["qty_lots"]) * MARKETS[symbol][2], MARKETS[symbol][0])
        quantity[symbol, at] += lots
        turnover[symbol, at] += lots * price(symbol, int(buyer["price_ticks"]))
    rows = answers(books, "q1", **TO_0913)
    assert len(rows) == 3 * 3
    for market_id, minute, vwap, volume in rows:
        key = [*MARKETS][market_id - 1], minute
        assert volume == quantity[key]
        exact = turnover[key] / volume if volume else None
        assert vwap == (None if exact is None else round(exact, 8))
    assert sum(row[3] > 0 for row in rows) == 3


def test_q2_who_is_in_debt_and_what_every_wallet_has(traded, books):
    _, by_hand = traded
    for user, currency, balance in books.rows("select user_id, currency, balance from wallets")[1]:
        units = by_hand.moved[user, currency]
        for (_, who, asset), fee in by_hand.fees.items():
            units -= fee if (who, asset) == (user, currency) else 0
        given = OPENING.get(user, ("", 0))
        units += given[1] if given[0] == currency else 0
        units += {
            (5, "USD"): 100_000_000,
            (2, "BTC"): -1_000_000 - 500_000,
            (3, "ETH"): 900_000,
        }.get((user, currency), 0)
        assert balance == in_decimals(units, currency)
    debtors = answers(books, "q2")
    assert [(row[0], row[2]) for row in debtors] == [(5, "USD")]
    assert debtors[0][5] < 0


def test_q3_an_orders_execution_chain(traded, books):
    _, by_hand = traded
    rows = answers(books, "q3")
    left, expected = Decimal("0.05"), []
    for symbol, one, other in by_hand.trades:
        if 9001 in (one["order_id"], other["order_id"]):
            mine, its = (one, other) if one["order_id"] == 9001 else (other, one)
            lots = in_decimals(int(mine["qty_lots"]) * MARKETS[symbol][2], "BTC")
            left -= lots
            seq = max(int(one["seq"]), int(other["seq"]))
            expected.append((seq, lots, int(its["participant"]), "BUY_SIDE", left))
    assert [(row[0], row[2], row[3], row[4], row[7]) for row in rows] == expected
    assert len(rows) == 3


def test_q4_trades_with_oneself_and_round_trips(traded, books):
    _, by_hand = traded
    rows = answers(books, "q4")
    own = [
        max(int(a["seq"]), int(b["seq"]))
        for _, a, b in by_hand.trades
        if a["participant"] == b["participant"]
    ]
    assert [(row[1], row[2]) for row in rows if row[0] == "SELF"] == [(str(own[0]), "4")]
    assert len(own) == 1
    trips = {row[1]: row[2:4] for row in rows if row[0] == "RECIPROCAL"}
    pairs = [
        max(int(a["seq"]), int(b["seq"]))
        for _, a, b in by_hand.trades
        if {9011, 9013} & {int(a["order_id"]), int(b["order_id"])}
    ]
    assert trips == {f"{pairs[0]}|{pairs[1]}": ("4↔5", "delta_s=14")}


@pytest.mark.parametrize("market", MARKETS)
def test_q5_the_ledger_has_every_leg_of_every_trade(traded, books, market):
    _, by_hand = traded
    rows = answers(books, "q5", market=market)
    assert rows
    assert not any(row[-1] for row in rows)
    posted = {tuple(row[:4]): row[5] for row in rows}
    for symbol, one, other in by_hand.trades:
        if symbol != market:
            continue
        base, quote, lot, tick = MARKETS[symbol]
        trade_id, income = max(int(one["seq"]), int(other["seq"])), Counter()
        sums = Counter()
        for side in (one, other):
            who, sign = str(int(side["participant"])), 1 if side["side"] == Side.BUY else -1
            lots = int(side["qty_lots"])
            sums[who, base] += sign * lots * lot
            sums[who, quote] -= sign * lots * tick * int(side["price_ticks"])
            for asset in (base, quote):
                fee = by_hand.fees.get((int(side["seq"]), int(side["participant"]), asset), 0)
                income[asset] += fee
        for (who, asset), units in sums.items():
            if units:
                assert posted[trade_id, who, asset, "Trade_Fill"] == in_decimals(units, asset)
        for asset, units in income.items():
            if units:
                assert posted[trade_id, "venue", asset, "Fee"] == in_decimals(units, asset)


def test_filled_quantities_statuses_and_fees(traded, books):
    _, by_hand = traded
    names = "order_id, user_id, quantity, filled_qty, status"
    stored = {row[0]: row[1:] for row in books.rows(f"select {names} from orders")[1]}
    assert {*stored} == {*by_hand.orders}
    for key, one in by_hand.orders.items():
        base, _, lot, _ = MARKETS[one["symbol"]]
        user, quantity, filled, status = stored[key]
        assert filled == in_decimals(one["filled"] * lot, base)
        assert status == by_hand.status(key)
        assert user == one["user"]
        if status != "CANCELLED":
            assert quantity == in_decimals((one["filled"] + one["open"]) * lot, base)
    assert {row[0]: row[2] for row in answers(books, "filled")} == {
        key: filled for key, (_, _, filled, _) in stored.items()
    }
    assert all(row[4] == 0 for row in answers(books, "filled"))
    cancels = books.rows("select order_id from order_cancellations")[1]
    assert len(cancels) == len(by_hand.cancelled) == 1
    paid = Counter()
    for (_, who, asset), fee in by_hand.fees.items():
        paid[who, asset] += fee
    rows = answers(books, "fees")
    assert {row[:2]: row[2] for row in rows} == {
        key: in_decimals(fee, key[1]) for key, fee in paid.items() if fee
    }
    assert {"FILLED", "PARTIALLY_FILLED", "OPEN", "CANCELLED"} == {
        row[3] for row in stored.values()
    }


def test_bars_by_minute_and_volumes_by_day(traded):
    floor, by_hand = traded
    bars, volumes = defaultdict(list), defaultdict(lambda: [0, 0, 0])
    for symbol, *sides in by_hand.trades:
        for side in sides:
            lots, ticks = int(side["qty_lots"]), int(side["price_ticks"])
            if side["side"] == Side.BUY:
                bars[[*MARKETS].index(symbol) + 1, by_hand.minute(side)].append((lots, ticks))
            of = volumes[int(side["participant"]), [*MARKETS].index(symbol) + 1]
            of[0] += lots
            of[1] += lots * ticks * MARKETS[symbol][3]
            of[2] += lots if side["flags"] & MAKERS else 0
    found = ask(floor.journal_path / "ledger", "select * from exchange.bars").to_pylist()
    assert len(found) == len(bars) == 4
    for row in found:
        symbol = [*MARKETS][row["market_id"] - 1]
        rows = bars[row["market_id"], row["minute_bucket"].isoformat(" ")]
        ticks = [one for _, one in rows]
        wanted = [price(symbol, t) for t in (ticks[0], max(ticks), min(ticks), ticks[-1])]
        assert [row[name] for name in ("open", "high", "low", "close")] == wanted
        base, quote, lot, tick = MARKETS[symbol]
        assert row["volume"] == in_decimals(sum(lots for lots, _ in rows) * lot, base)
        assert row["turnover"] == in_decimals(sum(n * t * tick for n, t in rows), quote)
        assert row["trades"] == len(rows)
    found = ask(floor.journal_path / "ledger", "select * from exchange.daily_volumes").to_pylist()
    assert {(row["user_id"], row["market_id"]) for row in found} == {*volumes}
    for row in found:
        lots, paid, made = volumes[row["user_id"], row["market_id"]]
        assert (row["lots"], row["maker_lots"]) == (lots, made)
        assert row["turnover"] == in_decimals(paid, row["quote_currency"])
        assert row["day"].isoformat() == "2024-10-01"


def test_the_given_sql_is_answered_as_it_says(traded, books):
    """The mistakes of the given SQL, by the same store."""
    _, by_hand = traded
    meant = {name: answers(books, name) for name in GIVEN if name != "q1"}
    given = {name: answers(books, name, given=True) for name in GIVEN if name != "q1"}
    a_minute_less = {**TO_0913, "end": datetime(2024, 10, 1, 9, 12)}
    assert [row for row in answers(books, "q1", **TO_0913) if row[3]] == answers(
        books, "q1", given=True, **a_minute_less
    )
    # It adds what is reserved; so much is owed that it sees this one all the same.
    assert [row[::2][:2] for row in given["q2"]] == [(5, "USD")]
    assert [row[0] for row in given["q3"]] == [row[0] for row in meant["q3"]]
    selfs = [row for row in given["q4"] if row[0] == "SELF"]
    assert [row[1] for row in selfs] == [row[1] for row in meant["q4"] if row[0] == "SELF"]
    flags = {row[0]: row[-1] for row in answers(books, "q5", given=True, market="BTC-USD")}
    fees_in_quote = by_hand.collect == "quote"
    assert len(flags) == 3
    assert any(flags.values()) is not fees_in_quote


def test_the_command_asks_the_store(traded):
    floor, _ = traded
    words = ["ledger", "questions", "--store", str(floor.journal_path)]
    done = CliRunner().invoke(main, [*words, "--json", "--as-of", "2024-10-01 12:00:00"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert {*document["faithful"]} == {*GIVEN}
    assert {*document["corrected"]} == {*GIVEN, "filled", "fees"}
    assert len(document["faithful"]["q3"]) == len(document["corrected"]["q3"]) == 3
    done = CliRunner().invoke(
        main, [*words, "q5", "--market", "ETH-USD", "--as=corrected", "--csv"]
    )
    assert {row["currency"] for row in csv.DictReader(io.StringIO(done.stdout))} == {"ETH", "USD"}
    for more, status, said in (
        (["q1", "--csv"], 2, "--csv prints one answer"),
        (["fees", "--as", "faithful"], 2, "no given SQL for fees"),
        (["q3", "--from", "2024-10-01"], 2, "--from and --to need"),
        (["q3", "--order", "1"], 1, "there is no order_id 1 in orders; there are 9000,"),
        (["q5", "--market", "X"], 1, "there is no symbol 'X' in markets; there are BTC-USD,"),
        (["q1", "--to", "2024-01-01"], 1, "before it begins"),
        (["--data", "books"], 2, "one of them has the books"),
    ):
        done = CliRunner().invoke(main, [*words, *more])
        assert (done.exit_code, said in done.output + str(done.exception)) == (status, True), more


def test_deposits_and_withdrawals_have_the_states_of_their_lives(traded):
    floor, _ = traded
    names = "user_id, currency, cast(amount as varchar) as amount, status, state"

    def rows(table):
        query = f"select {names} from exchange.{table} where created_at >= '2024-10-01 09:15:00'"
        found = ask(floor.journal_path / "ledger", query).to_pylist()
        return sorted(tuple(row.values()) for row in found)

    assert rows("deposits") == [
        (3, "ETH", "0.00900000", "COMPLETED", "credited"),
        (3, "ETH", "0.00900000", "FAILED", "reversed"),
        (5, "USD", "100.00000000", "COMPLETED", "credited"),
    ]
    assert rows("withdrawals") == [
        (2, "BTC", "0.00500000", "COMPLETED", "done"),
        (2, "BTC", "0.01000000", "COMPLETED", "done"),
        (3, "ETH", "0.00700000", "PENDING", "requested"),
    ]


def test_amounts_that_eight_decimals_cannot_hold_are_refused_by_name():
    exchange = Exchange([("USD", 2), ("WEI", 18)], [])
    with pytest.raises(LedgerError, match="WEI has 18 decimals"):
        exchange.require_decimals()
    market = Market(1, "X", "A", "B", 7, 1)
    with pytest.raises(LedgerError, match="X: a tick is 1/7 B for 1 A"):
        Exchange([("A", 0), ("B", 0)], [market]).require_decimals()
