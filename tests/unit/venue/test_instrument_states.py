"""Instruments are suspended, close-only and delisted while the venue trades; restarts, a replay,
the ledger and every door see the same."""

import json
import select
import socket

import numpy as np
import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.market_data.feed import Feed
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.venue.desk import NAME
from openoutcry.venue.file import VenueFileError, read_venue
from openoutcry.venue.instruments_desk import words
from openoutcry.wire.enums import CommandKind, EventKind, Phase, Reason, Side
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.instrument_states import InstrumentState, next_state
from openoutcry.wire.unix_socket import connect
from tests.support.venue.contract_floor import CONTRACT_VENUE, PEOPLE
from tests.support.venue.cut_requests import cut_off, effects
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import VENUE
from tests.support.venue.venue_floor import WORD, kinds, order, risk_refusal

STATE = Setting.INSTRUMENT_STATE
ANNOUNCED = VENUE.replace('symbol = "TIN"', 'symbol = "TIN"\nannounced = true') + PEOPLE


@pytest.fixture(scope="module")
def floor(tmp_path_factory):
    trading_floor = InlineFloor(tmp_path_factory.mktemp("states"))
    yield trading_floor
    trading_floor.close()


def change(floor, *words, **more):
    """Asked for by the account that owns the venue."""
    return floor.ask("instrument", *words, **more)


def trades_again(floor, minute):
    floor.at(f"2026-11-23T10:{minute}")
    floor.wait_for_phase("CONTINUOUS")


def test_a_suspension_takes_cancels_outlives_restarts_and_ends_with_an_auction(floor):
    floor.send(order(1, Side.BUY, 5, 10))
    assert change(floor, "suspend", "GOLD")["done"] == [
        "GOLD is suspended: new orders are rejected, resting orders stay"
    ]
    for again in (False, True):
        if again:
            floor.again()
        status = floor.wait_for(lambda s: s["phases"]["GOLD"] == "HALT")
        assert status["risk"]["states"] == {"GOLD": "suspended"}
        assert status["risk"]["halted"] == []
        (refused,) = floor.send(order(2 + again, Side.BUY, 5, 10))
        assert risk_refusal(refused)[0] == {"INSTRUMENT_SUSPENDED"}
    cancel = order(1, Side.BUY, 5, 10, kind=CommandKind.CANCEL)
    assert kinds(floor.send(cancel)[0]) == [EventKind.CANCELLED]
    wrong = change(floor, "suspend", "GOLD", status=1)["error"]
    assert wrong == "GOLD is suspended: it takes close-only, resume, delist, not suspend"
    halt = floor.ask("resume", "instrument", "GOLD", status=1)["error"]
    assert "GOLD is suspended: `outcry venue instrument resume`" in halt
    assert change(floor, "resume", "GOLD")["done"] == ["GOLD trades again"]
    trades_again(floor, "02")
    floor.send(cancel)  # what is before it is on disk then
    assert floor.phases_of("GOLD")[-3:] == ["HALT", "VOLATILITY_AUCTION", "CONTINUOUS"]
    assert floor.status()["risk"]["states"] == {}


def asked_at_once(floor, *requests):
    """The answers to requests at the desk, each of which has come before the first is answered."""
    clients = []
    for request in requests:
        clients.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        connect(clients[-1], floor.journal_path / NAME, 1)
        clients[-1].sendall(json.dumps(request).encode() + b"\n")
    answered = select.poll()  # a process of many tests has more descriptors than select() takes
    for client in clients:
        answered.register(client, select.POLLIN)
    while len(answered.poll(0)) < len(clients):
        floor.step()
    answers = [json.loads(one.recv(4_096)) for one in clients]
    for one in clients:
        one.close()
    return answers


@pytest.mark.promise(
    "A second supervisor's consent counts once: what was asked for twice in the moment of the "
    "consent is no half of a later request",
    group="venue",
)
def test_a_second_click_of_the_second_supervisor_is_no_wish_for_later(tmp_path):
    floor = InlineFloor(tmp_path)
    words = ("suspend", "TIN", "--operator", "anna")
    assert change(floor, *words, password=WORD)["waits"]
    request = {"do": "instrument-suspend", "instrument": "TIN", "operator": "bert"}
    first, second = asked_at_once(floor, *2 * [request | {"password": WORD}])
    assert first["commands"]
    assert second["waits"], "the first one is not in force yet"
    change(floor, "resume", "TIN")
    assert change(floor, *words, password=WORD)["waits"], "she is alone now"
    assert floor.status()["risk"]["states"] == {}
    floor.close()


