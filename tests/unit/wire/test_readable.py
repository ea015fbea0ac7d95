"""Waiting for descriptors, in a process that has many open."""

import fcntl
import os

from openoutcry.operations.connection_limits import allow_files
from openoutcry.wire.readable import readable

SELECT_TAKES = 1_024


def test_descriptors_beyond_what_select_takes_are_waited_for():
    assert allow_files() > SELECT_TAKES + 2
    ends = os.pipe()
    high = fcntl.fcntl(ends[0], fcntl.F_DUPFD, SELECT_TAKES)
    try:
        assert high >= SELECT_TAKES
        assert readable([high, ends[0]], 0.0) == set()
        os.write(ends[1], b"x")
        assert readable([high, ends[0]], 1.0) == {high, ends[0]}
        assert os.read(high, 1) == b"x"
        assert readable([high], 0.0) == set()
    finally:
        for one in (*ends, high):
            os.close(one)
    assert readable([], 0.0) == set()
