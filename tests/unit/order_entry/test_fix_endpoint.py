"""A FIX session without a stage: what comes is taken in its turn, what is said can be asked for
again, and its clock ends a client that is silent."""

import pytest

from openoutcry.client.fix import read_message, utc_text, whole_message, write_message
from openoutcry.order_entry.fix.endpoint import MESSAGES, Endpoint, body_of
from openoutcry.order_entry.fix.session import SECOND_NS


class Client:
    """Its other side."""

    def __init__(self, **more):
        self.now_ns, self.number = 1_000 * SECOND_NS, 0
        self.endpoint = Endpoint("VENUE", "FIRM", lambda: self.now_ns, **more)

    def message(self, kind, *fields, number=None):
        self.number = self.number + 1 if number is None else number
        head = ((35, kind), (34, str(self.number)), (49, "FIRM"), (52, utc_text()), (56, "VENUE"))
        return write_message((*head, *fields))

    def say(self, kind, *fields, number=None):
        """The application's messages that this makes."""
        taken = self.endpoint.take(self.message(kind, *fields, number=number))
        return [read_message(one).kind for one in taken]

    def told(self):
        data, found = self.endpoint.output(), []
        while data:
            size = whole_message(data)
            found.append(read_message(data[:size]))
            data = data[size:]
        return found

    def log_on(self):
        assert self.say("A", (98, "0"), (108, "30"), (141, "Y")) == []
        (answer,) = self.told()
        assert (answer.kind, answer.sequence, answer[49], answer[56]) == ("A", 1, "VENUE", "FIRM")
        assert self.endpoint.is_on


@pytest.fixture
def client():
    one = Client()
    one.log_on()
    return one


def test_messages_come_in_their_turn_however_the_bytes_come(client):
    data = client.message("R", (131, "a")) + client.message("S", (117, "b"))
    taken = []
    for at in range(0, len(data), 7):
        taken += client.endpoint.take(data[at : at + 7])
    assert [read_message(one).kind for one in taken] == ["R", "S"]
    # The number after the next waits for what is missing.
    assert client.say("Z", (117, "d"), number=5) == []
    (asked,) = client.told()
    assert (asked.kind, asked[7]) == ("2", "4")
    assert client.say("S", (117, "c"), number=4) == ["S", "Z"]


def test_what_was_said_is_said_again(client):
    for name in "abc":
        client.endpoint.say(body_of("R", [(131, name), (58, "caf\u00e9 \x01")]))
    said = client.told()
    assert [(one.sequence, one[131], one[58]) for one in said] == [
        (2, "a", "caf? ?"), (3, "b", "caf? ?"), (4, "c", "caf? ?"),
    ]  # fmt: skip
    client.say("2", (7, "3"), (16, "0"))
    again = client.told()
    assert [(one.sequence, one[131], one[43]) for one in again] == [(3, "b", "Y"), (4, "c", "Y")]


def test_the_clock_asks_and_then_ends(client):
    client.now_ns += 31 * SECOND_NS
    client.endpoint.tick()
    assert [one.kind for one in client.told()] == ["0"]
    client.now_ns += 10 * SECOND_NS
    client.endpoint.tick()
    assert [one.kind for one in client.told()] == ["1"]
    assert not client.endpoint.is_over
    client.now_ns += 40 * SECOND_NS
    client.endpoint.tick()
    assert client.endpoint.is_over


def test_a_logout_is_answered_and_ends_it(client):
    client.endpoint.say(body_of("R", [(131, "a")]))
    assert client.told()[0].kind == "R"
    client.say("5")
    assert client.endpoint.is_over
    assert [one.kind for one in client.told()] == ["5"]


def test_the_portal_may_end_it(client):
    client.endpoint.say(body_of("R", [(131, "a")]))
    client.endpoint.end()
    assert client.endpoint.is_over
    assert [one.kind for one in client.told()] == ["R", "5"]


def test_one_that_does_not_log_on_is_not_heard():
    client = Client()
    assert client.say("R", (131, "a")) == []
    assert client.endpoint.is_over
    late = Client()
    late.now_ns += 11 * SECOND_NS
    late.endpoint.tick()
    assert late.endpoint.is_over


def test_bytes_that_are_no_fix_make_nothing_of_it(client):
    assert client.endpoint.take(b"\x00" * 300 + client.message("R", (131, "a"))) != []
    assert client.endpoint.take(b"8=FIX.4.4\x019=999999\x0135=R\x01" + b"x" * 9_000) == []


def test_a_connection_says_so_much(client):
    for _ in range(MESSAGES + 1):
        client.endpoint.say(body_of("0", ()))
    assert client.endpoint.is_over
    assert client.told()[-1].kind == "5"


def test_what_is_forgotten_comes_as_a_gap_and_room_is_there_again():
    client = Client(data_bytes=1 << 16)
    client.log_on()
    for number in range(200):  # each of them a tenth of the room
        client.endpoint.say(body_of("W", [(58, f"{number:6000}")]))
        assert [(one.kind, one.sequence) for one in client.told()] == [("W", number + 2)]
        client.endpoint.forget()
        assert not client.endpoint.is_over
    client.endpoint.say(body_of("W", [(58, "kept")]))
    client.told()
    client.say("2", (7, "150"), (16, "0"))
    gap, kept = client.told()
    assert (gap.kind, gap.sequence, gap[43], gap[123], gap[36]) == ("4", 150, "Y", "Y", "202")
    assert (kept.kind, kept.sequence, kept[43], kept[58]) == ("W", 202, "Y", "kept")


def test_without_forgetting_a_connection_ends_when_its_room_is_used():
    client, count = Client(data_bytes=1 << 16), 0
    client.log_on()
    while not client.endpoint.is_over:
        client.endpoint.say(body_of("W", [(58, f"{count:6000}")]))
        client.told()
        count += 1
    assert count == 11
