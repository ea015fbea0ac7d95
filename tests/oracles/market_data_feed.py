"""The feed, slowly and plainly: which messages a command's events are, for the kernels to equal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from openoutcry.journal.projections import PauseCause, Setting
from openoutcry.wire.enums import EventFlag, EventKind, Phase, Side
from openoutcry.wire.feed_messages import ITCH50
from openoutcry.wire.instrument_states import InstrumentState
from openoutcry.wire.records import INSTRUMENT, NO_PRICE

DAY_NS = 86_400_000_000_000
NO_LIMIT = (2**63 - 1, -(2**63))
CALLS = (Phase.PRE_OPEN, Phase.OPENING_AUCTION, Phase.VOLATILITY_AUCTION, Phase.CLOSING_AUCTION)
PAST_TRADING = (Phase.CLOSED, Phase.CLOSING_AUCTION, Phase.TRADING_AT_LAST)
STATES = {
    1: "HCLSD",
    2: "QPREO",
    3: "QOPEN",
    4: "TCONT",
    5: "PVOLA",
    6: "HHALT",
    7: "QCLOS",
    8: "TLAST",
}
CROSSES = {2: "O", 3: "O", 5: "H", 6: "H", 7: "C", 8: "C"}
PAUSES = {
    PauseCause.BANDS: "LUDP",
    PauseCause.VOLATILITY: "T5",
    PauseCause.VELOCITY: "T5",
    PauseCause.GROUP: "T5",
}
LISTED = {
    InstrumentState.SUSPENDED: "HSUSP",
    InstrumentState.CLOSE_ONLY: "TCONL",
    InstrumentState.DELISTED: "HDLST",
}
MAX_LEVEL = (2**63 - 1) // 10**8
E, F = EventKind, EventFlag
RULES = {1: "qty_step_lots", 7: "auction_band_ticks", 32: "symbol"}
"""What a feed says of the rules that INSTRUMENT_RULE changes, by its numbers."""
SILENT = E.REJECTED, E.COMPLETED, E.DELAYED, E.ENTERED


@dataclass
class Order:
    """An open order; ``number`` is the public's, 0 while nothing is displayed."""

    instrument: int
    side: int
    is_hidden: bool
    is_waiting: bool = False
    price: int = 0
    leaves: int = 0
    slice: int = 0
    display: int = 0
    placed: int = 0
    number: int = 0
    shown: int = 0
    shown_price: int = 0
    renewed: bool = False

    @property
    def visible(self) -> int:
        if self.is_hidden or self.is_waiting or self.price in NO_LIMIT:
            return 0
        return self.slice if self.display else self.leaves


