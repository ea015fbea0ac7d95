"""ptp/leap.py: leap seconds inserted, deleted and smeared, from lists that are checked."""

from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.ptp.leap import (
    SECOND_NS,
    SYSTEM_LIST,
    LeapListError,
    LeapTable,
    load_table,
    parse_list,
    parse_zic,
)
from openoutcry.wire.records import MAX_VALUE

NEW_YEAR_2017 = 1_483_228_800
DELETED_AT = 1_999_987_200


@pytest.fixture(scope="module")
def both(table):
    """The real table with one second left out in 2033."""
    return LeapTable(
        (*table.utc_s, DELETED_AT), (*table.offset_s, 36), table.expires_utc_s, "made up"
    )


def test_the_two_lists_of_this_machine_agree(table):
    """IERS' own file and the one of PyPI's tzdata hold the same 27 leap seconds."""
    packaged = (resources.files("tzdata") / "zoneinfo" / "leapseconds").read_text()
    ours = parse_zic(packaged, "packaged")
    assert (ours.utc_s, ours.offset_s) == (table.utc_s, table.offset_s)
    assert len(table.utc_s) == 28
    assert table.offset_s[0] == 10
    assert table.offset_s[-1] == 37


def test_an_inserted_second_is_written_60(table):
    """Second by second through the end of 2016, as UTC names it."""
    start = (NEW_YEAR_2017 - 2 + 36) * SECOND_NS
    texts = [table.text(start + k * SECOND_NS)[:19] for k in range(5)]
    assert texts == [
        "2016-12-31T23:59:58",
        "2016-12-31T23:59:59",
        "2016-12-31T23:59:60",
        "2017-01-01T00:00:00",
        "2017-01-01T00:00:01",
    ]


def test_an_inserted_second_counts_twice_in_posix(table):
    """23:59:59 and 23:59:60 have the same numbers; only TAI tells them apart."""
    at = (NEW_YEAR_2017 + 35) * SECOND_NS + 250
    assert table.utc_of(at) == table.utc_of(at + SECOND_NS) == (NEW_YEAR_2017 - 1) * SECOND_NS + 250
    assert not table.in_inserted_second(at)
    assert table.in_inserted_second(at + SECOND_NS)
    assert table.tai_of(table.utc_of(at)) == at


def test_a_deleted_second_is_never_read(both):
    """After 23:59:58 comes midnight, and its number counts as the end of the second before."""
    midnight = (DELETED_AT - 1 + 37) * SECOND_NS
    assert both.utc_of(midnight - 1) == (DELETED_AT - 1) * SECOND_NS - 1
    assert both.utc_of(midnight) == DELETED_AT * SECOND_NS
    assert both.tai_of((DELETED_AT - 1) * SECOND_NS + 5) == midnight
    assert not both.in_inserted_second(midnight)


@given(st.integers(63_072_000 * SECOND_NS, 2_100_000_000 * SECOND_NS))
def test_utc_and_back(utc_ns):
    """Every POSIX time comes back, wherever it is not one of a second that was left out."""
    table = load_table()
    assert table.utc_of(table.tai_of(utc_ns)) == utc_ns


@given(st.integers(-90_000 * SECOND_NS, 90_000 * SECOND_NS), st.booleans())
def test_smeared_time_is_even_and_comes_back(away_ns, deleted):
    """A smearing clock never jumps, is within half a second of UTC, and can be undone to the ns."""
    real = load_table()
    table = LeapTable(
        (*real.utc_s, DELETED_AT), (*real.offset_s, 36), real.expires_utc_s, "made up"
    )
    leap = (DELETED_AT + 36 if deleted else NEW_YEAR_2017 + 36) * SECOND_NS
    tai_ns = leap + away_ns
    here, there = table.smeared_of(tai_ns), table.smeared_of(tai_ns + 1_000_000)
    assert 999_980 <= there - here <= 1_000_020
    assert abs(here - table.utc_of(tai_ns)) <= SECOND_NS
    assert abs(table.tai_of_smeared(here) - tai_ns) <= 1


