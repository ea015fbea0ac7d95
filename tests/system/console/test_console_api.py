"""The console's API against a venue that trades: who may read, who may do what, and that what is
done is the desk's, in the journal with who and why."""

import json
import re
import shutil
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from openoutcry.console.gate import COOKIE
from openoutcry.operations.connection_limits import MAX_MEMBER
from openoutcry.operations.deploy import compare
from openoutcry.venue.desk import DeskError, ask
from openoutcry.venue.desk_record import desk_record
from openoutcry.venue.file import read_venue
from openoutcry.venue.history import switch_history
from openoutcry.venue.operators import WRONG
from openoutcry.wire.enums import Side
from tests.support.certificates import self_signed
from tests.support.console.console_venue import PASSWORD, TOTP, order, until_closed, written
from tests.support.console.websockets_patient import connect
from tests.support.order_entry.sessions_venue import Client
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY
from tests.support.surveillance.surveillance_flow import LOW
from tests.support.user_commands import run
from tests.support.waiting import BOUND_S, wait_until

READS = (
    "overview", "topology", "latency", "sessions", "participants", "instruments", "alarms",
    "cases", "identities", "journal", "clock", "replication", "custody", "log",
    "market?symbol=GOLD", "candles?symbol=GOLD&every_s=5",
)  # fmt: skip
ACTS = (
    "kill",
    "enable",
    "disconnect",
    "limit",
    "halt",
    "resume",
    "auction",
    "instruments/suspend",
    "open",
    "emergency-close",
    "rehearse",
    "alarms/acknowledge",
    "identities",
    "confirm",
    "logout",
)


@pytest.mark.promise(
    "V3.7.1, V4.1.1 to V4.3.1 (access): decided by the server and again by the desk, from "
    "roles; nothing without a login; surveillance cases only for supervisors. What opens or "
    "widens takes the password again",
    group="console",
)
@pytest.mark.promise(
    "V1.14, V12.3, V12.5, V14.1 (files): all files are the project's or vendored with their "
    "licence; none other is served, and none is uploaded. The page requests nothing elsewhere"
    " (Chromium's own list of requests)",
    group="console",
)
def test_nothing_is_read_or_done_without_a_login(floor):
    with floor.client() as nobody:
        for path in READS:
            assert nobody.get(f"/api/{path}").status_code == 401, path
        for path in ACTS:
            assert nobody.post(f"/api/{path}", json={"why": "x"}).status_code == 401, path
        assert nobody.get("/api/hello").json() == {"venue": "TEST", "codes": True, "me": None}
        for path in ("/openapi.json", "/docs", "/static/../server.py", "/static/%2e%2e/server.py"):
            assert nobody.get(path).status_code in (401, 404), path
        with pytest.raises(InvalidStatus):
            connect(floor.url.replace("http", "ws") + "ws", origin=floor.url.rstrip("/"))


def test_every_viewer_sees_what_the_venue_reports(floor, anna):
    for path in READS:
        assert anna.get(f"/api/{path}").status_code == 200, path
    overview = anna.get("/api/overview").json()
    assert (overview["state"], overview["market"]["phases"]["GOLD"]) == ("open", "CONTINUOUS")
    assert overview["now"]["commands"] >= 64
    text = 'this venue\'s journal is not replicated (durability "durable")'
    assert anna.get("/api/replication").json() == {"replicated": False, "text": text}
    assert anna.get("/api/custody").json() == {"present": False, "silent_s": 0, "fault": ""}
    book = anna.look("/api/market?symbol=GOLD", lambda one: one.get("count", 0) >= 20)
    assert book["bids"][0] == [97_900, 5, 1]
    assert book["asks"][0] == [102_100, 5, 1]
    assert len(book["trades"]) == 20
    assert sum(row["shares"] for row in book["trades"]) == book["volume"]
    (*_, last) = anna.get("/api/candles?symbol=GOLD&every_s=900").json()
    assert last[5] == book["volume"]
    rows = anna.look("/api/participants", lambda rows: rows[1]["open_orders"] == 24)
    used = {"limit": "open_orders", "instrument": "", "value": "500", "used": "24"}
    assert used in rows[1]["limits"]
    stages = {one["name"] for one in anna.get("/api/topology").json()["stages"]}
    assert {"gateway", "journal", "matcher", "sessions"} <= stages
    latency = anna.get("/api/latency").json()
    assert {"matcher", "whole"} <= {row["name"] for row in latency["rows"]}
    assert len(latency["heat"]["whole"][0]) == len(latency["edges_ns"])


