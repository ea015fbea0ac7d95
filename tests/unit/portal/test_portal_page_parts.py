"""The page's files: both tables of texts, what its code may contain, and what is sent of it."""

import asyncio
import gzip
import html
import json
import posixpath
import re
from types import SimpleNamespace

import pytest

from openoutcry.portal.accounts.changes import Change
from openoutcry.portal.native.orders import SELF_TRADE
from openoutcry.portal.native.problems import EVERY_CODE
from openoutcry.portal.notices.words import AUDITED
from openoutcry.portal.page.files import HEADERS, STATIC, page_file, read_files
from openoutcry.portal.page.routes import Forged, require_own_page, sent
from openoutcry.portal.server import Gate
from openoutcry.portal.spot.limits import Limits
from openoutcry.wire.words import ORDER_TYPES, TIMES

OFFERS = {"name": 'A "venue" <b>', "passkeys": True}
PORTAL = STATIC.parents[1]
TABLES = "texts-en.js", "texts-de.js"
ROW = re.compile(r'^  (?:"([^"]+)"|(\w+)): ("(?:[^"\\]|\\.)*"),$', re.M)


def code_files():
    """The page's own code by its path; not what is vendored."""
    return {
        path.relative_to(STATIC).as_posix(): path.read_text(encoding="utf-8")
        for path in STATIC.rglob("*.js")
        if "vendor" not in path.parts
    }


def texts(name):
    rows = ROW.findall((STATIC / name).read_text(encoding="utf-8"))
    return {quoted or bare: json.loads(text) for quoted, bare, text in rows}


def test_both_languages_have_every_text_with_what_it_names():
    english, german = map(texts, TABLES)
    assert list(english) == list(german)
    assert len(english) > 400
    names = re.compile(r"\{(\w+)\}")
    for key, text in english.items():
        assert text
        assert german[key]
        assert sorted(names.findall(text)) == sorted(names.findall(german[key])), key
    same = {key for key, text in english.items() if text == german[key]}
    assert len(same) < len(english) / 8, "German that is not German"


def test_every_text_that_is_asked_for_is_there_and_no_other():
    known = set(texts(TABLES[0]))
    code = "".join(text for name, text in code_files().items() if name not in TABLES)
    asked = set(re.findall(r'\bt\("([^"]+)"', code))
    assert asked <= known, asked - known
    begun = set(re.findall(r"\bt\(`([\w.]+)\$", code))
    begun |= {f"{group}." for group in re.findall(r'\bword\("(\w+)"', code)}
    quoted = set(re.findall(r'"([^"\n]+)"', code))
    unused = {
        key
        for key in known - asked
        if key not in quoted and not any(key.startswith(prefix) for prefix in begun)
    }
    assert unused == set()


def test_every_action_of_an_account_has_words():
    """The page shows what was done in its reader's language."""
    code = "".join(path.read_text(encoding="utf-8") for path in PORTAL.rglob("*.py"))
    written = set(re.findall(r'audit\(connection, \S+, "([^"]+)"', code)) | set(Change)
    assert len(written) > 25
    known = {key.removeprefix("did.") for key in texts(TABLES[0]) if key.startswith("did.")}
    assert written | set(AUDITED) <= known


def test_every_refusal_has_words():
    known = texts(TABLES[0])
    assert [code for code in EVERY_CODE if f"error.{code}" not in known] == []


def test_every_order_type_and_time_in_force_has_words():
    """The words of /v1 (wire/words.py) in the page's languages."""
    kinds, times = (set(table.column("/v1").values()) for table in (ORDER_TYPES, TIMES))
    keys = {f"{group}.{kind}" for group in ("type", "about") for kind in kinds}
    keys |= {f"tif.{time}" for time in times} | {f"self.{name}" for name in SELF_TRADE}
    for table in TABLES:
        assert keys - set(texts(table)) == set(), f"{table} lacks texts"


