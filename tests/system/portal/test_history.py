"""The history in PostgreSQL: what the events say, each command once, and the same when it is made
again, whatever interrupts it."""

import asyncio
import json
import os
import re
import shutil
import time
from collections import Counter, defaultdict
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import psycopg
import pytest

from openoutcry.ledger import ledger_state
from openoutcry.ledger.layout import Kind
from openoutcry.ledger.transactions import joined, transactions
from openoutcry.portal.database import (
    START_SETTINGS,
    Database,
    DatabaseError,
    running_embedded,
    start_embedded,
)
from openoutcry.portal.history import projector, schema
from openoutcry.portal.history.pages import Pages, Span
from openoutcry.portal.history.projector import (
    HistoryError,
    Projector,
    checkpoint_folder,
    digest,
    follow,
)
from openoutcry.portal.history.reader import NO_END, History
from openoutcry.portal.native.history_routes import NativeHistory
from openoutcry.portal.notices.news import News
from openoutcry.portal.portfolio.bookkeeper import NOT_READY, Bookkeeper
from openoutcry.portal.trading import follower as follower_module
from openoutcry.portal.trading import public
from openoutcry.portal.trading.follower import DAY_NS, Follower
from openoutcry.portal.trading.instruments import Markets
from openoutcry.portal.trading.mirror import Mirror
from openoutcry.portal.trading.orders import REJECTED
from openoutcry.portal.trading.public import INTERVALS
from openoutcry.ring import ProcessIdentity
from openoutcry.runtime.prefork import Replication
from openoutcry.venue.days import STATUS_NAME
from openoutcry.venue.file import read_venue
from tests.support.ledger.spot_venue import MARKETS, ByHand, trade_at_random, traded_day
from tests.support.pipeline import warm_outcry
from tests.support.portal import generated
from tests.support.portal.packed_rows import changes_in, orders_in, transactions_in
from tests.support.portal.people import fresh_database
from tests.support.processes import OUTCRY, started_by
from tests.support.waiting import BOUND_S, wait_until

SYMBOLS = list(MARKETS)
CHANGE_COLUMNS = (
    "event_seq",
    "number",
    "execution",
    "state",
    "price_ticks",
    "lots",
    "executed_lots",
    "client_id",
    "at_ns",
    "seq",
)
FILL_COLUMNS = (
    "trade, number, participant, instrument, price_ticks, lots, fee_units, fee_asset, is_maker, "
    "at_ns, seq"
)
TRADE_COLUMNS = "instrument, trade, price_ticks, lots, at_ms, buyer_is_maker, seq"
STATES = {"NEW": "OPEN", "CANCELED": "CANCELLED", "EXPIRED": "CANCELLED"}


def date_of(day):
    """The date of a number of days since 1970."""
    return datetime.fromtimestamp(day * 86_400, UTC).date()


class Killed(Exception):
    """Stands for SIGKILL between two steps of the projector."""


@pytest.fixture(scope="module", params=["received", pytest.param("quote", marks=pytest.mark.long)])
def day(request, tmp_path_factory):
    """The venue file, and three days of trading by hand."""
    floor = traded_day(tmp_path_factory.mktemp("venue"), request.param)
    moments = [f"2024-10-01T{hour}:{minute}" for hour in (10, 15) for minute in ("00", "01", "30")]
    moments += ["2024-10-02T09:30", "2024-10-02T16:00", "2024-10-04T11:00"]
    trade_at_random(floor, moments, 7)
    by_hand = ByHand(floor, request.param)
    floor.close()
    return read_venue(floor.file), by_hand


@pytest.fixture
def url(postgresql):
    return fresh_database(postgresql)


@pytest.fixture(scope="module")
def written(day, postgresql):
    """A history that was written without an interruption: its URL and its digest."""
    url = fresh_database(postgresql)
    follow(day[0], url, once=True)
    with psycopg.connect(url) as connection:
        return url, digest(connection)


def digest_at(url):
    with psycopg.connect(url) as connection:
        return digest(connection)


def rows(url, query):
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.promise(
    "Wallets, history, portfolios and statements are those of core, journal and ledger, to "
    "the unit; a statement that does not agree with the books is not shown",
    group="portal",
)
def test_the_history_is_what_the_events_say(day, written):
    url, by_hand = written[0], day[1]
    stored = {
        one.core_id: (one.state, one.executed_lots, one.participant)
        for one in orders_in(url)
        if one.state != REJECTED
    }
    assert stored.keys() == by_hand.orders.keys()
    for key, (state, filled, who) in stored.items():
        own = by_hand.orders[key]
        assert (STATES.get(state, state), filled, who) == (
            by_hand.status(key),
            own["filled"],
            own["user"],
        ), key
    fees = defaultdict(int)
    query = "select participant, fee_asset, sum(fee_units) from history.fills group by 1, 2"
    for (_, who, asset), units in by_hand.fees.items():
        fees[who, asset] += units
    assert {(who, asset): int(units) for who, asset, units in rows(url, query)} == fees
    trades = Counter(
        (SYMBOLS.index(symbol), int(one["price_ticks"]), int(one["qty_lots"]))
        for symbol, one, _ in by_hand.trades
    )
    assert len(by_hand.trades) > 30
    assert Counter(rows(url, "select instrument, price_ticks, lots from history.trades")) == trades


