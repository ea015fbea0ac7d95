"""The liquidation engine: closes out participants under their maintenance margin, in parts.

The core decides which participants those are, and kills them at once (``risk/money.py``).  The
operator's lane cancels their open orders, as after any kill of the core.  This engine sends the
parts, and the command that values all positions at the last prices at once (MARK).  Each part is a
LIQUIDATE command and the order that it lets in, both on the operator's lane; the next part waits
for them.

The engine reads what to do from the core's state alone, again each time.  So a venue that was
killed at any point continues from there.  It closes out nothing twice, since the core checks a
LIQUIDATE again when its turn comes.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.matcher.rules import Rules
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import NO_LIMIT, Setting
from openoutcry.risk.instrument_state import STOPS_TRADING
from openoutcry.risk.region import View, setting
from openoutcry.venue.liquidation_table import LiquidationSpec
from openoutcry.venue.operations import command
from openoutcry.venue.waterfall import covered_price, fee_due, release_due, step_due
from openoutcry.wire.enums import CommandKind, OrderType, Phase, Side, TimeInForce
from openoutcry.wire.symbols import code_of

MS_NS = 1_000_000


@dataclass(frozen=True)
class Part:
    """The next order of a liquidation."""

    who: int
    index: int
    lots: int
    """Negative: sold."""
    price_ticks: int


class Liquidator:
    """Liquidator of one run of a venue; ``instruments``: its table."""

    def __init__(
        self,
        spec: LiquidationSpec,
        instruments: npt.NDArray[Any],
        symbols: list[str],
        note: Callable[[str], None],
        clock_ns: Callable[[], int],
        money: Callable[[int], str] = str,
    ) -> None:
        """``money``: an amount of margin accounts as text."""
        self.money = money
        self.spec, self.symbols, self.note, self.clock_ns = spec, symbols, note, clock_ns
        self.rules = [Rules(row) for row in instruments]
        self.rule_changes = 0
        self.marked: list[int] = []
        """What had traded at the last MARK."""
        self.mark_at_ns = 0
        self.marks = True
        """False: the looks at indices mark the other instruments together with contracts."""
        self.next_at_ns: dict[int, int] = {}
        """When a participant's next part may come."""
        self.under_way: int = 0
        """The operator's lane, up to here, is the last part."""
        self.last_notes: dict[int, str] = {}

    def poll(
        self,
        view: View,
        phases: Mapping[str, Phase],
        put: Callable[[npt.NDArray[Any]], int],
        is_processed: Callable[[int], bool],
    ) -> None:
        """Mark what has traded, and send the next part that is due."""
        now_ns = self.clock_ns()
        self._mark(view, put, now_ns)
        if self.under_way and not is_processed(self.under_way):
            return
        self.under_way = 0
        first = release_due(view) or fee_due(view, self.money)
        if first is not None:
            self.note(first[1])
            self.under_way = put(first[0])
            return
        flags = view.participants[:, lay.FLAGS // 8]
        called = np.flatnonzero(flags & lay.KILLED_BY_MARGIN).tolist()
        for who in [who for who in self.last_notes if who not in called]:
            del self.last_notes[who]
        if view.word(lay.MARKET_KILL):
            return
        for who in called:
            cancels = view.of(who, lay.FLAGS) & lay.CANCEL_WANTED or view.of(who, lay.OPEN)
            if cancels:
                continue
            step = step_due(view, who, self.symbols, self.money)
            if step is not None:
                self.note(step[1])
                self.under_way = put(step[0])
                return
            if not self._is_due(view, who) or self.next_at_ns.get(who, 0) > now_ns:
                continue
            self._follow_rules(view)
            part = next_part(view, who, self.tradable(view, phases), self.rules, self.spec)
            if part is not None:
                self.next_at_ns[who] = now_ns + self.spec.every_ms * MS_NS
                self.under_way = put(self._records(view, part))
                return

    def _follow_rules(self, view: View) -> None:
        """Take the rules of instruments that have changed."""
        if view.rules is not None and view.rules.word("changes") != self.rule_changes:
            self.rule_changes = view.rules.word("changes")
            self.rules = [Rules(row) for row in view.rules.table]

    def tradable(self, view: View, phases: Mapping[str, Phase]) -> list[int]:
        """Indices of the instruments that trade continuously now."""
        halts = view.instruments[:, lay.HALT // 8]
        return [
            index
            for index, symbol in enumerate(self.symbols)
            if phases[symbol] is Phase.CONTINUOUS and not halts[index] & STOPS_TRADING
        ]

    def _mark(self, view: View, put: Callable[[npt.NDArray[Any]], int], now_ns: int) -> None:
        if not self.marks or now_ns < self.mark_at_ns:
            return
        self.mark_at_ns = now_ns + self.spec.mark_every_ms * MS_NS
        traded = what_traded(view)
        if traded != self.marked:
            # All at once: no participant is judged by one leg of a hedge.
            put(setting(Setting.MARK, 0))
            self.marked = traded

    def _is_due(self, view: View, who: int) -> bool:
        """Return whether there is anything to close out; says so when it begins and ends."""
        equity = self.money(view.equity(who) + view.counted(who))
        margin = self.money(view.maintenance(who))
        holds = bool(view.cells[who, :, lay.POSITION // 8].any())
        if view.is_under(who) and holds:
            text = (
                f"has {equity}, below its maintenance margin {margin}: its positions are liquidated"
            )
        elif holds:
            text = f"has {equity}, above its maintenance margin {margin} again"
        else:
            text = f"no longer has a position; its equity is {equity}"
        if self.last_notes.get(who) != text[:20]:
            self.last_notes[who] = text[:20]
            self.note(f"participant {who} {text}")
        return view.is_under(who) and holds

    def _records(self, view: View, part: Part) -> npt.NDArray[Any]:
        symbol = self.symbols[part.index]
        verb = "buys" if part.lots > 0 else "sells"
        self.note(
            f"liquidation: participant {part.who} {verb} {abs(part.lots)} {symbol} at "
            f"{part.price_ticks} or better"
        )
        notice = setting(Setting.LIQUIDATE, part.lots, part.who, code_of(symbol), part.price_ticks)
        order = command(
            CommandKind.NEW,
            participant=part.who,
            symbol=code_of(symbol),
            side=Side.BUY if part.lots > 0 else Side.SELL,
            qty_lots=abs(part.lots),
            price_ticks=part.price_ticks,
            order_id=lay.PART_IDS + view.word(lay.PARTS) + 1,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.IOC,
        )
        return np.concatenate([notice, order])


def what_traded(view: View) -> list[int]:
    """Return what changes with every trade that a MARK has to follow; empty before the first.

    These are the last prices of what MARK marks, and the volumes of all that participants hold on
    margin.  A participant with several positions is judged by the next mark after its trade.  A
    contract is marked by its index, and what is paid from wallets is not marked.
    """
    rows = view.instruments
    held = rows[rows[:, lay.SPOT_AT // 8] == 0]
    lasts = held[held[:, lay.CONTRACT_AT // 8] == 0, lay.LAST // 8].tolist()
    volumes: list[int] = held[:, lay.VOLUME // 8].tolist()
    if any(volumes) or any(last != NO_LIMIT for last in lasts):
        return [*lasts, *volumes]
    return []


def next_part(
    view: View, who: int, tradable: Collection[int], rules: list[Rules], spec: LiquidationSpec
) -> Part | None:
    """Return the part of the instrument that needs the most margin, or is worth the most; None if
    none of the participant's positions can be traded now. Under scenario margin it is the part that
    leaves the smallest requirement."""

    def weight(index: int) -> tuple[int, int]:
        row, position = view.instruments[index], view.cell(who, index, lay.POSITION)
        worth = position * int(row[lay.LAST // 8]) * int(row[lay.MULTIPLIER // 8])
        margin, scenario = view.margin_of(who, index), int(row[lay.SCENARIO // 8])
        if scenario:
            assert view.portfolio is not None
            lots = lots_of(abs(position), rules[index], spec.part_bps)
            left = position - (lots if position > 0 else -lots)
            now, then = view.scenario_margin(who), view.portfolio.maintenance_at
            margin = now - then(who, scenario - 1, left)
        return margin, abs(worth)

    held = [index for index in tradable if view.cell(who, index, lay.POSITION)]
    for index in sorted(held, key=weight, reverse=True):
        position, row = view.cell(who, index, lay.POSITION), view.instruments[index]
        lots = lots_of(abs(position), rules[index], spec.part_bps)
        contracts, last = view.contracts, int(row[lay.LAST // 8])
        if contracts is not None and index in contracts.number:
            last = contracts.of(index, "mark")
        if not lots or last == NO_LIMIT:
            continue
        away = 0
        if spec.band_bps:
            # A share of a low price may be less than a step.
            away = max(abs(last) * spec.band_bps // 10_000, rules[index].steps.step(last))
        if int(row[lay.CONTRACT_AT // 8]):
            # The core refuses a part that is worse than the contract's band around the mark.
            distance = int(row[lay.DISTANCE_BPS // 8])
            away = min(away, max(abs(last) * distance // 10_000, int(distance != 0)))
        if position > 0:
            lowest = max(last - away, rules[index].min_price, int(row[lay.BAND_LOW // 8]))
            price = rules[index].steps.ceil(lowest)
        else:
            highest = min(last + away, rules[index].max_price, int(row[lay.BAND_HIGH // 8]))
            price = rules[index].steps.floor(highest)
        if contracts is not None and index in contracts.number and lots:
            signed = -lots if position > 0 else lots
            covered = covered_price(view, who, index, signed, price)
            steps = rules[index].steps
            price = steps.ceil(covered) if position > 0 else steps.floor(covered)
        if rules[index].in_limits(price):
            return Part(who, index, -lots if position > 0 else lots, price)
    return None


def lots_of(held: int, rules: Rules, part_bps: int) -> int:
    """Lots of the next part: a share of the position, at most what an order may have; 0: no part
    is left."""
    step = rules.qty_step
    least = -(-rules.min_qty // step) * step
    part_lots = max(held * part_bps // 10_000 // step * step, least, step)
    part_lots = min(part_lots, rules.max_qty // step * step)
    return part_lots if part_lots <= held else 0
