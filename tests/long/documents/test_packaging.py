"""What is installed: one package, whole, that runs outside the tree with what it declares."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from openoutcry.wire import shipped
from openoutcry.wire.kernel import CACHE_ROOT
from tests import ROOT
from tests.support.documents import packaging as shared

run = shared.run
wheel = shared.wheel


pytestmark = pytest.mark.skipif(
    not (ROOT / ".git").exists() or shutil.which("git") is None,
    reason="not a git checkout: there is no saying which files belong to the project",
)


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
                [*command, "--topology", topology], cwd=tmp_path, capture_output=True, text=True,
                env=environment | variables | {"OUTCRY_SHIPPED": own},
            )  # fmt: skip
            took_s = sum(os.times()[2:4]) - before_s
            assert done.returncode == 0, done.stderr
            result = json.loads(done.stdout)
            hashes.append((result["state_hash"], result["event_hash"]))
            if own == "1":
                assert list(cache.rglob("*.nbc")) == []
                assert took_s < 10
        assert hashes[0] == hashes[1]
