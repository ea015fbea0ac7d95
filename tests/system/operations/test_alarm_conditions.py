"""Every alarm is driven over its edge and back by the condition itself, through the metrics as they
are collected: a venue that is killed, stopped, filled and halted; files; and, where a test may not
do it to the host that it runs on, the reading of the kernel's account.

VenueDead has a test in test_metrics.py, BreakerFired its in
tests/unit/venue/test_venue_protection.py,
FeedDown and FeedRestarted theirs in tests/system/durability/test_feed_down.py, ProcessDown and
ProcessRestarted in test_process_table.py, those of budgets in test_alarms.py.
"""

import json
import os
import signal
import socket
import threading
import time
from collections import namedtuple
from contextlib import suppress

import psutil
import pytest

from openoutcry.operations import metrics
from openoutcry.operations.alarms import ALARMS
from openoutcry.order_entry import soupbin
from openoutcry.pipeline.top import RunningPipeline, running
from openoutcry.ring import Segment
from openoutcry.runtime.histogram import record
from openoutcry.venue.desk import ask
from openoutcry.wire.enums import CommandKind, TimeInForce
from tests.support.console.console_venue import PASSWORD as OPERATORS_PASSWORD
from tests.support.operations import alarm_conditions as shared
from tests.support.operations.alarm_conditions import driven, looks
from tests.support.order_entry.sessions_venue import Client, enter
from tests.support.venue.served_venue import orders
from tests.support.waiting import BOUND_S

venue = shared.venue

ELSEWHERE = {
    "VenueDead", "BreakerFired", "SurveillanceCase", "FeedDown", "FeedRestarted", "MarketDataSlow",
    "ProcessDown", "ProcessRestarted", "BudgetBurnsFast", "BudgetBurnsSlowly",
}  # fmt: skip
"""MarketDataSlow is the condition of GatewaySlow for a stage that this venue does not have."""
UNIT = {
    "MemoryHigh", "MemoryCritical", "ClockOffsetHigh", "ClockOffsetCritical", "ReplicaBehind",
    "QuorumLost", "PortDown", "WalletShort", "ClockSetBack",
}  # fmt: skip
"""Driven in tests/unit/operations/test_alarm_conditions.py."""
pytestmark = pytest.mark.xdist_group("alarm_conditions")  # one venue


def pipeline_of(venue):
    (one,) = [one for one in running() if one.owner.pid == venue.process.pid]
    return one


def until(true):
    deadline = time.monotonic() + BOUND_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# The venue itself


def test_what_the_desk_switches_off(venue):
    risk = {
        "InstrumentHalted": "halted",
        "ParticipantKilled": "killed",
        "MarketKilled": "market_killed",
        "EmergencyClose": "emergency_step",
    }
    kill, enable = {"do": "kill"}, {"do": "enable"}
    steps = [
        (
            "InstrumentHalted",
            {"do": "halt", "instrument": "GOLD"},
            [{"do": "resume", "instrument": "GOLD"}],
        ),
        (
            "ParticipantKilled",
            kill | {"what": "participant", "name": "1"},
            [enable | {"what": "participant", "name": "1"}],
        ),
        ("MarketKilled", kill | {"what": "market"}, opened()),
        ("EmergencyClose", {"do": "emergency-close"}, opened()),
    ]
    for name, loud, quiet in steps:
        alarm, key = looks(name, venue), risk[name]
        assert not alarm.look()
        ask(venue.journal, loud)
        venue.wait_for(lambda status, key=key: bool(status["risk"].get(key)))
        assert alarm.look()
        for request in quiet:
            ask(venue.journal, request)
        venue.wait_for(lambda status, key=key: not status["risk"].get(key))
        assert not alarm.look()
    ask(venue.journal, enable | {"what": "participant", "name": "1"})
    for symbol in ("GOLD", "TIN"):
        ask(venue.journal, {"do": "resume", "instrument": symbol})
    venue.wait_for(lambda status: not status["risk"]["halted"] and not status["risk"]["killed"])
    venue.set_time("2026-01-05T10:05:00")
    venue.wait_for_phase("CONTINUOUS")


