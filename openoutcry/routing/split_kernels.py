"""Split an order among venues: least cost with fees, lots and smallest orders.

Within a venue the cheapest levels come first, so a venue's cost is convex in its quantity, and
without lots and minimums a merge of all levels is the optimum.  That merge is the lower bound of a
search over venues that are left out or forced to their minimum.  Lots are settled by trying one
lot more or less at each venue.  Costs are differences to the best level's, shifted until sums fit.

memory     header, a row for each venue, the pending nodes, the prepared levels, then what each
           venue gives up to each of them: a fill finds by it how many levels it takes whole
"""

from openoutcry.routing.depth_kernels import MERGED_BYTES, MergedLevel
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import Layout, i64
from openoutcry.wire.memory import count_leading_zeros

PART = 1_000_000
MAX_VENUES, MAX_NODES, MAX_FILLS = 16, 64, 56
"""Bounds of the search: venues, nodes that are looked at, fills of them and of improvements."""
MAX_CHOSEN = 10
"""Venues of which every choice is looked at, where a split does not fill the order or is far above
the bound."""
MAX_SHIFT = 3
"""Lots that a venue of such a choice has more or less, at most."""
MAX_CHOICE_FILLS = 2_000
"""Fills of such choices, at most."""
FAR_ABOVE = 40
"""So many tolerances."""
MAX_BACK = 10
"""Lots that a venue gives back there, at most."""
COST_BITS = 60
TOLERANCE_PPM = 10
"""A split that is above the bound by less than this is not improved."""
FAR = 1 << 62
IMPOSSIBLE = -1
LOT_MORE, LOT_LESS, AT_LEAST, MOVES = 0, 1, 2, 4
"""Moves of a venue from its base; the fourth leaves it out."""


class SplitHeader(Layout, size_bytes=128):
    """The header of a split."""

    venues: int = i64("venues, each with a row")
    rows: int = i64("prepared levels")
    nodes_at: int = i64("offset of the pending nodes")
    rows_at: int = i64("offset of the prepared levels")
    quantity: int = i64("quantity of the order")
    shift: int = i64("bits that costs were shifted by")
    cost: int = i64("cost of the last fill, relative to the best level")
    filled: int = i64("of the best split: quantity")
    best_cost: int = i64("and cost, relative to the best level")
    nodes: int = i64("nodes that were looked at")
    bound_filled: int = i64("most that a relaxed problem with decided venues fills")
    bound: int = i64("and the least cost of that")
    tolerance: int = i64("cost above the bound at which the search ends")
    fills: int = i64("how often the order was filled")
    totals_at: int = i64("offset of what the venues have given up to each level")


class SplitVenue(Layout, size_bytes=128):
    """A venue in a split, in the router's units."""

    lot: int = i64("orders are multiples of it")
    least: int = i64("smallest order, a multiple of the lot; at least the lot")
    most: int = i64("largest order, by the venue's limit and the router's balance")
    order_fee: int = i64("cost of an order, in key units")
    shown_ppm: int = i64("share of displayed quantity that is counted on")
    limit: int = i64("worst key that the order may take there")
    ceiling: int = i64("most that its levels and its limit give, in whole lots")
    low: int = i64("of a fill: at least this")
    high: int = i64("and at most this")
    need: int = i64("of a fill: what is left of the lower limit")
    taken: int = i64("result of the last fill")
    base: int = i64("result that improvements start from")
    best: int = i64("result of the best split")
    is_fine: int = i64("1: no venue has a smaller lot, so that others' moves fill it anyway")
    carry: int = i64("while levels are prepared: less than a lot, left over")
    moved: int = i64("bits of the moves that were made")


class SplitNode(Layout, size_bytes=16):
    """A pending node of the search."""

    excluded: int = i64("bits of the venues that are left out")
    forced: int = i64("bits of the venues that have their minimum at least")


class SplitRow(Layout, size_bytes=24):
    """A prepared level."""

    cost: int = i64("of a unit, relative to the best level, shifted")
    quantity: int = i64("in whole lots")
    venue: int = i64("number of its venue")


