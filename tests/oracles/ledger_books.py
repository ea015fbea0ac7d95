"""The same postings in plain Python: slow, and plainly right.

Nothing is kept that can be worked out: what is reserved is summed over the open orders before and
after every event, in integers without an end.  The kernel is tested against it, row by row.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy.typing as npt

from openoutcry.journal.projections import Setting, has_risk, instrument_money
from openoutcry.ledger.layout import DAY_NS, FEE_UNIT, LOT_COLUMNS, MONEY_COLUMNS, Kind
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import CommandKind, EventFlag, EventKind, OrderType, Side
from openoutcry.wire.order_types import BUDGETS, PEGS, UNPRICED
from openoutcry.wire.records import NO_PRICE

Row = dict[str, int]
MOVING = (*PEGS, OrderType.POST_ONLY_SLIDE)


@dataclass
class Order:
    """An open order; ``price`` None: it has none."""

    participant: int
    instrument: int
    side: int
    leaves: int
    price: int | None
    pegged: bool


@dataclass
class Schedule:
    minimum: int = 0
    tiers: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """(from which volume, maker, taker) by tier."""


def half_even(amount: int, rate: int) -> int:
    """``rate`` millionths of an amount, rounded half to even."""
    fee, rest = divmod(amount * abs(rate), FEE_UNIT)
    fee += 2 * rest > FEE_UNIT or (2 * rest == FEE_UNIT and fee % 2 == 1)
    return fee if rate >= 0 else -fee


class Reference:
    """Balances by (owner, asset, kind): owner a participant or "venue", asset a name."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        table = make_instruments(config["instruments"])
        self.money_of = instrument_money(dict(config), table)
        self.symbols = [symbol.decode() for symbol in table["symbol"].tolist()]
        self.tracks = has_risk(dict(config))
        self.participants = int((config.get("hooks") or {}).get("participants", 0))
        self.balances: dict[tuple[int | str, str, str], int] = defaultdict(int)
        self.positions: dict[tuple[int, int], int] = defaultdict(int)
        self.marks: dict[tuple[int, int], int] = defaultdict(int)
        self.orders: dict[tuple[int, int], Order] = {}
        self.lot_fee: dict[int, int] = defaultdict(int)
        self.lot_margin: dict[int, int] = defaultdict(int)
        self.last = [int(p) for p in self.money_of.last]
        self.schedules: dict[int, Schedule] = defaultdict(Schedule)
        self.schedule_of: dict[tuple[int, int], int] = {}
        self.volumes: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        self.now_ns = 0
        self.delayed: dict[int, Any] = {}
        """Every command so far: of those that wait it is not known when they enter."""
        self.rows: list[Row] = []

    # What orders need.

    def need(self, who: int, instrument: int) -> tuple[int, int, int]:
        """Money reserved, margin, lots reserved: of a participant in an instrument."""
        orders = [
            o for o in self.orders.values() if (o.participant, o.instrument) == (who, instrument)
        ]
        buys = sum(o.leaves for o in orders if o.side == Side.BUY)
        sells = sum(o.leaves for o in orders if o.side == Side.SELL)
        leveraged = bool(self.money_of.leveraged[instrument])
        multiplier = int(self.money_of.multiplier[instrument])
        position = self.positions[who, instrument]
        cost = 0 if leveraged else sum(self.cost(o) * o.leaves for o in orders) * multiplier
        worst = max(sells - position, 0)
        if leveraged:
            worst = max(worst, position + buys)
        fees = self.lot_fee[instrument] * (buys + sells)
        return cost + fees, worst * self.lot_margin[instrument], sells

    def cost(self, order: Order) -> int:
        worst = self.money_of.worst_buy if order.side == Side.BUY else self.money_of.worst_sell
        price = int(worst[order.instrument]) if order.price is None else order.price
        return max(price if order.side == Side.BUY else -price, 0)

    # Events.

    def post(self, commands: npt.NDArray[Any], events: npt.NDArray[Any]) -> list[Row]:
        """The transactions of these events, each a row of what is not 0."""
        begin, by_seq = len(self.rows), {int(c["seq"]): c for c in commands}
        self.delayed |= by_seq
        waited, entry_left = None, 0
        for event in events:
            command = by_seq[int(event["cause_seq"])]
            self.now_ns = max(self.now_ns, int(command["rx_ts_ns"]))
            if event["kind"] == EventKind.ENTERED:
                waited, entry_left = self.delayed[int(event["contra_id"])], int(event["qty_lots"])
            elif entry_left:
                self._event(waited, event)
                entry_left -= 1
            else:
                self._event(command, event)
        return self.rows[begin:]

    def _event(self, c: Any, e: Any) -> None:
        kind = int(e["kind"])
        who, instrument = int(e["participant"]), int(e["instrument"])
        key = (instrument, int(e["order_id"]))
        if kind == EventKind.FILLED:
            self._filled(e, who, instrument, key)
        elif kind == EventKind.COMPLETED and c["kind"] == CommandKind.RISK:
            self._setting(c, e)
        elif kind == EventKind.PHASE_CHANGED and e["price_ticks"] != NO_PRICE:
            if self.last[instrument] == 2**63 - 1:
                self.last[instrument] = int(e["price_ticks"])
        elif self.tracks and kind == EventKind.ACCEPTED:
            before = self.need(who, instrument)
            source = c if c["order_type"] in MOVING else e
            price = None if c["order_type"] in UNPRICED else int(source["price_ticks"])
            if c["order_type"] in BUDGETS:
                price = 0
            self.orders[key] = Order(
                who,
                instrument,
                int(e["side"]),
                int(e["leaves_lots"]),
                price,
                c["order_type"] in MOVING,
            )
            self._reserve(e, Kind.PENDING, who, instrument, before)
        elif self.tracks and kind in (
            EventKind.CANCELLED,
            EventKind.REDUCED,
            EventKind.REPLACED,
            EventKind.EXPIRED,
            EventKind.CONVERTED,
        ):
            self._changed(c, e, kind, who, instrument, key)

    def _changed(self, c: Any, e: Any, kind: int, who: int, instrument: int, key: Any) -> None:
        before, order = self.need(who, instrument), self.orders[key]
        if kind == EventKind.CONVERTED:
            order.price, order.pegged = int(e["price_ticks"]), False
        elif order.price is not None and (kind, c["kind"]) == (
            EventKind.REPLACED,
            CommandKind.REPLACE,
        ):
            order.price = int((c if order.pegged else e)["price_ticks"])
        order.leaves = int(e["leaves_lots"])
        if order.leaves == 0:
            del self.orders[key]
        what = Kind.CHANGED if order.leaves else Kind.VOIDED
        self._reserve(e, what, who, instrument, before)

    def _reserve(self, e: Any, kind: Kind, who: int, instrument: int, before: Any) -> None:
        money, margin, lots = self._more(who, instrument, before)
        if money or margin or lots:
            self._row(
                e,
                kind,
                who,
                instrument,
                available=-money - margin,
                reserved=money,
                margin=margin,
                lots_available=-lots,
                lots_reserved=lots,
            )

    def _more(self, who: int, instrument: int, before: Any) -> tuple[int, int, int]:
        after = self.need(who, instrument)
        return after[0] - before[0], after[1] - before[1], after[2] - before[2]

    def _filled(self, e: Any, who: int, instrument: int, key: Any) -> None:
        sign = 1 if e["side"] == Side.BUY else -1
        qty, price = int(e["qty_lots"]), int(e["price_ticks"])
        multiplier = int(self.money_of.multiplier[instrument])
        notional = price * multiplier * qty
        position = self.positions[who, instrument]
        paid = -sign * notional
        if self.money_of.leveraged[instrument]:
            paid = position * multiplier * (price - self.marks[who, instrument])
        self.marks[who, instrument] = price
        before = self.need(who, instrument) if self.tracks else (0, 0, 0)
        self.positions[who, instrument] += sign * qty
        money = margin = lots = 0
        if self.tracks:
            self.orders[key].leaves = int(e["leaves_lots"])
            if self.orders[key].leaves == 0:
                del self.orders[key]
            money, margin, lots = self._more(who, instrument, before)
        auction = bool(e["flags"] & EventFlag.AUCTION)
        maker = bool(e["flags"] & EventFlag.MAKER)
        if (sign == 1) if auction else maker:
            self.last[instrument] = price
        lot_fee = self.lot_fee[instrument] * qty
        due = self._fee(who, instrument, abs(notional), maker or auction)
        self._row(
            e,
            Kind.POSTED,
            who,
            instrument,
            available=paid - lot_fee - money - margin,
            reserved=money,
            margin=margin,
            fees_due=-due,
            fee_income=lot_fee + due,
            clearing=-paid,
            lots_available=sign * qty - lots,
            lots_reserved=lots,
            lots_clearing=-sign * qty,
        )

    def _fee(self, who: int, instrument: int, amount: int, is_maker: bool) -> int:
        day, volumes = self.now_ns // DAY_NS, self.volumes[who]
        last = max(volumes, default=0)
        day = max(day, last)
        volume = sum(v for d, v in volumes.items() if day - 30 <= d < day)
        volume = min(volume, 2**63 - 1)
        fee = 0
        for place in ((who, instrument), (who, -1), (-1, instrument), (-1, -1)):
            if place in self.schedule_of:
                schedule = self.schedules[self.schedule_of[place]]
                tiers = [t for _, t in sorted(schedule.tiers.items()) if t[0] <= volume]
                best = max((t[0] for t in tiers), default=None)
                _, maker, taker = next((t for t in tiers if t[0] == best), (0, 0, 0))
                rate = maker if is_maker else taker
                fee = half_even(amount, rate)
                fee = max(fee, schedule.minimum) if rate > 0 else fee
                break
        volumes[day] += amount
        return fee

    # Settings.

    def _setting(self, c: Any, e: Any) -> None:
        what, who, value = Setting(int(c["order_type"])), int(c["qty_lots"]), int(c["aux"])
        symbol, second = bytes(c["symbol"]).decode(), int(c["price_ticks"])
        instrument = self.symbols.index(symbol) if symbol in self.symbols else -1
        if what is Setting.DEPOSIT:
            sources = {0: "outside", 1: "fees_due", 2: "clearing"}
            deltas = {"available": value, sources.get(second, "suspense"): -value}
            self._row(e, Kind.DEPOSIT, who, -1, **deltas)
        elif what is Setting.POSITION:
            before = self.need(who, instrument)
            self.positions[who, instrument], self.marks[who, instrument] = value, second
            _, margin, _ = self._more(who, instrument, before)
            self._row(
                e,
                Kind.POSITION,
                who,
                instrument,
                available=-margin,
                margin=margin,
                lots_available=value,
                lots_outside=-value,
            )
        elif what in (Setting.FEE, Setting.MARGIN):
            before_all = [self.need(p, instrument) for p in range(self.participants)]
            rates = self.lot_fee if what is Setting.FEE else self.lot_margin
            rates[instrument] = value
            for other, before in enumerate(before_all):
                self._reserve(e, Kind.REPRICED, other, instrument, before)
        elif what is Setting.MARK and instrument < 0:
            for index in range(len(self.last)):
                self._mark(e, index)
        elif what is Setting.MARK:
            self._mark(e, instrument)
        elif what in (Setting.DIVIDEND, Setting.SPLIT):
            self._adjust(e, instrument, what is Setting.SPLIT, *divmod(value, 1 << 32), second)
        elif what is Setting.LEDGER_TIER:
            taker, maker = value >> 32, value & 0xFFFFFFFF
            maker -= (maker >> 31) << 32
            self.schedules[who // 16].tiers[who % 16] = (second, maker, taker)
        elif what is Setting.LEDGER_MINIMUM:
            self.schedules[who].minimum = value
        elif what is Setting.LEDGER_FEES and value < 0 and (who, instrument) == (-1, -1):
            self.schedule_of.clear()
        elif what is Setting.LEDGER_FEES and value < 0:
            self.schedule_of.pop((who, instrument), None)
        elif what is Setting.LEDGER_FEES:
            self.schedule_of[who, instrument] = value

    def _adjust(
        self, e: Any, instrument: int, is_split: bool, new: int, old: int, price: int
    ) -> None:
        kind = Kind.SPLIT if is_split else Kind.DIVIDEND
        worth = price * int(self.money_of.multiplier[instrument])
        for who in range(self.participants):
            was = self.positions[who, instrument]
            if not was:
                continue
            before, sign = self.need(who, instrument), 1 if was > 0 else -1
            exact = Fraction(abs(was) * new, old)
            size, cash = abs(was), round(exact)
            if is_split:
                size = exact.numerator // exact.denominator
                cash = round((exact - size) * worth)
            self.positions[who, instrument], self.marks[who, instrument] = sign * size, price
            _, margin, _ = self._more(who, instrument, before)
            cash, lots = sign * cash, sign * size - was
            self._row(
                e,
                kind,
                who,
                instrument,
                available=cash - margin,
                margin=margin,
                outside=-cash,
                lots_available=lots,
                lots_outside=-lots,
            )
        self.last[instrument] = price

    def _mark(self, e: Any, instrument: int) -> None:
        price = self.last[instrument]
        if price == 2**63 - 1:
            return
        for who in range(self.participants):
            position = self.positions[who, instrument]
            move = price - self.marks[who, instrument]
            gain = position * int(self.money_of.multiplier[instrument]) * move
            if position:
                self.marks[who, instrument] = price
            if gain and self.money_of.leveraged[instrument]:
                self._row(e, Kind.MARKED, who, instrument, available=gain, clearing=-gain)

    def _row(self, e: Any, kind: Kind, who: int, instrument: int, **deltas: int) -> None:
        """A balanced transaction: into the balances, and kept."""
        assert sum(deltas.get(name, 0) for name in MONEY_COLUMNS) == 0
        assert sum(deltas.get(name, 0) for name in LOT_COLUMNS) == 0
        for name, amount in deltas.items():
            asset = self.symbols[instrument] if name in LOT_COLUMNS else "money"
            of_venue = name in MONEY_COLUMNS[4:] or name in LOT_COLUMNS[2:]
            self.balances["venue" if of_venue else who, asset, name] += amount
        row = {name: amount for name, amount in deltas.items() if amount}
        seq, cause = int(e["seq"]), int(e["cause_seq"])
        row |= {
            "event_seq": seq,
            "cause_seq": cause,
            "ts_ns": self.now_ns,
            "kind": int(kind),
            "participant": who,
            "instrument": instrument & 0xFFFF,
        }
        self.rows.append(row)
