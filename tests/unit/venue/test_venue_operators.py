"""Who an operator is: passwords, one-time codes, tickets; what takes two; the desk's record."""

import json

import pyotp
import pytest

from openoutcry.risk.bits import NO_LIMIT, Setting
from openoutcry.venue.desk import DeskError
from openoutcry.venue.desk_record import NAME, DeskRecord, RecordError, desk_record
from openoutcry.venue.four_eyes import WAIT_S, FourEyes, widens
from openoutcry.venue.operators import (
    TICKET_S,
    WRONG,
    OperatorError,
    Operators,
    one_time_secret,
)
from tests.support.venue import venue_operators as shared
from tests.support.venue.venue_operators import SECRET

clock = shared.clock
operations = shared.operations
operators = shared.operators
rich = shared.rich


@pytest.mark.promise(
    "V2.7, V2.8.1 (one-time codes): RFC 6238, valid for their time, taken once, also over "
    "restarts. A wrong one does not confirm the password",
    group="console",
)
def test_a_code_counts_for_its_time_and_once(operators, clock):
    codes = pyotp.TOTP(SECRET)
    with pytest.raises(OperatorError, match=WRONG):
        operators.prove("otto", "word")
    assert operators.prove("otto", "word", codes.at(int(clock.now_s))) == 2
    with pytest.raises(OperatorError, match=WRONG):
        operators.prove("otto", "word", codes.at(int(clock.now_s)))
    with pytest.raises(OperatorError, match=WRONG):
        operators.prove("otto", "word", codes.at(int(clock.now_s) - 30))
    clock.now_s += 30
    with pytest.raises(OperatorError, match=WRONG):
        operators.prove("otto", "word", codes.at(int(clock.now_s) - 90))
    assert operators.prove("otto", "word", codes.at(int(clock.now_s))) == 2


@pytest.mark.promise(
    "V2.7, V2.8.1 (one-time codes): RFC 6238, valid for their time, taken once, also over "
    "restarts. A wrong one does not confirm the password",
    group="console",
)
def test_a_wrong_code_does_not_say_whether_the_password_is_right(operators, clock):
    """Nor does a missing or a used one: every refusal is the same text."""
    code = pyotp.TOTP(SECRET).at(int(clock.now_s))
    assert operators.prove("otto", "word", code) == 2
    tries = [
        ("otto", "word", ""),
        ("otto", "word", "000000"),
        ("otto", "word", code),
        ("otto", "wrong", code),
        ("otto", "wrong", ""),
        ("nobody", "word", code),
    ]
    said = set()
    for one in tries:
        with pytest.raises(OperatorError) as error:
            operators.prove(*one)
        said.add(str(error.value))
    assert said == {WRONG}


@pytest.mark.promise(
    "V2.7, V2.8.1 (one-time codes): RFC 6238, valid for their time, taken once, also over "
    "restarts. A wrong one does not confirm the password",
    group="console",
)
def test_a_code_is_taken_once_over_restarts_too(operators, clock, tmp_path):
    """From a file of its own; if that is damaged, codes until then count as used."""
    path, code = tmp_path / "log" / "codes.json", pyotp.TOTP(SECRET).at(int(clock.now_s))
    people = operators.operators[1:]

    def begun():
        again = Operators(people, clock)
        again.keep(path)
        return again

    assert begun().prove("otto", "word", code) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OperatorError, match=WRONG):
        begun().prove("otto", "word", code)
    path.write_text("{")
    with pytest.raises(OperatorError, match=WRONG):
        begun().prove("otto", "word", pyotp.TOTP(SECRET).at(int(clock.now_s) + 30))
    clock.now_s += 60
    assert begun().prove("otto", "word", pyotp.TOTP(SECRET).at(int(clock.now_s))) == 1


def test_a_ticket_represents_its_holder_until_it_expires_or_is_returned(operators, clock):
    first, second = operators.ticket(1), operators.ticket(2)
    assert (operators.holder(first), operators.holder(second)) == (1, 2)
    operators.leave(first)
    clock.now_s += TICKET_S
    for ticket in (first, second, "", None, "x"):
        with pytest.raises(OperatorError, match="log in again"):
            operators.holder(ticket)


@pytest.mark.parametrize("value", ["", "A", "1" * 32, 7, "ABCDEFGH"])
def test_what_is_no_secret_is_refused(value):
    with pytest.raises(ValueError, match="base32"):
        one_time_secret(value)
    assert one_time_secret(SECRET.lower()) == SECRET


@pytest.mark.parametrize(
    ("what", "before", "wanted", "wider"),
    [
        (Setting.OPEN_ORDERS, (5, 0), (6, 0), True),
        (Setting.OPEN_ORDERS, (NO_LIMIT, 0), (6, 0), False),
        (Setting.OPEN_ORDERS, (6, 0), (NO_LIMIT, 0), True),
        (Setting.RATE, (10, 1), (5, 1), True),
        (Setting.RATE, (10, 1), (20, 1), False),
        (Setting.RATE, (10, 1), (10, 2), True),
        (Setting.RATE, (10, 1), (0, 0), True),
        (Setting.RATE, (0, 0), (10, 1), False),
        (Setting.ADV, (100, 0), (200, 0), True),
        (Setting.ADV, (100, 0), (0, 0), True),
        (Setting.ADV, (0, 0), (100, 0), False),
        (Setting.RESTRICTED, (1, 0), (0, 0), True),
        (Setting.RESTRICTED, (0, 0), (1, 0), False),
        (Setting.MARGIN, (10, 0), (9, 0), True),
        (Setting.DUPLICATE_WINDOW, (10, 0), (11, 0), False),
    ],
)
def test_what_lets_more_through_is_wider(what, before, wanted, wider):
    assert widens(what, before, wanted) is wider