def test_two_supervisors_consent(floor):
    """Each with a password, to the same; a request of one changes nothing."""
    words = ("close-only", "TIN", "--operator")
    waits = change(floor, *words, "anna", password=WORD)
    assert waits["waits"]
    assert waits["done"][0].endswith("waiting for a second supervisor")
    assert floor.status()["risk"]["states"] == {}
    again = change(floor, *words, "anna", password=WORD)
    assert again["waits"], "one person twice is one person"
    other = change(floor, "suspend", "TIN", "--operator", "bert", password=WORD)
    assert other["waits"], "another request is another wish"
    change(floor, *words, "bert", password=WORD)
    assert floor.status()["risk"]["states"] == {"TIN": "close-only"}
    (command,) = effects(floor, STATE)[-1:]
    assert (command["aux"], command["order_id"]) == (InstrumentState.CLOSE_ONLY, 2)
    change(floor, "resume", "TIN")


def test_close_only_takes_what_makes_a_position_smaller(floor):
    """Participant 1 holds 40 TIN."""
    floor.send(order(10, Side.SELL, 5, 600, symbol=b"TIN"))
    change(floor, "close-only", "TIN")
    _, events = floor.journal()
    (gone,) = events[(events["order_id"] == 10) & (events["kind"] == EventKind.CANCELLED)]
    assert gone["reason"] == Reason.CLOSE_ONLY
    more = {"symbol": b"TIN"}
    refused, taken, beyond = floor.send(
        order(11, Side.BUY, 1, 500, **more),
        order(12, Side.SELL, 40, 600, **more),
        order(13, Side.SELL, 1, 600, **more),
    )
    assert risk_refusal(refused)[0] == {"CLOSE_ONLY"}
    assert kinds(taken) == [EventKind.ACCEPTED]
    assert risk_refusal(beyond)[0] == {"CLOSE_ONLY"}
    assert floor.status()["phases"]["TIN"] == "CONTINUOUS"
    change(floor, "resume", "TIN")
    floor.send_all(order(12, Side.SELL, 40, 600, kind=CommandKind.CANCEL, **more))


def test_two_requests_at_once_are_both_answered_as_they_were_done(tmp_path):
    """The second one's state is in force when the first is answered."""
    floor = InlineFloor(tmp_path)
    asked = [
        {"do": f"instrument-{do}", "instrument": "TIN", "reference": f"notice {do}"}
        for do in ("suspend", "close-only")
    ]
    answers = asked_at_once(floor, *asked)
    assert [one.get("reference") for one in answers] == ["notice suspend", "notice close-only"]
    floor.step()
    assert effects(floor, STATE)["aux"].tolist() == [
        InstrumentState.SUSPENDED,
        InstrumentState.CLOSE_ONLY,
    ]
    status = floor.status()
    assert status["risk"]["states"] == {"TIN": "close-only"}
    assert status["phases"]["TIN"] == "CONTINUOUS"
    floor.close()


def test_a_delisting_with_positions_names_what_is_in_the_way(floor):
    text = change(floor, "delist", "TIN", status=1)["error"]
    assert text.startswith("TIN: 1 participants hold positions, and there is no settlement price")
    text = change(floor, "delist", "TIN", "--price", "500", status=1)["error"]
    assert text == "TIN is not a contract: a price settles positions of contracts"
    assert change(floor, "suspend", "LEAD", status=1)["error"] == "there is no instrument 'LEAD'"
    assert not len(effects(floor, STATE)[effects(floor, STATE)["aux"] == InstrumentState.DELISTED])


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_delisting_that_is_cut_off_is_done_once(tmp_path, after):
    """Cut off before and after its one command; the same reference finishes it."""
    floor = InlineFloor(tmp_path)
    resting = [order(n, Side.BUY, n, 10) for n in (1, 2, 3)]
    assert all(kinds(events) == [EventKind.ACCEPTED] for events in floor.send(*resting))
    request = {"do": "instrument-delist", "instrument": "GOLD", "reference": "notice 14"}
    assert cut_off(floor, request, after)
    is_delisted = after == 3
    assert (floor.status()["risk"]["states"] == {"GOLD": "delisted"}) is is_delisted
    for _ in range(2):
        change(floor, "delist", "GOLD", "--reference", "notice 14")
        floor.again()
    assert len(effects(floor, STATE)) == 1
    _, events = floor.journal()
    gone = events[events["reason"] == Reason.DELISTED]
    assert sorted(gone["order_id"].tolist()) == [1, 2, 3]
    assert set(gone["kind"]) == {EventKind.CANCELLED}
    assert set(gone["cause_seq"]) == set(effects(floor, STATE)["seq"])
    status = floor.wait_for(lambda s: s["phases"]["GOLD"] == "CLOSED")
    assert status["phases"]["TIN"] == "CONTINUOUS"
    (refused,) = floor.send(order(9, Side.BUY, 5, 10))
    assert risk_refusal(refused)[0] == {"DELISTED"}
    wrong = change(floor, "resume", "GOLD", status=1)["error"]
    assert wrong == "GOLD is delisted: it takes no request any more, not resume"
    # The next day begins without it.
    floor.at("2026-11-24T09:30")
    floor.close()