def test_every_change_of_an_order_leads_to_its_state(written):
    """The last change of each is what its row says, and fills add up to it; none is of another time
    than the row says, which pages rely upon."""
    filled = dict(rows(written[0], "select number, sum(lots) from history.fills group by number"))
    changes = defaultdict(list)
    for change in changes_in(written[0]):
        changes[change["number"]].append(change)
    orders = orders_in(written[0])
    assert len(orders) == len(changes) > 0
    for one in orders:
        own = changes[one.number]
        last = own[-1]
        terms = one.state, one.executed_lots, one.price_ticks, one.lots, one.client_id, one.seq
        names = "state", "executed_lots", "price_ticks", "lots", "client_id", "seq"
        assert terms == tuple(last[name] for name in names)
        assert one.executed_lots == int(filled.get(one.number, 0))
        times = [one.created_ns, *(change["at_ns"] for change in own), one.updated_ns]
        assert times == sorted(times)


def test_what_a_command_does_to_an_order_is_one_row(written):
    """And what it does to a participant's money, which a column a number made most of the cost."""
    keys = {"order_changes": "number, seq", "transactions": "participant, cause_seq"}
    for table, columns in keys.items():
        query = f"select count(*), count(distinct ({columns})) from history.{table}"
        count, of_all = rows(written[0], query)[0]
        assert count == of_all > 0
    count = rows(written[0], "select count(*) from history.order_changes")[0][0]
    assert len(changes_in(written[0])) > count


def test_balances_are_those_of_each_days_end(day, written):
    """A core that is stopped at the last command of a day has the same wallets."""
    file = day[0]
    follower = Follower(file)
    ends = {}

    def end(ended):
        rows = follower.wallets.rows[:, :, :2]
        ends[ended] = {
            (int(who), follower.wallets.names[place]): tuple(rows[who, place].tolist())
            for who, place in np.argwhere(rows.any(axis=2))
        }

    follower.day_ends.append(end)
    while follower.poll():
        pass
    assert len(ends) == 2
    kept = {}
    query = "select participant, asset, day, available, reserved from history.balances"
    stored = defaultdict(dict)
    for who, asset, ended, available, reserved in rows(written[0], query):
        stored[ended][who, asset] = int(available), int(reserved)
    for ended in sorted(ends):
        kept |= stored[ended]
        assert {at: value for at, value in kept.items() if any(value)} == ends[ended]


@pytest.mark.parametrize(
    ("state", "replicates", "takes"),
    [("open", True, False), ("stopped", True, True), ("closed", True, True), ("open", False, True)],
)
def test_what_a_dead_venue_may_not_have_confirmed_waits(day, tmp_path, state, replicates, takes):
    """Other machines may not have the journal's end, and one of them may continue without it."""
    journal = shutil.copytree(day[0].journal, tmp_path / "journal")
    to = Replication("SPOT", "127.0.0.1:1") if replicates else None
    follower = Follower(replace(day[0], journal=journal, replication=to))
    gone = 1 if state == "open" else ProcessIdentity.mine().start_ticks
    status = {"state": state, "pid": os.getpid(), "start_ticks": gone}
    (journal / STATUS_NAME).write_text(json.dumps(status))
    follower.look()
    assert follower.state == ("dead" if state == "open" else state)
    assert (follower.poll() > 0) == takes


def test_the_wallets_are_what_movements_and_fills_add_up_to(day, written):
    """Added up by hand: what came and went, what was traded, what fees took."""
    file, by_hand = day
    total = defaultdict(int)
    query = "select participant, asset, available + reserved from history.movements"
    for who, asset, units in rows(written[0], query):
        total[who, asset] += int(units)
    for (who, asset), units in by_hand.moved.items():
        total[who, asset] += int(units)
    for (_, who, asset), units in by_hand.fees.items():
        total[who, asset] -= units
    follower = Follower(file)
    while follower.poll():
        pass
    held = follower.wallets.rows[:, :, :2].sum(axis=2)
    wallets = {
        (int(who), follower.wallets.names[place]): int(held[who, place])
        for who, place in np.argwhere(held)
    }
    assert {at: units for at, units in total.items() if units} == wallets
    steps = "select participant, kind, step, amount from history.movements order by event_seq"
    named = [row[1:3] for row in rows(written[0], steps) if row[1] != "transfer"]
    assert named == [
        *(("withdrawal", step) for step in ("request", "approve", "send", "finish", "request")),
        *(("deposit", step) for step in ("see", "credit", "see", "credit", "reverse")),
    ]


