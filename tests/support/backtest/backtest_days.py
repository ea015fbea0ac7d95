"""Small days for the tests of backtests, and a strategy that does everything."""

import numpy as np
from hypothesis import strategies as st

import openoutcry.backtest.layout as lay
from openoutcry.backtest.day import GENERATED_STEP_NS, Recording, prepare_day
from openoutcry.backtest.desk import BUY, LIMIT_DAY, LIMIT_IOC, POST_ONLY_DAY, SELL, cancel, send
from openoutcry.backtest.strategy import Strategy
from openoutcry.bench.backtest_day import _Market
from openoutcry.flow.commands import as_orders, as_recorded, command
from openoutcry.matcher import Engine
from openoutcry.wire.enums import CommandKind, Side, TimeInForce
from openoutcry.wire.kernel import kernel
from openoutcry.wire.records import make_instruments

SYMBOL = b"OUTCRY"

commands = st.lists(
    st.tuples(
        st.sampled_from([CommandKind.NEW] * 4 + [CommandKind.CANCEL, CommandKind.REDUCE]),
        st.sampled_from(list(Side)),
        st.integers(97, 103),
        st.integers(1, 5),
        st.integers(1, 40),
        st.sampled_from([TimeInForce.DAY, TimeInForce.DAY, TimeInForce.IOC]),
        st.integers(0, 3),
    ),
    min_size=5,
    max_size=60,
)
"""What a small crowd does in a narrow market; the last number is the time since the one before."""


def day_of(rows, folder, restores):
    """The day of these commands: as they stand, or (``restores``) as they would be recorded."""
    orders, now_ns = [], 1_000
    for number, (kind, side, price, qty, which, tif, wait) in enumerate(rows):
        now_ns += wait
        order_id = number + 1 if kind == CommandKind.NEW else which
        message = command(kind, SYMBOL, side, price, qty, order_id, tif)
        orders.append(as_recorded(message, now_ns, 0))
    records = as_orders(orders)
    if restores:
        records["seq"] = np.arange(1, len(records) + 1)
        events = Engine(make_instruments([SYMBOL])).process(records)
        messages = list(_Market().messages(events))
        if not messages:
            messages = [command(CommandKind.NEW, SYMBOL, Side.BUY, 1, 1, 1)]
        times = np.concatenate([[0], records["rx_ts_ns"]])
        records = as_orders(messages)
        records["rx_ts_ns"] = times[records["rx_ts_ns"] // GENERATED_STEP_NS]
    return prepare_day(Recording("small", {"symbol": SYMBOL}, [records], restores), folder)


VENUES = """
[[venue]]
name = "A"
kind = "recorded"
{}
[[venue]]
name = "B"
kind = "recorded"
latency = "drawn:1000:20000"
maker_ppm = -100
taker_ppm = 300
{}
[[instrument]]
symbol = "GOLD/USD"
base = "GOLD"
quote = "USD"
price_decimals = 2
quantity_decimals = 0
[[listing]]
venue = "A"
instrument = "GOLD/USD"
symbol = "GOLD"
price_decimals = 2
quantity_decimals = 0
[[listing]]
venue = "B"
instrument = "GOLD/USD"
symbol = "GOLD"
price_decimals = 2
quantity_decimals = 0
"""


def recorded_venues(folder, *days):
    """A router's file of two recorded venues; ``days``: a line for each."""
    path = folder / "routes.toml"
    path.write_text(VENUES.format(*days))
    return path


@kernel
def act(view, state, desk):
    """Something or other, by what the strategy has seen and done so far."""
    state[8] = (state[8] * 1_103_515_245 + view[lay.BID_TICKS] % 97 + 12_345) % 2_147_483_648
    choice = state[8] // 65_536 % 8
    price = 97 + state[8] // 1_024 % 7
    if choice == 0:
        send(desk, BUY, price, 1 + state[8] % 4, LIMIT_DAY)
    elif choice == 1:
        send(desk, SELL, price, 1 + state[8] % 4, POST_ONLY_DAY)
    elif choice == 2:
        send(desk, BUY, view[lay.ASK_TICKS], state[0], LIMIT_IOC)
    elif choice == 3:
        send(desk, SELL, price, state[0], LIMIT_DAY)
        send(desk, BUY, price - 2, state[0], POST_ONLY_DAY)
    elif choice < 6:
        cancel(desk, lay.OWN_ID + state[8] % (1 + desk[lay.NEXT_ID] - lay.OWN_ID))
    return 0


@kernel
def remember(view, state, desk):
    """Own events change what comes next."""
    state[8] += view[lay.EVENT_KIND] * 7 + view[lay.EVENT_LEAVES] + view[lay.POSITION_LOTS]
    state[8] = abs(state[8])
    if view[lay.EVENT_KIND] == 2 and state[8] % 3 == 0:
        send(desk, view[lay.EVENT_SIDE], view[lay.EVENT_TICKS], 1, LIMIT_DAY)
    return 0


restless = Strategy(
    "restless", {"qty_lots": 2, "interval_ns": 5}, on_book=act, on_event=remember, on_timer=act
)
