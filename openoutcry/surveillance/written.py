"""The rules as the requirements write them, over whole arrays: to be held against the detectors.

| rule | as written |
|---|---|
| spoofing | in 5 min over 0.9 of a participant's orders cancelled, one above 10 x average |
| wash pair | more than 10 trades of one pair in an hour |
| reciprocal | a pair trades the same price and lots to and fro within 60 s |
| cancels | 5 cancels of a participant in an hour |

Windows are whole five minutes and hours.  They need no memory of the market, and they say nothing
about what it was like.
"""

from collections import defaultdict
from typing import Any, NamedTuple

import numpy.typing as npt

from openoutcry.wire.enums import EventFlag, EventKind, Reason

FIVE_MINUTES_NS, HOUR_NS, MINUTE_NS = 300 * 10**9, 3_600 * 10**9, 60 * 10**9
CANCEL_SHARE, TIMES_AVERAGE, PAIR_TRADES, CANCELS = 0.9, 10, 10, 5


class Alarm(NamedTuple):
    """One of these rules, the participant that it names, the instrument, and the window."""

    rule: str
    participants: tuple[int, ...]
    instrument: int
    begin_ns: int
    end_ns: int


def as_written(commands: npt.NDArray[Any], events: npt.NDArray[Any]) -> list[Alarm]:
    """Every alarm of commands (ORDER_DTYPE) and all of their events (EVENT_DTYPE), each rule once
    for a participant, instrument and window."""
    first = int(commands["seq"][0]) if len(commands) else 0
    stamps = commands["rx_ts_ns"].tolist()
    entered: dict[Any, list[int]] = defaultdict(list)
    cancelled: dict[Any, int] = defaultdict(int)
    cancels: dict[Any, int] = defaultdict(int)
    pairs: dict[Any, int] = defaultdict(int)
    lately: dict[Any, int] = {}
    alarms: set[Alarm] = set()
    makers: dict[tuple[int, int], tuple[int, int]] = {}
    for row in events.tolist():
        order_id, contra, price, lots, _, cause, who, where, kind, reason, side, flags, _ = row
        ts_ns = stamps[cause - first]
        five = ts_ns // FIVE_MINUTES_NS
        if kind == EventKind.ACCEPTED:
            entered[who, where, five].append(lots)
        elif kind == EventKind.CANCELLED and reason in (Reason.USER, Reason.MASS_CANCEL):
            cancelled[who, where, five] += 1
            cancels[who, where, ts_ns // HOUR_NS] += 1
        elif kind == EventKind.FILLED and flags & EventFlag.MAKER:
            makers[where, order_id] = who, side
        elif kind == EventKind.FILLED and (where, contra) in makers:
            other, _ = makers.pop((where, contra))
            pair = min(who, other), max(who, other)
            pairs[pair, where, ts_ns // HOUR_NS] += 1
            buyer = who if side == 1 else other
            back = lately.get((pair, where, price, lots, who + other - buyer))
            if back is not None and ts_ns - back <= MINUTE_NS and who != other:
                begin = ts_ns // MINUTE_NS * MINUTE_NS
                alarms.add(Alarm("reciprocal", pair, where, begin, begin + MINUTE_NS))
            lately[pair, where, price, lots, buyer] = ts_ns
    for (who, where, five), sizes in entered.items():
        average = sum(sizes) / len(sizes)
        many = cancelled[who, where, five] > CANCEL_SHARE * len(sizes)
        if many and max(sizes) > TIMES_AVERAGE * average:
            begin = five * FIVE_MINUTES_NS
            alarms.add(Alarm("spoofing", (who,), where, begin, begin + FIVE_MINUTES_NS))
    for (pair, where, hour), count in pairs.items():
        if count > PAIR_TRADES:
            whom = tuple(dict.fromkeys(pair))
            alarms.add(Alarm("wash_pair", whom, where, hour * HOUR_NS, (hour + 1) * HOUR_NS))
    for (who, where, hour), count in cancels.items():
        if count >= CANCELS:
            alarms.add(Alarm("cancels", (who,), where, hour * HOUR_NS, (hour + 1) * HOUR_NS))
    return sorted(alarms)
