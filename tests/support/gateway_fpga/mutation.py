"""What the tests of mutation in several tiers share."""

from openoutcry.gateway_fpga.tools.mutate import (
    TARGETS,
)

QUEUE = TARGETS["outcry_packet_fifo"]
