"""The screen's parts alone: orders out of messages, rules, and how they are told."""

import contextlib
import json

import pydantic
import pytest

from openoutcry.client.ouch import IOC42
from openoutcry.console import requests
from openoutcry.console.exact import exact
from openoutcry.console.screen import notify, orders, server
from openoutcry.console.screen.orders import Order, OwnOrders, Traded
from openoutcry.console.screen.rules import FILL, LIMIT, PRICE, Rule, RuleError, Rules, price_text
from openoutcry.console.screen.trader import TradeError
from openoutcry.console.screen.traders import require_traded
from openoutcry.operations.notify import MailServer, NotifyError
from openoutcry.venue.file import read_venue
from tests.support.console.console_screen_parts import venue_message
from tests.support.venue.served_venue import PORT, VENUE


def test_what_was_never_answered_was_never_entered_and_cancels_go_again():
    own = OwnOrders()
    own.take(venue_message("A", "A1", shares=5))
    own.take(venue_message("A", "A2", shares=5))
    own.sent(Order("N1", "B", "TIN", 5))
    own.sent(Order("N2", "B", "TIN", 5, replaces="A1"))
    assert own.orders["A1"].wanted == "replace"
    own.orders["A2"].wanted = "cancel"
    own.take(venue_message("J", orders.PROBE + "X", reason="Z"))
    assert own.end_unanswered() == (["N1", "N2"], ["A2"])
    states = {one.token: (one.state, one.wanted) for one in own.orders.values()}
    assert states == {
        "A1": (orders.OPEN, ""),
        "A2": (orders.OPEN, "cancel"),
        "N1": (orders.NEVER, ""),
        "N2": (orders.NEVER, ""),
    }


def test_a_replace_that_comes_too_late_ends_with_its_order():
    own = OwnOrders()
    own.take(venue_message("A", "A1", shares=5))
    own.sent(Order("A2", "B", "TIN", 4, replaces="A1"))
    own.take(venue_message("E", "A1", shares=5))
    assert (own.orders["A1"].state, own.orders["A2"].state) == (orders.FILLED, orders.REJECTED)
    own.take(venue_message("A", "B1", shares=5))
    own.sent(Order("B2", "B", "TIN", 4, replaces="B1"))
    own.take(venue_message("J", "B2", reason="D"))
    assert (own.orders["B1"].state, own.orders["B1"].wanted) == (orders.OPEN, "")


def test_what_is_kept_of_a_day_is_bounded():
    own = OwnOrders()
    own.take(venue_message("A", "OPEN", shares=1))
    for k in range(orders.CLOSED_KEPT + 50):
        own.take(venue_message("A", f"T{k}", shares=1))
        own.take(venue_message("E", f"T{k}", shares=1))
    assert len(own.orders) == orders.CLOSED_KEPT + 1
    assert own.rows(3)[0]["token"] == "OPEN"
    assert len(own.rows(3)) == 4
    assert own.fill_count == orders.CLOSED_KEPT + 50


def test_profit_is_exact():
    today = Traded()
    today.add("B", 3, 100_001)
    today.add("S", 1, 100_004)
    today.add("T", 1, 100_002)
    assert today.profit(100_010, 10) == (100_004 + 100_002 + 100_010 - 3 * 100_001) * 10


@pytest.mark.parametrize(
    ("price", "decimals", "text"),
    [(100_000, 2, "10.00"), (123_450, 2, "12.345"), (1, 0, "0.0001"), (50_000, 0, "5")],
)
def test_no_digit_of_a_price_is_left_out(price, decimals, text):
    assert price_text(price, decimals) == text


def rules_of(folder, **more):
    given = {"hosts": ("hooks.example",), "mails": True} | more
    return Rules(folder, lambda symbol: 2, given["hosts"], given["mails"])


