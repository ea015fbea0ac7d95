"""Quotes as risk's plain reference judges them: both sides fit together, or neither enters."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from openoutcry.risk.bits import LARGEST
from openoutcry.wire import CommandKind
from openoutcry.wire.enums import Side, Term
from tests.oracles.risk.state import Order

if TYPE_CHECKING:
    from tests.oracles.risk.reference import Reference


def sides_of(risk: "Reference", c: Any) -> list[dict[str, Any]] | None:
    """Both sides of a quote, as the commands that they amount to, in the order in which they are
    done; None: the NEW is no quote, or names what is not its own."""
    index = risk.index.get(bytes(c["symbol"]))
    if index is None or c["kind"] != CommandKind.NEW or c["side"] not in (1, 2):
        return None
    key = int(c["participant"]), index, int(c["order_id"])
    term = risk.lists.lists.terms.get(key, {}).get(Term.QUOTE)
    known = c["participant"] < len(risk.participants) and 0 < c["qty_lots"] < LARGEST
    if term is None or not known:
        return None
    price, qty, order_id = term
    named = dict(c)
    side = Side.SELL if c["side"] == Side.BUY else Side.BUY
    other = named | {"side": side, "price_ticks": price, "qty_lots": qty, "order_id": order_id}
    for one in (named, other):
        order = risk.orders.get((index, int(one["order_id"])))
        if order is not None:
            own = (order.participant, order.side) == (int(one["participant"]), int(one["side"]))
            if not own:
                return None
            one["kind"] = CommandKind.REPLACE if one["qty_lots"] else CommandKind.CANCEL
        elif not one["qty_lots"]:
            one["kind"] = 0
    met = risk.orders.get((index, order_id))
    if met is not None:
        price, at = int(c["price_ticks"]), met.price
        if price >= at if c["side"] == Side.BUY else price <= at:
            return [other, named]
    return [named, other]


def check_quote(risk: "Reference", sides: list[dict[str, Any]]) -> int:
    """The verdict on both sides."""
    owner = risk.participants[int(sides[0]["participant"])]
    full_at = owner.full_at
    answer = check_side(risk, sides[0])
    if not answer:
        before, after = as_done(risk, sides[0])
        put(risk, before, after)
        answer = check_side(risk, sides[1])
        put(risk, after, before)
    if answer:
        owner.full_at = full_at
    return answer


def check_side(risk: "Reference", side: dict[str, Any]) -> int:
    if side["kind"] in (0, CommandKind.CANCEL):
        return 0
    return risk.check_one(side)


def as_done(risk: "Reference", side: dict[str, Any]) -> tuple[Order | None, Order | None]:
    """The order of a side now, and once it is done."""
    if side["kind"] in (0, CommandKind.CANCEL):
        key = risk.index[bytes(side["symbol"])], int(side["order_id"])
        return risk.orders.get(key), None
    wanted = risk.wanted(side)
    assert wanted is not None
    new, old = wanted
    return old, new if old is None else replace(new)


def put(risk: "Reference", old: Order | None, new: Order | None) -> None:
    """Let one order be open instead of another."""
    for order in (old, new):
        if order is not None:
            risk.changed(order.participant, order.instrument)
    if old is not None:
        del risk.of_cell[old.participant, old.instrument][old.order_id]
        del risk.orders[old.instrument, old.order_id]
    if new is not None:
        risk.traded_by[new.participant].add(new.instrument)
        risk.of_cell.setdefault((new.participant, new.instrument), {})[new.order_id] = new
        risk.orders[new.instrument, new.order_id] = new
