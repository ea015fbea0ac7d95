"""Honest agents who look like manipulators at a glance.

There are market makers (two-sided, one of them with lopsided sizes), an iceberg, a cross agreed
upon over the counter and a schedule that buys into the close.  There are a refresher of quotes, a
hedger and a large trader that changes its mind.  Followers run after moves: manipulators live on
them.
"""

from openoutcry.flow.agent_market import BUY, SECOND_STEPS, SELL, Agent, AgentMarket, Script
from openoutcry.wire.enums import OrderType

MAKERS = (101, 102, 103, 104)
LOPSIDED, ICEBERG, CROSS_A, CROSS_B, TWAP, REFRESHER, HEDGER, LARGE = range(111, 119)
FOLLOWERS = tuple(range(121, 127))
PEGGED = tuple(range(131, 141))
MAKER_LOTS, MAKER_LIMIT = 8, 160


def honest(market: AgentMarket) -> list[Script]:
    """All of them, for one session."""
    scripts = [market_maker(Agent(market, who, i)) for who in MAKERS for i in range(2)]
    scripts += [market_maker(Agent(market, LOPSIDED, i), lopsided=True) for i in range(2)]
    scripts += [iceberg(Agent(market, ICEBERG)), twap(Agent(market, TWAP))]
    scripts += [over_the_counter(Agent(market, CROSS_A), Agent(market, CROSS_B))]
    scripts += [refresher(Agent(market, REFRESHER)), large(Agent(market, LARGE))]
    scripts += [hedger(Agent(market, HEDGER, 0), Agent(market, HEDGER, 1))]
    return scripts + [follower(Agent(market, who, i)) for who in FOLLOWERS for i in range(2)]


def pegged(market: AgentMarket) -> list[Script]:
    """Some agents with pegged orders in both instruments, which others may move."""
    return [peg_holder(Agent(market, who, i)) for who in PEGGED for i in range(2)]


def market_maker(agent: Agent, lopsided: bool = False) -> Script:
    """Quotes three levels a side around a price that leans on imbalance, trades and its own lots;
    after a fill it quotes again, which withdraws the other side too."""
    rng = agent.market.random
    fills, at = -1, None
    while True:
        view = agent.market.views[agent.instrument]
        value = agent.market.values[agent.instrument]
        lean = 5.0 * view.imbalance + 0.03 * view.pressure + 0.15 * (value - view.mid)
        middle = round(view.mid + lean - 4 * agent.lots / MAKER_LIMIT)
        if agent.fills != fills or at is None or abs(middle - at) >= 1 or rng.random() < 0.02:
            agent.cancel_all()
            for level in range(3):
                for side in (BUY, SELL):
                    apart = agent.market.spread * (1 + 2 * level + rng.randrange(2))
                    lots = MAKER_LOTS + rng.randrange(5)
                    if lopsided and (side == SELL) == (agent.lots > 0):
                        lots *= 3
                    price = middle + (apart if side == SELL else -apart)
                    # A maker does not take: what would cross is placed next to the other side.
                    if side == BUY and view.ask is not None:
                        price = min(price, view.ask - 1)
                    if side == SELL and view.bid is not None:
                        price = max(price, view.bid + 1)
                    if abs(agent.lots + (lots if side == BUY else -lots)) <= MAKER_LIMIT:
                        agent.limit(side, price, lots)
            fills, at = agent.fills, middle
        yield rng.randrange(2, 6)


def iceberg(agent: Agent) -> Script:
    """A large order that shows a little, moved now and then."""
    rng = agent.market.random
    while True:
        side = rng.choice((BUY, SELL))
        price = agent.mid - 2 if side == BUY else agent.mid + 2
        order_id = agent.limit(side, price, 150, show=8)
        yield rng.randrange(60, 240) * SECOND_STEPS
        agent.cancel(order_id)
        yield 4


