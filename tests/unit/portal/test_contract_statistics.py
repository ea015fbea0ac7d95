"""Indices, contracts and their figures at a portal's doors: what the journal's commands come to,
in both shapes and in the streams."""

import asyncio
import json
from contextlib import nullcontext
from dataclasses import asdict
from random import Random
from types import SimpleNamespace

import pytest

from openoutcry.portal.accounts.errors import InvalidRequest, NotFound
from openoutcry.portal.native.markets import NativeMarkets
from openoutcry.portal.spot.api import Request
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.spot.feeds import SLOW_EVERY, Feeds, Subscriber
from openoutcry.portal.spot.params import Params
from openoutcry.portal.spot.rest import ROUTES
from openoutcry.portal.trading import mirror as portal_mirror
from openoutcry.portal.trading.indices import Indices
from openoutcry.portal.trading.instruments import Markets, Pair
from openoutcry.portal.trading.mirror import Mirror
from openoutcry.portal.trading.public import Tape, Trade
from openoutcry.risk.bits import RISK_KIND, Setting
from openoutcry.venue.contract_figures import read_figures
from openoutcry.venue.file import read_venue
from openoutcry.venue.funding_follower import FundingFollower
from openoutcry.wire.enums import Side
from tests.oracles import contract_statistics as oracle
from tests.support.venue.contract_floor import CONTRACT_VENUE
from tests.support.venue.floor import InlineFloor
from tests.support.venue.venue_floor import order
from tests.unit.venue.test_index_timer import INDEX, SPOT, report

FUNDED = '[[funding]]\ncontract = "TIN"\nevery_h = 2\n'
PAIR = """
[[asset]]
name = "BTC"
decimals = 8
[[instrument]]
symbol = "BTC-USD"
min_price_ticks = 1
max_price_ticks = 100_000
reference_price_ticks = 5_000
settlement = "spot"
base = "BTC"
quote = "USD"
lot_units = 100_000_000
tick_units = 1
"""
TEXT = CONTRACT_VENUE.replace("time_every_s = 600", "time_every_s = 60") + SPOT + INDEX + FUNDED
WEIGHTS = {"XAU-USD": 2, "east": 1, "west": 1}
TIN, GOLD = {"symbol": "TIN"}, {"symbol": "GOLD"}


def trade(floor, number, price):
    """A trade in the instrument that is a source, back and forth."""
    people = (1, 2) if number % 4 else (2, 1)
    for more, (who, side) in enumerate(zip(people, (Side.BUY, Side.SELL), strict=True)):
        floor.send(order(number + more, side, 1, price, who=who, symbol=b"XAU-USD"))


@pytest.fixture(scope="module")
def floor(tmp_path_factory):
    """A morning of marks, trades, and sources that lie, fall silent and come back."""
    made = InlineFloor(tmp_path_factory.mktemp("statistics"), TEXT)
    rng = Random(81)
    for step in range(12):
        trade(made, 100 + 2 * step, 5_000 + rng.randint(-20, 20))
        report(made, east=rng.choice([5_000, 5_030, 9_000]))
        if step % 3:
            report(made, west=5_000 + rng.randint(-30, 30))
        made.clock.advance(rng.choice([1, 1, 4]), 0.1)
    for number, who, side in ((1, 3, Side.BUY), (2, 2, Side.SELL)):
        made.send(order(number, side, 2, 200_000, who=who, symbol=b"TIN"))
    made.ask("contract", "mark", "TIN", "200800", "--index", "200000")
    made.at("2026-11-23T12:05")
    made.wait_for(lambda shown: shown["risk"]["contracts"]["TIN"]["period"])
    made.ask("contract", "settle", "TIN", "--price", "200300")
    trade(made, 200, 5_005)
    made.clock.advance(1, 0.1)
    report(made, east=5_030, west=5_030)
    trade(made, 202, 5_010)
    made.clock.advance(1, 0.1)
    yield made
    made.close()


def mirror_of(floor):
    """The released commands of a floor; its file has no spot pair, which a portal needs."""
    path = floor.file.with_name("with-a-pair.toml")
    path.write_text(floor.file.read_text() + PAIR)
    path.chmod(0o600)
    file = read_venue(path)
    markets = Markets(file)
    commands, _ = floor.journal()
    indices = Indices(file.risk.indices)
    indices.follow(commands)
    tapes = {market.index: Tape() for market in markets.every}
    tapes[markets.by_symbol["TIN"].index].add(Trade(7, 200_000, 2, 10**12, False, 9))
    symbols = floor.venue.file.symbols
    return SimpleNamespace(
        file=file,
        markets=markets,
        indices=indices,
        tapes=tapes,
        seq=int(commands["seq"][-1]),
        figures_seq=int(commands["seq"][-1]),
        listeners=[],
        figures=lambda: read_figures(floor.view, symbols, file.risk.funding),
        best=lambda code: (199_900, 3, 200_100, 4),
        as_of_seq=nullcontext,
    )


