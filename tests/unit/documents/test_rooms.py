"""The rooms' rules, read from the source: who imports whom, and what stands in one file only."""

import ast
import re
from functools import cache

import pytest

from openoutcry import PACKAGE
from tests import ROOT, folder_of, inside
from tests.support.documents.rooms import (
    AT_THE_TOP,
    GENERATED,
    MAY_IMPORT,
    MAY_INCLUDE,
    ROOMS,
    rooms,
)
from tests.support.imports import circles, graph

SHORT_ALIAS = re.compile(r"^\s*(?:from .*|import .*|\w+) as \w{1,2}\b", re.MULTILINE)
"""In an import of one line or of several: most files have none, and need not be parsed."""

WITHOUT_PACKAGE = re.compile(
    rf"^[ \t]*(?:from |import\b.*\b)(?:{'|'.join(MAY_IMPORT.keys() - {'tests'})})\b", re.MULTILINE
)
"""An import that may leave out ``openoutcry``. The room ``tests`` may import every other and has a
third of all lines; only files with such a line are parsed for it."""

FUNCTION_LINES = 60
"""The longest body, after its docstring, of a function that is no kernel."""

SMALL = 40
"""Lines below which a file with a single user is part of that file."""

PEER = PACKAGE / "bench" / "peers" / "day_hftbacktest.py"
USER_OF_KERNELS = ROOT / "tests" / "unit" / "wire" / "test_wire_kernel.py"
"""Runs in an environment of its own, where our compiler is not."""
COMPILERS = {"njit", "jit", "cfunc"}
TOML_READER = PACKAGE / "wire" / "toml_tables.py"
CLOSING = PACKAGE / "wire" / "closing.py"
OWNER_OF_NJIT = PACKAGE / "wire" / "kernel.py"


@cache
def parsed(source):
    """Every rule reads every module: parsed once."""
    return ast.parse(source)


def modules(room):
    """Every module of a room."""
    return sorted(folder_of(room).rglob("*.py"))


def imported_names(tree, package):
    """Every dotted name that a module imports; relative ones made absolute by its ``package``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            start = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            stem = ".".join(part for part in (start, node.module) if part)
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def faults(source, room, package=None):
    """What a module of ``room`` imports that it may not, each in a sentence."""
    if MAY_IMPORT[room] | {room} >= set(MAY_IMPORT) and not WITHOUT_PACKAGE.search(source):
        return []
    sentences = []
    for name in imported_names(parsed(source), package or f"openoutcry.{room}"):
        first, *rest = name.split(".")
        if first in MAY_IMPORT and not first == room == "tests":
            sentences.append(f"{name} is imported without openoutcry")
        target = rest[0] if first == "openoutcry" and rest else room
        if target in MAY_IMPORT and target not in MAY_IMPORT[room] | {room}:
            sentences.append(f"{room} imports {name}")
    return sentences


def compiler_uses(source):
    """Lines where numba's own compilers are named instead of the kernel decorator."""
    lines: list[int] = []
    if "numba" not in source and "nb" not in source:
        return lines
    for node in ast.walk(parsed(source)):
        named = isinstance(node, ast.Attribute) and node.attr in COMPILERS
        if named and isinstance(node.value, ast.Name) and node.value.id in {"numba", "nb"}:
            lines.append(node.lineno)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numba":
            lines += [node.lineno for alias in node.names if alias.name in COMPILERS]
    return lines


def documented():
    """The table of ARCHITECTURE.md: whom each room may import, in its words."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    return dict(re.findall(r"^\|[^|]*\| `(\w+)/` \|[^|]*\| ([^|]*?) \|", text, re.MULTILINE))


def test_the_architecture_page_has_the_same_table():
    """What a newcomer reads is what is checked here."""
    for room, allowed in MAY_IMPORT.items():
        others = [other for other in MAY_IMPORT if other not in (room, "tests")]
        missing = [other for other in others if other not in allowed]
        named = ", ".join(other for other in others if other in allowed) or "nothing of ours"
        but = f" but {', '.join(missing)}" if missing else ""
        cell = f"all{but}" if len(missing) < 6 else named
        assert documented()[room] == cell, f"{room}: write {cell!r} into ARCHITECTURE.md"
    assert set(documented()) == set(MAY_IMPORT)


def test_every_room_is_in_the_table():
    """A new folder of modules needs a line about whom it may import."""
    folders = {path.name for path in PACKAGE.iterdir() if any(path.rglob("*.py"))}
    assert folders | {"tests"} == set(MAY_IMPORT), (
        "add a row to tests/support/documents/rooms.py and ARCHITECTURE.md"
    )


@pytest.mark.parametrize("room", rooms())
def test_room_imports_only_what_the_table_allows(room):
    """Each module's imports, wherever in the file they stand, keep to the table."""
    for path in modules(room):
        package = ".".join(["openoutcry", *inside(path).parent.parts])
        assert faults(path.read_text(), room, package) == [], (
            f"{path}: the table in ARCHITECTURE.md does not allow it"
        )


