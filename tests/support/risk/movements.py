"""Deposits and withdrawals with a life cycle around a core with spot instruments."""

import numpy as np

from openoutcry.risk.bits import RISK_KIND, MovementStep, Setting
from openoutcry.risk.region import setting
from openoutcry.risk.requests import WHOLE
from openoutcry.venue.requests import opening
from tests.oracles.risk.wallets import LIVES, word
from tests.support.risk.risk_core import PARTICIPANTS
from tests.support.risk.spot import ASSETS, SpotOperator, in_asset, spot_pair

FIRST = (MovementStep.REQUEST, MovementStep.SEE)


def movement_pair(requests=64, movements=16, **more):
    return spot_pair(requests=requests, movements=movements, **more)


def step_record(step, who, amount, named, operator=0):
    """``named``: the asset's name of a first step, the movement's number of another."""
    second = word(named) if isinstance(named, str) else named
    record = setting(Setting.MOVEMENT, amount, who, second=second, operator=operator)
    record["time_in_force"], record["side"] = int(step), WHOLE
    return record


class Movements:
    """Gives each step a request, as the desk does."""

    def __init__(self, pair):
        self.pair, self.asked = pair, 0

    def ask(self, record, reference="", content=0):
        """Whether the core applied it."""
        self.asked += 1
        for one in opening(reference or f"step {self.asked}", content or self.asked, 0):
            self.pair.process(one)
        return self.pair.process(record)[0] == 1 << 8

    def first(self, step, reference, who, asset, amount):
        """Whether a movement began."""
        return self.ask(step_record(step, who, amount, ASSETS[asset][0]), reference)

    def then(self, step, reference):
        one = self.movements.find(reference)
        return self.ask(step_record(step, one.participant, one.amount, one.number))

    @property
    def movements(self):
        return self.pair.view.wallets.movements

    @property
    def refused(self):
        """Why the last step was."""
        return self.movements.word("refused_why")

    def wallet(self, who, asset):
        """Available, reserved, credit and shortfall."""
        return self.pair.view.wallets.rows[who, asset].tolist()


class MovementOperator(SpotOperator):
    """A share of what it does are steps of movements, most of them permitted."""

    def __init__(self, *given, moving=0.5, **more):
        super().__init__(*given, **more)
        self.moving, self.waiting, self.asked, self.names = moving, [], 0, []

    def draw(self):
        if self.waiting:
            return self.waiting.pop(0)
        if self.rng.random() >= self.moving:
            return super().draw()
        return self.framed(self.step())

    def framed(self, record):
        """The first command of a request with this one."""
        rng = self.rng
        self.asked += 1
        name = f"movement {self.asked}"
        if self.names and rng.random() < 0.05:
            name = self.names[int(rng.integers(len(self.names)))]
        self.names.append(name)
        first, begun = opening(name, self.asked, int(rng.integers(3)))
        self.waiting = [begun, record]
        if rng.random() < 0.02:
            self.waiting.pop(int(rng.integers(2)))
        return first

    def step(self):
        rng, plain = self.rng, self.pair.reference.wallets
        places = plain.movements.places
        if not places or rng.random() < 0.4:
            return self.first_step()
        credited = [one for one in places if one.state == "credited"]
        if credited and rng.random() < 0.2:
            return self.unwound(credited[int(rng.integers(len(credited)))])
        going_on = [one for one in places if one.state in LIVES]
        among = going_on if going_on and rng.random() < 0.9 else places
        one = among[int(rng.integers(len(among)))]
        permitted = [*LIVES.get(one.state, ())]
        step = int(rng.choice(permitted if permitted else MovementStep))
        if rng.random() < 0.1:
            step = int(rng.integers(0, 12))
        who, amount, number = one.who, one.amount, one.number
        if rng.random() < 0.05:
            who, amount, number = (int(v) for v in rng.integers(0, 9, 3))
        return step_record(step, who, amount, number, int(rng.integers(3)))

    def unwound(self, one):
        """The reversal of a deposit whose money is gone, or before it the money goes."""
        plain = self.pair.reference.wallets
        free = plain.available(one.who, one.asset)
        if free >= one.amount and self.rng.random() < 0.7:
            name = self.pair.view.wallets.names[one.asset]
            return in_asset(Setting.DEPOSIT, -free, one.who, name)
        return step_record(MovementStep.REVERSE, one.who, one.amount, one.number)

    def first_step(self):
        rng, plain = self.rng, self.pair.reference.wallets
        who, asset = int(rng.integers(PARTICIPANTS)), int(rng.integers(len(plain.names)))
        step = FIRST[int(rng.integers(2))]
        amount = int(rng.choice([10**3, 10**6, 10**8])) * int(rng.integers(1, 20))
        free = plain.available(who, asset)
        if step is MovementStep.REQUEST and rng.random() < 0.5:
            amount = max(free // int(rng.integers(1, 4)), 0) + int(rng.integers(-1, 2))
        if rng.random() < 0.05:
            amount = int(rng.choice([0, -1, 2**61, 2**61 + 1, 2**63 - 1, -(2**63)]))
        name = "EUR" if rng.random() < 0.02 else self.pair.view.wallets.names[asset]
        record = step_record(step, who, amount, name, int(rng.integers(3)))
        if rng.random() < 0.02:
            record["side"] = int(rng.integers(4))
        return record


def numbered(rows, rng, known):
    """Rows of a generator that knows no state: each step that is not a first one gets the number,
    participant and amount of a first one before it, or of one that is ``known``."""
    moving = np.flatnonzero((rows["kind"] == RISK_KIND) & (rows["order_type"] == Setting.MOVEMENT))
    is_first = np.isin(rows["time_in_force"][moving], FIRST)
    firsts = moving[is_first]
    for place in moving[~is_first]:
        before = firsts[firsts < place][-32:]
        given = [(one.number, one.participant, one.amount) for one in known]
        given += rows[before][["seq", "qty_lots", "aux"]].tolist()
        if given:
            chosen = given[int(rng.integers(len(given)))]
            for name, value in zip(("price_ticks", "qty_lots", "aux"), chosen, strict=True):
                rows[name][place] = value
    return rows
