"""What a session or a participant may enter: each form of an order at each protocol, lists, changes
while the venue trades, and mistakes in the venue file."""

import pytest

from openoutcry.client.shm import ShmOrder, reason_name
from openoutcry.order_entry.documents import digest_of, document_of, session_of
from openoutcry.order_entry.spec import EVERY, Protocol, SessionSpec
from openoutcry.venue.file import VenueFileError, read_venue
from openoutcry.wire.enums import (
    TIF_MASK,
    CommandKind,
    Contingency,
    OrderType,
    Side,
    TimeInForce,
)
from tests.support.cli.order_words import FORMS, TIME_WORDS
from tests.support.cli.prompt import PromptBench
from tests.support.order_entry.sessions_venue import HASH, KEY, session
from tests.support.venue.floor import InlineFloor
from tests.support.venue.inline import InlineVenue
from tests.support.venue.party import Ouch50Party
from tests.support.venue.served_venue import VENUE

LIMITED = {
    "order_types": 1 << OrderType.LIMIT | 1 << OrderType.STOP | 1 << OrderType.ICEBERG,
    "times_in_force": 1 << TimeInForce.DAY | 1 << TimeInForce.IOC,
    "lists": False,
}
PROTOCOLS = (Protocol.OUCH42, Protocol.OUCH50, Protocol.FIX44, Protocol.SHM)
KINDS = {Protocol.OUCH42: "4.2", Protocol.OUCH50: "5.0"}


def by_plain_rule(order_type, tif):
    """Whether LIMITED permits it."""
    return order_type in (1, 6, 10) and tif in (1, 2)


@pytest.fixture(params=PROTOCOLS, ids=lambda protocol: protocol.name)
def protocol(request):
    return request.param


@pytest.fixture
def bench(protocol, tmp_path, monkeypatch, capsys):
    row = {"name": "SOME", "participant": 1, "protocol": int(protocol), "timeout_ms": 15_000}
    with InlineVenue([session(**row, **LIMITED)], tmp_path / "journal") as venue:
        yield PromptBench(venue, monkeypatch, capsys)


def typing_of(bench, protocol):
    if protocol == Protocol.FIX44:
        return bench.fix("SOME")
    if protocol == Protocol.SHM:
        return bench.shm("SOME")
    return bench.ouch("SOME", KINDS[protocol])


def test_each_form_is_entered_or_refused_as_the_session_may(bench, protocol):
    typing = typing_of(bench, protocol)
    lines = [f"buy ACME 5 {words}" for words in FORMS.values()]
    lines += [
        f"buy ACME 5 10 {'until=60' if word == 'gtd' and protocol in KINDS else word}"
        for word in TIME_WORDS.values()
    ]
    lines = [line.replace("10 gtd", "10 until=20991231-22:00:00") for line in lines]
    told = {True: 0, False: 0}
    for line in lines:
        before = len(bench.venue.commands())
        said = bench.says(typing, line)
        if not said[0].startswith("order "):
            continue  # the protocol cannot say it
        (command,) = bench.venue.commands()[before:]
        if command["kind"] == CommandKind.NEW:
            assert by_plain_rule(command["order_type"], command["time_in_force"] & TIF_MASK), line
            told[True] += 1
        else:
            assert command["kind"] == 0
            assert not command["order_id"]
            bench.venue.step()
            said += bench.says(typing, "wait 0")
            assert any(word in text for text in said for word in ("ejected", "OrdStatus=8")), said
            told[False] += 1
    assert told[True] >= 3, told
    assert told[False] >= 3, told


def test_lists_and_expiries_by_terms_are_refused_by_name():
    row = {"name": "SOME", "participant": 1, "protocol": int(Protocol.SHM)}
    legs = [
        ShmOrder(n, Side.SELL, "ACME", 9, price, order_type=kind, aux=aux)
        for n, price, kind, aux in ((1, 11_000, OrderType.LIMIT, 0), (2, 0, OrderType.STOP, 9_000))
    ]
    far_ns = 1 << 62
    for limits, is_list, is_expiry in (
        ({"lists": False}, False, True),
        ({"times_in_force": EVERY ^ 1 << TimeInForce.GTD}, True, False),
        ({"order_types": EVERY ^ 1 << OrderType.STOP}, False, True),
        ({}, True, True),
    ):
        with InlineVenue([session(**row, **limits)]) as venue:
            client = venue.shm("SOME")
            client.enter_list(Contingency.OCO, legs)
            replies = client.told()
            assert [chr(one.kind) for one in replies[:2]] == (["A", "A"] if is_list else ["J"])
            if not is_list:
                assert reason_name(replies[0].reason) == "not admitted"
            client.enter_with(
                ShmOrder(9, Side.BUY, "ACME", 5, 10, time_in_force=TimeInForce.GTC), until_ns=far_ns
            )
            (reply,) = client.told()[-1:]
            assert chr(reply.kind) == ("A" if is_expiry else "J")


def test_a_document_of_a_session_without_limits_is_that_of_earlier_versions():
    """What an operator changed with an earlier build still counts: its digest is of the row as it
    was written then."""
    row = SessionSpec("ALPHA", 1, Protocol.OUCH50, "x")
    assert "order_types" not in repr(row)
    limited = SessionSpec("ALPHA", 1, Protocol.OUCH50, "x", **LIMITED)
    assert digest_of(row) != digest_of(limited)
    for of, wanted in ((row, limited), (limited, row)):
        assert session_of(of, document_of(of, wanted, 1)) == wanted


