"""report/run_report.py: one page that is whole, true to the result, and loads nothing."""

import copy
import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.report import charts
from openoutcry.report.quantity import duration
from openoutcry.report.run_report import render, write_report
from openoutcry.wire import OutcryError

STAGES = (
    ("receive", "intended send -> received", 4_000, 0.5, 2.5e-3),
    ("gateway", "received -> sequenced", 240, 0.25, 4e-4),
    ("journal", "sequenced -> on disk", 92_000, 0.45, 2e-3),
    ("matcher", "sequenced -> event published", 420, 0.35, 8e-4),
    ("gate", "event published -> released", 91_000, 0.45, 2e-3),
    ("replies", "released -> replied", 310, 0.3, 6e-4),
    ("release", "sequenced -> released", 93_000, 0.45, 2e-3),
    ("whole", "intended send -> replied", 101_000, 0.42, 3e-3),
)


def histogram_of(values):
    """[[upper edge, count], ...] of 32 buckets a doubling, as a run reports it."""
    shift = np.maximum(0, np.floor(np.log2(np.maximum(values, 1))).astype(int) - 5)
    upper = (((values >> shift) + 1) << shift) - 1
    edges, counts = np.unique(upper, return_counts=True)
    return np.column_stack([edges, counts]).tolist()


def sample_stage(random, name, span, median_ns, sigma, tail_share, count):
    """A stage with a log-normal body and a tail of rare stalls."""
    values = median_ns * np.exp(random.normal(0, sigma, count))
    stalls = random.random(count) < tail_share
    values[stalls] *= random.pareto(1.6, stalls.sum()) * 3 + 2
    values = np.sort(values.astype(np.int64))
    p50, p90, p99, p999 = (int(values[int(q * count)]) for q in (0.5, 0.9, 0.99, 0.999))
    figures = {"p50": p50, "p90": p90, "p99": p99, "p999": p999, "max": int(values[-1])}
    return {"name": name, "span": span, "count": count, **figures} | {
        "histogram": histogram_of(values)
    }


def sample_timeline(random, seconds, rate):
    """A moment every tenth of a second: a steady run with a dip while the disk stalled."""
    moments, commands = [], 0.0
    for number in range(1, round(seconds * 10) + 1):
        t = number / 10
        pace = 0.55 if 6.2 < t < 6.6 else 1.12 if 6.6 <= t < 7.0 else 1.0
        commands += rate / 10 * pace * random.normal(1, 0.012)
        fill = 0.11 if 6.2 < t < 6.7 else abs(random.normal(0.004, 0.002))
        moments.append(
            {
                "t_s": t,
                "commands": int(commands),
                "events": int(commands * 1.31),
                "fill": {"lane": fill / 3, "sequenced": fill, "events": fill / 2},
            }
        )
    return moments


def sample_side(random, best, step):
    """Sixty levels outward from the best price, thin at the touch."""
    prices = best + step * np.cumsum(np.r_[0, random.integers(1, 3, 59)])
    qty = random.gamma(2.0, 140 + 9 * np.arange(60)).astype(int) + 10
    orders = 1 + qty // 120
    return np.column_stack([prices, qty, orders]).tolist()


