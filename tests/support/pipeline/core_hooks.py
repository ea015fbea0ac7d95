"""The hooks by which no participant has more than LIMIT open orders (risk/open_orders.py), around
real runs; ``Plain`` is the same in plain Python."""

import numpy as np

from openoutcry.flow.mixed import MixedFlow
from openoutcry.journal.core import OPEN_ORDERS as NAME
from openoutcry.journal.risk_hooks import open_orders_hooks
from openoutcry.matcher import Engine
from openoutcry.pipeline.run import Options
from openoutcry.risk.bits import RiskBit
from openoutcry.wire import EVENT_DTYPE
from openoutcry.wire.enums import CommandKind, EventFlag, EventKind, Reason, TimeInForce
from openoutcry.wire.records import NO_INSTRUMENT

LIMIT, COMMANDS, CAPACITY, SEED = 40, 20_000, 1 << 14, 3
REFUSED = int(Reason.RISK)


def hooks(limit=LIMIT):
    return open_orders_hooks({"limit": limit}, None)


class Plain:
    """The reference: a matcher without hooks, asked for one command at a time."""

    def __init__(self, instruments):
        self.engine = Engine(instruments, CAPACITY)
        self.open = {}
        self.symbols = instruments["symbol"].tolist()
        self.event_count = 0

    def process(self, orders):
        answers = [self._one(orders[index : index + 1]) for index in range(len(orders))]
        return np.concatenate(answers)

    def _one(self, one):
        order = one[0]
        count = self.open.get(int(order["participant"]), 0)
        rests = int(order["time_in_force"]) & 0xF not in (TimeInForce.IOC, TimeInForce.FOK)
        is_new = order["error_code"] == 0 and order["kind"] == CommandKind.NEW
        if is_new and rests and count >= LIMIT:
            events = self._refusal(order, count)
        else:
            events = self.engine.process(one)
        for event in events:
            who, kind = int(event["participant"]), event["kind"]
            ends = kind in (EventKind.CANCELLED, EventKind.EXPIRED)
            ends |= kind == EventKind.FILLED and event["leaves_lots"] == 0
            self.open[who] = self.open.get(who, 0) + (kind == EventKind.ACCEPTED) - ends
        events["seq"] = np.arange(1, 1 + len(events)) + self.event_count
        self.event_count += len(events)
        return events

    def _refusal(self, order, count):
        event = np.zeros(1, EVENT_DTYPE)
        for name in ("order_id", "participant", "side"):
            event[name] = order[name]
        known = order["symbol"] in self.symbols
        event["instrument"] = self.symbols.index(order["symbol"]) if known else NO_INSTRUMENT
        event["price_ticks"], event["leaves_lots"], event["qty_lots"] = LIMIT, count, count + 1
        event["contra_id"], event["cause_seq"] = 1 << RiskBit.OPEN_ORDERS, order["seq"]
        event["kind"], event["reason"] = EventKind.REJECTED, REFUSED
        event["flags"] = EventFlag.LAST
        return event


def flow(count=COMMANDS):
    return MixedFlow(count, SEED)


def options(journal=None, changed=None, **more):
    return Options(
        source=flow(),
        journal=journal,
        hooks=changed or {"name": NAME, "limit": LIMIT},
        order_capacity=CAPACITY,
        housekeeping_cores=0,
        **more,
    )