@pytest.mark.parametrize(
    ("do", "phase"), [("suspend", "HALT"), ("delist", "CLOSED"), ("open", "PRE_OPEN")]
)
def test_the_phase_of_a_state_comes_after_a_kill_by_itself(tmp_path, do, phase):
    """Only the state's own command was sequenced when everything in memory was lost."""
    floor = InlineFloor(tmp_path, ANNOUNCED if do == "open" else VENUE + PEOPLE)
    floor.wait_for(lambda s: s["phases_sequenced"])
    request = {"do": f"instrument-{do}", "instrument": "TIN", "reference": "notice 1"}
    cut_off(floor, request, 3)
    floor.wait_for(lambda s: s["phases"]["TIN"] == phase)
    floor.at("2026-11-23T10:12")
    wanted = "CONTINUOUS" if do == "open" else phase
    floor.wait_for(lambda s: s["phases"]["TIN"] == wanted)
    assert floor.status()["phases"]["GOLD"] == "CONTINUOUS"
    floor.close()


LIVES = (
    ("open", "suspend", "resume", "close-only", "resume"),
    ("open", "suspend", "close-only", "suspend", "delist"),
)


@pytest.mark.parametrize("life", LIVES, ids="-".join)
@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_life_with_a_kill_in_each_request(tmp_path, life, after):
    """Everything in memory is lost after so many of each request's commands.  Asked again, each is
    done once, and the state is the table's."""
    floor = InlineFloor(tmp_path, ANNOUNCED)
    floor.wait_for(lambda s: s["phases_sequenced"])
    state = InstrumentState.ANNOUNCED
    for number, request in enumerate(life, start=1):
        asked = {"do": f"instrument-{request}", "instrument": "TIN", "reference": f"step {number}"}
        cut_off(floor, asked | ({"call_s": 600} if request == "open" else {}), after)
        change(floor, request, "TIN", "--reference", f"step {number}")
        assert len(effects(floor, STATE)) == number
        state = next_state(state, request)
        if request in ("open", "resume"):
            floor.at(f"2026-11-23T10:{12 * number // 3 + 12}")
            floor.wait_for(lambda s: s["phases"]["TIN"] == "CONTINUOUS")
            state = InstrumentState.TRADING
        states = floor.status()["risk"]["states"]
        trades = state is InstrumentState.TRADING
        assert states == ({} if trades else {"TIN": words(state)}), request
    last = "CLOSED" if state is InstrumentState.DELISTED else "CONTINUOUS"
    floor.wait_for(lambda s: s["phases"]["TIN"] == last)
    floor.close()


def test_close_only_waits_for_the_end_of_a_call(tmp_path):
    """Its orders would be gone before the auction; a suspended instrument is in no call."""
    floor = InlineFloor(tmp_path, VENUE + PEOPLE, "2026-11-23T08:30")
    floor.wait_for(lambda s: s["phases"]["TIN"] == "PRE_OPEN" and s["phases_sequenced"])
    floor.send(order(1, Side.BUY, 5, 500, symbol=b"TIN"))
    text = change(floor, "close-only", "TIN", status=1)["error"]
    assert text.startswith("TIN is in a call, whose orders it would cancel")
    assert not len(effects(floor, STATE))
    change(floor, "suspend", "TIN")
    change(floor, "close-only", "TIN")
    assert floor.status()["risk"]["states"] == {"TIN": "close-only"}
    floor.at("2026-11-23T09:00")
    floor.wait_for_phase("CONTINUOUS")
    floor.close()


