"""In a process of its own, with a mount namespace: a cluster of which one node has a small disk."""

import ctypes
import json
import subprocess
import sys
import time
from pathlib import Path

from openoutcry.replica.cluster import Cluster, status_of
from openoutcry.replica.jetstream import JetStream, acknowledged
from openoutcry.replica.link import connect

CLONE_NEWNS, PRIVATE = 0x20000, 0x4000 | 0x40000
MESSAGES, BYTES = 800, 65_536
DISK = "24m"


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
        sent = done = 0
        while done < MESSAGES:
            while sent < MESSAGES and sent - done < 8:
                sent += 1
                stream.publish(sent, bytes(BYTES))
            link.wait(0.2)
            while (message := link.take()) is not None:
                acknowledged(message)
                done += 1
        while not cluster.disk_trouble(small):
            time.sleep(0.05)
        link.close()
        print(json.dumps({"done": done, "nodes": status_of(cluster)}))
    finally:
        cluster.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
