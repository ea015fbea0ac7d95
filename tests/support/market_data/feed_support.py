"""What the tests of the feed share: random flows within ITCH's limits, and a book kept plainly."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from openoutcry.journal.risk_hooks import risk_hooks
from openoutcry.matcher import Engine
from openoutcry.risk.bits import PauseCause, Setting
from openoutcry.wire.enums import CommandKind, EventFlag, EventKind, Phase
from openoutcry.wire.feed_messages import ITCH50
from openoutcry.wire.instrument_states import InstrumentState
from openoutcry.wire.records import EVENT_DTYPE, NO_PRICE
from tests.support.matcher.matcher_mixed import Mixed, mixed

NOON_NS = 1_700_000_000 * 10**9
NO_LIMIT = (2**63 - 1, -(2**63))


def flow(
    seed: int, count: int = 400, any_reference: bool = False, bumped: bool = False
) -> tuple[Mixed, np.ndarray, np.ndarray]:
    """A random flow of everything the matcher knows, its events, and each command's time.

    ``any_reference``: the operator's reference prices, which nobody checks, may be any;
    ``bumped``: participants' commands wait at a speed bump, for some commands."""
    run = mixed(seed, count, extreme=0.0, malformed=0.0, centres=(1000, 100, 10**6, 10**9))
    run.instruments["min_price_ticks"] = np.maximum(run.instruments["min_price_ticks"], 0)
    run.instruments["max_price_ticks"] = np.minimum(run.instruments["max_price_ticks"], 2**32 - 1)
    # An auction may trade there, and no message can tell a price below 0.
    reference = run.instruments["reference_price_ticks"]
    run.instruments["reference_price_ticks"] = np.maximum(reference, 0)
    orders = run.orders.copy()
    if not any_reference:
        orders["price_ticks"][orders["kind"] == CommandKind.PHASE] &= 0xFFFF
    else:
        phases = np.flatnonzero(orders["kind"] == CommandKind.PHASE)
        orders["price_ticks"][phases[::2]] = -5 + 2**33 * (seed % 2)
        orders["qty_lots"][phases[::2]] = 1
    orders["rx_ts_ns"] = NOON_NS + 1_234_567 * np.arange(len(orders))
    hooks = None
    if bumped:
        table = run.instruments
        low, high = table["min_price_ticks"], table["max_price_ticks"]
        table["reference_price_ticks"] = np.clip(table["reference_price_ticks"], low, high)
        bump = {"set": "SPEED_BUMP", "value": 5_000_000, "second": 5_000_000, "who": seed}
        settings = {"participants": 512, "order_capacity": run.order_capacity, "limits": [bump]}
        hooks = risk_hooks(settings | {"delayed": 256}, run.instruments)
    engine = Engine(run.instruments, run.order_capacity, hooks=hooks)
    return run, engine.process(orders), np.ascontiguousarray(orders["rx_ts_ns"])


TOLD_SETTINGS = (
    Setting.HALT,
    Setting.INSTRUMENT_STATE,
    Setting.INSTRUMENT_RULE,
    Setting.INSTRUMENT_APPLY,
    Setting.MARKET_KILL,
    Setting.TRADING_DAY,
    Setting.BREAKER,
    Setting.INDEX_WEIGHT,
    Setting.MAX_QTY,
)
OF_OPERATOR = [
    int(state)
    for state in InstrumentState
    if state not in (InstrumentState.ANNOUNCED, InstrumentState.EXPIRED)
]
REASONS = (0, int.from_bytes(b"T1  ", "big"), int.from_bytes(b"H10 ", "big"), -1, 2**40)


