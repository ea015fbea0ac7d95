"""Several venues' recorded days in one run: what the router knows, when its orders arrive, and that
two runs are the same."""

import json

import pyarrow.parquet as parquet
import pytest

import openoutcry.backtest.layout as lay
from openoutcry.backtest.latency import parse_latency
from openoutcry.backtest.plan import Plan
from openoutcry.backtest.routed import (
    VENUE_COLUMN,
    RoutedDay,
    RoutedStrategy,
    load_routed,
    load_routed_strategy,
    prepare_routed,
    run_routed,
)
from openoutcry.backtest.work import run_plan
from openoutcry.routing.instruments import BUY, Instrument, Listing, Market, RoutingError, Venue
from openoutcry.routing.settings import read_settings
from openoutcry.wire.enums import CommandKind, EventKind, Side, TimeInForce
from openoutcry.wire.errors import BacktestError
from tests.support.backtest.backtest_days import day_of, recorded_venues

NEW, CANCEL = CommandKind.NEW, CommandKind.CANCEL
DAY = TimeInForce.DAY
AT_ONCE = parse_latency("constant:0:0")
GOLD = Instrument("GOLD/USD", "GOLD", "USD", price_decimals=2, quantity_decimals=1)
MARKET = Market(
    GOLD,
    (Venue("A", taker_ppm=1_000), Venue("B", taker_ppm=20_000, maker_ppm=-5_000)),
    (Listing("A", GOLD, "X", 2, 1), Listing("B", GOLD, "Y", 1, 0)),
)
"""A counts as the router does; B in tens of its prices and quantities."""
LONG_NS = 1_000_000
EAST = [(NEW, Side.SELL, 1_000, 30, 0, DAY, 0), (NEW, Side.BUY, 900, 30, 0, DAY, 0)]
WEST = [(NEW, Side.SELL, 100, 4, 0, DAY, 0), (NEW, Side.BUY, 90, 4, 0, DAY, 0)]
LAST = (NEW, Side.BUY, 1, 1, 0, DAY, LONG_NS)
"""The day goes on so long after the order before."""


def days(tmp_path, east, west, latencies=(None, None)):
    """Both from 1,000 ns to 1,001,000 ns, if the rows say nothing else."""
    made = [
        day_of([*rows, LAST], tmp_path / name, False)
        for name, rows in (("east", east), ("west", west))
    ]
    volumes = tuple(parse_latency("constant:0:0").feed[: day.count] for day in made)
    return RoutedDay("both", MARKET, tuple(made), volumes, latencies)


def fills(run):
    rows = run.log[run.log[:, lay.LOG_KIND] == EventKind.FILLED]
    return rows[:, [lay.LOG_NS, VENUE_COLUMN, lay.LOG_TICKS, lay.LOG_LOTS]].tolist()


def given(**more):
    return {"step_ns": 1_000, "quantity": 50, "limit": 1_100, **more}


def test_an_order_is_split_over_two_recorded_venues_with_the_fees_of_each(tmp_path):
    """50 at 10.00: 30 at the cheap venue, the rest where it costs two per cent."""
    day = days(tmp_path, EAST, WEST)
    runs = [run_routed(day, load_routed_strategy("take"), given(), AT_ONCE) for _ in range(2)]
    assert [row[1:] for row in fills(runs[0])] == [[0, 1_000, 30], [1, 1_000, 20]]
    assert runs[0].figures["fees"] == 30 + 400
    assert (runs[0].figures["position_lots"], runs[0].figures["cash"]) == (50, -50_000)
    (order,) = runs[0].orders
    assert [child["venue"] for child in order["children"]] == ["A", "B"]
    assert (order["end"], order["filled"], order["average_price"]) == ("filled", "5.0", "10.00")
    assert runs[0].hash == runs[1].hash


def test_an_order_arrives_after_its_latency_and_the_book_may_have_changed(tmp_path):
    """The offer at EAST is cancelled 5 us after the order is sent."""
    gone = [*EAST, (CANCEL, Side.SELL, 1_000, 30, 1, DAY, 5_000)]
    for order_ns, venues in ((4_000, {0, 1}), (6_000, {1})):
        late = parse_latency(f"constant:0:{order_ns}")
        day = days(tmp_path / str(order_ns), gone, WEST)
        run = run_routed(day, load_routed_strategy("take"), given(), late)
        assert {row[1] for row in fills(run)} == venues
        assert fills(run)[0][0] == day.first_ns + order_ns


