"""Lists of orders in plain Python: who waits for whom, and what one leg's events do to the others.

``note`` remembers what there is to do, and ``settle_lists`` does it before anything else trades.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from openoutcry.wire.enums import Contingency, EventKind, Reason
from openoutcry.wire.order_types import LEG_TIMES, LEGS, RESTING, RESTING_LEGS, STOPS

if TYPE_CHECKING:
    from tests.oracles.matcher.books import Market, OpenOrder

OCO_OF = {
    Contingency.OTO: Contingency.OCO,
    Contingency.OTOCO: Contingency.OCO,
    Contingency.OTOUO: Contingency.OUO,
}
"""What links the other legs once the first is filled."""
UPDATES = (Contingency.OUO, Contingency.OTOUO)


class Stage(IntEnum):
    """Where a leg is."""

    HELD = 1
    PENDING = 2
    DUE = 3
    ENTERED = 4


class Act(IntEnum):
    """What there is to do with a list; the higher number replaces the lower."""

    SHRINK = 1
    OTHERS = 2
    RELEASE = 4
    ALL = 5


@dataclass(eq=False)
class OrderList:
    """The legs of a list that are still linked, by their place."""

    key: int
    contingency: Contingency
    legs: int
    members: dict[int, "OpenOrder"] = field(default_factory=dict)
    act: tuple[Act, int] | None = None
    """What there is to do, and the leg that it is about."""

    @property
    def waits(self) -> bool:
        """Whether others wait for its first leg."""
        return self.contingency in OCO_OF


@dataclass(eq=False)
class Link:
    """A leg's place in its list."""

    of: OrderList
    leg: int
    stage: Stage
    aux: int

    @property
    def words(self) -> tuple[int, int, int, int]:
        """Stage, contingency, place and legs, as a snapshot has them."""
        return self.stage, self.of.contingency, self.leg, self.of.legs

    @property
    def is_dormant(self) -> bool:
        """Whether it has not entered."""
        return self.stage != Stage.ENTERED


# What a leg may be


def may_be_leg(m: "Market", order: "OpenOrder", of: OrderList, leg: int) -> bool:
    """Whether the order may be this leg.  Of legs that end each other at most one is no stop."""
    if order.order_type not in LEGS or order.tif not in LEG_TIMES:
        return False
    if of.contingency == Contingency.OTO or (of.waits and leg == 1):
        return True
    if of.contingency in UPDATES and (m.rules.pro_rata or order.is_iceberg):
        return False
    if order.order_type in STOPS:
        return True
    if order.order_type not in RESTING_LEGS or order.tif not in RESTING:
        return False
    others = [one for place, one in of.members.items() if place > 1 or not of.waits]
    return all(one.order_type in STOPS for one in others)


# What happens to a leg


def note(m: "Market", of: OrderList, act: Act, leg: int) -> None:
    """Remember what there is to do with the list, unless something stronger is."""
    if of.act is not None:
        if of.act[0] >= act:
            return
        m.acts.remove(of)
    of.act = act, leg
    m.acts.append(of)


def unlink(m: "Market", order: "OpenOrder") -> OrderList:
    """The order is a leg no more."""
    link = order.link
    assert link is not None
    of = link.of
    del of.members[link.leg]
    order.link = None
    if of.act is not None and (not of.members or of.act[1] == link.leg):
        m.acts.remove(of)
        of.act = None
    return of


def ended(m: "Market", order: "OpenOrder", filled: bool) -> None:
    """The leg is no longer open."""
    link = order.link
    if link is None:
        return
    works = link.of.waits and link.leg == 1 and link.stage == Stage.ENTERED
    of = unlink(m, order)
    if of.members:
        note(m, of, Act.RELEASE if works and filled else Act.ALL, min(of.members))


def traded(m: "Market", order: "OpenOrder") -> None:
    """Part of the leg was filled."""
    if order.link is not None:
        of = order.link.of
        if of.contingency == Contingency.OCO:
            note(m, of, Act.OTHERS, order.link.leg)
        elif of.contingency == Contingency.OUO:
            note(m, of, Act.SHRINK, order.link.leg)


def elected(m: "Market", order: "OpenOrder") -> None:
    """The leg, a stop, was elected."""
    if order.link is not None and not order.link.of.waits:
        note(m, order.link.of, Act.OTHERS, order.link.leg)


def took(m: "Market", order: "OpenOrder", before: int) -> None:
    """The order has traded as a taker, with ``before`` lots, and rests or is gone."""
    if order.link is None:
        return
    own = [e[8] for e in m.event_log.events if (e[0], e[7]) == (order.order_id, m.index)]
    if order.leaves == 0:
        ended(m, order, filled=own[-1:] == [EventKind.FILLED])
    elif order.leaves < before and EventKind.FILLED in own:
        traded(m, order)


# Doing it


def settle_lists(m: "Market") -> None:
    """Do everything that is noted, but let no leg enter."""
    while m.acts:
        of = m.acts.pop(0)
        assert of.act is not None
        (act, leg), of.act = of.act, None
        members = [of.members[place] for place in sorted(of.members)]
        if act == Act.RELEASE:
            release(of, members)
        elif act == Act.SHRINK:
            left = of.members[leg].leaves
            for order in members:
                more = order.leaves - left
                if more > 0 and order is not of.members[leg]:
                    m.reduce_order(order, more)
                    m.emit(EventKind.REDUCED, order, qty=more, reason=Reason.LIST)
        else:
            survivor = of.members[leg] if act == Act.OTHERS else None
            for order in members:
                if order is not survivor:
                    unlink(m, order)
                    m.cancel_order(order, Reason.LIST)
            if survivor is not None:
                unlink(m, survivor)
                m.keep_special(survivor)


def release(of: OrderList, members: list["OpenOrder"]) -> None:
    """The first leg is filled, so the others are due."""
    is_alone = of.contingency == Contingency.OTO
    of.contingency = OCO_OF[of.contingency]
    for order in members:
        assert order.link is not None
        order.link.stage = Stage.DUE
        if is_alone:
            alone = OrderList(of.key, of.contingency, 0, {order.link.leg: order})
            del of.members[order.link.leg]
            order.link.of = alone


def begin(of: OrderList, number: int) -> None:
    """The list is whole: its first leg is due, or all are."""
    of.key = number
    for place, order in of.members.items():
        assert order.link is not None
        is_due = place == 1 or not of.waits
        order.link.stage = Stage.DUE if is_due else Stage.PENDING


def due(m: "Market") -> list["OpenOrder"]:
    """The legs that enter as soon as they may, oldest first."""
    return [o for o in m.by_arrival() if o.link is not None and o.link.stage == Stage.DUE]
