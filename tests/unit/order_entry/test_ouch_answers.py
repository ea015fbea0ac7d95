"""What OUCH and SoupBinTCP say where the cause is not a wish: a lost connection, details that
cannot be, a number that no stream has; and self-trade prevention where no message names it."""

import pytest

from openoutcry.order_entry import soupbin
from openoutcry.order_entry.risk_reasons import WORDS
from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import Reason, SelfTrade
from openoutcry.wire.messages import OUCH42, OUCH50
from openoutcry.wire.words import REASON_TEXTS
from tests.support.order_entry.sessions_venue import Nobody, session
from tests.support.venue.inline import InlineVenue
from tests.support.venue.settings_operator import with_settings

DISCONNECTED = REASON_TEXTS.say("FIX 58", Reason.DISCONNECTED)
NONE, DAY, ALL = (int(mode) for mode in CancelOnDisconnect)
FIX, FIVE, COPY = int(Protocol.FIX44), int(Protocol.OUCH50), int(Protocol.DROP_COPY)


class Strict(Nobody):
    """ACME has every kind of rule; BOLT none."""

    def __init__(self):
        self.instruments = make_instruments(
            [
                {
                    "symbol": "ACME",
                    "price_step_ticks": 100,
                    "min_price_ticks": 1_000,
                    "max_price_ticks": 2_000_000,
                    "qty_step_lots": 10,
                    "min_qty_lots": 20,
                    "max_qty_lots": 1_000,
                    "band1_from_ticks": 500_000,
                    "band1_step_ticks": 500,
                },
                {"symbol": "BOLT"},
            ]
        )


def venue_of(tmp_path, *rows, **more):
    return InlineVenue(rows, tmp_path / "journal", **more)


def told(client, count):
    return [client.message() for _ in range(count)]


# Lost connections


@pytest.mark.parametrize("mode", [ALL, DAY])
@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("protocol", ["4.2", "5.0", "fix"])
def test_what_a_lost_connection_cancels_says_so(tmp_path, mode, others, protocol):
    """By one command or one by one (``day``, or another session of the participant)."""
    number = {"4.2": int(Protocol.OUCH42), "5.0": FIVE, "fix": FIX}[protocol]
    more = [{"name": "SAME", "participant": 1}] if others else []
    with venue_of(
        tmp_path,
        {"name": "ALPHA", "participant": 1, "protocol": number, "cancel_on_disconnect": mode},
        {"name": "COPY", "participant": 1, "protocol": int(Protocol.FIX_DROP_COPY)},
        *more,
    ) as venue:
        copy = venue.fix("COPY", protocol=Protocol.FIX_DROP_COPY)
        if protocol == "fix":
            client = venue.fix("ALPHA")
            client.buy("ACME", 5, "1.00", name="a1")
            assert client.next()[150] == "0"
            numbers = client.numbers
            client.close()
            gone = venue.fix("ALPHA", numbers=numbers).next()
            assert (gone[150], gone[39], gone[58]) == ("4", "4", DISCONNECTED)
        else:
            open_client = venue.five if protocol == "5.0" else venue.client
            client = open_client("ALPHA")
            client.enter(1 if protocol == "5.0" else "a1")
            assert client.message()[0] == "A"
            client.close()
            again = open_client("ALPHA")
            (_, (kind, gone)) = told(again, 2)
            assert kind == "C"
            assert gone["reason"] == "Z" if protocol == "4.2" else gone["reason"] in ("Z", ord("Z"))
        reports = [copy.next(), copy.next()]
        assert reports[1][58] == DISCONNECTED


def test_what_a_participant_cancels_is_its_wish(tmp_path):
    with venue_of(tmp_path, {"name": "ALPHA", "participant": 1}) as venue:
        client = venue.client("ALPHA")
        client.enter("a1")
        client.cancel("a1")
        (_, (kind, gone)) = told(client, 2)
        assert (kind, gone["reason"]) == ("C", "U")


# Replaces whose details cannot be

IMPOSSIBLE = {
    "price zero": (100, 0), "price off the step": (100, 10_050),
    "price off the band's step": (100, 500_100), "price below the least": (100, 900),
    "price above the most": (100, 2_000_500), "price above OUCH's": (100, 1_999_999_999),
    "quantity zero": (0, 10_000), "quantity off the lot": (105, 10_000),
    "quantity below the least": (10, 10_000), "quantity above the most": (1_010, 10_000),
}  # fmt: skip


