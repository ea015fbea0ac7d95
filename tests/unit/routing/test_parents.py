"""A parent's state is exact after every event, and survives any death of the router."""

from random import Random

import pytest

from openoutcry.routing.connector import ACCEPTED, REDUCED, REJECTED, RESIZED
from openoutcry.routing.depth import Depth
from openoutcry.routing.instruments import (
    BUY,
    SELL,
    Instrument,
    Listing,
    Market,
    RoutingError,
    Venue,
)
from openoutcry.routing.parents import ACTIVE, ENDED, PAUSED, ParentStore, Terms
from openoutcry.routing.router import Router
from tests.support.routing.markets import GOLD
from tests.support.routing.model_venue import ModelConnector, ModelVenue

MS = 1_000_000
ASKS = {1_000_000: 50, 1_000_500: 70, 1_001_000: 200}
MARKET = Market(
    GOLD,
    (Venue("A", taker_ppm=300, timeout_ns=50 * MS), Venue("B", maker_ppm=-10, timeout_ns=50 * MS)),
    (Listing("A", GOLD, "GOLD", 4, 2), Listing("B", GOLD, "GOLD", 4, 2)),
)


def venues():
    return [ModelVenue("A", {999_000: 90}, ASKS), ModelVenue("B", {998_500: 90}, ASKS)]


class Floor:
    """A router over model venues, on a clock that each step advances by 10 ms."""

    def __init__(self, path, models, market=MARKET, **more):
        self.models, self.now_ns = models, 1_000 * MS
        self.connectors = {one.name: ModelConnector(one, **more) for one in models}
        self.store = ParentStore(path, is_durable=False)
        self.router = Router(self.store, Depth(market), self.connectors)
        self.step()

    def step(self, count=1):
        busy = False
        for _ in range(count):
            self.now_ns += 10 * MS
            busy = self.router.step(self.now_ns)
        return busy

    def run(self, bound=3_000):
        for _ in range(bound):
            if not self.step():
                return
        raise AssertionError([vars(one) for one in self.store.parents.values()])

    def buy(self, quantity, limit=1_001_000, **more):
        return self.router.submit(BUY, quantity, limit, self.now_ns, **more)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "parents.sqlite"


def test_a_sweep_takes_the_best_of_both_venues(path):
    floor = Floor(path, venues())
    parent = floor.buy(130)
    floor.run()
    assert (parent.state, parent.filled, parent.noted("end")) == (ENDED, 130, "filled")
    assert {(c.venue, c.filled, c.state) for c in parent.children} == {
        ("A", 50, "filled"),
        ("B", 80, "filled"),
    }
    assert parent.noted("arrival")["venues"] == {"A": 50, "B": 80}


def test_no_venue_gets_more_than_its_balances_pay_for(path):
    floor = Floor(path, venues())
    floor.connectors["B"].affordable = lambda side, price: 20 if price == 1_001_000 else 0
    parent = floor.buy(130)
    floor.step()
    assert {c.venue: c.order.quantity for c in parent.children} == {"A": 110, "B": 20}


def test_what_is_left_is_retried_until_nothing_is_at_the_limit(path):
    floor = Floor(path, venues())
    parent = floor.buy(130, 1_000_000)
    floor.step(3)
    assert parent.filled == 100
    floor.models[0].levels[-BUY][999_900] = 20
    floor.run()
    assert (parent.filled, parent.noted("end")) == (120, "nothing more at the limit")
    assert parent.state == ENDED


def test_children_leave_so_that_they_arrive_together(path):
    market = Market(
        GOLD, (Venue("A", latency_ns=5 * MS), Venue("B", latency_ns=25 * MS)), MARKET.listings
    )
    floor = Floor(path, venues(), market)
    floor.buy(130)
    floor.step()
    assert [len(one.entered) for one in floor.models] == [0, 1], "the slow one first"
    floor.step()
    assert [len(one.entered) for one in floor.models] == [0, 1]
    floor.step()
    assert [len(one.entered) for one in floor.models] == [1, 1]


