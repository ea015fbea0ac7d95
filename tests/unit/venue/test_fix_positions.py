"""Positions and margin on the venue's own FIX sessions: the figures of the margin view to the unit,
a participant's own alone, and the same bytes when they are asked for again."""

from decimal import Decimal
from typing import Any

import pytest

from openoutcry.client.fix import FixMessage
from openoutcry.order_entry.fix import answers, words
from openoutcry.order_entry.spec import Protocol
from openoutcry.risk import layout as lay
from openoutcry.risk.region import View
from openoutcry.venue.file import read_venue
from openoutcry.venue.funding_follower import FundingFollower
from openoutcry.venue.margin_view import MarginView
from openoutcry.venue.position_messages import GREEKS, PARTS, SCENARIOS, TOTALS
from openoutcry.wire.enums import Side
from tests.oracles.fix_dictionary import Dictionary
from tests.support.order_entry.fix_quickfix import fault
from tests.support.venue.floor import InlineFloor
from tests.support.venue.scenario_floor import MARGIN_FILE, SCENARIO_VENUE
from tests.support.venue.spot_floor import session_tables
from tests.support.venue.venue_floor import order

ROWS = {
    "ONE": ("fix-4.4", 'participant = 1\ncancel_on_disconnect = "none"', "password"),
    "TWO": ("fix-4.4", "participant = 2", "password"),
    "THREE": ("fix-4.4", "participant = 3", "password"),
    "OLD": ("fix-4.2", "participant = 1", "password"),
    "COPY": ("fix-drop-copy", "participant = 2", "password"),
}
TERMS = ((724, "0"), (581, "1"), (715, "20261123"))
DICTIONARY = Dictionary()


class PositionsFloor(InlineFloor):
    """The desk of answers is stepped with the rest."""

    def step(self) -> None:
        super().step()
        assert self.run is not None
        desk = self.run.work.sessions.desk
        while desk is not None and desk.answer_waiting():
            super().step()


@pytest.fixture
def floor(tmp_path):
    (tmp_path / "margin.toml").write_text(MARGIN_FILE)
    with PositionsFloor(tmp_path, SCENARIO_VENUE + session_tables(ROWS)) as made:
        made.send(
            order(1, Side.BUY, 4, 5_000, who=1),
            order(2, Side.SELL, 4, 5_000, who=2),
            order(3, Side.SELL, 1, 200_000, who=1, symbol=b"TIN"),
            order(4, Side.BUY, 1, 200_000, who=2, symbol=b"TIN"),
            order(5, Side.BUY, 2, 4_000, who=1),
        )
        made.ask("contract", "settle", "GOLD", "--price", "5010")
        made.ask("contract", "mark", "GOLD", "5030")
        yield made


def client_of(floor: InlineFloor, name: str, **more: Any) -> Any:
    return floor.fix(name, target="TEST", **more)


def asked(
    client: Any, name: str, account: str, *more: tuple[int, str], left: int = 0
) -> list[FixMessage]:
    """What answers a request, up to its last message; ``left``: a field that it has not."""
    fields = [(710, name), (1, account), *TERMS, (60, client._utc_text())]
    client._send("AN", [*(pair for pair in fields if pair[0] != left), *more])
    return heard(client)


def heard(client: Any) -> list[FixMessage]:
    while (first := client.next(0)).kind == "8":  # a drop copy's
        pass
    if first.kind != "AO":
        return [first]
    return [first, *(client.next(0) for _ in range(int(first[727])))]


def units(text: str, decimals: int = 2) -> int:
    scaled = Decimal(text).scaleb(decimals)
    assert scaled == int(scaled)
    return int(scaled)


