"""Sessions of OUCH 4.2 in one thread: what each is told and what no other is, bytes in any pieces,
faults, and what becomes of the orders of a lost session."""

import pytest

from openoutcry.order_entry import soupbin
from openoutcry.order_entry.spec import CancelOnDisconnect, Takeover
from openoutcry.wire.enums import CommandKind
from openoutcry.wire.messages import OUCH42
from tests.support.order_entry.sessions_venue import DAY, enter
from tests.support.venue.inline import InlineVenue
from tests.support.venue.line import Silence

NONE = CancelOnDisconnect.NONE
SESSIONS = [
    {"name": "ONE", "participant": 1},
    {"name": "TWO", "participant": 2},
    {"name": "KEEP", "participant": 3, "cancel_on_disconnect": int(NONE)},
    {"name": "GONE", "participant": 4, "grace_ms": 50},
    {"name": "PAIR1", "participant": 5},
    {"name": "PAIR2", "participant": 5, "cancel_on_disconnect": int(NONE)},
    {"name": "TAKE", "participant": 10, "takeover": int(Takeover.TAKE_OVER)},
    {"name": "MUTE", "participant": 12, "timeout_ms": 4000, "cancel_on_disconnect": int(NONE)},
    {"name": "OTHER", "participant": 13},
    {"name": "CROWD", "participant": 15},
]


@pytest.fixture
def venue(tmp_path):
    with InlineVenue(SESSIONS, tmp_path / "journal") as venue:
        yield venue


def commands_of(venue, participant):
    """Kinds of what the journal has of a participant."""
    commands = venue.commands()
    return commands["kind"][commands["participant"] == participant].tolist()


def letters(client, count):
    return [client.message()[0] for _ in range(count)]


@pytest.mark.promise(
    "A session receives reports about its own orders only, over any protocol; a drop copy's "
    "session cannot enter orders",
    group="venue",
)
def test_two_participants_trade_and_each_receives_its_own_reports(venue):
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


@pytest.mark.promise(
    "A deposit, a withdrawal and any request of an operator is done once by its reference, "
    "wherever the machine is gone. A repeated token or message is not executed again, also "
    "after all processes were killed",
    group="venue",
)
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


@pytest.mark.promise(
    "Bytes that are not a message end their connection, over OUCH and over FIX. None ends a "
    "process, leaks a descriptor or memory, or changes another session's answers",
    group="venue",
)
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
def test_bytes_that_are_not_a_message_end_only_their_connection(venue, data):
    watching = venue.client("KEEP", sequence=0)
    client = venue.client("OTHER", sequence=0)
    client.socket.sendall(data)
    while client.packet()[0] == "S":  # its orders go with it
        pass
    assert client.packet() == ("", b"")
    watching.enter("w", "B", 1, price=10_000)
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
    client.socket.sendall(
        b"".join(
            soupbin.packet(
                "U",
                replace.pack(
                    token=old,
                    new_token=new,
                    shares=shares,
                    price=10_000,
                    time_in_force=99999,
                    display="Y",
                    iso="N",
                    min_qty=0,
                ),
            )
            for old, new, shares in (
                ("once", "two", 80),
                ("once", "three", 90),
                ("two", "four", 70),
            )
        )
    )
    answers = [client.message() for _ in range(2)]
    assert [(kind, m["token"].strip(), m["shares"]) for kind, m in answers] == [
        ("U", "two", 80),
        ("U", "four", 70),
    ]
    client.cancel("four")
    kind, gone = client.message()
    assert (kind, gone["token"].strip(), gone["shares"]) == ("C", "four", 70)
    client.close()


def test_a_login_for_another_day_or_without_a_login_is_refused(venue):
    assert venue.client("TWO", session="19990101").answer == ("J", b"S")
    assert venue.client("TWO", session=DAY).answer[0] == "A"
    with venue.dial() as raw:
        raw.sendall(soupbin.packet("U", b"no login"))
        assert raw.recv(100) == b""


def test_a_session_that_comes_back_at_once_has_lost_its_orders_where_there_is_no_grace(venue):
    """The stage sees both in one look, as one that had no core for a while."""
    again = venue.client("TAKE")
    for number in range(12):  # three looks of four are at one connection alone
        lost = again
        lost.enter(f"n{number}", "B", 1, price=10_000)
        assert lost.message()[0] == "A"
        lost.socket.end.close()
        again = venue.client("TAKE", sequence=lost.number)
        kind, fields = again.message()
        assert (kind, fields["token"].strip()) == ("C", f"n{number}")


def test_orders_go_with_a_lost_connection_and_stay_after_a_logout(venue):
    gone = venue.client("GONE")
    gone.enter("g1", "B", 5, price=10_000)
    assert letters(gone, 1) == ["A"]
    gone.close()
    venue.clock.advance(0.06)
    assert commands_of(venue, 4)[-1] == CommandKind.DISCONNECT
    again = venue.client("GONE", sequence=2)
    kind, fields = again.message()
    assert (kind, fields["token"].strip(), fields["shares"]) == ("C", "g1", 5)
    again.enter("g2", "B", 5, price=10_000)
    assert letters(again, 1) == ["A"]
    again.socket.sendall(soupbin.LOGOUT_REQUEST)
    assert again.packet() == ("", b"")
    again.close()
    venue.clock.advance(0.2)  # longer than the grace: nothing more comes of it
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
    for batch in range(venue.spec.row_capacity // 100 + 1):
        for index in range(100):
            crowd.enter(f"c{batch}x{index}", "B", 1, price=10_000, time_in_force=0)
        assert letters(crowd, 200) == ["A", "C"] * 100
    crowd.close()
    lost.close()
    venue.clock.advance(0.1)
    assert commands_of(venue, 5).count(CommandKind.CANCEL) == 3
    again = venue.client("PAIR1", sequence=4)
    assert letters(again, 3) == ["C"] * 3
    kept.cancel("k")
    assert kept.message()[1]["reason"] == "U"
    for client in (again, kept):
        client.close()


def test_a_silent_client_is_gone_and_a_heartbeat_keeps_it(venue):
    mute = venue.client("MUTE")
    for _ in range(25):
        venue.clock.advance(3.9)
        mute.socket.sendall(soupbin.CLIENT_HEARTBEAT)
        venue.step()
    mute.enter("m", "B", 1, price=10_000)
    assert mute.message()[0] == "A"
    venue.clock.advance(3.99)
    with pytest.raises(Silence):
        mute.packet()
    venue.clock.advance(0.02)
    assert mute.packet() == ("", b""), "after 4 s without a word"


def test_a_venue_says_something_each_second(venue):
    client = venue.client("ONE")
    for _ in range(3):
        venue.clock.advance(1)
        assert client.socket.recv(100) == b"\x00\x01H"
