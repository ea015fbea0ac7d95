"""bench/explain.py and what it takes: a tail is given to its causes, and spans add up."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.bench import ladder
from openoutcry.bench.explain import (
    COMMIT,
    NEW_LEVEL,
    QUEUE,
    explain,
    new_levels,
)
from openoutcry.bench.paced import Paced, SpansDoNotAddUp, check_spans, percentiles
from openoutcry.bench.plot_data import TIME_BINS, histogram, plots
from openoutcry.bench.stages_alone import bottleneck, stage_rates
from openoutcry.bench.timeline import Slice, Timeline
from openoutcry.host.corewatch import UNSEEN, Interval, Watched
from openoutcry.pipeline.recording import Recording, Step
from openoutcry.pipeline.topology import TOPOLOGY
from openoutcry.report.text import by_length, knee
from openoutcry.ring.segment import NoRoomError
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind

COUNT = 2_000
GROUPS = [
    {"process": "front", "stages": ["receive", "gateway"], "core": 0, "pid": 11},
    {"process": "back", "stages": ["matcher", "gate", "replies"], "core": 1, "pid": 12},
    {"process": "journal", "stages": ["journal"], "core": None, "pid": 13},
]


def quiet_run() -> Paced:
    """A command each 10 us, each stage 100 ns, nothing durable."""
    recording = Recording(groups=GROUPS)
    start = 1_000_000_000 + 10_000 * np.arange(COUNT)
    rows = [start + 100 * place for place in range(6)]
    recording.stamps = np.stack([*rows, np.zeros(COUNT, np.int64)], axis=1).astype(np.int64)
    return Paced(100_000, {"durability": "none", "topology": "processes"}, recording, 100)


def delay(done: Paced, seq: int, stage: int, length: int) -> tuple[int, int]:
    """Make one stage of a command longer; returns the window that it now has."""
    row = done.recording.stamps[seq - 1]
    row[stage + 1 : 6] += length
    return int(row[stage]), int(row[stage + 1])


def commands() -> np.ndarray:
    orders = np.zeros(COUNT, ORDER_DTYPE)
    orders["kind"], orders["symbol"], orders["price_ticks"] = int(CommandKind.NEW), b"X", 100
    return orders


def causes(explanation: dict, seq: int) -> dict:
    return next(row for row in explanation["slowest"] if row["seq"] == seq)["causes_ns"]


def test_each_cause_is_found_where_it_lies():
    """A preempted front, an interrupt and a long step in the matcher, a commit before the gate, a
    wait that nothing explains: each in its own command, to the nanosecond."""
    done = quiet_run()
    a, b = delay(done, 500, 0, 50_000)
    c, d = delay(done, 600, 2, 40_000)
    e, f = delay(done, 700, 3, 30_000)
    delay(done, 800, 4, 20_000)
    g, h = delay(done, 900, 2, 60_000)
    done.recording.stamps[699, 6] = f - 1_000
    done.recording.steps = [Step("back", "matcher", c, d), Step("back", "idle", g, h)]
    intervals = [
        Interval(0, a, b - 5_000, "preempted", "z3", 11),
        Interval(1, c + 10_000, c + 14_000, "interrupt", "virtio", 12),
        Interval(1, a, b, "preempted", "not ours", 99),
        Interval(0, b - 10, b - 10, "page fault", "page fault", 11),
        Interval(0, b - 10, b - 10, "page fault", "page fault", 99),
    ]
    explanation = explain(done, Watched(intervals=intervals), commands())
    assert causes(explanation, 500) == {"preempted: z3": b - 5_000 - a, QUEUE: 5_000}
    assert causes(explanation, 600) == {
        "matcher: a long step": d - c - 4_000,
        "interrupt: virtio": 4_000,
    }
    assert causes(explanation, 700) == {COMMIT: f - 1_000 - e, QUEUE: 1_000}
    assert causes(explanation, 800) == {QUEUE: 20_100}
    assert causes(explanation, 900) == {UNSEEN: h - g}
    assert [row["seq"] for row in explanation["slowest"][:3]] == [900, 500, 600]
    second = explanation["slowest"][1]
    assert [(one["kind"], one["what"]) for one in second["meanwhile"]] == [
        ("preempted", "z3"),
        ("page fault", "page fault"),
    ]
    assert second["page_faults"] == 1
    shown = [(one["first_seq"], one["cause"]) for one in explanation["incidents"][:3]]
    assert shown == [(900, UNSEEN), (500, "preempted: z3"), (600, "matcher: a long step")]
    assert sum(one["commands"] for one in explanation["incidents"]) == explanation["tail_commands"]
    assert sum(cause["share"] for cause in explanation["causes"]) == pytest.approx(1)


def test_a_few_long_gaps_do_not_hide_many_short_ones():
    """One gap of 5 ms and thirty stalls of 50 us: each stands in its own decade."""
    done = quiet_run()
    delay(done, 1_500, 0, 5_000_000)
    done.recording.steps = []
    for seq in range(500, 1_400, 30):
        start, end = delay(done, seq, 2, 50_000)
        done.recording.steps.append(Step("back", "matcher", start, end))
    explanation = explain(done, Watched(), commands())
    short, long = explanation["bands"]
    assert (short["from_ns"], short["to_ns"], short["commands"]) == (10_000, 100_000, 30)
    assert short["causes"][0]["cause"] == "matcher: a long step"
    assert short["causes"][0]["share"] == 1
    assert (long["from_ns"], long["commands"], long["causes"][0]["cause"]) == (1_000_000, 1, QUEUE)
    assert by_length(explanation)[0] == "30 took 10 µs to 100 µs: matcher: a long step 100%"


def test_commands_that_waited_together_are_one_incident():
    """Three neighbours behind one stall, and one alone later."""
    done = quiet_run()
    for seq, length in ((500, 50_000), (501, 40_000), (502, 30_000), (900, 20_000)):
        delay(done, seq, 0, length)
    incidents = explain(done, Watched(), commands())["incidents"]
    assert [(one["first_seq"], one["commands"]) for one in incidents[:2]] == [(500, 3), (900, 1)]
    assert incidents[0]["whole_ns"] == 50_500


def test_a_level_touched_for_the_first_time_is_said():
    """A long step of the matcher for an order at a new price carries that in its cause."""
    done = quiet_run()
    start, end = delay(done, 500, 2, 50_000)
    done.recording.steps = [Step("back", "matcher", start, end)]
    orders = commands()
    orders["price_ticks"][499] = 777
    explanation = explain(done, Watched(refused="perf is not installed"), orders)
    assert list(causes(explanation, 500)) == [f"matcher: a long step, {NEW_LEVEL}"]
    assert explanation["watched"] == "perf is not installed"


@pytest.mark.parametrize(
    ("watched", "rest"),
    [
        (Watched(), UNSEEN),
        (Watched(refused="perf is not installed"), "not watched: perf is not installed"),
        (Watched(unwatched="interrupts (old kernel)"), "not watched: interrupts (old kernel)"),
    ],
)
def test_only_a_whole_watch_blames_what_lies_outside(watched, rest):
    """A long wait of the loop is the hypervisor's only where the kernel was watched; elsewhere the
    cause says what was not."""
    done = quiet_run()
    start, end = delay(done, 900, 2, 60_000)
    done.recording.steps = [Step("back", "idle", start, end)]
    explanation = explain(done, watched, commands())
    assert causes(explanation, 900) == {rest: end - start}
    assert explanation["watched"] == (watched.refused or watched.unwatched)


def test_first_touches_are_by_symbol_and_price():
    """The same price in another symbol is new; a cancel touches nothing."""
    orders = commands()[:4]
    orders["price_ticks"] = [5, 5, 5, 6]
    orders["symbol"] = [b"A", b"A", b"B", b"A"]
    orders["kind"][3] = int(CommandKind.CANCEL)
    assert new_levels(orders).tolist() == [True, False, True, False]


def share_out(start, end, layers):
    """ns of [start, end] by cause, ns by ns: the slow way to say what a Timeline says."""
    lost: Counter[str] = Counter()
    free = set(range(start, end))
    for layer in layers:
        for piece in sorted(layer, key=lambda piece: piece.start):
            mine = free & set(range(piece.start, piece.end))
            free -= mine
            lost[piece.cause] += len(mine)
    return +lost


def test_layers_take_what_those_before_left():
    """Overlaps count once, for the first layer."""
    layers = [[Slice(10, 20, "a")], [Slice(15, 30, "b"), Slice(40, 50, "b")]]
    assert Timeline(layers).lost(0, 45) == [{"a": 10}, {"b": 15}]
    assert Timeline(layers).lost(20, 20) == [{}, {}]


SLICES = st.lists(
    st.builds(
        lambda start, length, cause: Slice(start, start + length, cause),
        st.integers(0, 60),
        st.integers(0, 30),
        st.sampled_from("abc"),
    ),
    max_size=8,
)


@given(SLICES, SLICES, st.integers(0, 90), st.integers(0, 90))
def test_a_timeline_shares_out_as_the_slow_way_does(first, second, one, other):
    """Any slices, nested, touching or empty, and any window: the same ns by cause."""
    start, end = min(one, other), max(one, other)
    lost_ns = sum(Timeline([first, second]).lost(start, end), Counter())
    assert lost_ns == share_out(start, end, [first, second])


def test_spans_that_do_not_add_up_stop_the_run():
    """A stamp missing, or from before the stage in front of it, is found in whichever command."""
    check_spans(quiet_run().recording)
    for column, value in ((3, 0), (2, 5)):
        done = quiet_run()
        done.recording.stamps[41, column] = value
        with pytest.raises(SpansDoNotAddUp, match=r"1 of 2000 commands .* command 42"):
            check_spans(done.recording)


def rung(rate: int, p50: float, achieved: float = 1.0) -> SimpleNamespace:
    values = np.full(100, int(p50))
    return SimpleNamespace(
        rate=rate,
        achieved=achieved * rate,
        warm=10,
        spans=lambda: {"whole": values},
        warm_up=lambda: values,
    )


@pytest.mark.parametrize("limit", [25_000, 700_000, 5_000_000])
def test_the_knee_is_closed_in_on(limit):
    """A pipeline whose latency jumps at a limit: the knee lies below it, within the factor that two
    bisections leave."""
    rungs = ladder.climb_with(lambda rate: rung(rate, 1e3 if rate <= limit else 1e6), ladder.RATES)
    knee_rate = knee(rungs)
    assert limit / 2 <= knee_rate <= limit
    assert [one["rate"] for one in rungs] == sorted(one["rate"] for one in rungs)


def test_a_rate_that_is_not_achieved_is_beyond_the_knee():
    """Latency from the last replies alone could look fine."""
    rungs = ladder.climb_with(
        lambda rate: rung(rate, 1e3, 1.0 if rate < 1_000_000 else 0.5), ladder.RATES
    )
    assert 300_000 <= knee(rungs) < 1_000_000


def test_a_pipeline_that_never_bends_has_its_knee_at_the_top():
    """No rung is beyond: the highest that was tried."""
    assert knee(ladder.climb_with(lambda rate: rung(rate, 1e3), (10, 20))) == 20


def test_a_ladder_that_shared_memory_ends_says_so():
    """In a container with 64 MiB: the rungs that had room stay, and the last says what was wanted;
    without room for the first there is no ladder."""

    def run(rate):
        if rate > 20:
            raise NoRoomError("no space for the input")
        return rung(rate, 1e3)

    rungs = ladder.climb_with(run, (10, 20, 30, 40))
    assert [one["rate"] for one in rungs] == [10, 20]
    assert rungs[-1]["ended"] == "no space for the input"
    with pytest.raises(NoRoomError):
        ladder.climb_with(run, (30, 40))


def test_pictures_count_every_command_once():
    """Histogram, heat map and throughput hold all commands that count, and the warm-up none."""
    done = quiet_run()
    drawn = plots(done)
    counted = COUNT - done.warm
    assert drawn["warm_up_commands"] == done.warm
    for stage in drawn["stages"]:
        assert sum(count for _, count in stage["histogram"]) == counted
    assert sum(sum(row) for row in drawn["heat"]["counts"]) == counted
    assert len(drawn["heat"]["counts"]) == len(drawn["heat"]["edges_ns"])
    assert drawn["throughput"][-1]["commands"] == counted
    assert len(drawn["throughput"]) == TIME_BINS


@given(st.lists(st.integers(-9, 2**52), min_size=1))
def test_a_recorded_histogram_has_three_significant_digits(values):
    """Each value counts in the bucket at its place, whose upper edge is above it by less than one
    part in 1,024, next to powers of two as well; a clock that went backwards counts as 0."""
    values += [2**bits + step for bits in (10, 11, 12, 40, 51) for step in (-1, 0, 1)]
    buckets = histogram(np.array(values, np.int64))
    uppers = [upper for upper, _ in buckets]
    assert uppers == sorted(set(uppers))
    expanded = [upper for upper, count in buckets for _ in range(count)]
    for value, upper in zip(sorted(max(value, 0) for value in values), expanded, strict=True):
        assert value <= upper <= value + value // 1024


def test_every_stage_has_a_pace_by_itself(tmp_path, monkeypatch):
    """Each stage goes through all commands alone; the bottleneck is a process with its slowest
    stage, and nothing stays in the folder."""
    monkeypatch.chdir(tmp_path)
    rates = stage_rates(1 << 12)
    assert set(rates) == set(TOPOLOGY.names)
    assert all(rate > 0 for rate in rates.values())
    slowest = bottleneck(rates)
    assert slowest["stage"] in rates
    assert slowest["commands_per_s"] <= max(rates.values())
    assert list(tmp_path.iterdir()) == []


def test_the_bottleneck_is_the_process_with_the_largest_sum():
    """Two fast stages in one process can be slower together than a slow one alone."""
    rates = dict.fromkeys(TOPOLOGY.compiled, 1e7) | {"receive": 9e6}
    slowest = bottleneck(rates)
    assert slowest["commands_per_s"] < 1e7


def test_percentiles_are_exact():
    """The usual percentiles of 1 to 1000."""
    quantiles = percentiles(np.arange(1, 1001))
    assert (quantiles["p50"], quantiles["max"]) == (500.5, 1000.0)
    assert 999 <= quantiles["p999"] <= 1000