@pytest.mark.parametrize("version", ["4.2", "5.0"])
@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_a_replace_whose_details_cannot_be_takes_the_order_out(tmp_path, version, what):
    """OUCH 4.2 section 2.2, and 5.0's: whoever's limit it is, and the new name is not used up."""
    shares, price = IMPOSSIBLE[what]
    number = FIVE if version == "5.0" else int(Protocol.OUCH42)
    row = {"name": "ALPHA", "participant": 1, "protocol": number}
    with venue_of(tmp_path, row, source=Strict()) as venue:
        if version == "4.2":
            client = venue.client("ALPHA")
            client.enter("a1", shares=100, price=10_000)
            client.replace("a1", "a2", shares, price)
        else:
            client = venue.five("ALPHA")
            client.enter(1, quantity=100, price=10_000)
            client.say("U", orig_user_ref=1, user_ref=2, quantity=shares, price=price)
        (_, (kind, gone)) = told(client, 2)
        assert (kind, gone["shares" if version == "4.2" else "quantity"]) == ("C", 100)
        if version == "4.2":
            client.enter("a2", shares=100, price=10_000)
            assert client.message()[0] == "A"


@pytest.mark.parametrize(
    ("shares", "price"), [(20, 10_000), (1_000, 10_000), (100, 1_000), (100, 2_000_000)]
)
def test_a_replace_at_the_edge_of_the_rules_is_one(tmp_path, shares, price):
    with venue_of(tmp_path, {"name": "ALPHA", "participant": 1}, source=Strict()) as venue:
        client = venue.client("ALPHA")
        client.enter("a1", shares=100, price=10_000)
        client.replace("a1", "a2", shares, price)
        (_, (kind, new)) = told(client, 2)
        assert (kind, new["shares"], new["price"]) == ("U", shares, price)


# Logins by number


@pytest.mark.promise(
    "No message of a session, and no first bytes of a connection, raise anything or write to "
    "standard error. Each refused login is counted, and another session is answered as before",
    group="doors",
)
@pytest.mark.parametrize("name", ["ALPHA", "FIVE", "COPY"])
@pytest.mark.parametrize("beyond", [3, 10**12, 2**63 - 1, 2**63, 10**20 - 1])
def test_a_number_that_no_stream_has_is_refused_at_once(tmp_path, name, beyond):
    """And the session is free for the next login."""
    rows = (
        {"name": "ALPHA", "participant": 1, "cancel_on_disconnect": NONE},
        {"name": "FIVE", "participant": 2, "protocol": FIVE},
        {"name": "COPY", "participant": 1, "protocol": COPY},
    )
    with venue_of(tmp_path, *rows) as venue:
        trader = venue.client("ALPHA")
        trader.enter("a1")
        trader.message()
        trader.socket.close()
        login = {"ALPHA": venue.client, "FIVE": venue.five, "COPY": venue.copy}[name]
        assert login(name, sequence=beyond).answer == ("J", b"S")
        again = login(name, sequence=2 if name != "FIVE" else 1)
        assert again.answer[0] == "A", "nothing of the refused login is left"
        assert again.number == (2 if name != "FIVE" else 1)


def test_a_login_with_a_wrong_number_does_not_take_over(tmp_path):
    """Where a second login takes the session over, one that is refused leaves it."""
    row = session("ALPHA", 1, takeover=1)
    with venue_of(tmp_path, row) as venue:
        first = venue.client("ALPHA")
        assert venue.client("ALPHA", sequence=99).answer == ("J", b"S")
        first.enter("a1")
        assert first.message()[0] == "A"
        assert venue.client("ALPHA", sequence=2).answer[0] == "A"


def test_the_padding_of_a_number_is_read_as_before(tmp_path):
    with venue_of(tmp_path, {"name": "ALPHA", "participant": 1}) as venue:
        line = venue.dial()
        packet = soupbin.login_packet(soupbin.LoginRequest("ALPHA", "secret", "", 1))
        line.sendall(packet[:-20] + b"1".ljust(20))
        assert line.recv(100)[2:3] == b"A"


# Self-trade prevention


@pytest.mark.parametrize("mode", [*SelfTrade])
@pytest.mark.parametrize("protocol", ["4.2", "5.0", "fix"])
def test_a_session_has_a_mode_for_orders_that_name_none(tmp_path, mode, protocol):
    number = {"4.2": int(Protocol.OUCH42), "5.0": FIVE, "fix": FIX}[protocol]
    row = {"name": "ALPHA", "participant": 1, "protocol": number, "self_trade": mode}
    with venue_of(tmp_path, row) as venue:
        if protocol == "fix":
            client = venue.fix("ALPHA")
            client.buy("ACME", 5, "1.00")
            client.sell("ACME", 3, "1.00")
            client.sell("ACME", 1, "1.00", t2964="1")
        elif protocol == "5.0":
            client = venue.five("ALPHA")
            client.enter(1, "B", 5, 10_000)
            client.enter(2, "S", 3, 10_000)
        else:
            client = venue.client("ALPHA")
            client.enter("a1", "B", 5, price=10_000)
            client.enter("a2", "S", 3, price=10_000)
        commands = venue.commands()
        modes = (commands["time_in_force"][commands["qty_lots"] > 0] >> 4).tolist()
        assert modes == [mode, mode, 1][: 3 if protocol == "fix" else 2]


