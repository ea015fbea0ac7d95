"""What sessions keep in memory and files: notes packed and given back, rows by number, tokens found
exactly, the stream store through deaths; each fast kernel against its slow reference."""

import os
import signal

from openoutcry.order_entry import stream
from tests.support.order_entry.sessions_tables import put


def test_a_stream_outlives_its_killed_writer(tmp_path):
    """Killed in mid-append, over and over: what is counted is whole, and what is made again is the
    same."""
    path = tmp_path / "s.stream"
    messages = [bytes([n % 251]) * (1 + n % 40) for n in range(50_000)]
    for attempt in range(3):
        store = stream.Stream(path, 1)
        before = store[stream.COUNT]
        child = os.fork()
        if child == 0:
            for n, message in enumerate(messages):
                put(store, message, n)
            os._exit(0)
        while store[stream.COUNT] < min(before + 3_000 * (attempt + 1), 49_000):
            pass
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    store = stream.Stream(path, 1)
    count = store[stream.COUNT]
    assert count >= 3_000
    for n in range(count):
        assert put(store, messages[n], n) == n + 1
    assert store[stream.DIFFERENT] == 0
