"""The same packets through every way into the machine give the same bytes in the ring."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.dpdk_shim import shim_paths as shared
from tests.support.dpdk_shim.shim_paths import (
    EXPECTED,
    ORDERS,
    PACKETS,
    assert_stamped,
    assert_whole,
    mixed_frames,
)
from tests.support.dpdk_shim.shim_wire import (
    records_of,
    without_time,
    write_pcap,
    write_pcapng,
)

_built = shared._built


@pytest.mark.parametrize("kind", ["pcap", "pcapng", "pcapng, big-endian, ns"])
def test_captures(kind: str, tmp_path: Path) -> None:
    """pcap and pcapng, both byte orders, units of us and ns: all bytes are the same, and so are
    the capture's times."""
    path = tmp_path / "day.cap"
    if kind == "pcap":
        write_pcap(path, mixed_frames())
    elif kind == "pcapng":
        write_pcapng(path, mixed_frames())
    else:
        write_pcapng(path, mixed_frames(), order=">", resolution=9)
    records, account = records_of(f"pcap:{path}")
    assert_whole(account)
    assert account["capture_times"] == len(PACKETS)
    assert_stamped(account, "pcap")
    assert without_time(records) == EXPECTED
    ns = 1_700_000_000_000_000_000 + 1_000 * (np.arange(len(ORDERS)) // 5)
    assert records["rx_ts_ns"].tolist() == ns.tolist()
