"""No door is earlier than another beyond what the page says: an event is with every session at the
end of the same turn, and no door's messages keep another's out for more than eight turns."""

import socket

import pytest

from openoutcry.order_entry.session import LOST_NS
from openoutcry.order_entry.session_stage import SHM_TURNS
from openoutcry.order_entry.session_words import MESSAGES_A_TURN, UNSEEN, UNWATCHED
from openoutcry.order_entry.sessions import DOORS
from openoutcry.order_entry.spec import Protocol
from openoutcry.runtime.histogram import summary
from openoutcry.wire.enums import Side
from openoutcry.wire.layout import SharedWord
from tests.support.order_entry.sessions_venue import session
from tests.support.venue.inline import InlineVenue

ROWS = [
    session("FOUR", 1),
    session("FIVE", 2, protocol=int(Protocol.OUCH50)),
    session("FIX", 3, protocol=int(Protocol.FIX44)),
    session("SHM", 4, protocol=int(Protocol.SHM)),
    session("TAKER", 5, protocol=int(Protocol.SHM)),
]


def turn(venue, *names):
    """One step of these stages, in the data's order; of all but the sessions' without names."""
    group = venue.run._group
    for row in group._rows:
        if row.name in names or (not names and row.name != "sessions"):
            row.code.step(group.contexts.address_of(row.name))


def to_rest(venue):
    """What was entered is matched and released, and the sessions have not looked yet."""
    for _ in range(4):
        turn(venue)


@pytest.mark.promise(
    "An event is with every session's socket or memory at the end of the same turn, whatever its "
    "protocol",
    group="venue",
)
def test_a_trade_is_visible_by_every_door_in_the_same_turn():
    with InlineVenue(ROWS) as venue:
        four, five, fix = venue.client("FOUR"), venue.five("FIVE"), venue.fix("FIX")
        shm, taker = venue.shm("SHM"), venue.shm("TAKER")
        four.enter("a", price=10_000, side="B", shares=10)
        five.enter(1, price=10_000, side="B", quantity=10)
        fix.enter("1", "ACME", 10, "1.0000")
        shm.enter(1, Side.BUY, "ACME", 10, 10_000)
        venue.step()
        told = {name: seen(one) for name, one in doors_of(four, five, fix, shm).items()}
        taker.enter(1, Side.SELL, "ACME", 40, 10_000)
        turn(venue, "sessions")
        to_rest(venue)
        assert {n: seen(o) for n, o in doors_of(four, five, fix, shm).items()} == told
        turn(venue, "sessions")
        now = {name: seen(one) for name, one in doors_of(four, five, fix, shm).items()}
        assert all(now[name] > told[name] for name in told), (told, now)


def test_a_turn_answers_one_request_for_the_state_of_all_orders():
    """Each is answered by as many messages as the session has orders, and may cost nothing to ask
    for."""
    with InlineVenue(ROWS) as venue:
        fix, stream = venue.fix("FIX"), venue.run.work.sessions.streams[2]
        for number in range(3):
            fix.enter("1", "ACME", 10, f"1.000{number}")
        venue.step()
        before = stream.count
        requests = [
            fix.pack("AF", fix.numbers.next_out + n, ((584, f"S{n}"), (585, "7"))) for n in range(3)
        ]
        fix.socket.sendall(b"".join(requests))
        turn(venue, "sessions")
        to_rest(venue)
        counts = []
        for _ in requests:
            turn(venue, "sessions")
            counts.append(stream.count - before)
        assert counts == [3, 6, 9]


def doors_of(four, five, fix, shm):
    return {"FOUR": four, "FIVE": five, "FIX": fix, "SHM": shm}


def sent(lane, before):
    """The commands on the lane behind ``before``."""
    return lane.views(before + 1, lane.published - before)


def seen(client):
    """Bytes, or replies, that have come so far; nothing of the venue goes on."""
    if hasattr(client, "connection"):
        kept, client._kept = client._kept, []
        client._kept = kept + client.poll()
        return len(client._kept)
    try:
        return len(client.socket.end.recv(1 << 16, socket.MSG_PEEK))
    except BlockingIOError:
        return 0


def test_a_flood_by_shared_memory_keeps_an_order_by_socket_out_for_eight_turns_at_most():
    sizes = {"token_capacity": 1 << 13}
    with InlineVenue(ROWS, sizes=sizes) as venue:
        four, shm = venue.client("FOUR"), venue.shm("SHM")
        lane = venue.run.work.shared.rings["session_lane"]
        before = lane.published
        for number in range(1, 1 + shm.room):
            shm.enter(number, Side.BUY, "ACME", 1, 9_000)
        four.enter("a", price=9_000, side="B", shares=77)
        turns = 0
        while not any((view["qty_lots"] == 77).any() for view in sent(lane, before)):
            turn(venue)
            turn(venue, "sessions")
            turns += 1
            assert turns <= SHM_TURNS + 1
        ahead = lane.published - before
        assert ahead <= MESSAGES_A_TURN * (SHM_TURNS + 1) + 1


def test_each_door_counts_when_events_are_visible_and_messages_answered():
    with InlineVenue(ROWS) as venue:
        four, shm = venue.client("FOUR"), venue.shm("SHM")
        shared = venue.run.work.shared

        def counts():
            return {
                row.name: summary(shared.histogram(row.name))["count"]
                for row in DOORS
                if shared.histogram(row.name).any()
            }

        shm.enter(1, Side.BUY, "ACME", 10, 10_000)
        venue.step()
        assert counts() == {"shm": 1, "shm answer": 1}
        four.enter("a", price=10_000, side="S", shares=10)
        venue.step()
        # Accepted and executed, each an answer; the other side's execution answers nothing.
        assert counts() == {"shm": 2, "shm answer": 1, "ouch-4.2": 2, "ouch-4.2 answer": 2}


def test_the_stage_says_whether_all_work_shows_at_its_sockets():
    with InlineVenue(ROWS) as venue:
        context = venue.run._group.contexts.address_of("sessions")

        def unwatched():
            turn(venue, "sessions")
            turn(venue, "sessions")
            return SharedWord(context + UNWATCHED).value | SharedWord(context + UNSEEN).value

        for index in range(2, len(ROWS) + 1):
            venue.run.work.sessions.region.block(index)[LOST_NS // 8] = 0
        four = venue.client("FOUR")
        venue.clock.advance(1)
        assert unwatched() == 0
        four.enter("a", price=10_000, side="B", shares=10)
        assert unwatched() == 0, "on the lane"
        turn(venue, "gateway", "matcher")
        assert unwatched() != 0, "an event waits for its release"
        to_rest(venue)
        assert unwatched() == 0
        shm = venue.shm("SHM")
        assert unwatched() != 0, "requests come without a socket"
        shm.logout()
        venue.step()
        assert unwatched() == 0
