"""Manipulators of another make than flow/manipulators.py: other tactics for the same patterns, to
judge detectors by acts that their thresholds were not chosen on.

Each act says what it did to the market (``effect``, half ticks in its own direction), and one that
had none is no act.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from openoutcry.flow.agent_market import BUY, SECOND_STEPS, SELL, SYMBOLS, Agent, AgentMarket, Label

Act = Generator[int, None, int]
WHO, OTHER = 300, 301
EFFECTIVE = 12
"""Half ticks: what a market's own noise moves it in a few seconds is less."""


def opposite(side: int) -> int:
    return BUY + SELL - side


def ahead(side: int, middle: int, was: int) -> int:
    """How far the mid came in the act's direction, half ticks."""
    return middle - was if side == BUY else was - middle


# The close.


def close_in_one(agents: list[Agent]) -> Act:
    """One order sweeps the book a second before the end."""
    agent, rng = agents[0], agents[0].market.random
    side = rng.choice((BUY, SELL))
    yield max(1, agent.market.left_steps - rng.randrange(4, 9))
    was = agent.middle
    agent.take(side, rng.randrange(250, 500), rng.randrange(15, 40))
    yield 1
    return ahead(side, 2 * agent.market.views[0].last, was)


def close_in_steps(agents: list[Agent]) -> Act:
    """Takes what stands at the best price, again and again, for the last half minute or more."""
    agent, rng = agents[0], agents[0].market.random
    side = rng.choice((BUY, SELL))
    yield max(1, agent.market.left_steps - rng.randrange(25, 55) * SECOND_STEPS)
    was = agent.middle
    lots = rng.randrange(12, 35)
    while agent.market.left_steps > 3:
        agent.take(side, lots, rng.randrange(0, 3))
        yield rng.randrange(4, 9)
    return ahead(side, 2 * agent.market.views[0].last, was)


def close_held_up(agents: list[Agent]) -> Act:
    """Takes the best price and bids right behind it, so that the price does not come back."""
    agent, rng = agents[0], agents[0].market.random
    side = rng.choice((BUY, SELL))
    yield max(1, agent.market.left_steps - rng.randrange(20, 50) * SECOND_STEPS)
    was = agent.middle
    while agent.market.left_steps > 3:
        agent.cancel_all()
        best = agent.ask if side == BUY else agent.bid
        agent.take(side, rng.randrange(15, 40), 1)
        if best is not None:
            agent.limit(side, best - 1 if side == BUY else best + 1, rng.randrange(20, 50))
        yield rng.randrange(6, 14)
    agent.cancel_all()
    return ahead(side, 2 * agent.market.views[0].last, was)


# Momentum.


def ignition(bursts: int, apart: int, hold_s: tuple[int, int]) -> Callable[[list[Agent]], Act]:
    """A burst, and the way out over a longer time, by orders that rest as well."""

    def act(agents: list[Agent]) -> Act:
        agent, rng = agents[0], agents[0].market.random
        side, held, was, worth = rng.choice((BUY, SELL)), agent.lots, agent.middle, agent.worth()
        for _ in range(bursts):
            agent.take(side, rng.randrange(40, 90), rng.randrange(4, 12))
            yield apart
        top = ahead(side, agent.middle, was)
        yield rng.randrange(*hold_s) * SECOND_STEPS
        for _ in range(40):
            left = abs(agent.lots - held)
            if not left:
                break
            agent.cancel_all()
            best = agent.ask if side == BUY else agent.bid
            if rng.random() < 0.4 and best is not None:
                agent.limit(opposite(side), best, min(left, 30))
            else:
                agent.take(opposite(side), min(left, 25), 1)
            yield rng.randrange(1, 4)
        agent.cancel_all()
        gained = agent.worth() - worth
        return top if gained > 0 else 0

    return act


# Wash trades of two whom nobody has declared.


