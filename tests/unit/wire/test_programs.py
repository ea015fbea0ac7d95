"""A program of others that is missing is one line with the name of its package, at every place."""

import ast
import sys

import click
import pytest
from click.testing import CliRunner

from openoutcry.cli.main import OutcryGroup
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.extras import PROGRAMS, missing_program, need_program, run_tool
from tests import ROOT

RUNNERS = {"run", "Popen", "check_output", "check_call", "call"}
OPTIONAL = {"sh", "ccache", "dpdk-testpmd", "dpdk-devbind.py"}
"""Everywhere, or looked for and not needed: nothing fails without them."""
FOLDERS = ("openoutcry", "gateway_fpga", "bench", "dpdk_shim", "ptp", "ring", "matcher")


def named_programs():
    """(file, line, program) of each program that our code names where it runs or looks for it."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if not any(word in text for word in ("subprocess.", "shutil.which", "need_program")):
                continue
            for node in ast.walk(ast.parse(text)):
                if not isinstance(node, ast.Call) or not node.args:
                    continue
                name, first = ast.unparse(node.func), node.args[0]
                if name.startswith("subprocess.") and name.split(".")[1] in RUNNERS:
                    first = first.elts[0] if isinstance(first, ast.List) else first
                elif name not in ("shutil.which", "need_program"):
                    continue
                if isinstance(first, ast.Constant):
                    yield path.relative_to(ROOT), node.lineno, first.value


def test_each_program_that_the_code_names_has_a_package():
    found = list(named_programs())
    assert {name for _, _, name in found} >= {"git", "perf", "softhsm2-util", "yowasp-sby", "anvil"}
    assert [row for row in found if row[2] not in PROGRAMS.keys() | OPTIONAL] == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_command_says_what_installs_the_program(name):
    """Whatever command runs it: the kernel's error becomes the line, with exit status 1."""

    @click.group(cls=OutcryGroup)
    def group() -> None:
        """As `outcry`."""

    @group.command()
    def work() -> None:
        raise FileNotFoundError(2, "No such file or directory", f"/nowhere/{name}")

    done = CliRunner().invoke(group, ["work"])
    assert done.exit_code == 1
    assert done.stderr == f"outcry: {name} is not here: {PROGRAMS[name]}\n"
    assert any(word in PROGRAMS[name] for word in ("apt-get install", "pip install", "https://"))


@pytest.mark.parametrize("name", PROGRAMS)
def test_need_program_names_the_package(monkeypatch, name):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sysconfig.get_path", lambda scheme: "/nowhere")
    with pytest.raises(OutcryError) as error:
        need_program(name, "the test needs it")
    assert str(error.value) == f"the test needs it: {name} is not here: {PROGRAMS[name]}"


def test_a_module_that_is_run_says_it_in_one_line(monkeypatch):
    """`python -m`: no traceback; another missing file stays an error of its own."""
    monkeypatch.setattr(sys, "argv", ["tool", "word"])

    def runs(name):
        def main(words):
            assert words == ["word"]
            raise FileNotFoundError(2, "No such file or directory", name)

        return main

    with pytest.raises(SystemExit) as ended:
        run_tool(runs("iverilog"))
    assert ended.value.code == f"iverilog is not here: {PROGRAMS['iverilog']}"
    with pytest.raises(FileNotFoundError):
        run_tool(runs("/nowhere/orders.csv"))


def test_another_file_that_is_missing_is_no_program(tmp_path):
    assert missing_program(FileNotFoundError(2, "No such file", str(tmp_path / "orders.csv"))) == ""
    assert missing_program(PermissionError(13, "Permission denied", "git")) == ""
