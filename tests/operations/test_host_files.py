"""What other people's tools take from us: Grafana's dashboard and systemd's units."""

import re
import subprocess
from pathlib import Path
from shutil import which

import pytest
import yaml

from openoutcry.operations.dashboard import PANELS, dashboard
from openoutcry.operations.metrics import journal_use

ROOT = Path(__file__).resolve().parents[2]
METRICS = (ROOT / "operations" / "metrics.py").read_text()
SESSIONS = ("connected", "killed", "locked", "messages")


def named():
    """Every metric that operations/metrics.py has."""
    named = set(re.findall(r'"(outcry_[a-z_]+[a-z])"', METRICS))
    named |= {f"outcry_session_{name}" for name in SESSIONS}
    return named | {f"outcry_journal_{name}" for name in journal_use(ROOT)}


def test_a_dashboard_shows_only_metrics_that_there_are():
    queried_metrics = {
        re.sub("_(total|bucket)$", "", name)
        for panel in PANELS
        for query, _ in panel.queries
        for name in re.findall(r"outcry_[a-z_]+[a-z]", query)
    }
    assert queried_metrics <= named()
    places = [tuple(panel["gridPos"].values()) for panel in dashboard()["panels"]]
    assert len(set(places)) == len(places) == len(PANELS)


@pytest.mark.skipif(which("promtool") is None, reason="no promtool (prometheus)")
def test_its_queries_are_promql(tmp_path):
    """promtool reads each of them, as the expression of a rule."""
    queries = [query.replace("$venue", ".+") for panel in PANELS for query, _ in panel.queries]
    rules = [{"record": f"q{k}", "expr": query} for k, query in enumerate(queries)]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True,
                          timeout=60)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(which("systemd-analyze") is None, reason="no systemd-analyze")
@pytest.mark.parametrize(
    "name", sorted(p.name for p in (ROOT / "operations/host").glob("*.service"))
)
def test_units_are_what_systemd_takes(name, tmp_path):
    """Every line is understood; only that the program and the account are not here may be said."""
    unit = tmp_path / name
    unit.write_text((ROOT / "operations" / "host" / name).read_text())
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True,
                          timeout=60)  # fmt: skip
    ours = [line for line in done.stderr.splitlines() if name in line]
    assert [line for line in ours if "is not executable" not in line] == []
