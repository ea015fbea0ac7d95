"""What the tests of shim paths in several tiers share."""

from typing import Any

import pytest

from openoutcry.ptp.stamp_clock import STAMPED_BY, STAMPS_OF
from tests.support.dpdk_shim.shim_wire import (
    expected_records,
    frame,
    needs_shim,
    packets_of,
    random_orders,
)

ORDERS = random_orders(600)
PACKETS = packets_of(ORDERS)
EXPECTED = expected_records(ORDERS).tobytes()


@pytest.fixture(autouse=True)
def _built() -> None:
    needs_shim()


def mixed_frames(macs: tuple[bytes, bytes] | None = None) -> list[bytes]:
    """Untagged, VLAN, QinQ and IPv6 in turn: four senders' worth of headers, one sequence each."""
    options: dict[str, Any] = {"macs": macs} if macs else {}
    layouts = [{}, {"tags": (5,)}, {"tags": (5, 7)}, {"ip6": True}]
    return [
        frame(data, **layouts[at % 4], **options)  # type: ignore[arg-type]
        for at, data in enumerate(PACKETS)
    ]


def assert_whole(account: dict[str, Any], packets: int = len(PACKETS)) -> None:
    assert account["unaccounted"] == 0
    assert account["published"] == packets
    assert account["records"] == len(ORDERS)


def assert_stamped(account: dict[str, Any], kind: str) -> None:
    """Each packet has a stamp that the table allows for this kind of port."""
    by = {counter for counter in STAMPED_BY if account[counter]}
    assert by <= set(STAMPS_OF[kind]), account
    assert sum(account[counter] for counter in by) == account["packets"]
