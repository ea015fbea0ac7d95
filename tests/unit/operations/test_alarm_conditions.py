"""Every alarm is driven over its edge and back by the condition itself, through the metrics as they
are collected: a venue that is killed, stopped, filled and halted; files; and, where a test may not
do it to the host that it runs on, the reading of the kernel's account.

VenueDead has a test in test_metrics.py, BreakerFired its in
tests/unit/venue/test_venue_protection.py.
"""

from collections import namedtuple
from types import SimpleNamespace

import psutil
import pytest

from openoutcry.operations import metrics
from tests.support.operations.alarm_conditions import looks

pytestmark = pytest.mark.xdist_group("alarm_conditions")  # one venue


# The host, as the kernel says it is

Memory = namedtuple("Memory", "total available")


@pytest.mark.parametrize(
    ("name", "under", "over"), [("MemoryHigh", 0.799, 0.801), ("MemoryCritical", 0.899, 0.901)]
)
def test_memory(name, under, over, monkeypatch):
    used = [0.0]
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(10**9, int(10**9 * (1 - used[0]))))
    looks(name).driven(lambda: used.__setitem__(0, under), lambda: used.__setitem__(0, over), 60)


@pytest.mark.parametrize(
    ("name", "limit_ns"), [("ClockOffsetHigh", 10_000), ("ClockOffsetCritical", 100_000)]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_that_is_off(name, limit_ns, sign, monkeypatch):
    clock = {
        "source": "ptp",
        "offset_ns": 0,
        "bound_ns": None,
        "drift_ppb": 0,
        "rts25": {"holds": True},
    }
    monkeypatch.setattr(metrics, "clock_status", lambda: clock)

    def at(offset_ns):
        return lambda: clock.__setitem__("offset_ns", sign * offset_ns)

    looks(name).driven(at(limit_ns - 1), at(limit_ns + 1), 60)


@pytest.mark.parametrize(
    ("name", "word", "quiet", "loud"),
    [
        ("ReplicaBehind", "safe_seq", 900_000, 899_999),
        ("QuorumLost", "safe_until_ns", 10**18, 1),
    ],
)
def test_replicas_that_are_away(name, word, quiet, loud, monkeypatch):
    """A million commands are sequenced; the stage's words in the control segment are the test's."""
    block = SimpleNamespace(safe_seq=10**6, safe_until_ns=2**62, lag_bytes=0)
    stage = SimpleNamespace(stage=lambda _at: block)
    monkeypatch.setattr(
        metrics, "_host", lambda out: metrics._replicas(out, stage, 0, 10**6, "TEST")
    )

    def at(value):
        return lambda: setattr(block, word, value)

    looks(name).driven(at(quiet), at(loud), 100)


def test_a_clock_that_was_set_back(monkeypatch):
    """The journal's word in the control segment is the test's."""
    block = SimpleNamespace(clock_back_ns=0)
    pipeline = SimpleNamespace(control=SimpleNamespace(block=block))
    monkeypatch.setattr(metrics, "_host", lambda out: metrics._set_back(out, pipeline, "TEST"))

    def at(value):
        return lambda: setattr(block, "clock_back_ns", value)

    looks("ClockSetBack").driven(at(0), at(3_600 * 10**9), 100)


def test_a_port_without_its_link_and_a_wallet_that_owes(monkeypatch):
    """The port's error in the control segment and the status of the venue are the test's."""
    errors, owes = [0, None], []
    control_words = SimpleNamespace(port=lambda index: (errors + [None] * 64)[index])

    def report(out):
        metrics._ports(out, control_words, "TEST")
        metrics._status(out, {"risk": {"shortfalls": owes}}, "TEST")

    monkeypatch.setattr(metrics, "_host", report)
    port, wallet = looks("PortDown"), looks("WalletShort")
    assert not port.look()
    assert not wallet.look()
    errors[0] = 19
    assert port.look()
    errors[0] = 0
    owes.append("1")
    assert not port.look()
    assert wallet.look()
    owes.clear()
    assert not wallet.look()
