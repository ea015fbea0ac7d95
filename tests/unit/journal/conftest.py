"""The fixtures of this folder's tests."""

from tests.support.journal.fixtures import orders
from tests.support.pipeline.outcry_command import nothing_left_behind, outcry, outcry_json

__all__ = ["nothing_left_behind", "orders", "outcry", "outcry_json"]
