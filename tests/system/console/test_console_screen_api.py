"""The participants' page's API against a venue that trades: each acts for himself alone, no order
is doubled whatever dies, and rules tell what they should."""

import json
import shlex
import socketserver
import subprocess
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
from websockets.exceptions import InvalidStatus

from openoutcry.console.screen.server import COOKIE
from tests.support.console.console_venue import SECRET, ScreenClient, ended, until_closed, written
from tests.support.console.websockets_patient import connect
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY, free_port
from tests.support.user_commands import commands
from tests.support.waiting import BOUND_S


def until(client, true):
    """Once it is so."""
    client.look("/api/hello", lambda _: true())


READS = (
    "own",
    "margin",
    "instruments",
    "notices",
    "market?symbol=TIN",
    "candles?symbol=TIN",
    "rules",
)
ACTS = ("orders", "replace", "cancel", "cancel-all", "rules", "rules/remove", "logout")


def cookie_of(client):
    return {"cookie": f"{COOKIE}={client.cookies[COOKIE]}"}


def socket_of(screen):
    return screen.screen_url.replace("http", "ws") + "ws", screen.screen_url.rstrip("/")


@pytest.mark.promise(
    "V4.1.1 to V4.1.3, V4.2.1 (access): a participant sees and acts for its own session only, "
    "whatever tokens, numbers, cookies, fields or WebSocket messages it forges. A request names "
    "only its cookie's session",
    group="screen",
)
def test_nothing_is_read_or_done_without_a_login(screen):
    with ScreenClient(screen.screen_url) as nobody:
        for path in READS:
            assert nobody.get(f"/api/{path}").status_code == 401, path
        for path in ACTS:
            assert nobody.post(f"/api/{path}", json={}).status_code == 401, path
        assert nobody.get("/api/hello").json() == {"venue": "TEST", "me": None}
        assert nobody.get("/api/overview").status_code == 401, "the operators' page is not here"
        url, origin = socket_of(screen)
        with pytest.raises(InvalidStatus):
            connect(url, origin=origin)
        policy = nobody.get("/").headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy


def test_orders_are_entered_replaced_filled_and_cancelled(traders):
    one, three = traders
    before = one.get("/api/own").json()["holdings"]
    assert one.enter("A1", "buy", 10, "10.00")["state"] == "sent"
    one.order("A1", "open")
    three.enter("A1", "sell", 4, "10.00")
    three.order("A1", "filled")
    assert one.order("A1", "open")["open_lots"] == 6
    one.do("/api/replace", token="A1", new_token="A2", open_lots=5, price="9.00")
    assert one.order("A1", "replaced")["traded_lots"] == 4
    assert one.order("A2", "open")["open_lots"] == 5
    one.do("/api/replace", token="A2", new_token="A3", open_lots=3, price="9.00")
    assert one.order("A3", "open")["open_lots"] == 3, "what was traded is not taken off twice"
    one.do("/api/cancel", token="A3")
    assert one.order("A3", "cancelled")["reason"] == "asked for"
    own = one.look("/api/own", lambda own: own["holdings"]["rows"] != before["rows"])
    (fill, *_) = own["fills"]
    assert [fill[key] for key in ("side", "symbol", "qty_lots", "price")] == [
        "B",
        "TIN",
        4,
        100_000,
    ]
    (row,) = [row for row in own["holdings"]["rows"] if row["symbol"] == "TIN"]
    (held,) = [int(row["position"]) for row in before["rows"] if row["symbol"] == "TIN"] or [0]
    assert int(row["position"]) == held + 4
    one.look("/api/market?symbol=TIN", lambda market: market.get("last") == 100_000)
    three.enter("A2", "buy", 7, "8.00", tif="ioc")
    assert three.order("A2", "cancelled")["reason"] == "immediate or cancel: the untraded remainder"
    three.enter("A3", "buy", 7, None)
    assert three.order("A3", "cancelled")["tif"] == "ioc", "a market order finds nobody"


