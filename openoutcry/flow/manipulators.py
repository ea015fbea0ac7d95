"""Manipulators with labels: each does its pattern a few times and measures what it gained.

What they do is drawn within :data:`STYLES`, so that a search can look for what goes unseen.
"""

from collections.abc import Callable, Generator, Mapping
from typing import Any

from openoutcry.flow.agent_market import (
    BUY,
    SECOND_STEPS,
    SELL,
    SYMBOLS,
    Agent,
    AgentMarket,
    KnownOrder,
    Label,
    Script,
)

Act = Generator[int, None, None]
STYLES: dict[str, dict[str, tuple[float, float]]] = {
    "spoofer": {"lots": (120, 300), "apart": (2, 5), "wait_s": (1, 4), "after_s": (0.25, 4),
                "cycles": (4, 7), "own": (3, 8), "pause_s": (5, 60)},
    "layerer": {"lots": (30, 60), "layers": (4, 7), "apart": (2, 3), "wait_s": (1, 4),
                "after_s": (0.25, 4), "cycles": (4, 7), "own": (3, 8), "pause_s": (5, 60)},
    "wash": {"lots": (5, 40), "cycles": (4, 8), "back_s": (1, 30), "pause_s": (5, 90)},
    "igniter": {"before": (6, 12), "lots": (60, 120), "bursts": (3, 6), "through": (8, 14),
                "hold_s": (1, 4)},
    "ramper": {"trades": (18, 26), "through": (4, 7), "lots": (40, 80), "pause_s": (4, 9)},
    "marker": {"lots": (50, 100), "bursts": (5, 8), "through": (4, 8), "before_s": (20, 45)},
    "stuffer": {"orders": (130, 250), "seconds": (3, 6), "gone": (0.9, 1.0)},
    "front_runner": {"client_lots": (200, 400), "share": (0.2, 0.5), "ahead_s": (5, 60)},
    "peg_mover": {"lots": (1, 3), "apart": (4, 6), "own": (15, 60), "cycles": (8, 14),
                  "wait_s": (0, 0.4), "after_s": (0, 1), "pause_s": (2, 20)},
    "cross": {"lots": (30, 60), "bursts": (4, 6), "through": (5, 10), "times": (3, 6)},
}  # fmt: skip
"""By manipulator: the range of each parameter that it draws."""
FIRST = 200
IGNITED_TICKS = 2
"""A burst that gained less a lot has not paid for the spread."""
RAMPED_HALF_TICKS = 10
"""A ramp that moved the mid less does not count: a market's own noise moves it so in a minute."""


class Manipulator:
    """One manipulator: its ``pattern``, and how, where ``style`` says so."""

    def __init__(
        self,
        market: AgentMarket,
        name: str,
        participants: tuple[int, ...],
        style: Mapping[str, float] | None = None,
    ) -> None:
        self.market, self.name, self.participants = market, name, participants
        self.style = dict(style or {})
        self.related = participants == RELATED
        self.gained: int | None = None
        """By an act so far, in its own terms; 0: it moved nothing, or was too little to be called a
        pattern, and has no label.  None: what the lots are worth says it."""

    def draw(self, name: str) -> float:
        """A value of its style."""
        if name in self.style:
            return float(self.style[name])
        low, high = STYLES[self.name][name]
        return self.market.random.uniform(low, high)

    def steps(self, name: str) -> int:
        return max(1, round(self.draw(name) * SECOND_STEPS))

    def acting(
        self,
        act: Callable[["Manipulator", list[Agent]], Act],
        pattern: str,
        agents: list[Agent],
        acts: int,
        late: bool = False,
    ) -> Script:
        """Do it this often, and label each time with what it gained half a minute later."""
        market, rng = self.market, self.market.random
        for number in range(acts):
            room = (market.left_steps - 300 * SECOND_STEPS) // (acts - number)
            yield rng.randrange(60 * SECOND_STEPS, max(room, 61 * SECOND_STEPS))
            if late:
                yield max(1, market.left_steps - self.steps("before_s"))
            begin_ns, worth = market.now_ns, sum(a.worth() for a in agents)
            end_ns, fills, self.gained = 0, sum(a.fills for a in agents), None
            try:
                yield from act(self, agents)
                end_ns = market.now_ns
                if market.left_steps > 31 * SECOND_STEPS:
                    yield 30 * SECOND_STEPS
            finally:
                # The close may have come first.
                traded = sum(a.fills for a in agents) > fills or pattern == "quote_stuffing"
                if self.gained != 0 and traded:
                    profit = sum(a.worth() for a in agents) - worth
                    profit = profit if self.gained is None else self.gained
                    symbol = SYMBOLS[agents[0].instrument]
                    market.labels.append(
                        Label(
                            pattern,
                            self.participants,
                            symbol,
                            begin_ns,
                            end_ns or market.now_ns,
                            profit,
                        )
                    )


