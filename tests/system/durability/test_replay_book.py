"""A book at any command: stepping forward and back gives what replaying up to there gives."""

import json

import pytest

from openoutcry.journal import JournalError
from openoutcry.journal.book import Stepper, book_lines, orders_of
from openoutcry.journal.checkpoint import make_checkpoints, recover
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY
from tests.support.surveillance import audit_journals


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = audit_journals.write(
        tmp_path_factory.mktemp("steps") / "day", audit_journals.orders(6, 6_000)
    )
    make_checkpoints(home, 2_000)
    return home


def test_every_way_to_a_command_comes_to_the_same_state_and_events(home):
    _, events, _ = audit_journals.read_all(home)
    stepper = Stepper(home, 3_000)
    for seq in (3_000, 3_001, 2_999, 1, 0, 6_000, 5_999, 1_024, 1_023, 4_096, 17):
        stepper.goto(seq)
        assert stepper.seq == seq
        assert stepper.engine.state_hash() == recover(home, seq).engine.state_hash()
        mine = events[events["cause_seq"] == seq]
        assert stepper.events.tolist() == mine.tolist()
    stepper.goto(2_000)
    there = stepper.engine.state_hash()
    for _ in range(40):
        assert stepper.back()
    for _ in range(40):
        assert stepper.forward()
    assert stepper.engine.state_hash() == there
    with pytest.raises(JournalError, match="command 6,001 was requested"):
        stepper.goto(6_001)
    stepper.goto(6_000)
    assert not stepper.forward()
    stepper.goto(0)
    assert not stepper.back()


def test_the_queues_add_up_to_the_depth(home):
    stepper = Stepper(home, 5_000)
    for symbol in stepper.symbols:
        displayed = [o for o in orders_of(stepper.engine, symbol) if o.place == 0]
        depth = stepper.engine.depth(symbol, 10_000)
        for side, name in ((1, "bids"), (2, "asks")):
            levels = {}
            for o in displayed:
                if o.side == side:
                    qty, count = levels.get(o.price_ticks, (0, 0))
                    levels[o.price_ticks] = qty + o.qty_lots, count + 1
            assert [(p, q, n) for p, (q, n) in levels.items()] == depth[name]
        assert next(book_lines(stepper.engine, symbol, 3)).startswith(f"{symbol}: ")


def test_the_command_shows_the_book_and_steps(home):
    command = [*OUTCRY, "replay", home, "--until", "4000", "--show-book", "PLAIN"]
    shown = warm_outcry.run_command([*command, "--json"])
    document = json.loads(shown.stdout)
    assert (document["seq"], document["symbol"]) == (4_000, "PLAIN")
    assert document["orders"]
    stepped = warm_outcry.run_command(
        [*command, "--step"], input="n\np 2\ng 4000\nb NOPE\nnonsense\nb PRORATA\nq\n"
    )
    assert stepped.returncode == 0, stepped.stderr
    starts = [line.split()[0] for line in stepped.stdout.splitlines() if line[:1].isdigit()]
    assert starts == ["4,000", "4,001", "3,999", "4,000", "4,000"]
    assert "NOPE is not among the journal's instruments" in stepped.stdout
    assert "nonsense: not understood" in stepped.stdout
    assert "PRORATA: " in stepped.stdout
    refused = warm_outcry.run_command([*OUTCRY, "replay", home, "--step"])
    assert refused.returncode == 2
