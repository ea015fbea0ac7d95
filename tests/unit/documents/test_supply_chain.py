"""What `make run` installs is pinned by hash, licensed for use, and can be listed."""

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.documents.supply_chain import LOCK, SERVICES, for_this_python, locked
from tests.support.user_commands import ROOT

LICENCES = {
    "0BSD", "Apache-2.0", "BSD", "BSD License", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC",
    "LGPL-2.1-or-later", "MIT", "MIT License", "MIT-0", "PSF-2.0", "Zlib",
    "Apache-2.0 WITH LLVM-exception",
}  # fmt: skip
"""What may be used beside Apache-2.0; the LGPL's one package, crc32c, is a shared library that
anybody can exchange."""


def licences(name: str) -> Iterator[str]:
    """What a distribution says of its licence: each that holds, or one to choose from."""
    about = distribution(name).metadata
    classifiers = [
        text.rsplit(" :: ", 1)[1]
        for text in about.get_all("Classifier") or []
        if text.startswith("License ::")
    ]
    statement = about.get("License-Expression") or about.get("License") or "".join(classifiers[:1])
    for one in statement.split(" AND "):
        choices = one.strip("() ").split(" OR ")
        yield next((choice for choice in choices if choice in LICENCES), one)


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def asked(*extras: str) -> list[Requirement]:
    """What the project depends on, and these extras with those that they name."""
    texts = list(PROJECT["dependencies"])
    for extra in extras:
        texts += EXTRAS[extra]
    found = []
    for requirement in map(Requirement, texts):
        found += asked(*requirement.extras) if requirement.name == "openoutcry" else [requirement]
    return found


WANTED = [
    pytest.param(LOCK, asked(), id="run"),
    pytest.param(SERVICES, asked("portal", "custody", "venue"), id="services"),
]


@pytest.mark.parametrize("lock", [LOCK, SERVICES])
def test_each_line_of_the_lock_is_a_version_and_its_hashes(lock: str) -> None:
    names = re.findall(r"^([A-Za-z0-9][^\s=\[]*)", lock, re.M)
    assert names == [one.name for one in locked(lock)]


@pytest.mark.promise(
    "Every dependency's licence is known and permits use. `make run` installs only the "
    "versions and hashes of `requirements.lock`, which names no package index and covers what"
    " pyproject.toml asks for",
    group="supply",
)
@pytest.mark.parametrize(("lock", "wanted"), WANTED)
def test_the_lock_holds_every_dependency(lock: str, wanted: list[Requirement]) -> None:
    """For each dependency of pyproject.toml, a version that it allows."""
    pinned = {canonicalize_name(one.name): str(one.specifier)[2:] for one in for_this_python(lock)}
    for requirement in wanted:
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


@pytest.mark.promise(
    "Every dependency's licence is known and permits use. `make run` installs only the "
    "versions and hashes of `requirements.lock`, which names no package index and covers what"
    " pyproject.toml asks for",
    group="supply",
)
@pytest.mark.parametrize("lock", [LOCK, SERVICES])
def test_the_lock_names_no_index(lock: str) -> None:
    assert not re.search(r"://|--index-url|--extra-index|--find-links", lock)


INTERNAL = ("numba.core", "uvicorn.protocols", "websockets.frames")
"""Modules of others that are not their documented interface."""


OURS = sys.stdlib_module_names | {"openoutcry"}
FROM = re.compile(r"^(?:    |)from ([a-z]\w*)([\w.]*) import (\([^)]*\)|.*)", re.M)
IMPORT = re.compile(r"^(?:    |)import ([\w.]+)(?: as (\w+))?$", re.M)


def private_names(text: str) -> Iterator[tuple[str, str]]:
    """The package and the name, for each private name that a module has of a package of others."""
    for package, rest, names in FROM.findall(text):
        if f"{package}{rest}".startswith(INTERNAL) or re.search(r"\b_[a-z]", f"{rest} {names}"):
            yield package, f"{package}{rest}"
    for module, alias in IMPORT.findall(text):
        if module.partition(".")[0] in OURS:
            continue
        if found := re.search(rf"\b{re.escape(alias or module)}\._[a-z]\w*", text):
            yield module.partition(".")[0], found[0]


def test_a_package_whose_private_names_are_used_has_an_upper_bound() -> None:
    bounded = {
        canonicalize_name(one.name)
        for one in asked(*EXTRAS)
        if any(part.operator in ("<", "==", "~=") for part in one.specifier)
    }
    used: dict[str, str] = {}
    rooms = sorted(room.resolve() for room in (ROOT / "openoutcry").iterdir())
    for path in (path for room in rooms for path in (room, *room.rglob("*.py"))):
        if path.suffix != ".py":
            continue
        for package, name in private_names(path.read_text()):
            if package not in OURS:
                used[package] = f"{path.relative_to(ROOT)}: {name}"
    assert {"numba", "uvicorn"} <= {*used}
    assert {k: v for k, v in used.items() if canonicalize_name(k) not in bounded} == {}


@pytest.mark.promise(
    "Every dependency's licence is known and permits use. `make run` installs only the "
    "versions and hashes of `requirements.lock`, which names no package index and covers what"
    " pyproject.toml asks for",
    group="supply",
)
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