def test_a_sweep_is_timed_by_what_the_first_answers_took(path):
    """B's answers come 40 ms late: in the next sweep A's child waits for half of the difference."""
    floor = Floor(path, venues())
    slow, kept = floor.connectors["B"], []
    poll = slow.poll

    def late(now_ns):
        kept.extend((now_ns + 40 * MS, event) for event in poll(now_ns))
        due = [event for due_ns, event in kept if due_ns <= now_ns]
        kept[:] = [(due_ns, event) for due_ns, event in kept if due_ns > now_ns]
        return due

    slow.poll = late
    floor.buy(130)
    floor.step()
    assert [len(one.entered) for one in floor.models] == [1, 1], "nothing is known of either"
    floor.run()
    quick_ns, slow_ns = (floor.router.latency_ns(number) for number in range(2))
    assert slow_ns - quick_ns == 20 * MS
    for model in floor.models:
        model.levels[-BUY] = dict(ASKS)
    floor.buy(130)
    floor.step()
    assert [len(one.entered) for one in floor.models] == [1, 2]
    floor.step(2)
    assert [len(one.entered) for one in floor.models] == [2, 2]


def test_an_order_that_no_venue_can_take_now_is_not_over(path):
    """Rounds without a venue say nothing of what is at the limit."""
    floor = Floor(path, venues())
    for connector in floor.connectors.values():
        connector.is_dead = True
    floor.step()
    parent = floor.buy(130)
    floor.step(200)
    assert (parent.state, parent.children) == (ACTIVE, [])
    assert not floor.router.is_ready(floor.now_ns)
    floor.connectors["A"].is_dead = False
    floor.step(2)
    assert not floor.router.is_ready(floor.now_ns), "one of two"
    floor.connectors["B"].is_dead = False
    floor.step()
    assert floor.router.is_ready(floor.now_ns)
    floor.run()
    assert parent.filled == 130


def test_a_post_rests_at_the_cheapest_maker_and_then_takes(path):
    floor = Floor(path, venues())
    parent = floor.buy(60, 1_000_000, style="post", post_ns=200 * MS)
    for model in floor.models:
        model.levels[-BUY] = {}
    floor.step(5)
    (child,) = parent.children
    assert (child.venue, child.state, child.order.is_ioc) == ("B", "accepted", False)
    floor.models[1].fill(child.order.token, 25, 1_000_000)
    floor.models[0].levels[-BUY] = dict(ASKS)
    floor.run()
    assert [(c.venue, c.filled, c.state) for c in parent.children] == [
        ("B", 25, "cancelled"),
        ("A", 35, "filled"),
    ]


def test_a_reject_is_an_end_and_the_quantity_is_free_again(path):
    floor = Floor(path, venues())
    floor.models[0].rejects = True
    parent = floor.buy(130)
    floor.run()
    assert parent.filled <= 130
    assert {c.state for c in parent.children if c.venue == "A"} == {"rejected"}
    assert parent.filled == 80 + sum(c.filled for c in parent.children[2:])


def test_a_child_that_is_not_answered_is_out_until_the_venue_is_asked(path):
    floor = Floor(path, venues(), fate=lambda what: "silent" if what == "send" else "arrives")
    parent = floor.buy(130)
    floor.step(2)
    assert (parent.free, parent.leaves) == (0, 130)
    for connector in floor.connectors.values():
        connector.fate = lambda what: "arrives"
    floor.run()
    assert parent.filled == 130
    assert [c.state for c in parent.children[:2]] == ["cancelled", "cancelled"], "never arrived"


def test_a_venue_that_dies_in_the_middle_leaves_the_rest_to_the_other(path):
    floor = Floor(path, venues())
    parent = floor.buy(200)
    floor.connectors["A"].is_dead = True
    floor.step(20)
    held = [c for c in parent.children if c.venue == "A"]
    assert sum(c.leaves for c in held) + parent.filled <= 200
    floor.connectors["A"].is_dead = False
    floor.run()
    assert parent.filled == 200


