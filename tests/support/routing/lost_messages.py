"""Parents of every kind over venues whose messages get lost, late or twice, and their judge.

The judge looks at the venues alone: what they were sent, what they filled, what is open there.
"""

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from random import Random

from openoutcry.routing.depth import Depth
from openoutcry.routing.instruments import BUY, SELL, Listing, Market, Venue
from openoutcry.routing.parents import ACTIVE, ENDED, PAUSED, ParentStore
from openoutcry.routing.router import Router
from tests.support.routing.markets import GOLD
from tests.support.routing.model_venue import ModelConnector, ModelVenue

MS = 1_000_000
STEP_NS = 10 * MS
TIMEOUT_NS = 50 * MS
SENT = ("lost", "arrives unanswered", "silent", "late", "twice")
HEARD = ("lost", "silent", "late", "twice")
LEVELS = {BUY: {999_000: 90, 998_500: 60}, SELL: {1_000_000: 50, 1_000_500: 70, 1_001_000: 200}}
LIMITS = {BUY: 1_001_000, SELL: 998_500}
"""Of parents that take; one that rests has 5 ticks less than the best of its side."""
ENDING_STEP = 300
"""Then the operator ends what still rests or waits for volume."""
BOUND_STEPS = 6_000
"""Most steps of a scenario: a parent that is active after them never ends."""
ALGORITHMS = (
    {},
    {"name": "twap", "span_ns": 400 * MS, "slices": 4},
    {"name": "vwap", "bar_ns": 100 * MS, "volumes": [3, 1, 2]},
    {"name": "pov", "rate_ppm": 300_000},
    {"name": "arrival", "span_ns": 500 * MS, "half_ns": 100 * MS},
)
KINDS = [
    (style, algorithm)
    for style in ("take", "post", "rest")
    for algorithm in (
        *ALGORITHMS,
        *(() if style == "take" else ({"name": "iceberg", "shown": 20}, {"name": "peg"})),
    )
]
"""Style and algorithm of every kind of parent."""


@dataclass
class Faults:
    """What becomes of each message, in the order in which they are sent or heard."""

    plan: dict[int, str]
    """By number of the message, from 0: what becomes of it."""
    rng: Random | None = None
    share: float = 0.0
    """Of the other messages, those that get a fault by chance."""
    count: int = 0
    settles_swallowed: int = 0
    """Of the first questions about a child in doubt, so many do not arrive."""

    def sent(self, what):
        """The fate of a message to a venue."""
        fate = self._next(SENT)
        if what == "settle" and self.settles_swallowed:
            self.settles_swallowed -= 1
            return "silent"
        return fate

    def heard(self):
        """The fate of what a venue said."""
        return self._next(HEARD)

    def _next(self, fates):
        number, self.count = self.count, self.count + 1
        planned = self.plan.get(number, "arrives")
        if planned == "arrives" and self.rng is not None and self.rng.random() < self.share:
            return self.rng.choice(fates)
        return planned if planned in fates else "arrives"


