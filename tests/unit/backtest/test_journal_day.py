"""A day from a venue's journal: what its core did, and order ids that the strategy has alone."""

import numpy as np
import pytest

from openoutcry.backtest.day import open_recording, prepare_day
from openoutcry.backtest.desk import BUY, LIMIT_DAY, send
from openoutcry.backtest.latency import parse_latency
from openoutcry.backtest.run import run_day
from openoutcry.backtest.strategy import Strategy
from openoutcry.journal import JournalReader
from openoutcry.journal.events import events_of, starting_point
from openoutcry.matcher import Engine
from openoutcry.wire.enums import CommandKind, Side
from tests.support.order_entry.sessions_venue import HASH
from tests.support.venue.bumped import SESSIONS as BUMPED_SESSIONS
from tests.support.venue.bumped import TEXT as BUMPED
from tests.support.venue.floor import MORE, InlineFloor
from tests.support.venue.protected import TEXT as PROTECTED
from tests.support.venue.served_venue import VENUE
from tests.support.venue.venue_floor import order

SESSION = f"""
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:1"
[[session]]
name = "ONE"
protocol = "ouch-4.2"
participant = 1
password = "{HASH}"
cancel_on_disconnect = "none"
timeout_ms = 600_000
"""


def sessions(floor):
    client = floor.client("ONE")
    client.enter("A1", symbol="GOLD", price=10_000)
    client.message()
    client.enter("A2", symbol="GOLD", price=20_000)
    client.message()
    client.cancel("A1")
    client.message()
    client.close()


def refusals(floor):
    """Risk refuses 50 orders that would be the best bid."""
    floor.send(order(1, Side.BUY, 65, 10))
    floor.send(*(order(2 + number, Side.BUY, 101, 12) for number in range(50)))
    floor.send(order(60, Side.SELL, 5, 20))


def kills(floor):
    """The kill takes the participant's orders, which nobody asked to cancel."""
    floor.send(order(1, Side.BUY, 5, 10), order(2, Side.SELL, 5, 20))
    floor.ask("kill", "participant", "1")
    floor.send(order(3, Side.BUY, 5, 11))
    floor.ask("resume", "participant", "1")
    floor.send(order(4, Side.BUY, 5, 9))


def halts(floor):
    floor.send(order(1, Side.BUY, 5, 10), order(3, Side.BUY, 4, 9))
    floor.ask("halt", "GOLD")
    floor.send(order(2, Side.BUY, 5, 11))
    floor.send(order(1, Side.BUY, 5, 10, kind=CommandKind.CANCEL))


def bumps(floor):
    client = floor.client("ONE")
    client.socket.patience_s = 1.0
    client.enter("A1", symbol="GOLD", price=10_000)
    client.enter("A2", symbol="GOLD", price=20_000)
    client.cancel("A1")
    for _ in range(5):
        client.message()
    client.close()


def pauses(floor):
    """A fall through the velocity limit pauses the instrument and cancels what rests."""
    for number, price in enumerate((1_000, 990, 980, 970, 955, 940)):
        floor.send(
            order(2 * number + 1, Side.BUY, 1, price), order(2 * number + 2, Side.SELL, 1, price)
        )
    floor.send(order(90, Side.BUY, 3, 900))


KINDS = {
    "sessions": (VENUE + SESSION, sessions),
    "refusals": (VENUE + MORE, refusals),
    "kills": (VENUE + MORE, kills),
    "halts": (VENUE + MORE, halts),
    "bumps": (BUMPED + BUMPED_SESSIONS.format(ouch=1, fix=2), bumps),
    "pauses": (PROTECTED, pauses),
}


def book_of(engine, symbol):
    index = int(np.flatnonzero(engine.instruments["symbol"] == symbol)[0])
    rows = engine.state().rows
    rows = rows[rows["instrument"] == index]
    return sorted(zip(rows["order_id"].tolist(), rows["qty_lots"].tolist(), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_day_has_the_book_that_the_venue_had(tmp_path, kind):
    """The matcher alone, given the day, has the venue's orders; a strategy trades in it."""
    text, trade = KINDS[kind]
    floor = InlineFloor(tmp_path, text)
    trade(floor)
    floor.close()
    reader = JournalReader(floor.journal_path)
    point = starting_point(reader)
    for _ in events_of(reader, point):
        pass
    day = prepare_day(open_recording(f"journal:{floor.journal_path}@GOLD"), tmp_path / "day")
    alone = Engine(day.instruments, day.order_capacity)
    alone.process(np.array(day.records()))
    assert book_of(alone, b"GOLD") == book_of(point.engine, b"GOLD")
    assert day.own_id >> 48 not in set((day.records()["order_id"] >> 48).tolist())

    def on_timer(view, state, desk):
        if state[0] == 0:
            state[0] = 1
            send(desk, BUY, 1, 1, LIMIT_DAY)

    strategy = Strategy("once", {}, 8, on_timer=on_timer, interval_ns=1 << 40)
    run = run_day(day, strategy, {}, parse_latency("constant:0:0"))
    assert run.figures["commands"] == day.count
