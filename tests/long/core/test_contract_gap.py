"""A gap of 20 % among 10,000 leveraged participants, and what closing out half of them takes."""

import os
import time

from openoutcry.report.evidence import write_evidence
from openoutcry.risk import layout as lay
from tests.support.risk.contract_gap import Gap

COUNT, GAP_BPS = 10_000, 2_000


def test_ten_thousand_participants_are_closed_out_to_the_unit():
    """OUTCRY_GAP_EVIDENCE=1 writes the figures; they are of this machine, whatever else it does."""
    gap = Gap(COUNT, fund=5 * 10**5)
    began = time.process_time()
    core_s = gap.fall(GAP_BPS)
    all_s = time.process_time() - began
    view, balances = gap.view, gap.balances()
    assert sum(balances) == gap.paid_in
    assert view.deficits() == {}
    assert not view.cells[1::2, 0, lay.POSITION // 8].any()
    assert view.contracts.word("takeovers") == COUNT // 2
    figures = {
        "participants": COUNT,
        "closed_out": COUNT // 2,
        "units_lost": 0,
        "core_s": round(core_s, 2),
        "with_the_lane_s": round(all_s, 2),
    }
    print(figures)
    if os.environ.get("OUTCRY_GAP_EVIDENCE"):
        command = "make test-long ARGS=tests/long/core/test_contract_gap.py"
        write_evidence("contract_gap", figures, f"OUTCRY_GAP_EVIDENCE=1 {command}")
