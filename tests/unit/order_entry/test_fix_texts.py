"""Every Text (58) about an order is one whole sentence that names the fields at fault."""

import re

import pytest

from openoutcry.order_entry.fix import refusals
from openoutcry.order_entry.fix.refusals import REFUSALS, TEXT_BYTES, Refusal
from openoutcry.order_entry.risk_reasons import WORDS
from openoutcry.order_entry.spec import Protocol
from openoutcry.wire.words import REASON_TEXTS, RULES
from tests.oracles.fix_dictionary import Dictionary
from tests.support.venue.inline import InlineVenue

TABLES = [(one, "FIX 58") for one in (REASON_TEXTS, RULES, WORDS, REFUSALS)]
LATER = {"2964": "SelfMatchPreventionInstruction"}
"""Fields of later versions of FIX, with their names."""
VERBS = [
    "allows",
    "are",
    "cancelled",
    "cannot",
    "could",
    "disconnected",
    "does",
    "ended",
    "extended",
    "had",
    "has",
    "have",
    "holds",
    "is",
    "lets",
    "make",
    "met",
    "must",
    "names",
    "reduced",
    "refused",
    "removed",
    "repeats",
    "sells",
    "sends",
    "takes",
    "was",
    "went",
    "would",
]
STANDARD = REFUSALS.say("FIX 58", Refusal.UNSUPPORTED_MESSAGE)
"""QuickFIX's own words, which its acceptance scripts want; 372 names the message."""
TEXTS = sorted({text for table, door in TABLES for text in table.offered(door).values()})


@pytest.mark.parametrize("text", [text for text in TEXTS if text != STANDARD])
def test_a_text_is_a_sentence_of_words(text):
    """It has a verb, begins with a capital letter, and has no name of the code."""
    assert re.fullmatch(r"[A-Z][A-Za-z0-9 ,'()_-]+", text)
    assert set(text.split()) & set(VERBS)
    assert not re.search(r"\b(aux|lot|qty|id)\b", text)
    assert len(text.split()) >= 4
    assert len(text.encode()) <= TEXT_BYTES


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_names_fields_as_the_standard_does(text):
    """Each tag in brackets stands behind its field's name, and no such name is without a tag."""
    dictionary = Dictionary()
    for name, tag in re.findall(r"(\w+) \((\d+)\)", text):
        known = LATER.get(tag) == name or dictionary.numbers.get(name) == tag.encode()
        assert known, (name, tag)
    named = re.findall(r"\b([A-Z][a-z]+(?:[A-Z][A-Za-z]+)+)\b(?! \()", text)
    assert not named, "a field without its tag"


def test_kernels_have_the_whole_texts():
    """The table that kernels copy from has every text, none cut off."""
    table = refusals.rows()
    held = set()
    for at in range(0, len(table), refusals.ROW_BYTES):
        held.add(table[at + 8 : at + 8 + table[at + 2]].decode())
    assert held - {""} == set(TEXTS)


@pytest.fixture
def venue(tmp_path):
    rows = [{"name": "FIRM", "participant": 1, "protocol": int(Protocol.FIX44)}]
    with InlineVenue(rows, tmp_path / "journal") as venue:
        yield venue


def test_a_replace_to_nothing_says_so_and_the_order_stays(venue):
    """`38=0` on an open order is a wrong quantity, not too late; and so is less than that."""
    client = venue.fix("FIRM")
    client.buy("ACME", 100, "1.00", name="C1")
    assert client.next(1.0)[150] == "0"
    for qty in (0, -5):
        client.replace("C1", "ACME", "1", qty, "1.00", name=f"R{qty}")
        answer = client.next(1.0)
        assert (answer.kind, answer[39], answer[102]) == ("9", "0", "99")
        assert answer[58] == "OrderQty (38) must be above 0"
    client.cancel("C1", "ACME", "1", name="C2")
    assert client.next(1.0)[150] == "4"
    client.replace("C1", "ACME", "1", 0, "1.00", name="C3")
    answer = client.next(1.0)
    assert (answer[102], answer[58]) == ("0", REFUSALS.say("FIX 58", Refusal.TOO_LATE))


@pytest.mark.parametrize("scope", ["1", "2", "3", "4", "5", "6", "8", "9"])
@pytest.mark.parametrize("has_order", [True, False])
def test_a_mass_status_of_less_than_all_says_what_is_not_offered(venue, scope, has_order):
    """AF with any 585 but 7 gets one report that names the field, and no orders."""
    client = venue.fix("FIRM")
    if has_order:
        client.buy("ACME", 100, "1.00", name="C1")
        assert client.next(1.0)[150] == "0"
    client.send("AF", ((584, "S1"), (585, scope)))
    answer = client.next(1.0)
    assert (answer.kind, answer[150], answer[39], answer[584]) == ("8", "I", "8", "S1")
    assert (answer[911], answer[912]) == ("0", "Y")
    assert answer[58] == "MassStatusReqType (585) other than 7 is not offered here"


@pytest.mark.parametrize("scope", ["2", "3", "4", "5", "6", "8", "9"])
def test_a_mass_cancel_of_another_scope_says_what_is_not_offered(venue, scope):
    """An order stays, and the report names the field."""
    client = venue.fix("FIRM")
    client.buy("ACME", 100, "1.00", name="C1")
    assert client.next(1.0)[150] == "0"
    client.send("q", ((11, "Q1"), (530, scope), (60, client._utc_text())))
    answer = client.next(1.0)
    assert (answer.kind, answer[531], answer[532]) == ("r", "0", "99")
    assert answer[58] == "MassCancelRequestType (530) other than 1 and 7 is not offered here"
    client.cancel("C1", "ACME", "1", name="C2")
    assert client.next(1.0)[150] == "4"


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({40: "3", 99: "1.0000000000005"}, "StopPx (99)"),
        ({40: "2", 44: "1.0000000000005"}, "Price (44)"),
        ({40: "P", 18: "M", 44: "1.00", 211: "0.0000000000005"}, "PegOffsetValue (211)"),
        ({40: "1", 59: "3", 152: "1.0000000000005"}, "CashOrderQty (152)"),
        ({40: "2", 44: "1.00", 110: "1.5"}, "MinQty (110)"),
        ({40: "2", 44: "1.00", 111: "-1"}, "MaxFloor (111)"),
        ({40: "2", 44: "1.00", 110: "999"}, "MinQty (110)"),
        ({40: "1", 59: "6", 126: "20300101-00:00:00"}, "TimeInForce (59)"),
        ({40: "2", 44: "1.00", 38: "-3"}, "OrderQty (38)"),
    ],
)
def test_a_refused_value_is_named(venue, fields, name):
    """The sentence has the field whose value is at fault."""
    client = venue.fix("FIRM")
    base = {11: "C1", 55: "ACME", 54: "1", 38: "100", 60: client._utc_text()}
    client.send("D", tuple((base | fields).items()))
    answer = client.next(1.0)
    assert (answer.kind, answer[39]) == ("8", "8")
    assert name in answer[58]
