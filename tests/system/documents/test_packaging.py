"""What is installed: one package, whole, that runs outside the tree with what it declares."""

import base64
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from openoutcry.wire import shipped
from openoutcry.wire.kernel import CACHE_ROOT
from tests import ROOT
from tests.support.documents.rooms import AT_THE_TOP


def tracked_files():
    """Paths from the root of the files and links that git knows and that are there."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=True
    )
    paths = [Path(name) for name in listed.stdout.split("\0") if name]
    return [path for path in paths if os.path.lexists(ROOT / path)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy that holds the tracked files alone."""
    copy = tmp_path_factory.mktemp("copy")
    for path in tracked_files():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, copy / path, follow_symlinks=False)
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    done = subprocess.run([*build, str(copy)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return built


def declared(name, seen):
    """The distribution ``name`` and, without extras, everything it says it needs."""
    if name in seen:
        return
    seen[name] = distribution(name)
    for text in seen[name].requires or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            declared(requirement.name.lower().replace("_", "-"), seen)


def link_in(package: Distribution, site: Path):
    """Put one installed distribution into another site-packages, as links to its top entries."""
    for file in package.files or []:
        top = file.parts[0]
        if top not in {"..", "__pycache__", "bin"} and not (site / top).exists():
            (site / top).symlink_to(package.locate_file(top))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An environment that holds the wheel and what it declares, and nothing else: what is missing
    in ``dependencies`` is missing here.  Third-party packages are links to the running ones."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=True)
    (site,) = home.glob("lib/python*/site-packages")
    assert list(site.iterdir()) == []
    install = ["install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python")]
    # The checkout on the path would be taken for what is installed.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(
        [*pip, *install, str(wheel)], check=True, capture_output=True, env=environment, cwd=home
    )
    own = sorted(path.name for path in site.iterdir())
    (info,) = site.glob("openoutcry-*.dist-info")
    needed: dict[str, Distribution] = {}
    for text in Distribution.at(info).requires or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            declared(requirement.name.lower(), needed)
    for package in needed.values():
        link_in(package, site)
    return home, own


@pytest.fixture
def run(installed, tmp_path):
    """Run a command of that environment outside the tree, with nothing of this process's."""
    home, _ = installed

    def run_command(*command):
        environment = {
            "PATH": f"{home / 'bin'}:/usr/bin:/bin",
            "HOME": str(tmp_path),
            # Equal sources have one key, and the key is of the sources that it runs: what these
            # tests have compiled already need not be compiled again.
            "OUTCRY_CACHE_DIR": str(CACHE_ROOT),
            "LANG": "C.UTF-8",
        }
        return subprocess.run(
            [str(home / "bin" / command[0]), *command[1:]],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    return run_command


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
    links to rooms became the rooms.  Only what make and FuseSoC read stays in the tree."""
    with zipfile.ZipFile(wheel) as archive:
        inside = {info.filename: info for info in archive.infolist()}
    linked = {p.name for p in tracked_files() if (ROOT / p).is_symlink()}
    assert linked == set(AT_THE_TOP)
    expected = {
        str(path) if path.parts[0] == "openoutcry" else f"openoutcry/{path}"
        for path in tracked_files()
        if path.parts[0] in {"openoutcry", *linked}
        and not (ROOT / path).is_symlink()
        and path.name not in ("Makefile", "outcry.core")
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
    the scripts that the interpreters of the peers' own environments run, and those that alembic
    runs.  EVM custody hashes the names of its types when it is imported, with a library of its
    extra, and the web servers' protocols are subclasses of those of theirs."""
    home, _ = installed
    script = (
        "import importlib, pkgutil, openoutcry\n"
        "names = [m.name for m in pkgutil.walk_packages(openoutcry.__path__, 'openoutcry.')]\n"
        "for name in names:\n"
        "    scripts = '.peers.match_', '.portal.migrations.', '.custody.evm.', '.custody.demo'\n"
        "    scripts += '.operations.http_protocol', '.operations.websocket_protocol'\n"
        "    if not name.endswith('__main__') and not any(one in name for one in scripts):\n"
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
    done = run(
        "outcry",
        "run",
        "--orders",
        "10000",
        "--topology",
        "inline",
        "--journal",
        "day",
        "--report",
        "report.html",
        "--json",
    )
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


@pytest.mark.long
@pytest.mark.skipif(not shipped.usable(), reason="this processor has not all of x86-64-v3")
def test_a_wheel_with_kernels_runs_at_once(wheel, tmp_path):
    """With an empty cache `outcry run` takes no more than 10 s of a processor, compiles nothing and
    comes to the hashes that it comes to when it compiles all of it here."""
    ours = Path(shutil.copy(wheel, tmp_path))
    script = [sys.executable, str(ROOT / "scripts" / "wheel_kernels.py"), str(ours)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OUTCRY_")}
    subprocess.run([*script, "--only", "run"], check=True, env=environment, capture_output=True)
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(site), str(ours)], check=True, capture_output=True)
    command = [sys.executable, "-m", "openoutcry", "run", "--orders", "10000", "--json"]
    for topology in ("inline", "processes"):
        hashes = []
        for cache, own in ((tmp_path / topology, "1"), (CACHE_ROOT, "0")):
            variables = {"PYTHONPATH": str(site), "OUTCRY_CACHE_DIR": str(cache)}
            before_s = sum(os.times()[2:4])
            done = subprocess.run(
                [*command, "--topology", topology],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                env=environment | variables | {"OUTCRY_SHIPPED": own},
            )
            took_s = sum(os.times()[2:4]) - before_s
            assert done.returncode == 0, done.stderr
            result = json.loads(done.stdout)
            hashes.append((result["state_hash"], result["event_hash"]))
            if own == "1":
                assert list(cache.rglob("*.nbc")) == []
                assert took_s < 10
        assert hashes[0] == hashes[1]
