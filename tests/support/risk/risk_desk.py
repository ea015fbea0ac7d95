"""One market with risk around it, and commands in words."""

import numpy as np

from openoutcry.risk.region import setting
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from tests.support.risk.risk_core import Kernels

BUY, SELL = Side
A, B = b"A", b"B"
TABLE = [
    {"symbol": A, "min_price_ticks": 1, "max_price_ticks": 1_000, "market_band_ticks": 20},
    {"symbol": B, "min_price_ticks": 1, "max_price_ticks": 2**62},
]


class Desk:
    """One market and commands in words."""

    def __init__(self, table=TABLE, **more):
        self.core = Kernels(make_instruments(table), 100, **{"participants": 4, "groups": 2} | more)
        self.view, self.seq, self.ids = self.core.view, 0, 0

    def send(self, **fields):
        record = np.zeros(1, ORDER_DTYPE)
        self.seq += 1
        record["seq"] = self.seq
        for name, value in fields.items():
            record[name] = value
        return self.core.process(record)

    def new(
        self,
        side,
        qty,
        price=0,
        who=1,
        symbol=A,
        order_type=OrderType.LIMIT,
        tif=TimeInForce.DAY,
        aux=0,
    ):
        self.ids += 1
        return self.send(
            kind=1,
            side=side,
            qty_lots=qty,
            price_ticks=price,
            participant=who,
            symbol=symbol,
            order_id=self.ids,
            order_type=order_type,
            time_in_force=tif,
            aux=aux,
        )[0]

    def replace(self, order_id, qty, price, who=1, symbol=A):
        return self.send(
            kind=CommandKind.REPLACE,
            order_id=order_id,
            qty_lots=qty,
            price_ticks=price,
            participant=who,
            symbol=symbol,
        )[0]

    def set(self, what, value, who=1, symbol=A, second=0, operator=0):
        verdict, _ = self.core.process(setting(what, value, who, symbol, second, operator))
        return verdict != 0 and verdict & 0xFF == 0

    def time(self, now):
        self.send(kind=CommandKind.TIME, aux=now)

    def phase(self, phase, reference=None, symbol=A):
        return self.send(
            kind=CommandKind.PHASE,
            aux=phase,
            symbol=symbol,
            qty_lots=int(reference is not None),
            price_ticks=reference or 0,
        )[0]

    def trade(self, buyer, seller, qty, price, symbol=A):
        assert self.new(SELL, qty, price, seller, symbol) == 0
        assert self.new(BUY, qty, price, buyer, symbol) == 0
