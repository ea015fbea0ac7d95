"""FIX 4.4 in one thread: what each session is told, what is sent again, numbers, and bytes that are
no FIX."""

import contextlib
import random
import socket

import pytest

from openoutcry.client import ClientError, FixNumbers
from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol, ThrottlePolicy
from openoutcry.wire.enums import CommandKind
from tests.oracles.order_entry import fix as reference
from tests.support.order_entry.sessions_clients import fields_of, take
from tests.support.order_entry.sessions_venue import PASSWORD
from tests.support.venue.clients import utc_text
from tests.support.venue.inline import InlineVenue

FIX = int(Protocol.FIX44)
NONE = int(CancelOnDisconnect.NONE)
NAMES = {
    "FIRM": 1,
    "OTHER": 2,
    "KEEP": 3,
    "LATE": 4,
    "NEXT": 5,
    "MANY": 7,
    "SOME": 13,
    "GONE": 14,
    "FAST": 9,
    "STALE": 17,
}
MORE = {
    "KEEP": {"cancel_on_disconnect": NONE},
    "LATE": {"cancel_on_disconnect": NONE},
    "NEXT": {"cancel_on_disconnect": NONE},
    "MANY": {"cancel_on_disconnect": NONE},
    "SOME": {"cancel_on_disconnect": NONE},
    "FAST": {"throttle_per_s": 1, "throttle_burst": 3},
    "STALE": {
        "throttle_per_s": 5,
        "throttle_burst": 1,
        "throttle_policy": int(ThrottlePolicy.QUEUE),
    },
}
SESSIONS = [
    {"name": name, "participant": number, "protocol": FIX, **MORE.get(name, {})}
    for name, number in NAMES.items()
] + [{"name": "OUCH", "participant": 15}]


@pytest.fixture
def venue(tmp_path):
    with InlineVenue(SESSIONS, tmp_path / "journal") as venue:
        yield venue


def connect(venue, name="FIRM", **options):
    return venue.fix(name, **options)


def refused(venue, name="FIRM", **options):
    """Whether the door stays shut, without a word."""
    try:
        venue.fix(name, **options).close()
    except ClientError as error:
        return "closed the connection" in str(error)
    return False


def raw_connection(venue, name, numbered):
    """A socket, and messages of a client of that name that are numbered by hand."""
    connection = venue.dial(Protocol.FIX44)
    data = b"".join(
        reference.message(
            [(35, kind), (34, str(n)), (49, name), (52, utc_text(venue)), (56, "OUTCRY"), *fields]
        )
        for n, kind, fields in numbered
    )
    return connection, data


def order(venue, name, **more):
    fields = {11: name, 55: "ACME", 54: "1", 38: "5", 40: "2", 44: "1.00", 60: utc_text(venue)}
    return list((fields | {int(tag[1:]): value for tag, value in more.items()}).items())


def answers(connection, kind):
    """Messages until one of that type has come."""
    data = b""
    while b"\x0135=%s\x01" % kind not in data or data[-8:-4] != b"\x0110=":
        more = connection.recv(1 << 16)
        assert more, data
        data += more
    parts = data.split(b"8=FIX.4.4\x01")[1:]
    return [reference.parse(b"8=FIX.4.4\x01" + part)[0] for part in parts]


