"""The sender against a real responder process that speaks packets, and against nobody."""

import pytest

from openoutcry.dpdk_shim import NetworkError
from openoutcry.pipeline.send import send
from tests.support.pipeline.send import make_orders


def test_an_unknown_host_is_named() -> None:
    """A name that does not resolve is told as such, before anything is sent."""
    with pytest.raises(NetworkError, match=r"no-such-host\.invalid:9000: no IPv4 address"):
        send([make_orders(1)], ("no-such-host.invalid", 9000))
