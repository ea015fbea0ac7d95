"""A contract's floor on which one participant gets a margin call: real core, every command kept."""

from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal.core import Core
from openoutcry.matcher import Engine
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.contract_layout import PERPETUAL
from openoutcry.risk.region import View, setting
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import EventKind
from tests.support.matcher.matcher_script import parse_command

SYMBOL, MARK, BAND_BPS, CAPACITY = b"GOLD-P", 100_000, 1_000, 64
WHO, OTHER, THIRD, FUND = 1, 2, 3, 4
FALLEN, RISEN = 85_000, 115_000
"""Marks at which the participant has lost more than it had."""


class Floor:
    """One perpetual at ``MARK``; participant 1 holds 20 lots and can lose 100,000."""

    def __init__(self, position: int = 20, maintenance_bps: int = 5_000) -> None:
        row = {"symbol": SYMBOL, "min_price_ticks": 1, "max_price_ticks": 10**6}
        row |= {"reference_price_ticks": MARK, "market_band_ticks": 3_000}
        self.hooks = {
            "name": "risk", "participants": 5, "order_capacity": CAPACITY, "leveraged": [0],
            "contracts": [[0, PERPETUAL, 0, 1, 0, 0, 0, 0]], "fund": FUND, "requests": 8,
        }  # fmt: skip
        self.instruments = make_instruments([row])
        self.core = Core(self.instruments, CAPACITY, hooks=self.hooks)
        self.engine: Engine = self.core.fresh()
        self.commands: list[npt.NDArray[Any]] = []
        self.events: list[npt.NDArray[Any]] = []
        for what, value in ((Setting.DISTANCE, BAND_BPS), (Setting.MARGIN, 1_000)):
            self.set(what, value)
        for who in (WHO, OTHER, THIRD):
            self.set(Setting.DEPOSIT, 100_000 if who == WHO else 10**9, who)
            self.set(Setting.CREDIT, 0, who)
        self.set(Setting.MAINTENANCE, maintenance_bps, WHO)
        long, short = (WHO, OTHER) if position > 0 else (OTHER, WHO)
        self.send(f"NEW id=1 SELL {abs(position)}@{MARK} p{short}")
        self.send(f"NEW id=2 BUY {abs(position)}@{MARK} p{long}")

    @property
    def view(self) -> View:
        return View(self.engine.region)

    def send(self, what: Any) -> npt.NDArray[Any]:
        """The events of one command: a line, or a record."""
        record = parse_command(what, 0) if isinstance(what, str) else what
        if isinstance(what, str):
            record["symbol"] = SYMBOL
        record["seq"] = self.engine.last_seq + 1
        events = self.engine.process(record)
        self.commands.append(record)
        self.events.append(events)
        return events

    def set(self, what: Setting, value: int, who: int = 0, second: int = 0) -> None:
        symbol = b"" if who else SYMBOL
        events = self.send(setting(what, value, who, symbol, second))
        assert events["reason"][-1] == 0, (what, value)

    def mark(self, price: int) -> None:
        self.set(Setting.CONTRACT_MARK, price)

    def is_called(self) -> bool:
        return bool(self.view.of(WHO, lay.FLAGS) & lay.KILLED_BY_MARGIN)

    def fills(self, who: int = WHO) -> npt.NDArray[Any]:
        told = np.concatenate(self.events)
        return told[(told["kind"] == EventKind.FILLED) & (told["participant"] == who)]

    def replayed(self) -> None:
        """One batch, and a copy restored after each command, give the same events and state."""
        whole = np.concatenate(self.commands)
        once = self.core.fresh()
        told = once.process(whole)
        assert told.tobytes() == np.concatenate(self.events).tobytes()
        assert once.state_hash() == self.engine.state_hash()
        again, parts = self.core.fresh(), []
        for number in range(len(whole)):
            parts.append(again.process(whole[number : number + 1]))
            again = self.core.restored(again.snapshot())
        assert np.concatenate(parts).tobytes() == told.tobytes()
