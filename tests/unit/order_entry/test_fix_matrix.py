"""Every field of the header, every repeating group and every field of data of a FIX message, in
each way in which it can be wrong: missing, doubled, negative, out of order, miscounted.  The venue
says which field it is and why, and goes on with the next message."""

import pytest

from openoutcry.client import ClientError
from openoutcry.order_entry.fix import groups, words
from openoutcry.order_entry.spec import Protocol
from tests.oracles.order_entry import fix as reference
from tests.support.venue.clients import utc_text
from tests.support.venue.inline import InlineVenue
from tests.support.venue.line import Silence

FIX, FIX42 = int(Protocol.FIX44), int(Protocol.FIX42)
MISSING, NO_VALUE, RANGE, FORM, ACCURACY, TWICE, ORDER, GROUP_ORDER, COUNT = (
    1,
    4,
    5,
    6,
    10,
    13,
    14,
    15,
    16,
)
LOGOUT = "logout"
TIMES = {52, 122}
FLAGS = {43, 97}
LENGTHS = {length: data for data, length in words.DATA_TAGS.items()}
PLAIN_HEADER = [
    tag
    for tag in words.HEADER_TAGS
    if tag not in LENGTHS
    and tag not in words.DATA_TAGS
    and tag not in groups.GROUPS
    and tag not in groups.GROUPS[627]
]
"""Fields of the header that stand by themselves."""
INSIDE = {802: 453, 804: 539, 539: 78, 457: 711, 887: 711}
"""A group that is a field of another one's entries."""
OF_HEADER = {627, 90, 212}


def value_of(tag, now):
    if tag in TIMES:
        return now
    if tag in LENGTHS:
        return "3"
    return "N" if tag in FLAGS else "abc" if tag in words.DATA_TAGS else f"V{tag % 7}"


def header(number, now, **more):
    return [(35, "D"), (34, str(number)), (49, "FIRM"), (52, now), (56, "OUTCRY")]


def body(number, now):
    return [
        (11, f"C{number}"),
        (55, "ACME"),
        (54, "1"),
        (38, "5"),
        (40, "2"),
        (44, "1.00"),
        (60, now),
    ]


def entry(counter, now):
    """One entry of a group, with every field that is no group itself."""
    return [(tag, value_of(tag, now)) for tag in groups.GROUPS[counter] if tag not in groups.GROUPS]


def within(counter, fields, now):
    """A group's fields, in an entry of the group that it belongs to, and so on."""
    outer = INSIDE.get(counter)
    if outer is None:
        return fields
    members = groups.GROUPS[outer]
    first = [
        (tag, value)
        for tag, value in entry(outer, now)
        if members.index(tag) < members.index(counter)
    ]
    return within(outer, [(outer, "1"), *first, *fields], now)


def group_cases(now):
    """Return for each group: what is wrong, its fields, and the reason and tag of the Reject."""
    for counter, members in groups.GROUPS.items():
        one = entry(counter, now)
        two = [(counter, "2"), *one, *one]
        cases = {
            "right": (two, None),
            "of none": ([(counter, "0")], None),
            "too many": ([(counter, "1"), *one, *one], (COUNT, counter)),
            "too few": ([(counter, "3"), *one, *one], (COUNT, counter)),
            "of none, with one": ([(counter, "0"), *one], (COUNT, counter)),
            "negative": ([(counter, "-1"), *one], (RANGE, counter)),
            "no number": ([(counter, "x"), *one], (FORM, counter)),
            "empty": ([(counter, ""), *one], (NO_VALUE, counter)),
            "doubled count": ([(counter, "1"), (counter, "1"), *one], (COUNT, counter)),
            "first field missing": ([(counter, "1"), *one[1:]], (GROUP_ORDER, one[1][0])),
        }
        if members[0] not in groups.ELSEWHERE:
            cases["missing count"] = one, (MISSING, counter)
        for place, (tag, value) in enumerate(one):
            alone = tag not in LENGTHS and tag not in words.DATA_TAGS
            if place and alone:
                doubled = [*one[: place + 1], (tag, value), *one[place + 1 :]]
                cases[f"doubled {tag}"] = [(counter, "1"), *doubled], (TWICE, tag)
                before, last = one[place - 1][0], place == len(one) - 1
                if place > 1 and last and before not in words.DATA_TAGS:
                    swapped = [*one[: place - 1], one[place], one[place - 1]]
                    cases[f"{tag} before {before}"] = (
                        [(counter, "1"), *swapped],
                        (GROUP_ORDER, before),
                    )
        if counter in words.HEADER_TAGS:
            cases["doubled count"] = cases["doubled count"][0], (TWICE, counter)
        if INSIDE.get(counter):
            del cases["of none, with one"], cases["first field missing"]
        for what, (fields, wanted) in cases.items():
            yield f"{counter} {what}", within(counter, fields, now), wanted, counter in OF_HEADER


