"""Risk arrays: what a long lot loses in each of the 16 scenarios of the SPAN method, and in up to 8
extended moves.

Seven moves of the underlying's price, in thirds of its scan range, each with the volatility up and
down, then two extreme moves whose losses count in part.  The order is the one that CME publishes:
scenarios 1 to 14 in pairs that differ in the volatility alone, 15 and 16 the extremes.  After them
come extended moves, parts of the price, whose losses count the less the farther they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from openoutcry.derivatives.contracts import CALL, Contract, lot_value
from openoutcry.derivatives.marks import Surface, option_mark
from openoutcry.derivatives.pricing import YEAR_NS, greeks

DAY_NS = 86_400_000_000_000
SPAN_SCENARIOS, MAX_EXTENDED = 16, 8
SCENARIOS = SPAN_SCENARIOS + MAX_EXTENDED
PART = 1_000_000
THIRDS = (0, 1, -1, 2, -2, 3, -3)
UNCHANGED = (0, 1)
"""The scenarios in which the price does not move."""


@dataclass(frozen=True)
class Scan:
    """How far an underlying is scanned; set by the venue for each."""

    price_ticks: int
    """The price scan range."""
    volatility: int = 0
    """The volatility scan range, millionths that are added and subtracted."""
    extreme_thirds: int = 6
    """The extreme move, in thirds of the price scan range."""
    extreme_share: int = 330_000
    """The part of an extreme loss that counts, millionths."""
    ahead_ns: int = DAY_NS
    """How much later the scenarios are."""
    volatility_terms: tuple[tuple[int, int], ...] = ()
    """Instead of ``volatility``: days to expiry, and an option's volatility scan range then."""
    extended: tuple[int, ...] = ()
    """Further moves, in millionths of the price."""
    extended_factor: int = PART
    """How many scan ranges of an extended move count, millionths."""

    def __post_init__(self) -> None:
        if self.price_ticks < 1 or self.volatility < 0 or self.ahead_ns < 0:
            raise ValueError("a price scan range is 1 or more, and no other range negative")
        days = [day for day, _ in self.volatility_terms]
        if days != sorted(set(days)):
            raise ValueError("volatility_terms begin with the nearest expiry, each day once")
        if not 0 <= self.extreme_share <= PART or self.extreme_thirds < 3:
            raise ValueError("an extreme move is 3 thirds or more, and counts up to the whole")
        if len(self.extended) > MAX_EXTENDED or not all(
            -PART < move <= 100 * PART and move for move in self.extended
        ):
            raise ValueError(
                f"extended moves are up to {MAX_EXTENDED}, each above -{PART} and up to "
                f"{100 * PART} millionths of the price, and not 0"
            )


def volatility_range(scan: Scan, left_ns: int) -> int:
    """Return the volatility scan range of an option that expires in ``left_ns``: linear between
    two terms and rounded down, and beyond all of them the nearest one's."""
    terms = [(day * DAY_NS, one) for day, one in scan.volatility_terms]
    if not terms:
        return scan.volatility
    for (begin, one), (end, other) in pairwise([(min(left_ns, terms[0][0]), terms[0][1]), *terms]):
        if begin <= left_ns < end:
            return one + (other - one) * (left_ns - begin) // (end - begin)
    return terms[-1][1]


def paired(scenario: int) -> int:
    """The scenario of the same price with the volatility on the other side; an extreme itself."""
    return scenario ^ 1 if scenario < SPAN_SCENARIOS - 2 else scenario


def in_use(losses: Sequence[int]) -> list[int]:
    """Return the scenarios that there are: without extended moves the first 16."""
    return list(losses if any(losses[SPAN_SCENARIOS:]) else losses[:SPAN_SCENARIOS])


def moves(scan: Scan, price_ticks: int) -> list[tuple[int, int, int]]:
    """Return each scenario's move in ticks, move of the volatility, and share of the loss that
    counts; ``price_ticks``: of the underlying."""
    found = []
    for thirds in THIRDS:
        move = (abs(thirds) * scan.price_ticks // 3) * (1 if thirds > 0 else -1)
        found += [(move, scan.volatility, PART), (move, -scan.volatility, PART)]
    extreme = scan.extreme_thirds * scan.price_ticks // 3
    found += [(extreme, 0, scan.extreme_share), (-extreme, 0, scan.extreme_share)]
    for part in scan.extended:
        size = abs(part) * price_ticks // PART
        counts = min(-(-scan.extended_factor * scan.price_ticks // max(size, 1)), PART)
        found.append((size if part > 0 else -size, 0, counts))
    return found


def risk_array(
    contract: Contract,
    mark_ticks: int,
    forward_ticks: int,
    scan: Scan,
    surface: Surface | None,
    now_ns: int,
) -> tuple[int, ...]:
    """Units of its settlement asset that a long lot of a contract loses in each scenario; gains are
    negative, and the part of an extreme loss is rounded up.

    ``mark_ticks`` is the contract's mark, ``forward_ticks`` its underlying's price; a future or
    perpetual moves as many ticks as its underlying.  Prices stop at one tick.
    """
    losses = []
    value = lot_value(contract, mark_ticks)
    if contract.is_option:
        scan = replace(scan, volatility=volatility_range(scan, contract.expiry_ns - now_ns))
    for move, shift, share in moves(scan, forward_ticks):
        if contract.is_option:
            assert surface is not None, "an option is marked by a surface"
            forward = max(1, forward_ticks + move)
            price = option_mark(contract, surface, forward, now_ns + scan.ahead_ns, shift)
        else:
            price = max(1, mark_ticks + move)
        losses.append(-((lot_value(contract, price) - value) * share // PART))
    return (*losses, *[0] * (SCENARIOS - len(losses)))


def lot_delta(
    contract: Contract, forward_ticks: int, surface: Surface | None, now_ns: int, unit: int
) -> int:
    """Millionths of a delta that a lot is: how many reference lots move as it does.

    ``unit`` is what the reference lot of the underlying gains a tick, in the settlement asset.
    """
    gain = contract.multiplier
    if contract.is_option:
        assert surface is not None, "an option is marked by a surface"
        years = max(1, contract.expiry_ns - now_ns) / YEAR_NS
        volatility = surface.volatility(
            forward_ticks, contract.strike_ticks, contract.expiry_ns, now_ns
        )
        one = greeks(
            contract.kind == CALL, forward_ticks, contract.strike_ticks, volatility / PART, years
        )
        multiplier = contract.strike_multiplier
        if contract.inverse:
            multiplier = max(1, multiplier // forward_ticks)
        return round(one.delta * multiplier * PART / unit)
    if contract.inverse:
        gain = contract.multiplier // (forward_ticks * forward_ticks)
    return gain * PART // unit