def sample_result():
    """A run as the pipeline reports it: a million commands at 100,000 a second on two cores."""
    random = np.random.default_rng(20)
    stages = [sample_stage(random, *stage, 200_000) for stage in STAGES]
    hashes = {"state_hash": "5f0c9b7e11d2a684", "event_hash": "c2a91e0f7b5d3384"}
    return {
        "version": "0.1.0",
        "commands": 1_000_000,
        "events": 1_312_407,
        "trades": 182_391,
        "seconds": 10.004,
        "commands_per_s": 99_960.2,
        "lost": 0,
        "duplicated": 0,
        **hashes,
        "stages": stages,
        "replay": {
            "equal": True,
            "commands": 1_000_000,
            "events": 1_312_407,
            "seconds": 0.241,
            **hashes,
        },
        "journal": {"path": "run-journal", "bytes": 64_812_544, "blocks": 9_871, "segments": 1},
        "durability": "durable",
        "topology": "processes",
        "gateway": "golden",
        "seed": 1,
        "rate": 100_000,
        "source": {
            "kind": "flow",
            "name": "normal",
            "account": {
                "new": 498_113,
                "cancel": 470_204,
                "replace": 31_683,
                "ioc": 24_001,
                "market": 9_870,
            },
        },
        "groups": [
            {"process": "front", "stages": ["receive", "gateway"], "core": 0, "pid": 4211},
            {"process": "back", "stages": ["matcher", "gate", "replies"], "core": 1, "pid": 4212},
            {"process": "journal", "stages": ["journal"], "core": None, "pid": 4213},
        ],
        "restarts": [],
        "interrupted": False,
        "rejects": {"UNKNOWN_ORDER": 12_318, "WOULD_CROSS": 1_204, "GATEWAY": 377},
        "event_kinds": {
            "ACCEPTED": 484_209,
            "FILLED": 364_782,
            "CANCELLED": 418_001,
            "REPLACED": 31_516,
            "REJECTED": 13_899,
        },
        "timeline": sample_timeline(random, 10, 100_000),
        "depth": {
            "OUTCRY": {
                "bids": sample_side(random, 9_998, -1),
                "asks": sample_side(random, 10_001, 1),
            }
        },
        "prepare": {"compile_s": 1.84, "flow_s": 0.412, "journal_s": 0.063},
        "host": {
            "cpu_model": "Imaginary 9000 (2 cores)",
            "architecture": "x86_64",
            "cores_online": 2,
            "cores_physical": 2,
            "cores_usable": 2,
            "cores_isolated": "",
            "governor": None,
            "clock_source": "tsc",
            "memory_bytes": 8_203_571_200,
            "hypervisor": True,
            "virtualisation": None,
            "kernel": "6.1.0-18-amd64",
            "os": "Debian GNU/Linux 12 (bookworm)",
            "python": "3.11.7",
            "numba": "0.68.1",
            "root": False,
        },
    }


VOID = {"meta", "br", "hr", "img", "input", "link", "path"}


class Page(HTMLParser):
    """The page's elements and text; fails on a tag that is closed out of turn."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.texts = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID or (tag == "path" and not self.get_starttag_text().endswith("/>")):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self):
        """What a reader reads, with single spaces."""
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def sample():
    return sample_result()


@pytest.fixture(scope="module")
def page(sample):
    return Page(render(sample))


def test_headline_figures_are_on_the_page(page):
    """Commands, rate, trades, losses and the replay's outcome, as a person writes numbers."""
    for text in (
        "1,000,000 commands",
        "99,960 commands a second",
        "182,391 trades",
        "0 commands lost",
        "equal replay of the journal",
        "✓ Nothing lost",
        "✓ Nothing doubled",
        "✓ Replay equal, bit for bit",
    ):
        assert text in page.text


def test_every_stage_names_its_span_and_its_percentiles(sample, page):
    """Each latency row says from what to what, then p50, p90, p99, p99.9, max and the count."""
    for stage in sample["stages"]:
        figures = [duration(stage[key]) for key in ("p50", "p90", "p99", "p999", "max")]
        span = stage["span"].replace("->", "→")
        row = " ".join([stage["name"], span, span, *figures, f"{stage['count']:,}"])
        assert row in page.text


def test_the_rest_of_the_run_is_on_the_page(page):
    """Book, processes, rejects, account, journal, preparation and host are told."""
    for text in (
        "OUTCRY · spread 3 ticks",
        "front receive → gateway 0 4211",
        "journal journal any 4213",
        "Unknown order 12,318 88.6 %",
        "Accepted 484,209",
        "Cancel 470,204",
        "IOC 24,001",
        "Folder run-journal Size 61.8 MiB Blocks 9,871 Segments 1",
        "Kernels compiled or loaded 1.84 s",
        "Processor Imaginary 9000 (2 cores)",
        "Memory 7.6 GiB",
        "Frequency governor not known",
        "Isolated cores none",
        "Rate 100,000 commands a second",
        "an event leaves only after its command is on disk",
    ):
        assert text in page.text
    assert "Restarts" not in page.text