def test_what_the_venue_refuses_is_reported(traders):
    one, _ = traders
    one.enter("R1", "buy", 1, "0.0125")
    assert one.order("R1", "rejected")["reason"] == "price"
    assert one.notice("order R1 is rejected: price")["bad"] is True
    one.enter("R2", "buy", 101, "1.00")
    assert one.order("R2", "rejected")["reason"] == "a limit of lots"
    one.enter("R3", "buy", 10, "1.00")
    one.order("R3", "open")
    one.do("/api/replace", token="R3", new_token="R4", open_lots=10, price="0.0001")
    assert one.order("R4", "rejected")["reason"] == "the order to replace no longer exists"
    one.order("R3", "cancelled")


@pytest.mark.promise(
    "V5.1, V5.3, V13.1.3 (input): of a schema, with no other field; never a 500; "
    "impossible values are rejected before anything is sent to the venue",
    group="screen",
)
@pytest.mark.promise(
    "V5.2.6, V12.6.1 (requests that it makes for others): webhooks go to hosts and ports that"
    " the operator has named and follow no redirection. Mail goes to one address that can be "
    "no more than that. A dead receiver delays only its session's alerts",
    group="screen",
)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("orders", {"token": "lower", "side": "buy", "symbol": "TIN", "qty_lots": 1, "price": "1"}),
        ("orders", {"token": "0PROBEX", "side": "buy", "symbol": "TIN", "qty_lots": 1}),
        ("orders", {"token": "T" * 15, "side": "buy", "symbol": "TIN", "qty_lots": 1}),
        ("orders", {"token": "T", "side": "buy", "symbol": "IRON", "qty_lots": 1}),
        ("orders", {"token": "T", "side": "buy", "symbol": "TIN", "qty_lots": 0}),
        ("orders", {"token": "T", "side": "buy", "symbol": "TIN", "qty_lots": 1, "price": "1e3"}),
        ("orders", {"token": "T", "side": "buy", "symbol": "TIN", "qty_lots": 1, "price": "0"}),
        (
            "orders",
            {"token": "T", "side": "buy", "symbol": "TIN", "qty_lots": 1, "price": "1.23456"},
        ),
        ("orders", {"token": "T", "side": "give", "symbol": "TIN", "qty_lots": 1}),
        ("orders", {"token": "T", "side": "buy", "symbol": "TIN", "qty_lots": 1, "participant": 3}),
        ("cancel", {"token": "NOSUCH"}),
        ("rules", {"kind": "price", "symbol": "IRON", "price": "1"}),
        ("rules", {"kind": "limit", "limit": "no_such", "percent": 50}),
        ("rules", {"kind": "fill", "mail": "a@b.example, c@d.example"}),
        ("rules", {"kind": "fill", "webhook": "http://169.254.169.254/latest"}),
        ("rules", {"kind": "fill", "webhook": "file:///etc/passwd"}),
        ("rules", {"kind": "fill", "webhook": "http://[::1"}),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(traders, path, body):
    one, _ = traders

    def orders():
        # What is ahead of them comes by the feed, when it comes.
        rows = one.get("/api/own").json()["orders"]
        return [row | {"orders_ahead": None, "lots_ahead": None} for row in rows]

    before = orders()
    assert one.do(f"/api/{path}", 422, **body)["detail"]
    assert orders() == before


def test_what_is_ahead_in_the_queue_is_shown(traders):
    """By the feed: lots and orders before it at its price, and nothing of a hidden order."""
    one, three = traders
    three.enter("Q1", "buy", 3, "0.50")
    three.order("Q1", "open")
    three.enter("Q2", "buy", 4, "0.50")
    three.order("Q2", "open")
    one.enter("Q3", "buy", 5, "0.50")
    one.order("Q3", "open")

    def place(own):
        (row,) = [row for row in own["orders"] if row["token"] == "Q3"]
        return row["orders_ahead"], row["lots_ahead"]

    one.look("/api/own", lambda own: place(own) == (2, 7))
    three.do("/api/cancel", token="Q1")
    one.look("/api/own", lambda own: place(own) == (1, 4))
    for trader, token in ((three, "Q2"), (one, "Q3")):
        trader.do("/api/cancel", token=token)
        trader.order(token, "cancelled")


