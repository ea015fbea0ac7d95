"""The lease as its holder keeps it: renewed in time, counted from when a renewal was *sent*."""

from collections.abc import Sequence

from openoutcry.replica.actions import Action, Lease, ReadLease, Timing, WriteLease

MAX_UNANSWERED = 16


class LeaseHolder:
    """One holder's lease in one epoch.  ``until_ns`` is when it ends by the holder's own clock if
    nothing more is granted; ``lost`` says in words that another has it."""

    def __init__(self, lease: Lease, revision: int, timing: Timing) -> None:
        self.lease = lease
        self.revision = revision
        self.timing = timing
        self.until_ns = 0
        self.lost = ""
        self.superseded = False
        """Another process of the same node, which continues with this lease, has written it."""
        self.given_up = False
        """The bucket says that this holder has let it go."""
        self._sent: dict[int, int] = {}
        self._due_ns = 0

    def write(self, now_ns: int, position: int, give_up: bool = False) -> list[Action]:
        """Ask for it, or for more of it."""
        lease = self.lease = self.lease._replace(
            nonce=self.lease.nonce + 1, position=position, given_up=give_up
        )
        self._sent[lease.nonce] = now_ns
        while len(self._sent) > MAX_UNANSWERED:
            del self._sent[min(self._sent)]
        self._due_ns = now_ns + self.timing.renew_ns
        return [WriteLease(lease, self.revision)]

    def tick(self, now_ns: int, position: int) -> list[Action]:
        """Renew the lease if it is time to; not once it is lost or given up."""
        if now_ns < self._due_ns or self.lost or self.given_up:
            return []
        return self.write(now_ns, position, self.lease.given_up)

    def written(self, lease: Lease, revision: int) -> bool:
        """A write was granted; true if it is one of ours."""
        if (lease.holder, lease.epoch) != self.lease[:2] or revision < self.revision:
            return False
        self.revision = revision
        self.given_up = lease.given_up
        sent_ns = self._sent.get(lease.nonce)
        self.superseded = lease.nonce < min(self._sent, default=0)
        if sent_ns is not None and not self.given_up:
            self.until_ns = max(self.until_ns, sent_ns + self.timing.lease_ns)
        return True

    def refused(self) -> Sequence[Action]:
        """A write was refused: by a write of ours whose answer was lost, or by another's."""
        return [ReadLease()]

    def seen(self, now_ns: int, lease: Lease | None, revision: int) -> None:
        """Take in the bucket's content; a reader may be shown what it held a while ago."""
        if lease is None or revision < self.revision:
            return
        if self.written(lease, revision):
            if lease.nonce != self.lease.nonce:
                self._due_ns = now_ns  # the newest write was refused for an earlier one
            return
        if revision > self.revision:
            self.lost = f"{lease.holder} holds the lease of epoch {lease.epoch}"
