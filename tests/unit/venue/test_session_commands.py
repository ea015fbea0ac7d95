"""Sessions are added, changed and removed while the venue trades; restarts and replay see the same
ones, and the journal has no password."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.journal.replay import replay
from openoutcry.order_entry.sessions_checkpoint import make_sessions_checkpoint
from openoutcry.risk.bits import RISK_KIND, Setting
from openoutcry.surveillance.audit.survey import Survey
from openoutcry.venue.file import VenueFileError, read_venue
from tests.support.order_entry.sessions_venue import HASH
from tests.support.portal.served_portal import CHEAP
from tests.support.venue.cut_requests import cut_off
from tests.support.venue.floor import InlineFloor
from tests.support.venue.party import FixParty, Ouch50Party, OuchParty, Party, Refused
from tests.support.venue.served_venue import VENUE

SLOTS = f"""
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:1"
[[port]]
protocol = "ouch-5.0"
address = "127.0.0.1:2"
[[port]]
protocol = "fix-4.4"
address = "127.0.0.1:3"
[[session]]
name = "FILED"
protocol = "ouch-4.2"
participant = 1
password = "{HASH}"
timeout_ms = 600_000
[[session_slots]]
protocol = "ouch-4.2"
count = 2
[[session_slots]]
protocol = "ouch-5.0"
count = 1
[[session_slots]]
protocol = "fix-4.4"
count = 1
"""
TEXT = VENUE.replace("GOLD", "ACME").replace("[calendar]", "participant_capacity = 100\n[calendar]")
TEXT += SLOTS
OTHER = CHEAP.hash("another")
PARTIES: dict[str, type[Party]] = {
    "ouch-4.2": OuchParty,
    "ouch-5.0": Ouch50Party,
    "fix-4.4": FixParty,
}


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[InlineFloor]:
    trading_floor = InlineFloor(tmp_path, TEXT)
    yield trading_floor
    if trading_floor.run is not None:
        trading_floor.close()


def add(floor: InlineFloor, name: str, protocol: str = "ouch-4.2", **more: Any) -> dict[str, Any]:
    words = ["session", "add", name, "--protocol", protocol, "--participant", "1"]
    words += ["--password-hash", HASH, "--timeout-ms", "600000"]
    for key, value in more.items():
        words += ["--" + key.replace("_", "-"), str(value)]
    return floor.ask(*words)


def sessions_of(floor: InlineFloor) -> Any:
    assert floor.run is not None
    return floor.run.work.sessions


def journal_of(floor: InlineFloor) -> Path:
    assert floor.journal_path is not None
    return floor.journal_path


def refusal(floor: InlineFloor, *words: str) -> str:
    return str(floor.ask("session", *words, status=1)["error"])


def log_in(
    floor: InlineFloor, name: str, password: str = "secret", protocol: str = "ouch-4.2"
) -> Any:
    login = {"target": "TEST"} if protocol == "fix-4.4" else {}
    return PARTIES[protocol](floor, name, password=password, **login)


@pytest.mark.promise(
    "A suspended participant enters nothing, at no door. A session that is added while the "
    "venue trades is there after every restart",
    group="venue",
)
@pytest.mark.parametrize("protocol", PARTIES)
def test_a_session_is_added_and_trades_also_after_a_restart(
    floor: InlineFloor, protocol: str
) -> None:
    with pytest.raises(Refused):
        log_in(floor, "NEW", protocol=protocol)
    answer = add(floor, "NEW", protocol, cancel_on_disconnect="none")
    assert answer["done"] == ["session NEW is added"]
    party = log_in(floor, "NEW", protocol=protocol)
    party.enter(1)
    assert party.kind() == "A"
    number = getattr(party, "numbers", None)
    floor.again()
    again = PARTIES[protocol].__new__(PARTIES[protocol])
    again.venue, again.name = floor, "NEW"
    if number is not None:
        again.numbers = number
        again.log_in(target="TEST")
    else:
        again.log_in()
        assert again.kind() == "A", "its stream is there"
    again.cancel(1)
    assert again.told()[-1] == "C", "and so is its order"
    rows = {row["name"]: row for row in floor.status()["sessions"]}
    assert set(rows) == {"FILED", "NEW"}
    assert (rows["NEW"]["participant"], rows["NEW"]["connected"]) == (1, True)
    again.close()


def test_a_new_password_is_in_force_at_the_next_login(floor: InlineFloor) -> None:
    add(floor, "NEW")
    party = log_in(floor, "NEW")
    answer = floor.ask("session", "change", "NEW", "--password-hash", OTHER)
    assert "its connection stays open" in answer["done"][0]
    party.enter(1)
    assert party.kind() == "A"
    party.close()
    for _ in range(2):
        with pytest.raises(Refused):
            log_in(floor, "NEW")
        log_in(floor, "NEW", "another").close()
        floor.again()


def test_a_session_of_the_file_is_changed_until_its_row_is(floor: InlineFloor) -> None:
    floor.ask("session", "change", "FILED", "--password-hash", OTHER, "--network", "10.0.0.0/8")
    floor.again()
    with pytest.raises(Refused):
        log_in(floor, "FILED", "another")  # not from there
    OuchParty(floor, "FILED", password="another", source="10.1.2.3").close()
    floor.drop()
    text = floor.file.read_text()
    floor.file.write_text(text.replace("timeout_ms = 600_000", "timeout_ms = 500_000"))
    floor.open()
    log_in(floor, "FILED").close()


def test_a_removed_session_accepts_no_login(floor: InlineFloor) -> None:
    add(floor, "NEW")
    party = log_in(floor, "NEW")
    party.enter(1)
    assert party.kind() == "A"
    answer = floor.ask("session", "remove", "NEW")
    assert answer["done"][0] == "session NEW is removed"
    assert "killed" in answer["done"][1]
    assert party.told()[-1:] in ("", "C")
    for _ in range(2):
        with pytest.raises(Refused):
            log_in(floor, "NEW")
        assert "no session 'NEW'" in refusal(floor, "remove", "NEW")
        assert [row["name"] for row in floor.status()["sessions"] if row["name"]] == ["FILED"]
        floor.again()
    add(floor, "NEW")
    log_in(floor, "NEW").close()
    assert "no slot" in str(
        floor.ask(
            "session",
            "add",
            "LAST",
            "--protocol",
            "ouch-4.2",
            "--participant",
            "1",
            "--password-hash",
            HASH,
            status=1,
        )["error"]
    )
    assert floor.close()["open_orders"] == 0


def test_two_sessions_of_a_participant_each_lose_their_own_orders(floor: InlineFloor) -> None:
    """A session that has its participant's orders alone cancels all of them when it is lost."""
    filed = log_in(floor, "FILED")
    filed.enter(1)
    add(floor, "NEW")
    new = log_in(floor, "NEW")
    new.enter(2)
    assert (filed.kind(), new.kind()) == ("A", "A")
    filed.close()
    floor.clock.advance(1)
    assert new.told() == "", "its order is still open"
    new.close()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("NEW", "--protocol", "shm"), "its key is a secret"),
        (("NEW", "--protocol", "packets"), "its key is a secret"),
        (("NEW", "--protocol", "drop-copy"), "whose orders a drop copy reports"),
        (("NEW", "--protocol", "morse"), "no protocol 'morse'"),
        (("FIX 1", "--protocol", "fix-4.4"), "1 to 32 letters, digits"),
        (("TEST", "--protocol", "fix-4.4"), "the venue's CompID"),
        (("TOOLONG", "--protocol", "ouch-4.2"), "1 to 6 letters and digits"),
        (("filed", "--protocol", "ouch-4.2"), "session 'filed' already exists"),
        (("NEW", "--protocol", "fix-4.2"), "no slot for a session of fix-4.2 is left"),
        (("NEW", "--protocol", "ouch-4.2", "--participant", "99"), "no participant 99"),
        (("NEW", "--protocol", "ouch-4.2", "--participant", "70000"), "not a participant's number"),
        (("NEW", "--protocol", "ouch-4.2", "--password-hash", "secret"), "not an argon2 hash"),
        (("NEW", "--protocol", "ouch-4.2", "--network", "moon"), "networks: 'moon'"),
        (
            ("NEW", "--protocol", "ouch-4.2", "--timeout-ms", "300"),
            "must be longer than heartbeat_ms",
        ),
        (("NEW", "--protocol", "ouch-4.2", "--second-login", "both"), "second_login: "),
    ],
)
def test_what_cannot_be_added_has_its_own_word(
    shared: InlineFloor, words: tuple[str, ...], why: str
) -> None:
    given = [*words]
    for option, usual in (("--participant", "1"), ("--password-hash", HASH)):
        given += [] if option in given else [option, usual]
    before = len(shared.commands())
    assert why in refusal(shared, "add", *given)
    assert len(shared.commands()) == before


