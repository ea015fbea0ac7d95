"""Peers that do not read, that vanish, that never log in: whatever they do, others trade on, and
they themselves may come back."""

import asyncio
import contextlib
import socket

import pytest

from openoutcry.client import FixNumbers
from openoutcry.order_entry import soupbin
from openoutcry.order_entry.acceptor import MAX_WAITING
from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol
from tests.support.order_entry.sessions_venue import PASSWORD, enter, trading_before_and_after
from tests.support.venue.inline import InlineVenue
from tests.support.venue.line import Silence

MANY = 64
KEEP = {"cancel_on_disconnect": int(CancelOnDisconnect.NONE)}
FIX = {"protocol": int(Protocol.FIX44), **KEEP}
SESSIONS = [
    *(
        {"name": f"R{n}", "participant": n, "queue_bytes": 1 << 14, **KEEP}
        for n in range(1, MANY + 1)
    ),
    {"name": "CALM", "participant": 100, **KEEP},
    {"name": "GUESS", "participant": 101, **KEEP},
    {"name": "FIRM", "participant": 102, **FIX},
    {"name": "MUTE", "participant": 103, **FIX},
]
SIZES = {"token_capacity": 1 << 17, "row_capacity": 1 << 15}


@pytest.fixture
def venue():
    with InlineVenue(SESSIONS, sizes=SIZES) as venue:
        yield venue


@pytest.fixture
def calm(venue):
    """Somebody else's session, which trades and is answered before and after."""
    with trading_before_and_after(venue) as trade:
        yield trade


def trade(client):
    """So that there are thousands of messages to be sent again."""
    for _ in range(1_500):
        client.enter("1", "ACME", 1, "1.00", ioc=True)
    for _ in range(3_000):
        assert client.next().kind == "8"


def ask_and_never_read(client, numbers):
    """Ask for thousands of messages once more, over and over, and take none, until the venue takes
    nothing either, or has closed the connection."""
    client.socket.reads = False
    try:
        while True:
            data = client.pack("2", numbers.next_out, ((7, "1"), (16, "0")))
            numbers.next_out += 1
            client.socket.sendall(data)
    except (Silence, ConnectionError):
        pass


def logged_on_again(venue, name, numbers):
    """The session is free again, and works."""
    client = venue.fix(name, numbers=numbers, heartbeat_s=30)
    client.status("nothing", "ACME", "1")
    while client.next().get(11) != "nothing":
        pass
    client.logout()


@pytest.mark.promise(
    "A client that does not read, or vanishes with full buffers, is disconnected, and can "
    "recover its messages. A session whose stream for the day is nearly full enters no order "
    "and loses no fill",
    group="venue",
)
def test_a_fix_peer_that_took_nothing_and_vanished_may_log_on_again(venue, calm):
    """With no room for answers nothing is read of him: his end must be noticed by sending."""
    numbers = FixNumbers()
    client = venue.fix("FIRM", numbers=numbers, heartbeat_s=30)
    trade(client)
    ask_and_never_read(client, numbers)
    client.close()
    logged_on_again(venue, "FIRM", numbers)


@pytest.mark.promise(
    "A client that does not read, or vanishes with full buffers, is disconnected, and can "
    "recover its messages. A session whose stream for the day is nearly full enters no order "
    "and loses no fill",
    group="venue",
)
def test_a_fix_peer_that_takes_nothing_and_stays_is_given_up_like_a_silent_one(venue, calm):
    numbers = FixNumbers()
    client = venue.fix("MUTE", numbers=numbers)
    trade(client)
    client.logout()
    client = venue.fix("MUTE", heartbeat_s=1, numbers=numbers)
    ask_and_never_read(client, numbers)
    venue.clock.advance(5, tick_s=0.5)
    logged_on_again(venue, "MUTE", numbers)
    client.close()