@pytest.mark.parametrize("room", rooms())
def test_every_arrow_of_the_table_is_used_and_points_down(room):
    """An arrow that no import needs would hide the next one that should not be there."""
    allowed = MAY_IMPORT[room]
    assert {target for target in allowed if ROOMS.index(target) >= ROOMS.index(room)} == set()
    used = {
        name.split(".")[1]
        for path in modules(room)
        for name in imported_names(parsed(path.read_text()), f"openoutcry.{room}")
        if name.startswith("openoutcry.")
    }
    assert allowed - used == set(), f"{room} does not import all that the table allows"


def test_what_validates_knows_neither_host_nor_report():
    """Only the gateway's tools, which measure it and fill its pages, import more than wire."""
    for path in modules("gateway_fpga"):
        if path.parent.name != "tools":
            names = list(imported_names(parsed(path.read_text()), "openoutcry.gateway_fpga"))
            reached = {name.split(".")[1] for name in names if name.startswith("openoutcry.")}
            assert not reached & {"host", "report"}, path


@cache
def headers():
    """The C headers of the rooms that have some, by name: the rooms."""
    found = {}
    for room in rooms():
        for path in folder_of(room).rglob("*.h") if room != "tests" else ():
            found.setdefault(path.name, set()).add(room)
    return found


def foreign_headers(source, room):
    """The headers of other rooms that C code of ``room``, or code that it writes, includes without
    leave; and those that no room has."""
    allowed = MAY_IMPORT[room] | MAY_INCLUDE.get(room, set()) | {room}
    names = set(re.findall(r'#include "([\w.]+)"', source)) - GENERATED
    return sorted(name for name in names if not headers().get(name, set()) & allowed)


@pytest.mark.parametrize("room", [room for room in rooms() if room != "tests"])
def test_c_code_includes_only_headers_of_rooms_that_the_table_allows(room):
    """In C and C++ files, and in what a module writes for a compiler."""
    for path in sorted(folder_of(room).rglob("*")):
        if path.suffix in (".c", ".h", ".cpp", ".py"):
            assert foreign_headers(path.read_text(), room) == [], path


def test_a_foreign_header_is_found():
    """A header of a room that may not be imported, or of no room, is found; a room's own and wire's
    are no fault."""
    source = '#include "outcry_clock.h"\n#include "outcry_wire.h"\n#include "nowhere.h"\n'
    assert foreign_headers(source, "matcher") == ["nowhere.h", "outcry_clock.h"]
    assert foreign_headers(source, "ptp") == ["nowhere.h"]
    assert foreign_headers('#include "shim.h"', "dpdk_shim") == []


@cache
def users():
    """Return, for each module by its name, the files that import it."""
    found = {}
    for room in rooms():
        for path in modules(room):
            package = ".".join(["openoutcry", *inside(path).parent.parts])
            for name in imported_names(parsed(path.read_text()), package):
                for target in (name, name.rpartition(".")[0]):
                    found.setdefault(target, set()).add(path)
    return found


def small_files_of_one_user():
    """Modules below SMALL lines, not loaded by name, that one other file imports."""
    small = []
    for room in rooms():
        for path in modules(room):
            where = inside(path)
            if where.parts[0] in ("tests", "cli") or path.name == "__init__.py":
                continue
            if len(path.read_text().splitlines()) >= SMALL:
                continue
            name = ".".join(["openoutcry", *where.with_suffix("").parts])
            if len(users().get(name, set()) - {path}) == 1:
                small.append(str(where))
    return small


def test_no_small_file_has_one_user():
    """It belongs into the file that uses it: a reader should not have to open two."""
    assert small_files_of_one_user() == []


def test_a_small_file_with_one_user_would_be_found(monkeypatch):
    """Were only one file to use them, several would be."""
    one = {name: set(list(paths)[:1]) for name, paths in users().items()}
    monkeypatch.setattr(f"{__name__}.users", lambda: one)
    assert "wire/urls.py" in small_files_of_one_user()


@pytest.mark.parametrize("room", rooms())
def test_only_one_file_names_the_compiler(room):
    """numba's njit and jit stand in wire/kernel.py, so that one policy and one cache key hold."""
    for path in modules(room):
        if path not in (OWNER_OF_NJIT, PEER, USER_OF_KERNELS):
            assert compiler_uses(path.read_text()) == [], path
    assert compiler_uses(OWNER_OF_NJIT.read_text())


