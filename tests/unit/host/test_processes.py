"""host/processes.py: a forked process ends as its function does, and never outlives its parent."""

import os
import signal

from openoutcry.host.processes import (
    handling,
)


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGHUP)
    came = []
    with handling(lambda number, _: came.append(number), signal.SIGHUP):
        os.kill(os.getpid(), signal.SIGHUP)
    assert came == [signal.SIGHUP]
    assert signal.getsignal(signal.SIGHUP) is before