@pytest.mark.promise(
    "A client that does not read, or vanishes with full buffers, is disconnected, and can "
    "recover its messages. A session whose stream for the day is nearly full enters no order "
    "and loses no fill",
    group="venue",
)
def test_readers_that_do_not_read_are_disconnected_and_recover(venue, calm):
    """Each is as far behind as its socket and its queue hold, and has all of it by number."""
    clients = {n: venue.client(f"R{n}") for n in range(1, MANY // 2 + 1)}
    sent, blocked = dict.fromkeys(clients, 0), dict.fromkeys(clients, b"")
    open_ones = set(clients)
    for client in clients.values():
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 13)
        client.socket.reads = False
    while open_ones:
        calm()
        for n in sorted(open_ones):
            if not blocked[n]:
                batch = [
                    enter(f"{sent[n] + i}", "B", 1, "BOLT", 10_000, time_in_force=0)
                    for i in range(200)
                ]
                sent[n] += len(batch)
                blocked[n] = b"".join(soupbin.packet("U", one) for one in batch)
            try:
                blocked[n] = blocked[n][clients[n].socket.send(blocked[n]) :]
            except BlockingIOError:
                pass
            except OSError:
                open_ones.remove(n)
        assert max(sent.values()) < 200_000, "never disconnected"
    for n, client in clients.items():
        messages = []
        while (packet := client.packet())[0] == "S":
            messages.append(packet[1])
        client.close()
        later = venue.client(f"R{n}", sequence=len(messages) + 1)
        assert later.number == len(messages) + 1
        messages.append(later.packet()[1])
        later.close()
        again = venue.client(f"R{n}")
        assert [again.packet()[1] for _ in messages] == messages
        again.close()


@pytest.mark.promise(
    "Connections that never log in, and floods of wrong passwords, neither delay nor lock out"
    " clients at other addresses. The answer to a rejected login reveals neither whether the "
    "name exists nor whether the password was right",
    group="venue",
)
def test_connections_that_never_log_in_keep_no_session_out(venue, calm):
    """More of them than may wait, from one address, half of them with half a login."""
    crowd = []
    half = soupbin.login_packet(soupbin.LoginRequest("CALM", PASSWORD, "", 1))[:20]
    for number in range(MAX_WAITING + 50):
        one = venue.dial(source="127.0.0.2")
        if number % 2:
            one.sendall(half)
        crowd.append(one)
    assert venue.client("GUESS", source="127.0.0.3").answer[0] == "A"
    venue.clock.advance(10.1)
    for one in crowd:
        with contextlib.suppress(ConnectionResetError):
            assert one.recv(100) == b""
        one.close()


@pytest.mark.promise(
    "Connections that never log in, and floods of wrong passwords, neither delay nor lock out"
    " clients at other addresses. The answer to a rejected login reveals neither whether the "
    "name exists nor whether the password was right",
    group="venue",
)
def test_a_login_that_is_checked_gives_way_to_no_connection_that_says_nothing(venue, calm):
    """However many come meanwhile, each from its own address; half of them begin a login."""
    acceptor, ready, crowd = venue.acceptor, asyncio.Event(), []
    true_verify = acceptor._verify

    async def slow_verify(*given):
        await ready.wait()
        return await true_verify(*given)

    acceptor._verify = slow_verify
    honest = venue.dial(source="127.0.0.3")
    login = soupbin.login_packet(soupbin.LoginRequest("GUESS", PASSWORD, "", 1))
    honest.sendall(login)
    for number in range(2 * MAX_WAITING):
        one = venue.dial(source=f"127.1.{number // 200}.{1 + number % 200}")
        if number % 2:
            one.sendall(login[:20])
        crowd.append(one)
    assert (len(acceptor.waiting.silent), len(acceptor.waiting.checked)) == (MAX_WAITING, 1)
    del acceptor._verify
    venue.loop.call_soon(ready.set)
    venue.step()
    assert honest.recv(3)[2:] == b"A"
    for one in (honest, *crowd):
        one.close()
    venue.clock.advance(10.1)
    assert (len(acceptor.waiting.silent), len(acceptor.waiting.checked)) == (0, 0)


@pytest.mark.promise(
    "A client that does not read, or vanishes with full buffers, is disconnected, and can "
    "recover its messages. A session whose stream for the day is nearly full enters no order "
    "and loses no fill",
    group="venue",
)
def test_a_session_with_a_nearly_full_stream_enters_no_order_and_loses_no_fill():
    """The rest of its stream is for the orders that it has."""
    rows = [{"name": "FULL", "participant": 1, **KEEP}, {"name": "TWO", "participant": 2, **KEEP}]
    with InlineVenue(rows, sizes={"stream_entries": 256}) as venue:
        full, two = venue.client("FULL"), venue.client("TWO")
        full.enter("rest", "B", 9, price=10_000)
        kinds = [full.message()[0]]
        while kinds[-1] != "J":
            full.enter(f"t{full.number}", "B", 1, "BOLT", 10_000, time_in_force=0)
            kinds.append(full.message()[0])
            if kinds[-1] == "A":
                kinds.append(full.message()[0])
        assert len(kinds) == 226, "A, pairs of A and C, and J behind seven eighths"
        while kinds[-1]:
            full.enter(f"u{len(kinds)}", "B", 1, "BOLT", 10_000, time_in_force=0)
            kinds.append(full.packet()[1][:1].decode())
        assert kinds[226:] == ["J"] * 15 + [""], "the connection has ended"
        two.enter("a", "S", 9, price=10_000)
        assert [two.message()[0] for _ in range(2)] == ["A", "E"]
        again = venue.client("FULL", sequence=len(kinds))  # the answer to the last, then the fill
        assert [again.message()[0] for _ in range(2)] == ["J", "E"]
        again.close()
        two.close()


@pytest.mark.promise(
    "One participant cannot fill the book; the bound is kept across a crash, and a replay "
    "gives the same. One session cannot take the day's tokens, or by default the book, from "
    "the others",
    group="capacity",
)
def test_a_session_that_takes_all_the_tokens_it_can_leaves_others_theirs():
    """Half of what a day has room for; the other session then has its own half of the rest."""
    rows = [{"name": "FULL", "participant": 1, **KEEP}, {"name": "TWO", "participant": 2, **KEEP}]
    with InlineVenue(rows, sizes={"token_capacity": 64}) as venue:
        taken = {}
        for name in ("FULL", "TWO"):
            client, taken[name], letter = venue.client(name), 0, "A"
            while letter == "A":
                client.enter(f"t{taken[name]}", "B", 1, "BOLT", 10_000, time_in_force=0)
                letter = client.message()[0]
                if letter == "A":
                    assert client.message()[0] == "C"
                    taken[name] += 1
            assert letter == "J"
            client.close()
        assert taken == {"FULL": 28, "TWO": 14}
