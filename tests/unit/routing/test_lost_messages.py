"""Every parent ends, whichever of its messages get lost, late or twice."""

import pytest

from openoutcry.routing.instruments import Listing, Market, RoutingError
from openoutcry.routing.parents import ENDED, ParentStore
from tests.support.routing.lost_messages import random_scenario
from tests.support.routing.markets import GOLD
from tests.unit.routing.test_parents import MARKET, Floor, venues


@pytest.fixture
def path(tmp_path):
    return tmp_path / "parents.sqlite"


@pytest.mark.parametrize("swallowed", [1, 2, 5])
def test_an_order_and_the_question_about_it_are_swallowed_by_a_connection_that_stays_up(
    path, swallowed
):
    """The router asks again over another connection until the venue answers."""
    silent = ["send", *["settle"] * swallowed]

    def fate(what):
        if silent and what == silent[0]:
            silent.pop(0)
            return "silent"
        return "arrives"

    floor = Floor(path, venues()[:1], Market(GOLD, MARKET.venues[:1], MARKET.listings[:1]))
    floor.connectors["A"].fate = fate
    parent = floor.buy(50)
    floor.run()
    assert (parent.state, parent.filled, silent) == (ENDED, 50, [])
    first, second = parent.children
    assert (first.state, second.state) == ("cancelled", "filled")
    sent = floor.connectors["A"].sent
    assert len(sent) == len(set(sent)) == 2
    assert floor.connectors["A"].generation == swallowed + 1


def test_a_child_in_doubt_is_out_for_as_long_as_the_venue_says_nothing(path):
    """No silence is evidence that an order is dead."""
    floor = Floor(path, venues(), fate=lambda what: "silent")
    parent = floor.buy(130)
    floor.step(500)
    assert (parent.free, parent.leaves, len(parent.children)) == (0, 130, 2)
    assert floor.connectors["A"].generation > 2, "it is asked again and again"


@pytest.mark.parametrize("seed", range(12))
def test_random_faults_of_messages(path, seed):
    assert random_scenario(path, seed)["parents"]


def test_an_order_that_no_message_can_carry_is_known_not_to_have_left(path):
    """Neither it nor a question about it can be written."""
    floor = Floor(path, venues())
    connector = floor.connectors["A"]

    def refuse(order):
        raise RoutingError("A: the symbol has more letters than the protocol")

    connector.send = connector.settle = refuse
    parent = floor.buy(130)
    floor.run()
    assert parent.state == ENDED
    reasons = {(c.state, c.reason) for c in parent.children if c.venue == "A"}
    assert reasons == {("cancelled", "A: the symbol has more letters than the protocol")}
    floor.store.close()
    with ParentStore(path) as store:
        assert store.parents[1].leaves == 0
        assert store.last_event("A", GOLD.symbol) is None, "the venue has said nothing"


def test_a_resting_parent_that_every_venue_rejects_ends(path):
    floor = Floor(path, venues())
    for model in floor.models:
        model.rejects = True
    parent = floor.buy(60, 990_000, style="rest")
    floor.run()
    assert (parent.noted("end"), len(parent.children)) == ("no venue takes what is left", 2)


def test_a_resting_parent_whose_rest_is_below_every_smallest_order_ends(path):
    listings = tuple(Listing(one, GOLD, "GOLD", 4, 2, min_quantity=20) for one in "AB")
    floor = Floor(path, venues(), Market(GOLD, MARKET.venues, listings))
    parent = floor.buy(60, 990_000, style="rest")
    floor.step(2)
    (child,) = parent.children
    floor.models[1].fill(child.order.token, 50, 990_000)
    floor.models[1].cancel(child.order.token)
    floor.run()
    assert (parent.filled, parent.noted("end")) == (50, "no venue takes what is left")


def test_an_order_rests_where_it_is_large_enough(path):
    """The venue with the lowest maker's fee does not take so small an order."""
    listings = (Listing("A", GOLD, "GOLD", 4, 2), Listing("B", GOLD, "GOLD", 4, 2, min_quantity=90))
    floor = Floor(path, venues(), Market(GOLD, MARKET.venues, listings))
    parent = floor.buy(60, 990_000, style="rest")
    floor.step(3)
    assert [(c.venue, c.order.quantity) for c in parent.children] == [("A", 60)]