def test_the_next_leap_is_known_and_then_over(table):
    """Before New Year 2017 the change to 37 s lies ahead; after it none is known."""
    leap = (NEW_YEAR_2017 + 36) * SECOND_NS
    assert table.next_leap(leap - 1) == (leap, 37)
    assert table.next_leap(leap) == (MAX_VALUE, 37)
    assert table.offset_at(leap - 1) == 36
    assert table.offset_at(leap) == 37


def test_what_a_smear_may_be_off_by_is_said_while_it_lasts(both):
    """From the noon before a leap to the noon after, and two polls more: 1.2e-5 of two polls; the
    two kinds of leap alike."""
    late_s = 2 * 1024
    before_s = (43_200, 43_199)  # a second that is left out would have been the last before it
    for leap, noon_s, length_s in zip(
        both.leaps_tai_ns[-2:], before_s, (86_401, 86_399), strict=True
    ):
        begin = leap - noon_s * SECOND_NS
        end = begin + (length_s + late_s) * SECOND_NS
        for at in (begin, leap, end - 1):
            assert both.leap_near(at) == leap
            assert late_s * SECOND_NS / 86_399 <= both.smear_error_ns(at) <= 24_000_000
        for at in (begin - 1, end):
            assert (both.leap_near(at), both.smear_error_ns(at)) == (None, 0)


def test_an_announced_leap_is_added_once(table):
    """What a grandmaster announces for tonight stands in the table, and not twice."""
    noon = (DELETED_AT - 43_200 + 37) * SECOND_NS
    leap_table = table.announced(noon, insert=True, delete=False)
    assert leap_table.next_leap(noon) == ((DELETED_AT + 37) * SECOND_NS, 38)
    assert leap_table.announced(noon, insert=True, delete=False) is leap_table
    assert table.announced(noon, insert=False, delete=True).next_leap(noon)[1] == 36
    assert table.announced(noon, insert=False, delete=False) is table


def test_time_before_leap_seconds_is_refused(table):
    """In 1971 UTC was another thing."""
    with pytest.raises(LeapListError, match="before leap seconds began"):
        table.utc_of(0)
    with pytest.raises(LeapListError, match="before leap seconds began"):
        table.tai_of(0)


@pytest.mark.skipif(not SYSTEM_LIST.exists(), reason="this system has no leap-seconds.list")
@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("3692217600", "3692217601", "its hash is"),
        ("#h", "#", "it says nothing"),
        ("3692217600", "369221x600", r"line \d+: '369221x600' is not a number"),
        ("3692217600      37", "3692217600", r"line \d+: .* is not two numbers"),
    ],
)
def test_a_damaged_list_is_refused(old, new, text):
    """A changed digit, a missing hash, a broken line: each names the file and what is wrong."""
    lines = SYSTEM_LIST.read_text()
    normal = "\n".join(
        "      ".join(line.split()[:2]) if line[:1].isdigit() else line
        for line in lines.splitlines()
    )
    assert parse_list(normal, "x").offset_s[-1] == 37
    with pytest.raises(LeapListError, match=text) as caught:
        parse_list(normal.replace(old, new), "the/list")
    assert str(caught.value).startswith("the/list")


def test_lists_with_a_hole_are_refused():
    """Offsets change by one second at a time, in order."""
    with pytest.raises(LeapListError, match="one second at a time"):
        LeapTable((1, 2), (10, 12), 3, "x")
    with pytest.raises(LeapListError, match="line 1"):
        parse_zic("Leap 1972 Foo 30 23:59:60 + S", "x")


def test_a_list_that_is_not_there_is_named(tmp_path):
    """The error names the file."""
    with pytest.raises(LeapListError, match=r"cannot read .*nothing"):
        load_table(tmp_path / "nothing")
