"""Lists of orders as risk's plain reference knows them: who ends whom, and what counts of it.

The terms of a NEW are those that the matcher keeps; which are forgotten says its judge.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from openoutcry.wire import CommandKind
from openoutcry.wire.enums import LEGS_SHIFT, Contingency, EventFlag, Term
from tests.oracles.matcher_judge_book import Command
from tests.oracles.matcher_judge_lists import UPDATES, WAITS, Lists
from tests.oracles.risk.state import Order

if TYPE_CHECKING:
    from tests.oracles.risk.reference import Reference


@dataclass(eq=False)
class Ring:
    """The legs of a list, of those that are open."""

    contingency: int
    members: dict[int, Order] = field(default_factory=dict)


def counts_alone(order: Order) -> bool:
    """It is no leg, or it trades in addition to the others of its list."""
    if order.ring is None or order.ring.contingency == Contingency.OTO:
        return True
    return order.ring.contingency in WAITS and order.leg == 1


def largest(orders: Iterable[Order], figure: Callable[[Order], int]) -> int:
    """The sum of a figure over orders: of legs of which one trades at most, the largest one's."""
    total, of_rings = 0, dict[Ring, int]()
    for order in orders:
        if order.ended:
            continue
        if counts_alone(order):
            total += figure(order)
        else:
            assert order.ring is not None
            of_rings[order.ring] = max(of_rings.get(order.ring, 0), figure(order))
    return total + sum(of_rings.values())


class PlainLists:
    """The terms that wait for their NEW, and the legs of those that are open."""

    def __init__(self, risk: "Reference") -> None:
        self.risk, self.lists = risk, Lists()

    def begin(self, c: Any, index: int, events: list[dict[str, int]]) -> None:
        """Before the events of a command are followed."""
        if not any(event["flags"] & EventFlag.LAST for event in events):
            return  # what comes before the command's own events
        command = Command(*(c[name] for name in NAMES))
        if not self.lists.terms and command.kind != CommandKind.TERMS:
            self.lists.own = None
            return
        kinds = [Kind(event["kind"], event["qty_lots"]) for event in events]
        self.lists.begin(command, index, kinds)  # type: ignore[arg-type]

    def link(self, c: Any, index: int, order: Order, *, came: bool = False) -> None:
        """Make a new order the leg that its terms say, if it can be.  ``came``: it has come."""
        own = self.lists.own
        if not came:
            key = int(c["participant"]), index, int(c["order_id"])
            own = self.lists.terms.get(key, {}).get(Term.LIST)
        if own is None:
            return
        list_id, leg, aux = own
        contingency = aux % (1 << LEGS_SHIFT)
        ring = Ring(contingency)
        if leg > 1:
            first = self.risk.orders.get((index, list_id % 2**64))
            if first is None or first.ring is None or first.participant != order.participant:
                return
            if first.leg != 1 or first.ring.contingency != contingency:
                return
            ring = first.ring
        order.ring, order.leg = ring, leg
        if came:
            ring.members[leg] = order

    def traded(self, order: Order, leaves: int) -> None:
        """What a fill means for the other legs of its list, from this event on."""
        if counts_alone(order):
            return
        assert order.ring is not None
        for other in order.ring.members.values():
            if other is order or counts_alone(other):
                continue
            if order.ring.contingency in UPDATES:
                other.leaves = min(other.leaves, leaves)
            else:
                other.ended = True

    def gone(self, order: Order) -> None:
        if order.ring is not None:
            del order.ring.members[order.leg]


@dataclass
class Kind:
    kind: int
    qty: int


NAMES = (
    "price_ticks", "qty_lots", "symbol", "order_id", "aux", "rx_ts_ns", "participant",
    "error_code", "kind", "side", "order_type", "time_in_force", "seq",
)  # fmt: skip
