"""The clock of leases, for kernels."""

from openoutcry.wire import memory

boottime_ns = memory._clock(7)
"""CLOCK_BOOTTIME in ns: as CLOCK_MONOTONIC, and it goes on while the machine sleeps."""