def test_the_page_loads_nothing(sample, page):
    """No element, style or address makes a browser ask for anything, and the page forbids it."""
    html = render(sample)
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.elements}
    loading = {"src", "href", "srcset", "data", "action", "background", "xlink:href"}
    assert not [attrs for _, attrs in page.elements if loading & set(attrs)]
    assert not re.search(r"https?:|url\(|@import|@font-face", html)
    policies = [a for tag, a in page.elements if tag == "meta" and "http-equiv" in a]
    assert policies[0]["content"].startswith("default-src 'none'")


def test_the_page_suits_phone_dark_and_paper(sample, page):
    """A viewport, both colour schemes, a print style; every table scrolls in a box of its own, and
    each chart exists for wide and for narrow pages."""
    html = render(sample)
    viewport = [a for tag, a in page.elements if a.get("name") == "viewport"]
    assert viewport[0]["content"] == "width=device-width, initial-scale=1"
    assert "@media (prefers-color-scheme: dark)" in html
    assert "@media print" in html
    assert html.count("<table") == html.count('<div class="scroll"><table')
    assert html.count('<svg class="wide"') == html.count('<svg class="narrow"') == 4


def test_every_colour_a_series_uses_is_declared(sample):
    """No chart line is left without a colour, on light, dark or paper."""
    html = render(sample)
    style = html[: html.index("</style>")]
    used = set(re.findall(r'class="(?:line|area|chip) (\w+)"', html))
    assert {"s0", "ink", "bid", "ask", "target"} <= used
    for css in used:
        assert re.search(rf"\.{css} \{{ --c: var\(--\w+\); \}}", style), css
    for name in set(re.findall(r"var\((--\w+)\)", style)) - {"--c"}:
        assert len(re.findall(rf"{name}: #", style)) == 3, name


def test_a_bad_run_says_so(sample):
    """Losses, doublings, a differing replay, restarts and an early stop are not overlooked."""
    result = copy.deepcopy(sample)
    result |= {"lost": 12, "duplicated": 3, "interrupted": True}
    result["replay"]["equal"] = False
    result["restarts"] = [
        {"stage": "matcher", "pid": 4212, "why": "killed by SIGKILL", "at_s": 3.2, "resumed_s": 3.5}
    ]
    text = Page(render(result)).text
    for expected in (
        "✗ 12 commands lost",
        "✗ 3 events doubled",
        "✗ Replay differs",
        "1 restart",
        "Stopped before its end",
        "matcher killed by SIGKILL 3.20 s 3.50 s 4212",
    ):
        assert expected in text
    assert "✓" not in text


def test_a_memory_only_run_is_called_that(sample):
    """Without durability the page says what an acknowledgement is worth, and that there is no
    journal to replay."""
    result = sample | {"durability": "none", "journal": None, "replay": None, "rate": None}
    text = Page(render(result)).text
    assert "memory-only acknowledgement" in text
    assert "No journal was written." in text
    assert "Not replayed" in text
    assert "as fast as it goes" in text
    assert "these times hold the waiting in full rings" in text
    assert "meant to be sent" not in text


@pytest.mark.parametrize("key", sorted(sample_result()))
def test_a_page_comes_out_without_any_one_part(sample, key):
    """Whatever part of the result is None or missing, the rest still makes a whole page."""
    for result in (sample | {key: None}, {k: v for k, v in sample.items() if k != key}):
        text = Page(render(result)).text
        assert "Latency by stage" in text
        assert "None" not in text.replace("None.", "")