@pytest.mark.promise(
    "A session receives reports about its own orders only, over any protocol; a drop copy's "
    "session cannot enter orders",
    group="venue",
)
def test_two_participants_trade_and_each_receives_its_own_reports(venue):
    with connect(venue, prefix="A") as one, connect(venue, "OTHER", prefix="B") as two:
        first = one.buy("ACME", 100, "12.34", t1="ACCOUNT")
        (accepted,) = take(one, 1)
        assert (accepted.kind, accepted[150], accepted[39], accepted[11]) == ("8", "0", "0", first)
        assert (accepted[1], accepted[151], accepted[44]) == ("ACCOUNT", "100", "12.3400")
        two.sell("ACME", 40, "12.34")
        assert fields_of(two, 2, 150, 39, 32) == [("0", "0", ""), ("F", "2", "40")]
        assert fields_of(one, 1, 150, 39, 14, 151, 6) == [("F", "1", "40", "60", "12.3400")]
        second = one.replace(first, "ACME", "1", 90, "12.40")
        assert fields_of(one, 1, 150, 11, 41, 38, 151) == [("5", second, first, "90", "50")]
        one.cancel(first, "ACME", "1")
        assert fields_of(one, 1, 434, 102, 39) == [("1", "0", "1")], "it goes by another name"
        one.status(second, "ACME", "1")
        assert fields_of(one, 1, 150, 39, 14, 151) == [("I", "1", "40", "50")]
        one.status(first, "ACME", "1")
        assert fields_of(one, 1, 11, 41, 39, 14, 151) == [(second, first, "1", "40", "50")]
        third = one.sell("BOLT", 7, "99")
        assert fields_of(one, 1, 150) == [("0",)]
        request = one.mass_status()
        assert fields_of(one, 2, 11, 584, 911, 912) == [
            (second, request, "2", ""),
            (third, request, "2", "Y"),
        ]
        cancel = one.cancel(second, "ACME", "1")
        assert fields_of(one, 1, 150, 39, 11, 41) == [("4", "4", cancel, second)]
        mass = one.mass_cancel()
        assert fields_of(one, 2, 35, 150, 533, 11) == [("8", "4", "", third), ("r", "", "1", mass)]
        one.mass_status()
        assert fields_of(one, 1, 39, 911, 912) == [("8", "0", "Y")]
        one.cancel("NEVER", "ACME", "1")
        assert fields_of(one, 1, 35, 102, 37) == [("9", "1", "NONE")]
        one.enter("1", "NOPE", 5, "1")
        assert fields_of(one, 1, 39, 103, 55) == [("8", "1", "NOPE")]
        one.enter("1", "ACME", 5, "1", name=first)
        assert fields_of(one, 1, 39, 103) == [("8", "6")]
        one.enter("1", "ACME", 5, "1", name=third, t97="Y")
        assert fields_of(one, 1, 150, 39) == [("I", "4")], "a possible resend of what there was"
        one.enter("1", "ACME", 5, "1", name=first, t97="Y")
        assert fields_of(one, 1, 39, 14, 151) == [("4", "40", "0")], "of all its names"
        bad = one.enter("1", "ACME", 5, "-1")
        assert fields_of(one, 1, 150, 39) == [("8", "8")]
        one.status(bad, "ACME", "1")
        assert fields_of(one, 1, 150, 39, 151) == [("I", "8", "0")]
        one.enter("1", "ACME", 5, "-1", name=bad, t97="Y")
        assert fields_of(one, 1, 150, 39, 151) == [("I", "8", "0")]
        one.cancel(bad, "ACME", "1")
        assert fields_of(one, 1, 35, 39) == [("9", "8")]
        good = one.enter("1", "ACME", 5, "1")
        assert fields_of(one, 1, 150) == [("0",)]
        worse = one.replace(good, "ACME", "1", 9, "-1")
        assert fields_of(one, 1, 35, 39) == [("9", "0")]
        one.status(worse, "ACME", "1")
        assert fields_of(one, 1, 39, 103, 37) == [("8", "5", "NONE")], "it never was"
        one.status(good, "ACME", "1")
        assert fields_of(one, 1, 11, 41, 39, 151) == [(good, "", "0", "5")]
        one.cancel(good, "ACME", "1")
        assert fields_of(one, 1, 150) == [("4",)]
        one.send("D", ((11, "X1"),))
        assert fields_of(one, 1, 35, 371, 373) == [("3", "55", "1")]
        one.send("j", ((45, "1"), (372, "8"), (380, "5")))  # taken without a word
        one.send("V", ((262, "R"),))
        assert fields_of(one, 1, 35, 372, 380) == [("j", "V", "3")]


def test_every_report_has_a_separate_exec_id(venue):
    """A client that drops what it has had by ExecID loses no fill: commands and events are counted
    by numbers of their own, and one event has all answers to a mass status request."""
    with connect(venue, prefix="I") as one, connect(venue, "OTHER", prefix="J") as two:
        names = [one.buy("ACME", 10, "3") for _ in range(5)]
        for _ in range(5):
            two.sell("ACME", 2, "3", ioc=True)
        assert fields_of(two, 10, 150) == [("0",), ("F",)] * 5
        messages = take(one, 10)
        for number in range(30):
            one.enter("1", "NOPE", 5, "1", name=f"X{number}")
        one.mass_status()
        one.status(names[4], "ACME", "1")
        messages += take(one, 30 + 4 + 1)
        one.mass_cancel()
        messages += take(one, 4 + 1)
        for _ in range(2):
            one.mass_status()
        messages += take(one, 2)
        exec_ids = [message[17] for message in messages if message.kind == "8"]
        assert len(exec_ids) == len(messages) - 1
        assert len(set(exec_ids)) == len(exec_ids)