def test_what_people_read(tmp_path):
    floor = InlineFloor(tmp_path)
    change(floor, "suspend", "GOLD")
    change(floor, "delist", "GOLD")
    change(floor, "close-only", "TIN")
    floor.status()
    file = str(floor.file)
    shown = CliRunner().invoke(main, ["venue", "instrument", "list", "--venue", file, "--json"])
    rows = {row["symbol"]: row for row in json.loads(shown.stdout)}
    assert (rows["GOLD"]["state"], rows["GOLD"]["takes"]) == ("delisted", [])
    assert rows["TIN"]["takes"] == ["suspend", "resume", "delist"]
    text = CliRunner().invoke(main, ["venue", "instrument", "list", "--venue", file]).stdout
    assert "GOLD         delisted   CLOSED             takes nothing" in text
    status = CliRunner().invoke(main, ["venue", "status", file]).stdout.splitlines()
    assert {"GOLD is delisted", "TIN is close-only"} <= set(status)
    history = CliRunner().invoke(main, ["venue", "limits", "history", "--venue", file, "--json"])
    did = [(row["what"], row["did"]) for row in json.loads(history.stdout)]
    assert did == [("GOLD", "suspended"), ("GOLD", "delisted"), ("TIN", "close-only")]
    floor.close()


def test_the_feed_says_each_state(tmp_path):
    """H with its letter and reason, as it changes and at the begin of the next session."""
    floor = InlineFloor(tmp_path)
    for asked in (("suspend", "GOLD"), ("close-only", "TIN"), ("delist", "GOLD")):
        change(floor, *asked)
    floor.status()
    commands, events = floor.journal()
    feed = Feed(floor.venue.file.instruments, order_capacity=4_096)
    data = feed.encode(events, np.ascontiguousarray(commands["rx_ts_ns"]), int(commands["seq"][0]))
    said, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 2], "big")
        message = data[at + 2 : at + 2 + size]
        if message[:1] == b"H":
            said.append((message[11:19].decode().strip(), message[19:20] + message[21:25]))
        at += 2 + size
    assert ("GOLD", b"HSUSP") in said
    assert ("TIN", b"TCONL") in said
    assert [one for symbol, one in said if symbol == "GOLD"][-1] == b"HDLST"
    floor.close()


