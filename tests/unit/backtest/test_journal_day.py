"""A day from a journal: what the venue's core did, in every kind of journal, whole or carried on
from a checkpoint, and order ids that the strategy has alone.

The venues of other tests compare the days of the journals that they leave as well.
"""

import itertools

import numpy as np
import pytest

from openoutcry.backtest import day as days
from openoutcry.backtest.day import open_recording, prepare_day
from openoutcry.backtest.desk import BUY, LIMIT_DAY, send
from openoutcry.backtest.latency import parse_latency
from openoutcry.backtest.run import run_day
from openoutcry.backtest.strategy import Strategy
from openoutcry.client.shm import ShmOrder
from openoutcry.journal.checkpoint import recover
from openoutcry.journal.risk_hooks import delayed_commands
from openoutcry.wire.enums import (
    CommandKind,
    Contingency,
    OrderType,
    SelfTrade,
    Side,
    TimeInForce,
)
from tests.support.backtest import venue_days
from tests.support.backtest.venue_days import require_days
from tests.support.market_data.feed_journal import without_its_begin
from tests.support.order_entry.sessions_venue import HASH
from tests.support.venue.bumped import SESSIONS as BUMPED_SESSIONS
from tests.support.venue.bumped import TEXT as BUMPED
from tests.support.venue.contract_floor import CONTRACT_VENUE
from tests.support.venue.floor import MORE, InlineFloor
from tests.support.venue.protected import TEXT as PROTECTED
from tests.support.venue.served_venue import VENUE, ns
from tests.support.venue.spot_floor import session_tables
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


def terms(floor):
    """Risk refuses more orders with terms, and more lists, than a participant's terms may wait."""
    client, ids = floor.shm("SHM"), itertools.count(1)

    def stop(lots):
        kind = {"order_type": OrderType.STOP_LIMIT, "time_in_force": TimeInForce.GTC, "aux": 30}
        return ShmOrder(next(ids), Side.BUY, "GOLD", lots, 30, **kind)

    for _ in range(20):
        client.enter_with(stop(101), until_ns=1 << 62)
        client.enter_list(Contingency.OTO, [stop(1), stop(101), stop(2)])
        client.told()
    client.enter_with(stop(5), until_ns=1 << 62)
    client.enter_list(Contingency.OTO, [stop(6), stop(7)])
    assert [chr(message.kind) for message in client.told()] == ["A", "A", "A"]
    client.close()
    floor.send(order(1, Side.BUY, 5, 10), order(2, Side.SELL, 2, 10, who=3))


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


def auctions(floor):
    """Orders that cross wait for the closing auction, which a halt and a cancel come before."""
    floor.send(order(1, Side.BUY, 5, 10))
    floor.at("2026-11-23T17:00")
    floor.wait_for_phase("CLOSING_AUCTION")
    floor.send(*(order(2 + n, Side.BUY, 3, 12 + n % 3) for n in range(6)))
    floor.send(*(order(20 + n, Side.SELL, 2, 10 + n % 3) for n in range(6)))
    floor.send(order(9, Side.SELL, 4, 0, order_type=OrderType.MARKET, time_in_force=AT_CLOSE))
    floor.send(order(3, Side.BUY, 0, 0, kind=CommandKind.CANCEL))
    floor.at("2026-11-23T17:05")
    floor.wait_for_phase("CLOSED")


def carried(floor):
    """Orders stay over the night and a restart; those of the day and of a date do not."""
    floor.send(order(1, Side.BUY, 5, 10), order(2, Side.SELL, 5, 20))
    floor.send(order(3, Side.BUY, 5, 11, time_in_force=TimeInForce.DAY))
    until = ns("2026-11-23T12:00")
    floor.send(order(4, Side.BUY, 7, 9, time_in_force=TimeInForce.GTD, aux=until))
    floor.at("2026-11-23T20:00")
    floor.wait_for_phase("CLOSED")
    floor.at("2026-11-24T10:00")
    floor.again()
    floor.wait_for_phase("CONTINUOUS")
    floor.send(order(5, Side.SELL, 2, 10), order(6, Side.BUY, 8, 20))


def mass_cancels(floor):
    """By a participant, of one side, of one instrument, of all; and of a session that is gone."""
    number = 0
    for kind, more in (
        (CommandKind.MASS_CANCEL, {"side": Side.BUY}),
        (CommandKind.MASS_CANCEL, {"side": 0, "symbol": b"TIN"}),
        (CommandKind.MASS_CANCEL, {"side": 0, "symbol": b""}),
        (CommandKind.DISCONNECT, {"side": 0, "symbol": b""}),
    ):
        for who in (1, 2):
            for side, price in ((Side.BUY, 10), (Side.SELL, 20)):
                number += 1
                floor.send(
                    order(number, side, 5, price + who, who),
                    order(90 + number, side, 1, 30, symbol=b"TIN"),
                )
        request = order(0, Side.BUY, 0, 0, kind=kind, order_type=0, time_in_force=0)
        for name, value in more.items():
            request[name] = value
        floor.publish(request)


def order_types(floor):
    """Icebergs, hidden and pegged orders, stops that trade and trail, own orders that meet."""
    floor.send(
        order(1, Side.SELL, 40, 20, order_type=OrderType.ICEBERG, aux=5),
        order(2, Side.BUY, 9, 15, who=2, order_type=OrderType.HIDDEN),
        order(3, Side.BUY, 4, 17, who=2),
        order(4, Side.BUY, 5, 19, who=3, order_type=OrderType.PEG_PRIMARY, aux=0),
        order(5, Side.BUY, 6, 0, who=2, order_type=OrderType.STOP, aux=20),
        order(6, Side.SELL, 3, 0, order_type=OrderType.TRAILING_STOP, aux=2),
        order(7, Side.BUY, 12, 20, who=2),
        order(8, Side.BUY, 9, 20, time_in_force=TimeInForce.GTC | SelfTrade.DECREMENT << 4),
    )
    floor.send(order(3, Side.BUY, 3, 18, who=2, kind=CommandKind.REPLACE))
    floor.send(order(2, Side.BUY, 4, 0, who=2, kind=CommandKind.REDUCE))
    floor.send(order(9, Side.SELL, 20, 15, who=3, time_in_force=TimeInForce.IOC))


