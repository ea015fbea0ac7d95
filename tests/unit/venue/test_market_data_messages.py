"""Requests for market data: every field of the standard is followed, information or refused by its
name; and what is said of a book is enough to rebuild it."""

import random
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest

from openoutcry.client.fix import write_message
from openoutcry.market_data.book import Book
from openoutcry.market_data.depth import View
from openoutcry.order_entry.fix import words
from openoutcry.venue import market_data_messages as messages
from openoutcry.venue.market_data_messages import (
    ENTRY_TYPES,
    FOLLOWED,
    INFORMATION,
    NOT_SERVED,
    ONLY_AS,
    REQUIRED,
    Entry,
    FieldFault,
    Market,
    Refusal,
    Request,
    changes,
    request_of,
)
from tests import ROOT
from tests.oracles.fix_dictionary import Dictionary
from tests.support.market_data.depth import drawn
from tests.support.market_data.fix_data import Rebuilt, pairs
from tests.support.order_entry.fix_quickfix import fault

SYMBOLS = ("GOLD", "LEAD")
DATA = {length: data for data, length in words.DATA_TAGS.items()}
"""The field with the data, by the one with their length."""
PLAIN = {
    "V": "262=A|263=1|264=0|265=1|267=2|269=0|269=1|146=1|55=GOLD",
    "x": "320=A|559=4",
    "c": "320=A|321=0|55=GOLD",
    "e": "324=A|55=GOLD|263=1",
    "g": "335=A|263=0",
}


def asked(kind: str, text: str, has_contracts: bool = True) -> Request:
    pairs_of = [(35, kind), (49, "A"), (56, "B"), (34, "2"), (52, "20261123-10:00:00")]
    for part in text.split("|"):
        tag, _, value = part.partition("=")
        pairs_of.append((int(tag), value))
    return request_of(kind, write_message(pairs_of), SYMBOLS.__contains__, has_contracts)


def refused(kind: str, text: str, has_contracts: bool = True) -> tuple[object, str]:
    """The code or (tag, reason) of what is refused, and the words."""
    with pytest.raises((FieldFault, Refusal)) as error:
        asked(kind, text, has_contracts)
    one = error.value
    return (one.tag, one.reason) if isinstance(one, FieldFault) else one.code, str(one)


def tags_of(kind: str) -> Iterator[int]:
    """Every field that the standard's message has, header and trailer apart."""
    outside = {*words.HEADER_TAGS, *words.TRAILER_TAGS}
    tags = map(int, Dictionary().messages[kind.encode()][0])
    return (tag for tag in sorted(tags) if tag not in outside)


@pytest.mark.promise(
    "Every field of a request for market data is followed, information, or refused by its name; no "
    "field is passed over",
    group="venue",
)
@pytest.mark.parametrize("kind", PLAIN)
def test_every_field_of_a_request_is_judged(kind: str) -> None:
    asked(kind, PLAIN[kind])
    judged = 0
    for tag in tags_of(kind):
        only = ONLY_AS.get(tag, ("7", ""))[0]
        value = f"1|{DATA[tag]}=x" if tag in DATA else only
        if f"|{tag}=" in f"|{PLAIN[kind]}" or tag in FOLLOWED[kind]:
            continue
        judged += 1
        if tag in INFORMATION or (kind == "V" and tag in ONLY_AS):
            asked(kind, f"{PLAIN[kind]}|{tag}={value}")
            continue
        code, text = refused(kind, f"{PLAIN[kind]}|{tag}={value}")
        assert f"({tag})" in text
        expected = NOT_SERVED.get(tag, (tag, 99)) if kind == "V" else (tag, 99)
        assert code == expected
    assert judged >= 4


@pytest.mark.parametrize("kind", PLAIN)
def test_a_field_that_a_request_needs(kind: str) -> None:
    for tag in REQUIRED[kind]:
        parts = PLAIN[kind].split("|")
        left = [part for part in parts if not part.startswith(f"{tag}=")]
        code, text = refused(kind, "|".join(left))
        assert code == (tag, 1)
        assert "is missing" in text


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        (("263=1", "263=7"), "4", "SubscriptionRequestType (263) must be 0, 1 or 2"),
        (("264=0", "264=5001"), "5", "MarketDepth (264) must be 0 to 5000"),
        (("264=0", "264=-1"), "5", "MarketDepth (264) must be 0 to 5000"),
        (("|265=1", ""), "6", "MDUpdateType (265) must be 0 or 1"),
        (("265=1", "265=2"), "6", "MDUpdateType (265) must be 0 or 1"),
        (("265=1", "265=1|266=N"), "7", "AggregatedBook (266) must be Y"),
        (("265=1", "265=1|286=1"), "B", "OpenCloseSettlFlag (286) must be 0"),
        (("265=1", "265=1|546=2"), "A", "Scope (546) must be 1"),
        (("265=1", "265=1|547=Y"), "C", "MDImplicitDelete (547) must be N"),
        (("269=1", "269=9"), "8", "MDEntryType (269) 9 is not served"),
        (("55=GOLD", "55=TIN"), "0", "Symbol (55) TIN is no instrument of this venue"),
        (("146=1|55=GOLD", "146=2|55=GOLD|55=GOLD"), "1", "Symbol (55) occurs twice"),
        (("146=1|55=GOLD", "146=1|55=GOLD|386=1|336=X"), "9", "NoTradingSessions (386)"),
        (("267=2", "267=3"), (267, 16), "NoMDEntryTypes (267) is 3, and there are 2"),
        (("146=1", "146=x"), (146, 16), "NoRelatedSym (146) is x, and there are 1"),
        (("262=A", "262=A|262=B"), (262, 13), "MDReqID (262) occurs twice"),
        (("262=A", "262="), (262, 4), "MDReqID (262) has no value"),
        (("262=A", "262=" + "A" * 65), (262, 5), "is not 1 to 64 printable"),
        (("262=A", "262=A|815=1"), (815, 99), "ApplQueueAction (815) is not followed here"),
        (("262=A", "262=A|5560=7"), (5560, 5), "WithFeedSequence (5560) must be Y or N"),
    ],
)
def test_a_request_is_refused_by_the_field_at_fault(
    change: tuple[str, str], code: object, text: str
) -> None:
    found, words_of = refused("V", PLAIN["V"].replace(*change))
    assert found == code
    assert text in words_of