def wash(same_lots: bool, back_s: tuple[int, int]) -> Callable[[list[Agent]], Act]:
    """The lots go to the other and come back, at once or a while later; of other sizes, too."""

    def act(agents: list[Agent]) -> Act:
        one, other = agents
        rng, rounds = one.market.random, 0
        for _ in range(rng.randrange(5, 9)):
            lots = rng.randrange(10, 40)
            for seller, buyer in ((one, other), (other, one)):
                for _ in range(60):
                    bid, ask = seller.bid, seller.ask
                    if bid is not None and ask is not None and ask - bid >= 2:
                        break
                    yield 1
                else:
                    return 0
                held = seller.lots
                size = lots if same_lots else lots + rng.randrange(1, 6)
                seller.limit(SELL, bid + 1, size)
                buyer.limit(BUY, bid + 1, lots, ioc=True)
                yield 1
                seller.cancel_all()
                rounds += held - seller.lots == lots
                yield rng.randrange(*back_s) * SECOND_STEPS + 1
            yield rng.randrange(5, 60) * SECOND_STEPS
        return EFFECTIVE if rounds >= 8 else 0

    return act


# Two markets.


def cross(passive: bool) -> Callable[[list[Agent]], Act]:
    """Moves the one and sells in the other at the price of that, by orders that rest too."""

    def act(agents: list[Agent]) -> Act:
        here, there = agents
        rng = here.market.random
        side, was, held = rng.choice((BUY, SELL)), here.middle, there.lots
        for _ in range(rng.randrange(3, 6)):
            here.take(side, rng.randrange(20, 45), rng.randrange(4, 9))
            yield rng.randrange(1, 4)
        moved = ahead(side, here.middle, was)
        for _ in range(20):
            best = there.ask if side == BUY else there.bid
            there.cancel_all()
            if passive and best is not None and rng.random() < 0.5:
                there.limit(opposite(side), best, rng.randrange(40, 90))
            else:
                there.take(opposite(side), rng.randrange(30, 70), 4)
            yield rng.randrange(2, 5)
        there.cancel_all()
        return moved if abs(there.lots - held) >= 300 else 0

    return act


@dataclass(frozen=True)
class Kind:
    """A tactic: what it is called, how many take part, in which instruments, and when."""

    act: Callable[[list[Agent]], Act]
    pattern: str
    who: tuple[int, ...] = (WHO,)
    instruments: tuple[int, ...] = (0,)
    late: bool = False


KINDS: dict[str, Kind] = {
    "close in one": Kind(close_in_one, "marking_close", late=True),
    "close in steps": Kind(close_in_steps, "marking_close", late=True),
    "close held up": Kind(close_held_up, "marking_close", late=True),
    "ignition, quick": Kind(ignition(4, 2, (1, 4)), "momentum_ignition"),
    "ignition, slow": Kind(ignition(5, 6, (8, 25)), "momentum_ignition"),
    "wash pair, at once": Kind(wash(True, (0, 2)), "wash_pair", (WHO, OTHER), (0, 0)),
    "wash pair, later": Kind(wash(True, (20, 50)), "wash_pair", (WHO, OTHER), (0, 0)),
    "wash pair, uneven": Kind(wash(False, (0, 20)), "wash_pair", (WHO, OTHER), (0, 0)),
    "cross market": Kind(cross(False), "cross_market", (WHO, WHO), (0, 1)),
    "cross market, resting": Kind(cross(True), "cross_market", (WHO, WHO), (0, 1)),
}


def other_manipulator(name: str) -> Callable[[AgentMarket], list[Any]]:
    """One act of a kind, at a drawn time; its label is in the market's if it had an effect."""
    kind = KINDS[name]

    def scripts(market: AgentMarket) -> list[Any]:
        for who, instrument in zip(kind.who, kind.instruments, strict=True):
            Agent(market, who, instrument)
        agents = [market.agents[pair] for pair in zip(kind.who, kind.instruments, strict=True)]

        def script() -> Generator[int, None, None]:
            if not kind.late:
                room = max(market.left_steps - 420 * SECOND_STEPS, 61 * SECOND_STEPS)
                yield market.random.randrange(60 * SECOND_STEPS, room)
            begin_ns = market.now_ns
            effect = yield from kind.act(agents)
            if kind.late:
                begin_ns = market.now_ns - 60 * 10**9
            if effect >= EFFECTIVE:
                who = tuple(dict.fromkeys(kind.who))
                label = Label(kind.pattern, who, SYMBOLS[0], begin_ns, market.now_ns, effect)
                market.labels.append(label)

        return [script()]

    return scripts