def test_the_figures_are_those_of_the_margin_view(floor: InlineFloor) -> None:
    file = read_venue(floor.file)
    for who, name in ((1, "ONE"), (2, "TWO")):
        ack, *reports = asked(client_of(floor, name), "all", str(who), (5500, "Y"))
        assert [fault(one.raw) for one in (ack, *reports)] == [""] * 3
        view = floor.view
        plain = MarginView(file.risk, list(file.symbols), view).document(who)
        assert [ack[tag] for tag in (710, 721, 727, 728, 729)] == ["all", "all", "2", "0", "0"]
        assert {total: units(ack[tag]) for total, tag in TOTALS.items()} == {
            total: plain[total] for total in TOTALS
        }
        assert (ack[5502], ack[5508]) == ("USD", "Y")
        assert int(ack[5501]) == floor.shared.sequenced.published
        assert [one[55] for one in reports] == list(plain["positions"]) == ["GOLD", "TIN"]
        for one in reports:
            row, underlying = plain["positions"][one[55]], one[5510]
            part = plain["commodities"][underlying]
            sides = int(one.get(704) or 0) - int(one.get(705) or 0)
            assert (sides, units(one[730])) == (row["lots"], row["mark"])
            assert {name: units(one[tag]) for name, tag in PARTS.items()} == {
                name: part[name] for name in PARTS
            }
            assert [units(one[SCENARIOS + n]) for n in range(16)] == part["scenarios"]
            assert [int(one[5517]), int(one[5522])] == [part["active"] + 1, part["net_delta"]]
            ends = plain["liquidation"][underlying]
            for tag, side in ((5523, "below"), (5524, "above")):
                assert (units(one[tag]) if one.get(tag) else None) == ends[side]
            for greek, tag in GREEKS.items():
                assert float(one[tag]) == pytest.approx(
                    plain["greeks"][underlying][greek], rel=1e-8
                )


