"""A core with a speed bump, beside one without it that is given what enters, when it enters."""

import numpy as np

from openoutcry.journal.risk_hooks import risk_hooks
from openoutcry.matcher import Engine
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import RISK_REASON, RiskBit, Setting
from openoutcry.risk.region import View, speed_bump_setting
from openoutcry.wire import EVENT_DTYPE
from openoutcry.wire.enums import CommandKind, EventFlag, EventKind
from openoutcry.wire.records import NO_INSTRUMENT
from tests.oracles.risk.bump import PlainQueue

LAST = int(EventFlag.LAST)


def delayed_core(instruments, settings, order_capacity, delayed):
    """An engine with risk and, with ``delayed`` places, a speed bump."""
    more = {"delayed": delayed} if delayed else {}
    hooks = risk_hooks(settings | more, instruments)
    return Engine(instruments, order_capacity, hooks=hooks)


def switch(delay_ns, window_ns=0, seed=0, rx_ts_ns=0):
    record = speed_bump_setting(delay_ns, window_ns, seed)
    record["rx_ts_ns"] = rx_ts_ns
    return record


class Plain:
    """The reference: the core without a speed bump, and a list of who waits."""

    def __init__(self, instruments, settings, order_capacity, delayed):
        self.engine = delayed_core(instruments, settings, order_capacity, 0)
        self.symbols = instruments["symbol"].tolist()
        self.bump = PlainQueue(delayed, settings["participants"], self.symbols)
        self.event_seq = 0

    def process(self, orders):
        """Events, without the queue's places, which are the kernel's own affair."""
        parts = [self._one(orders[n : n + 1].copy()) for n in range(len(orders))]
        events = np.concatenate(parts)
        events["seq"] = np.arange(1, len(events) + 1) + self.event_seq
        self.event_seq += len(events)
        return events

    def _one(self, one):
        parts, order = [], one[0]
        for seq, held, withdrawn in self.bump.due(int(order["rx_ts_ns"])):
            record = np.array([held])
            record["seq"] = order["seq"]
            if withdrawn:
                events = self._refusal(record[0], RiskBit.WITHDRAWN, 0, 0, 0)
            else:
                events = self.engine.process(record)
            events["flags"] &= 0xFF ^ LAST
            entered = self._event(record[0], EventKind.ENTERED, record["price_ticks"][0])
            entered["contra_id"], entered["qty_lots"] = seq, len(events)
            entered["leaves_lots"] = int(record["kind"][0]) << 32
            entered["leaves_lots"] |= int(record["order_type"][0]) << 40
            entered["flags"] = 0
            parts += [entered, events]
        return np.concatenate([*parts, self._own(one)])

    def _own(self, one):
        order = one[0]
        if order["kind"] == CommandKind.RISK and order["order_type"] == Setting.SPEED_BUMP:
            rule = [int(order[name]) for name in ("aux", "price_ticks", "qty_lots", "rx_ts_ns")]
            self.bump.set(*rule, bool(order["time_in_force"]))
            return self._completed(order)
        if order["kind"] == CommandKind.RISK and order["order_type"] == Setting.RELEASE:
            return self._completed(order)
        held = self.bump.came(order)
        if held is None:
            return self.engine.process(one)
        if isinstance(held, tuple):
            return self._refusal(order, RiskBit.SPEED_BUMP_FULL, *held)
        event = self._event(order, EventKind.DELAYED, order["price_ticks"])
        event["contra_id"], event["qty_lots"] = held, order["qty_lots"]
        return event

    def _event(self, order, kind, price):
        event = np.zeros(1, EVENT_DTYPE)
        for name in ("order_id", "participant", "side"):
            event[name] = order[name]
        index = self.symbols.index(order["symbol"]) if order["symbol"] in self.symbols else None
        event["instrument"] = NO_INSTRUMENT if index is None else index
        event["kind"], event["price_ticks"], event["cause_seq"] = kind, price, order["seq"]
        event["flags"] = LAST
        return event

    def _refusal(self, order, bit, limit, stands, requested):
        """What the gateway's refusal of the same command does, with another reason: it may end a
        list."""
        record = np.array([order])
        record["error_code"] = record["error_code"] or 1
        events = self.engine.process(record)
        assert events["kind"][0] == EventKind.REJECTED
        first = events[:1]
        first["reason"], first["contra_id"], first["price_ticks"] = RISK_REASON, 1 << bit, limit
        first["leaves_lots"], first["qty_lots"] = stands, requested
        return events

    def _completed(self, order):
        event = self._event(order, EventKind.COMPLETED, order["price_ticks"])
        event["contra_id"], event["leaves_lots"] = order["order_type"], order["aux"]
        event["qty_lots"] = order["qty_lots"]
        return event


PLACE = (1 << 32) - 1


def without_places(events):
    """DELAYED and ENTERED without the place in the queue."""
    events = events.copy()
    is_queue = np.isin(events["kind"], (EventKind.DELAYED, EventKind.ENTERED))
    events["leaves_lots"][is_queue] &= ~PLACE
    return events


def same_risk(core, plain):
    """The risk state of both, but for what only the speed bump has, and what was refused last."""
    mine, other = View(core.region), View(plain.engine.region)
    for name in ("participants", "groups", "instruments", "cells"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(other, name))
    assert mine.open_orders() == other.open_orders()
    assert mine.word(lay.NOW_NS) == other.word(lay.NOW_NS)
