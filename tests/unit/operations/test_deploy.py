"""A venue's processes are of one build, and a new build is proven on the old one's journal."""

import os

import pytest

from openoutcry.host import build
from openoutcry.operations import deploy
from openoutcry.pipeline.announce import announced
from tests.support.operations.deploy import copy_of
from tests.unit.documents.test_rooms import MAY_IMPORT


def test_the_build_is_of_the_rooms_that_stages_run():
    """And of all that these import."""
    reached = {"venue"}
    while more := {target for room in reached for target in MAY_IMPORT[room]} - reached:
        reached |= more
    assert set(build.ROOMS) == reached


def test_a_changed_source_is_another_build_and_a_touched_one_is_not(tmp_path, monkeypatch):
    package = copy_of(tmp_path)
    first = build.read_build(package)
    assert first.number == build.read_build(package).number
    path = package / "risk" / "before.py"
    os.utime(path, (1, 1))
    monkeypatch.setattr(build, "_held", first)
    build.require_same(package)
    path.write_text(path.read_text() + "\n")
    with pytest.raises(build.BuildError, match=r"risk/before\.py changed since this run began"):
        build.require_same(package)
    assert build.read_build(package).number != first.number
    path.unlink()
    with pytest.raises(build.BuildError, match=r"risk/before\.py"):
        build.require_same(package)
    here = build.read_build().number
    monkeypatch.setenv("OUTCRY_VERIFY", "of another kind")
    assert build.read_build().number != here


def test_processes_outside_the_run_are_distinguished_too():
    build.this_build()
    with announced("console"):
        (one,) = [one for one in deploy.announcements() if one.pid == os.getpid()]
        assert (one.role, one.build) == ("console", build.this_build().number)
        rows = [
            deploy.Row("supervisor", 1, 5, 6, 7, 1),
            deploy.Row("gate", 2, 5, 6, 7, 1),
            deploy.Row("console", 3, 9, 6, None),
        ]
        deploy._mark(rows, one_config=False)
        assert deploy.sentences(rows) == ["console (pid 3) is of another build"]
    assert not [one for one in deploy.announcements() if one.pid == os.getpid()]