class SplitTotal(Layout, size_bytes=16):
    """What a venue has given up to a level."""

    quantity: int = i64("in its lots")
    cost: int = i64("of that")


HEADER_BYTES, VENUE_BYTES, NODE_BYTES, ROW_BYTES = (
    SplitHeader.size_bytes,
    SplitVenue.size_bytes,
    SplitNode.size_bytes,
    SplitRow.size_bytes,
)
TOTAL_BYTES = SplitTotal.size_bytes


@kernel
def venue_at(split: SplitHeader, number: int) -> SplitVenue:
    """Return a venue's row, by its number."""
    return SplitVenue(split + HEADER_BYTES + number * VENUE_BYTES)


@kernel
def bits_of(value: int) -> int:
    """Return the bits of a number that is not negative."""
    return 64 - count_leading_zeros(value) if value != 0 else 0


@kernel
def prepare(split: SplitHeader, levels: int, count: int) -> None:
    """Take ``count`` merged levels over in whole lots of their venues, up to their limits, and
    find the shift at which every cost fits."""
    for number in range(split.venues):
        venue = venue_at(split, number)
        venue.ceiling = venue.carry = 0
    first, span, rows = 0, 0, 0
    for index in range(count):
        level = MergedLevel(levels + index * MERGED_BYTES)
        venue = venue_at(split, level.venue)
        if level.key > venue.limit:
            continue
        quantity = level.quantity
        if venue.shown_ppm != PART:
            quantity = quantity // PART * venue.shown_ppm + (
                quantity % PART * venue.shown_ppm // PART
            )
        quantity += venue.carry
        whole = quantity // venue.lot * venue.lot
        venue.carry = quantity - whole
        room = venue.most // venue.lot * venue.lot - venue.ceiling
        whole = min(whole, room)
        if whole <= 0:
            continue
        if rows == 0:
            first = level.key
        venue.ceiling += whole
        row = SplitRow(split + split.rows_at + rows * ROW_BYTES)
        row.cost = level.key - first
        row.quantity = whole
        row.venue = level.venue
        span = row.cost
        rows += 1
    split.rows = rows
    most_fee, finest = 0, venue_at(split, 0).lot
    for number in range(split.venues):
        most_fee = max(most_fee, venue_at(split, number).order_fee)
        finest = min(finest, venue_at(split, number).lot)
    for number in range(split.venues):
        venue = venue_at(split, number)
        venue.is_fine = 1 if venue.lot == finest else 0
    shift = bits_of(span) + bits_of(split.quantity)
    shift = max(shift, bits_of(most_fee) + bits_of(split.venues)) - COST_BITS
    split.shift = max(shift, 0)
    cost = (max(first, -first) >> split.shift) // PART * TOLERANCE_PPM
    split.tolerance = FAR if cost > FAR // max(split.quantity, 1) else cost * split.quantity
    for index in range(rows):
        row = SplitRow(split + split.rows_at + index * ROW_BYTES)
        row.cost >>= split.shift
    add_up(split)


@kernel
def add_up(split: SplitHeader) -> None:
    """Note after each level what each venue has given and what that cost."""
    for number in range(split.venues):
        venue = venue_at(split, number)
        venue.taken = venue.need = 0
    for index in range(split.rows):
        row = SplitRow(split + split.rows_at + index * ROW_BYTES)
        venue = venue_at(split, row.venue)
        venue.taken += row.quantity
        venue.need += row.quantity * row.cost
        for number in range(split.venues):
            total, venue = total_at(split, index, number), venue_at(split, number)
            total.quantity = venue.taken
            total.cost = venue.need


@kernel
def total_at(split: SplitHeader, index: int, number: int) -> SplitTotal:
    """Return what a venue has given up to a level."""
    place = index * split.venues + number
    return SplitTotal(split + split.totals_at + place * TOTAL_BYTES)


@kernel
def levels_taken(split: SplitHeader, left: int) -> int:
    """Return how many levels can be taken whole, within the venues' limits, with ``left`` beyond
    their lower ones."""
    first, last = 0, split.rows
    while first < last:
        middle = (first + last + 1) // 2
        used = 0
        for number in range(split.venues):
            venue = venue_at(split, number)
            given = min(total_at(split, middle - 1, number).quantity, venue.high)
            used += max(given - venue.low, 0)
        if used <= left:
            first = middle
        else:
            last = middle - 1
    return first


