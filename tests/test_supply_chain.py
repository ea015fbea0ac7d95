"""What `make run` installs is pinned by hash, licensed for use, and can be listed."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from user_commands import ROOT, run

LOCK = (ROOT / "requirements.lock").read_text()
ENTRY = re.compile(r"^(\S+==[^\\\n]+?) *\\\n((?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M)
LICENCES = {
    "0BSD", "Apache-2.0", "BSD", "BSD License", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC",
    "LGPL-2.1-or-later", "MIT", "MIT License", "MIT-0", "PSF-2.0", "Zlib",
    "Apache-2.0 WITH LLVM-exception",
}  # fmt: skip
"""What may be used beside Apache-2.0; the LGPL's one package, crc32c, is a shared library that
anybody can exchange."""


def locked() -> list[Requirement]:
    return [Requirement(entry) for entry, _ in ENTRY.findall(LOCK)]


def for_this_python() -> list[Requirement]:
    return [one for one in locked() if one.marker is None or one.marker.evaluate()]


def licences(name: str) -> Iterator[str]:
    """What a distribution says of its licence: each that holds, or one to choose from."""
    about = distribution(name).metadata
    classifiers = [text.rsplit(" :: ", 1)[1] for text in about.get_all("Classifier") or []
                   if text.startswith("License ::")]  # fmt: skip
    statement = about.get("License-Expression") or about.get("License") or "".join(classifiers[:1])
    for one in statement.split(" AND "):
        choices = one.strip("() ").split(" OR ")
        yield next((choice for choice in choices if choice in LICENCES), one)


def test_each_line_of_the_lock_is_a_version_and_its_hashes() -> None:
    names = re.findall(r"^([A-Za-z0-9][^\s=]*)", LOCK, re.M)
    assert names == [one.name for one in locked()]


def test_the_lock_holds_every_dependency() -> None:
    """For each dependency of pyproject.toml, a version that it allows."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    pinned = {canonicalize_name(one.name): str(one.specifier)[2:] for one in for_this_python()}
    for requirement in map(Requirement, wanted):
        version = pinned.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is not locked: make lock"
        assert requirement.specifier.contains(version), f"{requirement} and {version}: make lock"


def test_what_the_dependencies_need_is_locked_too() -> None:
    """Nothing is left for the installer to choose."""
    pinned = {canonicalize_name(one.name) for one in for_this_python()}
    for name in pinned:
        for text in distribution(name).requires or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert canonicalize_name(needed.name) in pinned, f"{name} needs {needed}: make lock"


def test_the_lock_names_no_index() -> None:
    assert not re.search(r"://|--index-url|--extra-index|--find-links", LOCK)


def test_make_run_installs_what_the_lock_pins(tmp_path: Path) -> None:
    """`make` passes the lock to pip with --require-hashes, and builds the package with what is
    then installed; a wrong hash is refused."""
    plan = run("make --dry-run run VENV=nowhere", ROOT)
    assert "--require-hashes --requirement requirements.lock" in plan
    assert "--no-build-isolation --no-deps --editable ." in plan
    first = ENTRY.search(LOCK)
    assert first is not None
    wheel = (
        tmp_path / f"{first[1].partition('==')[0]}-{first[1].partition('==')[2]}-py3-none-any.whl"
    )
    shutil.copy(__file__, wheel)
    (tmp_path / "lock").write_text(first[0])
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--dry-run", "--isolated", "--no-index",
         "--no-deps", "--ignore-installed", "--find-links", str(tmp_path), "--require-hashes",
         "--requirement", str(tmp_path / "lock")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr


def test_every_licence_is_one_we_accept() -> None:
    unknown = {}
    for requirement in for_this_python():
        try:
            names = set(licences(requirement.name))
        except PackageNotFoundError:
            raise AssertionError(f"{requirement.name} is locked and not installed") from None
        if not names or not names <= LICENCES:
            unknown[requirement.name] = names - LICENCES or "says nothing"
    assert unknown == {}


@pytest.mark.long
def test_the_bill_of_materials_lists_every_pinned_package(tmp_path: Path) -> None:
    """The command of `make sbom`, into another folder."""
    plan = run("make --dry-run sbom VENV=nowhere", ROOT)
    line = next(line for line in plan.replace("\\\n", " ").splitlines() if "cyclonedx-py" in line)
    command = line.replace("nowhere/bin/cyclonedx-py", "cyclonedx-py")
    command = command.replace("nowhere/bin/python", sys.executable)
    run(command.replace("build/sbom.json", str(tmp_path / "sbom.json")), ROOT)
    document = json.loads((tmp_path / "sbom.json").read_text())
    assert document["bomFormat"] == "CycloneDX"
    listed = {canonicalize_name(one["name"]) for one in document["components"]}
    assert {canonicalize_name(one.name) for one in for_this_python()} <= listed
