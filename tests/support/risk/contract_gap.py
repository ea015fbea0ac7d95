"""A gap in a market of leveraged participants: every called one is closed out, without a book to
trade with, by the fund and by the other side."""

import time

import numpy as np

from openoutcry.journal.core import Core
from openoutcry.journal.replay import instruments_to_json
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.contract_layout import PERPETUAL
from openoutcry.risk.region import View, setting
from openoutcry.venue.waterfall import step_due
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import CommandKind, OrderType, Phase, Side, TimeInForce
from tests.support.risk.risk_reference import operator_command

START, LOTS, UNITS = 10_000, 10, 100
SYMBOL = b"PERP"


class Gap:
    """Half of the participants are long with a tenth of the value, half are short and have all of
    it.  Participant 0 has the fund."""

    def __init__(self, participants, fund):
        row = {"symbol": SYMBOL, "min_price_ticks": 1, "max_price_ticks": 100_000}
        table = make_instruments([row | {"reference_price_ticks": START}])
        self.count, self.seq = participants, 0
        hooks = {
            "name": "risk",
            "participants": participants + 1,
            "order_capacity": 4_096,
            "multipliers": [UNITS],
            "leveraged": [0],
            "contracts": [[0, PERPETUAL, 0, UNITS, 0, 0, 0, 1_000]],
        }
        self.engine = Core.of(
            {"instruments": instruments_to_json(table), "order_capacity": 4_096, "hooks": hooks}
        ).fresh()
        self.paid_in, self.commands, self.cpu_s = 0, 0, 0.0
        self.send(operator_command(CommandKind.PHASE, symbol=SYMBOL, aux=int(Phase.CONTINUOUS)))
        self.deposit(0, fund)
        worth = START * UNITS * LOTS
        for who in range(1, participants + 1):
            self.deposit(who, worth // 10 + who if who % 2 else worth)
            self.send(setting(Setting.CREDIT, 0, who))
            self.send(setting(Setting.MAINTENANCE, 5_000, who))
        for who in range(1, participants, 2):
            for one, side in ((who, Side.BUY), (who + 1, Side.SELL)):
                self.order(one, side)

    @property
    def view(self):
        return View(self.engine.region)

    def deposit(self, who, amount):
        self.paid_in += amount
        self.send(setting(Setting.DEPOSIT, amount, who))

    def order(self, who, side):
        record = operator_command(CommandKind.NEW, participant=who, symbol=SYMBOL, side=side)
        record["qty_lots"], record["price_ticks"], record["order_id"] = LOTS, START, who
        record["order_type"], record["time_in_force"] = OrderType.LIMIT, TimeInForce.DAY
        self.send(record)

    def send(self, record):
        self.seq += 1
        record["seq"] = self.seq
        began = time.process_time()
        events = self.engine.process(record)
        self.cpu_s += time.process_time() - began
        return events

    def fall(self, bps):
        """The mark falls, and everything that follows is done; returns the core's processor time
        for it."""
        self.cpu_s = 0.0
        price = START * (10_000 - bps) // 10_000
        self.send(setting(Setting.CONTRACT_MARK, price, 0, SYMBOL))
        flags = self.view.participants[:, lay.FLAGS // 8]
        called = np.flatnonzero(flags & lay.KILLED_BY_MARGIN).tolist()
        for who in called:
            self.send(operator_command(CommandKind.DISCONNECT, participant=who))
            while (step := step_due(self.view, who, ["PERP"])) is not None:
                events = self.send(step[0])
                assert not events["reason"].any(), step
                self.commands += 1
        return self.cpu_s

    def balances(self):
        return self.view.participants[:, lay.BALANCE // 8].tolist()
