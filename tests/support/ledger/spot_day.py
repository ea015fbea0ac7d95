"""Spot days: the real core, the ledger over its events, the plain wallets, command by command."""

import numpy as np

from openoutcry.journal import Journal
from openoutcry.journal.core import Core
from openoutcry.journal.replay import instruments_to_json
from openoutcry.ledger.accounts import VENUE, Account, VenueAccount
from openoutcry.ledger.books import Books
from openoutcry.ledger.layout import MONEY_SLOTS
from openoutcry.ledger.reconcile import differences
from openoutcry.wire.enums import CommandKind, OrderType
from tests.support.risk.movements import MovementOperator
from tests.support.risk.risk_core import GROUPS, PARTICIPANTS, Pair
from tests.support.risk.risk_flow import instruments, mixed_commands
from tests.support.risk.spot import ASSETS, MULTIPLIERS, SPOT, SpotOperator, funded

ORDER_CAPACITY, REQUESTS = 5_000, 64
DAY_NS = 86_400 * 10**9
BEGIN_NS = 20_000 * DAY_NS


def configuration(delayed=0, movements=0):
    """A journal's: four assets, a triangle of them among the instruments, the others margined."""
    hooks = {
        "name": "risk",
        "participants": PARTICIPANTS,
        "groups": GROUPS,
        "order_capacity": ORDER_CAPACITY,
        "multipliers": MULTIPLIERS,
        "leveraged": [4],
        "assets": [list(one) for one in ASSETS],
        "spot": [[index, *terms] for index, terms in SPOT.items()],
    }
    return {
        "instruments": instruments_to_json(instruments()),
        "order_capacity": ORDER_CAPACITY,
        "hooks": hooks
        | ({"delayed": delayed} if delayed else {})
        | ({"requests": REQUESTS, "movements": movements} if movements else {}),
    }


class SpotDay(Pair):
    """Kernels and plain reference as ever; what they process goes through a real core, too, whose
    events the ledger posts."""

    def __init__(self, delayed=0, movements=0):
        more = {"requests": REQUESTS, "movements": movements} if movements else {}
        given = {"multipliers": MULTIPLIERS, "leveraged": (4,), "assets": ASSETS, "spot": SPOT}
        super().__init__(instruments(), ORDER_CAPACITY, delayed=delayed, **given, **more)
        self.configuration = configuration(delayed, movements)
        self.engine = Core.of(self.configuration).fresh()
        self.books = Books(self.configuration)
        self.commands, self.rows = [], []

    def process(self, orders):
        answer = super().process(orders)
        if self.reference.bump is None:
            orders["rx_ts_ns"] = BEGIN_NS + self.seq * 10**9
        self.commands.append(orders.copy())
        events = self.engine.process(self.commands[-1])
        self.rows.append(self.books.post(self.commands[-1], events))
        self.same_wallets(events["participant"].tolist())
        return answer

    def same_wallets(self, people):
        """Check that for these participants, and the venue, the ledger has what the plain wallets
        have."""
        plain, books = self.reference.wallets, self.books
        kinds = [books.in_wallets(kind) for kind in (Account.AVAILABLE, Account.RESERVED)]
        for who in {*people}:
            for asset in range(len(ASSETS) if who < PARTICIPANTS else 0):
                held = [int(kind[who, asset]) for kind in kinds]
                assert held == plain.wallet(who, asset)[:2], (self.seq, who, asset)
        for asset in range(len(ASSETS)):
            of = [
                books.balance(VENUE, MONEY_SLOTS + asset, kind)
                for kind in (VenueAccount.FEE_INCOME, VenueAccount.OUTSIDE, VenueAccount.CLEARING)
            ]
            assert of == [plain.fees[asset], -plain.net[asset], 0], (self.seq, asset)

    def same_as_core(self):
        text = differences(self.books, self.engine)
        assert text is None, text


def traded(count, seed, delayed=0, share=0.6, look_every=25, movements=0, flow=mixed_commands):
    """A day of mixed commands in which money moves and fees change; ``movements``: that many
    deposits and withdrawals of several steps are remembered."""
    day, rng = SpotDay(delayed, movements), np.random.default_rng([seed, 50])
    funded(day, 10**7)
    symbols = instruments()["symbol"].tolist()
    made = MovementOperator if movements else SpotOperator
    operator = made(seed, day, symbols, share=share)
    operator.moving = 0.9
    for number, command in enumerate(flow(count, seed)):
        while rng.random() < 0.25:
            day.process(operator.draw())
            while getattr(operator, "waiting", ()):
                day.process(operator.draw())
        command = command.copy()
        if command["kind"] == CommandKind.REPLACE and command["order_type"] != OrderType.MARKET:
            command["price_ticks"] += int(rng.integers(-200, 200))
        day.process(command)
        if number % look_every == 0:
            day.same_as_core()
    day.same_wallets(range(PARTICIPANTS))
    day.same_as_core()
    return day


def write_journal(home, day, blocks=5):
    """A journal of these commands, of some blocks."""
    orders, at = np.concatenate(day.commands), 0
    with Journal.create(home, day.configuration, segment_bytes=1 << 22, direct=False) as writer:
        for number, part in enumerate(np.array_split(orders, blocks)):
            writer.append(at + 1, [part], len(part), 1_000 + number)
            at += len(part)
    return home
