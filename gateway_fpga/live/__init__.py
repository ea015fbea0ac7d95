# SPDX-License-Identifier: Apache-2.0
"""Run the Verilated gateway inside a process: the very RTL as a function over order records."""

from openoutcry.gateway_fpga.live.device import LiveGateway, build

__all__ = ["LiveGateway", "build"]