def protected(
    seed: int, instruments: np.ndarray, events: np.ndarray, rx_ts_ns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The flow as a core with protection would have told it, at random: phases with their causes,
    and the operator's settings between its commands.  Events, and each command's time."""
    rng = np.random.default_rng(seed)
    parts, times = [], []
    for command in by_command(events):
        command = command.copy()
        for at in np.flatnonzero(command["kind"] == EventKind.PHASE_CHANGED):
            command[at : at + 1] = with_cause(rng, command[at : at + 1])
        came = int(rx_ts_ns[int(command["cause_seq"][0]) - 1])
        parts.append(command)
        times.append(came)
        while rng.random() < 0.25:
            makes = setting_done if rng.random() < 0.7 else phase_changed
            parts.append(makes(rng, len(instruments)))
            times.append(came)
    for number, command in enumerate(parts, start=1):
        command["cause_seq"] = number
    protected_events = np.concatenate(parts)
    protected_events["seq"] = np.arange(1, len(protected_events) + 1)
    phases = instruments["initial_phase"].tolist()
    for at in np.flatnonzero(protected_events["kind"] == EventKind.PHASE_CHANGED):
        event = protected_events[at]
        event["contra_id"], phases[event["instrument"]] = (
            phases[event["instrument"]],
            event["qty_lots"],
        )
    return protected_events, np.array(times, np.int64)


def with_cause(rng: np.random.Generator, event: np.ndarray) -> np.ndarray:
    cause = int(rng.integers(1, len(PauseCause) + 1)) if rng.random() < 0.7 else 0
    event["order_id"] = cause
    event["leaves_lots"] = rng.integers(1, 4) if cause == PauseCause.MARKET else 0
    return event


def phase_changed(rng: np.random.Generator, instruments: int) -> np.ndarray:
    """PHASE_CHANGED to one that the protection asks for."""
    event = np.zeros(1, EVENT_DTYPE)
    event["kind"], event["flags"] = EventKind.PHASE_CHANGED, EventFlag.LAST
    event["qty_lots"] = rng.choice([Phase.HALT, Phase.VOLATILITY_AUCTION, Phase.CONTINUOUS])
    event["instrument"] = rng.integers(0, instruments)
    event["price_ticks"] = rng.choice([NO_PRICE, 100])
    return with_cause(rng, event)


def setting_done(rng: np.random.Generator, instruments: int) -> np.ndarray:
    """COMPLETED of a RISK command."""
    event = np.zeros(1, EVENT_DTYPE)
    what = TOLD_SETTINGS[int(rng.integers(0, len(TOLD_SETTINGS)))]
    event["kind"], event["flags"], event["contra_id"] = EventKind.COMPLETED, EventFlag.LAST, what
    event["leaves_lots"], event["order_id"] = rng.integers(0, 2), rng.integers(1, 3)
    event["instrument"] = rng.choice([*range(instruments), 65535])
    if what == Setting.INSTRUMENT_STATE:
        event["leaves_lots"] = rng.choice(OF_OPERATOR)
    elif what == Setting.INSTRUMENT_RULE:
        event["qty_lots"], event["leaves_lots"] = rng.choice([1, 7, 0]), rng.choice([1, 5, 100])
    elif what == Setting.HALT:
        event["price_ticks"] = rng.choice(REASONS)
    elif rng.random() < 0.8:
        event["price_ticks"] = rng.choice([0, 930, 10**12])
        event["qty_lots"], event["order_id"] = rng.choice([0, 870]), rng.choice([0, 800])
    return event


def by_command(events: np.ndarray) -> Iterator[np.ndarray]:
    """Each command's events."""
    ends = np.flatnonzero(events["flags"] & EventFlag.LAST) + 1
    return iter(np.split(events, ends)[:-1])


def unframed(data: bytes) -> list[bytes]:
    """The messages of a feed, whose lengths have to be those of their types."""
    messages, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 2], "big")
        message = data[at + 2 : at + 2 + size]
        assert size == len(message) == ITCH50.from_server(chr(message[0])).size_bytes
        messages.append(message)
        at += 2 + size
    return messages


def fields(message: bytes) -> dict[str, Any]:
    """A message's fields by name, and its type as ``kind``."""
    kind = chr(message[0])
    return {"kind": kind, **ITCH50.from_server(kind).unpack(message)}


def damaged_line(packets, rng, loss):
    """What arrives of a line: packets lost, doubled and out of order."""
    timed = []
    for number, packet in enumerate(packets):
        if rng.random() >= loss:
            for _ in range(1 + (rng.random() < loss)):
                timed.append((number + rng.random() * (8 if rng.random() < loss else 0.5), packet))
    return [packet for _, packet in sorted(timed, key=lambda one: one[0])]


@dataclass
class PlainBook:
    """What a subscriber knows: orders by number, in the order in which they came."""

    orders: dict[int, list[Any]] = field(default_factory=dict)
    """number: [locate, side, price, shares]."""
    numbers: set[int] = field(default_factory=set)

    def apply(self, message: bytes) -> None:
        row = fields(message)
        kind = row["kind"]
        if kind == "S" and row["event"] == "O":
            self.orders, self.numbers = {}, set()
        elif kind == "A":
            self._new(row["reference"], [row["locate"], row["side"], row["price"], row["shares"]])
        elif kind in "ECX":
            order = self.orders[row["reference"]]
            order[3] -= row["shares"]
            assert row["shares"] > 0
            assert order[3] >= 0
            if order[3] == 0:
                del self.orders[row["reference"]]
        elif kind == "D":
            del self.orders[row["reference"]]
        elif kind == "U":
            locate, side, _, _ = self.orders.pop(row["reference"])
            self._new(row["new_reference"], [locate, side, row["price"], row["shares"]])

    def _new(self, number: int, order: list[Any]) -> None:
        assert number not in self.numbers
        assert order[3] > 0
        self.numbers.add(number)
        self.orders[number] = order

    def queue(self, locate: int, side: str) -> list[tuple[int, int]]:
        """(price, shares) of a side's orders: best price first, then in the order they came."""
        sign = -1 if side == "B" else 1
        entries = [(o[2], o[3]) for o in self.orders.values() if o[:2] == [locate, side]]
        return sorted(entries, key=lambda one: sign * one[0])
