"""Each fault made by hand is noticed by the module's own bench."""

from pathlib import Path

import pytest

from tests.support.gateway_fpga.hand_made_faults import FAULTS, Fault
from tests.support.gateway_fpga.simulate import RTL, simulate

PARAMETERS = {
    "outcry_gateway": {"SLOT_BITS": 4, "COUNTER_BITS": 32},
    "outcry_packet_fifo": {"WIDTH": 8, "DEPTH_LOG2": 2},
    "outcry_skid": {"WIDTH": 8},
    "outcry_udp_parser": {"DEPTH_LOG2": 6, "COUNTER_WIDTH": 32},
}


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_modules_bench_notices(fault: Fault, tmp_path: Path) -> None:
    """With the fault in it, the RTL is built and a test of the bench fails: no build error, no
    bench that cannot start, as that would leave no results."""
    broken = tmp_path / f"{fault.file}.v"
    broken.write_text((RTL / f"{fault.file}.v").read_text().replace(fault.old, fault.new))
    top = RTL / f"{fault.toplevel}.v"
    parameters = PARAMETERS[fault.toplevel]
    with pytest.raises(AssertionError, match="cocotb tests failed"):
        simulate(
            "icarus",
            fault.toplevel,
            fault.bench,
            tmp_path,
            sources=[broken] if fault.file == fault.toplevel else [broken, top],
            parameters=parameters,
            environment={name: str(value) for name, value in parameters.items()},
            tests=fault.tests,
        )
