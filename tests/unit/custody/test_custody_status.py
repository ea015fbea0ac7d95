"""What operators see of custody: in a terminal, and in the file that the console reads."""

import json
import os

import pytest

from openoutcry.console.custody_status import SILENT_S, custody_status
from openoutcry.custody import store as custody_store
from openoutcry.custody.breaker import Breaker
from openoutcry.custody.reconcile import Balance, Reconciler
from openoutcry.custody.settings import read_custody_file
from openoutcry.custody.status import Publisher, shown, status_of
from openoutcry.custody.store import Store
from openoutcry.venue.movement_desk import CUSTODY_STATUS
from tests.support.custody.chains import TEXT


@pytest.fixture
def file(tmp_path):
    values = {"url": "http://127.0.0.1:1", "hot": "h", "cold": "c", "final": 6, "wait": 0}
    (tmp_path / "custody.toml").write_text(TEXT.format(**values))
    (tmp_path / "journal").mkdir()
    return read_custody_file(tmp_path / "custody.toml")


def withdrawal(store, name, state, why=""):
    store.run(
        "insert into withdrawals values "
        "(?, 'C', 'LTC', 1, 'a', '1', 1, 's', ?, 60, ?, null, 1, 1, '')",
        name,
        state,
        why,
    )


def draft(store, number, state, why):
    store.run(
        "insert into drafts (id, chain, purpose, state, identity, body, fee, conflicts, payments, "
        "notes, why, made_ns) values (?, 'C', 'p', ?, 'i', '', '0', '', '', '', ?, 1)",
        number,
        state,
        why,
    )


def test_whatever_waits_says_why(file):
    with Store(file.folder) as store:
        withdrawal(store, "wd1", "held", "a new address, a new device")
        withdrawal(store, "wd2", "done", "a new address")
        draft(store, 1, "drafted", "limit: more LTC than may leave in one hour")
        draft(store, 2, "done", "an old reason")
        draft(store, 3, "broadcast", "")
        store.run("insert into refills values (1, 'LTC', 5, 'a', 1, null, null)")
        store.run("insert into refills values (2, 'LTC', 5, 'a', 1, 9, 9)")
        Breaker(store).trip("a drill")
    document = status_of(file)
    assert document["waits"] == [
        {"what": "draft 1", "why": "limit: more LTC than may leave in one hour"},
        {"what": "refill 1", "why": "two people"},
        {"what": "withdrawal wd1", "why": "two people: a new address, a new device"},
    ]
    lines = shown(document)
    assert "withdrawals are stopped: a drill" in lines
    assert "refill 1 waits: two people" in lines


@pytest.mark.promise(
    "What strangers send to a wallet, or users ask for, hides no alarm from those who operate "
    "custody",
    group="custody",
)
def test_notes_that_strangers_cause_put_no_alarm_out(file, monkeypatch):
    monkeypatch.setattr(custody_store, "NOTES_KEPT", 120)
    with Store(file.folder) as store:
        store.note("alarm", "gas", "its key may be in other hands")
        for number in range(500):
            store.note("deposit", f"tx {number}", "dust; recorded, not credited")
        kept = store.rows("select kind, count(*) as n from notes group by kind order by kind")
        assert [(row["kind"], row["n"] <= 220) for row in kept] == [
            ("alarm", True),
            ("deposit", True),
        ]
    notes = status_of(file)["notes"]
    assert notes[0]["subject"] == "tx 499"
    assert notes[-1]["text"] == "its key may be in other hands"
    assert len(notes) == 21


def test_alarms_that_come_by_turns_are_each_one(file):
    """A nonce that is not ours is an alarm of each turn, and there may be several."""
    with Store(file.folder) as store:
        for turn in range(50):
            for nonce in range(16):
                store.note("alarm", "chain ETH", f"nonce {nonce} is used by another")
            store.note("waits", "node LTC", f"reason {turn % 2}")
        rows = store.rows("select kind, count(*) as n from notes group by kind order by kind")
        assert [tuple(row) for row in rows] == [("alarm", 16), ("waits", 50)]


def test_a_surplus_that_grows_with_each_block_is_few_alarms(file):
    """Anybody can send a little more to a deposit address, unseen, as often as there is a block."""
    with Store(file.folder) as store:
        reconciler = Reconciler(file, store, None, {})
        for block in range(1, 2_000):
            amounts = 7 + block * 1_000, 7, 7, 0, 0, 0, 0
            reconciler._missing([Balance("LTC", "LTC-regtest", block, *amounts)])
        texts = [row["text"] for row in store.rows("select text from notes where kind = 'alarm'")]
    assert texts[0] == "LTC: the chain has 0.00001000 LTC or more that custody has not seen"
    assert texts[-1] == "LTC: the chain has 0.01000000 LTC or more that custody has not seen"
    assert len(texts) == len(set(texts)) == 28


def test_the_console_reads_what_custody_wrote_and_says_when_it_is_silent(file):
    assert custody_status(file.journal)["present"] is False
    with Store(file.folder) as store:
        one = Publisher(file, store)
        one.go_on()
        found = custody_status(file.journal)
        assert found == status_of(file) | {"present": True, "silent_s": 0, "fault": ""}
        path = file.journal / CUSTODY_STATUS
        wrote = path.stat().st_mtime
        assert custody_status(file.journal, lambda: wrote + SILENT_S)["silent_s"] == 0
        assert custody_status(file.journal, lambda: wrote + SILENT_S + 1)["silent_s"] == 31
        os.utime(path, (1, 1))
        one.go_on()
        assert path.stat().st_mtime == 1, "not each turn"
    for text in ("", "[", "5", "x" * 10):
        path.write_text(text)
        assert custody_status(file.journal)["fault"].startswith(CUSTODY_STATUS)
    json.dumps(custody_status(file.journal))


def test_what_a_stolen_signer_says_fills_no_disk_and_runs_in_no_terminal(file):
    with Store(file.folder) as store:
        store.note("alarm", "wd1", "a signer refuses it: \x1b]0;all is well\x07" + "x" * 10**7)
        draft(store, 1, "drafted", "limit: \x1b[2J")
        (row,) = store.rows("select text from notes")
    assert len(row["text"]) < 2 * custody_store.MOST_TEXT
    assert not any("\x1b" in line for line in shown(status_of(file)))
