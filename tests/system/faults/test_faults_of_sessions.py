"""What a client sees of each fault of a test venue, over real sockets: OUCH and FIX."""

import os
import re
import signal
import socket
import ssl
import time

import pytest

from openoutcry.client import ClientError, SessionEnded
from openoutcry.client.fix import FixClient
from openoutcry.host.processes import named_children
from openoutcry.journal import JournalReader
from openoutcry.market_data.files import JournalFeed
from openoutcry.venue.days import read_status
from openoutcry.venue.desk import DeskError, ask
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY
from tests.support.venue.faults_venue import FaultsVenue
from tests.support.venue.served_venue import ServedVenue
from tests.support.waiting import BOUND_S, wait_until

SESSIONS = {
    "ouch-4.2": (
        *("PLAIN", "DELAY", "DROP", "TWICE", "SWAP", "NO42", "PART", "CUT", "DAY", "BAD"),
        *("CLOCK", "HALTS", "CALL", "LOTS", "AT", "MEET"),
    ),
    "ouch-5.0": ("NO50",),
    "fix-4.4": ("GAP", "SUM", "NOFIX", "RESET", "LATE", "LOST", "PARTF"),
    "fix-4.2": ("OLD",),
}
FAULTS = """
[faults]
seed = 7
[counterparty]
session = "MEET"
password = "PASSWORD"
"""


def rule(do: str, session: str, direction: str = "to_client", **keys: object) -> str:
    """A row of the file."""
    given = {"do": do, "session": session, "direction": direction, **keys}
    shown = (f'"{value}"' if isinstance(value, str) else value for value in given.values())
    lines = [f"{name} = {value}" for name, value in zip(given, shown, strict=True)]
    return "\n".join(["[[fault]]", *lines, ""])


RULES = (
    rule("delay", "DELAY", message="accepted", delay_ms=300),
    rule("drop", "DROP", message="accepted"),
    rule("duplicate", "TWICE", message="accepted"),
    rule("reorder", "SWAP", "to_venue", message="enter_order", nth=1),
    rule("reject", "NO42", "to_venue", port="ouch-4.2", reason="H", nth=1),
    rule("reject", "NO50", "to_venue", port="ouch-5.0", reason="7", nth=1),
    rule("reject", "NOFIX", "to_venue", port="fix-4.4", reason="3", text="not today", nth=1),
    rule("fill", "PART", "to_venue", quantity=3, nth=1),
    rule("fill", "PARTF", "to_venue", quantity=2, nth=1),
    rule("disconnect", "CUT", "to_venue", message="enter_order", nth=2),
    rule("drop", "READER", port="market-data-fix", message="W", nth=1),
    rule("reset", "DAY", message="login_accepted", number=77),
    rule("corrupt", "BAD", message="accepted", nth=1),
    rule("clock", "CLOCK", by_s=3600, nth=1),
    rule("halt", "HALTS", "to_venue", instrument="TIN", nth=1),
    rule("resume", "HALTS", "to_venue", instrument="TIN", nth=2),
    rule("auction", "CALL", "to_venue", instrument="LEAD", nth=1),
    rule("drop", "LOTS", chance_percent=30),
    rule("delay", "LOTS", delay_ms=1, max_ms=9, distribution="uniform", every=3),
    rule("drop", "GAP", message="8", nth=1),
    rule("corrupt", "SUM", message="8", nth=1),
    rule("reset", "RESET", message="8", number=50, nth=1),
    rule("clock", "LATE", message="8", by_s=86400, nth=1),
    rule("drop", "LOST", "to_venue", message="D", nth=1),
    '[[fault]]\ndo = "disconnect"\nat_s = 0\nsession = "NOBODY"\n',
)


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    """The venue of this file."""
    made = FaultsVenue(tmp_path_factory.mktemp("v"), SESSIONS, FAULTS + "".join(RULES))
    made.start()
    made.wait_for_phase("CONTINUOUS")
    yield made
    made.stop()


def kinds(client, count, timeout_s=BOUND_S):
    """The next messages."""
    return [client.next(timeout_s).name for _ in range(count)]


