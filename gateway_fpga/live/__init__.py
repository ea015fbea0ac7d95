"""Run the Verilated gateway inside a process: the very RTL as a function over order records."""

from openoutcry.gateway_fpga.live.device import LiveGateway, build
from openoutcry.gateway_fpga.live.kernels import call_batch

__all__ = ["LiveGateway", "build", "call_batch"]
