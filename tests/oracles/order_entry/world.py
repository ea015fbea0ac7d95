"""What the references know of a session: plain values where the kernels have a block of words."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from openoutcry.order_entry.command_metadata import METADATA_DTYPE
from openoutcry.order_entry.faults import Kind
from openoutcry.order_entry.ouch import Refusal
from openoutcry.wire.enums import CommandKind
from openoutcry.wire.records import ORDER_DTYPE, TICK_BANDS


@dataclass
class World:
    """A session, as its protocol sees it."""

    decimals: dict[bytes, int]
    """Decimals of a tick, by symbol (without padding)."""
    symbols: list[bytes]
    """By instrument index."""
    session: int = 1
    self_trade: int = 0
    rules: dict[bytes, Any] = field(default_factory=dict)
    """Rows of the instruments by symbol; one that is not there has no rules."""
    rx_ts_ns: int = 0
    """Time of receipt of the command that is being read, or whose event is being reported."""
    day_start_ns: int = 0
    last_user_ref: int = 0
    disabled: bool = False

    @property
    def timestamp(self) -> int:
        return self.rx_ts_ns - self.day_start_ns

    def scale(self, symbol: bytes) -> int:
        """Ten-thousandths in a tick; 0 if unknown, or finer than that."""
        decimals = self.decimals.get(symbol, 5)
        return int(10 ** (4 - decimals)) if decimals <= 4 else 0

    def is_possible(self, symbol: bytes, price: int, lots: int) -> bool:
        """Whether the instrument has orders at this price, of so many lots."""
        if symbol not in self.rules:
            return True
        row = self.rules[symbol]
        steps = {int(row["min_price_ticks"]): int(row["price_step_ticks"])}
        for band in range(1, TICK_BANDS + 1):
            if row[f"band{band}_step_ticks"]:
                steps[int(row[f"band{band}_from_ticks"])] = int(row[f"band{band}_step_ticks"])
        if not row["min_price_ticks"] <= price <= row["max_price_ticks"]:
            return False
        step = steps[max(begin for begin in steps if begin <= price)]
        in_lots = row["min_qty_lots"] <= lots <= row["max_qty_lots"]
        return bool(price % step == 0 and lots % int(row["qty_step_lots"]) == 0 and in_lots)

    def price(self, event: Any) -> int:
        """An event's price in ten-thousandths, within u32."""
        ticks = int(event["price_ticks"])
        scale = self.scale(self.symbols[int(event["instrument"])])
        return min(max(ticks, 0) * scale, 2**32 - 1)


def new_order(world: World, participant: int = 7) -> Any:
    order = np.zeros((), ORDER_DTYPE)
    order["participant"], order["rx_ts_ns"] = participant, world.rx_ts_ns
    return order


def new_metadata(world: World, protocol: int, message: str, **fields: Any) -> Any:
    metadata = np.zeros((), METADATA_DTYPE)
    metadata["session"], metadata["protocol"], metadata["message"] = (
        world.session,
        protocol,
        ord(message),
    )
    for name, value in fields.items():
        metadata[name] = value
    return metadata


@dataclass
class Sizes:
    """A row's words of reductions (ouch.SENT to ouch.UNASKED)."""

    sent: int = 0
    confirmed: int = 0
    returned: int = 0
    unasked: int = 0
    reference: int = 0

    @property
    def reduced(self) -> int:
        return max(self.sent - self.returned, self.confirmed)


@dataclass
class Row:
    """An order's row: a record of rows.ROW_DTYPE, and what the protocol keeps in it."""

    record: Any
    sizes: Sizes = field(default_factory=Sizes)


def reduce_or_modify(
    order: Any,
    metadata: Any,
    record: Any,
    old: dict[str, Any],
    new: dict[str, Any],
    field: str,
    size: int,
) -> int:
    """Finish X and M, which ask for ``new[field]`` of ``size`` lots; APPLICATION or IGNORE."""
    lots = new[field]
    if metadata["refused"]:
        return Kind.APPLICATION
    modify = chr(metadata["message"]) == "M"
    if modify and ((new["side"] == "B") != (old["side"] == "B") or lots > size):
        metadata["refused"] = Refusal.REPLACE
        return Kind.APPLICATION
    if lots >= size:
        if not modify:
            return Kind.IGNORE
        metadata["refused"] = Refusal.MODIFIED
        return Kind.APPLICATION
    order["qty_lots"] = size - lots
    order["kind"] = CommandKind.REDUCE if lots else CommandKind.CANCEL
    return Kind.APPLICATION
