"""Every field of an order's message is followed, taken as information, or refused by its tag."""

import re

import pytest

from openoutcry.order_entry.fix import instructions, words
from openoutcry.order_entry.fix.groups import GROUPS
from openoutcry.order_entry.spec import Protocol
from tests import ROOT
from tests.oracles.fix_dictionary import Dictionary
from tests.support.venue.clients import utc_text
from tests.support.venue.inline import InlineVenue
from tests.unit.order_entry.test_fix_matrix import Raw, body, header

NOT_FOR_TYPE, NOT_FOLLOWED = 2, 99
NOT_OF_D = 160, 401
"""What an order of a list may have in the standard, and a single one not."""
OWN = {slot for tag, slot in words.SLOTS if tag != words.WITH_MARGIN_TAG}
LENGTHS = {length: data for data, length in words.DATA_TAGS.items()}
MEMBERS = {tag for members in GROUPS.values() for tag in members}
VALUES = {
    "UTCTIMESTAMP": "20270101-00:00:00",
    "LOCALMKTDATE": "20270101",
    "UTCDATEONLY": "20270101",
    "MONTHYEAR": "202701",
    "BOOLEAN": "Y",
    "NUMINGROUP": "0",
    "CURRENCY": "EUR",
    "COUNTRY": "DE",
    "EXCHANGE": "XNAS",
}
DICTIONARY = Dictionary()


@pytest.fixture
def venue(tmp_path):
    rows = [{"name": "FIRM", "participant": 1, "protocol": int(Protocol.FIX44)}]
    with InlineVenue(rows, tmp_path / "journal") as venue:
        yield venue


def value_of(tag):
    """A value that the field may have by the dictionary, and that is no default."""
    name, values = str(tag).encode(), None
    values = sorted(DICTIONARY.values[name])
    only = instructions.ONLY_AS.get(tag, b"")
    chosen = [one.decode() for one in values if one not in only or len(one) != 1]
    return chosen[0] if chosen else VALUES.get(DICTIONARY.types[name], "1")


def message(kind, number, now):
    """A message of its type that the venue takes."""
    fields = [pair if pair[0] != 35 else (35, kind) for pair in header(number, now)]
    if kind == "q":
        return [*fields, (11, f"Q{number}"), (530, "7"), (60, now)]
    if kind == "AF":
        return [*fields, (584, f"S{number}"), (585, "7")]
    if kind == "H":
        return [*fields, (11, "C2"), (55, "ACME"), (54, "1")]
    if kind == "K":
        return [*fields, (66, "L"), (60, now)]
    if kind == "M":
        return [*fields, (66, "L")]
    if kind == "E":
        orders = [(11, f"E{number}"), (67, "1"), (55, "ACME"), (54, "1"), (38, "5"), (40, "1")]
        orders += [(11, f"F{number}"), *orders[1:]]
        head = [(66, f"L{number}"), (394, "3"), (1385, "1"), (68, "2"), (73, "2")]
        return [*fields, *head, *orders[:7], (67, "2"), *orders[8:]]
    rest = body(number, now)
    if kind == "F":
        rest = [pair for pair in rest if pair[0] not in (40, 44)]
    if kind in ("F", "G"):
        rest.append((41, "C2"))
    return [*fields, *rest]


@pytest.mark.parametrize(
    ("version", "fields"),
    [("FIX44", instructions.FIELDS_44), ("FIX42", instructions.FIELDS_42)],
)
def test_the_table_has_the_fields_of_the_standard(version, fields):
    dictionary = Dictionary(version)
    for kind, text in fields.items():
        tags, _, groups = dictionary.messages[kind.encode()]
        standard = {int(tag) for tag in tags}
        if kind == "E":  # each of its orders is a D
            inside = {int(tag) for tag in groups[b"73"][1]}
            assert inside <= instructions.tags_of(fields["D"]) | {67, *NOT_OF_D}
            standard -= inside
        assert instructions.tags_of(text) - OWN == standard, kind


def test_a_field_has_one_place_in_the_table():
    tables = [instructions.FOLLOWED, instructions.INFORMATION, instructions.ONLY_AS]
    tags = [tag for table in tables for tag in table]
    assert len(tags) == len(set(tags))


class Client(Raw):
    """Says also of what type a Reject is."""

    kind = "D"

    def said(self, fields, kind):
        """The type of the answer, or reason and tag of its Reject."""
        from tests.oracles.order_entry import fix as reference

        self.line.sendall(reference.message(fields))
        self.number += 1
        data = b""
        while not data.endswith(b"\x01") or b"10=" not in data:
            data += self.line.recv(1 << 16)
        first = b"8=FIX.4.4\x01" + data.split(b"8=FIX.4.4\x01")[1]
        answer, _ = reference.parse(first)
        if answer[35] != "3":
            return answer[35]
        assert answer[372] == kind
        return int(answer[373]), int(answer[371])


