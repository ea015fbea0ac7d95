"""A token bucket in one int64 word: how many messages a participant may send, and how far ahead of
that rate it may run.

The word is the theoretical arrival time of the next message (the generic cell rate algorithm, ITU-T
I.371): 0 is a full bucket, so zeroed memory is ready for use.  The packet shim
(``dpdk_shim/c/shim.c``) takes a token unless the word is more than ``burst_ns`` in the future.  It
then sets the word to ``interval_ns`` after the later of now and the old value.
"""


def bucket_times(rate: int, burst: int) -> tuple[int, int]:
    """``interval_ns`` and ``burst_ns`` for ``rate`` messages a second and ``burst`` at once."""
    if rate < 1 or burst < 1:
        raise ValueError(
            f"a token bucket needs a rate and a burst of at least 1, not {rate}, {burst}"
        )
    interval_ns = -(-1_000_000_000 // rate)
    return interval_ns, (burst - 1) * interval_ns