@pytest.mark.promise(
    "V4.1.1 to V4.1.3, V4.2.1 (access): a participant sees and acts for its own session only, "
    "whatever tokens, numbers, cookies, fields or WebSocket messages it forges. A request names "
    "only its cookie's session",
    group="screen",
)
def test_no_session_sees_or_acts_for_another(screen, traders):
    """By forged tokens, numbers, cookies, CSRF tokens, fields and over the WebSocket."""
    one, three = traders
    one.enter("MINE", "buy", 5, "2.00")
    one.order("MINE", "open")
    number = one.do("/api/rules", kind="fill")["number"]
    for path, body in (
        ("cancel", {"token": "MINE"}),
        ("replace", {"token": "MINE", "new_token": "X1", "open_lots": 1, "price": "3.00"}),
        ("rules/remove", {"number": number}),
    ):
        detail = three.do(f"/api/{path}", 422, **body)["detail"]
        assert "there is no" in detail
    for more in ({"session": "PAGE1"}, {"participant": 1}, {"name": "PAGE1"}):
        three.do("/api/cancel", 422, token="MINE", **more)
        own = three.get("/api/own", params=more).json()
        assert "MINE" not in json.dumps(own)
        assert own["holdings"]["account"]["number"] == 3
    assert three.do("/api/cancel-all") == {"cancelled": 0}
    # Each one's token with the other's cookie, and the other way.
    for cookie, csrf in ((one, three), (three, one)):
        headers = cookie_of(cookie) | {"x-csrf-token": csrf.csrf}
        with ScreenClient(screen.screen_url) as forged:
            answer = forged.post("/api/cancel", json={"token": "MINE"}, headers=headers)
            assert answer.status_code == 403
    assert "MINE" not in three.get("/api/notices").text + three.get("/api/rules").text
    url, origin = socket_of(screen)
    with connect(url, origin=origin, additional_headers=cookie_of(three)) as page:
        page.send('{"every_ms": 20, "symbol": "TIN", "session": "PAGE1", "participant": 1}')
        updates = [json.loads(page.recv(timeout=BOUND_S)) for _ in range(5)]
        shown = [one for one in updates if "orders" in one]
        assert shown
        assert "MINE" not in json.dumps(shown)
        assert all(one["holdings"]["account"]["number"] == 3 for one in shown)
    for forged in ("http://elsewhere.example", None):
        with pytest.raises(InvalidStatus):
            connect(url, origin=forged, additional_headers=cookie_of(one))
    # The same token is another order of another session.
    three.enter("MINE", "buy", 1, "1.00")
    three.order("MINE", "open")
    three.do("/api/cancel", token="MINE")
    three.order("MINE", "cancelled")
    assert one.order("MINE", "open")["open_lots"] == 5
    one.do("/api/rules/remove", number=number)


@pytest.mark.promise(
    "V11.1.1, V11.1.2, V11.1.5 (business logic): an order is entered once, whatever "
    "is sent again or dies",
    group="screen",
)
def test_an_order_that_is_sent_again_is_entered_once(traders):
    one, _ = traders
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: one.enter("ONCE", "buy", 5, "2.00"), range(16)))
    assert {answer["token"] for answer in answers} == {"ONCE"}
    one.order("ONCE", "open")
    for terms in (("sell", 5, "2.00"), ("buy", 6, "2.00"), ("buy", 5, "2.01")):
        assert "belongs to another order" in one.enter("ONCE", *terms, 409)["detail"]
    for lots in (True, "5", 5.0):
        one.enter("TYPED", "buy", lots, "2.00", 422)
    one.enter("ONCE", "buy", 5, "2.00")
    rows = one.look("/api/market?symbol=TIN", lambda book: book.get("bids"))["bids"]
    assert rows == [[20_000, 5, 1]]
    one.do("/api/cancel", token="ONCE")
    one.order("ONCE", "cancelled")
    assert one.enter("ONCE", "buy", 5, "2.00")["state"] == "cancelled"