def data_cases(now):
    """The same of each field of data and its length."""
    for data, length in words.DATA_TAGS.items():
        cases = {
            "right": ([(length, "3"), (data, "a\x01b")], None),
            "length missing": ([(data, "abc")], (MISSING, length)),
            "data missing": ([(length, "3")], (MISSING, data)),
            "negative": ([(length, "-1"), (data, "abc")], (RANGE, length)),
            "no number": ([(length, "x"), (data, "abc")], (FORM, length)),
            "too long": ([(length, "8"), (data, "abcde")], (RANGE, length)),
            "longer than all": ([(length, "99999"), (data, "abc")], (RANGE, length)),
            "too short": ([(length, "2"), (data, "abc")], (RANGE, length)),
            "out of order": ([(data, "abc"), (length, "3")], (MISSING, length)),
        }
        counter = next((one for one, members in groups.GROUPS.items() if data in members), None)
        for what, (fields, wanted) in cases.items():
            whole = fields
            if counter is not None:
                members = groups.GROUPS[counter]
                first = [
                    pair
                    for pair in entry(counter, now)
                    if members.index(pair[0]) < members.index(length)
                ]
                whole = [(counter, "1"), *first, *fields]
            yield f"{data} {what}", whole, wanted, length in OF_HEADER


def header_cases(number, now):
    """Each plain field of the header: name, all fields of the message, and what is said."""
    plain = header(number, now)
    for tag in PLAIN_HEADER:
        have = [pair for pair in plain if pair[0] == tag]
        value = have[0][1] if have else value_of(tag, now)
        if tag in (8, 9):
            yield f"{tag} again", [*plain, (tag, "1"), *body(number, now)], (TWICE, tag)
            continue
        base = plain if have else [*plain, (tag, value)]
        yield f"{tag} doubled", [*base, (tag, value), *body(number, now)], (TWICE, tag)
        other = str(number + 7) if tag == 34 else value
        yield f"{tag} doubled, another", [*base, (tag, other), *body(number, now)], (TWICE, tag)
        without = [pair for pair in base if pair[0] != tag]
        if tag != 35:
            behind = [*without, *body(number, now), (tag, value)]
            yield f"{tag} behind the body", behind, (ORDER, tag)
            empty = [(one, "" if one == tag else text) for one, text in base]
            wanted = LOGOUT if tag == 34 else (NO_VALUE, tag)
            yield f"{tag} empty", [*empty, *body(number, now)], wanted
            wrong = [(one, "-1" if one == tag else text) for one, text in base]
            wanted = LOGOUT if tag == 34 else (FORM, tag) if tag in TIMES | FLAGS else None
            if tag not in (49, 56):
                yield f"{tag} negative", [*wrong, *body(number, now)], wanted
        if tag in (34, 49, 52, 56):
            wanted = LOGOUT if tag == 34 else (MISSING, tag)
            yield f"{tag} missing", [*without, *body(number, now)], wanted


