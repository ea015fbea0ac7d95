"""What the tests of wire memory in several tiers share."""

from openoutcry.wire import memory
from openoutcry.wire.kernel import kernel

SPINS_MAX = 200_000_000
"""A waiter that was never answered gives up and the test fails, instead of hanging."""


@kernel
def send(fd, data, size, address, address_size):
    return memory.sendto(fd, data, size, 0, address, address_size)


@kernel
def wait_for(addr, value):
    """1 once ``addr`` holds ``value``, 0 after SPINS_MAX looks at it."""
    for spin in range(SPINS_MAX):
        if memory.load_acquire(addr) == value:
            return 1
        memory.pause()
        if spin % 1024 == 1023:
            memory.yield_cpu()
    return 0


@kernel
def produce(flag, ack, data, rounds):
    """Hand over ``rounds`` messages of 7 words, each published by one release store."""
    for i in range(1, rounds + 1):
        for word in range(7):
            memory.store_i64(data + 8 * word, i * 31 + word)
        memory.store_release(flag, i)
        if wait_for(ack, i) == 0:
            return i
    return 0


@kernel
def consume(flag, ack, data, rounds):
    """How many words of ``rounds`` messages were not what was published; -1 after a time-out."""
    wrong = 0
    for i in range(1, rounds + 1):
        if wait_for(flag, i) == 0:
            return -1
        for word in range(7):
            if memory.load_i64(data + 8 * word) != i * 31 + word:
                wrong += 1
        memory.store_release(ack, i)
    return wrong


def handover_lines(base):
    """Addresses of flag, acknowledgement and data, each on a cache line of its own."""
    return base, base + 128, base + 256