@pytest.mark.parametrize("word", ["eleven char", "ends in  ", " begins", "grün", "tab\tbed"])
def test_a_password_that_no_login_over_soupbin_holds_is_refused_by_name(
    shared: InlineFloor, word: str
) -> None:
    before = len(shared.commands())
    new = ("session", "add", "NEW", "--protocol", "ouch-4.2", "--participant", "1")
    for words in (new, ("session", "change", "FILED", "--new-password")):
        said = shared.ask(*words, password=word, status=1)["error"]
        assert f"session {words[2]}: its password " in said
        assert "SoupBinTCP" in said
    assert len(shared.commands()) == before


def test_a_long_password_is_for_fix(floor: InlineFloor) -> None:
    words = ("session", "add", "FIX1", "--protocol", "fix-4.4", "--participant", "1")
    done = floor.ask(*words, password="longer than ten letters")["done"]
    assert done == ["session FIX1 is added"]
    log_in(floor, "FIX1", "longer than ten letters", "fix-4.4").close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InlineFloor]:
    trading_floor = InlineFloor(tmp_path_factory.mktemp("refused"), TEXT)
    yield trading_floor
    trading_floor.close()


def test_many_networks_that_have_no_room_are_refused(shared: InlineFloor) -> None:
    words = [word for at in range(80) for word in ("--network", f"10.1.{at}.0/24")]
    assert "name fewer networks" in refusal(shared, "change", "FILED", *words)
    assert "already has these values" in refusal(shared, "change", "FILED", "--burst", "1")
    assert "no session 'NOBODY'" in refusal(shared, "change", "NOBODY", "--burst", "1")