def test_fees_by_day_are_what_the_fills_paid(day, written):
    fees = defaultdict(int)
    for (_, who, asset), units in day[1].fees.items():
        fees[who, asset] += units
    query = "select participant, asset, sum(fee_units) from history.fees group by 1, 2"
    stored = {(who, asset): int(units) for who, asset, units in rows(written[0], query)}
    assert stored == {at: units for at, units in fees.items() if units}
    assert stored
    names, by_day = ledger_state.at(day[0].journal).books, defaultdict(int)
    for row in transactions_in(written[0]):
        if row["kind"] in (Kind.POSTED, Kind.DELIVERED) and row["fee_income"]:
            at = int(row["participant"]), date_of(int(row["ts_ns"]) // DAY_NS)
            asset = names.money_names[row["asset"]]
            by_day[*at, names.symbols[row["instrument"]], asset] += int(row["fee_income"])
    query = "select participant, day, instrument, asset, fee_units from history.fees"
    assert {row[:4]: int(row[4]) for row in rows(written[0], query)} == by_day


def test_transactions_are_the_ledgers(day, written):
    """Every one, column by column."""
    state = ledger_state.at(day[0].journal)
    wanted = joined(transactions(day[0].journal, state))
    stored = transactions_in(written[0])
    assert len(stored) > 200
    np.testing.assert_array_equal(stored, wanted)


@pytest.mark.parametrize("table", sorted(schema.CANDLES))
def test_candles_are_what_the_trades_add_up_to(written, table):
    length_ms, candles = schema.CANDLES[table] * 1_000, {}
    query = "select instrument, at_ms, trade, price_ticks, lots, buyer_is_maker from history.trades"
    for index, at_ms, trade, price, lots, is_maker in rows(written[0], f"{query} order by trade"):
        begin = at_ms // length_ms * length_ms // 1_000
        one = candles.setdefault(
            (index, begin), [price, price, price, price, trade, trade, 0, 0, 0, 0, 0]
        )
        one[1:4] = max(one[1], price), min(one[2], price), price
        one[5:9] = trade, one[6] + lots, one[7] + price * lots, one[8] + 1
        if not is_maker:
            one[9:] = one[9] + lots, one[10] + price * lots
    names = "open_ticks, high_ticks, low_ticks, close_ticks, first_trade, last_trade, lots"
    names += ", tick_lots, count, taker_buy_lots, taker_buy_tick_lots"
    stored = rows(written[0], f"select instrument, begin_s, {names} from history.{table}")
    assert {row[:2]: [int(value) for value in row[2:]] for row in stored} == candles
    assert candles


def test_the_kernel_makes_of_events_what_the_mirror_makes_of_them(day, written):
    """Every change of an order, every fill and every trade."""
    require_rows_of_the_mirror(day[0], written[0])


def require_rows_of_the_mirror(file, url):
    changes, fills, trades = [], [], []

    def take(moment):
        for one in moment.changes:
            order = one.order
            terms = one.price_ticks, one.lots, one.executed_lots, one.client_id
            row = one.event_seq, order.number, one.execution, one.state, *terms
            changes.append((*row, one.time_ns, one.seq))
        for one in [*moment.changes, *moment.off_book_fills]:
            if one.fill is not None:
                fill, order = one.fill, one.order
                row = fill.number, order.number, order.participant, order.instrument
                row = *row, fill.price_ticks, fill.lots, fill.fee_units, fill.fee_asset
                fills.append((*row, fill.is_maker, fill.time_ns, one.seq))
        for market, one in moment.trades:
            row = market, one.number, one.price, one.lots, one.time_ms
            trades.append((*row, one.buyer_is_maker, one.seq))

    mirror = Mirror(Follower(file), lambda participant: True)
    mirror.listeners.append(take)
    while mirror.poll():
        pass
    columns = "select {} from history.{}"
    own = [tuple(row[name] for name in CHANGE_COLUMNS) for row in changes_in(url)]
    assert own == sorted(changes)
    stored = rows(url, columns.format(FILL_COLUMNS, "fills"))
    assert sorted(stored) == sorted(fills)
    stored = rows(url, columns.format(TRADE_COLUMNS, "trades"))
    assert sorted(stored) == sorted(trades)


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.long) for n in (1, 2))])
def test_a_killed_projector_continues_exactly_there(day, written, url, seed, monkeypatch):
    """It dies before, in the middle of and after transactions, a few commands apart."""
    monkeypatch.setattr(follower_module, "COMMANDS_A_POLL", 1)
    monkeypatch.setattr(projector, "ROWS_A_TRANSACTION", 4)
    rng, deaths = np.random.default_rng(seed), 0
    write = Projector._write

    def may_die(self):
        nonlocal deaths
        at = rng.random()
        if at < 0.1:
            deaths += 1
            raise Killed
        with ExitStack() as stack:
            if at < 0.2:
                stack.enter_context(self.connection.transaction())
            write(self)
            if at < 0.3:
                deaths += 1
                raise Killed  # in the transaction, which is undone, or after it

    monkeypatch.setattr(Projector, "_write", may_die)
    while True:
        try:
            follow(day[0], url, once=True)
            break
        except Killed:
            continue
    assert deaths > 3
    assert digest_at(url) == written[1]


