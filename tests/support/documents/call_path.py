"""Which functions of which files a kernel reaches by the calls that its source writes."""

import ast
from functools import cache
from pathlib import Path

from openoutcry import PACKAGE

Function = tuple[str, str]
"""A file, from the package, and a function's name."""

BY_ADDRESS = {"call_step", "call_batch_kernel", "call_before", "call_after"} | {
    f"call{count}" for count in (2, 4, 5, 6)
}
"""The intrinsics that call a kernel by its address."""


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def functions_of(path: Path) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in _parsed(path).body if isinstance(node, ast.FunctionDef)}


def _file_of(module: str) -> Path | None:
    path = PACKAGE / (module.removeprefix("openoutcry.").replace(".", "/") + ".py")
    return path if module.startswith("openoutcry.") and path.exists() else None


@cache
def _names(path: Path) -> dict[str, tuple[Path, str]]:
    """Return for each name that a module binds: the module's file (and no name), or file and
    function."""
    bound = {name: (path, name) for name in functions_of(path)}
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = alias.asname or alias.name
                if (module := _file_of(f"{node.module}.{alias.name}")) is not None:
                    bound[name] = module, ""
                elif (module := _file_of(node.module)) is not None:
                    bound[name] = module, alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if (module := _file_of(alias.name)) is not None:
                    bound[alias.asname or alias.name] = module, ""
    return bound


def called(function: Function) -> set[Function]:
    """The functions of ours that a function calls by their names."""
    path = PACKAGE / function[0]
    found = set()
    for node in ast.walk(functions_of(path)[function[1]]):
        if not isinstance(node, ast.Call):
            continue
        target = node.func
        if isinstance(target, ast.Name):
            file, name = _names(path).get(target.id, (path, ""))
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
            file, name = _names(path).get(target.value.id, (path, target.attr))[0], target.attr
        else:
            continue
        if name in functions_of(file):
            found.add((str(file.relative_to(PACKAGE)), name))
    return found


def reached(entries: set[Function], not_taken: set[str]) -> set[Function]:
    """Everything that the entries reach, but ``not_taken``: files, and functions as
    ``file:function``."""
    found, left = set(entries), [*entries]
    while left:
        for one in called(left.pop()) - found:
            if one[0] not in not_taken and ":".join(one) not in not_taken:
                found.add(one)
                left.append(one)
    return found


def by_address(function: Function) -> set[tuple[str, str]]:
    """The calls through a pointer in a function: its file, and the source of the address."""
    nodes = ast.walk(functions_of(PACKAGE / function[0])[function[1]])
    return {
        (function[0], ast.unparse(node.args[0]))
        for node in nodes
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) in BY_ADDRESS
    }
