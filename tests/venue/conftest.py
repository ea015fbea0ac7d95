"""The real command, and nothing left behind: tests/outcry_command.py."""

from outcry_command import nothing_left_behind, outcry, outcry_json

__all__ = ["nothing_left_behind", "outcry", "outcry_json"]
