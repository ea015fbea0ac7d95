"""wire/kernel.py: one compiler policy, and a cache that never returns an old answer."""

import itertools
import operator
from pathlib import Path

import numba

from openoutcry.wire.kernel import CACHE_ROOT, kernel, kernel_outlined
from openoutcry.wire.typing_speed import numba_call_type


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


@kernel
def leaf(a):
    return a * 3 + 1


@kernel_outlined
def middle(a):
    return leaf(a) + 1


@kernel
def unused(a):
    return middle(a) - 7


NEVER = False


@kernel
def reaches_by_two_ways(a):
    """``unused`` is typed, and nothing of it is in the code; ``middle`` is reached by it first."""
    if NEVER:
        return unused(a)
    return middle(a) + leaf(a)


@kernel
def reaches_again(a):
    return reaches_by_two_ways(a) + middle(a)


@numba.njit
def not_a_kernel(a):
    return reaches_again(a) + reaches_by_two_ways(a) + leaf(a)


def test_what_is_reached_by_several_ways_is_linked_once_and_whole():
    for a in (0, 1, -5, 10**6):
        low, mid = 3 * a + 1, 3 * a + 2
        assert reaches_by_two_ways(a) == mid + low
        assert reaches_again(a) == 2 * mid + low
        assert not_a_kernel(a) == 3 * mid + 3 * low
    reaches_again.recompile()  # the code of a kernel that numba kept cannot be shown
    (compiled,) = reaches_again.overloads.values()
    code = compiled.library.get_llvm_str()
    assert "unused" not in code
    assert sum("define" in line and "middle" in line for line in code.splitlines()) == 1


OPERATORS = (
    "add", "sub", "mul", "floordiv", "mod", "and_", "or_", "xor", "lshift", "rshift",
    "eq", "ne", "lt", "le", "gt", "ge",
)  # fmt: skip


def test_operators_of_words_are_typed_as_numba_types_them():
    """In any order of asking, for words of all sizes, literals, truth values and addresses."""
    context = numba.core.registry.cpu_target.typing_context
    context.refresh()
    types = numba.types
    words = (
        types.int64, types.uint64, types.int32, types.uint8, types.boolean, types.literal(2),
        types.literal(True),
    )  # fmt: skip
    for name in OPERATORS:
        function = context.resolve_value_type(getattr(operator, name))
        for pair in itertools.product(words, repeat=2):
            signature = function.get_call_type(context, pair, {})
            assert function.get_call_type(context, pair, {}) is signature
            assert numba_call_type(function, context, pair, {}) == signature, (name, pair)


@kernel_outlined
def named_twice(a):
    return a + 1


first_of_two = named_twice


@kernel_outlined
def named_twice(a):
    return a + 100


@kernel
def calls_both(a):
    return 2 * first_of_two(a) + named_twice(a)


def test_two_kernels_of_one_name_are_two():
    assert calls_both(0) == 102