def opened():
    """Two operators open the market."""
    return [
        {"do": "enable", "what": "market", "operator": name, "password": OPERATORS_PASSWORD}
        for name in ("anna", "bert")
    ]


def test_a_book_that_fills(venue):
    """57 of 64 orders are not nine tenths, 58 are."""
    alarm = looks("BookNearlyFull", venue)
    bids = orders(1, 58, TimeInForce.GTC)
    venue.send(bids[:57])
    alarm.goes(False, 60)
    venue.send(bids[57:])
    alarm.goes(True, 60)
    cancels = bids.copy()
    cancels["kind"] = CommandKind.CANCEL
    venue.send(cancels)
    alarm.goes(False, 30)


def test_a_session_that_guesses_and_one_that_does_not_read(venue):
    locked, slow = looks("SessionLockedOut", venue), looks("SlowReaders", venue)
    assert not locked.look()
    until_s = time.monotonic() + BOUND_S
    while not locked.look():  # it is for two seconds, which a busy machine may let pass
        assert time.monotonic() < until_s
        for _ in range(2):
            Client(venue.ouch, "ONE", password="wrong").close()
        time.sleep(0.6)  # the status is written every half second
    venue.wait_for(lambda status: not any(row["locked"] for row in status["sessions"]))
    assert not locked.look()
    assert not slow.look()
    client = Client(venue.ouch, "ONE")
    assert client.answer[0] == "A", client.answer
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.socket.settimeout(BOUND_S)
    token = 0

    def cuts():
        return sum(row["slow"] for row in venue.status()["sessions"])

    while not cuts():
        batch = [
            soupbin.packet("U", enter(f"T{token + k}", "B", 5, "GOLD", 10_000, time_in_force=0))
            for k in range(2_000)
        ]
        token += len(batch)
        with suppress(ConnectionError, BrokenPipeError):
            client.socket.sendall(b"".join(batch))
    client.close()
    assert slow.look()
    slow.goes(False, 620)


def test_a_stage_that_dies_hangs_and_is_down(venue):
    one = pipeline_of(venue)

    def started(index):
        return one.stage_alive(index) and one.control.stage(index).ready_ns

    gate = one.table.index["gate"]
    again = looks("StageRestarted", venue)
    assert not again.look()
    before = one.control.stage(gate).restarts
    os.kill(one.control.stage(gate).pid, signal.SIGKILL)
    until(lambda: one.control.stage(gate).restarts > before and one.stage_alive(gate))
    assert again.look()
    again.goes(False, 620)
    down = looks("StageDown", venue)
    assert not down.look()
    os.kill(venue.process.pid, signal.SIGSTOP)  # nobody restarts it meanwhile
    os.kill(one.control.stage(gate).pid, signal.SIGKILL)
    until(lambda: not one.stage_alive(gate))
    down.goes(True, 30)
    os.kill(venue.process.pid, signal.SIGCONT)
    # Those that share its process too; one that starts has no heartbeat that could stand still.
    until(lambda: all(map(started, one.table.index.values())))
    down.goes(False, 20)
    hung = looks("StageStalled", venue)
    assert not hung.look()
    matcher = one.table.index["matcher"]
    commands = []

    def held_stalled():
        """The matcher stands with a command before it, and so does who would start it again."""
        pid = one.control.stage(matcher).pid
        stopped = [i for i in one.table.index.values() if one.control.stage(i).pid == pid]

        def stalled():
            return any(one.control.stage(index).stalled_ns > 0 for index in stopped)

        os.kill(pid, signal.SIGSTOP)
        halt = {"do": "halt", "instrument": "TIN"}
        commands.append(threading.Thread(target=ask, args=(venue.journal, halt)))
        commands[-1].start()
        until(lambda: stalled() or one.control.stage(matcher).pid != pid)
        os.kill(venue.process.pid, signal.SIGSTOP)
        if not stalled():  # it was started again before that, on a machine that is very busy
            os.kill(venue.process.pid, signal.SIGCONT)
            until(lambda: all(map(started, stopped)))
            return False
        return True

    assert held_stalled() or held_stalled() or held_stalled()
    assert hung.look()
    os.kill(venue.process.pid, signal.SIGCONT)
    until(lambda: not hung.look() and all(map(started, one.table.index.values())))
    for command in commands:
        command.join(BOUND_S)


