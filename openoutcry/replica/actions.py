"""What the protocol asks of its driver, and the lease that it speaks of.

The machines (``primary.py``, ``standby.py``) know neither network nor clock: each call hands in the
time and what came, and returns what to do, in order.  Every request may be lost, doubled, delayed
or answered late; the machines ask again on :meth:`tick`.
"""

from typing import NamedTuple

from openoutcry.replica.message import Message

MS = 1_000_000


class Timing(NamedTuple):
    """How long things are waited for, in ns of one node's own clock.  That clock continues while
    the machine sleeps (CLOCK_BOOTTIME)."""

    lease_ns: int = 3_000 * MS
    """A primary releases for this long after it *sent* the renewal that was granted last."""
    margin_ns: int = 500 * MS
    """And a standby waits so much longer after it *saw* that renewal: how far two clocks may come
    apart in a lease."""
    retry_ns: int = 500 * MS
    """An unanswered request is sent again."""
    look_ns: int = 200 * MS
    """A standby checks the lease this often: what it sees late, it takes over late."""

    @property
    def renew_ns(self) -> int:
        """Return how often the lease is written, ns."""
        return self.lease_ns // 3


def holder_of(node: str, process: str) -> str:
    """The holder of a lease is not a node, but one process of it (``process`` is a unique number).
    A restarted process is another holder, and must not take its predecessor's lease for its own."""
    return f"{node}/{process}"


def node_of(holder: str) -> str:
    """The node whose process that is."""
    return holder.rpartition("/")[0] or holder


class Lease(NamedTuple):
    """The one entry of the key-value bucket: the node that may lead.  Written only in place of the
    revision that its writer has seen."""

    holder: str
    """By :func:`holder_of`."""
    epoch: int
    nonce: int
    """Which of its writes this is: distinguishes a write of ours, whose answer was lost, from
    another node's."""
    position: int = 0
    """Up to here the holder has had the stream acknowledged: the next leader has read that far."""
    given_up: bool = False
    """Its holder has let it go, after a SEAL."""


class Publish(NamedTuple):
    """Publish with ``Nats-Expected-Last-Sequence: message.position - 1``; then call
    ``acknowledged``, or ``refused`` (10071), with this very message."""

    message: Message


class Fetch(NamedTuple):
    """Read the stream's message at ``position`` (from its leader), then call ``fetched``."""

    position: int


class WriteLease(NamedTuple):
    """Put ``lease`` in place of ``revision`` (0: create); then call ``lease_written`` or
    ``lease_refused``."""

    lease: Lease
    revision: int


class ReadLease(NamedTuple):
    """Read the lease, then call ``lease_seen``."""


class Release(NamedTuple):
    """Events caused by commands up to ``seq`` may leave until ``until_ns``.  The stage that
    releases them compares that with the clock, event by event.  Replaces the Release before."""

    seq: int
    until_ns: int


class Apply(NamedTuple):
    """Write the blocks to the local journal and run the core over them; then ``applied``."""

    message: Message


class Cut(NamedTuple):
    """Blocks of the local journal from ``next_block`` on are not in the chain, and are removed.

    Another node has led, and the chain is read as far as it went when this one began."""

    next_block: int


class Promoted(NamedTuple):
    """This standby leads: continue as a primary from its ``tip``, with this lease."""

    epoch: int


class Stopped(NamedTuple):
    """The machine has stopped for good: why, in words.  Nothing is released any more."""

    reason: str


Action = Publish | Fetch | WriteLease | ReadLease | Release | Apply | Cut | Promoted | Stopped