@pytest.mark.parametrize(
    ("loss", "error"),
    [
        ("select pg_terminate_backend(pid) from pg_locks where objid = %d", DatabaseError),
        ("update history.position set seq = seq - 1 where %d > 0", HistoryError),
    ],
)
def test_a_projector_without_work_notices_what_the_database_has_lost(
    day, url, loss, error, monkeypatch
):
    """A crash of the server took the last transaction, and nothing more comes."""
    follow(day[0], url, once=True)
    begun, until_s, begin = [], time.monotonic() + BOUND_S, Projector.begin

    def began(self, *given):
        found = begin(self, *given)
        begun.append(self)
        return found

    monkeypatch.setattr(Projector, "begin", began)

    def stop():
        if begun:  # not while it waits for the one before
            begun.clear()
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(loss % projector.LOCK)
        return time.monotonic() > until_s

    with pytest.raises(error):
        follow(day[0], url, stop=stop)


@pytest.mark.parametrize("hours", [-14, 14])
def test_a_clock_that_is_set_over_midnight_loses_and_doubles_nothing(
    tmp_path, url, hours, monkeypatch
):
    """A venue's clock is set while orders are open, as between two of its runs; pages of orders and
    fills then show every row once."""
    drawn = generated.drawn

    def with_a_jump(*terms):
        commands = drawn(*terms)
        commands["rx_ts_ns"][len(commands) // 2 :] += hours * 3_600 * 10**9
        return commands

    monkeypatch.setattr(generated, "drawn", with_a_jump)
    made = generated.generated_market(tmp_path, 3, 600, 4, 1, block=32)
    follow(made.file, url, once=True)
    require_rows_of_the_mirror(made.file, url)
    first = digest_at(url)
    monkeypatch.setattr(projector, "ROWS_A_TRANSACTION", 40)
    follow(made.file, url, once=True, rebuild=True)
    assert digest_at(url) == first
    days = {row[0] for row in rows(url, "select distinct day from history.order_changes")}
    assert len(days) == 2
    write_with_starts(made.file, url, monkeypatch)
    assert digest_at(url) == first
    who = made.people[0]

    async def ask(pages):
        shown, before = [], None
        while page := await pages.fills_before(who, None, 0, Span(), before, 9):
            if len(page) == 9:  # a trade with oneself has two of one place
                page = [row for row in page if row[2] != page[-1][2]]
            shown += [(order.number, fill.number) for order, fill, _ in page]
            before = page[-1][2]
        orders = await pages.orders_before(who, None, "all", "", Span(), 0, 10_000)
        changes = {one.number: await pages.changes(who, one.number) for one in orders}
        return shown, changes

    require_orders_by_time(url, made.people)
    shown, changes = asked(url, ask, Pages)
    fills = rows(url, f"select number, trade from history.fills where participant = {who}")
    assert sorted(shown) == sorted(fills)
    for number, seen in changes.items():
        wanted = changes_in(url, f"number = {number}")
        assert [row["event_seq"] for row in seen] == [row["event_seq"] for row in wanted]


def write_with_starts(file, url, monkeypatch):
    """The history, with a start after each block: candles of any time may be there then."""
    monkeypatch.setattr(follower_module, "COMMANDS_A_POLL", 1)
    monkeypatch.setattr(projector, "ROWS_A_TRANSACTION", 1)
    with psycopg.connect(url, autocommit=True) as connection:
        schema.drop(connection, schema.NAME)
    count = 1
    while count:
        with projector.connected(url) as connection:
            one = Projector(file, connection)
            one.begin()
            count = one.step()
            one.settle()
            one.close()


def test_a_projector_that_is_a_day_late_says_so_and_comes_to_the_same(
    day, written, url, memory, monkeypatch
):
    monkeypatch.setattr(follower_module, "COMMANDS_A_POLL", 1)
    monkeypatch.setattr(projector, "ROWS_A_TRANSACTION", 4)
    history = NativeHistory(None, SimpleNamespace(mirror=memory), None)

    async def state(pages):
        history.pages = pages
        return await history.state()

    with projector.connected(url) as connection:
        one = Projector(day[0], connection)
        one.begin()
        while one.follower.time_ns < memory.time_ns - DAY_NS:
            one.step()
            at_ns = one.follower.time_ns
        one.settle()
        one.close()
    late = asked(url, state, Pages)
    assert 0 < late.seq < late.venue_seq
    assert late.behind == late.venue_seq - late.seq
    assert late.behind_ms == (memory.time_ns - at_ns) // 10**6
    follow(day[0], url, once=True)
    assert digest_at(url) == written[1]
    now = asked(url, state, Pages)
    assert (now.behind, now.behind_ms) == (0, 0)


def test_a_transaction_leaves_no_file_to_empty(day, url):
    """To truncate a temporary table waits for the file system, up to half a second."""
    with projector.connected(url) as connection:
        one = Projector(day[0], connection)
        one.begin()
        while one.step():
            pass
        query = "select relname from pg_class where relpersistence = 't'"
        assert connection.execute(query).fetchall() == []
        one.close()


def test_the_servers_log_has_room_from_its_first_start_on(tmp_path):
    """Without it a transaction waits for the disk; what it holds stays."""
    folder = tmp_path / "postgresql"
    shown = "select current_setting('wal_buffers'), current_setting('shared_buffers')"
    url, server = start_embedded(folder)
    try:
        assert rows(url, shown) == [tuple(START_SETTINGS.values())]
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("create table kept as select 1 as one")
        pid = server.get_pid()
        assert start_embedded(folder) == (url, server)
        assert server.get_pid() == pid
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("alter system set wal_buffers = '1MB'")
        server.stop()
        server.ensure_postgres_running()
        assert start_embedded(folder)[0] == url
        assert rows(url, shown) == [tuple(START_SETTINGS.values())]
        assert rows(url, "select one from kept") == [(1,)]
    finally:
        server.cleanup()


def test_a_history_that_is_made_again_is_the_same(day, written, url):
    follow(day[0], url, once=True)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("delete from history.fills")
        connection.execute("update history.orders set instrument = instrument + 1")
    assert digest_at(url) != written[1]
    follow(day[0], url, once=True, rebuild=True)
    assert digest_at(url) == written[1]


def test_a_history_is_read_as_it_was_until_it_is_made_again(day, written, url, monkeypatch):
    """Whatever interrupts that, it continues there, and has every key in the end."""
    keys = "select indexdef from pg_indexes where schemaname = 'history' order by 1"
    follow(day[0], url, once=True)
    wanted = rows(url, keys)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("update history.orders set instrument = instrument + 1")
    before, seqs = digest_at(url), []
    monkeypatch.setattr(follower_module, "COMMANDS_A_POLL", 1)
    monkeypatch.setattr(projector, "ROWS_A_TRANSACTION", 4)
    step, finish = Projector.step, schema.finish

    def dies(self):
        step(self)
        self.settle()
        seqs.append(self.seq)
        if len(seqs) % 9 == 0:
            raise Killed
        return 1

    def dies_in_the_end(connection):
        finish(connection)
        raise Killed  # all that it did is undone

    monkeypatch.setattr(Projector, "step", dies)
    monkeypatch.setattr(schema, "finish", dies_in_the_end)
    for number in range(4):
        with pytest.raises(Killed):
            follow(day[0], url, once=True, rebuild=number == 0)
        assert digest_at(url) == before
    assert seqs == sorted(set(seqs))
    monkeypatch.setattr(Projector, "step", step)
    with pytest.raises(Killed):
        follow(day[0], url, once=True)
    assert digest_at(url) == before
    monkeypatch.setattr(schema, "finish", finish)
    follow(day[0], url, once=True)
    assert digest_at(url) == written[1]
    assert rows(url, keys) == wanted


def test_keys_that_were_interrupted_are_made_whole(day, written, url, monkeypatch):
    """Those that are whole stay; and a server without a free connection makes one after another."""
    keys = "select indexdef from pg_indexes where schemaname = %r order by 1"
    follow(day[0], url, once=True)
    wanted = rows(url, keys % schema.NAME)
    fails = {"none": {"none_of": "create index none_of on none (number)"}}
    with monkeypatch.context() as broken:
        broken.setattr(schema, "KEYS", schema.KEYS | fails)
        with pytest.raises(psycopg.errors.UndefinedTable):
            follow(day[0], url, once=True, rebuild=True)
    assert digest_at(url) == written[1]
    with psycopg.connect(url, autocommit=True) as connection:
        assert len(rows(url, keys % schema.NEW)) > 0
        connection.execute("drop index history_new.orders_named")
    connect, count = psycopg.connect, 0

    def only_one(*terms, **more):
        nonlocal count
        count += 1
        if count > 1:
            raise psycopg.OperationalError("too many clients already")
        return connect(*terms, **more)

    with monkeypatch.context() as full:
        full.setattr(psycopg, "connect", only_one)
        follow(day[0], url, once=True)
    assert count == 2
    assert digest_at(url) == written[1]
    assert rows(url, keys % schema.NAME) == wanted


def test_tables_of_another_version_are_made_again(day, written, url):
    follow(day[0], url, once=True)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("update history.position set version = 0")
        connection.execute("drop table history.trades")
        for table in ("orders", "order_changes", "transactions"):
            connection.execute(f"alter table history.{table} rename packed to before")
        question = {"ask": "portfolio", "participant": 1, "currency": "USD", "method": "fifo"}
        assert Bookkeeper(day[0], connection).answer(question)["code"] == NOT_READY
    with psycopg.connect(url, autocommit=True, row_factory=psycopg.rows.dict_row) as connection:
        assert News(Markets(day[0]), connection).step() == 0

    async def ask(pages):
        orders = await pages.orders_before(1, None, "all", "", Span(), 0, 9)
        return await pages.position(), await pages.seq(), orders

    assert asked(url, ask, Pages) == (None, 0, []), "nothing, and late by everything"
    follow(day[0], url, once=True)
    assert digest_at(url) == written[1]


def test_it_continues_from_a_checkpoint_with_the_orders_that_were_open(
    day, written, url, monkeypatch
):
    """As after the journal's beginning was retired: orders from before it are filled and cancelled
    after it."""
    file = day[0]
    ledger_state.save(ledger_state.at(file.journal, 150), checkpoint_folder(file))
    monkeypatch.setattr(follower_module, "COMMANDS_A_POLL", 1)
    with projector.connected(url) as connection:
        first = Projector(file, connection)
        first.begin()
        while first.follower.seq < 170:
            first.follower.poll()
        first._write()

    def no_begin(reader):
        raise AssertionError("the begin is not read again")

    monkeypatch.setattr(ledger_state, "starting_point", no_begin)
    follow(file, url, once=True)
    assert digest_at(url) == written[1]

    def later(self):
        return self._state_before(150)

    monkeypatch.setattr(Projector, "_first_state", later)
    with pytest.raises(HistoryError, match="would lose"):
        follow(file, url, once=True, rebuild=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("journal_id = 'another'", "belongs to another journal"),
        ("seq = seq + 10000", "and the journal at"),
    ],
)
def test_a_history_that_this_journal_does_not_continue_is_refused(day, url, change, words):
    follow(day[0], url, once=True)
    before = digest_at(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"update history.position set {change}")
    with pytest.raises(HistoryError, match=words):
        follow(day[0], url, once=True)
    follow(day[0], url, once=True, rebuild=True)
    assert digest_at(url) == before