def nothing_more(client):
    """The client is answered a cancel that follows, and nothing before it."""
    order = client.buy("GOLD", 1, "0.0001")
    assert client.next(BOUND_S)["token"] == order


def test_a_session_without_a_rule_is_served_as_by_any_venue(venue):
    client = venue.ouch("PLAIN")
    order = client.buy("GOLD", 5, "0.1000")
    client.cancel(order)
    assert kinds(client, 2) == ["accepted", "canceled"]
    client.logout()
    again = venue.ouch("PLAIN", sequence=1, session=client.session)
    assert kinds(again, 2) == ["accepted", "canceled"], "the marked session is the day's"
    assert venue.record("PLAIN") == []


@pytest.mark.promise("a test venue says so in logins, status and journal", group="venue")
def test_it_says_everywhere_that_it_is_a_test_venue(venue):
    assert re.fullmatch(r"T-\d{8}", venue.ouch("PLAIN").session)
    assert read_status(venue.journal)["test"] is True
    assert JournalReader(venue.journal).config["source"] == "test venue TEST"
    logons = []

    class Heard(FixClient):
        def _receive(self, until_s):
            message = super()._receive(until_s)
            logons.extend([message] if message and message.kind == "A" else [])
            return message

    tls = ssl.create_default_context(cafile=venue.certificate)
    terms = {"target": "TEST"}
    Heard("127.0.0.1", venue.ports["fix-4.4"], "GAP", "secret", **terms).logout()
    Heard("127.0.0.1", venue.feed, "GAP", "secret", **terms).logout()
    Heard("127.0.0.1", venue.ports["fix-4.2"], "OLD", "secret", version="4.2", tls=tls, **terms)
    assert [logon.get(464) for logon in logons] == ["Y", "Y", ""]
    assert logons[2][96] == "TEST VENUE"
    assert JournalFeed(venue.journal).name_of(1).startswith("TEST")


def test_an_acknowledgement_comes_late(venue):
    client = venue.ouch("DELAY")
    since_s = time.monotonic()
    client.buy("GOLD", 1, "0.1000")
    assert kinds(client, 1) == ["accepted"]
    assert time.monotonic() - since_s >= 0.3
    assert venue.record("DELAY")[0]["delay_ms"] == 300


def test_a_message_is_lost_comes_twice_and_in_another_order(venue):
    lossy = venue.ouch("DROP")
    order = lossy.buy("GOLD", 1, "0.1000")
    lossy.cancel(order)
    assert kinds(lossy, 1) == ["canceled"], "the acknowledgement is lost"
    twice = venue.ouch("TWICE")
    order = twice.buy("GOLD", 1, "0.1000")
    twice.cancel(order)
    assert kinds(twice, 3) == ["accepted", "accepted", "canceled"]
    assert twice.sequence == lossy.sequence + 2, "the client counts what it was sent"
    swapped = venue.ouch("SWAP")
    first, second = (swapped.buy("GOLD", 1, "0.1000") for _ in range(2))
    assert [swapped.next(BOUND_S)["token"] for _ in range(2)] == [second, first]


@pytest.mark.parametrize(("name", "reason"), [("NO42", "H"), ("NO50", 7)])
def test_an_order_is_rejected_for_a_reason_of_the_file(venue, name, reason):
    port = "ouch-4.2" if name == "NO42" else "ouch-5.0"
    client = venue.ouch(name, port)
    client.buy("GOLD", 5, "0.1000")
    assert (message := client.next(BOUND_S)).name == "rejected"
    assert message["reason"] == reason
    client.buy("GOLD", 5, "0.1000")
    assert kinds(client, 1) == ["accepted"], "the next order is taken"
    client.logout()
    again = venue.ouch(name, port, sequence=1)
    messages = [again.next(BOUND_S) for _ in range(2 + (name == "NO50"))]
    messages = [message for message in messages if message.kind != "Q"]
    assert (messages[0].name, messages[0]["reason"]) == ("rejected", reason), "the stream is one"
    assert messages[1].name == "accepted"


