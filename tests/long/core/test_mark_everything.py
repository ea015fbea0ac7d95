"""How long one command that marks every position holds up a core of 10,000 participants: a MARK
without a symbol, and the end of a look at indices with it."""

import os
import time
from statistics import median

import numpy as np

from openoutcry.report.evidence import write_evidence
from openoutcry.risk import layout as lay
from openoutcry.risk.before import before
from openoutcry.risk.bits import Setting
from openoutcry.risk.contract_layout import PERPETUAL
from openoutcry.risk.region import View, at_once, make_region, setting
from openoutcry.wire import make_instruments

PARTICIPANTS, PRICE, ROUNDS = 10_000, 10_000, 31
SIZES = (1, 10, 100)
"""Instruments, in each of which every participant has a position."""
APPLIED = 1 << 8


class Holders:
    """A core in which every participant holds something of every instrument, and has a maintenance
    margin; none is called."""

    def __init__(self, instruments: int, contracts: int = 0) -> None:
        row = {"min_price_ticks": 1, "max_price_ticks": 10**6, "reference_price_ticks": PRICE}
        self.table = make_instruments([{"symbol": f"I{n}"} | row for n in range(instruments)])
        terms = (PERPETUAL, 0, 1, 0, 0, 0, 1_000)
        self.region = make_region(
            self.table,
            PARTICIPANTS + 1,
            order_capacity=16,
            leveraged=range(instruments),
            contracts=dict.fromkeys(range(contracts), terms) if contracts else None,
        )
        self.contracts = contracts
        self.view = View(self.region)
        cells, rows = self.view.cells, self.view.participants
        lots = np.random.default_rng(instruments).integers(1, 100, cells.shape[:2])
        lots[:, ::2] *= -1
        cells[1:, :, lay.POSITION // 8] = lots[1:]
        cells[1:, contracts:, lay.MARK // 8] = PRICE
        rows[1:, lay.BALANCE // 8] = rows[1:, lay.FUNDED // 8] = 10**12
        margins = self.view.instruments[:, lay.MARGIN // 8]
        needed = (np.abs(cells[1:, :, lay.POSITION // 8]) * margins).sum(axis=1)
        rows[1:, lay.MARGINED // 8] = rows[1:, lay.RESERVED // 8] = needed
        rows[1:, lay.CREDIT // 8], rows[1:, lay.MAINTENANCE_BPS // 8] = 0, 5_000

    def send(self, record: np.ndarray) -> float:
        """Processor time of one command, ms."""
        record["seq"] = 1
        began = time.process_time_ns()
        verdict = before(self.region.ctypes.data, record.ctypes.data)
        spent = time.process_time_ns() - began
        assert verdict == APPLIED
        return spent / 1e6

    def mark(self, price: int) -> float:
        """Everything at another price than before."""
        self.view.instruments[:, lay.LAST // 8] = price
        spent = self.send(setting(Setting.MARK, 0, symbol=b""))
        assert (self.view.cells[1:, self.contracts :, lay.MARK // 8] == price).all()
        return spent

    def look(self, price: int) -> float:
        """The same, and every contract: what the last command of the look takes."""
        self.view.instruments[:, lay.LAST // 8] = price
        codes = self.table["symbol"][: self.contracts].tolist()
        marks = [setting(Setting.CONTRACT_MARK, price, 0, code, price) for code in codes]
        *_, spent = [self.send(one) for one in at_once(marks, with_mark=True).reshape(-1, 1)]
        return spent

    def called(self) -> int:
        return int(np.count_nonzero(self.view.participants[:, lay.FLAGS // 8]))


def test_one_mark_of_everything_holds_up_a_core_of_ten_thousand_participants():
    """OUTCRY_MARK_EVIDENCE=1 writes the figures, which are of this machine."""
    figures: dict[str, float] = {"participants": PARTICIPANTS, "rounds": ROUNDS}
    for count in SIZES:
        for name, does in (("mark", Holders(count).mark), ("look", Holders(count, count).look)):
            does(PRICE + 1)  # compiles
            spent = [does(PRICE + 2 + n) for n in range(ROUNDS)]
            figures[f"{name}_{count}_ms"] = round(median(spent), 2)
            figures[f"{name}_{count}_most_ms"] = round(max(spent), 2)
            assert does.__self__.called() == 0
    print(figures)
    if os.environ.get("OUTCRY_MARK_EVIDENCE"):
        command = "make test-long ARGS=tests/long/core/test_mark_everything.py"
        write_evidence("mark_everything", figures, f"OUTCRY_MARK_EVIDENCE=1 {command}")