def test_of_two_replaces_of_one_name_the_second_is_refused(venue):
    """Its quantity would count from an order that the first one has made another."""
    with connect(venue, prefix="R") as one:
        first = one.buy("ACME", 100, "3")
        assert fields_of(one, 1, 150) == [("0",)]
        replaces = [(2, "80"), (3, "90")]
        fields = [order(venue, f"NEW{n}", t38=qty, t44="3.00", t41=first) for n, qty in replaces]
        seq = one.numbers.next_out
        head = [(49, "FIRM"), (52, utc_text(venue)), (56, "OUTCRY")]
        one.socket.sendall(
            b"".join(
                reference.message([(35, "G"), (34, str(seq + n)), *head, *more])
                for n, more in enumerate(fields)
            )
        )
        one.numbers.next_out += 2
        answers = {message.kind: message for message in take(one, 2)}
        assert (answers["8"][150], answers["8"][11], answers["8"][151]) == ("5", "NEW2", "80")
        refused = answers["9"]
        assert (refused[11], refused[41], refused[434]) == ("NEW3", first, "2")
        assert refused[102] in ("3", "0"), "under way, or done meanwhile"
        one.cancel("NEW2", "ACME", "1")
        assert fields_of(one, 1, 150, 38) == [("4", "80")]


@pytest.mark.promise(
    "Connections that never log in, and floods of wrong passwords, neither delay nor lock out"
    " clients at other addresses. The answer to a rejected login reveals neither whether the "
    "name exists nor whether the password was right",
    group="venue",
)
def test_logons_that_are_refused_get_no_word(venue):
    assert refused(venue, password="wrong")
    assert refused(venue, name="NOBODY")
    assert refused(venue, name="firm"), "a CompID is the same letter for letter"
    assert refused(venue, name="OUCH"), "the session of another port"
    assert refused(venue, target="ELSEWHERE")
    with connect(venue, "GONE"):
        assert refused(venue, "GONE"), "one connection a session"
    connection, data = raw_connection(venue, "FIRM", [(1, "D", order(venue, "N"))])
    with connection:
        connection.sendall(data)
        assert connection.recv(100) == b""


def test_numbers_continue_over_connections_and_what_was_missed_comes(venue):
    first = connect(venue, "KEEP", prefix="K")
    name = first.buy("ACME", 10, "2")
    take(first, 1)
    first.close()
    with connect(venue, "OTHER", prefix="KO") as other:
        other.sell("ACME", 4, "2")
        assert fields_of(other, 2, 150) == [("0",), ("F",)]
    again = connect(venue, "KEEP", numbers=first.numbers)
    assert fields_of(again, 1, 150, 11, 32) == [("F", name, "4")]
    wanted = again.numbers.next_in
    again.ask_again(1)
    assert fields_of(again, 2, 43, 150) == [("Y", "0"), ("Y", "F")]
    assert again.numbers.next_in == wanted
    again.logout()
    third = connect(venue, "KEEP", numbers=again.numbers, next_expected=True)
    third.cancel(name, "ACME", "1")
    assert fields_of(third, 1, 150) == [("4",)]
    third.logout()


def test_next_expected_number_brings_what_was_missed_without_a_question(venue):
    first = connect(venue, "NEXT", prefix="N")
    for _ in range(5):
        first.buy("ACME", 1, "0.50")
    take(first, 5)
    first.logout()
    numbers = FixNumbers(next_out=first.numbers.next_out, next_in=3)
    again = connect(venue, "NEXT", numbers=numbers, next_expected=True)
    assert fields_of(again, 4, 34, 43, 11) == [(str(n), "Y", f"N{n - 1}") for n in range(3, 7)]
    again.mass_cancel()
    assert fields_of(again, 6, 35) == [("8",)] * 5 + [("r",)]
    assert again.numbers.next_out == numbers.next_out
    again.logout()
    ahead = FixNumbers(next_out=again.numbers.next_out, next_in=1000)
    with pytest.raises(ClientError, match="NextExpectedMsgSeqNum too high"):
        connect(venue, "NEXT", numbers=ahead, next_expected=True)


