# SPDX-License-Identifier: Apache-2.0
"""What FuseSoC's target ``sim`` runs: the tests of bench_agents, and an end that tells them apart.

cocotb leaves failed tests in ``results.xml`` and lets the simulator end with status 0, which is
then FuseSoC's as well.  This module looks into the file as the interpreter ends.
"""

import atexit
import os
import sys
from pathlib import Path
from xml.etree import ElementTree

RESULTS = Path(os.environ.get("COCOTB_RESULTS_FILE", "results.xml"))


def passed(results: Path) -> bool:
    """Did tests run, and all of them pass?"""
    if not results.exists():
        return False
    cases = list(ElementTree.parse(results).iter("testcase"))
    bad = [case for case in cases if case.find("failure") is not None]
    bad += [case for case in cases if case.find("error") is not None]
    return bool(cases) and not bad


@atexit.register
def leave() -> None:
    """End the interpreter with status 1 unless all tests passed."""
    if not passed(RESULTS):
        print("outcry: cocotb tests failed, or none ran", file=sys.stderr, flush=True)
        os._exit(1)


# In FuseSoC's folder the bench is in the same folder as this file. It comes last: if it cannot be
# imported, the function above is known already.
from bench_agents import *  # noqa: E402, F403
