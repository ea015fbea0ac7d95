"""cli/main.py, groups.py, sections.py and extras.py: sections, lines of help, missing extras."""

import importlib
import json
import re
import sys
import tomllib
from importlib import metadata

import click
import pytest
from click.testing import CliRunner

from openoutcry import PACKAGE
from openoutcry.cli.extras import EXTRA_OF_MODULE
from openoutcry.cli.groups import SectionedGroup, command_module
from openoutcry.cli.main import main
from openoutcry.cli.sections import COMMANDS, VENUE
from openoutcry.cli.venue import venue
from tests import ROOT
from tests.support.cli.tree import tree

COLUMNS = 80
MAX_COMMANDS = 27
LISTED = [(main, COMMANDS, name) for lines in COMMANDS.values() for name in lines] + [
    (venue, VENUE, name) for lines in VENUE.values() for name in lines
]


TREE = tree(main)
GROUPS = [(path, one) for path, one in TREE if isinstance(one, click.Group)]
LEAVES = [(path, one) for path, one in TREE if not isinstance(one, click.Group)]


def name_of(case: object) -> str | None:
    return " ".join(case) or "outcry" if isinstance(case, tuple) else ""


@pytest.mark.parametrize(
    ("group", "sections", "name"), LISTED, ids=[f"{g.name} {n}" for g, _, n in LISTED]
)
def test_a_section_says_what_the_command_says(group, sections, name):
    """The line next to a name is the first line of that command's own help."""
    command = group.get_command(click.Context(group), name)
    (line,) = [lines[name] for lines in sections.values() if name in lines]
    assert command.get_short_help_str(500) == line
    assert command.name == name


def test_a_name_is_in_one_section_and_the_top_is_short():
    for sections, most in ((COMMANDS, MAX_COMMANDS), (VENUE, 36)):
        names = [name for lines in sections.values() for name in lines]
        assert len(names) == len(set(names)) <= most


def test_an_old_name_at_the_top_is_unknown():
    done = CliRunner().invoke(main, ["halt", "GOLD"])
    assert done.exit_code == 2
    assert "No such command 'halt'" in done.stderr


@pytest.mark.parametrize(("path", "group"), GROUPS, ids=name_of)
def test_each_line_of_help_is_whole_at_80_columns(path, group):
    """A line for each command, none cut, none wrapped."""
    context = click.Context(group, info_name="outcry", terminal_width=COLUMNS)
    text = group.get_help(context)
    lines = text.splitlines()
    for name in group.list_commands(context):
        if group.get_command(context, name).hidden:  # a process that another command starts
            continue
        (line,) = [
            one for one in lines if one.startswith(f"  {name} ") and not one.startswith("   ")
        ][-1:]
        below = group.get_command(context, name)
        assert line.split(None, 1)[1] == below.get_short_help_str(500), line
        assert len(line) <= COLUMNS


@pytest.mark.parametrize(("path", "command"), TREE, ids=name_of)
def test_every_option_has_a_help(path, command):
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            assert option.help, (path, option.name)


def plain(requirement: str) -> str:
    """The name of a distribution, as pip compares names."""
    return re.split(r"[\[><=!~;, ]", requirement)[0].lower().replace("_", "-")


IMPORT = re.compile(r"^ *(?:import (?=[\w.]+(?: as \w+)?$)|from (?=[\w.]+ import ))(\w+)", re.M)


NO_EXTRA = {
    "bench_agents": "a module next to a cocotb bench",
    "find_libpython": "comes with cocotb",
    "hftbacktest": "outcry bench backtest --setup",
    "iceoryx2": "outcry bench ring --setup",
    "itchcpp": "outcry bench market-data --setup",
    "llvmlite": "comes with numba",
    "pydantic": "comes with fastapi",
    "nautilus_trader": "outcry bench matcher --setup",
}


def test_the_map_of_extras_has_each_module_that_the_package_imports():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {
        extra: {plain(text) for text in texts}
        for extra, texts in project["optional-dependencies"].items()
    }
    needed = {plain(text) for text in project["dependencies"]}
    owners = metadata.packages_distributions()
    files = [file for room in PACKAGE.iterdir() for file in room.rglob("*.py")]
    imported = {name for file in files for name in IMPORT.findall(file.read_text())}
    foreign = imported - {"openoutcry", "tests", *sys.stdlib_module_names, *NO_EXTRA}
    optional = {
        name for name in foreign if not {plain(one) for one in owners.get(name, [])} & needed
    }
    assert len(optional) > 20
    assert optional <= set(EXTRA_OF_MODULE)
    for module, extra in EXTRA_OF_MODULE.items():
        names = {plain(one) for one in owners.get(module, ())}
        assert names & extras[extra] or not names, module


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=name_of)
def test_a_missing_extra_is_one_line_for_every_command(path, command, monkeypatch):
    """Whatever a command imports: which package is missing, and how to install it."""

    def needs_a_package() -> None:
        monkeypatch.setitem(sys.modules, "duckdb", None)
        importlib.import_module("duckdb")

    monkeypatch.setattr(command, "params", [])
    monkeypatch.setattr(command, "callback", needs_a_package)
    above = main
    for name in path[:-1]:
        above = above.get_command(click.Context(above), name)
        monkeypatch.setattr(above, "callback", None)
    done = CliRunner().invoke(main, list(path))
    says = "this command needs duckdb: pip install 'openoutcry[journal]'"
    assert (done.exit_code, done.stderr) == (1, f"outcry: {says}\n")
    done = CliRunner().invoke(main, [*path[:1], *path[1:]], standalone_mode=True)
    assert done.exit_code == 1
    assert json.dumps({"error": says}) not in done.stderr


def test_a_module_that_no_extra_has_is_a_bug(monkeypatch):
    """Not the user's fault: the traceback is shown."""
    group = SectionedGroup("g")
    assert group.list_commands(click.Context(group)) == []
    assert command_module("emergency-close") == "openoutcry.cli.emergency_close"
    command = main.get_command(click.Context(main), "top")
    monkeypatch.setattr(command, "callback", lambda **_: importlib.import_module("no_such_module"))
    with pytest.raises(ModuleNotFoundError):
        CliRunner().invoke(main, ["top"], catch_exceptions=False)