class Scenario:
    """Two venues, one router after the other, and parents."""

    def __init__(self, path, faults, rng):
        self.path, self.faults, self.rng = path, faults, rng
        self.models = [ModelVenue(name, LEVELS[BUY], LEVELS[SELL]) for name in ("A", "B")]
        self.market = Market(
            GOLD,
            (
                Venue("A", taker_ppm=300, timeout_ns=TIMEOUT_NS),
                Venue("B", maker_ppm=-10, timeout_ns=TIMEOUT_NS),
            ),
            (Listing("A", GOLD, "GOLD", 4, 2), Listing("B", GOLD, "GOLD", 4, 2, min_quantity=3)),
        )
        self.now_ns, self.sent, self.store = 1_000 * MS, Counter(), None
        self.start()

    def start(self):
        """A router over what the file has; the one before is gone."""
        if self.store is not None:
            self.stop()
        self.store = ParentStore(self.path, is_durable=False)
        self.connectors = {
            one.name: ModelConnector(one, self.faults.sent, hear=self.faults.heard)
            for one in self.models
        }
        self.router = Router(self.store, Depth(self.market), self.connectors)
        self.router.step(self.now_ns)

    def stop(self):
        """End the router; what is under way arrives."""
        for connector in self.connectors.values():
            connector.arrive(connector.LATE_POLLS)
            self.sent.update(connector.sent)
        self.store.close()

    def submit(self, kind, side, quantity):
        """Give the router a parent of a kind."""
        style, algorithm = kind
        limit = LIMITS[side] if style == "take" else max(LEVELS[BUY]) - 500
        if side == SELL and style != "take":
            limit = min(LEVELS[SELL]) + 500
        self.router.submit(
            side,
            quantity,
            limit,
            self.now_ns,
            style=style,
            post_ns=200 * MS,
            algorithm=dict(algorithm),
        )

    def step(self):
        """One step; the market also trades with what rests.  Returns whether one is to come."""
        self.now_ns += STEP_NS
        busy = self.router.step(self.now_ns)
        resting = [
            (model, token) for model in self.models for token in model.orders if model.left(token)
        ]
        if resting and self.rng.random() < 0.2:
            model, token = self.rng.choice(resting)
            order, left = model.orders[token]
            model.fill(token, self.rng.randint(1, left), order.price)
        for model in self.models:
            if self.rng.random() < 0.1:
                model.volume += self.rng.randint(1, 40)
                for side in (BUY, SELL):
                    price = self.rng.choice(list(LEVELS[side]))
                    model.levels[side].setdefault(price, 30)
        return busy

    def meddle(self):
        """What an operator or a kill does at a random moment."""
        what = self.rng.choice(("pause", "more", "less", "limit", "restart", "reject", "accept"))
        if what == "restart":
            self.start()
        self.models[0].rejects = what == "reject"
        for parent in self.store.parents.values():
            if parent.state == ENDED:
                continue
            if what == "pause":
                state = PAUSED if parent.state == ACTIVE else ACTIVE
                self.router.change(parent, self.now_ns, state=state)
            elif what in ("more", "less"):
                change = self.rng.randint(1, 40) * (1 if what == "more" else -1)
                quantity = max(1, parent.quantity + change)
                self.router.change(parent, self.now_ns, quantity=quantity)
            elif what == "limit":
                limit = parent.limit - parent.terms.side * 500
                self.router.change(parent, self.now_ns, limit=limit)

    def run(self, meddles=0):
        """Run until every parent has ended and the venues have heard all."""
        moments = {self.rng.randrange(ENDING_STEP) for _ in range(meddles)}
        for number in range(BOUND_STEPS):
            if number in moments:
                self.meddle()
            if number == ENDING_STEP:
                for parent in self.store.parents.values():
                    if parent.state != ENDED:
                        self.router.change(parent, self.now_ns, state=ENDED)
            is_busy = self.step()
            if not is_busy and all(one.state == ENDED for one in self.store.parents.values()):
                break

    def judge(self):
        """Raise ``AssertionError`` unless every parent has ended as the venues say."""
        self.stop()
        with ExitStack() as stack:
            store = stack.enter_context(ParentStore(self.path, is_durable=False))
            again = [token for token, count in self.sent.items() if count > 1]
            assert not again, f"sent twice: {again}"
            by_name = {model.name: model for model in self.models}
            ours = set()
            for parent in store.parents.values():
                said = {"number": parent.number, "terms": parent.terms}
                assert (parent.state, parent.leaves) == (ENDED, 0), f"never ended: {said}"
                most = [parent.terms.quantity]
                most += [data for _, kind, data in parent.notes if kind == "quantity"]
                assert parent.filled <= max(most), f"overfilled: {said}"
                for child in parent.children:
                    model, token = by_name[child.venue], child.order.token
                    ours.add(token)
                    filled = model.filled(token)
                    assert child.filled == filled, f"{token}: {child.filled}, venue: {filled}"
                    assert not model.left(token), f"{token} is open at {child.venue}"
            entered = {token for model in self.models for token in model.entered}
            assert entered <= ours, "a venue has an order that is in no file"
            return Counter(parents=len(store.parents), children=len(ours))


def random_scenario(path, seed):
    """Up to three parents of any kind, faults in a share of all messages, an operator and kills;
    judged.  Returns the counts."""
    rng = Random(seed)
    faults = Faults({}, rng, rng.choice([0.05, 0.2, 0.4]), settles_swallowed=rng.choice([0, 1, 4]))
    scenario = Scenario(path, faults, rng)
    for _ in range(rng.randint(1, 3)):
        scenario.submit(rng.choice(KINDS), rng.choice([BUY, SELL]), rng.randint(1, 200))
    scenario.run(meddles=rng.randint(0, 4))
    return scenario.judge() + Counter(messages=faults.count)


def every_single_fault(folder, kind):
    """A parent of a kind, once for each of its messages and each thing that can become of it, with
    the first question about its fate lost or not; judged.  Returns the counts."""
    clean = Faults({})
    counts = _alone(folder / "clean.sqlite", kind, clean)
    for number in range(clean.count):
        for fate in dict.fromkeys((*SENT, *HEARD)):
            for swallowed in (0, 1):
                faults = Faults({number: fate}, settles_swallowed=swallowed)
                path = folder / f"{number}-{fate}-{swallowed}.sqlite"
                counts += _alone(path, kind, faults) + Counter(messages=faults.count)
    return counts


def _alone(path, kind, faults):
    scenario = Scenario(path, faults, Random(1))
    scenario.submit(kind, BUY, 12)
    scenario.run()
    return scenario.judge() + Counter(scenarios=1)