PORT = """
[[port]]
protocol = "ouch-5.0"
address = "127.0.0.1:0"
[[session_slots]]
protocol = "ouch-5.0"
count = 1
[[session]]
name = "ONE"
participant = 1
"""
OUCH = PORT + f'protocol = "ouch-5.0"\npassword = "{HASH}"\ntimeout_ms = 600_000\n'
KEYED = PORT + f'key = "{KEY.hex()}"\n'
LISTLESS = "lists = false"
MISTAKES = (
    ('order_types = ["LIMIT", "PEG"]', OUCH, "order_types: 'PEG' is not one of LIMIT, MARKET"),
    ('times_in_force = ["DAY", 3]', OUCH, "times_in_force: must be a text"),
    ("order_types = []", OUCH, "names none: without the key all are permitted"),
    ('order_types = "LIMIT"', OUCH, "order_types: must be a list"),
    ("lists = 1", OUCH, "lists: must be true or false"),
    ('protocols = ["ouch"]', OUCH, "'ouch' is not one of ouch-4.2"),
    ('protocols = ["fix-4.2"]', OUCH, "participant 1 has no sessions of this protocol"),
    (LISTLESS, KEYED + 'protocol = "packets"\n', "may enter is not checked on order packets"),
    (
        LISTLESS,
        KEYED.replace("participant = 1", "participant = 2")
        + 'protocol = "shm"\nacts_for = "1, 5"\n',
        "a broker's session does not check what participant 1 may enter",
    ),
    (
        LISTLESS,
        OUCH + '[[port]]\nprotocol = "packets-unauthenticated"\naddress = "127.0.0.1:9"\n',
        "what participant 1 may enter is not checked on such packets",
    ),
    ("", OUCH.replace('l = "ouch-5.0"\np', 'l = "drop-copy"\np') + LISTLESS, "not packets"),
    ("", OUCH + 'order_types = ["STOPP"]', "'STOPP' is not one of"),
)


def text_of(line, sessions=OUCH):
    venue = VENUE.replace("GOLD", "ACME")  # what parties order
    venue = venue.replace("[calendar]", "participant_capacity = 10\n[calendar]")
    return venue.replace("[[participant]]", f"[[participant]]\n{line}", 1) + sessions


@pytest.mark.parametrize(("line", "sessions", "why"), MISTAKES)
def test_mistakes_are_named(tmp_path, line, sessions, why):
    path = tmp_path / "venue.toml"
    path.write_text(text_of(line, sessions))
    path.chmod(0o600)
    with pytest.raises(VenueFileError) as error:
        read_venue(path)
    assert why in str(error.value)


def may(floor, party, number, *, ioc=False):
    """Whether a limit order is accepted."""
    party.told()
    party.enter(number, ioc=ioc)
    return "A" in party.told()


def test_limits_are_changed_while_the_venue_trades_and_never_past_the_participant_s(tmp_path):
    """They hold for a session of the file and for one that is added, after restarts too."""
    floor = InlineFloor(
        tmp_path, text_of('times_in_force = ["DAY", "GTC"]\nprotocols = ["ouch-5.0"]')
    )
    add = ("session", "add", "NEW", "--protocol", "ouch-5.0", "--participant", "1")
    floor.ask(*add, "--password-hash", HASH, "--timeout-ms", "600000")
    for again in (False, True):
        if again:
            floor.again()
        for name in ("ONE", "NEW"):
            party = Ouch50Party(floor, name)
            assert may(floor, party, 1 + 10 * again)
            assert not may(floor, party, 2 + 10 * again, ioc=True)
            party.log_out()
    floor.ask("session", "change", "ONE", "--order-types", "STOP,LIMIT", "--no-lists")
    floor.ask("session", "change", "NEW", "--times-in-force", "all", "--order-types", "MARKET")
    floor.again()
    row = next(one for one in floor.status()["sessions"] if one["name"] == "ONE")
    assert (row["order_types"], row["times_in_force"]) == (["LIMIT", "STOP"], ["DAY", "GTC"])
    assert row["lists"] is False
    one, new = Ouch50Party(floor, "ONE"), Ouch50Party(floor, "NEW")
    assert may(floor, one, 30)
    assert not may(floor, one, 31, ioc=True)
    assert not may(floor, new, 30)
    floor.ask("session", "change", "NEW", "--order-types", "all")
    assert may(floor, new, 31)
    error = floor.ask("session", "change", "NEW", "--order-types", "none", status=1)["error"]
    assert error.startswith("order_types: 'none' is not one of LIMIT")
    floor.close()


def test_a_session_of_a_protocol_that_the_participant_has_not_is_not_added(tmp_path):
    more = OUCH + '[[port]]\nprotocol = "ouch-4.2"\naddress = "127.0.0.1:0"\n'
    more += '[[session_slots]]\nprotocol = "ouch-4.2"\ncount = 1\n'
    floor = InlineFloor(tmp_path, text_of('protocols = ["ouch-5.0"]', more))
    add = ("session", "add", "NEW", "--protocol", "ouch-4.2", "--participant", "1")
    error = floor.ask(*add, "--password-hash", HASH, status=1)["error"]
    assert error == "participant 1 has no sessions of this protocol"
    floor.close()
