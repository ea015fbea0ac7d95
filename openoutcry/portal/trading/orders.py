"""Orders and fills of the participants that the portal serves, made from released events."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from openoutcry.portal.trading import order_events as events
from openoutcry.portal.trading.instruments import worth
from openoutcry.portal.trading.order_events import (
    EXECUTION_NAMES,
    REJECTED_KIND,
    STATE_NAMES,
    apply_to_object,
)
from openoutcry.risk.bits import RISK_REASON, RiskBit
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import (
    HAS_ACTIVATION,
    LEGS_SHIFT,
    REDUCE_ONLY,
    SELF_TRADE_MASK,
    SELF_TRADE_SHIFT,
    Contingency,
    OrderType,
    SelfTrade,
    Side,
    Term,
    TimeInForce,
    TriggerBy,
)
from openoutcry.wire.order_ids import LEG_ORDER_IDS, OFF_BOOK_ORDER_IDS
from openoutcry.wire.order_types import BUDGETS, ORDER_TYPES, UNPRICED, Aux

MAKER, AUCTION = enum_numbers.EVENT_FLAG_MAKER, enum_numbers.EVENT_FLAG_AUCTION
CLOSED_KEPT, FILLS_KEPT, PREVENTED_KEPT, AMENDED_KEPT = 2_000, 5_000, 1_000, 1_000
"""Kept for each participant; older ones are in the journal, and not in the portal."""
NEW, PARTIALLY_FILLED, FILLED, CANCELED, REJECTED, EXPIRED, EXPIRED_IN_MATCH = STATE_NAMES
TAKES = events.ENTER, events.REPLACE, events.ELECT, events.TRADE
"""Executions of an order that looks for others to trade with."""
OPEN_STATES = (NEW, PARTIALLY_FILLED)
SHOWN = frozenset({"NEW", "TRADE", "CANCELED", "REJECTED", "EXPIRED", "TRADE_PREVENTION"})
"""Executions that a participant's report has."""
WITHOUT_LIMIT = tuple(kind for kind in UNPRICED if kind is not OrderType.MARKET_TO_LIMIT)
"""Types whose orders have no limit, also where they rest."""
NEW_COMMAND = enum_numbers.COMMAND_KIND_NEW


@dataclass(slots=True)
class Fill:
    """One trade of one order."""

    number: int
    """The trade's match number: the number of the maker's fill event."""
    price_ticks: int
    lots: int
    fee_units: int
    fee_asset: str
    time_ns: int
    is_maker: bool
    seq: int = 0
    """Number of the command that caused it."""
    is_broken: bool = False
    """The operator has taken the trade back."""


@dataclass(frozen=True, slots=True)
class FilledOrder:
    """What a fill is shown with of its order: an :class:`Order` has all of it, too."""

    number: int
    instrument: int
    client_id: str
    side: int


@dataclass(slots=True)
class PreventedMatch:
    """A trade between two orders of one participant that did not take place."""

    number: int
    """Of the first event that it caused."""
    taker: "Order"
    maker: "Order"
    price_ticks: int
    """The maker's."""
    lots: int
    """What would have traded."""
    time_ns: int
    seq: int
    taker_lots: int = 0
    """What the taker lost by it, and ``maker_lots`` what the maker lost."""
    maker_lots: int = 0

    def is_half_of(self, taker: "Order", seq: int) -> bool:
        """Return whether the command ``seq`` made it, and the taker's loss is yet to come."""
        return self.taker is taker and self.seq == seq and not self.taker_lots

    def counter_of(self, order: "Order") -> "Order":
        """Return the other order."""
        return self.maker if order is self.taker else self.taker

    def lots_of(self, order: "Order") -> int:
        """Return what an order lost."""
        return self.taker_lots if order is self.taker else self.maker_lots


@dataclass(frozen=True, slots=True)
class Amendment:
    """A change that made an order smaller at the same price, so that it kept its place."""

    number: int
    """Of the event."""
    order: "Order"
    old_id: str
    """The order's client order id before, and ``new_id`` after it."""
    new_id: str
    old_lots: int
    new_lots: int
    time_ns: int


