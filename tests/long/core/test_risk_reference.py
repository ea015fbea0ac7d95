"""The kernels are the plain reference: every verdict, what it tells, and every word of the state,
around the real matcher, in flows with every order type, auctions, halts and changing limits; and
what is reserved is what the open orders need after every single command."""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from openoutcry.report.evidence import write_evidence
from tests.support.risk.risk_core import Operator
from tests.support.risk.risk_flow import instruments, mixed_commands
from tests.support.risk.risk_reference import pair, run, with_time


def piece(seed):
    """20,000 commands and more, every second seed with protection, two of four with a speed bump:
    how many, decisions, and who waited."""
    guarded, bumped = seed % 2 == 0, seed % 4 >= 2
    both = pair(protection=guarded, delayed=(64, 96)[seed // 4 % 2] * bumped)
    symbols = instruments()["symbol"].tolist()
    flow = mixed_commands(20_000, seed)
    if guarded:
        flow = with_time(flow, both, symbols, seed)
    operator = Operator(seed, both, symbols, protecting=0.9 if guarded else 0.0)
    run(both, flow, operator, 0.03, seed, 1_000)
    return both.seq, len(both.reference.protection.log) if guarded else 0, both.entered


@pytest.mark.long
def test_ten_million_mixed_commands():
    """In pieces, OUTCRY_RISK_PROCESSES (1) at once; OUTCRY_RISK_SECONDS stops it sooner,
    OUTCRY_RISK_EVIDENCE=1 writes docs/evidence/risk_reference.json."""
    limit = int(os.environ.get("OUTCRY_RISK_SECONDS", 0))
    processes = int(os.environ.get("OUTCRY_RISK_PROCESSES", 1))
    started, commands, seed, decisions, entered = time.monotonic(), 0, 100, 0, 0
    with ProcessPoolExecutor(processes, get_context("fork")) as pool:
        while commands < 10_000_000 and (not limit or time.monotonic() - started < limit):
            seeds = range(seed, seed + 2 * processes)
            for count, decided, waited in pool.map(piece, seeds):
                commands, decisions = commands + count, decisions + decided
                entered += waited
            seed = seeds.stop
    took_s = time.monotonic() - started
    figures = {
        "commands": commands,
        "differences": 0,
        "first_seed": 100,
        "last_seed": seed - 1,
        "protection_decisions": decisions,
        "entered_from_the_speed_bump": entered,
        "processes": processes,
        "seconds": round(took_s, 1),
        "commands_per_s": round(commands / took_s),
    }
    print(figures)
    if os.environ.get("OUTCRY_RISK_EVIDENCE"):
        given = f"OUTCRY_RISK_SECONDS={limit} OUTCRY_RISK_PROCESSES={processes}"
        command = "make test-long ARGS=tests/long/core/test_risk_reference.py"
        write_evidence("risk_reference", figures, f"{given} {command}")