def test_a_fix_order_is_rejected_with_a_text(venue):
    client = venue.fix("NOFIX")
    name = client.buy("GOLD", 5, "0.1000")
    report = client.next(BOUND_S)
    assert (report.kind, report[11], report[39]) == ("8", name, "8")
    assert (report[103], report[58], report[38]) == ("3", "not today", "5")
    client.logout()


@pytest.mark.parametrize(("name", "quantity"), [("PART", 3), ("PARTF", 2)])
def test_an_order_is_filled_in_part(venue, name, quantity):
    client = venue.ouch(name) if name == "PART" else venue.fix(name)
    order = client.buy("GOLD", 10, "0.2000")
    assert client.next(BOUND_S) is not None
    fill = client.next(BOUND_S)
    if name == "PART":
        assert (fill.name, fill["shares"], fill["price"]) == ("executed", quantity, 2_000)
        client.cancel(order)
        assert client.next(BOUND_S)["shares"] == 10 - quantity, "the rest of it is open"
    else:
        assert (fill[32], fill[151]) == (str(quantity), str(10 - quantity))
        client.cancel(order, "GOLD", "1")
        assert client.next(BOUND_S)[39] == "4"
    wait_until(lambda: venue.record(name), "the record")
    assert venue.record(name)[0]["counterparty"] == ["accepted", "executed"]


def test_a_connection_is_ended_and_its_order_never_came(venue):
    client = venue.ouch("CUT")
    client.buy("GOLD", 1, "0.1000")
    assert kinds(client, 1) == ["accepted"]
    client.buy("GOLD", 1, "0.1000")
    with pytest.raises(SessionEnded):
        client.next(BOUND_S)
    again = venue.ouch("CUT", sequence=1)
    client = again.buy("GOLD", 2, "0.1000")
    assert [again.next(BOUND_S)["shares"] for _ in range(2)] == [1, 2]


def test_numbers_are_reset(venue):
    assert venue.ouch("DAY").sequence == 77
    client = venue.fix("RESET")
    client.buy("GOLD", 1, "0.1000")
    assert client.next(BOUND_S).kind == "8"
    client.status("none", "GOLD", "1")
    assert client.next(0.0) is None or client.numbers.next_in == 50
    wait_until(lambda: client.next(0.01) is None and client.numbers.next_in == 50, "the reset")


def test_a_message_is_damaged(venue):
    client = venue.ouch("BAD")
    order = client.buy("GOLD", 1, "0.1000")
    client.cancel(order)
    assert kinds(client, 1) == ["canceled"], "a packet of an unknown type is ignored"
    damaged = venue.fix("SUM")
    damaged.buy("GOLD", 1, "0.1000")
    with pytest.raises(ClientError, match="damaged message"):
        damaged.next(BOUND_S)


def test_the_clock_jumps(venue):
    client = venue.ouch("CLOCK")
    client.buy("GOLD", 1, "0.1000")
    client.buy("GOLD", 1, "0.1000")
    times_s = [client.next(BOUND_S)["timestamp"] // 10**9 for _ in range(2)]
    ahead_s = (times_s[0] - times_s[1]) % 86_400
    assert 3_600 - BOUND_S < ahead_s <= 3_600
    late = venue.fix("LATE")
    late.buy("GOLD", 1, "0.1000")
    late.buy("GOLD", 1, "0.1000")
    days = [late.next(BOUND_S)[52][:8] for _ in range(2)]
    assert days[0] > days[1]


def test_a_lost_message_of_fix_is_a_gap_that_is_filled(venue):
    client = venue.fix("GAP")
    names = [client.buy("GOLD", 1, "0.1000") for _ in range(2)]
    assert [client.next(BOUND_S)[11] for _ in range(2)] == names, "asked for again, in order"
    assert [row["do"] for row in venue.record("GAP")] == ["drop"]
    lost = venue.fix("LOST")
    names = [lost.buy("GOLD", 1, "0.1000") for _ in range(2)]
    assert [lost.next(BOUND_S)[11] for _ in range(2)] == names, "the venue asks, too"


def test_a_client_halts_and_calls_to_an_auction(venue):
    client = venue.ouch("HALTS")
    client.buy("TIN", 1, "0.1000")
    assert client.next(BOUND_S)["reason"] == "H"
    client.buy("TIN", 1, "0.1000")
    assert kinds(client, 1) == ["accepted"]
    other = venue.ouch("CALL")
    other.buy("LEAD", 1, "0.1000")
    assert kinds(other, 1) == ["accepted"]
    assert venue.wait_for(lambda s: s["phases"]["LEAD"] == "VOLATILITY_AUCTION")
    done = [row["done"] for row in venue.record("HALTS")]
    assert done[0] == ["TIN is halted; cancels are accepted"]


def test_bytes_that_are_no_messages_reach_the_venue_which_ends_the_connection(venue):
    for port in venue.ports.values():
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"\0\0" + b"x" * 600)
            connection.settimeout(BOUND_S)
            assert connection.recv(100) == b""


