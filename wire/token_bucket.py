"""A token bucket in one int64 word: how many messages a participant or session may send, and how
far ahead of that rate it may run.

The word is the theoretical arrival time of the next message (the generic cell rate
algorithm, ITU-T I.371): 0 is a full bucket, so zeroed memory is ready for use.
"""

from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, store_i64


@kernel
def take_token(bucket_addr: int, now_ns: int, interval_ns: int, burst_ns: int) -> bool:
    """Take one token; False, unchanged, if there is none.

    One comes back every ``interval_ns``; a full bucket has 1 + ``burst_ns`` // ``interval_ns``.
    """
    due = load_i64(bucket_addr)
    if due > now_ns + burst_ns:
        return False
    store_i64(bucket_addr, max(due, now_ns) + interval_ns)
    return True


def bucket_times(rate: int, burst: int) -> tuple[int, int]:
    """``interval_ns`` and ``burst_ns`` for ``rate`` messages a second and ``burst`` at once."""
    if rate < 1 or burst < 1:
        raise ValueError(
            f"a token bucket needs a rate and a burst of at least 1, not {rate}, {burst}"
        )
    interval_ns = -(-1_000_000_000 // rate)
    return interval_ns, (burst - 1) * interval_ns
