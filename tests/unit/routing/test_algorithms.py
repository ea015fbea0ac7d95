"""Each algorithm's children are those of its schedule, the same at every run."""

from random import Random

import pytest

from openoutcry.routing.algorithms import Seen, algorithm_of, usual_volumes
from openoutcry.routing.depth import LIVE, Depth
from openoutcry.routing.instruments import BUY, SELL, RoutingError
from openoutcry.routing.parents import ACTIVE, PAUSED, Parent, ParentStore, Terms
from tests.support.routing.model_venue import ModelVenue
from tests.unit.routing.test_parents import ASKS, MARKET, MS, Floor

S = 1_000 * MS


def targets(terms, times_s, quantity=1_000, volume=0):
    parent = Parent(1, Terms("X", BUY, quantity, 0, 0, algorithm=terms), quantity=quantity)
    algorithm = algorithm_of(terms)
    return [algorithm.target(parent, Seen(int(at_s * S), None, volume)) for at_s in times_s]


def test_twap_begins_a_slice_at_each_of_equal_times():
    terms = {"name": "twap", "span_ns": 10 * S, "slices": 4}
    assert targets(terms, [0, 2.4, 2.5, 7.5, 99]) == [250, 250, 500, 1_000, 1_000]


def test_vwap_follows_the_volume_of_its_bars():
    terms = {"name": "vwap", "bar_ns": S, "volumes": [1, 0, 3]}
    assert targets(terms, [0, 0.5, 1, 1.9, 2.5, 3, 9]) == [0, 125, 250, 250, 625, 1_000, 1_000]


def test_pov_is_a_share_of_what_traded_since_the_arrival():
    terms = {"name": "pov", "rate_ppm": 250_000}
    assert targets(terms, [1], volume=0) == [0]
    assert targets(terms, [1], volume=400) == [100]
    assert targets(terms, [1], volume=10**6) == [1_000]


def test_pov_goes_on_where_venues_count_from_nought_again(tmp_path):
    """With a feed that is joined again, and with another router."""
    terms, path = {"name": "pov", "rate_ppm": 500_000}, tmp_path / "a"
    floor = Floor(path, venues())
    floor.models[0].volume = 10_000
    floor.step()
    parent = floor.buy(1_000, algorithm=terms)
    floor.models[0].volume += 40
    floor.step(300)
    first = parent.filled
    # A half of 40, and of the own trades: what they add gets less each time.
    assert 20 <= first <= 40
    floor.models[0].volume = 100
    floor.step(300)
    second = parent.filled
    assert 50 <= second - first <= 100
    floor.store.close()
    later = Floor(path, floor.models)
    (parent,) = later.store.parents.values()
    later.step(50)
    assert parent.filled == second, "nothing has traded"
    later.models[0].volume += 40
    later.step(300)
    assert 20 <= parent.filled - second <= 40


def test_a_peg_does_not_follow_the_router_s_own_orders():
    """Alone at the best price it would leave it, or outbid it, at every look."""
    depth = Depth(MARKET)
    for number, bids in enumerate([[(999_000, 50)], [(999_050, 20), (998_000, 5)]]):
        depth.set_status(number, LIVE, 0)
        depth.set_levels(number, bids, [(1_001_000, 5)], 0)
    for offset in (100, 0, -100):
        terms = {"name": "peg", "offset": offset}
        parent = Parent(1, Terms("X", BUY, 20, 1_000_000, 0, algorithm=terms), limit=1_000_000)

        for own, best in (
            ({}, 999_050),
            ({(BUY, 1, 999_050): 20}, 999_000),
            ({(BUY, 1, 999_050): 15}, 999_050),  # others are there as well
            ({(SELL, 1, 999_050): 20}, 999_050),
        ):
            seen = Seen(0, depth, own=own)
            assert algorithm_of(terms).price(parent, seen) == best - offset


def test_arrival_price_halves_what_is_left():
    terms = {"name": "arrival", "span_ns": 10 * S, "half_ns": S}
    assert targets(terms, [0, 0.5, 1, 2, 3, 10]) == [0, 250, 500, 750, 875, 1_000]


def test_usual_volumes_are_those_of_the_same_time_of_day():
    """Two earlier days, and a span that goes over midnight."""
    day = 86_400 * S
    bars = [(k * S, 1) for k in range(10)] + [(day - S, 5), (day + 2 * S, 7), (2 * day - S, 6)]
    assert usual_volumes(bars, S, 9 * day - S, 3 * S) == [11, 1, 1]
    assert usual_volumes(bars, 2 * S, 9 * day, 4 * S) == [2, 9]
    for bar_ns, span_ns in ((0, S), (S, 0), (1, S)):
        with pytest.raises(RoutingError, match="vwap"):
            usual_volumes(bars, bar_ns, 0, span_ns)


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ({"name": "twap"}, "span_ns"),
        ({"name": "vwap", "bar_ns": 1, "volumes": [0]}, "volumes"),
        ({"name": "pov", "rate_ppm": 0}, "rate_ppm"),
        ({"name": "arrival", "span_ns": 1}, "half_ns"),
        ({"name": "peg", "speed": 1}, "unexpected keyword argument 'speed'"),
    ],
)
def test_parameters_that_make_no_sense_are_named(terms, text):
    with pytest.raises(RoutingError, match=text):
        algorithm_of(terms)


