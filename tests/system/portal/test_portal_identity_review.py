"""Identities decided in the console: by a supervisor, who proves each decision, with everything in
the record of its user."""

import pytest
from starlette.testclient import TestClient

from openoutcry.console.console import Console
from openoutcry.console.server import make_app
from openoutcry.venue.file import read_venue
from tests.support import plain_http
from tests.support.portal.people import CHEAP

WORD = "nine upright herons"
OPERATORS = """
[[operator]]
name = "otto"
password = "{hash}"
role = "operator"
[[operator]]
name = "sina"
password = "{hash}"
role = "supervisor"
"""
PAPER = b"%PDF-1.4 a passport"
SAID = {"level": 2, "name": "Anna Arnold", "born": "1990-01-02", "country": "DE"}
SAID |= {"address": "Way 1"}


@pytest.fixture
def console(portal_venue):
    """The application of a console of the portal's venue."""
    path = portal_venue.folder / "console.toml"
    text = (portal_venue.folder / "venue.toml").read_text()
    path.write_text(text + OPERATORS.format(hash=CHEAP.hash(WORD)))
    path.chmod(0o600)
    page = Console(read_venue(path))
    yield make_app(page)
    page.log.close()


def operator(console, name):
    client = TestClient(console, base_url="http://127.0.0.1", raise_server_exceptions=False)
    answer = client.post("/api/login", json={"name": name, "password": WORD})
    assert answer.status_code == 200, answer.text
    client.headers["x-csrf-token"] = answer.json()["me"]["csrf"]
    return client


def submitted(portal_venue):
    """A user's client, with an identity and a paper that wait."""
    person = portal_venue.person()
    headers = {"authorization": f"Bearer {person.token}"}
    client = plain_http.client(portal_venue.url, headers=headers)

    def post(path, **more):
        key = {"idempotency-key": path.rpartition("/")[2].partition("?")[0]}
        answer = client.post(path, headers=key, **more)
        assert answer.status_code in (200, 201, 202), answer.text

    post("/v1/identity/papers?kind=passport", content=PAPER)
    post("/v1/identity", json=SAID)
    return person, client


@pytest.mark.promise(
    "A decision about an identity names the submission that was read: another one of the user, or "
    "of a user with that mail address, is not decided by it",
    group="portal",
)
def test_a_decision_is_about_the_submission_that_was_read(portal_venue, console):
    """A user whose first submission another supervisor has refused submits another one, while this
    supervisor still has the first on the screen."""
    anna, as_anna = submitted(portal_venue)
    with operator(console, "sina") as sina:

        def row():
            rows = sina.get("/api/identities").json()["rows"]
            return next(one for one in rows if one["mail"] == anna.mail)

        terms = {"why": "passport seen", "password": WORD, "accept": True}
        read = terms | {"submission": row()["submission"]}
        refused = sina.post("/api/identities", json=read | {"accept": False, "why": "unreadable"})
        assert refused.status_code == 200, refused.text
        key = {"idempotency-key": "another"}
        other = as_anna.post("/v1/identity", json=SAID | {"name": "Other Name"}, headers=key)
        assert other.status_code == 202, other.text
        late = sina.post("/api/identities", json=read)
        assert late.status_code == 422, late.text
        assert "no such submission waits" in late.json()["detail"]
        assert as_anna.get("/v1/identity").json()["state"] == "submitted"
        assert as_anna.get("/v1/me").json()["level"] == 0
        assert row()["name"] == "Other Name"
        done = sina.post("/api/identities", json=terms | {"submission": row()["submission"]})
        assert done.status_code == 200, done.text
    assert as_anna.get("/v1/me").json()["level"] == 2


@pytest.mark.promise(
    "V4.3.1 (operators): a supervisor, named and with a password and a reason, decides an "
    "identity in the console. Papers are shown as they were uploaded, and each decision is in"
    " the user's record",
    group="portal",
)
@pytest.mark.promise(
    "V4.3.1 (operators): a supervisor, named and with a password and a reason, decides an "
    "identity in the console. Papers are shown as they were uploaded, and each decision is in"
    " the user's record",
    group="portal",
)
def test_a_supervisor_decides_identities_in_the_console(portal_venue, console):
    anna, as_anna = submitted(portal_venue)
    bert, as_bert = submitted(portal_venue)
    accept = {"submission": "1-0", "accept": True, "why": "passport seen", "password": WORD}
    with TestClient(console, base_url="http://127.0.0.1") as stranger:
        assert stranger.get("/api/identities").status_code == 401
    with operator(console, "otto") as otto:
        assert otto.get("/api/identities").status_code == 403
        assert otto.post("/api/identities", json=accept).status_code == 403
    with operator(console, "sina") as sina:
        rows = {row["mail"]: row for row in sina.get("/api/identities").json()["rows"]}
        row = rows[anna.mail]
        assert (row["wanted"], row["name"], row["hits"]) == (2, "Anna Arnold", [])
        (paper,) = row["papers"]
        accept["submission"] = row["submission"]
        path = f"/api/identities/{row['user_id']}/papers/{paper['id']}"
        shown = sina.get(path)
        assert (shown.content, shown.headers["content-type"]) == (PAPER, "application/pdf")
        assert shown.headers["content-disposition"].startswith("attachment")
        other = rows[bert.mail]["user_id"]
        assert sina.get(f"/api/identities/{other}/papers/{paper['id']}").status_code == 422
        for change, status in (
            ({"password": "wrong"}, 403),
            ({"why": " "}, 422),
            ({"level": 10}, 422),
            ({"level": 7}, 422),
            ({"submission": "1-20261126120000000000"}, 422),
            ({"mail": anna.mail}, 422),
        ):
            assert sina.post("/api/identities", json=accept | change).status_code == status, change
        assert as_anna.get("/v1/identity").json()["state"] == "submitted"
        assert sina.post("/api/identities", json=accept).status_code == 200
        assert sina.post("/api/identities", json=accept).status_code == 422, "decided already"
        refuse = accept | {"accept": False, "why": "unreadable"}
        refuse["submission"] = rows[bert.mail]["submission"]
        assert sina.post("/api/identities", json=refuse).status_code == 200
        left = {row["mail"] for row in sina.get("/api/identities").json()["rows"]}
        assert not left & {anna.mail, bert.mail}
    assert as_anna.get("/v1/me").json()["level"] == 2
    refused = as_bert.get("/v1/identity").json()
    assert (refused["state"], refused["reason"], refused["level"]) == ("refused", "unreadable", 0)
    decided = as_anna.get("/v1/audit").json()[0]
    assert (decided["action"], decided["address"]) == ("identity decided", "sina")
