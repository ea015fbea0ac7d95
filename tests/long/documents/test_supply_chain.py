"""What `make run` installs is pinned by hash, licensed for use, and can be listed."""

import json
import sys
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.support.documents.supply_chain import for_this_python
from tests.support.user_commands import ROOT, run


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
