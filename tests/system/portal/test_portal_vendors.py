"""Papers in a bucket of a local S3 server, and identities that a vendor's program reviews."""

import asyncio
import contextlib
import hashlib
import subprocess
import sys

import httpx
import pytest

from openoutcry.portal.accounts import reviews
from openoutcry.portal.accounts.papers import Bucket, Papers, keep_place, papers_of
from openoutcry.portal.accounts.reviews import Reviews, reviewer_of
from openoutcry.wire.errors import OutcryError
from tests import ROOT
from tests.support.portal.vendor import URL
from tests.support.processes import free_port
from tests.support.waiting import wait_until

ANNA, BERT, CLEO = "anna@example.com", "bert@example.com", "cleo@example.com"
PDF, OTHER = b"%PDF-1.7 a passport", b"%PDF-1.7 a letter"
SAID = {
    "level": 2,
    "name": "Anna Alpha",
    "born": "1990-05-01",
    "country": "DE",
    "address": "Hauptstraße 1, Berlin",
}


@contextlib.contextmanager
def server(url, *command):
    """A process, once its port answers; it ends in the body or after it."""
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, stderr=subprocess.DEVNULL)

    def answers():
        assert process.poll() is None
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(url)

    try:
        wait_until(answers, f"{command[1]} answers")
        yield process
    finally:
        process.kill()
        process.wait()


async def uploaded(client, content, kind="passport"):
    return await client.post(f"/v1/identity/papers?kind={kind}", content=content)


@pytest.mark.promise(
    "V12.3 (places of uploads): in a bucket as in the folder a paper is there whole or not at all, "
    "and what was changed there is not shown. Without its bucket an upload is refused",
    group="portal",
)
async def test_papers_are_kept_in_a_bucket(people, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    folder = people.folder
    anna = await people.person(ANNA)
    user_id = (await anna.get("/v1/me")).json()["id"]
    assert (await uploaded(anna, OTHER)).status_code == 201, "into the folder"
    with server(url, "-m", "moto.server", "-H127.0.0.1", f"-p{port}") as s3:
        httpx.put(f"{url}/papers").raise_for_status()
        bucket = Bucket("papers/portal", url, "us-east-1")
        people.identities.papers = Papers(folder / "papers", bucket)
        for _ in range(2):
            answer = await uploaded(anna, PDF)
            assert answer.status_code == 201, answer.text
        name = f"{user_id}/{hashlib.sha256(PDF).hexdigest()}.pdf"
        assert httpx.get(f"{url}/papers/portal/{name}").content == PDF
        assert not (folder / "papers" / name).exists()
        rows = await people.identities.paper_rows(user_id)
        assert len(rows) == 2, "the second upload of the same is none"
        for row, body in zip(rows, (OTHER, PDF), strict=True):
            read = await people.identities.paper(user_id, row["id"])
            assert read == (body, "application/pdf"), "what the folder has is read there"
        shown = await people.identities.papers_of(user_id)
        assert shown[1] == f"s3://papers/portal/{name}"
        keep_place(folder, bucket)
        assert papers_of(folder).read_now(name) == PDF, "as the console finds it"
        httpx.put(f"{url}/papers/portal/{name}", content=OTHER).raise_for_status()
        with pytest.raises(OutcryError, match="is not what was uploaded"):
            await people.identities.paper(user_id, rows[1]["id"])
        s3.kill()
        s3.wait()
        refused = await uploaded(anna, PDF + b" another")
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert refused.headers["content-type"] == "application/problem+json"
    assert await people.identities.paper_rows(user_id) == rows
    with pytest.raises(OutcryError, match="the paper cannot be read"):
        await people.identities.paper(user_id, rows[1]["id"])
    assert (await uploaded(anna, PDF)).status_code == 201, "it is known: nothing is written"
    keep_place(folder, None)
    assert papers_of(folder).bucket is None


@pytest.mark.promise(
    "V11.1 (reviews): a vendor that is slow or away keeps nothing waiting and is asked again; a "
    "person may decide meanwhile. Matches of the list of sanctions are not for it",
    group="portal",
)
async def test_a_vendor_reviews_identities(people, tmp_path, monkeypatch, caplog):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    monkeypatch.setenv(URL, url)
    monkeypatch.setattr(reviews, "FIRST_S", 0.0)
    asked = tmp_path / "asked"

    def lines():
        return asked.read_text().splitlines() if asked.exists() else []

    async def state(client):
        found = (await client.get("/v1/identity")).json()
        return found["state"], found["level"], found.get("reason")

    async def submit(client, name):
        answer = await client.post("/v1/identity", json=SAID | {"name": name})
        assert answer.status_code == 202, answer.text

    anna, bert, cleo = [await people.person(one) for one in (ANNA, BERT, CLEO)]
    made = Reviews(people.identities, reviewer_of("tests.support.portal.vendor:Vendor"))
    await uploaded(anna, PDF)
    await submit(anna, "Anna Alpha")
    await made.ask_about_all()
    assert await state(anna) == ("submitted", 0, ""), "the vendor is away"
    assert "the reviewer has failed and is asked again" in caplog.text
    with server(url, "-m", "tests.support.portal.vendor", str(port), str(tmp_path)):
        work = asyncio.create_task(made.ask_about_all())
        while not lines():
            await asyncio.sleep(0.01)
        assert await state(anna) == ("submitted", 0, ""), "while the vendor is at it"
        # A person refuses, and the user says something else: that is not what is decided.
        (row,) = await people.identities.waiting()
        people.clock.advance(seconds=5)
        await people.identities.decide(row["user_id"], False, 2, "no", "olga")
        await submit(anna, "Anna Refused")
        (tmp_path / "release").touch()
        await work
        assert await state(anna) == ("submitted", 0, "")
        assert "a person has decided meanwhile" in caplog.text
        await submit(bert, "Bert Pending")
        await submit(cleo, "Boris Badenov")
        await made.ask_about_all()
        assert await state(anna) == ("refused", 0, "by the vendor")
        await submit(anna, "Anna Alpha")
        for _ in range(2):
            await made.ask_about_all()
        assert await state(anna) == ("accepted", 2, "by the vendor")
        assert (await state(bert))[0] == (await state(cleo))[0] == "submitted"
    rows = await anna.get("/v1/audit")
    assert rows.json()[0]["address"] == reviews.VENDOR
    users = [one.partition("-")[0] for one in lines()]
    ids = [(await one.get("/v1/me")).json()["id"] for one in (anna, bert, cleo)]
    assert {one: users.count(str(one)) for one in ids} == {ids[0]: 3, ids[1]: 3, ids[2]: 0}
    assert lines()[0].endswith(" 1"), "with the paper"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no.such.module:Vendor", "No module named 'no'"),
        ("tests.support.portal.vendor:Nothing", "no attribute 'Nothing'"),
        ("tests.support.portal.vendor", "AttributeError"),
        ("collections:OrderedDict", "it has no method decide"),
    ],
)
def test_a_reviewer_that_is_none_is_one_clear_line(name, why):
    with pytest.raises(OutcryError, match=why) as refused:
        reviewer_of(name)
    assert f"[identity] reviewer {name!r}" in str(refused.value)
    assert "\n" not in str(refused.value)
