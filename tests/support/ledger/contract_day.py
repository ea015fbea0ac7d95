"""Days of contracts: the real core, and the ledger over its events, command by command."""

import numpy as np

from openoutcry.journal.core import Core
from openoutcry.journal.replay import instruments_to_json
from openoutcry.ledger.books import Books
from openoutcry.ledger.layout import Kind
from openoutcry.ledger.reconcile import differences
from tests.support.ledger.spot_day import BEGIN_NS, ORDER_CAPACITY
from tests.support.risk.contracts import (
    CONTRACTS,
    FEE_BPS,
    FUND,
    LEVERAGED,
    MULTIPLIERS,
    ConservedPair,
    contract_instruments,
)
from tests.support.risk.risk_core import GROUPS, PARTICIPANTS


def configuration():
    """A journal's: six contracts next to two other instruments."""
    return {
        "instruments": instruments_to_json(contract_instruments()),
        "order_capacity": ORDER_CAPACITY,
        "hooks": {
            "name": "risk",
            "participants": PARTICIPANTS,
            "groups": GROUPS,
            "order_capacity": ORDER_CAPACITY,
            "multipliers": MULTIPLIERS,
            "leveraged": list(LEVERAGED),
            "contracts": [[index, *terms] for index, terms in CONTRACTS.items()],
            "fund": FUND,
            "fee_bps": FEE_BPS,
        },
    }


class ContractDay(ConservedPair):
    """Kernels and plain reference as ever; what they process goes through a real core, too, whose
    events the ledger posts."""

    def __init__(self):
        super().__init__()
        self.configuration = configuration()
        self.engine = Core.of(self.configuration).fresh()
        self.books = Books(self.configuration)
        self.commands, self.rows = [], []

    def process(self, orders):
        answer = super().process(orders)
        if bytes(orders["symbol"][0]) in self.others:
            return answer
        orders["rx_ts_ns"] = BEGIN_NS + self.seq * 10**9
        self.commands.append(orders.copy())
        events = self.engine.process(self.commands[-1])
        rows = self.books.post(self.commands[-1], events)
        self.rows.append(rows)
        # A deposit may come out of clearing.
        assert rows["clearing"][rows["kind"] != Kind.DEPOSIT].sum() == 0, self.seq
        return answer

    def same(self):
        super().same()
        assert differences(self.books, self.engine) is None

    @property
    def transactions(self):
        return np.concatenate(self.rows)
