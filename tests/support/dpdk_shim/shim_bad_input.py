"""What the tests of shim bad input in several tiers share."""

import pytest

from openoutcry.dpdk_shim.ports import open_port
from openoutcry.dpdk_shim.spec import PortError, parse_port
from tests.support.dpdk_shim.shim_wire import (
    frame,
    needs_shim,
    packets_of,
    random_orders,
)

FRAMES = [frame(data) for data in packets_of(random_orders(9), 3)]


def open_fails(text: str) -> str:
    needs_shim()
    with pytest.raises(PortError) as caught:
        open_port(parse_port(text)).close()
    assert text in str(caught.value)
    return str(caught.value)
