"""The client logs in, trades, loses its connection and recovers, over a real socket, with a venue
made of our kernels and the matcher; and the prompt and the load mode of ``outcry client``."""

import socket
import time
from types import SimpleNamespace

import pytest

from openoutcry.client import OuchClient, ouch, price4
from openoutcry.client.waiting import Received, SessionEnded
from openoutcry.wire.messages import OUCH42


@pytest.mark.parametrize(
    "price", ["0", "-1", "1.00005", "abc", "429496.7296", 1.5, "200000", "214748.3647"]
)
def test_a_price_that_cannot_be_said_is_an_error(price):
    with pytest.raises(ValueError, match="price"):
        price4(price)


@pytest.mark.parametrize(
    ("price", "ticks"),
    [("0.0001", 1), ("99.5", 995_000), (12, 120_000), ("429496.7294", 2**32 - 2)],
)
def test_a_price_has_four_decimals(price, ticks):
    assert price4(price) == ticks


def test_what_has_come_is_taken_without_waiting():
    """The kernel's shortest timeout is a millisecond: a caller that asks again and again would
    lose it each time."""
    one, other = socket.socketpair()
    with one, other:
        received = Received(one, 30.0, 0.0, lambda: None)
        timeouts = []
        received.connection = SimpleNamespace(
            recv=one.recv, settimeout=lambda s: [timeouts.append(s), one.settimeout(s)]
        )
        assert received.more(time.monotonic()) is False
        other.send(b"x")
        assert received.more(time.monotonic() - 1) is True
        assert received.take(1) == b"x"
    assert timeouts == [0.0, None, 0.0, None]


def test_what_is_there_is_taken_with_one_call_and_the_end_is_an_error():
    one, other = socket.socketpair()
    with one:
        received = Received(one, 30.0, 0.0, lambda: None)
        received.more_now()
        assert received.data == b""
        other.send(b"xy")
        other.close()
        received.more_now()
        assert received.take(2) == b"xy"
        with pytest.raises(SessionEnded, match="closed"):
            received.more_now()
    with pytest.raises(SessionEnded, match="lost"):
        received.more_now()


def test_a_message_has_its_own_number_and_not_the_next_ones(monkeypatch):
    """A later login asks for what follows the last number: one too high loses a message."""

    class Connection:
        def __init__(self, *_, **__):
            self.sequence = 7

        def receive(self, timeout_s):
            if self.sequence == 9:
                return None
            self.sequence += 1
            return OUCH42.from_server("S").pack(event="S")

    monkeypatch.setattr(ouch, "SoupBinConnection", Connection)
    client = OuchClient("127.0.0.1", 1, "ONE", "word")
    assert [message.sequence for message in client.messages(0)] == [7, 8]
