"""Spot accounting over millions of commands: the kernels are the plain reference, and no unit of an
asset is lost or made, whatever is asked."""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from openoutcry.report.evidence import write_evidence
from tests.support.risk.movements import MovementOperator, movement_pair
from tests.support.risk.risk_flow import instruments, mixed_commands
from tests.support.risk.spot import funded, run_spot
from tests.support.risk.spot_loop import hostile
from tests.support.tally import Tally

TESTED = ("risk", "matcher", "wire", "tests/oracles/risk", "tests/support/risk")
HOSTILE = 500_000
"""Commands of a seed."""


def piece(seed):
    """4,000 commands and more, every second seed with a speed bump, every third without limits;
    among the operator's a third are of deposits and withdrawals with a life cycle."""
    both = movement_pair(requests=64, movements=32, delayed=64 * (seed % 2))
    funded(both, 10 ** (6 + seed % 4))
    symbols = instruments()["symbol"].tolist()
    share = 1.0 if seed % 3 == 0 else 0.5
    operator = MovementOperator(seed, both, symbols, share=share, moving=0.3)
    run_spot(both, mixed_commands(4_000, seed), operator, 0.1, seed, 100)
    return both.seq


def in_pieces(what, wanted, tally):
    """Seeds until there are so many commands, in all calls, or this one has taken
    OUTCRY_SPOT_SECONDS; OUTCRY_SPOT_PROCESSES (1) of them at once."""
    processes = int(os.environ.get("OUTCRY_SPOT_PROCESSES", 1))
    seconds = int(os.environ.get("OUTCRY_SPOT_SECONDS", 0))
    started = before = time.monotonic()
    with ProcessPoolExecutor(processes, get_context("fork")) as pool:
        while tally.figures["commands"] < wanted and (not seconds or before - started < seconds):
            first = 100 + tally.seeds
            done = sum(pool.map(what, range(first, first + processes)))
            now = time.monotonic()
            tally.add(processes, commands=done, seconds=now - before)
            before = now


@pytest.mark.long
def test_kernels_and_reference_are_the_same_over_millions():
    """OUTCRY_SPOT_SECONDS stops it sooner, OUTCRY_TALLY is the folder from which the next call goes
    on, OUTCRY_SPOT_EVIDENCE=1 writes its figures."""
    tally = Tally("spot_reference", TESTED)
    in_pieces(piece, 10_000_000, tally)
    evidence(tally, "spot_reference", differences=0)


def hostile_piece(seed):
    return hostile(HOSTILE, seed)[0]


@pytest.mark.long
def test_a_hundred_million_hostile_commands_lose_and_make_nothing():
    tally = Tally("spot_hostile", TESTED)
    in_pieces(hostile_piece, 100_000_000, tally)
    evidence(tally, "spot_hostile", units_lost=0)


def evidence(tally, name, **found):
    commands, seconds = int(tally.figures["commands"]), tally.figures["seconds"]
    figures = {"commands": commands, **found, "seeds": tally.seeds, "seconds": round(seconds, 1)}
    figures["commands_per_s"] = round(commands / max(seconds, 1e-9))
    print(figures)
    if os.environ.get("OUTCRY_SPOT_EVIDENCE"):
        given = "OUTCRY_TALLY=FOLDER OUTCRY_SPOT_SECONDS=600"
        write_evidence(name, figures, f"{given} make test-long ARGS=tests/long/core/test_spot.py")
