"""Participants trade over OUCH 4.2 on real sockets with a pipeline in processes of its own: logins,
what each is told and what nobody else is, bytes in any pieces, faults, throttles, lost connections,
readers that do not read."""

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sessions_venue import SMALL, Client, Venue, enter, stage_pid

from openoutcry.client import ClientError, OuchClient
from openoutcry.console.screen.trader import connect
from openoutcry.journal import JournalReader
from openoutcry.order_entry import soupbin
from openoutcry.order_entry.spec import (
    CancelOnDisconnect,
    PortSpec,
    Protocol,
    Takeover,
    ThrottlePolicy,
)
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind
from openoutcry.wire.messages import OUCH42

ALL, NONE, DAY = CancelOnDisconnect.ALL, CancelOnDisconnect.NONE, CancelOnDisconnect.DAY
SESSIONS = [
    {"name": "ONE", "participant": 1},
    {"name": "TWO", "participant": 2},
    {"name": "KEEP", "participant": 3, "cancel_on_disconnect": int(NONE)},
    {"name": "GONE", "participant": 4, "grace_ms": 50},
    {"name": "PAIR1", "participant": 5},
    {"name": "PAIR2", "participant": 5, "cancel_on_disconnect": int(NONE)},
    {"name": "SLOW", "participant": 6, "queue_bytes": 1 << 14},
    {"name": "FAST", "participant": 7, "throttle_per_s": 1, "throttle_burst": 3},
    {"name": "WAIT", "participant": 8, "throttle_per_s": 50, "throttle_burst": 2,
     "throttle_policy": int(ThrottlePolicy.QUEUE)},
    {"name": "FEW", "participant": 9, "max_open_orders": 2},
    {"name": "TAKE", "participant": 10, "takeover": int(Takeover.TAKE_OVER)},
    {"name": "FAR", "participant": 11, "networks": ["10.0.0.0/8"]},
    {"name": "MUTE", "participant": 12, "timeout_ms": 4000, "cancel_on_disconnect": int(NONE)},
    {"name": "OTHER", "participant": 13},
    {"name": "LOCK", "participant": 14},
    {"name": "CROWD", "participant": 15},
]  # fmt: skip


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    with Venue(SESSIONS, tmp_path_factory.mktemp("sessions") / "journal") as venue:
        yield venue


def wait_for(venue, participant, kind, count):
    """Until the journal has so many commands of that kind and participant."""
    until = time.monotonic() + 300
    while time.monotonic() < until:
        chunks = [orders for _, orders in JournalReader(venue.document["journal"]).chunks()]
        commands = np.concatenate([np.zeros(0, ORDER_DTYPE), *chunks])
        mine = commands[(commands["participant"] == participant) & (commands["kind"] == kind)]
        if len(mine) >= count:
            return
        time.sleep(0.02)
    raise AssertionError(f"no {count} x {kind!r} of participant {participant}")


def letters(client, count):
    return [client.message()[0] for _ in range(count)]


def test_two_participants_trade_and_each_is_told_his_own(venue):
    one, two = venue.client("ONE"), venue.client("two")
    other = venue.client("OTHER")
    one.enter("a1", "B", 100)
    assert one.message()[1]["token"] == "a1".ljust(14)
    two.enter("b1", "S", 40)
    assert letters(two, 2) == ["A", "E"]
    kind, fill = one.message()
    assert (kind, fill["token"].strip(), fill["shares"], fill["liquidity"]) == ("E", "a1", 40, "A")
    one.replace("a1", "a2", 90, 1_010_000)
    kind, replaced = one.message()
    assert (kind, replaced["shares"], replaced["previous_token"].strip()) == ("U", 50, "a1")
    one.cancel("a2", 60)
    kind, part = one.message()
    assert (kind, part["shares"]) == ("C", 30)
    one.cancel("a1")  # a token that was replaced names nothing any more
    one.cancel("a2")
    kind, rest = one.message()
    assert (kind, rest["token"].strip(), rest["shares"]) == ("C", "a2", 20)
    other.enter("c1", "B", 1, price=10_000)
    assert letters(other, 1) == ["A"], "and nothing of what the others were told"
    for client in (one, two, other):
        client.close()