def over_the_counter(one: Agent, other: Agent) -> Script:
    """Two agents with an agreed large trade report it by matched orders, once in a quarter of an
    hour."""
    rng = one.market.random
    while True:
        yield rng.randrange(400, 900) * SECOND_STEPS
        bid, ask = one.bid, one.ask
        if bid is None or ask is None or ask - bid < 2:
            continue
        buyer, seller = (one, other) if rng.random() < 0.5 else (other, one)
        lots = rng.randrange(60, 200)
        seller.limit(SELL, bid + 1, lots)
        buyer.limit(BUY, bid + 1, lots, ioc=True)
        yield 1
        seller.cancel_all()


def twap(agent: Agent) -> Script:
    """Buys the same small lots every few seconds into the close."""
    rng, market = agent.market.random, agent.market
    yield max(1, market.left_steps - 900 * SECOND_STEPS)
    while True:
        if rng.random() < 0.6:
            agent.take(BUY, 4)
        elif agent.bid is not None:
            agent.cancel_all()
            agent.limit(BUY, agent.bid, 4)
        yield rng.randrange(6, 14) * SECOND_STEPS


def refresher(agent: Agent) -> Script:
    """Small quotes on both sides, taken away and entered again all day long."""
    rng = agent.market.random
    while True:
        agent.cancel_all()
        agent.limit(BUY, agent.mid - 3 - rng.randrange(3), 2)
        agent.limit(SELL, agent.mid + 3 + rng.randrange(3), 2)
        yield rng.randrange(2, 5)


def hedger(one: Agent, other: Agent) -> Script:
    """Client business comes in the one market and is hedged in the other, both at once."""
    rng = one.market.random
    while True:
        yield rng.randrange(60, 240) * SECOND_STEPS
        side, lots = rng.choice((BUY, SELL)), rng.randrange(8, 25)
        one.take(side, lots, 3)
        other.take(BUY + SELL - side, lots, 3)


def large(agent: Agent) -> Script:
    """Shows all that it would sell near the market, waits, and thinks better of it."""
    rng = agent.market.random
    while True:
        yield rng.randrange(60, 180) * SECOND_STEPS
        side = rng.choice((BUY, SELL))
        price = agent.mid - 3 if side == BUY else agent.mid + 3
        agent.limit(side, price, rng.randrange(60, 200))
        yield rng.randrange(5, 60) * SECOND_STEPS
        agent.cancel_all()


def peg_holder(agent: Agent) -> Script:
    """Works an order at the middle, or one step from the best price of its side, and moves it to
    the other side after a while."""
    rng = agent.market.random
    while True:
        side, lots = rng.choice((BUY, SELL)), rng.randrange(60, 240)
        limit = agent.mid + 40 if side == BUY else agent.mid - 40
        if rng.random() < 0.6:
            agent.peg(side, OrderType.PEG_MIDPOINT, limit, lots)
        else:
            agent.peg(side, OrderType.PEG_PRIMARY, limit, lots, -1 if side == BUY else 1)
        yield rng.randrange(20, 90) * SECOND_STEPS
        agent.cancel_all()
        yield rng.randrange(1, 20)


def follower(agent: Agent) -> Script:
    """Buys into a rise and sells into a fall of a few seconds, and is out again after a minute."""
    rng, nerve = agent.market.random, 5 + agent.participant % 4
    while True:
        trend = agent.market.views[agent.instrument].trend
        moved = trend[-1] - trend[-min(len(trend), 5 * SECOND_STEPS)]
        if abs(moved) >= nerve:
            side, lots = BUY if moved > 0 else SELL, rng.randrange(8, 20)
            agent.take(side, lots, 3)
            yield rng.randrange(40, 80) * SECOND_STEPS
            held = agent.lots
            if held:
                agent.take(SELL if held > 0 else BUY, abs(held), 2)
            yield rng.randrange(10, 30) * SECOND_STEPS
        yield rng.randrange(1, 4)
