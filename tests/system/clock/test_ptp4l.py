"""A real ptp4l, over a real (veth) link, on a grandmaster of known time: our interval holds it."""

import os
import shutil
import subprocess
import sys
import time
from functools import partial

import pytest

from openoutcry.ptp import management
from openoutcry.ptp.daemon import ClockDaemon, measure_nominal
from openoutcry.ptp.host import Machine
from openoutcry.ptp.page import UNBOUNDED_NS, ClockPage
from openoutcry.ptp.sources import KernelSource, LinuxptpSource
from openoutcry.wire.enums import ClockEvent, ClockFlag, ClockSource, ClockState
from tests import ROOT
from tests.support.ptp.ptp_grandmaster import IDENTITY, Behaviour, as_json
from tests.support.waiting import BOUND_S

GRANDMASTER = ROOT / "tests/support/ptp/ptp_grandmaster.py"
CONFIG = """
[global]
time_stamping software
slaveOnly 1
free_running 1
clock_servo nullf
logMinDelayReqInterval -3
uds_address {folder}/ptp4l
"""
NEEDED = ("ip", "ptp4l")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or any(shutil.which(name) is None for name in NEEDED),
    reason="needs root, iproute2 and linuxptp",
)


def ip(*words):
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Link:
    """Two network namespaces, the grandmaster in one and ptp4l in the other."""

    def __init__(self, folder):
        self.folder = folder
        self.names = [f"outcry-{side}-{os.getpid()}" for side in ("gm", "slave")]
        self.processes = []
        self.behaviour = Behaviour(
            t0_ns=time.time_ns(),
            offset_ns=-3_000_000,
            drift_ppb=4_000,
            forward_ns=40_000,
        )

    def __enter__(self):
        gm, slave = self.names
        for name in self.names:
            ip("netns", "add", name)
        ip(
            "link",
            "add",
            "ptp0",
            "netns",
            gm,
            "type",
            "veth",
            "peer",
            "name",
            "ptp0",
            "netns",
            slave,
        )
        for number, name in enumerate(self.names, start=1):
            ip("-n", name, "addr", "add", f"10.77.1.{number}/24", "dev", "ptp0")
            ip("-n", name, "link", "set", "ptp0", "up")
        self._run(gm, [sys.executable, str(GRANDMASTER), "ptp0", as_json(self.behaviour)])
        config = self.folder / "ptp4l.cfg"
        config.write_text(CONFIG.format(folder=self.folder))
        self._run(slave, ["ptp4l", "-f", str(config), "-i", "ptp0", "-q"])
        return self

    def _run(self, name, command):
        self.processes.append(
            subprocess.Popen(
                ["ip", "netns", "exec", name, *command], stdin=subprocess.PIPE, text=True
            )
        )

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
            process.stdin.close()
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], check=False)

    @property
    def socket(self):
        return str(self.folder / "ptp4l")

    def change(self, **values):
        """Have the grandmaster behave so from now on."""
        for name, value in values.items():
            setattr(self.behaviour, name, value)
        self.processes[0].stdin.write(as_json(self.behaviour) + "\n")
        self.processes[0].stdin.flush()


class Clock:
    """The daemon on this machine, following that ptp4l."""

    def __init__(self, link, table, writer):
        host = Machine()
        nominal_ns = measure_nominal(host)
        self.events = []
        self.readings = 0
        sources = [LinuxptpSource(nominal_ns, link.socket), KernelSource(nominal_ns)]
        self.daemon = ClockDaemon(
            host,
            sources,
            table,
            writer,
            nominal_ns,
            listener=lambda event, _: self.events.append(event),
        )
        self.page = ClockPage(writer.segment)
        self.behaviour = link.behaviour

    def run(self, until, timeout_s=BOUND_S, step_ns=0):
        """Step until ``until()``; returns readings and how many missed the grandmaster's time
        (without a step that it has made since: what is true of a step nobody knows)."""
        readings = misses = 0
        deadline = time.monotonic() + timeout_s
        while not until():
            assert time.monotonic() < deadline, (self.daemon.status, self.events)
            self.daemon.step()
            time.sleep(0.1)
            if self.daemon.status.source is ClockSource.LINUXPTP:
                readings += 1
                self.readings += 1
                misses += not self._holds(step_ns)
        return readings, misses

    def after_readings(self, count):
        """A condition that holds after ``count`` more readings of the grandmaster's time: one that
        a busy machine keeps silent for a while is waited for."""
        wanted = self.readings + count
        return lambda: self.readings >= wanted

    def _holds(self, step_ns):
        before = self.behaviour.tai_ns(time.time_ns()) - step_ns
        interval = self.page.now()
        after = self.behaviour.tai_ns(time.time_ns()) - step_ns
        return interval.earliest_tai_ns <= after and before <= interval.latest_tai_ns