@pytest.mark.parametrize(
    ("name", "stage", "limit_ns"),
    [("MatchingSlow", "matcher", 500), ("GatewaySlow", "gateway", 10_000)],
)
def test_a_latency_over_its_bound(venue, name, stage, limit_ns):
    """Into the histogram of the stage that runs, a nanosecond under the bound, then 3 % over it."""
    one = pipeline_of(venue)
    stamps = Segment.attach(one.stamps.name)
    words = next(words for row, words in one.histograms() if row.name == stage)
    offset = words.ctypes.data - one.stamps.address
    address = stamps.address + offset
    looks(name, venue).driven(
        lambda: record(address, limit_ns - limit_ns // 50, 50_000),
        lambda: record(address, limit_ns + limit_ns // 30, 50_000),
        110,
    )


def test_more_orders_than_are_promised(venue, monkeypatch):
    counted, real = [0], RunningPipeline.positions

    def positions(self):
        return real(self) | {"sequenced": counted[0]}

    def at(rate):
        return lambda: counted.__setitem__(0, counted[0] + int(rate * 10))

    monkeypatch.setattr(RunningPipeline, "positions", positions)
    looks("OrderRateHigh", venue).driven(at(14.99e6), at(15.01e6), 110)


# The host, as the kernel says it is

Times = namedtuple("Times", "user system nice irq softirq idle iowait steal")


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


# Files beside the journal


def test_a_ledger_that_differs_and_one_that_is_not_compared(venue):
    different, late = looks("LedgerDiscrepancy", venue), looks("ReconciliationLate", venue)
    (venue.journal / "ledger").mkdir()
    path = venue.journal / "ledger" / "reconciled.json"

    def write_reconciled(age_s, difference):
        row = {"seq": 50, "looked_s": time.time() - age_s, "difference": difference}
        path.write_text(json.dumps(row))

    for alarm in (different, late):
        write_reconciled(0, None)
        assert not alarm.look()
    write_reconciled(3_590, {"seq": 41, "event_seq": 60, "what": "x"})
    assert different.look()
    assert not late.look()
    write_reconciled(3_601, None)
    assert not different.look()
    assert late.look()
    write_reconciled(0, None)
    assert not late.look()


def test_a_disk_that_fills(venue, monkeypatch):
    """36 GB left and 10 MB a second: an hour.  A little less is no alarm."""
    Disk = namedtuple("Disk", "f_bavail f_frsize f_blocks")
    left, real = [36e9], os.statvfs

    def statvfs(path):
        ours = str(path).startswith(str(venue.journal))
        return Disk(int(left[0]), 1, int(1e11)) if ours else real(path)

    def filling(per_s):
        def step():
            left[0] -= per_s * 10

        return step

    monkeypatch.setattr(metrics.os, "statvfs", statvfs)
    alarm = looks("DiskFullInAnHour", venue)
    alarm.goes(False, 800, filling(1e6))
    alarm.goes(True, 800, filling(2e7))
    left[0] = 36e9
    alarm.goes(False, 1_300, filling(0))


def test_none_was_forgotten():
    """The last of this file: ``driven`` holds the alarms of the tests before it in this process."""
    if len(driven) > 15:  # else only some of them were asked for
        assert {one.name for one in ALARMS} - ELSEWHERE - UNIT == driven