@pytest.mark.promise(
    "V5.2, V5.3, V8.2.1, V14.4, V14.5 (injection, headers): texts become text nodes, never "
    "markup. Nothing of the API is cached; policy, nosniff, no frames, no referrer; one name "
    "by which it is asked",
    group="console",
)
@pytest.mark.promise(
    "V5.2, V5.3, V8.2.1, V14.4, V14.5 (injection, headers): texts become text nodes, never "
    "markup. Nothing of the API is cached; policy, nosniff, no frames, no referrer; one name "
    "by which it is asked",
    group="console",
)
def test_every_answer_has_its_security_headers(floor, anna):
    for path in ("/", "/static/console.js", "/api/hello", "/api/nothing", "/nothing"):
        answer = anna.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers
        assert answer.headers["cache-control"] in ("no-store", "no-cache")
    page = anna.get("/").text
    assert all(" src=" in one for one in re.findall(r"<script[^>]*>", page))
    assert not re.search(r"<style| style=| on\w+=", page)


@pytest.mark.promise(
    "V3.1.1 to V3.4.5 (sessions): each login gets a new token, in a cookie that scripts and "
    "other sites do not get, `Secure` with TLS, never in an address. A session ends by a "
    "logout, half an hour after it was last heard of, and after twelve hours; an open page is"
    " closed then",
    group="console",
)
@pytest.mark.promise(
    "V3.1.1 to V3.4.5 (sessions): each login gets a new token, in a cookie that scripts and "
    "other sites do not get, `Secure` with TLS, never in an address. A session ends by a "
    "logout, half an hour after it was last heard of, and after twelve hours; an open page is"
    " closed then",
    group="console",
)
def test_a_cookie_is_for_the_server_alone_and_ends_with_the_session(floor):
    with floor.client() as one:
        answer = one.log_in("anna")
        set_cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in set_cookie
        assert "SameSite=strict" in set_cookie
        kept = one.cookies[COOKIE]
        assert one.log_in("bert").status_code == 200
        assert one.cookies[COOKIE] != kept, "a login begins another session"
        bert = one.cookies[COOKIE]
        one.act("/api/logout")
        for cookie in (kept, bert):
            headers = {"cookie": f"{COOKIE}={cookie}"}
            assert floor.client().get("/api/overview", headers=headers).status_code == 401


@pytest.mark.promise(
    "No header of a request says where it comes from: locks, shares and log have the address of "
    "its connection",
    group="console",
)
def test_a_header_does_not_say_where_a_request_comes_from(floor, anna):
    path, forged = "/api/log?search=unknown", {"x-forwarded-for": "198.51.100.9"}
    before = len(anna.get(path).json())
    with floor.client() as one:
        body = {"name": "mallory", "password": PASSWORD, "code": ""}
        assert one.post("/api/login", json=body, headers=forged).status_code == 403
        rows = anna.look(path, lambda rows: len(rows) > before)
        assert one.log_in("vera").status_code == 200, "and no failure is left"
    assert "from 127.0.0.1 refused" in json.dumps(rows[0])


@pytest.mark.promise(
    "V4.2.2, V13.2.3 (forgery): a token in each changing request, and the Origin; "
    "WebSockets of this origin alone",
    group="console",
)
@pytest.mark.promise(
    "V5.2, V5.3, V8.2.1, V14.4, V14.5 (injection, headers): texts become text nodes, never "
    "markup. Nothing of the API is cached; policy, nosniff, no frames, no referrer; one name "
    "by which it is asked",
    group="console",
)
def test_pages_of_others_do_nothing_in_an_operators_name(floor, anna):
    body = {"instrument": "GOLD", "why": "x"}
    assert anna.post("/api/halt", json=body).status_code == 403, "no token"
    wrong = {"x-csrf-token": "x" + anna.csrf}
    assert anna.post("/api/halt", json=body, headers=wrong).status_code == 403
    other = {"x-csrf-token": anna.csrf, "origin": "http://elsewhere.example"}
    assert anna.post("/api/halt", json=body, headers=other).status_code == 403
    assert anna.get("/api/overview", headers={"host": "elsewhere.example"}).status_code == 421
    for origin in ("http://elsewhere.example", None):
        with pytest.raises(InvalidStatus):
            connect(
                floor.url.replace("http", "ws") + "ws",
                origin=origin,
                additional_headers={"cookie": f"{COOKIE}={anna.cookies[COOKIE]}"},
            )
    assert anna.post("/api/halt", content=b"x" * 20_000).status_code == 413


