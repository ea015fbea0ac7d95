"""A venue in one thread among clients: sixty-four at once, and some that send anything but what the
protocol says, which no other session notices."""

import os
from contextlib import suppress
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from openoutcry.order_entry import soupbin
from openoutcry.order_entry.acceptor import LOGIN_S
from openoutcry.order_entry.spec import CancelOnDisconnect, Takeover
from tests.support.order_entry.sessions_venue import enter
from tests.support.venue.inline import InlineVenue
from tests.support.venue.line import Silence

KEEP = {"cancel_on_disconnect": int(CancelOnDisconnect.NONE)}
MANY = 64
FUZZED = ["FUZZ1", "FUZZ2", "FUZZ3"]
SESSIONS = [
    {"name": "CALM", "participant": 103, **KEEP},
    *(
        {"name": name, "participant": 110 + index, "takeover": int(Takeover.TAKE_OVER)}
        for index, name in enumerate(FUZZED)
    ),
    *({"name": f"S{n}", "participant": n, **KEEP} for n in range(1, MANY + 1)),
]


@pytest.fixture(scope="module")
def venue():
    with InlineVenue(SESSIONS, sizes={"row_capacity": 1 << 11}) as venue:
        yield venue


def test_sixty_four_sessions_at_once_each_receive_their_own(venue):
    clients = [venue.client(f"S{n}") for n in range(1, MANY + 1)]
    for turn in range(20):
        for number, client in enumerate(clients):
            client.enter(f"{number}x{turn}", "B" if turn % 2 else "S", 1, "BOLT", 10_000 + turn)
    for number, client in enumerate(clients):
        accepted = []
        while len(accepted) < 20:
            letter, fields = client.message()
            assert letter in "AE"
            assert fields["token"].startswith(f"{number}x")
            accepted += [fields["token"].strip()] if letter == "A" else []
        assert accepted == [f"{number}x{turn}" for turn in range(20)]
    for client in clients:
        client.close()


GOOD = enter("fuzz", "B", 1, "ACME", 10_000)
PIECES = st.one_of(
    st.binary(max_size=600),
    st.builds(
        lambda kind, body: soupbin.packet(kind, body),
        st.sampled_from("URO+LASZ"),
        st.binary(max_size=80),
    ),
    st.integers(0, len(GOOD)).map(lambda size: soupbin.packet("U", GOOD[:size])),
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=6).map(
        lambda changes: soupbin.packet("U", changed(changes))
    ),
    st.just(soupbin.CLIENT_HEARTBEAT),
)


def changed(changes):
    message = bytearray(GOOD)
    for place, byte in changes:
        message[place] = byte
    return bytes(message)


class Anything(RuleBasedStateMachine):
    """Bytes of every kind before and after a login, in any pieces, and lines that break; after each
    of them another session's order is answered as ever."""

    venue: InlineVenue
    calm_orders = 0

    def __init__(self):
        super().__init__()
        self.lines = []
        self.calm = self.venue.client("CALM", sequence=0)

    @rule()
    def knock(self):
        """A connection that has not logged in."""
        self.lines.append(SimpleNamespace(socket=self.venue.dial()))

    @rule(name=st.sampled_from(FUZZED))
    def log_in(self, name):
        """Takes over from the one before."""
        self.lines.append(self.venue.client(name, sequence=0))

    @precondition(lambda self: self.lines)
    @rule(data=st.data(), pieces=st.lists(PIECES, min_size=1, max_size=5))
    def say(self, data, pieces):
        line = data.draw(st.sampled_from(self.lines))
        with suppress(OSError, Silence):
            for piece in pieces:
                line.socket.sendall(piece)

    @precondition(lambda self: self.lines)
    @rule(data=st.data())
    def break_off(self, data):
        line = data.draw(st.sampled_from(self.lines))
        line.socket.close()
        self.lines.remove(line)

    @invariant()
    def calm_trades_on(self):
        Anything.calm_orders += 1
        token = f"c{Anything.calm_orders}"
        self.calm.enter(token, "B", 1, price=10_000, time_in_force=0)
        assert self.calm.message()[1]["token"].strip() == token
        assert self.calm.message()[0] == "C"

    def teardown(self):
        for line in [*self.lines, self.calm]:
            line.socket.close()


def test_anything_may_come_and_no_other_session_notices(venue):
    """In the end no descriptor is left."""
    Anything.venue = venue
    venue.client("CALM", sequence=0).close()
    before = len(os.listdir("/proc/self/fd"))
    run_state_machine_as_test(
        Anything, settings=settings(stateful_step_count=12, suppress_health_check=list(HealthCheck))
    )
    venue.clock.advance(2 * LOGIN_S, tick_s=0.1)
    assert len(os.listdir("/proc/self/fd")) <= before
