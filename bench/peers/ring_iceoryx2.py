"""The peer of our plain Python API: iceoryx2's bindings."""

import ctypes
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.bench.ring_loops import (
    PAYLOAD_BYTES,
    PAYLOADS,
    Cores,
    expect,
)
from openoutcry.host.processes import Rendezvous, run_processes


class Message(ctypes.Structure):
    """64 bytes, declared as iceoryx2's examples declare a payload."""

    _fields_ = (("words", ctypes.c_int64 * 8),)

    @staticmethod
    def type_name() -> str:
        """The name by which iceoryx2 compares the payloads of both sides."""
        return "outcry_bench_message"


def round_trip(cores: Cores, count: int) -> float:
    """Nanoseconds there and back over two publish-subscribe services, polled without a pause.

    Its files get a prefix and a folder that only this run uses.  Both are removed at the end,
    because iceoryx2 leaves its management segment for the next user.
    """
    folder = tempfile.mkdtemp(prefix="outcry-iox2-")
    prefix = f"outcry_iox2_{os.getpid()}_"
    meeting = Rendezvous()

    def ping() -> float:
        took_ns = np.zeros(2 * count, np.int64)
        clock = time.perf_counter_ns
        message = Message()
        place = memoryview(message).cast("B")
        _node, publisher, subscriber = _iceoryx2_ports(folder, prefix, "there", "back")
        meeting.meet(0, 1)
        for n in range(2 * count):
            payload = PAYLOADS[n & 1023]
            before = clock()
            place[:PAYLOAD_BYTES] = payload
            publisher.send_copy(message)
            while (sample := subscriber.receive()) is None:
                continue
            answer = ctypes.string_at(sample.payload_ptr, PAYLOAD_BYTES)
            sample.delete()
            took_ns[n] = clock() - before
            expect("iceoryx2", answer, n)
        meeting.meet(0, 2)
        return float(np.median(took_ns[count:]))

    def pong() -> None:
        message = Message()
        place = memoryview(message).cast("B")
        _node, publisher, subscriber = _iceoryx2_ports(folder, prefix, "back", "there")
        meeting.meet(1, 1)
        for n in range(2 * count):
            while (sample := subscriber.receive()) is None:
                continue
            payload = ctypes.string_at(sample.payload_ptr, PAYLOAD_BYTES)
            sample.delete()
            place[:PAYLOAD_BYTES] = payload
            publisher.send_copy(message)
            expect("iceoryx2", payload, n)
        meeting.meet(1, 2)

    try:
        figure, _ = run_processes("iceoryx2", [(cores[0], ping), (cores[1], pong)])
        return float(figure)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for path in Path("/dev/shm").glob(f"{prefix}*"):
            path.unlink(missing_ok=True)


def _iceoryx2_ports(folder: str, prefix: str, out: str, into: str) -> tuple[Any, Any, Any]:
    """A node, which must be kept as long as the others, a publisher and a subscriber."""
    import iceoryx2 as iox2

    iox2.set_log_level(iox2.LogLevel.Error)
    config = iox2.config.default()
    config.global_cfg.prefix = iox2.FileName.new(prefix)
    config.global_cfg.root_path = iox2.Path.new(folder)
    node = iox2.NodeBuilder.new().config(config).create(iox2.ServiceType.Ipc)

    def open_service(name: str) -> Any:
        builder = node.service_builder(iox2.ServiceName.new(name))
        return builder.publish_subscribe(Message).open_or_create()

    publisher = open_service(out).publisher_builder().create()
    subscriber = open_service(into).subscriber_builder().create()
    return node, publisher, subscriber