@pytest.fixture(scope="module")
def mirror(floor):
    return mirror_of(floor)


def looks(commands):
    """The state of each index look by the oracle, with what the venue journaled."""
    reports, sources = {}, sorted(WEIGHTS)
    for row in commands[commands["kind"] == RISK_KIND]:
        if row["order_type"] == Setting.INDEX_REPORT:
            name = sources[int(row["qty_lots"]) & 0xFFFF]
            reports[name] = int(row["price_ticks"]), int(row["aux"])
        if row["order_type"] == Setting.INDEX_VALUE:
            now = int(row["aux"])
            price, states = oracle.index_of(reports, WEIGHTS, 2, 3 * 10**9, 500, now)
            yield int(row["seq"]), int(row["price_ticks"]), price, states, dict(reports)


def test_each_look_s_sources_are_dropped_for_the_reason_that_the_page_gives(floor, mirror):
    commands, _ = floor.journal()
    seen = Indices(mirror.file.risk.indices)
    last, states_seen = 0, set()
    for seq, journaled, price, states, reports in looks(commands):
        seen.follow(commands[(commands["seq"] > last) & (commands["seq"] <= seq)])
        last, shown = seq, seen.shown["XAU"]
        assert (shown.seq, shown.price_ticks) == (seq, journaled)
        assert shown.is_protected == (price is None)
        assert price in (None, journaled)
        assert {one.name: one.state for one in shown.sources} == states
        assert {one.name: one.weight for one in shown.sources} == WEIGHTS
        for one in shown.sources:
            assert (one.price_ticks, one.reported_ns) == reports.get(one.name, (0, 0))
        states_seen |= set(states.values())
    assert states_seen >= {"used", "stale", "outlier"}
    assert last == mirror.indices.shown["XAU"].seq


def test_a_portal_that_begins_in_between_says_nothing_wrong_of_sources(floor, mirror):
    """From any command on: no sources at first, later the same as from the journal's begin."""
    commands, _ = floor.journal()
    whole, at = {}, Indices(mirror.file.risk.indices)
    for part in commands:
        at.follow(part.reshape(1))
        whole[int(part["seq"])] = at.shown.get("XAU")
    known = 0
    for begin in range(1, len(commands), 7):
        late = Indices(mirror.file.risk.indices)
        for part in commands[begin:]:
            late.follow(part.reshape(1))
            shown, right = late.shown.get("XAU"), whole[int(part["seq"])]
            if shown is None:
                continue
            assert shown.price_ticks == right.price_ticks
            assert shown.is_protected == right.is_protected
            if shown.sources is not None:
                assert used_of(shown) == used_of(right)
                known += 1
    assert known > 100


def used_of(index):
    return [one.name for one in index.sources if one.state == "used"]


def native(mirror):
    market = mirror.markets.by_symbol.__getitem__
    return NativeMarkets(SimpleNamespace(mirror=mirror, market=market), SimpleNamespace())


def test_the_native_shape_says_what_the_core_and_the_journal_have(floor, mirror):
    shown, now = native(mirror).statistics("TIN"), mirror.figures()["TIN"]
    assert (shown.mark, shown.index, shown.settlement) == ("2003.00", "2000.00", "2003.00")
    assert (shown.settlement_day, shown.open_interest) == ("2026-11-23", "2")
    assert shown.funding_rate == f"{now.rate / 10**9:.9f}"
    assert shown.predicted_rate == f"{now.predicted / 10**9:.9f}"
    assert shown.funding_period * 3_600_000 + 2 * 3_600_000 == shown.next_funding_ms
    future = native(mirror).statistics("GOLD")
    assert (future.funding_rate, future.next_funding_ms) == (None, None)
    assert (future.settlement, future.mark) == (None, future.index)
    with pytest.raises(NotFound, match="BTC-USD is no contract"):
        native(mirror).statistics("BTC-USD")
    (index,) = native(mirror).indices()
    assert (index.underlying, index.price, index.is_protected) == ("XAU", "50.20", False)
    assert {one.name: one.price for one in index.sources} == {
        "XAU-USD": "50.10",
        "east": "50.30",
        "west": "50.30",
    }


