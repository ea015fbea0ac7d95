"""A real pair of kernels around the matcher: no participant has more than LIMIT open orders.

``before`` refuses a NEW of a participant who has them, ``after`` counts from the events: what is
accepted, what is filled, cancelled or expired.  ``Plain`` is the same in plain Python.
"""

import sys
from pathlib import Path

import numpy as np

from openoutcry.flow.mixed import MixedFlow
from openoutcry.matcher import Engine
from openoutcry.matcher.hooks import Hooks, verdict
from openoutcry.pipeline.run import Options, run
from openoutcry.replay.core import HOOKS
from openoutcry.wire import EVENT_DTYPE
from openoutcry.wire.enums import CommandKind, EventFlag, EventKind, Reason
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, load_u8, load_u16, store_i64
from openoutcry.wire.records import EVENT, NO_INSTRUMENT, ORDER, RECORD_BYTES

NAME, LIMIT, COMMANDS, CAPACITY, SEED = "open order limit", 40, 20_000, 1 << 14, 3
PARTICIPANTS = 1 << 16
REFUSED = int(Reason.QTY_LIMIT)
ORDER_KIND, ORDER_WHO = ORDER.offsets["kind"], ORDER.offsets["participant"]
EVENT_KIND, EVENT_WHO = EVENT.offsets["kind"], EVENT.offsets["participant"]
EVENT_LEAVES = EVENT.offsets["leaves_lots"]
NEW, ACCEPTED, FILLED = int(CommandKind.NEW), int(EventKind.ACCEPTED), int(EventKind.FILLED)
GONE, EXPIRED = int(EventKind.CANCELLED), int(EventKind.EXPIRED)


@kernel
def before(region, order):
    """Word 0 of the region is the limit; then a word a participant."""
    if load_u8(order + ORDER_KIND) != NEW:
        return 0
    count = load_i64(region + 8 + 8 * load_u16(order + ORDER_WHO))
    return verdict(REFUSED, count) if count >= load_i64(region) else 0


@kernel
def after(region, order, events, count):
    for index in range(count):
        event = events + index * RECORD_BYTES
        kind = load_u8(event + EVENT_KIND)
        at = region + 8 + 8 * load_u16(event + EVENT_WHO)
        if kind == ACCEPTED:
            store_i64(at, load_i64(at) + 1)
        elif kind in (GONE, EXPIRED) or (kind == FILLED and load_i64(event + EVENT_LEAVES) == 0):
            store_i64(at, load_i64(at) - 1)
    return 0


def hooks(limit=LIMIT):
    region = np.zeros(1 + PARTICIPANTS, np.int64)
    region[0] = limit
    return Hooks(region.view(np.uint8), before, after)


HOOKS[NAME] = lambda settings, instruments: hooks(settings["limit"])


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
        if order["error_code"] == 0 and order["kind"] == CommandKind.NEW and count >= LIMIT:
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
        for name in ("order_id", "price_ticks", "qty_lots", "participant", "side"):
            event[name] = order[name]
        known = order["symbol"] in self.symbols
        event["instrument"] = self.symbols.index(order["symbol"]) if known else NO_INSTRUMENT
        event["contra_id"], event["cause_seq"] = count, order["seq"]
        event["kind"], event["reason"] = EventKind.REJECTED, Reason.QTY_LIMIT
        event["flags"] = EventFlag.LAST
        return event


def flow(count=COMMANDS):
    return MixedFlow(count, SEED)


def options(journal=None, changed=None, **more):
    return Options(
        source=flow(), journal=journal, hooks=changed or {"name": NAME, "limit": LIMIT},
        order_capacity=CAPACITY, spare_cores=0, **more,
    )  # fmt: skip


if __name__ == "__main__":
    run(options(Path(sys.argv[1]), rate=int(sys.argv[2]), resume="--resume" in sys.argv))
