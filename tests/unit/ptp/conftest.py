"""The fixtures of this folder's tests."""

from tests.support.ptp.fixtures import page, table, writer

__all__ = ["page", "table", "writer"]
