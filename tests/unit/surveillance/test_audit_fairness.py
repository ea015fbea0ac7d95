"""Fairness: what is out of order is found, who is slower is found, who is not is left alone, and
the test's power is what it says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.journal import Journal
from openoutcry.surveillance.audit.fairness import (
    STRETCH_COMMANDS,
    Arrivals,
    arrivals_of,
    by_run,
    latency_test,
    mean_ranks,
    order_of,
)
from tests.support.surveillance import audit_journals as journals

PARTICIPANTS, BURST = 12, 4


def drawn(seed, commands=STRETCH_COMMANDS * 60, slow=0, by_ns=0):
    """Arrivals of a dozen participants in bursts, one of them slower."""
    rng = np.random.default_rng(seed)
    written = np.cumsum(rng.integers(1_000, 9_000, commands))
    # A participant comes in bursts: his commands' latencies are not independent.
    who = np.repeat(rng.integers(1, PARTICIPANTS + 1, commands // 4), 4)
    latency = rng.integers(20_000, 90_000, commands) + np.repeat(
        rng.integers(0, 40_000, commands // 4), 4
    )
    latency = latency + np.where(who == slow, by_ns, 0)
    return Arrivals(written - latency, written, who, np.ones(commands, bool))


def test_the_slower_participant_is_named_and_no_other():
    for seed, by_ns in ((1, 30_000), (2, 60_000), (3, -40_000)):
        test = latency_test(drawn(seed, slow=7, by_ns=by_ns), 199)
        (who, z, p), *others = test.slow
        assert who == 7
        assert (z > 0) == (by_ns > 0)
        assert p <= 0.01
        # Ranks are of each other: where one is far off the others move a little the other way.
        assert all(abs(other) < abs(z) / 3 and other * z < 0 for _, other, _ in others)
        assert test.p <= 0.01


def test_without_a_slower_participant_one_is_named_as_rarely_as_the_level_says():
    named = sum(bool(latency_test(drawn(seed), 99).slow) for seed in range(40))
    # 40 seeded draws at 5 %: 2 are expected, more than 6 would be one in a hundred.
    assert named <= 6


def test_the_shift_that_it_says_it_finds_it_finds():
    named_count = 0
    shift = latency_test(drawn(0), 199).detectable
    assert 0.01 < shift < 0.2
    # Of latencies of a spread of 70 us and bursts of 40 us, this much moves the mean rank so far.
    by_ns = int(shift * 95_000)
    for seed in range(20):
        test = latency_test(drawn(100 + seed, slow=3, by_ns=by_ns), 99)
        named_count += 3 in [who for who, _, _ in test.slow]
    assert named_count >= 15


def test_too_little_to_judge_by_says_nothing():
    few = drawn(1, STRETCH_COMMANDS)
    assert latency_test(few).slow == []
    assert latency_test(few).detectable is None
    assert mean_ranks(np.array([5, 1, 5, 9])).tolist() == [0.5, 0.125, 0.5, 0.875]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), min_size=1, max_size=40))
def test_who_was_passed_is_what_counting_by_hand_gives(rows):
    lanes = np.array([lane for lane, _ in rows])
    times = np.array([time for _, time in rows])
    for lane in (False, True):
        times[lanes == lane] = np.sort(times[lanes == lane])
    arrivals = Arrivals(times, times + 5, np.ones(len(rows), np.int64), lanes)
    order = order_of(arrivals, BURST, 2)
    passed = [
        sum(lanes[j] != lanes[i] and times[j] > times[i] for j in range(i))
        for i in range(len(rows))
    ]
    overtaken = [any(times[j] > times[i] for j in range(i)) for i in range(len(rows))]
    assert order["passed_max"] == max(passed)
    assert order["overtaken"] == sum(overtaken)
    assert order["out_of_lane"] == 0


def test_a_lane_that_is_let_before_another_for_more_than_its_turns_is_a_fault():
    turns = np.tile(np.repeat([True, False], BURST), 10)
    fair = Arrivals(np.zeros(80, np.int64), np.ones(80, np.int64), np.ones(80, np.int64), turns)
    assert order_of(fair, BURST, 2)["unfair"] == 0
    # One session's command comes first and goes behind forty of the other lane.
    lanes = np.array([False] * 40 + [True])
    times = np.concatenate([np.arange(1, 41), [0]])
    unfair = Arrivals(times, times + 5, np.ones(41, np.int64), lanes)
    order = order_of(unfair, BURST, 2)
    assert (order["unfair"], order["passed_max"]) == (1, 40)
    assert order["faults"] == [
        {"seq": 41, "what": "40 commands of other lanes that came later went before it"}
    ]


@pytest.mark.parametrize("swapped", [False, True])
def test_the_command_reads_a_journal_and_fails_for_a_fault(outcry, outcry_json, tmp_path, swapped):
    commands = journals.orders(3, 3_000)
    if swapped:
        # Two of a session's commands of one block: the first, a login, and the fourth.
        first = commands["rx_ts_ns"][3]
        commands["rx_ts_ns"][3] = commands["rx_ts_ns"][0] - 5
        assert first > commands["rx_ts_ns"][3]
    home = tmp_path / "journal"
    with Journal.create(home, journals.document(), segment_bytes=1 << 18, direct=False) as writer:
        journals.add(writer, commands, 12)
    arrivals = arrivals_of(home)
    assert arrivals.of_session.sum() > 300
    done = outcry("audit", "fairness", home)
    assert done.returncode == int(swapped), done.stdout
    if swapped:
        assert "command 4 was sequenced after a later arrival of its lane" in done.stdout
    else:
        document = outcry_json("audit", "fairness", home)
        assert document["order"]["commands"] == 3_000
        assert document["order"]["out_of_lane"] == 0
        assert document["speed_bump"] is None


def test_another_run_is_judged_by_its_own_clock():
    times = np.array([100, 200, 50, 60, 55])
    arrivals = Arrivals(times, times + 5, np.ones(5, np.int64), np.ones(5, bool))
    order = by_run(arrivals, [2], BURST, 2, first_seq=11)
    assert (order["commands"], order["out_of_lane"], order["overtaken_ns_max"]) == (5, 1, 5)
    assert [fault["seq"] for fault in order["faults"]] == [15]
