"""The fixtures of this folder's tests."""

from tests.support.adversary.fixtures import orders

__all__ = ["orders"]
