"""What must hold of any events, without knowing the matcher: no lot is lost or invented."""

from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.wire import EventFlag, EventKind

Array = npt.NDArray[Any]

NOT_OF_AN_ORDER = (
    EventKind.REJECTED,
    EventKind.PHASE_CHANGED,
    EventKind.INDICATIVE,
    EventKind.UNCROSSED,
    EventKind.COMPLETED,
)
TAKES_OFF = (EventKind.FILLED, EventKind.CANCELLED, EventKind.EXPIRED, EventKind.REDUCED)
SETS = (EventKind.ACCEPTED, EventKind.REPLACED)
GOES_ON = (
    EventKind.ELECTED,
    EventKind.REPEGGED,
    EventKind.REFRESHED,
    EventKind.CONVERTED,
    EventKind.TRIGGER_MOVED,
)
PRICES_IT = (*SETS, EventKind.REPEGGED, EventKind.CONVERTED)


def check_ledger(events: Array) -> int:
    """Check all events of an engine since it was empty; returns how many orders are open.

    Each order: accepted = traded + cancelled + reduced + open after every event, always told to
    the same participant and side.  Each trade: two equal sides, told one after the other.  A maker
    trades at the price that its last event gave it, unless that is none: a market order that waits.
    ``AssertionError`` names the first event.
    """
    kinds = events["kind"]
    _check_numbers(events)
    _check_trades(events[kinds == EventKind.FILLED])
    return _check_orders(events[~np.isin(kinds, NOT_OF_AN_ORDER)])


def _all(holds: Array, events: Array, law: str) -> None:
    if not holds.all():
        raise AssertionError(f"{law}: {events[int(np.argmin(holds))]}")


def _check_numbers(events: Array) -> None:
    """Events are numbered through, and each command's last one says so."""
    _all(np.diff(events["seq"], prepend=events["seq"][:1] - 1) == 1, events, "a number is missing")
    last = (events["flags"] & EventFlag.LAST) != 0
    ends = np.append(np.diff(events["cause_seq"]) != 0, True)[: len(events)]
    _all(last == ends, events, "the flag LAST is wrong")


def _check_trades(fills: Array) -> None:
    first, second = fills[::2], fills[1::2]
    assert len(first) == len(second), "a trade has one side only"
    _all(second["seq"] == first["seq"] + 1, second, "the sides of a trade are apart")
    for name in ("price_ticks", "qty_lots", "cause_seq", "instrument"):
        _all(first[name] == second[name], second, f"{name} differs between the sides of a trade")
    _all(first["order_id"] == second["contra_id"], second, "another order on the other side")
    _all(first["contra_id"] == second["order_id"], second, "another order on the other side")
    _all(first["side"] != second["side"], second, "both sides bought, or both sold")
    auction = (first["flags"] & EventFlag.AUCTION) != 0
    _all(auction == ((second["flags"] & EventFlag.AUCTION) != 0), second, "half an auction")
    _all(((first["flags"] & EventFlag.MAKER) != 0) != auction, first, "the maker comes first")
    _all((second["flags"] & EventFlag.MAKER) == 0, second, "two makers")
    _all(~auction | (first["side"] == 1), first, "in an auction the buyer comes first")


def _check_orders(events: Array) -> int:
    order = np.lexsort((events["seq"], events["order_id"], events["instrument"]))
    events = events[order]
    kinds, leaves, qty = events["kind"], events["leaves_lots"], events["qty_lots"]
    same = np.zeros(len(events), dtype=bool)
    same[1:] = (events["order_id"][1:] == events["order_id"][:-1]) & (
        events["instrument"][1:] == events["instrument"][:-1]
    )
    before = np.where(same, np.roll(leaves, 1), 0)
    accepted = kinds == EventKind.ACCEPTED
    _all((before == 0) == accepted, events, "an order lives between ACCEPTED and no leaves")
    _all(leaves >= 0, events, "leaves below 0")
    sets = np.isin(kinds, SETS)
    _all(~sets | ((leaves == qty) & (qty > 0)), events, "leaves are not the quantity")
    off = np.isin(kinds, TAKES_OFF)
    _all(~off | ((leaves == before - qty) & (qty > 0)), events, "lots are lost or invented")
    ends = np.isin(kinds, (EventKind.CANCELLED, EventKind.EXPIRED))
    _all(~ends | (leaves == 0), events, "something is left of a cancelled order")
    on = np.isin(kinds, GOES_ON)
    _all(~on | (leaves == before), events, "leaves changed without a trade")
    _all(sets | off | on, events, "no event of an order")
    for name in ("participant", "side"):
        previous = np.roll(events[name], 1)
        _all(accepted | (events[name] == previous), events, f"the order's {name} changed")
    priced = np.maximum.accumulate(np.where(np.isin(kinds, PRICES_IT), np.arange(len(events)), 0))
    price = events["price_ticks"]
    maker = (kinds == EventKind.FILLED) & ((events["flags"] & EventFlag.MAKER) != 0)
    waits = (events["flags"][priced] & EventFlag.WAITING) != 0
    _all(
        ~maker | waits | (price == price[priced]),
        events,
        "a maker traded at another price than its own",
    )
    final = ~np.append(same[1:], False)[: len(events)]
    return int((final & (leaves > 0)).sum())