@kernel
def cost_of(split: SplitHeader, number: int, levels: int, quantity: int) -> int:
    """Return what ``quantity`` of a venue costs, which it has within ``levels`` levels."""
    first, last = 0, levels - 1
    while first < last:
        middle = (first + last) // 2
        if total_at(split, middle, number).quantity >= quantity:
            last = middle
        else:
            first = middle + 1
    total = total_at(split, first, number)
    row = SplitRow(split + split.rows_at + first * ROW_BYTES)
    return total.cost - (total.quantity - quantity) * row.cost


@kernel
def least_lot(split: SplitHeader) -> int:
    """The smallest lot of the venues that can take more; FAR without one."""
    least = FAR
    for number in range(split.venues):
        venue = venue_at(split, number)
        if venue.taken + venue.need < venue.high:
            least = min(least, venue.lot)
    return least


@kernel
def fill(split: SplitHeader, in_lots: int) -> int:
    """Fill the order within ``low`` and ``high`` of each venue, cheapest level first.  Returns the
    filled quantity, or IMPOSSIBLE.  If lots are ignored, ``cost`` has order fees of venues with a
    ``low`` alone: that is a bound."""
    left = split.quantity
    split.fills += 1
    for number in range(split.venues):
        venue = venue_at(split, number)
        if venue.low > venue.high:
            return IMPOSSIBLE
        left -= venue.low
    if left < 0:
        return IMPOSSIBLE
    levels, cost, needed = levels_taken(split, left), 0, 0
    for number in range(split.venues):
        venue, given = venue_at(split, number), 0
        if levels > 0:
            total = total_at(split, levels - 1, number)
            given = min(total.quantity, venue.high)
            if given == total.quantity:
                cost += total.cost
            elif given > 0:
                cost += cost_of(split, number, levels, given)
        venue.taken = given
        venue.need = max(venue.low - given, 0)
        left -= max(given - venue.low, 0)
        needed += venue.need
    least = 1
    for index in range(levels, split.rows):
        if needed == 0 and left < least:
            break
        row = SplitRow(split + split.rows_at + index * ROW_BYTES)
        venue = venue_at(split, row.venue)
        quantity = min(row.quantity, venue.need)
        venue.need -= quantity
        needed -= quantity
        more = min(row.quantity - quantity, venue.high - venue.taken - quantity - venue.need)
        is_tight = more > left
        if is_tight:
            # Levels and limits are whole lots; only what is left of the order is not.
            more = left // venue.lot * venue.lot if in_lots and venue.lot != 1 else left
        left -= more
        quantity += more
        venue.taken += quantity
        cost += row.cost * quantity
        if is_tight and in_lots and (more != 0 or least == 1):
            least = least_lot(split)
    if needed != 0:
        return IMPOSSIBLE
    for number in range(split.venues):
        venue = venue_at(split, number)
        if (venue.taken if in_lots else venue.low) != 0:
            cost += venue.order_fee >> split.shift
    split.cost = cost
    return split.quantity - left


@kernel
def keep_if_better(split: SplitHeader, filled: int) -> bool:
    """Make the last fill the best split if it fills more, or costs less."""
    if filled < split.filled or (filled == split.filled and split.cost >= split.best_cost):
        return False
    split.filled = filled
    split.best_cost = split.cost
    for number in range(split.venues):
        venue = venue_at(split, number)
        venue.best = venue.taken
    return True


@kernel
def settle(split: SplitHeader) -> int:
    """Fill in lots.  A venue below its minimum is left out, and the order filled again; so it is
    if a venue that gives something back lets another one take a lot more.  Returns the filled
    quantity, or IMPOSSIBLE."""
    filled = 0
    for _ in range(split.venues + 2):
        filled = fill(split, 1)
        if filled == IMPOSSIBLE:
            return IMPOSSIBLE
        wrong = -1
        for number in range(split.venues):
            venue = venue_at(split, number)
            if 0 < venue.taken < venue.least:
                wrong = number
        if wrong >= 0:
            venue_at(split, wrong).high = 0
        elif filled == split.quantity:
            return filled
        else:
            keep_if_better(split, filled)
            if not make_room(split, split.quantity - filled):
                return filled
    return filled if wrong < 0 else IMPOSSIBLE


