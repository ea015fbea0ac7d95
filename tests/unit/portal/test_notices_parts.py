"""Notifications without a process: addresses that are not reached, quiet hours, words."""

import socket
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from itertools import pairwise
from threading import Event
from types import SimpleNamespace

import pytest

from openoutcry.portal.notices import outward
from openoutcry.portal.notices.outward import Outward, OutwardError, is_of_internet
from openoutcry.portal.notices.quiet import last_summary, next_summary, quiet_until
from openoutcry.portal.notices.words import of_audit, of_change, of_movement
from openoutcry.portal.trading.instruments import Market

INSIDE = [
    "127.0.0.1",
    "127.8.9.10",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fd00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2001:db8::1",
]


@pytest.mark.promise(
    "V5.2.3, V5.2.6, V12.6.1 (mail, requests for users): no address adds a header or a "
    "recipient to a mail. Webhooks and pushes reach no address inside, by no name, "
    "redirection or second look-up. One that hangs, and a burst for one user, keep no other "
    "user waiting",
    group="portal",
)
@pytest.mark.parametrize("address", INSIDE)
def test_no_address_inside_is_reached(address, monkeypatch):
    assert not is_of_internet(ip_address(address))
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    answer = [(family, socket.SOCK_STREAM, 6, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
    called = []
    monkeypatch.setattr(socket, "create_connection", lambda *where: called.append(where))
    with pytest.raises(OutwardError, match="not on the internet"):
        Outward().post("https://hooks.example.com/x", b"{}", {})
    shown = f"[{address}]" if ":" in address else address
    with pytest.raises(OutwardError, match="not on the internet"):
        Outward().check(f"https://{shown}/")
    assert not called


def test_one_address_inside_among_others_is_enough(monkeypatch):
    """A name that has several is refused before anything is sent."""
    rows = [(socket.AF_INET, 1, 6, "", (one, 443)) for one in ("8.8.8.8", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
    with pytest.raises(OutwardError, match="not on the internet"):
        Outward().post("https://hooks.example.com/x", b"{}", {})


@pytest.mark.promise(
    "V5.2.3, V5.2.6, V12.6.1 (mail, requests for users): no address adds a header or a "
    "recipient to a mail. Webhooks and pushes reach no address inside, by no name, "
    "redirection or second look-up. One that hangs, and a burst for one user, keep no other "
    "user waiting",
    group="portal",
)
def test_a_name_that_changes_its_address_is_not_asked_again(monkeypatch):
    """The connection goes to the address that was checked."""
    answers = iter(["8.8.8.8", "127.0.0.1"])

    def resolve(*_, **__):
        return [(socket.AF_INET, 1, 6, "", (next(answers), 443))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    reached = []

    def connect(where, *_):
        reached.append(where)
        raise OSError("refused")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(OutwardError, match="refused"):
        Outward().post("https://hooks.example.com/x", b"{}", {})
    assert reached == [("8.8.8.8", 443)]


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "https://hooks.example.com:22/",
        "https://user:word@hooks.example.com/",
        "https:///x",
        "https://hooks.example.com:port/",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/\r\nX: y",
        "https://hooks.example.com/#part",
        "gopher://127.0.0.1:6379/_x",
        "",
    ],
)
def test_urls_that_are_no_webhook(url, monkeypatch):
    rows = [(socket.AF_INET, 1, 6, "", ("8.8.8.8", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
    with pytest.raises(OutwardError):
        Outward().post(url, b"{}", {})


def test_the_operator_names_hosts_and_networks():
    allowed = Outward(("*.example.com",), (ip_network("10.0.0.0/8"),))
    assert allowed.check("https://a.example.com/x") == ("https", "a.example.com", 443, "/x")
    with pytest.raises(OutwardError, match="does not allow"):
        allowed.check("https://example.org/")
    inside = Outward((), (ip_network("10.0.0.0/8"),))
    assert inside.check("http://10.0.0.9:8080/")[2] == 8080
    with pytest.raises(OutwardError, match="not on the internet"):
        inside.check("http://192.168.0.1/")
    assert outward.inner(ip_address("::ffff:10.0.0.9")) == ip_address("10.0.0.9")


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "begin", "end", "zone", "until"),
    [
        ("2026-11-26T21:30", "22:00", "07:00", "Etc/UTC", None),
        ("2026-11-26T22:00", "22:00", "07:00", "Etc/UTC", "2026-11-27T07:00"),
        ("2026-11-27T06:59", "22:00", "07:00", "Etc/UTC", "2026-11-27T07:00"),
        ("2026-11-27T07:00", "22:00", "07:00", "Etc/UTC", None),
        ("2026-11-26T12:30", "12:00", "13:00", "Etc/UTC", "2026-11-26T13:00"),
        ("2026-11-26T21:30", "22:00", "07:00", "Europe/Berlin", "2026-11-27T06:00"),
        ("2026-11-26T03:00", "22:00", "07:00", "America/New_York", "2026-11-26T12:00"),
        ("2026-11-26T03:00", "", "", "Etc/UTC", None),
        # The night in which Berlin's clocks go back.
        ("2026-10-24T22:00", "22:00", "07:00", "Europe/Berlin", "2026-10-25T06:00"),
        ("2026-10-25T00:10", "22:00", "02:30", "Europe/Berlin", "2026-10-25T00:30"),
        ("2026-10-25T01:10", "22:00", "02:30", "Europe/Berlin", "2026-10-25T01:30"),
    ],
)
def test_quiet_hours_end_in_their_owners_time(now, begin, end, zone, until):
    found = quiet_until(at(now), begin, end, zone)
    assert found == (at(until) if until else None)


@pytest.mark.parametrize(
    ("now", "kind", "zone", "due"),
    [
        ("2026-11-26T07:59", "daily", "Etc/UTC", "2026-11-26T08:00"),
        ("2026-11-26T08:00", "daily", "Etc/UTC", "2026-11-27T08:00"),
        ("2026-11-26T07:30", "daily", "Europe/Berlin", "2026-11-27T07:00"),
        ("2026-11-26T07:59", "weekly", "Etc/UTC", "2026-11-30T08:00"),
        ("2026-11-30T08:00", "weekly", "Etc/UTC", "2026-12-07T08:00"),
    ],
)
def test_summaries_are_due_at_their_owners_time(now, kind, zone, due):
    assert next_summary(at(now), kind, "08:00", zone) == at(due)


@pytest.mark.parametrize("zone", ["Etc/UTC", "Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize(("kind", "days"), [("daily", 1), ("weekly", 7)])
@pytest.mark.parametrize("of_day", ["02:30", "23:59"])
def test_one_summary_follows_the_other_over_a_year(zone, kind, days, of_day):
    """Also on days with 23 and 25 hours: each is the last one until the next is due."""
    now, dates = at("2026-01-01T00:00"), []
    while now < at("2027-01-01T00:00"):
        due = next_summary(now, kind, of_day, zone)
        last = last_summary(due, kind, of_day, zone)
        assert last.astimezone(UTC) == due
        assert last_summary(due - timedelta(seconds=1), kind, of_day, zone) < last
        dates.append(last.date())
        now = due
    assert {later - earlier for earlier, later in pairwise(dates)} == {timedelta(days=days)}


@pytest.mark.parametrize("text", ["22", "2200", "24:00", "22:60", "٢٢:٠٠", "22:0", ""])
def test_times_of_day_are_read_strictly(text):
    with pytest.raises(ValueError, match=r"time of day|must be in"):
        next_summary(at("2026-11-26T00:00"), "daily", text, "Etc/UTC")


def test_what_a_stranger_does_is_no_news():
    assert of_audit(7, "login refused", "192.0.2.1", "") is None
    notice = of_audit(8, "login", "192.0.2.1", "")
    assert (notice.key, notice.event, notice.is_urgent) == ("a8", "login", True)
    assert of_audit(9, "withdrawal asked for", "", "5 BTC").event == "withdrawal"


@pytest.mark.parametrize(
    ("units", "decimals", "shown"),
    [(100_000_000_000, 6, "100000 USD"), (1_050_000, 6, "1.05 USD"), (-3, 6, "0.000003 USD")],
)
def test_amounts_are_written_as_people_write_them(units, decimals, shown):
    row = {
        "amount": units,
        "kind": "transfer",
        "step": "",
        "asset": "USD",
        "number": 1,
        "seq": 2,
        "at_ns": 3,
        "event_seq": 4,
        "part": 0,
    }
    assert of_movement(row, decimals, "j").title.endswith(f": {shown}")


def test_an_order_for_a_sum_is_named_by_the_sum():
    """Its lots are the most that it may buy, not what its owner has typed."""
    market = Market(0, "BTC-USD", b"", "BTCUSD", "BTC", "USD", 8, 6, 2, 10_000, 1, None)
    row = {
        "execution": "EXPIRED", "state": "FILLED", "side": 1, "lots": 1_000_000, "number": 72,
        "executed_lots": 199, "client_id": "", "price_ticks": 0, "seq": 72, "at_ns": 0,
        "event_seq": 90, "is_risk": False, "aux": 1_000 * 10**6, "order_type": 20,
    }  # fmt: skip
    notice = of_change(row, market, "j")
    assert notice.title == "BTC-USD: your order to buy for 1000 USD is filled"
    assert notice.body == "Order 72: 0.0199 BTC traded."
    row |= {"order_type": 1, "lots": 500, "execution": "TRADE", "state": "PARTIALLY_FILLED"}
    notice = of_change(row, market, "j")
    assert notice.title == "BTC-USD: your order to buy 0.05 is partly filled"
    assert notice.body == "Order 72: 0.0199 of 0.05 BTC traded."


def test_a_request_that_is_late_with_its_handshake_is_cut(monkeypatch):
    """The timer cuts the socket that it knows: the handshake has another one."""
    here, there = socket.socketpair()
    wrapped, _ = kept = socket.socketpair()
    late = []

    class Timer:
        def __init__(self, _, cut):
            late.append(cut)

        start = cancel = lambda self: None

    def handshake(self, scheme, host, port, raw):
        late[0]()
        return SimpleNamespace(sock=wrapped, request=lambda *_: pytest.fail("it was sent"))

    rows = [(socket.AF_INET, 1, 6, "", ("8.8.8.8", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
    monkeypatch.setattr(socket, "create_connection", lambda *_: here)
    monkeypatch.setattr(outward, "threading", SimpleNamespace(Timer=Timer, Event=Event))
    monkeypatch.setattr(Outward, "_connection", handshake)
    with pytest.raises(OutwardError, match="no answer in time"):
        Outward().post("https://hooks.example.com/x", b"{}", {})
    assert wrapped.fileno() == -1, "it is closed"
    for one in (here, there, *kept):
        one.close()
