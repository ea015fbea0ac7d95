"""A ring between two processes: one publishes orders, the other reads them where they lie.

python examples/ring_between_processes.py [COUNT]
"""

import sys
from multiprocessing import get_context

import numpy as np

from openoutcry.ring import ProcessIdentity, RingBuffer
from openoutcry.ring.segment import segment_name
from openoutcry.wire import ORDER_DTYPE

BATCH = 64


def read(name: str) -> None:
    """In the second process: add up the quantities of all records."""
    ring = RingBuffer.attach(name, ORDER_DTYPE)
    count = lots = 0
    with ring.reader("sums") as reader:
        for batch in reader:  # views of the shared memory: nothing is copied
            count += len(batch)
            lots += int(batch["qty_lots"].sum())
    print(f"the reader has seen {count:,} orders of {lots:,} lots", flush=True)


def main() -> None:
    """Publish so many orders in batches, and wait for the reader."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    name = segment_name(ProcessIdentity.mine(), "example")
    orders = np.zeros(BATCH, ORDER_DTYPE)
    orders["qty_lots"] = 1
    with RingBuffer.create(name, 1 << 12, ORDER_DTYPE, ["sums"]) as ring:
        reader = get_context("fork").Process(target=read, args=(name,))
        reader.start()
        with ring.producer() as producer:
            for first in range(0, count, BATCH):
                producer.publish(orders[: min(BATCH, count - first)])  # waits for room
        ring.close()  # the reader ends where the records do
        reader.join()
    if reader.exitcode:
        raise SystemExit(f"the reader has ended with status {reader.exitcode}")


if __name__ == "__main__":
    main()
