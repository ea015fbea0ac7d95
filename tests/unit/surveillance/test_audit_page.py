"""Every command of docs/audit.md is run here."""

import shlex
import shutil

import pytest

from openoutcry.surveillance.audit.build import folder_of
from openoutcry.surveillance.audit.trail import Trail
from tests.support.pipeline import warm_outcry
from tests.support.user_commands import commands
from tests.support.waiting import BOUND_S

LINES = commands("audit.md")


@pytest.fixture(scope="module")
def folder(audited, tmp_path_factory):
    """One folder for all, with a trail of one part more than the page begins with."""
    home = tmp_path_factory.mktemp("page")
    shutil.copytree(audited, home / "day")
    return home


def an_order(audited):
    """One that traded."""
    trail = Trail(folder_of(audited))
    table = next(iter(trail.day(trail.links[0].day)))
    rows = (row for row in table.to_pylist() if row["action"] == "TRADE" and row["entry_seq"])
    return str(next(rows)["order_id"])


@pytest.mark.parametrize("line", LINES)
def test_commands_of_the_page(folder, audited, line):
    outcry, *words = shlex.split(line)
    assert outcry == "outcry"
    trail = Trail(folder_of(audited))
    swapped = {"ORDER": an_order(audited), "2024-10-04": trail.links[0].day}
    words = [swapped.get(word, word) for word in words]
    done = warm_outcry.run(words, folder, BOUND_S)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
