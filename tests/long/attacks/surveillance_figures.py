"""Figures of docs/surveillance.md: accuracy, false alarms where nobody manipulates, evasion.

python -m …surveillance_figures accuracy [--markets 160] [--seed N] [--processes 2]
    [--evidence FILE]
python -m tests.long.attacks.surveillance_figures quiet [--orders 400000] [--evidence FILE]
python -m tests.long.attacks.surveillance_figures mixed [--seed N] [--evidence FILE]
python -m …surveillance_figures evasion [--seconds 3600] [--seed N] [--evidence F]
python -m …surveillance_figures other [--markets 20] [--seed N] [--processes 2] [--evidence F]
"""

import argparse
import json
import random
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.bench.surveillance_accuracy import (
    PATTERNS,
    RARE_CROWD,
    RARE_MINUTES,
    Accuracy,
    count,
    measure,
)
from openoutcry.flow import GeneratedFlow
from openoutcry.flow.bitstamp import BitstampSource
from openoutcry.flow.generate import FLOWS
from openoutcry.flow.lobster import LobsterSource
from openoutcry.flow.manipulators import ACTS, LIQUID, STYLES, manipulators
from openoutcry.journal.replay import instruments_to_json
from openoutcry.matcher import Engine
from openoutcry.surveillance.cases import fold
from openoutcry.surveillance.detect.state import Detectors
from openoutcry.surveillance.written import as_written
from openoutcry.wire.enums import CommandKind
from tests import ROOT
from tests.support.adversary.disasters import add_evidence
from tests.support.flow.mixed_market import MixedMarket

DATA = ROOT.parent / "shared" / "data"
PARTICIPANTS = 50
"""Among whom the orders of a recording, which names nobody, are dealt."""
A_THOUSANDTH_NS, BEGIN_NS = 1_000_000, 1_790_000_000 * 10**9


def dealt(commands: Any, rng: np.random.Generator, owners: dict[int, int]) -> None:
    """Give a recording's orders owners: each new order one of PARTICIPANTS, of whom few are busy;
    what changes an order is its owner's."""
    for row in commands:
        order_id = int(row["order_id"])
        if order_id not in owners:
            owners[order_id] = 1 + int(PARTICIPANTS * rng.random() ** 2)
        row["participant"] = owners[order_id]


def quiet_source(name: str, orders: int) -> tuple[Any, float]:
    """A source without manipulators, and how many ns lie between its commands."""
    if name in FLOWS:
        return GeneratedFlow(name, orders, 5), A_THOUSANDTH_NS
    if name == "bitstamp":
        return BitstampSource(DATA / "bitstamp" / "orders.csv.xz"), 5 * 3_600e9 / 50_414
    messages = DATA / "lobster_aapl_hour" / "messages.csv"
    return LobsterSource(messages), 3_600e9 / 91_997


def quiet(name: str, orders: int) -> dict[str, Any]:
    """Cases and alarms as written of a market in which nobody is known to manipulate."""
    source, apart_ns = quiet_source(name, orders)
    engine, rng, owners = Engine(source.instruments), np.random.default_rng(5), {}
    detectors = Detectors({"instruments": instruments_to_json(source.instruments)})
    parts, hits, seq = [], [], 1
    for chunk in source.chunks():
        chunk = chunk.copy()
        chunk["seq"] = np.arange(seq, seq + len(chunk))
        chunk["rx_ts_ns"] = BEGIN_NS + (chunk["seq"] * apart_ns).astype(np.int64)
        seq += len(chunk)
        if name not in FLOWS:
            dealt(chunk, rng, owners)
        events = engine.process(chunk)
        hits.append(detectors.watch(chunk, events))
        parts.append((chunk, events))
    commands = np.concatenate([part[0] for part in parts])
    all_hits = np.concatenate(hits)
    cases = fold(all_hits, detectors.symbols, [""] * len(all_hits))
    written = as_written(commands, np.concatenate([part[1] for part in parts]))
    who = len(set(commands["participant"].tolist()))
    return {
        "commands": len(commands),
        "hours": len(commands) * apart_ns / 3_600e9,
        "participants": who,
        "cases": len(cases),
        "cases_a_participant": len(cases) / who,
        "by_detector": dict(Counter(case.detector for case in cases)),
        "as_written": dict(Counter(alarm.rule for alarm in written)),
        "as_written_a_participant": len(written) / who,
    }


def mixed(name: str, seed: int) -> dict[str, Any]:
    """Every manipulator but the one of two markets in a flow or a recorded day: what was seen, and
    what each act gained (ticks times lots; of washes and spoofs in their own terms)."""
    minutes = 20 if name in FLOWS else 60
    source, apart_ns = quiet_source(name, 120_000)
    rng, owners = np.random.default_rng(seed), {}
    rows = np.concatenate([chunk.copy() for chunk in source.chunks()])
    if name in FLOWS:
        rows["participant"] %= np.uint16(90)
        rows["participant"] += np.uint16(1)
    else:
        rows = rows[: int(minutes * 60e9 / apart_ns)]
        dealt(rows, rng, owners)
    rows = rows[rows["kind"] != int(CommandKind.PHASE)]
    names = tuple(one for one in LIQUID if one != "cross")
    market = MixedMarket(seed, minutes, [manipulators(names)], rows, source.instruments)
    scores = Accuracy()
    cases = count(scores, seed, market)
    return {
        "commands": scores.commands,
        "seen": dict(scores.seen),
        "missed": dict(scores.missed),
        "false": dict(scores.wrong),
        "unlabelled": dict(scores.unlabelled),
        "gains": scores.profits,
        "acts_without_label": sorted({ACTS[one][1] for one in names} - set(scores.profits)),
        "cases": len(cases),
    }


