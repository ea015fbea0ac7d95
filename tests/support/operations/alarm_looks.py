"""Alarms over what is really collected, by a clock that the test moves: the page of red and green
judges what it can, Prometheus's own evaluation (promtool) the alarms over a window of time."""

import re
import subprocess
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

import pytest
import yaml

from openoutcry.operations.alarms import ALARMS, rule_file
from openoutcry.operations.metrics import VenueMetrics
from openoutcry.operations.watch import Light, Watch
from tests.support.waiting import BOUND_S

STEP_S = 10


def selector(name, labels):
    """Return a series as Prometheus writes it."""
    return name + "{" + ",".join(f'{key}="{value}"' for key, value in sorted(labels)) + "}"


def promtool(tests):
    """Run these tests of the rule file; return promtool's status and output."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "rules.yml").write_text(rule_file())
        document = {"rule_files": ["rules.yml"], "evaluation_interval": f"{STEP_S}s"}
        (Path(folder) / "tests.yml").write_text(yaml.safe_dump(document | {"tests": tests}))
        done = subprocess.run(
            ["promtool", "test", "rules", "tests.yml"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=BOUND_S,
        )
    return done.returncode, done.stdout + done.stderr


class Looks:
    """One alarm of a venue, looked at each STEP_S of a clock of its own."""

    def __init__(self, name, venue=None):
        (self.alarm,) = [one for one in ALARMS if one.name == name]
        self.windowed = isinstance(self.alarm.of, str)
        if self.windowed and which("promtool") is None:
            pytest.skip("no promtool (prometheus)")
        self.metrics = VenueMetrics(venue)
        self.watch = Watch(self.metrics.collect)
        self.names = set(re.findall(r"outcry_\w+", self.alarm.promql()))
        self.rows, self.count = {}, 0

    def look(self, meanwhile=None):
        """One look; ``meanwhile`` is what happens before it.  Returns whether it fires."""
        self.step(meanwhile)
        return self.fires()

    def step(self, meanwhile=None):
        """Let a step pass and look."""
        if meanwhile is not None:
            meanwhile()
        if not self.windowed:
            self.watch.poll()
            return
        for family in self.metrics.collect():
            for sample in family.samples:
                if sample.name in self.names:
                    row = self.rows.setdefault(selector(sample.name, sample.labels.items()), [])
                    row += ["_"] * (self.count - len(row)) + [f"{sample.value:.17g}"]
        self.count += 1

    def fires(self):
        """Return whether the alarm fires now."""
        if not self.windowed:
            return self.watch.lights[self.alarm.name] is Light.RED
        quiet = {
            "eval_time": f"{(self.count - 1) * STEP_S}s",
            "alertname": self.alarm.name,
            "exp_alerts": [],
        }
        series = [{"series": key, "values": " ".join(row)} for key, row in self.rows.items()]
        status, output = promtool(
            [{"interval": f"{STEP_S}s", "input_series": series, "alert_rule_test": [quiet]}]
        )
        assert (status, "FAILED" in output) in ((0, False), (1, True)), output
        return status == 1

    def goes(self, fires, seconds, meanwhile=None):
        """Look for so many seconds; at their end it must be at ``fires``."""
        for _ in range(seconds // STEP_S):
            self.step(meanwhile)
        assert self.fires() == fires, self.alarm.name

    def driven(self, quiet, loud, seconds):
        """Quiet, loud, quiet again; each for so many seconds, and its edge within each."""
        self.goes(False, seconds, quiet)
        self.goes(True, seconds, loud)
        self.goes(False, seconds, quiet)
