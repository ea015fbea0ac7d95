"""Processes that own, read and write the rings which tests look at from outside."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from openoutcry.ring import ProcessIdentity, RingBuffer
from openoutcry.ring.listing import (
    RingInfo,
    list_rings,
)
from openoutcry.ring.segment import segment_name
from openoutcry.wire import ORDER_DTYPE

PRELUDE = """
import os, signal, sys, time
import numpy as np
from openoutcry.ring import *
from openoutcry.ring.segment import segment_name
from openoutcry.wire import ORDER_DTYPE

def say(text):
    print(text, flush=True)

def orders(first, count):
    records = np.zeros(count, ORDER_DTYPE)
    records["order_id"] = np.arange(first, first + count)
    for field in ("price_ticks", "qty_lots", "aux", "rx_ts_ns"):
        records[field] = records["order_id"] * 7 + 3
    return records
"""

Child = subprocess.Popen[str]


@pytest.fixture
def spawn() -> Iterator[Callable[..., Child]]:
    """Python processes of their own that have said "ready"; killed at the end."""
    children: list[Child] = []

    def start(code: str, *arguments: str) -> Child:
        child = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + code, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        assert line(child) == "ready"
        return child

    yield start
    for child in children:
        child.kill()
        child.communicate()


@pytest.fixture
def ring() -> Iterator[RingBuffer]:
    """A small ring of this process with one consumer."""
    small_ring = RingBuffer.create(
        segment_name(ProcessIdentity.mine(), "listed"), 64, ORDER_DTYPE, ["reader"]
    )
    yield small_ring
    small_ring.unlink()


def line(child: Child) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def kill(child: Child) -> None:
    child.kill()
    child.wait()


def orders(first: int, count: int) -> np.ndarray:
    records = np.zeros(count, ORDER_DTYPE)
    records["order_id"] = np.arange(first, first + count)
    return records


def look(name: str) -> RingInfo:
    (info,) = list_rings(window_s=0, only=name)
    return info


OWNER = """
name = segment_name(ProcessIdentity.mine(), "owned")
ring = RingBuffer.create(name, 1024, ORDER_DTYPE, ["journal", "matcher"])
producer = ring.producer()
producer.publish(orders(1, 10))
say("ready")
say(name)
input()
"""

CONSUMER = """
ring = RingBuffer.attach(sys.argv[1], ORDER_DTYPE)
reader = ring.reader("matcher")
reader.poll()
reader.release(4)
say("ready")
input()
"""


WRITER = """
ring = RingBuffer.attach(sys.argv[1], ORDER_DTYPE)
producer, reader = ring.producer(), ring.reader(ring.consumer_names[0])
size = max(1, ring.capacity // 4)
next_id = 1
def write():
    global next_id
    producer.publish(orders(next_id, size))
    next_id += size
    for _ in reader.drain():
        pass
write()
say("ready")
while True:
    write()
"""