@pytest.mark.smoke
@pytest.mark.promise(
    "V3.7.1, V4.1.1 to V4.3.1 (access): decided by the server and again by the desk, from "
    "roles; nothing without a login; surveillance cases only for supervisors. What opens or "
    "widens takes the password again",
    group="console",
)
def test_a_viewer_looks_and_does_nothing(floor):
    with floor.client("vera") as vera:
        assert vera.get("/api/participants").status_code == 200
        detail = vera.act("/api/halt", 403, instrument="GOLD")["detail"]
        assert detail == "vera is viewer; this needs operator"
        for path, body in (
            ("kill", {"what": "market"}),
            ("rehearse", {}),
            ("emergency-close", {"typed": "TEST"}),
            ("alarms/acknowledge", {"name": "x"}),
        ):
            assert vera.act(f"/api/{path}", 403, **body)
    with floor.client("otto") as otto:
        assert otto.act("/api/open", 403, password=PASSWORD)["detail"].endswith("supervisor")
    # The desk asks for itself: whoever has a viewer's ticket.
    words = {"do": "log-in", "operator": "vera", "password": PASSWORD}
    ticket = ask(floor.venue.journal, words)["ticket"]
    with pytest.raises(DeskError, match="vera is viewer; this needs operator"):
        ask(floor.venue.journal, {"do": "kill", "what": "market", "ticket": ticket})


@pytest.mark.promise(
    "V2.10, V7.1.1, V7.1.3, V7.1.4, V7.2, V8.3.4 (log): logins, refusals and actions are "
    "logged with who, why and where in the journal; no line can be changed unseen. No secret "
    "is in logs, pages, journal or process list",
    group="console",
)
def test_what_is_done_is_in_the_journal_with_who_and_why(floor, anna):
    done = anna.act("/api/halt", instrument="TIN", why="a rumour")
    assert done["done"] == ["TIN is halted; cancels are accepted"]
    assert done["commands"] == 2
    anna.look("/api/instruments", lambda rows: rows[1]["halted"])
    assert (
        anna.act("/api/halt", 422, instrument="IRON")["detail"] == "there is no instrument 'IRON'"
    )
    assert "why" in anna.act("/api/resume", 422, instrument="TIN", why=" ")["detail"]
    anna.act("/api/resume", instrument="TIN", why="it was none")
    anna.act("/api/auction", instrument="GOLD", why="to be tried")
    anna.look("/api/instruments", lambda rows: rows[0]["phase"] == "VOLATILITY_AUCTION")
    assert "no auction" in anna.act("/api/auction", 422, instrument="GOLD")["detail"]
    rows = desk_record(floor.venue.journal)[-3:]
    assert [(row["operator"], row["asked"]["do"], row["why"]) for row in rows] == [
        ("anna", "halt", "a rumour"),
        ("anna", "resume", "it was none"),
        ("anna", "auction", "to be tried"),
    ]
    history = switch_history(floor.venue.journal, read_venue(floor.file).risk)
    assert [(row["what"], row["did"], row["operator"]) for row in history[-2:]] == [
        ("TIN", "halted", "anna"),
        ("TIN", "may trade again", "anna"),
    ]
    entries = anna.look("/api/log?search=rumour", len)
    assert entries[0]["text"] == "requested by anna: halt TIN: a rumour"
    assert anna.get("/api/journal").json()["actions_fault"] == ""


def test_sessions_are_disconnected_and_disabled(floor, anna):
    client = Client(floor.ouch, "ONE")
    with client.kept_alive():
        anna.look("/api/sessions", lambda rows: rows[0]["connected"])
        anna.act("/api/disconnect", name="ONE")
    anna.look("/api/sessions", lambda rows: not rows[0]["connected"])
    client.close()
    again = Client(floor.ouch, "ONE")
    assert again.answer[0] == "A", "who is disconnected may log in again"
    anna.act("/api/kill", what="session", name="ONE")
    anna.look("/api/sessions", lambda rows: rows[0]["killed"] and not rows[0]["connected"])
    assert Client(floor.ouch, "ONE").answer == ("J", b"A")
    anna.act("/api/enable", what="session", name="ONE")
    anna.look("/api/sessions", lambda rows: not rows[0]["killed"])


