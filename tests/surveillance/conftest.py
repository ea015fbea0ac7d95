"""The real command."""

from outcry_command import nothing_left_behind, outcry, outcry_json

__all__ = ["nothing_left_behind", "outcry", "outcry_json"]
