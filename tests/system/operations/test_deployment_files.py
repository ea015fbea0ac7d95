"""What `outcry venue deploy files` writes, read by the tools that it is for."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import yaml

from openoutcry.operations.deployment import files_of
from tests import ROOT


def test_units_are_read_by_systemd(tmp_path: Path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze")
    for name, text in files_of("systemd").items():
        (tmp_path / name).write_text(text.replace("/opt/openoutcry/bin/outcry", sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, tmp_path.iterdir())],
        capture_output=True,
        text=True,
        timeout=120,
    )
    # What this machine lacks, not the units: an account, and units of a running systemd.
    wrong = [
        line for line in done.stderr.splitlines() if str(tmp_path) in line or ".service:" in line
    ]
    assert wrong == []


@pytest.mark.parametrize("value", ["", "1"])
def test_a_service_that_is_hidden_cannot_be_dumped_or_entered(value):
    code = "import ctypes, sys; sys.argv = ['outcry']; import openoutcry.__main__; "
    code += "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"  # PR_GET_DUMPABLE
    environment = {**os.environ, "OUTCRY_HIDDEN": value}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.stdout.strip() == (b"0" if value else b"1"), done.stderr


def test_compose_is_what_its_specification_allows(tmp_path: Path):
    path = tmp_path / "compose.yaml"
    path.write_text(files_of("compose")["compose.yaml"])
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_refuses_a_compose_file_that_is_wrong(tmp_path: Path):
    path = tmp_path / "compose.yaml"
    path.write_text(
        files_of("compose")["compose.yaml"].replace("read_only: true", "read_only: [1]")
    )
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    assert subprocess.run([*command, path], capture_output=True, timeout=120).returncode == 1


def test_manifests_are_what_kubernetes_allows(tmp_path: Path):
    validate = pytest.importorskip("kubernetes_validate")
    for one in yaml.safe_load_all(files_of("kubernetes")["openoutcry.yaml"]):
        validate.validate(one, "1.31", strict=True)
    one["spec"]["maxUnavailables"] = 1
    with pytest.raises(validate.ValidationError):
        validate.validate(one, "1.31", strict=True)


def test_an_images_list_names_what_is_installed():
    """The program that runs inside of an image, on this environment."""
    script = ROOT / "scripts" / "images" / "sbom.py"
    if shutil.which("dpkg-query") is None:
        pytest.skip("no Debian")
    packages = str(Path(numpy.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, str(script), packages], check=True, capture_output=True, text=True
    )
    document = json.loads(done.stdout)
    purls = {row["purl"] for row in document["components"]}
    assert f"pkg:pypi/numpy@{numpy.__version__}" in purls
    assert any(purl.startswith("pkg:deb/debian/") for purl in purls)
