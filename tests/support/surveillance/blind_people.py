"""Honest people of the blind markets, among them some like manipulators, and their days."""

import math
from collections.abc import Callable

from openoutcry.wire.enums import OrderType, Phase, Side, TimeInForce
from tests.support.surveillance.blind_markets import (
    BONDS,
    COINS,
    DAY_S,
    INDEX_FUND,
    SECOND,
    BlindMarket,
    Steps,
    Style,
    other,
    sign,
)


def day_busyness(market: BlindMarket) -> float:
    """Return how busy the hour is, up to 1, and more after news."""
    hour = market.now_ns // SECOND % DAY_S / 3_600
    rhythm = 1.0 if market.style is BONDS else 0.2 + 0.8 * math.sin(math.pi * hour / 24) ** 2
    return rhythm * (1 + market.rush)


def maker(market: BlindMarket, who: int, symbol: bytes, every_s: float, levels: int) -> Steps:
    """Quote both sides at some prices, leaning against the own position, and move the quotes."""
    ids: dict[tuple[Side, int], int] = {}
    style, draw = market.style, market.random
    half, was = draw.uniform(*style.half), style.price
    while True:
        skew = 0.3 * style.half[0] * market.held[who, symbol] / style.maker_lots
        middle = market.fair(symbol) - max(-2.0 * half, min(2.0 * half, skew))
        for side in (Side.SELL, Side.BUY) if middle > was else (Side.BUY, Side.SELL):
            _, _, ask, _ = bests = market.engine.best(symbol)
            limit = (ask or 10**6) - 1 if side == Side.BUY else (bests[0] or 0) + 1
            for level in range(levels):
                price = round(middle - sign(side) * half * (1 + 0.6 * level))
                price = min(price, limit) if side == Side.BUY else max(price, limit)
                lots = int(style.maker_lots * (1 + 0.5 * level))
                number = ids.get((side, level), 0)
                ids[side, level] = market.requote(who, side, number, lots, price, symbol)
        was = middle
        yield draw.expovariate(min(4.0, day_busyness(market)) / every_s) + 0.05


def crowd(market: BlindMarket) -> Steps:
    """Let accounts, one after another, take, rest for a while, or place a stop."""
    draw, style = market.random, market.style
    while True:
        who, symbol = 100 + int(style.accounts * draw.random() ** 2), market.symbol()
        buys = 0.5 + 0.25 * market.imbalance(symbol)
        if market.rush > 0.3:
            buys = market.rush_way
        side, lots, kind = market.side(buys), market.lots(), draw.random()
        if kind < 0.6:
            market.take(who, side, lots, symbol, style.half[0] / 2)
        elif kind < 0.95 or style is BONDS:
            price = market.touch(side, symbol) + sign(side) * draw.randint(-style.half[1], 2)
            market.start(lapse(market, market.post(who, side, lots, price, symbol)), 1.0)
        else:
            away = sign(side) * market.between(0.001, 0.01) * style.price
            trigger = round(market.mid(symbol) + away)
            market.post(who, side, lots, 0, symbol, OrderType.STOP, aux=trigger)
        yield draw.expovariate(day_busyness(market) / style.takes_s)


def lapse(market: BlindMarket, number: int) -> Steps:
    """Cancel an order after a while."""
    yield market.pause(2, 1_200)
    market.cancel(number)


def news(market: BlindMarket, every_s: float) -> Steps:
    """Let the value jump, and the crowd hurry in its direction."""
    while True:
        yield market.random.expovariate(1 / every_s)
        jump = market.random.gauss(0, 0.004) * market.style.price
        market.value += jump
        market.rush, market.rush_way = market.between(3, 12), 0.8 if jump > 0 else 0.2


def arbitrage(market: BlindMarket, who: int) -> Steps:
    """Buy the cheaper and sell the dearer of the two, as many lots at once."""
    while True:
        yield market.random.expovariate(1.0 / (3 * market.style.slow))
        for cheap, dear in (market.style.symbols, market.style.symbols[::-1]):
            _, _, ask, asked = market.engine.best(cheap)
            bid, bidden, _, _ = market.engine.best(dear)
            if ask is not None and bid is not None and bid - ask > market.style.half[0] / 2:
                lots = min(asked, bidden, 2 * market.style.taker_lots)
                market.take(who, Side.BUY, lots, cheap)
                market.take(who, Side.SELL, lots, dear)


