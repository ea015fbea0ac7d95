"""The risk kernels and their reference around one real matcher, compared command by command."""

import numpy as np

from openoutcry.matcher import Engine
from openoutcry.risk import layout as lay
from openoutcry.risk.after import after
from openoutcry.risk.before import before
from openoutcry.risk.bits import NO_LIMIT, RiskBit, Setting
from openoutcry.risk.reference import Reference
from openoutcry.risk.region import View, make_region, setting
from openoutcry.wire import EVENT_DTYPE
from openoutcry.wire.enums import EventKind, Side
from openoutcry.wire.records import NO_PRICE

PARTICIPANTS, GROUPS = 9, 3


def rejected(order, verdict):
    """The one event of a command that ``before`` kept from the matcher."""
    event = np.zeros(1, EVENT_DTYPE)
    event["kind"], event["order_id"] = EventKind.REJECTED, order["order_id"]
    event["reason"], event["contra_id"] = verdict & 0xFF, verdict >> 8
    event["price_ticks"], event["qty_lots"] = order["price_ticks"], order["qty_lots"]
    return event


class Kernels:
    """before, the matcher and after, by their addresses."""

    def __init__(self, instruments, order_capacity=5_000, **more):
        self.engine = Engine(instruments, order_capacity)
        self.region = make_region(instruments, order_capacity=order_capacity, **more)
        self.view = View(self.region)

    def process(self, orders):
        """Verdict and events of one command (an array of one)."""
        verdict = before(self.region.ctypes.data, orders.ctypes.data)
        events = rejected(orders[0], verdict) if verdict else self.engine.process(orders)
        after(self.region.ctypes.data, orders.ctypes.data, events.ctypes.data, len(events))
        return verdict, events


class Pair:
    """Kernels and reference; the reference reads the kernels' events, as there is one matcher."""

    def __init__(self, instruments, order_capacity=5_000, **more):
        more = {"participants": PARTICIPANTS, "groups": GROUPS} | more
        self.kernels = Kernels(instruments, order_capacity, **more)
        self.reference = Reference(instruments, **more)
        self.seq = 0
        self.verdicts = []

    @property
    def view(self):
        return self.kernels.view

    def process(self, orders):
        """One command: verdict, what is told, and what the touched participants reserve, equal."""
        self.seq += 1
        orders["seq"] = self.seq
        wanted = self.reference.before(orders[0])
        verdict, events = self.kernels.process(orders)
        assert verdict == wanted, (orders[0], bits(verdict), bits(wanted))
        if verdict:
            told = self.reference.tells(orders[0], wanted)
            assert {name: int(events[name][0]) for name in told} == told
        self.reference.after(orders[0], events)
        self.verdicts.append(verdict)
        if verdict & 0xFF:
            assert self.view.refusal == self.reference.refused[1:]
        for who in {int(p) for p in events["participant"]} | {int(orders["participant"][0])}:
            if who < len(self.reference.participants):
                self.conserved(who)
        return verdict, events

    def conserved(self, who):
        """Reserved is what the open orders need, to the unit; so is every other total."""
        view, plain = self.view, self.reference
        assert view.of(who, lay.RESERVED) == plain.reserved(who)
        assert view.of(who, lay.GROSS) == plain.gross(who)
        assert view.of(who, lay.OPEN) == plain.open_count(who)
        assert view.of(who, lay.BUY_EXPOSURE) == plain.side_exposure(who, Side.BUY)
        assert view.of(who, lay.SELL_EXPOSURE) == plain.side_exposure(who, Side.SELL)

    def same(self):
        """Every word of the state is what the reference says."""
        tables, view = words_of(self.reference, self.view), self.view
        for name, table in tables.items():
            found = view.open_orders() if name == "orders" else getattr(view, name)
            assert np.array_equal(np.array(found, np.int64).reshape(np.shape(table)), table), name


def bits(verdict):
    return [bit.name for bit in RiskBit if verdict >> 8 >> bit & 1]


