"""Token buckets: how many messages an owner may send, and how far ahead of that rate it may run.

A bucket is one number, the theoretical arrival time of the next message (the generic cell rate
algorithm, ITU-T I.371): a time long ago is a full bucket, so zeroed memory is ready for use.  The
arithmetic here is that of every limit of a rate: of ``wire/load_limits.py``, and, compiled, of the
sessions' throttle (``order_entry/session_commands.py``), whose buckets are in shared memory.  The
packet shim has it in C (``dpdk_shim/c/shim.c``): it takes a token unless the word is more than
``burst_ns`` in the future.
"""


def wait_for_token(paid_ns: int, now_ns: int, each_ns: int, burst: int) -> int:
    """Return the time until the bucket has a token, 0 or less: it has one.  ``paid_ns``: the
    bucket; ``each_ns``: time of a token; ``burst``: tokens that a full bucket holds."""
    return paid_ns - now_ns - each_ns * (burst - 1)


def paid_until(paid_ns: int, now_ns: int, cost_ns: int) -> int:
    """Return the bucket after tokens whose times are ``cost_ns`` together."""
    return max(paid_ns, now_ns) + cost_ns


def bucket_times(rate: int, burst: int) -> tuple[int, int]:
    """Return ``interval_ns`` and ``burst_ns`` for ``rate`` messages a second and ``burst`` at
    once."""
    if rate < 1 or burst < 1:
        raise ValueError(
            f"a token bucket needs a rate and a burst of at least 1, not {rate}, {burst}"
        )
    interval_ns = -(-1_000_000_000 // rate)
    return interval_ns, (burst - 1) * interval_ns
