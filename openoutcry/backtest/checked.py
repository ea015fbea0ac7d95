"""Kernels of a strategy, compiled again so that an index beyond an array's end raises IndexError.

What they call by name is compiled so as well: kernels of the strategy's, and those of this room.
The rest of the package reads and writes memory by its own checks.
"""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

from numba.core.dispatcher import Dispatcher

from openoutcry import PACKAGE

ROOM = PACKAGE / "backtest"
MARK = ".checked"
"""Ends the qualified name of a checked kernel, which is not compiled again."""


@cache
def checked_kernel(function: Any) -> Any:
    """The kernel with its bounds checked, kept on disk unless a part of it is in another file of a
    user's, whose changes numba would not see."""
    files: set[Path] = set()
    entry = _checked(function, {}, files)
    own = Path(function.py_func.__code__.co_filename).absolute()
    if entry is not function and all(path.is_relative_to(ROOM) for path in files - {own}):
        entry.enable_caching()
    return entry


def check_kernels_of(function: Callable[..., Any]) -> None:
    """Have a Python function, whose module this changes, call checked kernels from here on."""
    plain: Any = function
    plain.__globals__.update(_checked_names(plain, {}, set()))
    for cell in plain.__closure__ or ():
        if isinstance(cell.cell_contents, Dispatcher):
            cell.cell_contents = checked_kernel(cell.cell_contents)


def _checked(function: Any, done: dict[Any, Any], files: set[Path]) -> Any:
    """The kernel with checked kernels in place of those that it names."""
    if not isinstance(function, Dispatcher) or function.py_func.__qualname__.endswith(MARK):
        return function
    if function in done:
        return done[function]
    plain: Any = function.py_func
    path = Path(plain.__code__.co_filename).absolute()
    if path.is_relative_to(PACKAGE) and not path.is_relative_to(ROOM):
        return function
    done[function] = function  # one that calls itself
    files.add(path)
    scope = {**plain.__globals__, **_checked_names(plain, done, files)}
    cells = [_checked(cell.cell_contents, done, files) for cell in plain.__closure__ or ()]
    given = plain.__name__, plain.__defaults__, tuple(map(CellType, cells))
    copy = FunctionType(plain.__code__, scope, *given)
    copy.__module__, copy.__annotations__ = plain.__module__, plain.__annotations__
    copy.__qualname__ = plain.__qualname__ + MARK
    options = {**function.targetoptions, "boundscheck": True}
    compiler: Any = vars(function)["_compiler"]
    done[function] = type(function)(copy, {}, options, compiler.pipeline_class)
    return done[function]


def _checked_names(plain: Any, done: dict[Any, Any], files: set[Path]) -> dict[str, Any]:
    """Return what a function's globals are to be: of kernels, and of modules with kernels, that it
    names."""
    names = {name for code in _codes(plain.__code__) for name in code.co_names}
    changed = {}
    for name in names & plain.__globals__.keys():
        value = plain.__globals__[name]
        if isinstance(value, Dispatcher):
            changed[name] = _checked(value, done, files)
        elif isinstance(value, ModuleType):
            kernels = {
                one: _checked(thing, done, files)
                for one, thing in vars(value).items()
                if one in names and isinstance(thing, Dispatcher)
            }
            if kernels:
                changed[name] = ModuleType(value.__name__)
                vars(changed[name]).update({**vars(value), **kernels})
    return changed


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code and that of the functions in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
