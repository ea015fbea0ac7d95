"""What a command must be to be taken, in plain Python: the checks, in their order."""

from dataclasses import dataclass, replace

from openoutcry.wire.enums import (
    AUX_HALVES,
    HAS_ACTIVATION,
    LEGS_SHIFT,
    MAX_LEGS,
    OPEN_KNOWN,
    SELF_TRADE_SHIFT,
    CommandKind,
    Contingency,
    OrderType,
    Phase,
    Reason,
    SelfTrade,
    Side,
    Term,
    TriggerBy,
)
from openoutcry.wire.order_types import (
    AT_OPEN,
    BUDGETS,
    DAY,
    FOK,
    GTC,
    GTD,
    IOC,
    PEGS,
    STOPS,
    TIMES_IN_FORCE,
    TRAILING,
    TRAILING_BPS,
    UNPRICED,
)
from tests.oracles.matcher.books import (
    AUCTION_ONLY,
    CALL_PHASES,
    Market,
    OpenOrder,
    Place,
    Rules,
)

MAX_SLICES = 256
"""An iceberg's quantity is at most this many times what it shows."""
MAX_OFFSET_TICKS = 1 << 40
MAX_DISTANCE_TICKS, MAX_DISTANCE_BPS = (1 << 31) - 1, 9999
DISTANCE_BITS = 32


@dataclass
class Command:
    """One order record, its fields as Python integers and the symbol as its eight bytes."""

    price: int
    qty: int
    symbol: bytes
    order_id: int
    aux: int
    rx_ts_ns: int
    participant: int
    error_code: int
    kind: int
    side: int
    order_type: int
    time_in_force: int
    seq: int

    @property
    def tif(self) -> int:
        """The TimeInForce, without self-trade mode and flags."""
        return self.time_in_force % (1 << SELF_TRADE_SHIFT)

    @property
    def mode(self) -> int:
        """The SelfTrade mode and the flags above it."""
        return self.time_in_force >> SELF_TRADE_SHIFT

    @property
    def is_open_known(self) -> bool:
        """A REPLACE that says what open quantity its sender knew of."""
        return self.kind == CommandKind.REPLACE and bool(self.time_in_force & OPEN_KNOWN)

    def restated(self, order: OpenOrder) -> tuple["Command", int]:
        """A REPLACE as it would be without OPEN_KNOWN, and the open quantity it knew of."""
        known, aux = self.aux, order.offset if order.is_peg else 0
        if self.time_in_force & AUX_HALVES:
            known, aux = self.aux % 2**32, self.aux >> 32
        return replace(self, aux=aux, time_in_force=self.time_in_force & ~OPEN_KNOWN), known


@dataclass
class WaitingTerm:
    """What a TERMS command says of an order to come."""

    key: tuple[int, int, int]
    """Participant, instrument and order id."""
    term: int
    values: tuple[int, int, int]


def key_of(c: Command, instrument: int) -> tuple[int, int, int]:
    """Whose order a command is about, where, and its id."""
    return c.participant, instrument, c.order_id


