"""The package's own imports as a graph, read from the source."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests import folder_of, inside

Graph = dict[str, set[str]]


def module_names(rooms: list[str]) -> dict[str, Path]:
    """Dotted names and files of every module of the rooms; a package goes by its folder's name."""
    paths = {}
    for room in rooms:
        for path in sorted(folder_of(room).rglob("*.py")):
            parts = inside(path).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            paths[".".join(("openoutcry", *parts))] = path
    return paths


def imports(tree: ast.AST, modules: set[str]) -> Iterator[str]:
    """The modules among ``modules`` that a module imports, in functions and under
    ``TYPE_CHECKING`` too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                name = inner if inner in modules else node.module
                if name in modules:
                    yield str(name)
        else:
            yield from imports(node, modules)


def graph(sources: dict[str, str]) -> Graph:
    """Who imports whom, by module."""
    names = set(sources)
    return {name: set(imports(ast.parse(text), names)) for name, text in sources.items()}


def circles(edges: Graph) -> list[list[str]]:
    """Modules that import each other in a circle: the strongly connected parts of more than one
    (Tarjan), each in alphabetical order."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    components = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(edges[name]):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            part = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(part) > 1 or name in edges[name]:
                components.append(sorted(part))

    for name in edges:
        if name not in index:
            visit(name)
    return components