def crossed_lanes(floor):
    """A command of another instrument came later and is first: the core's time does not go back."""
    floor.send(order(1, Side.SELL, 5, 20))
    orders = np.concatenate(
        [
            order(2, Side.SELL, 5, 20, symbol=b"TIN"),
            order(3, Side.BUY, 2, 20, who=2),
            order(4, Side.BUY, 1, 20, who=2),
        ]
    )
    floor.publish_as_of(orders, floor.clock.now_ns() + np.array([900, 500, 1_000]))


def contracts(floor):
    """A mark that liquidates: the venue's own orders trade, and another participant takes over."""
    floor.send(order(1, Side.BUY, 10, 5_000), order(2, Side.SELL, 10, 5_000, who=2))
    floor.ask("contract", "mark", "GOLD", "4600")
    floor.wait_for(lambda status: status["risk"]["liquidated"] == [1])
    floor.send(order(3, Side.BUY, 4, 4_500, who=3))
    floor.ask("contract", "mark", "GOLD", "4300")
    floor.ask("contract", "mark", "GOLD", "4200")
    floor.wait_for(lambda status: status["risk"]["insurance_fund"]["takeovers"] == 1)
    floor.send(order(4, Side.BUY, 1, 4_000, who=3))


AT_CLOSE = TimeInForce.AT_CLOSE
OF_TWO = 'participant = 2\ncancel_on_disconnect = "none"'
KINDS = {
    "sessions": (VENUE + SESSION, sessions),
    "refusals": (VENUE + MORE, refusals),
    "terms": (VENUE + MORE + session_tables({"SHM": ("shm", OF_TWO, "key")}), terms),
    "kills": (VENUE + MORE, kills),
    "halts": (VENUE + MORE, halts),
    "bumps": (BUMPED + BUMPED_SESSIONS.format(ouch=1, fix=2), bumps),
    "pauses": (PROTECTED, pauses),
    "auctions": (VENUE + MORE, auctions),
    "carried": (VENUE + MORE, carried),
    "mass cancels": (VENUE + MORE, mass_cancels),
    "order types": (VENUE + MORE, order_types),
    "crossed lanes": (VENUE, crossed_lanes),
    "crossed lanes with risk": (VENUE + MORE, crossed_lanes),
    "contracts": (CONTRACT_VENUE, contracts),
}


@pytest.fixture(scope="module", params=KINDS)
def journal(request, tmp_path_factory):
    """A venue's journal of each kind."""
    text, trade = KINDS[request.param]
    floor = InlineFloor(tmp_path_factory.mktemp("day"), text)
    trade(floor)
    floor.close()
    return floor.journal_path


def test_a_day_is_what_the_venue_did(journal):
    """Every trade, the best prices after each command, what a strategy is shown, and the book."""
    assert "GOLD" in require_days(journal)


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_day_that_begins_in_the_middle_carries_the_book(journal, part, monkeypatch):
    """As with a journal whose first segments are retired: from a checkpoint on."""
    seq = round(part * recover(journal).seq)
    for module in (days, venue_days):
        monkeypatch.setattr(module, "oldest_point", lambda _: recover(journal, seq))
    require_days(journal)


def test_what_waits_at_the_speed_bump_enters_on_a_day_that_begins_meanwhile(tmp_path, monkeypatch):
    """The checkpoint has the commands that the venue had delayed."""
    floor = InlineFloor(tmp_path, KINDS["bumps"][0])
    bumps(floor)
    floor.close()
    path, cuts = floor.journal_path, 0
    for seq in range(1, recover(path).seq):
        waiting = delayed_commands(recover(path, seq).engine.hooks)
        if waiting:
            cuts += 1
            for module in (days, venue_days):
                monkeypatch.setattr(module, "oldest_point", lambda _, seq=seq: recover(path, seq))
            assert require_days(path) == ["GOLD"]
    assert cuts > 1


def test_a_journal_whose_begin_is_retired_is_a_day(tmp_path, capsys):
    """It begins with the book of the oldest checkpoint, which the command says."""
    without_its_begin(tmp_path / "journal")
    assert require_days(tmp_path / "journal") == ["GOLD"]
    day = prepare_day(open_recording(f"journal:{tmp_path / 'journal'}@GOLD"), tmp_path / "day")
    assert day.has_begin
    assert day.count == 250
    assert "commands 141 to 150 have no checkpoint before them" in capsys.readouterr().err


def test_a_strategy_trades_with_order_ids_of_its_own(journal, tmp_path):
    """Ids from a range that no order of the day, nor of its begin, uses."""
    day = prepare_day(open_recording(f"journal:{journal}@GOLD"), tmp_path / "day")
    assert day.own_id >> 48 not in set((day.records()["order_id"] >> 48).tolist())

    def on_timer(view, state, desk):
        if state[0] == 0:
            state[0] = 1
            send(desk, BUY, 1, 1, LIMIT_DAY)

    strategy = Strategy("once", {}, 8, on_timer=on_timer, interval_ns=1 << 40)
    run = run_day(day, strategy, {}, parse_latency("constant:0:0"))
    assert run.figures["commands"] == day.count
