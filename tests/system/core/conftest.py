"""The fixtures of this folder's tests."""

from tests.support.matcher.fixtures import make_script, script, stream

__all__ = ["make_script", "script", "stream"]
