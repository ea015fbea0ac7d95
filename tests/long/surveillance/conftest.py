"""The fixtures of this folder's tests."""

from tests.support.pipeline.outcry_command import nothing_left_behind, outcry, outcry_json
from tests.support.surveillance.fixtures import audited

__all__ = ["audited", "nothing_left_behind", "outcry", "outcry_json"]
