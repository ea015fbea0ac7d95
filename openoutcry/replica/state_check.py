"""What the matcher of a replicated run says of its state; the standbys compare it with theirs."""

import time

import numpy as np

from openoutcry.matcher import Engine
from openoutcry.replica.message import NO_CHECK, Check
from openoutcry.ring.kernels import release
from openoutcry.runtime.control import Control
from openoutcry.wire.layout import SharedWord

SHARE = 50
"""At most one part in this many of the matcher's time goes into hashing its state."""


class StateTeller:
    """The matcher's side: between two slices of its loop."""

    def __init__(self, control: Control, engine: Engine) -> None:
        self.control = control
        self.engine = engine
        self._told_seq = 0
        self._free_ns = 0

    def tell(self) -> None:
        """Say the state's hash, if it has changed and it is time."""
        seq, started_ns = self.engine.last_seq, time.monotonic_ns()
        if seq == self._told_seq or started_ns < self._free_ns:
            return
        words = np.frombuffer(bytes.fromhex(self.engine.state_hash()), np.int64)
        control, count = self.control, self.control.block.state_count | 1
        release(SharedWord.of(control.block.address_of("state_count")), count)
        release(SharedWord.of(control.block.address_of("state_seq")), seq)
        release(SharedWord.of(control.block.address_of("state_hash")), int(words[0]))
        release(SharedWord.of(control.block.address_of("state_hash") + 8), int(words[1]))
        release(SharedWord.of(control.block.address_of("state_count")), count + 1)
        self._told_seq = seq
        now_ns = time.monotonic_ns()
        self._free_ns = now_ns + SHARE * (now_ns - started_ns)


def read_state(control: Control) -> Check:
    """Return the matcher's last state check; nothing while it is saying it, or died over it."""
    count, seq = control.block.state_count, control.block.state_seq
    first, second = control.block.state_hash[0], control.block.state_hash[1]
    if count & 1 or not seq or control.block.state_count != count:
        return NO_CHECK
    return Check(seq, 0, np.array([first, second], np.int64).tobytes())
