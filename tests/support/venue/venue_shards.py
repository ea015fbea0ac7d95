"""What the tests of venue shards in several tiers share."""

from typing import Any

import numpy as np
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.console.participants import row_of
from openoutcry.journal.checkpoint import recover
from openoutcry.pipeline.risk_state import risk_state
from openoutcry.pipeline.top import RunningPipeline, running
from openoutcry.risk.joined import JoinedView, view_of
from openoutcry.venue.file import read_venue
from openoutcry.wire.enums import CommandKind, EventKind, OrderType, Side, TimeInForce
from tests.support.venue.venue_floor import Floor, order

SYMBOLS = ("GOLD", "ZINC", "LEAD", "NICKEL")
"""In partitions 1, 0, 3 and 2: of two matchers the second has GOLD and LEAD."""
VENUE = """
[venue]
name = "TEST"
journal = "journal"
volatile_journal = true
housekeeping_cores = 0
order_capacity = 4096
checkpoint_every = 1_000
shards = SHARDS
partitions = 4
[calendar]
time_zone = "Etc/UTC"
time_every_s = 600
[[schedule]]
name = "main"
day = ["08:00 PRE_OPEN", "09:00 CONTINUOUS", "17:00 CLOSING_AUCTION", "17:05 CLOSED"]
[[limits]]
open_orders = 400
gross_position = 4_000
[[limits]]
group = "alpha"
group_gross_position = 6_000
[[limits]]
participant = 1
opening_balance = 50_000_000
credit = 0
[[limits]]
participant = 2
instrument = "LEAD"
opening_position = 40
opening_price = 500
"""
VENUE += "".join(f'[[instrument]]\nsymbol = "{symbol}"\n' for symbol in SYMBOLS)
VENUE += "".join(
    f'[[participant]]\nnumber = {n}\nname = "p{n}"\n' + ('group = "alpha"\n' if n > 2 else "")
    for n in range(1, 5)
)


def flow(seed: int, count: int, first_id: int) -> np.ndarray:
    """Orders of everybody in all instruments that trade with each other, and cancels of limit
    orders: of others an event that a trade causes could be taken for the cancel's answer."""
    rng = np.random.default_rng(seed)
    types = (OrderType.LIMIT, OrderType.LIMIT, OrderType.LIMIT, OrderType.ICEBERG, OrderType.STOP)
    commands: list[np.ndarray] = []
    plain: list[np.ndarray] = []
    for number in range(first_id, first_id + count):
        symbol = SYMBOLS[int(rng.integers(4))].encode()
        who, side = int(rng.integers(1, 5)), Side(int(rng.integers(1, 3)))
        draw = rng.random()
        if draw < 0.15 and plain:
            old = plain.pop(int(rng.integers(len(plain))))
            one = order(int(old["order_id"][0]), side, 0, 0, int(old["participant"][0]))
            one["kind"], one["symbol"] = CommandKind.CANCEL, old["symbol"]
        else:
            one = order(
                number, side, int(rng.integers(1, 40)), 1_000 + int(rng.integers(-5, 6)), who
            )
            kind = types[int(rng.integers(len(types)))]
            one["symbol"], one["order_type"] = symbol, kind
            if kind is OrderType.ICEBERG:
                one["aux"] = max(1, int(one["qty_lots"][0]) // 3)
            if kind is OrderType.STOP:
                one["aux"], one["price_ticks"] = one["price_ticks"], 0
            if rng.random() < 0.2:
                one["time_in_force"] = TimeInForce.IOC
            elif kind is OrderType.LIMIT:
                plain.append(one)
        commands.append(one)
    return np.concatenate(commands)


def pipeline_of(floor: Floor) -> RunningPipeline:
    process = floor.venue.process
    assert process is not None
    (pipeline,) = (one for one in running() if one.owner.pid == process.pid)
    return pipeline


def desk(floor: Floor) -> list[dict[str, Any]]:
    """What the console shows of every participant."""
    view = risk_state(pipeline_of(floor).owner)
    assert isinstance(view, JoinedView)
    file = read_venue(floor.file)
    return [row_of(view, one, list(SYMBOLS)) for one in file.participants]


def kept(floor: Floor) -> list[dict[str, Any]]:
    """The same, of the core that the journal makes."""
    view, file = view_of([recover(floor.venue.journal).engine.region]), read_venue(floor.file)
    return [row_of(view, one, list(SYMBOLS)) for one in file.participants]


def traded(floor: Floor) -> dict[tuple[int, str], int]:
    """Everybody's position by the events alone, of what was not there at the opening."""
    positions: dict[tuple[int, str], int] = {(2, "LEAD"): 40}
    for event in floor.journal()[1]:
        if event["kind"] == EventKind.FILLED:
            sign = 1 if event["side"] == Side.BUY else -1
            place = int(event["participant"]), SYMBOLS[int(event["instrument"])]
            positions[place] = positions.get(place, 0) + sign * int(event["qty_lots"])
    return {place: lots for place, lots in positions.items() if lots}


def is_right(floor: Floor) -> None:
    """Desk, journal, events and ledger say the same."""
    shown = desk(floor)
    assert shown == kept(floor)
    held = {
        (row["number"], symbol): lots for row in shown for symbol, lots in row["positions"].items()
    }
    assert held == traded(floor)
    assert {symbol for _, symbol in held} == set(SYMBOLS)
    completed = CliRunner().invoke(
        main, ["ledger", "reconcile", str(floor.venue.journal), "--json"]
    )
    assert completed.exit_code == 0, completed.output
