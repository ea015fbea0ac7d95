"""Both ends of FIX sessions are killed in mid-traffic, over and over: every order that was sent is
in the book once, every report comes once, and what is sent again is what it was."""

from tests.support.order_entry.fix_kill import kill_everything


def test_everything_is_killed_and_started_again(tmp_path):
    kill_everything(tmp_path, rounds=2)
