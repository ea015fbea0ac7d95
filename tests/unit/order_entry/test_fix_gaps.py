"""A gap that is not filled: it is asked for again, less and less often, and the session ends with a
Logout that names the number; one that is filled however slowly ends nothing."""

import pytest

from openoutcry.client import SessionEnded
from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol
from tests.support.venue.inline import InlineVenue

SESSION = {
    "name": "FIRM",
    "participant": 1,
    "protocol": int(Protocol.FIX44),
    "cancel_on_disconnect": int(CancelOnDisconnect.NONE),
}


@pytest.fixture
def venue(tmp_path):
    with InlineVenue([SESSION], tmp_path / "journal") as venue:
        yield venue


class Asked:
    """A client that leaves messages out, and what it is asked for meanwhile."""

    def __init__(self, venue, heartbeat_s=600):
        self.venue, self.asked = venue, []
        self.client = venue.fix("FIRM", heartbeat_s=heartbeat_s)
        self.answer = self.client._resend
        self.client._resend = self.note

    def note(self, begin, end):
        self.asked.append((round(self.venue.clock.seconds - self.begin_s), begin, end))

    def leave_out(self):
        """The next number is never sent."""
        self.begin_s = self.venue.clock.seconds
        self.client.numbers.next_out += 1

    def read(self):
        heard = []
        try:
            while (message := self.client.next(0)) is not None:
                heard.append(message)
        except AssertionError:
            pass
        return heard


@pytest.mark.parametrize("heartbeat_s", [0, 600])
def test_missing_messages_are_requested_and_then_the_session_ends(venue, heartbeat_s):
    firm = Asked(venue, heartbeat_s)
    missing = firm.client.numbers.next_out
    firm.leave_out()

    def two_hundred_seconds() -> None:
        for number in range(200):
            if number < 50:
                firm.client.buy("ACME", 1, "1.00", name=f"C{number}")  # orders go on
            firm.read()
            venue.clock.advance(1, tick_s=0.25)

    with pytest.raises(SessionEnded, match=f"MsgSeqNum {missing} was asked for and did not come"):
        two_hundred_seconds()
    assert [at for at, _, _ in firm.asked] == pytest.approx([0, 5, 15, 35], abs=1)
    assert {(begin, end) for _, begin, end in firm.asked} == {(missing, 0)}
    assert venue.clock.seconds - firm.begin_s == pytest.approx(60, abs=2)
    # The number is asked for at the next logon, too: nothing was taken out of its turn.
    numbers = firm.client.numbers
    firm.client.close()
    again = venue.fix("FIRM", numbers=numbers)
    asked = []
    again._resend = lambda begin, end: asked.append(begin)
    again.socket.patience_s = 0
    with pytest.raises(AssertionError):
        again.next(0)
    assert asked == [missing]


def test_a_gap_that_grows_smaller_ends_nothing(venue):
    """One message of a long gap every four seconds, for four minutes."""
    firm = Asked(venue)
    missing = firm.client.numbers.next_out
    firm.leave_out()
    firm.client.numbers.next_out += 59
    firm.client.buy("ACME", 1, "1.00", name="LAST")
    firm.read()
    for number in range(missing, missing + 60):
        venue.clock.advance(4, tick_s=0.25)
        gap = firm.client.pack("4", number, ((123, "Y"), (36, str(number + 1))))
        firm.client.socket.sendall(gap)
        firm.read()
    assert [begin for _, begin, _ in firm.asked] == [missing]
    firm.client.status("LAST", "ACME", "1")
    (status,) = firm.read()
    assert (status[11], status[39]) == ("LAST", "0")


def test_a_message_requested_twice_is_taken_once(venue):
    firm = Asked(venue)
    firm.client.buy("ACME", 1, "1.00", name="C1")
    left_out = firm.client.numbers.next_out
    firm.begin_s = venue.clock.seconds
    firm.client.numbers.sent[left_out] = (
        "D",
        (
            (11, "C2"),
            (55, "ACME"),
            (54, "1"),
            (60, firm.client._utc_text()),
            (38, "1"),
            (40, "2"),
            (44, "1.00"),
        ),
        firm.client._utc_text(),
    )
    firm.client.numbers.next_out += 1
    firm.client.buy("ACME", 1, "1.00", name="C3")
    heard = firm.read()
    for _ in range(40):
        venue.clock.advance(0.5)
        heard += firm.read()
    assert [at for at, _, _ in firm.asked] == pytest.approx([0, 5, 15], abs=1)
    firm.answer(left_out, 0)
    firm.answer(left_out, 0)
    heard += firm.read()
    assert [message[11] for message in heard if message.get(150) == "0"] == ["C1", "C2", "C3"]
    for _ in range(200):
        venue.clock.advance(0.5)
        assert firm.read() == []
    assert len(firm.asked) == 3


def test_data_shorter_than_declared_are_rejected_not_requested(venue):
    """Sent again as it was, such a message would be asked for for ever."""
    firm = Asked(venue)
    firm.begin_s = venue.clock.seconds
    terms = ((11, "C1"), (55, "ACME"), (54, "1"), (60, firm.client._utc_text()), (38, "1"))
    firm.client.send("D", (*terms, (40, "2"), (44, "1.00"), (354, "8"), (355, "abcde")))
    firm.client.buy("ACME", 1, "1.00", name="C2")
    rejected, accepted = firm.read()
    assert (rejected.kind, rejected[371], rejected[373]) == ("3", "354", "5")
    assert (accepted[150], accepted[11]) == ("0", "C2")
    assert firm.asked == []


def test_a_number_that_was_never_sent_cannot_be_requested(venue):
    firm = Asked(venue)
    next_in = firm.client.numbers.next_in
    for begin in (next_in, next_in + 5):
        firm.client._send("2", ((7, str(begin)), (16, "0")))
        (rejected,) = firm.read()
        assert (rejected.kind, rejected[371], rejected[373], rejected[372]) == ("3", "7", "5", "2")
        next_in = firm.client.numbers.next_in
    # To the end, or further than the end, is all that there is.
    firm.client.ask_again(2)
    assert [message[45] for message in firm.read()] == []
