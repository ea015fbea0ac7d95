"""The matcher as a library: orders in, events and books out, an auction, and a snapshot.

python examples/matcher_library.py
"""

import numpy as np

from openoutcry.matcher import Engine
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import CommandKind, EventKind, OrderType, Phase, Side, TimeInForce

ROW = {"symbol": "ACME", "min_price_ticks": 1, "max_price_ticks": 10_000}


def limit(seq: int, side: Side, lots: int, ticks: int) -> np.ndarray:
    """A DAY limit order of participant 1 (buys) or 2 (sells), one record."""
    order = np.zeros(1, ORDER_DTYPE)
    order["seq"] = order["order_id"] = seq
    order["kind"], order["side"], order["symbol"] = CommandKind.NEW, side, b"ACME"
    order["order_type"], order["time_in_force"] = OrderType.LIMIT, TimeInForce.DAY
    order["qty_lots"], order["price_ticks"], order["participant"] = lots, ticks, int(side)
    return order


def phase(seq: int, to: Phase) -> np.ndarray:
    """The operator's command that brings ACME into another phase."""
    command = np.zeros(1, ORDER_DTYPE)
    command["seq"], command["kind"], command["symbol"] = seq, CommandKind.PHASE, b"ACME"
    command["aux"] = int(to)
    return command


def show(events: np.ndarray) -> None:
    """Print what happened, a line for each event."""
    for event in events:
        kind = EventKind(int(event["kind"])).name
        print(f"  {kind:<14} id={event['order_id']} {event['qty_lots']}@{event['price_ticks']}")


def main() -> None:
    """Trade in continuous trading, then find an opening price in an auction."""
    engine = Engine(make_instruments([ROW]))
    for order in (limit(1, Side.SELL, 5, 101), limit(2, Side.SELL, 5, 102)):
        engine.process(order)
    print("a buy of 7 at 102 takes both levels:")
    show(engine.process(limit(3, Side.BUY, 7, 102)))
    print("depth:", engine.depth("ACME", 5))

    print("a call phase collects, and continuous trading begins with an auction:")
    engine.process(phase(4, Phase.OPENING_AUCTION))
    orders = [(5, Side.BUY, 4, 104), (6, Side.BUY, 3, 103), (7, Side.SELL, 6, 100)]
    for seq, side, lots, ticks in orders:
        show(engine.process(limit(seq, side, lots, ticks)))
    show(engine.process(phase(8, Phase.CONTINUOUS)))

    again = Engine.restore(engine.snapshot())
    assert again.state_hash() == engine.state_hash()
    print("the same state after a restart:", engine.state_hash())


if __name__ == "__main__":
    main()