@pytest.mark.promise(
    "V3.7.1, V4.1.1 to V4.3.1 (access): decided by the server and again by the desk, from "
    "roles; nothing without a login; surveillance cases only for supervisors. What opens or "
    "widens takes the password again",
    group="console",
)
def test_a_limit_is_tightened_by_one_and_widened_by_two(floor, anna):
    limit = {"limit": "max_qty_lots", "participant": 1, "instrument": "GOLD"}
    assert anna.act("/api/limit", value=50, **limit)["before"] == 100
    assert "password" in anna.act("/api/limit", 422, value=80, **limit)["detail"]
    refused = anna.act("/api/limit", 422, value="60", **limit)["detail"]
    assert "whole number" in refused, "text is for amounts"
    assert anna.act("/api/limit", value=80, password=PASSWORD, **limit)["waits"] is True
    waits = anna.look("/api/overview", lambda one: one["market"]["risk"]["waiting"])
    assert waits["market"]["risk"]["waiting"] == [
        {"what": "max_qty_lots of participant 1 in GOLD to 80", "asked_by": "anna"}
    ]
    assert anna.act("/api/limit", value=80, password=PASSWORD, **limit)["waits"] is True, "the same"
    with floor.client("otto") as otto:
        otto.act("/api/limit", 422, value=80, password=PASSWORD, **limit)
    with floor.client("bert") as bert:
        done = bert.act("/api/limit", value=80, password=PASSWORD, **limit)
        assert done["done"] == ["max_qty_lots of participant 1 in GOLD is 80"]
    anna.look("/api/overview", lambda one: not one["market"]["risk"]["waiting"])


def test_an_issuers_action_takes_two_supervisors_and_a_halt(floor, anna):
    dividend = {"instrument": "TIN", "amount": 3, "lots": 2, "price": 1_000}
    path = "/api/corporate/dividend"
    refused = anna.act(path, 422, password=PASSWORD, **dividend)
    assert "TIN is not halted" in refused["detail"]
    anna.act("/api/halt", instrument="TIN")
    assert anna.act(path, password=PASSWORD, **dividend)["waits"] is True
    with floor.client("otto") as otto:
        otto.act(path, 403, password=PASSWORD, **dividend)
    with floor.client("bert") as bert:
        other = bert.act(path, password=PASSWORD, **dividend | {"amount": 4})
        assert other["waits"] is True, "another amount is another wish"
        done = bert.act(path, password=PASSWORD, **dividend)["done"]
        assert done[1] == "TIN: 3 for each 2 lots, 0 positions; its price is 1000 ticks"
        for name, more in (("split", {"new": 0, "old": 1}), ("reference-price", {})):
            bert.act(f"/api/corporate/{name}", 422, password=PASSWORD, instrument="TIN", **more)
    anna.act("/api/resume", instrument="TIN")


def test_a_state_of_an_instrument_takes_two_supervisors(floor, anna):
    path, tin = "/api/instruments/close-only", {"instrument": "TIN", "password": PASSWORD}
    floor.venue.let_auctions_end()
    assert anna.act(path, **tin)["waits"] is True
    with floor.client("otto") as otto:
        otto.act(path, 403, **tin)
    with floor.client("bert") as bert:
        assert "close-only" not in str(bert.look("/api/instruments", bool))
        bert.act(path, **tin)
        wanted = ("TIN", "close-only")
        bert.look(
            "/api/instruments",
            lambda rows: wanted in {(row["symbol"], row["state"]) for row in rows},
        )
        assert "it takes suspend, resume, delist" in bert.act(path, 422, **tin)["detail"]
        bert.act("/api/instruments/rename", 422, **tin)
        bert.act("/api/instruments/resume", **tin)
    anna.act("/api/instruments/resume", **tin)


def test_each_process_of_the_feed_and_of_the_doors_is_compared_too(floor):
    rows = compare(read_venue(floor.file))
    named = {row.process: row for row in rows}
    assert named.keys() >= {"supervisor", "feed", "stream", "acceptor", "console"}
    apart = {named[name].pid for name in ("feed", "stream", "acceptor")}
    assert len(apart) == 3
    assert not apart & {named["supervisor"].pid}
    assert not [row for row in rows if row.odd]


