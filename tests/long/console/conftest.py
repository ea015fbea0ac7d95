"""The fixtures of this folder's tests."""

from tests.support.console.fixtures import (
    anna,
    browser,
    floor,
    pytest_runtest_teardown,
    screen,
    traders,
)

__all__ = ["anna", "browser", "floor", "pytest_runtest_teardown", "screen", "traders"]
