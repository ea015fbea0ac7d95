"""Peers that do not read, that vanish, that never log in, that guess passwords by the hundred:
whatever they do, others trade on, and they themselves may come back."""

import contextlib
import select
import socket
import time

import pytest
from sessions_venue import PASSWORD, Client, Venue, enter

from openoutcry.client import ClientError, FixClient, FixNumbers
from openoutcry.order_entry import soupbin
from openoutcry.order_entry.doorman import MAX_WAITING
from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol

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
SIZES = {"token_capacity": 1 << 20, "row_capacity": 1 << 17}
BLOCKED_S = 1.0


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    journal = tmp_path_factory.mktemp("hostile") / "journal"
    with Venue(SESSIONS, journal, sizes=SIZES) as venue:
        yield venue


@pytest.fixture
def calm(venue):
    """Somebody else's session, which trades and is answered before and after."""
    client = venue.client("CALM", sequence=0)

    def trade():
        token = f"c{client.number}"
        client.enter(token, price=10_000, time_in_force=0)
        assert [client.message()[0] for _ in range(2)] == ["A", "C"]

    trade()
    yield trade
    trade()
    client.close()


def fix_client(venue, name, heartbeat_s=30, numbers=None):
    return FixClient(
        "127.0.0.1", venue.ports["FIX44"], name, PASSWORD, numbers=numbers,
        heartbeat_s=heartbeat_s, timeout_s=300,
    )  # fmt: skip


def trade(client):
    """So that there are thousands of messages to be sent again."""
    for _ in range(1_500):
        client.enter("1", "ACME", 1, "1.00", ioc=True)
    for _ in range(3_000):
        assert client.next(300).kind == "8"


def ask_and_never_read(client, numbers):
    """Ask for thousands of messages once more, over and over, and take none, until the venue takes
    nothing either, or has closed the connection."""
    client.socket.setblocking(False)
    data = b""
    while select.select([], [client.socket], [], BLOCKED_S)[1]:
        if not data:
            data = client.pack("2", numbers.next_out, ((7, "1"), (16, "0")))
            numbers.next_out += 1
        try:
            data = data[client.socket.send(data) :]
        except BlockingIOError:
            pass
        except ConnectionError:
            return


def logged_on_again(venue, name, numbers):
    """The session is free again before long, and works."""
    until = time.monotonic() + 300
    while True:
        try:
            client = fix_client(venue, name, numbers=numbers)
            break
        except ClientError:
            assert time.monotonic() < until, "it is connected for ever"
            time.sleep(0.1)
    client.status("nothing", "ACME", "1")
    while (message := client.next(300)) is not None and message.get(11) != "nothing":
        pass
    assert message is not None
    client.logout()


def test_a_fix_peer_that_took_nothing_and_vanished_may_log_on_again(venue, calm):
    """With no room for answers nothing is read of him: his end must be noticed by sending."""
    numbers = FixNumbers()
    client = fix_client(venue, "FIRM", numbers=numbers)
    trade(client)
    ask_and_never_read(client, numbers)
    client.close()
    logged_on_again(venue, "FIRM", numbers)


def test_a_fix_peer_that_takes_nothing_and_stays_is_given_up_like_a_silent_one(venue, calm):
    numbers = FixNumbers()
    client = fix_client(venue, "MUTE", numbers=numbers)
    trade(client)
    client.logout(300)
    client = fix_client(venue, "MUTE", heartbeat_s=1, numbers=numbers)
    ask_and_never_read(client, numbers)
    logged_on_again(venue, "MUTE", numbers)
    client.close()


def test_sixty_four_readers_that_do_not_read_are_disconnected_and_recover(venue, calm):
    """Each is as far behind as its socket and its queue hold, and has all of it by number."""
    clients = {n: venue.client(f"R{n}") for n in range(1, MANY + 1)}
    sent, blocked = dict.fromkeys(clients, 0), dict.fromkeys(clients, b"")
    open_ones = set(clients)
    for client in clients.values():
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.socket.setblocking(False)
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
        client.socket.settimeout(300)
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


def test_connections_that_never_log_in_keep_nobody_out(venue, calm):
    """More of them than may wait, from one address, half of them with half a login."""
    crowd = []
    half = soupbin.login_packet(soupbin.LoginRequest("CALM", PASSWORD, "", 1))[:20]
    for number in range(MAX_WAITING + 50):
        one = socket.create_connection(
            ("127.0.0.1", venue.port), timeout=300, source_address=("127.0.0.2", 0)
        )
        if number % 2:
            one.sendall(half)
        crowd.append(one)
    assert venue.client("GUESS", source="127.0.0.3").answer[0] == "A"
    for one in crowd:  # in ten seconds at most
        with contextlib.suppress(ConnectionResetError):
            assert one.recv(100) == b""
        one.close()


def test_a_flood_of_wrong_passwords_locks_out_nobody_elsewhere(venue, calm):
    """The same name is let in from another address while hundreds of guesses are under way."""
    guess = soupbin.login_packet(soupbin.LoginRequest("GUESS", "wrong", "", 1))
    crowd = []
    for _ in range(MAX_WAITING):
        one = socket.create_connection(
            ("127.0.0.1", venue.port), timeout=300, source_address=("127.0.0.2", 0)
        )
        one.sendall(guess)
        crowd.append(one)
    client = venue.client("GUESS", source="127.0.0.3")
    assert client.answer[0] == "A"
    client.close()
    answers = set()
    for one in crowd:
        with contextlib.suppress(ConnectionResetError):
            answers.add(one.recv(100))
        one.close()
    assert answers <= {soupbin.login_rejected("A"), b""}
    refused = Client(venue.port, "GUESS", source="127.0.0.2", wait_s=0)
    assert refused.answer == ("J", b"A"), "locked there"


def test_a_session_that_was_told_nearly_all_of_a_day_enters_no_order_and_loses_no_fill():
    """The rest of its stream is for the orders that it has."""
    rows = [{"name": "FULL", "participant": 1, **KEEP}, {"name": "TWO", "participant": 2, **KEEP}]
    with Venue(rows, durability="none", sizes={"stream_entries": 256}) as venue:
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


def test_a_session_that_takes_all_the_tokens_it_can_leaves_others_theirs():
    """Half of what a day has room for; the other session then has its own half of the rest."""
    rows = [{"name": "FULL", "participant": 1, **KEEP}, {"name": "TWO", "participant": 2, **KEEP}]
    with Venue(rows, durability="none", sizes={"token_capacity": 64}) as venue:
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
