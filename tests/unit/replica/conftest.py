"""The fixtures of this folder's tests."""

from tests.support.pipeline.outcry_command import outcry
from tests.support.replica.fixtures import cluster, link, pytest_runtest_teardown

__all__ = ["cluster", "link", "outcry", "pytest_runtest_teardown"]