def rare(seed: int) -> Accuracy:
    """One market in which acts are rare."""
    return measure([seed], minutes=RARE_MINUTES, crowd=RARE_CROWD)


def accuracy(seed: int, markets: int, processes: int) -> dict[str, Any]:
    """Return the accuracy on markets with seeds from ``seed`` on."""
    scores = Accuracy()
    with ProcessPoolExecutor(processes) as pool:
        for one in pool.map(rare, range(seed, seed + markets)):
            scores.join(one)
    setup = {"markets": markets, "seed": seed, "minutes": RARE_MINUTES, "crowd": RARE_CROWD}
    return scores.document() | setup | {"patterns": list(PATTERNS)}


def evasion(seconds: float, seed: int) -> dict[str, Any]:
    """Search the manipulators' styles for acts that gain and are not seen: draw a style beyond the
    ranges of STYLES, keep it if it gained unseen, and try changes of it (1+1 evolution)."""
    rng, end_s = random.Random(seed), time.monotonic() + seconds
    tried: Counter[str] = Counter()
    evasions: dict[str, list[dict[str, Any]]] = {name: [] for name in ACTS}
    best: dict[str, tuple[int, dict[str, float]]] = {}
    while time.monotonic() < end_s:
        name = rng.choice(list(ACTS))
        ranges = STYLES["wash" if name.startswith("wash") else name]
        style = best[name][1] if name in best and rng.random() < 0.5 else None
        style = {
            key: (
                style[key] * rng.uniform(0.7, 1.4) if style else rng.uniform(low * 0.3, high * 1.5)
            )
            for key, (low, high) in ranges.items()
        }
        tried[name] += 1
        market_seed = rng.randrange(2**31)
        outcome = measure([market_seed], (name,), {name: style})
        pattern = ACTS[name][1]
        gains = outcome.profits.get(pattern, [])
        unseen = outcome.missed[pattern] and not sum(outcome.right.values())
        if unseen and gains and gains[0] > 0:
            row = {
                "gain_ticks": gains[0],
                "market_seed": market_seed,
                "style": {key: round(value, 2) for key, value in style.items()},
            }
            evasions[name].append(row)
            if name not in best or gains[0] > best[name][0]:
                best[name] = gains[0], style
    return {
        "seconds": seconds,
        "seed": seed,
        "tried": dict(tried),
        "unseen_and_profitable": {name: len(rows) for name, rows in evasions.items()},
        "best": {
            name: sorted(rows, key=lambda row: -row["gain_ticks"])[:3]
            for name, rows in evasions.items()
            if rows
        },
    }


OTHER_MINUTES, OTHER_CROWD = 12, 60


def other_market(name: str, seed: int) -> Accuracy:
    """One market with one act of another make; no act: a clean day."""
    from openoutcry.flow.agent_market import AgentMarket
    from openoutcry.flow.lookalikes import honest
    from tests.support.surveillance.other_manipulators import other_manipulator

    scripts = [honest, other_manipulator(name)] if name else [honest]
    scores = Accuracy()
    count(scores, seed, AgentMarket(seed, OTHER_MINUTES, scripts, 1, OTHER_CROWD))
    return scores


def other(seed: int, markets: int, processes: int) -> dict[str, Any]:
    """Acts of tests/support/surveillance/other_manipulators.py, whose tactics are not those that
    the detectors were made on, in markets with seeds from ``seed`` on; and as many clean days."""
    from tests.support.surveillance.other_manipulators import KINDS

    names = [*KINDS, ""]
    jobs = [(name, seed + number) for name in names for number in range(markets)]
    scores = {name: Accuracy() for name in names}
    with ProcessPoolExecutor(processes) as pool:
        for (name, _), one in zip(
            jobs, pool.map(other_market, *zip(*jobs, strict=True)), strict=True
        ):
            scores[name].join(one)
    report: dict[str, Any] = {"seed": seed, "markets": markets, "minutes": OTHER_MINUTES}
    for name, kind in KINDS.items():
        seen, missed = (getattr(scores[name], what)[kind.pattern] for what in ("seen", "missed"))
        report[name] = {
            "pattern": kind.pattern,
            "acts": seen + missed,
            "seen": seen,
            "false": dict(scores[name].wrong),
        }
    clean = scores[""]
    report["clean days"] = {
        "markets": markets,
        "cases": sum(clean.wrong.values()),
        "by_detector": dict(clean.wrong),
    }
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["accuracy", "quiet", "mixed", "evasion", "other"])
    parser.add_argument("--markets", type=int, default=160)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--orders", type=int, default=400_000)
    parser.add_argument("--seconds", type=float, default=3_600)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    parser.add_argument("--evidence", type=Path, help="JSON file in which this becomes a section")
    given = parser.parse_args()
    if given.what == "accuracy":
        report = accuracy(given.seed, given.markets, given.processes)
    elif given.what == "other":
        report = other(given.seed, given.markets, given.processes)
    elif given.what == "evasion":
        report = evasion(given.seconds, given.seed)
    elif given.what == "mixed":
        names = [*FLOWS, *(n for n in ("bitstamp", "lobster") if DATA.exists())]
        report = {name: mixed(name, given.seed) for name in names} | {"seed": given.seed}
    else:
        names = [*FLOWS, *(n for n in ("bitstamp", "lobster") if DATA.exists())]
        report = {name: quiet(name, given.orders) for name in names}
    print(json.dumps(report, indent=1))
    if given.evidence:
        add_evidence(given.evidence, given.what, report)


if __name__ == "__main__":
    main()