def test_a_stream_is_recovered_from_any_number(venue):
    first = venue.client("ONE")
    for index in range(5):
        first.enter(f"r{index}", "B", 1, price=20_000)
    next_number = first.number
    while not first.messages or not first.messages[-1][9:].startswith(b"r4"):
        first.message()
    first.close()
    again = venue.client("ONE")
    every = [again.packet()[1] for _ in range(first.number - 1)]
    assert every[next_number - 1 :] == first.messages[next_number - 1 :]
    assert every[: len(first.messages)] == first.messages
    again.close()
    later = venue.client("ONE", sequence=4)
    assert later.number == 4
    assert later.packet()[1] == every[3]
    later.close()
    newest = venue.client("ONE", sequence=0)
    newest.enter("r9", "B", 1, price=20_000)
    while newest.packet()[1][9:11] != b"r9":
        pass
    newest.close()


def test_bytes_may_come_in_any_pieces_and_many_at_once(venue):
    client = venue.client("KEEP")
    packets = [
        soupbin.packet("U", enter(f"p{index}", "B", 1, "ACME", 10_000)) for index in range(300)
    ]
    for byte in b"".join(packets[:3]):
        client.socket.sendall(bytes([byte]))
    client.socket.sendall(soupbin.CLIENT_HEARTBEAT.join(packets[3:]))
    tokens = [client.message()[1]["token"].strip() for _ in range(300)]
    assert tokens == [f"p{index}" for index in range(300)]
    client.close()


def test_a_token_that_is_taken_is_ignored_also_after_its_order_is_gone(venue):
    client = venue.client("KEEP", sequence=0)
    client.enter("t1", "B", 5, price=10_000)
    client.enter("t1", "B", 6, price=10_000)
    client.cancel("t1")
    assert letters(client, 2) == ["A", "C"]
    client.enter("t1", "B", 7, price=10_000)
    client.enter("t2", "B", 8, price=10_000)
    kind, fields = client.message()
    assert (kind, fields["token"].strip(), fields["shares"]) == ("A", "t2", 8)
    client.close()


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xffU" + b"x" * 5000,  # oversize
        b"\x00\x00",
        soupbin.packet("U", b"Q" + b"x" * 30),
        soupbin.packet("U", enter("z", "B", 1, "ACME", 1)[:-1]),
        soupbin.packet("Y"),
    ],
)
def test_what_is_no_message_ends_the_connection_and_harms_nobody(venue, data):
    watching = venue.client("KEEP", sequence=0)
    client = venue.client("OTHER", sequence=0)
    client.socket.sendall(data)
    while client.packet()[0] == "S":  # its orders go with it
        pass
    assert client.packet() == ("", b"")
    watching.enter(f"w{time.monotonic_ns() % 10**10}", "B", 1, price=10_000)
    assert watching.message()[0] == "A"
    watching.close()


def test_refused_messages_have_their_place_in_the_stream(venue):
    client = venue.client("OTHER", sequence=0)
    client.enter("y1", "B", 1, symbol="NOBODY")
    kind, fields = client.message()
    assert (kind, fields["token"].strip(), fields["reason"]) == ("J", "y1", "S")
    client.enter("y2", "B", 0)
    assert client.message()[1]["reason"] == "Z"
    number = client.number
    client.close()
    again = venue.client("OTHER", sequence=number - 2)
    assert again.message()[1]["token"].strip() == "y1"
    again.close()


def test_a_name_that_is_being_replaced_is_replaced_once(venue):
    """The second replace names an order that is gone once the first is accepted: it is ignored."""
    client = venue.client("OTHER", sequence=0)
    client.enter("once", shares=100, price=10_000)
    assert client.message()[0] == "A"
    replace = OUCH42.from_client("U")
    client.socket.sendall(b"".join(
        soupbin.packet("U", replace.pack(
            token=old, new_token=new, shares=shares, price=10_000, time_in_force=99999,
            display="Y", iso="N", min_qty=0,
        ))
        for old, new, shares in (("once", "two", 80), ("once", "three", 90), ("two", "four", 70))
    ))  # fmt: skip
    answers = [client.message() for _ in range(2)]
    assert [(kind, m["token"].strip(), m["shares"]) for kind, m in answers] == [
        ("U", "two", 80), ("U", "four", 70),
    ]  # fmt: skip
    client.cancel("four")
    kind, gone = client.message()
    assert (kind, gone["token"].strip(), gone["shares"]) == ("C", "four", 70)
    client.close()