@pytest.mark.promise(
    "V11.1.1 to V11.1.4 (business logic): six steps in their order, four eyes, limits"
    " that wait for a second person",
    group="console",
)
def test_a_wish_waits_for_another_person(clock):
    eyes = FourEyes(clock)
    assert not eyes.confirmed("k", 1, "shown")
    assert not eyes.confirmed("k", 1, "shown"), "the same person is one"
    assert not eyes.confirmed("other", 2, "shown")
    assert eyes.confirmed("k", 2, "shown")
    assert not eyes.confirmed("k", 2, "shown"), "what was done is asked for anew"
    clock.now_s += WAIT_S
    assert eyes.waiting() == []
    assert not eyes.confirmed("k", 1, "shown")


@pytest.mark.promise(
    "V2.10, V7.1.1, V7.1.3, V7.1.4, V7.2, V8.3.4 (log): logins, refusals and actions are "
    "logged with who, why and where in the journal; no line can be changed unseen. No secret "
    "is in logs, pages, journal or process list",
    group="console",
)
def test_the_record_continues_after_a_crash_and_no_line_can_be_changed(tmp_path):
    request = {"do": "kill", "password": "p", "code": "c", "ticket": "t", "why": "so"}
    DeskRecord(tmp_path).note(10**18, 5, "anna", request)
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes() + b'{"at": "torn')
    record = DeskRecord(tmp_path)
    record.note(10**18, 6, "", {"do": "halt"})
    record.note(10**18, 7, "bert", {"do": "resume"})
    rows = desk_record(tmp_path)
    assert [(row["operator"], row["asked"], row["why"], row["after_seq"]) for row in rows] == [
        ("anna", {"do": "kill"}, "so", 5),
        ("", {"do": "halt"}, "", 6),
        ("bert", {"do": "resume"}, "", 7),
    ]
    DeskRecord(tmp_path).note(10**18, 8, "anna", {"do": "halt"})
    record.note(10**18, 9, "bert", {"do": "resume"})
    assert [row["after_seq"] for row in desk_record(tmp_path)[3:]] == [8, 9], "two write in turn"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2])
    with pytest.raises(RecordError, match="line 2 does not follow"):
        desk_record(tmp_path)
    row = json.loads(lines[0]) | {"operator": "otto"}
    path.write_bytes(json.dumps(row).encode() + b"\n" + lines[1] + lines[2])
    with pytest.raises(RecordError, match="line 2 does not follow"):
        desk_record(tmp_path)


def test_a_deposit_asked_for_as_a_limit_passes_what_every_deposit_passes(rich):
    ask = {"do": "set", "limit": "deposit", "participant": 1, "password": "word"}
    with pytest.raises(OperatorError, match="otto is operator; this needs supervisor"):
        rich.work_of(ask | {"value": -50, "operator": "otto"})
    with pytest.raises(DeskError, match="participant 1 has 100 available; 5000 was requested"):
        rich.work_of(ask | {"value": -5000})
    first = rich.work_of(ask | {"value": -50, "operator": "anna"})
    assert first.more["waits"]
    assert not len(first.records)
    same = {"do": "deposit", "participant": 1, "amount": -50, "asset": None, "purpose": "outside"}
    second = rich.work_of(same | {"operator": "bert", "password": "word"})
    assert second.records["aux"].tolist()[2:] == [-50]


@pytest.mark.parametrize(
    ("limit", "value", "value_text"),
    [
        ("orders_per_s", 5, "5"),
        ("duplicate_window_ms", 100, "100"),
        ("credit", "none", "none"),
        ("names_self_trade", True, "true"),
        ("loss", 7, "7"),
    ],
)
def test_a_limit_that_was_set_is_reported_in_its_own_unit(operations, limit, value, value_text):
    request = {"do": "set", "limit": limit, "value": value, "participant": 1}
    assert operations.work_of(request).done == [f"{limit} of participant 1 is {value_text}"]


def test_a_rate_has_a_burst_that_lets_it_in_and_may_be_none(operations):
    ask = {"do": "set", "limit": "orders_per_s", "participant": 1}
    for more, second in (({"value": 250}, 250), ({"value": 250, "burst": 7}, 7)):
        (*_, record) = operations.work_of(ask | more).records
        assert (record["aux"], record["price_ticks"]) == (4_000_000, second)
    off = operations.work_of(ask | {"value": "none"})
    assert off.done == ["orders_per_s of participant 1 is none"]
    assert off.records["aux"].tolist()[2:] == [0]
    volume = operations.work_of(
        {"do": "set", "limit": "adv_lots", "value": "none", "instrument": "GOLD"}
    )
    assert volume.records["aux"].tolist()[2:] == [0]


@pytest.mark.parametrize("name", ["1_0", " 1", "\u0663", "+1", "", None, "x", [1], True, 1.0, 1.9])
def test_a_participant_is_named_by_its_digits_alone(operations, name):
    with pytest.raises(DeskError, match="is not a participant's number"):
        operations.work_of({"do": "kill", "what": "participant", "name": name})
