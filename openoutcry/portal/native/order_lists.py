"""Lists of orders of the native API: orders that act on each other, entered as one.

The request's key is the list's client id, which the core accepts once, as that of an order.  An
order of the list has a name that is made of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from openoutcry.client.portal_models import OrderListRow
from openoutcry.portal.accounts.errors import Declined, InvalidRequest
from openoutcry.portal.body import Body
from openoutcry.portal.native.orders import NativeOrders, NewOrderBody, as_problem
from openoutcry.portal.native.problems import KeyReused, of_reject
from openoutcry.portal.trading.broker import NewList, NewOrder, leg_id
from openoutcry.portal.trading.orders import Order, OrderList
from openoutcry.portal.trading.reject import Code, Reject, rejection
from openoutcry.portal.trading.service import ANSWER_S, cancel_names, refused_in
from openoutcry.portal.trading.terms import needs_expiry, needs_trigger
from openoutcry.wire.enums import MAX_LEGS, MIN_LEGS, Contingency, OrderType
from openoutcry.wire.order_types import LEG_TIMES, LEGS, RESTING, RESTING_LEGS, STOPS

CONTINGENCIES = {one.name.lower(): one for one in Contingency}
LEGS_OF = {
    Contingency.OUO: (MIN_LEGS, MIN_LEGS),
    Contingency.OTOCO: (MIN_LEGS + 1, MAX_LEGS),
    Contingency.OTOUO: (MIN_LEGS + 1, MIN_LEGS + 1),
}
"""The least and the most orders of a list, where that is not ``MIN_LEGS`` and ``MAX_LEGS``."""
UPDATES = Contingency.OUO, Contingency.OTOUO


@dataclass
class NewListBody(Body):
    """Orders that act on each other."""

    contingency: str
    """``oco``: one cancels the others; ``ouo``: one updates the other; ``oto``: the first triggers
    the others; ``otoco`` and ``otouo``: the first triggers others of which one cancels or updates
    the other."""
    orders: list[NewOrderBody]
    """2 to 8 of one instrument, without ``amount``."""


@contextmanager
def _of_order(place: int) -> Iterator[None]:
    """Have a refusal say which order of a list it is of, by its place from 0."""
    try:
        yield
    except InvalidRequest as error:
        raise InvalidRequest(f"orders.{place}.{error}") from None
    except Declined as error:
        raise Declined(error.code, f"orders.{place}.{error}", error.status) from None


class NativeOrderLists:
    """Lists of orders of the native API."""

    def __init__(self, orders: NativeOrders) -> None:
        self.orders, self.service, self.mirror = orders, orders.service, orders.mirror

    def read(self, participant: int, body: NewListBody, key: str) -> NewList:
        """Return the list that a body asks for.  Raises :class:`AccountError`."""
        contingency = CONTINGENCIES.get(body.contingency)
        if contingency is None:
            raise InvalidRequest(f"contingency: one of {', '.join(CONTINGENCIES)}")
        least, most = LEGS_OF.get(contingency, (MIN_LEGS, MAX_LEGS))
        if not least <= len(body.orders) <= most:
            count = f"{least} to {most}" if least < most else str(least)
            raise InvalidRequest(f"orders: such a list has {count}")
        orders: list[NewOrder] = []
        for place, one in enumerate(body.orders):
            with _of_order(place):
                if one.symbol != body.orders[0].symbol:
                    raise InvalidRequest("symbol: the orders of a list have one instrument")
                name = leg_id(participant, key, place + 1)
                _, order = self.orders.read(participant, one, name, is_leg=True)
                require_leg(order, contingency, place, orders)
                orders.append(order)
        return NewList(key, contingency, tuple(orders))

    async def place(self, participant: int, body: NewListBody, key: str) -> tuple[OrderList, bool]:
        """Enter a list, and return it and whether this request entered it.  ``key`` is its name,
        which the core accepts once.  Raises :class:`AccountError`."""
        wanted = self.read(participant, body, key)
        own = self.mirror.orders.participant(participant)
        with as_problem():
            if key in own.by_client_id:
                raise KeyReused("this key belongs to an order")
            if (known := own.list_named(key)) is not None:
                return self._known(known, wanted), False
            market = self.orders.market(body.orders[0].symbol)
            self.service.require_room(participant, market, key, len(wanted.orders))
            try:
                return await self.service.enter_list(participant, wanted), True
            except Reject as reject:
                if reject.code is not Code.DUPLICATE:
                    raise self._placed_at(participant, key, reject) from None
            # The same request is under way, or was, before this portal began.
            await self.service.until_shown(participant, wanted.orders[-1].client_id, ANSWER_S)
            if (known := own.list_named(key)) is None:
                raise Reject(Code.DUPLICATE)
            return self._known(known, wanted), False

    def _placed_at(self, participant: int, key: str, reject: Reject) -> Reject:
        """Return a refusal by the core with the place of the order that it is of."""
        of = self.mirror.orders.participant(participant).list_named(key)
        refused = refused_in(of) if of is not None else None
        if of is None or refused is None or reject.field:
            return reject
        return _at(of, refused, reject)

    def _known(self, placed: OrderList, wanted: NewList) -> OrderList:
        """Return the list that a key belongs to.  Raises :class:`KeyReused` if another one was
        wanted, and :class:`Reject` if the core refused it."""
        if not self.service.has_terms(placed, wanted):
            raise KeyReused("this key belongs to another list")
        if (refused := refused_in(placed)) is not None:
            raise _at(placed, refused, rejection(refused))
        return placed

    def one(self, participant: int, number: int) -> OrderList:
        """Return a participant's list.  Raises :class:`AccountError` also for one of another
        participant."""
        of = self.mirror.orders.participant(participant).lists.get(number)
        if of is None or not of.is_whole:
            raise of_reject(Reject(Code.UNKNOWN_ORDER))
        return of

    async def cancel(self, participant: int, number: int, key: str) -> OrderList:
        """Cancel every order of a list, and return it.  Raises :class:`AccountError`."""
        of = self.one(participant, number)
        names = cancel_names(of, key)
        if not of.is_open and any(order.cancel_id in names for order in of.orders):
            return of
        with as_problem():
            await self.service.cancel_list(participant, of, key)
        return of

    def chosen(self, participant: int, symbol: str, state: str, before: int) -> list[OrderList]:
        """Return the lists, the newest first; ``before``: with a smaller number, 0: all.  Raises
        :class:`AccountError`."""
        if state not in ("all", "open", "closed"):
            raise InvalidRequest("state: open, closed or all")
        wanted = self.orders.market(symbol).index if symbol else None
        own = self.mirror.orders.participant(participant)
        return [
            of
            for of in sorted(own.lists.values(), key=lambda one: -one.number)
            if of.is_whole
            and wanted in (None, of.instrument)
            and state in ("all", "open" if of.is_open else "closed")
            and (not before or of.number < before)
        ]

    def row(self, of: OrderList) -> OrderListRow:
        """A list with its orders as they are shown."""
        return OrderListRow(
            of.number,
            of.client_id,
            self.mirror.markets.by_index[of.instrument].symbol,
            Contingency(of.contingency).name.lower(),
            "open" if of.is_open else "closed",
            [self.orders.row(order) for order in of.orders],
            of.created_ns // 1_000_000,
            of.updated_ns // 1_000_000,
            max(order.seq for order in of.orders),
        )


def require_leg(
    order: NewOrder, contingency: Contingency, place: int, before: list[NewOrder]
) -> None:
    """Raise :class:`InvalidRequest` unless an order may be the one at a place of a list, from 0;
    ``before``: those that come first.  The rules are the core's (docs/matcher.md)."""
    if order.order_type not in LEGS:
        raise InvalidRequest(f"{_field_of(order)}: no order of a list has this")
    if order.time_in_force not in LEG_TIMES:
        raise InvalidRequest("time_in_force: no order of a list has this")
    if needs_expiry(order):
        raise InvalidRequest("expires_ms: an order of this type has none in a list")
    if needs_trigger(order):
        field = "trigger_by" if order.trigger_by is not None else "activation_price"
        raise InvalidRequest(f"{field}: no order of a list has this")
    first = int(contingency >= Contingency.OTO)
    if contingency is Contingency.OTO or place < first:
        return
    if contingency in UPDATES and order.order_type is OrderType.ICEBERG:
        raise InvalidRequest("shown_quantity: orders that update each other have none")
    if order.order_type in STOPS:
        return
    if order.order_type not in RESTING_LEGS:
        raise InvalidRequest("type: an order that ends others is a stop, or can rest in the book")
    if order.time_in_force not in RESTING:
        raise InvalidRequest("time_in_force: an order that ends others is gtc, day or gtd")
    if any(one.order_type not in STOPS for one in before[first:]):
        raise InvalidRequest("type: of orders that end each other all but one are stops")


def _field_of(order: NewOrder) -> str:
    """Return the field that has made an order's type one that no list has."""
    if order.budget_tick_lots:
        return "amount"
    return "min_quantity" if order.min_lots else "type"


def _at(of: OrderList, refused: Order, reject: Reject) -> Reject:
    """Return a refusal with the place of the order that it is of."""
    return Reject(reject.code, f"orders.{of.orders.index(refused)}", reject.detail)