def patient(market: BlindMarket, who: int) -> Steps:
    """Sell (or buy) a large amount over hours: rest at the touch as an iceberg, sometimes take."""
    while True:
        symbol, side, left = market.symbol(), market.side(), market.lots(60)
        while left > 0:
            lots = min(left, market.lots(3))
            left -= lots
            if market.random.random() < 0.3:
                market.take(who, side, lots, symbol)
                yield market.pause(5, 120)
                continue
            price = market.touch(side, symbol)
            shown = max(1, lots // 4)
            number = market.post(who, side, lots, price, symbol, OrderType.ICEBERG, aux=shown)
            yield market.pause(20, 300)
            market.cancel(number)
        yield market.pause(600, 6_000)


def hurried(market: BlindMarket, who: int) -> Steps:
    """Need to buy or sell at once, in some pieces through the book."""
    while True:
        yield market.random.expovariate(1.0 / 14_400)
        symbol, side = market.symbol(), market.side()
        for _ in range(market.random.randint(2, 6)):
            market.take(who, side, market.lots(5), symbol, 2 * market.style.half[0])
            yield market.pause(0.5, 20)


def undecided(market: BlindMarket, who: int) -> Steps:
    """Enter a large order, think again, cancel it; now and then take the other side."""
    while True:
        yield market.random.expovariate(1.0 / (1_800 * market.style.slow))
        symbol, side = market.symbol(), market.side()
        price = market.touch(side, symbol) - sign(side) * market.random.randint(0, 10)
        number = market.post(who, side, market.lots(6), price, symbol)
        yield market.pause(2, 200)
        market.cancel(number)
        if market.random.random() < 0.3:
            market.take(who, other(side), market.lots(), symbol)


def follower(market: BlindMarket, who: int) -> Steps:
    """Trade in the direction in which the mid went in half a minute."""
    symbol, was = market.symbol(), market.style.price
    while True:
        mid = market.mid(symbol)
        if abs(mid - was) > 0.0012 * market.style.price:
            side = Side.BUY if mid > was else Side.SELL
            market.take(who, side, market.lots(2), symbol, market.style.half[0])
        was = mid
        yield market.random.uniform(15, 45)


def requests_for_quote(market: BlindMarket) -> Steps:
    """Let clients trade blocks with dealers off the book, who hedge a part in the book."""
    while True:
        yield market.random.expovariate(1.0 / 2_400)
        client, dealer = 400 + market.random.randrange(30), market.random.randint(1, 3)
        symbol, side, lots = market.symbol(), market.side(), market.lots(15)
        price = market.mid(symbol) + sign(side) * market.random.uniform(0, 12)
        buyer, seller = (client, dealer) if side == Side.BUY else (dealer, client)
        market.block(buyer, seller, lots, price, symbol)
        for _ in range(market.random.randint(0, 4)):
            yield market.pause(5, 60)
            market.take(dealer, side, max(1, lots // 10), symbol)


def index_fund(market: BlindMarket, who: int, close_s: float) -> Steps:
    """Buy or sell for the close: in parts before it, the rest in the call."""
    symbol, side = market.symbol(), market.side()
    yield close_s - market.random.uniform(900, 1_800)
    for _ in range(6):
        market.take(who, side, market.lots(1.5), symbol)
        yield market.random.uniform(60, 140)
    yield max(1.0, 1_800 - 6 * 140 + market.random.uniform(0, 120))
    if not market.calling:
        return
    price = market.mid(symbol) + sign(side) * 3 * market.style.half[1]
    market.post(who, side, market.lots(10), price, symbol, tif=TimeInForce.DAY)


def scalper(market: BlindMarket, who: int) -> Steps:
    """Rest just inside the spread on one side, and get out at the touch of the other."""
    while True:
        yield market.pause(20, 600)
        symbol, side = market.symbol(), market.side()
        price = market.touch(side, symbol) + sign(side)
        number = market.post(who, side, market.lots(), price, symbol)
        yield market.pause(3, 90)
        market.cancel(number)
        lots = market.held[who, symbol]
        if lots:
            out = Side.SELL if lots > 0 else Side.BUY
            last = market.post(who, out, abs(lots), market.touch(out, symbol), symbol)
            yield market.pause(5, 60)
            market.cancel(last)


def populate(market: BlindMarket) -> None:
    """Start all honest people."""
    bonds = market.style is BONDS
    for who in range(1, 4 if bonds else 5):
        for symbol in market.style.symbols:
            every_s = market.between(40, 120) if bonds else market.between(15, 40)
            market.start(maker(market, who, symbol, every_s, 2 if bonds else 3))
    others = [arbitrage, patient, hurried, undecided, scalper, *([] if bonds else [follower] * 12)]
    others += [patient, hurried, undecided, scalper]
    for who, honest in enumerate(others, 20):
        market.roles[who] = honest.__name__
        market.start(honest(market, who), 60.0)
    market.start(crowd(market), 5.0)
    market.start(news(market, 30_000 if bonds else 20_000), 60.0)
    if bonds:
        market.start(requests_for_quote(market), 600.0)


def played(
    style: Style, seed: int, days: int, acts: Callable[[BlindMarket, float], None]
) -> BlindMarket:
    """Return the market after some days; every second day has ``acts``."""
    market = BlindMarket(style, seed, blocks=style is BONDS)
    for day in range(days):
        if style is COINS:
            if day == 0:
                market.phase(Phase.CONTINUOUS)
                populate(market)
            if day % 2:
                acts(market, DAY_S)
            market.run(DAY_S)
            continue
        market.run(8.75 * 3_600)
        market.calling = True
        market.phase(Phase.OPENING_AUCTION)
        populate(market)
        market.run(900)
        market.calling = False
        market.phase(Phase.CONTINUOUS)
        market.start(index_fund(market, INDEX_FUND, 28_800))
        if day % 2:
            acts(market, 28_800)
        market.run(28_800)
        market.calling = True
        market.phase(Phase.CLOSING_AUCTION)
        market.run(600)
        market.phase(Phase.CLOSED)
        market.calling = False
        market.stop()
        market.cancel(*market.open)
        market.run(DAY_S - (9 * 3_600 + 28_800 + 600))
    market.stop()
    return market
