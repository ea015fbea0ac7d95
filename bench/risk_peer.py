"""The same checks and books in C (``peers/risk_c.c``) over the same state, and that it agrees."""

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.risk.layout as lay
import openoutcry.risk.spot_layout as spot_layout
from openoutcry.bench.peers.programs import library
from openoutcry.risk.bits import RiskBit
from openoutcry.wire.enums import SELF_TRADE_MASK, SELF_TRADE_SHIFT, OrderType
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.layout import Layout
from openoutcry.wire.open_orders import OpenOrder

RUN_ARGUMENTS = 7
LAYOUTS: dict[type[Layout], str] = {
    lay.RiskState: "",
    lay.RiskGroup: "group_",
    lay.RiskInstrument: "",
    lay.RiskParticipant: "",
    lay.RiskCell: "",
    OpenOrder: "order_",
    spot_layout.SpotBlock: "block_",
    spot_layout.SpotAsset: "asset_",
    spot_layout.SpotRules: "rules_",
    spot_layout.SpotSchedule: "schedule_",
    spot_layout.Wallet: "wallet_",
}
"""Layouts that the peer reads, each field's offset by its name with this in front. Of two fields
with one name the later counts; ``risk/layout.py`` names what the peer needs of the other."""


def c_runner(burst: int, ahead: int) -> Any:
    """``run`` of the library, with the arguments of ``risk.run_commands``; returns nothing of use.

    Raises :class:`~openoutcry.bench.peers.programs.PeerMissing` without a C compiler.
    """
    words = {
        f"{prefix}{name}".upper(): field.offset
        for layout, prefix in LAYOUTS.items()
        for name, field in layout.fields.items()
    }
    words["ORDER_ID"] = OpenOrder.offset("order_id")
    # Words with another name: REFUSED_SEQ, PARTITION of an instrument, CELL_FLAGS.
    for module in (lay, spot_layout):
        words |= {name: word for name, word in vars(module).items() if name.isupper()}
    defines = [f"L_{name}=INT64_C({word})" for name, word in words.items()]
    defines += [f"B_{bit.name}={int(bit)}" for bit in RiskBit]
    defines += [
        f"BURST={burst}",
        f"AHEAD={ahead}",
        f"TYPE_COUNT={len(OrderType)}",
        f"SELF_TRADE_SHIFT={SELF_TRADE_SHIFT}",
        f"SELF_TRADE_MASK={SELF_TRADE_MASK}",
    ]
    run = library("risk", defines).run
    run.restype, run.argtypes = ctypes.c_int64, [ctypes.c_int64] * RUN_ARGUMENTS
    return run


class Pass:
    """One way through a stream of commands: the state it leaves, the verdicts, the events with what
    risk reported, and the ns of each burst."""

    def __init__(
        self,
        region: npt.NDArray[np.uint8],
        orders: npt.NDArray[Any],
        events: npt.NDArray[Any],
        firsts: npt.NDArray[np.int64],
        burst: int,
    ) -> None:
        # Page by page and cache line by cache line as the core has it.
        room = np.zeros(len(region) + 64, np.uint8)
        at = -room.ctypes.data % 64
        self.region = room[at : at + len(region)]
        self.region[:] = region
        self.orders, self.events, self.firsts = orders, events.copy(), firsts
        self.verdicts = np.zeros(len(orders), np.int64)
        self.spent = np.zeros(-(-len(orders) // burst), np.int64)

    def arguments(self, keeps_verdicts: bool = True) -> tuple[int, ...]:
        """Return the arguments of ``run_commands``."""
        return (
            self.region.ctypes.data,
            self.orders.ctypes.data,
            len(self.orders),
            self.events.ctypes.data,
            self.firsts.ctypes.data,
            self.spent.ctypes.data,
            self.verdicts.ctypes.data if keeps_verdicts else 0,
        )

    def require_same(self, other: "Pass") -> None:
        """Raises :class:`OutcryError` naming the first command on which the two do not agree."""
        differ = np.flatnonzero(self.verdicts != other.verdicts)
        if len(differ):
            raise OutcryError(f"bench risk: another verdict in C on command {differ[0] + 1}")
        if not np.array_equal(self.events, other.events):
            raise OutcryError("bench risk: C reports another refusal")
        if not np.array_equal(self.region, other.region):
            raise OutcryError("bench risk: C leaves another state")