class ReferenceFeed:
    """As :class:`openoutcry.market_data.feed.Feed`; quantities must fit."""

    def __init__(
        self,
        instruments: npt.NDArray[Any],
        decimals: Mapping[str, int] | None = None,
        symbols: Sequence[str] = (),
    ) -> None:
        self.rows = [{name: row[name] for name in INSTRUMENT.offsets} for row in instruments]
        self.symbols = list(symbols) or [bytes(row["symbol"]).decode() for row in self.rows]
        ticks = [(decimals or {}).get(symbol, 4) for symbol in self.symbols]
        self.decimals = [max(4, places) for places in ticks]
        self.scales = [10 ** max(0, 4 - places) for places in ticks]
        self.phases = [Phase(int(row["initial_phase"])) for row in self.rows]
        self.crosses = [CROSSES.get(phase, "O") for phase in self.phases]
        self.extensions = [0] * len(self.rows)
        self.orders: dict[tuple[int, int], Order] = {}
        self.pending: list[Order] = []
        self.messages: list[bytes] = []
        self.uncrossed: Any = None
        self.changed: Any = None
        self.in_hours = self.ends = False
        self.causes = [(0, 0)] * len(self.rows)
        self.halted: dict[int, str] = {}
        self.staged: dict[str, int] = {}
        self.listed: dict[int, int] = {}
        """By the operator, and for which reason."""
        self.stopped: set[int] = set()
        self.levels: tuple[int, ...] = (0, 0, 0)
        self.breached = self.first_operator = 0
        self.market_killed = False
        self.session, self.first = 1, 0
        self.now = 0

    def encode(self, events: npt.NDArray[Any], times: Mapping[int, int]) -> list[bytes]:
        """The messages, without their lengths; ``times``: ns since the epoch, by command."""
        first = len(self.messages)
        for event in events:
            self.now = times[int(event["cause_seq"])] % DAY_NS
            kind = E(event["kind"])
            if len(self.messages) == self.first:
                if self.session > 1 and kind in SILENT:
                    if kind == E.COMPLETED:
                        self.of_a_setting(event, tells=False)
                    continue
                self.begin()
            if kind in (E.PHASE_CHANGED, E.INDICATIVE, E.UNCROSSED):
                self.of_the_market(kind, event)
            elif kind == E.ENTERED:
                self.tell(self.pending)
            elif kind == E.COMPLETED:
                self.of_a_setting(event, tells=True)
            elif kind == E.BROKEN:
                if event["side"] == Side.BUY:
                    self.say("B", int(event["instrument"]), match=int(event["contra_id"]))
            elif kind not in SILENT:
                self.of_an_order(kind, event)
            if event["flags"] & F.LAST:
                self.tell_market()
                self.tell(self.pending)
                if self.ends:
                    self.say("S", event="C")
                    self.session, self.first, self.ends = (
                        self.session + 1,
                        len(self.messages),
                        False,
                    )
        return self.messages[first:]

    def say(self, kind: str, instrument: int | None = None, **fields: Any) -> None:
        layout = ITCH50.from_server(kind)
        if instrument is not None and self.symbols[instrument].startswith("+"):
            return  # a slot is no instrument yet
        if instrument is not None:
            fields["locate"] = instrument + 1
            if "stock" in layout.offsets:
                fields["stock"] = bytes(self.rows[instrument]["symbol"])
            most = (2**32 - 1) // self.scales[instrument]
            for name in layout.offsets:
                is_price = "price" in name and name != "price_decimals"
                if is_price or name in ("upper", "lower"):
                    fields[name] = min(max(int(fields[name]), 0), most) * self.scales[instrument]
        self.messages.append(layout.pack(timestamp=self.now, **fields))

    def directory(self, index: int) -> None:
        """R: the instrument, with its round lot."""
        lot = int(self.rows[index]["qty_step_lots"])
        self.say(
            "R",
            index,
            round_lot=min(lot, 2**32 - 1),
            round_lots_only="Y" if lot > 1 else "N",
            classification="C",
            sub_type="Z",
            authenticity="P",
            ipo="N",
            etp="N",
            inverse="N",
        )

    def begin(self) -> None:
        self.say("S", event="O")
        for index in range(len(self.rows)):
            self.announce(index)
        if any(phase != Phase.CLOSED for phase in self.phases):
            self.say("S", event="S")
        self.hours_begin()
        for index in range(len(self.rows)):
            self.trading_action(index)
            if index in self.stopped:
                self.say("h", index, market="Q", action="H")
        if any(self.levels):
            self.decline_levels()
        if self.breached:
            self.say("W", level=str(self.breached))
        if self.session > 1:
            stay = [order for order in self.orders.values() if order.number]
            for order in sorted(stay, key=lambda one: one.placed):
                order.number = order.placed
                self.add(order)

    def announce(self, index: int) -> None:
        """R, and o of what R cannot say."""
        self.directory(index)
        if len(self.symbols[index]) > 8 or self.decimals[index] > 4:
            named = {"symbol": self.symbols[index], "price_decimals": self.decimals[index]}
            self.say("o", index, **named)

    def add(self, order: Order) -> None:
        side = "B" if order.side == Side.BUY else "S"
        self.say(
            "A",
            order.instrument,
            reference=order.number,
            shares=order.shown,
            side=side,
            price=order.price,
        )

    def hours_begin(self) -> None:
        if Phase.CONTINUOUS in self.phases and not self.in_hours:
            self.in_hours = True
            self.say("S", event="Q")

    def trading_action(self, index: int) -> None:
        phase, (cause, level) = self.phases[index], self.causes[index]
        text, by_market = STATES[phase], cause == PauseCause.MARKET
        if phase == Phase.HALT and self.halted.get(index):
            text = f"H{self.halted[index]}"
        elif phase == Phase.HALT and cause:
            text = f"HMWC{level}" if by_market else f"P{PAUSES[PauseCause(cause)]}"
        elif phase == Phase.HALT and index in self.halted:
            text = "HO1"
        elif phase == Phase.VOLATILITY_AUCTION and cause:
            text = "QMWCQ" if by_market else "QT7"
        elif phase == Phase.CLOSED and by_market and level == 3:
            text = "HMWC3"
        listed = self.listed.get(index)
        if listed != InstrumentState.CLOSE_ONLY or phase == Phase.CONTINUOUS:
            text = LISTED.get(listed, text)
        self.say("H", index, state=text[0], reason=text[1:])

    def decline_levels(self) -> None:
        levels = [min(max(level, 0), MAX_LEVEL) * 10**8 for level in self.levels]
        self.say("V", level1=levels[0], level2=levels[1], level3=levels[2])

    # What the exchange operator sets.

    def of_a_setting(self, event: Any, tells: bool) -> None:
        """COMPLETED of a RISK command; ``tells``: a session has begun."""
        what, value = int(event["contra_id"]), int(event["leaves_lots"])
        places = tuple(int(event[name]) for name in ("price_ticks", "qty_lots", "order_id"))
        index, before = int(event["instrument"]), self.levels
        if what == Setting.HALT and index < len(self.rows):
            self.halted.pop(index, None)
            if value:
                named = 0 < places[0] < 2**32
                self.halted[index] = places[0].to_bytes(4).decode("latin-1") if named else ""
        elif what == Setting.INSTRUMENT_STATE and index < len(self.rows):
            self.listed[index] = value
            if tells:
                self.trading_action(index)
        elif what == Setting.INSTRUMENT_RULE:
            if places[1] in RULES:
                self.staged[RULES[places[1]]] = value
        elif what == Setting.INSTRUMENT_APPLY:
            if value and index < len(self.rows):
                lot = self.rows[index]["qty_step_lots"]
                named = self.staged.pop("symbol", 0).to_bytes(8, "little", signed=True)
                self.rows[index] |= self.staged
                if symbol := named.rstrip(b"\0").decode():
                    self.rows[index]["symbol"], self.symbols[index] = symbol.encode(), symbol
                    if tells:
                        self.announce(index)
                        self.trading_action(index)
                        if index in self.stopped:
                            self.say("h", index, market="Q", action="H")
                elif tells and self.rows[index]["qty_step_lots"] != lot:
                    self.directory(index)
            self.staged = {}
        elif what == Setting.MARKET_KILL:
            if value or self.first_operator:
                self.market_killed, self.first_operator = bool(value), 0
            else:
                self.first_operator = places[2]
        elif what in (Setting.TRADING_DAY, Setting.BREAKER, Setting.INDEX_WEIGHT):
            self.levels = places
            begins = what == Setting.TRADING_DAY
            self.breached = 0 if begins else self.breached
            if tells and any(places) and (begins or places != before):
                self.decline_levels()
                if self.breached:
                    self.say("W", level=str(self.breached))
        stopped = {
            index
            for index in range(len(self.rows))
            if self.market_killed or self.halted.get(index) == ""
        }
        for index in sorted(stopped ^ self.stopped):
            if tells:
                self.say("h", index, market="Q", action="H" if index in stopped else "T")
        self.stopped = stopped

    # The market.

    def of_the_market(self, kind: EventKind, event: Any) -> None:
        index, paired, price = (int(event[n]) for n in ("instrument", "qty_lots", "price_ticks"))
        if kind == E.INDICATIVE:
            self.tell_market()
            self.tell(self.pending)
            imbalance = int(event["leaves_lots"])
            side = "B" if event["side"] == Side.BUY else "S"
            price = price if paired else 0
            self.say(
                "I",
                index,
                paired=paired,
                imbalance=imbalance,
                far_price=price,
                near_price=price,
                reference_price=price,
                cross_type=self.crosses[index],
                direction="O" if not paired else side if imbalance else "N",
                variation="L" if paired else " ",
            )
        elif kind == E.UNCROSSED:
            self.uncrossed = (index, paired, price if paired else 0, int(event["seq"]))
        else:
            old, new = int(event["contra_id"]), Phase(int(event["qty_lots"]))
            again = old == new and new in CALLS and self.rows[index]["auction_band_ticks"]
            self.extensions[index] = self.extensions[index] + 1 if again else 0
            if new in (*CALLS, Phase.HALT):
                self.crosses[index] = CROSSES[new]
            if old != new or new in (*CALLS, Phase.HALT):
                self.changed = (index, new, price)
            self.causes[index] = int(event["order_id"]), int(event["leaves_lots"])

    def tell_market(self) -> None:
        """Q, then what the phase begins, the phase, what it ends."""
        if self.uncrossed:
            index, qty, price, match = self.uncrossed
            self.say(
                "Q", index, shares=qty, price=price, match=match, cross_type=self.crosses[index]
            )
            self.uncrossed = None
        if not self.changed:
            return
        index, phase, price = self.changed
        self.changed = None
        was_open = any(phase != Phase.CLOSED for phase in self.phases)
        self.phases[index] = phase
        is_open = any(phase != Phase.CLOSED for phase in self.phases)
        if is_open and not was_open:
            self.say("S", event="S")
        self.hours_begin()
        cause, level = self.causes[index]
        if cause == PauseCause.MARKET and level > self.breached:
            self.breached = level
            self.say("W", level=str(level))
        self.trading_action(index)
        reopens = cause != 0 and phase == Phase.VOLATILITY_AUCTION and price != NO_PRICE
        if self.extensions[index] or (reopens and self.rows[index]["auction_band_ticks"]):
            band, most = int(self.rows[index]["auction_band_ticks"]), (2**32 - 1)
            most //= self.scales[index]
            limits = [min(max(p, 0), most) for p in (price, price + band, price - band)]
            self.say(
                "J",
                index,
                reference_price=limits[0],
                upper=limits[1],
                lower=limits[2],
                extension=self.extensions[index],
            )
        if self.in_hours and all(phase in PAST_TRADING for phase in self.phases):
            self.in_hours = False
            self.say("S", event="M")
        if was_open and not is_open:
            self.say("S", event="E")
            self.ends = True

    # Orders.

    def of_an_order(self, kind: EventKind, event: Any) -> None:
        key = int(event["instrument"]), int(event["order_id"])
        flags, seq, qty = int(event["flags"]), int(event["seq"]), int(event["qty_lots"])
        if kind == E.ACCEPTED:
            self.orders[key] = Order(key[0], int(event["side"]), bool(flags & F.HIDDEN))
        order = self.orders[key]
        if kind == E.FILLED and flags & F.MAKER:
            self.trade(order, event)
        order.leaves = int(event["leaves_lots"])
        if flags & F.ICEBERG:
            order.display = int(event["contra_id"])
        if kind == E.FILLED:
            order.slice = order.slice - qty if flags & F.MAKER else order.display
        if kind in (E.ACCEPTED, E.REPLACED, E.REPEGGED, E.CONVERTED):
            order.price = int(event["price_ticks"])
        if kind in (E.ACCEPTED, E.REPLACED, E.REPEGGED, E.ELECTED):
            order.is_waiting = bool(flags & F.WAITING) and kind != E.ELECTED
        moved = kind in (E.ACCEPTED, E.REPLACED, E.REPEGGED, E.CONVERTED, E.ELECTED, E.REFRESHED)
        if moved and not flags & F.KEPT_PLACE:
            order.slice, order.placed = order.display, seq
            self.to_be_told(order)
        order.slice = min(order.slice, order.leaves)
        if flags & F.AUCTION:
            self.auction_trade(order, event)
        if order.leaves == 0:
            self.delete(order)
            self.pending = [other for other in self.pending if other is not order]
            del self.orders[key]
        elif kind != E.FILLED and not any(other is order for other in self.pending):
            if order.visible > order.shown:
                self.to_be_told(order, renewed=order.number != 0)
            elif order.visible == 0:
                self.delete(order)
            elif order.visible < order.shown:
                self.say(
                    "X",
                    order.instrument,
                    reference=order.number,
                    shares=order.shown - order.visible,
                )
                order.shown = order.visible

    def to_be_told(self, order: Order, renewed: bool = False) -> None:
        others = [other for other in self.pending if other is not order]
        order.renewed = renewed
        self.pending = (
            others if order.is_hidden else sorted([*others, order], key=lambda o: o.placed)
        )

    def tell(self, orders: list[Order]) -> None:
        for order in list(orders):
            self.pending = [other for other in self.pending if other is not order]
            if not order.visible:
                self.delete(order)
                continue
            old = order.number
            number = len(self.messages) - self.first + 1
            order.number = 1 << 60 | number if order.renewed else order.placed
            order.shown, order.shown_price = order.visible, order.price
            if old:
                self.say(
                    "U",
                    order.instrument,
                    reference=old,
                    new_reference=order.number,
                    shares=order.shown,
                    price=order.price,
                )
            else:
                self.add(order)

    def delete(self, order: Order) -> None:
        if order.number:
            self.say("D", order.instrument, reference=order.number)
        order.number = order.shown = 0

    def trade(self, maker: Order, event: Any) -> None:
        """A fill of an order that rested, before the order is changed by it."""
        taker = self.orders.get((maker.instrument, int(event["contra_id"])))
        pending = any(other is maker for other in self.pending)
        if self.changed or self.uncrossed or pending or any(o.number for o in self.pending):
            self.tell_market()
            if pending:
                self.tell([order for order in self.pending if order is not taker])
            if taker is not None and any(other is taker for other in self.pending):
                self.delete(taker)
        qty, price, match = (int(event[n]) for n in ("qty_lots", "price_ticks", "seq"))
        if not maker.number:
            off_book = int(event["order_id"]) // 2**60 == 3
            terms = {"reference": int(off_book), "shares": qty, "price": price, "match": match}
            self.say("P", maker.instrument, side="B", **terms)
            return
        if price == maker.shown_price:
            self.say("E", maker.instrument, reference=maker.number, shares=qty, match=match)
        else:
            self.say(
                "C",
                maker.instrument,
                reference=maker.number,
                shares=qty,
                match=match,
                printable="Y",
                price=price,
            )
        maker.shown -= qty
        if maker.shown == 0:
            maker.number = 0

    def auction_trade(self, order: Order, event: Any) -> None:
        """What an auction took of what is displayed; the order is as it is after it."""
        if not order.number:
            return
        if order.visible > order.shown and not any(other is order for other in self.pending):
            behind = [
                other
                for other in self.orders.values()
                if other.number
                and (other.instrument, other.side, other.price)
                == (order.instrument, order.side, order.price)
                and other.placed >= order.placed
                and not any(one is other for one in self.pending)
            ]
            for other in behind:
                self.to_be_told(other, renewed=True)
        elif order.visible < order.shown:
            match = int(event["seq"]) - (event["side"] != Side.BUY)
            gone, price = order.shown - order.visible, int(event["price_ticks"])
            self.say(
                "C",
                order.instrument,
                reference=order.number,
                match=match,
                printable="N",
                shares=gone,
                price=price,
            )
            order.shown = order.visible
            if not order.shown:
                order.number = 0
