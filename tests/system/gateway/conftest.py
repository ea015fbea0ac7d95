"""The fixtures of this folder's tests."""

from tests.support.gateway_fpga.fixtures import pytest_generate_tests, pytest_terminal_summary

__all__ = ["pytest_generate_tests", "pytest_terminal_summary"]
