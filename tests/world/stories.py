"""Random days of the world, in sentences: the same seed is the same story."""

from random import Random

from openoutcry.wire.enums import Phase
from tests.world.judges import Phases
from tests.world.people import MANNERS
from tests.world.places import CONTRACTS, DAYS, EXPIRES_AT, EXPIRY_DAY, PEOPLE, PLAIN
from tests.world.places import PRICE_DECIMALS as DECIMALS
from tests.world.world import World

STARTS = {"GOLD": 5_000, "TIN": 200_000, PLAIN: 1_000, "BTC-USD": 500_000, "XBT-USD": 500_000}
LARGEST = {"GOLD": 8, "TIN": 4, PLAIN: 30, "BTC-USD": 40, "XBT-USD": 15}
OPEN = ("NEW", "PARTIALLY_FILLED")


class Teller:
    """Draws what happens next."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.rng = world, Random(seed)
        self.halted: set[str] = set()
        self.marks = dict(STARTS)

    def price(self, symbol: str) -> str:
        """A price near the mark, as people say it."""
        near = self.marks[symbol]
        ticks = max(1, near + self.rng.randint(-12, 12) * max(near // 1_000, 1))
        if self.rng.random() < 0.05:
            ticks = max(1, ticks * self.rng.choice([60, 90, 110, 140]) // 100)
        return f"{ticks / 10 ** DECIMALS[symbol]:,.{DECIMALS[symbol]}f}"

    def symbol(self) -> str:
        symbols = [s for s in (*STARTS, *CONTRACTS) if s not in self.world.ended]
        return self.rng.choice(symbols)

    def order(self) -> str:
        rng, who, symbol = self.rng, self.rng.choice(list(PEOPLE)), self.symbol()
        way, lots = rng.choice(["buys", "sells"]), rng.randint(1, LARGEST[symbol])
        if rng.random() < 0.1:
            return f"{who} {way} {lots} {symbol} at the market"
        if rng.random() < 0.3 and (other := self.opposite(who)):
            return other
        terms = f"{who} {way} {lots} {symbol} at {self.price(symbol)}"
        if rng.random() < 0.1:
            return f"{terms} showing {rng.randint(1, lots)}"
        if rng.random() < 0.1:
            return f"{terms} once it trades at {self.price(symbol)}"
        manner = rng.choice(["", "", "", "", *MANNERS])
        return f"{terms} {manner}".rstrip()

    def opposite(self, who: str) -> str:
        """An order that trades with the open order of another person, if there is one."""
        rows = [row for row in self.open_orders() if row[0] != who]
        if not rows:
            return ""
        other, name = self.rng.choice(rows)
        person = self.world.people[other]
        symbol, side = person.symbol_of[name]
        lots, price = person.heard[name]["leaves_lots"], person.heard[name]["price"]
        return f"{who} {'sells' if side == '1' else 'buys'} {lots} {symbol} at {price}"

    def open_orders(self) -> list[tuple[str, str]]:
        """Owner and name of each open order."""
        return [
            (who, name)
            for who, person in self.world.people.items()
            for name, told in person.heard.items()
            if told["state"] in OPEN and person.symbol_of[name][0] not in self.world.ended
        ]

    def of_an_order(self) -> str:
        """A change or the end of an open order, or another order where there is none."""
        rng, rows = self.rng, self.open_orders()
        if not rows:
            return self.order()
        who, name = rng.choice(rows)
        if rng.random() < 0.5:
            return f"{who} cancels {name}"
        symbol, _ = self.world.people[who].symbol_of[name]
        lots = rng.randint(1, LARGEST[symbol])
        return f"{who} changes {name} to {lots} at {self.price(symbol)}"

    def money(self) -> str:
        rng, who = self.rng, self.rng.choice(list(PEOPLE))
        if rng.random() < 0.3:
            way = rng.choice(["pledges", "pledges", "releases"])
            return f"{who} {way} {rng.randint(1, 20) * 100_000:,} units of BTC"
        way = rng.choice(["deposits", "deposits", "withdraws"])
        asset, most = rng.choice([("", 40_000), (" of BTC", 10**9), (" of USD", 10**8)])
        return f"{who} {way} {rng.randint(1, most):,} units{asset}"

    def mark(self) -> str:
        live = [symbol for symbol in CONTRACTS if symbol not in self.world.ended]
        symbol, rng = self.rng.choice(live), self.rng
        share = rng.choice([-2, -1, 1, 2, 5, -5]) if rng.random() < 0.7 else rng.choice([-40, 40])
        start = STARTS[symbol]
        mark = min(max(self.marks[symbol] + start * share // 100, start // 2), start * 2)
        self.marks[symbol] = mark
        return f"the operator marks {symbol} at {mark:,} ticks"

    def halt(self) -> str:
        symbol, phases = self.symbol(), self.world.judge(Phases)
        if symbol in self.halted:
            self.halted.remove(symbol)
            return f"the operator resumes {symbol}"
        if phases.found[symbol] not in (Phase.CONTINUOUS, Phase.CLOSING_AUCTION):
            return self.order()
        self.halted.add(symbol)
        return f"the operator halts {symbol}"

    def sentence(self) -> str:
        """What happens next."""
        drawn = self.rng.random()
        if drawn < 0.55:
            return self.order()
        if drawn < 0.72:
            return self.of_an_order()
        if drawn < 0.82:
            return self.mark()
        if drawn < 0.87:
            return self.money()
        if drawn < 0.89:
            return f"the operator funds TIN at {self.rng.randint(-(10**6), 10**6):,} billionths"
        if drawn < 0.94:
            return self.halt()
        if drawn < 0.96:
            return "the venue is killed"
        return f"{self.rng.randint(1, 90)} seconds pass"

    def day(self, sentences: int) -> None:
        """A whole trading day with so many sentences; most while trading is continuous."""
        world, day = self.world, self.world.day
        tell = lambda count: [world.happens(self.sentence()) for _ in range(count)]  # noqa: E731
        tell(sentences // 8)  # before the opening
        world.happens(f"it is 09:01 of {day}")
        tell(sentences // 2)
        if day == EXPIRY_DAY:
            world.happens(f"it is {EXPIRES_AT} of {day}", "1 seconds pass")
            world.happens(f"the operator settles GOLD at {self.marks['GOLD']:,} ticks")
            self.halted.discard("GOLD")
        tell(sentences // 4)
        if world.now_s < 9 * 3_600 + 1_790:
            world.happens(f"it is 09:30 of {day}")
        tell(sentences // 8)  # at the close
        world.happens("the day ends")

    def days(self, sentences: int) -> None:
        """The life of the world."""
        for number in range(len(DAYS)):
            if number:
                self.world.happens("the next day begins")
            self.day(sentences)