def test_two_pages_of_one_session_see_the_same_and_the_last_logs_out(screen, traders):
    one, _ = traders
    with ScreenClient(screen.screen_url) as second:
        assert second.log_in("PAGE1", "wrong").status_code == 403
        assert second.log_in("PAGE1").status_code == 200
        one.enter("BOTH", "buy", 5, "2.00")
        second.order("BOTH", "open")
        second.do("/api/cancel", token="BOTH")
        one.order("BOTH", "cancelled")
        second.do("/api/logout")
    assert one.get("/api/own").json()["link"]["state"] == "ready"


@pytest.mark.promise(
    "V11.1.1, V11.1.2, V11.1.5 (business logic): an order is entered once, whatever "
    "is sent again or dies",
    group="screen",
)
def test_the_venue_dies_under_an_open_page_and_comes_back(screen, traders):
    """What was open is again; what was sent meanwhile was not entered, and nothing is twice."""
    one, three = traders
    one.enter("STAY", "buy", 5, "2.00")
    one.order("STAY", "open")
    screen.venue.kill()
    one.look("/api/own", lambda own: own["link"]["state"] == "connecting")
    assert one.enter("GONE", "buy", 5, "2.01", 503)["detail"]
    screen.open()
    one.ready()
    three.ready()
    assert one.order("STAY", "open")["open_lots"] == 5
    assert "GONE" not in [row["token"] for row in one.get("/api/own").json()["orders"]]
    one.notice("connected again")
    three.enter("BACK", "sell", 5, "2.00")
    assert one.order("STAY", "filled")["traded_lots"] == 5
    fills = [row for row in one.get("/api/own").json()["fills"] if row["token"] == "STAY"]
    assert [row["qty_lots"] for row in fills] == [5]


@pytest.mark.promise(
    "V1.4.1, V4.1.5, V9.2.2 (venue): the venue's own login decides which sessions may trade, "
    "and a revocation applies here too. To a port of the venue that has a certificate the "
    "page speaks TLS, and trusts that certificate alone",
    group="screen",
)
def test_the_page_ends_when_an_operator_disables_the_session(screen, traders):
    one, _ = traders
    with screen.client("anna") as anna:
        anna.act("/api/kill", what="session", name="PAGE1")
        one.look("/api/own", lambda own: own["link"]["state"] == "ended")
        assert "log in again" in one.enter("OFF", "buy", 1, "1.00", 503)["detail"]
        with ScreenClient(screen.screen_url) as again:
            assert again.log_in("PAGE1").status_code == 403
        anna.act("/api/enable", what="session", name="PAGE1")
    with ScreenClient(screen.screen_url) as again:
        until(again, lambda: again.log_in("PAGE1").status_code == 200)
        again.ready()
        again.do("/api/logout")


class Hook(BaseHTTPRequestHandler):
    """What a webhook was told."""

    payloads: ClassVar[list] = []

    def do_POST(self):
        self.payloads.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *words):
        pass


class Mail(socketserver.StreamRequestHandler):
    """As much of SMTP as it takes to be sent a message."""

    messages: ClassVar[list] = []

    def handle(self):
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.messages.append(b"".join(lines).decode())
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 so be it\r\n")
            if word == b"QUIT":
                return


@pytest.fixture
def receivers(screen):
    """A webhook's server and a mail server, and a page's process that knows them."""
    hook, mail = HTTPServer(("127.0.0.1", 0), Hook), socketserver.TCPServer(("127.0.0.1", 0), Mail)
    for one in (hook, mail):
        Thread(target=one.serve_forever, daemon=True).start()
    screen.leave_screen()
    screen.serve_screen(
        "--webhook-host",
        f"127.0.0.1:{hook.server_port}",
        "--webhook-host",
        "127.0.0.1:9",
        "--mail-from",
        "venue@test.example",
        "--smtp",
        f"127.0.0.1:{mail.server_address[1]}",
    )
    yield f"http://127.0.0.1:{hook.server_port}/secret-path"
    for one in (hook, mail):
        one.shutdown()
        one.server_close()