def test_a_participant_is_killed_and_enabled(floor, anna):
    floor.venue.send(order(900, Side.BUY, 1, 500, 3))
    anna.look("/api/participants", lambda rows: rows[2]["open_orders"] == 1)
    anna.act("/api/kill", what="participant", name="3")
    rows = anna.look("/api/participants", lambda rows: rows[2]["killed"])
    assert (rows[2]["open_orders"], rows[2]["killed_by"]) == (0, ["the operator"])
    alarms = anna.look(
        "/api/alarms",
        lambda document: any(
            one["name"] == "ParticipantKilled" and one["state"] == "firing"
            for one in document["standing"]
        ),
    )
    (alarm,) = [one for one in alarms["standing"] if one["name"] == "ParticipantKilled"]
    known = {"name": "ParticipantKilled", "labels": alarm["labels"]}
    anna.act("/api/alarms/acknowledge", **known)
    (alarm,) = [
        one
        for one in anna.get("/api/alarms").json()["standing"]
        if one["name"] == "ParticipantKilled"
    ]
    assert alarm["acknowledged"]["by"] == "anna"
    anna.act("/api/enable", what="participant", name="3")
    anna.look(
        "/api/alarms",
        lambda document: all(one["name"] != "ParticipantKilled" for one in document["standing"]),
    )
    assert "is not active" in anna.act("/api/alarms/acknowledge", 422, **known)["detail"]


def test_a_rehearsal_takes_every_step_and_closes_nothing(floor, anna):
    before = len(switch_history(floor.venue.journal, read_venue(floor.file).risk))
    done = anna.act("/api/rehearse")
    assert [line.split(":")[1] for line in done["done"]] == [f" step {k} of 6" for k in range(1, 7)]
    assert done["commands"] == 6
    assert Path(done["state"]).name.startswith("rehearsal-")
    status = floor.venue.status()["risk"]
    assert (status["market_killed"], status["emergency_step"], status["killed"]) == (False, 0, [])
    assert len(switch_history(floor.venue.journal, read_venue(floor.file).risk)) == before


@pytest.mark.promise(
    "V3.7.1, V4.1.1 to V4.3.1 (access): decided by the server and again by the desk, from "
    "roles; nothing without a login; surveillance cases only for supervisors. What opens or "
    "widens takes the password again",
    group="console",
)
@pytest.mark.promise(
    "V11.1.1 to V11.1.4 (business logic): six steps in their order, four eyes, limits"
    " that wait for a second person",
    group="console",
)
def test_the_red_button_closes_and_two_open_again(floor, anna):
    assert "type the venue's name" in anna.act("/api/emergency-close", 422, typed="TSET")["detail"]
    done = anna.act("/api/emergency-close", typed="TEST", why="a drill")
    assert len(done["done"]) == 6
    anna.look("/api/overview", lambda one: one["now"]["emergency_step"] == 6)
    assert anna.act("/api/enable", 422, what="market")["detail"].endswith("/api/open")
    assert "password" in anna.act("/api/open", 403, password="wrong")["detail"]
    messages = anna.act("/api/open", password=PASSWORD)["done"]
    assert messages == ["one operator has requested it; a second operator must request it too"]
    assert "already" in anna.act("/api/open", 422, password=PASSWORD)["detail"]
    with floor.client("bert") as bert:
        overview = bert.look(
            "/api/overview", lambda one: one["market"]["risk"]["reopening_asked_by"]
        )
        assert overview["market"]["risk"]["reopening_asked_by"] == "anna"
        assert bert.act("/api/open", password=PASSWORD)["done"] == ["the market is open again"]
    for number in "123":
        anna.act("/api/enable", what="participant", name=number)
    for symbol in ("GOLD", "TIN"):
        anna.act("/api/resume", instrument=symbol)
    anna.look("/api/overview", lambda one: not one["market"]["risk"]["halted"])