@dataclass(slots=True)
class OrderList:
    """Orders that act on each other (docs/matcher.md, "Lists of orders")."""

    number: int
    """The sequence number of the command that announced its first order."""
    participant: int
    instrument: int
    core_id: int
    """The core's id of its first order."""
    client_id: str
    """The client's name of it."""
    contingency: int
    legs: int
    """How many orders it has."""
    created_ns: int
    core_ids: list[int] = field(default_factory=list)
    """The core's ids of its orders, as far as they are announced."""
    orders: list["Order"] = field(default_factory=list)
    """Those that have come, in their order."""

    @property
    def is_whole(self) -> bool:
        """Return whether all of its orders have come, and none was rejected."""
        return len(self.orders) == self.legs and not self.was_refused

    @property
    def was_refused(self) -> bool:
        """Return whether an order was rejected, so that the list never was."""
        return any(order.state == REJECTED for order in self.orders)

    @property
    def is_open(self) -> bool:
        """Return whether an order of it may still trade."""
        return any(order.is_open for order in self.orders)

    @property
    def updated_ns(self) -> int:
        """When an order of it was last changed."""
        return max((order.updated_ns for order in self.orders), default=self.created_ns)

    @property
    def is_linked(self) -> bool:
        """Return whether an order that is cancelled ends all of it."""
        return self.contingency != Contingency.OTO or self.waits_for_first

    @property
    def waits_for_first(self) -> bool:
        """Return whether all orders but the first wait until that is filled."""
        return self.contingency >= Contingency.OTO and self.orders[0].state != FILLED


@dataclass(frozen=True, slots=True)
class Terms:
    """What a TERMS command has said of an order to come (docs/matcher.md), but for lists."""

    until_ns: int = 0
    """Until when it is good, ns since the epoch; 0: as its own record says."""
    trigger_by: TriggerBy | None = None
    """The price that elects a stop; None: as the instrument's options say."""
    activation_ticks: int = 0
    """The price at which a trailing stop begins to trail; 0: at once."""


NO_TERMS = Terms()


def own_terms(term: int, price_ticks: int, aux: int) -> Terms | None:
    """Return what a TERMS command has said, by its values; None: another term."""
    if term == Term.EXPIRY:
        return Terms(until_ns=aux)
    if term == Term.TRIGGER:
        by = aux & HAS_ACTIVATION - 1
        activation = price_ticks if aux & HAS_ACTIVATION else 0
        return Terms(trigger_by=TriggerBy(by) if by else None, activation_ticks=activation)
    return None