def spoof(who: Manipulator, agents: list[Agent]) -> Act:
    """Wants to sell dear: shows large bids, sells to agents that follow, takes the bids away."""

    def show(agent: Agent, side: int, best: int | None) -> bool:
        apart, lots = round(who.draw("apart")), round(who.draw("lots"))
        if best is None:
            return False
        agent.limit(side, best - apart + 1 if side == BUY else best + apart - 1, lots)
        return True

    return press(who, agents[0], show)


def layer(who: Manipulator, agents: list[Agent]) -> Act:
    """The same with several orders at several prices."""

    def show(agent: Agent, side: int, best: int | None) -> bool:
        if best is None:
            return False
        apart = round(who.draw("apart"))
        for level in range(round(who.draw("layers"))):
            away = apart - 1 + level
            price = best - away if side == BUY else best + away
            agent.limit(side, price, round(who.draw("lots")))
        return True

    return press(who, agents[0], show)


def press(who: Manipulator, agent: Agent, show: Callable[[Agent, int, int | None], bool]) -> Act:
    """Again and again: ``show`` orders, trade against them, take them away.

    It gained what its trades were better than the mid before, half ticks times lots; on average
    less than half a tick, and the pressure moved nothing."""
    side, gained, traded, lots = who.market.random.choice((BUY, SELL)), 0, 0, 0
    who.gained = 0
    for number in range(round(who.draw("cycles"))):
        if number:
            yield who.steps("pause_s")
        middle = agent.middle
        if not show(agent, side, agent.bid if side == BUY else agent.ask):
            continue
        yield who.steps("wait_s")
        cash, held, fills = agent.cash, agent.lots, agent.fills
        agent.take(BUY + SELL - side, round(who.draw("own")))
        yield 1
        gained += 2 * (agent.cash - cash) + (agent.lots - held) * middle
        lots += abs(agent.lots - held)
        traded += agent.fills > fills
        yield who.steps("after_s")
        agent.cancel_all()
        if traded >= 3 and gained >= lots:
            who.gained = max(who.gained, gained)


