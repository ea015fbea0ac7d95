"""Every alarm fires at its edge and clears, by Prometheus's own judgement and by ours alike."""

import subprocess
from shutil import which

import pytest
import yaml

from openoutcry.operations import expressions
from openoutcry.operations.alarms import ALARMS, rule_file
from tests.support.operations.alarms import PART_STEPS, STEP_S, labels_of, levels_of, series_of
from tests.support.waiting import BOUND_S

needs_promtool = pytest.mark.skipif(which("promtool") is None, reason="no promtool (prometheus)")


@pytest.mark.long
@needs_promtool
def test_prometheus_says_the_same_at_every_edge(tmp_path):
    """promtool runs the rule file over each alarm's series: quiet, firing, quiet."""
    (tmp_path / "rules.yml").write_text(rule_file())
    checked = subprocess.run(
        ["promtool", "check", "rules", "rules.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=BOUND_S,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(ALARMS)} rules found" in checked.stdout + checked.stderr
    document = {"rule_files": ["rules.yml"], "evaluation_interval": f"{STEP_S}s", "tests": []}
    for alarm in ALARMS:
        rows = [
            {
                "series": expressions.selector(name, dict(labels)),
                "values": " ".join(f"{v:.15g}" for v in row),
            }
            for (name, labels), row in series_of(alarm.of, levels_of(alarm)).items()
        ]
        fires = {
            # The rule's label stands over a sample's own of that name.
            "exp_labels": labels_of(alarm) | {"severity": alarm.severity},
            "exp_annotations": {
                "summary": alarm.summary,
                "runbook_url": f"docs/alarms.md#{alarm.name.lower()}",
            },
        }
        looks = [(1, []), (2, [fires]), (3, [])]
        document["tests"].append(
            {
                "interval": f"{STEP_S}s",
                "input_series": rows,
                "alert_rule_test": [
                    {
                        "eval_time": f"{(part * PART_STEPS - 1) * STEP_S}s",
                        "alertname": alarm.name,
                        "exp_alerts": expected,
                    }
                    for part, expected in looks
                ],
            }
        )
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(document))
    tested = subprocess.run(
        ["promtool", "test", "rules", "tests.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=BOUND_S,
    )
    assert tested.returncode == 0, tested.stdout[-4000:] + tested.stderr[-4000:]
