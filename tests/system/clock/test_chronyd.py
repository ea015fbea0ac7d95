"""A real chronyd that steers nothing (-x), told by a reference clock how wrong this machine is."""

import shutil
import socket
import struct
import subprocess
import time

import pytest

from openoutcry.ptp import host
from openoutcry.ptp.daemon import measure_nominal
from openoutcry.ptp.sources import ChronySource
from openoutcry.wire.enums import ClockSource
from tests.support.waiting import BOUND_S

CONFIG = """
refclock SOCK {folder}/clock refid TST poll 0 filter 2 delay 0.0002
cmdport 0
port 0
bindcmdaddress {folder}/chronyd.sock
pidfile {folder}/pid
"""
SLOW_S = 0.001
MAGIC = 0x534F434B
pytestmark = pytest.mark.skipif(
    shutil.which("chronyd") is None or shutil.which("chronyc") is None,
    reason="chrony is not installed",
)


def tell(path):
    """One sample of the reference clock: the system clock is slow by a millisecond."""
    now = time.time_ns()
    seconds, micros = now // 10**9, now % 10**9 // 1000
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.sendto(struct.pack("=qqdiiii", seconds, micros, SLOW_S, 0, 0, 0, MAGIC), str(path))


@pytest.fixture
def chronyd(tmp_path, monkeypatch):
    tmp_path.chmod(0o750)
    config = tmp_path / "chrony.conf"
    config.write_text(CONFIG.format(folder=tmp_path))
    monkeypatch.setattr(
        host, "CHRONYC", ("chronyc", "-h", str(tmp_path / "chronyd.sock"), "-n", "-c", "tracking")
    )
    process = subprocess.Popen(
        ["chronyd", "-x", "-d", "-u", "root", "-f", str(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield tmp_path
    process.terminate()
    process.wait(BOUND_S)


def test_a_real_chronys_correction_is_taken(chronyd, table):
    """Its report says slow by a millisecond: so much is added to the system clock, and root delay
    and dispersion are granted."""
    machine, until, sample = host.Machine(), time.monotonic() + BOUND_S, None
    nominal_ns = measure_nominal(machine)
    while sample is None:
        assert time.monotonic() < until
        time.sleep(0.25)
        try:
            tell(chronyd / "clock")
            sample = ChronySource(nominal_ns).sample(machine, table)
        except (OSError, host.SourceSilent):
            continue
    now = machine.realtime()
    then_ns = now.ns - round((now.middle - sample.ticks) * nominal_ns)
    ahead_ns = sample.tai_ns - table.tai_of(then_ns)
    assert sample.source is ClockSource.CHRONY
    assert sample.held
    assert sample.error_ns >= 100_000
    assert abs(ahead_ns - SLOW_S * 1e9) < sample.error_ns + 100_000
    assert sample.grandmaster == int.from_bytes(b"TST\0")