def test_pause_amend_and_cancel(path):
    floor = Floor(path, venues())
    for model in floor.models:
        model.levels[-BUY] = {}
    parent = floor.buy(100, 1_000_000, style="rest")
    floor.step(2)
    assert parent.leaves == 100
    floor.router.change(parent, floor.now_ns, state=PAUSED)
    floor.step(5)
    assert (parent.leaves, parent.state) == (0, PAUSED)
    floor.router.change(parent, floor.now_ns, state=ACTIVE, quantity=40, limit=999_000)
    floor.step(2)
    assert [(c.order.quantity, c.order.price) for c in parent.children] == [
        (100, 1_000_000),
        (40, 999_000),
    ]
    floor.router.change(parent, floor.now_ns, state=ENDED)
    floor.run()
    assert (parent.leaves, parent.filled) == (0, 0)


@pytest.mark.parametrize(
    ("change", "left"), [({"state": PAUSED}, []), ({"quantity": 40}, [40])], ids=["pause", "less"]
)
def test_what_rests_at_a_venue_that_was_away_at_a_change_is_cancelled_later(path, change, left):
    floor = Floor(path, venues())
    for model in floor.models:
        model.levels[-BUY] = {}
    parent = floor.buy(100, 1_000_000, style="rest")
    floor.step(2)
    floor.connectors["B"].is_dead = True
    floor.router.change(parent, floor.now_ns, **change)
    floor.step(2)
    assert parent.leaves == 100, "it may still trade"
    floor.connectors["B"].is_dead = False
    floor.step(20)
    assert [open_ for model in floor.models for _, open_ in model.orders.values() if open_] == left
    assert parent.leaves == sum(left)


def test_a_rejection_of_what_settles_an_accepted_child_does_not_double_it(path):
    """Above the session's rate the venue does not look whether the token is taken."""
    floor = Floor(path, venues())
    for model in floor.models:
        model.levels[-BUY] = {}
    parent = floor.buy(60, 1_000_000, style="rest")
    floor.step(2)
    connector, model = floor.connectors["B"], floor.models[1]
    connector.settles_by_order = True
    connector.settle = lambda order: model.say(order, REJECTED, reason="too many messages")
    connector.is_up = False
    floor.step(5)
    (child,) = parent.children
    assert (child.state, parent.leaves, parent.free) == ("accepted", 60, 0)
    model.fill(child.order.token, 60, 1_000_000)
    floor.run()
    assert (parent.filled, parent.noted("end")) == (60, "filled")


def test_a_fill_long_after_a_connection_s_end_is_no_measure_of_the_latency(path):
    floor = Floor(path, venues(), fate=lambda what: "arrives unanswered")
    for model in floor.models:
        model.levels[-BUY] = {}
    parent = floor.buy(60, 1_000_000, style="rest")
    floor.step()
    for connector in floor.connectors.values():
        connector.fate = lambda what: "arrives"
    floor.step(100)
    (child,) = parent.children
    assert child.state == "accepted"
    floor.models[1].fill(child.order.token, 60, 1_000_000)
    floor.run()
    assert floor.router.latency_ns(1) == 0


def test_markouts_are_noted_after_the_last_fill(path):
    floor = Floor(path, venues())
    parent = floor.buy(50)
    floor.step(120)
    assert parent.noted("markout_1s") == sum(floor.router.depth.mid(floor.now_ns))


def test_a_file_has_one_router_and_terms_are_checked(path):
    floor = Floor(path, venues())
    with pytest.raises(RoutingError, match="locked"):
        ParentStore(path)
    with pytest.raises(RoutingError, match="needs a quantity"):
        floor.buy(0)
    with pytest.raises(RoutingError, match="no algorithm 'x'"):
        floor.buy(5, algorithm={"name": "x"})


def test_a_child_is_on_the_disk_before_it_leaves(path):
    """By SQLite's word: every commit waits for the disk, unless the caller wants none of that."""
    with ParentStore(path) as store:
        assert store._base.value("pragma synchronous") == 2
    floor = Floor(path, venues())
    seen = []
    floor.connectors["B"].tick = lambda: seen.append(
        floor.store._base.value("select count(*) from child")
    )
    floor.buy(20)
    floor.step()
    assert seen[-1] == 1, "the row is there while the order is sent"


