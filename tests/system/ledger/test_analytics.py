"""Questions over many days, against sums by hand: volatility, volumes, exposure, cohorts."""

import math
import shutil
import statistics
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from openoutcry.ledger import ledger_state
from openoutcry.ledger.layout import Kind
from openoutcry.ledger.parquet_store import read_manifest
from openoutcry.portal.history import analytics
from openoutcry.portal.history.analytics import Analyst
from openoutcry.wire.enums import Side
from openoutcry.wire.errors import LedgerError
from tests.support.ledger.spot_day import BEGIN_NS, DAY_NS, traded, write_journal

FIRST, LAST = 0, 10**6
EVERY_DAY = date(1970, 1, 1)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A journal of 40 days, of spot and of margined instruments."""
    day = traded(500, 11)
    stretch = 40 * DAY_NS // (len(day.commands) * 10**9)
    for orders in day.commands:
        orders["rx_ts_ns"] = BEGIN_NS + (orders["rx_ts_ns"] - BEGIN_NS) * stretch
    return write_journal(tmp_path_factory.mktemp("days") / "day", day)


@pytest.fixture(scope="module")
def posted(home):
    """The books at the journal's end, and every transaction."""
    state = ledger_state.opened(home, 0)
    rows = [state.books.opening, *(rows for rows, _ in state.advance())]
    return state.books, np.concatenate(rows)


@pytest.fixture
def analyst(home, tmp_path):
    copy = shutil.copytree(home, tmp_path / "day")
    return Analyst(SimpleNamespace(journal=copy))