def asked(mirror, path, **given):
    spot = SimpleNamespace(mirror=mirror, markets=mirror.markets)
    route = ROUTES["GET", f"/fapi/v1/{path}"]
    request = Request(Params(given.items(), mirror.markets))
    request.params.require_known(route.names)
    return asyncio.run(route.handler(spot, request))


def test_the_futures_shape_has_the_same_figures(mirror):
    of_native, row = native(mirror).statistics("TIN"), asked(mirror, "premiumIndex", **TIN)
    assert row.pop("time") > 10**12
    assert row == {
        "symbol": "TIN",
        "markPrice": of_native.mark,
        "indexPrice": of_native.index,
        "estimatedSettlePrice": of_native.mark,
        "lastFundingRate": of_native.predicted_rate,
        "interestRate": "0.000100000",
        "nextFundingTime": of_native.next_funding_ms,
    }
    every = asked(mirror, "premiumIndex")
    assert [one["symbol"] for one in every] == ["GOLD", "TIN"]
    assert (every[0]["lastFundingRate"], every[0]["nextFundingTime"]) == ("", 0)
    held = asked(mirror, "openInterest", **TIN)
    assert (held["openInterest"], held["symbol"]) == ("2", "TIN")
    (info,) = asked(mirror, "fundingInfo")
    assert info["fundingIntervalHours"] == 2
    assert (info["adjustedFundingRateCap"], info["adjustedFundingRateFloor"]) == (
        "0.007500000",
        "-0.007500000",
    )
    parts = asked(mirror, "constituents", **GOLD)["constituents"]
    assert [(one["exchange"], one["weight"], one["state"]) for one in parts] == [
        ("XAU-USD", "0.50000000", "used"),
        ("east", "0.25000000", "used"),
        ("west", "0.25000000", "used"),
    ]
    assert asked(mirror, "constituents", **TIN)["constituents"] == [], "it has no index"


def test_the_rates_of_past_periods_are_those_that_the_core_funded(floor, mirror):
    assert asked(mirror, "fundingRate") == [], "the venue has not written its file yet"
    with FundingFollower(mirror.file.journal) as follower:
        follower.advance()
    now = mirror.figures()["TIN"]
    (row,) = asyncio.run(native(mirror).funding_rates("TIN", 10))
    assert (row.period, row.rate) == (now.period, f"{now.rate / 10**9:.9f}")
    commands, _ = floor.journal()
    funded = commands[commands["seq"] == row.seq]
    assert int(funded["rx_ts_ns"][0]) // 1_000_000 == row.time_ms
    shown = {
        "symbol": "TIN",
        "fundingTime": row.time_ms,
        "fundingRate": row.rate,
        "markPrice": row.mark,
    }
    assert asked(mirror, "fundingRate") == asked(mirror, "fundingRate", **TIN) == [shown]
    assert asked(mirror, "fundingRate", **GOLD) == [], "a future is not funded"
    first, last = str(row.time_ms), str(row.time_ms + 1)
    assert asked(mirror, "fundingRate", **TIN, startTime=first, endTime=first) == [shown]
    assert asked(mirror, "fundingRate", **TIN, startTime=last) == []
    assert asyncio.run(native(mirror).funding_rates("TIN", 1, until_ms=row.time_ms - 1)) == []
    for symbol in ("GOLD", "BTC-USD"):
        assert asyncio.run(native(mirror).funding_rates(symbol, 1)) == []
    with pytest.raises(InvalidRequest, match="from_ms, until_ms"):
        asyncio.run(native(mirror).funding_rates("TIN", 1, -1))


def test_a_contract_s_day_has_the_fields_of_futures(mirror):
    row = asked(mirror, "ticker/24hr", **TIN)
    assert (row["lastPrice"], row["lastQty"], row["count"]) == ("2000.00", "2", 0)
    assert not {"bidPrice", "prevClosePrice"} & row.keys()
    assert asked(mirror, "ticker/price", **TIN)["price"] == "2000.00"
    assert asked(mirror, "ticker/bookTicker", **TIN)["askPrice"] == "2001.00"
    assert [one["symbol"] for one in asked(mirror, "ticker/price")] == ["GOLD", "TIN"]


@pytest.mark.parametrize("symbol", ["BTCUSD", "NONE", ""])
@pytest.mark.parametrize(
    "path", ["premiumIndex", "openInterest", "constituents", "ticker/price", "fundingRate"]
)
def test_what_is_no_contract_is_refused(mirror, path, symbol):
    with pytest.raises(ApiError) as refused:
        asked(mirror, path, symbol=symbol)
    assert refused.value.code in (-1121, -1102, -1105)