def test_an_empty_run_is_a_page():
    """A run of nothing: no stage timed, no book, no throughput, and no division by zero."""
    stage = {"name": "whole", "span": "a -> b", "count": 0, "p50": None, "histogram": []}
    result = {"commands": 0, "seconds": 0.0, "rate": 5, "stages": [stage], "timeline": []}
    result |= {"depth": {"OUTCRY": {"bids": [], "asks": []}}, "rejects": {}, "event_kinds": {}}
    text = Page(render(result)).text
    assert "0 commands in 0 s" in text
    assert "whole a → b a → b – – – – – 0" in text
    assert "Empty: no order was left open." in text
    assert "Too few moments" in text


def test_text_from_outside_is_escaped(sample):
    """A symbol, a path or a reason that looks like markup is shown, not obeyed."""
    evil = "<script>alert(1)</script>\"'&"
    result = copy.deepcopy(sample)
    result["depth"] = {evil: result["depth"]["OUTCRY"]}
    result["journal"]["path"] = evil
    result["source"] = {"kind": evil, "name": evil, "account": {evil: {evil: evil}}}
    result["rejects"] = {evil: 1}
    result["host"] = {evil: evil}
    result["stages"][0] |= {"name": evil, "span": evil}
    result["timeline"][0]["fill"] = {evil: 0.5}
    html = render(result)
    shown = Page(html)
    assert "script" not in {tag for tag, _ in shown.elements}
    assert shown.text.count("<script>alert(1)</script>") >= 8
    assert "<script" not in html


def test_many_books_are_counted_not_drawn(sample):
    """The deepest four are shown, and how many more there were is said."""
    thin = {"bids": [[1, 1, 1]], "asks": []}
    depth = {f"S{number}": thin for number in range(9)} | sample["depth"]
    text = Page(render(sample | {"depth": depth})).text
    assert "OUTCRY · spread 3 ticks" in text
    assert "6 more books are not shown." in text


def test_the_curve_goes_through_the_percentiles():
    """At 50, 90, 99 and 99.9 per cent the curve stands where the sorted values do, and it ends on
    the maximum with half a value left."""
    values = np.arange(1, 10_001)
    points = charts.percentile_points([[int(v), 1] for v in values], 10_000)
    for q, value in ((0.5, 5_000), (0.9, 9_000), (0.99, 9_900), (0.999, 9_990)):
        nines = -np.log10(1 - q)
        reached = [y for x, y in points if x <= nines + 1e-9]
        assert reached[-1] == pytest.approx(np.log10(value), abs=1e-3)
    assert points[0] == (0.0, 0.0)
    assert points[-1] == pytest.approx((np.log10(20_000), 4.0))


@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**6)), max_size=40))
def test_a_curve_only_rises(buckets):
    """Whatever the histogram, both coordinates never fall and every one is a number."""
    histogram = sorted({upper: [upper, count] for upper, count in buckets}.values())
    points = charts.percentile_points(histogram, None)
    assert bool(points) == any(count for _, count in histogram)
    assert points == sorted(points)
    assert np.isfinite(np.array(points)).all()


def test_the_last_bucket_ends_at_the_maximum():
    """A bucket's upper edge beyond the largest value seen is not drawn."""
    points = charts.percentile_points([[100, 5], [127, 5]], 110)
    assert points[-1][1] == pytest.approx(np.log10(110))


def coordinates(svg, css):
    """The points of the first line of that class in a chart, in SVG units."""
    (path,) = re.findall(rf'class="line {css}" d="([^"]*)"', svg)[:1]
    return [tuple(map(float, point)) for point in re.findall(r"([\d.-]+) ([\d.-]+)", path)]


