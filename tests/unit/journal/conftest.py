"""The fixtures of this folder's tests."""

from tests.support.journal.fixtures import orders

__all__ = ["orders"]
