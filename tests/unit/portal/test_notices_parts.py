"""Notifications without a process: addresses that are not reached, quiet hours, words."""

import re
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from itertools import pairwise
from string import Formatter
from threading import Event
from types import SimpleNamespace

import pytest

from openoutcry import PACKAGE
from openoutcry.operations import outward
from openoutcry.operations.outward import Outward, OutwardError, is_of_internet
from openoutcry.portal.notices.quiet import last_summary, next_summary, quiet_until
from openoutcry.portal.notices.texts import TABLES, language_of
from openoutcry.portal.notices.words import (
    STATES,
    of_account_event,
    of_alert,
    of_audit,
    of_change,
    of_movement,
    of_summary,
    of_test,
    of_withdrawal,
)
from openoutcry.portal.trading.instruments import Market
from openoutcry.risk.bits import MovementStep
from openoutcry.wire.enums import OrderType, Reason
from openoutcry.wire.order_ids import SESSION_ORDER_IDS, VENUE_ORDER_IDS
from openoutcry.wire.order_types import STOPS

PORTAL = PACKAGE / "portal"
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
    assert of_audit(7, "login refused", "192.0.2.1", "", "en") is None
    notice = of_audit(8, "login", "192.0.2.1", "", "en")
    assert (notice.key, notice.event, notice.is_urgent) == ("a8", "login", True)
    assert of_audit(9, "withdrawal asked for", "", "5 BTC", "en").event == "withdrawal"


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
    assert of_movement(row, decimals, "j", "en").title.endswith(f": {shown}")


MARKET = Market(0, "BTC-USD", b"", "BTCUSD", "BTC", "USD", 8, 6, 2, 10_000, 1, None)
CHANGE = {
    "execution": "TRADE", "state": "PARTIALLY_FILLED", "side": 1, "lots": 500, "number": 72,
    "executed_lots": 199, "client_id": "", "price_ticks": 0, "seq": 72, "at_ns": 0,
    "event_seq": 90, "is_risk": False, "aux": 1_000 * 10**6, "order_type": 1, "reason": 0,
    "traded_lots": 199, "executed_tick_lots": 199 * 5_007_203, "core_id": SESSION_ORDER_IDS,
}  # fmt: skip
ELECTED = {"execution": "ELECTED", "order_type": int(OrderType.STOP_LIMIT)}
BUDGET = CHANGE | {"order_type": 20, "lots": 1_000_000, "execution": "EXPIRED", "state": "FILLED"}


def test_an_order_of_a_list_that_enters_is_no_triggered_stop():
    """The core says ELECTED of both; a limit order had no trigger."""
    for order_type in OrderType:
        notice = of_change(CHANGE | ELECTED | {"order_type": int(order_type)}, MARKET, "j", "en")
        assert (notice is not None) == (order_type in STOPS), order_type


def test_a_liquidation_is_named_and_is_urgent():
    """An order of the venue for an account says so; a session's order does not."""
    notice = of_change(CHANGE | {"core_id": VENUE_ORDER_IDS + 7, "side": 2}, MARKET, "j", "en")
    assert (notice.event, notice.is_urgent) == ("margin", True)
    title = "BTC-USD: the venue's order to sell 0.05 for your account is partly filled"
    assert notice.title == title
    assert notice.body.startswith("Your account is below its maintenance margin")
    assert of_change(CHANGE, MARKET, "j", "en").event == "order"


def test_what_happens_to_a_position_is_told_with_its_amount():
    row = {"asset": "USD", "seq": 2, "at_ns": 3, "event_seq": 4, "part": 0, "price_ticks": 7_000}
    gone = row | {"kind": "settled", "paid": -2_500_000, "lots": -3}
    notice = of_account_event(gone, MARKET, 6, "j", "en")
    assert (notice.event, notice.key) == ("contract", "j-4-e0")
    assert notice.body == "Your 3 lots were settled at 70. You paid 2.5 USD."
    assert (notice.data["lots"], notice.data["paid"]) == (-3, "-2.500000")
    fee = row | {"kind": "liquidation_fee", "paid": -(10**6), "lots": 0, "asset": "USD-MARGIN"}
    notice = of_account_event(fee, None, 6, "j", "en")
    assert (notice.event, notice.title) == ("margin", "A liquidation cost 1 USD")
    assert "symbol" not in notice.data


def test_a_refused_order_has_its_reason():
    refused = CHANGE | {"state": "REJECTED", "execution": "REJECTED", "reason": Reason.WOULD_CROSS}
    notice = of_change(refused, MARKET, "j", "en")
    assert notice.title == "BTC-USD: your order to buy 0.05 is refused"
    why = "it may only rest, and would have traded at once"
    assert notice.body == f"Order 72 was refused: {why}."
    assert notice.data["state"] == "rejected"