def test_an_event_that_comes_twice_changes_nothing(path):
    floor = Floor(path, venues())
    parent = floor.buy(130)
    floor.run()
    before = [vars(c).copy() for c in parent.children]
    for model in floor.models:
        floor.store.apply(model.stream, floor.now_ns + 5)
    assert [vars(c) for c in parent.children] == before


def test_what_a_venue_takes_off_an_order_is_free_and_the_rest_of_it_is_still_out(path):
    """As where a trade with an order of the same participant is prevented."""
    floor = Floor(path, venues())
    for model in floor.models:
        model.levels[-BUY] = {}
    parent = floor.buy(100, 1_000_000, style="rest")
    floor.step(2)
    (child,) = parent.children
    model = floor.models[1]
    model.say(child.order, REDUCED, 40)
    floor.step(5)
    assert (child.state, child.leaves, parent.free, len(parent.children)) == (ACCEPTED, 60, 40, 1)
    model.say(child.order, RESIZED, 50)
    floor.step(5)
    assert (child.leaves, parent.free) == (50, 50)
    model.fill(child.order.token, 50, 1_000_000)
    floor.step(5)
    assert (child.state, child.filled) == ("cancelled", 50)
    again = parent.children[1]
    assert again.order.quantity == 50
    model.fill(again.order.token, 50, 1_000_000)
    floor.run()
    assert (parent.filled, parent.noted("end")) == (100, "filled")
    floor.store.close()
    with ParentStore(path) as store:
        assert [(c.state, c.filled, c.leaves) for c in store.parents[1].children] == [
            ("cancelled", 50, 0),
            ("filled", 50, 0),
        ]


def test_a_child_of_an_earlier_connection_that_rests_is_cancelled_as_any_other(path):
    """The parent was paused while it was not known whether the child had arrived; the venue says so
    only after the router has asked."""
    floor = Floor(path, venues(), fate=lambda what: "arrives unanswered")
    for model in floor.models:
        model.levels[-BUY] = {}
    parent = floor.buy(60, 1_000_000, style="rest")
    floor.step()
    connector = floor.connectors["B"]
    poll, connector.fate = connector.poll, lambda what: "arrives"
    connector.poll = lambda now_ns: poll(now_ns) and []
    cursor = connector.cursor
    floor.router.change(parent, floor.now_ns, state=PAUSED)
    floor.step(3)
    (child,) = parent.children
    assert (child.state, child.cancel_ns) == ("leaving", 0)
    connector.poll, connector.cursor = poll, cursor
    floor.step(3)
    assert (child.state, parent.leaves) == ("cancelled", 0)


SILVER = Instrument("SILVER/USD", "SILVER", "USD", 4, 3)
SILVER_MARKET = Market(
    SILVER,
    MARKET.venues,
    (Listing("A", SILVER, "SILVER", 4, 3), Listing("B", SILVER, "SILVER", 4, 3)),
)


def test_a_router_leaves_the_orders_of_another_instrument_alone(path):
    """Both are in one file and use the same sessions, one after the other."""
    floor = Floor(path, venues())
    for model in floor.models:
        model.levels[-BUY] = {}
    gold = floor.buy(60, 1_000_000, style="rest")
    floor.step(2)
    token = gold.children[0].order.token
    floor.store.close()
    floor.models[1].fill(token, 25, 1_000_000)
    said = []
    other = Floor(
        path, floor.models, SILVER_MARKET, fate=lambda what: said.append(what) or "arrives"
    )
    other.step(5)
    assert said == []
    assert not other.step(), "no parent of this router is left to work on"
    for model in floor.models:
        model.levels[-BUY] = {1_000_000: 10}
    silver = other.buy(20, 1_000_000)
    other.step(200)
    assert (silver.filled, said) == (20, ["send", "send"])
    assert (other.store.parents[1].filled, other.store.parents[1].noted("markout_1s")) == (0, None)
    other.store.close()
    last = Floor(path, floor.models)
    last.step(2)
    assert (last.store.parents[1].filled, last.store.parents[1].leaves) == (25, 35)
    assert last.store.parents[2].filled == 20


