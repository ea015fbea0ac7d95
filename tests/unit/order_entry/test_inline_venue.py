"""The inline venue itself: it logs in, trades, tells the time that the test says, and ends."""

import time

import pytest

from openoutcry.client import ClientError
from openoutcry.order_entry.spec import Protocol
from tests.support.order_entry.sessions_venue import session
from tests.support.venue.inline import InlineVenue
from tests.support.venue.line import Silence

FIX = int(Protocol.FIX44)
ROWS = [
    session("ONE", 1, timeout_ms=15_000),
    session("TWO", 2),
    session("FIRM", 3, protocol=FIX),
]


@pytest.fixture(scope="module")
def venue():
    with InlineVenue(ROWS) as venue:
        yield venue


def test_two_participants_trade(venue):
    one, two = venue.client("ONE"), venue.client("TWO")
    assert one.answer == ("A", b"  20260102" + b"1".rjust(20))
    one.enter("a1", "B", 100)
    assert one.message()[0] == "A"
    two.enter("b1", "S", 40)
    assert [two.message()[0] for _ in range(2)] == ["A", "E"]
    assert one.message()[1]["shares"] == 40
    with pytest.raises(Silence):
        one.message()
    one.close()
    two.close()


def test_a_wrong_password_is_refused(venue):
    assert venue.client("ONE", password="wrong").answer == ("J", b"A")
    with pytest.raises(ClientError, match="closed the connection"):
        venue.fix("FIRM", password="wrong")


def test_fix_trades(venue):
    firm = venue.fix("FIRM")
    firm.buy("ACME", 5, "1.00")
    assert firm.next(0)[150] == "0"
    firm.logout(0)


def test_the_clock_of_the_test_ends_a_silent_session(venue):
    one = venue.client("ONE", sequence=0)
    venue.clock.advance(14)
    one.enter("s1", price=10_000)
    assert one.message()[0] == "A"
    venue.clock.advance(15.1)
    assert one.packet()[0] == ""


def test_a_connection_that_does_not_log_in_is_closed_when_its_time_is_over(venue):
    line = venue.dial()
    venue.clock.advance(9.9)
    with pytest.raises(Silence):
        line.recv(100)
    venue.clock.advance(0.2)
    assert line.recv(100) == b""


def test_what_is_reported_comes_again_from_the_journal(tmp_path):
    with InlineVenue(ROWS, tmp_path / "journal") as venue:
        one = venue.client("ONE")
        one.enter("j1")
        told = one.message()
        venue.again()
        again = venue.client("ONE")
        assert again.message() == told
        report = venue.stop()
    assert (report["lost"], report["duplicated"]) == (0, 0)
    assert report["replay"]["equal"] is True


def test_a_venue_costs_little(venue):
    begun = time.process_time()
    with InlineVenue(ROWS[:2]) as another:
        another.client("ONE").enter("x")
    assert time.process_time() - begun < 1
