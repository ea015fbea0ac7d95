"""What the judge (matcher_judge) checks of lists of orders.  From docs/matcher.md, as the judge."""

from dataclasses import dataclass, field

from openoutcry.wire import CommandKind, EventKind, OrderType, Phase, Reason, Side, TimeInForce
from openoutcry.wire.enums import HAS_ACTIVATION, LEGS_SHIFT, NEW_DAY, Contingency, Term
from openoutcry.wire.order_ids import LEG_ORDER_IDS
from openoutcry.wire.records import NO_INSTRUMENT
from tests.oracles.matcher_judge_book import STOPS, Command, Event, Market, Order, may_trail

WAITS = (Contingency.OTO, Contingency.OTOCO, Contingency.OTOUO)
UPDATES = (Contingency.OUO, Contingency.OTOUO)
ENTERS = (Phase.CONTINUOUS, Phase.PRE_OPEN, Phase.OPENING_AUCTION)
ENTERS += (Phase.VOLATILITY_AUCTION, Phase.CLOSING_AUCTION)


@dataclass(eq=False)
class JudgedList:
    """The open legs of a list, and how far it is."""

    contingency: int
    legs: int
    members: dict[int, Order] = field(default_factory=dict)
    whole: bool = False
    released: bool = False
    """The first leg, for which the others wait, is filled."""

    def group(self, leg: int) -> list[Order]:
        """The other legs that end with the one that trades."""
        if self.contingency == Contingency.OTO:
            return []
        if self.contingency in WAITS and (leg == 1 or not self.released):
            return []
        return [order for place, order in self.members.items() if place != leg]