def test_an_order_for_a_sum_is_named_by_the_sum():
    """Its lots are the most that it may buy, not what its owner has typed."""
    notice = of_change(BUDGET, MARKET, "j", "en")
    assert notice.title == "BTC-USD: your order to buy for 1000 USD is filled"
    assert notice.body == "Order 72: 0.0199 BTC traded at 50072.03 on average."
    notice = of_change(CHANGE, MARKET, "j", "en")
    assert notice.title == "BTC-USD: your order to buy 0.05 is partly filled"
    assert notice.body == "Order 72: 0.0199 of 0.05 BTC traded at 50072.03 on average."
    assert notice.data["average_price"] == "50072.03"
    german = of_change(CHANGE, MARKET, "j", "de").body
    assert german == "Auftrag 72: 0.0199 von 0.05 BTC zu durchschnittlich 50072.03 gehandelt."


@pytest.mark.parametrize("change", [{"executed_lots": 0}, {"executed_lots": 100}])
def test_an_average_price_is_of_what_the_change_says_was_traded(change):
    """Of an order that has traded more since, the history has the sum of all its trades."""
    notice = of_change(CHANGE | change, MARKET, "j", "en")
    assert notice.data["average_price"] is None
    assert notice.body.endswith(" of 0.05 BTC traded.")


CUSTODY = {"id": 5, "amount": 5, "asset": "USD", "state": "refused", "address": "0xaffe"}
CUSTODY |= {"txid": "", "detail": "as custody says it"}
"""A withdrawal that custody has refused."""


PAYS_OR_RECEIVES = (-5, 2), (5, -2)
WAYS = {
    **dict.fromkeys(("funding", "settled", "adjusted", "seized", "covered"), PAYS_OR_RECEIVES),
    **dict.fromkeys(("liquidation_fee", "taken_over", "broken"), PAYS_OR_RECEIVES),
}
"""Of each kind of an account's events what it was paid, and lots."""


def every_notice(language):
    """One of each kind, as a user of the language has it."""
    row = {"amount": 5 * 10**6, "asset": "USD", "number": 1, "seq": 2, "at_ns": 3}
    row |= {"event_seq": 4, "part": 0, "kind": "deposit", "id": 5, "state": "sent"}
    row |= {"address": "0xaffe", "txid": "0xbeef", "detail": "why", "price_ticks": 7_000}
    row["code"] = ""
    for step in MovementStep:
        yield of_movement(row | {"step": step.name.lower()}, 6, "j", language)
    for amount in (5, -5):
        moved = {"kind": "transfer", "step": "transfer", "amount": amount * 10**6}
        yield of_movement(row | moved, 6, "j", language)
    for what in ("refused", "people", "txid"):
        yield of_withdrawal(row, 6, what, language)
    for direction in ("above", "below"):
        yield of_alert(row | {"direction": direction}, MARKET, 7_100, "j", language)
    for state in sorted(STATES):
        for change in (CHANGE, BUDGET):
            for side in (1, 2):
                changed = change | {"state": state, "side": side, "execution": "NEW"}
                yield of_change(changed, MARKET, "j", language)
    for reason in Reason:
        refused = {"state": "REJECTED", "execution": "REJECTED", "reason": int(reason)}
        yield of_change(CHANGE | refused, MARKET, "j", language)
    yield of_change(CHANGE | ELECTED, MARKET, "j", language)
    yield of_change(CHANGE | {"core_id": VENUE_ORDER_IDS + 1}, MARKET, "j", language)
    for kind, ways in WAYS.items():
        for paid, lots in ways:
            event = row | {"kind": kind, "paid": paid * 10**6, "lots": lots}
            yield of_account_event(event, MARKET, 6, "j", language)
    yield of_change(CHANGE | {"state": "REJECTED", "is_risk": True}, MARKET, "j", language)
    for action, detail in (
        ("login", ""),
        ("withdrawal asked for", "withdrawal 7: 5 BTC"),
        ("API key created", "key 3: read, trade"),
        ("level changed", "level 2: papers are fine"),
        ("frozen", "key to the case"),
    ):
        yield of_audit(8, action, "192.0.2.1", detail, language)
    worth = {"value": "5", "invested": "4", "gain": "1"}
    yield of_summary("2026-11-28", "USD", worth, language)
    yield of_test("t", language)


def test_notices_differ_in_their_words_alone():
    """Ids and facts are for programs, and amounts are written in one way."""
    pairs = list(zip(every_notice("en"), every_notice("de"), strict=True))
    assert len(pairs) > 45
    for english, german in pairs:
        assert replace(german, title=english.title, body=english.body) == english
        assert german.title != english.title
        assert amounts(german) == amounts(english), german