@dataclass(slots=True)
class Order:
    """An order as released events show it."""

    number: int
    """The sequence number of the command that entered it: unique, and the same after a restart."""
    participant: int
    instrument: int
    core_id: int
    client_id: str
    side: int
    order_type: int
    time_in_force: int
    price_ticks: int
    lots: int
    aux: int
    created_ns: int
    updated_ns: int
    state: str = NEW
    executed_lots: int = 0
    executed_tick_lots: int = 0
    """What its lots were worth, summed (:func:`worth`)."""
    leaves_lots: int = 0
    last_ticks: int = 0
    """Price of its last trade."""
    is_waiting: int = 0
    """1: not in the book, a stop before its election."""
    prevented_lots: int = 0
    prevented: PreventedMatch | None = None
    """The last match of it that was prevented."""
    reason: int = 0
    contra: int = 0
    """In a rejection: its bits."""
    limit: int = 0
    needed: int = 0
    cancel_id: str = ""
    """The client's name of the request that cancelled it."""
    fills: list[Fill] = field(default_factory=list)
    seq: int = 0
    """Number of the command that last changed it."""
    of: OrderList | None = None
    """The list that it is of."""
    terms: "Terms | None" = None
    """What was said of it in advance."""

    @property
    def is_pending(self) -> bool:
        """Return whether it waits for the first order of its list."""
        of = self.of
        return of is not None and self is not of.orders[0] and self.is_open and of.waits_for_first

    @property
    def is_open(self) -> bool:
        """Return whether it may still trade: in the book, or a stop that waits."""
        return self.state in OPEN_STATES

    @property
    def is_budget(self) -> bool:
        """Return whether it buys for an amount of the quote asset instead of a quantity."""
        return self.order_type in BUDGETS

    @property
    def shown_lots(self) -> int:
        """The quantity that the client ordered; of an order for a budget what it has bought."""
        return self.executed_lots if self.is_budget else self.lots

    @property
    def tif(self) -> TimeInForce:
        """Its time in force: GTD also where a term has said until when it is good."""
        if self.terms is not None and self.terms.until_ns:
            return TimeInForce.GTD
        return TimeInForce(self.time_in_force & 15)

    @property
    def self_trade(self) -> SelfTrade:
        """Return how it avoids a trade with the same participant."""
        return SelfTrade(self.time_in_force >> SELF_TRADE_SHIFT & SELF_TRADE_MASK)

    @property
    def reduce_only(self) -> bool:
        """Return whether it may only make a position smaller."""
        return bool(self.time_in_force & REDUCE_ONLY)

    # Terms of its type; 0 of an order that does not have them

    def _aux(self, meaning: Aux) -> int:
        return self.aux if ORDER_TYPES[OrderType(self.order_type)].aux is meaning else 0

    @property
    def limit_ticks(self) -> int:
        """Its limit."""
        return 0 if self.order_type in WITHOUT_LIMIT else self.price_ticks

    @property
    def trigger_ticks(self) -> int:
        """The trigger price of a stop; 0 of a trailing one, whose trigger moves."""
        return self._aux(Aux.TRIGGER)

    @property
    def trailing_ticks(self) -> int:
        """The distance of a trailing stop in ticks."""
        return self._aux(Aux.DISTANCE_TICKS) & 0xFFFFFFFF

    @property
    def trailing_bps(self) -> int:
        """The distance of a trailing stop in basis points."""
        return self._aux(Aux.DISTANCE_BPS) & 0xFFFFFFFF

    @property
    def display_lots(self) -> int:
        """Return what an iceberg shows."""
        return self._aux(Aux.DISPLAY)

    @property
    def min_lots(self) -> int:
        """The least that had to trade on arrival."""
        return self._aux(Aux.MINIMUM)

    @property
    def budget_tick_lots(self) -> int:
        """The most that it may pay, in price ticks times lots."""
        return self._aux(Aux.BUDGET)

    @property
    def offset_ticks(self) -> int:
        """Return what a peg adds to the price that it follows."""
        offset = self._aux(Aux.OFFSET)
        return offset if self.side == Side.BUY else -offset

    @property
    def expires_ns(self) -> int:
        """Until when a GTD order is good, ns since the epoch."""
        if self.terms is not None and self.terms.until_ns:
            return self.terms.until_ns
        is_gtd = self.tif is TimeInForce.GTD
        return self._aux(Aux.FREE) if is_gtd else 0

    @property
    def trigger_by(self) -> TriggerBy | None:
        """The price that elects a stop; None: as the instrument's options say."""
        return (self.terms or NO_TERMS).trigger_by

    @property
    def activation_ticks(self) -> int:
        """The price at which a trailing stop begins to trail; 0: at once."""
        return (self.terms or NO_TERMS).activation_ticks


@dataclass(slots=True)
class Report:
    """Effect of one event on an order."""

    order: Order
    execution: str
    """One of SHOWN, or REDUCED, REPLACED, ELECTED, CONVERTED."""
    time_ns: int
    seq: int
    event_seq: int
    fill: Fill | None = None
    # The order as it was after this event; later ones change it.
    state: str = ""
    executed_lots: int = 0
    executed_tick_lots: int = 0
    price_ticks: int = 0
    lots: int = 0
    client_id: str = ""
    prevented: PreventedMatch | None = None
    amended: Amendment | None = None