def test_a_price_of_a_later_time_is_no_markout(path):
    """The router was away; and a fill after a markout begins the times again."""
    floor = Floor(path, venues())
    parent = floor.buy(50)
    floor.run()
    floor.store.close()
    later = Floor(path, floor.models)
    later.now_ns += 3_600_000 * MS
    later.step(10)
    kinds = [kind for _, kind, _ in later.store.parents[1].notes]
    assert "end" in kinds
    assert not [kind for kind in kinds if kind.startswith("markout")]
    for model in later.models:
        model.levels[-BUY] = {}
    parent = later.buy(60, 1_000_000, style="rest")
    later.step(2)
    (child,) = parent.children
    marks = []
    for model in later.models:
        model.levels[-BUY] = dict(ASKS)
    for _ in range(2):
        later.models[1].fill(child.order.token, 30, 1_000_000)
        later.step(120)
        marks.append([at_ns for at_ns, kind, _ in parent.notes if kind == "markout_1s"])
    assert [len(one) for one in marks] == [1, 2]


def test_an_order_that_is_over_costs_nothing_more(path):
    fates = ["lost"]
    floor = Floor(path, venues(), fate=lambda what: fates.pop() if fates else "arrives")
    parent = floor.buy(50)
    floor.step(7_000)
    assert floor.connectors["B"].generation == 1, "a child was settled"
    assert [kind for _, kind, _ in parent.notes if kind.startswith("markout")] == [
        "markout_1s",
        "markout_10s",
        "markout_60s",
    ]
    assert (floor.router._watched, floor.router._settled, floor.router._since) == ({}, {}, {})
    assert floor.store.open_children("A", GOLD.symbol) == []


def test_a_change_is_whole_or_not_at_all(path):
    """Never active again at the limit of before."""
    with ParentStore(path) as store:
        parent = store.add(Terms("X", BUY, 100, 50, 0))
        with pytest.raises(TypeError):
            store.note_all(parent, 0, {"state": ACTIVE, "limit": 40, "quantity": object()})
        assert (parent.limit, parent.notes) == (50, [])
        store.note_all(parent, 0, {"limit": 40, "quantity": 90})
    with ParentStore(path) as store:
        assert (store.parents[1].limit, store.parents[1].quantity) == (40, 90)


def test_what_waits_for_its_time_does_not_leave_after_a_pause(path):
    market = Market(
        GOLD, (Venue("A", latency_ns=5 * MS), Venue("B", latency_ns=95 * MS)), MARKET.listings
    )
    floor = Floor(path, venues(), market)
    parent = floor.buy(130)
    floor.step()
    assert [len(one.entered) for one in floor.models] == [0, 1]
    floor.router.change(parent, floor.now_ns, state=PAUSED)
    floor.step(20)
    assert floor.models[0].volume == 0
    assert [(c.venue, c.state) for c in parent.children] == [("A", "cancelled"), ("B", "filled")]
    assert parent.free == 130 - parent.filled


@pytest.mark.parametrize(("step", "price"), [(500, 1_000_000), (2_000_000, None)])
def test_a_child_s_limit_is_on_the_grid_and_not_beyond_the_parent_s(path, step, price):
    """A level that the venue shows may be off the grid that the file gives it."""
    listings = tuple(Listing(one, GOLD, "GOLD", 4, 2, price_step=step) for one in "AB")
    models = [ModelVenue(one, {}, {1_000_250: 50}) for one in "AB"]
    floor = Floor(path, models, Market(GOLD, MARKET.venues, listings))
    takes = floor.buy(50, 1_000_300)
    rests = floor.buy(50, 1_000_300, style="rest")
    floor.step(3)
    for parent in (takes, rests):
        assert {child.order.price for child in parent.children} == ({price} if price else set())


def test_an_order_that_no_message_can_carry_ends_and_stops_no_other_venue(path):
    floor = Floor(path, venues())
    connector = floor.connectors["A"]
    send, tried = connector.send, []

    def refuse(order):
        tried.append(order)
        raise RoutingError("the price is above what the protocol carries")

    connector.send = refuse
    parent = floor.buy(130)
    floor.step(3)
    assert [(c.venue, c.state) for c in parent.children[:2]] == [
        ("A", "cancelled"),
        ("B", "filled"),
    ]
    connector.send = send
    floor.run()
    assert tried
    assert parent.filled == 130