def test_failed_logins_lock_a_session_out_for_the_address_they_came_from(venue):
    """The right password is refused then, but not from elsewhere: nobody locks out another."""
    for _ in range(5):
        assert venue.client("LOCK", password="wrong", source="127.0.0.2").answer == ("J", b"A")
    assert venue.client("LOCK", source="127.0.0.2").answer == ("J", b"A")
    assert venue.client("LOCK", source="127.0.0.3").answer[0] == "A"
    assert venue.client("KEEP", source="127.0.0.2").answer[0] == "A", "another session"


def test_logins_that_are_refused(venue):
    assert venue.client("ONE", password="wrong").answer == ("J", b"A")
    assert venue.client("NOBODY").answer == ("J", b"A")
    assert venue.client("FAR").answer == ("J", b"A"), "from an address that is not allowed"
    assert venue.client("TWO", session="19990101", wait_s=1).answer == ("J", b"S")
    two = venue.client("TWO")
    assert venue.client("TWO", wait_s=0.5).answer == ("J", b"S"), "one connection a session"
    two.close()
    with socket.create_connection(("127.0.0.1", venue.port), timeout=300) as raw:
        raw.sendall(soupbin.packet("U", b"no login"))
        assert raw.recv(100) == b""


def test_a_second_login_takes_over_where_that_is_the_policy(venue):
    first = venue.client("TAKE")
    second = venue.client("TAKE")
    assert second.answer[0] == "A"
    assert first.packet() == ("", b"")
    second.enter("k1", "B", 1, price=10_000)
    second.cancel("k1")  # of an order that is left, the next login of TAKE would be told
    assert letters(second, 2) == ["A", "C"]
    second.close()


def test_who_comes_back_at_once_has_lost_his_orders_where_there_is_no_grace(venue):
    """The stage sees both in one look, as one that had no core for a while."""
    again, stage = venue.client("TAKE", sequence=0), stage_pid(venue)
    for number in range(12):  # three looks of four are at one connection alone
        lost = again
        lost.enter(f"n{number}", "B", 1, price=10_000)
        assert lost.message()[0] == "A"
        os.kill(stage, signal.SIGSTOP)
        lost.close()
        with ThreadPoolExecutor(1) as pool:
            login = pool.submit(venue.client, "TAKE", sequence=lost.number)
            time.sleep(0.2)
            os.kill(stage, signal.SIGCONT)
            again = login.result()
        kind, fields = again.message()
        assert (kind, fields["token"].strip()) == ("C", f"n{number}")
    again.close()


def test_orders_go_with_a_lost_connection_and_stay_after_a_logout(venue):
    gone = venue.client("GONE")
    gone.enter("g1", "B", 5, price=10_000)
    assert letters(gone, 1) == ["A"]
    gone.close()
    wait_for(venue, 4, CommandKind.DISCONNECT, 1)
    again = venue.client("GONE", sequence=2)
    kind, fields = again.message()
    assert (kind, fields["token"].strip(), fields["shares"]) == ("C", "g1", 5)
    again.enter("g2", "B", 5, price=10_000)
    assert letters(again, 1) == ["A"]
    again.socket.sendall(soupbin.LOGOUT_REQUEST)
    assert again.packet() == ("", b"")
    again.close()
    time.sleep(0.2)  # longer than the grace: nothing more comes of it
    third = venue.client("GONE", sequence=4)
    third.cancel("g2")
    kind, fields = third.message()
    assert (kind, fields["reason"]) == ("C", "U"), "it was still there"
    third.close()