@pytest.mark.parametrize("after", [0, 2, 5, 1_000])
def test_a_request_that_was_cut_off_is_done_once(tmp_path: Path, after: int) -> None:
    floor = InlineFloor(tmp_path, TEXT)
    request = {
        "do": "session-add", "name": "NEW", "protocol": "ouch-4.2", "participant": 1,
        "password_hash": HASH, "reference": "once",
    }  # fmt: skip
    cut_off(floor, request, after)
    words = ["session", "add", "NEW", "--protocol", "ouch-4.2", "--participant", "1"]
    words += ["--password-hash", HASH, "--reference", "once"]
    floor.ask(*words)
    assert floor.ask(*words)["repeated"]
    log_in(floor, "NEW").close()
    taken = [row.name for row in sessions_of(floor).documents.rows() if row.is_there]
    assert taken == ["FILED", "NEW"]
    floor.close()


def test_the_journal_has_the_hash_and_no_password(floor: InlineFloor) -> None:
    words = ["session", "add", "NEW", "--protocol", "ouch-4.2", "--participant", "1"]
    floor.ask(*words, password="hunter2hun")
    log_in(floor, "NEW", "hunter2hun").close()
    floor.step()
    files = [path for path in journal_of(floor).rglob("*") if path.is_file()]
    assert any(b"argon2" in path.read_bytes() for path in files if "segment" in path.name)
    for path in files:
        assert b"hunter2" not in path.read_bytes(), path
    documents = floor.commands()
    pieces = documents[
        (documents["kind"] == RISK_KIND) & (documents["order_type"] == Setting.SESSION)
    ]
    assert len(pieces) > 1
    assert np.all(pieces["participant"] == 0)


def test_a_checkpoint_of_the_sessions_has_their_documents(floor: InlineFloor) -> None:
    add(floor, "NEW")
    party = log_in(floor, "NEW")
    party.enter(1)
    assert party.kind() == "A"
    party.close()
    floor.step()
    spec, instruments = floor.spec, sessions_of(floor).instruments
    floor.stop()
    assert make_sessions_checkpoint(journal_of(floor), spec, instruments)
    floor.open()
    assert sessions_of(floor).documents.row(2).name == "NEW"
    log_in(floor, "NEW").close()
    named = Survey(journal_of(floor)).sessions
    assert named[:2] == ["FILED OUCH42 of participant 1", "NEW OUCH42 of participant 1"]
    result = floor.close()
    assert replay(journal_of(floor))["state_hash"] == result["state_hash"]


def test_slots_have_their_own_words_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "venue.toml"
    for row, why in (
        ('protocol = "shm"\ncount = 1', "its key is a secret"),
        ('protocol = "drop-copy"\ncount = 1', "only be in the venue file"),
        ('protocol = "fix-4.2"\ncount = 1', "no port uses this protocol"),
        ('protocol = "ouch-4.2"\ncount = 1001', "1000"),
        ('protocol = "ouch-4.2"', "missing"),
    ):
        file.write_text(TEXT + "[[session_slots]]\n" + row + "\n")
        with pytest.raises(VenueFileError, match=why):
            read_venue(file)
    file.write_text(
        TEXT
        + SLOTS[SLOTS.index("[[session]]") :].split("[[session_slots]]")[0].replace("FILED", "LATE")
    )
    names = [row.name for row in read_venue(file).sessions.sessions]
    assert names == ["FILED", "+1", "+2", "+3", "+4", "LATE"], "by their lines"