@pytest.mark.promise(
    "V3.1.1 to V3.4.5 (sessions): each login gets a new token, in a cookie that scripts and "
    "other sites do not get, `Secure` with TLS, never in an address. A session ends by a "
    "logout, half an hour after it was last heard of, and after twelve hours; an open page is"
    " closed then",
    group="console",
)
def test_live_figures_come_as_often_as_requested(floor, anna):
    headers = {"cookie": f"{COOKIE}={anna.cookies[COOKIE]}"}
    url = floor.url.replace("http", "ws") + "ws"
    with connect(url, origin=floor.url.rstrip("/"), additional_headers=headers) as page:
        first = json.loads(page.recv(timeout=BOUND_S))
        assert {"now", "overview", "alarms", "participants", "log", "journal"} <= set(first)
        page.send('{"every_ms": 20, "symbol": "GOLD"}')
        updates = [json.loads(page.recv(timeout=BOUND_S)) for _ in range(50)]
        assert sum("overview" in one for one in updates) < 50, "what is slow comes once a second"
        assert all("market" in one for one in updates[1:])
        anna.act("/api/logout")
        assert until_closed(page) == 4401


@pytest.mark.promise(
    "V5.1.1 to V5.5, V13.1.3, V13.2 (input): requests are of a schema, with no other field, "
    "method or size; never a 500. What a WebSocket says is JSON of a few fields; anything "
    "else ends that connection alone",
    group="console",
)
@pytest.mark.parametrize("wish", ['{"every_ms": 1}', "[]", "x", '{"symbol": 7}', "[" * 3_000])
def test_what_no_page_says_ends_its_connection_alone(floor, anna, wish):
    headers = {"cookie": f"{COOKIE}={anna.cookies[COOKIE]}"}
    url = floor.url.replace("http", "ws") + "ws"
    with connect(url, origin=floor.url.rstrip("/"), additional_headers=headers) as page:
        page.send(wish)
        assert until_closed(page) == 1000
    assert anna.get("/api/overview").status_code == 200


@pytest.mark.promise(
    "V2.7, V2.8.1 (one-time codes): RFC 6238, valid for their time, taken once, also over "
    "restarts. A wrong one does not confirm the password",
    group="console",
)
def test_an_operator_with_a_secret_needs_its_code_once(floor):
    import pyotp

    with floor.client() as cody:
        assert cody.log_in("cody", code="no code").status_code == 403
        # The next half-minute's: of all that are taken it holds longest on a busy machine.
        code = pyotp.TOTP(TOTP).at(int(time.time()) + 30)
        assert cody.log_in("cody", code=code).status_code == 200
        assert cody.log_in("cody", code=code).json()["detail"] == WRONG


@pytest.mark.promise(
    "V2.2.1, V2.5 (anti-automation): after `failures_before_lock` failures an address waits "
    "`lock_s`; a name waits at every address after 100. The answer does not reveal whether a "
    "name is known",
    group="console",
)
def test_only_failed_logins_wait(floor):
    """The venue file's failures_before_lock, 5; a console of its own, so that nobody waits."""
    floor_url = floor.url
    console, floor.console = floor.console, None
    try:
        floor.serve()
        with floor.client() as one:
            for _ in range(5):
                assert one.log_in("otto", "wrong").json()["detail"] == (WRONG)
            answer = one.log_in("otto")
            assert answer.status_code == 429
            assert 0 < int(answer.headers["retry-after"]) <= 61
            assert one.log_in("vera").status_code == 429, "from this address nobody"
        assert floor.leave() == ""
    finally:
        floor.console, floor.url = console, floor_url
    with floor.client() as one:
        assert one.log_in("nobody", "wrong").json()["detail"] == (WRONG)
        assert one.log_in("vera").status_code == 200


