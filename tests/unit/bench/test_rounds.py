"""bench/rounds.py: noisy rounds are repeated, within bounds; an interruption costs one round."""

import os
import signal
import sys

import pytest

from openoutcry.bench import rounds as rounds_module
from openoutcry.bench.own_processes import OwnProcesses
from openoutcry.bench.rounds import Noise, NoiseWatch, Rounds, terminable
from openoutcry.bench.scratch import is_scratch_of


class Quiet:
    """A watch that reports what it is told to."""

    def __init__(self, *noises):
        self.noises, self.own = list(noises), OwnProcesses()

    def poll(self):
        return self.noises.pop(0) if self.noises else Noise(0.0, 0.0)


def rounds(count, *noises):
    return Rounds(count, watch=lambda: Quiet(*noises))


def test_figures_are_kept_in_the_order_of_the_rounds():
    """Each round's value of ours and of a peer, in one result with its unit."""
    bench_rounds = rounds(3)
    bench_rounds.run(
        lambda number, add: (
            add("x", "ns", "lower", number + 1.0),
            add("x", "ns", "lower", 2.0, "peer"),
        )
    )
    (result,) = bench_rounds.results()
    assert result["rounds"] == [1.0, 2.0, 3.0]
    assert result["against"]["peer"]["ratio"] == 1.0
    assert bench_rounds.partial is None


def test_long_rounds_say_how_long_the_others_will_take(monkeypatch):
    texts, moments = [], iter((0.0, 0.0, 30.0, 90.0, 120.0))
    monkeypatch.setattr(rounds_module.time, "monotonic", lambda: next(moments))
    noisy = Noise(0.5, 0.0)
    bench_rounds = rounds(3, noisy)
    bench_rounds.progress = texts.append
    bench_rounds.run(lambda number, add: add("x", "ns", "lower", 1.0))
    assert [text for text in texts if "noisy" not in text] == [
        "round 1 of 3",
        "round 1 of 3, about 90 s left",
        "round 2 of 3, about 90 s left",
        "round 3 of 3, about 40 s left",
    ]


def test_a_figure_that_one_round_could_not_give_is_not_missing():
    """Only what no round gave stays under missing, once."""
    bench_rounds = rounds(2)

    def one(number, add):
        bench_rounds.miss("never", "not here")
        if number:
            add("x", "ns", "lower", 1.0)
        else:
            bench_rounds.miss("x", "not this time")

    bench_rounds.run(one)
    assert [result["name"] for result in bench_rounds.results()] == ["x"]
    assert bench_rounds.missing == [{"name": "never", "why": "not here"}]


def test_a_noisy_round_is_taken_again_and_said():
    """Steal above the bound drops the round's figure; the document counts the repetition."""
    bench_rounds = rounds(2, Noise(0.5, 0.0))
    values = iter([100.0, 1.0, 2.0])
    bench_rounds.run(lambda number, add: add("x", "ns", "lower", next(values)))
    assert bench_rounds.results()[0]["rounds"] == [1.0, 2.0]
    assert bench_rounds.conditions()["noise"]["rounds_repeated"] == 1
    assert bench_rounds.conditions()["noise"]["noisy_rounds_kept"] == 0


def test_a_host_that_stays_noisy_is_flagged_not_retried_without_end():
    """At most half as many repetitions as rounds; what is kept after that is counted as noisy."""
    bench_rounds = rounds(4, *[Noise(0.0, 0.9)] * 20)
    calls = []
    bench_rounds.run(lambda number, add: (calls.append(number), add("x", "ns", "lower", 1.0)))
    assert len(calls) == 6
    assert bench_rounds.conditions()["noise"]["noisy_rounds_kept"] == 4


def test_an_interruption_keeps_the_whole_rounds():
    """Control-C in the third round leaves two, says so, and drops what the third had begun."""

    def one(number, add):
        add("x", "ns", "lower", float(number))
        if number == 2:
            raise KeyboardInterrupt

    bench_rounds = rounds(5)
    bench_rounds.run(one)
    assert bench_rounds.results()[0]["rounds"] == [0.0, 1.0]
    assert bench_rounds.conditions()["partial"] == "interrupted in round 3 of 5"


