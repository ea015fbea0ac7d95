"""What the tests of packaging in several tiers share."""

import os
import shutil
import subprocess
import sys
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from openoutcry.wire.kernel import CACHE_ROOT
from tests import ROOT


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
