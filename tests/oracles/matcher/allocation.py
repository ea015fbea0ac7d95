"""The allocation of a taker that is smaller than the level it has reached, in plain Python."""

from openoutcry.matcher.rules import Rules
from openoutcry.wire.enums import Allocation
from tests.oracles.matcher.books import OpenOrder

Lots = dict[OpenOrder, int]


def allocate(rules: Rules, qty: int, makers: list[OpenOrder]) -> Lots:
    """Lots of each order of a level, given in order of time; all of ``qty`` is given."""
    given = dict.fromkeys(makers, 0)
    share = share_in_steps if rules.allocation == Allocation.STEPS else share_pro_rata
    left = share(rules, qty, given)
    left -= give_in_time(given, left)
    assert left == 0
    return given


def share_pro_rata(rules: Rules, qty: int, given: Lots) -> int:
    """PRO_RATA; returns what is left over by rounding."""
    first = next(iter(given))
    if rules.top_share_bps:
        top = min(first.open_qty, qty * rules.top_share_bps // 10_000)
        given[first] = rules.whole_lots(top)
    return give_by_size(rules, qty - given[first], given)[0]


def share_in_steps(rules: Rules, qty: int, given: Lots) -> int:
    """STEPS; returns what is left for the last one, by time."""
    first = next(iter(given))
    if first.is_top:
        top = min(first.open_qty, qty * rules.top_share_bps // 10_000)
        if rules.top_max:
            top = min(top, rules.top_max)
        given[first] = rules.whole_lots(top)
        qty -= given[first]
    base = qty
    for participant, share_bps in rules.lead_market_makers:
        own = [o for o in given if o.participant == participant and not o.is_top]
        qty -= give_in_time(given, min(qty, rules.whole_lots(base * share_bps // 10_000)), own)
    by_size = rules.whole_lots(qty * (10_000 - rules.fifo_share_bps) // 10_000)
    give_in_time(given, qty - by_size)
    if not by_size:
        return 0
    left, nothing = give_by_size(rules, by_size, given)
    if rules.leveling:
        # Python sorts stably: of two of one size the earlier stays first.
        largest = sorted(nothing, key=lambda o: given[o] - o.open_qty)
        for order in largest[: left // rules.qty_step]:
            left -= give_in_time(given, rules.qty_step, [order])
    return left


def give_in_time(given: Lots, qty: int, orders: list[OpenOrder] | None = None) -> int:
    """Give up to ``qty`` lots, first come first served; returns how many."""
    left = qty
    for order in given if orders is None else orders:
        lots = min(left, order.open_qty - given[order])
        given[order] += lots
        left -= lots
    return qty - left


def give_by_size(rules: Rules, qty: int, given: Lots) -> tuple[int, list[OpenOrder]]:
    """Give ``qty`` lots pro rata to the open orders, rounded down; a share below the minimum
    allocation becomes 0.  Returns the lots left over, and the open orders that received none of
    them."""
    open_lots = {order: order.open_qty - lots for order, lots in given.items()}
    total, nothing = sum(open_lots.values()), []
    left = qty
    for order, lots in open_lots.items():
        part = rules.whole_lots(lots * qty // total)
        if part < rules.min_allocation:
            part = 0
        given[order] += part
        left -= part
        if not part and lots:
            nothing.append(order)
    return left, nothing
