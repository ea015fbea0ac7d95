"""wire/memory.py: each intrinsic does to memory what its name says, and nothing beside it."""

import mmap
import multiprocessing
import socket

import numpy as np

from openoutcry.wire import memory
from openoutcry.wire.kernel import kernel
from tests.support.wire.wire_memory import consume, handover_lines, produce, send


@kernel
def receive(fd, messages, count):
    return memory.recvmmsg(fd, messages, count, 0)


def consume_in_child(shared, rounds, answer):
    lines = handover_lines(np.frombuffer(shared, "u1").ctypes.data)
    answer.put(consume(*lines, rounds))


def test_release_and_acquire_hand_over_between_processes():
    """The same through a page that two processes map at addresses of their own."""
    shared = mmap.mmap(-1, 4096)
    lines = handover_lines(np.frombuffer(shared, "u1").ctypes.data)
    fork = multiprocessing.get_context("fork")
    answer = fork.SimpleQueue()
    child = fork.Process(target=consume_in_child, args=(shared, 20_000, answer))
    child.start()
    stuck = produce(*lines, 20_000)
    child.join()
    assert (stuck, child.exitcode) == (0, 0)
    assert answer.get() == 0


MESSAGE_DTYPE = np.dtype(
    [
        ("name", "<u8"),
        ("name_bytes", "<u8"),
        ("iov", "<u8"),
        ("iov_count", "<u8"),
        ("control", "<u8"),
        ("control_bytes", "<u8"),
        ("flags", "<u8"),
        ("received_bytes", "<u8"),
    ]
)
"""struct mmsghdr on a 64-bit Linux; 32-bit members with their padding."""


def test_datagrams_go_out_and_come_in():
    """What sendto sends, to an address or over a connected socket, recvmmsg gives back in order
    with its length; with nothing there it says -1."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inbound,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outbound,
    ):
        inbound.bind(("127.0.0.1", 0))
        inbound.setblocking(False)
        space = np.zeros((4, 128), dtype="u1")
        vectors = np.array([[row.ctypes.data, 128] for row in space], dtype="<u8")
        messages = np.zeros(4, dtype=MESSAGE_DTYPE)
        messages["iov"] = vectors.ctypes.data + 16 * np.arange(4, dtype="u8")
        messages["iov_count"] = 1
        assert receive(inbound.fileno(), messages.ctypes.data, 4) == -1

        payload = np.arange(100, dtype="u1")
        port = inbound.getsockname()[1]
        address = np.frombuffer(
            np.uint16(socket.AF_INET).tobytes()
            + port.to_bytes(2, "big")
            + socket.inet_aton("127.0.0.1")
            + bytes(8),
            dtype="u1",
        )
        data = payload.ctypes.data
        assert send(outbound.fileno(), data, 100, address.ctypes.data, 16) == 100
        outbound.connect(inbound.getsockname())
        assert send(outbound.fileno(), data + 50, 10, 0, 0) == 10

        assert receive(inbound.fileno(), messages.ctypes.data, 4) == 2
        assert messages["received_bytes"].tolist() == [100, 10, 0, 0]
        assert space[0, :100].tolist() == list(range(100))
        assert space[1, :10].tolist() == list(range(50, 60))
