"""Say what time it is, and how wrong that may be."""

from openoutcry.ptp.daemon import ClockDaemon, kernel_evidence
from openoutcry.ptp.leap import LeapTable, load_table
from openoutcry.ptp.page import ClockError, ClockPage, Interval, PageWriter, living_pages

__all__ = [
    "ClockDaemon",
    "ClockError",
    "ClockPage",
    "Interval",
    "LeapTable",
    "PageWriter",
    "kernel_evidence",
    "living_pages",
    "load_table",
]