def test_rules_tell_the_page_mail_and_a_webhook_once(screen, receivers, request):
    one, three = request.getfixturevalue("traders")
    Hook.payloads.clear()
    Mail.messages.clear()
    since = max([row["number"] for row in one.get("/api/notices").json()], default=0)
    to = {"mail": "anna@test.example", "webhook": receivers}
    one.do("/api/rules", kind="fill", symbol="TIN", **to)
    one.do("/api/rules", kind="price", symbol="TIN", above=True, price="11.00", **to)
    one.do("/api/rules", kind="limit", limit="open_orders", percent=1, webhook=receivers)
    for k in range(5):
        one.enter(f"LIM{k}", "buy", 1, f"1.0{k}")
    one.notice("5 of 500 open_orders are used", since)
    one.enter("P1", "buy", 2, "10.50")
    three.enter("P1", "sell", 2, "10.50")
    one.notice("bought 2 TIN at 10.50", since)
    one.enter("P2", "buy", 2, "11.25")
    three.enter("P2", "sell", 2, "11.25")
    one.notice("TIN at 11.25", since)
    one.look("/api/notices", lambda _: len(Hook.payloads) >= 4 and len(Mail.messages) >= 3)
    summaries = sorted(one["alerts"][0]["annotations"]["summary"] for one in Hook.payloads)
    assert summaries == [
        "5 of 500 open_orders are used",
        "TIN at 11.25",
        "bought 2 TIN at 10.50",
        "bought 2 TIN at 11.25",
    ]
    assert sorted(text.split("\r\n\r\n")[1].strip() for text in Mail.messages) == summaries[1:]
    assert all("To: anna@test.example" in text for text in Mail.messages)
    # Rules outlive the page's process, and what held already is not told again.
    rules = one.get("/api/rules").json()
    assert [row["holds"] for row in rules] == [False, True, True]
    assert rules[1]["words"] == "TIN at 11.00 or above"
    one.do("/api/cancel-all")
    for row in rules:
        one.do("/api/rules/remove", number=row["number"])
    assert one.get("/api/rules").json() == []


@pytest.mark.promise(
    "V2.2.1, V3.3, V3.4, V4.2.2, V13.2.3 (anti-automation, sessions, forgery): as on the "
    "console, with a separate cookie",
    group="screen",
)
def test_logins_that_fail_wait(screen):
    """The venue file's failures_before_lock, 5; a page of its own, so that nobody else waits."""
    kept = screen.screen, screen.screen_url
    try:
        screen.serve_screen()
        with ScreenClient(screen.screen_url) as one:
            for name in ("PAGE3", "nobody", "", "x" * 300, "ONE"):
                answer = one.log_in(name, "wrong")
                assert answer.status_code == 403
                assert answer.json()["detail"] == "name or password is wrong"
            answer = one.log_in("PAGE3")
            assert answer.status_code == 429
            assert 0 < int(answer.headers["retry-after"]) <= 61
    finally:
        screen.leave_screen()
        screen.screen, screen.screen_url = kept


@pytest.mark.promise(
    "V2.2.1, V3.3, V3.4, V4.2.2, V13.2.3 (anti-automation, sessions, forgery): as on the "
    "console, with a separate cookie",
    group="screen",
)
def test_a_cookie_is_for_the_server_alone_and_an_open_page_ends_with_it(screen, traders):
    one, _ = traders
    with ScreenClient(screen.screen_url) as again:
        set_cookie = again.log_in("PAGE1").headers["set-cookie"]
        assert "HttpOnly" in set_cookie
        assert "SameSite=strict" in set_cookie
        url, origin = socket_of(screen)
        with connect(url, origin=origin, additional_headers=cookie_of(again)) as page:
            page.recv(timeout=BOUND_S)
            again.do("/api/logout")
            assert until_closed(page) == 4401
        with connect(url, origin=origin, additional_headers=cookie_of(one)) as page:
            page.send("[]")
            assert until_closed(page) == 1000
    body = {"token": "X", "side": "buy", "symbol": "TIN", "qty_lots": 1}
    assert one.post("/api/orders", json=body).status_code == 403, "no token"
    other = {"x-csrf-token": one.csrf, "origin": "http://elsewhere.example"}
    assert one.post("/api/orders", json=body, headers=other).status_code == 403


