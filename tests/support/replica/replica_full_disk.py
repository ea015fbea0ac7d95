"""In a process of its own, with a mount namespace: a cluster of which one node has a small disk."""

import ctypes
import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from openoutcry.replica.cluster import Cluster, status_of
from openoutcry.replica.jetstream import JetStream, acknowledged
from openoutcry.replica.link import Link, connect
from openoutcry.wire.errors import ReplicaError, Unreachable

CLONE_NEWNS, PRIVATE = 0x20000, 0x4000 | 0x40000
MESSAGES, BYTES = 800, 65_536
DISK = "24m"


def fill(link: Link, stream: JetStream) -> None:
    """Every message into the stream, each once.  The full node may have been the leader: until
    there is another one, nobody takes any, and what was taken is asked for."""
    sent = done = 0
    heard_s = time.monotonic()
    while done < MESSAGES:
        try:
            while sent < MESSAGES and sent - done < 8:
                sent += 1
                stream.publish(sent, bytes(BYTES))
            link.wait(0.2)
            while (message := link.take()) is not None:
                done = max(done, acknowledged(message))
                heard_s = time.monotonic()
            if time.monotonic() - heard_s > 10:
                raise Unreachable("no answer")
        except ReplicaError:
            time.sleep(0.2)
            with suppress(ReplicaError):
                sent = done = stream.tail().last
                heard_s = time.monotonic()


def main(folder: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(CLONE_NEWNS) == 0
    assert libc.mount(b"none", b"/", None, PRIVATE, None) == 0
    cluster = Cluster.make(folder)
    small = cluster.nodes[2]
    store = cluster.store_of(small)
    store.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(store)], check=True)
    try:
        cluster.start()
        cluster.wait_ready(300)
        link = connect(cluster.access)
        stream = JetStream(link, "FULL")
        stream.open()
        fill(link, stream)
        while not cluster.disk_trouble(small):
            time.sleep(0.05)
        link.close()
        print(json.dumps({"done": MESSAGES, "nodes": status_of(cluster)}))
    finally:
        cluster.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
