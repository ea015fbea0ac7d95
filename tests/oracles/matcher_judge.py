"""A judge of what a matcher says: the rules of docs/matcher.md, checked on every command.

It is written from that page and from neither implementation: kernels and reference were written by
the same people and may share a fault, which comparing them cannot show.  It reads commands and
events alone, keeps its own list of open orders, and raises :class:`Violation` with the first
sentence of the page that does not hold.
"""

from collections.abc import Callable

from openoutcry.wire import (
    CommandKind,
    EventFlag,
    EventKind,
    OrderType,
    Phase,
    Reason,
    SelfTrade,
    Side,
    TimeInForce,
)
from openoutcry.wire.enums import NEW_DAY, Term
from openoutcry.wire.records import NO_INSTRUMENT
from tests.oracles.matcher_judge_book import (
    ANY_PRICE,
    ELECTED_AS,
    ENDS_WALK,
    MARKETS,
    PEGS,
    SHOWN,
    STANDING,
    STOPS,
    UNSEEN,
    WHOLE,
    Array,
    Command,
    Event,
    Market,
    Order,
    fillable,
    is_electable,
    is_elected_first,
    is_used_up,
    limit_of,
    lots_at,
    may_trail,
    meets_own,
    no_worse,
    order_of,
    other_side,
    peg_fault,
    price_or_none,
    reaches,
    settle_top,
    shares_of,
    sweep_fault,
    trigger_fault,
    waiting_price,
)
from tests.oracles.matcher_judge_budget import rest_fault, trades_whole
from tests.oracles.matcher_judge_lists import Lists
from tests.oracles.matcher_judge_waiting import begins_fault, end_fault, meets_waiting, trade_fault

STRIKES_MAKER = (SelfTrade.CANCEL_OLDEST, SelfTrade.CANCEL_BOTH, SelfTrade.DECREMENT)
"""Modes under which the taker's meeting its own order costs that one."""
ABOUT_ONE = (CommandKind.CANCEL, CommandKind.REDUCE, CommandKind.REPLACE, CommandKind.SET_EXPIRY)


class Violation(AssertionError):
    """A sentence of docs/matcher.md that does not hold, and the event that shows it."""


class Judge:
    """Give it everything that an empty engine of ``instruments`` is sent and answers."""

    def __init__(self, instruments: Array) -> None:
        self.markets = [Market(row) for row in instruments]
        self.index = {symbol: i for i, symbol in enumerate(instruments["symbol"].tolist())}
        self.now: int | None = None
        self.number = 0
        self.lists = Lists()

    def check(self, orders: Array, events: Array) -> None:
        """Commands in their order, and all events that they caused."""
        rest = iter([Event(*e) for e in events.tolist()])
        for command in (Command(*c) for c in orders.tolist()):
            answer = []
            for event in rest:
                answer.append(event)
                if event.flags & EventFlag.LAST:
                    break
            _Answer(self, command, answer).check()
        surplus = next(rest, None)
        if surplus is not None:
            raise Violation(f"an event that no command caused: {surplus}")

    def mark(
        self, instrument: int, mark: int | None, index: int | None, seq: int, events: Array
    ) -> None:
        """Another mark and index of an instrument, and all events that they caused."""
        market = self.markets[instrument]
        market.mark, market.index = mark, index
        symbol = bytes(market.row["symbol"])
        command = Command(0, 0, symbol, 0, 0, 0, 0, 0, CommandKind.RISK, 0, 0, 0, seq)
        _Answer(self, command, [Event(*e) for e in events.tolist()]).check_set_off(instrument)


