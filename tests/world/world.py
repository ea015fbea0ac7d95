"""The world: a venue in one thread, what happens in it said in sentences, and its judges."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from openoutcry.journal import JournalReader
from openoutcry.journal.core import Core
from openoutcry.journal.events import events_of
from openoutcry.wire.enums import Phase, Side
from tests.oracles.risk.wallets import word
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import ns
from tests.world.judges import JUDGES, Judge, Phases, Risk, Step
from tests.world.people import MANNERS, Person
from tests.world.places import (
    CONTRACTS,
    DAYS,
    FIRST_DAY,
    MARGIN,
    PEOPLE,
    VENUE_FILE,
)

One = TypeVar("One", bound=Judge)
SOON_S, TICK_S = 0.5, 0.02
"""After each sentence so much time passes, in ticks: the venue's own work is done by then."""
PATIENCE_S = 240
"""A session that is silent for longer is asked whether it lives."""
SENTENCES: list[tuple[re.Pattern[str], str]] = []


def said(pattern: str) -> Callable[[Any], Any]:
    """A method of the world does what a sentence says; its groups are the arguments."""

    def note(method: Any) -> Any:
        SENTENCES.append((re.compile(pattern), method.__name__))
        return method

    return note


class Judged(AssertionError):
    """A judge has found a fault; the text ends with the story so far."""

    def __init__(self, judge: Judge, text: str) -> None:
        super().__init__(f"{type(judge).__name__}: {text}")
        self.judge = judge


