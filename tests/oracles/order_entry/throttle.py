"""A session's throttle by counted tokens, slow and obvious; the kernels keep an arrival time."""

from fractions import Fraction

from openoutcry.order_entry.spec import ThrottlePolicy


class Bucket:
    """Tokens as a number that grows with time, up to the burst."""

    def __init__(self, interval_ns: int, burst: int) -> None:
        self.interval_ns, self.burst = interval_ns, burst
        self.tokens, self.at_ns = Fraction(burst), 0

    def has_token(self, now_ns: int) -> bool:
        """Whether there is a token."""
        self.tokens += Fraction(now_ns - self.at_ns, self.interval_ns)
        self.tokens, self.at_ns = min(self.tokens, Fraction(self.burst)), now_ns
        return self.tokens >= 1


class Throttle:
    """What becomes of a session's messages."""

    def __init__(self, interval_ns: int, burst: int, policy: ThrottlePolicy) -> None:
        """A token comes back every ``interval_ns``; ``burst`` of them at most are there at once."""
        self.policy = policy
        self.messages, self.excess = Bucket(interval_ns, burst), Bucket(interval_ns, burst)

    def offer(self, now_ns: int, is_cancel: bool) -> str:
        """``enters``, ``rejected`` or ``waits`` (the message is offered again later)."""
        if self.messages.has_token(now_ns):
            self.messages.tokens -= 1
            return "enters"
        if self.policy == ThrottlePolicy.QUEUE or not self.excess.has_token(now_ns):
            return "waits"
        self.excess.tokens -= 1
        return "enters" if is_cancel else "rejected"