def test_a_number_that_is_too_low_ends_the_connection(venue):
    first = connect(venue, "LATE")
    first.buy("ACME", 1, "0.50")
    take(first, 1)
    first.logout()
    with pytest.raises(ClientError, match="MsgSeqNum too low, expecting 4 but received"):
        connect(venue, "LATE", numbers=FixNumbers())
    with connect(venue, "LATE") as again:  # with ResetSeqNumFlag
        again.mass_status()
        assert fields_of(again, 1, 34, 911) == [("2", "1")]


def test_early_messages_are_kept_and_the_rest_is_requested_again(venue):
    """Numbers 3 to 202 come, then 2: 64 of them were kept, the others are sent again; each order
    stands in the book once."""
    orders = [(n, "D", order(venue, f"Q{n}")) for n in range(2, 203)]
    connection, logon = raw_connection(
        venue, "MANY", [(1, "A", [(98, "0"), (108, "60"), (554, PASSWORD)])]
    )
    _, ahead = raw_connection(venue, "MANY", orders[1:])
    with connection:
        connection.sendall(logon + ahead)
        resend_request = answers(connection, b"2")[-1]
        assert (resend_request[7], resend_request[16]) == ("2", "0")
        repeated = (43, "Y"), (122, utc_text(venue))
        again = [(n, kind, [*repeated, *fields]) for n, kind, fields in orders]
        _, data = raw_connection(venue, "MANY", again)
        connection.sendall(data)
        names = []
        while len(names) < 201:
            names += [m[11] for m in answers(connection, b"8") if m[35] == "8" and 11 in m]
    assert sorted(names) == sorted(f"Q{n}" for n in range(2, 203))


def test_a_large_resend_comes_whole_and_in_order(venue):
    numbers = None
    client = connect(venue, "MANY", numbers=numbers)
    for n in range(1500):
        client.enter("1", "BOLT", 1, "0.25", name=f"L{n}", ioc=True)
    got = take(client, 3000)
    client.ask_again(1)
    again = take(client, 3000)
    assert [m[43] for m in again] == ["Y"] * 3000
    assert [body(m) for m in again] == [body(m) for m in got]
    assert [m[122] for m in again] == [m[52] for m in got]
    client.logout()


def kinds_of(venue, name):
    """Kinds of the commands that the journal has of the session's participant."""
    commands = venue.commands()
    return commands["kind"][commands["participant"] == NAMES[name]].tolist()


def body(message):
    """Everything but what each sending decides."""
    return [pair for pair in message.fields if pair[0] not in (9, 10, 43, 52, 122)]


def test_orders_go_with_a_lost_connection_and_stay_after_a_logout(venue):
    gone = connect(venue, "GONE", prefix="G")
    name = gone.buy("ACME", 5, "1")
    take(gone, 1)
    gone.close()
    assert kinds_of(venue, "GONE")[-1] == CommandKind.DISCONNECT
    again = connect(venue, "GONE", numbers=gone.numbers)
    assert fields_of(again, 1, 150, 11) == [("4", name)]
    kept = again.buy("ACME", 5, "1")
    assert fields_of(again, 1, 150, 11) == [("0", kept)]
    again.logout()
    third = connect(venue, "GONE", numbers=again.numbers)
    third.cancel(kept, "ACME", "1")
    cancelled = ("4", "The participant cancelled the order")
    assert fields_of(third, 1, 150, 58) == [cancelled], "it was still there"
    third.logout()


def test_an_order_may_ask_to_go_with_its_connection(venue):
    """ExecInst o, where the session's orders stay."""
    first = connect(venue, "SOME", prefix="S")
    goes, stays = first.buy("ACME", 5, "1", t18="o"), first.buy("ACME", 6, "1")
    take(first, 2)
    first.close()
    venue.clock.advance(0.1)
    assert kinds_of(venue, "SOME")[-1] == CommandKind.CANCEL
    again = connect(venue, "SOME", numbers=first.numbers)
    assert fields_of(again, 1, 150, 11) == [("4", goes)]
    again.status(stays, "ACME", "1")
    assert fields_of(again, 1, 11, 39) == [(stays, "0")]
    again.mass_cancel()
    assert fields_of(again, 2, 35) == [("8",), ("r",)]
    again.logout()