@pytest.mark.parametrize("protocol", ["4.2", "5.0", "fix"])
def test_an_order_without_a_mode_is_rejected_with_what_is_missing(tmp_path, protocol):
    """Where the venue requires one (``names_self_trade``): the session's own is one."""
    number = {"4.2": int(Protocol.OUCH42), "5.0": FIVE, "fix": FIX}[protocol]
    rows = (
        {"name": "NONE", "participant": 1, "protocol": number},
        {"name": "MODE", "participant": 1, "protocol": number, "self_trade": 2},
    )
    required = with_settings(setting(Setting.SELF_TRADE, 1, 1))
    answers = []
    with venue_of(tmp_path, *rows, **required) as venue:
        for name in ("NONE", "MODE"):
            if protocol == "fix":
                client = venue.fix(name)
                client.buy("ACME", 5, "1.00")
                answer = client.next()
                answers.append((answer[150], answer.get(58)))
            else:
                client = venue.five(name) if protocol == "5.0" else venue.client(name)
                client.enter(1 if protocol == "5.0" else "a1", "B", 5, price=10_000)
                kind, answer = client.message()
                answers.append((kind, answer.get("reason")))
    assert (
        answers
        == {
            "4.2": [("J", "O"), ("A", None)],
            "5.0": [("J", 15), ("A", None)],
            "fix": [("8", WORDS.say("FIX 58", "SELF_TRADE")), ("0", "")],
        }[protocol]
    )


def test_the_name_in_a_drop_copy_is_padded_as_the_page_says(tmp_path):
    rows = (
        {"name": "ALPHA", "participant": 1},
        {"name": "COPY", "participant": 1, "protocol": COPY},
    )
    with venue_of(tmp_path, *rows) as venue:
        client, copy = venue.client("ALPHA"), venue.copy("COPY")
        client.enter("a1")
        kind, body = copy.packet()
        assert (kind, len(body)) == ("S", 152)
        assert body[72:85] == b"ALPHA".ljust(13)
        assert body[88:128] == b"a1".ljust(14) + bytes(26)


# A modify that meets something else


def said_at_once(client, *messages):
    """Messages that the venue reads in one look; letter and open shares of all that it answers."""
    client.socket.sendall(b"".join(soupbin.packet("U", message) for message in messages))
    client.socket.patience_s = 0
    answers = []
    while (answer := said_next(client)) is not None:
        letter, fields = answer
        answers.append((letter, fields.get("shares", fields.get("quantity"))))
    return answers


def said_next(client):
    try:
        return client.message()
    except AssertionError:
        return None


@pytest.mark.parametrize("version", ["4.2", "5.0"])
def test_a_modify_is_answered_by_how_the_order_is_then(tmp_path, version):
    """The kind of sale alone changes nothing in the book, so the core is not asked."""
    with venue_of(
        tmp_path, session("ONE", 1, protocol=FIVE if version == "5.0" else int(Protocol.OUCH42))
    ) as venue:
        if version == "5.0":
            one, of, name, size = venue.five("ONE"), OUCH50.from_client, "user_ref", "quantity"
            names = iter(range(1, 9))
        else:
            one, of, name, size = venue.client("ONE"), OUCH42.from_client, "token", "shares"
            names = iter("abcdefgh")

        def entered():
            order = next(names)
            one.enter(order, "S", 100)
            assert one.message()[0] == "A"
            return order

        def change(letter, order, quantity, **more):
            return of(letter).pack(**{name: order, size: quantity}, **more)

        modify = {"letter": "M", "quantity": 100, "side": "T"}
        order = entered()
        assert said_at_once(one, change(order=order, **modify)) == [("M", 100)]
        gone = change("X", order, 0), change(order=order, **modify)
        assert said_at_once(one, *gone) == [("C", 100)]
        order, new = entered(), next(names)
        if version == "5.0":
            more = {"orig_user_ref": order, "user_ref": new, "clordid": "", "appendage_bytes": 0}
            more |= {"time_in_force": "0", "quantity": 100}
        else:
            more = {"token": order, "new_token": new, "time_in_force": 99999, "min_qty": 0}
            more |= {"shares": 100}
        replaced = of("U").pack(price=1_000_100, display="Y", iso="N", **more)
        assert said_at_once(one, replaced, change(order=order, **modify)) == [("U", 100)]
        assert said_at_once(one, change(order=new, **modify)) == [("M", 100)]
