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
from openoutcry.runtime import control
from tests.support.operations.alarm_conditions import looks

pytestmark = pytest.mark.xdist_group("alarm_conditions")  # one venue


# The host, as the kernel says it is

Memory = namedtuple("Memory", "total available")
Times = namedtuple("Times", "user system nice irq softirq idle iowait steal")


@pytest.mark.parametrize(
    ("name", "under", "over"), [("MemoryHigh", 0.799, 0.801), ("MemoryCritical", 0.899, 0.901)]
)
def test_memory(name, under, over, monkeypatch):
    used = [0.0]
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(10**9, int(10**9 * (1 - used[0]))))
    looks(name).driven(lambda: used.__setitem__(0, under), lambda: used.__setitem__(0, over), 60)


@pytest.mark.parametrize(
    ("name", "mode", "under", "over"),
    [
        ("CpuHigh", "user", 0.69, 0.71),
        ("CpuCritical", "user", 0.84, 0.86),
        ("CpuStolen", "steal", 0.009, 0.011),
    ],
)
def test_processors(name, mode, under, over, monkeypatch):
    spent = dict.fromkeys(Times._fields, 0.0)
    monkeypatch.setattr(psutil, "cpu_times", lambda: Times(**spent))

    def at(share):
        def step():
            spent[mode] += 10 * share
            spent["idle"] += 10 * (1 - share)

        return step

    looks(name).driven(at(under), at(over), 150)


@pytest.mark.parametrize(
    ("name", "under", "over"),
    [
        ("PacketLossHigh", 99, 101),
        ("PacketLossCritical", 999, 1_001),
    ],
)
def test_datagrams_that_are_lost(name, under, over, monkeypatch):
    counts = {"InDatagrams": 0, "RcvbufErrors": 0}
    monkeypatch.setattr(metrics, "_udp", lambda: counts)

    def at(lost):
        def step():
            counts["InDatagrams"] += 1_000_000
            counts["RcvbufErrors"] += lost

        return step

    looks(name).driven(at(under), at(over), 120)


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
        ("ReplicaBehind", control.STAGE_SAFE_SEQ, 900_000, 899_999),
        ("QuorumLost", control.STAGE_SAFE_UNTIL_NS, 10**18, 1),
    ],
)
def test_replicas_that_are_away(name, word, quiet, loud, monkeypatch):
    """A million commands are sequenced; the stage's words in the control segment are the test's."""
    words = {
        control.STAGE_SAFE_SEQ: 10**6,
        control.STAGE_SAFE_UNTIL_NS: 2**62,
        control.STAGE_LAG_BYTES: 0,
    }
    stage = SimpleNamespace(stage=lambda _at, key: words[key])
    monkeypatch.setattr(
        metrics, "_host", lambda out: metrics._replicas(out, stage, 0, 10**6, "TEST")
    )

    def at(value):
        return lambda: words.__setitem__(word, value)

    looks(name).driven(at(quiet), at(loud), 100)
