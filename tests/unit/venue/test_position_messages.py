"""Positions over FIX: a client's own, each a message of the standard's; all else is refused by
name."""

from contextlib import nullcontext

import pytest

from openoutcry.client.fix import FixMessage, read_message, write_message
from openoutcry.venue.file import read_venue
from openoutcry.venue.position_messages import Positions
from openoutcry.wire.enums import Side
from tests.oracles.fix_dictionary import Dictionary
from tests.support.venue.contract_floor import CONTRACT_VENUE
from tests.support.venue.floor import InlineFloor
from tests.support.venue.venue_floor import order

DICTIONARY = Dictionary()
TERMS = {710: "all", 724: "0", 581: "1", 715: "20261123", 60: "20261123-10:00:00"}


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory):
    trading_floor = InlineFloor(tmp_path_factory.mktemp("positions"), CONTRACT_VENUE)
    trading_floor.send(
        order(1, Side.BUY, 4, 5_000, who=1),
        order(2, Side.SELL, 4, 5_000, who=2),
        order(3, Side.SELL, 1, 200_000, who=1, symbol=b"TIN"),
        order(4, Side.BUY, 1, 200_000, who=2, symbol=b"TIN"),
    )
    trading_floor.ask("contract", "settle", "GOLD", "--price", "5010")
    trading_floor.ask("contract", "mark", "GOLD", "5030")
    yield trading_floor
    trading_floor.close()


def asked(floor: InlineFloor, who: int, account: str = "", **more: str):
    """The answers to a request, each checked against the standard's dictionary."""
    terms = {**TERMS, 1: account or str(who)} | {int(tag[1:]): text for tag, text in more.items()}
    held = Positions(read_venue(floor.file), lambda who: nullcontext((floor.view, 1)))
    answers = []
    for made in held.answers({tag: text for tag, text in terms.items() if text}, (who,)):
        parts = [part.split("=", 1) for part in made.decode().split("\x01")[:-1]]
        answers.append(message_of([(int(tag), value) for tag, value in parts]))
        assert DICTIONARY.fault(answers[-1].raw) is None, made
    return answers


def message_of(fields: list[tuple[int, str]]) -> FixMessage:
    """A whole message, with what the session layer writes."""
    header = [(34, "2"), (49, "PORTAL"), (52, "20261123-10:00:00"), (56, "ONE")]
    return read_message(write_message([fields[0], *header, *fields[1:]]))


def test_a_client_has_a_report_of_each_of_its_contracts(floor: InlineFloor) -> None:
    for who, sign in ((1, 1), (2, -1)):
        ack, gold, tin = asked(floor, who)
        assert [ack[tag] for tag in (710, 727, 728, 729)] == ["all", "2", "0", "0"]
        assert [one.kind for one in (ack, gold, tin)] == ["AO", "AP", "AP"]
        assert [gold[tag] for tag in (55, 730, 734, 1, 448)] == [
            "GOLD", "50.30", "50.10", str(who), str(who),
        ]  # fmt: skip
        assert gold[704 if sign > 0 else 705] == "4"
        assert tin[705 if sign > 0 else 704] == "1"
        assert gold[708] == ("12.00" if sign > 0 else "-12.00"), "30 ticks of 10 on four lots"
        assert gold[721] != tin[721]


@pytest.mark.parametrize(
    ("who", "account", "more", "result", "says"),
    [
        (1, "2", {}, ["3", "2"], "account '2' is none of this session's"),
        (1, "", {"t724": "1"}, ["4", "2"], "724=0 and 263=0 are answered"),
        (1, "", {"t263": "1"}, ["4", "2"], "724=0 and 263=0 are answered"),
        (3, "", {}, ["2", "0"], "no position in a contract"),
        (1, "", {"t55": "LEAD"}, ["1", "2"], "LEAD is no contract"),
        (3, "", {"t55": "GOLD"}, ["2", "0"], "no position in GOLD"),
        (1, "01", {}, ["3", "2"], "account '01' is none of this session's"),
    ],
)
def test_what_is_not_answered_is_refused_by_name(
    floor: InlineFloor, who: int, account: str, more, result, says: str
) -> None:
    (ack,) = asked(floor, who, account, **more)
    assert [ack.kind, ack[727], ack[728], ack[729], ack[58]] == ["AO", "0", *result, says]


def test_a_field_that_is_missing_is_named(floor: InlineFloor) -> None:
    with pytest.raises(KeyError, match="715"):
        asked(floor, 1, t715="")


def test_a_request_may_name_one_contract(floor: InlineFloor) -> None:
    ack, gold = asked(floor, 1, t55="GOLD")
    assert [ack[727], gold[727], gold[55]] == ["1", "1", "GOLD"]
