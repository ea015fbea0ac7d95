"""Ask a running ptp4l what it knows, over its Unix socket (IEEE 1588-2019, clause 15; GET only)."""

import os
import socket
import struct
import tempfile
from dataclasses import dataclass
from typing import Any

from openoutcry.ptp.page import UNBOUNDED_NS
from openoutcry.wire import OutcryError
from openoutcry.wire.enums import ClockState

CURRENT_DATA_SET = 0x2001
PARENT_DATA_SET = 0x2002
TIME_PROPERTIES_DATA_SET = 0x2003
PORT_DATA_SET = 0x2004
TIME_STATUS_NP = 0xC000
"""linuxptp's own: offset and time of the last measurement."""
PORT_PROPERTIES_NP = 0xC004
"""linuxptp's own: time stamping and interface of a port."""

TIMEOUT_S = 1.0
MORE_PORTS_S = 0.01
"""ptp4l answers for all its ports at once."""
HEADER = struct.Struct(">BBHBBHq4s8sHHBb")
MANAGEMENT = struct.Struct(">8sHBBBB")
TLV = struct.Struct(">HHH")
TYPE_MANAGEMENT = 0x0D
VERSION = 2
TLV_MANAGEMENT, TLV_ERROR = 1, 2
EVERYBODY = b"\xff" * 8

LEAP61, LEAP59, UTC_VALID, PTP_TIMESCALE, TIME_TRACEABLE, FREQUENCY_TRACEABLE = (
    1 << bit for bit in range(6)
)
"""Flags of the time properties data set."""

PORT_STATES = (
    "none",
    "initializing",
    "faulty",
    "disabled",
    "listening",
    "pre-master",
    "master",
    "passive",
    "uncalibrated",
    "slave",
)

LISTENING = ("uncalibrated", "slave")

