"""The world for tests: stories in sentences, random days, and a planted fault for each judge."""

from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.ledger.layout import Kind
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import View
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind, EventKind, Phase
from tests.oracles import routing_optimum
from tests.oracles.routing_optimum import best_single
from tests.world import judges
from tests.world.judges import JUDGES, Judge, Ledger, Reported, Takeovers
from tests.world.places import FIRST_DAY
from tests.world.stories import Teller
from tests.world.world import Judged, World


@contextmanager
def world_of(folder: Path):
    """The world of a test; what is left of it at the end is dropped."""
    world = World(folder)
    try:
        yield world
    finally:
        if world.run is not None:
            world.drop()


@pytest.mark.smoke
def test_a_story_of_two_days(tmp_path):
    """Trades, a margin call, a takeover, a kill and the night: every judge looks each time."""
    with world_of(tmp_path) as world:
        world.happens(
            f"it is 09:01 of {FIRST_DAY}",
            "alice sells 2 BTC-USD at 50,000 until cancelled",
            "bob buys 1 BTC-USD at 50,000",
            "alice buys 8 GOLD at 50.00",
            "bob sells 8 GOLD at 50.00",
        )
        assert world.states("alice") == {"a1": "PARTIALLY_FILLED", "a2": "FILLED"}
        # A lot of GOLD is worth 10 units a tick: alice loses 144,000 of her 60,000.
        world.happens("carol buys 1 TIN at 1,990", "the operator marks GOLD at 3,200 ticks")
        assert world.judge(Takeovers).count == 1
        assert (position(world, "alice"), position(world, "bob")) == (0, 0)
        world.happens("the venue is killed", "alice sells 1 BTC-USD at 49,000", "the day ends")
        assert world.states("carol") == {"c1": "EXPIRED"}
        world.happens("the next day begins", "alice cancels a1")
        assert world.states("alice")["a1"] == "CANCELED"
        world.close()


def position(world: World, who: str) -> int:
    view = world.view
    return view.cell(world.people[who].number, 0, lay.POSITION)


@pytest.mark.parametrize("seed", range(3))
def test_random_days(tmp_path, seed):
    """A failure prints the story up to there."""
    with world_of(tmp_path) as world:
        Teller(world, seed).days(24)
        assert world.judge(judges.Routing).compared > 0
        assert len(world.judge(Reported).plain.orders) > 25


def test_a_sentence_that_the_world_does_not_know_is_refused(tmp_path):
    with world_of(tmp_path) as world, pytest.raises(ValueError, match="alice sings"):
        world.happens("alice sings")


# Each judge can fail.

STORY = (
    f"it is 09:01 of {FIRST_DAY}",
    "alice sells 4 BTC-USD at 50,000",
    "bob sells 9 XBT-USD at 49,990",
    "alice buys 8 GOLD at 50.00",
    "bob sells 8 GOLD at 50.00",
)
GOES_ON = (
    "carol buys 1 BTC-USD at 50,000",
    "the operator marks GOLD at 3,200 ticks",
    "bob sells 9 BTC-USD at 49,995",
    "alice sells 7 XBT-USD at 49,995",
    "carol buys 1 TIN at 1,990",
    "the day ends",
)
Plant = Callable[[World, pytest.MonkeyPatch], None]
PLANTS: dict[type[Judge], Plant] = {}


def plants(kind: type[Judge]) -> Callable[[Plant], Plant]:
    """Name the judge that finds the fault which the function plants."""

    def note(function: Plant) -> Plant:
        PLANTS[kind] = function
        return function

    return note


class LyingCore:
    """The core that replays, which says or does something else."""

    def __init__(self, world: World, lie: Callable[[Any, np.ndarray, np.ndarray], None]) -> None:
        self._true, self._lie = world.engine, lie
        world.engine = self  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._true, name)

    def process(self, command: np.ndarray) -> np.ndarray:
        events = self._true.process(command)
        self._lie(self._true, command, events)
        return events


@plants(judges.Replay)
def changed_word(world, _patch):
    world.view.participants[1, lay.PEAK // 8] += 1


@plants(judges.Matching)
def worse_price(world, _patch):
    def worse(_core, _command, events):
        events["price_ticks"][events["kind"] == EventKind.FILLED] += 1

    LyingCore(world, worse)


@plants(judges.Risk)
def less_reserved(world, _patch):
    world.view.participants[2, lay.RESERVED // 8] -= 1


@plants(judges.Wallets)
def unit_from_nowhere(world, _patch):
    world.view.wallets.rows[1, 0, 0] += 1


@plants(judges.Ledger)
def one_sided_posting(world, patch):
    books = world.judge(Ledger).books
    post = books.post

    def short(commands, events):
        rows = post(commands, events)
        rows["available"][rows["kind"] == Kind.POSTED] -= 1
        return rows

    patch.setattr(books, "post", short)


@plants(judges.Margin)
def less_margin(world, _patch):
    world.view.participants[1, lay.PORTFOLIO // 8] -= 1


@plants(judges.Takeovers)
def taker_that_pays_more(world, _patch):
    def more(core, command, _events):
        if command["order_type"][0] == Setting.DELEVERAGE:
            View(core.region).participants[2, lay.PROFIT // 8] -= 1

    LyingCore(world, more)


@plants(judges.Phases)
def halt_by_nobody(world, _patch):
    command = np.zeros(1, ORDER_DTYPE)
    command["kind"], command["symbol"], command["aux"] = CommandKind.PHASE, b"TIN", Phase.HALT
    world.publish(command)


@plants(judges.Statements)
def other_price(world, _patch):
    rows = world.judge(Ledger).rows
    (fill,) = (part for part in rows if (part["kind"] == Kind.POSTED).any())
    fill["price_ticks"][fill["kind"] == Kind.POSTED] += 1


@plants(judges.Reported)
def lost_report(world, patch):
    hear = world.people["alice"].hear
    patch.setattr(world.people["alice"], "hear", lambda m: None if m.get(150) == "F" else hear(m))


@plants(judges.Routing)
def one_venue_alone(_world, patch):
    class Greedy(routing_optimum.Splitter):
        def plan(self, side, quantity, *more):
            return best_single(self.depth, side, quantity, *more)

    patch.setattr(routing_optimum, "Splitter", Greedy)
    patch.setattr(judges, "SPLIT_EVERY", 1)


@pytest.mark.parametrize("kind", JUDGES, ids=[kind.__name__ for kind in JUDGES])
def test_each_judge_finds_its_fault(tmp_path, monkeypatch, kind):
    with world_of(tmp_path) as world:
        world.happens(*STORY)
        PLANTS[kind](world, monkeypatch)
        for one in world._judges:
            if not isinstance(one, kind):
                make_lenient(one)
        with pytest.raises(Judged) as found:
            world.happens(*GOES_ON)
        assert isinstance(found.value.judge, kind)
        assert str(found.value).endswith(world.story[-1])


def test_without_a_fault_every_judge_is_content(tmp_path):
    with world_of(tmp_path) as world:
        world.happens(*STORY, *GOES_ON)


def make_lenient(judge: Judge) -> None:
    """Let a judge follow as ever, and say nothing."""
    for name in ("before", "take", "look", "end_day"):
        setattr(judge, name, quietly(getattr(judge, name)))


def quietly(method: Callable[..., None]) -> Callable[..., None]:
    def quiet(*given: Any) -> None:
        with suppress(AssertionError):
            method(*given)

    return quiet
