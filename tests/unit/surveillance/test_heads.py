"""The end of the evidence cannot be cut off unseen: the desk's record names how far it went."""

import shutil

import numpy as np
import pytest

from openoutcry.journal.desk_record import NAME as DESK
from openoutcry.surveillance.detect.layout import HIT_DTYPE, Detector
from openoutcry.surveillance.detect.settings import Settings, settings_of_text
from openoutcry.surveillance.evidence import NAME as HITS
from openoutcry.surveillance.evidence import ROW_BYTES
from openoutcry.surveillance.life import NAME as LIFE
from openoutcry.surveillance.run import CaseBook, Watching, folder_of, run
from openoutcry.wire.errors import SurveillanceError
from tests.support.ledger import ledger_flow as flow


@pytest.fixture
def looked_at(tmp_path):
    """A journal with three hits that were written, and two decisions."""

    home = flow.write_journal(tmp_path / "day", flow.draw(300, 2))
    watching = Watching(home, Settings())
    hits = np.zeros(3, HIT_DTYPE)
    hits["number"], hits["detector"], hits["members"] = [1, 2, 3], int(Detector.SPOOFING), 1
    hits["participants"][:, 0], hits["seq"] = [4, 5, 6], [10, 20, 30]
    watching.evidence.add(hits)
    watching.write_status()
    watching.close()
    book = CaseBook.of(home)
    book.act(book.case(1), "escalate", "anna", "it repeats")
    book.act(book.case(2), "review", "bert", "looked at it")
    return home


def test_whole_evidence_is_taken(looked_at):
    book = CaseBook.of(looked_at)
    assert (len(book.cases), [entry["who"] for entry in book.entries]) == (3, ["anna", "bert"])
    assert book.state_of(book.case(1)).status == "escalated"


@pytest.mark.parametrize("left", [0, 1])
@pytest.mark.promise(
    "Flipped bits, a block changed with its checksum, changed event hashes and a cut end of "
    "the evidence are detected. A journal that cannot be replayed is not sound to `verify`",
    group="files",
)
def test_a_decision_that_was_cut_off_is_missed(looked_at, left):
    path = folder_of(looked_at) / LIFE
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:left]))
    with pytest.raises(SurveillanceError, match=f"{LIFE}: ends after {left} of 2 rows"):
        CaseBook.of(looked_at)
    path.unlink()
    with pytest.raises(SurveillanceError, match=f"{LIFE}: ends after 0 of 2 rows"):
        CaseBook.of(looked_at)


def test_another_decision_in_its_place_is_found(looked_at):
    """The last line is replaced by one with a hash that holds."""
    path = folder_of(looked_at) / LIFE
    desk = (looked_at / DESK).read_bytes()
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:1]))
    (looked_at / DESK).unlink()
    book = CaseBook.of(looked_at)
    book.act(book.case(2), "close", "carl", "nothing")
    (looked_at / DESK).write_bytes(desk)
    with pytest.raises(SurveillanceError, match="row 2 is not the one that the desk's record"):
        CaseBook.of(looked_at)


def test_hits_that_were_cut_off_are_missed(looked_at):
    path = folder_of(looked_at) / HITS
    path.write_bytes(path.read_bytes()[: 2 * ROW_BYTES])
    with pytest.raises(SurveillanceError, match=f"{HITS}: ends after 2 of 3 rows"):
        CaseBook.of(looked_at)
    watching = Watching(looked_at, Settings())
    watching.close()
    assert watching.lost == 1


def test_a_changed_desk_record_is_no_way_round(looked_at):
    path = looked_at / DESK
    first, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([first.replace(b'"hits": 3', b'"hits": 1'), *rest]))
    with pytest.raises(SurveillanceError, match=r"line 2 does not follow the one before"):
        CaseBook.of(looked_at)


def test_begun_again_with_other_settings_nothing_is_missed(looked_at):
    """The folder was moved away: what the record names is of other settings."""
    shutil.move(folder_of(looked_at), looked_at / "old")
    run(looked_at, Settings(parameters={"spoof_repeats": 4}))
    assert CaseBook.of(looked_at).entries == []


def test_market_makers_are_kept_with_the_settings(tmp_path):
    home = flow.write_journal(tmp_path / "day", flow.draw(50, 2))
    text = '[[market_maker]]\nparticipants = [4]\nwhy = "agreement 7"\n'
    venue_settings = settings_of_text(text)
    watching = Watching(home, venue_settings)
    hits = np.zeros(1, HIT_DTYPE)
    hits["number"], hits["detector"], hits["members"] = 1, int(Detector.ORDER_TO_TRADE), 1
    hits["participants"][:, 0] = 4
    watching.evidence.add(hits)
    watching.write_status()
    watching.close()
    (case,) = CaseBook.of(home).cases
    assert case.suppressed == "registered market maker: agreement 7"
    assert venue_settings.digest() != Settings().digest()
    with pytest.raises(SurveillanceError, match="other settings"):
        Watching(home, Settings())
    for bad, words in (
        ("participants = [4]", "why is missing"),
        ('why = "x"', "participants"),
        ('participants = []\nwhy = "x"', "not one or more"),
        ('participants = [4]\nwhy = " "', "why is empty"),
    ):
        with pytest.raises(SurveillanceError, match=words):
            settings_of_text(f"[[market_maker]]\n{bad}\n")