class World(InlineFloor):
    """The venue of ``places.py`` before its first day opens."""

    def __init__(self, folder: Path) -> None:
        (folder / "margin.toml").write_text(MARGIN)
        self.story: list[str] = []
        """All that has happened, in sentences."""
        self.ended: set[str] = set()
        """Contracts that have expired."""
        self._judges: list[Judge] = []
        self.people: dict[str, Person] = {}
        super().__init__(folder, VENUE_FILE, f"{FIRST_DAY}T08:55")
        assert self.journal_path is not None
        reader = self._reader = JournalReader(self.journal_path)
        self.config, self.seq = reader.config, 0
        self.engine = Core.of(self.config).fresh()
        self.symbols = [symbol.decode() for symbol in self.engine.instruments["symbol"].tolist()]
        self._judges = [kind(self) for kind in JUDGES]
        self.judge(Phases).begin_day()
        self.people = {name: Person(self, name, number) for name, number in PEOPLE.items()}
        self.look()

    # Judges.

    def judge(self, kind: type[One]) -> One:
        """Return the judge of a kind."""
        (found,) = (one for one in self._judges if isinstance(one, kind))
        return found

    def follow(self) -> None:
        """Show the judges what the journal has since."""
        risk = self.judge(Risk)
        for batch in events_of(self._reader, from_seq=self.seq + 1, follow=True):
            for command in np.array(batch.commands).reshape(-1, 1):
                swept = risk.sweeps(command)
                self._ask("before", command)
                step = Step(command, self.engine.process(command).copy(), swept)
                self._ask("take", step)
                self.seq = int(command["seq"][0])

    def _ask(self, method: str, *given: Any) -> None:
        for one in self._judges:
            try:
                getattr(one, method)(*given)
            except AssertionError as fault:
                raise Judged(one, f"{fault}\n" + "\n".join(self.story)) from fault

    def look(self) -> None:
        """Let every judge look."""
        self.step()
        for person in self.people.values():
            person.listen()
        self.follow()
        self.judge(Phases).until(self.now_s)
        self._ask("look")

    @property
    def is_settled(self) -> bool:
        """Return whether the venue has been able to do all that margin calls need."""
        found = self.judge(Phases).found
        return all(found[s] == Phase.CONTINUOUS for s in CONTRACTS if s not in self.ended)

    def asset_of(self, record: Any) -> str:
        """The asset that a DEPOSIT names; "": the money of margin accounts."""
        names = {word(name): name for name in ("USD", "BTC")}
        return names.get(int(record["price_ticks"]), "")

    # What happens.

    def happens(self, *sentences: str) -> None:
        """Do what each sentence says; then every judge looks.  Raises :class:`Judged`."""
        for sentence in sentences:
            self.story.append(sentence)
            self._do(sentence)
            if self.run is not None:
                self.clock.advance(SOON_S, TICK_S)
                self.look()

    def _do(self, sentence: str) -> None:
        for pattern, method in SENTENCES:
            if found := pattern.fullmatch(sentence):
                getattr(self, method)(*found.groups())
                return
        raise ValueError(f"the world does not know what this means: {sentence}")

    @said(r"(\w+) (buys|sells) ([\d,]+) ([\w-]+) at ([\d,.]+) showing (\d+)")
    def iceberg(self, who: str, way: str, lots: str, symbol: str, price: str, shown: str) -> None:
        side, limit = Side[way[:-1].upper()], price.replace(",", "")
        self.people[who].enter_order(side, number(lots), symbol, limit, t111=shown)

    @said(r"(\w+) (buys|sells) ([\d,]+) ([\w-]+) at ([\d,.]+) once it trades at ([\d,.]+)")
    def stop_limit(self, who: str, way: str, lots: str, symbol: str, price: str, at: str) -> None:
        side, limit, trigger = Side[way[:-1].upper()], price.replace(",", ""), at.replace(",", "")
        self.people[who].enter_order(side, number(lots), symbol, limit, t40="4", t99=trigger)

    @said(r"(\w+) (buys|sells) ([\d,]+) ([\w-]+) at ([\d,.]+)(?: (.*))?")
    def order(self, who: str, way: str, lots: str, symbol: str, price: str, manner: str) -> None:
        side, terms = Side[way[:-1].upper()], dict(MANNERS[manner or ""])
        self.people[who].enter_order(side, number(lots), symbol, price.replace(",", ""), **terms)

    @said(r"(\w+) (buys|sells) ([\d,]+) ([\w-]+) at the market")
    def market_order(self, who: str, way: str, lots: str, symbol: str) -> None:
        side = Side[way[:-1].upper()]
        self.people[who].enter_order(side, number(lots), symbol, "market", t59="3")

    @said(r"(\w+) changes (\w+) to ([\d,]+) at ([\d,.]+)")
    def change(self, who: str, name: str, lots: str, price: str) -> None:
        self.people[who].change(name, number(lots), price.replace(",", ""))

    @said(r"(\w+) cancels (\w+)")
    def cancel(self, who: str, name: str) -> None:
        self.people[who].withdraw(name)

    @said(r"(\w+) (deposits|withdraws) ([\d,]+) units(?: of (\w+))?")
    def money(self, who: str, way: str, amount: str, asset: str | None) -> None:
        words = [way[:-1], str(PEOPLE[who]), str(number(amount))]
        done = self.outcry(*words, *(["--asset", asset] if asset else []))
        assert done.exit_code in (0, 1), done.output

    @said(r"(\w+) (pledges|releases) ([\d,]+) units of (\w+)")
    def pledge(self, who: str, way: str, amount: str, asset: str) -> None:
        words = ["contract", way[:-1], str(PEOPLE[who]), asset, str(number(amount))]
        done = self.outcry(*words)
        assert done.exit_code in (0, 1), done.output

    @said(r"the operator marks (\w+) at ([\d,]+) ticks")
    def mark(self, symbol: str, ticks: str) -> None:
        self.ask("contract", "mark", symbol, str(number(ticks)))

    @said(r"the operator funds (\w+) at ([\d,-]+) billionths")
    def fund(self, symbol: str, rate: str) -> None:
        self.ask("contract", "fund", symbol, "--rate", str(number(rate)))

    @said(r"the operator (halts|resumes) ([\w-]+)")
    def halt(self, way: str, symbol: str) -> None:
        words = ["halt", symbol] if way == "halts" else ["resume", "instrument", symbol]
        self.ask(*words)
        self._note(way[:-1], symbol)

    @said(r"the operator settles (\w+) at ([\d,]+) ticks")
    def expire(self, symbol: str, ticks: str) -> None:
        self.ask("contract", "expire", symbol, str(number(ticks)))
        self.ended.add(symbol)

    @said(r"the venue is killed")
    def killed(self) -> None:
        for person in self.people.values():
            person.close()
        self.again()
        self._note("restart", "")
        for person in self.people.values():
            person.come_again()

    @said(r"(\d+) seconds pass")
    def seconds_pass(self, seconds: str) -> None:
        self.clock.advance(int(seconds), 1.0)

    @said(r"it is (\d\d:\d\d) of ([\d-]+)")
    def it_is(self, time: str, day: str) -> None:
        self._until(f"{day}T{time}")

    def _until(self, moment: str) -> None:
        """Let the clock come to this time, and the people answer what their sessions ask."""
        while (left_s := (ns(moment) - self.clock.now_ns()) // 10**9) > 0:
            self.clock.advance(min(left_s, PATIENCE_S))
            for person in self.people.values():
                person.listen()

    @said(r"the day ends")
    def day_ends(self) -> None:
        self._until(f"{self.day}T09:36")
        self.look()
        self._ask("end_day")
        for person in self.people.values():
            person.close()
        last = self.stop()
        assert (last["lost"], last["duplicated"]) == (0, 0)
        assert last["state_hash"] == self.engine.state_hash(), "the venue ended in another state"

    @said(r"the next day begins")
    def next_day(self) -> None:
        self.at(f"{DAYS[DAYS.index(self.day) + 1]}T08:55")
        self.open()
        self.judge(Phases).begin_day()
        for person in self.people.values():
            person.come_again(is_new_day=True)

    def _note(self, event: str, symbol: str) -> None:
        phases = self.judge(Phases)
        phases.until(self.now_s)
        phases.note(event, symbol)

    # When it is.

    @property
    def day(self) -> str:
        return str(np.datetime64(self.clock.now_ns(), "ns").astype("datetime64[D]"))

    @property
    def now_s(self) -> int:
        """Seconds of the day."""
        return self.clock.now_ns() // 10**9 % 86_400

    def states(self, who: str) -> dict[str, str]:
        """The state of each order of a person, as its session was told."""
        return {name: told["state"] for name, told in self.people[who].heard.items()}


def number(text: str) -> int:
    return int(text.replace(",", ""))
