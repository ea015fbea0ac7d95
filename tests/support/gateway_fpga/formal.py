"""What the tests of formal in several tiers share."""

import pytest

SMALL = {
    "outcry_skid": (),
    "outcry_packet_fifo": pytest.mark.long,
    "outcry_timestamp": pytest.mark.long,
    "outcry_udp_parser_data": pytest.mark.long,
}
"""Proofs of seconds; the three that take the most of them are run with the long ones."""
QUICK = [pytest.param(name, marks=marks) for name, marks in SMALL.items()]