def test_figures_of_contracts_are_asked_for_where_there_are_some() -> None:
    for kind in ENTRY_TYPES:
        text = PLAIN["V"].replace("269=1", f"269={kind}")
        assert kind in asked("V", text).types
        if kind in messages.OF_CONTRACTS:
            assert refused("V", text, has_contracts=False)[0] == "8"


def test_damaged_fields_are_rejected_and_data_may_have_any_byte() -> None:
    data = "|350=3|351=a\x01b"
    assert asked("V", PLAIN["V"] + data).symbols == ("GOLD",)
    assert refused("V", PLAIN["V"] + "\x01x|1=2")[0] == (55, 0)


def market(view: View, sequence: int, **more: int) -> Market:
    row = Book().instrument(view.locate)
    row = replace(row, symbol=view.symbol, open_price=5, high=9, low=3, **more)
    return Market(view, row, 4, sequence)


@pytest.mark.parametrize("depth", [1, 3, 5_000])
def test_messages_rebuild_any_view_and_are_of_the_dictionary(depth: int) -> None:
    rng, types = random.Random(depth), frozenset("0178B")
    request = Request("V", "A", SYMBOLS, "1", depth, types, with_sequence=True)
    client, known, said = Rebuilt(), None, 0
    for number in range(1, 300):
        view = drawn(rng)
        now = market(view, number, volume=number // 9, trades=number // 50)
        entries = now.entries(types, depth)
        if known is None or rng.random() < 0.05:
            body = messages.snapshot_body(request, now, entries)
        else:
            body = messages.update_body(request, now, changes(known, entries), [])
        known = entries
        if not body:
            continue
        said += 1
        raw = write_message(pairs_with_header(body))
        assert fault(raw) == ""
        client.take([*pairs(body.decode())])
        bids, asks = client.moments[-1][2]
        assert bids == {now.price(p): s for p, s, _ in view.bids[:depth]}
        assert asks == {now.price(p): s for p, s, _ in view.asks[:depth]}
    assert said > 100
    assert client.statistics["GOLD", "B"] == str(299 // 9)


def pairs_with_header(body: bytes) -> list[tuple[int, str]]:
    first, *rest = [(int(tag), value) for tag, value in pairs(body.decode())]
    return [first, (34, "2"), (49, "A"), (52, "20261123-10:00:00"), (56, "B"), *rest]


def test_changes_say_what_is_new_changed_and_gone() -> None:
    old = {("0", 3): Entry("3", "1", "1"), ("0", 2): Entry("2", "1", "1")}
    new = {("0", 3): Entry("3", "5", "1"), ("1", 4): Entry("4", "1", "1")}
    assert changes(old, new) == [
        ("2", "0", Entry("2", "1", "1")),
        ("1", "0", Entry("3", "5", "1")),
        ("0", "1", Entry("4", "1", "1")),
    ]
    assert changes(new, new) == []


def test_the_page_has_requests_that_are_taken_and_answers_of_the_dictionary() -> None:
    text = (ROOT / "docs" / "fix.md").read_text().partition("```fix-data\n")[2].partition("```")[0]
    kinds = ""
    for line in text.splitlines():
        fields = [(int(tag), value) for tag, value in pairs(line[2:].replace("|", "\x01"))]
        kinds += fields[0][1]
        if line[0] == ">":
            asked(fields[0][1], line[2:].partition("|")[2].rstrip("|"))
        else:
            first, *rest = fields
            head = [first, (34, "2"), (49, "A"), (52, "20261123-10:00:00"), (56, "B")]
            assert fault(write_message([*head, *rest])) == "", line
    assert set(kinds) == set("VWXxycdefgh")


@pytest.mark.parametrize(
    ("state", "reason", "status"), [("H", "SUSP", 2), ("T", "CONL", 17), ("H", "DLST", 18)]
)
def test_a_security_status_says_the_state_of_an_instrument(state, reason, status):
    """Suspended, close-only and delisted, with the feed's reason as its text."""
    row = SimpleNamespace(stopped=False, state=state, reason=reason)
    assert messages.status_of(row) == (status, reason)
    assert messages.session_status([row]) == {"SUSP": "1", "CONL": "2", "DLST": "3"}[reason]