@pytest.mark.parametrize("room", rooms())
def test_only_one_file_reads_toml(room):
    """Mistakes in files that people write are named by wire/toml_tables.py, with their line."""
    for path in modules(room) if room != "tests" else ():
        reads = re.search(r"^\s*(?:import|from) tomllib\b", path.read_text(), re.MULTILINE)
        assert bool(reads) == (path == TOML_READER), path


@pytest.mark.parametrize("room", rooms())
def test_what_closes_at_the_end_of_a_block_is_a_closing(room):
    """``with`` that only calls ``close()`` is written once, in wire/closing.py."""
    for path in modules(room) if room != "tests" else ():
        again = re.search(r"def __exit__\([^)]*\) -> None:\s+self\.close\(\)", path.read_text())
        assert bool(again) == (path == CLOSING), path


def body_lines(function):
    """Lines of a function's body, after its docstring."""
    body = function.body[ast.get_docstring(function) is not None :] or function.body
    return function.end_lineno - body[0].lineno + 1


def long_functions(source):
    """Functions whose body has more than FUNCTION_LINES and that are no kernels: a kernel is
    inlined as it is written, and ends where its registers do."""
    return [
        node.name
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and body_lines(node) > FUNCTION_LINES
        and not any("kernel" in ast.unparse(one) for one in node.decorator_list)
    ]


@pytest.mark.parametrize("room", [room for room in rooms() if room != "tests"])
def test_no_function_is_longer_than_a_screen(room):
    functions = {path: long_functions(path.read_text()) for path in modules(room)}
    assert {path: names for path, names in functions.items() if names} == {}


@pytest.mark.parametrize(
    "hidden",
    [
        "from openoutcry.a import y",
        "import openoutcry.a",
        "from openoutcry import a",
        "def f():\n    from openoutcry.a import y",
        "if TYPE_CHECKING:\n    from openoutcry.a import y",
        "class C:\n    def f(self):\n        if x:\n            import openoutcry.a",
    ],
)
def test_a_circle_is_found(hidden):
    """Over two modules or three, whichever way an import is written."""
    sources = {
        "openoutcry.a": "from openoutcry.b import x",
        "openoutcry.b": "from openoutcry.c import x\nfrom openoutcry.d import x",
        "openoutcry.c": hidden,
        "openoutcry.d": "import numpy",
    }
    assert circles(graph(sources)) == [["openoutcry.a", "openoutcry.b", "openoutcry.c"]]


def test_what_is_too_long_is_seen():
    body = '\n    """Docs,\n    of two lines."""' + "\n    x = 1" * (FUNCTION_LINES + 1)
    assert long_functions(f"def f():{body}") == ["f"]
    assert long_functions(f"def f():{body[:-10]}") == []
    assert long_functions(f"@kernel\ndef f():{body}") == []


@pytest.mark.parametrize("room", [room for room in rooms() if room != "tests"])
def test_room_says_its_one_job_in_one_sentence(room):
    """The package's docstring begins with one sentence; a room that needs two is two rooms."""
    docstring = ast.get_docstring(ast.parse((folder_of(room) / "__init__.py").read_text()))
    assert docstring, f"{room} has no docstring"
    sentence = " ".join(docstring.split("\n\n")[0].split())
    assert sentence.endswith("."), sentence
    assert ". " not in sentence, sentence


def test_six_rooms_are_at_the_top():
    """The folder at the top and the installed subpackage are the same files; every other room is a
    real folder of the package, and the top has at most twelve folders."""
    links = {path.name: path.resolve() for path in PACKAGE.iterdir() if path.is_symlink()}
    assert links == {room: ROOT / room for room in AT_THE_TOP}
    left_by_runs = {"build", "dist", "run-journal"}
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "."}
    top = {name for name in folders - left_by_runs if not name.endswith(".egg-info")}
    assert top <= {*AT_THE_TOP, "docs", "examples", "openoutcry", "scripts", "tests"}