class ParticipantOrders:
    """One participant's."""

    def __init__(self) -> None:
        self.open: dict[int, Order] = {}
        self.closed: deque[Order] = deque()
        self.by_number: dict[int, Order] = {}
        self.by_client_id: dict[str, Order] = {}
        self.lists: dict[int, OrderList] = {}
        """By their numbers; those whose orders are all forgotten are, too."""
        self.fills: deque[tuple[Order, Fill]] = deque(maxlen=FILLS_KEPT)
        self.prevented: deque[PreventedMatch] = deque(maxlen=PREVENTED_KEPT)
        self.amended: deque[Amendment] = deque(maxlen=AMENDED_KEPT)
        self.forgotten_seq = 0
        """The last command that changed an order which is no longer here."""

    def add(self, order: Order) -> None:
        """Keep an open order, under its number and its client's name."""
        self.open[order.number] = self.by_number[order.number] = order
        if order.client_id:
            self.by_client_id[order.client_id] = order

    def first_opposite(self, order: Order) -> Order | None:
        """Return the open order that ``order`` would meet first of those on the other side."""
        rows = [
            one
            for one in self.open.values()
            if one.instrument == order.instrument and one.side != order.side and not one.is_waiting
        ]
        sign = 1 if order.side == Side.BUY else -1
        return min(rows, key=lambda one: (sign * one.price_ticks, one.number), default=None)

    def close(self, order: Order) -> None:
        """Move an order to the closed ones, of which the last ``CLOSED_KEPT`` are kept."""
        if self.open.pop(order.number, None) is None:
            return
        self.closed.append(order)
        if len(self.closed) > CLOSED_KEPT:
            old = self.closed.popleft()
            self.by_number.pop(old.number, None)
            self.forgotten_seq = max(self.forgotten_seq, old.seq)
            if self.by_client_id.get(old.client_id) is old:
                del self.by_client_id[old.client_id]
            if old.of is not None and not any(
                one.number in self.by_number for one in old.of.orders
            ):
                self.lists.pop(old.of.number, None)

    def list_named(self, client_id: str) -> OrderList | None:
        """Return the last list of this name."""
        found = (one for one in reversed(self.lists.values()) if one.client_id == client_id)
        return next(found, None)

    def all(self) -> list[Order]:
        """Return the orders in the order in which they were entered."""
        return sorted([*self.closed, *self.open.values()], key=lambda order: order.number)


