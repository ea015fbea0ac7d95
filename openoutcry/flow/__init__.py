"""Turn recorded or generated markets into order commands."""

from openoutcry.flow.bitstamp import BitstampSource
from openoutcry.flow.generate import FLOWS, GeneratedFlow
from openoutcry.flow.itch import ItchSource
from openoutcry.flow.lobster import LobsterSource
from openoutcry.flow.record_file import RecordFile, write_records
from openoutcry.flow.source import Source
from openoutcry.wire.errors import FlowError

__all__ = [
    "FLOWS",
    "BitstampSource",
    "FlowError",
    "GeneratedFlow",
    "ItchSource",
    "LobsterSource",
    "RecordFile",
    "Source",
    "write_records",
]
