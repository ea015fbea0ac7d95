"""Every secret of a portal, looked for in everything that it writes and shows; and hostile text
through every field of its endpoints into whatever shows it."""

import itertools
import json
import stat
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pyotp
import pytest

from openoutcry.portal.database import start_embedded
from openoutcry.portal.spot.rest import ROUTES
from tests.support import plain_http
from tests.support.console.console_venue import written
from tests.support.console.websockets_patient import connect
from tests.support.portal.clients import taken
from tests.support.portal.people import PASSWORD
from tests.support.portal.portal_venue import PortalVenue
from tests.support.security.hostile_text import Shape, controls, hostile, wrong_json
from tests.support.user_commands import run
from tests.support.waiting import BOUND_S, wait_until

DATABASE_PASSWORD = "d4tabase-8841-pw"
NEW_PASSWORD = "eleven quiet lanterns"
OURS = ("venue.toml", "portal.key", "sessions.json", "mails.jsonl")
"""Files that hold secrets by their purpose (mails: where no mail server is named)."""


def look(secrets, data, where):
    found = [name for name, one in secrets.items() if one.encode() in data]
    return [(where, found)] if found else []


@pytest.mark.promise(
    "No secret of the portal or a venue is in a database, a dump, a log, a page, an answer, "
    "an error or a process's arguments. This holds also where a user typed it as a name. Only"
    " three files of a venue have its secrets",
    group="secrets",
)
def test_no_secret_of_the_portal_is_in_what_it_writes_or_shows(tmp_path):
    data = tmp_path / "pg" / "data"
    url, server = start_embedded(data)
    url = url.replace("postgres:@", f"postgres:{DATABASE_PASSWORD}@")
    secrets, shown, faults = {"database": DATABASE_PASSWORD}, [], []
    try:
        (tmp_path / "v").mkdir()
        with PortalVenue(tmp_path / "v", 24, "--database", url) as portal:
            one, two = portal.person(USD=10**12), portal.person(USD=10**12)
            secrets |= {"password": PASSWORD, "new password": NEW_PASSWORD}
            secrets |= {"secret 1": one.secret, "secret 2": two.secret}
            secrets |= {"access token": one.token, "code": portal.code(one.mail)}
            words = json.loads((tmp_path / "v/journal-portal/sessions.json").read_text())
            secrets |= {f"session {name}": word for name, word in list(words.items())[:2]}
            with plain_http.client(portal.url) as client:
                client.headers["authorization"] = f"Bearer {one.token}"
                body = {"password": PASSWORD}
                seed = client.post("/v1/totp", json=body).json()["secret"]
                code = pyotp.TOTP(seed).now()
                assert client.post("/v1/totp/confirm", json={"code": code}).status_code == 200
                tokens = client.post("/v1/login", json={"mail": two.mail, **body}).json()
                secrets |= {"seed": seed, "refresh token": tokens["refresh_token"]}
                for secret in list(secrets.values()):
                    for path, field in (
                        ("login", "mail"),
                        ("login", "password"),
                        ("verify", "code"),
                    ):
                        request = {"mail": two.mail, "password": "x" * 12, "code": "1"}
                        request |= {field: secret}
                        if path == "login":
                            request.pop("code")
                        shown.append(client.post(f"/v1/{path}", json=request).text)
                    with suppress(UnicodeEncodeError):
                        shown.append(client.get("/v1/me", headers={"authorization": secret}).text)
                        shown.append(
                            client.get("/api/v3/account", headers={"x-mbx-apikey": secret}).text
                        )
                for path in ("me", "sessions", "audit", "api-keys"):
                    faults += look(secrets, client.get(f"/v1/{path}").content, path)
            with portal.client(two) as client:
                listen_key = client.http.post("/api/v3/userDataStream").json()["listenKey"]
                for (method, path), route in ROUTES.items():
                    given = taken((method, path), {"symbol": "BTCUSD", "listenKey": "x"})
                    answer = client.request(method, path, **given)
                    if not route.handler.__name__.endswith("listen_key"):
                        faults += look(secrets | {"listen": listen_key}, answer.content, path)
            shown.append(run("outcry venue dump take venue.toml --out d.gz", tmp_path / "v"))
            process = psutil.Process(portal.portal.pid)
            for one_process in [process, *process.children(recursive=True)]:
                for name in ("cmdline", "environ"):
                    with suppress(OSError):
                        content = Path(f"/proc/{one_process.pid}/{name}").read_bytes()
                        faults += look(secrets, content, f"{name} of {one_process.pid}")
            # Without its database it says so, and not with the password.
            server.cleanup()
            shown.append(plain_http.get(f"{portal.url}/readyz").text)
            body = {"mail": two.mail, "password": PASSWORD}

            def without_it():  # a server that cannot be stopped is killed, which takes a moment
                one = plain_http.post(f"{portal.url}/v1/login", json=body)
                return one if one.status_code == 503 else None

            answer = wait_until(without_it)
            shown.append(answer.text)
    finally:
        server.cleanup()
    for number, text in enumerate(shown):
        faults += look(secrets, text.encode(), f"output {number}: {text[:80]}")
    portals = tmp_path / "v" / "journal-portal"
    for path in [portals, *portals.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o066 == 0, (path, oct(mode))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 100
    mails = {"code"}
    for path in files:
        hidden = secrets if path.name not in OURS else {}
        if path.name == "mails.jsonl":
            hidden = {name: one for name, one in secrets.items() if name not in mails}
        faults += look(hidden, written(path), path.name)
    assert faults == []


FIELDS = (
    "mail", "password", "code", "totp", "refresh_token", "old", "new", "label", "public_key",
)  # fmt: skip
POSTS = (
    "register", "verify", "login", "refresh", "password/forget", "password/reset", "password",
    "totp", "totp/confirm", "totp/remove", "api-keys",
)  # fmt: skip
WANTED = {
    "register": ("mail", "password"),
    "verify": ("mail", "password", "code"),
    "login": ("mail", "password", "totp"),
    "refresh": ("refresh_token",),
    "password/forget": ("mail",),
    "password/reset": ("mail", "code", "password", "totp"),
    "password": ("old", "new", "totp"),
    "totp": ("password", "totp"),
    "totp/confirm": ("code",),
    "totp/remove": ("password", "totp"),
    "api-keys": ("label", "password", "public_key", "totp"),
}


def quoted(text):
    return "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))[:3_000]


@pytest.mark.promise(
    "One function shows and writes text from outside. On terminals, in pages, CSV, JSON, "
    "Parquet, logs, mail and webhooks it is no control character, no markup and no formula. "
    "Text that a client of the portal chooses is no control character in any answer, mail or "
    "line of its log",
    group="text",
)
def test_hostile_text_in_any_field_of_the_portal_speaks_to_nothing(tmp_path_factory):
    # The name of the test would make the path too long for a socket.
    tmp_path = tmp_path_factory.mktemp("v")
    texts = itertools.cycle(hostile(600, 4747))
    # All of it comes from one address, and would cost proofs of work.
    limits = "[limits]\nweight_a_minute = 1000000\nkey_weight_a_minute = 1000000\n"
    limits += "[registration]\nchallenge_cost = 0\n"
    (tmp_path / "limits.toml").write_text(limits)
    with PortalVenue(tmp_path, 24, "--settings", "limits.toml") as portal:
        person, faults = portal.person(USD=10**12), []

        def check(answer, where):
            text = answer.content.decode("utf-8")
            assert answer.status_code < 500, (where, text)
            kind = answer.headers.get("content-type", "").partition(";")[0]
            if kind == "text/html":
                # The page itself ("/" and "/\n" are one path), with no element of anybody else's.
                shape = Shape(text)
                wrong = ["markup"] if shape.elements != page.elements or shape.strange else []
            elif kind in ("application/json", "application/problem+json"):
                wrong = wrong_json(text)
            else:
                wrong = [f"is {kind}"] if text and kind != "text/plain" else []
            faults.extend((where, one) for one in wrong + controls(text))

        page = Shape(plain_http.get(portal.url).text)
        assert ("script", ("type", "src")) in page.elements
        with plain_http.client(portal.url) as client:
            for number in range(300):
                path = POSTS[number % len(POSTS)]
                body = dict.fromkeys(WANTED[path], "x" * 12)
                body[WANTED[path][number % len(WANTED[path])]] = next(texts)
                if number % 7 == 0:
                    body[next(texts)] = next(texts)
                if path == "api-keys" and number % 2:
                    body |= {"password": PASSWORD, "permissions": [next(texts)]}
                    body |= {"networks": [next(texts)], "public_key": ""}
                agent = (
                    next(texts).encode("utf-8", "replace").replace(b"\r", b"").replace(b"\n", b"")
                )
                headers = {"authorization": f"Bearer {person.token}", "user-agent": "x"}
                headers |= {"content-type": "application/json"}
                with suppress(httpx.LocalProtocolError, ValueError):
                    raw = [*((k.encode(), v.encode()) for k, v in headers.items() if k[0] != "u")]
                    raw += [(b"user-agent", agent.strip().replace(b"\0", b""))]
                    check(client.post(f"/v1/{path}", content=json.dumps(body), headers=raw), path)
                check(client.delete(f"/v1/sessions/{quoted(next(texts))}", headers=headers), "sid")
                check(client.get(f"/{quoted(next(texts))}"), "path")
            # A key and a login whose label and agent are hostile, shown again.
            for _ in range(20):
                body = {"label": next(texts), "password": PASSWORD}
                key = client.post("/v1/api-keys", content=json.dumps(body), headers=headers)
                check(key, "label")
            for path in ("me", "sessions", "audit", "api-keys"):
                check(client.get(f"/v1/{path}", headers=headers), path)
        with portal.client(person) as client:
            for number, ((method, path), _) in zip(range(300), itertools.cycle(ROUTES.items())):
                given = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "quantity": "0.001"}
                given |= {"price": "100", "timeInForce": "IOC", "interval": "1m"}
                given |= {"cancelReplaceMode": "ALLOW_FAILURE"}
                given = taken((method, path), given) or given
                name = sorted(given)[number % len(given)] if number % 3 else next(texts)
                text = next(texts).encode("utf-8", "replace").decode()
                given[name.encode("utf-8", "replace").decode()] = text
                check(client.request(method, path, **given), path)
        url = portal.url.replace("http", "ws")
        # No more messages than one connection may send in a second.
        for path, begin in itertools.product(("/ws", "/ws-api/v3"), range(0, 100, 5)):
            with connect(f"{url}{path}") as socket:
                for number in range(begin, begin + 5):
                    method = next(texts) if number % 3 == 0 else "SUBSCRIBE"
                    request = {"id": next(texts)[:30], "method": method, "params": [next(texts)]}
                    if number % 2:
                        request["params"] = {next(texts): next(texts)}
                    socket.send(json.dumps(request))
                    text = socket.recv(BOUND_S)
                    faults.extend((path, one) for one in wrong_json(text))
        assert faults == []
        for line in (tmp_path / "portal.log").read_text().splitlines():
            assert controls(line) == [], line
        for line in (tmp_path / "journal-portal" / "mails.jsonl").read_text().splitlines():
            assert wrong_json(line) == [], line
            mail = json.loads(line)
            assert controls(mail["to"] + mail["subject"], "") == []
