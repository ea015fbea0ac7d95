"""What the tests of shim sequence in several tiers share."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.dpdk_shim import build_packets
from openoutcry.wire import ORDER_DTYPE
from tests.support.dpdk_shim.shim_wire import (
    frame,
    needs_shim,
    records_of,
    write_pcap,
)

RANGES = 11
"""Gaps of a sender that are remembered (OC_RANGES less the place for a split)."""


@pytest.fixture(autouse=True)
def _built() -> None:
    needs_shim()


def numbered(first: int, count: int, sender: int = 9) -> bytes:
    orders = np.zeros(count, ORDER_DTYPE)
    orders["order_id"] = np.arange(first, first + count)
    orders["participant"] = 1
    return build_packets(orders, sender, first, 0)[0]


def through(tmp_path: Path, packets: list[bytes], **options: Any) -> tuple[list[int], dict]:
    path = write_pcap(tmp_path / "in.pcap", [frame(data) for data in packets])
    records, account = records_of(f"pcap:{path}", **options)
    return records["order_id"].tolist(), account
