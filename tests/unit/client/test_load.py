"""The load of client/load.py: what counts as latency when the client itself falls behind."""

import socket

import pytest

from openoutcry.client import load

STALL_NS = 300_000_000


class Clock:
    """Time that passes as it is asked for, a tenth of a millisecond each time."""

    def __init__(self) -> None:
        self.now_ns = 0

    def monotonic_ns(self) -> int:
        self.now_ns += 100_000
        return self.now_ns

    def monotonic(self) -> float:
        return self.monotonic_ns() / 1e9

    time_ns = monotonic_ns


class Answering:
    """A session that stalls once and then answers everything at once."""

    def __init__(self, connection: socket.socket, clock: Clock) -> None:
        self.socket, self.clock, self.queued, self.stalled = connection, clock, [], False

    def add(self, order: int, number: int) -> None:
        self.queued.append(order)

    def flush(self) -> None:
        if self.queued and not self.stalled:
            self.stalled = True
            self.clock.now_ns += STALL_NS

    def answers(self) -> list[tuple[int, str]]:
        answers, self.queued = [(order, "") for order in self.queued], []
        return answers

    def beat(self) -> None:
        pass


def test_an_order_that_goes_out_late_counts_from_when_it_was_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Orders are due each millisecond: those that were due during the stall have waited for the
    rest of it, on average half of it, though each was answered as soon as it was sent."""
    clock = Clock()
    monkeypatch.setattr(load, "time", clock)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"x")  # there is always something to look at
        monkeypatch.setattr(load, "_session", lambda client, *_: Answering(client, clock))
        result = load.run_load([ours], 200, 1_000.0, "AAPL", "1")
    assert (result.sent, result.accepted) == (200, 200)
    assert result.latency_ns.min() >= 0
    assert result.latency_ns[:100].mean() > STALL_NS / 2
