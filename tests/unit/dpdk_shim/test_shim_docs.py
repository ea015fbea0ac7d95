"""docs/shim.md: its example runs, and it leaves out no option, reason or port."""

from openoutcry.dpdk_shim.names import LEFT_OUT, Device, Reject
from openoutcry.dpdk_shim.spec import KINDS, OPTIONS
from tests.support.dpdk_shim.shim_docs import PAGE


def test_nothing_is_left_out() -> None:
    """Each option, each kind of port, each reason and each loss has its word."""
    packets = {"MAGIC", "LAYOUT", "KIND", "COUNT", "SIZE"}  # docs/packets.md
    for name in {*Reject.__members__} - packets:
        assert f"`{name}`" in PAGE, name
    for name in OPTIONS:
        assert f"`{name}=" in PAGE, name
    for kind in KINDS:
        assert f"`{kind}:" in PAGE, kind
    for count in LEFT_OUT:
        assert f"`{count.name.lower()}`" in PAGE, count.name
    for device in Device:
        assert f"`device_{device.name.lower()}`" in PAGE, device.name
