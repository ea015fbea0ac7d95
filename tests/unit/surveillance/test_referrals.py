"""Cases that another room refers: kept once, in a chain, and closed by two people as all others."""

import pytest

from openoutcry.surveillance.detect.settings import Settings
from openoutcry.surveillance.referrals import FIRST, NAME, Referral, refer, referred
from openoutcry.surveillance.run import CaseBook, Watching, folder_of
from openoutcry.wire.errors import SurveillanceError
from tests.support.ledger import ledger_flow as flow

LISTED = Referral("custody 1", "sanctions", 7, "LTC", 5_000, 10**18, "a sanctioned address")
RECORD = Referral("custody 2", "travel_rule", 8, "LTC", 10**9, 10**18 + 1, "above the threshold")


@pytest.fixture
def journal(tmp_path):
    home = flow.write_journal(tmp_path / "day", flow.draw(50, 2))
    watching = Watching(home, Settings())
    watching.write_status()
    watching.close()
    return home


def test_a_referral_is_a_case_once_and_two_people_close_it(journal):
    assert refer(journal, [LISTED, RECORD]) == 2
    assert refer(journal, [RECORD, LISTED]) == 0
    book = CaseBook.of(journal)
    first, second = book.cases
    assert (first.number, first.detector, first.severity) == (FIRST, "sanctions", "high")
    assert (first.participants, first.symbol, first.lots) == ((7,), "LTC", 5_000)
    assert (second.number, second.severity) == (FIRST + 1, "low")
    assert book.act(book.case(FIRST), "close", "anna", "a namesake").status == "closing"
    with pytest.raises(SurveillanceError, match="another person has to agree"):
        book.act(book.case(FIRST), "close", "anna", "a namesake")
    assert book.act(book.case(FIRST), "close", "bert", "looked, too").status == "closed"
    again = CaseBook.of(journal)
    assert [again.state_of(case).status for case in again.cases] == ["closed", "open"]
    assert ["sanctions", "high", "closed", 1] in again.status(0)["cases"]
    for number in (0, 1, FIRST + 2):
        with pytest.raises(SurveillanceError, match=f"there is no case {number}"):
            again.case(number)


def test_what_comes_later_is_seen_by_a_book_that_is_open(journal):
    book = CaseBook.of(journal)
    assert book.cases == []
    refer(journal, [LISTED])
    book.refresh()
    assert [case.number for case in book.cases] == [FIRST]


def test_a_referral_that_was_changed_is_found(journal):
    refer(journal, [LISTED, RECORD])
    path = folder_of(journal) / NAME
    path.write_bytes(path.read_bytes().replace(b'"participant": 7', b'"participant": 9'))
    with pytest.raises(SurveillanceError, match="line 1 was changed"):
        referred(journal)
    with pytest.raises(SurveillanceError, match="line 1 was changed"):
        refer(journal, [LISTED])
