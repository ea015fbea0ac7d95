"""Why an order did not trade, or not whole: answered from the rules, with the figures of the book.

The journal is replayed to just before the order, through its life, and to just before its end.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal.book import BookOrder, Stepper, event_text, orders_of, phase_of
from openoutcry.journal.projections import Engine, JournalReader, refusal_text
from openoutcry.surveillance.audit.columns import error_names
from openoutcry.wire.enums import (
    SELF_TRADE_SHIFT,
    CommandKind,
    EventFlag,
    EventKind,
    OrderType,
    Phase,
    Reason,
    Side,
    TimeInForce,
)
from openoutcry.wire.errors import AuditError
from openoutcry.wire.order_types import PEGS, STOPS, TRAILING, UNPRICED
from openoutcry.wire.symbols import code_of, names_by_code, symbol_text
from openoutcry.wire.words import REASON_TEXTS

Array = npt.NDArray[Any]
WINDOW = 4_096
MATCHING = (Phase.CONTINUOUS, Phase.TRADING_AT_LAST)


@dataclass
class Answer:
    """``cause``: one word of :func:`why`'s list; ``lines``: sentences, in the order in which things
    happened; ``facts``: the figures in them."""

    cause: str = ""
    lines: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def say(self, line: str, **facts: Any) -> None:
        """Add a sentence to the answer, and its facts."""
        self.lines.append(line)
        self.facts |= facts


def entries_of(directory: Path, order_id: int, symbol: str | None = None) -> list[int]:
    """Sequences of the NEW commands with this id, in order: the journal is read, not replayed."""
    entries: list[int] = []
    for _, orders in JournalReader(directory).chunks():
        mine = (orders["order_id"] == order_id) & (orders["kind"] == CommandKind.NEW)
        if symbol is not None:
            mine &= orders["symbol"] == code_of(symbol)
        entries += orders["seq"][mine].tolist()
    return entries


def why(directory: Path, order_id: int, symbol: str | None = None, entry: int = 0) -> Answer:
    """Return why the order with this id did not trade, or not whole.  Of several with it the last,
    or the one that came with command ``entry``.

    ``cause`` is one of TRADED, REJECTED, DELAYED (it waits at the speed bump), REST_CANCELLED (it
    must not rest), SELF_TRADE, NOT_TRIGGERED, NO_PEG_PRICE and PHASE.  Of an order that could have
    traded it is NOT_WHOLE (all or none), QUEUE (others were ahead of it) or PRICE (no order came to
    its price).  Raises :class:`AuditError` if the journal has no such order.
    """
    known = entries_of(directory, order_id, symbol)
    if entry and entry not in known:
        raise AuditError(f"{directory}: command {entry:,} is not a new order {order_id}")
    if not known:
        where = f" of {symbol}" if symbol else ""
        raise AuditError(f"{directory}: no order {order_id}{where} is in this journal")
    return _Question(Stepper(directory, entry or known[-1])).answer()


class _Question:
    """One order; the stepper is just after its NEW command."""

    def __init__(self, stepper: Stepper) -> None:
        self.stepper, self.command = stepper, stepper.command
        self.symbols = stepper.symbols
        self.order_id, self.entry = int(self.command["order_id"]), stepper.seq
        self.symbol = symbol_text(self.command["symbol"], names_by_code(self.symbols))
        self.side, self.qty = int(self.command["side"]), int(self.command["qty_lots"])
        self.price = int(self.command["price_ticks"])
        self.kind = int(self.command["order_type"])
        self.traded = 0
        self.end: Any = None
        """The event that ended it."""
        self.result = Answer(facts={"order_id": self.order_id, "entry_seq": self.entry})

    def answer(self) -> Answer:
        """Everything, in its order."""
        own = self._own(self.stepper.events)
        refused = own[own["kind"] == EventKind.REJECTED]
        if len(refused):
            self._refused(refused[0])
        elif (own["kind"] == EventKind.DELAYED).any() and not self._entered(own):
            return self.result
        elif self.result.cause == "":
            self._taken()
        return self.result

    def _own(self, events: Array) -> Array:
        if not len(events) or self.symbol not in self.symbols:
            return events[events["order_id"] == self.order_id] if len(events) else events
        instrument = self.symbols.index(self.symbol)
        return events[(events["order_id"] == self.order_id) & (events["instrument"] == instrument)]

    def _before(self) -> Engine:
        """The book as the order found it."""
        here = self.stepper.seq
        self.stepper.goto(here - 1)
        engine = self.stepper.engine.clone()
        self.stepper.goto(here)
        return engine

    def _refused(self, event: Any) -> None:
        reason = Reason(int(event["reason"]))
        self.result.cause = "REJECTED"
        if reason is Reason.GATEWAY:
            text = f"the gateway's checks failed: {error_names(int(event['contra_id']))}"
        elif reason is Reason.RISK:
            figures = (
                int(event[n]) for n in ("contra_id", "price_ticks", "leaves_lots", "qty_lots")
            )
            text = f"a limit: {refusal_text(*figures)}"
        else:
            text = REASON_TEXTS.say("rejected", reason)
        self.result.say(f"It was rejected ({reason.name}): {text}.", reason=reason.name)
        if self.symbol in self.symbols:
            before = self._before()
            self._opposite(before)
            if reason is Reason.WRONG_PHASE:
                phase = phase_of(before, self.symbol).name
                self.result.say(f"The phase was {phase}.", phase=phase)

    def _entered(self, own: Array) -> bool:
        """Step to where a command that waited at the speed bump entered; False if it
        still waits."""
        event = own[own["kind"] == EventKind.DELAYED][0]
        until = int(event["contra_id"])
        self.result.say(f"It waited at the speed bump until {until} ns.", release_ns=until)
        while self.stepper.forward():
            events = self.stepper.events
            entered = events["kind"] == EventKind.ENTERED
            if (events["contra_id"][entered] == self.entry).any():
                self.result.say(f"It entered with command {self.stepper.seq:,}.")
                refused = self._own(events)
                refused = refused[refused["kind"] == EventKind.REJECTED]
                if len(refused):
                    self._refused(refused[0])
                return True
        self.result.cause = "DELAYED"
        self.result.say("It waits there still at the journal's end.")
        return False

    def _opposite(self, engine: Engine) -> None:
        """The orders on the opposite side."""
        ahead = self._crossing(engine)
        bid, bid_qty, ask, ask_qty = engine.best(self.symbol)
        best, qty = (ask, ask_qty) if self.side == Side.BUY else (bid, bid_qty)
        shown = "nothing" if best is None else f"{qty:,} lots at {best:,}"
        self.result.say(f"The opposite side displayed {shown}.", opposite_ticks=best)
        hidden = sum(o.qty_lots + o.reserve_lots for o in ahead if o.place != 0)
        if hidden:
            self.result.say(
                f"{hidden:,} hidden lots rested within its price.",
                opposite_hidden_lots=hidden,
            )
        total = sum(o.qty_lots + o.reserve_lots for o in ahead)
        self.result.facts["opposite_within_lots"] = total

    def _crossing(self, engine: Engine) -> list[BookOrder]:
        """Opposite orders within its price."""
        crossing = []
        for o in orders_of(engine, self.symbol):
            within = self.kind in UNPRICED or not self._is_worse(o.price_ticks)
            if o.side != self.side and o.place <= 2 and within:
                crossing.append(o)
        return crossing

    def _is_worse(self, opposite_ticks: int) -> bool:
        """An opposite price that it does not meet."""
        buys = self.side == Side.BUY
        return opposite_ticks > self.price if buys else opposite_ticks < self.price

    def _taken(self) -> None:
        """Explain an accepted order: what it met, what was ahead of it, what came, how it ended."""
        self._opposite(self._before())
        on_arrival = self._count(self.stepper.events)
        if on_arrival:
            self.result.say(f"It traded {on_arrival:,} of {self.qty:,} lots on arrival.")
        self.result.facts["traded_on_arrival_lots"] = on_arrival
        rests = self.end is None
        if rests:
            self._ahead("came to rest", "ahead_at_arrival")
        life = _Life(self) if rests else None
        if life is not None:
            life.follow()
        later = self.traded - on_arrival
        if later:
            self.result.say(f"It traded {later:,} lots while it rested.")
        self.result.facts["traded_lots"] = self.traded
        self._ended(life)
        self.result.cause = self._cause(life)

    def _count(self, events: Array) -> int:
        """Lots of the order's fills among events; remembers its end."""
        own = self._own(events)
        lots = int(own["qty_lots"][own["kind"] == EventKind.FILLED].sum())
        self.traded += lots
        for event in own:
            gone = event["kind"] in (EventKind.CANCELLED, EventKind.EXPIRED)
            filled = event["kind"] == EventKind.FILLED and event["leaves_lots"] == 0
            if event["kind"] == EventKind.REPLACED:
                self.price, self.qty = (
                    int(event["price_ticks"]),
                    self.traded + int(event["leaves_lots"]),
                )
                self.result.say(f"It was replaced: {event_text(event, self.symbols)}.")
            if gone or filled:
                self.end = event
        return lots

    def _ahead(self, when: str, name: str) -> None:
        """The orders that would trade before it in the present book."""
        orders = orders_of(self.stepper.engine, self.symbol)
        me = next((o for o in orders if o.order_id == self.order_id and o.side == self.side), None)
        if me is None or me.place > 2:
            return
        self.price = me.price_ticks
        at = orders.index(me)
        better = [
            o
            for index, o in enumerate(orders)
            if o.side == self.side
            and o.place <= 2
            and o is not me
            and (self._is_better(o.price_ticks) or (o.price_ticks == me.price_ticks and index < at))
        ]
        lots = sum(
            o.qty_lots + (o.reserve_lots if self._is_better(o.price_ticks) else 0) for o in better
        )
        hidden = sum(1 for o in better if o.place != 0)
        words = f", {hidden:,} of them not displayed" if hidden else ""
        behind = (
            " It is hidden and comes after the displayed orders at its price." if me.place else ""
        )
        self.result.say(
            f"When it {when} at {me.price_ticks:,}, {len(better):,} orders with {lots:,} lots were "
            f"ahead of it{words}.{behind}",
            **{f"{name}_orders": len(better), f"{name}_lots": lots},
        )

    def _is_better(self, price_ticks: int) -> bool:
        """A price on its own side that trades before its own."""
        buys = self.side == Side.BUY
        return price_ticks > self.price if buys else price_ticks < self.price

    def _ended(self, life: "_Life | None") -> None:
        if self.end is None:
            self.result.say("It is open at the journal's end.", end="OPEN")
            self._ahead("rested at the journal's end", "ahead_at_end")
            return
        end, seq = self.end, int(self.end["cause_seq"])
        if end["kind"] == EventKind.FILLED:
            self.result.say(f"It was filled with command {seq:,}.", end="FILLED", end_seq=seq)
            return
        reason = Reason(int(end["reason"]))
        if life is not None:
            self.stepper.goto(seq - 1)
            self._ahead("still rested", "ahead_at_end")
        self.result.say(
            f"It ended with command {seq:,}, {int(end['qty_lots']):,} lots unfilled "
            f"({reason.name}): {REASON_TEXTS.say('ended', reason)}.",
            end=reason.name,
            end_seq=seq,
        )

    def _cause(self, life: "_Life | None") -> str:
        if self.traded >= self.qty:
            return "TRADED"
        if self.end is not None and self.end["reason"] == Reason.SELF_TRADE:
            return "SELF_TRADE"
        return "REST_CANCELLED" if life is None else life.cause()


