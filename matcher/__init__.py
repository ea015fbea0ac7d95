"""Turn commands into events: a deterministic price-time matcher."""

from openoutcry.matcher.engine import Engine
from openoutcry.matcher.errors import MatcherError
from openoutcry.matcher.kernels import process_batch, process_one, scratch_records
from openoutcry.matcher.rebuild import BookFromEvents
from openoutcry.matcher.reference import ReferenceEngine

__all__ = [
    "BookFromEvents",
    "Engine",
    "MatcherError",
    "ReferenceEngine",
    "process_batch",
    "process_one",
    "scratch_records",
]