ACCURACY_NS = {
    0x17 + index: -(-tenths * thousand // 10_000)
    for index, (thousand, tenths) in enumerate(
        (thousand, tenths)
        for thousand in (1, 10**3, 10**6, 10**9, 10**12)
        for tenths in (10, 25, 100, 250, 1000, 2500)
    )
    if 0x17 + index <= 0x2F
} | {0x30: 10**10}
"""clockAccuracy (IEEE 1588-2019, table 5) in ns, rounded up: 0x17 1 ps, 0x20 25 ns, 0x21 100 ns,
0x23 1 us, 0x2F 1 s, 0x30 10 s.  What is missing says nothing."""


@dataclass(frozen=True)
class ClockClass:
    """What a clockClass says of a grandmaster: ``meaning`` for people, and ``state``, the best that
    a clock which follows it can be in."""

    meaning: str
    state: ClockState


CLOCK_CLASSES = {
    6: ClockClass("locked to a primary reference", ClockState.LOCKED),
    7: ClockClass("in holdover, within its specification", ClockState.HOLDOVER),
    13: ClockClass("locked to an application's own time", ClockState.FREE_RUNNING),
    14: ClockClass("in holdover on an application's own time", ClockState.FREE_RUNNING),
    52: ClockClass("degraded from class 7, alternative A", ClockState.FREE_RUNNING),
    58: ClockClass("degraded from class 14, alternative A", ClockState.FREE_RUNNING),
    187: ClockClass("degraded from class 7, alternative B", ClockState.FREE_RUNNING),
    193: ClockClass("degraded from class 14, alternative B", ClockState.FREE_RUNNING),
    248: ClockClass("default: nothing is said of it", ClockState.FREE_RUNNING),
    255: ClockClass("follows others only", ClockState.FREE_RUNNING),
}
"""clockClass (IEEE 1588-2019, table 4).  One that is missing is reserved, or a profile's own."""
OTHER_CLASS = ClockClass("reserved, or a profile's own", ClockState.FREE_RUNNING)


def grandmaster_quality(
    clock_class: int, traceable: bool, accuracy_ns: int | None
) -> tuple[ClockState, int]:
    """Return the best state that a clock can be in which follows such a grandmaster, and how far
    the grandmaster may be off, in ns.

    All three must be right: the class, the ``timeTraceable`` flag and a stated accuracy.  Otherwise
    it vouches for nothing: free running, :data:`UNBOUNDED_NS`.
    """
    state = CLOCK_CLASSES.get(clock_class, OTHER_CLASS).state
    if state is ClockState.FREE_RUNNING or not traceable or accuracy_ns is None:
        return ClockState.FREE_RUNNING, UNBOUNDED_NS
    return state, accuracy_ns


class ManagementError(OutcryError):
    """ptp4l did not answer as it should."""


@dataclass(frozen=True)
class TimeStatus:
    """``TIME_STATUS_NP``."""

    master_offset_ns: int
    ingress_time_ns: int
    gm_present: bool
    gm_identity: int


@dataclass(frozen=True)
class Parent:
    """The part of ``PARENT_DATA_SET`` that is about the grandmaster's quality."""

    clock_class: int
    accuracy_ns: int | None
    identity: int


@dataclass(frozen=True)
class TimeProperties:
    """``TIME_PROPERTIES_DATA_SET``: TAI less UTC in seconds, and its flags."""

    utc_offset_s: int
    flags: int


def message(identifier: int, sequence: int = 0, domain: int = 0) -> bytes:
    """A GET of one data set, to all clocks."""
    length = HEADER.size + MANAGEMENT.size + TLV.size
    header = HEADER.pack(
        TYPE_MANAGEMENT,
        VERSION,
        length,
        domain,
        0,
        0,
        0,
        b"",
        b"outcry\0\0",
        os.getpid() & 0xFFFF,
        sequence,
        4,
        0x7F,
    )
    return header + MANAGEMENT.pack(EVERYBODY, 0xFFFF, 0, 0, 0, 0) + TLV.pack(1, 2, identifier)


def body(answer: bytes, identifier: int) -> bytes:
    """Return the content of an answer. Raises :class:`ManagementError`."""
    start = HEADER.size + MANAGEMENT.size
    if len(answer) < start + TLV.size or answer[0] & 0x0F != TYPE_MANAGEMENT:
        raise ManagementError(
            f"ptp4l answered with {len(answer)} bytes that are not a management message"
        )
    kind, length, answered = TLV.unpack_from(answer, start)
    if kind == TLV_ERROR:
        raise ManagementError(f"ptp4l refuses data set {identifier:#06x} (error {answered})")
    if kind != TLV_MANAGEMENT or answered != identifier:
        raise ManagementError(f"ptp4l answered {answered:#06x} when asked for {identifier:#06x}")
    return answer[start + TLV.size : start + 4 + length]


def ask(path: str, identifier: int, timeout_s: float = TIMEOUT_S) -> bytes:
    """One question to the ptp4l whose socket is at ``path``.

    Of a boundary clock's ports, which all answer, the one that listens to the grandmaster.
    """
    with (
        tempfile.TemporaryDirectory(prefix="outcry-clock-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line,
    ):
        line.bind(os.path.join(folder, "pmc"))
        line.settimeout(timeout_s)
        try:
            line.sendto(message(identifier), path)
            first = body(line.recv(2048), identifier)
            if identifier != PORT_DATA_SET or port_state(first) in LISTENING:
                return first
            return _listening_port(line) or first
        except TimeoutError:
            raise ManagementError(f"ptp4l at {path} does not answer") from None
        except OSError as error:
            raise ManagementError(f"no ptp4l at {path}: {error.strerror}") from None


def _listening_port(line: socket.socket) -> bytes | None:
    """The answer of the port that follows another, if it is among those still to come."""
    line.settimeout(MORE_PORTS_S)
    try:
        while port_state(state := body(line.recv(2048), PORT_DATA_SET)) not in LISTENING:
            pass
    except TimeoutError:
        return None
    return state


def _unpack(form: str, data: bytes, what: str) -> tuple[Any, ...]:
    try:
        return struct.unpack_from(form, data)
    except struct.error:
        raise ManagementError(f"{what} has {len(data)} bytes, too few") from None


def time_status(data: bytes) -> TimeStatus:
    """Parse ptp4l's TIME_STATUS_NP."""
    form = ">qqiiHHQHi8s"
    offset, ingress, _, _, _, _, _, _, present, identity = _unpack(form, data, "TIME_STATUS_NP")
    return TimeStatus(offset, ingress, bool(present), int.from_bytes(identity))


def path_delay_ns(data: bytes) -> int:
    """Mean path delay of ``CURRENT_DATA_SET``, rounded up; it is kept in 2**-16 ns."""
    _, _, delay = _unpack(">Hqq", data, "CURRENT_DATA_SET")
    return max(0, -(-delay // 65_536))


def parent(data: bytes) -> Parent:
    """Parse ptp4l's PARENT_DATA_SET."""
    fields = _unpack(">8sHBBHiBBBHB8s", data, "PARENT_DATA_SET")
    clock_class, accuracy, identity = fields[7], fields[8], fields[11]
    return Parent(clock_class, ACCURACY_NS.get(accuracy), int.from_bytes(identity))


def time_properties(data: bytes) -> TimeProperties:
    """Parse ptp4l's TIME_PROPERTIES_DATA_SET."""
    offset_s, flags = _unpack(">hB", data, "TIME_PROPERTIES_DATA_SET")
    return TimeProperties(offset_s, flags)


def port_state(data: bytes) -> str:
    """One of :data:`PORT_STATES`, by ``PORT_DATA_SET``."""
    _, _, state = _unpack(">8sHB", data, "PORT_DATA_SET")
    return PORT_STATES[state] if state < len(PORT_STATES) else f"{state}"


def interface(data: bytes) -> str:
    """The network interface of ``PORT_PROPERTIES_NP``."""
    *_, length = _unpack(">8sHBBB", data, "PORT_PROPERTIES_NP")
    name = data[13 : 13 + length]
    if not length or len(name) < length:
        raise ManagementError(f"PORT_PROPERTIES_NP has {len(data)} bytes, too few")
    return name.decode("ascii", "replace")