class Raw:
    """A connection whose messages are numbered and written by the test."""

    def __init__(self, venue, name="FIRM"):
        self.venue, self.name, self.number = venue, name, 1
        self.line = venue.dial(Protocol.FIX44)
        logon = [
            (35, "A"),
            (34, "1"),
            (49, name),
            (52, utc_text(venue)),
            (56, "OUTCRY"),
            (98, "0"),
            (108, "0"),
            (141, "Y"),
            (554, "secret"),
        ]
        assert self.say(logon) == ["A"]

    def say(self, fields):
        """Send a message: the types of what is answered, of a Reject its reason and tag."""
        self.line.sendall(reference.message(fields))
        self.number += 1
        data = b""
        while True:
            try:
                more = self.line.recv(1 << 16)
            except Silence:
                break
            if not more:
                break
            data += more
        answers = []
        for part in data.split(b"8=FIX.4.4\x01")[1:]:
            answer, _ = reference.parse(b"8=FIX.4.4\x01" + part)
            if answer[35] == "3":
                assert answer[372] == "D"
                answers.append((int(answer[373]), int(answer.get(371, 0))))
            else:
                answers.append(answer[35])
        return answers


@pytest.fixture
def venue(tmp_path):
    rows = [
        {"name": "FIRM", "participant": 1, "protocol": FIX},
        {"name": "OLD", "participant": 2, "protocol": FIX42},
    ]
    with InlineVenue(rows, tmp_path / "journal") as venue:
        yield venue


def test_a_field_of_the_header_is_rejected_by_its_own_reason(venue):
    now = utc_text(venue)
    client, count = Raw(venue), 0
    for place in range(sum(1 for _ in header_cases(1, now))):
        what, fields, wanted = list(header_cases(client.number, now))[place]
        answers = client.say(fields)
        count += 1
        if wanted == LOGOUT:
            assert answers == ["5"], what
            client = Raw(venue)
        else:
            assert answers == ["8" if wanted is None else wanted], what
    assert count > 90


@pytest.mark.parametrize("cases", [group_cases, data_cases])
def test_a_group_or_data_is_rejected_by_its_own_reason(venue, cases):
    now = utc_text(venue)
    client, count = Raw(venue), 0
    for what, extra, wanted, of_header in cases(now):
        head, rest = header(client.number, now), body(client.number, now)
        fields = [*head, *extra, *rest] if of_header else [*head, *rest, *extra]
        answers = client.say(fields)
        assert answers == [wanted or taken(fields)], (what, fields)
        count += 1
    assert count > 100


def taken(fields):
    """What is said to an order that is well formed: of a field that is not followed so."""
    parsed, _ = reference.parse(reference.message(fields))
    try:
        reference.require_taken(parsed, "D")
    except reference.Rejected as rejected:
        return rejected.reason, int(rejected.tag)
    return "8"


@pytest.mark.parametrize("more", [0, 1])
def test_a_possible_duplicate_says_when_it_was_sent_first(venue, more):
    """In its turn (``more`` 0) as before it: it fills what was missing."""
    now, later = utc_text(venue), utc_text(venue).replace("10:00", "10:01")
    client = Raw(venue)
    without = [*header(client.number - more, now), (43, "Y"), *body(client.number, now)]
    assert client.say(without) == [(MISSING, 122)]
    client.number -= more
    late = [*header(client.number - more, now), (43, "Y"), (122, later), *body(client.number, now)]
    assert client.say(late) == [(ACCURACY, 0), "5"]


@pytest.mark.parametrize("length", ["5", "7", "-1", "x", "06", ""])
def test_a_password_that_is_not_as_long_as_it_says_opens_no_door(venue, length, monkeypatch):
    """FIX 4.2: 95 is the length of 96."""
    monkeypatch.setattr("tests.support.venue.clients.Fix.pack", with_length(length))
    with pytest.raises(ClientError, match="closed the connection"):
        venue.fix("OLD", version="4.2", protocol=Protocol.FIX42)
    monkeypatch.undo()
    venue.fix("OLD", version="4.2", protocol=Protocol.FIX42).close()


def with_length(length):
    from openoutcry.client import FixClient

    def pack(self, kind, number, fields, *more, **named):
        fields = tuple((tag, length if tag == 95 else value) for tag, value in fields)
        return FixClient.pack(self, kind, number, fields, *more, **named)

    return pack
