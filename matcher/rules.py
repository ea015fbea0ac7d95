"""The rules of one instrument as plain Python integers, for code outside the kernels."""

from dataclasses import dataclass
from typing import Any

from openoutcry.wire.enums import Allocation, InstrumentOption, Side
from openoutcry.wire.records import LEAD_MARKET_MAKERS, TICK_BANDS


class Rules:
    """One row of the instrument table as Python integers, and its tick table."""

    def __init__(self, row: Any) -> None:
        self.qty_step = int(row["qty_step_lots"])
        self.min_qty, self.max_qty = int(row["min_qty_lots"]), int(row["max_qty_lots"])
        self.min_price, self.max_price = int(row["min_price_ticks"]), int(row["max_price_ticks"])
        self.market_band = int(row["market_band_ticks"])
        self.auction_band = int(row["auction_band_ticks"])
        self.auction_extensions = int(row["auction_extensions"])
        self.min_allocation = int(row["min_allocation_lots"])
        self.top_share_bps = int(row["top_share_bps"])
        self.allocation = Allocation(int(row["allocation"]))
        self.pro_rata = self.allocation != Allocation.PRICE_TIME
        self.top_min, self.top_max = int(row["top_min_lots"]), int(row["top_max_lots"])
        self.lead_market_makers = [
            (int(row[f"lmm{k}_participant"]), int(row[f"lmm{k}_share_bps"]))
            for k in range(1, LEAD_MARKET_MAKERS + 1)
            if row[f"lmm{k}_share_bps"]
        ]
        self.fifo_share_bps, self.leveling = int(row["fifo_share_bps"]), bool(row["leveling"])
        options = InstrumentOption(int(row["options"]))
        self.market_rest_stays = InstrumentOption.MARKET_REST_STAYS in options
        self.market_waits = InstrumentOption.MARKET_WAITS in options
        self.self_trade_first = InstrumentOption.SELF_TRADE_FIRST in options
        self.stops_by_trade_or_quote = InstrumentOption.STOPS_BY_TRADE_OR_QUOTE in options
        self.stops_by_reference = InstrumentOption.STOPS_BY_REFERENCE in options
        self.stops_by_quote = InstrumentOption.STOPS_BY_QUOTE in options
        self.passed_stops_refused = InstrumentOption.PASSED_STOPS_REFUSED in options
        bands: list[tuple[int | None, int]] = [(None, int(row["price_step_ticks"]))]
        for k in range(1, TICK_BANDS + 1):
            if row[f"band{k}_step_ticks"]:
                bands.append((int(row[f"band{k}_from_ticks"]), int(row[f"band{k}_step_ticks"])))
        self.steps = TickTable(bands)
        halves = [(start, step // 2 if step % 2 == 0 else step) for start, step in bands]
        half = InstrumentOption.HALF_STEP_MIDPOINT in options
        self.midpoint_steps = TickTable(halves) if half else self.steps

    def whole_lots(self, qty: int) -> int:
        """Return ``qty`` rounded down to whole steps."""
        return qty - qty % self.qty_step

    def in_limits(self, price: int) -> bool:
        """Return whether a price is within the instrument's bounds."""
        return self.min_price <= price <= self.max_price

    def passive_price(self, side: Side, price: int) -> int | None:
        """The valid price nearest to ``price`` that is no more aggressive, within the limits."""
        if side == Side.BUY:
            price = self.steps.floor(min(price, self.max_price))
        else:
            price = self.steps.ceil(max(price, self.min_price))
        return price if self.in_limits(price) else None


@dataclass
class TickTable:
    """Bands of (from price, step), lowest first; the first begins below every price."""

    bands: list[tuple[int | None, int]]

    def step(self, price: int) -> int:
        """Return the step of the band that a price is in."""
        return [step for start, step in self.bands if start is None or price >= start][-1]

    def is_valid(self, price: int) -> bool:
        """Return whether a price is a multiple of its band's step."""
        return price % self.step(price) == 0

    def floor(self, price: int) -> int:
        """The highest valid price that is not above ``price``: a band starts at a valid price."""
        return price - price % self.step(price)

    def ceil(self, price: int) -> int:
        """The lowest valid price that is not below ``price``."""
        up = price + -price % self.step(price)
        return min(
            [up] + [start for start, _ in self.bands if start is not None and start >= price]
        )

    def before(self, price: int) -> int:
        """Return the next valid price below."""
        return self.floor(price - 1)

    def after(self, price: int) -> int:
        """Return the next valid price above."""
        return self.ceil(price + 1)
