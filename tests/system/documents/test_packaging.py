"""What is installed: one package, whole, that runs outside the tree with what it declares."""

import base64
import csv
import hashlib
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from tests import ROOT
from tests.support.documents import packaging as shared
from tests.support.documents.packaging import tracked_files

installed = shared.installed
run = shared.run
wheel = shared.wheel


pytestmark = pytest.mark.skipif(
    not (ROOT / ".git").exists() or shutil.which("git") is None,
    reason="not a git checkout: there is no saying which files belong to the project",
)


def record_of(archive):
    (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/RECORD")]
    return {row[0]: row[1:] for row in csv.reader(archive.read(name).decode().splitlines())}


def test_files_that_are_put_into_a_wheel_are_in_its_record(wheel, tmp_path):
    """With hash and size; put there again they are replaced, and all else is as it was."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        from wheel_kernels import add_files
    finally:
        sys.path.pop(0)
    ours = Path(shutil.copy(wheel, tmp_path))
    name = "openoutcry/wire/compiled/x/y.nbi"
    for data in (b"one", b"other"):
        add_files(ours, {name: data})
    with zipfile.ZipFile(wheel) as before, zipfile.ZipFile(ours) as after:
        assert after.testzip() is None
        assert sorted(after.namelist()) == sorted([*before.namelist(), name])
        digest = base64.urlsafe_b64encode(hashlib.sha256(b"other").digest()).decode().rstrip("=")
        assert record_of(after) == record_of(before) | {name: [f"sha256={digest}", "5"]}
        assert after.read(name) == b"other"
        for info in before.infolist():
            if not info.filename.endswith("RECORD"):
                assert after.read(info.filename) == before.read(info.filename)


def test_the_wheel_holds_every_file_of_every_room(wheel):
    """Modules, C sources, RTL, properties, templates and the typing marker are in it, as files:
    links to the rooms became the rooms.  Only what make alone reads stays in the tree."""
    with zipfile.ZipFile(wheel) as archive:
        inside = {info.filename: info for info in archive.infolist()}
    linked = {p.name: os.readlink(ROOT / p) for p in tracked_files() if (ROOT / p).is_symlink()}
    assert "wire" in linked
    expected = {"openoutcry/__init__.py", "openoutcry/py.typed"}
    expected |= {
        f"openoutcry/{path}"
        for path in tracked_files()
        if path.parts[0] in linked and path.name != "Makefile"
    }
    assert sorted(expected - set(inside)) == []
    kinds = {Path(name).suffix for name in expected}
    assert {".py", ".c", ".h", ".cpp", ".v", ".vh", ".html", ".json", ".sh"} <= kinds
    regular_file = 0o100000
    for name in expected:
        assert inside[name].external_attr >> 16 & 0o170000 == regular_file, name


def test_only_one_name_is_taken_in_site_packages(installed):
    """No top-level ring, bench or tests in anybody's environment."""
    _, own = installed
    names = [name for name in own if not name.endswith(".dist-info")]
    assert names == ["openoutcry"]
    assert len(own) == 2


def test_the_licence_travels_with_the_package(wheel):
    """The full text is in the wheel, and the metadata names it."""
    with zipfile.ZipFile(wheel) as archive:
        (text,) = [n for n in archive.namelist() if n.endswith(".dist-info/licenses/LICENSE")]
        (metadata,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        assert archive.read(text) == (ROOT / "LICENSE").read_bytes()
        assert b"License-Expression: Apache-2.0" in archive.read(metadata)


def test_every_room_imports_outside_the_tree(run, installed):
    """Each installed module imports from the new environment with the declared packages alone; but
    the scripts that the interpreters of the peers' own environments run."""
    home, _ = installed
    script = (
        "import importlib, pkgutil, openoutcry\n"
        "names = [m.name for m in pkgutil.walk_packages(openoutcry.__path__, 'openoutcry.')]\n"
        "for name in names:\n"
        "    if not name.endswith('__main__') and '.peers.match_' not in name:\n"
        "        importlib.import_module(name)\n"
        "print(openoutcry.__file__)\n"
        "print(*names)\n"
    )
    done = run("python", "-c", script)
    assert done.returncode == 0, done.stderr
    where, names = done.stdout.splitlines()
    assert Path(where).is_relative_to(home)
    assert {"openoutcry.wire.records", "openoutcry.bench.results"} <= set(names.split())


def test_the_command_explains_itself_outside_the_tree(run):
    """`outcry --help` answers, with the commands in it."""
    done = run("outcry", "--help")
    assert done.returncode == 0, done.stderr
    assert "run" in done.stdout
    assert "replay" in done.stdout


def test_the_pipeline_runs_outside_the_tree(run):
    """`outcry run` from the wheel matches ten thousand orders and loses none; its standard output
    is one JSON document."""
    done = run("outcry", "run", "--orders", "10000", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["commands"] == 10_000
    assert result["lost"] == 0
    assert result["events"] >= 10_000


def test_the_doctor_examines_outside_the_tree(run):
    """`outcry doctor` from the wheel names the processor and has findings."""
    done = run("outcry", "doctor", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["findings"]
    assert document["host"]["cores_usable"] >= 1


def test_a_journal_is_replayed_and_a_report_drawn_outside_the_tree(run, tmp_path):
    """The report's template is in the wheel, and a replay finds what the run recorded."""
    done = run("outcry", "run", "--orders", "10000", "--topology", "inline", "--journal", "day",
               "--report", "report.html", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "</html>" in (tmp_path / "report.html").read_text()
    replayed = run("outcry", "replay", "day", "--json")
    assert replayed.returncode == 0, replayed.stderr
    assert json.loads(replayed.stdout)["state_hash"] == json.loads(done.stdout)["state_hash"]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler (gcc) here")
def test_the_c_shim_is_built_outside_the_tree(run, installed, tmp_path):
    """From the wheel's own C sources, into a cache of its own."""
    home, _ = installed
    script = (
        "from openoutcry.dpdk_shim import native\n"
        "print(native.SOURCES)\n"
        f"native.CACHE_ROOT = native.Path({str(tmp_path / 'cache')!r})\n"
        "print(native.build('outcry_shim_plain', ((), ())))\n"
    )
    done = run("python", "-c", script)
    assert done.returncode == 0, done.stderr
    sources, built = map(Path, done.stdout.split())
    assert sources.is_relative_to(home)
    assert built.is_relative_to(tmp_path)


def test_the_gateways_rtl_is_found_outside_the_tree(run, installed):
    """What Verilator is given lies in the wheel: the same sources have the tree's key."""
    from openoutcry.gateway_fpga.live import device

    home, _ = installed
    script = (
        "from openoutcry.gateway_fpga.live import device\n"
        "print(device.RTL, device.SOURCE, device._key([]))\n"
    )
    done = run("python", "-c", script)
    assert done.returncode == 0, done.stderr
    rtl, source, key = done.stdout.split()
    assert Path(rtl).is_relative_to(home)
    assert Path(source).is_relative_to(home)
    assert key == device._key([])
