"""The operator's lane after a crash: whatever part of the commands a matcher has had, what is still
due brings it to the same state as if nothing had happened; and every command is the operator's."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.matcher import Engine
from openoutcry.venue.calendar import Calendar, Command, Schedule, Step, Traded
from openoutcry.venue.operator_lane import records_of, remaining_due
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import CommandKind, EventKind, OrderType, Phase, Side, TimeInForce
from tests.support.venue.venue_calendar import never_closing

HOUR = 3_600
DAY = (
    Step(8 * HOUR, Phase.PRE_OPEN),
    Step(9 * HOUR, Phase.CONTINUOUS),
    Step(17 * HOUR, Phase.CLOSING_AUCTION),
    Step(17 * HOUR + 300, Phase.CLOSED),
)
SYMBOLS = ("A", "B", "C")
CALENDAR = Calendar(
    ZoneInfo("Etc/UTC"),
    {"main": Schedule(DAY)},
    (Traded("A", "main"), Traded("B", "main", 2, 60), Traded("C", "main")),
    time_every_s=1_800,
)
TABLE = make_instruments(
    [
        {"symbol": "A", "initial_phase": 1},
        {
            "symbol": "B",
            "initial_phase": 1,
            "auction_band_ticks": 5,
            "auction_extensions": 2,
            "reference_price_ticks": 100,
        },
        {"symbol": "C", "initial_phase": 1},
    ]
)


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def feed(engine: Engine, commands) -> np.ndarray:
    records = records_of(list(commands), 0)
    records["seq"] = np.arange(engine.last_seq + 1, engine.last_seq + 1 + len(records))
    return engine.process(records)


def order(engine: Engine, order_id: int, side: Side, price: int, symbol: bytes, tif) -> np.ndarray:
    record = np.zeros(1, ORDER_DTYPE)
    record["price_ticks"], record["qty_lots"], record["symbol"] = price, 5, symbol
    record["order_id"], record["participant"] = order_id, order_id
    record["kind"], record["side"] = CommandKind.NEW, side
    record["order_type"], record["time_in_force"] = OrderType.LIMIT, tif
    record["seq"] = engine.last_seq + 1
    return engine.process(record)


def phases(engine: Engine) -> list[int]:
    return engine.state().states["phase"].tolist()


def test_a_fresh_venue_begins_with_the_day_under_way_and_waits_on_a_holiday() -> None:
    engine = Engine(TABLE, 64)
    due = remaining_due(CALENDAR, None, ns("2026-11-23T09:30:10"))
    events = feed(engine, due)
    assert not (events["kind"] == EventKind.REJECTED).any()
    assert phases(engine) == [Phase.CONTINUOUS] * 3
    assert engine.state().now_ns == ns("2026-11-23T09:30")
    assert remaining_due(CALENDAR, None, ns("2026-11-22T12:00")) == []
    assert remaining_due(CALENDAR, None, ns("2026-11-23T20:00")) == []


def changes(events: np.ndarray) -> list[tuple[int, ...]]:
    """Instrument, new phase, old phase and reason of each change; a repetition that changed nothing
    is none."""
    rows = events[events["kind"] == EventKind.PHASE_CHANGED]
    rows = rows[(rows["qty_lots"] != rows["contra_id"]) | (rows["reason"] != 0)]
    return [
        tuple(int(row[name]) for name in ("instrument", "qty_lots", "contra_id", "reason"))
        for row in rows
    ]


@given(cut=st.integers(1, 60), late_s=st.integers(0, 3 * 86_400), off_band=st.booleans())
def test_what_is_still_due_leads_where_the_whole_would_have_led(
    cut: int, late_s: int, off_band: bool
) -> None:
    begin_ns = ns("2026-11-23T00:00")
    whole = CALENDAR.due(begin_ns, begin_ns + 2 * 86_400 * 10**9)[:cut]
    now_ns = whole[-1].ts_ns + late_s * 10**9
    killed, straight = Engine(TABLE, 64), Engine(TABLE, 64)
    for engine in (killed, straight):
        for command in whole:
            feed(engine, [command])
            opens = command.phase is Phase.PRE_OPEN and command.symbol == "B"
            if off_band and opens and command.ts_ns < begin_ns + 86_400 * 10**9:
                # This auction's price is off the band: it is put off, twice.
                order(engine, 1, Side.BUY, 150, b"B", TimeInForce.GTC)
                order(engine, 2, Side.SELL, 150, b"B", TimeInForce.GTC)
    rest = [command for command in CALENDAR.due(begin_ns, now_ns) if command not in whole]
    expected = changes(feed(straight, rest))
    assert changes(feed(killed, remaining_due(CALENDAR, killed.state(), now_ns))) == expected
    assert phases(killed) == phases(straight)
    assert not [c for c in remaining_due(CALENDAR, killed.state(), now_ns) if not c.repeat]


def test_an_auction_that_was_put_off_is_not_ended_early_by_a_restart() -> None:
    engine = Engine(TABLE, 64)
    opening = ns("2026-11-23T09:00")
    feed(engine, CALENDAR.due(ns("2026-11-23T00:00"), opening - 1))
    order(engine, 1, Side.BUY, 150, b"B", TimeInForce.DAY)
    order(engine, 2, Side.SELL, 150, b"B", TimeInForce.DAY)
    feed(engine, CALENDAR.due(opening - 1, opening))
    assert phases(engine) == [Phase.CONTINUOUS, Phase.PRE_OPEN, Phase.CONTINUOUS]
    assert remaining_due(CALENDAR, engine.state(), opening + 59 * 10**9) == []
    due = remaining_due(CALENDAR, engine.state(), opening + 120 * 10**9)
    assert [(c.symbol, c.repeat) for c in due if c.phase] == [("B", 1), ("B", 2)]
    feed(engine, due)
    assert phases(engine) == [Phase.CONTINUOUS] * 3


def test_a_calendar_that_was_changed_meanwhile_is_followed() -> None:
    engine = Engine(TABLE, 64)
    feed(engine, CALENDAR.due(ns("2026-11-23T00:00"), ns("2026-11-23T17:05")))
    assert phases(engine) == [Phase.CLOSED] * 3
    longer = (*DAY[:2], Step(20 * HOUR, Phase.CLOSED))
    traded = tuple(Traded(symbol, "main") for symbol in SYMBOLS)
    changed = Calendar(ZoneInfo("Etc/UTC"), {"main": Schedule(longer)}, traded)
    feed(engine, remaining_due(changed, engine.state(), ns("2026-11-23T17:10")))
    assert phases(engine) == [Phase.CONTINUOUS] * 3


@pytest.mark.parametrize("tif", [TimeInForce.DAY, TimeInForce.GTC])
def test_a_venue_that_was_down_over_the_close_ends_the_day_after_it(tif: TimeInForce) -> None:
    engine = Engine(TABLE, 64)
    feed(engine, CALENDAR.due(ns("2026-11-23T00:00"), ns("2026-11-23T12:00")))
    order(engine, 1, Side.BUY, 100, b"A", tif)
    feed(engine, remaining_due(CALENDAR, engine.state(), ns("2026-11-24T10:00")))
    assert phases(engine) == [Phase.CONTINUOUS] * 3
    assert engine.open_orders == (tif is TimeInForce.GTC)


@given(
    cut=st.integers(1, 40),
    late_s=st.integers(0, 2 * 86_400),
    halted=st.booleans(),
    gtc=st.booleans(),
)
def test_killed_anywhere_each_day_of_what_never_closes_begins_once(
    cut: int, late_s: int, halted: bool, gtc: bool
) -> None:
    """DAY orders of the day that ended expire once, those of the new day do not, and no phase
    changes: also of an instrument that an operator has halted."""
    calendar, begin_ns = never_closing(time_every_s=7_200), ns("2026-11-23T12:00")
    killed = Engine(TABLE, 64)
    feed(killed, remaining_due(calendar, None, begin_ns))
    before = phases(killed)
    if halted:
        halt = records_of([Command(begin_ns, "A", Phase.HALT)], 0)
        halt["seq"] = killed.last_seq + 1
        killed.process(halt)
    whole = calendar.due(begin_ns, begin_ns + 3 * 86_400 * 10**9)[:cut]
    expired: list[int] = []
    resting: dict[int, int] = {}
    for number, command in enumerate(whole, start=1):
        events = feed(killed, [command])
        assert not (events["kind"] == EventKind.REJECTED).any()
        expired += events["order_id"][events["kind"] == EventKind.EXPIRED].tolist()
        if not halted:
            tif = TimeInForce.GTC if gtc else TimeInForce.DAY
            order(killed, number, Side.BUY, 10, b"A", tif)
            resting[number] = int(killed.state().states["day"][0])
    now_ns = whole[-1].ts_ns + late_s * 10**9
    due = remaining_due(calendar, killed.state(), now_ns)
    # Where the calendar would end the halt, the desk leaves it out.
    events = feed(killed, [c for c in due if c.phase is None or c.symbol != "A"])
    assert not (events["kind"] == EventKind.REJECTED).any()
    expired += events["order_id"][events["kind"] == EventKind.EXPIRED].tolist()
    assert halted or remaining_due(calendar, killed.state(), now_ns) == []
    day = int(killed.state().states["day"][0])
    assert sorted(expired) == [n for n, began in resting.items() if not gtc and began < day]
    assert phases(killed)[:2] == [Phase.HALT if halted else before[0], before[1]]


def test_a_venue_changes_to_a_calendar_that_never_closes_and_back() -> None:
    engine = Engine(TABLE, 64)
    feed(engine, CALENDAR.due(ns("2026-11-23T00:00"), ns("2026-11-23T18:00")))
    assert phases(engine) == [Phase.CLOSED] * 3
    feed(engine, remaining_due(never_closing(), engine.state(), ns("2026-11-23T20:00")))
    assert phases(engine) == [Phase.CONTINUOUS, Phase.CONTINUOUS, Phase.CLOSED]
    feed(engine, remaining_due(never_closing(), engine.state(), ns("2026-11-24T20:00")))
    assert engine.state().states["day"].tolist() == [20261124, 20261124, 0]
    feed(engine, remaining_due(CALENDAR, engine.state(), ns("2026-11-25T03:00")))
    assert phases(engine) == [Phase.CLOSED] * 3