def test_a_failure_of_the_system_keeps_the_whole_rounds():
    """A full disk in the second round ends the rounds and is said; in the first it is passed on."""

    def one(number, add):
        add("x", "ns", "lower", float(number))
        if number == failing:
            raise OSError(28, "No space left on device")

    failing, bench_rounds = 1, rounds(5)
    bench_rounds.run(one)
    assert bench_rounds.results()[0]["rounds"] == [0.0]
    partial = bench_rounds.conditions()["partial"]
    assert partial == "failed in round 2 of 5: [Errno 28] No space left on device"
    failing = 0
    with pytest.raises(OSError, match="No space"):
        rounds(5).run(one)


def test_an_interruption_before_anything_was_measured_is_passed_on():
    """There is no document with nothing in it."""

    def one(number, add):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rounds(5).run(one)


def test_an_interruption_that_python_swallows_ends_the_rounds_all_the_same(monkeypatch):
    """Raised in a finaliser, KeyboardInterrupt is only printed; the rounds end after this one."""
    lost = []
    monkeypatch.setattr(sys, "unraisablehook", lost.append)

    class Gone:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGINT)

    calls = []

    def one(number, add):
        calls.append(number)
        add("x", "ns", "lower", float(number))
        if number == 1:
            Gone()

    bench_rounds = rounds(5)
    bench_rounds.run(one)
    assert [swallowed.exc_type for swallowed in lost] == [KeyboardInterrupt]
    assert calls == [0, 1]
    assert bench_rounds.conditions()["partial"] == "interrupted in round 3 of 5"


def test_sigterm_ends_a_measurement_as_control_c_does():
    """Inside, SIGTERM raises KeyboardInterrupt; afterwards the old handler is back."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), terminable():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def test_noise_is_read_from_the_kernels_accounts(tmp_path):
    """In 200 hundredths of a second, 20 are stolen and 100 used by others."""
    stat = tmp_path / "stat"
    stat.write_text("cpu 0 0 0 0 0 0 0 0 0 0\n")
    watch = NoiseWatch(str(stat))
    stat.write_text("cpu 100 0 0 80 0 0 0 20 0 0\n")
    noise = watch.poll()
    assert noise.steal == pytest.approx(0.1)
    assert 0.4 < noise.others <= 0.5
    assert noise.too_much


def test_a_program_that_left_its_parent_counts_as_ours_by_its_folder(monkeypatch):
    """As a database does that a venue's portal starts: its time counts while it lives, and stays
    when it ends.  A child's time is its parent's then."""

    class Stranger:
        pid, parent, used_s = 10**9, 1, 3.0

        def cwd(self):
            return f"/tmp/.bench-portal-{os.getpid()}-abc/journal-portal/postgresql"

        def create_time(self):
            return 1.0

        def ppid(self):
            return self.parent

        def cpu_times(self):
            return (self.used_s, 0.5, 0.0, 0.0, 0.0)

    one = Stranger()
    seen = [one]
    monkeypatch.setattr("psutil.process_iter", lambda: iter(seen))
    monkeypatch.setattr("psutil.Process.children", lambda process, recursive: [])
    own = OwnProcesses()
    mine_s = sum(os.times()[:4])
    assert 3.5 <= round(own.seconds() - mine_s, 6) < 4.5
    seen.clear()
    assert 3.5 <= round(own.seconds() - mine_s, 6) < 4.5
    seen.append(one)
    one.parent = os.getpid()
    own = OwnProcesses()
    own.seconds()
    seen.clear()
    assert own.seconds() - mine_s < 1.0
    assert not is_scratch_of(f"/tmp/.bench-portal-{os.getpid() + 1}-abc")


def test_moves_from_core_to_core_are_noise_of_their_own():
    """A process that is moved about is flagged even where nothing is stolen; this kernel's count is
    read, or None where there is none."""
    assert Noise(0.0, 0.0, 25.0).too_much
    assert not Noise(0.0, 0.0, 5.0).too_much
    watch = NoiseWatch()
    cores = sorted(os.sched_getaffinity(0))
    try:
        for core in cores * 5:
            os.sched_setaffinity(0, {core})
    finally:
        os.sched_setaffinity(0, cores)
    moves = watch.poll().migrations_per_s
    assert moves is None or moves > 0 or len(cores) == 1


def test_a_host_without_accounts_is_not_called_noisy(tmp_path):
    """Where /proc/stat is missing nothing is claimed."""
    noise = NoiseWatch(str(tmp_path / "none")).poll()
    assert (noise.steal, noise.others, noise.too_much) == (None, None, False)