class Orders:
    """Applies events, one after the other."""

    def __init__(self, is_served: Any, inverse_units: Mapping[int, int] | None = None) -> None:
        """``is_served``: whether a participant's orders are kept; ``inverse_units``: those of
        contracts, by instrument."""
        self.is_served, self._inverse_units = is_served, inverse_units or {}
        self.of: dict[int, ParticipantOrders] = {}
        self._by_core_id: dict[tuple[int, int], Order] = {}
        self._lists: dict[tuple[int, int], OrderList] = {}
        """Those whose orders have not all come, by instrument and the first order's core id."""
        self._announced: dict[tuple[int, int], OrderList] = {}
        """By instrument and core id of an order to come."""
        self._terms: dict[tuple[int, int], Terms] = {}
        """What was said of orders to come, by instrument and core id."""
        self._taker: Order | None = None
        """The order of a participant that is here and last looked for others to trade with."""

    def participant(self, number: int) -> ParticipantOrders:
        """The orders of a participant by its number; empty for one that has none."""
        found = self.of.get(number)
        if found is None:
            found = self.of[number] = ParticipantOrders()
        return found

    def announced(self, command: Any, instrument: int, client_id: str) -> None:
        """A TERMS command about an order to come.  If that is of a list, its first order's has the
        list's name."""
        terms = own_terms(command.order_type, command.price_ticks, command.aux)
        if terms is not None:
            if command.order_id >= LEG_ORDER_IDS:  # a session's, whose order is the next command
                self._terms[instrument, command.order_id] = terms
            return
        if command.order_type != Term.LIST:
            return
        first = instrument, command.price_ticks
        if command.qty_lots == 1:
            self._lists[first] = of = OrderList(
                command.seq,
                command.participant,
                instrument,
                command.order_id,
                client_id,
                command.aux & (1 << LEGS_SHIFT) - 1,
                command.aux >> LEGS_SHIFT,
                command.rx_ts_ns,
            )
            self.participant(of.participant).lists[of.number] = of
        elif first in self._lists:
            of = self._lists[first]
        else:
            return
        of.core_ids.append(command.order_id)
        self._announced[instrument, command.order_id] = of

    def _join_list(self, order: Order) -> None:
        """An order has come; if it is one of a list, it is now."""
        of = self._announced.pop((order.instrument, order.core_id), None)
        if of is None:
            return
        order.of = of
        of.orders.append(order)
        if len(of.orders) == of.legs:
            self._lists.pop((of.instrument, of.core_id), None)

    def entered(self, command: Any, instrument: int, client_id: str, leaves: int) -> Order:
        """A NEW command whose first event is here."""
        order = Order(
            number=command.seq,
            participant=command.participant,
            instrument=instrument,
            core_id=command.order_id,
            client_id=client_id,
            side=command.side,
            order_type=command.order_type,
            time_in_force=command.time_in_force,
            price_ticks=command.price_ticks,
            lots=command.qty_lots,
            aux=command.aux,
            created_ns=command.rx_ts_ns,
            updated_ns=command.rx_ts_ns,
            leaves_lots=leaves,
        )
        self.participant(order.participant).add(order)
        self._by_core_id[instrument, order.core_id] = order
        self._join_list(order)
        order.terms = self._terms.pop((instrument, order.core_id), None)
        return order

    def restore(self, order: Order) -> None:
        """An open order that was entered before the first event that is here."""
        own = self.participant(order.participant)
        own.add(order)
        self._by_core_id[order.instrument, order.core_id] = order
        if order.of is not None:
            own.lists[order.of.number] = order.of

    def find(self, instrument: int, core_id: int) -> Order | None:
        """The order that the core knows by this id in an instrument; None: it is not kept here."""
        return self._by_core_id.get((instrument, core_id))

    def apply(
        self, event: Any, order: Order, time_ns: int, client_id: str, command: int = 0
    ) -> Report | None:
        """Apply an event to its order; ``client_id``: the name that its command had, ``command``:
        its kind."""
        if event.kind == REJECTED_KIND and event.cause_seq != order.number:
            return None  # a cancel or a replace was rejected, and the order is as it was
        fill = amended = None
        before = order.client_id, order.price_ticks, order.lots
        order.updated_ns, order.seq = time_ns, event.cause_seq
        execution, state = apply_to_object(order, event, order.executed_tick_lots, command)
        order.state = STATE_NAMES[state]
        if execution == events.TRADE:
            fill = self._filled(event, order, time_ns)
        elif execution == events.REJECT:
            order.contra, order.limit = event.contra_id, event.price_ticks
            order.needed = event.qty_lots
        elif execution == events.CANCEL:
            order.cancel_id = client_id
        elif execution == events.REPLACE and client_id:
            self._rename(order, client_id)
            amended = self._amended(event, order, time_ns, *before)
        prevented = None
        if execution == events.PREVENT:
            prevented = self._prevented(event, order, time_ns)
        elif execution in TAKES and not event.flags & (MAKER | AUCTION):
            self._taker = order
        if not order.is_open:
            self.participant(order.participant).close(order)
            self._by_core_id.pop((order.instrument, order.core_id), None)
        seq, event_seq = event.cause_seq, event.seq
        as_it_is = order.state, order.executed_lots, order.executed_tick_lots
        terms = order.price_ticks, order.lots, order.client_id
        name = EXECUTION_NAMES[execution]
        return Report(
            order, name, time_ns, seq, event_seq, fill, *as_it_is, *terms, prevented, amended
        )

    def traded_off_book(self, event: Any, time_ns: int) -> Report:
        """One side of a trade off the book.  Its order is in no list of orders, and has a number
        below 0."""
        number = OFF_BOOK_ORDER_IDS - event.order_id
        order = Order(
            number,
            event.participant,
            event.instrument,
            event.order_id,
            "",
            event.side,
            OrderType.LIMIT,
            TimeInForce.IOC,
            event.price_ticks,
            event.qty_lots,
            0,
            time_ns,
            time_ns,
            seq=event.cause_seq,
        )
        order.state = STATE_NAMES[apply_to_object(order, event, 0, 0)[1]]
        fill = self._filled(event, order, time_ns)
        as_it_is = order.state, order.executed_lots, order.executed_tick_lots
        terms = order.price_ticks, order.lots, ""
        return Report(order, "TRADE", time_ns, order.seq, event.seq, fill, *as_it_is, *terms)

    def _prevented(self, event: Any, order: Order, time_ns: int) -> PreventedMatch | None:
        """Return the match that an event says was prevented; None: the other order is not here.

        The core reports the maker's loss before the taker's, where both lose.  Where the taker
        alone does, the maker is the best of the participant's orders opposite."""
        own, taker = self.participant(order.participant), self._taker
        lots, cause_seq = event.qty_lots, event.cause_seq
        is_of_taker = taker is order or taker is None or taker.seq != cause_seq
        last = own.prevented[-1] if own.prevented else None
        if last is not None and is_of_taker and last.is_half_of(order, cause_seq):
            match = last
        else:
            maker = own.first_opposite(order) if is_of_taker else order
            if taker is None or maker is None or (not is_of_taker and taker.side == order.side):
                return None
            taking = order if is_of_taker else taker
            both = min(lots, maker.leaves_lots if is_of_taker else taking.leaves_lots)
            terms = maker.price_ticks, both, time_ns, cause_seq
            match = PreventedMatch(event.seq, taking, maker, *terms)
            own.prevented.append(match)
        if is_of_taker:
            match.taker_lots = lots
        else:
            match.maker_lots = lots
        order.prevented = match
        return match

    def _amended(
        self, event: Any, order: Order, time_ns: int, old_id: str, old_ticks: int, old_lots: int
    ) -> Amendment | None:
        """Return what a replace changed, if the order kept its place; None: it did not."""
        if order.price_ticks != old_ticks or order.lots >= old_lots:
            return None
        names = old_id, order.client_id
        made = Amendment(event.seq, order, *names, old_lots, order.lots, time_ns)
        self.participant(order.participant).amended.append(made)
        return made

    def _filled(self, event: Any, order: Order, time_ns: int) -> Fill:
        price, lots = event.price_ticks, event.qty_lots
        flags = event.flags
        units = self._inverse_units.get(order.instrument, 0)
        order.executed_tick_lots += worth(price, units) * lots
        # Of a trade's two events the maker's comes first, in an auction the buyer's.
        is_first = order.side == Side.BUY if flags & AUCTION else bool(flags & MAKER)
        number = event.seq if is_first else event.seq - 1
        is_maker, seq = bool(flags & (MAKER | AUCTION)), event.cause_seq
        fill = Fill(number, price, lots, 0, "", time_ns, is_maker, seq)
        order.fills.append(fill)
        self.participant(order.participant).fills.append((order, fill))
        return fill

    def broken(self, event: Any) -> tuple[Order, Fill] | None:
        """Mark the fill that a BROKEN event takes back; None: it is not known any more."""
        for order, fill in reversed(self.participant(event.participant).fills):
            if fill.number == event.contra_id and order.core_id == event.order_id:
                fill.is_broken = True
                return order, fill
        return None

    def _rename(self, order: Order, client_id: str) -> None:
        own = self.participant(order.participant)
        if own.by_client_id.get(order.client_id) is order:
            del own.by_client_id[order.client_id]
        order.client_id = client_id
        own.by_client_id[client_id] = order


def refusing_check(order: Order) -> RiskBit | None:
    """The first check of risk that refused it; None: another reason."""
    if order.reason != RISK_REASON or order.contra <= 0:
        return None
    return RiskBit((order.contra & -order.contra).bit_length() - 1)


def is_balance_reject(order: Order) -> bool:
    """Return whether the core refused it for want of money or lots."""
    return order.reason == RISK_REASON and bool(order.contra >> RiskBit.BALANCE & 1)
