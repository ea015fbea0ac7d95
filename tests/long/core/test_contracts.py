"""Contracts over a hundred million hostile commands, with a look after every command: no unit is
created, no participant stays past its margin, and no solvent account is liquidated."""

import os
import time

import pytest

from openoutcry.report.evidence import write_evidence
from tests.support.risk.contract_loop import hostile_contracts
from tests.support.tally import Tally

TESTED = ("risk", "matcher", "derivatives", "wire", "tests/support/risk")
FLOW = 200_000
"""Commands of the flow in a seed; what the operator and liquidations add comes on top."""
COUNTED = ("commands", "accepted", "refused", "called", "parts", "fund_payments", "seizures")


@pytest.mark.long
def test_a_hundred_million_hostile_commands_create_nothing_and_liquidate_nobody_solvent():
    """OUTCRY_CONTRACTS_SECONDS stops it sooner, OUTCRY_TALLY is the folder from which the next call
    goes on, OUTCRY_CONTRACTS_EVIDENCE=1 writes its figures."""
    tally = Tally("contracts_hostile", TESTED)
    seconds = int(os.environ.get("OUTCRY_CONTRACTS_SECONDS", 0))
    started = before = time.monotonic()
    while tally.figures["commands"] < 100_000_000 and (not seconds or before - started < seconds):
        figures = hostile_contracts(FLOW, 1_000 + tally.seeds)
        now = time.monotonic()
        tally.add(1, **figures, seconds=now - before)
        before = now
    figures = {name: int(tally.figures[name]) for name in (*COUNTED, "takeovers", "batches")}
    figures |= {"rules_broken": 0, "seeds": tally.seeds, "seconds": round(tally.figures["seconds"])}
    print(figures)
    if os.environ.get("OUTCRY_CONTRACTS_EVIDENCE"):
        given = "OUTCRY_TALLY=FOLDER"
        command = f"{given} make test-long ARGS=tests/long/core/test_contracts.py"
        write_evidence("contracts_hostile", figures, command)
