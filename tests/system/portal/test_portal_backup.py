"""Backups of what people own: made while the portal serves, restored to an empty database."""

import json
import subprocess
import tarfile
from contextlib import closing
from functools import partial

import psycopg
import pytest

from openoutcry.portal.accounts.secret_key import SecretKey
from openoutcry.portal.backup import BackupError, back_up, restore
from openoutcry.portal.database import migrate, revisions, running_embedded, start_embedded
from openoutcry.portal.folder import folder_of, make_folder
from openoutcry.portal.history.projector import connected, digest
from openoutcry.venue.file import read_venue
from tests.support import plain_http
from tests.support.pipeline import warm_outcry
from tests.support.portal.people import PASSWORD, new_database
from tests.support.portal.portal_venue import venue_text
from tests.support.processes import OUTCRY
from tests.support.waiting import BOUND_S, wait_until

USD, BTC = 10**6, 10**8
PAPER = b"\x89PNG\r\n\x1a\n and so on"


def outcry(*words):
    """Exit status and output of a command of ``outcry portal``."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    running = warm_outcry.Process([*OUTCRY, "portal", *words], **pipes)
    said, _ = running.communicate(timeout=BOUND_S)
    return running.returncode, said


def logged_in(venue, person):
    client = plain_http.client(venue.url)
    answer = client.post("/v1/login", json={"mail": person.mail, "password": PASSWORD})
    if answer.status_code == 200:
        client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
    return client, answer.status_code


def digest_of(url):
    with connected(url) as connection:
        return digest(connection)


def test_a_portal_goes_on_from_a_backup_that_was_made_while_it_served(portal_venue, tmp_path):
    venue, out = portal_venue, tmp_path / "portal.backup"
    file = f"{venue.folder / 'venue.toml'}"
    one, other = (venue.person(USD=10**6 * USD, BTC=10 * BTC) for _ in range(2))
    with venue.client(one) as mine, venue.client(other) as theirs:
        mine.order("SELL", "0.2", "60000", newClientOrderId="before")
        assert theirs.order("BUY", "0.1", "60000").json()["status"] == "FILLED"
    client, _ = logged_in(venue, one)
    with closing(client):
        settings = client.get("/v1/notification-settings").json() | {"quiet_from": "22:00"}
        settings |= {"quiet_until": "07:00"}
        assert client.put("/v1/notification-settings", json=settings).is_success
        upload = client.post("/v1/identity/papers?kind=passport", content=PAPER)
        assert upload.is_success, upload.text
        kept = client.get("/v1/notification-settings").json()
        papers = client.get("/v1/identity").json()["papers"]
    assert outcry("backup", file, f"{out}") == (
        0,
        f"{out}: users, keys and settings of OUTCRY, papers: 1\n",
    )
    assert out.stat().st_mode & 0o777 == 0o600
    late = venue.person(USD=USD)
    venue.stop_portal()

    folder = folder_of(read_venue(venue.folder / "venue.toml"))
    url, server = start_embedded(folder / "postgresql")
    assert outcry("history", file, "--once", f"--database={url}")[0] == 0
    before = digest_of(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop schema history cascade")
        connection.execute("drop schema public cascade")
        connection.execute("create schema public")
    server.cleanup()
    (folder / "papers").rename(tmp_path / "papers")
    (folder / "portal.key").unlink()
    code, said = outcry("restore", file, f"{out}")
    assert code == 0, said
    code, said = outcry("restore", file, f"{out}")
    assert (code, "has tables of a portal" in said) == (1, True), said
    venue.start_portal()

    client, _ = logged_in(venue, one)
    with closing(client):
        has_all = lambda: client.get("/v1/history").json()["behind"] == 0  # noqa: E731
        wait_until(has_all, "a new history")
        assert digest_of(running_embedded(folder / "postgresql")) == before
        assert client.get("/v1/me").json()["participant"] == one.participant
        assert client.get("/v1/notification-settings").json() == kept
        assert client.get("/v1/identity").json()["papers"] == papers
    with venue.client(one) as mine:
        (row,) = mine.get("/api/v3/openOrders", symbol="BTCUSD").json()
        assert (row["clientOrderId"], row["executedQty"]) == ("before", "0.10000000")
        refusal = mine.order("SELL", "0.2", "60000", newClientOrderId="before").json()
        assert refusal["msg"] == "Duplicate order sent."
    # Its account is not in the backup; no other account may get what the venue has of it.
    client, status = logged_in(venue, late)
    client.close()
    assert status == 401
    venue.people.remove(late)
    new = venue.person()
    assert new.participant not in {one.participant, other.participant, late.participant}
    assert venue.held(new, "USD") == "0.000000"


@pytest.fixture
def empty(postgresql):
    """Makes empty databases; returns the URL of one."""
    return partial(new_database, postgresql)


@pytest.fixture
def venues(tmp_path):
    """Two venue files: one whose portal has a key and a paper, and one without a portal."""
    files = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        path = tmp_path / name / "venue.toml"
        path.write_text(venue_text())
        files.append(read_venue(path))
    folder = folder_of(files[0])
    make_folder(folder)
    SecretKey(folder / "portal.key")
    (folder / "sessions.json").write_text("{}")
    return files


def test_a_backup_that_cannot_be_made_or_restored_says_why(empty, venues, tmp_path):
    (one, other), out, url = venues, tmp_path / "a.backup", empty()
    with pytest.raises(BackupError, match="no schema of this release"):
        back_up(one, url, out)
    assert not out.exists()
    migrate(url)
    with pytest.raises(BackupError, match=r"portal.key is missing"):
        back_up(other, url, out)
    back_up(one, url, out)
    with pytest.raises(BackupError, match="exists; choose another name"):
        back_up(one, url, out)
    with pytest.raises(BackupError, match="has tables of a portal"):
        restore(other, url, out)
    make_folder(folder_of(other))
    key = folder_of(other) / "portal.key"
    SecretKey(key)
    with pytest.raises(BackupError, match=r"portal.key is another than the backup's"):
        restore(other, empty(), out)
    key.unlink()
    (folder_of(other) / "sessions.json").write_text('{"PORTAL1000": "newer"}')
    restore(other, empty(), out)
    assert key.read_bytes() == (folder_of(one) / "portal.key").read_bytes()
    assert "newer" in (folder_of(other) / "sessions.json").read_text()


def test_a_damaged_or_foreign_file_is_no_backup_and_changes_nothing(empty, venues, tmp_path):
    (one, other), out, url = venues, tmp_path / "a.backup", empty()
    migrate(url)
    back_up(one, url, out)
    whole, target = out.read_bytes(), empty()
    at = whole.index(b"PGDMP") + 5_000

    def about(**changed):
        """The backup with other words about it."""
        with tarfile.open(out) as old, tarfile.open(tmp_path / "b.backup", "w") as new:
            for member in old:
                content = old.extractfile(member).read()
                if member.name == "backup.json":
                    content = json.dumps(json.loads(content) | changed).encode()
                (tmp_path / "part").write_bytes(content)
                new.add(tmp_path / "part", member.name)
        return (tmp_path / "b.backup").read_bytes()

    cases = {
        b"no tar": "no backup",
        whole[: len(whole) // 2]: "damaged",
        whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :]: "damaged",
        about(revision="9999"): f"later release.*up to {revisions()[-1]}",
        about(format=2): "later release",
        about(files={"../venue.toml": ""}): "other files",
        about(files={}): "damaged: database.dump",
    }
    for content, why in cases.items():
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(BackupError, match=why):
            restore(other, target, tmp_path / "bad")
        assert not folder_of(other).exists()
    with psycopg.connect(target) as connection:
        query = "select count(*) from information_schema.tables where table_schema = 'public'"
        assert connection.execute(query).fetchone() == (0,)


def test_an_older_backup_is_restored_and_its_schema_brought_to_the_newest(empty, venues, tmp_path):
    (one, other), out, url = venues, tmp_path / "a.backup", empty()
    migrate(url, "0004")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("insert into users (mail, password_hash) values ('a@example.com', 'h')")
        connection.execute("create schema history create table orders (number bigint)")
    back_up(one, url, out)
    target = empty()
    restore(other, target, out)
    with psycopg.connect(target) as connection:
        assert connection.execute("select mail, language from users").fetchall() == [
            ("a@example.com", "en")
        ]
        found = connection.execute("select version_num from alembic_version").fetchone()
        assert found == (revisions()[-1],)
        assert connection.execute("select to_regnamespace('history')").fetchone() == (None,)
