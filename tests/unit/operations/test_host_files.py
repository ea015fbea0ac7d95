"""What other people's tools take from us: Grafana's dashboard and systemd's units."""

import re

import pytest

from openoutcry import PACKAGE
from openoutcry.operations.dashboard import PANELS, dashboard
from openoutcry.operations.deployment import units
from openoutcry.operations.metrics import journal_use
from tests import ROOT

METRICS = (PACKAGE / "operations" / "metrics.py").read_text()
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


UNITS = units()


@pytest.mark.promise(
    "What is written is its owner's alone, in directories where no other user may write, "
    "follows no other user's link, and is whole or not there. Each unit sets UMask, LimitCORE"
    " and SystemCallFilter",
    group="files",
)
@pytest.mark.parametrize("name", UNITS)
def test_a_units_files_are_its_own_and_it_leaves_no_core(name):
    """A core dump would hold what memory holds: every password and order."""
    lines = UNITS[name].splitlines()
    assert "UMask=0077" in lines
    assert "LimitCORE=0" in lines
    assert "NoNewPrivileges=true" in lines
    assert any(line.startswith("SystemCallFilter=") for line in lines)


FOR_STRANGERS = ("openoutcry-screen.service", "openoutcry-portal.service")
"""Processes that people outside of the venue's operator reach."""


@pytest.mark.promise(
    "What is written is its owner's alone, in directories where no other user may write, "
    "follows no other user's link, and is whole or not there. Each unit sets UMask, LimitCORE"
    " and SystemCallFilter",
    group="files",
)
@pytest.mark.parametrize("name", FOR_STRANGERS)
def test_what_strangers_reach_changes_no_journal_and_gains_no_right(name):
    lines = UNITS[name].splitlines()
    for line in (
        "ReadOnlyPaths=/var/lib/openoutcry/journal",
        "CapabilityBoundingSet=",
        "ProtectProc=invisible",
        "RestrictNamespaces=true",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    ):
        assert line in lines
