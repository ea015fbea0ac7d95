"""Turn recorded or generated markets into order commands."""

from openoutcry.flow.errors import FlowError
from openoutcry.flow.generate import FLOWS, GeneratedFlow
from openoutcry.flow.record_file import RecordFile, write_records
from openoutcry.flow.source import Source

__all__ = ["FLOWS", "FlowError", "GeneratedFlow", "RecordFile", "Source", "write_records"]
