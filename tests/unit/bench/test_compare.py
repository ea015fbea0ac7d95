"""bench/compare.py: differences are called when they are there, and not when they are not."""

import copy
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from openoutcry.bench.compare import (
    CANNOT_TELL,
    FASTER,
    PROCESSOR_KEYS,
    SLOWER,
    bootstrap_ratios,
    compare,
    holm,
    least_chance,
    permutation_chance,
    warnings,
)
from openoutcry.bench.results import ResultError, write_document
from openoutcry.cli.bench_compare import compare as judge_files
from openoutcry.cli.bench_compare import show
from tests.support.bench.compare import RANDOM_SEED, document_of, noisy
from tests.support.pipeline import warm_outcry


@pytest.mark.parametrize(
    ("better", "factor", "verdict"),
    [
        ("lower", 1.05, SLOWER),
        ("lower", 0.95, FASTER),
        ("higher", 1.05, FASTER),
        ("higher", 0.95, SLOWER),
    ],
)
def test_a_clear_difference_is_called_in_its_direction(better, factor, verdict):
    """5 % with 1 % noise a round, for figures where less and where more is better."""
    random = np.random.default_rng(RANDOM_SEED)
    a, b = noisy(random, 100.0), noisy(random, 100.0 * factor)
    (one,) = compare(document_of(("x", better, a)), document_of(("x", better, b)))
    assert one.verdict == verdict
    assert one.interval[0] <= one.ratio <= one.interval[1]
    assert 0 < one.detectable_percent < 5


def test_five_per_cent_is_found_and_nothing_is_not():
    """In 100 seeded comparisons with 1 % noise a round: 5 % called in at least 90, no difference in
    at least 95 left uncalled, and never in the wrong direction."""
    random = np.random.default_rng(RANDOM_SEED)
    verdicts = {1.05: [], 1.0: []}
    for factor, outcomes in verdicts.items():
        for _ in range(100):
            a, b = noisy(random, 100.0), noisy(random, 100.0 * factor)
            outcomes.append(
                compare(document_of(("x", "lower", a)), document_of(("x", "lower", b)))[0].verdict
            )
    assert verdicts[1.05].count(SLOWER) >= 90
    assert verdicts[1.05].count(FASTER) == 0
    assert verdicts[1.0].count(CANNOT_TELL) >= 95


def test_what_these_rounds_could_show_is_about_true():
    """A difference of the size said to be detectable is detected about 80 times of 100."""
    random = np.random.default_rng(RANDOM_SEED)
    (first,) = compare(
        document_of(("x", "lower", noisy(random, 100.0, 15))),
        document_of(("x", "lower", noisy(random, 100.0, 15))),
    )
    factor = 1 + first.detectable_percent / 100
    slower_count = 0
    for _ in range(60):
        a, b = noisy(random, 100.0, 15), noisy(random, 100.0 * factor, 15)
        slower_count += (
            compare(document_of(("x", "lower", a)), document_of(("x", "lower", b)))[0].verdict
            == SLOWER
        )
    assert 30 <= slower_count <= 60


def test_single_rounds_cannot_tell():
    """Without a second round there is no error to hold a difference against."""
    (one,) = compare(document_of(("x", "lower", [1.0])), document_of(("x", "lower", [2.0])))
    assert one.verdict == CANNOT_TELL
    assert "two rounds" in one.why


def test_documents_from_before_rounds_were_kept_cannot_tell():
    """An old file is read, and answered with the reason."""
    a, b = document_of(("x", "lower", [1.0, 1.0])), document_of(("x", "lower", [2.0, 2.0]))
    del a["results"][0]["rounds"]
    assert compare(a, b)[0].verdict == CANNOT_TELL


def test_one_figure_of_many_is_called_when_it_doubles():
    """60 figures, 7 rounds a side: the one that doubled is slower, none of the others is called."""
    random = np.random.default_rng(RANDOM_SEED)
    names = [f"f{number}" for number in range(60)]
    a = document_of(*[(name, "lower", noisy(random, 100.0)) for name in names])
    b = document_of(
        *[(name, "lower", noisy(random, 200.0 if name == "f9" else 100.0)) for name in names]
    )
    called = {one.name: one.verdict for one in compare(a, b) if one.verdict != CANNOT_TELL}
    assert called == {"f9": SLOWER}


def test_too_few_rounds_for_so_many_figures_are_said():
    """With 5 rounds 60 figures cannot be judged together: how many rounds it takes, and no word of
    what could be shown; a figure by itself can be."""
    random = np.random.default_rng(RANDOM_SEED)
    sides = [
        document_of(*[(f"f{number}", "lower", noisy(random, level, 5)) for number in range(60)])
        for level in (100.0, 200.0)
    ]
    for one in compare(*sides):
        assert (one.verdict, one.detectable_percent) == (CANNOT_TELL, None)
        assert one.why == "5 rounds are too few for 60 figures: take 7, or name fewer (--figure)"
    (one,) = compare(*sides, figures=["f3"])
    assert (one.name, one.verdict) == ("f3", SLOWER)
    with pytest.raises(ResultError, match="'g'"):
        compare(*sides, figures=["g"])