def test_a_price_and_a_limit_are_reported_once_also_over_a_restart(tmp_path):
    rules = rules_of(tmp_path)
    rules.add("ANNA", Rule(PRICE, "TIN", above=True, price=50_000))
    rules.add("ANNA", Rule(PRICE, "TIN", above=False, price=20_000))
    rules.add("ANNA", Rule(LIMIT, limit="open_orders", percent=80))

    def notices_at(last, used):
        limits = [{"limit": "open_orders", "instrument": "", "value": 10, "used": used}]
        return [text for _, text in rules.check("ANNA", {"TIN": last} if last else {}, limits)]

    assert notices_at(0, 7) == []
    assert notices_at(49_999, 8) == ["8 of 10 open_orders are used"]
    assert notices_at(50_000, 9) == ["TIN at 5.00"]
    rules = rules_of(tmp_path)
    assert notices_at(60_000, 9) == []
    assert notices_at(0, 9) == [], "nothing is known, nothing changes"
    assert notices_at(20_000, 7) == ["TIN at 2.00"]
    assert notices_at(50_000, 8) == ["TIN at 5.00", "8 of 10 open_orders are used"]
    assert rules.check("BERT", {"TIN": 50_000}, []) == []
    assert (tmp_path / "screen-rules.json").stat().st_mode & 0o777 == 0o600


def test_rules_are_few_and_a_damaged_file_is_reported(tmp_path):
    rules = rules_of(tmp_path)
    for _ in range(20):
        number = rules.add("ANNA", Rule(FILL))
    with pytest.raises(RuleError, match="20 rules already; remove one first"):
        rules.add("ANNA", Rule(FILL))
    with pytest.raises(RuleError, match="no such rule"):
        rules.remove("BERT", number)
    rules.remove("ANNA", number)
    with pytest.raises(RuleError, match="sends no mail"):
        rules_of(tmp_path, mails=False).add("BERT", Rule(FILL, mail="a@b.example"))
    (tmp_path / "screen-rules.json").write_text('{"ANNA": [{"kind"')
    with pytest.raises(RuleError, match=r"screen-rules\.json"):
        rules_of(tmp_path)


@pytest.mark.parametrize(
    "rule",
    [
        {"mail": "a@b.example\r\nbcc: all@c.example"},
        {"mail": "a@b.example,c@d.example"},
        {"mail": "\U0001f600@b.example"},
        {"webhook": "ftp://hooks.example/"},
        {"webhook": "http://hooks.example@evil.example/"},
        {"webhook": "http://hooks.example:x/"},
        {"webhook": "http://evil.example/?hooks.example"},
        {"webhook": "http://hooks.example/ x"},
        {"webhook": "http://me:secret@hooks.example/"},
    ],
)
def test_a_rule_notifies_one_address_that_the_venue_allows(tmp_path, rule):
    with pytest.raises(RuleError):
        rules_of(tmp_path).add("ANNA", Rule(FILL, **rule))


def test_an_unreachable_address_is_tried_again_and_then_reported(monkeypatch):
    now, failed = [0.0], []
    notifier = notify.Notifier(
        "V",
        MailServer("127.0.0.1", 1),
        "v@x.example",
        lambda *one: failed.append(one),
        lambda: now[0],
    )
    tries = []

    def refused(*words):
        tries.append(words)
        raise NotifyError("nobody")

    monkeypatch.setattr(notify, "send_mail", refused)
    notifier.notify("ANNA", Rule(FILL, mail="a@b.example"), "sold 1 TIN at 1.00")
    while (one := notifier.take()) is not None:
        notifier.send(one)
        assert notifier.take() is None, "not before its time"
        now[0] += notify.AGAIN_S
    assert len(tries) == notify.TRIES
    assert failed == [("ANNA", "not delivered by mail: nobody")] * 2
    for _ in range(notify.EACH_MINUTE + 5):
        notifier.notify("BERT", Rule(FILL, mail="b@b.example"), "x")
    assert notifier.waiting("BERT") == notify.EACH_MINUTE
    assert "too many messages" in failed[-1][1]


