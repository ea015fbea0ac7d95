"""ptp/sources.py, management.py, host.py: what the kernel, ptp4l and chrony say becomes samples
whose error holds the truth, and what makes no sense is silence with a reason."""

import socket
import struct
import threading
from contextlib import suppress

import pytest

from openoutcry.ptp import management
from openoutcry.ptp.host import KernelClock, Machine, SourceSilent
from openoutcry.ptp.leap import SECOND_NS
from openoutcry.ptp.sources import (
    PTP_SYS_OFFSET,
)

# The real machine


def test_this_machine_answers():
    """Every reading that needs no device works here, and none changes a clock."""
    real = Machine()
    before = real.kernel()
    first, last = real.realtime(), real.realtime()
    assert first.before <= first.after <= last.before
    assert 0 <= last.ns - first.ns < SECOND_NS
    assert real.raw().ns > 0
    assert real.asleep_ns() > -SECOND_NS
    assert isinstance(real.kernel(), KernelClock)
    assert real.kernel().status == before.status
    with pytest.raises(OSError, match="/dev/ptp-nothing"):
        real.device("/dev/ptp-nothing", PTP_SYS_OFFSET, bytearray(1))
    with pytest.raises(SourceSilent, match="no ptp4l at /nowhere"):
        real.manage("/nowhere", management.TIME_STATUS_NP)


@pytest.mark.parametrize(
    ("ports", "port_state"),
    [((6, 9, 6), "slave"), ((9, 6), "slave"), ((6, 8), "uncalibrated"), ((6, 2), "master")],
)
def test_a_boundary_clock_is_asked_for_the_port_that_listens(
    tmp_path, monkeypatch, ports, port_state
):
    """It answers for every port: the one that follows the grandmaster counts, if there is one."""
    if port_state in management.LISTENING:  # else the answers end when no more come for a while
        monkeypatch.setattr(management, "MORE_PORTS_S", 60.0)
    path = str(tmp_path / "ptp4l")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as clock:
        clock.bind(path)

        def answer():
            query, who = clock.recvfrom(2048)
            head = query[: management.HEADER.size + management.MANAGEMENT.size]
            for number, state in enumerate(ports, start=1):
                data = struct.pack(">8sHBB", b"", number, state, 0)
                tlv = management.TLV.pack(
                    management.TLV_MANAGEMENT, 2 + len(data), management.PORT_DATA_SET
                )
                with suppress(OSError):  # who has heard enough is gone
                    clock.sendto(head + tlv + data, who)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            assert (
                management.port_state(management.ask(path, management.PORT_DATA_SET, 60.0))
                == port_state
            )
        finally:
            thread.join()