def with_more(fields, more):
    """The fields with others, in a list before its orders: in these they are those of a D."""
    place = next((at for at, (tag, _) in enumerate(fields) if tag == 73), len(fields))
    return [*fields[:place], *more, *fields[place:]]


@pytest.mark.parametrize("kind", instructions.MESSAGES)
def test_a_field_that_is_not_followed_is_refused_by_its_tag(venue, kind):
    """Each of the standard's fields, added to a message without it."""
    now = utc_text(venue)
    client = Client(venue)
    client.said(message("D", client.number, now), "D")  # C2, for messages about an order
    taken = instructions.FOLLOWED.keys() | instructions.INFORMATION.keys()
    of_kind = instructions.tags_of(instructions.FIELDS_44[kind])
    count = 0
    for tag in range(1, words.LAST_TAG + 1):
        known = str(tag).encode() in DICTIONARY.types
        elsewhere = tag in words.HEADER_TAGS or tag in words.TRAILER_TAGS
        if not known or elsewhere or tag in MEMBERS - of_kind or tag in LENGTHS:
            continue
        fields = message(kind, client.number, now)
        if tag in instructions.FOLLOWED or tag in dict(fields) or tag in MEMBERS:
            continue
        more = [(tag, value_of(tag))]
        if tag in words.DATA_TAGS:
            more = [(words.DATA_TAGS[tag], "3"), (tag, "abc")]
        answer = client.said(with_more(fields, more), kind)
        named = min(one for one, _ in more)
        if tag not in of_kind:
            assert answer == (NOT_FOR_TYPE, named), tag
        elif tag in taken:
            assert answer in ("8", "9", "r", "N"), tag
        else:
            assert answer == (NOT_FOLLOWED, named), tag
            for only in instructions.ONLY_AS.get(tag, b"").decode():
                fields = message(kind, client.number, now)
                answer = client.said(with_more(fields, [(tag, only)]), kind)
                assert answer in ("8", "9", "N"), (tag, only)
        count += 1
    assert count > 500


@pytest.mark.parametrize(
    ("more", "tag"),
    [
        ([(40, "1")], 44),
        ([(40, "3"), (99, "1.00")], 44),
        ([(99, "1.00")], 99),
        ([(126, "20270101-00:00:00")], 126),
        ([(432, "20270101")], 432),
        ([(211, "1.00")], 211),
        ([(836, "1")], 836),
    ],
    ids=str,
)
def test_a_field_of_another_order_type_is_refused_by_its_tag(venue, more, tag):
    now, client = utc_text(venue), Client(venue)
    fields = dict(message("D", client.number, now)) | dict(more)
    assert client.said(list(fields.items()), "D") == (NOT_FOLLOWED, tag)


def test_an_iceberg_shows_at_most_its_quantity(venue):
    now, client = utc_text(venue), Client(venue)
    assert client.said([*message("D", client.number, now), (111, "6")], "D") == (5, 111)
    assert client.said([*message("D", client.number, now), (111, "5")], "D") == "8"


@pytest.mark.parametrize("kind", ["C", "s", "AE", "CA"])
def test_a_type_is_judged_before_its_fields(venue, kind):
    now, client = utc_text(venue), Client(venue)
    fields = message("D", client.number, now)
    fields = [pair if pair[0] != 35 else (35, kind) for pair in fields]
    faults = [(11, "again"), (957, "x"), (78, "2"), (58, "")]
    assert client.said([*fields, *faults], kind) == "j"
    assert client.said([*header(client.number, now), *body(client.number, now)], "D") == "8"


def test_a_mass_status_is_of_all_orders(venue):
    now, client = utc_text(venue), Client(venue)
    for tag in sorted(instructions.NOT_OF_AF):
        fields = message("AF", client.number, now)
        assert client.said([*fields, (tag, "1")], "AF") == (NOT_FOLLOWED, tag)


def test_the_page_has_the_same_table():
    text = (ROOT / "docs/fix.md").read_text()
    section = text[text.index("### What is followed") : text.index("## Reports")]
    block = section.split("```")[1]
    for name, table in (
        ("followed", instructions.FOLLOWED),
        ("information", instructions.INFORMATION),
        ("restricted", instructions.ONLY_AS),
    ):
        words_of_row = re.search(rf"^{name} ([^a-z]*)", block, re.MULTILINE)[1].split()
        tags = [int(word.partition("=")[0]) for word in words_of_row]
        own = {slot: tag for tag, slot in words.SLOTS}
        assert tags == [own.get(tag, tag) for tag in table], name
