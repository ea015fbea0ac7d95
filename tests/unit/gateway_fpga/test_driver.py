"""What the driver refuses: devices that are not this build's, and values that no device has."""

from pathlib import Path

import numpy as np
import pytest

from openoutcry.gateway_fpga.devices import GoldenDevice, MappedDevice
from openoutcry.gateway_fpga.driver import DeviceError, GatewayDriver
from openoutcry.wire.layout_hash import LayoutMismatch
from openoutcry.wire.registers import ADDRESS, FRAME_OUTCOMES, LEFT_OUT, WINDOW_BYTES


class Foreign:
    """A gateway with one bit of one register another."""

    def __init__(self, name: str, word: int = 0) -> None:
        self.device = GoldenDevice()
        self.address = ADDRESS[name] + 4 * word
        self.written: list[int] = []

    def read(self, address: int) -> int:
        return self.device.read(address) ^ (address == self.address)

    def write(self, address: int, value: int) -> None:
        self.written.append(address)


@pytest.mark.parametrize(
    ("name", "word", "error", "named"),
    [
        ("magic", 0, DeviceError, "no gateway answers"),
        ("map_hash", 0, DeviceError, "register map"),
        ("layout_hash", 0, LayoutMismatch, "the gateway device"),
        ("layout_hash", 1, LayoutMismatch, "the gateway device"),
        ("ways", 0, DeviceError, "ways"),
    ],
)
def test_a_device_of_another_build_is_refused(
    name: str, word: int, error: type[Exception], named: str
) -> None:
    """One bit of its identity is enough, in either word of the hash, and nothing is written."""
    device = Foreign(name, word)
    with pytest.raises(error, match=named):
        GatewayDriver(device)
    assert device.written == []


def test_what_no_device_has_is_refused_by_name() -> None:
    """Participants and ports beyond the last one."""
    driver = GatewayDriver(GoldenDevice())
    with pytest.raises(DeviceError, match="participant 1024 is not 0 to 1023"):
        driver.set_participant(1_024, True)
    with pytest.raises(DeviceError, match="port 3 is not 0 to 2"):
        driver.frames(3)
    assert driver.frames(2) == dict.fromkeys(FRAME_OUTCOMES, 0)
    with pytest.raises(DeviceError, match="port -1 is not 0 to 2"):
        driver.left_out(-1)
    assert driver.left_out(2) == dict.fromkeys(LEFT_OUT, 0)


def test_a_mapped_device_is_read_and_written_by_words(tmp_path: Path) -> None:
    """A file as long as the window stands for the device; one that is not there is named."""
    file = tmp_path / "uio0"
    file.write_bytes(bytes(WINDOW_BYTES))
    with MappedDevice.open(file) as device:
        device.write(ADDRESS["row_index"], 0x12345678)
        assert device.read(ADDRESS["row_index"]) == 0x12345678
        with pytest.raises(DeviceError, match="no gateway answers: register magic is 00000000"):
            GatewayDriver(device)
    words = np.frombuffer(file.read_bytes(), np.uint32)
    assert words[ADDRESS["row_index"] // 4] == 0x12345678
    with pytest.raises(DeviceError, match="nowhere"):
        MappedDevice.open(tmp_path / "nowhere")
    with pytest.raises(DeviceError, match="as long as its registers"):
        MappedDevice(np.zeros(4, np.uint32))
