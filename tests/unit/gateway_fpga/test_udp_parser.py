"""The UDP parser on both simulators, judged by scapy and the software receiver."""

import re

from tests.support.gateway_fpga.frames import REASONS
from tests.support.gateway_fpga.simulate import RTL


def test_reasons_have_the_numbers_of_the_rtl():
    """The names that software uses stand at the index of the RTL's counters."""
    text = (RTL / "outcry_udp_parser.v").read_text()
    numbers = dict(re.findall(r"localparam REASON_(\w+)\s*=\s*(\d+);", text))
    assert numbers == {name: str(index) for index, name in enumerate(REASONS)}
