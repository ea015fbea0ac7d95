"""Every alarm fires at its edge and clears, by Prometheus's own judgement."""

import subprocess
from shutil import which

import pytest

from openoutcry.operations.alarms import ALARMS, rule_file
from tests.support.operations.alarm_looks import STEP_S, promtool, selector
from tests.support.operations.alarms import PART_STEPS, grown, labels_of, levels_of, series_of
from tests.support.user_commands import BLOCK, DOCS
from tests.support.waiting import BOUND_S

needs_promtool = pytest.mark.skipif(which("promtool") is None, reason="no promtool (prometheus)")


@needs_promtool
def test_prometheus_fires_at_every_edge(tmp_path):
    """promtool runs the rule file over each alarm's series: quiet, firing, quiet."""
    output = checked(tmp_path, "rules.yml", rule_file(), ["promtool", "check", "rules"])
    assert f"{len(ALARMS)} rules found" in output
    tests = []
    for alarm in ALARMS:
        if alarm.name.startswith("BudgetBurns"):  # its windows are hours: below
            continue
        rows = [
            {"series": selector(name, labels), "values": " ".join(f"{v:.15g}" for v in row)}
            for (name, labels), row in series_of(alarm, levels_of(alarm)).items()
        ]
        fires = {
            # The rule's label stands over a sample's own of that name.
            "exp_labels": labels_of(alarm) | {"severity": alarm.severity},
            "exp_annotations": {
                "summary": alarm.summary,
                "runbook_url": f"docs/alarms.md#{alarm.name.lower()}",
            },
        }
        looks = [
            {
                "eval_time": f"{(part * PART_STEPS - 1) * STEP_S}s",
                "alertname": alarm.name,
                "exp_alerts": expected,
            }
            for part, expected in [(1, []), (2, [fires]), (3, [])]
        ]
        tests.append({"interval": f"{STEP_S}s", "input_series": rows, "alert_rule_test": looks})
    status, output = promtool(tests)
    assert status == 0, output[-4000:]


@needs_promtool
@pytest.mark.parametrize(("name", "hours"), [("BudgetBurnsFast", 2), ("BudgetBurnsSlowly", 12)])
def test_a_budget_that_burns_is_named_at_its_edge(name, hours):
    """Down just less than the alarm's share of the time, just more, and not at all: the short
    window ends it, while the long one is still above."""
    (alarm,) = [one for one in ALARMS if one.name == name]
    objective, steps = 0.999, hours * 60
    share = alarm.threshold * (1 - objective)
    down = grown([share * 0.99] * steps + [share * 1.01] * steps + [0.0] * steps)
    total = grown([1.0] * len(down))
    up = [whole - part for whole, part in zip(total, down, strict=True)]
    labels = {"function": "matching"}
    rows = {
        selector("outcry_probe_objective", labels.items()): [objective] * len(down),
        selector("outcry_probe_seconds_total", (labels | {"state": "down"}).items()): down,
        selector("outcry_probe_seconds_total", (labels | {"state": "up"}).items()): up,
    }
    fires = {
        "exp_labels": labels | {"severity": alarm.severity},
        "exp_annotations": {
            "summary": alarm.summary,
            "runbook_url": f"docs/alarms.md#{name.lower()}",
        },
    }
    looks = [
        {"eval_time": f"{minute}m", "alertname": name, "exp_alerts": expected}
        for minute, expected in [
            (steps - 1, []),
            (2 * steps - 1, [fires]),
            (2 * steps + 31, []),
        ]
    ]
    series = [
        {"series": key, "values": " ".join(f"{v:.15g}" for v in row)} for key, row in rows.items()
    ]
    status, output = promtool(
        [{"interval": "60s", "input_series": series, "alert_rule_test": looks}]
    )
    assert status == 0, output[-4000:]


def example(name):
    """Return the file of that name that docs/operations.md shows."""
    shown = [block for _, block in BLOCK.findall((DOCS / "operations.md").read_text())]
    (text,) = [block for block in shown if block.startswith(f"# {name}\n")]
    return text


def checked(folder, name, text, command):
    """Let a program check a file, which it must find good; return what it prints."""
    (folder / name).write_text(text)
    done = subprocess.run(
        [*command, name], cwd=folder, capture_output=True, text=True, timeout=BOUND_S
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "SUCCESS" in output
    return output


@needs_promtool
def test_the_page_s_prometheus_takes_the_rules(tmp_path):
    (tmp_path / "openoutcry.rules.yml").write_text(rule_file())
    text = example("prometheus.yml")
    output = checked(tmp_path, "prometheus.yml", text, ["promtool", "check", "config"])
    assert f"{len(ALARMS)} rules found" in output


@pytest.mark.skipif(which("amtool") is None, reason="no amtool (prometheus-alertmanager)")
def test_the_page_s_alertmanager_is_one(tmp_path):
    text = example("alertmanager.yml")
    checked(tmp_path, "alertmanager.yml", text, ["amtool", "check-config"])