class _Life:
    """Events around an order while it rested."""

    def __init__(self, question: _Question) -> None:
        self.q = question
        self.instrument = question.symbols.index(question.symbol)
        self.is_waiting = self._waits(question.stepper.events)
        self.was_active = not self.is_waiting
        self.phases = {phase_of(question.stepper.engine, question.symbol)}
        self.before_it = self.prints = 0
        """Lots of the order's side that traded at its price or better, and all lots."""
        self.low: int | None = None
        self.high: int | None = None
        self.nearest: int | None = None
        """The price closest to its own at which an order of the other side came to rest."""

    def _waits(self, events: Array) -> bool:
        own = self.q._own(events)
        last = own[np.isin(own["kind"], [EventKind.ACCEPTED, EventKind.REPEGGED])]
        return bool(len(last) and last[-1]["flags"] & EventFlag.WAITING)

    def follow(self) -> None:
        """Follow it to its end, or the journal's."""
        stepper = self.q.stepper
        while self.q.end is None and stepper.seq < stepper.last_seq:
            commands = stepper.commands_from(stepper.seq + 1)[:WINDOW]
            self.take(stepper.engine.process(commands))
        self._say()

    def take(self, events: Array) -> None:
        """Events, up to its end."""
        q = self.q
        mine = events[events["instrument"] == self.instrument]
        own = q._own(mine)
        gone = np.isin(own["kind"], [EventKind.CANCELLED, EventKind.EXPIRED])
        gone |= (own["kind"] == EventKind.FILLED) & (own["leaves_lots"] == 0)
        if gone.any():
            mine = mine[mine["seq"] <= own["seq"][gone][0]]
        q._count(mine)
        own = q._own(mine)
        for event in own:
            if event["kind"] == EventKind.ELECTED:
                self.is_waiting, self.was_active = False, True
            if event["kind"] == EventKind.REPEGGED:
                self.is_waiting = bool(event["flags"] & EventFlag.WAITING)
                self.was_active |= not self.is_waiting
        for code in mine["qty_lots"][mine["kind"] == EventKind.PHASE_CHANGED].tolist():
            self.phases.add(Phase(code))
        fills = mine[mine["kind"] == EventKind.FILLED]
        if len(fills):
            low, high = int(fills["price_ticks"].min()), int(fills["price_ticks"].max())
            self.low = low if self.low is None else min(low, self.low)
            self.high = high if self.high is None else max(high, self.high)
            self.prints += int(fills["qty_lots"].sum()) // 2
            # A taker at a better price was not in the queue: it paid more.
            rested = fills["flags"] & (EventFlag.MAKER | EventFlag.AUCTION) != 0
            ours = fills[rested & (fills["side"] == q.side) & (fills["order_id"] != q.order_id)]
            at_or_better = (
                ours["price_ticks"] >= q.price
                if q.side == Side.BUY
                else ours["price_ticks"] <= q.price
            )
            self.before_it += int(ours["qty_lots"][at_or_better].sum())
        self._came(mine)

    def _came(self, mine: Array) -> None:
        kinds = [EventKind.ACCEPTED, EventKind.REPLACED, EventKind.CONVERTED, EventKind.REPEGGED]
        rests = np.isin(mine["kind"], kinds) & (mine["flags"] & EventFlag.WAITING == 0)
        rests &= (mine["side"] != self.q.side) & (mine["price_ticks"] != 0)
        prices = mine["price_ticks"][rests]
        if len(prices):
            near = int(prices.min() if self.q.side == Side.BUY else prices.max())
            pick = min if self.q.side == Side.BUY else max
            self.nearest = near if self.nearest is None else pick(near, self.nearest)

    def _say(self) -> None:
        result = self.q.result
        if self.prints:
            result.say(
                f"While it rested {self.prints:,} lots traded, at {self.low:,} to {self.high:,}.",
                low_ticks=self.low,
                high_ticks=self.high,
            )
        else:
            result.say("While it rested nothing traded.")
        if self.before_it:
            result.say(
                f"{self.before_it:,} lots of its side traded at its price or better: others "
                "were ahead of it.",
                traded_ahead_lots=self.before_it,
            )
        if self.nearest is not None:
            result.say(
                f"The nearest that the other side came was {self.nearest:,}.",
                nearest_ticks=self.nearest,
            )
        names = sorted(phase.name for phase in self.phases)
        result.say(f"Phases meanwhile: {', '.join(names)}.", phases=names)

    def cause(self) -> str:
        """Return why an order that rested did not trade in full."""
        kind = self.q.kind
        if not self.was_active and kind in STOPS:
            self.q.result.say(f"Its trigger, {self._trigger()}, was not reached.")
            return "NOT_TRIGGERED"
        if not self.was_active and kind in PEGS:
            self.q.result.say("There was no price that it could follow within its limit.")
            return "NO_PEG_PRICE"
        tif = int(self.q.command["time_in_force"]) & (1 << SELF_TRADE_SHIFT) - 1
        if not self.was_active and tif in (TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE):
            return "PHASE"
        if not self.phases & set(MATCHING) and not self.prints:
            return "PHASE"
        if kind == OrderType.ALL_OR_NONE and self._was_met():
            return "NOT_WHOLE"
        return "QUEUE" if self.before_it else "PRICE"

    def _trigger(self) -> str:
        aux = int(self.q.command["aux"])
        return "trailing" if self.q.kind in TRAILING else f"{aux:,}"

    def _was_met(self) -> bool:
        """Return whether any order was within its price at all."""
        within = self.q.result.facts.get("opposite_within_lots", 0) > 0
        return within or (self.nearest is not None and not self.q._is_worse(self.nearest))