def move_pegs(who: Manipulator, agents: list[Agent]) -> Act:
    """Again and again: where the spread is wide and a lot finds a hidden order at the middle, a
    small order moves it and a large one trades with it.  Then the small order is taken away.

    It gained what its trades were better than the mid before; where it moved too few of them to be
    called a pattern, nothing."""
    agent = agents[0]
    who.gained = gained = traded = 0
    for number in range(round(who.draw("cycles"))):
        if number:
            yield who.steps("pause_s")
        side = yield from find_peg(agent, round(who.draw("apart")))
        bid, ask, middle = agent.bid, agent.ask, agent.middle
        if side == 0 or bid is None or ask is None:
            continue
        sells, held, cash = side == BUY, agent.lots, agent.cash
        small, lots = round(who.draw("lots")), round(who.draw("own"))
        inside = ask - 2 if sells else bid + 2
        agent.limit(side, inside, small)
        if wait := round(who.draw("wait_s") * SECOND_STEPS):
            yield wait
        # Its own small order is worse than the middle: only pegged orders trade there.
        moved = inside + (ask if sells else bid)
        agent.limit(SELL if sells else BUY, (moved + (not sells)) // 2, lots, ioc=True)
        yield 1
        gain = 2 * (agent.cash - cash) + (agent.lots - held) * middle
        met = held - agent.lots if sells else agent.lots - held
        if after := round(who.draw("after_s") * SECOND_STEPS):
            yield after
        agent.cancel_all()
        if gain > 0 and met >= 2 * small:
            gained, traded = gained + gain, traded + 1
        who.gained = gained if traded >= 3 else 0


def find_peg(agent: Agent, apart: int) -> Generator[int, None, int]:
    """Look for a hidden order at the middle of a wide spread, a lot at a time.

    Returns its side; 0 if no order was found within a minute."""
    for _ in range(30):
        for side in (BUY, SELL):
            bid, ask = agent.bid, agent.ask
            yield 1
            if bid is None or ask is None or ask - bid < apart:
                continue
            fills, middle = agent.fills, agent.middle
            sells = side == BUY
            price = middle // 2 if sells else (middle + 1) // 2
            agent.limit(SELL if sells else BUY, price, 1, ioc=True)
            yield 1
            if agent.fills > fills:
                return side
        yield 4
    return 0


def wash(who: Manipulator, agents: list[Agent]) -> Act:
    """Lots go round the agents and back, inside of the spread, in matched orders; how often they
    came round whole, if often enough to be called a pattern."""
    legs = rounds = who.gained = 0
    for number in range(round(who.draw("cycles"))):
        if number:
            yield who.steps("pause_s")
        lots, whole, begun = round(who.draw("lots")), True, who.market.step
        for at, seller in enumerate(agents):
            for _ in range(40):
                bid, ask = seller.bid, seller.ask
                if bid is not None and ask is not None and ask - bid >= 2:
                    break
                yield 1
            else:
                return
            buyer = agents[(at + 1) % len(agents)]
            sold, bought, held = seller.fills, buyer.fills, (seller.lots, buyer.lots)
            order_id = seller.limit(SELL, bid + 1, lots)
            buyer.limit(BUY, bid + 1, lots, ioc=True)
            yield max(1, who.steps("back_s") // len(agents))
            more = 2 if seller is buyer else 1
            met = seller.fills == sold + more and buyer.fills == bought + more
            # Not with another that came between.
            passed = 0 if seller is buyer else lots
            met = met and (seller.lots, buyer.lots) == (held[0] - passed, held[1] + passed)
            whole = whole and met and order_id not in seller.open
            legs += met and order_id not in seller.open
            seller.cancel_all()
        rounds += whole and who.market.step - begun < 55 * SECOND_STEPS
        # Two related ones need no way back.
        seen = legs if who.related else rounds
        who.gained = seen if seen >= (2 if len(agents) > 2 else 3) else 0


def ignite(who: Manipulator, agents: list[Agent]) -> Act:
    """Takes some quietly, then bursts that the followers run after, and sells to them; what gained
    less than IGNITED_TICKS a lot ignited nothing."""
    agent, side = agents[0], who.market.random.choice((BUY, SELL))
    held, worth = agent.lots, agent.worth()
    for _ in range(5):
        agent.take(side, round(who.draw("before")))
        yield 6
    lots, through = round(who.draw("lots")), round(who.draw("through"))
    for _ in range(round(who.draw("bursts"))):
        agent.take(side, lots, through)
        yield 1
    yield who.steps("hold_s")
    moved = abs(agent.lots - held)
    for _ in range(60):
        lots_left = abs(agent.lots - held)
        if not lots_left:
            break
        agent.take(BUY + SELL - side, min(lots_left, 60), 1)
        yield 1
    gained = agent.worth() - worth
    who.gained = gained if gained >= IGNITED_TICKS * moved else 0
    yield 1


def ramp(who: Manipulator, agents: list[Agent]) -> Act:
    """Trade upon trade a little higher, for minutes; where the price ends no higher, it moved
    nothing."""
    agent, side = agents[0], who.market.random.choice((BUY, SELL))
    middle, who.gained = agent.middle, 0
    for _ in range(round(who.draw("trades"))):
        agent.take(side, round(who.draw("lots")), round(who.draw("through")))
        yield who.steps("pause_s")
    moved = (agent.middle - middle) * (1 if side == BUY else -1)
    who.gained = None if moved >= RAMPED_HALF_TICKS else 0


def mark(who: Manipulator, agents: list[Agent]) -> Act:
    """The last trades of the day, at any price."""
    agent, side = agents[0], who.market.random.choice((BUY, SELL))
    bursts = round(who.draw("bursts"))
    for number in range(bursts):
        agent.take(side, round(who.draw("lots")), round(who.draw("through")))
        rest = who.market.left_steps - 2
        yield max(1, rest // (bursts - number + 1))


def stuff(who: Manipulator, agents: list[Agent]) -> Act:
    """Hundreds of orders a second, each cancelled before another participant can react."""
    agent, rng = agents[0], who.market.random
    for _ in range(round(who.draw("seconds")) * SECOND_STEPS):
        orders = round(who.draw("orders") / SECOND_STEPS)
        for _ in range(orders):
            side = rng.choice((BUY, SELL))
            away = 6 + rng.randrange(10)
            agent.limit(side, agent.mid - away if side == BUY else agent.mid + away, 1)
        stay = round(orders * (1 - who.draw("gone")))
        for order_id in list(agent.open)[stay:]:
            agent.cancel(order_id)
        yield 1
    agent.cancel_all()
    yield 1


def front_run(who: Manipulator, agents: list[Agent]) -> Act:
    """A broker buys what it can before the client's order that it holds, and sells after it."""
    broker, client = agents
    market, side = who.market, who.market.random.choice((BUY, SELL))
    lots = round(who.draw("client_lots"))
    symbol = SYMBOLS[broker.instrument]
    known_ns = market.now_ns
    market.known_orders.append(
        KnownOrder(broker.participant, client.participant, symbol, side, lots, known_ns)
    )
    before, target_lots = broker.lots, round(lots * who.draw("share"))
    for _ in range(4):
        broker.take(side, max(target_lots // 4, 1), 4)
        yield max(1, who.steps("ahead_s") // 4)
    for _ in range(6):
        client.take(side, lots // 6, 10)
        yield 2
    for _ in range(30):
        lots_left = abs(broker.lots - before)
        if not lots_left:
            break
        broker.take(BUY + SELL - side, min(lots_left, 60), 2)
        yield 4


def across(who: Manipulator, agents: list[Agent]) -> Act:
    """Moves the one market with little and trades much more in the linked one."""
    here, there = agents
    side = who.market.random.choice((BUY, SELL))
    start, middle = here.lots, here.middle
    for _ in range(round(who.draw("bursts"))):
        here.take(side, round(who.draw("lots")), round(who.draw("through")))
        yield 2
    moved = (here.middle - middle) * (1 if side == BUY else -1)
    who.gained = None if moved >= 6 else 0
    took = max(abs(here.lots - start), 20)
    lots_left = round(took * who.draw("times"))
    for _ in range(24):
        if lots_left <= 0:
            break
        held = there.lots
        there.take(BUY + SELL - side, min(lots_left, 300), 12)
        yield 3
        lots_left -= abs(there.lots - held)


ACTS: dict[str, tuple[Callable[[Manipulator, list[Agent]], Act], str, int]] = {
    "spoofer": (spoof, "spoofing", 1), "layerer": (layer, "layering", 1),
    "wash_self": (wash, "wash_self", 1), "wash_related": (wash, "wash_related", 2),
    "wash_pair": (wash, "wash_pair", 2), "wash_ring": (wash, "wash_ring", 3),
    "igniter": (ignite, "momentum_ignition", 1), "ramper": (ramp, "ramping", 1),
    "marker": (mark, "marking_close", 1), "stuffer": (stuff, "quote_stuffing", 1),
    "front_runner": (front_run, "front_running", 2), "cross": (across, "cross_market", 2),
    "peg_mover": (move_pegs, "moving_pegs", 1),
}  # fmt: skip
"""By name: what it does, what that is called, and how many participants it takes."""
THIN = ("peg_mover",)
"""The manipulators that act where spreads are wide, in a separate market with pegged orders."""
THIN_SPREAD = 4
LIQUID = tuple(name for name in ACTS if name not in THIN)
RELATED = (
    FIRST + 10 * list(ACTS).index("wash_related"),
    FIRST + 10 * list(ACTS).index("wash_related") + 1,
)
"""The two participants of ``wash_related``, who belong to one owner."""


def manipulators(
    names: tuple[str, ...], acts: int = 1, styles: Mapping[str, Mapping[str, float]] | None = None
) -> Callable[[AgentMarket], list[Script]]:
    """Scripts of these manipulators (keys of ACTS), each this often a session."""

    def scripts(market: AgentMarket) -> list[Script]:
        all_scripts = []
        for name in names:
            act, pattern, count = ACTS[name]
            first = FIRST + 10 * list(ACTS).index(name)
            who = tuple(first + n for n in range(1 if name == "cross" else count))
            instruments = (0, 1) if name == "cross" else (0,) * count
            numbers = who * 2 if name == "cross" else who
            agents = [Agent(market, n, i) for n, i in zip(numbers, instruments, strict=True)]
            agents = [market.agents[n, i] for n, i in zip(numbers, instruments, strict=True)]
            kind = "wash" if name.startswith("wash") else name
            manipulator = Manipulator(market, kind, who, (styles or {}).get(name))
            late = name == "marker"
            all_scripts.append(manipulator.acting(act, pattern, agents, 1 if late else acts, late))
        return all_scripts

    return scripts


def settings_text(market: AgentMarket) -> str:
    """Return surveillance settings for this market (TOML of docs/surveillance.md)."""
    from datetime import UTC, datetime

    lines = [
        "[[related]]",
        f"participants = {list(RELATED)}",
        'why = "one beneficial owner"',
        "",
        "[[linked]]",
        f"symbols = {list(SYMBOLS)!r}".replace("'", '"'),
        "",
    ]
    for order in market.known_orders:
        known = datetime.fromtimestamp(order.known_ns // 10**9, UTC)
        text = known.strftime("%Y-%m-%dT%H:%M:%S")
        lines += [
            "[[client_order]]",
            f"broker = {order.broker}",
            f"client = {order.client}",
            f'symbol = "{order.symbol}"',
            f'side = "{"buy" if order.side == BUY else "sell"}"',
            f"lots = {order.lots}",
            f"known = {text}.{order.known_ns % 10**9 // 1000:06d}Z",
            "",
        ]
    return "\n".join(lines)


def as_rows(labels: list[Label]) -> list[dict[str, Any]]:
    """Labels as JSON can hold them."""
    return [{**vars(label), "participants": list(label.participants)} for label in labels]