def day_of(row):
    return str(EVERY_DAY + timedelta(days=int(row["ts_ns"]) // DAY_NS))


def fills(posted):
    books, rows = posted
    return [(books.symbols[row["instrument"]], row) for row in rows[rows["kind"] == Kind.POSTED]]


def asked(analyst, posted, view, first=FIRST, last=LAST):
    return analyst.rows(view, first, last, posted[0].cause_seq)


def test_volumes_are_those_of_the_fills(analyst, posted):
    books, _ = posted
    lots, amounts, people = defaultdict(int), defaultdict(int), defaultdict(set)
    for symbol, row in fills(posted):
        key = day_of(row), symbol
        people[key].add(int(row["participant"]))
        if row["side"] == Side.BUY:
            lots[key] += int(row["qty_lots"])
            amounts[key] += int(row["qty_lots"]) * int(row["price_ticks"])
    rows = asked(analyst, posted, "volumes")
    assert {(row["day"], row["symbol"]) for row in rows} == people.keys()
    spot = {books.symbols[index]: terms for index, terms in books.spot.items()}
    decimals = dict(books.wallets)
    for row in rows:
        key = row["day"], row["symbol"]
        assert row["participants"] == len(people[key])
        if row["symbol"] in spot:
            base, quote, units = spot[row["symbol"]]
            base, quote = books.wallets[base][0], books.wallets[quote][0]
            assert (row["base"], row["quote"]) == (base, quote)
            assert Decimal(row["base_quantity"]) * 10 ** decimals[base] == lots[key] * units
            tick = int(books.instruments[books.symbols.index(row["symbol"])][2])
            assert Decimal(row["quote_amount"]) * 10 ** decimals[quote] == amounts[key] * tick
        else:
            assert (row["base"], row["base_quantity"]) == (row["symbol"], str(lots[key]))
    assert any(row["symbol"] in spot for row in rows)
    assert any(row["symbol"] not in spot for row in rows)


def test_volatility_is_of_the_days_closes(analyst, posted):
    closes = defaultdict(dict)
    for symbol, row in fills(posted):
        closes[symbol][day_of(row)] = int(row["price_ticks"])
    rows = asked(analyst, posted, "volatility")
    assert len(rows) == sum(map(len, closes.values()))
    seen = 0
    for row in rows:
        days = sorted(one for one in closes[row["symbol"]] if one <= row["day"])
        begin = str(date.fromisoformat(row["day"]) - timedelta(days=29))
        returns = [
            math.log(closes[row["symbol"]][one] / closes[row["symbol"]][before])
            for before, one in pairwise(days)
            if one >= begin
        ]
        assert row["close_ticks"] == closes[row["symbol"]][row["day"]]
        assert row["days"] == len(returns)
        if len(returns) > 1:
            wanted = statistics.stdev(returns) * math.sqrt(365)
            assert math.isclose(row["yearly_30_days"], wanted, rel_tol=1e-9)
            seen += 1
    assert seen


def test_exposure_is_what_the_books_hold_at_each_days_end(analyst, posted):
    books, rows = posted
    held = defaultdict(int)
    names = books.money_names
    wanted = {}
    for place, row in enumerate(rows):
        who = int(row["participant"])
        held[names[row["asset"]], who] += int(row["available"]) + int(row["reserved"])
        if row["instrument"] < len(books.symbols):
            symbol = books.symbols[row["instrument"]]
            held[symbol, who] += int(row["lots_available"]) + int(row["lots_reserved"])
        if place + 1 == len(rows) or day_of(row) != day_of(rows[place + 1]):
            for (asset, someone), units in held.items():
                if units:
                    wanted[day_of(row), asset, someone] = units
    answers = asked(analyst, posted, "exposure")
    decimals = books.scales
    found = {
        (row["day"], row["asset"], row["participant"]): int(
            Decimal(row["held"]) * 10 ** decimals.get(row["asset"], 0)
        )
        for row in answers
    }
    assert found == wanted
    shares = defaultdict(float)
    for row in answers:
        shares[row["day"], row["asset"]] += row["share"]
    assert all(math.isclose(share, 1) for share in shares.values())


def test_cohorts_count_those_who_come_back(analyst, posted):
    weeks = defaultdict(set)
    for _, row in fills(posted):
        weeks[int(row["participant"])].add(int(row["ts_ns"]) // DAY_NS // 7)
    wanted = defaultdict(int)
    for own in weeks.values():
        for week in own:
            wanted[str(EVERY_DAY + timedelta(days=7 * min(own))), week - min(own)] += 1
    rows = asked(analyst, posted, "cohorts")
    assert {(row["first_week"], row["weeks_after"]): row["active"] for row in rows} == wanted
    for row in rows:
        assert row["of_all"] == wanted[row["first_week"], 0]


def test_only_the_days_that_are_asked_for(analyst, posted):
    first, last = BEGIN_NS // DAY_NS + 1, BEGIN_NS // DAY_NS + 25
    for view in ("volatility", "volumes", "exposure"):
        every = asked(analyst, posted, view)
        days = [str(EVERY_DAY + timedelta(days=day)) for day in range(first, last + 1)]
        wanted = [row for row in every if row["day"] in days]
        assert wanted
        assert asked(analyst, posted, view, first, last) == wanted


def test_files_go_on_where_another_process_ended(analyst, posted, monkeypatch):
    """Also with checkpoints between; a question that is not patient leaves what it wrote."""
    monkeypatch.setattr(analytics, "Follower", every_two_hundred(analytics.Follower))
    end = posted[0].cause_seq
    other = Analyst(SimpleNamespace(journal=analyst.journal))
    for seq in (150, 430):
        assert analyst.rows("volumes", FIRST, LAST, seq)
        assert other.rows("volumes", FIRST, LAST, seq + 50)
    monkeypatch.setattr(analytics, "PATIENCE_S", -1.0)
    with pytest.raises(LedgerError, match=rf"at command \d+ of {end:,}; ask again"):
        analyst.rows("volumes", FIRST, LAST, end)
    monkeypatch.setattr(analytics, "PATIENCE_S", 60.0)
    whole = Analyst(SimpleNamespace(journal=analyst.journal))
    whole.folder = analyst.folder.parent / "whole"
    for view in ("volumes", "exposure"):
        wanted = whole.rows(view, FIRST, LAST, end)
        assert analyst.rows(view, FIRST, LAST, end) == wanted
        assert other.rows(view, FIRST, LAST, end) == wanted


def every_two_hundred(follower):
    return lambda journal, store: follower(journal, store, every=200)


def test_files_of_another_journal_are_made_again(analyst, posted):
    assert asked(analyst, posted, "volumes")
    other = traded(30, 3)
    shutil.rmtree(analyst.journal)
    write_journal(analyst.journal, other)
    seq = sum(map(len, other.commands))
    fresh = Analyst(SimpleNamespace(journal=analyst.journal))
    rows = fresh.rows("exposure", FIRST, LAST, seq)
    manifest = read_manifest(fresh.folder)
    assert manifest["seq"] == seq
    days = {day_of(row) for posted in other.rows for row in posted}
    assert {row["day"] for row in rows} == days