def test_connections_without_a_login_keep_no_one_out(floor):
    """Among 600 silent connections the oldest are closed, and operators can log in meanwhile."""
    host, _, port = floor.url.split("/")[2].partition(":")
    with ExitStack() as open_ones:
        silent = [
            open_ones.enter_context(
                socket.create_connection((host, int(port)), source_address=("127.0.0.2", 0))
            )
            for _ in range(600)
        ]
        with floor.client("vera") as vera:
            assert vera.get("/api/overview").status_code == 200
        assert silent[0].recv(1) == b""
        silent[-1].sendall(b"GET /api/hello HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        assert silent[-1].recv(64).startswith(b"HTTP/1.1 200")


@pytest.mark.promise(
    "One name's connections to a page, and those without a login, take no place of another's",
    group="capacity",
)
def test_one_name_has_so_many_connections_and_its_own_oldest_goes(floor):
    """Among 200 connections that one viewer keeps open the oldest are closed, also while its page
    is in use."""
    host, _, port = floor.url.split("/")[2].partition(":")
    with floor.client("anna") as anna, floor.client("vera") as vera, ExitStack() as open_ones:
        cookie = f"cookie: {COOKIE}={vera.cookies[COOKIE]}"
        asked = f"GET /api/hello HTTP/1.1\r\nhost: 127.0.0.1\r\n{cookie}\r\n\r\n"
        kept = []
        for _ in range(200):
            one = socket.create_connection((host, int(port)), timeout=BOUND_S)
            kept.append(open_ones.enter_context(one))
            one.sendall(asked.encode())
            assert one.recv(64).startswith(b"HTTP/1.1 200")
            one.setblocking(False)
        wait_until(lambda: sum(map(has_ended, kept)) >= 200 - MAX_MEMBER, "the oldest are closed")
        assert anna.get("/api/overview").status_code == 200
        assert vera.get("/api/overview").status_code == 200


def has_ended(one):
    """Whether the server has closed the connection, whose answers nothing else reads."""
    with suppress(BlockingIOError):
        while one.recv(1 << 16):
            pass
        return True
    return False


def test_the_desk_does_without_the_page_and_the_page_without_the_venue(floor):
    """The console is killed and the desk is asked; what was acknowledged on it still is.  The venue
    is stopped and the page says so."""

    def halted(alarms):
        return [
            one
            for one in alarms["standing"]
            if (one["name"], one["state"]) == ("InstrumentHalted", "firing")
        ]

    with floor.client("anna") as anna:
        anna.act("/api/halt", instrument="TIN")
        (alarm,) = halted(anna.look("/api/alarms", halted))
        anna.act("/api/alarms/acknowledge", name=alarm["name"], labels=alarm["labels"], why="so")
    floor.console.kill()
    floor.console.communicate()
    assert ask(floor.venue.journal, {"do": "halt", "instrument": "GOLD", "why": "no page"})["done"]
    assert desk_record(floor.venue.journal)[-1]["why"] == "no page"
    ask(floor.venue.journal, {"do": "resume", "instrument": "GOLD"})
    floor.serve()
    with floor.client("anna") as anna:
        (alarm,) = halted(anna.look("/api/alarms", halted))
        assert (alarm["acknowledged"]["by"], alarm["acknowledged"]["why"]) == ("anna", "so")
        anna.act("/api/resume", instrument="TIN")
        floor.venue.let_auctions_end()
        floor.venue.stop()
        anna.look("/api/overview", lambda one: one["state"] == "stopped")
        assert "the venue is not running" in anna.act("/api/halt", 422, instrument="TIN")["detail"]
        for path in READS:
            assert anna.get(f"/api/{path}").status_code == 200, path
        floor.open()
        anna.look("/api/overview", lambda one: one["state"] == "open")
        assert "password" in anna.act("/api/halt", 409, instrument="TIN")["detail"]
        anna.act("/api/confirm", 422)
        headers = {"x-csrf-token": anna.csrf}
        answer = anna.post("/api/confirm", json={"password": PASSWORD}, headers=headers)
        assert answer.status_code == 200, answer.text
        anna.act("/api/halt", instrument="TIN")
        anna.act("/api/resume", instrument="TIN")


@pytest.mark.promise(
    "One owner that takes all it can of a resource (connections, hashing, pages, subscriptions, "
    "snapshots, the stream, retransmission, shared-memory logins, the portal) keeps no other and "
    "no operator out",
    group="capacity",
)
@pytest.mark.promise("V9.1.1: beyond this host with TLS alone", group="console")
def test_over_tls_the_cookie_is_secure_and_hsts_is_sent(floor, tmp_path):
    """A console of its own, with a certificate of its own."""
    certificate, key = self_signed(tmp_path / "certificate.pem", tmp_path / "key.pem", "127.0.0.1")
    plain = floor.console, floor.url
    try:
        floor.serve("--certificate", str(certificate), "--key", str(key))
        assert floor.url.startswith("https://")
        trusted = ssl.create_default_context(cafile=str(certificate))
        with floor.client(verify=trusted) as one:
            headers = one.log_in("vera").headers
            assert "Secure" in headers["set-cookie"]
            assert "max-age" in headers["strict-transport-security"]
            assert one.get("/api/overview").status_code == 200
        # Connections that never begin their handshake are counted as they are accepted.
        host, _, port = floor.url.split("/")[2].partition(":")
        with ExitStack() as open_ones:
            silent = [
                open_ones.enter_context(
                    socket.create_connection((host, int(port)), source_address=("127.0.0.2", 0))
                )
                for _ in range(600)
            ]
            with floor.client("vera", verify=trusted) as vera:
                assert vera.get("/api/overview").status_code == 200
            silent[0].settimeout(BOUND_S)
            assert silent[0].recv(1) == b""
            held = Path(f"/proc/{floor.console.pid}/fd")
            wait_until(lambda: len(list(held.iterdir())) < 400, "the oldest are closed")
        floor.leave()
    finally:
        floor.console, floor.url = plain


def test_twenty_at_once_are_answered(floor):
    with ThreadPoolExecutor(20) as pool:
        clients = list(pool.map(lambda _: floor.client("vera"), range(20)))
        begun = time.monotonic()
        statuses = list(pool.map(lambda one: one.get("/api/overview").status_code, clients))
        print(f"{time.monotonic() - begun:.2f} s")
    assert statuses == [200] * 20


@pytest.mark.promise(
    "V2.10, V7.1.1, V7.1.3, V7.1.4, V7.2, V8.3.4 (log): logins, refusals and actions are "
    "logged with who, why and where in the journal; no line can be changed unseen. No secret "
    "is in logs, pages, journal or process list",
    group="console",
)
def test_no_secret_is_in_logs_pages_journal_or_process_list(floor, anna):
    anna.act("/api/rehearse")
    hashes = re.findall(r'(?:password|totp) = "(.+?)"', floor.file.read_text())
    secrets = {PASSWORD, TOTP, anna.csrf, anna.cookies[COOKIE], *hashes}
    for path in [*(f"/api/{one}" for one in READS), "/", "/api/hello"]:
        text = anna.get(path).text
        assert not [s for s in secrets if s in text and s != anna.csrf], path
    folders = (floor.venue.journal, floor.venue.journal.with_name("journal.log"))
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert {"desk.jsonl", "console.jsonl", "venue.jsonl"} <= {path.name for path in files}
    for path in files:
        content = written(path)
        assert not [one for one in secrets if one.encode() in content], path
    for process in (floor.console.pid, floor.venue.process.pid, *floor.venue.children()):
        words = Path(f"/proc/{process}/cmdline").read_bytes()
        words += Path(f"/proc/{process}/environ").read_bytes()
        assert not [one for one in secrets if one.encode() in words]


@pytest.mark.promise(
    "V3.7.1, V4.1.1 to V4.3.1 (access): decided by the server and again by the desk, from "
    "roles; nothing without a login; surveillance cases only for supervisors. What opens or "
    "widens takes the password again",
    group="console",
)
def test_cases_are_shown_to_supervisors_alone(floor, anna):
    """What `outcry surveillance` has found in the venue's journal, with thresholds low enough."""
    with floor.client("otto") as otto:
        assert otto.get("/api/cases").json()["detail"] == "otto is operator; this needs supervisor"
    assert anna.get("/api/cases").json() == {"rows": [], "count": 0, "fault": "", "looked": False}
    low = "\n".join(f"{name} = {value}" for name, value in LOW.items())
    (floor.folder / "surveillance.toml").write_text(f"[parameters]\n{low}\n")
    run("outcry surveillance run journal --settings surveillance.toml", floor.folder)
    report = json.loads(run("outcry surveillance cases journal --json", floor.folder))
    document = anna.look("/api/cases", lambda document: document["looked"] and document["rows"])
    assert document["count"] == len(report["cases"]) > 0
    numbers = [row["number"] for row in document["rows"]]
    assert numbers == sorted(numbers, reverse=True)
    assert {row["status"] for row in document["rows"]} == {"open"}
    hits = floor.venue.journal / "surveillance" / "hits.bin"
    data = bytearray(hits.read_bytes())
    data[-1] ^= 1
    hits.write_bytes(data)
    assert anna.look("/api/cases", lambda document: document["fault"])["rows"] == []
    shutil.rmtree(hits.parent)


@pytest.mark.promise("V9.1.1: beyond this host with TLS alone", group="console")
def test_beyond_this_host_there_is_tls_alone(floor):
    command = [*OUTCRY, "venue", "console", str(floor.file), "--address", "0.0.0.0:0"]
    done = warm_outcry.run_command(command, timeout=BOUND_S)
    assert done.returncode == 1
    assert "so the page needs TLS" in done.stderr