def paid_of(message: FixMessage) -> dict[str, str]:
    """Amounts of a position (708) by their types (707)."""
    values = [value for tag, value in message.fields if tag in (707, 708)]
    assert message[753] == str(len(values) // 2)
    return dict(zip(values[::2], values[1::2], strict=True))


def test_funding_is_what_the_journal_says_up_to_that_moment(floor: InlineFloor) -> None:
    """What no process has read yet is left out, and is no 0."""
    one, two = client_of(floor, "ONE"), client_of(floor, "TWO")
    ack, _, tin = asked(one, "none", "1", (5500, "Y"))
    assert (ack[5509], paid_of(tin)["FUND"]) == ("0.00", "0.00"), "nothing was funded"
    floor.ask("contract", "fund", "TIN", "--rate", "1000000")
    ack, _, tin = asked(one, "late", "1", (5500, "Y"))
    assert 5509 not in dict(ack.fields)
    assert list(paid_of(tin)) == ["FMTM"]
    with FundingFollower(floor.journal_path) as follower:
        follower.advance()
    for client, who, paid in ((one, "1", "2.00"), (two, "2", "-2.00")):
        ack, gold, tin = asked(client, "now", who, (5500, "Y"))
        assert [fault(one.raw) for one in (ack, gold, tin)] == [""] * 3
        assert (ack[5509], paid_of(tin)["FUND"]) == (paid, paid), "a thousandth of 2,000"
        assert list(paid_of(gold)) == ["FMTM"], "a future is not funded"
        assert 5547 not in dict(ack.fields), "since the journal's begin"
    # A contract that is no longer held is in the sum.
    floor.send(
        order(6, Side.BUY, 1, 200_000, who=1, symbol=b"TIN"),
        order(7, Side.SELL, 1, 200_000, who=2, symbol=b"TIN"),
    )
    ack, gold = asked(one, "gone", "1", (5500, "Y"))
    assert (ack[5509], gold[55]) == ("2.00", "GOLD")
    for message in asked(one, "plain", "1"):
        assert DICTIONARY.fault(message.raw) is None


def test_the_client_asks_as_the_standard_says(floor: InlineFloor) -> None:
    """``FixClient.positions``: all contracts or one, with margin or without."""
    client = client_of(floor, "ONE")
    for symbol, margin in (("", False), ("GOLD", False), ("TIN", True)):
        name = client.positions("1", symbol, margin)
        ack, *reports = heard(client)
        assert [ack.kind, ack[710], ack[728]] == ["AO", name, "0"]
        assert [one[55] for one in reports] == ([symbol] if symbol else ["GOLD", "TIN"])
        assert (5501 in dict(ack.fields)) == margin
        assert all((5510 in dict(one.fields)) == margin for one in reports)


def test_without_margin_every_message_is_of_the_standards_dictionary(floor: InlineFloor) -> None:
    answer = asked(client_of(floor, "ONE"), "std", "1")
    assert [one.kind for one in answer] == ["AO", "AP", "AP"]
    for one in answer:
        assert DICTIONARY.fault(one.raw) is None, one.raw
    ack, gold, _ = answer
    assert [gold[tag] for tag in (704, 730, 731, 734, 708)] == ["4", "50.30", "2", "50.10", "12.00"]
    assert not any(tag >= 5500 for one in answer for tag, _ in one.fields)
    assert [ack[tag] for tag in (448, 1, 581)] == ["1", "1", "1"]


@pytest.mark.parametrize(
    ("name", "account", "more", "result", "says"),
    [
        ("ONE", "2", (), "3", "account '2' is none of this session's"),
        ("ONE", "x", (), "3", "account 'x' is none of this session's"),
        ("COPY", "1", (), "3", "account '1' is none of this session's"),
        ("ONE", "1", ((55, "LEAD"),), "1", "LEAD is no contract"),
        ("ONE", "1", ((263, "1"),), "4", "724=0 and 263=0 are answered"),
        ("THREE", "3", (), "2", "no position in a contract"),
    ],
)
def test_nothing_is_said_of_another_participant(floor, name, account, more, result, says) -> None:
    client = client_of(floor, name, **of_copy(name))
    (ack,) = asked(client, "no", account, *more)
    assert [ack[tag] for tag in (710, 727, 728, 58)] == ["no", "0", result, says]
    assert DICTIONARY.fault(ack.raw) is None


def of_copy(name: str) -> dict[str, Any]:
    return {"protocol": Protocol.FIX_DROP_COPY} if name == "COPY" else {}


def test_a_drop_copy_sees_its_participants_positions(floor: InlineFloor) -> None:
    copy = client_of(floor, "COPY", **of_copy("COPY"))
    ack, gold, tin = asked(copy, "c", "2", (5500, "Y"))
    assert [ack[727], gold[705], tin[704]] == ["2", "4", "1"]
    one = client_of(floor, "ONE")
    assert asked(one, "gold", "1", (55, "GOLD"))[1][55] == "GOLD"


@pytest.mark.parametrize("tag", [710, 724, 1, 581, 715, 60])
def test_a_request_without_a_required_field_is_rejected(floor: InlineFloor, tag: int) -> None:
    (reject,) = asked(client_of(floor, "ONE"), "r", "1", left=tag)
    assert [reject.kind, reject[371], reject[373], reject[372]] == ["3", str(tag), "1", "AN"]


@pytest.mark.parametrize(
    ("tag", "value"), [(715, "20261332"), (724, "10"), (60, "now"), (1, "9" * 17)]
)
def test_a_malformed_field_is_rejected(floor: InlineFloor, tag: int, value: str) -> None:
    (reject,) = asked(client_of(floor, "ONE"), "r", "1", (tag, value), left=tag)
    assert [reject.kind, reject[371]] == ["3", str(tag)]
    assert reject[373] in ("5", "6")


def test_another_version_does_not_know_the_request(floor: InlineFloor) -> None:
    old = client_of(floor, "OLD", protocol=Protocol.FIX42, version="4.2")
    (answer,) = asked(old, "o", "1")
    assert [answer.kind, answer[372], answer[380]] == ["j", "AN", "3"]


def test_what_was_sent_is_sent_again_as_it_was_after_the_stage_died(floor: InlineFloor) -> None:
    one = client_of(floor, "ONE")
    first = asked(one, "a", "1", (5500, "Y"))
    floor.send(order(6, Side.BUY, 2, 5_000, who=1), order(7, Side.SELL, 2, 5_000, who=3))
    floor.sessions_again(int(floor.shared.events.cursors["sessions"][0]))
    numbers = one.numbers
    numbers.next_in = first[0].sequence
    again = client_of(floor, "ONE", numbers=numbers, next_expected=True)
    heard_again = [one for one in iter(lambda: quiet(again), None) if one.kind in ("AO", "AP")]
    assert [body(one) for one in heard_again[:3]] == [body(one) for one in first]
    assert [one.sequence for one in heard_again[:3]] == [one.sequence for one in first]
    assert all(one[43] == "Y" for one in heard_again[:3])
    ack, gold, _ = asked(again, "a", "1", (5500, "Y"))
    assert [ack[710], gold[704]] == ["a", "6"], "asked again it is of now"


def quiet(client: Any) -> FixMessage | None:
    try:
        return client.next(0)
    except AssertionError:
        return None


def body(message: FixMessage) -> list[tuple[int, str]]:
    header = (8, 9, 10, 34, 43, 49, 52, 56, 122)
    return [pair for pair in message.fields if pair[0] not in header]


def test_the_numbers_continue_where_everything_in_memory_was_lost(floor: InlineFloor) -> None:
    one = client_of(floor, "ONE")
    first = asked(one, "a", "1")
    floor.again()
    numbers = one.numbers
    numbers.next_in = first[0].sequence
    again = client_of(floor, "ONE", numbers=numbers, next_expected=True)
    seen = [one for one in iter(lambda: quiet(again), None) if one.kind in ("AO", "AP")]
    assert [body(one) for one in seen] == [body(one) for one in first]


def test_more_requests_than_wait_for_an_answer_are_refused(floor: InlineFloor) -> None:
    """The desk is slow: it takes no question until all have been asked."""
    one = client_of(floor, "ONE")
    desk, floor.run.work.sessions.desk = floor.run.work.sessions.desk, None
    before = floor.shared.sequenced.published
    for number in range(20):
        one._send("AN", [(710, f"n{number}"), (1, "1"), *TERMS, (60, one._utc_text())])
    floor.step()
    refused = iter(lambda: quiet(one), None)
    assert [(m.kind, m[379], m[380], m[372]) for m in refused] == [
        ("j", f"n{number}", "4", "AN") for number in range(16, 20)
    ]
    assert floor.shared.sequenced.published == before, "a question is no command"
    floor.run.work.sessions.desk = desk
    floor.step()
    names = [m[710] for m in iter(lambda: quiet(one), None) if m.kind == "AO"]
    assert names == [f"n{number}" for number in range(16)]


def test_a_session_that_asks_much_delays_others_by_one_answer(floor: InlineFloor) -> None:
    one, two = client_of(floor, "ONE"), client_of(floor, "TWO")
    desk, floor.run.work.sessions.desk = floor.run.work.sessions.desk, None
    for name, client, account in [*[("n", one, "1")] * 8, ("other", two, "2")]:
        client._send("AN", [(710, name), (1, account), *TERMS, (60, client._utc_text())])
    floor.step()
    answer, names = desk._answer, []

    def noted(fields, seen):
        names.append(fields[710])
        return answer(fields, seen)

    desk._answer = noted
    assert desk.answer_waiting() == 9
    assert names == ["n", "other", *["n"] * 7]


def test_what_a_reader_does_not_take_is_bounded_and_named(floor: InlineFloor) -> None:
    one = client_of(floor, "ONE")
    asked(one, "a", "1")
    sessions = floor.run.work.sessions
    index = next(n for n, row in enumerate(sessions.spec.sessions, 1) if row.name == "ONE")
    store, block = sessions.desk.stores[index], sessions.region.block(index)
    block[words.SENT_ANSWER // 8] = store.head - answers.SLOTS + 66
    fields = {710: "b", 1: "1", 724: "0", 581: "1", 715: "20261123"}
    before = store.head
    sessions.desk._put(index, fields)
    assert store.head == before + 1
    slot = store._slots[store.head & answers.SLOTS - 1]
    text = slot[2:].tobytes()[: slot[1]]
    assert b"728=99" in text
    assert b"58=ask again, or by symbol" in text
    block[words.SENT_ANSWER // 8] = store.head


def test_an_answer_is_of_one_moment(floor: InlineFloor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The core fills an order between the two halves of a copy: what was read is read again."""
    from openoutcry.risk import snapshot as taken

    region = floor.shared.regions[0]
    copy_of, copies = taken.copy_of, []

    def torn(region, who):
        made = copy_of(region, who)
        copies.append(who)
        if len(copies) == 1:
            words_of = made.view("i8")
            at = int(words_of[lay.PARTICIPANT_AT // 8]) + who * lay.PARTICIPANT_BYTES
            words_of[(at + lay.PROFIT) // 8] += 7
        return made

    places = iter([taken.Place(5, 4), taken.Place(5, 4), taken.Place(5, 5)])
    last = taken.Place(5, 5)
    monkeypatch.setattr(taken, "copy_of", torn)
    view, seq = taken.snapshot(region, 1, lambda: next(places, last))
    assert (seq, len(copies)) == (5, 3)
    assert view.of(1, lay.PROFIT) == View(region).of(1, lay.PROFIT)
    monkeypatch.setattr(taken, "PATIENCE_S", 0.0)
    with pytest.raises(taken.NeverStill, match="ask again"):
        taken.snapshot(region, 1, lambda: taken.Place(9, 4))