@pytest.mark.promise(
    "V5.3, V14.4 (page): text of a user is shown as text. A script that has got into a page "
    "runs no text as code and reaches no other origin; no other site shows the page in a "
    "frame (Chromium)",
    group="portal",
)
def test_no_text_becomes_markup_or_code():
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|"
        r"setAttribute\(\"style\"|srcdoc|javascript:|https?://(?!\"|www\.tradingview\.com/\"|"
        r"www\.w3\.org/2000/svg)"
    )
    for name, text in code_files().items():
        assert forbidden.search(text) is None, name
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert re.search(r"<style|\bstyle=|\bon\w+=|<script(?![^>]*\bsrc=)|https?://", page) is None
    policy = HEADERS["content-security-policy"]
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "default-src 'none'" in policy


def test_every_import_and_file_that_is_named_is_there():
    paths = set(read_files(OFFERS))
    for name, text in code_files().items():
        folder = posixpath.dirname(f"/page/{name}")
        for other in re.findall(r'(?:from|import)\s*\(?"(\.[^"]+)"', text):
            assert posixpath.normpath(f"{folder}/{other}") in paths, (name, other)
        for other in re.findall(r'"(/page/[\w./-]+\.\w+)"', text):
            assert other in paths, (name, other)
    for other in re.findall(r'"(/page/[^"]+)"', (STATIC / "index.html").read_text()):
        assert other in paths, other
    for path in (STATIC / "vendor").glob("*.js"):
        name = path.name.partition(".")[0]
        assert (STATIC / "vendor" / f"{name}.LICENSE.txt").exists(), "vendored without a licence"


def test_the_page_says_what_the_portal_offers_and_never_as_markup():
    body = read_files(OFFERS)["/"].body.decode()
    assert "<b>" not in body.partition("</head>")[0]
    found = re.search(r'<meta name="portal" content="([^"]*)">', body)
    assert found is not None
    assert json.loads(html.unescape(found[1])) == OFFERS


def request(**headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return SimpleNamespace(headers=named)


def test_a_file_is_packed_and_not_sent_twice():
    file = page_file(b"x" * 1_000, ".js")
    plain, packed = sent(request(), file), sent(request(accept_encoding="gzip, br"), file)
    assert plain.body == file.body
    assert gzip.decompress(packed.body) == file.body
    assert packed.headers["content-encoding"] == "gzip"
    known = sent(request(if_none_match=plain.headers["etag"]), file)
    assert (known.status_code, known.body) == (304, b"")


@pytest.mark.promise(
    "V3.3 to V3.5, V4.2.2, V13.2.3 (sessions, cookie, forgery): a refresh token is used once,"
    " its second use ends the session. A session's cookie is HttpOnly and SameSite=Strict, "
    "for one path; no request of another site counts. Logouts and a new password end access "
    "tokens at once",
    group="portal",
)
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "portal.example"},
        {"host": "portal.example", "origin": "https://portal.example"},
        {"host": "portal.example", "origin": "https://evil.example", "x_outcry_page": "1"},
        {"host": "portal.example", "origin": "null", "x_outcry_page": "1"},
        {"host": "portal.example", "origin": "https://[", "x_outcry_page": "1"},
    ],
)
def test_a_page_of_another_origin_is_refused(headers):
    with pytest.raises(Forged):
        require_own_page(request(**headers))
    require_own_page(request(host="portal.example", x_outcry_page="1"))
    require_own_page(
        request(host="portal.example", origin="https://portal.example", x_outcry_page="1")
    )


def test_the_gate_leaves_the_policy_of_the_page_alone():
    """Two policies in one answer are both in force, and the stricter one would leave no page."""

    async def app(scope, receive, send):
        headers = [(b"content-security-policy", b"default-src 'self'")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    answers = []

    async def answered(message):
        answers.append(message)

    async def receive():
        return {"type": "http.request", "body": b""}

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [],
        "client": ("127.0.0.1", 4711),
    }
    asyncio.run(Gate(app, Limits(6_000, 100, 1_000))(scope, receive, answered))
    policies = [value for name, value in answers[0]["headers"] if b"security-policy" in name]
    assert policies == [b"default-src 'self'"]
    assert (b"x-content-type-options", b"nosniff") in answers[0]["headers"]