def test_what_is_beyond_the_rate_is_refused_by_name(venue):
    fast = connect(venue, "FAST")
    venue.clock.advance(3)
    for _ in range(6):
        fast.buy("ACME", 1, "1")
    assert (
        fields_of(fast, 6, 39, 58)
        == [("0", "")] * 3 + [("8", "The session sends too many messages")] * 3
    )


def test_what_waited_for_its_turn_is_not_taken_for_an_old_message(venue):
    """The messages are two minutes old, but for three seconds, when they are sent; the last one
    waits for six."""
    logon = [(98, "0"), (108, "600"), (141, "Y"), (554, PASSWORD)]
    connection, data = raw_connection(venue, "STALE", [(1, "A", logon)])
    connection.sendall(data)
    answers(connection, b"A")
    sent_at = utc_text(venue)
    venue.clock.advance(117, tick_s=10)
    head = [(35, "D"), (49, "STALE"), (52, sent_at), (56, "OUTCRY")]
    orders = [[*head, (34, str(n)), *order(venue, f"S{n}")] for n in range(2, 32)]
    connection.sendall(b"".join(map(reference.message, orders)))
    connection.patience_s, came = 1, b""
    while came.count(b"\x01150=0\x01") < 30:
        came += connection.recv(1 << 16)
    connection.close()


@pytest.mark.promise(
    "Bytes that are not a message end their connection, over OUCH and over FIX. None ends a "
    "process, leaks a descriptor or memory, or changes another session's answers",
    group="venue",
)
def test_bytes_that_are_not_fix_harm_no_other_session(venue):
    """Rubbish before and behind the Logon, split anywhere: others trade on, and what is whole in
    it is understood."""
    rng = random.Random(17)
    head = [(35, "0"), (34, "9"), (49, "FIRM"), (52, utc_text(venue)), (56, "OUTCRY")]
    good = [reference.message(head)]
    with connect(venue, "OTHER", prefix="Z") as watching:
        for attempt in range(40):
            connection, logon = raw_connection(
                venue,
                "FIRM",
                [(1, "A", [(98, "0"), (108, "60"), (554, PASSWORD), (141, "Y")])],
            )
            junk = bytearray(b"".join(rng.choice(good) for _ in range(20)) + rng.randbytes(2000))
            for _ in range(rng.randint(1, 50)):
                junk[rng.randrange(len(junk))] = rng.randrange(256)
            with connection, contextlib.suppress(OSError):
                connection.sendall((b"" if attempt % 4 == 0 else logon) + bytes(junk))
                connection.end.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):
                    pass
            watching.enter("1", "BOLT", 1, "0.01", ioc=True)
            assert fields_of(watching, 2, 150) == [("0",), ("4",)]
    with connect(venue, prefix="Y") as firm:
        firm.buy("ACME", 1, "1")
        assert fields_of(firm, 1, 150) == [("0",)]


def test_simplefix_and_the_venue_read_each_other(venue):
    simplefix = pytest.importorskip("simplefix")
    connection = venue.dial(Protocol.FIX44)
    parser, messages = simplefix.FixParser(), []
    with connection:
        for number, kind, fields in (
            (1, "A", [(98, 0), (108, 30), (141, "Y"), (554, PASSWORD)]),
            (2, "D", order(venue, "SF1")),
            (3, "1", [(112, "HELLO")]),
        ):
            message = simplefix.FixMessage()
            message.append_pair(8, "FIX.4.4", header=True)
            message.append_pair(35, kind, header=True)
            message.append_pair(34, number, header=True)
            message.append_pair(49, "KEEP", header=True)
            message.append_pair(52, utc_text(venue), header=True)
            message.append_pair(56, "OUTCRY", header=True)
            for tag, value in fields:
                message.append_pair(tag, value)
            connection.sendall(message.encode())
        while len(messages) < 3:
            data = connection.recv(4096)
            assert data, messages
            parser.append_buffer(data)
            while (answer := parser.get_message()) is not None:
                messages.append(answer)
    assert sorted(answer.get(35) for answer in messages) == [b"0", b"8", b"A"]
    report = next(answer for answer in messages if answer.get(35) == b"8")
    assert (report.get(11), report.get(39)) == (b"SF1", b"0")