def test_a_contract_is_delisted_at_a_price(tmp_path):
    """Its positions are settled, the ledger agrees, and a replay comes to the same."""
    floor = InlineFloor(tmp_path, CONTRACT_VENUE)
    tin = {"symbol": b"TIN"}
    floor.send(order(1, Side.SELL, 2, 200_000, who=2, **tin), order(2, Side.BUY, 2, 200_000, **tin))
    floor.send(order(3, Side.BUY, 1, 190_000, **tin))
    text = change(floor, "delist", "TIN", status=1)["error"]
    assert "2 participants hold positions" in text
    assert "--price" in text
    before = floor.view.of(1, lay.BALANCE)
    done = change(floor, "delist", "TIN", "--price", "199000")["done"]
    assert done[0].endswith("cancelled. Positions are settled at 199000 ticks.")
    floor.step()
    assert not floor.view.cells[:, 1, lay.POSITION // 8].any()
    assert floor.view.of(1, lay.BALANCE) == before - 2 * 1_000
    assert floor.view.of(1, lay.OPEN) == 0
    floor.wait_for(lambda s: s["phases"]["TIN"] == Phase.CLOSED.name)
    floor.close()


@pytest.mark.parametrize("again", [False, True], ids=["", "over a restart"])
def test_an_announced_instrument_is_listed_while_the_venue_trades(tmp_path, again):
    """It collects orders for as long as was asked, and opens with an auction; the others trade."""
    floor = InlineFloor(tmp_path, ANNOUNCED)
    tin = {"symbol": b"TIN"}
    status = floor.wait_for(lambda s: s["phases"]["GOLD"] == "CONTINUOUS")
    assert status["phases"]["TIN"] == "CLOSED"
    assert status["risk"]["states"] == {"TIN": "announced"}
    (refused,) = floor.send(order(1, Side.BUY, 5, 500, **tin))
    assert refused["kind"] == EventKind.REJECTED
    wrong = change(floor, "suspend", "TIN", status=1)["error"]
    assert wrong == "TIN is announced: it takes open, delist, not suspend"
    assert "is trading: it takes" in change(floor, "open", "GOLD", status=1)["error"]
    done = change(floor, "open", "TIN", "--call-min", "10", "--reference", "notice 11")["done"]
    assert done == ["TIN is listed: it collects orders, and opens with an auction"]
    floor.wait_for(lambda s: s["phases"]["TIN"] == "PRE_OPEN")
    if again:
        floor.again()
        change(floor, "open", "TIN", "--call-min", "10", "--reference", "notice 11")
    assert floor.status()["risk"]["states"] == {"TIN": "pre-open"}
    bought, sold = floor.send(
        order(2, Side.BUY, 5, 510, **tin), order(3, Side.SELL, 5, 490, who=2, **tin)
    )
    assert kinds(bought)[0] == kinds(sold)[0] == EventKind.ACCEPTED
    assert EventKind.FILLED not in kinds(bought) + kinds(sold)
    floor.at("2026-11-23T10:05")
    assert floor.status()["phases"]["TIN"] == "PRE_OPEN"
    floor.at("2026-11-23T10:11")
    status = floor.wait_for(lambda s: s["phases"]["TIN"] == "CONTINUOUS")
    assert status["risk"]["states"] == {}
    _, events = floor.journal()
    fills = events[(events["kind"] == EventKind.FILLED) & np.isin(events["order_id"], (2, 3))]
    assert len(fills) == 2
    assert len(effects(floor, STATE)) == 1
    assert floor.phases_of("TIN") == ["PRE_OPEN", "CONTINUOUS"]
    floor.close()


def test_the_calendar_opens_what_was_listed_before_its_hours(tmp_path):
    """At 08:30 the calendar has PRE_OPEN, at 09:00 continuous trading."""
    floor = InlineFloor(tmp_path, ANNOUNCED, "2026-11-23T08:30")
    floor.wait_for(lambda s: s["phases"]["GOLD"] == "PRE_OPEN")
    change(floor, "open", "TIN")
    floor.wait_for(lambda s: s["phases"]["TIN"] == "PRE_OPEN")
    floor.at("2026-11-23T09:00")
    floor.wait_for_phase("CONTINUOUS")
    assert floor.status()["risk"]["states"] == {}
    floor.close()


def test_an_instrument_that_traded_cannot_be_announced(tmp_path):
    """The next start refuses it by its name."""
    floor = InlineFloor(tmp_path, VENUE + PEOPLE)
    floor.send(order(1, Side.BUY, 5, 10))
    floor.close()
    text = floor.file.read_text().replace('symbol = "GOLD"', 'symbol = "GOLD"\nannounced = true')
    floor.file.write_text(text)
    with pytest.raises(OutcryError, match="GOLD was not announced"):
        floor.open()


@pytest.mark.parametrize(
    ("more", "word_of_it"),
    [
        ('symbol = "TIN"\nannounced = 1', "announced"),
        ('symbol = "GOLD"\nannounced = true', "GOLD"),
        ('symbol = "TIN"\nannounced = true\nbase = "SOL"\nquote = "USD"', "base"),
    ],
)
def test_a_listing_that_cannot_be_is_named_by_the_file(tmp_path, more, word_of_it):
    """Before anything is staged: a senseless key, a duplicate symbol, an asset that is not
    declared."""
    path = tmp_path / "venue.toml"
    path.write_text(VENUE.replace('symbol = "TIN"', more))
    with pytest.raises(VenueFileError) as error:
        read_venue(path)
    assert word_of_it in str(error.value)


def test_a_perpetual_that_was_delisted_keeps_no_other_from_its_funding(tmp_path):
    """Two are funded at one time; one of them was delisted at a price, with positions."""
    text = CONTRACT_VENUE.replace("expiry = 2026-11-23T16:00:00Z\n", "")
    text = text.replace('kind = "future"', 'kind = "perpetual"')
    text = text.replace("time_every_s = 600", "time_every_s = 60")
    for symbol in ("GOLD", "TIN"):
        text += f'[[funding]]\ncontract = "{symbol}"\nevery_h = 2\n'
    floor = InlineFloor(tmp_path, text, "2026-11-23T10:10")
    tin = {"symbol": b"TIN"}
    floor.send(order(1, Side.SELL, 1, 200_000, who=2, **tin), order(2, Side.BUY, 1, 200_000, **tin))
    for symbol, price in (("GOLD", 5_000), ("TIN", 200_000)):
        floor.ask("contract", "mark", symbol, str(price), "--index", str(price - 5))
    change(floor, "delist", "TIN", "--price", "200000")
    floor.at("2026-11-23T12:00")
    funded = lambda s: s["risk"]["contracts"]["GOLD"]["period"]  # noqa: E731
    assert funded(floor.wait_for(funded))
    assert not floor.status()["risk"]["contracts"]["TIN"]["period"]
    floor.close()