def test_two_projectors_do_not_write_at_once(day, written, url):
    """The second waits for the first's connection to end."""
    with projector.connected(url) as first:
        assert projector.only_writer(first, lambda: True, projector.LOCK)
        assert follow(day[0], url, once=True, stop=lambda: True) == 0
        assert not rows(url, "select from pg_namespace where nspname = 'history'")
    assert follow(day[0], url, once=True) > 0
    assert digest_at(url) == written[1]


def test_a_days_fills_are_vacuumed_to_the_last(written):
    """The server reads an index alone only where it has vacuumed."""
    query = "select reloptions from pg_class where relname ~ '^fills_[0-9]+$' and relkind = 'r'"
    found = rows(written[0], query)
    assert len(found) == 3
    assert all("autovacuum_vacuum_insert_scale_factor=0" in one for (one,) in found)


def test_days_that_are_too_old_are_dropped(day, url):
    follow(day[0], url, once=True)
    with psycopg.connect(url, autocommit=True) as connection:
        schema.use(connection)
        all_days = schema.days(connection)
        assert len(all_days) == 3
        assert schema.drop_days_before(connection, all_days[1]) == all_days[:1]
        assert schema.days(connection) == all_days[1:]
    oldest = rows(url, "select min(at_ns) from history.fills")[0][0]
    assert oldest >= all_days[1] * DAY_NS
    query = "select count(*) from history.orders where state = 'FILLED' and updated_ns < %d"
    assert rows(url, query % (all_days[1] * DAY_NS))[0][0] == 0
    require_orders_by_time(url, range(1, 5))