@pytest.mark.promise(
    "V5.2.6, V12.6.1 (requests that it makes for others): webhooks go to hosts and ports that"
    " the operator has named and follow no redirection. Mail goes to one address that can be "
    "no more than that. A dead receiver delays only its session's alerts",
    group="screen",
)
def test_a_receiver_that_is_dead_delays_its_own_session_alone(monkeypatch):
    """With 30 alerts of one session, one is tried each 20 seconds; another session's goes while
    that try lasts, and so does mail of the first."""
    now, failed, posted, mailed = [0.0], [], [], []
    notifier = notify.Notifier(
        "V",
        MailServer("127.0.0.1", 1),
        "v@x.example",
        lambda *one: failed.append(one),
        lambda: now[0],
        hosts=("dead.example", "good.example"),
    )

    def post(url, document):
        posted.append((url, document["alerts"][0]["labels"]["session"]))
        if "dead" in url:
            raise NotifyError("nobody")

    monkeypatch.setattr(notify, "post_json", post)
    monkeypatch.setattr(notify, "send_mail", lambda *words: mailed.append(words))
    dead, good = "http://dead.example/a", "http://good.example/b"
    for number in range(29):
        notifier.notify("ANNA", Rule(FILL, webhook=dead), str(number))
    notifier.notify("ANNA", Rule(FILL, mail="a@b.example"), "mail")
    notifier.notify("BERT", Rule(FILL, webhook=good), "his")
    first, second = notifier.take(), notifier.take()
    assert (first.session, second.session) == ("ANNA", "BERT")
    assert notifier.take() is None, "a session has one message pending"
    notifier.send(second)
    notifier.send(first)
    notifier.send(notifier.take())
    assert len(mailed) == 1
    assert notifier.take() is None
    now[0] += notify.AGAIN_S
    notifier.send(notifier.take())
    assert notifier.take() is None
    assert posted == [(good, "BERT"), (dead, "ANNA"), (dead, "ANNA")]
    assert notifier.waiting("ANNA") == 29
    assert notifier.waiting("BERT") == 0


def test_a_rule_that_the_venue_no_longer_allows_is_reported_on_the_page(monkeypatch):
    failed = []
    notifier = notify.Notifier(
        "V", None, "", lambda *one: failed.append(one), lambda: 0.0, hosts=()
    )
    monkeypatch.setattr(notify, "post_json", lambda *words: pytest.fail("nothing is sent"))
    notifier.notify("ANNA", Rule(FILL, webhook="http://hooks.example/"), "x")
    notifier.send(notifier.take())
    assert "the venue allows none to hooks.example:80" in failed[0][1]


@pytest.mark.promise(
    "V5.2.6, V12.6.1 (requests that it makes for others): webhooks go to hosts and ports that"
    " the operator has named and follow no redirection. Mail goes to one address that can be "
    "no more than that. A dead receiver delays only its session's alerts",
    group="screen",
)
@pytest.mark.parametrize(
    ("hosts", "url", "goes"),
    [
        (("h.example",), "https://h.example/", True),
        (("h.example",), "http://h.example/", True),
        (("h.example",), "http://h.example:22/", False),
        (("h.example",), "https://h.example:80/", False),
        (("h.example:9000",), "http://h.example:9000/", True),
        (("h.example:9000",), "http://h.example/", False),
        (("H.example",), "http://h.EXAMPLE", True),
        (("::1",), "http://[::1]/", True),
        (("[::1]:81",), "http://[::1]:81/", True),
        (("::1",), "http://[::1]:81/", False),
    ],
)
def test_a_webhook_goes_to_a_port_that_the_venue_names(tmp_path, hosts, url, goes):
    rules = rules_of(tmp_path, hosts=hosts)
    with contextlib.nullcontext() if goes else pytest.raises(RuleError, match="allows none to"):
        rules.add("ANNA", Rule(FILL, webhook=url))


TERMS = {
    "side": "B",
    "symbol": "TIN",
    "qty_lots": 5,
    "price": 10_000,
    "tif": "day",
    "display": "shown",
}
OTHER = {
    "side": "S",
    "symbol": "GOLD",
    "qty_lots": 6,
    "price": 20_000,
    "tif": "ioc",
    "display": "hidden",
}


@pytest.mark.parametrize("by_this_process", [True, False])
@pytest.mark.parametrize("changed", [None, *OTHER])
def test_a_known_token_is_the_same_order_if_every_term_is(by_this_process, changed):
    """As it was sent, or as another process's orders are known: from what the venue has said."""
    own = OwnOrders()
    if by_this_process:
        own.sent(Order("A1", **TERMS))
    own.take(venue_message("A", "A1", shares=5, price=10_000))
    own.take(venue_message("E", "A1", shares=2))
    again = Order("A1", **(TERMS | ({changed: OTHER[changed]} if changed else {})))
    assert own.has_terms(own.orders["A1"], again) == (changed is None)


