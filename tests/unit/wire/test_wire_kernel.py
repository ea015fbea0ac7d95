"""wire/kernel.py: one compiler policy, and a cache that never returns an old answer."""

from pathlib import Path

from openoutcry.wire.kernel import CACHE_ROOT, kernel


@kernel
def divide(a, b):
    return a / b


@kernel
def divide_whole(a, b):
    return a // b


def test_kernels_raise_nothing():
    """numpy's error model: a division by zero is infinity or zero, not an exception that every
    caller would have to be ready for."""
    assert divide(1.0, 0.0) == float("inf")
    assert divide_whole(1, 0) == 0


def test_kernels_release_the_gil_and_are_cached():
    """The policy, as numba was told it, and compiled files where the cache is said to be."""
    assert divide.targetoptions["nogil"] is True
    assert "fastmath" not in divide.targetoptions
    divide(1.0, 2.0)
    assert Path(divide._cache.cache_path).is_relative_to(CACHE_ROOT)
    assert list(Path(divide._cache.cache_path).glob("*divide*.nbi"))