@pytest.fixture
def link(tmp_path):
    with Link(tmp_path) as namespaces:
        yield namespaces


def test_our_interval_holds_a_real_grandmasters_time(link, table, writer):
    """An offset of 3 ms, a drift of 4 ppm, 40 us of asymmetry: the interval holds its time at every
    reading.  Then it steps by 5 ms and the interval holds both; it is silent, and we hold over."""
    clock = Clock(link, table, writer)
    clock.run(lambda: clock.daemon.status.source is ClockSource.LINUXPTP)
    readings, misses = clock.run(clock.after_readings(20))
    status = clock.daemon.status
    assert (readings, misses) == (20, 0)
    assert status.state is ClockState.LOCKED
    assert status.grandmaster == int.from_bytes(IDENTITY)
    assert ClockFlag.RTS25 in status.flags
    assert status.bound_ns > 20_000, "the asymmetry is granted"

    link.change(step_ns=5_000_000)
    _, misses = clock.run(lambda: ClockEvent.STEP in clock.events, step_ns=5_000_000)
    assert misses == 0
    assert clock._holds(0)
    assert clock._holds(5_000_000)
    assert clock.daemon.status.state is ClockState.HOLDOVER

    link.change(step_ns=0)
    clock.run(lambda: ClockFlag.DOUBTED not in clock.daemon.status.flags)
    link.change(silent=True)
    _, misses = clock.run(lambda: clock.daemon.status.state is ClockState.HOLDOVER)
    assert misses == 0


def test_a_real_grandmaster_that_jitters_beyond_its_word(link, table, writer):
    """It claims 25 ns and is all over 100 us: what is seen of it is in the bound, and its true time
    in the interval."""
    link.change(accuracy=0x20, jitter_ns=30_000.0)
    clock = Clock(link, table, writer)
    clock.run(lambda: clock.daemon.status.source is ClockSource.LINUXPTP)
    # So many until the worst of it has been seen.
    clock.run(clock.after_readings(30))
    readings, misses = clock.run(clock.after_readings(20))
    assert (readings, misses) == (20, 0)
    assert clock.daemon.status.bound_ns > 30_000


def test_a_real_grandmaster_with_ptp4ls_defaults_is_not_trusted(link, table, writer):
    """Class 248, accuracy 0xFE, not traceable: free running without a bound, whatever the jitter;
    locked once it says what it is, free running again once it is degraded."""
    link.change(clock_class=248, accuracy=0xFE, flags=0x0C)
    clock = Clock(link, table, writer)
    follower = clock.daemon.followers[0]
    clock.run(lambda: follower.calibration.ready)
    last = follower.calibration.samples[-1]
    assert (last.held, last.traceable) == (False, False)
    assert follower.calibration.bound_ns(last.ticks) >= UNBOUNDED_NS
    assert clock.daemon.status.source is not ClockSource.LINUXPTP
    assert ClockFlag.RTS25 not in clock.daemon.status.flags

    link.change(clock_class=6, accuracy=0x21, flags=0x3C)
    clock.run(lambda: ClockFlag.RTS25 in clock.daemon.status.flags)
    link.change(clock_class=187)
    clock.run(lambda: ClockFlag.RTS25 not in clock.daemon.status.flags)
    assert clock.daemon.status.source is not ClockSource.LINUXPTP


def test_ptp4l_is_asked_for_what_it_knows(link):
    """Every data set that the daemon reads comes as this grandmaster announces it."""
    until = time.monotonic() + BOUND_S
    while True:
        try:
            status = management.time_status(management.ask(link.socket, management.TIME_STATUS_NP))
            if status.gm_present and status.ingress_time_ns:
                break
        except management.ManagementError:
            assert time.monotonic() < until
        time.sleep(0.1)
    assert status.gm_identity == int.from_bytes(IDENTITY)
    ask = partial(management.ask, link.socket, timeout_s=BOUND_S)
    parent = management.parent(ask(management.PARENT_DATA_SET))
    assert (parent.clock_class, parent.accuracy_ns) == (6, 100)
    assert management.time_properties(ask(management.TIME_PROPERTIES_DATA_SET)).utc_offset_s == 37
    assert management.interface(ask(management.PORT_PROPERTIES_NP)) == "ptp0"
    assert management.port_state(ask(management.PORT_DATA_SET)) in management.LISTENING
    with pytest.raises(management.ManagementError, match="refuses"):
        ask(0x2FFF)
