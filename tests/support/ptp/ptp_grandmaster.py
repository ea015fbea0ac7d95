"""A small grandmaster whose time is known: PTPv2 over UDP/IPv4, two-step, end to end.

Its time is a line over this machine's CLOCK_REALTIME, which the test knows too, so the true error
of everything that follows it can be told.  Delays of the path and their asymmetry are put into the
time stamps.  Run it inside a network namespace: ``python ptp_grandmaster.py INTERFACE JSON``; the
JSON object holds the fields of :class:`Behaviour`, and a new one on standard input changes them.
"""

import json
import os
import random
import select
import socket
import struct
import sys
import time
from dataclasses import asdict, dataclass

HEADER = struct.Struct(">BBHBBHq4s8sHHBb")
SYNC, DELAY_REQ, FOLLOW_UP, DELAY_RESP, ANNOUNCE = 0x0, 0x1, 0x8, 0x9, 0xB
GROUP, EVENT_PORT, GENERAL_PORT = "224.0.1.129", 319, 320
SO_TIMESTAMPING = 37
STAMP_FLAGS = 1 << 1 | 1 << 3 | 1 << 4 | 1 << 11  # tx, rx, software, time stamps only
IDENTITY = bytes.fromhex("00c0ffeefe00c10c")
SECOND_NS = 1_000_000_000


@dataclass
class Behaviour:
    """What this grandmaster does; all times in ns."""

    t0_ns: int = 0
    offset_ns: int = 0
    drift_ppb: int = 0
    tai_offset_s: int = 37
    forward_ns: int = 0
    """Delay added on the way to the slave: what no measurement can tell from an offset."""
    back_ns: int = 0
    silent: bool = False
    step_ns: int = 0
    jitter_ns: float = 0.0
    """Standard deviation of what its Sync messages are off by, all errors alike up to a bound: what
    was seen of it is then all that there is."""
    clock_class: int = 6
    accuracy: int = 0x21
    flags: int = 0x3C
    leap61: bool = False

    def tai_ns(self, realtime_ns: int) -> int:
        """Its time when CLOCK_REALTIME reads ``realtime_ns``."""
        drifted = (realtime_ns - self.t0_ns) * self.drift_ppb // SECOND_NS
        return realtime_ns + self.tai_offset_s * SECOND_NS + self.offset_ns + drifted + self.step_ns


def _stamp(ns):
    seconds, nanos = divmod(ns, SECOND_NS)
    return struct.pack(">HII", seconds >> 32, seconds & 0xFFFFFFFF, nanos)


class Grandmaster:
    def __init__(self, interface, behaviour):
        self.behaviour = behaviour
        self.sequence = {SYNC: 0, ANNOUNCE: 0}
        self.event = self._socket(interface, EVENT_PORT)
        self.general = self._socket(interface, GENERAL_PORT)
        self.event.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, STAMP_FLAGS)

    @staticmethod
    def _socket(interface, port):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        udp.bind(("", port))
        member = struct.pack(
            "=4s4si", socket.inet_aton(GROUP), b"\0" * 4, socket.if_nametoindex(interface)
        )
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, member)
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        return udp

    def _message(self, kind, body, sequence, flags=0, control=5, interval=0):
        header = HEADER.pack(
            kind,
            2,
            HEADER.size + len(body),
            0,
            0,
            flags,
            0,
            b"",
            IDENTITY,
            1,
            sequence,
            control,
            interval,
        )
        return header + body

    def announce(self):
        b = self.behaviour
        body = _stamp(0) + struct.pack(
            ">hBBBBHB8sHB",
            b.tai_offset_s,
            0,
            1,
            b.clock_class,
            b.accuracy,
            0x4E5D,
            1,
            IDENTITY,
            0,
            0x20,
        )
        flags = b.flags | (1 if b.leap61 else 0)
        self.sequence[ANNOUNCE] += 1
        sequence = self.sequence[ANNOUNCE] & 0xFFFF
        self.general.sendto(
            self._message(ANNOUNCE, body, sequence, flags, 5, -3), (GROUP, GENERAL_PORT)
        )

    def sync(self):
        self.sequence[SYNC] += 1
        sequence = self.sequence[SYNC] & 0xFFFF
        sent = self._message(SYNC, _stamp(0), sequence, 0x0200, 0, -3)
        self.event.sendto(sent, (GROUP, EVENT_PORT))
        at = self._sent_ns()
        if at is None:
            return
        most_ns = self.behaviour.jitter_ns * 3**0.5
        off_ns = round(random.uniform(-most_ns, most_ns))
        origin = self.behaviour.tai_ns(at) - self.behaviour.forward_ns + off_ns
        follow = self._message(FOLLOW_UP, _stamp(origin), sequence, 0, 2, -3)
        self.general.sendto(follow, (GROUP, GENERAL_PORT))

    def _sent_ns(self):
        """When the kernel gave the last packet to the wire; packets whose stamp does not come are
        left without a follow-up."""
        poll = select.poll()
        poll.register(self.event, 0)
        if not poll.poll(20):
            return None
        return _time_of(self.event.recvmsg(256, 1024, socket.MSG_ERRQUEUE)[1])

    def answer(self):
        data, control, _, _ = self.event.recvmsg(256, 1024, socket.MSG_DONTWAIT)
        if len(data) < HEADER.size or data[0] & 0xF != DELAY_REQ or self.behaviour.silent:
            return
        at = _time_of(control)
        if at is None:
            return
        fields = HEADER.unpack_from(data)
        port, number, sequence = fields[8], fields[9], fields[10]
        received = self.behaviour.tai_ns(at) + self.behaviour.back_ns
        body = _stamp(received) + struct.pack(">8sH", port, number)
        self.general.sendto(
            self._message(DELAY_RESP, body, sequence, 0, 3, -3), (GROUP, GENERAL_PORT)
        )

    def run(self):
        poll = select.poll()
        poll.register(self.event, select.POLLIN)
        poll.register(sys.stdin, select.POLLIN)
        due = {self.announce: 0.0, self.sync: 0.0}
        while True:
            now = time.monotonic()
            for action, at in due.items():
                if now >= at:
                    due[action] = now + 0.125
                    if not self.behaviour.silent:
                        action()
            for fd, what in poll.poll(max(1, int(1000 * (min(due.values()) - now)))):
                if fd == self.event.fileno() and what & select.POLLIN:
                    self.answer()
                elif fd == sys.stdin.fileno():
                    line = os.read(fd, 65536)
                    if not line:
                        return
                    self.behaviour = Behaviour(**json.loads(line.splitlines()[-1]))


def _time_of(control):
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPING:
            seconds, nanos = struct.unpack_from("=qq", data)
            return seconds * SECOND_NS + nanos
    return None


if __name__ == "__main__":
    Grandmaster(sys.argv[1], Behaviour(**json.loads(sys.argv[2]))).run()


def as_json(behaviour):
    return json.dumps(asdict(behaviour))
