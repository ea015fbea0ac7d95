"""The screen's parts alone: orders out of messages, rules, and how they are told."""

import contextlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.console.screen import orders
from openoutcry.console.screen.notify import post_json
from openoutcry.console.screen.orders import OwnOrders, Traded
from openoutcry.operations import outward
from openoutcry.operations.notify import TIMEOUT_S, MailServer, NotifyError, send_mail
from tests.support.console.console_screen_parts import venue_message


@st.composite
def days(draw):
    """What a venue may say of one session, and what must stand at the end, by an obvious model:
    each order's state, open and traded lots."""
    stands, messages, count = {}, [], 0
    for _ in range(draw(st.integers(0, 40))):
        live = [name for name, row in stands.items() if row[0] == orders.OPEN]
        what = draw(st.sampled_from(["A", "J", "E", "C", "U", "M"]))
        if what in "AJ" or not live:
            count += 1
            name, lots = f"T{count}", draw(st.integers(1, 9))
            if what == "J":
                stands[name] = (orders.REJECTED, 0, 0)
                messages.append(venue_message("J", name, reason="Z"))
            else:
                stands[name] = (orders.OPEN, lots, 0)
                messages.append(venue_message("A", name, shares=lots))
            continue
        name = draw(st.sampled_from(live))
        _, left, traded = stands[name]
        lots = draw(st.integers(1, left))
        if what == "E":
            left, traded = left - lots, traded + lots
            stands[name] = (orders.OPEN if left else orders.FILLED, left, traded)
            messages.append(venue_message("E", name, shares=lots))
        elif what == "C":
            left -= lots
            stands[name] = (orders.OPEN if left else orders.CANCELLED, left, traded)
            messages.append(venue_message("C", name, shares=lots))
        elif what == "M":
            stands[name] = (orders.OPEN, lots, traded)
            messages.append(venue_message("M", name, shares=lots))
        else:
            count += 1
            stands[name], stands[f"T{count}"] = (
                (orders.REPLACED, 0, traded),
                (orders.OPEN, lots, traded),
            )
            messages.append(venue_message("U", f"T{count}", shares=lots, previous_token=name))
    return messages, stands


@given(days())
def test_orders_stand_as_the_obvious_model_says(day):
    messages, stands = day
    own = OwnOrders()
    for message in messages:
        own.take(message)
    states = {one.token: (one.state, one.open_lots, one.traded_lots) for one in own.orders.values()}
    assert states == stands
    lots = sum(message["shares"] for message in messages if message.kind == "E")
    assert sum(fill.qty_lots for fill in own.fills) == lots
    assert own.traded.get("TIN", Traded()).bought_lots == lots


class Elsewhere(BaseHTTPRequestHandler):
    """Sends whoever asks to another address, which it notes if it is asked."""

    followed_path = ""

    def do_POST(self):
        self.send_response(307)
        self.send_header("location", f"http://127.0.0.1:{self.server.server_port}/inside")
        self.end_headers()

    def do_GET(self):
        type(self).followed_path = self.path

    def log_message(self, *words):
        pass


@pytest.mark.smoke
@pytest.mark.promise(
    "V5.2.6, V12.6.1 (requests that it makes for others): webhooks go to hosts and ports that"
    " the operator has named and follow no redirection. Mail goes to one address that can be "
    "no more than that. A dead receiver delays only its session's alerts",
    group="screen",
)
def test_a_webhook_is_not_led_elsewhere():
    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(NotifyError, match="307"):
            post_json(f"http://127.0.0.1:{server.server_port}/x", {})
        server.shutdown()
    assert Elsewhere.followed_path == ""


def test_an_answer_that_drips_is_cut_off(monkeypatch):
    """A byte of its head each 50 ms would last as long as its server likes."""
    monkeypatch.setattr(outward, "TOTAL_S", 0.5)
    over = threading.Event()

    def drip():
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            while not over.wait(0.05):
                connection.sendall(b"H")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        begun = time.monotonic()
        with pytest.raises(NotifyError):
            post_json(f"http://127.0.0.1:{listener.getsockname()[1]}/x", {})
        assert time.monotonic() - begun < TIMEOUT_S
        over.set()
        thread.join()


def test_a_mail_server_that_is_not_there_is_named():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        server = closed.getsockname()
        with pytest.raises(NotifyError, match=f"127.0.0.1:{server[1]}"):
            send_mail(MailServer(*server), "v@x.example", ["a@b.example"], "s", json.dumps("t"))
