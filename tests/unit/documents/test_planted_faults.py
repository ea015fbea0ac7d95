"""The table of planted faults fits the code, so that a line that moved takes its fault with it."""

from collections import Counter

import pytest

from openoutcry import PACKAGE
from tests.long.planted_faults.table import TESTS, Fault, read_faults

FAULTS = read_faults()
ROOMS = {
    "wire", "ring", "matcher", "risk", "flow", "gateway_fpga", "dpdk_shim", "ptp", "journal",
    "runtime", "order_entry", "market_data", "replica", "ledger", "surveillance", "pipeline",
    "venue", "client", "report", "backtest", "operations", "console", "portal", "bench", "host",
    "cli",
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_fault_applies(fault: Fault) -> None:
    """Its line is in its file once, the change is one, and the named tests exist."""
    text = (PACKAGE / fault.file).read_text(encoding="utf-8")
    assert fault.broken(text) != text
    assert fault.file.startswith(f"{fault.room}/")
    assert fault.name.startswith(fault.room.replace("_", "-") + "-")
    assert fault.why.endswith(".")
    assert fault.tests
    assert all(list(TESTS.rglob(name)) for name in fault.tests)


def test_every_room_has_faults() -> None:
    """Sixty at least, two a room at least, and no name or change twice."""
    rooms = Counter(fault.room for fault in FAULTS)
    assert len(FAULTS) >= 60
    assert set(rooms) == ROOMS
    assert min(rooms.values()) >= 2
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert len({(fault.file, fault.old) for fault in FAULTS}) == len(FAULTS)