# Pages


def require_orders_by_time(url, people):
    """Pages of a day, and of the time from or until it, have the orders of that time."""
    days = [
        row[0] for row in rows(url, f"select distinct created_ns / {DAY_NS} from history.orders")
    ]
    for who in people:
        query = f"""
            select number, created_ns / {DAY_NS} from history.orders
            where participant = {who} and state <> '{REJECTED}' and number > 0
        """
        own = rows(url, query)
        for day in days:
            begin_ms, end_ms = day * DAY_NS // 10**6, (day + 1) * DAY_NS // 10**6 - 1
            spans = {
                Span(begin_ms, end_ms): range(day, day + 1),
                Span(begin_ms, 0): range(day, 10**6),
                Span(0, end_ms): range(day + 1),
            }
            for span, wanted in spans.items():

                async def ask(pages, who=who, span=span):
                    return await pages.orders_before(who, None, "all", "", span, 0, 10_000)

                found = [order.number for order in asked(url, ask, Pages)]
                assert found == sorted((n for n, on in own if on in wanted), reverse=True)


@pytest.fixture(scope="module")
def memory(day):
    """The same days as a mirror has them that forgets nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(public, "CANDLES_KEPT", 10_000)
        mirror = Mirror(Follower(day[0]), lambda participant: True)
        while mirror.poll():
            pass
    return mirror


def asked(url, ask, kind=History):
    """What ``ask(history)`` answers."""

    async def run():
        database = Database(url)
        try:
            return await ask(kind(database))
        finally:
            await database.close()

    return asyncio.run(run())


def test_pages_of_orders_and_fills_are_those_of_memory(written, memory):
    for who in range(1, 5):
        own = memory.orders.participant(who)
        orders = [order for order in own.all() if order.instrument == 0 and order.state != REJECTED]
        fills = [pair for pair in own.fills if pair[0].instrument == 0]
        numbers = [order.number for order in orders]
        assert len(numbers) > 10
        middle = numbers[len(numbers) // 2]
        middle_ms = orders[len(orders) // 2].created_ns // 10**6

        async def ask(history, who=who, middle=middle, middle_ms=middle_ms):
            return (
                await history.orders(who, 0, 5),
                await history.orders(who, 0, 5, first=middle),
                await history.orders(who, 0, 1000, start_ms=middle_ms),
                await history.orders(who, 0, 1000, end_ms=middle_ms),
                await history.order(who, 0, middle, ""),
                await history.order(who, 1, middle, ""),
                await history.fills(who, 0, 7),
                await history.fills(who, 0, 1000, start_ms=middle_ms),
                await history.fills(who, 0, 1000, number=middle),
            )

        last, on, since, until, one, foreign, newest, later, of_one = asked(written[0], ask)
        shown = [[order.number for order in part] for part in (last, on, since, until)]
        at = [order.created_ns // 10**6 for order in orders]
        assert shown[0] == numbers[-5:]
        assert shown[1] == [n for n in numbers if n >= middle][:5]
        assert shown[2] == [n for n, ms in zip(numbers, at, strict=True) if ms >= middle_ms]
        assert shown[3] == [n for n, ms in zip(numbers, at, strict=True) if ms <= middle_ms]
        assert (one.number, foreign) == (middle, None)
        expected = own.by_number[middle]
        assert (one.state, one.lots, one.executed_tick_lots, one.client_id) == (
            expected.state, expected.lots, expected.executed_tick_lots, expected.client_id,
        )  # fmt: skip
        keys = [(fill.number, order.number) for order, fill in fills]
        assert [(fill.number, order.number) for order, fill in newest] == sorted(keys)[-7:]
        for order, _ in newest:
            kept = own.by_number[order.number]
            assert (order.instrument, order.client_id, order.side) == (0, kept.client_id, kept.side)
        # The two fills of a trade with oneself have one number.
        assert sorted(map(repr, (fill for _, fill in later))) == sorted(
            repr(fill) for _, fill in fills if fill.time_ns // 10**6 >= middle_ms
        )
        assert [fill for _, fill in of_one] == expected.fills


def test_fills_of_an_order_are_all_that_it_has(day, url):
    """Its changes say which trades are its own; an order off the book has none."""
    follow(day[0], url, once=True)
    with psycopg.connect(url, autocommit=True) as connection:
        for table in ("orders", "fills"):
            query = "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0"
            found = connection.execute(query, (f"history.{table}",))
            names = ", ".join(name for (name,) in found if name != "number")
            connection.execute(
                f"insert into history.{table} (number, {names}) select -number, {names} "
                f"from history.{table} where number = (select min(number) from history.fills)"
            )
    wanted = defaultdict(list)
    query = "select participant, number, trade from history.fills order by 3 desc"
    for who, number, trade in rows(url, query):
        wanted[who, number].append(trade)
    assert any(number < 0 for _, number in wanted)
    assert max(map(len, wanted.values())) > 1

    async def ask(pages):
        return {
            (who, number): await pages.fills_before(who, None, number, Span(), None, 1_000)
            for who, number in wanted
        }

    for key, found in asked(url, ask, Pages).items():
        assert [fill.number for _, fill, _ in found] == wanted[key]
        assert {order.number for order, _, _ in found} == {key[1]}


def test_pages_of_a_user_are_read_out_of_indices_alone(written):
    """Each row of a page that is read out of a table is a read of the disk."""
    seen, plans = [], []

    class Watched(Database):
        async def rows(self, query, **values):
            seen.append((query, values))
            return await super().rows(query, **values)

    async def ask(database):
        pages, day = Pages(database), Span(1_727_740_800_000, 1_727_827_199_999)
        for market, span in ((None, Span()), (0, Span()), (0, day)):
            for search in ("", "1"):
                await pages.orders_before(1, market, "closed", search, span, 0, 11)
            await pages.fills_before(1, market, 0, span, None, 11)
        await pages.orders(1, 0, 11)
        await pages.fills(1, 0, 11)
        async with database.transaction() as connection:
            # Of a few rows the server would read the whole table, in any order.
            for name in ("seqscan", "bitmapscan", "sort"):
                await connection.execute(f"set local enable_{name} to off")
            await connection.execute("drop index history.orders_named")
            await connection.execute("alter table history.orders drop constraint orders_pkey")
            for query, values in seen:
                if "order_changes" not in query:
                    cursor = await connection.execute(f"explain (costs off) {query}", values)
                    plans.append([line["QUERY PLAN"].strip() for line in await cursor.fetchall()])
            raise psycopg.Rollback
        await database.close()

    asyncio.run(ask(Watched(written[0])))
    assert len(plans) == 11
    for plan in plans:
        scans = [line.removeprefix("->  ") for line in plan if " Scan" in line]
        assert scans
        assert all(line.startswith("Index Only Scan") for line in scans), plan


def test_a_time_is_one_of_numbers(day, written):
    """Without them a page of an old day reads everything of the user since."""
    query = f"select min(number), max(number), created_ns / {DAY_NS} from history.orders group by 3"
    numbers = {on: (first, last) for first, last, on in rows(written[0], query)}
    (oldest, _, newest) = sorted(numbers)

    async def ask(pages):
        return [
            await pages.created(newest * DAY_NS, NO_END),
            await pages.created(0, (oldest + 1) * DAY_NS),
            await pages.created(0, NO_END),
        ]

    since, until, always = asked(written[0], ask)
    first, last = (int(re.search(rf"number {sign} (\d+)", text[1])[1]) for text, sign in (
        (since, ">="), (until, "<=")))  # fmt: skip
    assert numbers[oldest][0] < first < numbers[newest][0]
    assert numbers[oldest][1] < last <= numbers[newest][1]
    assert always == []


@pytest.mark.parametrize("interval", [name for name in INTERVALS if name != "1s"])
def test_candles_of_every_interval_are_those_of_memory(written, memory, interval):
    """Those in which something was traded."""
    kept = [candle for candle in memory.tapes[0].candles[interval] if candle.count]
    now_ms = memory.time_ns // 10**6
    middle_ms = kept[len(kept) // 2].begin_ms

    async def ask(history):
        return (
            await history.candles(0, interval, None, now_ms, 1000),
            await history.candles(0, interval, middle_ms, now_ms, 2),
            await history.candles(0, interval, middle_ms + 1, now_ms, 1000),
            await history.candles(0, interval, None, now_ms, 1),
        )

    everything, two, later, last = asked(written[0], ask)
    assert everything == kept
    assert two == [candle for candle in kept if candle.begin_ms >= middle_ms][:2]
    assert later == [candle for candle in kept if candle.begin_ms > middle_ms]
    assert last == kept[-1:]


def test_pages_of_trades_are_those_of_memory(written, memory):
    kept = list(memory.tapes[0].trades)
    first = kept[len(kept) // 3].number

    async def ask(history):
        return await history.trades(0, None, 10), await history.trades(0, first, 10)

    newest, on = asked(written[0], ask)
    assert newest == kept[-10:]
    assert on == [trade for trade in kept if trade.number >= first][:10]


def test_without_a_history_pages_are_empty(url):
    async def ask(history):
        return await history.orders(1, 0, 5), await history.trades(0, None, 5), await history.seq()

    assert asked(url, ask) == ([], [], 0)


# Its process


def test_the_portal_keeps_its_history_running(portal_venue):
    """Killed while people trade, it is started again, and nothing is missing or there twice."""
    database = running_embedded(portal_venue.folder / "journal-portal" / "postgresql")
    person = portal_venue.person(USD=10**12, BTC=10**10)
    is_there = "select to_regclass('history.orders') is not null"
    wait_until(lambda: rows(database, is_there)[0][0], "the history's tables")
    kills = 0
    with portal_venue.client(person) as client:
        for number in range(3):
            made = client.order("SELL", "0.1", "51000", newClientOrderId=f"rest-{number}")
            assert made.json()["status"] == "NEW"
            for process in started_by(portal_venue.web(), "portal history"):
                process.kill()
                kills += 1
            taken = client.order(
                "BUY", "0.1", "51000", newClientOrderId=f"take-{number}", selfTradePreventionMode=""
            )
            assert taken.status_code == 200
        last = taken.json()["orderId"]
    assert kills
    query = f"select number, state from history.orders where participant = {person.participant}"
    wait_until(lambda: last in dict(rows(database, query)), "the last order in the history")
    with portal_venue.client(person) as client:
        shown = client.get("/api/v3/allOrders", symbol="BTCUSD").json()
    assert sorted(rows(database, query)) == sorted((row["orderId"], row["status"]) for row in shown)
    command = [*OUTCRY, "portal", "history", "venue.toml", "--digest"]
    done = warm_outcry.run_command(command, cwd=portal_venue.folder)
    assert (done.returncode, len(done.stdout.strip())) == (0, 64), done.stderr


def test_the_command_names_what_is_missing(portal_venue, tmp_path):
    shutil.copy(portal_venue.folder / "venue.toml", tmp_path)
    command = [*OUTCRY, "portal", "history", "venue.toml", "--once"]
    done = warm_outcry.run_command(command, cwd=tmp_path)
    assert done.returncode == 1
    assert "no PostgreSQL runs here; start `outcry portal serve`" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_transaction_that_fails_while_the_next_is_made_ends_the_projector(day, url, monkeypatch):
    """Also if it was the last one: then nothing follows that would ask what became of it."""

    def fails(self):
        raise Killed

    monkeypatch.setattr(Projector, "_write", fails)
    with projector.connected(url) as connection:
        one = Projector(day[0], connection)
        one.begin()
        assert one.step() > 0
        with pytest.raises(Killed):
            one.step()
        one.close()