def test_of_a_participants_two_sessions_only_the_lost_ones_orders_go(venue):
    lost, kept = venue.client("PAIR1"), venue.client("PAIR2")
    for index in range(3):
        lost.enter(f"l{index}", "B", 1, price=10_000)
    kept.enter("k", "B", 1, price=10_000)
    assert letters(lost, 3) == ["A"] * 3
    assert letters(kept, 1) == ["A"]
    # However many orders came behind them: there are more now than rows.
    crowd = venue.client("CROWD")
    for batch in range(SMALL["row_capacity"] // 100 + 1):
        for index in range(100):
            crowd.enter(f"c{batch}x{index}", "B", 1, price=10_000, time_in_force=0)
        assert letters(crowd, 200) == ["A", "C"] * 100
    crowd.close()
    lost.close()
    wait_for(venue, 5, CommandKind.CANCEL, 3)
    again = venue.client("PAIR1", sequence=4)
    assert letters(again, 3) == ["C"] * 3
    kept.cancel("k")
    assert kept.message()[1]["reason"] == "U"
    for client in (again, kept):
        client.close()


def test_a_throttle_rejects_or_lets_wait(venue):
    fast = venue.client("FAST")
    orders = [enter(f"f{index}", "B", 1, "ACME", 10_000) for index in range(6)]
    fast.socket.sendall(b"".join(soupbin.packet("U", one) for one in orders))
    answers = letters(fast, 6)
    assert answers[:3] == ["A"] * 3
    assert "J" in answers
    waiting = venue.client("WAIT")
    for index in range(20):
        waiting.enter(f"q{index}", "B", 1, price=10_000)
    assert letters(waiting, 20) == ["A"] * 20
    stamps = [int.from_bytes(message[1:9], "big") for message in waiting.messages]
    assert stamps[-1] - stamps[0] > 17 * 1_000_000_000 // 50
    few = venue.client("FEW")
    for index in range(3):
        few.enter(f"e{index}", "B", 1, price=10_000)
    assert letters(few, 3) == ["A", "A", "J"]
    few.cancel("e0")
    assert letters(few, 1) == ["C"]
    few.enter("e4", "B", 1, price=10_000)
    assert letters(few, 1) == ["A"]
    for client in (fast, waiting, few):
        client.close()


def test_a_silent_client_is_gone_and_a_heartbeat_keeps_it(venue):
    while True:
        mute = venue.client("MUTE", sequence=0)
        last_s = time.monotonic()
        pauses_s = []
        with contextlib.suppress(ConnectionError):
            for _ in range(25):
                time.sleep(0.2)
                mute.socket.sendall(soupbin.CLIENT_HEARTBEAT)
                pauses_s.append(time.monotonic() - last_s)
                last_s = time.monotonic()
            mute.enter("m", "B", 1, price=10_000)
        kind = mute.packet()[0]
        # A busy machine may have kept us from saying it in time.
        if kind == "S" or max(pauses_s) < 2:
            break
        mute.close()
    assert kind == "S"
    assert mute.packet() == ("", b""), "after 4 s without a word"


def test_a_reader_that_does_not_read_is_disconnected_and_recovers(venue):
    """Its orders are traded against until neither socket nor queue holds what it is told."""
    slow, fast = venue.client("SLOW"), venue.client("TWO", sequence=0)
    slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    number, total = 0, 400_000
    for begin in range(0, total, 1000):
        batch = [
            enter(f"s{begin + i}", "B", 1, "BOLT", 10_000, time_in_force=0) for i in range(1000)
        ]
        try:
            slow.socket.sendall(b"".join(soupbin.packet("U", one) for one in batch))
        except OSError:
            break  # it was disconnected
        fast.enter(f"v{begin}", "B", 1, price=10_000, time_in_force=0)
        assert letters(fast, 2) == ["A", "C"], "nobody else waits"
    else:
        pytest.fail("never disconnected")
    while slow.packet()[0] == "S":
        number += 1
    again = venue.client("SLOW", sequence=number + 1)
    assert again.number == number + 1
    kinds = {again.message()[0] for _ in range(50)}
    assert kinds <= {"A", "C"}
    for client in (again, fast):
        client.close()


def test_tls_is_relayed(tmp_path):
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=venue", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    with Venue(SESSIONS[:2], tls=[str(certificate), str(key)], durability="none") as venue:
        context = ssl.create_default_context(cafile=str(certificate))
        context.check_hostname = False
        client = Client(venue.port, "ONE", tls=context)
        client.enter("a1", "B", 1)
        assert client.message()[0] == "A"
        client.close()
        # The client library's; and the screen's, which trusts the port's certificate alone.
        where = "127.0.0.1", venue.port
        with OuchClient(*where, "TWO", "secret", tls=context) as other:
            other.buy("ACME", 1, "1.00", name="b1")
            assert other.next().kind == "A"
        port = PortSpec(Protocol.OUCH42, *where, certificate, key)
        with connect(port, "TWO", "secret", "", 1) as other:
            assert other.next()["token"] == "b1"
        foreign = tmp_path / "foreign.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=venue",
             "-keyout", tmp_path / "f.pem", "-out", foreign],
            check=True, capture_output=True,
        )  # fmt: skip
        with pytest.raises(ClientError, match="CERTIFICATE_VERIFY_FAILED"):
            connect(PortSpec(Protocol.OUCH42, *where, foreign, key), "TWO", "secret", "", 1)