def venues():
    deep = dict.fromkeys(ASKS, 10000)
    return [ModelVenue("A", {999_000: 90}, deep), ModelVenue("B", {998_500: 90}, deep)]


def sent(path, algorithm, style, quantity, side=BUY, limit=1_001_000, meanwhile=lambda floor: 0):
    """(step, quantity, price) of each child."""
    floor = Floor(path, venues())
    parent = floor.router.submit(
        side, quantity, limit, floor.now_ns, style=style, algorithm=algorithm
    )
    for _ in range(120):
        floor.step()
        meanwhile(floor)
    floor.store.close()
    begin_ns = parent.terms.created_ns
    return [
        ((c.sent_ns - begin_ns) // (10 * MS), c.order.quantity, c.order.price)
        for c in parent.children
    ]


def test_a_twap_s_children_come_in_its_slices_and_again_the_same(tmp_path):
    terms = {"name": "twap", "span_ns": S, "slices": 4}
    children = sent(tmp_path / "a", terms, "take", 100)
    assert children == [(step, 25, 1_000_000) for step in (1, 25, 50, 75)]
    assert children == sent(tmp_path / "b", terms, "take", 100)


def test_a_twap_that_is_paused_and_amended_goes_on_with_what_it_is_then(tmp_path):
    """Nothing leaves while it is paused; later slices are those of the new quantity and limit."""

    def meanwhile(floor):
        (parent,), step = floor.store.parents.values(), floor.now_ns // (10 * MS) - 101
        if step == 30:
            floor.router.change(parent, floor.now_ns, state=PAUSED)
        elif step == 60:
            changes = {"quantity": 80, "limit": 999_900}
            floor.router.change(parent, floor.now_ns, state=ACTIVE, **changes)
        elif step == 90:
            for model in floor.models:
                model.levels[SELL][999_900] = 100

    terms = {"name": "twap", "span_ns": S, "slices": 4}
    children = sent(tmp_path / "a", terms, "take", 100, meanwhile=meanwhile)
    # All 80 are due from 0.75 s on, and nothing is at the new limit until 0.9 s.
    assert children == [(1, 25, 1_000_000), (25, 25, 1_000_000), (91, 30, 999_900)]


@pytest.mark.parametrize(
    ("terms", "style"),
    [
        ({"name": "twap", "span_ns": S, "slices": 5}, "take"),
        ({"name": "vwap", "bar_ns": S // 4, "volumes": [1, 2, 1]}, "take"),
        ({"name": "pov", "rate_ppm": 500_000}, "take"),
        ({"name": "arrival", "span_ns": S, "half_ns": S // 10}, "take"),
        ({"name": "iceberg", "shown": 20}, "rest"),
        ({"name": "peg", "offset": -50}, "rest"),
    ],
)
def test_no_algorithm_goes_beyond_the_limit_or_the_quantity(tmp_path, terms, style):
    """Prices move around the limit, at random."""
    rng, limit = Random(4), 1_000_500

    def move(floor):
        best = rng.randrange(999_000, 1_002_000, 100)
        for model in floor.models:
            model.levels = {BUY: {best: 50}, SELL: {best + 100: 50}}
            model.volume += 10
        if rng.random() < 0.2:
            fill_what_rests(floor)

    children = sent(tmp_path / "a", terms, style, 100, limit=limit, meanwhile=move)
    assert children
    assert all(price <= limit for _, _, price in children)
    with ParentStore(tmp_path / "a") as store:
        assert 0 < store.parents[1].filled <= 100


def fill_what_rests(floor):
    for model in floor.models:
        for token, (order, left) in list(model.orders.items()):
            if left:
                model.fill(token, left, order.price)


def test_an_iceberg_shows_one_slice_after_the_other(tmp_path):
    terms = {"name": "iceberg", "shown": 40}
    children = sent(tmp_path / "a", terms, "rest", 100, limit=999_500, meanwhile=fill_what_rests)
    assert [(quantity, price) for _, quantity, price in children] == [
        (40, 999_500),
        (40, 999_500),
        (20, 999_500),
    ]


def test_a_peg_moves_with_the_best_price_up_to_its_limit(tmp_path):
    steps = iter([999_000] * 10 + [999_300] * 10 + [1_005_000] * 200)

    def move(floor):
        best = next(steps)
        for model in floor.models:
            model.levels[BUY] = {best: 50}
            model.levels[SELL] = {best + 1_000: 50}

    children = sent(tmp_path / "a", {"name": "peg", "offset": 100}, "rest", 10, meanwhile=move)
    assert [price for _, _, price in children] == [998_900, 999_200, 1_001_000]