@pytest.mark.parametrize(
    ("room", "source", "fault"),
    [
        ("matcher", "import openoutcry.ring", "matcher imports openoutcry.ring"),
        ("matcher", "from openoutcry import ring", "matcher imports openoutcry.ring"),
        ("matcher", "from openoutcry.ring.x import y", "matcher imports openoutcry.ring.x.y"),
        ("matcher", "from ..ring import y", "matcher imports openoutcry.ring.y"),
        ("matcher", "def f():\n    import openoutcry.flow", "matcher imports openoutcry.flow"),
        ("journal", "from openoutcry.pipeline import x", "journal imports openoutcry.pipeline.x"),
        ("pipeline", "from openoutcry.bench import x", "pipeline imports openoutcry.bench.x"),
        ("bench", "from openoutcry.cli.run import x", "bench imports openoutcry.cli.run.x"),
        ("report", "import openoutcry.bench.x", "report imports openoutcry.bench.x"),
        ("pipeline", "import wire", "wire is imported without openoutcry"),
        ("tests", "from ring.ring import x", "ring.ring.x is imported without openoutcry"),
    ],
)
def test_a_forbidden_import_is_found(room, source, fault):
    """The check itself sees every way there is to write an import."""
    assert faults(source, room) == [fault]


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("matcher", "from openoutcry.wire.kernel import kernel\nimport numpy"),
        ("matcher", "from openoutcry.matcher.book import x\nfrom .book import y"),
        ("bench", "from openoutcry.host.info import host_info"),
        ("bench", "from openoutcry import __version__"),
        ("flow", "from wireless import x\nimport journalist"),
    ],
)
def test_an_allowed_import_passes(room, source):
    """The room itself, the rooms of the table, other people's packages and the version pass."""
    assert faults(source, room) == []


@pytest.mark.parametrize(
    "source",
    [
        "import numba\n@numba.njit\ndef f(): 0",
        "from numba import njit",
        "from numba import jit as j",
    ],
)
def test_a_second_compiler_is_found(source):
    """Decorated in full or imported under another name, a bare njit is seen."""
    assert compiler_uses(source) != []


@pytest.mark.parametrize("room", rooms())
def test_no_module_of_ours_has_an_alias_of_one_or_two_letters(room):
    for path in modules(room):
        text = path.read_text()
        if not SHORT_ALIAS.search(text):
            continue
        for node in ast.walk(parsed(text)):
            source = getattr(node, "module", "") if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
                name = f"{source}.{alias.name}".strip(".")
                file = PACKAGE / f"{name.removeprefix('openoutcry.').replace('.', '/')}.py"
                is_ours = name.startswith("openoutcry.") and file.exists()
                assert not is_ours or len(alias.asname or alias.name) > 2, f"{path}: {alias.asname}"


SKIP = "# fmt: skip"
ROWS, WORDS = 2, 4
"""Rows, or single values, of which a table has at least so many."""


def is_table(tree):
    """Whether a table is written here: rows that are lists themselves, or many values."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            entries, rows = node.keys, node.values
        else:
            entries = rows = getattr(node, "elts", [])
        lists = sum(isinstance(row, ast.Tuple | ast.List | ast.Dict) for row in rows)
        if len(entries) >= WORDS or lists >= ROWS:
            return True
    return False


def unformatted(source):
    """Lines at which the formatter is switched off for something other than a table."""
    lines = [n for n, line in enumerate(source.split("\n"), 1) if line.endswith(SKIP)]
    if not lines:
        return []
    nodes = [node for node in ast.walk(parsed(source)) if isinstance(node, ast.stmt)]
    nodes += [one for node in nodes for one in getattr(node, "decorator_list", ())]
    found = []
    for number in lines:
        around = [node for node in nodes if node.lineno <= number <= node.end_lineno]
        node = max(around, key=lambda node: node.lineno)
        if not is_table(getattr(node, "iter", node)):
            found.append(number)
    return found


@pytest.mark.parametrize("room", rooms())
def test_only_tables_are_not_formatted(room):
    """The formatter formats; a table of rows, or a long list, may switch it off."""
    for path in modules(room):
        assert unformatted(path.read_text()) == [], path


def test_code_that_is_not_formatted_is_found():
    assert unformatted(f"x = f(1, a=2,\n      b=3)  {SKIP}") == [2]
    assert unformatted(f"for a in g(1,\n  2):  {SKIP}\n    b = 1, 2, 3, 4") == [2]
    assert unformatted(f"x = (1, 2, 3,\n     4)  {SKIP}") == []
    assert unformatted(f"x = {{'a': (1, 2),\n     'b': (3, 4)}}  {SKIP}") == []
    assert unformatted(f"@p('x', [\n  (1, 2), (3, 4)])  {SKIP}\ndef f(): 0") == []


def test_web_servers_have_the_shared_listener():
    """asyncio switches Nagle's algorithm off only where the protocol is named: answers of two
    segments took 44 ms."""
    named = "socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener"
    assert named in (PACKAGE / "operations" / "web_server.py").read_text()
    product = [p for room in rooms() if room not in ("tests", "bench") for p in modules(room)]
    made = [
        path.name for path in product if re.search(r"uvicorn\.(Config|run)\(", path.read_text())
    ]
    assert made == ["web_server.py"], "its configuration has the bounds of every listener of HTTP"
    servers = [path for path in product if re.search(r"= web_config\(", path.read_text())]
    assert len(servers) >= 2
    for path in servers:  # a room's processes may share one listener, which another module makes
        room = "".join(module.read_text() for module in path.parent.glob("*.py"))
        assert "listening(address, " in room, path