def test_the_router_knows_of_each_venue_after_the_latency_of_its_feed(tmp_path):
    """An offer comes at 20 us in both; EAST's feed takes 10 us, WEST's 50."""
    east = [(NEW, Side.SELL, 1_000, 10, 0, DAY, 0), (NEW, Side.SELL, 990, 10, 0, DAY, 20_000)]
    west = [(NEW, Side.SELL, 100, 4, 0, DAY, 0), (NEW, Side.SELL, 99, 4, 0, DAY, 20_000)]
    latencies = parse_latency("constant:10000:0"), parse_latency("constant:50000:0")
    day, seen = days(tmp_path, east, west, latencies), {}

    def on_step(trader):
        for one in trader.depth.take_side(BUY, trader.now_ns):
            if one.price == 990:
                seen.setdefault(one.venue, trader.now_ns - day.first_ns)
        return trader.now_ns + 1_000

    run_routed(day, RoutedStrategy("looks", {}, on_step), {"step_ns": 1_000}, AT_ONCE)
    assert seen == {0: 30_000, 1: 70_000}


def test_an_algorithm_of_the_router_runs_by_the_recorded_clock(tmp_path):
    """Four slices of a twap, a quarter of its time apart, by the code that runs live."""
    day = days(tmp_path, EAST, WEST)
    more = given(span_ns=400_000, slices=4, quantity=20)
    run = run_routed(day, load_routed_strategy("twap"), more, AT_ONCE)
    assert [(row[0] - day.first_ns, row[3]) for row in fills(run)] == [
        (at_ns, 5) for at_ns in (1, 100_001, 200_001, 300_001)
    ]


def test_a_resting_order_is_filled_by_the_recording_and_gets_the_rebate(tmp_path):
    """It rests at WEST, where makers get half a per cent, and is the best bid there."""
    west = [*WEST, (NEW, Side.SELL, 95, 2, 0, TimeInForce.IOC, 50_000)]
    run = run_routed(
        days(tmp_path, EAST, west), load_routed_strategy("rest"), given(limit=950), AT_ONCE
    )
    assert [row[1:] for row in fills(run)] == [[1, 950, 20]]
    assert run.figures["fees"] == -100
    assert run.orders[0]["state"] == "active"


def test_a_participation_follows_what_the_recording_traded(tmp_path):
    """A tenth of what all venues trade, the own trades included."""
    path = recorded_venues(
        tmp_path, 'day = "generated:normal:400:1"', 'day = "generated:normal:400:2"'
    )
    prepare_routed(f"venues:{path}@GOLD/USD", tmp_path / "day")
    day = load_routed(tmp_path / "day")
    traded = sum(int(one[-1]) for one in day.volumes)
    more = {"rate_ppm": 100_000, "quantity": 2_000, "step_ns": 10_000}
    run = run_routed(day, load_routed_strategy("pov"), more, AT_ONCE)
    own = run.figures["filled_lots"]
    assert 0 < own <= (traded + own) // 10


def test_a_plan_runs_orders_over_the_venues_of_a_file(tmp_path):
    """The tables have both venues, and the second folder of the same plan the same hash."""
    path = recorded_venues(
        tmp_path, 'day = "generated:normal:400:1"', 'day = "generated:normal:400:2"'
    )
    plan = Plan(
        (f"venues:{path}@GOLD/USD",),
        ("take", "twap"),
        {"quantity": (40,), "every_ns": (500_000,), "step_ns": (50_000,)},
    )
    first, second = (run_plan(plan, tmp_path / name) for name in ("one", "two"))
    assert first == second
    folder = tmp_path / "one" / "tasks" / "day00000-part0000"
    rows = parquet.read_table(folder / "fills.parquet").to_pylist()
    assert {row["venue"] for row in rows} == {0, 1}
    orders = json.loads((folder / "orders.json").read_text())
    assert len(orders) == 2
    assert len(orders[0]["orders"]) > 5


@pytest.mark.parametrize(
    ("days_of", "strategy", "error", "words"),
    [
        (('exchange = "kraken"', ""), "take", RoutingError, "day: is missing"),
        (('day = "tape:x"', 'day = "tape:y"'), "take", BacktestError, "is not one of"),
        (None, "maker", BacktestError, "has no strategy 'maker': it has .*twap"),
        (None, "take", BacktestError, "no time in common"),
    ],
)
def test_what_cannot_be_run_over_venues_is_named(tmp_path, days_of, strategy, error, words):
    path = recorded_venues(
        tmp_path, *(days_of or ('day = "generated:normal:2:1"', 'day = "lobster:m.csv"'))
    )
    (tmp_path / "m.csv").write_text("34200.0,1,1,5,1000000,1\n34201.0,1,2,5,1010000,-1\n")
    with pytest.raises(error, match=words):
        run_plan(Plan((f"venues:{path}@GOLD/USD",), (strategy,), {}), tmp_path / "out")


def test_a_recorded_venue_is_not_traded_at_live(tmp_path):
    path = recorded_venues(tmp_path, 'day = "generated:normal:2:1"', 'day = "generated:normal:2:2"')
    settings = read_settings(path)
    with pytest.raises(RoutingError, match="A is recorded"):
        settings.connectors(settings.market("GOLD/USD"))
