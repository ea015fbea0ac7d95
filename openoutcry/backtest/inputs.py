"""Files that a plan reads: strategies with what they import, days, measured latencies.

Their hashes are part of the plan that a folder of results keeps, so that results of a file that has
changed since are never shown as those of the new one.
"""

import ast
import hashlib
import importlib.util
import site
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

import openoutcry
from openoutcry.backtest.routed import DAY_PREFIX, is_routed
from openoutcry.routing.settings import read_settings
from openoutcry.wire.errors import BacktestError

INSTALLED = [
    Path(folder).resolve()
    for folder in (
        *map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib")),
        *site.getsitepackages(),
        site.getusersitepackages(),
        *openoutcry.__path__,
    )
]
"""What is below these is a program's or the product's, not a strategy's."""


def hashes_of(
    days: Iterable[str], strategies: Iterable[str], latencies: Iterable[str]
) -> dict[str, str]:
    """blake2b of each file that they name, by its path.  Raises :class:`BacktestError` for a file
    that cannot be read."""
    found: dict[Path, None] = {}
    for day in days:
        found |= dict.fromkeys(_files_of_day(day, Path()))
    for strategy in strategies:
        _add_source(strategy.rpartition(":")[0], found)
    for latency in latencies:
        found |= dict.fromkeys(_files_of_latency(latency, Path()))
    try:
        return {str(path): _hash(path) for path in sorted(found)}
    except OSError as error:
        raise BacktestError(f"{error.filename}: {error.strerror}") from error


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _files_of_day(day: str, base: Path) -> Iterator[Path]:
    """Files of a day, its paths relative to ``base``."""
    kind, _, rest = day.partition(":")
    if is_routed(day):
        file = Path(day.removeprefix(DAY_PREFIX).rpartition("@")[0]).resolve()
        yield file
        for door in read_settings(file).doors.values():
            if door["kind"] == "recorded":
                yield from _files_of_day(door["day"], file.parent)
                yield from _files_of_latency(door["latency"] or "", file.parent)
    elif kind == "lobster":
        messages, _, book = rest.partition(":")
        yield from ((base / name).resolve() for name in (messages, book) if name)
    elif kind == "tardis":
        levels, _, trades = rest.rpartition("@")[0].partition(":")
        yield from ((base / name).resolve() for name in (levels, trades) if name)
    elif kind == "npz":
        yield (base / rest).resolve()
    elif kind in ("itch", "dbn", "levels"):
        yield (base / rest.rpartition("@")[0]).resolve()
    elif kind == "journal":
        folder = (base / rest.rpartition("@")[0]).resolve()
        yield from sorted(folder.glob("segment-*.ocj*"))


def _files_of_latency(latency: str, base: Path) -> Iterator[Path]:
    kind, _, rest = latency.partition(":")
    if kind == "measured":
        yield (base / rest.rpartition(":")[0]).resolve()


def _add_source(name: str, found: dict[Path, None]) -> None:
    """Add the file of the module ``name`` (or FILE.py), and of what it imports, to ``found``."""
    path = Path(name).resolve() if name.endswith(".py") else _origin(name)
    if path is None or path in found:
        return
    found[path] = None
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise BacktestError(f"strategy {path}: {error}") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                parts = [*name.split("."), ""] if path.name == "__init__.py" else name.split(".")
                package = [part for part in parts[: -node.level] if part]
                module = ".".join([*package, *([module] if module else [])])
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for one in names:
            parts = one.split(".")
            for end in range(1, len(parts) + 1):
                _add_source(".".join(parts[:end]), found)


def _origin(name: str) -> Path | None:
    """The source of a module that is neither installed nor the product's; None without one."""
    if not name:
        return None
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, AttributeError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    path = Path(spec.origin).resolve()
    return None if any(path.is_relative_to(folder) for folder in INSTALLED) else path
