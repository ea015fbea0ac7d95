"""The commands of docs/replication-protocol.md."""

import json

from tests.support.replica.protocol_page import PAGE
from tests.support.user_commands import commands, run


def test_the_pages_commands(tmp_path):
    many, one = commands(PAGE)
    output = run(many, tmp_path)
    assert "200 histories" in output
    assert "none broke a promise" in output
    assert "leads in epoch 1" in run(one, tmp_path)
    command = "python -m tests.support.replica.simulate --seeds 5 --seed 7 --json"
    document = json.loads(run(command, tmp_path))
    assert (document["histories"], document["violations"]) == (5, [])
