"""What other people's tools take from us: Grafana's dashboard and systemd's units."""

import subprocess
from shutil import which

import pytest
import yaml

from openoutcry import PACKAGE
from openoutcry.operations.dashboard import PANELS
from tests.support.waiting import BOUND_S


@pytest.mark.skipif(which("promtool") is None, reason="no promtool (prometheus)")
def test_its_queries_are_promql(tmp_path):
    """promtool reads each of them, as the expression of a rule."""
    queries = [query.replace("$venue", ".+") for panel in PANELS for query, _ in panel.queries]
    rules = [{"record": f"q{k}", "expr": query} for k, query in enumerate(queries)]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", path], capture_output=True, text=True, timeout=BOUND_S
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(which("systemd-analyze") is None, reason="no systemd-analyze")
@pytest.mark.parametrize(
    "name", sorted(p.name for p in (PACKAGE / "operations/host").glob("*.service"))
)
def test_units_are_what_systemd_takes(name, tmp_path):
    """Every line is understood; only that the program and the account are not here may be said."""
    unit = tmp_path / name
    unit.write_text((PACKAGE / "operations" / "host" / name).read_text())
    done = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=BOUND_S
    )
    ours = [line for line in done.stderr.splitlines() if name in line]
    assert [line for line in ours if "is not executable" not in line] == []