@kernel
def make_room(split: SplitHeader, left: int) -> bool:
    """Lower the upper limit of a venue so that another one can take what is ``left`` and more, in
    a lot; False if none can.  The least that is moved is moved."""
    giver, moved_least = -1, FAR
    for number in range(split.venues):
        venue = venue_at(split, number)
        more = venue.lot - left
        start = max(venue.taken + venue.lot, venue.least)
        if more <= 0 or more >= moved_least or start > venue.high or venue.high == venue.low:
            continue
        more = start - venue.taken - left
        for other in range(split.venues):
            # In whole lots of the giver: what that is too much is given out again.
            one = venue_at(split, other)
            moved = -(-more // one.lot) * one.lot
            rest = one.taken - moved
            is_less = other != number and moved < moved_least and one.lot < venue.lot
            if is_less and rest >= max(one.low, one.least):
                giver, moved_least = other, moved
    if giver < 0:
        return False
    one = venue_at(split, giver)
    one.high = one.taken - moved_least
    return True


@kernel
def open_limits(split: SplitHeader, excluded: int, forced: int) -> None:
    """Set ``low`` and ``high`` of each venue to those of a node."""
    for number in range(split.venues):
        venue = venue_at(split, number)
        venue.low = venue.least if forced >> number & 1 else 0
        venue.high = 0 if excluded >> number & 1 else venue.ceiling


@kernel
def attempt(split: SplitHeader, number: int, move: int) -> bool:
    """Fill with a venue moved from its base; keep the result if it is better."""
    open_limits(split, 0, 0)
    return moved(venue_at(split, number), move) and keep_if_better(split, settle(split))


@kernel
def moved(venue: SplitVenue, move: int) -> bool:
    """Set a venue's limits to a move from its base; False if it has no such move."""
    base = venue.base
    if move <= LOT_LESS and venue.is_fine != 0:
        return False
    if move == LOT_MORE:
        venue.low = venue.high = max(base + venue.lot, venue.least)
    elif move == LOT_LESS:
        venue.low = venue.high = base - venue.lot
    elif move == AT_LEAST:
        venue.low = venue.least
    else:
        venue.low = venue.high = 0
    if move == LOT_LESS and base - venue.lot < venue.least:
        return False
    if venue.low > venue.ceiling or (base == 0 and move != AT_LEAST):
        return False
    venue.moved |= 1 << move
    return True


@kernel
def is_done(split: SplitHeader) -> bool:
    """Return whether the best split is near the bound, or the search has to end."""
    is_near = split.best_cost - split.bound <= split.tolerance
    return (is_near and split.filled >= split.bound_filled) or split.fills >= MAX_FILLS


@kernel
def round_to_lots(split: SplitHeader) -> None:
    """Take from the order what no venue's lots can fill: a search for it would never end."""
    common = 0
    for number in range(split.venues):
        venue = venue_at(split, number)
        one = venue.lot if venue.ceiling != 0 else 0
        while one != 0:
            common, one = one, common % one
    if common > 1:
        split.quantity -= split.quantity % common


@kernel_outlined
def improve(split: SplitHeader) -> None:
    """Move venues by a lot, to their minimum or to nothing, from the best split on, until nothing
    is better.  What follows from a move depends on where the venue moves alone, so none is made
    twice."""
    for number in range(split.venues):
        venue_at(split, number).moved = 0
    is_better = True
    while is_better and not is_done(split):
        is_better = False
        for number in range(split.venues):
            venue = venue_at(split, number)
            if venue.base != venue.best:
                venue.base = venue.best
                venue.moved &= ~(1 << LOT_MORE | 1 << LOT_LESS)
        for one in range(split.venues):
            for move in range(MOVES):
                if venue_at(split, one).moved >> move & 1 == 0 and not is_done(split):
                    is_better |= attempt(split, one, move)


@kernel_outlined
def reach(split: SplitHeader) -> bool:
    """Where the best split leaves something of the order that the venues show, look at every
    choice of venues for one that fills more, the largest lots first; False if there is none."""
    shown = 0
    for number in range(split.venues):
        shown += venue_at(split, number).ceiling
    if split.filled >= min(split.quantity, shown) or split.venues > MAX_CHOSEN:
        return False
    chosen, most = 0, split.filled
    for choice in range(1, 1 << split.venues):
        if can_fill(split, choice, most):
            filled = fill_choice(split, choice)
            if filled > most:
                chosen, most = choice, filled
    if chosen == 0:
        return False
    fill_choice(split, chosen)
    for number in range(split.venues):
        venue = venue_at(split, number)
        venue.low = venue.high = venue.taken
    return keep_if_better(split, fill(split, 1))


@kernel_outlined
def choose(split: SplitHeader) -> bool:
    """Look at every choice of venues, of which each has its least order at least, for a split that
    is better; False if there is none."""
    if split.venues > MAX_CHOSEN:
        return False
    is_better = False
    split.fills = 0
    for choice in range(1, 1 << split.venues):
        if split.fills >= MAX_CHOICE_FILLS:
            break
        open_limits(split, ~choice, choice)
        filled = fill(split, 0)
        if filled > split.filled or (
            filled == split.filled and split.cost + split.tolerance < split.best_cost
        ):
            is_better |= keep_if_better(split, settle(split))
            is_better |= shift_lots(split, choice)
    return is_better


@kernel
def shift_lots(split: SplitHeader, choice: int) -> bool:
    """Fill a choice of venues with each of them a few lots from its last fill; False if no such
    split is better."""
    is_better = False
    for number in range(split.venues):
        venue = venue_at(split, number)
        venue.base = venue.taken
    for number in range(split.venues):
        venue = venue_at(split, number)
        if choice >> number & 1 == 0 or venue.is_fine != 0:
            continue
        for lots in range(-MAX_SHIFT, MAX_SHIFT + 1):
            wanted = venue.base + lots * venue.lot
            if lots != 0 and venue.least <= wanted <= venue.ceiling:
                open_limits(split, ~choice, choice)
                venue.low = venue.high = wanted
                is_better |= keep_if_better(split, settle(split))
    return is_better


@kernel
def can_fill(split: SplitHeader, choice: int, most: int) -> bool:
    """Return whether a choice of venues may fill more than ``most``: its least orders do not
    exceed the order, and its largest ones together are more."""
    least, ceiling = 0, 0
    for number in range(split.venues):
        if choice >> number & 1:
            venue = venue_at(split, number)
            if venue.least > venue.ceiling:
                return False
            least += venue.least
            ceiling += venue.ceiling
    return least <= split.quantity and ceiling > most


@kernel
def fill_choice(split: SplitHeader, choice: int) -> int:
    """Give each venue of a choice its least order, and the rest to the largest lots first; if some
    is left, a venue gives a few lots back for smaller ones.  Returns what is filled, ``taken`` of
    each venue."""
    left = split.quantity
    for number in range(split.venues):
        venue = venue_at(split, number)
        venue.taken = venue.least if choice >> number & 1 else 0
        left -= venue.taken
    left = pour(split, choice, FAR, left)
    least, giver, given = left, -1, 0
    for number in range(split.venues):
        venue = venue_at(split, number)
        venue.base = venue.taken
    for number in range(split.venues):
        for lots in range(1, MAX_BACK + 1):
            rest = give_back(split, choice, number, lots, left)
            if rest < least:
                least, giver, given = rest, number, lots
    give_back(split, choice, giver, given, left)
    return split.quantity - least


@kernel
def give_back(split: SplitHeader, choice: int, giver: int, lots: int, left: int) -> int:
    """Give so many lots of a venue's ``base`` to venues with smaller lots, which begin again from
    their least orders; returns what is then left of the order, FAR if the venue cannot."""
    for number in range(split.venues):
        venue = venue_at(split, number)
        venue.taken = venue.base
    if left == 0 or giver < 0:
        return left
    venue = venue_at(split, giver)
    moved = lots * venue.lot
    if choice >> giver & 1 == 0 or venue.taken - moved < venue.least:
        return FAR
    venue.taken -= moved
    for number in range(split.venues):
        one = venue_at(split, number)
        if choice >> number & 1 and one.lot < venue.lot:
            moved += one.taken - one.least
            one.taken = one.least
    return pour(split, choice, venue.lot, left + moved)


@kernel
def pour(split: SplitHeader, choice: int, below: int, left: int) -> int:
    """Give what is left to the venues of a choice whose lots are below a size, the largest first;
    returns what is left then."""
    lot = below
    while lot != 0 and left > 0:
        next_lot = 0
        for number in range(split.venues):
            venue = venue_at(split, number)
            if choice >> number & 1 and venue.lot < lot:
                next_lot = max(next_lot, venue.lot)
        lot = next_lot
        for number in range(split.venues):
            venue = venue_at(split, number)
            if choice >> number & 1 and venue.lot == lot:
                more = min(venue.ceiling - venue.taken, left // lot * lot)
                venue.taken += more
                left -= more
    return left


@kernel
def push(split: SplitHeader, depth: int, excluded: int, forced: int) -> int:
    """Add a pending node; returns how many there are."""
    node = SplitNode(split + split.nodes_at + depth * NODE_BYTES)
    node.excluded = excluded
    node.forced = forced
    return depth + 1


@kernel
def undecided(split: SplitHeader, excluded: int, forced: int) -> int:
    """The venue to branch on after a relaxed fill: below its minimum, or with an order fee that is
    not in the bound.  -1: there is no such venue."""
    worst, gap = -1, 0
    for number in range(split.venues):
        venue = venue_at(split, number)
        if venue.taken == 0 or (excluded | forced) >> number & 1:
            continue
        missing = max(venue.least - venue.taken, 0)
        if missing == 0 and venue.order_fee == 0:
            continue
        if worst < 0 or missing > gap:
            worst, gap = number, missing
    return worst


@kernel
def plan(split: SplitHeader, levels: int, count: int) -> int:
    """Split ``quantity`` over ``count`` merged levels; returns what is filled.  ``best`` of each
    venue has its order."""
    prepare(split, levels, count)
    round_to_lots(split)
    split.filled, split.best_cost, split.bound = -1, FAR, FAR
    split.nodes = split.fills = split.bound_filled = 0
    pending = push(split, 0, 0, 0)
    root_filled, root_cost = 0, FAR
    while pending > 0 and split.nodes < MAX_NODES and split.fills < MAX_FILLS:
        pending -= 1
        node = SplitNode(split + split.nodes_at + pending * NODE_BYTES)
        excluded, forced = node.excluded, node.forced
        split.nodes += 1
        open_limits(split, excluded, forced)
        bound = fill(split, 0)
        cost = split.cost
        if split.nodes == 1:
            root_filled, root_cost = bound, cost
        if bound < split.filled or (
            bound == split.filled and cost + split.tolerance >= split.best_cost
        ):
            continue
        branch = undecided(split, excluded, forced)
        keep_if_better(split, settle(split))
        if branch >= 0:
            pending = push(split, pending, excluded | 1 << branch, forced)
            pending = push(split, pending, excluded, forced | 1 << branch)
        elif bound >= split.bound_filled:
            split.bound = min(split.bound, cost) if bound == split.bound_filled else cost
            split.bound_filled = bound
    if split.filled < root_filled or split.best_cost != root_cost:
        # Not proved best: never worse than the best venue alone, not even within the tolerance.
        for number in range(split.venues):
            open_limits(split, ~(1 << number), 0)
            keep_if_better(split, settle(split))
    improve(split)
    if reach(split):
        split.fills = 0
        improve(split)
    above = (split.best_cost - root_cost) // FAR_ABOVE
    if (split.filled < root_filled or above > split.tolerance) and choose(split):
        split.fills = 0
        improve(split)
    if VERIFY:
        assert split.filled >= 0, "to send nothing is always possible"
    return split.filled
