"""What takes no faults, and who is not served by a test venue."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from openoutcry.console.reading import overview
from openoutcry.custody import serve as custody
from openoutcry.custody.errors import CustodyError
from openoutcry.faults.script import read_script
from openoutcry.faults.serve import NoTestVenue, between, require_no_venue_of_money
from openoutcry.market_data.mold import session_name
from openoutcry.portal.faults import faults_of
from openoutcry.venue.carry import CarryError, carry
from openoutcry.venue.file import read_venue
from openoutcry.wire.errors import OutcryError
from tests.support.order_entry.sessions_venue import HASH
from tests.support.venue.served_venue import VENUE

RULE = '[[fault]]\ndo = "drop"\ndirection = "to_client"\n'
SESSION = f"""
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:0"
[[session]]
name = "ONE"
protocol = "ouch-4.2"
participant = 1
password = "{HASH}"
"""


@pytest.fixture
def file(tmp_path):
    """A venue that was never opened."""
    (tmp_path / "venue.toml").write_text(VENUE + SESSION)
    (tmp_path / "faults.toml").write_text(f"[faults]\nseed = 1\n{RULE}")
    return read_venue(tmp_path / "venue.toml")


def test_a_replicated_venue_and_one_with_networks_take_no_faults(file):
    require_no_venue_of_money(file)
    with pytest.raises(NoTestVenue, match="a replicated venue takes no faults"):
        require_no_venue_of_money(replace(file, replication=SimpleNamespace()))
    (one,) = file.sessions.sessions
    sessions = replace(file.sessions, sessions=(replace(one, networks=("10.0.0.0/8",)),))
    with pytest.raises(NoTestVenue, match="session ONE has networks"):
        require_no_venue_of_money(replace(file, sessions=sessions))


def test_a_counterparty_is_a_session_over_ouch(file, tmp_path):
    other = '[counterparty]\nsession = "TWO"\npassword = "x"\n'
    (tmp_path / "faults.toml").write_text(f"[faults]\nseed = 1\n{other}{RULE}")
    with pytest.raises(NoTestVenue, match=r"counterparty\.session: TWO is no session over OUCH"):
        between(file, tmp_path / "faults.toml").__enter__()


def test_a_portal_takes_faults_of_a_test_venue_and_in_one_process(file, tmp_path):
    path = tmp_path / "faults.toml"
    assert faults_of(file, None, 4) is None
    with pytest.raises(OutcryError, match="not opened yet with `outcry serve --faults`"):
        faults_of(file, path, 1)
    test = replace(file, is_test=True)
    with pytest.raises(OutcryError, match="the rules count in one process"):
        faults_of(test, path, 2)
    made = faults_of(test, path, 1)
    assert made is not None
    assert len(made.script.rules) == len(read_script(path).rules) == 1


def test_custody_and_carrying_over_refuse_a_test_venue(file, monkeypatch):
    monkeypatch.setattr(custody, "is_of_test_venue", lambda journal: True)
    with pytest.raises(CustodyError, match="a test venue, which has no custody"):
        custody.Parts(SimpleNamespace(journal=Path("j")))
    file.journal.mkdir()
    (file.journal / "segment-000001.ocj").write_bytes(b"")
    with pytest.raises(CarryError, match="a test venue cannot be carried over"):
        carry(replace(file, is_test=True))


def test_names_say_that_it_is_a_test_venue(file):
    assert file.shown_name == "TEST"
    test = replace(file, is_test=True)
    assert test.shown_name == "TEST (TEST VENUE)"
    assert session_name(0xABCDEF, 2) == "ABCDEF0002"
    assert session_name(0xABCDEF, 2, True) == "TESTEF0002"
    slow = {"state": "open", "time": "", "alarms": [], "status": {}}
    console = SimpleNamespace(file=test, observer=SimpleNamespace(slow=slow, second=1))
    assert overview(console, fast=False)["venue"] == "TEST (TEST VENUE)"