def test_a_contract_that_has_ended_is_refused_by_name_and_in_no_list(mirror):
    left = {"GOLD": mirror.figures()["GOLD"]}
    ended = SimpleNamespace(**{**vars(mirror), "figures": lambda: left})
    with pytest.raises(ApiError, match="this contract has ended"):
        asked(ended, "premiumIndex", **TIN)
    assert [one["symbol"] for one in asked(ended, "premiumIndex")] == ["GOLD"]


def test_streams_send_what_the_requests_answer(mirror):
    feeds, subscriber, texts = Feeds(mirror), Subscriber(combined=True), []
    subscriber.put_events = lambda name, rows, now=False: texts.extend(
        (name, json.loads(row)) for row in rows
    )
    names = "tin@markPrice@1s", "gold@indexPrice", "!markPrice@arr@1s", "tin@indexPrice"
    for name in names:
        assert feeds.subscribe(subscriber, name)
    for name in ("btcusd@markPrice", "none@indexPrice", "tin@markPrice@2s", "tin@trade"):
        assert not feeds.subscribe(subscriber, name)
    for _ in range(3 * SLOW_EVERY):
        feeds.beat()
    got = {name: [row for at, row in texts if at == name] for name in names}
    assert [len(got[name]) for name in names] == [3, 1, 3, 0], "TIN has no index by sources"
    row, mark = asked(mirror, "premiumIndex", **TIN), got[names[0]][-1]
    assert mark.pop("E") > 10**12
    assert mark == {
        "e": "markPriceUpdate",
        "s": "TIN",
        "p": row["markPrice"],
        "P": row["estimatedSettlePrice"],
        "i": row["indexPrice"],
        "r": row["lastFundingRate"],
        "T": row["nextFundingTime"],
    }
    assert [one["s"] for one in got[names[2]][-1]] == ["GOLD", "TIN"]
    (index,) = got[names[1]]
    assert (index["e"], index["i"], index["p"]) == ("indexPriceUpdate", "GOLD", "50.20")


def test_what_is_shown_can_be_sent_as_json(mirror):
    shown = [native(mirror).statistics("TIN"), *native(mirror).indices()]
    assert json.loads(json.dumps([asdict(one) for one in shown]))


@pytest.mark.parametrize("seed", range(3))
def test_whoever_asks_figures_take_a_tenth_of_a_processor(monkeypatch, seed):
    """A read sums what all participants hold in all contracts, and each command makes new ones."""
    chance, now_s, reads_s = Random(seed), 5.0, []

    def read(view, symbols, funding):
        nonlocal now_s
        reads_s.append(chance.uniform(0.001, 0.2))
        now_s += reads_s[-1]
        return {"GOLD": own.seq}

    own = SimpleNamespace(
        seq=1,
        figures_seq=0,
        _figures={},
        _figures_due_s=0.0,
        held=lambda: nullcontext(SimpleNamespace(view=None)),
        file=SimpleNamespace(symbols=(), risk=SimpleNamespace(funding=())),
    )
    monkeypatch.setattr(portal_mirror, "read_figures", read)
    clock = SimpleNamespace(monotonic=lambda: now_s, thread_time=lambda: now_s)
    monkeypatch.setattr(portal_mirror, "time", clock)
    for _ in range(2_000):
        now_s += chance.expovariate(100)
        own.seq += chance.random() < 0.9
        before, count = own.figures_seq, len(reads_s)
        shown = Mirror.figures(own)
        assert shown == {"GOLD": own.figures_seq}
        is_read = len(reads_s) > count
        assert own.figures_seq == (own.seq if is_read else before)
    assert len(reads_s) > 5
    assert sum(reads_s) <= (now_s - 5.0) / (1 + portal_mirror.FIGURES_REST) + max(reads_s)
    now_s += 3
    assert Mirror.figures(own) == {"GOLD": own.seq}


@pytest.mark.parametrize("symbol", ["BTC.USD", "BTCUSD", "T.IN"])
def test_a_name_that_programs_know_keeps_its_market(mirror, symbol):
    """A pair that is announced has the name of no other market: their orders would go there."""
    markets = Markets(mirror.file)
    (pair,), known = markets.all, dict(markets.by_name | markets.contracts_by_name)
    index = markets.count
    markets.slots[index] = 2
    units = 8, 6, pair.lot_units, pair.tick_units
    markets.learn(Pair(index, symbol, "BTC", "USD", *units, pair.row.copy()))
    named = markets.by_name | markets.contracts_by_name
    assert {name: named[name] for name in known} == known
    assert len(named) == len(known) + 1 == len(markets.every)
    assert markets.by_symbol[symbol].name == f"{symbol.replace('.', '')}{index}"