def words_of(plain, view):
    """The reference in the form of the tables."""
    kept = {lay.MARKET_KILL: plain.market_killed, lay.FIRST_OPERATOR: plain.first_operator,
            lay.NOW_NS: plain.now, lay.ORDERS_OPEN: len(plain.orders),
            lay.REFUSALS: plain.refusals, lay.FILE_DIGEST: plain.file_digest,
            lay.EMERGENCY: plain.emergency}  # fmt: skip
    kept |= {lay.REFUSED_SEQ + 8 * n: word for n, word in enumerate(plain.refused)}
    header = view.header.copy()
    for at, word in kept.items():
        header[at // 8] = word
    return {
        "header": header,
        "participants": [participant_words(plain, n) for n in range(len(plain.participants))],
        "groups": [[plain.group_gross(n), one.gross_limit, one.killed, one.name]
                   for n, one in enumerate(plain.groups)],
        "instruments": [instrument_words(one) for one in plain.instruments],
        "cells": [[cell_words(plain, who, i) for i in range(len(row))]
                  for who, row in enumerate(plain.cells)],
        "orders": sorted((o.order_id, order_meta(o), o.leaves, o.price)
                         for o in plain.orders.values()),
    }  # fmt: skip


def participant_words(plain, who):
    p = plain.participants[who]
    names = {"house": lay.KILLED_BY_HOUSE, "loss": lay.KILLED_BY_LOSS,
             "arithmetic": lay.KILLED_BY_ARITHMETIC}  # fmt: skip
    flags = sum(names[why] for why in p.killed)
    flags |= lay.CANCEL_WANTED * p.cancel_wanted | lay.NAMES_SELF_TRADE * p.names_self_trade
    return [
        p.balance, plain.reserved(who), p.credit, flags, p.group, plain.open_count(who),
        p.open_limit, p.duplicate_ns, plain.side_exposure(who, 1), p.exposure_limit[1],
        plain.side_exposure(who, 2), p.exposure_limit[2], plain.gross(who), p.gross_limit,
        p.full_at, p.rate_ns, p.burst, p.profit, p.peak, p.loss_limit, p.drawdown_limit, p.kills,
        p.killed_seq, 0,
    ]  # fmt: skip


def instrument_words(one):
    worst = one.worst
    limited = 0 if not one.price_limited else 2 if one.band else 1
    return [
        worst[1], worst[2], max(map(abs, worst.values())), one.multiplier, one.fee, one.margin,
        one.leveraged, one.weight, one.distance, one.adv, one.adv_share,
        NO_PRICE if one.reference is None else one.reference,
        NO_LIMIT if one.last is None else one.last, one.volume, one.halted, one.band_low,
        one.band_high, one.banded, limited, 0, 0, 0, 0, 0,
    ]  # fmt: skip


def cell_words(plain, who, instrument):
    cell, orders = plain.cells[who][instrument], plain.open_of(who, instrument)
    flags = lay.RESTRICTED_FLAG * cell.restricted | lay.NO_SHORT_FLAG * cell.no_short
    return [
        cell.position, plain.lots(orders, 1), plain.lots(orders, 2),
        sum(plain.cost(o) for o in orders), cell.mark, flags, *cell.last_order[1],
        *cell.last_order[2], cell.long_limit, cell.short_limit, cell.max_qty, cell.max_value,
    ]  # fmt: skip


def order_meta(o):
    flags = lay.PRICED_FLAG * o.priced | lay.PEG_FLAG * o.peg
    return (o.instrument | o.participant << lay.META_PARTICIPANT | o.side << lay.META_SIDE
            | flags << lay.META_FLAGS)  # fmt: skip


RARE = (Setting.MARKET_KILL, Setting.LOSS, Setting.DRAWDOWN)
DRAWN = [int(s) for s in Setting for _ in range(1 if s in RARE else 4)]


class Operator:
    """Draws RISK commands whose limits lie near what stands, so that they bind and give way."""

    def __init__(self, seed, pair, symbols):
        self.rng, self.pair, self.symbols = np.random.default_rng([seed, 18]), pair, symbols

    def draw(self):
        rng = self.rng
        what = Setting(int(rng.choice(DRAWN)))
        if self.pair.reference.market_killed and rng.random() < 0.5:
            return setting(Setting.MARKET_KILL, 0, operator=int(rng.integers(1, 3)))
        who = int(rng.integers(0, PARTICIPANTS))
        index = int(rng.integers(0, len(self.symbols)))
        value, second = self._value(what, who, index)
        if rng.random() < 0.02:
            value = int(rng.choice([-1, 2**62, 2**62 + 1, -(2**63), 5]))
        who = who % GROUPS if what >= Setting.GROUP_GROSS_POSITION else who
        operator = int(rng.integers(0, 3))
        return setting(what, value, who, self.symbols[index], second, operator)

    def _value(self, what, who, index):
        rng, view = self.rng, self.pair.view
        near = {
            Setting.CREDIT: view.of(who, lay.RESERVED) - view.of(who, lay.BALANCE),
            Setting.EXPOSURE_BUY: view.of(who, lay.BUY_EXPOSURE),
            Setting.EXPOSURE_SELL: view.of(who, lay.SELL_EXPOSURE),
            Setting.GROSS_POSITION: view.of(who, lay.GROSS),
            Setting.GROUP_GROSS_POSITION: int(view.groups[who % GROUPS, 0]),
            Setting.OPEN_ORDERS: view.of(who, lay.OPEN),
            Setting.LOSS: abs(view.of(who, lay.PROFIT)),
            Setting.DRAWDOWN: view.of(who, lay.PEAK) - view.of(who, lay.PROFIT),
            Setting.POSITION_LONG: abs(view.cell(who, index, lay.POSITION)),
            Setting.POSITION_SHORT: abs(view.cell(who, index, lay.POSITION)),
        }
        if what in near:
            if rng.random() < (0.8 if what in RARE else 0.3):
                return NO_LIMIT, 0
            if what == Setting.OPEN_ORDERS:
                return near[what] + int(rng.integers(0, 4)), 0
            return max(near[what], 0) * int(rng.integers(8, 14)) // 10 + int(
                rng.integers(0, 500)
            ), 0
        last = view.instruments[index, lay.LAST // 8]
        values = {
            Setting.DEPOSIT: int(rng.integers(-(10**8), 10**9)),
            Setting.RATE: int(rng.choice([0, 0, 10**4, 10**5])),
            Setting.DUPLICATE_WINDOW: int(rng.choice([0, 10**6, 10**9])),
            Setting.GROUP: int(rng.integers(0, GROUPS)),
            Setting.MAX_QTY: int(rng.choice([300, 800, 2_000, NO_LIMIT])),
            Setting.MAX_VALUE: int(rng.choice([10**8, 5 * 10**8, NO_LIMIT])),
            Setting.FEE: int(rng.integers(0, 20)), Setting.MARGIN: int(rng.integers(0, 90_000)),
            Setting.WEIGHT: int(rng.integers(0, 10)),
            Setting.DISTANCE: int(rng.choice([5, 50, 500, NO_LIMIT])),
            Setting.ADV: int(rng.choice([0, 10_000])),
            Setting.POSITION: int(rng.integers(-300, 300)),
            Setting.GROUP_NAME: int(rng.integers(1, 100)), Setting.FILE: int(rng.integers(1, 100)),
            Setting.EMERGENCY: self.pair.reference.emergency + int(rng.integers(0, 3)),
            Setting.ADV_SHARE: int(rng.choice([300, 1_000, NO_LIMIT])),
        }  # fmt: skip
        if what == Setting.BANDS:
            wide = rng.random() < 0.6 or last == NO_LIMIT
            return (NO_LIMIT, -NO_LIMIT) if wide else (int(last) + 30, int(last) - 30)
        return values.get(what, int(rng.random() < 0.15)), int(rng.integers(1, 40))