def test_what_the_venue_moved_is_no_other_price():
    """A post-only order, priced one tick short of trading, and a market order; a reject, which
    names no terms at all."""
    own = OwnOrders()
    own.take(venue_message("A", "P1", shares=5, price=9_999, display="P"))
    own.take(venue_message("A", "M1", shares=5, price=0x7FFFFFFF, time_in_force=IOC42))
    own.take(venue_message("J", "J1", reason="S"))
    assert own.has_terms(own.orders["P1"], Order("P1", **TERMS | {"display": "post-only"}))
    assert own.has_terms(own.orders["M1"], Order("M1", **TERMS | {"price": 0, "tif": "ioc"}))
    assert own.has_terms(own.orders["J1"], Order("J1", **TERMS))
    assert not own.has_terms(own.orders["P1"], Order("P1", **OTHER))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (server.Enter, {"qty_lots": True}),
        (server.Enter, {"qty_lots": "1_000"}),
        (server.Enter, {"qty_lots": "5"}),
        (server.Enter, {"qty_lots": 5.0}),
        (server.Enter, {"price": 10}),
        (server.Enter, {"token": 5}),
        (server.Enter, {"side": True}),
        (server.Replace, {"open_lots": True}),
        (server.Replace, {"open_lots": "5"}),
        (server.NewRule, {"percent": True}),
        (server.NewRule, {"percent": "50"}),
        (server.NewRule, {"above": "yes"}),
        (server.NewRule, {"above": 1}),
        (requests.SetLimit, {"value": True}),
        (requests.SetLimit, {"value": 5.0}),
        (requests.SetLimit, {"participant": True}),
        (requests.SetLimit, {"burst": "1_0"}),
        (requests.Split, {"new": True}),
        (requests.Dividend, {"amount": True}),
        (requests.Dividend, {"amount": 1.5}),
    ],
)
def test_a_number_is_a_number_and_a_switch_a_switch(body, field):
    """Neither ``true`` nor text is a quantity, on the participants' page and the operators'; an
    amount may be decimal text, which the desk reads."""
    whole = {
        server.Enter: {"token": "A", "side": "buy", "symbol": "TIN", "qty_lots": 5, "price": "1"},
        server.Replace: {"token": "A", "new_token": "B", "open_lots": 5, "price": "1"},
        server.NewRule: {"kind": "limit", "limit": "x", "percent": 50, "above": False},
        requests.SetLimit: {"why": "x", "limit": "max_qty_lots", "value": 5},
        requests.Split: {"why": "x", "instrument": "TIN", "password": "p", "new": 2, "old": 1},
        requests.Dividend: {"why": "x", "instrument": "TIN", "password": "p", "amount": 5},
    }[body]
    adapter = pydantic.TypeAdapter(body)
    adapter.validate_python(whole)
    with pytest.raises(pydantic.ValidationError):
        adapter.validate_python(whole | field)


def test_a_number_of_64_bits_keeps_its_digits_in_a_browser():
    """Read as a browser reads them, whose numbers have 53 bits."""
    most, least = 2**63 - 1, -(2**63)
    document = {
        "holdings": {
            "account": {"number": 3, "killed": False, "balance": most, "reserved": 0,
                        "profit": least, "credit": None, "open_orders": 2,
                        "limits": [{"limit": "loss", "used": most - 1, "value": most}]},
            "rows": [{"symbol": "TIN", "position": 2**60 + 1, "last": 10_000,
                      "bought_lots": 7, "bought_at": 2**54 + 1, "profit": least + 1}],
        },
        "orders": [{"token": "A", "qty_lots": 5, "price": 10_000, "reference": 2**53 + 1}],
        "fills": [{"match": 2**53 + 1, "qty_lots": 5}],
        "positions": {"TIN": 2**53 + 1, "GOLD": -1},
    }  # fmt: skip

    def as_text(one):
        if isinstance(one, dict):
            return {key: as_text(value) for key, value in one.items()}
        return [as_text(value) for value in one] if isinstance(one, list) else str(one)

    read = json.loads(json.dumps(exact(document)), parse_int=lambda text: int(float(text)))
    assert as_text(read) == as_text(document)
    account = read["holdings"]["account"]
    assert (account["balance"], account["number"], account["credit"]) == (str(most), 3, None)
    assert account["killed"] is False


def test_an_instrument_that_ouch_does_not_trade_is_refused_by_name(tmp_path):
    """Nothing is sent: the venue would answer with a word about a symbol that it does not know."""
    path = tmp_path / "venue.toml"
    path.write_text(
        VENUE.replace('symbol = "TIN"', 'symbol = "TIN"\nouch = false') + PORT.format(port=1)
    )
    file = read_venue(path)
    require_traded(file, "GOLD")
    with pytest.raises(TradeError, match=r"TIN is not traded on this page.*ouch = false"):
        require_traded(file, "TIN")
    with pytest.raises(TradeError, match="no such instrument"):
        require_traded(file, "LEAD")