@pytest.mark.promise(
    "V2.10, V7.1.1, V8.3.4: no password, cookie or webhook's path in logs, pages or "
    "process list; rules are readable by the venue's user alone",
    group="screen",
)
def test_no_secret_is_in_logs_pages_journal_or_process_list(screen, traders):
    one, _ = traders
    one.do("/api/rules", kind="fill", webhook="http://127.0.0.1:9/very-secret-path")
    secrets = {SECRET, one.csrf, one.cookies[COOKIE]}
    for path in [*(f"/api/{name}" for name in READS), "/"]:
        text = one.get(path).text
        assert not [secret for secret in secrets if f'"{secret}"' in text], path
    logs = screen.venue.journal.with_name("journal.log")
    for path in [*screen.venue.journal.rglob("*"), *logs.rglob("*")]:
        if path.is_file():
            content = written(path)
            assert not [s for s in (secrets - {SECRET}) if s.encode() in content], path
            if path.suffix == ".jsonl":
                assert b"very-secret-path" not in content
                assert f'"{SECRET}"'.encode() not in content
    assert (logs / "screen-rules.json").stat().st_mode & 0o777 == 0o600
    words = Path(f"/proc/{screen.screen.pid}/cmdline").read_bytes()
    assert not [secret for secret in secrets if secret.encode() in words]
    (row,) = one.get("/api/rules").json()
    one.do("/api/rules/remove", number=row["number"])


def test_a_venue_without_ouch_has_no_page(screen, tmp_path):
    text = screen.file.read_text().replace("ouch-4.2", "ouch-5.0")
    path = tmp_path / "venue.toml"
    path.write_text(text)
    path.chmod(0o600)
    command = [*OUTCRY, "screen", str(path), "--address", f"127.0.0.1:{free_port()}"]
    done = warm_outcry.run_command(command, timeout=BOUND_S)
    assert done.returncode == 1
    assert "no [[port]] with ouch-4.2" in done.stderr


def test_the_commands_of_its_page(screen):
    """Those of docs/screen.md, each on a port of the test's."""
    lines = commands("screen.md")
    assert len(lines) == 2
    for line in lines:
        words = [*OUTCRY, *shlex.split(line)[1:], "--address", f"127.0.0.1:{free_port()}"]
        process = warm_outcry.Process(words, cwd=screen.folder, stderr=subprocess.PIPE, text=True)
        url = process.stderr.readline().strip()
        try:
            with ScreenClient(url) as nobody:
                assert nobody.get("/api/hello").json()["venue"] == "TEST"
        finally:
            ended(process)


@pytest.mark.promise(
    "V11.1.1, V11.1.2, V11.1.5 (business logic): an order is entered once, whatever "
    "is sent again or dies",
    group="screen",
)
@pytest.mark.long
def test_nothing_is_doubled_or_lost_when_the_page_dies(screen, traders):
    """SIGKILL of the page's process in the midst of orders, each sent again under its own token to
    the next one: the venue has each once."""
    one, three = traders
    names = [f"KILL{k}" for k in range(30)]
    for k, name in enumerate(names[:20]):
        one.enter(name, "buy", 1, f"1.{k:02}")
    screen.screen.kill()
    screen.screen.communicate()
    screen.serve_screen("--webhook-host", "127.0.0.1:9")
    one.base_url = three.base_url = screen.screen_url
    assert one.get("/api/own").status_code == 401
    one.cookies.clear()
    until(one, lambda: one.log_in("PAGE1").status_code == 200)
    one.ready()
    had = {row["token"] for row in one.get("/api/own").json()["orders"] if row["state"] == "open"}
    for k, name in enumerate(names):
        one.enter(name, "buy", 1, f"1.{k:02}")
    for name in names:
        one.order(name, "open")
    assert had <= set(names)
    rows = one.look("/api/market?symbol=TIN", lambda book: len(book.get("bids", ())) >= 25)["bids"]
    assert [row[1:] for row in rows] == [[1, 1]] * 25, "each price once"
    own = one.get("/api/own").json()
    assert own["holdings"]["account"]["open_orders"] >= 30
    assert one.do("/api/cancel-all")["cancelled"] == 30