class Lists:
    """The lists of a run, and the terms that wait for their NEW."""

    def __init__(self) -> None:
        self.terms: dict[tuple[int, int, int], dict[int, tuple[int, int, int]]] = {}
        """By participant, instrument and order id: the terms that wait, by Term."""
        self.new: dict[int, tuple[int, int, int]] = {}
        """Those of the NEW at work,"""
        self.own: tuple[int, int, int] | None = None
        """and the list that it names."""
        self.told = False
        """An event has said so."""
        self.doomed: dict[Order, str] = {}
        """Orders that are gone when the command is done."""
        self.due: list[tuple[Market, Order]] = []
        self.updated: list[tuple[JudgedList, Order]] = []

    def begin(self, c: Command, instrument: int, events: list[Event]) -> None:
        """Before the events of a command."""
        self.own, self.new, self.due, self.updated = None, {}, [], []
        self.told = False
        key = (c.participant, instrument, c.order_id)
        refused = any(e.kind == EventKind.REJECTED for e in events)
        if c.kind == CommandKind.NEW:
            self.new = self.terms.pop(key, {})
            self.own = self.new.get(Term.LIST)
        elif c.kind == CommandKind.TERMS and refused:
            continues = c.order_type == Term.LIST and c.qty > 1
            self.own = (c.price, c.qty, c.aux) if continues else None
        elif refused:
            return
        elif c.kind == CommandKind.TERMS:
            self.terms.setdefault(key, {})[c.order_type] = (c.price, c.qty, c.aux)
        elif c.kind == CommandKind.DISCONNECT:
            self._drop(c.participant, NO_INSTRUMENT)
        elif c.kind == CommandKind.MASS_CANCEL:
            everybody = c.aux in (1, NEW_DAY)
            self._drop(None if everybody else c.participant, instrument if c.symbol else None)
        elif c.kind == CommandKind.PHASE and c.aux == Phase.CLOSED:
            closed = any(e.kind == EventKind.PHASE_CHANGED and e.qty == c.aux for e in events)
            if closed:
                self._drop(None, instrument)

    def asked(self, c: Command, order_id: int) -> Command:
        """The command as it is about this order: of a quote either side."""
        if Term.QUOTE not in self.new or self.new[Term.QUOTE][2] != order_id:
            return c
        price, qty, _ = self.new[Term.QUOTE]
        side = Side.SELL if c.side == Side.BUY else Side.BUY
        return c._replace(price=price, qty=qty, order_id=order_id, side=side)

    def quote_fault(self, c: Command, events: list[Event], index: int, market: Market) -> str:
        """What is wrong with the answer to a quote that was not refused."""
        if Term.QUOTE not in self.new:
            return ""
        price, qty, order_id = self.new[Term.QUOTE]
        if c.order_type not in (OrderType.LIMIT, OrderType.POST_ONLY):
            return "a quote is LIMIT or POST_ONLY"
        bid, offer = sorted(((c.side, c.price), (3 - c.side, price)))
        if qty and bid[1] >= offer[1]:
            return "a quote's bid is below its offer"
        comes = (EventKind.ACCEPTED, EventKind.REPLACED)
        for one in (c.order_id, order_id):
            told = [e for e in events if e.order_id == one and e.instrument == index]
            lots = self.asked(c, one).qty
            if lots and sum(e.kind in comes for e in told) != 1:
                return "each side of a quote enters or is replaced, once"
            if not lots and (one in market.orders or any(e.kind in comes for e in told)):
                return "a side without lots is not open"
        pair = {c.order_id, order_id}
        if any({e.order_id, e.contra_id} == pair for e in events if e.kind == EventKind.FILLED):
            return "the sides of a quote never trade with each other"
        return ""

    def _drop(self, participant: int | None, instrument: int | None) -> None:
        where = None if instrument == NO_INSTRUMENT else instrument
        self.terms = {
            key: values
            for key, values in self.terms.items()
            if participant not in (None, key[0]) or where not in (None, key[1])
        }

    def linked(self, e: Event) -> str:
        """An event says that the NEW at work is a leg; returns what is wrong."""
        self.told = (e.price, e.qty, e.leaves) == self.own and e.contra_id == Term.LIST
        return "" if self.told else "a leg's link is what its terms said"

    def accepted(self, market: Market, order: Order) -> str:
        """The NEW at work was accepted; returns what is wrong."""
        if Term.EXPIRY in self.new:
            if order.tif != TimeInForce.GTC:
                return "EXPIRY goes with GTC"
            order.tif, order.expiry = TimeInForce.GTD, self.new[Term.EXPIRY][2]
        if Term.TRIGGER in self.new:
            activation, _, aux = self.new[Term.TRIGGER]
            if order.order_type not in STOPS:
                return "TRIGGER goes with a stop"
            order.by = aux % HAS_ACTIVATION
            order.activation = activation if aux & HAS_ACTIVATION else None
            if order.trigger is not None and not may_trail(market, order):
                return "a trailing stop has no trigger before its activation"
        if self.own is None:
            alone = "an order with the id of a leg has terms, or is refused"
            needs = LEG_ORDER_IDS <= order.order_id < 2**63 and not self.new
            return alone if needs else ""
        if not self.told:
            return "a leg's link comes before its ACCEPTED"
        list_id, leg, aux = self.own
        contingency, legs = aux % (1 << LEGS_SHIFT), aux >> LEGS_SHIFT
        of = JudgedList(contingency, legs)
        if leg > 1:
            first = market.orders.get(list_id % 2**64)
            if first is None or first.of is None or first.leg != 1 or first.of.whole:
                return "a list waits for its next leg"
            of = first.of
        if first_stands(of, order, leg):
            return "of legs that end each other one at most is no stop"
        if not order.waiting:
            return "a leg waits until its list is whole"
        order.of, order.leg, order.dormant = of, leg, True
        of.members[leg] = order
        if leg == legs:
            of.whole = True
            due = [order for place, order in of.members.items() if place == 1 or not waits(of)]
            self.due += [(market, order) for order in due]
        return ""

    def refused(self, market: Market | None) -> None:
        """The NEW at work was refused: its list is broken."""
        if self.own is None or market is None:
            return
        first = market.orders.get(self.own[0] % 2**64)
        if first is not None and first.of is not None and not first.of.whole and first.leg == 1:
            self._doom(list(first.of.members.values()), "a refused leg ends its list")

    def _doom(self, orders: list[Order], why: str) -> None:
        for order in orders:
            self.doomed.setdefault(order, why)

    def entered(self, order: Order) -> str:
        """A dormant leg enters; returns what is wrong."""
        of = order.of
        assert of is not None
        order.dormant = False
        if order in self.doomed:
            return "a leg whose list has ended does not enter"
        good = of.whole and (not waits(of) or order.leg == 1 or of.released)
        return "" if good else "a leg enters when its list is whole and its first leg is filled"

    def traded(self, market: Market, order: Order) -> str:
        """A leg has a fill, of which its leaves tell; returns what is wrong."""
        of = order.of
        if of is None:
            return ""
        if order.dormant:
            return "a leg that has not entered does not trade"
        if order in self.doomed:
            return "legs that end each other never both trade"
        if order.leaves == 0:
            self._ends(market, order, filled=True)
        elif of.contingency in UPDATES and of.group(order.leg):
            self.updated.append((of, order))
        elif others := of.group(order.leg):
            self._doom(others, "a fill of one leg cancels the others")
            leave(of)
        return ""

    def elected(self, order: Order) -> str:
        """A leg, a stop, is elected; returns what is wrong."""
        if order.of is None:
            return ""
        if order in self.doomed:
            return "a leg whose list has ended is not elected"
        if others := order.of.group(order.leg):
            self._doom(others, "an election cancels the other legs")
            leave(order.of)
        return ""

    def gone(self, market: Market, order: Order, reason: int) -> str:
        """An order is cancelled or expires; returns what is wrong."""
        was_doomed = self.doomed.pop(order, None)
        if reason == Reason.LIST:
            return "" if was_doomed else "LIST: another leg ended it"
        if order.of is not None:
            self._ends(market, order, filled=False)
        return ""

    def _ends(self, market: Market, order: Order, filled: bool) -> None:
        of = order.of
        assert of is not None
        order.of = None
        del of.members[order.leg]
        others = list(of.members.values())
        if filled and waits(of) and order.leg == 1:
            of.released = True
            self.due += [(market, one) for one in others]
            if of.contingency == Contingency.OTO:
                for one in others:
                    one.of = JudgedList(of.contingency, 1, {one.leg: one}, True, True)
            return
        self._doom(others, "the end of one leg cancels the others")
        leave(of)

    def reduced(self, order: Order, leaves: int) -> str:
        """A leg is reduced by its list; returns what is wrong."""
        for of, traded in self.updated:
            if order in of.members.values() and order is not traded and traded.leaves == leaves:
                return ""
        return "LIST: a leg is reduced to what the one that traded has left"

    def end(self) -> str:
        """After the events of a command; returns what is wrong."""
        for order, why in self.doomed.items():
            if order.leaves:
                return why
        self.doomed = {}
        for of, traded in self.updated:
            others = [o for o in of.members.values() if o is not traded]
            if traded.of is of and any(o.leaves > traded.leaves for o in others):
                return "the other leg has no more than the one that traded has left"
        for market, order in self.due:
            trails = order.order_type in STOPS and order.trigger is None
            if market.phase in ENTERS and order.leaves and order.dormant and not trails:
                return "a leg that is due enters at once"
        return ""


def waits(of: JudgedList) -> bool:
    """Whether the other legs wait for the first."""
    return of.contingency in WAITS


def leave(of: JudgedList) -> None:
    """The list is over: what is left of it is no leg."""
    for order in of.members.values():
        order.of = None
    of.members = {}


def first_stands(of: JudgedList, order: Order, leg: int) -> bool:
    """Whether the leg would be the second that is no stop, among those that end each other."""
    if of.contingency == Contingency.OTO or (waits(of) and leg == 1):
        return False
    if order.order_type in STOPS:
        return False
    others = [one for place, one in of.members.items() if place > 1 or not waits(of)]
    return order.order_type == OrderType.MARKET or any(o.order_type not in STOPS for o in others)
