"""Where a participant's margin comes from: by commodity and scenario, with Greeks and prices.

It is a view: margins and equity are the exact numbers, Greeks and liquidation prices are computed
in float64 or by searching.
"""

from dataclasses import asdict, dataclass
from typing import Any

from openoutcry.derivatives.book import Book, Participant
from openoutcry.derivatives.contracts import CALL, lot_value
from openoutcry.derivatives.margin import Margin, margin, worst_margin
from openoutcry.derivatives.pricing import YEAR_NS, greeks
from openoutcry.derivatives.scenarios import moves

PART = 1_000_000


@dataclass(frozen=True)
class Explanation:
    """A participant's margin and what it is made of, ready for JSON."""

    equity: int
    collateral: dict[str, dict[str, int]]
    option_value: int
    maintenance: int
    initial: int
    with_orders: int
    """Initial margin if the worst subset of the open orders fills."""
    commodities: dict[str, dict[str, Any]]
    greeks: dict[str, dict[str, float]]
    liquidation: dict[str, dict[str, int | None]]
    what_if: dict[str, int] | None

    def document(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return asdict(self)


def explain(
    book: Book, participant: Participant, order: tuple[str, int] | None = None
) -> Explanation:
    """Explain a participant's margin; ``order`` is a hypothetical one, symbol and lots."""
    parameters = book.parameters()
    positions, orders = book.positions_of(participant), book.orders_of(participant)
    gains = book.gains_of(participant)
    now = margin(parameters, positions, gains)
    worst = worst_margin(parameters, positions, orders, gains)
    what_if = None
    if order is not None:
        more = (book.numbers()[order[0]], order[1])
        after = worst_margin(parameters, positions, [*orders, more], gains)
        filled = dict(positions)
        filled[more[0]] = filled.get(more[0], 0) + more[1]
        what_if = {
            "initial_with_orders": after.initial,
            "accepted": int(after.initial <= book.equity(participant)),
            "maintenance_if_filled": margin(parameters, filled, gains).maintenance,
        }
    lines = book.lines_of(participant)
    return Explanation(
        equity=book.equity(participant),
        collateral={asset: asdict(line) for asset, line in lines.items()},
        option_value=book.option_value(participant),
        maintenance=now.maintenance,
        initial=now.initial,
        with_orders=worst.initial,
        commodities=_commodities(book, now),
        greeks={name: position_greeks(book, participant, name) for name in book.underlyings},
        liquidation={
            name: {
                "below": liquidation_price(book, participant, name, down=True),
                "above": liquidation_price(book, participant, name, down=False),
            }
            for name in book.underlyings
        },
        what_if=what_if,
    )


def equity_at(book: Book, participant: Participant, moved: Book) -> int:
    """A participant's equity after prices moved from ``book`` to ``moved``, variation included."""
    return moved.equity(participant) + gain_at(book, participant, moved, options=False)


def gain_at(book: Book, participant: Participant, moved: Book, options: bool = True) -> int:
    """Return the gain of a participant's contracts when prices move."""
    gain = 0
    for symbol, lots in participant.positions.items():
        contract = book.contracts[symbol]
        if options or not contract.is_option:
            before = lot_value(contract, book.marks[symbol])
            gain += lots * (lot_value(contract, moved.marks[symbol]) - before)
    return gain


def liquidation_price(book: Book, participant: Participant, name: str, down: bool) -> int | None:
    """The first price of an underlying, below or above its own, at which equity is too little.

    That is less than the maintenance margin.  None: at no price down to a tick, or up to ten times.
    Everything else stays as it is; margin is computed again at each price tried.  The search takes
    32 steps over the range and then halves the step with the crossing, so a crossing and a return
    within one step are not seen.
    """
    own = book.underlyings[name].price_ticks
    if not any(book.contracts[s].underlying == name for s in participant.positions):
        return None
    positions = book.positions_of(participant)

    def is_under(price_ticks: int) -> bool:
        moved = book.moved({name: price_ticks})
        gains = moved.gains_of(participant)
        needed = margin(moved.parameters(), positions, gains).maintenance
        return equity_at(book, participant, moved) < needed

    end = 1 if down else 10 * own
    if is_under(own):
        return own
    last = own
    for step in range(1, 33):
        price = own + (end - own) * step // 32
        if price != last and is_under(price):
            safe, under = last, price
            while abs(safe - under) > 1:
                middle = (safe + under) // 2
                if is_under(middle):
                    under = middle
                else:
                    safe = middle
            return under
        last = price
    return None


def _commodities(book: Book, made: Margin) -> dict[str, dict[str, Any]]:
    found = {}
    for (name, own), part in zip(book.underlyings.items(), made.commodities, strict=True):
        row = asdict(part)
        row["scenarios"] = [
            {"move": move, "volatility": shift, "share": share, "loss": loss}
            for (move, shift, share), loss in zip(
                moves(own.scan, own.price_ticks), part.losses, strict=False
            )
        ]
        del row["losses"]
        found[name] = row
    return found


def position_greeks(book: Book, participant: Participant, name: str) -> dict[str, float]:
    """Return the greeks of all positions in one underlying, in units of the margin asset: delta and
    gamma a tick, vega a point of volatility, theta a day."""
    total = {"delta": 0.0, "gamma": 0.0, "vega": 0.0, "theta": 0.0}
    price = book.underlyings[name].price_ticks
    for symbol, lots in participant.positions.items():
        contract = book.contracts[symbol]
        if contract.underlying != name:
            continue
        if not contract.is_option:
            mark = book.marks[symbol]
            scale = contract.multiplier / (mark * mark if contract.inverse else 1)
            total["delta"] += lots * scale
            continue
        surface = book.surfaces[name]
        volatility = surface.volatility(
            price, contract.strike_ticks, contract.expiry_ns, book.now_ns
        )
        years = max(1, contract.expiry_ns - book.now_ns) / YEAR_NS
        one = greeks(contract.kind == CALL, price, contract.strike_ticks, volatility / PART, years)
        scale = lots * contract.strike_multiplier / (price if contract.inverse else 1)
        total["delta"] += scale * one.delta
        total["gamma"] += scale * one.gamma
        total["vega"] += scale * one.vega / 100
        total["theta"] += scale * one.theta / 365
    return total
