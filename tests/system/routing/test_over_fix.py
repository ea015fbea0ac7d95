"""A parent over two real venues, by FIX and by OUCH, whose router is killed in the middle."""

import os
import signal
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from openoutcry.host.processes import fork
from openoutcry.routing import demo
from openoutcry.routing.depth import Depth
from openoutcry.routing.instruments import BUY
from openoutcry.routing.parents import ENDED, ParentStore
from openoutcry.routing.router import Router
from openoutcry.routing.settings import read_settings
from tests.support.routing.comparison import compare
from tests.support.waiting import BOUND_S, LOOK_S, wait_until
from tests.system.routing.test_two_venues import asks, demonstration, outcry

LIMIT, QUANTITY = "2003.00", 100


class Struck:
    """A venue's connector whose process dies at its first order: before it is sent, or after."""

    def __init__(self, connector, before) -> None:
        self._connector, self._before = connector, before

    def __getattr__(self, name):
        return getattr(self._connector, name)

    def send(self, order):
        if not self._before:
            self._connector.send(order)
        os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def routed(file, wrap=lambda connectors: None):
    """A router over the file's venues, once both are ready."""
    settings = read_settings(Path(file))
    market = settings.market(demo.PAIR)
    with ExitStack() as stack:
        store = stack.enter_context(ParentStore(settings.store))
        connectors = settings.connectors(market)
        for connector in connectors.values():
            stack.callback(connector.close)
        wrap(connectors)
        router = Router(store, Depth(market), connectors)

        def is_ready():
            router.step(time.time_ns())
            return router.is_ready(time.time_ns())

        wait_until(is_ready)
        yield router


def die_at_west(file, before):
    """A router's life: it sends a parent's children, and dies at the venue of FIX."""

    def wrap(connectors):
        connectors["WEST"] = Struck(connectors["WEST"], before)

    with routed(file, wrap) as router:
        limit = router.market.instrument.price(LIMIT)
        router.submit(BUY, QUANTITY, limit, time.time_ns())
        while True:
            router.step(time.time_ns())
            time.sleep(LOOK_S)


def rejected(file):
    """Rest more than a venue allows: what each says, by name."""
    with routed(file) as router:
        limit = router.market.instrument.price("1900.00")
        parent = router.submit(BUY, 2_000_000, limit, time.time_ns(), style="rest")

        def both():
            router.step(time.time_ns())
            return [c for c in parent.children if c.state == "rejected"][1:]

        wait_until(both)
        router.change(parent, time.time_ns(), state=ENDED)
        return {child.venue: child.reason for child in parent.children}


def test_a_router_that_is_killed_at_a_venue_of_fix_doubles_no_child(monkeypatch, tmp_path):
    """Before the child left and after it; the next order settles the parent of the one before."""
    east, west = demo.VENUES
    monkeypatch.setattr(demo, "VENUES", (east, replace(west, kind="fix")))
    with demonstration(monkeypatch, tmp_path) as file:
        before = asks(file)
        order = ("route", "order", file, "buy", str(QUANTITY), demo.PAIR, "--limit", LIMIT)
        for number, is_before in enumerate((True, False)):
            pid = fork(lambda is_before=is_before: die_at_west(file, is_before))
            assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
            wait_until(lambda: asks(file) == before, "the makers quote what was taken")
            report = outcry(*order, "--seconds", str(BOUND_S))
            assert (report["parent"], report["filled"]) == (2 * number + 2, str(QUANTITY))
            wait_until(lambda: asks(file) == before, "the makers quote what was taken")
        refused = "OrderQty (38) is outside the gateway's limits"
        assert rejected(file) == {"EAST": "quantity", "WEST": refused}
        assert compare(Path(file).parent)["parents"] == 5
        with ParentStore(read_settings(Path(file)).store) as store:
            parents = list(store.parents.values())
        assert all(parent.filled <= parent.terms.quantity for parent in parents)
        of_west = [[c.filled for c in one.children if c.venue == "WEST"] for one in parents]
        # Of the child that had not left, nothing; of the one that had, all, once.  A router that
        # comes after may have time to send what is left of the parent.
        assert (of_west[0][0], of_west[2][0]) == (0, 40)