def test_a_lost_snapshot_of_market_data_does_not_come_again(venue):
    client = FixClient("127.0.0.1", venue.feed, "READER", "secret", target="TEST")
    client.market_data(["GOLD"], updates=False)
    wait_until(lambda: any(row["kind"] == "W" for row in venue.record("READER")), "the loss")
    client.market_data(["TIN"], updates=False)
    wait_until(lambda: client.next(0.01) is None and client.numbers.next_in > 3, "the gap's end")
    asked = client.market_data(["LEAD"], updates=False)
    assert client.next(BOUND_S)[262] == asked, "the door has filled the gap without what was in it"
    client.logout()


def test_the_process_at_the_ports_is_started_again(venue):
    def pid():
        return dict(named_children(venue.process.pid)).get("faults", 0)

    client, first = venue.ouch("PLAIN"), pid()
    os.kill(first, signal.SIGKILL)
    with pytest.raises(SessionEnded):
        client.next(BOUND_S)
    wait_until(lambda: pid() not in (0, first), "another process")
    assert venue.ouch("PLAIN").session == client.session


def test_a_test_venue_cannot_be_carried_over(venue):
    number = 0
    with pytest.raises(DeskError):
        ask(venue.journal, {"do": "carry", "number": number})


def lots(venue):
    """Orders and cancels one after the other, and what the client saw; the record's new rows."""
    before = len(venue.record("LOTS"))
    client = venue.ouch("LOTS")
    for number in range(40):
        order = client.buy("GOLD", number + 1, "0.1000")
        client.cancel(order)
    after = venue.ouch("PLAIN")
    order = after.buy("GOLD", 1, "0.1000")
    seen = []
    while len(seen) + sum(row["do"] == "drop" for row in venue.record("LOTS")[before:]) < 80:
        message = client.next(0.01)
        if message is not None:
            seen.append((message.name, message["shares"]))
    client.logout()
    rows = [{k: v for k, v in row.items() if k != "at"} for row in venue.record("LOTS")[before:]]
    return seen, rows


@pytest.mark.promise("the same faults file and messages give the same faults", group="venue")
def test_the_same_messages_have_the_same_faults_after_a_restart(venue):
    first = lots(venue)
    assert 10 < sum(row["do"] == "drop" for row in first[1]) < 40
    assert {row["do"] for row in first[1]} == {"drop", "delay"}
    venue.stop()
    venue.start()
    venue.wait_for(lambda status: status["state"] == "open")
    assert lots(venue) == first


def test_a_venue_that_is_no_test_venue_takes_no_faults(tmp_path):
    venue = ServedVenue(tmp_path, "2026-11-23T10:00")
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    venue.stop()
    (tmp_path / "faults.toml").write_text('[faults]\nseed = 1\n[[fault]]\ndo = "drop"\n')
    command = [*OUTCRY, "serve", "venue.toml", "--faults", "faults.toml"]
    done = warm_outcry.run_command(command, cwd=tmp_path)
    assert done.returncode == 1
    assert "faults.toml: line 3: fault[1].direction: is missing" in done.stderr
    text = (tmp_path / "faults.toml").read_text() + 'direction = "to_client"\n'
    (tmp_path / "faults.toml").write_text(text)
    done = warm_outcry.run_command(command, cwd=tmp_path)
    assert done.returncode == 1
    assert "is the journal of a venue without faults" in done.stderr
