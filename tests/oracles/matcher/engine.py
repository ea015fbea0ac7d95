"""The same matcher in plain Python: slow, and plainly right.

This file is the engine and its commands; ``checks`` validates, ``take`` how an order
trades, ``cascade`` what that sets off, ``auction`` what calls do, and ``books`` keeps the orders.
The fast matcher is tested against it event by event and byte by byte.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.matcher.book.arena import (
    LEAST_OWN_TERMS,
    MAX_OWN_TERMS,
    MAX_TERMS,
    SPACE_FOR_A_TERM,
    check_instruments,
)
from openoutcry.matcher.book.position import Position
from openoutcry.matcher.state.digest import book_hash, state_hash
from openoutcry.matcher.state.snapshot import State, encode
from openoutcry.wire.enums import (
    HAS_ACTIVATION,
    LEGS_SHIFT,
    NEW_DAY,
    SELF_TRADE_MASK,
    SELF_TRADE_SHIFT,
    CommandKind,
    Contingency,
    EventFlag,
    EventKind,
    OrderType,
    Phase,
    Reason,
    SelfTrade,
    Side,
    Term,
    TimeInForce,
)
from openoutcry.wire.errors import MatcherError
from openoutcry.wire.order_ids import LEG_ORDER_IDS
from openoutcry.wire.order_types import BUDGETS, MARKETS, STOPS, TRAILING, UNPRICED
from openoutcry.wire.records import EVENT, EVENT_DTYPE, NO_INSTRUMENT
from tests.oracles.matcher.auction import change_phase, may_enter, publish_indicative
from tests.oracles.matcher.books import (
    ANY_PRICE,
    CALL_PHASES,
    POST_ONLY,
    Capacity,
    EventLog,
    Market,
    OpenOrder,
    Place,
    crosses,
    other,
    price_or_none,
    resting_place,
)
from tests.oracles.matcher.cascade import (
    activate,
    cascade,
    enter_peg,
    followed_price,
    is_refused_stop,
    peg_price,
    trailing_trigger,
)
from tests.oracles.matcher.checks import (
    Command,
    Rejected,
    WaitingTerm,
    check_new,
    check_other_side,
    check_own_terms,
    check_phase,
    check_replace,
    check_term,
    is_own_side,
    key_of,
    require,
    unpack_trailing,
)
from tests.oracles.matcher.lists import (
    Act,
    Link,
    OrderList,
    Stage,
    begin,
    due,
    may_be_leg,
    note,
    settle_lists,
)
from tests.oracles.matcher.state import state_of
from tests.oracles.matcher.take import crossed_bests, enter, may_wait, resting_price

FIELDS = [field.name for field in EVENT.fields]
CONTRA_FIELD, LEAVES_FIELD, FLAGS_FIELD = map(FIELDS.index, ("contra_id", "leaves_lots", "flags"))
TO_ALL = (CommandKind.TIME, CommandKind.DISCONNECT)
"""Commands that mean every instrument, whatever their symbol."""


class ReferenceEngine:
    """Like :class:`openoutcry.matcher.Engine`; same arguments, same events, same snapshot."""

    def __init__(
        self,
        instruments: npt.NDArray[Any],
        order_capacity: int = 1 << 17,
        level_pages: int | None = None,
        shard: tuple[Sequence[int], int] | None = None,
    ) -> None:
        self.instruments = check_instruments(instruments)
        self.index = {s: i for i, s in enumerate(self.instruments["symbol"].tolist())}
        self.event_log = EventLog()
        pages = order_capacity if level_pages is None else level_pages
        self.capacity = Capacity(order_capacity, pages)
        self.markets = [
            Market(i, r, self.capacity, self.event_log) for i, r in enumerate(self.instruments)
        ]
        self.capacity.markets = self.markets
        self.shard_of, self.shard = shard if shard else ([0] * len(self.markets), 0)
        self.is_shard = shard is not None
        self.last_seq = 0
        self.now = 0
        self.terms: list[WaitingTerm] = []
        """Terms that wait for their NEW, the oldest first."""
        self.own_terms: dict[int, tuple[int, int, int]] = {}
        """Terms of the NEW at work."""

    @property
    def open_orders(self) -> int:
        """Orders that are open, in all instruments."""
        return self.capacity.open_orders

    @property
    def event_count(self) -> int:
        """Events written so far, which is the ``seq`` of the last."""
        return self.event_log.count

    def process(self, orders: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Events (EVENT_DTYPE) of the commands ``orders`` (ORDER_DTYPE)."""
        chunks = [self._process_one(Command(*record)) for record in orders.tolist()]
        return np.array([e for chunk in chunks for e in chunk], dtype=EVENT_DTYPE)

    def state(self) -> State:
        """The complete state, as tables."""
        numbers = (self.now, self.last_seq, self.event_count, self.event_log.commands)
        return state_of(self.instruments, self.markets, *numbers, self.terms)

    def snapshot(self) -> bytes:
        """Return the bytes that an ``Engine`` with the same state writes."""
        return encode(self.state())

    def book_hash(self) -> str:
        """Return the hash of the books alone, as an ``Engine``'s."""
        return book_hash(self.state())

    def state_hash(self) -> str:
        """Return the hash of the whole state, as an ``Engine``'s."""
        return state_hash(self.state())

    def position(self, order_id: int, symbol: bytes | None = None) -> Position | None:
        """Like ``Engine.position``."""
        markets = self.markets if symbol is None else [self.markets[self.index[symbol]]]
        positions = [m.position(m.orders[order_id]) for m in markets if order_id in m.orders]
        found = [one for one in positions if one is not None]
        if len(found) > 1:
            raise MatcherError(f"order {order_id} is open in {len(found)} instruments: name one")
        return found[0] if found else None

    def hold(self, symbol: bytes, on: bool) -> None:
        """Let nothing trade in an instrument from now on, or let it go."""
        self.markets[self.index[symbol]].held = on

    def settle(self, symbol: bytes, seq: int) -> list[tuple[int, ...]]:
        """The events of what a hold kept back, as those of the command ``seq`` that ended it."""
        self.event_log.events, self.event_log.cause_seq = [], seq
        market = self.markets[self.index[symbol]]
        if market.phase == Phase.CONTINUOUS:
            self._after_command(market)
        return self.event_log.events

    def mark(
        self, symbol: bytes, mark: int | None, index: int | None, seq: int
    ) -> list[tuple[int, ...]]:
        """The events of another mark and index of an instrument, as those of the command ``seq``
        that brought them."""
        market = self.markets[self.index[symbol]]
        market.mark, market.index_price = mark, index
        return self.settle(symbol, seq)

    def cancel_whole(self, symbol: bytes, reason: Reason, seq: int) -> list[tuple[int, ...]]:
        """The events by which the command ``seq`` cancels every order of an instrument, without an
        answer to it."""
        self.event_log.events, self.event_log.cause_seq = [], seq
        market = self.markets[self.index[symbol]]
        orders = list(market.canonical())
        for order in orders:
            market.cancel_order(order, reason, EventKind.CANCELLED)
        if orders:
            self._after_command(market)
        return self.event_log.events

    # One command

    def _process_one(self, c: Command) -> list[tuple[int, ...]]:
        self.last_seq = c.seq
        self.event_log.commands += 1
        self.event_log.events, self.event_log.cause_seq = [], c.seq
        instrument = self.index.get(c.symbol, NO_INSTRUMENT)
        is_global = not c.error_code and (
            c.kind in TO_ALL or (c.kind == CommandKind.MASS_CANCEL and not c.symbol)
        )
        if not self._is_own_shard(instrument, is_global):
            return []
        if is_global:
            instrument = NO_INSTRUMENT
        if c.kind == CommandKind.NEW:
            about = key_of(c, instrument)
            self.own_terms = {t.term: t.values for t in self.terms if t.key == about}
            self.terms = [term for term in self.terms if term.key != about]
        try:
            self._dispatch(c, instrument, is_global)
        except Rejected as refusal:
            assert not self.event_log.events, "a rejected command changes nothing"
            self.event_log.write(
                EventKind.REJECTED,
                instrument,
                c.order_id,
                c.participant,
                c.side,
                c.price,
                c.qty,
                reason=refusal.reason,
                contra_id=refusal.contra_id,
            )
            self._break_list(c, instrument)
        last = list(self.event_log.events[-1])
        last[FLAGS_FIELD] |= EventFlag.LAST
        self.event_log.events[-1] = tuple(last)
        return self.event_log.events

    def _is_own_shard(self, instrument: int, is_global: bool) -> bool:
        """Whether this shard answers; what belongs to no instrument is the first one's."""
        if is_global:
            return True
        if instrument == NO_INSTRUMENT:
            return self.shard == 0
        return self.shard_of[instrument] == self.shard

    def _dispatch(self, c: Command, instrument: int, is_global: bool) -> None:
        if c.error_code:
            raise Rejected(Reason.GATEWAY, c.error_code)
        is_known = c.kind in list(CommandKind) and c.kind != CommandKind.RISK
        require(is_known, Reason.MALFORMED)
        require(is_global or instrument != NO_INSTRUMENT, Reason.UNKNOWN_INSTRUMENT)
        if c.kind == CommandKind.TIME:
            self._time(c)
        elif c.kind == CommandKind.DISCONNECT:
            self._drop_terms(c.participant, NO_INSTRUMENT)
            self._cancel_all(c, NO_INSTRUMENT, 0, Reason.DISCONNECTED)
        elif c.kind == CommandKind.MASS_CANCEL:
            require(c.side in (0, *Side), Reason.MALFORMED)
            valid = c.aux == 0 or (c.aux in (1, NEW_DAY) and c.participant == 0)
            require(valid, Reason.MALFORMED)
            if c.aux == NEW_DAY:
                self._begin_day(c, instrument)
            else:
                self._drop_terms(None if c.aux == 1 else c.participant, instrument)
                self._cancel_all(c, instrument, c.side, Reason.MASS_CANCEL)
        elif c.kind == CommandKind.PHASE:
            require(c.participant == 0 and c.aux in list(Phase), Reason.MALFORMED)
            ref = price_or_none(c.price)
            require(may_enter(self.markets[instrument], Phase(c.aux)), Reason.WRONG_PHASE)
            if c.qty == 2:
                self.markets[instrument].last = None
            change_phase(self.markets[instrument], Phase(c.aux), ref, has_ref=c.qty in (1, 2))
            self._after_command(self.markets[instrument])
            if self.markets[instrument].phase == Phase.CLOSED:
                self._drop_terms(None, instrument)
        elif c.kind == CommandKind.TERMS:
            self._keep_term(c, instrument)
        else:
            self._on_orders(c, self.markets[instrument])

    def _on_orders(self, c: Command, m: Market) -> None:
        """A command about one order, and what it sets off."""
        if c.kind == CommandKind.NEW:
            self._new(c, m)
        else:
            if c.kind == CommandKind.REPLACE:
                require(c.mode & SELF_TRADE_MASK in list(SelfTrade), Reason.MALFORMED)
            order = m.orders.get(c.order_id)
            if order is None:
                raise Rejected(Reason.UNKNOWN_ORDER)
            require(order.participant == c.participant, Reason.NOT_OWNER)
            handlers: dict[int, Callable[[Command, Market, OpenOrder], None]] = {
                CommandKind.CANCEL: lambda c, m, order: m.cancel_order(order, Reason.USER),
                CommandKind.REDUCE: self._reduce,
                CommandKind.REPLACE: self._replace,
                CommandKind.SET_EXPIRY: self._set_expiry,
            }
            handlers[c.kind](c, m, order)
        self._after_command(m)

    def _after_command(self, m: Market) -> None:
        """Do what follows when something has happened in an instrument."""
        closed = (Phase.CLOSED, Phase.HALT, Phase.TRADING_AT_LAST)
        while True:
            if m.phase == Phase.CONTINUOUS and not m.held:
                cascade(m)
            else:
                settle_lists(m)
            legs = due(m)
            if not legs or m.held or m.phase in closed:
                break
            self._enter_due(m, legs[0])
        if m.phase in CALL_PHASES:
            publish_indicative(m)

    # Terms of the NEW to come

    def _keep_term(self, c: Command, instrument: int) -> None:
        check_term(c)
        key, values = key_of(c, instrument), (c.price, c.qty, c.aux)
        for term in self.terms:
            if (term.key, term.term) == (key, c.order_type):
                term.values = values
                break
        else:
            own = [term for term in self.terms if term.key[0] == c.participant]
            free = MAX_TERMS - len(self.terms)
            share = min(MAX_OWN_TERMS, LEAST_OWN_TERMS + free // SPACE_FOR_A_TERM)
            has_space = free > 0 and len(own) < share
            require(has_space, Reason.BOOK_FULL)
            self.terms.append(WaitingTerm(key, c.order_type, values))
        self.event_log.write(
            EventKind.COMPLETED,
            instrument,
            c.order_id,
            c.participant,
            c.side,
            contra_id=c.order_type,
        )

    def _drop_terms(self, participant: int | None, instrument: int) -> None:
        """Forget what a participant (None: everybody) said of orders to come."""
        self.terms = [
            term
            for term in self.terms
            if participant not in (None, term.key[0])
            or instrument not in (NO_INSTRUMENT, term.key[1])
        ]

    # New orders

    def _new(self, c: Command, m: Market) -> None:
        is_quote = Term.QUOTE in self.own_terms
        check_new(m, c, self.now, replaces=is_quote and is_own_side(m, c))
        check_own_terms(m, c, self.own_terms, self.now)
        order = self._make_order(c, m, self.own_terms.get(Term.TRIGGER))
        if Term.EXPIRY in self.own_terms:
            order.tif, order.expiry = TimeInForce.GTD, self.own_terms[Term.EXPIRY][2]
        if Term.LIST not in self.own_terms:
            is_alone = not self.own_terms and LEG_ORDER_IDS <= c.order_id < 2**63
            require(not is_alone, Reason.LIST)
            if is_quote:
                self._new_quote(c, m)
            else:
                self._new_order(m, order, EventKind.ACCEPTED)
        else:
            self._new_leg(c, m, order)

    def _new_order(self, m: Market, order: OpenOrder, kind: EventKind) -> None:
        """An order comes, or (ELECTED) a leg of a list enters, which was accepted before."""
        waits = self._waits(m, order)
        if m.phase not in CALL_PHASES and not waits:
            self._refuse_crossing(m, order)
        unpriced = may_wait(m, order)
        rests = order if unpriced else self._could_rest(m, order, waits)
        if rests is not None:
            require(self.capacity.open_orders < self.capacity.order_capacity, Reason.BOOK_FULL)
            require(self.capacity.has_event_capacity(m, rests), Reason.BOOK_FULL)
            unplaced = unpriced or (waits and not order.is_stop)
            refusal = Reason.NONE if unplaced else m.refuse_order(rests)
            require(not refusal, refusal)
        require(not is_refused_stop(m, order), Reason.TRIGGER_ALREADY_PASSED)
        if kind == EventKind.ACCEPTED or not order.is_stop:
            m.emit_open_order(kind, order, waits)
        elif order.trigger is not None:
            waiting, trigger = EventFlag.WAITING, order.trigger
            m.emit(EventKind.TRIGGER_MOVED, order, qty=order.leaves, price=trigger, flags=waiting)
        order.arrival = self.event_log.commands
        if kind == EventKind.ACCEPTED:
            order.expiry_number = self.event_log.commands
        if order.order_type == OrderType.POST_ONLY_SLIDE:
            order.order_type = OrderType.POST_ONLY
        self._enter(m, order, waits)

    # Quotes

    def _new_quote(self, c: Command, m: Market) -> None:
        """Both sides of a quote enter, replace what is open of them, or go; or it is refused."""
        price, qty, order_id = self.own_terms[Term.QUOTE]
        away = other(Side(c.side))
        opposite = replace(c, side=away, price=price, qty=qty, order_id=order_id)
        check_other_side(m, c, opposite)
        sides = [c, opposite]
        moves = []
        for one in sides:
            order = m.orders.get(one.order_id)
            keeps = order is not None and order.price == one.price and one.qty <= order.leaves
            if one.qty > 0 and not keeps:
                moves.append((self._make_order(one, m), order))
        was = m.orders.get(c.order_id), m.orders.get(order_id)
        for new, _ in moves:
            self._refuse_quote_crossing(m, new, was)
        self._refuse_quote_space(m, moves)
        met = was[1]
        if met is not None and crosses(Side(c.side), c.price, met.price):
            sides.reverse()
        for one in sides:
            order = m.orders.get(one.order_id)
            if order is None and one.qty > 0:
                self._new_order(m, self._make_order(one, m), EventKind.ACCEPTED)
            elif order is not None and one.qty > 0:
                self._replace(replace(one, kind=CommandKind.REPLACE), m, order)
            elif order is not None:
                m.cancel_order(order, Reason.USER)

    def _refuse_quote_crossing(
        self, m: Market, new: OpenOrder, was: tuple[OpenOrder | None, ...]
    ) -> None:
        """A post-only side is refused if it would trade with what is not open of its quote."""
        if new.order_type != OrderType.POST_ONLY or m.phase in CALL_PHASES:
            return
        require(not m.waiting(other(new.side)), Reason.WOULD_CROSS)
        for place in (Place.DISPLAYED, Place.HIDDEN):
            rivals = [o for o in m.orders_of(place, other(new.side)) if o not in was]
            crossed = any(crosses(new.side, new.price, o.price) for o in rivals)
            require(not crossed, Reason.WOULD_CROSS)

    def _refuse_quote_space(
        self, m: Market, moves: list[tuple[OpenOrder, OpenOrder | None]]
    ) -> None:
        for new, order in moves:
            refusal = m.refuse_order(new, own=order)
            require(not refusal, refusal)
        keys = {(m.index, Place.DISPLAYED, new.side, new.price // 64) for new, _ in moves}
        pages = set(self.capacity.pages) | keys
        require(
            not keys - set(self.capacity.pages) or len(pages) <= self.capacity.level_pages,
            Reason.BOOK_FULL,
        )
        more = sum(order is None for _, order in moves)
        room = self.capacity.order_capacity - self.capacity.open_orders
        require(more <= room, Reason.BOOK_FULL)
        require(self.capacity.has_space_for_events(m, more), Reason.BOOK_FULL)

    # Legs of lists

    def _new_leg(self, c: Command, m: Market, order: OpenOrder) -> None:
        """A leg waits until its list is whole."""
        list_id, leg, aux = self.own_terms[Term.LIST]
        contingency, legs = Contingency(aux % (1 << LEGS_SHIFT)), aux >> LEGS_SHIFT
        of = OrderList(list_id, contingency, legs)
        if leg > 1:
            first = m.orders.get(list_id % 2**64)
            known = first is not None and first.participant == c.participant
            link = first.link if known and first is not None else None
            require(link is not None and (link.leg, link.stage) == (1, Stage.HELD), Reason.LIST)
            assert link is not None
            of = link.of
            same = (of.contingency, of.legs) == (contingency, legs)
            require(same and leg == max(of.members) + 1, Reason.LIST)
        require(may_be_leg(m, order, of, leg), Reason.MALFORMED)
        order.link = Link(of, leg, Stage.HELD, c.aux)
        if order.order_type in MARKETS:
            order.price = ANY_PRICE[order.side]
        if order.order_type in TRAILING:
            order.trigger = None
            if Term.TRIGGER in self.own_terms:
                give_trigger(order, self.own_terms[Term.TRIGGER])
        require(self.capacity.open_orders < self.capacity.order_capacity, Reason.BOOK_FULL)
        require(self.capacity.has_event_capacity(m, order), Reason.BOOK_FULL)
        self.event_log.write(
            EventKind.COMPLETED,
            m.index,
            c.order_id,
            c.participant,
            c.side,
            contra_id=Term.LIST,
            price=list_id,
            qty=leg,
            leaves=aux,
        )
        m.emit_open_order(EventKind.ACCEPTED, order, waits=True)
        order.arrival = order.expiry_number = self.event_log.commands
        of.members[leg] = order
        m.join_book(order, Place.NOWHERE)
        if leg == legs:
            begin(of, self.event_log.commands)

    def _break_list(self, c: Command, instrument: int) -> None:
        """A leg, or the term that says so, was refused: the legs that wait for it are cancelled."""
        list_id = None
        if c.kind == CommandKind.NEW and Term.LIST in self.own_terms:
            list_id = self.own_terms[Term.LIST][0]
        elif c.kind == CommandKind.TERMS and c.order_type == Term.LIST and c.qty > 1:
            list_id = c.price
        if list_id is None or instrument == NO_INSTRUMENT:
            return
        m = self.markets[instrument]
        first = m.orders.get(list_id % 2**64)
        link = None
        if first is not None and first.participant == c.participant:
            link = first.link
        if link is not None and (link.leg, link.stage) == (1, Stage.HELD):
            note(m, link.of, Act.ALL, 1)
            settle_lists(m)

    def _enter_due(self, m: Market, leg: OpenOrder) -> None:
        """A leg enters as an order that comes now, with what is left of it."""
        link = leg.link
        assert link is not None
        m.remove_order(leg)
        aux = min(link.aux, leg.leaves) if leg.is_iceberg else link.aux
        tif = TimeInForce.GTC if leg.tif == TimeInForce.GTD else leg.tif
        c = Command(
            leg.price,
            leg.leaves,
            b"",
            leg.order_id,
            aux,
            0,
            leg.participant,
            0,
            CommandKind.NEW,
            leg.side,
            leg.order_type,
            tif | leg.mode << SELF_TRADE_SHIFT,
            0,
        )
        activation = leg.activation or 0
        flag = 0 if leg.activation is None else HAS_ACTIVATION
        order = self._make_order(c, m, (activation, 0, leg.trigger_by | flag))
        order.tif, order.expiry, order.expiry_number = leg.tif, leg.expiry, leg.expiry_number
        if len(link.of.members) > 1:
            order.link = Link(link.of, link.leg, Stage.ENTERED, link.aux)
        try:
            check_phase(m, c)
            if order.link is not None:
                link.of.members[link.leg] = order
            self._new_order(m, order, EventKind.ELECTED)
        except Rejected as refusal:
            link.of.members[link.leg] = leg
            m.cancel_order(leg, refusal.reason)

    def _make_order(
        self, c: Command, m: Market, trigger: tuple[int, int, int] | None = None
    ) -> OpenOrder:
        """The new order with its price in this phase.  ``trigger``: values of its term TRIGGER."""
        order_type = OrderType(c.order_type)
        order = OpenOrder(
            order_id=c.order_id,
            participant=c.participant,
            side=Side(c.side),
            order_type=order_type,
            tif=TimeInForce(c.tif),
            mode=SelfTrade(c.mode),
            price=0 if order_type in UNPRICED and order_type in STOPS else c.price,
            leaves=c.qty,
            expiry=c.aux if c.tif == TimeInForce.GTD else None,
            limit=c.price,
        )
        if trigger is not None:
            give_trigger(order, trigger)
        if order.is_iceberg:
            set_display(order, c.aux)
        elif order_type in TRAILING:
            activate(order, followed_price(m, order))
            set_trailing(m, order, c.aux)
        elif order.is_stop:
            order.trigger = c.aux
        elif order_type == OrderType.MIN_QTY:
            order.min_qty = c.aux
        elif order_type in BUDGETS:
            order.budget = c.aux
        elif order.is_peg:
            order.offset = c.aux
            price = peg_price(m, order)
            order.price = order.limit if price is None else price
        elif order_type in MARKETS and (m.phase in CALL_PHASES or self._waits(m, order)):
            order.price = ANY_PRICE[order.side]
        return order

    def _waits(self, m: Market, order: OpenOrder) -> bool:
        """Whether the order is open but inactive: stop, parked order, peg without a price."""
        if order.is_peg:
            return m.phase in CALL_PHASES or peg_price(m, order) is None
        at_close = order.tif == TimeInForce.AT_CLOSE and m.phase != Phase.CLOSING_AUCTION
        return order.is_stop or at_close

    def _refuse_crossing(self, m: Market, order: OpenOrder) -> None:
        """A post-only order never takes: it is refused, or slides one step short of that."""
        if order.order_type not in POST_ONLY:
            return
        require(not m.waiting(other(order.side)), Reason.WOULD_CROSS)
        crossed = crossed_bests(m, order)
        if not crossed:
            return
        require(order.order_type == OrderType.POST_ONLY_SLIDE, Reason.WOULD_CROSS)
        steps = m.rules.steps
        order.price = (
            steps.before(min(crossed)) if order.side == Side.BUY else (steps.after(max(crossed)))
        )
        require(m.rules.in_limits(order.price), Reason.WOULD_CROSS)

    def _could_rest(self, m: Market, order: OpenOrder, waits: bool) -> OpenOrder | None:
        """The order as it would rest if nothing of it trades, or None if it never rests."""
        if waits:
            return order
        price = resting_price(m, order)
        if price is None:
            return None
        is_market = order.order_type in MARKETS and m.phase not in CALL_PHASES
        if is_market or order.order_type == OrderType.MIN_QTY:
            return replace(order, order_type=OrderType.LIMIT, price=price)
        if order.order_type == OrderType.POST_ONLY_SLIDE:
            return replace(order, order_type=OrderType.POST_ONLY)
        return order

    def _enter(self, m: Market, order: OpenOrder, waits: bool) -> None:
        """Let an order that was accepted, or replaced and lost its place, do what it does."""
        if order.is_stop and order.trigger is not None:
            m.join_book(order, Place.TRIGGER)
        elif waits:
            m.join_book(order, Place.NOWHERE)
        elif m.phase in CALL_PHASES:
            m.join_book(order, resting_place(order))
        elif order.is_peg:
            enter_peg(m, order, order.price)
        else:
            enter(m, order)

    # Open orders

    def _reduce(self, c: Command, m: Market, order: OpenOrder) -> None:
        require(c.qty > 0, Reason.BAD_QTY)
        require(c.qty % m.rules.qty_step == 0, Reason.OFF_LOT)
        if c.qty >= order.leaves:
            m.cancel_order(order, Reason.REDUCED_TO_ZERO)
            return
        m.reduce_order(order, c.qty)
        m.emit(EventKind.REDUCED, order, qty=c.qty)

    def _set_expiry(self, c: Command, m: Market, order: OpenOrder) -> None:
        require(c.aux >= self.now, Reason.EXPIRED)
        order.expiry = c.aux
        if order.tif not in (TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE):
            order.tif = TimeInForce.GTD
        waits = order.place in (Place.NOWHERE, Place.TRIGGER)
        m.emit_open_order(EventKind.REPLACED, order, waits, EventFlag.KEPT_PLACE)
        order.expiry_number = self.event_log.commands

    def _replace(self, c: Command, m: Market, order: OpenOrder) -> None:
        if c.is_open_known:
            c, known = c.restated(order)
            check_replace(m, c, order)
            c = replace(c, qty=c.qty - max(known - order.leaves, 0))
            if c.qty <= 0:
                m.cancel_order(order, Reason.REDUCED_TO_ZERO)
                return
        else:
            check_replace(m, c, order)
        new = self._replacement(c, m, order)
        waited = order.place in (Place.NOWHERE, Place.TRIGGER)
        waits = self._waits(m, new) if new.is_peg else waited
        keeps = queue_key(new, waits) == queue_key(order, waited)
        keeps = keeps and c.qty <= order.leaves
        if not keeps:
            if m.phase not in CALL_PHASES and not waits:
                self._refuse_crossing(m, new)
            refusal = Reason.NONE if waits and not new.is_stop else m.refuse_order(new, own=order)
            require(refusal != Reason.BOOK_FULL, Reason.BOOK_FULL)
            require(self.capacity.has_event_capacity(m, new, removed=order), Reason.BOOK_FULL)
            require(not refusal, refusal)
            require(not is_refused_stop(m, new), Reason.TRIGGER_ALREADY_PASSED)
            if order.place == Place.DISPLAYED:
                new.moved_from = m.best_displayed(order.side)
            m.remove_order(order)
            m.emit_open_order(EventKind.REPLACED, new, waits)
            new.arrival = self.event_log.commands
            m.orders[new.order_id] = new
            if new.link is not None:
                new.link.of.members[new.link.leg] = new
            self._enter(m, new, waits)
            return
        require(self.capacity.has_event_capacity(m, new, removed=order), Reason.BOOK_FULL)
        order.price, order.limit, order.offset = new.price, new.limit, new.offset
        order.mode = new.mode
        order.display, order.slices = new.display, new.slices
        order.distance, order.trail_step = new.distance, new.trail_step
        m.reduce_order(order, order.leaves - c.qty)
        m.emit_open_order(EventKind.REPLACED, order, waits, EventFlag.KEPT_PLACE)

    def _replacement(self, c: Command, m: Market, order: OpenOrder) -> OpenOrder:
        """The order as the command wants it, found nowhere yet."""
        new = replace(order, leaves=c.qty, place=Place.NOWHERE, mode=SelfTrade(c.mode))
        if order.order_type not in UNPRICED:
            new.price = c.price
        if order.is_peg:
            new.limit, new.offset = c.price, c.aux
            price = None if m.phase in CALL_PHASES else peg_price(m, new)
            new.price = new.limit if price is None else price
        elif order.is_iceberg:
            set_display(new, c.aux or order.display)
        elif order.order_type in TRAILING and c.aux:
            set_trailing(m, new, c.aux)
        elif order.is_stop and c.aux:
            new.trigger = c.aux
        return new

    # Maintenance

    def _time(self, c: Command) -> None:
        require(c.participant == 0, Reason.MALFORMED)
        require(c.aux >= self.now, Reason.TIME_BACKWARDS)
        self.now = c.aux
        removed = [
            (m, o)
            for m in self._own_markets()
            for o in m.orders.values()
            if o.expiry is not None and o.expiry < self.now
        ]
        removed.sort(key=lambda pair: (pair[1].expiry, pair[1].expiry_number))
        self._complete(c, NO_INSTRUMENT, removed, Reason.EXPIRED, EventKind.EXPIRED)

    def _cancel_all(self, c: Command, instrument: int, side: int, reason: Reason) -> None:
        all_participants = c.kind == CommandKind.MASS_CANCEL and c.aux == 1
        removed = [
            (m, o)
            for m in self._own_markets()
            if instrument in (NO_INSTRUMENT, m.index)
            for o in m.canonical()
            if (all_participants or o.participant == c.participant) and side in (0, o.side)
        ]
        self._complete(c, instrument, removed, reason, EventKind.CANCELLED)

    def _begin_day(self, c: Command, instrument: int) -> None:
        """A trading day begins in an instrument that does not close."""
        is_one = instrument != NO_INSTRUMENT and c.side == 0
        require(is_one and 1 <= c.qty <= 9999_12_31, Reason.MALFORMED)
        market = self.markets[instrument]
        require(c.qty > market.day, Reason.TIME_BACKWARDS)
        market.day = c.qty
        self._drop_terms(None, instrument)
        ends = [o for o in market.canonical() if o.tif not in (TimeInForce.GTC, TimeInForce.GTD)]
        removed = [(market, order) for order in ends]
        self._complete(c, instrument, removed, Reason.DAY_END, EventKind.EXPIRED)

    def _complete(
        self,
        c: Command,
        instrument: int,
        removed: list[tuple[Market, OpenOrder]],
        reason: Reason,
        kind: EventKind,
    ) -> None:
        for m, order in removed:
            m.cancel_order(order, reason, kind)
            if reason == Reason.EXPIRED and self.is_shard:
                fields = list(self.event_log.events[-1])
                fields[CONTRA_FIELD], fields[LEAVES_FIELD] = order.expiry_number, order.expiry or 0
                self.event_log.events[-1] = tuple(fields)
        touched = {m.index for m, _ in removed}
        for index in sorted(touched):
            self._after_command(self.markets[index])
        self.event_log.write(
            EventKind.COMPLETED,
            instrument,
            participant=c.participant,
            side=c.side if c.kind == CommandKind.MASS_CANCEL else 0,
            qty=len(removed),
        )

    def _own_markets(self) -> list[Market]:
        return [m for m in self.markets if self.shard_of[m.index] == self.shard]


def queue_key(order: OpenOrder, waits: bool) -> tuple[bool, int | None]:
    """Return the fields that must stay the same for a replaced order to keep its place."""
    if order.is_stop:
        return waits, order.trigger
    if order.is_peg and waits:
        return waits, None
    return waits, order.price


def set_display(order: OpenOrder, display: int) -> None:
    """Set an iceberg's display quantity, and count the slices that it can show."""
    order.display = display
    order.slices = -(-order.leaves // display)


def set_trailing(m: Market, order: OpenOrder, aux: int) -> None:
    """A trailing stop's distance, and its trigger from the last trade if there is one."""
    order.distance, order.trail_step = unpack_trailing(aux)
    followed = followed_price(m, order)
    is_still = followed is None or order.activation is not None
    order.trigger = None if is_still else trailing_trigger(order, followed)


def give_trigger(order: OpenOrder, values: tuple[int, int, int]) -> None:
    """Give an order the named price that its term says."""
    activation, _, aux = values
    order.trigger_by = aux % HAS_ACTIVATION
    order.activation = activation if aux & HAS_ACTIVATION else None