def test_lines_stay_inside_the_axes():
    """Readings of 0 ns below the body of a curve, and a ring whose racing cursors read as less
    than empty, are drawn on the axis, not below it."""
    width, height = charts.WIDE
    bottom = height - charts.Frame(charts.WIDE, (0, 1), (0, 1), "", "").bottom
    stage = {"name": "a", "histogram": [[0, 1], [1_000, 90], [2_000, 9]], "max": 2_000}
    latency = str(charts.percentile_chart([stage]))
    timeline = [{"t_s": t, "fill": {"lane": fill}} for t, fill in ((1, 0.2), (2, -0.1), (3, 0.1))]
    for svg in (latency, str(charts.fill_chart(timeline))):
        points = coordinates(svg, "s0")
        assert all(0 <= x <= width and 0 <= y <= bottom for x, y in points)
        assert max(y for _, y in points) == bottom
    assert "1 ns" not in latency


def test_merging_moments_keeps_every_command():
    """However many moments there are, the area under the drawn rates is the count at the end."""
    timeline = [{"t_s": n / 10, "commands": n * n, "events": 2 * n} for n in range(1, 2_000)]
    moments = charts._merged(timeline)
    assert len(moments) <= charts.MAX_POINTS + 1
    for key in ("commands", "events"):
        steps = charts._rates(moments, key)
        pairs = zip(steps[::2], steps[1::2], strict=True)
        area = sum((end - start) * rate for (start, rate), (end, _) in pairs)
        assert area == pytest.approx(timeline[-1][key])


def test_a_moment_that_repeats_its_time_is_no_division_by_zero():
    """Two moments at one time make no interval."""
    moments = [{"t_s": 0.5, "commands": n, "events": n} for n in (1, 2)]
    assert charts.throughput_chart(moments, None) is not None
    assert charts.throughput_chart(moments[:1] * 2, None) is not None
    assert charts.throughput_chart([{"t_s": 0.0, "commands": 0, "events": 0}] * 2, None) is None


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 12), st.booleans())
def test_ticks_are_round_few_and_cover_the_range(low, width, count, whole):
    """They start at or below, end at or above, and are not more than asked for and two."""
    ticks = charts.nice_ticks(low, low + width, count, whole=whole)
    slack = 1e-6 * max(1.0, abs(low), width)
    assert ticks[0] <= low + slack
    assert ticks[-1] >= low + width - slack
    assert 2 <= len(ticks) <= count + 3
    if whole:
        assert all(tick == round(tick) for tick in ticks)


def test_a_report_replaces_the_one_before_it(sample, tmp_path):
    """The file is the rendered page in UTF-8, nothing is left beside it, and its mode is that of
    any file the user makes."""
    path = tmp_path / "report.html"
    path.write_text("old")
    write_report(sample, path)
    assert path.read_text(encoding="utf-8") == render(sample)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    (tmp_path / "plain").write_text("")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_link_to_a_report_is_followed(sample, tmp_path):
    """A symbolic link stays one; what it points to is written."""
    (tmp_path / "latest").symlink_to(tmp_path / "real.html")
    write_report(sample, tmp_path / "latest")
    assert (tmp_path / "latest").is_symlink()
    assert (tmp_path / "real.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_failed_write_leaves_the_old_report(sample, tmp_path, monkeypatch):
    """No space left: the error names the file and why, the old page stands, no part is left."""
    path = tmp_path / "report.html"
    path.write_text("old")

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutcryError, match=f"cannot write {re.escape(str(path))}: No space left"):
        write_report(sample, path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_a_place_that_cannot_be_written_is_named(sample, tmp_path):
    """A missing folder, a file for a folder, a folder for a file, and a device."""
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    cases = {
        tmp_path / "gone" / "r.html": f"there is no folder {tmp_path / 'gone'}",
        tmp_path / "file" / "r.html": "there is no folder",
        tmp_path / "folder": "is not a regular file",
        "/dev/null": "is not a regular file",
    }
    for path, why in cases.items():
        with pytest.raises(OutcryError) as caught:
            write_report(sample, path)
        assert str(caught.value).startswith(f"cannot write {path}: ")
        assert why in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_named(sample, tmp_path):
    """Permission denied is said with the path that was asked for."""
    tmp_path.chmod(0o500)
    with pytest.raises(OutcryError, match=r"cannot write .*r\.html: Permission denied"):
        write_report(sample, tmp_path / "r.html")