class Killed(BaseException):
    """The router's process is gone."""


class DyingStore(ParentStore):
    """Dies before or after something is on the disk."""

    def __init__(self, path, tick):
        self.tick = tick
        super().__init__(path, is_durable=False)

    def add_children(self, *given):
        self.tick()
        children = super().add_children(*given)
        self.tick()
        return children

    def apply(self, *given):
        self.tick()
        answered = super().apply(*given)
        self.tick()
        return answered

    def note(self, *given):
        self.tick()
        super().note(*given)
        self.tick()


def live_and_die(path, rng, models, deaths):
    """Routers one after the other over the same venues and file, each killed at a random step; the
    last one runs to the end.  Returns the store."""
    fates = ["arrives"] * 6 + ["lost", "arrives unanswered", "silent"]
    now_ns = 1_000 * MS
    for life in range(deaths + 1):
        left = [rng.randint(1, 60) if life < deaths else -1]

        def tick(left=left):
            left[0] -= 1
            if left[0] == 0:
                raise Killed

        troubled = life < deaths
        fate = (lambda what: rng.choice(fates)) if troubled else (lambda what: "arrives")
        store = DyingStore(path, tick)
        connectors = {one.name: ModelConnector(one, fate, tick) for one in models}
        try:
            router = Router(store, Depth(MARKET), connectors)
            router.step(now_ns)
            if not store.parents:
                style = rng.choice(["take", "post", "rest"])
                side, limit = rng.choice([(BUY, 1_001_000), (SELL, 998_500)])
                router.submit(
                    side, rng.randint(1, 300), limit, now_ns, style=style, post_ns=100 * MS
                )
            for _ in range(400):
                now_ns += 10 * MS
                busy = router.step(now_ns)
                resting = [t for m in models for t, (o, n) in m.orders.items() if n]
                if resting and rng.random() < 0.3:
                    model = next(m for m in models if resting[0] in m.orders)
                    order, left_open = model.orders[resting[0]]
                    model.fill(resting[0], rng.randint(1, left_open), order.price)
                if not busy:
                    break
            if not troubled and any(p.state == ACTIVE for p in store.parents.values()):
                for parent in store.parents.values():
                    router.change(parent, now_ns, state=ENDED)
                for _ in range(50):
                    now_ns += 10 * MS
                    router.step(now_ns)
        except Killed:
            pass
        finally:
            if life < deaths:
                store.close()
    return store


def check(store, models):
    """What the router knows is what the venues did."""
    entered = [token for model in models for token in model.entered]
    assert len(entered) == len(set(entered)), "a child is doubled"
    for parent in store.parents.values():
        assert parent.filled <= parent.terms.quantity, "overfilled"
        assert parent.leaves == 0
        for child in parent.children:
            (model,) = [one for one in models if one.name == child.venue]
            assert child.filled == model.filled(child.order.token)
            assert (
                child.order.token in model.orders
                or child.state == "rejected"
                or (child.filled == 0)
            )
    ours = {c.order.token for p in store.parents.values() for c in p.children}
    assert set(entered) <= ours, "a child left that is not in the file"


@pytest.mark.parametrize("seed", range(5))
def test_no_death_of_the_router_doubles_or_loses_a_child(path, seed):
    """Each at a random step: before or after the disk, the send, the poll."""
    rng = Random(seed)
    for number in range(4):
        models = venues()
        file = path.with_name(f"{number}.sqlite")
        with live_and_die(file, rng, models, rng.randint(1, 4)) as store:
            assert store.parents or not any(model.entered for model in models)
            check(store, models)


def test_the_token_of_a_child_names_it_in_no_other_file(tmp_path):
    first, second = (ParentStore(tmp_path / name) for name in ("a", "b"))
    assert first.token(1) != second.token(1)
    assert len(first.token(36**7 - 1)) == 13
    assert first.add(Terms("X", BUY, 1, 1, 0)).number == 1
    first.close()
    second.close()