@pytest.mark.parametrize(("before", "after", "verdict"), [(0.0, 50.0, SLOWER), (50.0, 0.0, FASTER)])
def test_a_figure_that_leaves_zero_or_comes_to_it_is_called(before, after, verdict):
    """There is no ratio to zero, and yet a difference."""
    pair = [document_of(("gaps", "lower", [level] * 7)) for level in (before, after)]
    (one,) = compare(*pair)
    assert (one.verdict, one.interval) == (verdict, None)
    assert json.loads(json.dumps(one.ratio, allow_nan=False)) == (None if not before else 0.0)
    assert compare(pair[0], pair[0])[0].verdict == CANNOT_TELL


def test_the_exact_and_the_drawn_permutations_agree():
    """The least that the exact test gives is what it says of itself."""
    for count in (2, 3, 5, 7):
        low, high = np.arange(1.0, count + 1), np.arange(10.0, count + 10)
        assert permutation_chance(low, high) == pytest.approx(least_chance(count, count))
    assert least_chance(2, 5) == permutation_chance(np.arange(2.0), np.arange(5.0, 10.0))
    drawn = permutation_chance(np.arange(15.0), np.arange(20.0, 35.0))
    assert drawn == least_chance(15, 15)


def test_a_threshold_leaves_small_differences_alone():
    """2 % without noise is called by itself, and not with a threshold of 3 %."""
    a, b = document_of(("x", "lower", [100.0] * 7)), document_of(("x", "lower", [102.0] * 7))
    assert compare(a, b)[0].verdict == SLOWER
    assert compare(a, b, 3.0)[0].verdict == CANNOT_TELL


def test_holm_keeps_order_and_never_passes_one():
    """The smallest chance times all, the next times one less, never below the one before."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_the_permutation_test_agrees_with_counting():
    """Three against three rounds that do not overlap: 2 of 20 orders are as far apart."""
    chance = permutation_chance(np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]))
    assert chance == pytest.approx(0.1, abs=0.02)
    assert permutation_chance(np.array([1.0, 1.0]), np.array([1.0, 1.0])) == 1.0


def test_the_bootstrap_repeats():
    """The same rounds give the same interval each time."""
    a, b = np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0])
    assert (bootstrap_ratios(a, b) == bootstrap_ratios(a, b)).all()


def test_different_hosts_commands_and_figures_are_warned_of():
    """Nothing that makes the two hard to compare is hidden."""
    a = document_of(("x", "lower", [1.0, 1.0]), ("only a", "lower", [1.0]))
    b = document_of(("x", "lower", [1.0, 1.0]), command="outcry bench matcher --quick")
    b["host"]["cpu_model"] = "another"
    b["partial"] = "interrupted in round 3 of 7"
    b["noise"] = {"noisy_rounds_kept": 2}
    text = "\n".join(warnings(a, b))
    parts = ("different hosts: cpu_model", "different commands", "B is partial", "noisy host: 2")
    for part in (*parts, "only a is only in A"):
        assert part in text
    assert warnings(a, a) == []
    older = copy.deepcopy(a)
    for key in PROCESSOR_KEYS:
        older["host"].pop(key)
    assert warnings(older, a) == []
    other = copy.deepcopy(a)
    other["host"]["cpu_stepping"] = -1
    assert "different hosts: cpu_stepping" in warnings(a, other)[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: document.update(subject="ring"), "A is of matcher and B of ring"),
        (lambda document: document["results"][0].update(name="y"), "share no figure"),
        (lambda document: document["results"][0].update(unit="s"), "x: unit is ns in A, s in B"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, message):
    """Another subject, no common figure, another unit."""
    a, b = document_of(("x", "lower", [1.0])), document_of(("x", "lower", [1.0]))
    change(b)
    with pytest.raises(ResultError, match=message):
        compare(a, b)


def test_a_log_has_every_verdict_in_one_line_and_a_narrow_terminal_its_reason_beneath(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names of figures are whole in both, which they were not in eighty columns."""
    name = "throughput_flow_flash_crash"
    verdicts = compare(
        document_of((name, "lower", [100.0] * 7)), document_of((name, "lower", [110.0] * 7))
    )
    show(verdicts)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if name in line]
    assert "slower: 10.0 % more (these rounds could show 0.0 %)" in line
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "80")
    show(verdicts)
    assert f"{name}: slower: 10.0 % more" in capsys.readouterr().out


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return warm_outcry.run(["bench", "compare", *arguments], folder)


def test_the_command_for_ci(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 1 only with a threshold and a slower B; one JSON document; files of no shape are
    named."""
    write_document(document_of(("x", "lower", [100.0] * 7)), tmp_path / "a.json")
    write_document(document_of(("x", "lower", [110.0] * 7)), tmp_path / "b.json")
    (tmp_path / "bad.json").write_text('{"shape": 1}')
    monkeypatch.chdir(tmp_path)

    def ended(*arguments: str) -> Result:
        return CliRunner().invoke(judge_files, arguments)

    assert ended("a.json", "b.json").exit_code == 0
    failed = ended("a.json", "b.json", "--threshold", "5", "--json")
    assert failed.exit_code == 1
    assert json.loads(failed.stdout)["verdicts"][0]["verdict"] == SLOWER
    assert ended("b.json", "a.json", "--threshold", "5").exit_code == 0
    assert ended("a.json", "b.json", "--threshold", "15").exit_code == 0
    assert "cannot read none.json" in str(ended("a.json", "none.json").exception)
    refused = run(tmp_path, "a.json", "bad.json")
    assert refused.returncode == 1
    assert "bad.json is not a bench document" in refused.stderr
