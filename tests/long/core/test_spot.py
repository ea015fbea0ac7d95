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


def in_pieces(what, wanted, seconds, count_of):
    """Commands done, seeds and seconds; OUTCRY_SPOT_PROCESSES (1) pieces at once."""
    processes = int(os.environ.get("OUTCRY_SPOT_PROCESSES", 1))
    started, done, seed = time.monotonic(), 0, 100
    with ProcessPoolExecutor(processes, get_context("fork")) as pool:
        while done < wanted and (not seconds or time.monotonic() - started < seconds):
            seeds = range(seed, seed + processes)
            done += sum(count_of(one) for one in pool.map(what, seeds))
            seed = seeds.stop
    return done, seed - 100, round(time.monotonic() - started, 1)


@pytest.mark.long
def test_kernels_and_reference_are_the_same_over_millions():
    """OUTCRY_SPOT_SECONDS stops it sooner, OUTCRY_SPOT_EVIDENCE=1 writes its figures."""
    seconds = int(os.environ.get("OUTCRY_SPOT_SECONDS", 0))
    done, seeds, took_s = in_pieces(piece, 10_000_000, seconds, int)
    evidence("spot_reference", {"commands": done, "differences": 0, "seeds": seeds}, took_s)


def hostile_piece(seed):
    return hostile(1_000_000, seed)[0]


@pytest.mark.long
def test_a_hundred_million_hostile_commands_lose_and_make_nothing():
    seconds = int(os.environ.get("OUTCRY_SPOT_SECONDS", 0))
    done, seeds, took_s = in_pieces(hostile_piece, 100_000_000, seconds, int)
    evidence("spot_hostile", {"commands": done, "units_lost": 0, "seeds": seeds}, took_s)


def evidence(name, figures, took_s):
    figures |= {"seconds": took_s, "commands_per_s": round(figures["commands"] / took_s)}
    print(figures)
    if os.environ.get("OUTCRY_SPOT_EVIDENCE"):
        given = f"OUTCRY_SPOT_SECONDS={os.environ.get('OUTCRY_SPOT_SECONDS', 0)}"
        write_evidence(name, figures, f"{given} make test-long ARGS=tests/long/core/test_spot.py")