def amounts(notice):
    return sorted(re.findall(r"\d[\d.]*\d|\d", f"{notice.title} {notice.body}"))


def test_german_is_what_a_german_would_write():
    def title(**more):
        return of_change(CHANGE | more, MARKET, "j", "de").title

    assert title() == "BTC-USD: Ihr Kaufauftrag über 0.05 ist teilweise ausgeführt"
    sold = "BTC-USD: Ihr Verkaufsauftrag über 0.05 ist gestrichen"
    assert title(side=2, state="CANCELED") == sold
    stopped = "BTC-USD: Der Stop Ihres Verkaufsauftrags über 0.05 wurde ausgelöst"
    assert title(side=2, **ELECTED) == stopped
    budget = of_change(BUDGET, MARKET, "j", "de")
    assert budget.title == "BTC-USD: Ihr Kaufauftrag für 1000 USD ist ausgeführt"
    assert budget.body == "Auftrag 72: 0.0199 BTC zu durchschnittlich 50072.03 gehandelt."
    asked = of_audit(9, "withdrawal asked for", "192.0.2.1", "withdrawal 7: 5 BTC", "de")
    assert asked.title == "Eine Auszahlung wurde angefordert"
    assert asked.body == "von 192.0.2.1; Auszahlung 7: 5 BTC"
    refused = CUSTODY | {"code": "insufficient_balance"}
    assert of_withdrawal(refused, 6, "refused", "de").body == "Das Guthaben war zu klein."
    unknown = of_withdrawal(CUSTODY | {"code": "new"}, 6, "refused", "de")
    assert unknown.body == "as custody says it", "a code that has no words yet"
    made = of_audit(9, "API key created", "", "key 3: read, trade", "de")
    assert made.body == "Schlüssel 3: lesen, handeln"
    said = of_audit(9, "frozen", "operator", "key to the case", "de")
    assert said.body == "vom Betreiber; key to the case", "a person's words stay as they are"


def test_each_text_is_there_in_each_language_with_what_it_names():
    english = TABLES["en"]
    for language, texts in TABLES.items():
        assert list(texts) == list(english), language
        for key, text in texts.items():
            assert names_of(text) == names_of(english[key]), (language, key)
    same = {key for key, text in english.items() if text == TABLES["de"][key]}
    assert same == {"withdrawal.refused.text"}


def names_of(text):
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name)


def test_german_has_german_typography():
    """Addressed as Sie, with one space after a sentence, and no straight quotation marks."""
    for key, text in TABLES["de"].items():
        assert re.search(r"[\"']|  | [.,;:!?]|\.\.\.| - ", text) is None, key
        assert re.search(r"\b[Dd](u|ein\w*|ir|ich)\b", text) is None, key
        assert text.endswith((".", "}")) == (key.endswith(".text") or key in SENTENCES), key


SENTENCES = {
    *("order", "order.lots", "order.budget", "order.traded", "order.bought", "order.limited"),
    "order.liquidation",
    *("order.refused", "order.average"),
    *(key for key in TABLES["en"] if key.startswith("event.") and TABLES["de"][key][-1] == "}"),
    *("alert.above", "alert.below", "from", "sub-account"),
    *(key for key in TABLES["en"] if key.startswith("why.")),
}
"""Texts that end with a full stop, or with what they name, and are no bodies."""


def test_every_mail_of_an_account_has_a_title_and_a_text():
    code = "".join(path.read_text(encoding="utf-8") for path in PORTAL.rglob("*.py"))
    asked = set(re.findall(r'\.mail\(.*?, "(\w+)"[,)]', code))
    asked |= set(re.findall(r'mail_change\([^()]*, "(\w+)"[,)]', code))
    asked |= {"known", "register", "change"}
    there = {key.split(".")[1] for key in TABLES["en"] if key.startswith("mail.")}
    assert asked == there
    assert all(f"mail.{name}.text" in TABLES["en"] for name in asked)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,en;q=0.5", "de"),
        ("fr-CH, fr;q=0.9, de;q=0.7, en;q=0.8, *;q=0.5", "en"),
        ("fr, DE;q=0.4", "de"),
        ("de;q=0, fr", "en"),
        ("de;q=2, den, d", "en"),
        ("de,en", "de"),
        ("en,de", "en"),
        ("x" * 10_000 + ",de", "en"),
        ("de;q=nan, ;;;=,,\u00e9", "en"),
    ],
)
def test_an_account_begins_in_the_language_that_its_request_prefers(header, language):
    assert language_of(header) == language


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