class _Answer:
    """What one command caused."""

    def __init__(self, judge: Judge, command: Command, events: list[Event]) -> None:
        self.judge, self.command, self.events = judge, command, events
        self.event: Event | None = None
        self.reach: dict[int, int | None] = {}
        """Per market order that entered: the opposite best displayed price then."""
        self.taken: dict[int, int] = {}
        """Lots that each order traded as a taker."""
        self.by_time: dict[tuple[int, int], tuple[int | None, int]] = {}
        """By pro-rata level (side, price): the takers there, and the lots that still go by time."""
        self.shares: list[tuple[int, int]] = []
        """Fills of a pro-rata level that are still to come."""
        self.arriving: tuple[Market, Order, int | None] | None = None
        """Who entered last, and the best displayed price of his side before."""
        self.auction_lots: int | None = None
        self.auction_price: int | None = None
        self.struck: int | None = 0
        """Where its own order stood that self-trade prevention took from last; None: it waited."""

    def require(self, holds: bool, rule: str) -> None:
        if not holds:
            raise Violation(f"{rule}\n  command {self.command}\n  event {self.event}")

    # The answer as a whole

    def check(self) -> None:
        c = self.command
        self.require(bool(self.events), "every command causes at least one event")
        for at, event in enumerate(self.events):
            self.event = event
            self.judge.number += 1
            self.require(event.seq == self.judge.number, "events are numbered through")
            self.require(event.cause_seq == c.seq, "an event names the command that caused it")
            is_last = at == len(self.events) - 1
            self.require(bool(event.flags & EventFlag.LAST) == is_last, "LAST: its last, no other")
        lists, index = self.judge.lists, self.judge.index.get(c.symbol, NO_INSTRUMENT)
        lists.begin(c, index, self.events)
        if any(e.kind == EventKind.REJECTED for e in self.events):
            lists.refused(self.judge.markets[index] if index != NO_INSTRUMENT else None)
            is_first = self.events[0].kind == EventKind.REJECTED
            goes = [e.kind == EventKind.CANCELLED for e in self.events[1:]]
            alone = is_first and all(goes) and (lists.own is not None or not goes)
            self.require(alone, "a rejected command causes nothing else, but ends its list")
            for position in range(1, len(self.events)):
                self._apply(position)
            self._told(lists.end())
            return
        self.require(c.error_code == 0, "what the gateway refused is rejected")
        touched = {e.instrument for e in self.events if e.instrument < len(self.judge.markets)}
        self._check_right(c)
        if c.kind == CommandKind.TIME:
            self.judge.now = c.aux
        self._check_events(touched)
        if fault := sweep_fault(self.judge.markets, self.judge.index, c, self.judge.now):
            self.require(False, fault)

    def check_set_off(self, instrument: int) -> None:
        """The events of what no command of the matcher set off."""
        self.judge.lists.begin(self.command, instrument, self.events)
        for event in self.events:
            self.judge.number += 1
            self.require(event.seq == self.judge.number, "events are numbered through")
            self.require(event.instrument == instrument, "a mark is of one instrument")
        self._check_events({instrument})

    def _check_events(self, touched: set[int]) -> None:
        position = 0
        while position < len(self.events):
            position += self._apply(position)
        self._told(self.judge.lists.end())
        index = self.judge.index.get(self.command.symbol, NO_INSTRUMENT)
        if self.command.kind == CommandKind.NEW and index != NO_INSTRUMENT:
            market = self.judge.markets[index]
            self._told(self.judge.lists.quote_fault(self.command, self.events, index, market))
        self.require(not self.shares, "pro rata: everybody at the level gets his share")
        self._settle_top()
        if self.auction_lots is not None:
            self.require(self.auction_lots == 0, "an auction trades the volume it tells")
        for index in touched:
            self._check_end(self.judge.markets[index])

    def _told(self, fault: str) -> None:
        self.require(not fault, fault)

    def _check_right(self, c: Command) -> None:
        """Nobody acts for another."""
        is_operators = (CommandKind.TIME, CommandKind.PHASE)
        self.require(
            c.kind not in is_operators or c.participant == 0, "TIME and PHASE are the operator's"
        )
        if c.kind in ABOUT_ONE:
            order = self._market(self.judge.index[c.symbol]).orders.get(c.order_id)
            self.require(order is not None, "a command is about an open order")
            assert order is not None
            self.require(order.participant == c.participant, "no participant acts for another")

    def _market(self, instrument: int) -> Market:
        self.require(instrument < len(self.judge.markets), "an event names its instrument")
        return self.judge.markets[instrument]

    def _apply(self, position: int) -> int:
        """Take in the event at ``position`` (a trade: two); returns how many."""
        event = self.event = self.events[position]
        if event.kind == EventKind.COMPLETED and self.command.kind == CommandKind.NEW:
            self._told(self.judge.lists.linked(event))
        if event.kind in (EventKind.COMPLETED, EventKind.INDICATIVE):
            return 1
        market = self._market(event.instrument)
        if event.kind == EventKind.PHASE_CHANGED:
            self.require(event.contra_id == market.phase, "PHASE_CHANGED tells the old phase")
            market.phase = event.qty
            if market.phase != Phase.CONTINUOUS:
                market.top = {Side.BUY: None, Side.SELL: None}
            market.last = None if self.command.qty == 2 else market.last
            market.reference = price_or_none(event.price)
            return 1
        if event.kind == EventKind.UNCROSSED:
            self._uncrossed(market, event)
            return 1
        if event.kind == EventKind.ACCEPTED:
            self._accepted(market, event)
            return 1
        order = market.orders.get(event.order_id)
        self.require(order is not None, "an order lives from ACCEPTED until nothing is open of it")
        assert order is not None
        self._check_owner(order, event)
        if event.kind == EventKind.FILLED:
            self.require(position + 1 < len(self.events), "a trade has two sides")
            self._trade(market, event, self.events[position + 1])
            return 2
        handlers: dict[int, Callable[[Market, Order, Event], None]] = {
            EventKind.CANCELLED: self._gone,
            EventKind.EXPIRED: self._gone,
            EventKind.REDUCED: self._reduced,
            EventKind.REPLACED: self._replaced,
            EventKind.ELECTED: self._elected,
        }
        if event.kind in handlers:
            handlers[event.kind](market, order, event)
        else:
            self._goes_on(market, order, event)
        return 1

    def _check_owner(self, order: Order, event: Event) -> None:
        self.require(event.participant == order.participant, "events go to the order's owner")
        self.require(event.side == order.side, "an order keeps its side")

    # Orders that come, change and go

    def _accepted(self, market: Market, e: Event) -> None:
        c = self.judge.lists.asked(self.command, e.order_id)
        self.require(c.kind == CommandKind.NEW, "only NEW makes an order")
        self.require(
            (e.order_id, e.participant, e.side, e.qty) == (c.order_id, c.participant, c.side, c.qty)
            and e.instrument == self.judge.index[c.symbol],
            "ACCEPTED tells what was asked",
        )
        self.require(e.order_id not in market.orders, "an id is unique among the open orders")
        self.require(e.leaves == e.qty > 0, "ACCEPTED tells the full quantity")
        if market.phase == Phase.TRADING_AT_LAST and c.order_type == OrderType.LIMIT:
            self.require(e.price == market.last, "trading at last takes limits at the last price")
        order = order_of(c, e)
        if order.order_type == OrderType.ICEBERG:
            self.require(bool(e.flags & EventFlag.ICEBERG), "an iceberg tells what it shows")
        market.orders[e.order_id] = order
        self._told(self.judge.lists.accepted(market, order))
        if not order.dormant:
            self._enters(market, order)

    def _enters(self, market: Market, order: Order, before: int | None = None) -> None:
        """From here on the order may take.  ``before``: the price at which it was displayed."""
        self._settle_top()
        own = market.best(order.side, but=order)
        if before is not None and (own is None or no_worse(other_side(order.side), before, own)):
            own = before
        # Who waits enters when he is elected.
        self.arriving = None if order.waiting else (market, order, own)
        best = market.best(other_side(order.side))
        if best is None and order.order_type == OrderType.MARKET_TO_LIMIT:
            best = market.best(other_side(order.side), (UNSEEN,))
        self.reach[order.order_id] = best
        self.by_time = {}
        is_elected = self.event is not None and self.event.kind == EventKind.ELECTED
        if order.order_type == OrderType.POST_ONLY and market.phase == Phase.CONTINUOUS:
            best = market.best(other_side(order.side), (SHOWN, UNSEEN))
            # An elected one may be about to go for it.
            rests = is_elected or not (reaches(order, best) or meets_waiting(market, order))
            self.require(rests, "a post-only order never takes")

    def _settle_top(self, maker: Order | None = None) -> None:
        """Who entered last has done what he does; if ``maker`` is given, only if he is that."""
        if self.arriving is not None and maker in (None, self.arriving[1]):
            settle_top(*self.arriving)
            self.arriving = None

    def _gone(self, market: Market, order: Order, e: Event) -> None:
        self.require(e.qty == order.leaves and e.leaves == 0, "what goes is what was open")
        c, reason = self.command, e.reason
        if reason == Reason.USER:
            is_cancel = c.kind == CommandKind.CANCEL and c.order_id == order.order_id
            is_cancel |= self.judge.lists.asked(c, order.order_id).qty == 0
            self.require(is_cancel, "USER: the owner cancelled it")
        elif reason == Reason.REDUCED_TO_ZERO:
            nothing = c.kind == CommandKind.REDUCE and c.qty >= order.leaves
            nothing |= c.knows and c.open_asked(order.leaves) <= 0
            self.require(c.order_id == order.order_id and nothing, "REDUCED_TO_ZERO")
        elif reason == Reason.WOULD_CROSS:
            best = market.best(other_side(order.side), (SHOWN, UNSEEN))
            crosses = reaches(order, best) or meets_waiting(market, order)
            crosses &= order.order_type == OrderType.POST_ONLY
            self.require(crosses, "an elected post-only order goes only if it would trade")
        elif reason == Reason.SELF_TRADE:
            self._check_self_trade(market, order)
            if not market.self_trade_first:
                taker, lots = self._by_time(market, order)
                self.by_time[order.side, order.price] = taker, lots - order.open_qty
            if order.order_id == c.order_id:
                self.by_time = {}  # what takes next is another order
        elif reason == Reason.FOK_UNFILLABLE:
            self.require(order.tif == TimeInForce.FOK, "FOK_UNFILLABLE: a FOK order")
            can = trades_whole(market, order, self.reach[order.order_id])
            self.require(not can, "FOK trades whole if it can")
        elif reason == Reason.MIN_QTY_UNFILLABLE:
            self.require(order.order_type == OrderType.MIN_QTY, "MIN_QTY_UNFILLABLE: MIN_QTY")
            self.require(fillable(market, order) < order.aux, "MIN_QTY trades if it can")
        elif reason == Reason.OFF_LOT:
            self.require(order.budget is not None, "OFF_LOT: a budget pays for no lot more")
            self._check_rest(market, order, by_budget=True)
        elif reason in (Reason.IOC_REST, Reason.MARKET_REST):
            is_ioc = reason == Reason.MARKET_REST or order.tif == TimeInForce.IOC
            self.require(is_ioc or order.budget is not None, "FOK trades whole at once, or nothing")
            self._check_rest(market, order)
        elif reason == Reason.MASS_CANCEL:
            own = order.participant == c.participant
            everybody = c.participant == 0 and c.aux == 1
            self.require(c.kind == CommandKind.MASS_CANCEL, "MASS_CANCEL: by MASS_CANCEL")
            self.require(own or everybody, "no participant acts for another")
            self.require(c.side in (0, order.side), "MASS_CANCEL means one side or both")
        elif reason == Reason.DISCONNECTED:
            own = order.participant == c.participant and c.kind == CommandKind.DISCONNECT
            self.require(own, "DISCONNECT takes the participant's own")
        elif reason == Reason.EXPIRED:
            expiry, now = order.expiry, self.judge.now
            is_over = expiry is not None and now is not None and expiry < now
            is_over &= c.kind == CommandKind.TIME
            self.require(is_over, "an order expires when its time is over")
        elif reason == Reason.DAY_END:
            # IOC and FOK orders are open only as legs that wait.
            ends = order.tif not in (TimeInForce.GTC, TimeInForce.GTD)
            begins = c.kind == CommandKind.MASS_CANCEL and (c.participant, c.aux) == (0, NEW_DAY)
            closes = ends and (market.phase == Phase.CLOSED or begins)
            self.require(closes, "at the close or at the next day DAY and auction orders expire")
        del market.orders[order.order_id]
        order.leaves = 0
        self._told(self.judge.lists.gone(market, order, reason))

    def _check_self_trade(self, market: Market, order: Order) -> None:
        """The order met one of its own participant, or the other met it, under a mode that says
        so."""
        fok_first = market.self_trade_first and order.tif == TimeInForce.FOK
        self.require(not fok_first, "self-trade first: FOK with its own in reach fills nothing")
        entered = order.order_id in self.reach or order.rank == WHOLE or order.waiting
        others = (o for o in market.orders.values() if o.side != order.side)
        met = [o.mode for o in others if o.participant == order.participant]
        as_taker = entered and order.mode in ENDS_WALK
        as_maker = any(mode in STRIKES_MAKER for mode in met)
        self.require(as_taker or as_maker, "the taker's self-trade mode says who goes")
        if order.budget is None:
            self.struck = None if order.waiting else order.price

    def _check_rest(self, market: Market, order: Order, by_budget: bool = False) -> None:
        """Nothing is left that the order, ``by_budget``: its budget, could have traded with."""
        if market.phase != Phase.CONTINUOUS or self.auction_lots is not None:
            return
        fault = rest_fault(market, order, self.reach.get(order.order_id), by_budget)
        self.require(not fault, fault)

    def _reduced(self, market: Market, order: Order, e: Event) -> None:
        self.require(e.qty > 0 and e.leaves == order.leaves - e.qty > 0, "REDUCED tells what went")
        if e.reason == Reason.SELF_TRADE:
            self._check_self_trade(market, order)
            price = waiting_price(market, order) if self.struck is None else self.struck
            order.pay(e.qty, price or 0, stands=not market.self_trade_first)
        elif e.reason == Reason.LIST:
            self._told(self.judge.lists.reduced(order, e.leaves))
        else:
            c = self.command
            self.require(
                c.kind == CommandKind.REDUCE and (c.order_id, c.qty) == (order.order_id, e.qty),
                "REDUCED: its owner asked for it",
            )
        order.leaves = e.leaves
        order.slice = min(order.slice, order.leaves)

    def _replaced(self, market: Market, order: Order, e: Event) -> None:
        c = self.judge.lists.asked(self.command, order.order_id)
        quotes = c.kind == CommandKind.NEW and Term.QUOTE in self.judge.lists.new
        replaces = c.kind in (CommandKind.REPLACE, CommandKind.SET_EXPIRY)
        self.require(replaces or quotes, "REPLACED: by whom")
        plain = order.order_type == c.order_type and order.participant == c.participant
        self.require(not quotes or plain, "a quote replaces its own sides alone")
        self.require(c.order_id == order.order_id, "REPLACED: the order that was meant")
        kept = bool(e.flags & EventFlag.KEPT_PLACE)
        self.require(e.leaves == e.qty > 0, "REPLACED tells the full quantity")
        if c.kind == CommandKind.SET_EXPIRY:
            self.require(kept and e.qty == order.leaves, "SET_EXPIRY changes the expiry alone")
            order.expiry = c.aux
            if order.tif not in (TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE):
                order.tif = TimeInForce.GTD
            return
        self.require(e.qty == c.open_asked(order.leaves), "REPLACED tells what was asked")
        if order.order_type in STANDING and not order.waiting:
            same = e.price == order.price and e.qty <= order.leaves
            self.require(kept == same, "less keeps its place, more or elsewhere loses it")
            self.require(e.price == c.price, "REPLACED tells the price asked for")
        order.mode = c.mode
        before = order.price if order.rank == SHOWN and not order.waiting else None
        order.price, order.leaves, order.limit = e.price, e.leaves, c.price
        order.waiting = bool(e.flags & EventFlag.WAITING)
        if order.order_type in PEGS:
            order.aux = c.new_aux(order.aux)
        if order.order_type in STOPS:
            order.trigger = price_or_none(e.contra_id)
            order.aux = c.new_aux(0) or order.aux
        if order.order_type == OrderType.ICEBERG:
            order.display = e.contra_id
            order.slice = min(order.slice, order.leaves)
        if not kept:
            order.place = order.came = e.seq
            order.slice = min(order.display, order.leaves)
            if market.top[order.side] is order:
                market.top[order.side] = None
            self._enters(market, order, before)

    def _elected(self, market: Market, order: Order, e: Event) -> None:
        self.require(e.leaves == e.qty == order.leaves, "leaves change by trades alone")
        self.require(order.waiting, "only who waits is elected")
        if order.dormant:
            self.require(order.order_type not in STOPS, "a stop that enters waits")
            self._told(self.judge.lists.entered(order))
            order.price, order.came = e.price, e.seq
            order.slice = min(order.display, order.leaves)
        elif order.order_type in STOPS:
            self._told(self.judge.lists.elected(order))
            self.require(order.trigger == e.price, "ELECTED tells the trigger")
            ahead = any(one.kind == EventKind.UNCROSSED for one in self.events)
            becomes = ELECTED_AS[OrderType(order.order_type)]
            if ahead and self.auction_lots is None:
                if becomes == OrderType.MARKET:
                    order.price = ANY_PRICE[order.side]
            elif market.phase == Phase.CONTINUOUS:
                self.require(is_electable(market, order), "a stop waits for its trigger")
                rule = "the lowest trigger above and the highest below come first, then the older"
                self.require(is_elected_first(market, order), rule)
            order.order_type = becomes
        else:
            order.price = e.price
        order.waiting, order.place = False, e.seq
        self._enters(market, order)

    def _goes_on(self, market: Market, order: Order, e: Event) -> None:
        """REPEGGED, REFRESHED, CONVERTED, TRIGGER_MOVED."""
        self.require(e.leaves == order.leaves, "leaves change by trades alone")
        order.place = e.seq
        if e.kind == EventKind.TRIGGER_MOVED and order.dormant:
            self._told(self.judge.lists.entered(order))
            self.require(may_trail(market, order), "it has no trigger before its activation")
            order.trigger, order.came = e.price, e.seq
        elif e.kind == EventKind.TRIGGER_MOVED:
            fault = trigger_fault(market, order, e.price)
            self.require(not fault, fault)
            order.trigger = e.price
        elif e.kind == EventKind.REFRESHED:
            self.require(order.slice == 0, "the next slice comes when the last is traded")
            self.require(e.qty == min(order.display, order.leaves), "an iceberg shows its display")
            order.slice = e.qty
            if market.top[order.side] is order:
                market.top[order.side] = None
        elif e.kind == EventKind.REPEGGED:
            order.price, order.waiting = e.price, bool(e.flags & EventFlag.WAITING)
            if order.order_type in PEGS:
                self._enters(market, order)
                return
            order.waiting, reach = False, self.reach.get(order.order_id)
            after, traded = self.auction_lots is not None, order.order_id in self.taken
            if fault := begins_fault(market, order, reach, after, traded):
                self.require(False, fault)
            order.waiting, order.trigger = True, None
        else:
            self.require(order.order_type in MARKETS, "a market order's rest is converted")
            order.order_type, order.price = OrderType.LIMIT, e.price

    def _trade(self, market: Market, first: Event, second: Event) -> None:
        a = market.orders[first.order_id]
        b = market.orders.get(second.order_id)
        self.require(b is not None, "both sides of a trade are open orders")
        assert b is not None
        self._check_owner(b, second)
        same = first.price == second.price and first.qty == second.qty
        same = same and first.instrument == second.instrument and first.kind == second.kind
        self.require(same, "both sides trade the same")
        self.require(
            first.contra_id == second.order_id and second.contra_id == first.order_id,
            "each side names the other",
        )
        self.require(a.side != b.side and first.qty > 0, "a trade is a buy and a sell")
        for order, event in ((a, first), (b, second)):
            self.require(
                event.leaves == order.leaves - event.qty >= 0, "no lot is lost or invented"
            )
        auction = first.flags & EventFlag.AUCTION
        if auction:
            self._check_auction_trade(market, a, b, first)
        else:
            is_made = bool(first.flags & EventFlag.MAKER) and not second.flags & EventFlag.MAKER
            self.require(is_made, "the maker's side is told first")
            self._check_trade(market, a, b, first)
        for order, event in ((a, first), (b, second)):
            order.leaves = event.leaves
            if order.order_type == OrderType.ICEBERG:
                is_maker = order is a and not auction
                order.slice = order.slice - event.qty if is_maker else order.display
                order.slice = min(order.slice, order.leaves)
            if order.leaves == 0:
                del market.orders[order.order_id]
            self._told(self.judge.lists.traded(market, order))
        b.pay(first.qty, first.price)
        market.last = first.price

    def _check_trade(self, market: Market, maker: Order, taker: Order, e: Event) -> None:
        self.require(not (fault := trade_fault(market, maker, taker, e.price)), fault)
        own = maker.waiting or e.price == maker.price or market.phase == Phase.TRADING_AT_LAST
        self.require(own, "a fill is at the maker's price")
        self._settle_top(maker)
        left = 0 if is_used_up(market, taker) else lots_at(market, taker, e.price)
        self.require(e.qty <= left or self.shares != [], "a budget pays for lots until it cannot")
        own = taker.participant == maker.participant and taker.mode != SelfTrade.ALLOW
        self.require(not own, "no trade between orders of one participant under a mode")
        self.require(taker.order_type != OrderType.POST_ONLY, "a post-only order never takes")
        limit = limit_of(market, taker, self.reach.get(taker.order_id))
        in_limit = limit is None or no_worse(taker.side, e.price, limit)
        if market.phase == Phase.TRADING_AT_LAST:
            self.require(e.price == market.last, "trading at last is at the last price")
            reached = maker.waiting or no_worse(maker.side, e.price, maker.price)
            self.require(reached, "trading at last is within both limits")
        else:
            self.require(market.phase == Phase.CONTINUOUS, "a call phase does not match")
            self.require(in_limit, "an order trades at its price or better, a market order's band")
        if maker.rank == WHOLE:
            self.require(e.qty == maker.leaves, "all-or-none trades as a whole")
            self.require(market.phase == Phase.CONTINUOUS, "all-or-none trades in continuous only")
        self.require(e.qty <= maker.open_qty, "an iceberg trades what it shows")
        met = market.self_trade_first and meets_own(market, maker.side, taker, limit)
        self.require(not met, "self-trade first: its own orders go before any trade")
        if not maker.waiting:
            self._check_priority(market, maker, taker, e)
        self.taken[taker.order_id] = self.taken.get(taker.order_id, 0) + e.qty

    def _check_priority(self, market: Market, maker: Order, taker: Order, e: Event) -> None:
        at_last = market.phase == Phase.TRADING_AT_LAST
        shares = market.pro_rata and maker.rank == SHOWN
        for rival in market.standing(maker.side):
            if rival is maker or rival.key > maker.key:
                continue
            if rival.rank == WHOLE and (
                at_last or rival.leaves > lots_at(market, taker, rival.price)
            ):
                continue
            if at_last and not no_worse(rival.side, e.price, rival.price):
                continue
            same_level = rival.price == maker.price and rival.rank == SHOWN
            self.require(rival.price == maker.price, "no trade through a better price")
            self.require(rival.rank == maker.rank, "displayed before hidden before all-or-none")
            self.require(shares and same_level, "first come, first served")
        if shares:
            self._check_share(market, maker, taker, e)

    def _check_share(self, market: Market, maker: Order, taker: Order, e: Event) -> None:
        """Pro rata: the level's shares, unless the taker takes all or meets its own."""
        level = sorted(market.level(maker), key=lambda o: o.place)
        wanted = lots_at(market, taker, e.price)
        who, lots = self.by_time.get((maker.side, maker.price), (None, 0))
        lots = 0 if who not in (None, taker.order_id) else lots
        own = [o for o in level if o.participant == taker.participant]
        own = [] if taker.mode == SelfTrade.ALLOW else own
        if not self.shares and lots <= 0:
            lots = sum(o.open_qty for o in level)
            if wanted < lots and not own:
                self.shares = shares_of(market, level, wanted)
        if self.shares:
            self.require(self.shares.pop(0) == (maker.order_id, e.qty), "pro rata")
            return
        self.by_time[maker.side, maker.price] = taker.order_id, lots - e.qty
        self.require(maker is level[0], "pro rata: what is not shared goes by time")
        self.require(e.qty == min(wanted, maker.open_qty), "by time: the first gets all it can")

    def _by_time(self, market: Market, order: Order) -> tuple[int | None, int]:
        """As ``by_time``, of the level of an order that self-trade prevention takes out."""
        taker, lots = self.by_time.get((order.side, order.price), (None, 0))
        return taker, lots if lots > 0 else sum(o.open_qty for o in market.level(order))

    def _uncrossed(self, market: Market, e: Event) -> None:
        # What is told ends at 2**63 - 1; what trades does not.
        most = market.most_volume(e.price)
        self.auction_lots, self.auction_price = most, e.price
        self.require(min(most, 2**63 - 1) == e.qty, "an auction's price trades the most")

    def _check_auction_trade(self, market: Market, buyer: Order, seller: Order, e: Event) -> None:
        self.require(self.auction_price is not None, "fills of an auction follow UNCROSSED")
        assert self.auction_lots is not None
        self.require(e.price == self.auction_price, "one price for all")
        self.auction_lots -= e.qty
        self.require(buyer.side == Side.BUY, "in an auction the buyer's side is told first")
        for order in (buyer, seller):
            self.require(not order.waiting and order.rank != WHOLE, "who waits does not trade")
            self.require(no_worse(order.side, e.price, order.price), "within the order's limit")
            for rival in market.standing(order.side):
                ahead = rival.key < order.key and rival.rank != WHOLE
                self.require(not ahead, "an auction serves better limits, displayed, then time")

    def _check_end(self, market: Market) -> None:
        self.event = None
        for order in market.orders.values():
            if order.order_type == OrderType.ICEBERG and market.phase == Phase.CONTINUOUS:
                self.require(order.slice > 0, "an iceberg that is open shows something")
        if market.phase == Phase.CLOSED:
            days = [o for o in market.orders.values() if o.tif == TimeInForce.DAY]
            self.require(not days, "at the close DAY orders expire")
        bid = market.best(Side.BUY, (SHOWN, UNSEEN))
        ask = market.best(Side.SELL, (SHOWN, UNSEEN))
        crossed = bid is not None and ask is not None and bid >= ask
        trades = market.phase in (Phase.CONTINUOUS, Phase.TRADING_AT_LAST)
        self.require(not (crossed and trades), "never crossed in continuous trading, nor at last")
        if market.phase != Phase.CONTINUOUS:
            return
        self.require(not (fault := end_fault(market)), fault)
        for order in market.orders.values():
            self._check_open(market, order)

    def _check_open(self, market: Market, order: Order) -> None:
        """An order may be open as it is, in continuous trading."""
        if order.dormant:
            return
        if order.rank == WHOLE:
            part = order.order_id in self.taken
            self.require(not part, "all-or-none trades as a whole or waits")
            enough = fillable(market, order) >= order.leaves
            self.require(not enough, "all-or-none takes as soon as there is enough for it")
        elif order.order_type in STOPS:
            self.require(not is_electable(market, order), "a stop whose trigger is reached goes")
            trails = order.activation is None or not may_trail(market, order)
            self.require(trails, "a trailing stop trails from its activation on")
        elif order.order_type in PEGS:
            fault = peg_fault(market, order)
            self.require(not fault, fault)
        elif not order.waiting:
            is_resting = order.tif not in (TimeInForce.IOC, TimeInForce.FOK)
            self.require(is_resting, "IOC and FOK orders never rest")
            self.require(order.order_type not in MARKETS, "a market order never rests as one")
        new = self.command.kind == CommandKind.NEW and self.command.order_id == order.order_id
        if new and order.order_type == OrderType.MIN_QTY:
            enough = self.taken.get(order.order_id, 0) >= order.aux
            self.require(enough, "MIN_QTY trades its minimum on arrival, or nothing")


def judge(instruments: Array, orders: Array, events: Array) -> None:
    """Judge one run from an empty engine on."""
    Judge(instruments).check(orders, events)
