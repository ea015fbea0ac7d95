"""The commands of docs/replication-protocol.md."""

import json

from replica_planted import PLANTED
from user_commands import ROOT, commands, run

PAGE = "replication-protocol.md"


def test_the_pages_commands(tmp_path):
    many, one = commands(PAGE)
    output = run(many, tmp_path)
    assert "200 histories" in output
    assert "none broke a promise" in output
    assert "leads in epoch 1" in run(one, tmp_path)
    document = json.loads(run("outcry simulate replication --seeds 5 --seed 7 --json", tmp_path))
    assert (document["histories"], document["violations"]) == (5, [])


def test_the_page_says_how_many_bugs_are_planted():
    assert f"{len(PLANTED)} bugs are planted" in (ROOT / "docs" / PAGE).read_text()
