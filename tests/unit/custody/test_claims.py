"""Processes that share the seeds of a long run take each once."""

import json
import os

from tests.support.custody.claims import claimed, tallies


def test_each_seed_is_taken_once_and_what_failed_or_was_left_is_taken_again(tmp_path):
    (tmp_path / "1.jsonl").write_text(
        json.dumps({"seed": 0}) + "\n" + json.dumps({"seed": 1, "failure": "x"}) + "\n"
    )
    assert tallies(tmp_path) == [{"seed": 0}]
    one, other = claimed(tmp_path, range(6)), claimed(tmp_path, range(6))
    taken = [next(one), next(other), next(one)]
    assert taken == [1, 2, 3]
    assert (tmp_path / "claims" / "3").read_text() == str(os.getpid())
    (tmp_path / "claims" / "2").write_text("999999999")  # its process is gone
    assert list(claimed(tmp_path, range(5))) == [2, 4]
    assert list(one) == [5]