class Rejected(Exception):
    """An order is rejected: why, and the order that is the cause, if another one is."""

    def __init__(self, reason: Reason, contra_id: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.contra_id = reason, contra_id


def require(holds: bool, reason: Reason) -> None:
    """Raise ``Rejected`` with a reason unless the condition holds."""
    if not holds:
        raise Rejected(reason)


def check_new(m: Market, c: Command, now: int, replaces: bool = False) -> None:
    """The checks of a new order that do not need the book.  ``replaces``: what is open by its id is
    the side of a quote that it replaces."""
    require(c.side in list(Side) and c.mode in list(SelfTrade), Reason.MALFORMED)
    require(c.tif in TIMES_IN_FORCE.get(c.order_type, ()), Reason.MALFORMED)
    check_qty(m.rules, c.qty)
    if c.order_type not in UNPRICED:
        check_price(m.rules, c.price)
    check_aux(m.rules, OrderType(c.order_type), c.aux, c.qty)
    check_phase(m, c)
    require(replaces or c.order_id not in m.orders, Reason.DUPLICATE_ID)
    require(c.tif != GTD or c.aux >= now, Reason.EXPIRED)


def is_own_side(m: Market, c: Command) -> bool:
    """Whether the order of a side of a quote is open: a plain one of its participant and type."""
    order = m.orders.get(c.order_id)
    if order is None or (order.participant, order.side) != (c.participant, c.side):
        return False
    plain = order.tif in (DAY, GTC) and order.expiry is None and order.link is None
    return plain and order.order_type == c.order_type


def check_other_side(m: Market, c: Command, opposite: Command) -> None:
    """Whether the other side of a quote is one, too, and away from the first."""
    if opposite.qty > 0:
        check_qty(m.rules, opposite.qty)
        check_price(m.rules, opposite.price)
        bid, offer = sorted((c, opposite), key=lambda one: one.side)
        require(bid.price < offer.price, Reason.BAD_AUX)
        check_phase(m, opposite)
    is_free = opposite.order_id not in m.orders or is_own_side(m, opposite)
    require(is_free, Reason.DUPLICATE_ID)


def check_own_terms(
    m: Market, c: Command, terms: dict[int, tuple[int, int, int]], now: int
) -> None:
    """Whether a NEW goes with its terms EXPIRY, TRIGGER and QUOTE."""
    if Term.QUOTE in terms:
        is_plain = c.order_type in (OrderType.LIMIT, OrderType.POST_ONLY) and c.tif in (DAY, GTC)
        require(is_plain and len(terms) == 1, Reason.MALFORMED)
    if Term.EXPIRY in terms:
        require(c.tif == GTC, Reason.MALFORMED)
        require(terms[Term.EXPIRY][2] >= now, Reason.EXPIRED)
    if Term.TRIGGER in terms:
        activation, _, aux = terms[Term.TRIGGER]
        require(c.order_type in STOPS, Reason.MALFORMED)
        if aux & HAS_ACTIVATION:
            require(c.order_type in TRAILING, Reason.MALFORMED)
            is_good = m.rules.in_limits(activation) and m.rules.steps.is_valid(activation)
            require(is_good, Reason.BAD_AUX)
        prices = {TriggerBy.MARK: m.mark, TriggerBy.INDEX: m.index_price}
        require(prices.get(TriggerBy(aux % 256 or 1), 0) is not None, Reason.BAD_AUX)


def check_term(c: Command) -> None:
    """Whether the values of a TERMS command make sense."""
    require(c.order_type in list(Term), Reason.MALFORMED)
    if c.order_type == Term.EXPIRY:
        require((c.price, c.qty) == (0, 0), Reason.MALFORMED)
        return
    if c.order_type == Term.QUOTE:
        has_other = c.qty > 0 or (c.qty, c.price) == (0, 0)
        require(has_other and c.aux != c.order_id, Reason.MALFORMED)
        return
    if c.order_type == Term.TRIGGER:
        source, activates = c.aux % 256, c.aux // 256
        require(activates in (0, 1) and source in (0, *TriggerBy), Reason.MALFORMED)
        require(source > 0 or activates == 1, Reason.MALFORMED)
        require(c.qty == 0 and (activates == 1 or c.price == 0), Reason.MALFORMED)
        return
    legs, contingency = c.aux >> LEGS_SHIFT, c.aux % (1 << LEGS_SHIFT)
    require(contingency in list(Contingency), Reason.MALFORMED)
    least = 3 if contingency in (Contingency.OTOCO, Contingency.OTOUO) else 2
    most = least if contingency in (Contingency.OUO, Contingency.OTOUO) else MAX_LEGS
    require(least <= legs <= most and 1 <= c.qty <= legs, Reason.MALFORMED)
    require((c.price % 2**64 == c.order_id) == (c.qty == 1), Reason.MALFORMED)


def check_qty(rules: Rules, qty: int) -> None:
    """Raise ``Rejected`` if a quantity breaks the instrument's rules."""
    require(qty > 0, Reason.BAD_QTY)
    require(qty % rules.qty_step == 0, Reason.OFF_LOT)
    require(rules.min_qty <= qty <= rules.max_qty, Reason.QTY_LIMIT)


def check_price(rules: Rules, price: int) -> None:
    """Raise ``Rejected`` if a price breaks the instrument's rules."""
    require(rules.steps.is_valid(price), Reason.OFF_STEP)
    require(rules.in_limits(price), Reason.PRICE_LIMIT)


def check_aux(rules: Rules, order_type: OrderType, aux: int, qty: int) -> None:
    """The trigger, distance, display quantity, offset, minimum or budget that ``aux`` is."""
    if order_type in TRAILING:
        distance, _ = unpack_trailing(aux)
        most = MAX_DISTANCE_BPS if order_type in TRAILING_BPS else MAX_DISTANCE_TICKS
        is_good = aux >= 0 and 1 <= distance <= most
    elif order_type in STOPS:
        is_good = rules.in_limits(aux) and rules.steps.is_valid(aux)
    elif order_type == OrderType.ICEBERG:
        is_good = 0 < aux <= qty <= aux * MAX_SLICES and aux % rules.qty_step == 0
    elif order_type in PEGS:
        is_good = abs(aux) <= MAX_OFFSET_TICKS
    elif order_type == OrderType.MIN_QTY:
        is_good = 1 <= aux <= qty
    elif order_type in BUDGETS:
        is_good = aux >= 1
    else:
        is_good = True
    require(is_good, Reason.BAD_AUX)


def unpack_trailing(aux: int) -> tuple[int, int]:
    """Distance and smallest move of a trailing stop."""
    return aux % (1 << DISTANCE_BITS), aux >> DISTANCE_BITS


def check_phase(m: Market, c: Command) -> None:
    """Whether the instrument's phase takes such a new order."""
    require(not m.held, Reason.WRONG_PHASE)
    if m.phase in CALL_PHASES:
        is_taken = c.tif not in (IOC, FOK) and c.order_type not in (*PEGS, OrderType.MIN_QTY)
        opens = m.phase in (Phase.PRE_OPEN, Phase.OPENING_AUCTION)
        require(is_taken and (opens or c.tif != AT_OPEN), Reason.WRONG_PHASE)
    elif m.phase == Phase.CONTINUOUS:
        require(c.tif != AT_OPEN, Reason.WRONG_PHASE)
    elif m.phase == Phase.TRADING_AT_LAST:
        times = {OrderType.LIMIT: (DAY, IOC, FOK, GTC, GTD), OrderType.MARKET: (DAY, IOC, FOK)}
        is_taken = c.tif in times.get(OrderType(c.order_type), ())
        require(is_taken and m.last is not None, Reason.WRONG_PHASE)
        require(c.order_type == OrderType.MARKET or c.price == m.last, Reason.OFF_LAST)
    else:
        raise Rejected(Reason.WRONG_PHASE)


def check_replace(m: Market, c: Command, order: OpenOrder) -> None:
    """Raise ``Rejected`` if a REPLACE of an order is not allowed."""
    require(not order.is_dormant, Reason.LIST)
    check_qty(m.rules, c.qty)
    if order.order_type not in UNPRICED:
        check_price(m.rules, c.price)
    if order.is_iceberg:
        keeps = c.aux == 0 and c.qty <= order.display * MAX_SLICES
        if not keeps:
            check_aux(m.rules, order.order_type, c.aux, c.qty)
    elif order.is_peg or (order.is_stop and c.aux != 0):
        check_aux(m.rules, order.order_type, c.aux, c.qty)
    require(m.phase not in (Phase.CLOSED, Phase.HALT) and not m.held, Reason.WRONG_PHASE)
    if m.phase == Phase.TRADING_AT_LAST:
        in_book = order.place in (Place.DISPLAYED, Place.HIDDEN) and not order.is_peg
        in_book = in_book and order.tif not in AUCTION_ONLY and order.order_type not in UNPRICED
        require(in_book and m.last is not None, Reason.WRONG_PHASE)
        require(c.price == m.last, Reason.OFF_LAST)
