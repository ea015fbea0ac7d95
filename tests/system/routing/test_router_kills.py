"""Routers that are processes, killed with SIGKILL in the middle of parents: no child is doubled, no
parent overfilled, and the last router knows what the venues did."""

import os
import pickle
import signal
import socket
from random import Random

import pytest

from openoutcry.routing.depth import Depth
from openoutcry.routing.instruments import BUY, SELL
from openoutcry.routing.parents import ACTIVE, ENDED, ParentStore
from openoutcry.routing.router import Router
from tests.support.routing.model_venue import ModelConnector
from tests.unit.routing.test_parents import MARKET, MS, check, live_and_die, venues

DEATHS = 40


class FarVenue:
    """A venue in the test's process, as a router's process reaches it: a call, an answer."""

    def __init__(self, name, link):
        self.name, self.link = name, link

    def _call(self, what, *given):
        data = pickle.dumps((self.name, what, given))
        self.link.sendall(len(data).to_bytes(4, "big") + data)
        return pickle.loads(received(self.link))

    def enter(self, order):
        self._call("enter", order)

    def cancel(self, token):
        self._call("cancel", token)

    @property
    def stream(self):
        return self._call("stream")

    @property
    def levels(self):
        return self._call("levels")

    @property
    def volume(self):
        return self._call("volume")


def received(link):
    """A whole message; None when the other side is gone."""
    size = link.recv(4, socket.MSG_WAITALL)
    if len(size) < 4:
        return None
    data = link.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL)
    return data if len(data) == int.from_bytes(size, "big") else None


def serve(link, models, rng, pid, calls):
    """Answer a router until it ends, or kill it in the middle of a call: before or after the venue
    has done what it was asked."""
    by_name = {model.name: model for model in models}
    is_killed = False
    while (data := received(link)) is not None:
        calls -= 1
        before = rng.random() < 0.5
        if calls == 0 and before:
            os.kill(pid, signal.SIGKILL)
            is_killed = True
        name, what, given = pickle.loads(data)
        found = getattr(by_name[name], what)
        answer = pickle.dumps(found(*given) if callable(found) else found)
        if calls == 0 and not before:
            os.kill(pid, signal.SIGKILL)
            is_killed = True
        if is_killed:
            break
        link.sendall(len(answer).to_bytes(4, "big") + answer)
    os.waitpid(pid, 0)
    link.close()


def route(path, link, terms, now_ns):
    """A router's life: the file's parents, or a new one."""
    store = ParentStore(path)
    connectors = {n: ModelConnector(FarVenue(n, link)) for n in ("A", "B")}
    router = Router(store, Depth(MARKET), connectors)
    router.step(now_ns)
    if not any(parent.state == ACTIVE for parent in store.parents.values()):
        side, quantity, limit, style = terms
        router.submit(side, quantity, limit, now_ns, style=style, post_ns=50 * MS)
    for _ in range(60):
        now_ns += 10 * MS
        if not router.step(now_ns):
            return


def test_killed_routers_leave_no_doubled_child(tmp_path):
    rng = Random(57)
    path = tmp_path / "parents.sqlite"
    models = venues()
    now_ns = 1_000 * MS
    for _ in range(DEATHS):
        now_ns += 1_000 * MS
        for model in models:
            model.levels[-BUY].setdefault(1_000_500, 40)
            model.levels[BUY].setdefault(999_000, 40)
        side, limit = rng.choice([(BUY, 1_001_000), (SELL, 998_500)])
        terms = side, rng.randint(1, 150), limit, rng.choice(["take", "post"])
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            try:
                route(path, theirs, terms, now_ns)
            finally:
                os._exit(0)
        theirs.close()
        serve(ours, models, rng, pid, rng.randint(3, 60))
    with ParentStore(path) as store:
        connectors = {one.name: ModelConnector(one) for one in models}
        router = Router(store, Depth(MARKET), connectors)
        router.step(now_ns)
        for parent in store.parents.values():
            if parent.state != ENDED:
                router.change(parent, now_ns, state=ENDED)
        for _ in range(100):
            now_ns += 10 * MS
            if not router.step(now_ns):
                break
        assert len(store.parents) > 5
        assert sum(model.volume for model in models) > 0
        check(store, models)


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))]
)
def test_state_is_the_same_at_each_start_after_a_kill(tmp_path, seed):
    """What the fold gives at a start it gives again: state is on the disk, not in a process."""
    rng = Random(seed)
    path = tmp_path / "parents.sqlite"
    models = venues()
    for life in range(6):
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            try:
                route(path, theirs, (BUY, 100, 1_001_000, "take"), (life + 1) * 1_000 * MS)
            finally:
                os._exit(0)
        theirs.close()
        serve(ours, models, rng, pid, rng.randint(3, 40))
        states = []
        for _ in range(2):
            with ParentStore(path) as store:
                states.append(
                    [(p.state, p.filled, p.leaves, len(p.children)) for p in store.parents.values()]
                )
        assert states[0] == states[1]
        filled = {t: m.filled(t) for m in models for t in m.orders}
        with ParentStore(path) as store:
            for parent in store.parents.values():
                assert parent.filled <= sum(filled.get(c.order.token, 0) for c in parent.children)
                assert parent.filled + parent.leaves <= parent.quantity


@pytest.mark.long
def test_a_thousand_deaths_at_random_steps(tmp_path):
    """In one process, over connections that lose, break and stay silent as well."""
    rng = Random(1_000)
    deaths = 0
    while deaths < 1_000:
        models, count = venues(), rng.randint(1, 5)
        with live_and_die(tmp_path / f"{deaths}.sqlite", rng, models, count) as store:
            check(store, models)
        deaths += count
